"""The page on which a person steps through simulated posts: one HTML file that needs no network.

Words of posts and answers are untrusted. They reach the page as JSON in which no character can end the script element,
and its script shows them as text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render(audiences: Sequence[dict[str, Any]], report: str | None = None) -> str:
    """The page. audiences: contents of ``episodes.json``, each with ``generated`` (are its posts generated?) added.

    report: address of the page with all figures, to link to; None: there is none.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("popcast.report", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    data = Markup(embedded(list(audiences)))  # escaped for a script element, where HTML's own escapes do not hold
    return environment.get_template("stepping_page.html.j2").render(data=data, report=report)


def embedded(content: Any) -> str:
    """JSON that may stand in a ``<script type="application/json">`` whatever its strings hold."""
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode("utf-8")
    for character, escape in ESCAPED.items():
        text = text.replace(character, escape)
    return text
