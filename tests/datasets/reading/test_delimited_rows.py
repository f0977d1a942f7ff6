"""Delimited texts: which sign separates the fields, which row a record starts in, and which rows are none."""

from __future__ import annotations

import pytest

from popcast.core.errors import BadInput
from popcast.datasets import raw_files
from popcast.datasets.reading.delimited import delimited_records, delimited_rows
from popcast.datasets.reading.objects import json_columns
from popcast.datasets.reading.open_rows import FileForm, read_rows


def rows(folder, text: str | bytes, wanted=None, name="posts.csv", **form):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_rows(folder, name, wanted, FileForm(**form))


def refused(folder, text: str | bytes, wanted=None, name="posts.csv", **form) -> str:
    with pytest.raises(BadInput) as error:
        rows(folder, text, wanted, name, **form)
    return str(error.value).removeprefix(f"{folder}/")


DELIMITERS = {
    "decimal commas": ("id;likes;share\n1;2,5;3,4\n2;7,5;8,9\n", ";"),
    "commas in texts": ("id;text\n1;Hello, world, and all\n2;no\n3;a, b\n", ";"),
    "a comma in the header": ("id;text, long;likes\n1;a, b;3\n2;c, d;4\n", ";"),
    "semicolons in texts": ("id,text\n1,a; b\n2,c; d\n", ","),
    "lists with bars": ("id,tags,likes\n1,a|b|c,4\n2,d|e|f,5\n", ","),
    "semicolons in quotes": ('id,"text; long",likes\n1,"a; b",2\n', ","),
    "tabs in quotes": ('id,"a\tb"\n1,"c\td"\n', ","),
    "one column": ("text\nhello\nworld\n", ","),
    "header only": ("id;text;likes\n", ";"),
    "many short rows": ("id;text;likes\n" + "1;a, b;2\n" * 3 + "1;a\n" * 5, ";"),
    "tab of one row": ("id\ttext\n1\ta, b, c\n", "\t"),
}


@pytest.mark.parametrize("case", list(DELIMITERS))
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_the_delimiter_is_found_by_looking_and_said(tmp_path, case, ends):
    text, delimiter = DELIMITERS[case]
    found = rows(tmp_path, text.replace("\n", ends))
    said = {"\t": "tab"}.get(delimiter, delimiter)
    assert found.said == [f"posts.csv: separated by {said}, encoding utf-8"]
    assert (
        len(found.names) == text.split("\n")[0].replace('"text; long"', "x").replace('"a\tb"', "x").count(delimiter) + 1
    )


def test_wanted_names_decide_between_two_that_cut_evenly(tmp_path):
    text = "id,a;likes\n1,2;3\n4,5;6\n"
    assert "unclear what separates the fields: expected table.delimiter" in refused(tmp_path, text)
    assert rows(tmp_path, text, ["likes"]).columns.to_dict(as_series=False) == {"likes": ["3", "6"]}
    assert rows(tmp_path, text, ["id"]).columns.to_dict(as_series=False) == {"id": ["1", "4"]}
    assert rows(tmp_path, text, delimiter=",").names == ["id", "a;likes"]


def test_a_delimiter_that_is_set(tmp_path):
    assert rows(tmp_path, "id^a, b\n1^2, 3\n", delimiter="^").columns.rows() == [("1", "2, 3")]
    said = refused(tmp_path, "id;text\n1;a\n2;b\n", delimiter=",")
    assert said == "posts.csv: the header is one name when cut by ,: got 'id;text', expected table.delimiter ;"
    for wrong in ("", ";;", "\n", '"'):
        assert "not a delimiter" in refused(tmp_path, "id;text\n", delimiter=wrong)


QUOTED = 'id\ttext\tlikes\n1\t"Hi" she said\t2\n2\ta "b"\t3\n3\t"c\t4\n'


def test_quotes_are_text_where_tabs_alone_cut_every_line(tmp_path):
    found = rows(tmp_path, QUOTED, name="posts.tsv")
    assert found.columns["text"].to_list() == ['"Hi" she said', 'a "b"', '"c']
    assert found.said[1] == "posts.tsv: quotes are part of the text, every line is a row"
    for text in (QUOTED.replace("\t", ";"), QUOTED + '4\t"quoted"\t5\n', QUOTED + "4\t5\n"):
        assert [row.row for row in rows(tmp_path, text, name="posts.tsv").rejected][:2] == [2, 4]


def test_a_blank_after_every_delimiter_belongs_to_no_field(tmp_path):
    found = rows(tmp_path, 'id, text, likes\n1, "a, ""b""", 3\n2, c, \n')
    assert found.columns.rows() == [("1", 'a, "b"', "3"), ("2", "c", None)]
    kept = rows(tmp_path, "id, text\n1, a\n2,b\n")
    assert kept.columns.rows() == [("1", " a"), ("2", "b")]


@pytest.mark.parametrize("text", ["<html><body>Log in</body>", "\n<!DOCTYPE html>\n<p>", '<?xml version="1.0"?><a/>'])
@pytest.mark.parametrize("name", ["posts.csv", "posts.json", "posts.txt"])
def test_a_web_page_is_no_table(tmp_path, text, name):
    assert refused(tmp_path, text, name=name).startswith(f"{name}: a web page or XML: got '<")


def test_a_file_of_other_rows_than_its_header_has_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited_rows, "MOST_REJECTED", 1000)
    monkeypatch.setattr(json_columns, "MOST_REJECTED", 1000)
    said = refused(tmp_path, "id,text\n" + "1\n" * 2000)
    assert said.startswith("posts.csv: row 2: more than 1000 rows that cannot be read, the first one: short row")
    said = refused(tmp_path, '{"id": 1}\n' + "no\n" * 2000, name="posts.jsonl")
    assert said.startswith("posts.jsonl: row 2: more than 1000 rows that cannot be read, the first one: not valid JSON")


def test_the_line_in_which_a_spreadsheet_names_the_delimiter(tmp_path):
    found = rows(tmp_path, "\ufeffsep=|\r\nid|a;b\r\n1|2;3\r\n")
    assert (found.names, found.columns.rows(), found.row_numbers.tolist()) == (["id", "a;b"], [("1", "2;3")], [3])
    assert "the header is one name when cut by ;" in refused(tmp_path, "sep=;\nid,a\n1,2\n")


def test_rows_count_every_line_and_blank_ones_are_no_rows(tmp_path):
    text = '\n  \n;;\nid;text;likes\n\n1;"two\nlines, ""quoted""";3\n;;\n \t\n2;b;4\n"";"";""\n\n'
    found = rows(tmp_path, text)
    assert found.columns.rows() == [("1", 'two\nlines, "quoted"', "3"), ("2", "b", "4")]
    assert found.row_numbers.tolist() == [6, 10]
    assert found.rejected == []


def test_short_and_long_rows_are_rejected_with_their_count(tmp_path):
    found = rows(tmp_path, "id,text,likes\n1,a,2\n2,b\n3,c,4,5\n4\n5,,\n", ["id"])
    assert found.columns["id"].to_list() == ["1", "5"]
    assert [(row.row, row.reason, row.shown.split(":")[0]) for row in found.rejected] == [
        (3, "short row", "2 fields, expected 3"),
        (4, "long row", "4 fields, expected 3"),
        (5, "short row", "1 fields, expected 3"),
    ]


QUOTES = {
    "cut off in a field": ('id,text\n1,a\n2,"b', ["1"], {3: "a quote that does not close"}),
    "cut off in a field of lines": ('id,text\n1,a\n2,"b\n3,c\n', ["1", "3"], {3: "a quote that does not close"}),
    "text after a quote": ('id,text\n1,"a"b\n2,c\n', ["2"], {2: "text after a closing quote"}),
    "an open quote, then another": (
        'id,text\n1,"a\n2,b\n3,"c"\n4,d\n',
        ["2", "3", "4"],
        {2: "text after a closing quote"},
    ),
    "a quote inside a field": ('id,text\n1,5" screen\n2,a "b" c\n', ["1", "2"], {}),
    "backslashes": ('id,text\n1,"a \\"b\\" c"\n2,d\n', ["1", "2"], {}),
    "doubled": ('id,text\n1,"""a"""\n2,""""\n', ["1", "2"], {}),
}


@pytest.mark.parametrize("case", list(QUOTES))
def test_quotes_that_stand_wrongly_spoil_their_own_row_alone(tmp_path, case):
    text, ids, wrong = QUOTES[case]
    found = rows(tmp_path, text)
    assert found.columns["id"].to_list() == ids
    assert {row.row: row.reason for row in found.rejected} == wrong


def test_quotes_that_never_close_are_read_again_to_a_limit(tmp_path, monkeypatch):
    text = "id,text\n" + '1,"a\n' + "2,b\n" * 2000
    monkeypatch.setattr(delimited_records, "LONGEST_RECORD", 1000)
    found = rows(tmp_path, text)
    assert found.height == 2000
    assert [(row.row, row.reason) for row in found.rejected] == [(2, "a quote that does not close")]
    monkeypatch.setattr(delimited_records, "MOST_REREAD", 5000)
    many = "id,text\n" + ('1,"a\n' + "2,b\n" * 500 + '3,""\n') * 20
    assert refused(tmp_path, many).endswith("quotes that do not close: expected quotes as in RFC 4180")


HEADERS = {
    "blanks": (" id , likes\u00a0,text\u200b\n1,2,a\n", ["id", "likes", "text"]),
    "quoted": ('\ufeff"id","likes"\n1,2\n', ["id", "likes"]),
    "index of pandas": (",id,likes\n0,1,2\n1,2,3\n", ["id", "likes", "Unnamed: 0"]),
    "delimiter at the end": ("id,likes,\n1,2,\n", ["id", "likes"]),
    "line break in a name": ('"id","li\nkes"\n1,2\n', ["id", "li\nkes"]),
}


@pytest.mark.parametrize("case", list(HEADERS))
def test_names_are_stripped_and_columns_without_one_left_out(tmp_path, case):
    text, names = HEADERS[case]
    found = rows(tmp_path, text)
    assert found.names == names
    assert set(found.columns.columns) == set(names)
    assert rows(tmp_path, text, ["id"]).columns.columns == ["id"]
    assert rows(tmp_path, text, ["id"]).names == [name for name in names if name != "Unnamed: 0"]


def test_two_columns_of_one_name_are_refused_where_they_are_wanted(tmp_path):
    text = "id,likes,a, likes \n1,2,3,4\n"
    assert rows(tmp_path, text, ["id", "a"]).columns.rows() == [("1", "3")]
    for wanted in (None, ["likes"]):
        assert refused(tmp_path, text, wanted).startswith(
            "posts.csv: row 1: field 'likes': columns 2 and 4 have the same name"
        )


def test_header_only_and_nothing_at_all(tmp_path):
    found = rows(tmp_path, "id,likes\n")
    assert (found.height, found.columns.columns) == (0, ["id", "likes"])
    for text in ("", "\n\n", "  \n", ",,,\n"):
        assert refused(tmp_path, text).startswith("posts.csv: empty file")


def test_many_columns_and_a_field_of_any_length(tmp_path):
    wide = ",".join(f"c{place}" for place in range(10_000))
    found = rows(tmp_path, f"{wide}\n{','.join('1' * 10_000)}\n", ["c9999"])
    assert found.columns.rows() == [("1",)]
    assert len(found.names) == 10_000
    assert "30000 columns" in refused(tmp_path, ",".join(f"c{place}" for place in range(30_000)))
    long = "x" * 1_000_000
    assert rows(tmp_path, f"id,text\n1,{long}\n").columns["text"][0] == long


@pytest.mark.parametrize("name", ["posts.csv", "posts.jsonl"])
def test_lines_are_counted_to_a_limit(tmp_path, monkeypatch, name):
    monkeypatch.setattr(raw_files, "MOST_ROWS", 1000)
    begin = '{"id": 1}\n' if name.endswith("l") else "id\n1\n"
    assert rows(tmp_path, begin + "\n" * 900, name=name).height == 1
    assert refused(tmp_path, begin + "\n" * 2000, name=name).startswith(f"{name}: more than 1000 lines")


def test_a_line_without_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited_records, "LONGEST_LINE", 1 << 20)
    assert refused(tmp_path, "id,text\n1,a\n2," + "x" * (2 << 20)) == "posts.csv: row 3: a line of more than 1 MB"
