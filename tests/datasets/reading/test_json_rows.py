"""JSON: arrays, lines and objects that hold an array; nested names; values that keep what is written."""

from __future__ import annotations

import json

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets.reading.objects import json_values
from popcast.datasets.reading.open_rows import FileForm, read_rows


def rows(folder, text: str, wanted=None, name="posts.jsonl", most_rows=None, **form):
    (folder / name).write_text(text)
    return read_rows(folder, name, wanted, FileForm(**form), most_rows)


def refused(folder, text: str, wanted=None, name="posts.jsonl") -> str:
    with pytest.raises(BadInput) as error:
        rows(folder, text, wanted, name)
    return str(error.value).removeprefix(f"{folder}/")


def written(form: str, lines: list[str]) -> tuple[str, str]:
    """Name and text of rows of JSON in one of the forms."""
    if form == "lines":
        return "posts.jsonl", "\n".join(lines)
    text = "[" + ",\n".join(lines) + "]"
    return "posts.json", text if form == "array" else '{"count": 3, "data": ' + text + "}"


FORMS = ("lines", "array", "held")


@pytest.mark.parametrize("form", FORMS)
def test_cells_keep_what_is_written(tmp_path, form):
    name, text = written(form, [
        '{"id": 123456789012345678901234, "a": 1e5, "b": 1.0, "c": true, "d": "", "e": "\\u00e9\\n"}',
        '{"id": -7, "a": 0.10, "b": 17.958, "c": false, "e": null, "f": 12.345678901234567890}',
        '{"id": "007", "a": 1E400, "b": 1234.125, "c": "true"}',
    ])  # fmt: skip
    found = rows(tmp_path, text, name=name)
    assert found.names == ["id", "a", "b", "c", "d", "e", "f"]
    assert found.columns.to_dict(as_series=False) == {
        "id": ["123456789012345678901234", "-7", "007"],
        "a": ["1e5", "0.10", "1E400"],
        "b": ["1.0", "17.9580", "1234.125"],
        "c": ["true", "false", "true"],
        "d": [None, None, None],
        "e": ["é\n", None, None],
        "f": [None, "12.345678901234567890", None],
    }
    assert found.row_numbers.tolist() == [1, 2, 3]


@pytest.mark.parametrize("form", FORMS)
def test_lists_stay_lists_where_all_are_and_text_otherwise(tmp_path, form):
    name, text = written(form, [
        '{"plain": ["a", "b\\"c", null, 3, true], "deep": ["a"], "mixed": ["a, b"], "objects": [{"t": "x", "n": 1}]}',
        '{"plain": [], "deep": [["b", 2]], "mixed": "c", "objects": []}',
        '{"plain": null, "objects": null}',
    ])  # fmt: skip
    found = rows(tmp_path, text, name=name).columns
    assert found["plain"].dtype == pl.List(pl.String)
    assert found["plain"].to_list() == [["a", 'b"c', None, "3", "true"], [], None]
    assert found["deep"].to_list() == ['["a"]', '[["b","2"]]', None]
    assert found["mixed"].to_list() == ['["a, b"]', "c", None]
    assert found["objects"].to_list() == ['[{"t":"x","n":"1"}]', "[]", None]


@pytest.mark.parametrize("form", FORMS)
def test_nested_fields_have_dotted_names(tmp_path, form):
    name, text = written(form, [
        '{"id": 1, "metrics": {"likes": 3, "more": {" shares ": 4}}, "user": null, "a.b": 5, "geo": {}}',
        '{"id": 2, "metrics": {"likes": null}, "user": {"name": "ann"}, "a.b": 6}',
    ])  # fmt: skip
    found = rows(tmp_path, text, name=name)
    assert found.names == ["id", "metrics.likes", "metrics.more.shares", "a.b", "user.name"]
    assert found.columns.columns == found.names
    wanted = rows(tmp_path, text, ["metrics.more.shares", "user.name", "a.b", "none"], name=name)
    assert wanted.columns.rows() == [("4", "5", None), (None, "6", "ann")]
    said = refused(tmp_path, text, ["user"], name)
    assert said.startswith(f"{name}: row 2: field 'user': an object: got {{'name': 'ann'}}, expected a text or number")
    assert said.endswith("such as user.name")


@pytest.mark.parametrize("form", FORMS)
def test_columns_that_nobody_wants_never_matter(tmp_path, form):
    odd = [[{"a": 1}], [1, [2]], NotImplemented, {"x": {"y": [1]}}, 5, "\ud800", None, 1e999, True, ["\udfff"]]
    lines = []
    for row, value in enumerate(odd):
        text = "NaN" if value is NotImplemented else json.dumps(value)
        lines.append(f'{{"id": {row}, "odd": {text}, "odd ": 1, "odd": {text}}}')
    name, text = written(form, lines)
    found = rows(tmp_path, text, ["id"], name=name)
    assert found.columns["id"].to_list() == [str(row) for row in range(len(odd))]
    assert found.rejected == []
    assert not any("NaN" in sentence for sentence in found.said)


@pytest.mark.parametrize("form", FORMS)
def test_words_for_no_number_are_said(tmp_path, form):
    name, text = written(form, ['{"id": 1, "n": NaN}', '{"id": 2, "n": -Infinity}', '{"id": 3, "n": [NaN, 1]}'])
    found = rows(tmp_path, text, ["n"], name=name)
    assert found.columns["n"].to_list() == [None, "-Infinity", '[null,"1"]']
    said = [sentence for sentence in found.said if "field" in sentence]
    assert said == [f"{name}: field 'n': 1 time {word}" for word in
                    ("NaN, read as null", "-Infinity, read as text", "NaN in a list, read as null")]  # fmt: skip


def test_lines_that_are_no_objects_are_rejected_by_row(tmp_path):
    deep = "[" * 100_000
    lines = ['{"id": 1}', "", '{"id": 2', "[1, 2]", "null", '{"id": "\\ud800x"}', '{"id": 1, "id": 2}', "  ",
             f'{{"id": {deep}}}', '{"id": 3} {"id": 4}', '{"id": 9}']  # fmt: skip
    found = rows(tmp_path, "\r\n".join(lines))
    assert found.columns["id"].to_list() == ["1", "9"]
    assert found.row_numbers.tolist() == [1, 11]
    assert [(row.row, row.reason) for row in found.rejected] == [
        (3, "not valid JSON"), (4, "not an object"), (5, "not an object"), (6, "half a character"),
        (7, "a field twice in an object"), (9, "not valid JSON"), (10, "not valid JSON"),
    ]  # fmt: skip
    assert all(len(row.shown) < 200 for row in found.rejected)


DAMAGED = {
    "cut off": '[{"id": 1}, {"id": 2}, {"i',
    "no end": '[{"id": 1}, {"id": 2}',
    "no comma": '[{"id": 1}, {"id": 2} {"id": 3}]',
    "text after": '[{"id": 1}, {"id": 2}] x',
    "text behind": '[{"id": 1}, {"id": 2}] end',
    "two commas": '[{"id": 1}, {"id": 2},,]',
    "deep": '[{"id": 1}, {"id": 2}, {"a": ' + "[" * 100_000 + "]" * 100_000 + "}]",
    "cut off in a text": '[{"id": 1}, {"id": 2}, {"id": "' + "x" * 3_000_000,
}


@pytest.mark.parametrize("case", list(DAMAGED))
def test_a_damaged_array_is_refused_after_its_last_row(tmp_path, case, monkeypatch):
    for chunk in (1, 7, 1 << 20):
        monkeypatch.setattr(json_values, "CHUNK", chunk)
        said = refused(tmp_path, DAMAGED[case], name="posts.json")
        assert said.startswith("posts.json: not valid JSON, cut off or damaged: after row 2: ")
    for text in ('{"data": [{"id": 1}', '{"data": ' + "[" * 100_000, "{"):
        assert refused(tmp_path, text, name="posts.json").startswith("posts.json: not valid JSON, cut off or damaged: ")


@pytest.mark.parametrize("chunk", [1, 2, 3, 17, 1000])
def test_an_array_is_the_same_in_pieces_of_any_size(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(json_values, "CHUNK", chunk)
    values = [{"id": place, "t": 'a "},{" \\ é 😀' * (place % 5), "l": [1, {"x": None}]} for place in range(50)]
    found = rows(tmp_path, json.dumps(values, indent=1), ["id", "t"], name="posts.json")
    assert found.columns["id"].to_list() == [str(place) for place in range(50)]
    assert found.columns["t"].to_list() == [value["t"] or None for value in values]
    numbers = rows(tmp_path, '[1, 22, {"id": 1}, true, null]', name="posts.json")
    assert [row.row for row in numbers.rejected] == [1, 2, 4, 5]
    assert numbers.row_numbers.tolist() == [3]


ONE, TWO = [{"id": 1, "tags": [{"t": 1}, {"t": 2}]}, {"id": 2}], [{"name": "ann"}, {"name": "bob"}]
HELD = {
    "data": ({"data": ONE}, None, 2), "deep": ({"a": {"b": {"items": ONE}}}, None, 2),
    "beside single ones": ({"data": ONE, "errors": [{"code": 3}]}, None, 2),
    "beside users, wanted": ({"data": ONE, "includes": {"users": TWO}}, ["id"], 2),
    "one post": ({"id": 1, "tags": [{"t": 1}, {"t": 2}]}, ["id"], 1), "one plain post": ({"id": 1, "x": 3}, None, 1),
    "one of one": ({"data": [{"id": 1}]}, ["id"], 1), "empty": ({"data": [], "n": 0}, ["n"], 1),
}  # fmt: skip


@pytest.mark.parametrize("case", list(HELD))
@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_that_holds_the_rows(tmp_path, case, indent):
    value, wanted, count = HELD[case]
    found = rows(tmp_path, json.dumps(value, indent=indent), wanted, "posts.json")
    assert found.height == count
    assert "id" not in found.columns or found.columns["id"].to_list() == ["1", "2"][:count]
    assert any("object" in sentence for sentence in found.said)


def test_an_object_that_holds_two_is_refused_by_their_names(tmp_path):
    said = refused(tmp_path, json.dumps({"id": 7, "data": ONE}), ["id"], "posts.json")
    assert said.startswith("posts.json: one post, or an object that holds them: got 'data'")
    said = refused(tmp_path, json.dumps({"data": ONE, "includes": {"users": TWO}}), name="posts.json")
    assert said == "posts.json: several arrays of objects: got 'data, includes.users', expected one of them"


FOUND = {
    "posts.json": ('{"id": 1}\n{"id": 2}\n', "one object per line, read as such"),
    "posts.jsonl": ('[{"id": 1},\n{"id": 2}]', "an array of objects, read as such"),
    "posts.ndjson": ('{\n"id": 1\n}\n{\n"id": 2}', "objects one after another, read as such"),
    "posts.csv": ('{"id": 1}\n{"id": 2}\n', "one object per line, read as such"),
    "posts.txt": (' [ {"id": 1}, {"id": 2} ]', "an array of objects, read as such"),
}


@pytest.mark.parametrize("name", list(FOUND))
def test_the_content_decides_and_is_said_where_the_name_misleads(tmp_path, name):
    text, said = FOUND[name]
    found = rows(tmp_path, text, name=name)
    assert found.columns["id"].to_list() == ["1", "2"]
    assert f"{name}: {said}" in found.said


def test_fields_in_json_by_name_are_refused(tmp_path):
    for name in ("posts.json", "posts.jsonl", "posts.ndjson"):
        said = refused(tmp_path, "id,text\n1,a\n", name=name)
        assert said == f"{name}: not JSON: got 'id,text\\n1,a\\n', expected [ or {{, or the end of name of a csv"


def test_any_number_of_names_costs_no_more_than_they_do(tmp_path):
    lines = [json.dumps({"id": row, f"n{row}": {f"m{row}": row}}) for row in range(30_000)]
    found = rows(tmp_path, "\n".join(lines), ["id", "n29999.m29999"])
    assert found.height == 30_000
    assert len(found.names) == 20_001
    assert found.columns["n29999.m29999"].null_count() == 29_999
    assert refused(tmp_path, "\n".join(lines)) == "posts.jsonl: too many columns: expected 20000 at most"


def test_a_sample_ends_where_it_is_full(tmp_path):
    text = '{"id": 1}\n' * 5 + "damaged\n" + '{"id": 2}'
    assert rows(tmp_path, text, most_rows=5).rejected == []
    array = "[" + '{"id": 1},' * 5 + "damaged"
    assert rows(tmp_path, array, name="posts.json", most_rows=5).height == 5
