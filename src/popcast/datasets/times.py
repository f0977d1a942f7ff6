"""Times of posts as UTC microseconds: unix seconds, ISO 8601 or another pattern; a named zone for clock times."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.core.tables import TIME
from popcast.datasets.loading import refuse
from popcast.datasets.raw_files import FOREIGN

EARLIEST, LATEST = 631_152_000, 4_102_444_800
"""Unix seconds of 1990 and 2100: milliseconds taken for seconds fall outside, and so do seconds for milliseconds."""

ISO_PATTERNS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def from_epoch(values: pl.Series, unit: str, *, file: Path, field: str, first_row: int = 1) -> pl.Series:
    """Unix seconds (``unit`` s) or milliseconds (ms), as text or numbers, to UTC. Anything else is refused."""
    text = values.cast(pl.String).str.strip_chars()
    number = text.str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
    scale = 1_000_000 if unit == "s" else 1_000
    low, high = EARLIEST * 1_000_000 // scale, LATEST * 1_000_000 // scale
    expected = "unix seconds" if unit == "s" else "unix milliseconds (13 digits)"
    where = {"file": file, "field": field, "first_row": first_row, "expected": expected}
    refuse(number.is_null(), values, "not a time", **where)
    refuse((number <= low) | (number >= high), values, "time out of range", **where)
    return (number * scale).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def in_zone(local: pl.Series, zone: str) -> pl.Series:
    """Clock times of ``zone`` to UTC: the earlier one of a time that occurs twice, an hour on from a skipped one."""
    local = local.cast(pl.Datetime("us"))
    there = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    later = local.dt.offset_by("1h").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return pl.select(pl.coalesce(there, later)).to_series().cast(TIME)


def iso(values: pl.Series, zone: str) -> pl.Series:
    """ISO 8601 text (``T`` or a space, with or without seconds and zone) to UTC; null where it is none.

    ``zone`` holds for times that name no zone.
    """
    text = values.str.strip_chars().str.replace("T", " ", literal=True)
    times = in_zone(_clock(text), zone)
    if times.null_count() == text.null_count():
        return times
    return pl.select(pl.coalesce(times, _with_offset(text))).to_series()


def _clock(text: pl.Series) -> pl.Series:
    """Date and time without zone by the first of :data:`ISO_PATTERNS` that fits."""
    found = pl.Series([None] * len(text), dtype=pl.Datetime("us"))
    for pattern in ISO_PATTERNS:
        if found.null_count() > text.null_count():
            parsed = text.str.to_datetime(pattern, time_unit="us", strict=False)
            found = pl.select(pl.coalesce(found, parsed)).to_series()
    return found


def _with_offset(text: pl.Series) -> pl.Series:
    """Times that end in ``Z``, ``UTC`` or an offset such as ``+01:00``, ``-0330`` or ``+02``; null for all others."""
    parts = text.str.extract_groups(r"^(.*:\d\d(?:\.\d+)?) ?(?:Z|UTC|([+-])(\d\d):?(\d\d)?)$").struct.unnest()
    sign = pl.when(pl.col("2") == "-").then(-1).otherwise(1)
    minutes = sign * (pl.col("3").cast(pl.Int64) * 60 + pl.col("4").cast(pl.Int64).fill_null(0))
    exact = pl.col("clock") - pl.duration(minutes=minutes.fill_null(0))
    return parts.with_columns(clock=_clock(parts["1"])).select(exact.dt.replace_time_zone("UTC")).to_series()


def read_times(values: pl.Series, pattern: str, zone: str, *, file: Path, field: str, first_row: int = 1) -> pl.Series:
    """Times of a user's column to UTC; every row must have one.

    pattern: ``epoch`` (seconds), ``epoch_ms``, ``auto`` (unix times by their number of digits, else ISO 8601), or a
    strptime pattern. Columns that are dates or times already are taken as they are. Raises BadInput naming the row.
    """
    if values.dtype in (pl.Date, pl.Datetime):
        where = {"file": file, "field": field, "first_row": first_row}
        refuse(values.is_null(), values, "missing time", **where)
        seconds = values.dt.epoch("s")
        refuse((seconds <= EARLIEST) | (seconds >= LATEST), values.cast(pl.Int64), "time out of range", **where)
        if getattr(values.dtype, "time_zone", None) is not None:
            return values.cast(TIME)
        return in_zone(values, zone)
    text = values.cast(pl.String).str.strip_chars()
    where = {"file": file, "field": field, "first_row": first_row}
    refuse(text.is_null() | (text == ""), text, "missing time", **where)
    if pattern == "auto" and text.str.contains(r"^\d{9,13}(?:\.0+)?$").all():
        long = text.str.contains(r"^\d{12,13}(?:\.0+)?$").all()
        return from_epoch(text, "ms" if long else "s", **where)
    if pattern in ("epoch", "epoch_ms"):
        return from_epoch(text, "s" if pattern == "epoch" else "ms", **where)
    if pattern == "auto":
        times = iso(text, zone)
        refuse(times.is_null(), text, "not a time", expected="ISO 8601 or a time_format in params.yaml", **where)
    else:
        naive = _by_pattern(text, pattern)
        times = in_zone(naive, zone) if getattr(naive.dtype, "time_zone", None) is None else naive.cast(TIME)
        refuse(times.is_null(), text, "not a time", expected=pattern, **where)
    refuse((times.dt.epoch("s") <= EARLIEST) | (times.dt.epoch("s") >= LATEST), text, "time out of range", **where)
    return times


def _by_pattern(text: pl.Series, pattern: str) -> pl.Series:
    try:
        return text.str.to_datetime(pattern, time_unit="us", strict=False)
    except FOREIGN as error:
        problem = f"params.yaml: time_format: {str(error).splitlines()[0]}"
        raise bad_input(
            problem, value=pattern, expected="auto, epoch, epoch_ms or date and time in strptime form"
        ) from None
