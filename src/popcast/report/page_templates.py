"""What all pages share: templates that escape, and data that may stand in a script element whatever it holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def environment() -> Environment:
    """Templates of pages: HTML is escaped, and a name that nobody fills in is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("popcast.report", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters["coded"] = coded
    return made


def coded(text: str) -> Markup:
    """Escaped, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def embedded(content: Any) -> str:
    """JSON that may stand in a ``<script type="application/json">`` whatever its strings hold."""
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode("utf-8")
    for character, escape in ESCAPED.items():
        text = text.replace(character, escape)
    return text
