"""The page on which a person browses responses: what users wrote beside what systems wrote. No network needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from popcast.report.page_templates import embedded, environment


def render(sets: Sequence[dict[str, Any]], report: str | None = None) -> str:
    """The page. sets: contents of ``cases.json``, see ``popcast.response.judging.browsing``, each with its ``name``.

    report: address of the page with all figures, to link to; None: there is none.
    """
    from markupsafe import Markup

    data = Markup(embedded(list(sets)))  # escaped for a script element, where HTML's own escapes do not hold
    return environment().get_template("response_page.html.j2").render(data=data, report=report)
