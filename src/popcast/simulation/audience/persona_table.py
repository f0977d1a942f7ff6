"""Strict reader of a table of personas and their relations. Cells are data: none is ever executed.

What is refused names file, row, field and value. Rows of a csv are counted as an editor counts lines; those of JSON
from 1.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popcast.core.errors import bad_input
from popcast.datasets import raw_files
from popcast.datasets.text_lists import read_list
from popcast.simulation.audience.persona_lists import CONTROL, PLAIN_PATTERN, sentence

FACTS = ("age", "gender", "occupation", "traits", "interests")
COLUMNS = ("name", "role_description", *FACTS, "relation")
ALIASES = {"status": "occupation", "interest": "interests"}
IGNORED = ("id", "init_att")
"""Columns of the published profiles that no simulation reads."""

NAME_LENGTH = 60
"""Longest name in characters: prompts shorten longer ones, and two could become the same."""

MOST_BYTES = 64 << 20
"""Of a table: it has 32,767 personas at most."""

CELL, RELATION = 4_000, 131_072
"""Longest cell in characters: prompts cut a role sentence long before; and the longest list of friends."""


@dataclass(frozen=True)
class Person:
    """One simulated user. role: the sentence that introduces it. Facts that a table leaves out are None or ()."""

    name: str
    age: int | None
    gender: str | None
    occupation: str | None
    traits: tuple[str, ...]
    interests: tuple[str, ...]
    role: str


@dataclass(frozen=True)
class Row:
    """A persona as it stands in a table: number of the row, the person, names of its friends as written."""

    number: int
    person: Person
    friends: tuple[str, ...]


def from_csv(file: Path) -> list[Row]:
    """Rows of a csv with a header, in UTF-8 with or without byte order mark. Text is kept as it is: None, NA, nan."""
    lines = csv.reader([f"{line}\n" for line in raw_files.text_lines(file, MOST_BYTES)], strict=True)
    header: list[str] = []
    rows = []
    end = 0
    try:
        for cells in lines:
            number, end = end + 1, lines.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _columns(cells, file, number)
            elif len(cells) != len(header):
                raise bad_input(f"{len(cells)} cells", file=file, row=number, expected=f"{len(header)}")
            else:
                rows.append(_row(dict(zip(header, cells, strict=True)), file, number))
    except csv.Error as error:
        raise bad_input(f"not a readable csv: {error}", file=file, row=end + 1) from None
    if not header:
        raise bad_input("empty file", file=file, expected="a header")
    return _distinct(rows, file)


def from_json(content: object, file: Path) -> list[Row]:
    """Rows of a JSON list of objects with the columns of a table as keys; lists may be JSON lists."""
    if not isinstance(content, list):
        raise bad_input("not a list of personas", file=file, expected="a JSON list of objects")
    rows = []
    for number, record in enumerate(content, 1):
        if not isinstance(record, dict):
            raise bad_input("not an object", file=file, row=number, value=record, expected="a persona")
        keys = _columns(record, file, number)
        rows.append(_row(dict(zip(keys, record.values(), strict=True)), file, number))
    return _distinct(rows, file)


def neighbours(rows: Sequence[Row], file: Path) -> tuple[tuple[int, ...], ...]:
    """For each persona the places of its friends, ascending. Refuses what is no symmetric relation between them."""
    place = {row.person.name: number for number, row in enumerate(rows)}
    friends = [set(row.friends) for row in rows]
    for row in rows:
        for name in row.friends:
            where = {"file": file, "row": row.number, "field": "relation", "value": name}
            if name not in place:
                raise bad_input("unknown name", **where, expected="the name of a persona of the table")
            if name == row.person.name:
                raise bad_input("relation to oneself", **where, expected="names of others")
            if row.person.name not in friends[place[name]]:
                expected = f"{row.person.name!r} in the relation of row {rows[place[name]].number} too"
                raise bad_input("one-way relation", **where, expected=expected)
        if len(set(row.friends)) < len(row.friends):
            twice = next(name for name in row.friends if row.friends.count(name) > 1)
            raise bad_input("name stands twice", file=file, row=row.number, field="relation", value=twice)
    return tuple(tuple(sorted(place[name] for name in row.friends)) for row in rows)


def _columns(given: Iterable[str], file: Path, number: int) -> list[str]:
    """Names of columns as :data:`COLUMNS` has them. Refuses unknown, repeated and missing ones."""
    columns: list[str] = []
    for column in given:
        name = ALIASES.get(column.strip(), column.strip())
        if name in columns:
            raise bad_input("column stands twice", file=file, row=number, field=name)
        if name not in (*COLUMNS, *IGNORED):
            raise bad_input("unknown column", file=file, row=number, field=name, expected=", ".join(COLUMNS))
        columns.append(name)
    needed = ("name", "relation") if "role_description" in columns else ("name", *FACTS, "relation")
    for name in needed:
        if name not in columns:
            instead = "" if name in ("name", "relation") else " (or role_description, which needs no facts)"
            raise bad_input(f"missing column{instead}", file=file, row=number, field=name)
    return columns


def _row(cells: Mapping[str, Any], file: Path, number: int) -> Row:
    name = _text(cells["name"], "name", file, number)
    if name is None:
        raise bad_input("empty name", file=file, row=number, field="name")
    if len(name) > NAME_LENGTH:
        expected = f"{NAME_LENGTH} characters at most"
        raise bad_input(f"{len(name)} characters", file=file, row=number, field="name", value=name, expected=expected)
    facts: dict[str, Any] = {
        "age": _age(cells.get("age"), file, number),
        "gender": _text(cells.get("gender"), "gender", file, number),
        "occupation": _text(cells.get("occupation"), "occupation", file, number),
        "traits": _words(cells.get("traits"), "traits", file, number),
        "interests": _words(cells.get("interests"), "interests", file, number),
    }
    if "role_description" in cells:
        role = _text(cells["role_description"], "role_description", file, number)
        if role is None:
            raise bad_input("empty role", file=file, row=number, field="role_description", expected="a sentence")
    else:
        for field, value in facts.items():
            if not value:
                expected = "a value: the role sentence is built from it"
                raise bad_input("empty", file=file, row=number, field=field, expected=expected)
        role = sentence(PLAIN_PATTERN, name, **facts)
    return Row(number, Person(name, role=role, **facts), _friends(cells["relation"], file, number))


def _distinct(rows: list[Row], file: Path) -> list[Row]:
    if not rows:
        raise bad_input("empty table", file=file, expected="one persona per row")
    first: dict[str, int] = {}
    for row in rows:
        name = row.person.name
        if name in first:
            problem = f"duplicate persona, also in row {first[name]}"
            raise bad_input(problem, file=file, row=row.number, field="name", value=name)
        first[name] = row.number
    return rows


def _plain(text: str) -> str:
    """One line in composed Unicode: names that look the same are the same."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _text(value: object, field: str, file: Path, number: int) -> str | None:
    """Text of a cell; None where there is none."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise bad_input("wrong type", file=file, row=number, field=field, value=value, expected="text")
    return _printable(value, field, file, number) or None


def _printable(value: str, field: str, file: Path, number: int) -> str:
    """A short text in one line, without control characters: names, words and roles are read back and shown."""
    text = _plain(_short(value, CELL, field, file, number))
    if CONTROL.search(text):
        raise bad_input("control character", file=file, row=number, field=field, value=text, expected="printable text")
    return text


def _age(value: object, file: Path, number: int) -> int | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    age = value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}", value.strip()):
        age = int(value)
    if type(age) is not int or not 1 <= age <= 120:
        expected = "whole years from 1 to 120"
        raise bad_input("not an age", file=file, row=number, field="age", value=value, expected=expected)
    return age


def _short(text: str, most: int, field: str, file: Path, number: int) -> str:
    """``text`` if it is short: only then is it worth a closer look."""
    if len(text) > most:
        expected = f"{most} at most"
        raise bad_input(f"{len(text)} characters", file=file, row=number, field=field, value=text, expected=expected)
    return text


def _words(value: object, field: str, file: Path, number: int) -> tuple[str, ...]:
    """Words of a ``;``-list or of a JSON list."""
    if isinstance(value, str):
        value = _short(value, CELL, field, file, number)
    words = value.split(";") if isinstance(value, str) and value.strip() else value or []
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        raise bad_input("not a list", file=file, row=number, field=field, value=value, expected="words separated by ;")
    return tuple(_printable(word, field, file, number) for word in words)


def _friends(value: object, file: Path, number: int) -> tuple[str, ...]:
    """Names of a JSON list, or of a list of texts in Python's notation as the published file has it."""
    names = value
    if isinstance(value, str):
        names = read_list(_short(value, RELATION, "relation", file, number), texts_only=True)
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        expected = 'a JSON list of names, such as ["Ann Lee"], or [] for nobody'
        raise bad_input("unreadable relation", file=file, row=number, field="relation", value=value, expected=expected)
    return tuple(_printable(name, "relation", file, number) for name in names)
