"""The one error that a user sees: a single line that says where, what, and what was expected."""

from __future__ import annotations

from pathlib import Path


class BadInput(Exception):
    """Input that popcast refuses. ``str(error)`` is one line: file, row, field, value, expectation."""


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
        parts.append(str(file))
    if row is not None:
        parts.append(f"row {row}")
    if field is not None:
        parts.append(f"field {field!r}")
    parts.append(problem)
    line = ": ".join(parts)
    if value is not None:
        shown = repr(value)
        line += f": got {shown if len(shown) <= 80 else shown[:77] + '...'}"
    if expected is not None:
        line += f"{',' if value is not None else ':'} expected {expected}"
    return BadInput(" ".join(line.split()))
