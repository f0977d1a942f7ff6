"""What all pages share: templates that escape, and data that may stand in a script element whatever it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from jinja2 import Environment

ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def environment() -> Environment:
    """Templates of pages: HTML is escaped, and a name that nobody fills in is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("popcast.report", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def embedded(content: Any) -> str:
    """JSON that may stand in a ``<script type="application/json">`` whatever its strings hold."""
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode("utf-8")
    for character, escape in ESCAPED.items():
        text = text.replace(character, escape)
    return text
