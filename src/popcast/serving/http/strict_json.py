"""JSON as RFC 8259 has it, and nothing that two readers would read in two ways."""

from __future__ import annotations

import json
from typing import Any

import orjson

from popcast.core.errors import BadInput, shown

DEEPEST = 16
"""Arrays and objects within one another."""
MOST = 300_000
"""Commas, brackets and braces: a body of many small values takes a hundred times its size."""


def strict_json(content: bytes) -> Any:
    """The value of ``content``. BadInput, one line: not JSON in UTF-8, a number that no float holds, NaN, half a
    surrogate pair, a key that stands twice, more than ``DEEPEST`` levels or ``MOST`` values.

    >>> strict_json(b'{"a": [1, null]}')
    {'a': [1, None]}
    """
    if sum(content.count(sign) for sign in b",[{") > MOST:
        raise BadInput(f"the body has too many values: expected at most {MOST}")
    try:
        orjson.loads(content)  # strict about bytes, surrogates and numbers, and stops at 1,024 levels
    except orjson.JSONDecodeError as error:
        raise BadInput(f"the body is not JSON: {error}") from None
    try:
        value = json.loads(content, object_pairs_hook=_object, parse_int=_whole)
    except (ValueError, RecursionError):
        raise BadInput("the body is not JSON that can be read") from None
    _check_depth(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise BadInput(f"the body is not JSON that can be read in one way: the key {shown(twice)} stands twice")
    return found


def _whole(text: str) -> int | float:
    """A whole number; one of more digits than a float can tell apart becomes a float."""
    return int(text) if len(text) <= 15 else float(text)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inner(one)]
        if not level:
            return
    raise BadInput(f"the body is nested too deep: expected at most {DEEPEST} levels")


def _inner(value: Any) -> list[Any]:
    """Arrays and objects right inside."""
    if not isinstance(value, dict | list):
        return []
    inside = value.values() if isinstance(value, dict) else value
    return [one for one in inside if isinstance(one, dict | list)]
