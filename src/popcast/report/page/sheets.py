"""A table as the page shows it: words in cells, marks below a row's name, and the same rows as a csv file.

The csv travels in the page, as the address of a link: a page that was sent on still has it, and no script is needed.
"""

from __future__ import annotations

import base64
import csv
import io
import re
from dataclasses import dataclass, field

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula where it begins a text."""
NUMBER = re.compile(r"[+-]?[\d,]*\.?\d+(e[+-]?\d+)?", re.IGNORECASE)
COUNTED = re.compile(r"[<≥±+−-]?\s*\d")
STACKED, WIDE, WIDEST = 5, 9, 14
"""Columns from which on rows are set as cards: on a telephone, below 1,000 pixels, and everywhere."""
SHOWN, SPARED = 4, 2
"""Rows that a telephone shows of a table of more, and how many more at least: the others are a touch away."""


@dataclass(frozen=True)
class Row:
    """``cells``: words, the first is the row's name. ``marks``: (words, are they a warning?). ``strong``: set off."""

    cells: list[str]
    marks: list[tuple[str, bool]] = field(default_factory=list)
    strong: bool = False


@dataclass(frozen=True)
class Sheet:
    """``of``: chapter that it belongs to; with ``title`` it names the csv file, and no other sheet has both."""

    of: str
    title: str
    head: list[str]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    heading: bool = True

    @property
    def form(self) -> str:
        """Classes of the table: from how many columns on it becomes cards, and where."""
        columns = len(self.head)
        if columns >= WIDEST:
            return "cards cards-always"
        if columns > WIDE:
            return "cards cards-wide"
        return "cards" if columns >= STACKED else "slim"

    @property
    def shown(self) -> list[bool]:
        """Which rows [n] a telephone shows before it is asked for all: the first ones, and those that are set off."""
        if len(self.rows) < SHOWN + SPARED:
            return [True] * len(self.rows)
        return [place < SHOWN or row.strong for place, row in enumerate(self.rows)]

    @property
    def textual(self) -> set[int]:
        """Columns besides the first that hold words: none of their cells begins like a number."""
        found = set()
        for place in range(1, len(self.head)):
            told = [row.cells[place] for row in self.rows if row.cells[place] not in ("", "–")]
            if told and not any(COUNTED.match(cell) for cell in told):
                found.add(place)
        return found

    @property
    def file(self) -> str:
        return re.sub(r"[^\w]+", "-", f"{self.of} {self.title}".lower()).strip("-") + ".csv"

    @property
    def link(self) -> str:
        """The csv as the address of a link."""
        content = base64.b64encode(self.csv().encode("utf-8-sig")).decode("ascii")
        return f"data:text/csv;charset=utf-8;base64,{content}"

    def csv(self) -> str:
        """All rows, marks in a column of their own; numbers as programs read them."""
        marked = any(row.marks for row in self.rows)
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\r\n")
        writer.writerow([plain(name) for name in self.head] + (["notes"] if marked else []))
        for row in self.rows:
            notes = [plain(", ".join(words for words, _ in row.marks))] if marked else []
            writer.writerow([plain(cell) for cell in row.cells] + notes)
        return buffer.getvalue()


def plain(cell: str) -> str:
    """A cell of the csv: the minus of programs, nothing for a dash, and no text that a spreadsheet would run.

    >>> plain("−0.12"), plain("–"), plain("=1+1"), plain("1,234")
    ('-0.12', '', "'=1+1", '1234')
    """
    if cell == "–":
        return ""
    text = cell.replace("−", "-")
    if NUMBER.fullmatch(text):
        return text.replace(",", "")
    return "'" + text if text.startswith(FORMULA) else text


def sheet(of: str, title: str, head: list[str], rows: list[list[str]], notes: list[str] | None = None) -> Sheet:
    """A sheet without marks; a column without a name gets one."""
    named = [name or ("what" if place == 0 else "value") for place, name in enumerate(head)]
    return Sheet(of, title, named, [Row(list(row)) for row in rows], list(notes or []))
