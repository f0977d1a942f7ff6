"""Rows of one sheet of an xlsx workbook, typed as its cells are, with the row numbers of the sheet."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input, shown
from popcast.datasets import raw_files
from popcast.datasets.reading.column_names import Header, clean_name, read_header
from popcast.datasets.reading.file_form import FileForm
from popcast.datasets.reading.header_row import FARTHEST, TOTAL, header_at, is_total
from popcast.datasets.reading.row_table import FileRows, RejectedRow
from popcast.datasets.reading.sources import Source, too_large
from popcast.datasets.reading.typed.typed_cells import column_of

ERRORS = {"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA", "#SPILL!", "#CALC!"}
"""What a cell shows whose formula has no value."""

OPENPYXL = (
    zipfile.BadZipFile, struct.error, KeyError, TypeError, AttributeError, IndexError, SyntaxError, ArithmeticError,
    RuntimeError,
)  # fmt: skip
"""What openpyxl raises on damaged workbooks, besides ValueError."""


@dataclass(frozen=True)
class _Sheet:
    name: str
    row: int
    """Of the header."""
    header: tuple
    above: bool = False
    """Whether there are rows above the header."""

    def names(self) -> set[str]:
        return {clean_name(cell) for cell in self.header} - {""}


def read_workbook(source: Source, wanted: Collection[str] | None, form: FileForm, most_rows: int | None) -> FileRows:
    """Rows of the sheet that was set, else of the one whose header has most of the wanted names, then most names.

    Whole numbers are such though a workbook holds floats only; a cell that shows an error is null, and counted.
    """
    path = source.path
    with _opened(source) as workbook:
        sheet, said = _choose(workbook, path, wanted, form.sheet)
        header = read_header(_trimmed(sheet.header), path, sheet.row, wanted)
        if sheet.above:
            said.append(f"the header is in row {sheet.row}: what stands above it is left out")
        cells, numbers, rejected, errors = _read(workbook[sheet.name], sheet, header, path, most_rows, said)
        workbook.close()
    if errors:
        said.append(f"{errors} cells that show an error, read as null")
    columns = pl.DataFrame([column_of(name, values, whole=True) for name, values in cells.items()])
    columns, names = header.fill(columns)
    return FileRows(path, columns, names, numbers, rejected, said)


@contextmanager
def _opened(source: Source) -> Iterator:
    """The workbook, bounded by what its parts unpack to. What openpyxl raises on a damaged one is one line."""
    import openpyxl

    path, content = source.path, source.content()
    if not content.getbuffer()[:4] == b"PK\x03\x04":
        raise bad_input("not an xlsx workbook", file=path, value=bytes(content.getbuffer()[:12]),
                        expected="an xlsx file, or the end of name that says what it is")  # fmt: skip
    with raw_files.readable(path, "xlsx"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with zipfile.ZipFile(content) as parts:
                if sum(part.file_size for part in parts.infolist()) > raw_files.MOST_UNPACKED:
                    raise too_large(path)
            yield openpyxl.load_workbook(io.BytesIO(content.getbuffer()), read_only=True, data_only=True)
        except OPENPYXL as error:
            said = (str(error).splitlines() or [""])[0] or type(error).__name__
            raise bad_input(f"not a readable xlsx: {said}", file=path) from None


def _choose(workbook, path: Path, wanted: Collection[str] | None, given: str | None) -> tuple[_Sheet, list[str]]:
    names = [sheet.title for sheet in workbook.worksheets]
    if given is not None:
        if given not in names:
            raise bad_input("no such sheet", file=path, value=given, expected=f"one of {', '.join(names)}")
        sheet = _header_row(workbook[given], wanted)
        if sheet is None:
            raise bad_input(f"sheet {given} is empty", file=path, expected="a header")
        return sheet, []
    found = [sheet for name in names if (sheet := _header_row(workbook[name], wanted)) is not None]
    if not found:
        raise bad_input("empty file", file=path, expected="a header")
    best = max(found, key=lambda sheet: (len(sheet.names() & set(wanted or ())), len(sheet.names())))
    same = [sheet.name for sheet in found if sheet.names() == best.names()]
    if len(same) > 1:
        raise bad_input(f"{len(same)} sheets with the same columns", file=path, value=", ".join(same),
                        expected="table.sheet")  # fmt: skip
    others = [sheet.name for sheet in found if sheet is not best]
    return best, [f"sheet {shown(best.name)}, not {', '.join(map(shown, others))}"] if others else []


def _header_row(sheet, wanted: Collection[str] | None) -> _Sheet | None:
    """The header among the first rows with anything in them."""
    sheet.reset_dimensions()
    first = []
    for row, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        if any(map(_filled, cells)):
            first.append((row, cells))
            if len(first) > FARTHEST:
                break
    if not first:
        return None
    width = max(len(_trimmed(cells)) for _, cells in first)
    at = header_at([(*cells[:width], *[None] * (width - len(cells))) for _, cells in first], wanted)
    return _Sheet(sheet.title, *first[at], above=at > 0)


def _read(sheet, chosen: _Sheet, header: Header, path: Path, most_rows: int | None, said: list[str]):
    """Cells by column, row numbers, rejected rows, and how many cells show an error."""
    cells: dict[str, list] = {name: [] for name in header.places}
    numbers, rejected, errors = [], [], 0
    sheet.reset_dimensions()
    for row, found in enumerate(sheet.iter_rows(min_row=chosen.row + 1, values_only=True), chosen.row + 1):
        if not any(map(_filled, found)):
            continue
        if len(found) > header.width and any(map(_filled, found[header.width :])):
            counted = f"{len(_trimmed(found))} cells, expected {header.width}"
            rejected.append(RejectedRow(path, row, "long row", f"{counted}: {shown(found[header.width])}"))
            continue
        if most_rows is not None and len(numbers) >= most_rows:
            break
        if is_total((*found, *[None] * (header.width - len(found)))):
            said.append(f"row {row} left out: {TOTAL}")
            continue
        numbers.append(row)
        for name, at in header.places.items():
            value = found[at] if at < len(found) else None
            if isinstance(value, str) and value in ERRORS:
                value, errors = None, errors + 1
            cells[name].append(value)
    return cells, numbers, rejected, errors


def _filled(cell: object) -> bool:
    return cell is not None and (not isinstance(cell, str) or bool(cell.strip()))


def _trimmed(cells: tuple) -> tuple:
    """Cells without empty ones at the end, to which formats reach."""
    width = max((at + 1 for at, cell in enumerate(cells) if _filled(cell)), default=0)
    return cells[:width]
