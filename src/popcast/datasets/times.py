"""Times of posts as UTC microseconds: unix times, ISO 8601 and what else exports show; a named zone for clock times.

A cell is read as it stands, with its zone, or not at all. What is day and month in ``3/4/2025`` is found over the whole
column (see :mod:`popcast.datasets.values.cells.clock_cells` for single cells).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input, shown
from popcast.core.tables import TIME
from popcast.datasets.loading import refuse
from popcast.datasets.raw_files import FOREIGN
from popcast.datasets.values.cells.clock_cells import FORMS, ClockCell, clock_cell
from popcast.datasets.values.missing_words import WORDS, blank_words
from popcast.datasets.values.words.zone_names import UnknownZone, minutes_ahead

EARLIEST, LATEST = 631_152_000, 4_102_444_800
"""Unix seconds of 1990 and 2100: milliseconds taken for seconds fall outside, and so do seconds for milliseconds."""

ISO_PATTERNS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")

UNITS = {"epoch": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1, "epoch_ns": 0}
"""``time_format`` of unix times -> microseconds of one unit; nanoseconds are cut."""

FEW = 0.01
"""Share of cells that contradict all others about day and month and are left out, rather than the whole column."""

NOT_A_TIME, OUT_OF_RANGE = "not a time", "time out of range"
EXPECTED = "ISO 8601, unix time, a usual day and clock time, or a time_format in params.yaml"


@dataclass(frozen=True)
class Times:
    """moments: UTC, null where ``wrong`` (text, null where all is well) says what is wrong or nothing is known.
    said: what was found by looking."""

    moments: pl.Series
    wrong: pl.Series
    said: list[str]


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
    text = values.str.strip_chars().str.replace(r"(\d)[Tt](\d)", "${1} ${2}")
    times = in_zone(_clock(text), zone)
    if times.null_count() == text.null_count():
        return times
    return pl.select(pl.coalesce(times, _with_offset(text))).to_series()


def _clock(text: pl.Series) -> pl.Series:
    """Date and time without zone by the first of :data:`ISO_PATTERNS` that fits."""
    text = pl.select(pl.when(text.str.contains(r"^\d{4}-")).then(text)).to_series()
    found = pl.Series([None] * len(text), dtype=pl.Datetime("us"))
    for pattern in ISO_PATTERNS:
        if found.null_count() > text.null_count():
            parsed = text.str.to_datetime(pattern, time_unit="us", strict=False)
            found = pl.select(pl.coalesce(found, parsed)).to_series()
    return found


def _with_offset(text: pl.Series) -> pl.Series:
    """Times that end in ``Z``, ``UTC`` or an offset such as ``+01:00``, ``-0330`` or ``+02``; null for all others."""
    parts = text.str.extract_groups(
        r"^(.*:\d\d(?:\.\d+)?) ?(?:[Zz]|UTC|([+-])(0\d|1[0-4]):?([0-5]\d)?)$"
    ).struct.unnest()
    sign = pl.when(pl.col("2") == "-").then(-1).otherwise(1)
    minutes = sign * (pl.col("3").cast(pl.Int64) * 60 + pl.col("4").cast(pl.Int64).fill_null(0))
    exact = pl.col("clock") - pl.duration(minutes=minutes.fill_null(0))
    return parts.with_columns(clock=_clock(parts["1"])).select(exact.dt.replace_time_zone("UTC")).to_series()


def shown_times(values: pl.Series, pattern: str, zone: str, day_first: bool | None = None) -> Times:
    """Times of a user's column to UTC, cell by cell as it stands.

    pattern: ``auto`` (unix times by their number of digits, ISO 8601, days and months in digits or words), ``epoch``
    (seconds), ``epoch_ms``, ``epoch_us``, ``epoch_ns``, or a strptime pattern. Columns of days or times are taken as
    they are. zone: of times that name none. day_first: what is the day in ``3/4/2025``; None: the column decides.
    Raises BadInput where it does not.
    """
    if values.dtype in (pl.Date, pl.Datetime):
        zoned = getattr(values.dtype, "time_zone", None) is not None
        return _in_range(values.cast(TIME) if zoned else in_zone(values, zone), values, [])
    text = blank_words(values, WORDS)
    if pattern in UNITS:
        return _in_range(_epoch(text, pattern), text, [])
    if pattern != "auto":
        naive = _by_pattern(text, pattern)
        zoned = getattr(naive.dtype, "time_zone", None) is not None
        return _in_range(naive.cast(TIME) if zoned else in_zone(naive, zone), text, [])
    unix = _unix(text)
    found = pl.select(pl.coalesce(unix, iso(pl.select(pl.when(unix.is_null()).then(text)).to_series(), zone)))
    found = found.to_series()
    rest = text.filter(found.is_null()).drop_nulls().unique(maintain_order=True)
    if len(rest) == 0:
        return _in_range(found, text, [])
    cells = {one: clock_cell(one) for one in rest}
    days, said = _day_first(cells, text, day_first)
    read = {one: _moment(cell, days, zone) for one, cell in cells.items()}
    moments = {one: moment for one, (moment, _) in read.items()}
    more = text.replace_strict(moments, default=None, return_dtype=pl.Datetime("us"))
    local = text.is_in([one for one, cell in cells.items() if cell is not None and cell.zone is None])
    more = pl.select(pl.when(local).then(in_zone(more, zone)).otherwise(more.dt.replace_time_zone("UTC"))).to_series()
    wrong = text.replace_strict({one: why for one, (_, why) in read.items()}, default=None, return_dtype=pl.String)
    return _in_range(pl.select(pl.coalesce(found, more)).to_series(), text, said, wrong)


def needs_zone(values: pl.Series, pattern: str, day_first: bool | None = None) -> bool:
    """Whether a column has times that name no zone, as its first cells show: in two zones they are two moments.

    >>> needs_zone(pl.Series(["2020-01-31 10:00"]), "auto"), needs_zone(pl.Series(["1580000000"]), "auto")
    (True, False)
    """
    first = values.drop_nulls().head(20)
    there = [shown_times(first, pattern, zone, bool(day_first)).moments for zone in ("UTC", "Asia/Tokyo")]
    return bool((there[0] != there[1]).any())


def _unix(text: pl.Series) -> pl.Series:
    """Unix times by their digits: 9 and 10 are seconds, 12 and 13 milli-, 15 and 16 micro-, 18 and 19 nanoseconds."""
    packed = text.str.contains(r"^(?:19|20)\d{10}$")  # yyyymmddhhmm, which as milliseconds would be 1976
    digits = pl.select(pl.when(~packed).then(text)).to_series().str.extract(r"^(\d+)(?:[.,]\d+)?$").str.len_chars()
    found = pl.Series([None] * len(text), dtype=TIME)
    for unit, lengths in zip(UNITS, ((9, 10), (12, 13), (15, 16), (18, 19)), strict=True):
        fits = digits.is_in(lengths)
        if fits.any():
            own = _epoch(pl.select(pl.when(fits).then(text)).to_series(), unit)
            found = pl.select(pl.coalesce(found, own)).to_series()
    return found


def _epoch(text: pl.Series, unit: str) -> pl.Series:
    """Unix times in ``unit``, with a fraction or not; null where there is none."""
    parts = text.str.extract_groups(r"^(\d{1,19})(?:[.,](\d+))?$").struct.unnest()
    whole = parts["1"].cast(pl.Int64, strict=False)
    if unit == "epoch_ns":
        return (whole // 1000).cast(TIME)
    scale = UNITS[unit]
    kept = len(str(scale)) - 1
    fraction = parts["2"].fill_null("").str.slice(0, kept).str.pad_end(kept, "0")
    below = fraction.cast(pl.Int64, strict=False).fill_null(0) if kept else 0
    limit = 4_000_000_000_000_000_000 // scale
    whole = pl.select(pl.when(whole <= limit).then(whole)).to_series()
    return (whole * scale + below).cast(TIME)


def _moment(cell: ClockCell | None, day_first: bool, zone: str) -> tuple[datetime | None, str | None]:
    """Clock time (of UTC where the cell names a zone), or what is wrong."""
    if cell is None:
        return None, NOT_A_TIME
    if cell.wrong is not None:
        return None, cell.wrong
    moment = cell.moment(day_first)
    if moment is None:
        return None, NOT_A_TIME
    if cell.zone is None:
        return moment, None
    try:
        return moment - timedelta(minutes=minutes_ahead(cell.zone, moment, zone)), None
    except UnknownZone as error:
        return None, str(error)
    except OverflowError:
        return None, OUT_OF_RANGE


def _day_first(cells: dict[str, ClockCell | None], text: pl.Series, given: bool | None) -> tuple[bool, list[str]]:
    """Whether the first of two numbers is the day, as the cells of the column leave it. Raises BadInput."""
    open_cells = {one: cell.either for one, cell in cells.items() if cell is not None and cell.either is not None}
    if given is not None or not open_cells:
        return bool(given), []
    first = [one for one, (a, b, _) in open_cells.items() if a > 12 >= b]
    second = [one for one, (a, b, _) in open_cells.items() if b > 12 >= a]
    if first and len(second) <= FEW * len(first):
        return True, [f"{text.name}: the day comes before the month, as {shown(first[0])} shows"]
    if second and len(first) <= FEW * len(second):
        return False, [f"{text.name}: the month comes before the day, as {shown(second[0])} shows"]
    unclear = [one for one, (a, b, sign) in open_cells.items() if a != b and (sign != "." or first or second)]
    if not unclear:
        return True, []
    a, b, _ = open_cells[unclear[0]]
    year = cells[unclear[0]].clock.year
    either = f"{year}-{b:02}-{a:02} or {year}-{a:02}-{b:02}" if a <= 12 and b <= 12 else "day or month first"
    problem = f"may be {either}, and the column shows " + ("both" if first and second else "neither")
    raise DayOrMonth(problem, unclear[0])


class DayOrMonth(Exception):
    """A column that leaves day and month open. cell: one for which they are."""

    def __init__(self, problem: str, cell: str) -> None:
        super().__init__(problem)
        self.cell = cell

    expected = "table.day_first: true or false (or a time_format) to say which"


def _in_range(moments: pl.Series, given: pl.Series, said: list[str], wrong: pl.Series | None = None) -> Times:
    seconds = moments.dt.epoch("s")
    outside = ((seconds <= EARLIEST) | (seconds >= LATEST)).fill_null(False)
    unread = given.is_not_null() & moments.is_null()
    why = (
        pl.when(outside).then(pl.lit(OUT_OF_RANGE)).when(unread & (wrong.is_not_null() if wrong is not None else False))
    )
    why = why.then(wrong if wrong is not None else None).when(unread).then(pl.lit(NOT_A_TIME))
    columns = pl.select(why.alias("wrong"), pl.when(~outside).then(moments).alias("moments"))
    return Times(columns["moments"].alias(given.name), columns["wrong"].cast(pl.String), said)


def read_times(values: pl.Series, pattern: str, zone: str, *, file: Path, field: str, first_row: int = 1) -> pl.Series:
    """As :func:`shown_times` for files in which every row must have a time. Raises BadInput naming the row."""
    where = {"file": file, "field": field, "first_row": first_row}
    times = _or_refused(lambda: shown_times(values.alias(field), pattern, zone), values, **where)
    text = values.cast(pl.String)
    for why in times.wrong.drop_nulls().unique(maintain_order=True):
        refuse(times.wrong == why, text, why, expected=EXPECTED if pattern == "auto" else pattern, **where)
    refuse(times.moments.is_null(), text, "missing time", **where)
    return times.moments


def _or_refused(read: Callable[[], Times], values: pl.Series, *, file: Path, field: str, first_row: int) -> Times:
    try:
        return read()
    except DayOrMonth as error:
        row = (values.cast(pl.String).str.strip_chars() == error.cell).arg_max() + first_row
        raise bad_input(
            str(error), file=file, row=row, field=field, value=error.cell, expected=error.expected
        ) from None


def looks_like_time(values: pl.Series) -> tuple[float, str]:
    """Share of the filled cells that show a time within 1990 to 2100, and the name of the most frequent form.

    >>> looks_like_time(pl.Series(["2020-01-31", "2020-02-01 10:00", "soon", None]))[1]
    'year-month-day'
    """
    if values.dtype in (pl.Date, pl.Datetime):
        return float(values.null_count() < len(values)), "days and times"
    if values.dtype != pl.String and not values.dtype.is_integer():
        return 0.0, ""
    text = blank_words(values, WORDS).drop_nulls()
    if len(text) == 0:
        return 0.0, ""
    unix = _in_range(_unix(text), text, []).moments.is_not_null()
    forms: dict[str, int] = {"unix time": int(unix.sum())}
    for one, count in (
        pl.DataFrame({"text": text.filter(~unix)}).group_by("text", maintain_order=True).len().iter_rows()
    ):
        cell = clock_cell(one)
        if cell is not None and cell.form in FORMS and (cell.clock is None or 1990 <= cell.clock.year < 2100):
            name = FORMS[cell.form]
            forms[name] = forms.get(name, 0) + count
    best = max(forms, key=forms.get)
    return sum(forms.values()) / len(text), best if forms[best] else ""


def _by_pattern(text: pl.Series, pattern: str) -> pl.Series:
    try:
        return text.str.to_datetime(pattern, time_unit="us", strict=False)
    except FOREIGN as error:
        problem = f"params.yaml: time_format: {str(error).splitlines()[0]}"
        raise bad_input(
            problem, value=pattern, expected="auto, epoch, epoch_ms or date and time in strptime form"
        ) from None
