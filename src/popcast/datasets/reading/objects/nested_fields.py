"""Objects within objects as columns with dotted names: ``{"metrics": {"likes": 3}}`` has a column ``metrics.likes``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from popcast.core.errors import bad_input
from popcast.datasets.reading.column_names import MOST_COLUMNS, clean_name
from popcast.datasets.reading.objects.json_values import Repeated

DEEPEST = 32
"""Objects within one another that names are made of."""


class TwiceError(Exception):
    """A wanted field is in an object twice."""


class NestedFields:
    """Names of all fields that any record has, in order, and the wanted ones of each record.

    wanted: None for all; then an object where other records have a value is kept as it is.
    """

    def __init__(self, path: Path, wanted: Collection[str] | None) -> None:
        self.path, self.wanted = path, None if wanted is None else frozenset(wanted)
        self.objects: set[str] = set()
        """Names that hold an object in some record."""
        self._seen: dict[str, bool] = {}
        self._clean: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """Those of values, without those that hold objects or nothing."""
        return [name for name, filled in self._seen.items() if filled or name not in self.objects]

    def of(self, record: dict, row: int) -> dict[str, object]:
        """Name -> value of the wanted fields. Raises TwiceError, and BadInput for an object where a value is wanted."""
        found: dict[str, object] = {}
        self._collect(record, "", found, row, 0)
        return found

    def _collect(self, record: dict, prefix: str, found: dict[str, object], row: int, depth: int) -> None:
        if isinstance(record, Repeated):
            twice = {prefix + self._name(name) for name in record.twice}
            if self.wanted is None or twice & self.wanted:
                raise TwiceError(sorted(twice if self.wanted is None else twice & self.wanted)[0])
        for key, value in record.items():
            name = prefix + (self._clean.get(key) or self._name(key))
            if isinstance(value, dict):
                self._descend(name, value, found, row, depth)
                continue
            if not self._seen.get(name):
                self._see(name, value is not None)
            if self.wanted is None or name in self.wanted:
                if name in found:
                    raise TwiceError(name)
                found[name] = value

    def _descend(self, name: str, value: dict, found: dict[str, object], row: int, depth: int) -> None:
        self.objects.add(name) if len(self.objects) < MOST_COLUMNS else None
        if self.wanted is not None and name in self.wanted and value:
            inner = ", ".join(f"{name}.{key}" for key in list(value)[:9])
            raise bad_input("an object", file=self.path, row=row, field=name, value=value,
                            expected=f"a text or number, such as {inner}")  # fmt: skip
        if not value:
            self._see(name, False)
        elif depth < DEEPEST:
            self._collect(value, f"{name}.", found, row, depth + 1)

    def _name(self, key: str) -> str:
        name = clean_name(key)
        if len(self._clean) < MOST_COLUMNS:
            self._clean[key] = name
        return name

    def _see(self, name: str, filled: bool) -> None:
        if name in self._seen or len(self._seen) < MOST_COLUMNS or name in (self.wanted or ()):
            self._seen[name] = self._seen.get(name, False) or filled
        elif self.wanted is None:
            raise bad_input("too many columns", file=self.path, expected=f"{MOST_COLUMNS} at most")
