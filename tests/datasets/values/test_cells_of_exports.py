"""Cells as pages, spreadsheets and programs of many languages show them: the right value, or a reason."""

import polars as pl
import pytest

from popcast.datasets.guessing.name_matching import match
from popcast.datasets.times import shown_times
from popcast.datasets.values.cells.list_cells import is_list, items_of, parted, separator_of
from popcast.datasets.values.id_cells import read_ids, spoilt_names
from popcast.datasets.values.shown_numbers import number_form, read_numbers

TIMES = (
    "3 gennaio 2025 09:41", "3 stycznia 2025 09:41", "3 января 2025 г. 09:41", "3 Ocak 2025 09:41",
    "3 januari 2025 om 09:41", "3. Januar 2025 um 09:41 Uhr", "2025. 1. 3. 오전 9:41", "2025年1月3日(金) 09:41",
    "9:41 AM · Jan 3, 2025", "3rd of January 2025 09:41", "03-JAN-2025 09.41.00 AM", "03jan2025 09:41:00",
    "2025-01-03 09:41:00 (UTC)", '"2025-01-03T09:41:00Z"', "Timestamp('2025-01-03 09:41:00')", "202501030941",
    "2025-01-03_09-41-00_UTC", "\u200e2025-01-03 09:41", "1735897260,0",
)  # fmt: skip
UNCLEAR = {
    "刚刚": "relative", "3小时前": "relative", "昨天 09:41": "relative", "3 hours ago": "relative", "2d": "relative",
    "vor 3 Stunden": "relative", "il y a 3 heures": "relative", "hace 3 horas": "relative", "2 ч. назад": "relative",
    "Yesterday at 9:41 AM": "relative", "01-03 09:41": "without its year", "1月3日": "without its year",
    "3 listopada 2025": "October in Croatian", "week 1": "not a time",
}  # fmt: skip


@pytest.mark.parametrize("cell", TIMES)
def test_a_time_in_any_language_is_read(cell):
    moment = shown_times(pl.Series("at", [cell]), "auto", "UTC").moments[0]
    assert str(moment).replace(" ", "T") == "2025-01-03T09:41:00+00:00"


@pytest.mark.parametrize("cell", UNCLEAR)
def test_a_time_that_shows_no_day_says_so(cell):
    assert UNCLEAR[cell] in shown_times(pl.Series("at", [cell]), "auto", "UTC").wrong[0]


COUNTS = {
    "1.2K views": 1200, "12 likes": 12, "3,456 likes": 3456, "1.2万次": 12000, "2 тис.": 2000, "3К": 3000,
    "1.5L": 150000,
    "٢٬٣٤٥": 2345, "\u200e1,234": 1234, "3 करोड़": 30000000,
    "2,8 B": None, "2 B": None, "5²": None, "½": None, "$5": None,
}  # fmt: skip


@pytest.mark.parametrize("cell", COUNTS)
def test_a_count_with_its_unit_or_none(cell):
    values = pl.Series("likes", [cell, "7"])
    assert read_numbers(values, number_form(values, counts=True))[0].to_list() == [COUNTS[cell], 7]


LISTS = (
    'c("a", "b c")', 'list("a", "b c")', "WrappedArray(a, b c)", '{a,"b c"}', '"[\\"a\\", \\"b c\\"]"',
    "Index(['a', 'b c'], dtype='object')",
)  # fmt: skip


@pytest.mark.parametrize("cell", LISTS)
def test_lists_of_other_programs(cell):
    assert is_list(cell)
    assert items_of(cell) == ["a", "b c"]


@pytest.mark.parametrize("cell", ["a\nb c", "a\tb c", "a、b c", "a，b c", "a；b c", "a، b c", "a · b c"])
def test_signs_between_tags(cell):
    assert [one.strip() for one in parted(cell, separator_of([cell, "d"]))] == ["a", "b c"]


def test_topics_of_weibo_keep_their_blanks():
    assert parted("#话题 一##二#", separator_of(["#话题 一##二#", "#三#"])) == ["#话题 一", "#二"]


def test_ids_and_names_that_lost_digits():
    ids = pl.Series("id", ["1234567890123456768.0", "#NAME?", "1.2E+17", "00123"])
    assert read_ids(ids)[1].to_list() == [True, True, True, False]
    assert spoilt_names(pl.Series(["1.2E+17", "1234567890123456768.0", "1e5", "ann"])).to_list() == [
        True, True, False, False,
    ]  # fmt: skip


NAMES = {
    "조회수": "outcome", "작성일": "time", "Лайки": "outcome", "Mi piace": "outcome", "Konto-Nutzername": "author",
    "笔记类型": "category", "Pin title": "text", "Post link": "left out", "bvid": "id",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_of_columns_of_more_tools(name):
    assert match(name).role == NAMES[name]
