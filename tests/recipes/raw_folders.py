"""Small generated raw folders in the layout of every dataset that a recipe reads. All posts are invented."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from popcast.datasets import sample
from tests.datasets import test_smp_video
from tests.generated import WORDS
from tests.response import test_importing_ced

SIZES = {
    "smpd": {"posts": 420, "users": 40, "unlabelled": 60, "image_size": 32},
    "tpic2017": {"posts": 300, "users": 30},
    "microlens": {"videos": 120, "media": False},
    "nus": {"videos": 80, "users": 10, "frames": 6},
}
"""Sizes of generated samples."""
REACTIONS = ("loves", "wows", "hahas", "sads", "angrys")
AUTHORS, POSTS = 24, 12
"""Authors of a table, and labelled posts of each."""


def words(rng: np.random.Generator, most: int = 6) -> list[str]:
    return [str(word) for word in rng.choice(WORDS, rng.integers(1, most))]


def counts(rng: np.random.Generator, author: int) -> dict[str, int]:
    """Plays or reactions that the author has a say in, likes, comments and shares."""
    main = int(np.exp(rng.normal(4 + author % 5, 0.8)))
    return {"main": main, "likes": main // 3, "comments": main // 20, "shares": main // 50}


def write_csv(rows: list[dict[str, object]], path: Path) -> None:
    with gzip.open(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def facebook_pages(raw: Path) -> None:
    """statuses_train.csv.gz over 95 days, statuses_test.csv.gz over the next 21 without counts."""
    rng, rows = np.random.default_rng(1), {"train": [], "test": []}
    for author in range(AUTHORS):
        for part, many, first, days in (("train", POSTS, 0, 95), ("test", 3, 96, 20)):
            for post in range(many):
                when = datetime(2016, 2, 24) + timedelta(days=first + float(rng.uniform(0, days)))
                row = {
                    "status_id": f"{author}_{part}_{post}",
                    "page": f"page{author}",
                    "status_type": str(rng.choice(["link", "video", "photo"])),
                    "status_published": f"{when:%Y-%m-%d %H:%M:%S}",
                    "status_message": " ".join(words(rng)) if rng.random() < 0.9 else "",
                    "link_name": " ".join(words(rng)) if rng.random() < 0.5 else "",
                }
                of = counts(rng, author)
                known = {"num_reactions": of["main"], "num_comments": of["comments"], "num_shares": of["shares"]}
                known |= {f"num_{name}": int(rng.poisson(2 + author % 5)) for name in REACTIONS}
                rows[part].append(row | (known if part == "train" else {}))
    for part, table in rows.items():
        write_csv(table, raw / f"statuses_{part}.csv.gz")


def tiktok_creators(raw: Path) -> None:
    """videos_train.csv.gz, and videos_test.csv.gz with the newest video of every third creator."""
    rng, rows = np.random.default_rng(2), {"train": [], "test": []}
    read = int(datetime(2020, 11, 8, 2, tzinfo=UTC).timestamp())
    for author in range(AUTHORS):
        newest = 0.0
        for post in range(POSTS, -1, -1):  # the oldest last
            newest += float(rng.uniform(0.5, 6))
            part = "test" if post == POSTS and author % 3 == 0 else "train"
            row = {
                "id": str(6_800_000_000 + 100 * author + post),
                "create_time": read - int(86400 * newest),
                "user": f"u{author}",
                "hashtags": str(words(rng, 4)),
                "song": "original sound" if rng.random() < 0.5 else " ".join(words(rng, 4)),
                "video_length": int(rng.integers(5, 60)),
            }
            of = counts(rng, author)
            known = {
                "n_plays": of["main"],
                "n_likes": of["likes"],
                "n_comments": of["comments"],
                "n_shares": of["shares"],
            }
            rows[part].append(row | (known if part == "train" else {}))
    for part, table in rows.items():
        write_csv(table, raw / f"videos_{part}.csv.gz")


def smp_video(raw: Path) -> None:
    """train/ and test/ of the challenge's JSON lines."""
    rng, start = np.random.default_rng(3), datetime(2023, 1, 1)
    for split, many in (("train", 260), ("test", 40)):
        found: dict[str, list[dict]] = {"posts": [], "users": [], "videos": [], "popularity": []}
        for author in range(AUTHORS):
            found["users"].append(test_smp_video.user(f"U{author}", int(rng.integers(100, 10**6))))
        for number in range(many):
            pid, author = f"P{split}{number}", int(rng.integers(0, AUTHORS))
            when = start + timedelta(hours=6 * number + (0 if split == "train" else 6 * 260))
            said = {"post_time": f"{when:%Y-%m-%d %H:%M}", "post_suggested_words": words(rng, 3)}
            found["posts"].append(test_smp_video.post(pid, f"U{author}", ",".join(words(rng)), **said))
            found["videos"].append(test_smp_video.video(pid, f"U{author}", " ".join(words(rng, 4))))
            label = round(float(np.clip(rng.normal(4 + author % 5, 1), 1, 16)), 2)
            found["popularity"].append({"pid": pid, "uid": f"U{author}", "popularity": label})
        test_smp_video.write(raw, split, **found)


def generated(kind: str) -> Callable[[Path], None]:
    """The project's own generator of a layout."""

    def write(raw: Path) -> None:
        sample.generate(kind, {"kind": kind, **SIZES[kind]}, 5, raw, raw.with_name(f"{raw.name}-hidden.csv"))

    return write


MAKERS = {
    "facebook_pages": facebook_pages,
    "facebook_rules": facebook_pages,
    "tiktok_creators": tiktok_creators,
    "smp_video": smp_video,
    "ced_weibo": test_importing_ced.folder,
    **{kind: generated(kind) for kind in SIZES},
}
"""Dataset of a recipe -> what writes its raw folder."""


def write(dataset: str, raw: Path) -> None:
    raw.mkdir(parents=True, exist_ok=True)
    MAKERS[dataset](raw)
