"""TPIC2017 (Flickr, counts and times only): four whitespace tables joined on (pid, uid).

Formats: specification sheet "Datasets", part 2. The files are not line-aligned and lack a post here and there. There
is no text: ``title`` is null and its length a number. What was counted after posting (comments, the author's mean
views) is ``posthoc_``.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets import loading, raw_files, times
from popcast.datasets.loading import Quality
from popcast.datasets.params import Dataset

FILES = {
    "user_meta": ("USER_META.txt", "USERMETA.txt"),
    "label": ("LABEL.txt", "LABELS.txt"),
    "time_flag": ("TIME_FLAG.txt", "TIMEFLAG.txt"),
    "photo_url": ("PHOTO_URL.txt", "PHOTOURL.txt"),
}
NUMBERS = {
    "titlelen": "post_titlelen",
    "deslen": "post_deslen",
    "tagcount": "post_tagcount",
    "haspeople": "post_haspeople",
    "groupcount": "user_groupcount",
    "avgmembercount": "user_avgmembercount",
    "commentcount": "posthoc_commentcount",
    "avgview": "posthoc_avgview",
}
SPELLINGS = {"logview": "logviews"}
"""The README of the collection and its archives name the label's column differently."""
BUCKET_HOURS = (4, 8, 12, 16, 20, 23)
"""Clock hour that stands for hour_index 0-5 (02-06 h, ..., 22-02 h): its start plus two hours. Bucket 5 crosses
midnight while the date does not move, so it is 23:00 of the given day: last of the day, as the files order it."""


def load(raw: Path, dataset: Dataset, quality: Quality) -> pl.DataFrame:
    """Posts that the meta, label and time files share; the others are counted, by file, as rejected rows."""
    files = {content: raw_files.need(raw, names) for content, names in FILES.items()}
    tables = {
        "user_meta": _numbers(files["user_meta"]),
        "label": _labels(files["label"]),
        "time_flag": _times(files["time_flag"], dataset.zone),
    }
    posts = tables["user_meta"]
    for content in ("label", "time_flag"):
        posts = posts.join(tables[content], on=("post_id", "user_id"), how="inner", maintain_order="left")
    for content, table in {**tables, "photo_url": _keyed(files["photo_url"], ("url",))}.items():
        unmatched = table.height - table.join(posts, on=("post_id", "user_id"), how="semi").height
        quality.reject(f"{content} without the other files", unmatched, table.height, files[content])
    return posts


def white_space_table(path: Path) -> pl.DataFrame:
    """Columns of text split at any white space, named by the first line; every row must have as many fields."""
    lines = raw_files.text_lines(path)
    if lines.len() == 0:
        raise bad_input("empty file", file=path, expected="a header")
    fields = lines.str.extract_all(r"\S+")
    header = [SPELLINGS.get(name.lower(), name.lower()) for name in fields[0].to_list()]
    rows = fields.slice(1)
    loading.refuse(
        rows.list.len() != len(header),
        lines.slice(1),
        "wrong number of fields",
        file=path,
        expected=f"{len(header)} as in the header",
        first_row=2,
    )
    return pl.DataFrame({name: rows.list.get(index) for index, name in enumerate(header)})


def _keyed(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """The table with ``post_id`` and ``user_id``; refuses a missing column and a pid that occurs twice."""
    table = white_space_table(path)
    for column in ("pid", "uid", *columns):
        if column not in table.columns:
            raise bad_input("missing column", file=path, row=1, field=column)
    loading.unique(table["pid"], file=path, field="pid", first_row=2)
    return table.select("pid", "uid", *columns).rename({"pid": "post_id", "uid": "user_id"})


def _numbers(path: Path) -> pl.DataFrame:
    table = _keyed(path, tuple(NUMBERS))
    numbers = {new: loading.number(table[old], file=path, field=old, first_row=2) for old, new in NUMBERS.items()}
    return table.select("post_id", "user_id").with_columns(**numbers)


def _labels(path: Path) -> pl.DataFrame:
    """The label is log2(views/days) + 1 already."""
    table = _keyed(path, ("logviews",))
    label = loading.label(table["logviews"], "none", file=path, field="logviews", first_row=2)
    return table.select("post_id", "user_id").with_columns(label)


def _times(path: Path, zone: str) -> pl.DataFrame:
    """``posted_at`` from date and hour bucket, in the dataset's zone."""
    table = _keyed(path, ("year", "month", "day", "hour_index"))
    bucket = table["hour_index"].cast(pl.Int64, strict=False)
    loading.refuse(
        ~bucket.is_in(range(6)).fill_null(False),
        table["hour_index"],
        "no hour bucket",
        file=path,
        field="hour_index",
        expected="0 to 5",
        first_row=2,
    )
    date = table.select(pl.format("{}-{}-{}", "year", "month", "day")).to_series()
    day = date.str.to_datetime("%Y-%m-%d", time_unit="us", strict=False)
    loading.refuse(
        day.is_null() | (day.dt.year() < 1970) | (day.dt.year() > 2100),
        date,
        "not a date",
        file=path,
        field="year month day",
        expected="numbers of a day between 1970 and 2100",
        first_row=2,
    )
    hour = bucket.replace_strict(dict(enumerate(BUCKET_HOURS)), return_dtype=pl.Int64)
    local = pl.select(day + pl.duration(hours=hour)).to_series()
    return table.select("post_id", "user_id").with_columns(posted_at=times.in_zone(local, zone))
