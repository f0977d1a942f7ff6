"""HTML of the page of forecasts. Served, it asks the server for all that it shows; as one file it has the answers.

Nothing comes from other hosts and nothing is written into the markup but what the template has: all that people or data
sets named is put in place by the script, as text.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

SCRIPTS = (
    "wording.js", "elements.js", "asking.js", "suggestions.js", "tags_field.js", "time_field.js", "picture_field.js",
    "draft_form.js", "spread_curve.js", "distribution.js", "forecast_words.js", "reasons.js", "hour_map.js",
    "levers.js", "similar_posts.js", "audience.js", "record.js", "about.js", "told.js", "page.js",
)  # fmt: skip
"""In the order in which they need one another; ``theme.js`` comes before the page is drawn."""
THEME = "theme.js"
STYLES = ("tones.css", "layout.css", "form.css", "results.css", "charts.css")
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def page_html(facts: dict[str, Any] | None = None, given: dict[str, Any] | None = None) -> str:
    """The page. facts: what ``GET /facts`` answers; None: the page asks for it.

    given: ``draft`` and what the server answers about it (``forecast``, and where there is an answer ``explain``,
    ``what_if``, ``audience``): then the page is one file with script and style in it, and asks nobody.
    """
    alone = given is not None
    script = "\n".join(_text(name) for name in SCRIPTS) if alone else ""
    theme, style = (_text(THEME), "\n".join(_text(name) for name in STYLES)) if alone else ("", "")
    return _template().render(
        alone=alone, script=script, theme=theme, style=style, policy=_policy([theme, script], style) if alone else "",
        scripts=SCRIPTS, theme_file=THEME, styles=STYLES,
        facts=None if facts is None else embedded(facts), given=None if given is None else embedded(given),
    )  # fmt: skip


def static_files() -> dict[str, tuple[bytes, str]]:
    """Name -> content and content type of what the served page asks for below ``/static/``."""
    names = (THEME, *SCRIPTS, *STYLES)
    return {name: (_text(name).encode(), TYPES[name[name.rindex(".") :]]) for name in names}


def embedded(content: Any) -> str:
    """JSON that may stand in a ``<script type="application/json">`` whatever its strings hold.

    >>> embedded({"a": "</script>"})
    '{"a":"\\\\u003c/script\\\\u003e"}'
    """
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode("utf-8")
    for character, escape in ESCAPED.items():
        text = text.replace(character, escape)
    return text


@cache
def _text(name: str) -> str:
    return files("popcast.serving.page").joinpath("static", name).read_text("utf-8")


@cache
def _template():
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("popcast.serving.page", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["whole"] = Markup  # our own files, and JSON that `embedded` made
    return environment.get_template("forecast_page.html.j2")


def _policy(scripts: list[str], style: str) -> str:
    """What a page in one file may load: its own script and style, by their hashes, and pictures that it holds."""
    hashes = " ".join(_hash(text) for text in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; img-src data:"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
