"""Lists in a cell of text as tools print them: JSON, Python (lists, tuples, sets), numpy, objects with a text field.

Items are texts, numbers, or objects such as ``{'text': 'food', 'indices': [0, 4]}``, of which the text is taken. The
reader runs nothing, never recurses, and reads no list within a list. Separated text (``a|"b c"``, ``#a#b``) is read
cell by cell too, after :func:`separator_of` has looked at the whole column.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable

import orjson

from popcast.datasets.text_lists import read_list

TEXT_FIELDS = ("text", "name", "tag", "hashtag", "title", "label", "hashtag_name", "hashtagName", "tag_name", "tagName")
"""Fields of an object that hold its text, the first one known is taken."""

DEEPEST = 20
"""Brackets within a value of an object that is passed over."""

NESTED = r"^\s*(?:\[\s*[\[{]|\{\s*['\"])"
"""How a cell begins that may be an object, or a list of objects or lists."""

SEPARATORS = {"|": 0.0, "\n": 0.0, "\t": 0.0, " · ": 0.2, ";": 0.2, "；": 0.2, ",": 0.5, "，": 0.5, "、": 0.5, "،": 0.5}
"""Sign -> share of the cells from which it parts items: a comma may stand in one, a bar hardly."""

TOPIC = re.compile(r"#([^#]+)#")
_TOPICS = re.compile(r"\s*(?:#[^#]+#[\s,]*)+")
"""Topics of Weibo stand between two signs and may hold blanks."""

_STRING = r"""[uUbB]?'(?:[^'\\\n]|\\.)*'|[uU]?"(?:[^"\\\n]|\\.)*\""""
_TOKEN = re.compile(rf"\s*({_STRING}|[\[\](){{}}:,]|[^\s\[\](){{}}:,'\"\\]+)")
_NUMPY = re.compile(rf"\[\s*(?:{_STRING})(?:\s+(?:{_STRING}))*\s*\]")
_ARRAY = re.compile(
    r"(?:np\.|numpy\.|pd\.)?(?:array|set|frozenset|list|tuple|deque|Index|Series)\(\s*([\[({].*[\])}])\s*"
    r"(?:,\s*dtype=[^()]*)?\)",
    re.DOTALL,
)
_CALL = re.compile(
    r"(?:c|list|WrappedArray|ArrayBuffer|ArraySeq|Array|List|Vector|Stream|character)\((.*)\)", re.DOTALL
)
"""Vectors of R, whose texts have quotes, and sequences of Spark, whose texts have none."""
_PRINTED = re.compile(r"(?:np\.|numpy\.|pd\.)?[A-Za-z]+\(.*\)", re.DOTALL)
_OBJECT = re.compile(rf"\s*\[?\s*\{{\s*(?:{_STRING})\s*:")
_ENTITY = re.compile(r"&#?\w{1,10};")
_PAIRS = {"[": "]", "(": ")", "{": "}"}
_NOTHING = ("None", "null", "nan", "NaN")


def is_nested(text: str) -> bool:
    """Whether a cell is an object, or a list of objects or lists, as JSON or Python prints them.

    >>> is_nested('[["a"]]'), is_nested("{'name': 'x'}"), is_nested("[[wiki]] link"), is_nested('["a"]')
    (True, True, False, False)
    """
    try:
        return isinstance(found := orjson.loads(text), dict) or any(isinstance(one, list | dict) for one in found)
    except orjson.JSONDecodeError:
        return _OBJECT.match(text) is not None and text.rstrip()[-1:] in ("}", "]")


def items_of(text: str) -> list[str] | None:
    """Items of a list in any notation of programs; None where ``text`` is no such list, or one of its items no text.

    >>> items_of("[{'text': 'food', 'indices': [0, 4]}]"), items_of("['a' 'b']"), items_of("{'a', 'b'}")
    (['food'], ['a', 'b'], ['a', 'b'])
    """
    text = text.strip()
    if text in ("set()", "[]", "{}", "()", "character(0)"):
        return []
    if text[:1] == text[-1:] == '"' and text[1:2] in _PAIRS:
        return _twice_written(text)
    if called := _CALL.fullmatch(text):
        inner = called[1]
        return (
            read_list(f"[{inner}]") if inner[:1] in "\"'" else [one.strip() for one in inner.split(",") if one.strip()]
        )
    if packed := _ARRAY.fullmatch(text):
        text = packed[1]
    if text[:1] not in _PAIRS:
        return None
    plain = read_list(text)
    if plain is not None:
        return plain
    if _NUMPY.fullmatch(text):
        return read_list("[" + ",".join(re.findall(_STRING, text)) + "]")
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = _python(text)
        return found if found is not None else _of_a_database(text)
    return texts_of([found] if isinstance(found, dict) else found)


def is_list(text: str) -> bool:
    """Whether a cell begins as a list of a program does.

    >>> is_list("['a']"), is_list('c("a", "b")'), is_list("a, b"), is_list("Paris (France)")
    (True, True, False, False)
    """
    called = _PRINTED.fullmatch(text) is not None and (_CALL.fullmatch(text) or _ARRAY.fullmatch(text))
    return text[0] in "[({" or bool(called) or (text[0] == '"' and text[1:2] in _PAIRS and text[-1] == '"')


def _twice_written(text: str) -> list[str] | None:
    """A list in a text of JSON."""
    try:
        return items_of(orjson.loads(text))
    except orjson.JSONDecodeError:
        return None


def _of_a_database(text: str) -> list[str] | None:
    """An array as PostgreSQL prints it: ``{a,"b c"}``."""
    if text[0] != "{" or text[-1] != "}" or any(sign in text[1:-1] for sign in "{}[]():='"):
        return None
    return [one for one in parted(text[1:-1], ",") if one != "NULL"]


def texts_of(items: Iterable[object]) -> list[str] | None:
    """Texts of parsed items: texts and numbers as they are, of objects their text field; None where one has none."""
    found = []
    for item in items:
        if isinstance(item, dict):
            item = next((item[name] for name in TEXT_FIELDS if isinstance(item.get(name), str)), item)
        if isinstance(item, list | dict | tuple):
            return None
        if item is not None:
            found.append(str(item))
    return found


def _python(text: str) -> list[str] | None:
    """Items of a tuple, a set or objects as Python prints them."""
    tokens = _tokens(text)
    if tokens is None or _PAIRS[tokens[0]] != tokens[-1]:
        return None
    if tokens[0] == "{" and len(tokens) > 2 and tokens[2] == ":":
        found, end = _object(tokens, 0)
        return None if found is None or end != len(tokens) else [found]
    items, place, last = [], 1, len(tokens) - 1
    while place < last:
        if tokens[place] == "{":
            item, place = _object(tokens, place)
        else:
            item, place = _scalar(tokens[place]), place + 1
        if item is None or (place < last and tokens[place] != ","):
            return None
        items.append(item)
        place += 1
    return [item for item in items if item != ""]


def _tokens(text: str) -> list[str] | None:
    found, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return None
        found.append(match[1])
        place = match.end()
    return found if len(found) > 1 else None


def _scalar(token: str) -> str | None:
    """One text or number; "" for None, None where it is neither."""
    if token in _NOTHING:
        return ""
    items = read_list(f"[{token}]")
    return items[0] if items else None


def _object(tokens: list[str], place: int) -> tuple[str | None, int]:
    """The text of an object whose ``{`` stands at ``place``, and the place after its ``}``; None where it has none."""
    fields: dict[str, str] = {}
    place += 1
    while place + 2 < len(tokens) and tokens[place + 1] == ":":
        name, value = _scalar(tokens[place]), tokens[place + 2]
        place += 2
        if value in _PAIRS:
            place = _after(tokens, place)
        else:
            if name and value[-1] in "'\"" and (read := _scalar(value)) is not None:
                fields.setdefault(name, read)
            place += 1
        if place < len(tokens) and tokens[place] == ",":
            place += 1
    if place >= len(tokens) or tokens[place] != "}":
        return None, place
    return next((fields[name] for name in TEXT_FIELDS if name in fields), None), place + 1


def _after(tokens: list[str], place: int) -> int:
    """The place after the bracket that closes the one at ``place``; the end where none does."""
    open_ones = 0
    for at in range(place, len(tokens)):
        open_ones += tokens[at] in _PAIRS
        open_ones -= tokens[at] in _PAIRS.values()
        if open_ones == 0:
            return at + 1
        if open_ones > DEEPEST:
            break
    return len(tokens)


def separator_of(texts: Iterable[str]) -> str | None:
    """What parts the items of a column of text that is in no program's notation, ``#`` where each item begins with one,
    None for blanks. Of the cells that hold more than a word, each sign has its share in :data:`SEPARATORS`.

    >>> separator_of(["a|b c", "x"]), separator_of(["#a #b", "#c#d"]), separator_of(["a b", "c"])
    ('|', '#', None)
    """
    plain = [_ENTITY.sub("&", text) for text in texts]
    several = [
        text for text in plain if len(text.split()) > 1 or any(sign in text for sign in SEPARATORS) or "#" in text[1:]
    ]
    if not several:
        return None
    if all(map(_TOPICS.fullmatch, plain)):
        return "##"
    if 2 * sum(text.startswith("#") for text in several) > len(several):
        return "#"
    for sign, share in SEPARATORS.items():
        if (found := sum(sign in text for text in several)) and found >= share * len(several):
            return sign
    return None


def parted(text: str, separator: str | None) -> list[str]:
    """Items of separated text, without quotes around them.

    >>> parted('a|"b c"', "|"), parted("#a #b#c", "#")
    (['a', 'b c'], ['#a', '#b', '#c'])
    """
    if separator is None:
        return text.split()
    if separator == "##":
        return [f"#{topic.strip()}" for topic in TOPIC.findall(text)]
    if separator == "#":
        return [part.rstrip(" ,;|") for part in re.findall(r"#[^#\s,;|]+|[^#\s,;|]+", text)]
    if len(separator) == 1 and '"' in text and text.count('"') % 2 == 0 and separator not in '"\r\n':
        try:
            return next(
                csv.reader([text.replace("\n", " ").replace("\r", " ")], delimiter=separator, skipinitialspace=True), []
            )
        except csv.Error:
            pass
    return text.split(separator)
