"""JSON as Python values that keep what is written: numbers as their digits, and a stream of the values of an array.

The fast parsers of JSON make floats of numbers with more than 19 digits, and ids are such. So every number is text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from popcast.core.errors import BadInput, bad_input

CHUNK = 1 << 20
LARGEST_VALUE = 128 << 20
"""Characters of one value at most."""

NEAR = 16
"""Characters before the end of what was read within which an error may come from the cut."""


class Nan:
    """The word NaN where a number should be."""


class Infinite(str):
    """The words Infinity and -Infinity where a number should be."""


class Repeated(dict):
    """An object that names a field twice; ``twice`` says which."""

    twice: frozenset[str] = frozenset()


NAN = Nan()
BAD = (ValueError, RecursionError)
"""What :func:`parsed` raises."""


def plain_number(token: str) -> str:
    """A number of three digits after its point gets a zero: it is never taken for thousands.

    >>> plain_number("17.958"), plain_number("1e5"), plain_number("1.0")
    ('17.9580', '1e5', '1.0')
    """
    thousands = token[-4:-3] == "." and token[-3:].isdigit() and len(token.lstrip("-")) <= 7
    return token + "0" if thousands else token


EXTENDED = {"$oid", "$date", "$numberLong", "$numberInt", "$numberDouble", "$numberDecimal"}
"""Names by which MongoDB writes the type of a value around it."""


def _object(pairs: list[tuple[str, object]]) -> object:
    if len(pairs) == 1 and pairs[0][0] in EXTENDED:
        return pairs[0][1]
    record = dict(pairs)
    if len(record) == len(pairs):
        return record
    names = [name for name, _ in pairs]
    repeated = Repeated(record)
    repeated.twice = frozenset(name for name in record if names.count(name) > 1)
    return repeated


def _constant(word: str) -> Nan | Infinite:
    return NAN if word == "NaN" else Infinite(word)


_decoder = json.JSONDecoder(
    parse_int=str, parse_float=plain_number, parse_constant=_constant, object_pairs_hook=_object
)


def parsed(text: str) -> object:
    """One JSON value. Raises one of :data:`BAD`."""
    return _decoder.decode(text)


def written(value: object) -> str:
    """A value as compact JSON text; NaN is null."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_other)


def _other(value: object) -> object:
    return None if isinstance(value, Nan) else str(value)


def problem(error: Exception) -> str:
    """What is wrong with JSON text, without the place in it."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


class JsonStream:
    """Values of a text one after another, read piece by piece."""

    def __init__(self, text: TextIO, path: Path) -> None:
        self.text, self.path = text, path
        self.buffer, self.at, self.ended, self.rows = "", 0, False, 0

    def peek(self) -> str:
        """The next character that is no blank; nothing at the end."""
        while True:
            while self.at < len(self.buffer) and self.buffer[self.at] in " \t\r\n\ufeff":
                self.at += 1
            if self.at < len(self.buffer) or not self._more():
                return self.buffer[self.at : self.at + 1]

    def take(self) -> str:
        sign = self.peek()
        self.at += len(sign)
        return sign

    def array(self) -> Iterator[object]:
        """The items of the array that begins here, and of those that follow it; there is nothing else.

        A comma after the last item is passed over.
        """
        while self.peek() == "[":
            self.take()
            sign = ","
            while sign == "," and self.peek() != "]":
                yield self.value()
                sign = self.take()
            if sign != "]" and self.take() != "]":
                raise self.damaged("no comma or end of the array" if self.peek() else "cut off")
            if self.peek() == ",":
                self.take()
        if self.peek():
            raise self.damaged("text after the array")

    def sequence(self) -> Iterator[object]:
        """Values one after another with blanks or commas between."""
        while self.peek():
            yield self.value()
            if self.peek() == ",":
                self.take()

    def value(self) -> object:
        self.peek()
        while True:
            try:
                value, end = _decoder.raw_decode(self.buffer, self.at)
            except RecursionError as error:
                raise self.damaged(problem(error)) from None
            except json.JSONDecodeError as error:
                cut = error.pos > len(self.buffer) - NEAR or error.msg.startswith("Unterminated string")
                if not cut or len(self.buffer) - self.at > LARGEST_VALUE or not self._more():
                    raise self.damaged(error.msg) from None
                continue
            if end < len(self.buffer) or not self._more():
                self.at = end
                self.rows += 1
                return value

    def damaged(self, what: str) -> BadInput:
        where = f"after row {self.rows}: " if self.rows else ""
        return bad_input(f"not valid JSON, cut off or damaged: {where}{what}", file=self.path)

    def _more(self) -> bool:
        """Read on, twice as far each time that a value does not end."""
        if self.ended:
            return False
        piece = self.text.read(max(CHUNK, len(self.buffer) - self.at))
        self.buffer, self.at = self.buffer[self.at :] + piece, 0
        self.ended = not piece
        return bool(piece)
