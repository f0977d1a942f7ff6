"""Records of a delimited text after RFC 4180, each with the row that it starts in.

Fields in quotes may hold the delimiter, line breaks and doubled quotes. A quote that stands wrongly, or never closes,
spoils the row of its line alone, and reading goes on with the next one: what looked like one long record may be many.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from popcast.core.errors import bad_input
from popcast.datasets import raw_files

LONGEST_LINE = 32 << 20
"""Characters of a line at most."""

LONGEST_RECORD = 32 << 20
"""Characters of a record of several lines at most: what goes on for longer has a quote that never closes."""

MOST_REREAD = 256 << 20
"""Characters that are read again after quotes that never close, over a whole file."""


_ESCAPE = re.compile(r"\\([\\\"])")


class Endless(csv.Error):
    """A quote that never closes."""


class Lines:
    """Lines of a text with their ends. Those of the record in hand can be given back."""

    def __init__(self, text: TextIO, path: Path) -> None:
        self.text, self.path = text, path
        self.row = 1
        """Number of the first line of the record in hand."""
        self.record: list[str] = []
        self.size = 0
        self._back: deque[str] = deque()
        self._reread = 0

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self._read()
        self.record.append(line)
        self.size += len(line)
        if self.size > LONGEST_RECORD and len(self.record) > 1:
            raise Endless("a quote that does not close")
        return line

    def _read(self) -> str:
        line = self.text.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        if self.row > raw_files.MOST_ROWS:
            raise bad_input(f"more than {raw_files.MOST_ROWS} lines", file=self.path, expected="several smaller files")
        if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
            raise bad_input(f"a line of more than {LONGEST_LINE >> 20} MB", file=self.path,
                            row=self.row + len(self.record))  # fmt: skip
        return line

    def settle(self) -> None:
        """The record in hand is done."""
        self.row += len(self.record)
        self.record, self.size = [], 0

    def give_back(self) -> None:
        """Only the first line of the record in hand is done."""
        rest = self.record[1:]
        self._reread += self.size
        if rest and self._reread > MOST_REREAD:
            raise bad_input("quotes that do not close", file=self.path, row=self.row, expected="quotes as in RFC 4180")
        self._back.extendleft(reversed(rest))
        self.row += 1
        self.record, self.size = [], 0


@dataclass(frozen=True)
class Dialect:
    """How fields stand in a line."""

    delimiter: str
    quotes: bool = True
    """False where quotes are part of the text, and every line is a record."""
    blanks: bool = False
    """A blank follows every delimiter and belongs to no field."""
    escapes: bool = False
    """A quote within a field is ``\\"``, as databases write it, and a backslash two of them."""
    header_row: int | None = None
    """Row of the header where others stand above it; None: the first."""
    more: int = 0
    """Fields that every record has more than the header, all empty; -1 where the header ends in an empty name."""
    lead: bool = False
    """Every record begins with its number, for which the header has no name."""


def records(lines: Lines, dialect: Dialect) -> Iterator[tuple[int, list[str] | str]]:
    """Row and fields of every record, or what is wrong with it. A blank line has no fields."""
    quoting = csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE
    form = {"delimiter": dialect.delimiter, "strict": True, "quoting": quoting, "skipinitialspace": dialect.blanks}
    source = map(_doubled, lines) if dialect.escapes else lines
    reader = csv.reader(source, **form)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            row = lines.row
            lines.give_back()
            yield row, _problem(str(error))
            # an error at the end of the text leaves the reader at its end
            reader = csv.reader(source, **form)
            continue
        row = lines.row
        lines.settle()
        yield row, fields


def _doubled(line: str) -> str:
    """Escaped quotes doubled, escaped backslashes single."""
    return _ESCAPE.sub(lambda found: '""' if found[1] == '"' else "\\", line) if "\\" in line else line


def _problem(said: str) -> str:
    if "unexpected end of data" in said or "does not close" in said:
        return "a quote that does not close"
    if "expected after" in said:
        return "text after a closing quote"
    return said


@contextmanager
def long_fields() -> Iterator[None]:
    """Fields of any length that a line can have, meanwhile."""
    before = csv.field_size_limit(2 * LONGEST_RECORD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def is_blank(fields: list[str]) -> bool:
    """Nothing but delimiters and blanks, as a spreadsheet writes an empty row."""
    return not any(fields) or not any(map(str.strip, fields))
