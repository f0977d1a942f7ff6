"""SMPD, the image track of the SMP Challenge (Flickr): both generations of the official files.

Formats, missing-value forms and traps: specification sheet "Datasets", part 1. Row i of every file is the same post;
(Uid, Pid) is compared row by row wherever a file repeats it. Pid rises with neither time nor chance and is never a
feature; the order of rows is the order of Pid.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets import loading, raw_files, smpd_users, times
from popcast.datasets.loading import Quality
from popcast.datasets.params import Dataset

FOLDERS = ("{}_allmetadata_json", "{}_all_json")
FILES = {
    "category": ("{}_category.json",),
    "text": ("{}_text.json", "{}_tags.json"),
    "additional": ("{}_additional_information.json", "{}_additional.json"),
    "temporalspatial": ("{}_temporalspatial_information.json", "{}_temporalspatial.json"),
    "user": ("{}_user_data.json", "{}_userdata.json"),
    "image": ("{}_img_filepath.txt", "{}_img_path.txt", "{}_imgfile.txt", "{}_img.txt"),
    "label": ("{}_label.txt",),
}
KEYS = ("Pid", "Uid")
FIELDS = {
    "category": (*KEYS, "Category", "Subcategory", "Concept"),
    "text": (*KEYS, "Title", "Tile", "Alltags", "Mediatype"),
    "additional": (*KEYS, "Pathalias", "Ispublic"),
    "temporalspatial": (*KEYS, "Postdate", "Longitude", "Latitude", "Geoaccuracy"),
}
"""Keys of the JSON arrays; the documentation once spells the title's ``Tile``."""


def load(raw: Path, dataset: Dataset, quality: Quality) -> pl.DataFrame:
    """Posts of ``train_*`` with labels and, where the folder exists, of ``test_*`` without.

    raw: holds ``train_allmetadata_json/`` or ``train_all_json/`` and the like for test. Raises BadInput.
    """
    train, test = _folder(raw, "train"), _folder(raw, "test")
    if train is None:
        raise bad_input("missing folder", file=raw / FOLDERS[0].format("train"), expected="the labelled posts")
    posts = _split(train, "train", dataset, quality)
    if test is not None:
        unlabelled = _split(test, "test", dataset, quality)
        known = unlabelled["post_id"].is_in(posts["post_id"].implode())
        file = raw_files.need(test, _names("category", "test"))
        loading.refuse(known, unlabelled["post_id"], "duplicate id, also in train", file=file, field="Pid")
        posts = pl.concat([posts, unlabelled])
    if dataset.profile is not None:
        posts = smpd_users.add_crawled_profile(posts, raw / dataset.profile)
    return posts.drop("alias")


def _folder(raw: Path, split: str) -> Path | None:
    return next((raw / name.format(split) for name in FOLDERS if (raw / name.format(split)).is_dir()), None)


def _names(content: str, split: str) -> list[str]:
    return [name.format(split) for name in FILES[content]]


def _split(folder: Path, split: str, dataset: Dataset, quality: Quality) -> pl.DataFrame:
    """Posts of one split; ``alias`` is kept for the crawled profile."""
    files = {content: raw_files.need(folder, _names(content, split)) for content in FILES if content != "label"}
    with ThreadPoolExecutor(max_workers=2) as pool:
        profiles = pool.submit(smpd_users.read_profiles, files["user"])
        arrays = {content: pool.submit(raw_files.json_array, files[content], FIELDS[content]) for content in FIELDS}
        posts = _classes(arrays["category"].result(), files["category"])
        keys = posts.select(Pid="post_id", Uid="user_id")
        for content, columns in (("text", _texts), ("additional", _flags), ("temporalspatial", _times_and_places)):
            table = aligned(arrays.pop(content).result(), keys, files[content])
            posts = posts.hstack(columns(table, files[content], quality))
        users = aligned(profiles.result(), keys, files["user"])
    posts = posts.hstack(smpd_users.profile(users, posts["posted_at"], dataset.zone, quality))
    posts = posts.with_columns(media=_images(files["image"], keys))
    if split == "test":
        return posts.with_columns(popularity=pl.lit(None, pl.Float64))
    file = raw_files.need(folder, _names("label", split))
    lines = raw_files.text_lines(file)
    same_length(lines.len(), keys, file)
    return posts.with_columns(loading.label(lines, "none", file=file, field="label", low=0.0))


def same_length(rows: int, keys: pl.DataFrame, file: Path) -> None:
    """Refuse a file with another number of rows than the category file."""
    if rows != keys.height:
        raise bad_input(f"{rows} rows", file=file, expected=f"{keys.height} as in the category file")


def aligned(table: pl.DataFrame, keys: pl.DataFrame, file: Path) -> pl.DataFrame:
    """``table`` without its keys if it has, row by row, the (Uid, Pid) of the category file."""
    same_length(table.height, keys, file)
    for key in KEYS:
        if key in table.columns:
            same_post(table[key], table[key].ne_missing(keys[key]), keys[key], file, key)
    return table.drop(KEYS, strict=False)


def same_post(values: pl.Series, wrong: pl.Series, keys: pl.Series, file: Path, field: str) -> None:
    """Refuse the first row that is ``wrong``: its ``values`` belong to another post than the category file's."""
    wrong = wrong.fill_null(False)
    expected = f"{keys[wrong.arg_max()]} as in the category file" if wrong.any() else None
    loading.refuse(wrong, values, "row belongs to another post", file=file, field=field, expected=expected)


def _classes(table: pl.DataFrame, file: Path) -> pl.DataFrame:
    for key in KEYS:
        loading.filled(table[key], file=file, field=key)
    loading.unique(table["Pid"], file=file, field="Pid")
    classes = {name.lower(): loading.blank_to_null(table[name]) for name in ("Category", "Subcategory", "Concept")}
    return table.select(post_id="Pid", user_id="Uid").with_columns(**classes)


def _texts(table: pl.DataFrame, file: Path, quality: Quality) -> pl.DataFrame:
    """Title as it stands (HTML too), tags split at white space."""
    title = table.select(pl.coalesce("Title", "Tile")).to_series()
    words = table["Alltags"]
    if words.str.contains(r"[^\S ]").any():
        words = words.str.replace_all(r"\s+", " ")
    tags = words.str.split(" ")
    tags = tags.list.filter(pl.element() != "")
    return table.select(
        loading.blank_to_null(title).alias("title"),
        pl.when(tags.list.len() > 0).then(tags).alias("tags"),
        post_mediatype=loading.blank_to_null(table["Mediatype"]),
    )


def _flags(table: pl.DataFrame, file: Path, quality: Quality) -> pl.DataFrame:
    alias = loading.blank_to_null(table["Pathalias"])
    alias = pl.select(pl.when(alias != "None").then(alias)).to_series()
    public = loading.readable_number(table["Ispublic"], "Ispublic not a number", quality)
    return pl.DataFrame(
        {"alias": alias, "user_has_alias": alias.is_not_null().cast(pl.Float64), "post_ispublic": public}
    )


def _times_and_places(table: pl.DataFrame, file: Path, quality: Quality) -> pl.DataFrame:
    """Postdate in UTC. A place counts only where Geoaccuracy is above 0 and both coordinates are readable."""
    posted_at = times.from_epoch(table["Postdate"], "s", file=file, field="Postdate")
    columns = {
        new: loading.readable_number(table[old], f"{old} not a number", quality)
        for old, new in (("Latitude", "latitude"), ("Longitude", "longitude"), ("Geoaccuracy", "geo_accuracy"))
    }
    places = pl.DataFrame(columns)
    present = (pl.col("geo_accuracy") > 0) & pl.col("longitude").is_not_null() & pl.col("latitude").is_not_null()
    on_earth = (pl.col("latitude").abs() <= 90) & (pl.col("longitude").abs() <= 180)
    quality.repair("coordinates out of range", places.select((present & ~on_earth).sum()).item())
    places = places.select(pl.when(present & on_earth).then(pl.all()))
    return places.with_columns(posted_at=posted_at)


def _images(file: Path, keys: pl.DataFrame) -> pl.Series:
    """One path per post. Page addresses (generation A) and blank lines are no image."""
    lines = raw_files.text_lines(file)
    same_length(lines.len(), keys, file)
    paths = loading.blank_to_null(lines.str.strip_chars())
    paths = pl.select(pl.when(~paths.str.contains(r"^https?://")).then(paths)).to_series()
    loading.media_paths(paths, file=file, field="path")
    stems = "/" + paths.str.replace(r"\.[A-Za-z]+$", "")
    expected = keys.select(pl.format("/{}/{}", "Uid", "Pid")).to_series()
    same_post(paths, ~stems.str.ends_with(expected), expected, file, "path")
    return pl.select(pl.when(paths.is_not_null()).then(pl.concat_list(paths))).to_series()
