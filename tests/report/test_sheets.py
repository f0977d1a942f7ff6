"""Tables of the page: csv that no spreadsheet runs, the form by the number of columns, text columns, names of files."""

from __future__ import annotations

import csv
import io

import pytest

from popcast.report.page.sheets import Row, Sheet, plain, sheet


@pytest.mark.parametrize(
    "cell", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-cmd", "-1+cmd|' /C calc'!A0", "\t=1", "\r=1"]
)
def test_no_cell_is_a_formula(cell):
    assert plain(cell) == "'" + cell


@pytest.mark.parametrize(
    ("cell", "number"),
    [("−0.12", -0.12), ("+0.5", 0.5), ("1,234", 1234), ("−1,234.5", -1234.5), ("1e-05", 1e-5), ("0", 0)],
)
def test_numbers_are_read_by_programs(cell, number):
    assert float(plain(cell)) == number


def test_csv_has_all_rows_and_marks():
    rows = [Row(["a\nb", "1,5;x"], [("reference", False), ("post-hoc values", True)]), Row(['say "so"', "–"])]
    read = list(csv.reader(io.StringIO(Sheet("d", "t", ["model", "MAE"], rows).csv(), newline="")))
    assert read == [["model", "MAE", "notes"], ["a\nb", "1,5;x", "reference, post-hoc values"], ['say "so"', "", ""]]


@pytest.mark.parametrize(
    ("columns", "form"), [(2, "slim"), (4, "slim"), (5, "cards"), (9, "cards"), (10, "cards cards-wide"),
                          (13, "cards cards-wide"), (14, "cards cards-always"), (40, "cards cards-always")]
)  # fmt: skip
def test_more_columns_than_fit_become_cards(columns, form):
    assert sheet("d", "t", [str(n) for n in range(columns)], []).form == form


def test_columns_of_words_are_known():
    rows = [["a", "untuned", "–", "−0.1", "", "< 0.01"], ["b", "SFT + DPO", "–", "2 (1 to 3)", "", "0.3"]]
    assert sheet("d", "t", ["n", "what", "no", "d", "none", "p"], rows).textual == {1}


def test_a_column_without_a_name_gets_one_and_the_file_is_named_by_both():
    made = sheet("simulation-a", "What was simulated: MAE / SRC", ["", ""], [["posts", "5"]])
    assert made.head == ["what", "value"]
    assert made.file == "simulation-a-what-was-simulated-mae-src.csv"


@pytest.mark.parametrize(("rows", "strong", "told"), [(5, 4, 5), (6, 2, 4), (6, 5, 5), (90, 60, 5)])
def test_a_long_table_shows_its_first_rows_and_those_set_off(rows, strong, told):
    made = Sheet("d", "t", ["model"], [Row([str(n)], strong=n == strong) for n in range(rows)])
    assert sum(made.shown) == told
    assert made.shown[strong]
    assert made.shown[0]
