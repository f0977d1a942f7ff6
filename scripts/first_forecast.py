"""A first forecast from a csv, as scripts/try_wheel.sh runs it in an empty environment.

``python scripts/first_forecast.py`` writes into the current folder.
"""

from __future__ import annotations

import csv
import math
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import popcast

WORDS = {"goal": 2.0, "final": 1.5, "sunset": 1.0, "coffee": 0.0, "monday": -1.0, "parking": -2.0}


def write_posts(path: Path, posts: int = 600, unpublished: int = 10) -> None:
    """Posts of 30 accounts whose likes follow the account and its words; the last ones are not out yet."""
    draw = random.Random(7)
    followers = {f"account{n}": int(10 ** draw.uniform(2, 5)) for n in range(30)}
    start = datetime(2025, 1, 1, tzinfo=UTC)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["post_id", "username", "created_at", "caption", "followers", "likes"])
        for n in range(posts):
            author = draw.choice(list(followers))
            words = draw.sample(list(WORDS), 3)
            mean = math.log2(followers[author]) / 2 + sum(WORDS[word] for word in words) + draw.gauss(0, 0.5)
            likes = "" if n >= posts - unpublished else max(0, round(2**mean))
            time = (start + timedelta(hours=7 * n)).isoformat()
            rows.writerow([f"p{n}", author, time, " ".join(words), followers[author], likes])


def main() -> None:
    write_posts(Path("posts.csv"))
    forecaster = popcast.Forecaster(label="likes", author="username", time="created_at", text="caption", budget="1m")
    forecaster.fit("posts.csv")
    print(forecaster.leaderboard())
    forecasts = forecaster.predict([{"username": "account3", "created_at": "2025-09-01", "caption": "goal final"}])
    print(forecasts)
    forecaster.save("kept")
    again = popcast.load("kept").predict("posts.csv")
    print(f"{len(again)} forecasts of the loaded forecaster")
    assert "site-packages" in popcast.__file__ or "src" in popcast.__file__
    print("heavy libraries loaded:", sorted({"torch", "transformers", "dvc", "sklearn", "pandas"} & set(sys.modules)))


if __name__ == "__main__":
    main()
