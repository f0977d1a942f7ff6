"""A first forecast from a csv, as scripts/try_wheel.sh runs it in an empty environment.

``python scripts/first_forecast.py`` writes into the current folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

import popcast
from popcast.datasets.sample.made_export import write_export


def main() -> None:
    write_export(Path("posts.csv"), posts=400)
    forecaster = popcast.Forecaster(label="likes", author="username", time="created_at", text="caption", budget="30s")
    forecaster.fit("posts.csv")
    print(forecaster.leaderboard().select("model", "weight", "value"))
    print(forecaster.predict([{"username": "account_03", "created_at": "2025-09-01", "caption": "goal final"}]))
    forecaster.save("kept")
    print(f"{len(popcast.load('kept').predict('posts.csv'))} forecasts of the loaded forecaster")
    print("optional libraries loaded:", sorted({"torch", "transformers", "dvc"} & set(sys.modules)))


if __name__ == "__main__":
    main()
