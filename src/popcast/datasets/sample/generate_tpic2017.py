"""Generated TPIC2017: four whitespace files, not line-aligned (recipe: datasets.md 2.2, 2.4).

The label distribution of the real set was not available: these statistics are choices, not measurements.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from popcast.datasets.sample import Tpic2017
from popcast.datasets.sample.random_draws import mixed, standardised, stream, zipf_weights

START, DAYS = np.datetime64("2007-01-01"), 730
MEAN, SPREAD = 4.6, 2.2
SHARES = {
    "avgview": 0.30, "course": 0.22, "tagcount": 0.07, "groupcount": 0.05, "deslen": 0.03, "people": 0.02,
    "hour": 0.03, "noise": 0.28,
}  # fmt: skip
"""Shares of the variance of the label; ``course`` is the AR(1) of each user over time."""
PERSISTENCE = 0.85
"""Correlation of a user's course from post to post."""
NAMES = {
    "readme": {"user": "USER_META.txt", "label": "LABEL.txt", "time": "TIME_FLAG.txt", "url": "PHOTO_URL.txt"},
    "zip": {"user": "USER_META.txt", "label": "LABELS.txt", "time": "TIMEFLAG.txt", "url": "PHOTOURL.txt"},
}
HOUR_WEIGHTS = (0.03, 0.12, 0.20, 0.23, 0.27, 0.15)
"""Shares of the six buckets; bucket 0 is 02 to 06 h."""


def write(params: Tpic2017, seed: int, dataset: str, raw: Path) -> dict[str, float]:
    """Write the four files. Every post has its label, so nothing is withheld."""
    columns = draw(params, seed, dataset)
    n = params.posts
    keys = [f"{pid}\t{uid}" for pid, uid in zip(columns["pid"].tolist(), columns["uid"].tolist(), strict=True)]
    tables = {
        "user": (
            "pid uid commentcount haspeople titlelen deslen tagcount avgview groupcount avgmembercount",
            ("commentcount", "haspeople", "titlelen", "deslen", "tagcount", "avgview", "groupcount", "avgmembercount"),
        ),
        "label": ("pid uid logviews" if params.naming == "zip" else "pid uid logview", ("logviews",)),
        "time": ("pid uid year month day hour_index", ("year", "month", "day", "hour_index")),
        "url": ("pid uid url", ("url",)),
    }
    for name, (header, fields) in tables.items():
        values = zip(keys, *(columns[field].tolist() for field in fields), strict=True)
        lines = ["\t".join(map(str, row)) for row in values]
        order = stream(seed, dataset, "order", name).permutation(n)
        if name == "time":
            order = order[order != n // 2]
        body = "\n".join([header, *(lines[row] for row in order)])
        (raw / NAMES[params.naming][name]).write_text(body + "\n", encoding="utf-8")
    return {}


def draw(params: Tpic2017, seed: int, dataset: str) -> dict[str, np.ndarray]:
    """Columns of the posts, arrays [n], in time order within each user. ``logviews`` and ``avgview`` as strings."""
    rng = stream(seed, dataset, "posts")
    n, users = params.posts, params.users
    once = rng.permutation(users)[: min(users, n // 3)]
    rest = rng.permutation(users)[rng.choice(users, n - len(once), p=zipf_weights(users, 0.8))]
    user = np.sort(np.concatenate([once, rest]))
    day = rng.integers(0, DAYS, n)
    hour = rng.choice(6, n, p=HOUR_WEIGHTS)
    order = np.lexsort((hour, day, user))
    day, hour = day[order], hour[order]
    year = day // 365

    log_view = rng.normal(6.0, 1.5, users)
    groups = np.exp(rng.normal(3.5, 1.3, (users, 2))).astype(int)
    members = np.exp(rng.normal(7.5, 0.8, (users, 2))).round()
    tags = np.clip(np.exp(rng.normal(1.7, 0.7, users)[user] + 0.5 * rng.standard_normal(n)), 0, 75).astype(int)
    described = rng.random(n) < 0.45
    length = np.where(described, np.exp(rng.normal(4.4, 0.9, n)), 0).astype(int)
    people = rng.random(n) < 0.12
    parts = {
        "avgview": log_view[user],
        "course": course(user, rng.standard_normal(n)),
        "tagcount": np.log1p(tags),
        "groupcount": np.log1p(groups[user, year]),
        "deslen": np.log1p(length),
        "people": people.astype(float),
        "hour": np.cos(2 * np.pi * (hour - 4) / 6),
        "noise": rng.standard_normal(n),
    }
    label = np.round(np.maximum(0.0, MEAN + SPREAD * mixed(parts, SHARES)), 2)
    own = np.bincount(user, weights=label, minlength=users) / np.maximum(1, np.bincount(user, minlength=users))
    avgview = 2 ** (0.7 * own + 0.3 * (MEAN + standardised(log_view)) + 0.3 * rng.standard_normal(users))
    date = START + day
    pid = 500_000 + np.cumsum(rng.integers(1, 9, n))[rng.permutation(n)]
    parts_of_date = [np.array([getattr(d, field) for d in date.tolist()]) for field in ("year", "month", "day")]
    pages = zip(user.tolist(), pid.tolist(), strict=True)
    return {
        "pid": pid,
        "uid": np.array([f"{u * 3 + 11}@N{u % 47:02d}" for u in user.tolist()]),
        "commentcount": rng.poisson(np.clip(2 ** (label - 4.5), 0, 500)),
        "haspeople": people.astype(int),
        "titlelen": np.clip(rng.normal(18, 9, n), 0, 90).astype(int),
        "deslen": length,
        "tagcount": tags,
        "avgview": np.array([f"{value:.2f}" for value in avgview.tolist()])[user],
        "groupcount": groups[user, year],
        "avgmembercount": members[user, year].astype(int),
        "year": parts_of_date[0],
        "month": parts_of_date[1],
        "day": parts_of_date[2],
        "hour_index": hour,
        "logviews": np.array([f"{value:.2f}" for value in label.tolist()]),
        "url": np.array([f"https://www.example.org/photos/{u:07d}@N00/{p:010d}" for u, p in pages]),
    }


def course(user: np.ndarray, shocks: np.ndarray) -> np.ndarray:
    """Standard AR(1) [n] along the posts of each user; ``user`` [n] sorted, posts of a user in time order."""
    values = shocks.copy()
    for row in range(1, len(values)):
        if user[row] == user[row - 1]:
            values[row] = PERSISTENCE * values[row - 1] + np.sqrt(1 - PERSISTENCE**2) * shocks[row]
    return values
