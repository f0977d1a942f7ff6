"""Times as exports show them: with their zone or not at all, day and month as the whole column says."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets import times

MOMENT = datetime(2020, 5, 30, 1, 14, 36, tzinfo=UTC)
EVENING = datetime(2025, 1, 3, 20, 5, tzinfo=UTC)
UNIX = 1_590_801_276

SAME = (
    "2020-05-30 01:14:36 UTC", "2020-05-30T01:14:36 UTC", "2020-05-30t01:14:36z", "2020-05-30T01:14:36Z",
    "2020-05-30 01:14:36 GMT", "2020-05-30 01:14:36+00:00", "2020-05-30 01:14:36 +0000", "2020-05-30T09:14:36+08",
    "2020-05-30 01:14:36 +0000 UTC", "2020-05-29 18:14:36 MST", "2020-05-29 20:14:36 EST", "2020-05-29 21:14:36 EDT",
    "2020-05-30 03:14:36 CEST", "2020-05-30 02:14:36 CET", "2020-05-30 10:14:36 JST", "2020-05-30 09:14:36 GMT+8",
    "2020-05-30 09:14:36 UTC+08:00", "2020-05-29 18:14:36 PDT", "2020-05-30 03:14:36 Europe/Berlin",
    "2020-05-30T03:14:36+02:00[Europe/Berlin]", "20200530T011436Z", "20200530011436", "2020-05-30 01:14:36.000",
    "2020-05-30 01:14:36.000000000", "2020/05/30 01:14:36", "2020.05.30 01:14:36", "30.05.2020 01:14:36",
    "30/05/2020 01:14:36", "05/30/2020 01:14:36", "5/30/2020 1:14:36 AM", "30-05-2020 01:14:36", "30-May-2020 01:14:36",
    "Sat, 30 May 2020 01:14:36 +0000", "Sat, 30 May 2020 01:14:36 GMT", "Sat May 30 01:14:36 +0000 2020",
    "Sat May 30 01:14:36 2020", "Sat May 30 2020 03:14:36 GMT+0200 (Central European Summer Time)",
    "30. Mai 2020, 01:14:36", "30 mai 2020 à 01:14:36", "30 de mayo de 2020 01:14:36", "30 de maio de 2020 às 01:14:36",
    "May 30, 2020 at 1:14:36 AM", "2020年5月30日 01:14:36", "2020年05月30日 上午1:14:36", "2020年5月30日 1时14分36秒",
    "2020년 5월 30일 오전 1:14:36", str(UNIX), f"{UNIX}.0", f"{UNIX}000", f"{UNIX}000000", f"{UNIX}000000000",
)  # fmt: skip
AFTERNOON = (
    "3.1.2025 20:05", "03.01.2025 20:05", "January 3, 2025 8:05 PM", "Jan 3, 2025, 8:05 p.m.", "3 janv. 2025 20:05",
    "viernes, 3 de enero de 2025 20:05", "2025年1月3日 下午8:05", "2025-01-03 20:05", "20250103T2005",
    "2025-01-03T20:05Z",
)  # fmt: skip
REFUSED = {
    "2020-05-30 01:14:36 XYZ": "unknown time zone, write", "2020-05-30 01:14:36 CST": "CST is the name of several",
    "2020-05-30 01:14:36 IST": "IST is the name of several",
    "2020-05-30 01:14:36 +25:00": "no time zone is so far ahead",
    "30/05/20": "a year of two digits", "30.05.20 10:00": "a year of two digits", "1889-01-01": "time out of range",
    "2300-01-01 00:00": "time out of range", "2020-W22-6": "not a time", "2020-150": "not a time", "soon": "not a time",
    "43981.05": "not a time", "1.59E+09": "not a time", "01:14:36": "not a time", "2020-05": "not a time",
    "2020-05-30 25:00": "not a time", "2020-02-30": "not a time", "13:00 PM 2020-05-30": "not a time",
    "2020-05-30 13:00 PM": "not a time", "5分钟前": "a time relative to", "32.05.2020": "not a time",
    "Foo 30, 2020": "not a time",
    "99999999999": "not a time", "2020-05-30 01:14:36 (CET)": "not a time",
}  # fmt: skip


@pytest.mark.parametrize("cell", SAME)
def test_one_moment_in_many_forms(cell):
    found = times.shown_times(pl.Series("at", [cell]), "auto", "UTC")
    assert found.moments.to_list() == [MOMENT]
    assert found.wrong.to_list() == [None]


@pytest.mark.parametrize("cell", AFTERNOON)
def test_names_of_months_and_halves_of_the_day(cell):
    assert times.shown_times(pl.Series("at", [cell]), "auto", "UTC").moments.to_list() == [EVENING]


@pytest.mark.parametrize(("cell", "why"), REFUSED.items())
def test_what_is_no_time_says_why_and_stops_no_other(cell, why):
    found = times.shown_times(pl.Series("at", [cell, SAME[0], None, "n/a"]), "auto", "UTC")
    assert found.moments.to_list() == [None, MOMENT, None, None]
    assert found.wrong[0].startswith(why)
    assert found.wrong.to_list()[1:] == [None, None, None]


@pytest.mark.parametrize(
    ("cell", "zone", "hour"),
    [
        ("2020-07-01 12:00 CST", "Asia/Shanghai", 4),
        ("2020-01-01 12:00 CST", "America/Chicago", 18),
        ("2020-07-01 12:00 CST", "America/Chicago", 18),
        ("2020-07-01 12:00 IST", "Asia/Jerusalem", 10),
        ("2020-07-01 12:00 BST", "Europe/London", 11),
        ("2020-07-01 12:00", "Europe/London", 11),
        ("2020-07-01 12:00 UTC", "Europe/London", 12),
        ("01.07.2020 12:00", "Europe/Berlin", 10),
    ],
)
def test_the_zone_of_the_dataset_holds_where_the_cell_leaves_it_open(cell, zone, hour):
    assert times.shown_times(pl.Series("at", [cell]), "auto", zone).moments[0].hour == hour


@pytest.mark.parametrize(
    ("cell", "microseconds"),
    [
        ("1590801276.25", 250_000),
        ("1590801276250", 250_000),
        ("1590801276250.5", 250_500),
        ("1590801276250001", 250_001),
        ("1590801276250001999", 250_001),
        ("2020-05-30 01:14:36.25", 250_000),
        ("2020-05-30T01:14:36,250Z", 250_000),
    ],
)
def test_fractions_of_a_second(cell, microseconds):
    found = times.shown_times(pl.Series("at", [cell]), "auto", "UTC").moments
    assert found.to_list() == [MOMENT.replace(microsecond=microseconds)]


@pytest.mark.parametrize(
    ("pattern", "cell"), [("epoch", "1590801276"), ("epoch_ms", "1590801276000"), ("epoch_us", "1590801276000000")]
)
def test_unix_times_by_their_name(pattern, cell):
    assert times.shown_times(pl.Series("at", [cell]), pattern, "UTC").moments.to_list() == [MOMENT]
    wrong = times.shown_times(pl.Series("at", [cell[:-3], cell + "000"]), pattern, "UTC").wrong
    assert set(wrong) <= {"time out of range", "not a time"}
    assert wrong.null_count() == 0


@pytest.mark.parametrize(
    ("cells", "first", "said"),
    [
        (["03/04/2025", "13/04/2025"], datetime(2025, 4, 3, tzinfo=UTC), "the day comes before the month"),
        (["03/04/2025", "04/13/2025"], datetime(2025, 3, 4, tzinfo=UTC), "the month comes before the day"),
        (["03-04-2025 10:00", "13-04-2025 10:00"], datetime(2025, 4, 3, 10, tzinfo=UTC), "the day comes before"),
        (["03.04.2025", "04.05.2025"], datetime(2025, 4, 3, tzinfo=UTC), None),
        (["03/03/2025", "04/04/2025"], datetime(2025, 3, 3, tzinfo=UTC), None),
    ],
)
def test_the_column_says_what_is_the_day(cells, first, said):
    found = times.shown_times(pl.Series("at", cells), "auto", "UTC")
    assert found.moments[0] == first
    assert found.wrong.null_count() == 2
    assert [said in one for one in found.said] == [True] * (said is not None)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["03/04/2025", "04/05/2025"], "may be 2025-04-03 or 2025-03-04, and the column shows neither"),
        (["03/04/2025", "13/04/2025", "04/13/2025"], "may be 2025-04-03 or 2025-03-04, and the column shows both"),
    ],
)
def test_days_and_months_with_two_readings_are_refused_or_set(cells, words):
    with pytest.raises(times.DayOrMonth, match=words):
        times.shown_times(pl.Series("at", cells), "auto", "UTC")
    with pytest.raises(BadInput, match=r"a.csv: row 2: field 'at': may be .*table.day_first: true or false"):
        times.read_times(pl.Series("at", cells), "auto", "UTC", file="a.csv", field="at", first_row=2)
    for day_first, month in ((True, 4), (False, 3)):
        assert times.shown_times(pl.Series("at", cells), "auto", "UTC", day_first).moments[0].month == month


@pytest.mark.parametrize(
    ("cells", "share", "form"),
    [
        (["1590801276", "1590801277"], 1.0, "unix time"),
        (["2020-05-30", "n/a", "x"], 0.5, "year-month-day"),
        (["30.05.2020 10:00"], 1.0, "day and month in digits"),
        (["Sat May 30 01:14:36 +0000 2020"], 1.0, "as Twitter prints it"),
        (["a", "12"], 0.0, ""),
        ([None], 0.0, ""),
    ],
)
def test_how_much_of_a_column_looks_like_times(cells, share, form):
    assert times.looks_like_time(pl.Series("at", cells, dtype=pl.String)) == (share, form)


def test_typed_columns_look_like_what_they_are():
    assert times.looks_like_time(pl.Series([datetime(2020, 1, 1)]))[0] == 1.0
    assert times.looks_like_time(pl.Series([UNIX]))[0] == 1.0
    assert times.looks_like_time(pl.Series([0.5])) == (0.0, "")
