"""What the bytes of a text file say about its encoding: marks, zero bytes, whether they are UTF-8, and where not."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from popcast.datasets.reading.sources import Source

PIECE = 1 << 20
SAMPLE = 1 << 18
"""Bytes of lines with other than ASCII that an encoding is judged by."""

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass
class Marks:
    """Of the whole file."""

    head: bytes = b""
    """The first 64 kB."""
    size: int = 0
    ascii: bool = True
    utf8: bool = True
    bad_row: int | None = None
    """Row of the first byte that is no UTF-8."""
    zero_row: int | None = None
    """Row of the first zero byte."""
    sequences: int = 0
    """Sequences of UTF-8 for one character, up to the first bad byte."""
    sample: bytearray = field(default_factory=bytearray)
    """Lines with other than ASCII; where the file is no UTF-8, those from the first bad byte on."""

    @property
    def mark(self) -> str | None:
        return next((name for mark, name in MARKS if self.head.startswith(mark)), None)


def look(source: Source) -> Marks:
    """One pass over the file in bounded memory."""
    marks, decoder, rows = Marks(), codecs.getincrementaldecoder("utf-8")(), 1
    with source.opened() as file:
        for piece in pieces(file):
            if len(marks.head) < 1 << 16:
                marks.head += piece[: (1 << 16) - len(marks.head)]
            marks.size += len(piece)
            if marks.zero_row is None and (at := piece.find(0)) >= 0:
                marks.zero_row = rows + line_ends(piece[:at])
            if not piece.isascii():
                marks.ascii = False
                _sample(marks, piece)
            if marks.utf8:
                _decode(marks, decoder, piece, rows)
            rows += line_ends(piece)
        if marks.utf8:
            _decode(marks, decoder, b"", rows)
    return marks


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """The content in pieces that end in no CR: with the LF after it, that is one line end."""
    while piece := file.read(PIECE):
        while piece.endswith((b"\r", b"\r\0", b"\0\r")) and (more := file.read(4)):
            piece += more
        yield piece


def line_ends(text: bytes) -> int:
    """Lines that end in ``text``: by LF, CRLF or CR."""
    feeds = text.count(b"\n")
    return feeds + text.count(b"\r") - text.count(b"\r\n") if b"\r" in text else feeds


def _decode(marks: Marks, decoder: codecs.IncrementalDecoder, piece: bytes, rows: int) -> None:
    try:
        decoder.decode(piece, final=not piece)
        marks.sequences += _leads(piece)
    except UnicodeDecodeError as error:
        kept = len(error.object) - len(piece)  # bytes of the piece before, without a line end
        at = max(error.start - kept, 0)
        marks.utf8, marks.bad_row = False, rows + line_ends(piece[:at])
        marks.sequences += _leads(piece[:at])
        marks.sample.clear()
        _sample(marks, piece[max(piece.rfind(b"\n", 0, at), piece.rfind(b"\r", 0, at)) + 1 :])


def _leads(piece: bytes) -> int:
    return 0 if piece.isascii() else int((np.frombuffer(piece, np.uint8) >= 0xC0).sum())


def _sample(marks: Marks, piece: bytes) -> None:
    if len(marks.sample) >= SAMPLE:
        return
    for line in piece.splitlines():
        if not line.isascii():
            marks.sample += line[:PIECE] + b"\n"
            if len(marks.sample) >= SAMPLE:
                return
