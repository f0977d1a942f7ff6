"""Generated MicroLens: titles, counts of comments, covers and videos (microlens.md, last sections).

A video's score is a standardised sum: topic, pair of topic words, mood words, looks of the cover, motion of the video,
noise; a monotone map gives log2(count) its measured quantiles. No author and no upload time exist.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from popcast.core.engine import map_shards
from popcast.datasets.sample import Microlens, invented_words
from popcast.datasets.sample.generated_media import image_file, video_file
from popcast.datasets.sample.random_draws import mixed, quantile_map, standardised, stream

SHARES = {"topic": 0.08, "pair": 0.09, "words": 0.21, "looks": 0.11, "motion": 0.10, "noise": 0.41}
"""Shares of the variance of the score."""

COUNTS = np.array(
    [(0.0234, 1.5), (0.0517, 2.5), (0.0832, 3.5), (0.1186, 4.5), (0.1495, 5.5), (0.1791, 6.5), (0.25, 9.3), (0.50, 22),
     (0.75, 49), (0.90, 87), (0.95, 115), (0.99, 193), (1 - 1e-5, 640)]
)  # fmt: skip
"""(share, count) of the measured distribution; between the integers where counts are small."""
WORDS = np.array(
    [(0.01, 1), (0.05, 3), (0.10, 4), (0.25, 6), (0.50, 10), (0.75, 17), (0.90, 23), (0.95, 27), (0.99, 36), (1, 60)]
)
"""(share, words) of the titles."""
TOPICS = invented_words.words(
    "food games music pets travel comedy sports beauty fashion science crafts cars anime dance family film news "
    "farming fitness history gadgets motivation"
)
EMPTY, SAME, FOREIGN, TAGGED, TRAILING, LOWER = 0.004, 0.021, 0.03, 0.5, 0.08, 0.58
"""Shares of the title forms: empty, repeated, non-ASCII, with a hashtag, trailing space, lower case start."""
REPEATED = ("the wonderful video", "in fact", "original god", "guys", "as we all know")
FOREIGN_WORDS = ("：", "😂", "小猫", "café", "！", "—")
LAST = 1_662_984_132_000
"""2022-09-12T12:02:12Z in milliseconds: the end of the collection."""
DAY = 86_400_000
SHARD = 100
"""Videos per piece of work."""
ARRAYS = {
    "title_en_text_features_BgeM3": "topic",
    "image_features_CLIPRN50": "looks",
    "video_features_VideoMAE": "motion",
}
"""Files of extracted_modality_features, and what of a video the generated vectors tell. No encoder has made them."""


@dataclass(frozen=True)
class Videos:
    """Videos 1..n in id order, arrays [n]."""

    titles: list[str]
    topic: np.ndarray
    looks: np.ndarray
    motion: np.ndarray
    count: np.ndarray


def write(params: Microlens, seed: int, dataset: str, raw: Path) -> dict[str, float]:
    """Write the raw folder. Every video has its count, so nothing is withheld."""
    videos = draw(params, seed, dataset)
    prefix = raw / f"MicroLens-{params.layout}"
    write_titles(videos, params.layout, prefix)
    write_labels(videos, params.labels, seed, dataset, raw, prefix)
    write_outcomes(videos, seed, dataset, raw, prefix)
    if params.media:
        write_media(videos, params, seed, dataset, prefix)
    if params.array_width:
        write_arrays(videos, params.array_width, seed, dataset, raw / "extracted_modality_features", prefix.name)
    return {}


def draw(params: Microlens, seed: int, dataset: str) -> Videos:
    """Draw titles, looks and counts."""
    rng = stream(seed, dataset, "videos")
    n = params.videos
    topic = rng.integers(0, len(TOPICS), n)
    pair = rng.integers(0, invented_words.THEMES, n)
    looks, motion = standardised(rng.standard_normal(n)), standardised(rng.standard_normal(n))
    titles, weight = draw_titles(topic, pair, seed, dataset)
    parts = {
        "topic": rng.standard_normal(len(TOPICS))[topic],
        "pair": rng.standard_normal((len(TOPICS), invented_words.THEMES))[topic, pair],
        "words": weight,
        "looks": looks,
        "motion": motion,
        "noise": rng.standard_normal(n),
    }
    values = np.log2(COUNTS[:, 1])
    shares = np.concatenate([[1e-6], COUNTS[:, 0]])
    log_count = quantile_map(mixed(parts, SHARES), shares, np.concatenate([[0.0], values]))
    return Videos(titles, topic, looks, motion, np.maximum(1, np.round(2**log_count)).astype(int))


def draw_titles(topic: np.ndarray, pair: np.ndarray, seed: int, dataset: str) -> tuple[list[str], np.ndarray]:
    """Titles in the style of machine-translated ones, and the sum of their mood words' weights [n]."""
    rng = stream(seed, dataset, "titles")
    n = len(topic)
    size = np.interp(rng.random(n), WORDS[:, 0], WORDS[:, 1]).round().astype(int)
    moods, weights = list(invented_words.MOODS), np.array(list(invented_words.MOODS.values()))
    own = rng.integers(0, len(moods), (n, 4))
    fill = rng.integers(0, len(invented_words.SMALL), (n, 64))
    draws = rng.random((5, n))
    titles, weight = [], np.zeros(n)
    for row in range(n):
        content = list(invented_words.themes((5 * int(topic[row])) % len(invented_words.CONCEPTS))[pair[row]])
        chosen = list(dict.fromkeys(own[row, : 1 + size[row] // 7].tolist()))[: max(0, size[row] - 1)]
        words = [*(moods[which] for which in chosen), *content, *(invented_words.SMALL[k] for k in fill[row])]
        words = words[: size[row]]
        body = [words[k] for k in np.argsort(rng.random(len(words)))]
        weight[row] = weights[chosen].sum() if chosen else 0.0
        if draws[0, row] >= LOWER:
            body[0] = body[0].capitalize()
        if draws[1, row] < FOREIGN:
            body.append(FOREIGN_WORDS[row % len(FOREIGN_WORDS)])
        if draws[2, row] < TAGGED:
            at = max(1, len(body) * 2 // 3)
            body = [*body[:at], "#", *(body[at:] or [TOPICS[topic[row]]])]
        title = " ".join(body)
        if draws[3, row] < EMPTY + SAME:
            title, weight[row] = ("", 0.0) if draws[3, row] < EMPTY else (REPEATED[row % len(REPEATED)], 0.0)
        titles.append(title + " " if draws[4, row] < TRAILING and title else title)
    return titles, weight


def write_titles(videos: Videos, layout: str, prefix: Path) -> None:
    """100k: no header, a space after the comma, CRLF, no quoting. 50k: header, standard quoting, commas in titles."""
    if layout == "100k":
        lines = "".join(f"{item}, {title}\r\n" for item, title in enumerate(videos.titles, start=1))
        Path(f"{prefix}_title_en.csv").write_bytes(lines.encode())
        return
    with Path(f"{prefix}_titles.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["item", "title"])
        for item, title in enumerate(videos.titles, start=1):
            words = title.strip().split(" ")
            if item % 3 == 0 and len(words) > 2:
                words = [words[0] + ",", f'"{words[1]}"', *words[2:]]
            writer.writerow([item, " ".join(words)])


def write_labels(videos: Videos, labels: str, seed: int, dataset: str, raw: Path, prefix: Path) -> None:
    """The file that carries the counts: interactions, comments, or the derived csv with its byte order mark."""
    if labels == "csv":
        lines = "".join(f"{item},{count}\n" for item, count in enumerate(videos.count.tolist(), start=1))
        (raw / "video_label.csv").write_text("video_id,comment_count\n" + lines, encoding="utf-8-sig")
        return
    user, item, moment = draw_interactions(videos, seed, dataset)
    rows = zip(user.tolist(), item.tolist(), moment.tolist(), strict=True)
    if labels == "pairs":
        lines = "".join(f"{u},{i},{t}\n" for u, i, t in rows)
        Path(f"{prefix}_pairs.csv").write_text("user,item,timestamp\n" + lines, encoding="ascii")
        return
    lines = "".join(
        f"{u}\t{i}\t{'' if t % 97 == 0 else f'so {list(invented_words.MOODS)[t % 36]}'}\n" for u, i, t in rows
    )
    Path(f"{prefix}_comment_en.txt").write_text(lines, encoding="utf-8")


def draw_interactions(videos: Videos, seed: int, dataset: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User, item and epoch milliseconds of each comment, by user and time; an item never has one user twice."""
    rng = stream(seed, dataset, "interactions")
    total = int(videos.count.sum())
    pool = max(total // 7, int(videos.count.max()))
    user = np.concatenate([rng.choice(pool, count, replace=False) for count in videos.count.tolist()])
    item = np.repeat(np.arange(1, len(videos.count) + 1), videos.count)
    first = rng.gamma(1.6, 35.0, len(videos.count)).clip(1, 900)
    wait = np.minimum(rng.exponential(9.0, total), 0.999 * first[item - 1])
    moment = (LAST - (first[item - 1] - wait) * DAY).astype(np.int64)
    user = np.unique(user, return_inverse=True)[1] + 1
    order = np.lexsort((item, moment, user))
    return user[order], item[order], moment[order]


def write_outcomes(videos: Videos, seed: int, dataset: str, raw: Path, prefix: Path) -> None:
    """Likes and views (outcomes, never inputs) and the category of each video."""
    rng = stream(seed, dataset, "outcomes")
    n = len(videos.count)
    likes = (10_000 * np.exp(0.35 * np.log(videos.count) + np.abs(rng.normal(0, 0.8, n)))).astype(int)
    views = (likes * np.exp(rng.normal(3.4, 0.4, n))).astype(int)
    rows = enumerate(zip(likes.tolist(), views.tolist(), strict=True), start=1)
    Path(f"{prefix}_likes_and_views.txt").write_text("".join(f"{i}\t{a}\t{b}\n" for i, (a, b) in rows), "ascii")
    lines = "".join(f"{item},{TOPICS[topic]}\n" for item, topic in enumerate(videos.topic.tolist(), start=1))
    (raw / "tags_to_summary.csv").write_text(lines, encoding="ascii")


def write_media(videos: Videos, params: Microlens, seed: int, dataset: str, prefix: Path) -> None:
    """Covers ``<item>.jpg`` and videos ``<item>.mp4``, one in forty ``<item>.1.mp4``; a few missing or broken."""
    for kind in ("covers", "videos"):
        Path(f"{prefix}_{kind}").mkdir()
    hues = stream(seed, dataset, "hues").random(len(TOPICS))[videos.topic]
    numbered = range(len(videos.count))
    items = list(zip(numbered, videos.looks.tolist(), videos.motion.tolist(), hues.tolist(), strict=True))
    shards = [items[start : start + SHARD] for start in range(0, len(items), SHARD)]
    map_shards(partial(write_shard, params=params, seed=seed, dataset=dataset, prefix=prefix), shards, "videos")


def write_shard(
    items: list[tuple[int, float, float, float]], params: Microlens, seed: int, dataset: str, prefix: Path
) -> None:
    """Write cover and video of the items given as (row, looks, motion, hue)."""
    for row, looks, motion, hue in items:
        cover = image_file(stream(seed, dataset, "cover", row), looks, hue, params.image_size, only_jpeg=True)
        film = video_file(stream(seed, dataset, "film", row), looks, motion, hue, params.frames)
        if cover is not None:
            Path(f"{prefix}_covers", f"{row + 1}.jpg").write_bytes(cover)
        if film is not None:
            Path(f"{prefix}_videos", f"{row + 1}{'.1' if row % 40 == 39 else ''}.mp4").write_bytes(film)


def write_arrays(videos: Videos, width: int, seed: int, dataset: str, folder: Path, prefix: str) -> None:
    """Generated vectors float32 [videos, width], row i = item i + 1: a direction that tells something, and noise."""
    folder.mkdir()
    signals = {
        "topic": np.eye(len(TOPICS))[videos.topic],
        "looks": videos.looks[:, None],
        "motion": videos.motion[:, None],
    }
    for name, told in ARRAYS.items():
        rng = stream(seed, dataset, "array", name)
        signal = signals[told]
        directions = rng.standard_normal((signal.shape[1], width))
        vectors = signal @ directions + rng.standard_normal((len(signal), width))
        np.save(folder / f"{prefix}_{name}.npy", vectors.astype(np.float32), allow_pickle=False)
