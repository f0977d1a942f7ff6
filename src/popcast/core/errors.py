"""The one error that a user sees: a single line that says where, what, and what was expected.

What came from a file is shown escaped and cut: a header of ten thousand columns or an escape code in a name reaches no
terminal.
"""

from __future__ import annotations

import reprlib
from pathlib import Path

LONGEST = 1000
"""Characters of an error line."""

VALUE, WORDS, PLACE = 80, 300, 400
"""Characters of a value, of a text that may quote a file, and of a path."""

_containers = reprlib.Repr()
_containers.maxlevel = 3
_containers.maxlist = _containers.maxtuple = _containers.maxset = _containers.maxdict = 20
_containers.maxstring = _containers.maxother = VALUE


class BadInput(Exception):
    """Input that popcast refuses. ``str(error)`` is one line: file, row, field, value, expectation."""

    def __init__(self, line: str) -> None:
        super().__init__(one_line(line))


def one_line(text: str, most: int = LONGEST) -> str:
    """``text`` without line breaks, what no terminal should get escaped, at most ``most`` characters.

    >>> one_line("a\\n b\\x1b[2J")
    'a b\\\\x1b[2J'
    """
    return cut(printable(" ".join(text[: 4 * most].split())), most)


def printable(text: str) -> str:
    """``text`` with control characters, lone surrogates and marks of direction as escapes; letters stay."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def printable_lines(text: str) -> str:
    """As :func:`printable`, line by line."""
    return "\n".join(map(printable, text.split("\n")))


def cut(text: str, most: int) -> str:
    """The first ``most`` characters; three dots end what was longer."""
    return text if len(text) <= most else text[: most - 3] + "..."


def shown(value: object, most: int = VALUE) -> str:
    """``repr`` of a value of any size in at most ``most`` characters, without making the whole of it.

    >>> shown("a" * 90)[-5:]
    'aa...'
    """
    try:
        if isinstance(value, str | bytes):
            text = repr(value[: most + 1])
        elif isinstance(value, int) and value.bit_length() > 1000:
            text = f"a whole number of {value.bit_length()} bits"
        else:
            text = _containers.repr(value) if isinstance(value, list | tuple | dict | set) else repr(value)
    except (ValueError, RecursionError):
        text = f"a value of type {type(value).__name__}"
    return cut(text, most)


def bad_input(
    problem: str,
    *,
    file: Path | str | None = None,
    row: int | str | None = None,
    field: str | None = None,
    value: object = None,
    expected: str | None = None,
) -> BadInput:
    """Build the one-line error. ``row`` counts from 1 as an editor does; omit what does not apply.

    >>> str(bad_input("not a date", file="a.csv", row=3, field="time", value="soon", expected="ISO 8601"))
    "a.csv: row 3: field 'time': not a date: got 'soon', expected ISO 8601"
    """
    parts = []
    if file is not None:
        parts.append(cut(str(file), PLACE))
    if row is not None:
        parts.append(f"row {row}")
    if field is not None:
        parts.append(f"field {shown(field)}")
    parts.append(cut(problem, WORDS))
    line = ": ".join(parts)
    if value is not None:
        line += f": got {shown(value)}"
    if expected is not None:
        line += f"{',' if value is not None else ':'} expected {cut(expected, WORDS)}"
    return BadInput(line)
