"""The author profiles of SMPD: the official user file in its two generations, and the optional crawled profiles.

Generation A is an array of objects without keys, with numbers as text, unix times and two long vectors in place of
the profile's texts; generation B is one object of columns keyed by row number, with dates and raw texts (specification
sheet "Datasets", section 1.3). The official profiles are known to be mis-filled (1.5): kept, no signal expected.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.core.tables import TIME
from popcast.datasets import loading, raw_files, times
from popcast.datasets.loading import Quality

FIELDS = (
    "photo_firstdate",
    "photo_count",
    "ispro",
    "canbuypro",
    "timezone_offset",
    "photo_firstdatetaken",
    "user_description",
    "location_description",
)
CRAWLED = {
    "totalViews": "posthoc_total_views",
    "totalTags": "posthoc_total_tags",
    "totalGeotagged": "posthoc_total_geotagged",
    "totalFaves": "posthoc_total_faves",
    "totalInGroup": "posthoc_total_in_group",
    "photoCount": "posthoc_photo_count",
    "followerCount": "posthoc_follower_count",
    "followingCount": "posthoc_following_count",
}


def read_profiles(file: Path) -> pl.DataFrame:
    """The official user file of either generation: :data:`FIELDS` as text, whether there is a description and a place
    name as booleans, in generation B also Pid and Uid."""
    with raw_files.opened(file) as opened:
        columnar = opened.read(64).removeprefix(raw_files.BOM).lstrip().startswith(b"{")
    return _columnar(file) if columnar else raw_files.json_array(file, FIELDS, _presence)


def profile(table: pl.DataFrame, posted_at: pl.Series, zone: str, quality: Quality) -> pl.DataFrame:
    """``user_*`` columns of the posts from :func:`read_profiles`; first dates become days before the post."""
    columns = {
        "user_photo_count": _number(table, "photo_count", quality),
        "user_ispro": _number(table, "ispro", quality),
        "user_canbuypro": _number(table, "canbuypro", quality),
        "user_timezone_offset": _offset_hours(table["timezone_offset"], quality),
        "user_first_photo": _days_before(table, "photo_firstdate", posted_at, zone, quality),
        "user_first_taken": _days_before(table, "photo_firstdatetaken", posted_at, zone, quality),
        "user_has_description": table["user_description"].cast(pl.Float64),
        "user_has_location": table["location_description"].cast(pl.Float64),
    }
    return pl.DataFrame(columns)


def _presence(table: pl.DataFrame) -> pl.DataFrame:
    """Generation A's vectors as flags: a vector of zeros or a lone line end is a missing text."""
    vectors = pl.col("user_description", "location_description")
    return table.with_columns(vectors.str.contains("[1-9]").fill_null(False))


def _columnar(file: Path) -> pl.DataFrame:
    """Generation B: ``{"Uid": {"0": ...}, ...}``; every column must have the row numbers 0..n-1."""
    columns = raw_files.json_value(file)
    if not isinstance(columns, dict):
        raise bad_input("not an object of columns", file=file)
    first = columns.get("Pid")
    if not isinstance(first, dict):
        raise bad_input("not a column keyed by row number", file=file, field="Pid")
    rows = [str(row) for row in range(len(first))]
    table = {}
    for field in ("Pid", "Uid", *FIELDS):
        values = _column(columns.pop(field, None), rows, file, field)
        if field.endswith("_description"):
            present = [text is not None and str(text).strip() != "" for text in values]
            table[field] = pl.Series(present, dtype=pl.Boolean)
        else:
            table[field] = pl.Series(values, dtype=pl.String, strict=False)
    return pl.DataFrame(table)


def _column(column: object, rows: list[str], file: Path, field: str) -> list:
    """Values of one column of generation B in the order of its row numbers; an absent optional column is null."""
    if column is None and field not in ("Pid", "Uid"):
        return [None] * len(rows)
    if not isinstance(column, dict) or len(column) != len(rows):
        found = f"{len(column)} rows" if isinstance(column, dict) else "not a column keyed by row number"
        raise bad_input(found, file=file, field=field, expected=f"{len(rows)} as in Pid")
    if list(column) == rows:
        return list(column.values())
    missing = next((row for row in rows if row not in column), None)
    if missing is not None:
        raise bad_input(f"no value for row number {missing}", file=file, row=int(missing) + 1, field=field)
    return [column[row] for row in rows]


def _number(table: pl.DataFrame, field: str, quality: Quality) -> pl.Series:
    text = table[field].replace("None", None)
    return loading.readable_number(text, f"{field} not a number", quality)


def _offset_hours(values: pl.Series, quality: Quality) -> pl.Series:
    """``"1"``, ``"-3"``, ``"5.5"`` or ``"+05:30"`` as hours."""
    text = loading.blank_to_null(values.replace("None", None).str.strip_chars())
    table = pl.select(
        plain=text.cast(pl.Float64, strict=False),
        sign=text.str.extract(r"^([+-]?)\d{1,2}:\d\d$"),
        hours=text.str.extract(r"^[+-]?(\d{1,2}):\d\d$").cast(pl.Float64),
        minutes=text.str.extract(r"^[+-]?\d{1,2}:(\d\d)$").cast(pl.Float64),
    )
    clock = (pl.col("hours") + pl.col("minutes") / 60) * pl.when(pl.col("sign") == "-").then(-1.0).otherwise(1.0)
    hours = table.select(pl.coalesce("plain", clock)).to_series()
    hours = pl.select(pl.when(hours.abs() <= 14).then(hours)).to_series()
    quality.repair("timezone_offset not an offset", (text.is_not_null() & hours.is_null()).sum())
    return hours


def _days_before(table: pl.DataFrame, field: str, posted_at: pl.Series, zone: str, quality: Quality) -> pl.Series:
    """Days from a profile's date to the post. Readers disagree on the form of the date, see :func:`tolerant_time`."""
    text = loading.blank_to_null(table[field].replace("None", None))
    moment = tolerant_time(text, zone)
    quality.repair(f"{field} not a date", (text.is_not_null() & moment.is_null()).sum())
    days = (posted_at - moment).dt.total_seconds() / 86400
    quality.repair(f"{field} after the post", (days < 0).sum())
    return pl.select(pl.when(days >= 0).then(days)).to_series()


def tolerant_time(text: pl.Series, zone: str) -> pl.Series:
    """ISO date and time, digits with the year first (8, 10, 12 or 14 of them), or unix seconds; null if none fits."""
    digits = text.str.extract(r"^((?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d\d){0,3})$")
    naive = digits.str.pad_end(14, "0").str.to_datetime("%Y%m%d%H%M%S", time_unit="us", strict=False)
    seconds = text.str.extract(r"^(-?\d{1,10})(?:\.0+)?$").cast(pl.Int64)
    unix = (seconds * 1_000_000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.select(pl.coalesce(times.in_zone(naive, zone), unix, times.iso(text, zone)).cast(TIME)).to_series()


def add_crawled_profile(posts: pl.DataFrame, file: Path) -> pl.DataFrame:
    """``posthoc_*`` columns joined by path alias (case-sensitive); null where no profile was crawled.

    They were crawled long after the posts, so they contain the posts' own later views. ``posthoc_snapshot_days`` is
    the time from post to crawl.
    """
    table = raw_files.csv(file)
    for column in ("pathalias", *CRAWLED):
        if column not in table.columns:
            raise bad_input("missing column", file=file, field=column)
    loading.filled(table["pathalias"], file=file, field="pathalias", first_row=2)
    loading.unique(table["pathalias"], file=file, field="pathalias", first_row=2)
    numbers = {new: loading.number(table[old], file=file, field=old, first_row=2) for old, new in CRAWLED.items()}
    crawled = pl.DataFrame({"alias": table["pathalias"], **numbers})
    if "snapshot_date" in table.columns:
        days = times.read_times(table["snapshot_date"], "auto", "UTC", file=file, field="snapshot_date", first_row=2)
        crawled = crawled.with_columns(snapshot=days)
    posts = posts.join(crawled, on="alias", how="left", maintain_order="left")
    if "snapshot" in posts.columns:
        age = (pl.col("snapshot") - pl.col("posted_at")).dt.total_seconds() / 86400
        posts = posts.with_columns(posthoc_snapshot_days=age).drop("snapshot")
    return posts
