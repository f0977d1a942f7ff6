"""What a server does with its bundle: forecasts, reasons, what-ifs, observations and facts, as plain dicts.

Each method is one request's work and runs in a thread of the pool. Forecasts are those that ``popcast forecast`` makes
of the same drafts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from fastapi.exceptions import HTTPException

from popcast.core.engine import in_this_process
from popcast.core.errors import BadInput
from popcast.features.common.contract import FeatureBlock
from popcast.serving.audience.asked_audience import audience_of
from popcast.serving.bundle import check_own, made_anew
from popcast.serving.draft_row import counted_moment
from popcast.serving.forecast import Forecast
from popcast.serving.http.bundle_facts import facts_of
from popcast.serving.http.draft_table import drafts_read, posts_read
from popcast.serving.http.request_bodies import ExplainBody, ForecastBody, ObserveBody, SentDraft, WhatIfBody
from popcast.serving.http.request_limits import RequestLimits
from popcast.serving.http.sent_pictures import pictures_of
from popcast.serving.outlook.author_past import AuthorPast, count_of
from popcast.serving.outlook.draft_notes import draft_notes
from popcast.serving.outlook.outlooks import MOST_PASTS, outlooks
from popcast.serving.tracking.kept_forecasts import keep
from popcast.serving.tracking.tracked_forecasts import tracked
from popcast.serving.what_if.levers import LEVERS


class ServedBundle:
    """A bundle that was read, with what of it is told again and again.

    own: whether posts may be observed into its folder. It may not be the out of a stage, which makes it anew.
    """

    def __init__(self, folder: Path, limits: RequestLimits, maturity_days: float | None = None) -> None:
        self.folder, self.limits = folder, limits
        self.forecast = Forecast.load(folder, maturity_days)
        self.own = not made_anew(folder)
        self._past: tuple[dict[str, FeatureBlock], AuthorPast] | None = None
        self.facts = {**facts_of(self.forecast), "picture_bytes": limits.picture, "keeps": self.own}

    def warm(self) -> None:
        """Load what the first forecast would wait for."""
        with in_this_process():
            self.forecast.warm()
            self.authors("", 1)

    @property
    def dataset(self) -> str:
        return self.forecast.contents.dataset

    def forecasts(self, body: ForecastBody) -> dict[str, Any]:
        if body.keep:
            self._check_own()
        made, past = self._now()
        with pictures_of(body.drafts, self.limits.picture, "drafts") as (media, names):
            asked = drafts_read(body.drafts, names, made.contents, "drafts")
            prepared = made.prepared(asked.posts)
            found = outlooks(made, prepared, media, body.above, body.together, past)
            kept = _kept(made, body.drafts, prepared, found) if body.keep else [None] * len(found)
        notes = asked.said + draft_notes(made, prepared, past.names)
        if len(found) > MOST_PASTS:
            notes.append(f"posts of the authors' pasts are told for up to {MOST_PASTS} drafts at once")
        forecasts = [
            {"id": name, **one, "kept": mark}
            for name, one, mark in zip(asked.posts["post_id"], found, kept, strict=True)
        ]
        return {"dataset": self.dataset, "forecasts": forecasts, "notes": notes}

    def explanations(self, body: ExplainBody) -> dict[str, Any]:
        made, past = self._now()
        with pictures_of(body.drafts, self.limits.picture, "drafts") as (media, names):
            asked = drafts_read(body.drafts, names, made.contents, "drafts")
            found = made.explain(asked.posts, media, words=body.words)
        counts = made.contents.transform
        explanations = [{**one.as_dict(), "baseline_count": count_of(one.baseline, counts)} for one in found]
        notes = asked.said + draft_notes(made, made.prepared(asked.posts), past.names)
        return {"explanations": explanations, "notes": notes}

    def what_if(self, body: WhatIfBody) -> dict[str, Any]:
        made, past = self._now()
        levers = tuple(LEVERS) if body.levers is None else tuple(body.levers)
        with pictures_of([body.draft], self.limits.picture, "draft") as (media, names):
            asked = drafts_read([body.draft], names, made.contents, "draft")
            found = made.what_if(asked.posts, body.titles, body.tags, body.categories, levers, media)
        return {**found.as_dict(), "notes": asked.said + draft_notes(made, made.prepared(asked.posts), past.names)}

    def audience(self, draft: SentDraft) -> dict[str, Any]:
        made, _ = self._now()
        with pictures_of([draft], self.limits.picture, "draft") as (_, names):
            found = audience_of(made, drafts_read([draft], names, made.contents, "draft").posts)
        if found is None:
            raise HTTPException(404, "this bundle has no simulated audience")
        return found

    def observe(self, body: ObserveBody) -> dict[str, int]:
        """Take posts and outcomes in. When it returns they are on the disk."""
        self._check_own()
        made = self.forecast
        with pictures_of(body.posts, self.limits.picture, "posts") as (media, names):
            asked, outcomes = posts_read(body.posts, names, made.contents, "posts")
            moment = counted_moment(body.counted_at, made.contents.zone, "counted_at")
            return made.observe(asked.posts, outcomes, moment, media)

    def tracked(self) -> dict[str, Any]:
        return tracked(self.forecast)

    def authors(self, like: str, most: int) -> dict[str, Any]:
        return {"authors": self.past.like(like, most)}

    @property
    def observed(self) -> int:
        """Posts that were observed since the bundle was fitted."""
        return self.forecast.observed.posts.height

    @property
    def past(self) -> AuthorPast:
        """Of all authors as they are now; made anew after posts were observed, which replaces ``blocks``."""
        kept, now = self._past, replace(self.forecast)
        if kept is None or kept[0] is not now.blocks:
            self._past = kept = (now.blocks, AuthorPast.of(now))
        return kept[1]

    def _check_own(self) -> None:
        try:
            check_own(self.folder)
        except BadInput as error:
            raise HTTPException(409, str(error)) from None

    def _now(self) -> tuple[Forecast, AuthorPast]:
        """The bundle as it is at this moment: what is observed meanwhile is not seen by half."""
        return replace(self.forecast), self.past


def _kept(
    made: Forecast, drafts: Sequence[SentDraft], prepared: pl.DataFrame, found: list[dict[str, Any]]
) -> list[str]:
    """Ids of forecasts that are kept from now on."""
    ids = pl.Series("post_id", [draft.id for draft in drafts], dtype=pl.String)
    numbers = pl.DataFrame(
        {name: pl.Series([one[name] for one in found], dtype=pl.Float64) for name in ("prediction", "lower", "upper")}
    )
    return keep(made, prepared, numbers, ids)
