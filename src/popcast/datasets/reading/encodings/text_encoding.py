"""The encoding of a text file: the one that was set, if the bytes allow it, or the one that they show."""

from __future__ import annotations

import codecs
import io
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from popcast.core.errors import bad_input
from popcast.datasets.reading.encodings.byte_marks import Marks, line_ends, look, pieces
from popcast.datasets.reading.encodings.legacy_encodings import judge
from popcast.datasets.reading.sources import BEGINNINGS, Source

CONTROL = re.compile("[\x00-\x08\x0e-\x19\x1c-\x1f]")
"""Characters that no text has; an end of file of old (1A) and an escape may be there."""
SETTABLE = "table.encoding, such as utf-8, cp1252 or gb18030"


def find_encoding(source: Source, given: str | None) -> str:
    """Name of the encoding, as Python knows it, checked against every byte of the file.

    Raises BadInput for an empty file, one that is no text, and one whose bytes fit no encoding or several: with the
    row of the first byte that is no UTF-8, and what could be meant.
    """
    marks = look(source)
    if marks.size == 0:
        raise bad_input("empty file", file=source.path, expected="a header or rows")
    for beginning, suffix in BEGINNINGS.items():
        if marks.head.startswith(beginning):
            expected = f"text, or {suffix} at the end of its name" if suffix else "text"
            raise bad_input("packed" if beginning != b"PAR1" else "a parquet file", file=source.path, expected=expected)
    if given is not None:
        return _given(source, given, marks)
    if marks.mark is not None:
        found = marks.mark
    elif marks.zero_row is not None:
        found = _wide(source, marks)
    elif marks.utf8:
        found = "utf-8"
    else:
        found = _legacy(source, marks)
    if found == "utf-8" and len(CONTROL.findall(marks.head.decode(errors="ignore"))) > 0.05 * len(marks.head):
        raise bad_input("no text: control characters", file=source.path)
    if not (found in ("utf-8", "utf-8-sig") and marks.utf8):
        _check(source, found)
    return found


@contextmanager
def opened_text(source: Source, encoding: str, newline: str = "") -> Iterator[TextIO]:
    """The file as text, with its line ends as they are, without a mark at its beginning."""
    name = "utf-8-sig" if encoding == "utf-8" else encoding
    with source.opened() as file, io.TextIOWrapper(file, encoding=name, newline=newline) as text:
        yield text


def _given(source: Source, given: str, marks: Marks) -> str:
    try:
        if not codecs.lookup(given)._is_text_encoding:
            raise LookupError
        name = codecs.lookup(given).name
    except (LookupError, ValueError, TypeError):
        raise bad_input("unknown encoding", file=source.path, value=given, expected=SETTABLE) from None
    wide = name.startswith(("utf-16", "utf-32"))
    if marks.mark is not None and not name.startswith(marks.mark.removesuffix("-sig")):
        raise bad_input(f"begins with the mark of {marks.mark}", file=source.path, value=given, expected=marks.mark)
    if marks.utf8 and marks.sequences > 3 and name != "utf-8-sig" and not name.startswith("utf-8"):
        raise bad_input("written in UTF-8", file=source.path, value=given, expected="encoding utf-8, or none")
    if marks.zero_row is not None and not wide:
        raise bad_input(f"not {given}: a zero byte", file=source.path, row=marks.zero_row, expected=SETTABLE)
    name = marks.mark or name
    _check(source, name)
    return name


def _wide(source: Source, marks: Marks) -> str:
    """UTF-16 without a mark: the zero bytes of its ASCII characters stand all in even places, or all in odd ones."""
    even, odd = marks.head[::2].count(0), marks.head[1::2].count(0)
    name = "utf-16-le" if odd > 3 * even else "utf-16-be" if even > 3 * odd else None
    if name and marks.size % 2 == 0:
        text = marks.head[: len(marks.head) // 2 * 2].decode(name, errors="ignore")
        # a few characters have a zero in the other place, among them the Chinese one for 1
        narrow = sum(char < "\u0100" for char in text)
        two = sum(0x20 <= ord(char) >> 8 < 0x7F and 0x20 <= ord(char) & 255 < 0x7F for char in text)
        if two > 0.6 * (len(text) - narrow):
            name = None  # pairs of ASCII characters
        elif narrow >= max(even, odd) and not CONTROL.search(text) and re.search("[\n\r,;\t|{]", text):
            return name
    raise bad_input("no text: a zero byte", file=source.path, row=marks.zero_row)


def _legacy(source: Source, marks: Marks) -> str:
    sample = bytes(marks.sample)
    replaced = sample.decode(errors="replace")
    invalid = replaced.count("\ufffd")
    valid = marks.sequences + sum(not char.isascii() for char in replaced) - invalid
    if valid > 0.5 * invalid:
        raise bad_input("UTF-8 with bytes that are none, or two encodings in one file", file=source.path,
                        row=marks.bad_row, expected=f"one encoding throughout, or {SETTABLE}")  # fmt: skip
    found, candidates = judge(sample)
    if found is None:
        raise bad_input("not UTF-8, and unclear what else", file=source.path, row=marks.bad_row,
                        expected=f"table.encoding, {' or '.join(candidates)}")  # fmt: skip
    return found


def _check(source: Source, encoding: str) -> None:
    """Refuse the first byte that the encoding does not allow, by its row."""
    decoder, rows = codecs.getincrementaldecoder(encoding)(), 1
    with source.opened() as file:
        for piece in itertools.chain(pieces(file), [b""]):
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                # bytes that are kept from the piece before hold no line end; wide ones have a zero beside it
                row = rows + line_ends(error.object[: error.start].replace(b"\0", b""))
                raise bad_input(f"not {encoding}", file=source.path, row=row, expected=SETTABLE) from None
            if "\0" in text:
                row = rows + line_ends(text[: text.index("\0")].encode())
                raise bad_input("no text: a zero byte", file=source.path, row=row)
            rows += line_ends(text.encode(errors="surrogatepass"))
