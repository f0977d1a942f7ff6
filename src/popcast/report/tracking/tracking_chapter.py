"""Forecasts and what became of them: the chapter of the report, of the test part in the order of time, and the page
that ``popcast track --page`` writes of forecasts that were kept. Both have one form, see ``serving.tracking``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from popcast.core import paths
from popcast.report.page.sheets import Row, Sheet, sheet
from popcast.report.page_templates import environment
from popcast.report.tracking.track_lines_drawn import Bars, Drawn, bars_of, by_week

FILE = "track.json"
"""Of a bundle."""
MUCH = 0.25
"""PSI of an input that has moved much."""
WEEKS = "Mean absolute error of the posts of each week; weeks of fewer than 3 posts are left out."
COVERAGE = "Share of outcomes inside their interval. On the dashed line the intervals keep what they promise."
FOLLOWED = " Following: intervals that move with the outcomes that were known by then (Gibbs and Candès 2021)."
PSI = (
    "Population stability index of what was asked about against the posts learned from: ten bins between quantiles, or "
    "the twenty most used words; below .1 little, above .25 much. By chance: what samples of this size exceed once in "
    "a hundred where nothing moved. Other authors are reason enough for their numbers to move."
)


def tracking_chapter(dataset: str) -> str | None:
    """The chapter of a dataset as HTML; None: its bundle was made by an older version, or is not there."""
    file = paths.bundle(dataset) / FILE
    if not file.exists():
        return None
    content = orjson.loads(file.read_bytes())
    return None if content["figures"] is None else fragment(content, "test part, in the order of time")


def tracking_page(content: Mapping[str, Any]) -> str:
    """A page of its own. content: of ``popcast.serving.tracking.tracked_forecasts.tracked``."""
    template = environment().get_template("tracking_page.html.j2")
    return template.render(content=content, **_shown(content, "kept forecasts"))


def fragment(content: Mapping[str, Any], whose: str) -> str:
    """HTML for a place in another page. whose: what the first column of figures is of."""
    template = environment().get_template("tracking.html.j2")
    return template.render(content=content, **_shown(content, whose))


def _shown(content: Mapping[str, Any], whose: str) -> dict[str, Any]:
    """What the templates show: ``verdict``, ``drift`` (lines), pictures and tables."""
    drift = [_drift(name, one) for name, one in content["drift"].items()]
    return {
        "verdict": content["verdict"]["line"], "drift": drift, "pictures": pictures(content),
        "bars": moved(content), "notes": content["notes"], "figures": figures(content, whose),
        "inputs": inputs(content),
    }  # fmt: skip


def _drift(name: str, one: Mapping[str, Any]) -> str:
    what = {"level": "Outcomes against forecasts", "error": "The size of the error"}[name]
    said = "moved" if one["moved"] else "does not move" if name == "error" else "do not move"
    p = "p < .001" if one["p"] < 0.001 else f"p = {one['p']:.3f}".replace("0.", ".", 1)
    form = "+.2f" if name == "level" else ".2f"
    before, after = (format(one[side], form).replace("-", "−") for side in ("before", "after"))
    return f"{what} {said} ({p}, CUSUM test): {before} before {one['since'][:10]} and {after} after."


def pictures(content: Mapping[str, Any]) -> list[Drawn]:
    """Error and coverage by week; none where there are fewer than two weeks."""
    weeks, before = content["weeks"], content["test"]
    level = None if before.get("mae") is None else (before["mae"], content["against"])
    lines = {"mae": ("error", "main")}
    found = [by_week(f"Error by week, {content['dataset']}", WEEKS, weeks, lines, level, share=False)]
    held = {"coverage": ("intervals as fitted", "main"), "adapted": ("following", "other")}
    nominal = (content["figures"] or {}).get("nominal")
    caption = COVERAGE + (FOLLOWED if content["adapted"] else "")
    level = None if nominal is None else (nominal, f"{nominal:.0%}")
    found.append(by_week(f"Coverage by week, {content['dataset']}", caption, weeks, held, level, share=True))
    return [one for one in found if one is not None]


def moved(content: Mapping[str, Any]) -> Bars | None:
    """How far inputs have moved; None: it is not known."""
    caption = "Bars: PSI, full at 1; marks: what chance reaches. Beyond the dashed line an input has moved much."
    return bars_of(f"How far inputs have moved, {content['dataset']}", caption, content["inputs"] or [], MUCH)


def figures(content: Mapping[str, Any], whose: str) -> Sheet | None:
    """Error, bias, rank correlation and coverage beside those of the part that is compared with."""
    kept, before, adapted = content["figures"], content["test"], content["adapted"] or {}
    if kept is None:
        return None
    names = {"posts": "posts", "mae": "MAE", "bias": "bias", "src": "SRC", "coverage": "coverage of intervals",
             "half_width": "half width", "interval_score": "interval score"}  # fmt: skip
    columns = [kept, before, *([adapted] if adapted else [])]
    rows = [[title, *(cell(of, name) for of in columns)] for name, title in names.items()]
    head = ["figure", whose, content["against"], *(["intervals that follow outcomes"] if adapted else [])]
    rows = [row for row in rows if set(row[1:]) != {"–"}]
    drawn = kept.get("drawn")
    notes = [
        "Bias: forecast minus outcome." + (f" In brackets: 95 % of bootstrap resamples of {drawn}." if drawn else "")
    ]
    return sheet(f"{content['dataset']} tracked", "Forecasts against outcomes", head, rows, notes)


def cell(of: Mapping[str, Any], name: str) -> str:
    """A figure with its interval.

    >>> cell({"bias": -0.5, "bias_low": -1.0, "bias_high": 0.0}, "bias"), cell({"posts": 1200}, "posts")
    ('−0.500 (−1.000 to 0.000)', '1,200')
    """
    value, low, high = (of.get(key) for key in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    text = f"{value:.3f}" if low is None else f"{value:.3f} ({low:.3f} to {high:.3f})"
    return text.replace("-", "−")


def inputs(content: Mapping[str, Any]) -> Sheet | None:
    """How far each input has moved."""
    if not content["inputs"]:
        return None
    rows = [
        Row([one["input"], f"{one['psi']:.3f}", f"{one['limit']:.3f}", str(one["bins"])],
            [("moved", True)] if one["moved"] else [])
        for one in content["inputs"]
    ]  # fmt: skip
    head = ["input", "PSI", "by chance", "bins"]
    return Sheet(f"{content['dataset']} tracked", "Have inputs moved", head, rows, [PSI])
