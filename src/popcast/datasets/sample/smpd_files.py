"""The files of a generated SMPD folder in both generations of the official names and forms (datasets.md 1.2, 1.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import orjson

from popcast.core.engine import map_shards
from popcast.datasets.sample import Smpd, invented_words
from popcast.datasets.sample.generated_media import image_file
from popcast.datasets.sample.random_draws import stream
from popcast.datasets.sample.smpd_world import World

FOLDER = {"A": "{split}_all_json", "B": "{split}_allmetadata_json"}
NAMES = {
    "A": ("category", "additional", "temporalspatial", "tags", "userdata"),
    "B": ("category", "additional_information", "temporalspatial_information", "text", "user_data"),
}
CITIES = ("Harbourtown", "Lake Orrin", "Port Vale", "Ville d'Ombre", "Südfeld", "São Bento", "Kitahama")
ZONES = ("Asia/Shanghai", "Europe/Rome", "America/Denver", "UTC")
SHARD = 500
"""Pictures per piece of work."""
PROFILES = 40
"""Distinct profile vectors of generation A: many users share one, as in the real files (datasets.md 1.5)."""


def write_metadata(world: World, params: Smpd, seed: int, dataset: str, raw: Path) -> None:
    """Row-aligned metadata files of ``train`` (with labels) and ``test`` (without)."""
    profile = user_facts(world, seed, dataset)
    place = places(world, seed, dataset)
    for split, wanted in (("train", world.labelled), ("test", ~world.labelled)):
        rows = np.flatnonzero(wanted)
        if not len(rows):
            continue
        folder = raw / FOLDER[params.generation].format(split=split)
        folder.mkdir()
        category, additional, temporal, texts, user = (folder / f"{split}_{x}.json" for x in NAMES[params.generation])
        write_array(category, category_rows(world, rows))
        write_array(additional, additional_rows(world, rows, profile))
        write_array(temporal, temporal_rows(world, rows, place))
        write_array(texts, text_rows(world, rows))
        if params.generation == "A":
            write_array(user, user_rows(world, rows, profile, seed, dataset))
        else:
            user.write_bytes(orjson.dumps(user_columns(world, rows, profile)))
        write_lists(world, rows, folder, split, params.generation)


def write_lists(world: World, rows: np.ndarray, folder: Path, split: str, generation: str) -> None:
    """Image locations, one per line, and for ``train`` the labels."""
    if generation == "A" and split == "train":
        lines = [f"https://www.example.org/photos/{uid(world.user[row])}/{10**9 + world.pid[row]}" for row in rows]
        name = "train_img.txt"
    else:
        lines = [image_path(world, row) for row in rows]
        name = "test_imgfile.txt" if generation == "A" else f"{split}_img_filepath.txt"
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    if split == "train":
        labels = "".join(f"{label:.2f}\n" for label in world.label[rows].tolist())
        (folder / "train_label.txt").write_text(labels, encoding="utf-8")


def write_array(path: Path, rows: Iterable[dict[str, str]], batch: int = 20000) -> None:
    """A JSON array of objects, written in batches so that memory stays flat."""
    with path.open("wb") as file:
        waiting, opening = [], b"["
        for row in rows:
            waiting.append(row)
            if len(waiting) == batch:
                file.write(opening + orjson.dumps(waiting)[1:-1])
                waiting, opening = [], b","
        if waiting:
            file.write(opening + orjson.dumps(waiting)[1:-1])
        file.write(b"]")


def uid(user: int) -> str:
    return f"{int(user) * 7 + 59}@N{int(user) % 83}"


def image_path(world: World, row: int) -> str:
    return f"{'train' if world.labelled[row] else 'test'}/{uid(world.user[row])}/{world.pid[row]}.jpg"


def ids(world: World, rows: np.ndarray) -> Iterator[tuple[int, dict[str, str]]]:
    for row in rows.tolist():
        yield row, {"Pid": str(world.pid[row]), "Uid": uid(world.user[row])}


def category_rows(world: World, rows: np.ndarray) -> Iterator[dict[str, str]]:
    for row, key in ids(world, rows):
        category, subcategory, concept, _ = invented_words.CONCEPTS[world.concept[row]]
        yield key | {"Category": category, "Subcategory": subcategory, "Concept": concept}


def additional_rows(world: World, rows: np.ndarray, profile: dict[str, list]) -> Iterator[dict[str, str]]:
    for row, key in ids(world, rows):
        yield key | {"Pathalias": profile["alias"][world.user[row]], "Ispublic": "1", "Mediastatus": "ready"}


def temporal_rows(world: World, rows: np.ndarray, place: tuple[list[str], ...]) -> Iterator[dict[str, str]]:
    for row, key in ids(world, rows):
        longitude, latitude, accuracy = (part[row] for part in place)
        yield key | {
            "Postdate": str(world.seconds[row]),
            "Longitude": longitude,
            "Latitude": latitude,
            "Geoaccuracy": accuracy,
        }


def text_rows(world: World, rows: np.ndarray) -> Iterator[dict[str, str]]:
    for row, key in ids(world, rows):
        kind = "video" if world.pid[row] % 211 == 0 else "photo"
        yield key | {"Title": world.titles[row], "Alltags": world.tags[row], "Mediatype": kind}


def user_rows(
    world: World, rows: np.ndarray, profile: dict[str, list], seed: int, dataset: str
) -> Iterator[dict[str, str]]:
    """Generation A: no ids, strings only, description vectors of 399 and 400 floats."""
    rng = stream(seed, dataset, "vectors")
    vectors = [",".join(f"{value:.4f}" for value in row) for row in rng.standard_normal((PROFILES, 399))]
    locations = [",".join(f"{value:.4f}" for value in row) + "\r\n" for row in rng.standard_normal((PROFILES, 400))]
    empty = ",".join(["0"] * 399)
    for row in rows.tolist():
        user = int(profile["filed_under"][row])
        vector = profile["vector"][user]
        yield {
            "photo_firstdate": "None" if profile["first"][user] is None else str(profile["first"][user]),
            "photo_count": str(profile["photos"][user]),
            "ispro": str(profile["pro"][user]),
            "canbuypro": str(1 - profile["pro"][user]),
            "timezone_offset": str(profile["offset"][user] or 0),
            "timezone_timezone_id": str(profile["zone"][user] + 1),
            "photo_firstdatetaken": str(profile["taken"][user] or 0),
            "user_description": empty if vector % 3 == 0 else vectors[vector],
            "location_description": "\n" if profile["city"][user] % 2 else locations[vector],
        }


def user_columns(world: World, rows: np.ndarray, profile: dict[str, list]) -> dict[str, dict[str, object]]:
    """Generation B: one object of columns keyed by row number; Pid now and then an int; null where unknown."""
    users = [int(profile["filed_under"][row]) for row in rows]
    columns: dict[str, list] = {
        "Uid": [uid(world.user[row]) for row in rows],
        "Pid": [int(world.pid[row]) if row % 9 == 0 else str(world.pid[row]) for row in rows],
        "photo_firstdate": [moment(profile["first"][user]) for user in users],
        "photo_count": [float(profile["photos"][user]) for user in users],
        "ispro": [float(profile["pro"][user]) for user in users],
        "timezone_offset": [utc_offset(profile["offset"][user]) for user in users],
        "photo_firstdatetaken": [moment(profile["taken"][user]) for user in users],
        "timezone_id": [None if profile["offset"][user] is None else ZONES[profile["zone"][user]] for user in users],
        "user_description": [description(profile["vector"][user]) for user in users],
        "location_description": [None if profile["city"][u] % 2 else CITIES[profile["city"][u] // 2] for u in users],
    }
    keys = [str(number) for number in range(len(rows))]
    return {name: dict(zip(keys, values, strict=True)) for name, values in columns.items()}


def moment(seconds: int | None) -> str | None:
    return None if seconds is None else str(np.datetime64(seconds, "s")).replace("T", " ")


def utc_offset(hours: int | None) -> str | None:
    return None if hours is None else f"{'-' if hours < 0 else '+'}{abs(hours):02d}:00"


def description(number: int) -> str | None:
    if number % 3 == 0:
        return None
    noun, adjective = invented_words.NOUNS[number % 12], invented_words.ADJECTIVES[number % 11]
    return f"I like {noun}s &amp; <i>{adjective}</i> places, line {number}"


def user_facts(world: World, seed: int, dataset: str) -> dict[str, list]:
    """Facts of the users [m] by name, and ``filed_under``: the user whose profile each post carries [n].

    One post in ten carries the profile of another user, and none of the facts tells anything about the label, as in
    the real files (datasets.md 1.5). A third of the users has an alias.
    """
    rng = stream(seed, dataset, "facts")
    users = len(world.level)
    first = rng.integers(1_080_000_000, 1_425_000_000, users)
    taken = first - rng.integers(0, 200_000_000, users)
    unknown = rng.random((3, users)) < 0.06
    stray = rng.random(len(world.user)) < 0.1
    return {
        "alias": [
            invented_words.alias(user) if known else "None" for user, known in enumerate(aliased(users, seed, dataset))
        ],
        "first": np.where(unknown[0], None, first).tolist(),
        "taken": np.where(unknown[1], None, taken).tolist(),
        "photos": np.exp(rng.normal(6.0, 1.6, users)).astype(int).tolist(),
        "pro": rng.integers(0, 2, users).tolist(),
        "offset": np.where(unknown[2], None, rng.integers(-8, 11, users)).tolist(),
        "zone": rng.integers(0, len(ZONES), users).tolist(),
        "vector": rng.integers(0, PROFILES, users).tolist(),
        "city": rng.integers(0, 2 * len(CITIES), users).tolist(),
        "filed_under": np.where(stray, rng.integers(0, users, len(world.user)), world.user).tolist(),
    }


def aliased(users: int, seed: int, dataset: str) -> np.ndarray:
    """Which users have an alias [m]."""
    return stream(seed, dataset, "aliases").random(users) < 0.36


def places(world: World, seed: int, dataset: str) -> tuple[list[str], ...]:
    """Longitude, latitude and accuracy strings [n]; known for 11.4 % of the posts, by user, else "", "0" and "0"."""
    rng = stream(seed, dataset, "places")
    users = len(world.level)
    shares = rng.random(users) + 0.08 * world.level
    known = (shares > np.quantile(shares, 0.8))[world.user] & (rng.random(len(world.user)) < 0.57)
    centre = rng.uniform((-179, -60), (179, 70), (users, 2))[world.user]
    where = centre + 0.01 * rng.standard_normal(centre.shape)
    accuracy = np.where(rng.random(len(known)) < 0.7, 16, rng.integers(1, 16, len(known)))
    swapped = np.arange(len(known)) % 53 == 0
    rows = zip(known.tolist(), where.tolist(), swapped.tolist(), strict=True)
    pairs = [(f"{p[0]:.6f}", f"{p[1]:.6f}") if k else ("0", "") if s else ("", "0") for k, p, s in rows]
    return [p[0] for p in pairs], [p[1] for p in pairs], np.where(known, accuracy, 0).astype(str).tolist()


def write_profiles(world: World, seed: int, dataset: str, raw: Path) -> None:
    """``profiles.csv``: what a crawl years later would find under the aliases; one user in ten is gone.

    Totals contain the later views of the very posts to predict: they follow the user's level and the posts' outcome.
    """
    rng = stream(seed, dataset, "crawl")
    users = len(world.level)
    photos = np.exp(rng.normal(6.8, 1.0, users))
    noise = rng.standard_normal((7, users))
    mean_views = 2 ** (np.nan_to_num(world.outcome, nan=6.0) + 0.5 * noise[0])
    views = photos * mean_views
    columns = {
        "totalViews": views,
        "totalTags": photos * np.exp(0.5 + 0.6 * noise[1]),
        "totalGeotagged": photos * np.exp(-2.5 + noise[2]),
        "totalFaves": 0.01 * views * np.exp(0.8 * noise[3]),
        "totalInGroup": np.exp(3.5 + 0.9 * world.level + 0.9 * noise[4]),
        "photoCount": photos,
        "followerCount": np.exp(5.0 + 0.8 * world.level + 0.9 * noise[5]),
        "followingCount": np.exp(4.5 + 0.4 * world.level + 1.1 * noise[6]),
    }
    found = aliased(users, seed, dataset) & (rng.random(users) < 0.9)
    day = np.datetime64("2020-05-01") + rng.integers(0, 30, users)
    lines = ["pathalias," + ",".join(columns) + ",snapshot_date"]
    table = np.stack([np.floor(column) for column in columns.values()], axis=1).astype(np.int64)
    for user in np.flatnonzero(found).tolist():
        lines.append(f"{invented_words.alias(user)},{','.join(map(str, table[user].tolist()))},{day[user]}")
    (raw / "profiles.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_images(world: World, params: Smpd, seed: int, dataset: str, raw: Path) -> None:
    """``<split>/<Uid>/<Pid>.jpg``; a few files are missing or broken."""
    hues = stream(seed, dataset, "hues").random(len(invented_words.CONCEPTS))[world.concept]
    paths = [raw / image_path(world, row) for row in range(len(world.pid))]
    pictures = list(zip(paths, world.pid.tolist(), world.looks.tolist(), hues.tolist(), strict=True))
    shards = [pictures[start : start + SHARD] for start in range(0, len(pictures), SHARD)]
    work = partial(write_shard, seed=seed, dataset=dataset, size=params.image_size)
    map_shards(work, shards, f"{dataset}: pictures")


def write_shard(pictures: list[tuple[Path, int, float, float]], seed: int, dataset: str, size: int) -> None:
    """Write the pictures of posts given as (path, pid, looks, hue)."""
    for path, pid, looks, hue in pictures:
        content = image_file(stream(seed, dataset, "image", pid), looks, hue, size)
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
