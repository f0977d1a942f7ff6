"""Columns from JSON objects: text, numbers by their digits, lists of texts, and anything deeper as JSON text."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import polars as pl

from popcast.core.errors import shown
from popcast.datasets.reading.objects.json_values import NAN, Infinite, written
from popcast.datasets.reading.objects.json_values import problem as json_problem
from popcast.datasets.reading.objects.nested_fields import NestedFields, TwiceError
from popcast.datasets.reading.row_table import MOST_REJECTED, FileRows, RejectedRow, too_many_rejected

BATCH = 20_000
"""Rows that wait as Python's values before they become columns."""
BATCH_SIZE = 64 << 20
"""Characters of them."""

_TEXT, _LIST, _NESTED = 1, 2, 4
_ROWS = "\0rows"


class JsonColumns:
    """Takes the values of rows one by one and keeps the wanted fields.

    A column of lists of values only is List(String); one that has other lists as well as lists of objects, or texts
    beside lists, has its lists as JSON text. Empty texts are null, truth values ``true`` and ``false``.
    """

    def __init__(self, path: Path, wanted: Collection[str] | None) -> None:
        self.path = path
        self.fields = NestedFields(path, wanted)
        self.numbers = array("q")
        self.rejected: list[RejectedRow] = []
        self._batch: list[dict[str, str | None]] = []
        self._size = 0
        self._pieces: list[pl.DataFrame] = []
        self._kinds: dict[str, int] = {}
        self._words: Counter[tuple[str, str]] = Counter()

    @property
    def height(self) -> int:
        return len(self.numbers)

    def add(self, row: int, value: object) -> None:
        """A row: an object, what else stands there, or the error that parsing it raised."""
        if isinstance(value, Exception):
            self._reject(row, "not valid JSON", json_problem(value))
        elif not isinstance(value, dict):
            self._reject(row, "not an object", shown(value))
        else:
            try:
                cells = {name: self._cell(name, one) for name, one in self.fields.of(value, row).items()}
            except TwiceError as error:
                self._reject(row, "a field twice in an object", shown(str(error)))
            except UnicodeEncodeError as error:
                self._reject(row, "half a character", shown(error.object[max(0, error.start - 9) : error.end + 9]))
            except RecursionError:
                self._reject(row, "nested too deeply", shown(value))
            else:
                self._batch.append(cells)
                self.numbers.append(row)
                if len(self._batch) == BATCH or self._size > BATCH_SIZE:
                    self._flush()

    def rows(self) -> FileRows:
        """What was added, after all of it."""
        self._flush()
        table = pl.concat(self._pieces, how="diagonal", rechunk=True) if self._pieces else pl.DataFrame()
        names, there = self.fields.names, set(table.columns)
        columns = [
            table[name].str.json_decode(pl.List(pl.String)) if self._kinds.get(name) == _LIST else table[name]
            for name in names
            if name in there
        ]
        said = [
            f"field {shown(name)}: {n} {'times' if n > 1 else 'time'} {word}" for (name, word), n in self._words.items()
        ]
        table = pl.DataFrame(columns)
        return FileRows(self.path, table, names, self.numbers, self.rejected, said, strict=False)

    def _reject(self, row: int, reason: str, what: str) -> None:
        self.rejected.append(RejectedRow(self.path, row, reason, what))
        if len(self.rejected) > MOST_REJECTED:
            raise too_many_rejected(self.path, self.rejected)

    def _cell(self, name: str, value: object) -> str | None:
        kind = _TEXT
        if value is None or value == "":
            return None
        if isinstance(value, list):
            kind, text = self._list(name, value)
        elif isinstance(value, bool):
            text = "true" if value else "false"
        elif value is NAN:
            self._words[name, "NaN, read as null"] += 1
            return None
        elif isinstance(value, str):
            if isinstance(value, Infinite):
                self._words[name, f"{value}, read as text"] += 1
            text = str(value)
        else:
            kind, text = _NESTED, written(value)
        if not text.isascii():
            text.encode()
        self._kinds[name] = self._kinds.get(name, 0) | kind
        self._size += len(text)
        return text

    def _list(self, name: str, items: list) -> tuple[int, str]:
        if any(isinstance(item, list | dict) for item in items):
            return _NESTED, written(items)
        if any(item is NAN for item in items):
            self._words[name, "NaN in a list, read as null"] += 1
        plain = [("true" if item else "false") if isinstance(item, bool) else item for item in items]
        return _LIST, written(plain)

    def _flush(self) -> None:
        if not self._batch:
            return
        names = dict.fromkeys(name for cells in self._batch for name in cells)
        made = {name: pl.Series([cells.get(name) for cells in self._batch], dtype=pl.String) for name in names}
        # a piece without a wanted field has rows too
        self._pieces.append(pl.DataFrame({_ROWS: pl.repeat(0, len(self._batch), eager=True), **made}))
        self._batch, self._size = [], 0
