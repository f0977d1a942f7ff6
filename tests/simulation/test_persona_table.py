"""The strict reader of a user's personas: what it accepts, what it refuses, and that it runs nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from popcast.core.errors import BadInput
from popcast.simulation.audience import population as populations
from popcast.simulation.audience.audience_graph import statistics
from tests.conftest import ROOT

HEADER = "name,role_description,relation"


def table(folder: Path, *lines: str, header: str = HEADER) -> Path:
    file = folder / "personas.csv"
    file.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return file


def refused(file: Path) -> str:
    """The error line behind the file's name."""
    with pytest.raises(BadInput) as error:
        populations.read_table(file)
    said = str(error.value)
    assert said.startswith(f"{file}: ")
    assert "\n" not in said
    return said.removeprefix(f"{file}: ")


def quoted(names: list[str]) -> str:
    return '"' + json.dumps(names, ensure_ascii=False).replace('"', '""') + '"'


def test_json_and_python_lists_read_the_same(tmp_path):
    lines = ["Ann,Ann reads.,{}", "Bo O'Hara,Bo runs.,{}", "Cy,Cy sits.,{}"]
    friends = [["Cy", "Bo O'Hara"], ["Ann"], ["Ann"]]
    first = table(tmp_path, *(line.format(quoted(names)) for line, names in zip(lines, friends, strict=True)))
    with_json = populations.read_table(first)
    cells = ('[\'Cy\', ""Bo O\'Hara""]', "['Ann']", "[ 'Ann', ]")
    second = table(tmp_path, *(line.format(f'"{cell}"') for line, cell in zip(lines, cells, strict=True)))
    assert populations.read_table(second) == with_json
    assert with_json.neighbours == ((1, 2), (0,), (0,))
    assert with_json.people[1] == populations.Person("Bo O'Hara", None, None, None, (), (), "Bo runs.")


def test_sentence_is_built_from_facts(tmp_path):
    header = "name,age,gender,occupation,traits,interests,relation"
    file = table(tmp_path, "Ann,18,female,baker,calm;kind,chess,[]", header=header)
    one = populations.read_table(file).people[0]
    assert one.role == "Ann is an 18-year-old female baker, calm and kind, who likes chess."
    assert (one.age, one.traits, one.interests) == (18, ("calm", "kind"), ("chess",))
    assert refused(table(tmp_path, "Ann,18,female,,calm,chess,[]", header=header)) == (
        "row 2: field 'occupation': empty: expected a value: the role sentence is built from it"
    )


def test_text_that_looks_like_a_missing_value_is_text(tmp_path):
    names = ["None", "NA", "nan", "null", "123"]
    lines = [f"{name},NA,{quoted([names[place - 1], names[(place + 1) % 5]])}" for place, name in enumerate(names)]
    read = populations.read_table(table(tmp_path, *lines))
    assert [one.name for one in read.people] == names
    assert {one.role for one in read.people} == {"NA"}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_utf8_with_and_without_byte_order_mark(mark, ends, tmp_path):
    decomposed = "Zoe\u0308"
    text = ends.join((HEADER, f"Zoë,Zoë reads.,{quoted(['李'])}", "", f"李,李 runs.,{quoted([decomposed])}", ""))
    file = tmp_path / "personas.csv"
    file.write_bytes(mark + text.encode())
    read = populations.read_table(file)
    assert [one.name for one in read.people] == ["Zoë", "李"]
    assert read.neighbours == ((1,), (0,))
    people = [{"name": "Zoë", "role_description": "Zoë reads.", "relation": ["李"]}]
    people.append({"name": "李", "role_description": "李 runs.", "relation": '["Zoë"]'})
    as_json = tmp_path / "personas.json"
    as_json.write_bytes(mark + json.dumps(people, ensure_ascii=False).encode())
    assert populations.read_table(as_json) == read


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("Ann,Reads.,['Bo']", "Cy,Sits.,[]"), "row 2: field 'relation': unknown name: got 'Bo', expected the name"),
        (
            ("Ann,Reads.,['Bo']", "Bo,Runs.,[]"),
            "row 2: field 'relation': one-way relation: got 'Bo', expected 'Ann' in",
        ),
        (("Ann,Reads.,['Ann']",), "row 2: field 'relation': relation to oneself: got 'Ann', expected names of others"),
        (
            ("Ann,Reads.,\"['Bo', 'Bo']\"", "Bo,Runs.,['Ann']"),
            "row 2: field 'relation': name stands twice: got 'Bo'",
        ),
        (
            ("Ann,Reads.,[]", "Bo,Runs.,[]", "Ann,Sits.,[]"),
            "row 4: field 'name': duplicate persona, also in row 2: got",
        ),
        ((",Reads.,[]",), "row 2: field 'name': empty name"),
        (("  ,Reads.,[]",), "row 2: field 'name': empty name"),
        (("Ann,,[]",), "row 2: field 'role_description': empty role: expected a sentence"),
        (("Ann, \t,[]",), "row 2: field 'role_description': empty role"),
        (("Ann,Reads.,",), "row 2: field 'relation': unreadable relation: got '', expected a JSON list of names"),
        (("Ann,Reads.,Bo",), "row 2: field 'relation': unreadable relation: got 'Bo'"),
        (("Ann,Reads.,[Bo]",), "unreadable relation"),
        (("Ann,Reads.,[1]",), "unreadable relation"),
        (("Ann,Reads.,['']",), "unreadable relation"),
        (("Ann,Reads.,['Bo'",), "unreadable relation"),
        (("Ann,Reads.,['Bo' 'Cy']",), "unreadable relation"),
        (("Ann,Reads.,[b'Bo']",), "unreadable relation"),
        (("Ann,Reads.,{'Bo'}",), "unreadable relation"),
        (("Ann,Reads.,['\\N{nothing}']",), "unreadable relation"),
        (("Ann,Reads.," + "[" * 5000,), "unreadable relation"),
        (("Ann,Reads.,[" + "-" * 100_000 + "1]",), "unreadable relation"),
        (("An\x1bn,Reads.,[]",), "row 2: field 'name': control character: got 'An\\x1bn'"),
        (("Ann,Reads\x00.,[]",), "row 2: field 'role_description': control character"),
        (("Ann,Reads.",), "row 2: 2 cells: expected 3"),
        (("Ann,Reads., and runs.,[]",), "row 2: 4 cells: expected 3"),
        ((f"{'A' * 61},Reads.,[]",), "row 2: field 'name': 61 characters: got"),
        ((), "empty table: expected one persona per row"),
        (('Ann,"Reads,[]',), "row 2: not a readable csv: unexpected end of data"),
        (('Ann,"Reads."x,[]',), "row 2: not a readable csv: ',' expected after '\"'"),
    ],
)
def test_refused_tables(lines, message, tmp_path):
    where = "row 2: field 'relation': " if message == "unreadable relation" else ""
    assert refused(table(tmp_path, *lines)).startswith(where + message)


def test_a_row_is_the_line_an_editor_shows(tmp_path):
    file = table(tmp_path, 'Ann,"Reads', 'and runs.",[]', "", "Bo,,[]")
    assert refused(file).startswith("row 5: field 'role_description'")
    file = table(tmp_path, 'Ann,"Reads', 'and runs.",[]')
    assert populations.read_table(file).people[0].role == "Reads and runs."


@pytest.mark.parametrize("value", ["24.0", "x", "-3", "0", "121", "1e1", "２４", "24 years"])
def test_ages_are_whole_years(value, tmp_path):
    said = refused(table(tmp_path, f"Ann,Reads.,{value},[]", header="name,role_description,age,relation"))
    assert said == f"row 2: field 'age': not an age: got '{value}', expected whole years from 1 to 120"


@pytest.mark.parametrize("value", [24.0, True, "x", [24]])
def test_ages_in_json(value, tmp_path):
    file = tmp_path / "personas.json"
    file.write_text(json.dumps([{"name": "Ann", "role_description": "Reads.", "age": value, "relation": []}]))
    assert refused(file).startswith("row 1: field 'age': not an age")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("name,role_description", "row 1: field 'relation': missing column"),
        ("role_description,relation", "row 1: field 'name': missing column"),
        ("name,relation", "row 1: field 'age': missing column (or role_description, which needs no facts)"),
        ("name,age,gender,status,traits,relation", "row 1: field 'interests': missing column"),
        ("name,role_descripton,relation", "row 1: field 'role_descripton': unknown column: expected name,"),
        ("name,role_description,relation,name", "row 1: field 'name': column stands twice"),
        ("name,role_description,status,occupation,relation", "row 1: field 'occupation': column stands twice"),
    ],
)
def test_columns(header, message, tmp_path):
    assert refused(table(tmp_path, header=header)).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"people": []}, "not a list of personas"),
        (["Ann"], "row 1: not an object: got 'Ann'"),
        ([], "empty table"),
        ([{"name": "Ann", "role_description": "Reads."}], "row 1: field 'relation': missing column"),
        ([{"name": None, "role_description": "Reads.", "relation": []}], "row 1: field 'name': empty name"),
        ([{"name": 7, "role_description": "Reads.", "relation": []}], "row 1: field 'name': wrong type: got 7"),
        ([{"name": "Ann", "role_description": "Reads.", "relation": None}], "row 1: field 'relation': unreadable"),
        (
            [{"name": "Ann", "role_description": "Reads.", "traits": [1], "relation": []}],
            "row 1: field 'traits': not a",
        ),
        ({"format": 9, "people": []}, "field 'format': not a population: got 9"),
    ],
)
def test_refused_json(content, message, tmp_path):
    file = tmp_path / "personas.json"
    file.write_text(json.dumps(content))
    assert refused(file).startswith(message)


def test_unreadable_files(tmp_path):
    file = tmp_path / "personas.csv"
    assert refused(file) == "missing file"
    file.write_bytes(b"")
    assert refused(file) == "empty file: expected a header"
    file.write_bytes(HEADER.encode() + b"\nAnn,Reads.,[]\nZo\xeb,Runs.,[]\n")
    assert refused(file) == "row 3: not UTF-8"
    assert refused(tmp_path / "personas.xlsx") == "unknown kind of file: expected .csv or .json"
    broken = tmp_path / "personas.json"
    broken.write_text('[{"name": ')
    assert refused(broken).startswith("not valid JSON")


@pytest.mark.parametrize(
    "cell",
    [
        "__import__('pathlib').Path('ran').touch()",
        "[__import__('pathlib').Path('ran').touch()]",
        "[open('ran', 'w')]",
        '[f\'{open("ran", "w")}\']',
        "['Bo', *[open('ran', 'w')]]",
        "[x for x in [open('ran', 'w')]]",
        'exec(\'open("ran", "w")\')',
    ],
)
def test_code_in_a_cell_never_runs(cell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    escaped = cell.replace('"', '""')
    file = table(tmp_path, f'Ann,Reads.,"{escaped}"')
    assert refused(file).startswith("row 2: field 'relation': unreadable relation")
    file = tmp_path / "personas.json"
    file.write_text(json.dumps([{"name": "Ann", "role_description": "Reads.", "relation": cell}]))
    assert refused(file).startswith("row 1: field 'relation': unreadable relation")
    assert not (tmp_path / "ran").exists()


def test_published_profiles(shared_data):
    read = populations.read_table(shared_data("popsim-sample") / "profiles_100.csv")
    facts = statistics(read)
    assert [facts[name] for name in ("agents", "edges", "components", "diameter", "degree_min", "degree_max")] == [
        100,
        196,
        1,
        5,
        2,
        36,
    ]
    assert (facts["age_min"], facts["age_max"], facts["age_median"]) == (18, 82, 37)
    assert (facts["female"], facts["occupations"], facts["traits"], facts["interests"]) == (0.51, 69, 48, 95)
    assert (facts["role_length_min"], facts["role_length_max"]) == (137, 250)
    assert all(len(one.traits) == len(one.interests) for one in read.people)
    ours = populations.generate(ROOT / "src/popcast/simulation/audience/persona_lists.json", 100, 2, 42)
    assert ours.neighbours == read.neighbours
    assert not {one.role for one in ours.people} & {one.role for one in read.people}
    assert not {one.name for one in ours.people} & {one.name for one in read.people}


FACTS = "name,age,gender,occupation,traits,interests,relation"


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ("An\x1bn,30,female,baker,calm;kind,chess,[]", "name"),
        ("Ann,30,fem\x1b[2Jale,baker,calm;kind,chess,[]", "gender"),
        ("Ann,30,female,ba\x07ker,calm;kind,chess,[]", "occupation"),
        ("Ann,30,female,baker,calm;k\x1b[2Jind,chess,[]", "traits"),
        ("Ann,30,female,baker,calm;kind,che\x9bss,[]", "interests"),
        ('Ann,30,female,baker,calm;kind,chess,"[""Z\x1boe""]"', "relation"),
    ],
)
def test_no_cell_of_any_column_brings_a_control_character(cells, field, tmp_path):
    """The role sentence is made of these cells: what one lets in, the population's own file could not be read with."""
    said = refused(table(tmp_path, cells, header=FACTS))
    assert said.startswith((f"row 2: field '{field}': control character", f"row 2: field '{field}': unreadable"))
