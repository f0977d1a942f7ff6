"""Bodies of requests that a seed makes odd: values of the wrong kind, odd texts, keys added, doubled and cut, bytes."""

from __future__ import annotations

import base64
import copy
import json
import random
from typing import Any

PATHS = ("/forecast", "/forecast", "/forecast", "/explain", "/what-if", "/observe", "/audience")

GOOD: dict[str, dict[str, Any]] = {
    "/forecast": {"drafts": [{"text": "storm", "author": "page 3", "time": "2025-06-20T18:30", "tags": ["a"]}]},
    "/explain": {"drafts": [{"text": "storm", "author": "page 3"}], "words": False},
    "/what-if": {"draft": {"text": "storm", "time": "now"}, "titles": ["kitten"], "levers": ["title"]},
    "/observe": {"posts": [{"id": "fuzz 1", "text": "storm", "outcome": 3}], "counted_at": "2025-06-20T18:30"},
    "/audience": {"draft": {"text": "storm"}},
}

TEXTS = (
    "", " ", "\x00", "\x1b[2J", "a\nb\r\nc", "../../../../etc/passwd", "/etc/passwd", "file:///etc/passwd",
    "http://127.0.0.1:1/", "<script>alert(1)</script>", "'; DROP TABLE posts; --", "{{7*7}}", "${7*7}", "%s%n%x",
    "\u202e\u200b", "\ufffe\uffff", "\U0001f600" * 40, "e\u0301" * 400, "a" * 19_000, "NaN", "null", "-0", "1e400",
    "None", "n/a", "ΑΒΓ", "\u2028",
)  # fmt: skip
TIMES = (
    "now", "NOW", "2025-06-20", "20250620T1830", "2025-W25-5", "2025-06-20T18:30Z", "2025-06-20T18:30+25:00",
    "2025-02-29", "0001-01-01", "9999-12-31T23:59:59.999999-23:59", "1969-12-31", "1e10", "1718900000",
    "2025-06-20T24:00", "٢٠٢٥-٠٦-٢٠",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3.5, 2**31, 2**63, -(2**64), 10**30, 1e308, -1e308, 5e-324, [], {}, [[]], [None],
    {"a": {}}, [[[[[[[[]]]]]]]], *TEXTS, *TIMES,
)  # fmt: skip
NAMES = (
    "text",
    "author",
    "time",
    "tags",
    "category",
    "numbers",
    "picture",
    "id",
    "outcome",
    "media",
    "__class__",
    "",
    "txet",
)
RAW = (b"NaN", b"Infinity", b"-Infinity", b"1e999", b'"\\ud800"', b"\xff", b"9" * 400, b"[" * 300, b"}", b"//", b"\x00")


def hostile_body(seed: int) -> tuple[str, bytes]:
    """Path and body of one seed."""
    rng = random.Random(seed)
    path = rng.choice(PATHS)
    body = copy.deepcopy(GOOD[path])
    for _ in range(rng.randint(0, 3)):
        _change(rng, body)
    content = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    return path, _bytes(rng, content) if rng.random() < 0.25 else content


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) inside."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]


def _change(rng: random.Random, body: dict[str, Any]) -> None:
    places = _places(body)
    if not places:
        return
    inside, key = rng.choice(places)
    way = rng.choice(("value", "value", "text", "time", "key", "leave out", "many", "picture", "numbers"))
    if way == "value":
        inside[key] = copy.deepcopy(rng.choice(VALUES))
    elif way == "text":
        inside[key] = rng.choice(TEXTS)
    elif way == "time":
        _some_draft(rng, body)["time"] = rng.choice(TIMES)
    elif way == "key":
        _some_draft(rng, body)[rng.choice(NAMES)] = copy.deepcopy(rng.choice(VALUES))
    elif way == "leave out":
        inside.pop(key)
    elif way == "many":
        inside[key] = [copy.deepcopy(inside[key]) for _ in range(rng.choice((2, 5, 40)))]
    elif way == "picture":
        data = rng.choice((b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", rng.randbytes(60)))
        name = rng.choice(TEXTS)
        _some_draft(rng, body)["picture"] = {"name": name[:255], "data": base64.b64encode(data).decode()}
    else:
        _some_draft(rng, body)["numbers"] = {rng.choice(("fans", *TEXTS))[:500]: rng.choice((1, 1e308, -5, 2.5, None))}


def _some_draft(rng: random.Random, body: dict[str, Any]) -> dict[str, Any]:
    """A draft of the body, or an object that nobody looks at where none is left."""
    found = [inside[key] for inside, key in _places(body) if isinstance(inside[key], dict)]
    return rng.choice(found) if found else {}


def _bytes(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content) + 1)
    way = rng.choice(("cut", "put", "flip", "double", "raw"))
    if way == "cut":
        return content[:place]
    if way == "flip" and content:
        place = min(place, len(content) - 1)
        return content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]
    if way == "double":
        return content[:-1] + b"," + content[1:]
    return content[:place] + (rng.choice(RAW) if way == "raw" else rng.randbytes(3)) + content[place:]
