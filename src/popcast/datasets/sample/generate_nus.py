"""Generated NUS (Vine): the layout of popcast.datasets.nus with invented rows; no statistic of Vine was available.

A video's score is a standardised sum: author, pair of topic words, mood words, looks and motion of the video, noise.
log2(mean count + 1) is a normal of mean 6 and standard deviation 2.7: the latter is the error of a constant in the
published log (mmra.md section 10), the rest are choices. Loops are nearly all of the mean, as they were on Vine.
"""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import numpy as np

from popcast.core.engine import map_shards
from popcast.datasets.sample import Nus, invented_words
from popcast.datasets.sample.generated_media import video_file
from popcast.datasets.sample.random_draws import mixed, standardised, stream, zipf_weights

SHARES = {"author": 0.35, "pair": 0.08, "words": 0.15, "looks": 0.10, "motion": 0.10, "noise": 0.22}
"""Shares of the variance of the score."""
MEAN, SPREAD = 6.0, 2.7
PARTS = {"comments": 0.002, "likes": 0.03, "reposts": 0.02}
"""Shares of the sum of the four counts; loops are the rest."""
START, DAYS = np.datetime64("2015-07-01T00:00:00"), 123
"""July to October 2015."""
FIRST_ID = 1_200_000_000_000_000_000
EMPTY = 0.02
"""Share of videos without a description."""
SHARD = 100
"""Videos per piece of work."""
Video = tuple[int, int, float, float, float]
"""Row, id, looks, motion, hue."""


def write(params: Nus, seed: int, dataset: str, raw: Path) -> dict[str, float]:
    """Write videos.csv and the videos. Every video has its counts, so nothing is withheld."""
    rng = stream(seed, dataset, "videos")
    n = params.videos
    author = rng.choice(params.users, n, p=zipf_weights(params.users, 0.7))
    concept, pair = rng.integers(0, len(invented_words.CONCEPTS), n), rng.integers(0, invented_words.THEMES, n)
    looks, motion = standardised(rng.standard_normal(n)), standardised(rng.standard_normal(n))
    descriptions, weight = draw_descriptions(concept, pair, seed, dataset)
    parts = {
        "author": rng.standard_normal(params.users)[author],
        "pair": rng.standard_normal((len(invented_words.CONCEPTS), invented_words.THEMES))[concept, pair],
        "words": weight,
        "looks": looks,
        "motion": motion,
        "noise": rng.standard_normal(n),
    }
    total = 4 * np.maximum(0.0, 2 ** (MEAN + SPREAD * mixed(parts, SHARES)) - 1)
    counts = {name: rng.poisson(np.minimum(share * total, 1e9)) for name, share in PARTS.items()}
    counts["loops"] = np.maximum(0, np.round(total) - sum(counts.values())).astype(np.int64)
    second = np.sort(rng.integers(0, DAYS * 86_400, n))
    ids = FIRST_ID + second * 1_000_000 + np.arange(n)
    users = 900_000_000_000_000_000 + rng.permutation(params.users) * 7_919
    with (raw / "videos.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["video_id", "user_id", "created", "description", *counts])
        created = np.datetime_as_string(START + second.astype("timedelta64[s]"))
        columns = (ids, users[author], created, np.array(descriptions, object), *counts.values())
        writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
    if params.media:
        hues = stream(seed, dataset, "hues").random(len(invented_words.CONCEPTS))[concept]
        items = list(zip(range(n), *(column.tolist() for column in (ids, looks, motion, hues)), strict=True))
        write_videos(items, params.frames, seed, dataset, raw / "videos")
    return {}


def draw_descriptions(concept: np.ndarray, pair: np.ndarray, seed: int, dataset: str) -> tuple[list[str], np.ndarray]:
    """Descriptions with one hashtag, and the sum of their mood words' weights [n]; a few are empty."""
    rng = stream(seed, dataset, "descriptions")
    n = len(concept)
    moods, weights = list(invented_words.MOODS), np.array(list(invented_words.MOODS.values()))
    chosen = rng.integers(0, len(moods), (n, 2))
    fill = rng.integers(0, len(invented_words.SMALL), (n, 3))
    empty = rng.random(n) < EMPTY
    found = []
    for row in range(n):
        first, second = invented_words.themes(int(concept[row]))[pair[row]]
        small = [invented_words.SMALL[k] for k in fill[row]]
        words = [moods[chosen[row, 0]], first, small[0], small[1], moods[chosen[row, 1]], small[2], f"#{second}"]
        found.append("" if empty[row] else " ".join(words))
    return found, np.where(empty, 0.0, weights[chosen].sum(axis=1))


def write_videos(items: list[Video], frames: int, seed: int, dataset: str, folder: Path) -> None:
    """``<id>.mp4``; a few are missing or broken."""
    folder.mkdir()
    shards = [items[start : start + SHARD] for start in range(0, len(items), SHARD)]
    map_shards(partial(write_shard, frames=frames, seed=seed, dataset=dataset, folder=folder), shards, "videos")


def write_shard(items: list[Video], frames: int, seed: int, dataset: str, folder: Path) -> None:
    """Write the videos of a piece of work."""
    for row, video_id, looks, motion, hue in items:
        film = video_file(stream(seed, dataset, "film", row), looks, motion, hue, frames)
        if film is not None:
            (folder / f"{video_id}.mp4").write_bytes(film)
