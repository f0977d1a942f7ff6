"""Rows of an export that are no posts, and records that differ from the header in one way throughout."""

import pytest
from openpyxl import Workbook

from popcast.datasets.reading.open_rows import read_rows

HEADER, POSTS = "id,at,likes", ["7,2025-01-03,5", "8,2025-01-04,17", "9,2025-01-05,0"]
PLAIN = "\n".join([HEADER, *POSTS]) + "\n"
IDS, LIKES = ["7", "8", "9"], ["5", "17", "0"]

ABOVE = {
    "a note": "# exported 2025-01-09, by a tool, v2\n",
    "a note of slashes": "// exported\n",
    "a title": "All posts\n",
    "titles and a blank line": "Insights\nJanuary 2025\n\n",
    "titles with values": "Report,Posts\nAccount,ann\n\n",
    "titles as wide as the table": "Report,,\nPeriod,,\n,,\n",
    "names of groups": "Post,,Metrics\n",
}


def read(folder, text: str, wanted=None, name="posts.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return read_rows(folder, name, wanted)


@pytest.mark.parametrize("wanted", [None, {"id", "likes"}], ids=["all", "some"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("case", ABOVE)
def test_what_stands_above_the_header_is_left_out_and_said(tmp_path, case, sign, wanted):
    if case in ("names of groups", "titles with values") and wanted is None:
        pytest.skip("without names that are looked for, a row of groups may be a header")
    found = read(tmp_path, (ABOVE[case] + PLAIN).replace(",", sign), wanted)
    assert (found.columns["id"].to_list(), found.columns["likes"].to_list()) == (IDS, LIKES)
    above = ABOVE[case].count("\n")
    assert any(f"the header is in row {above + 1}" in one for one in found.said)
    assert found.row_numbers.tolist() == [above + 2, above + 3, above + 4]


@pytest.mark.parametrize("again", [HEADER, "\ufeff" + HEADER])
def test_the_header_again_is_left_out_and_said(tmp_path, again):
    found = read(tmp_path, PLAIN + again + "\n10,2025-01-06,3\n")
    assert found.columns["id"].to_list() == [*IDS, "10"]
    assert any("1 row left out: the header again" in one for one in found.said)


@pytest.mark.parametrize("total", ["Total,,22", "Summe;;22", ",Grand Total,22", "合计,,22", "Total,22"])
def test_totals_are_left_out_and_said(tmp_path, total):
    found = read(tmp_path, PLAIN + total.replace(";", ",") + "\n")
    assert found.columns["id"].to_list() == IDS
    assert not found.rejected
    assert any("1 row left out: totals" in one for one in found.said)


@pytest.mark.parametrize("last", ["Total,2025-01-06,22", "total war,,22", "total,,many"])
def test_a_post_that_is_like_totals_stays(tmp_path, last):
    assert read(tmp_path, f"{PLAIN}{last}\n").columns.height == 4


ONE_WAY = {
    "a delimiter at the end of records": [HEADER, *(f"{one}," for one in POSTS)],
    "a delimiter at the end of the header": [f"{HEADER},", *POSTS],
    "a delimiter at the end of all": [f"{HEADER},", *(f"{one}," for one in POSTS)],
    "names of rows as R writes them": [HEADER, *(f'"{at}",{one}' for at, one in enumerate(POSTS, 1))],
    "formulas": [HEADER, *('="' + one.replace(",", '",', 1) for one in POSTS)],
    "apostrophes": [HEADER, *(f"'{one}" for one in POSTS)],
}


@pytest.mark.parametrize("case", ONE_WAY)
def test_records_that_differ_from_the_header_throughout_are_read(tmp_path, case):
    found = read(tmp_path, "\n".join(ONE_WAY[case]) + "\n")
    assert not found.rejected
    assert (found.columns["id"].to_list(), found.columns["likes"].to_list()) == (IDS, LIKES)


def test_one_record_with_a_field_more_is_no_habit(tmp_path):
    found = read(tmp_path, PLAIN + "10,2025-01-06,3,\n")
    assert [row.reason for row in found.rejected] == ["long row"]


def test_escaped_quotes_keep_the_rest_of_the_text(tmp_path):
    found = read(tmp_path, 'id,text,likes\n7,"he said \\"hi\\", C:\\new\\\\",5\n8,plain,3\n')
    assert found.columns["text"].to_list() == ['he said "hi", C:\\new\\', "plain"]


def test_titles_and_totals_of_a_sheet_are_left_out(tmp_path):
    workbook = Workbook()
    for row in (["Report"], [], ["id", "text", "likes"], ["a", "hello", 5], ["b", "there", 7], ["Total", None, 12]):
        workbook.active.append(row)
    workbook.save(tmp_path / "posts.xlsx")
    for wanted in (None, {"id", "likes"}):
        found = read_rows(tmp_path, "posts.xlsx", wanted)
        assert found.columns["id"].to_list() == ["a", "b"]
        assert found.columns["likes"].to_list() == [5, 7]
