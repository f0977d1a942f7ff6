"""The page ``index.html``: every dataset and every chapter, in one file without any link to elsewhere.

No script but the page's own runs: its hash stands in the content security policy.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from popcast.report import standard
from popcast.report.page import dataset_sheets
from popcast.report.page.sheets import sheet
from popcast.report.page_templates import environment
from popcast.report.single_posts.examples_shown import Examples
from popcast.report.standard import BATCHED, NAMES, DatasetResult

SHOWN = (standard.coverage, standard.gain, standard.interval, standard.number, standard.parted)
SCRIPT = "report_page.js.j2"


def page(
    results: Sequence[DatasetResult], chapters: Sequence[Any] = (), examples: Mapping[str, Examples] | None = None,
    processor: str = "",
) -> str:  # fmt: skip
    """The whole report. chapters: of popcast.report.fewshot_chapter. examples: of datasets that have some.

    processor: kind of the processor that the stage ran on.
    """
    from markupsafe import Markup

    templates = environment()
    script = templates.get_template(SCRIPT).render()
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return templates.get_template("report.html.j2").render(
        results=results, chapters=chapters, examples=examples or {}, processor=processor, batched=BATCHED, names=NAMES,
        script=Markup(script), script_hash=hashed, sheets=dataset_sheets, tracked=tracked, sheets_of=sheets_of,
        **{name.__name__: name for name in SHOWN},
    )  # fmt: skip


def sheets_of(chapter: Any) -> list[Any]:
    """The tables of a chapter that has ``anchor`` and ``tables``."""
    return [sheet(chapter.anchor, one.title, one.head, one.rows, one.notes) for one in chapter.tables]


def tracked(dataset: str) -> Any:
    """The section about forecasts and what came of them in the order of time; None where nothing was tracked."""
    from markupsafe import Markup

    try:
        from popcast.report.tracking.tracking_chapter import tracking_chapter
    except ModuleNotFoundError:
        return None
    html = tracking_chapter(dataset)
    return None if html is None else Markup(html)
