"""What a page has to know of a bundle before the first draft: what may be told, on which scale, how good it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import polars as pl

from popcast.core.pretrained.saved_files import putting_together
from popcast.serving.audience.bundled_audience import audience_in
from popcast.serving.bundle import Contents
from popcast.serving.forecast import Forecast
from popcast.serving.http.draft_table import told_numbers, told_uses
from popcast.serving.what_if.held_out_levers import FILE

MOST = 50
"""Categories and tags that are offered."""
SCORES = ("mae", "src", "nmse", "rmse", "mape", "posts", "coverage", "half_width")


def facts_of(forecast: Forecast) -> dict[str, Any]:
    """Facts as JSON. Nothing in them changes while the bundle is served."""
    contents = forecast.contents
    facts = contents.facts
    offered = _offered(forecast)
    return {
        "dataset": contents.dataset,
        "zone": contents.zone,
        "scale": "scores" if contents.transform == "none" else "counts",
        "transform": contents.transform,
        "label": _label(contents),
        "from": facts.get("from"),
        "to": facts.get("to"),
        "coverage": forecast.blend.nominal,
        "uses": [use for use in told_uses(contents) if use != "author" or forecast.known["user_id"].count()],
        "numbers": told_numbers(contents),
        "categories": _categories(forecast, offered),
        "tags": sorted(offered.get("tags", {}), key=lambda tag: (-offered["tags"][tag], tag))[:MOST],
        "generated": bool(facts.get("generated", False)),
        "stand_ins": list(facts.get("flags", [])),
        "card": _card(forecast),
        "audience": _audience(forecast),
        "left_out": dict(facts.get("left_out", {})),
        "popcast": contents.popcast,
    }


def _label(contents: Contents) -> str:
    if contents.table is not None:
        return contents.table.columns.label
    return "popularity" if contents.transform == "none" else "count"


def _card(forecast: Forecast) -> dict[str, Any]:
    contents = forecast.contents
    facts, of = contents.facts, forecast.scores.get("blend", {})
    weights = {name: member.weight for name, member in contents.members.items()}
    order = sorted(weights, key=lambda name: (-weights[name], name))
    return {
        "members": order,
        "weights": {name: weights[name] for name in order},
        "metric": contents.metric,
        "test": {name: of[f"test.{name}"] for name in SCORES if of.get(f"test.{name}") is not None},
        "references": {name: value for name, value in facts.get("references", {}).items() if value is not None},
        "posts": facts.get("labelled"),
        "authors": facts.get("authors"),
    }


def _offered(forecast: Forecast) -> dict[str, dict[str, int]]:
    """Field -> value -> posts, of the values that a what-if offers; nothing in a bundle without."""
    if FILE not in forecast.files:
        return {}
    with putting_together(Path(FILE)):
        return orjson.loads(forecast.files[FILE])["offered"]


def _categories(forecast: Forecast, offered: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """The most used categories with their posts, by the labels that the bundle looks back at, else those on offer."""
    history = forecast.blocks.get("history")
    if history is not None and "category" in history.labels.columns:
        counts = history.labels["category"].drop_nulls().value_counts(name="posts")
        rows = counts.sort(pl.col("posts"), pl.col("category"), descending=[True, False]).head(MOST)
        return [{"name": name, "posts": posts} for name, posts in rows.iter_rows()]
    known = offered.get("category", {})
    return [{"name": name, "posts": known[name]} for name in sorted(known, key=lambda one: (-known[one], one))[:MOST]]


def _audience(forecast: Forecast) -> dict[str, str] | None:
    audience = audience_in(forecast)
    return None if audience is None else {"kind": audience.kind, "note": audience.note}
