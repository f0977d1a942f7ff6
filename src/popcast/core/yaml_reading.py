"""YAML of a user, read within bounds: size, depth, aliases, tags and numbers are looked at before anything is made.

A parser of YAML is easily kept busy: brackets a hundred thousand deep take minutes or end the process, and ten lines of
aliases stand for billions of values. Whatever is refused is one line.
"""

from __future__ import annotations

import codecs
import math
import warnings
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent

from popcast.core.errors import BadInput, bad_input

MOST_BYTES = 8 << 20
DEEPEST = 40
MOST_VALUES = 200_000
"""Values of a file, each as often as aliases name it."""

SMALLEST, LARGEST = -(2**63), 2**64 - 1
"""Whole numbers that a plan file can hold."""


def read_text(path: Path, most: int = MOST_BYTES, wide: bool = False) -> str:
    """A UTF-8 text without byte order mark. Raises BadInput where it cannot be read, is too large or no UTF-8.

    wide: UTF-16 with its mark is read as well.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise bad_input("a folder" if path.is_dir() else "not a file", file=path, expected="a text file")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise bad_input(getattr(error, "strerror", None) or "cannot be read", file=path) from None
    if len(content) > most:
        raise bad_input(f"more than {most >> 20} MB", file=path, expected="a small text")
    wide = wide and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise bad_input(f"not {'UTF-16' if wide else 'UTF-8'}", file=path, row=row, expected="UTF-8") from None


def read_yaml(path: Path) -> Any:
    """The plain value of a YAML file. Raises BadInput, one line."""
    return yaml_value(read_text(path), path)


def yaml_value(text: str, file: Path, reader: YAML | None = None, field: str | None = None) -> Any:
    """The value of a YAML text. reader: one that keeps comments; field: what the text is in ``file``.

    Raises BadInput for what is no YAML, and for what is out of the bounds of this module.
    """
    try:
        _check_events(text)
        with warnings.catch_warnings(action="ignore"):
            value = (reader or YAML(typ="safe")).load(text)
        _check_numbers(value)
    except _Refused as error:
        raise bad_input(str(error), file=file, field=field) from None
    except Exception as error:  # a foreign parser on any bytes: numbers and dates that are none, odd merges
        raise bad_input(f"not valid YAML: {_first_line(error)}", file=file, field=field) from None
    return value


class _Refused(Exception):
    pass


def _first_line(error: Exception) -> str:
    """What a parser says, with the line that it names."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or (str(error).splitlines() or [type(error).__name__])[0]
    return problem if mark is None else f"{problem} (line {mark.line + 1})"


def _check_events(text: str) -> None:
    """Depth, tags, and how many values the text stands for when every alias is written out."""
    anchors: dict[str, int | None] = {}
    open_nodes: list[tuple[str | None, int]] = []  # anchor of each open collection, values before it
    values = 0
    for event in YAML(typ="safe").parse(text):
        if isinstance(event, AliasEvent):
            size = anchors.get(event.anchor, 0)
            if size is None:
                raise _Refused(f"the alias *{event.anchor} names what it stands in")
            values += size
        elif isinstance(event, NodeEvent):
            values += 1
            if getattr(event, "tag", None) not in (None, "!"):
                raise _Refused(f"the tag {event.tag}: expected plain values")
            if event.anchor is not None:
                anchors[event.anchor] = None if isinstance(event, CollectionStartEvent) else 1
        if isinstance(event, CollectionStartEvent):
            open_nodes.append((event.anchor, values - 1))
            if len(open_nodes) > DEEPEST:
                raise _Refused(f"nested more than {DEEPEST} deep")
        elif isinstance(event, CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                anchors[anchor] = values - before
        if values > MOST_VALUES:
            raise _Refused(f"more than {MOST_VALUES} values, aliases written out")


def _check_numbers(value: Any) -> None:
    """Every number is finite and fits 64 bits; DVC and the plans can hold no others."""
    seen: set[int] = set()
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict | list | tuple | set):
            if id(one) not in seen:
                seen.add(id(one))
                todo.extend([*one, *one.values()] if isinstance(one, dict) else one)
        elif isinstance(one, int) and not SMALLEST <= one <= LARGEST:
            raise _Refused("a whole number of more than 64 bits")
        elif isinstance(one, float) and not math.isfinite(one):
            raise _Refused(f"the number {one}: expected a finite one")


def mapping(value: Any, file: Path) -> dict:
    """``value`` if it is a mapping. Raises BadInput."""
    if not isinstance(value, dict):
        raise BadInput(f"{file}: got {type(value).__name__}, expected a mapping of sections")
    return value
