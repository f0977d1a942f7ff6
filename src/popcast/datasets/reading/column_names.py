"""Names of the columns of a header: stripped, each once where it is wanted, and unnamed columns left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from popcast.core.errors import BadInput, bad_input

UNSEEN = "\ufeff\u200b\u200c\u200d\u2060"
"""Characters of no width that copies of web pages and spreadsheets leave."""

UNNAMED = "Unnamed: "
"""How a column without a name is called, with its place, as pandas calls it: mostly the index of a data frame."""

MOST_COLUMNS = 20_000


@dataclass(frozen=True)
class Header:
    """places: name of a column that is read -> its place in a row."""

    names: list[str]
    places: dict[str, int]
    unnamed: list[str]
    """Names that were made up for columns without one, of ``places``: kept only where there is something in them."""
    width: int

    def fill(self, columns: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
        """The columns, and the names of all, without unnamed ones that hold nothing."""
        filled = [name for name in self.unnamed if columns[name].null_count() < columns.height]
        dropped = [name for name in self.unnamed if name not in filled]
        order = [name for name in self.places if name not in dropped]
        return columns.select(order), self.names + filled


def clean_name(name: object) -> str:
    """A name without blanks and characters of no width around it.

    >>> clean_name("\\ufeff likes ")
    'likes'
    """
    text = "" if name is None else str(name)
    while text != (shorter := text.strip().strip(UNSEEN)):
        text = shorter
    return text


def read_header(cells: Sequence[object], path: Path, row: int | None, wanted: Collection[str] | None) -> Header:
    """What a header says. wanted: None for all columns.

    Raises BadInput where a column to be read is named twice, and for more than :data:`MOST_COLUMNS` columns.
    """
    if len(cells) > MOST_COLUMNS:
        raise bad_input(f"{len(cells)} columns", file=path, row=row, expected=f"{MOST_COLUMNS} at most")
    seen: dict[str, list[int]] = {}
    for place, cell in enumerate(cells):
        seen.setdefault(clean_name(cell), []).append(place)
    empty = seen.pop("", [])
    for name, places in seen.items():
        if len(places) > 1 and (wanted is None or name in wanted):
            raise named_twice(name, places, path, row)
    places = {name: at[0] for name, at in seen.items() if wanted is None or name in wanted}
    made = {f"{UNNAMED}{place}": place for place in empty if f"{UNNAMED}{place}" not in seen} if wanted is None else {}
    return Header(list(seen), places | made, list(made), len(cells))


def named_twice(name: str, places: list[int], path: Path, row: int | None) -> BadInput:
    which = " and ".join(str(place + 1) for place in places[:2])
    return bad_input(f"columns {which} have the same name", file=path, row=row, field=name, expected="one of the name")
