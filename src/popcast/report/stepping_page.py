"""The page on which a person steps through simulated posts: one HTML file that needs no network.

Words of posts and answers are untrusted. They reach the page as JSON in which no character can end the script element,
and its script shows them as text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from popcast.report.page_templates import embedded, environment


def render(audiences: Sequence[dict[str, Any]], report: str | None = None) -> str:
    """The page. audiences: contents of ``episodes.json``, each with ``generated`` (are its posts generated?) added.

    report: address of the page with all figures, to link to; None: there is none.
    """
    from markupsafe import Markup

    data = Markup(embedded(list(audiences)))  # escaped for a script element, where HTML's own escapes do not hold
    return environment().get_template("stepping_page.html.j2").render(data=data, report=report)
