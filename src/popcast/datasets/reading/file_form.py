"""What is known of the form of files before they are looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileForm:
    """None: found by looking, and said aloud."""

    delimiter: str | None = None
    """One character between the fields of a csv, tsv or txt file."""
    encoding: str | None = None
    """Of text files, as Python names it: utf-8, cp1252, gb18030."""
    sheet: str | None = None
    """Of an xlsx file; the first one with rows if None."""


AS_FOUND = FileForm()
"""Nothing is known."""
