"""Lists in a cell of text, as JSON or as Python prints them: a reader of its own that runs nothing and never recurses.

A parser of Python would do, but a cell of brackets takes it any depth and any memory. Here an item is a text, a number
or a name such as None; a list or an object within the list is refused.
"""

from __future__ import annotations

import re

import orjson

_TEXT = r"""[uU]?'(?:[^'\\\n]|\\.)*'|[uU]?"(?:[^"\\\n]|\\.)*\""""
_ITEM = re.compile(rf"\s*({_TEXT}|[^\s,\[\]{{}}()'\"\\]+)\s*(,|\])")
_END = re.compile(r"\s*\]")
_NUMBER = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,9})?")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_SURROGATES = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")

_NOTHING = ("None", "null")
_WORDS = {"True": "True", "False": "False", "true": "True", "false": "False"}
_SIGNS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v", "0": "\0"}


def read_list(text: str, texts_only: bool = False) -> list[str] | None:
    """Items of a list of texts and numbers, in JSON's or Python's notation; None where ``text`` is no such list.

    None and null are left out. texts_only: a number, None and the like make it no list.

    >>> read_list("['a', \\"it's\\", 3, None]")
    ['a', "it's", '3']
    >>> read_list("[['a']]") is None
    True
    """
    text = text.strip()
    if not text.startswith("["):
        return None
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _python_items(text, texts_only)
    if any(isinstance(item, list | dict) or (texts_only and not isinstance(item, str)) for item in items):
        return None
    return [str(item) for item in items if item is not None]


def _python_items(text: str, texts_only: bool) -> list[str] | None:
    items: list[str] = []
    place = 1
    while not (last := _END.match(text, place)):
        match = _ITEM.match(text, place)
        item = None if match is None else _item(match[1], texts_only)
        if item is None:
            return None
        if match[1] not in _NOTHING:
            items.append(item)
        place = match.end()
        if match[2] == "]":
            return items if place == len(text) else None
    return items if last.end() == len(text) else None


def _item(found: str, texts_only: bool) -> str | None:
    """One item as text; None where it is no text, number or known name."""
    if found[-1] in "'\"":
        return _unescaped(found.lstrip("uU")[1:-1])
    if texts_only:
        return None
    if found in _NOTHING:
        return ""
    if _NUMBER.fullmatch(found):
        return found
    return _WORDS.get(found)


def _unescaped(text: str) -> str | None:
    """Text with its escapes read; None where one is unknown or stands for half a character."""
    if "\\" not in text:
        return None if _halves(text) else text
    text = _SURROGATES.sub(lambda match: _pair(match[0]), text)
    wrong = False

    def sign(match: re.Match) -> str:
        nonlocal wrong
        kind = match[1]
        if len(kind) == 1:
            if kind in _SIGNS:
                return _SIGNS[kind]
            wrong |= kind.isalnum()
            return kind
        number = int(kind[1:], 16)
        wrong |= number > 0x10FFFF or 0xD800 <= number <= 0xDFFF
        return "?" if wrong else chr(number)

    read = _ESCAPE.sub(sign, text)
    return None if wrong or _halves(read) else read


def _pair(escapes: str) -> str:
    """The character of two escapes of 16 bits, as JSON has them."""
    high, low = int(escapes[2:6], 16), int(escapes[8:12], 16)
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _halves(text: str) -> bool:
    """Whether there is a lone half of a pair, which no UTF-8 can hold."""
    return re.search("[\ud800-\udfff]", text) is not None
