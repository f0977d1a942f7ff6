"""Numbers as pages and exports show them: single cells, what a column decides, and what stays open is refused."""

from __future__ import annotations

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets.values.shown_numbers import evidence, looks_like_number, number_form, read_numbers

COUNTS = {
    "5": 5, " 5 ": 5, "+5": 5, "007": 7, "1,234": 1234, "12,345,678": 12_345_678, "1 234": 1234, "1\u202f234": 1234,
    "1\u00a0234\u00a0567": 1_234_567, "1'234": 1234, "1’234": 1234, "1.2K": 1200, "1.2k": 1200, "15.3 K": 15_300,
    "3M": 3_000_000, "3m": 3_000_000, "1.5B": 1_500_000_000, "1.2 mil": 1200, "12 mil": 12_000, "2 millones": 2_000_000,
    "1.5 thousand": 1500, "2 million": 2_000_000, "1.5 mn": 1_500_000, "2bn": 2_000_000_000, "3 Mrd.": 3_000_000_000,
    "100万+": 1_000_000, "1.2亿": 120_000_000, "3萬": 30_000, "2億": 200_000_000, "3만": 30_000, "1.5천": 1500,
    "10w+": 100_000, "1.5 lakh": 150_000, "2 crore": 20_000_000, "1,00,000": 100_000, "12,34,567": 1_234_567,
    "500+": 500, "１，２３４，５６７": 1_234_567, "１２３": 123, "１.２万": 12_000, "1e5": 100_000, "1E+05": 100_000,
    "1.2e3": 1200, "17.0": 17, "1.0": 1, "1.5 млн": 1_500_000, "5 тыс.": 5000, "2.5 jt": 2_500_000, "-1": -1,
}  # fmt: skip
CONTINENTAL = {
    "2,8 Tsd.": 2800, "1,5 Mio.": 1_500_000, "1,5 Mio": 1_500_000, "1,2 mn": 1_200_000, "1,2 M": 1_200_000,
    "3,4 mil": 3400, "1.234.567": 1_234_567, "12,0": 12, "1,2 Mrd.": 1_200_000_000, "2,5 mi": 2_500_000, "1,5 k": 1500,
}  # fmt: skip
NO_COUNTS = (
    "12 foo", "$5", "5 €", "€5", "5%", "12 %", "many", "1_000", "1.2345K", "3.5", "0.5", "1,2,3", "12,34", "1.", "..",
    "1 23", "1'23", "5x", "2 dozen", "0x10", "1e-3", "--5", "5-7", "<100", "~5", "1.2.3K", "inf", "1e999999999",
    "9" * 61, "1/2", "٫5", "5 Tsd Mio",
)  # fmt: skip


def read(cells: list[str | None], counts: bool, **more) -> tuple[list, list]:
    values = pl.Series("x", cells, dtype=pl.String)
    numbers, unread = read_numbers(values, number_form(values, counts, **more))
    return numbers.to_list(), unread.to_list()


@pytest.mark.parametrize(("cell", "number"), [*COUNTS.items(), *CONTINENTAL.items()])
def test_a_count_is_read_with_its_unit(cell, number):
    assert read([cell, "7"], counts=True) == ([number, 7], [False, False])


@pytest.mark.parametrize("cell", NO_COUNTS)
def test_what_is_no_count_is_unread_and_stops_no_other(cell):
    assert read([cell, "7"], counts=True, decimal=".") == ([None, 7], [True, False])


@pytest.mark.parametrize(
    "word", ["", " ", "na", "N/A", "NULL", "None", "nan", "-", "--", "?", "hidden", "[none]", "#N/A"]
)
def test_words_for_missing_are_null(word):
    assert read([word, "7"], counts=True) == ([None, 7], [False, False])
    assert read([word, "0.5"], counts=False) == ([None, 0.5], [False, False])


def test_words_of_the_user_are_null_too():
    assert read(["geheim", "7"], counts=True, missing=frozenset({"geheim"})) == ([None, 7], [False, False])


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1.234", "987"], [1234, 987]),
        (["1.234", "12.500", "85"], [1234, 12_500, 85]),
        (["1,234", "2,345"], [1234, 2345]),
        (["1.000", "17"], [1000, 17]),
        (["1.234", "2,8 Tsd."], [1234, 2800]),
        (["1,234", "2.8K"], [1234, 2800]),
        (["1.234", "1.234.567"], [1234, 1_234_567]),
        (["1.234 Tsd.", "2,8 Tsd."], [1_234_000, 2800]),
        (["1.234K", "2.8K"], [1234, 2800]),
    ],
)
def test_a_count_is_whole(cells, numbers):
    assert read(cells, counts=True) == (numbers, [False] * len(cells))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["7", "1.234", "2.8K"], "may be 1.234 or 1234 (the column has cells of both kinds, as '2.8K'): got '1.234'"),
        (["1.0", "1.234"], "may be 1.234 or 1234"),
        (["1.000", "17.000"], "may be 1 or 1000"),
        (["1.234M"], "may be 1234000 or 1234000000"),
        (["1.234", "5,678"], "may be 1.234 or 1234 (point and comma stand before three digits)"),
        (["1 234", "1.234"], "may be 1.234 or 1234 (blanks part the thousands already)"),
        (["2,8 Tsd.", "2.8K"], "may be a number like '2.8K' or like '2,8 Tsd.'"),
    ],
)
def test_a_count_with_two_readings_is_refused_with_both(cells, words):
    with pytest.raises(BadInput) as error:
        read(cells, counts=True)
    assert words in str(error.value)
    assert str(error.value).endswith("expected table.decimal: '.' or ',' (or table.thousands) to say which")


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["0.500", "1.234"], [0.5, 1.234]),
        (["1.5", "1.234"], [1.5, 1.234]),
        (["12,5", "1.234"], [12.5, 1234]),
        (["1.234,5", "1.234"], [1234.5, 1234]),
        (["1,234.5", "1,234"], [1234.5, 1234]),
        (["1 234,5", "1,234"], [1234.5, 1.234]),
        (["1234.567"], [1234.567]),
        ([".5", "-2"], [0.5, -2]),
        (["5 %", "12%", "0"], [0.05, 0.12, 0]),
        (["1,00,000", "1.234"], [100_000, 1.234]),
    ],
)
def test_other_cells_of_a_column_decide(cells, numbers):
    assert read(cells, counts=False) == (numbers, [False] * len(cells))


@pytest.mark.parametrize("cells", [["1.234", "17.958"], ["1,234", "5"], ["1.234K"]])
def test_a_number_with_two_readings_is_refused_or_decided_by_the_file_or_the_user(cells):
    with pytest.raises(BadInput, match="nothing in the file decides"):
        read(cells, counts=False)
    english, continental = evidence(pl.Series(["0.5"])), evidence(pl.Series(["2,8 Tsd."]), counts=True)
    plain = cells[0].rstrip("K").replace(",", ".")
    unit = 1000 if "K" in cells[0] else 1
    small, large = float(plain) * unit, float(plain.replace(".", "")) * unit
    by_point, by_comma = (small, large) if "." in cells[0] else (large, small)
    assert read(cells, False, file_evidence=english)[0][0] == read(cells, False, decimal=".")[0][0] == by_point
    assert read(cells, False, file_evidence=continental)[0][0] == read(cells, False, thousands=".")[0][0] == by_comma


def test_a_count_against_the_rest_of_the_file_is_refused():
    with pytest.raises(BadInput, match=r"a count is whole, but '0\.5' of another column parts a fraction"):
        read(["1.234", "987"], True, file_evidence=evidence(pl.Series(["0.5"])))


def test_a_few_cells_against_a_thousand_are_unread_and_the_rest_stands():
    numbers, unread = read(["1,234"] * 1000 + ["1.234", "1.234.567"], counts=True)
    assert numbers[:1000] == [1234] * 1000
    assert numbers[1000:] == [None, None]
    assert unread[1000:] == [True, True]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["true", "False", None], [1, 0, None]),
        (["yes", "no"], [1, 0]),
        (["ja", "nein", "n/a"], [1, 0, None]),
        (["Y", "N", "1", "0"], [1, 0, 1, 0]),
    ],
)
def test_truth_values_are_one_and_zero(cells, numbers):
    assert read(cells, counts=False) == (numbers, [False] * len(cells))


@pytest.mark.parametrize(
    ("cells", "numbers", "unread"),
    [
        (["12%", "5 %", "0.5"], [0.12, 0.05, None], [False, False, True]),
        (["12%", "5", "0.5", "0"], [None, 5, 0.5, 0], [True, False, False, False]),
        (["12%", "3%", "7"], [0.12, 0.03, None], [False, False, True]),
    ],
)
def test_percent_and_plain_numbers_do_not_mix(cells, numbers, unread):
    assert read(cells, counts=False) == (numbers, unread)


@pytest.mark.parametrize(("decimal", "numbers"), [(",", [0.53, 1.25]), (".", [0.53, 1.25])])
def test_a_column_that_leaves_no_choice_is_read_whatever_is_set(decimal, numbers):
    assert read(["0.53", "1.25"], False, decimal=decimal) == (numbers, [False, False])
    assert read(["1.234", "5"], True, decimal=decimal)[0][0] == (1234 if decimal == "," else None)


def test_blanks_that_part_thousands_leave_the_sign_to_the_fraction():
    assert read(["1,234", "5"], False, thousands=" ") == ([1.234, 5], [False, False])


def test_a_truth_value_among_numbers_is_unread():
    assert read(["true", "7"], counts=False) == ([None, 7], [True, False])


@pytest.mark.parametrize(
    ("cells", "share"),
    [
        (["1", "2"], 1.0),
        (["1.2K", "n/a", "1,5 Mio."], 1.0),
        (["a", "1"], 0.5),
        ([None, "-"], 0.0),
        (["yes", "no"], 1.0),
        (["2020-01-01"], 0.0),
    ],
)
def test_how_much_of_a_column_looks_like_numbers(cells, share):
    assert looks_like_number(pl.Series(cells, dtype=pl.String)) == share


def test_a_typed_column_looks_like_what_it_is():
    assert looks_like_number(pl.Series([1.5, None])) == 1.0
    assert looks_like_number(pl.Series([["a"]])) == 0.0
