"""What each column of a user's table is used for: an outcome is no input, and no column is two things at once."""

from __future__ import annotations

import difflib

from popcast.core.errors import BadInput, bad_input, shown
from popcast.datasets.params import Table, TableColumns
from popcast.datasets.reading.row_table import RowTable

OUTCOMES = ("label", "posthoc")
INPUTS = (
    "id", "author", "time", "text", "tags", "category", "subcategory", "concept", "media", "numbers", "author_numbers",
)  # fmt: skip

WITH_TEXT = {"id", "author", "tags", "category", "subcategory", "concept"}
"""What a column of words may be besides a part of the text."""


def uses(columns: TableColumns, what: tuple[str, ...] = INPUTS + OUTCOMES) -> list[tuple[str, str]]:
    """Use and column, one by one, in the order of ``what``."""
    found = []
    for use in what:
        names = getattr(columns, use)
        found += [(use, name) for name in ([names] if isinstance(names, str) else names or [])]
    return found


def check_uses(columns: TableColumns) -> None:
    """Raise BadInput for a column that is an outcome and something else, or two inputs that are no text."""
    seen: dict[str, list[str]] = {}
    for use, name in uses(columns):
        others = seen.setdefault(name, [])
        for other in others:
            _check_pair(name, other, use)
        others.append(use)


def _check_pair(name: str, first: str, second: str) -> None:
    outcomes = {first, second} & set(OUTCOMES)
    if len(outcomes) == 1 and first != second:
        other = second if first in OUTCOMES else first
        what = "an input of the models" if other not in ("id", "author", "time") else f"the {other} of posts"
        problem = f"{shown(name)} is both an outcome and {what}"
        raise BadInput(f"params.yaml: table.columns: {problem} ({outcomes.pop()}, {other}): leave it out of {other}")
    if outcomes or not ("text" in (first, second) and {first, second} & WITH_TEXT):
        raise BadInput(f"params.yaml: table.columns: {shown(name)} stands twice, as {first} and as {second}")


def needed(layout: Table) -> set[str]:
    """All columns that are to be read."""
    return {name for _, name in uses(layout.columns)} | {layout.repeated_by or layout.columns.label}


def check_columns(rows: RowTable, layout: Table, labelled: bool) -> None:
    """Raise BadInput where ``rows`` lack a mapped column. Outcomes are asked of the labelled rows only."""
    asked = {name for _, name in uses(layout.columns, INPUTS + OUTCOMES if labelled else INPUTS)}
    asked |= {layout.repeated_by} - {None}
    if rows.rejected and not rows.height:
        first = rows.rejected[0]
        problem = f"{first.reason}, and no other row can be read"
        raise bad_input(problem, file=first.file, row=first.row, value=first.shown or None)
    for name in sorted(asked - set(rows.columns.columns)):
        near = difflib.get_close_matches(name, rows.names, 1, 0.75)
        expected = (f"{shown(near[0])}, or another " if near else "one ") + f"of {', '.join(rows.names)}"
        raise bad_input("missing column", file=rows.files[0] if rows.files else None, field=name, expected=expected)
