"""Reasons and what-ifs on real posts: seconds, deletion test, and which levers held-out posts bear out.

    python benchmarks/reasons.py statuses_train.csv.gz --label num_reactions --author page --time status_published \\
        --text status_message --category status_type --leave-out num_comments ... --rows 5000

It fits a Forecaster on the newest rows but the last ``--asked``, which it then explains. One processor core is enough.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import asdict
from pathlib import Path

import orjson
import polars as pl

import popcast
from popcast.api.posts_given import given_rows
from popcast.serving.asked_posts import asked_posts
from popcast.serving.reasons.deletion_test import deletion_test
from stages import THREADS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("posts", type=Path)
    for name in ("label", "author", "time", "id", "tags"):
        parser.add_argument(f"--{name}")
    for name in ("text", "category", "numbers", "posthoc", "leave-out"):
        parser.add_argument(f"--{name}", nargs="*")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--asked", type=int, default=100)
    parser.add_argument("--budget", default="2m")
    parser.add_argument("--epoch", action="store_true", help="times are seconds since 1970")
    parser.add_argument("--save", type=Path, help="keep the bundle")
    given = vars(parser.parse_args())
    rows, asked, file, save = (given.pop(name) for name in ("rows", "asked", "posts", "save"))
    if given.pop("epoch"):
        given["table"] = {"time_format": "epoch"}
    given = {name: value for name, value in given.items() if value is not None}
    warnings.simplefilter("ignore")
    table = given_rows(file, None).columns.sort(given["time"])[-rows - asked :]
    start = time.perf_counter()
    fitted = popcast.Forecaster(**given).fit(table[:rows])
    print(f"fitted on {rows} posts in {time.perf_counter() - start:.0f} s: {fitted.members_}")
    if save is not None:
        fitted.save(save)
    forecast = fitted.forecast_
    drafts = asked_posts(given_rows(table[rows:].drop(given["label"]), None), forecast.contents).posts
    report(forecast, drafts)


def report(forecast, drafts: pl.DataFrame) -> None:
    for words in (False, True):
        start = time.perf_counter()
        found = [forecast.explain(drafts[i : i + 1], words=words)[0] for i in range(10)]
        print(f"explain, words {words}: {(time.perf_counter() - start) / 10:.2f} s per post, one at a time")
    start = time.perf_counter()
    answer = forecast.what_if(drafts[:1])
    print(f"what-if: {time.perf_counter() - start:.2f} s")
    print(*found[:2], answer, sep="\n")
    print("levers", orjson.dumps(orjson.loads(forecast.files["what_if.json"])["levers"]).decode())
    start = time.perf_counter()
    print(f"deletion: {asdict(deletion_test(forecast, drafts, forecast.contents.seed))}")
    print(f"in {time.perf_counter() - start:.0f} s, {THREADS} threads")


if __name__ == "__main__":
    main()
