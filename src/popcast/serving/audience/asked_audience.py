"""Drafts before the audience: who was asked, what they did, how the mean field moved. No label takes part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from popcast.serving.audience.bundled_audience import Audience, audience_in

if TYPE_CHECKING:
    from popcast.serving.forecast import Forecast
    from popcast.simulation.showing.trial import Trial

TOLD = ("title", "category", "subcategory", "concept")
"""What a post shows to personas."""
PLACES = 4


def audience_of(forecast: Forecast, draft_posts: pl.DataFrame) -> dict[str, Any] | None:
    """What the bundle's audience makes of drafts, plain JSON; None: the bundle has no audience.

    draft_posts: columns of the ``posts`` table; those of :data:`TOLD` are shown. Keys: ``kind`` (``rules`` or
    ``language model``), ``note``, ``policy``, ``population``, ``personas``, ``rules``, and ``posts``: of each draft see
    :func:`shown`. BadInput, one line: a draft has no words.
    """
    audience = audience_in(forecast)
    return None if audience is None else answers(audience, draft_posts)


def answers(audience: Audience, draft_posts: pl.DataFrame) -> dict[str, Any]:
    """:func:`audience_of` an audience that is there."""
    names = [name for name in TOLD if name in draft_posts.columns]
    policy = audience.settings.policy
    return {
        "kind": audience.kind, "note": audience.note, "policy": getattr(policy, "model", policy.kind),
        "population": audience.name, "personas": len(audience.population.people),
        "rules": audience.settings.rules.model_dump(mode="json"),
        "posts": [shown(tried(audience, post)) for post in draft_posts.select(names).to_dicts()],
    }  # fmt: skip


def tried(audience: Audience, post: dict[str, str | None]) -> Trial:
    """One post before the audience, as the stage ``simulate`` would have it."""
    from popcast.simulation.showing import trial

    return trial.simulate(post, audience.population, audience.name, audience.settings, audience.seed)


def shown(one: Trial) -> dict[str, Any]:
    """``line`` (what was shown), ``mean_field`` after each round, ``interested`` (share after the last), ``actions``
    (how many did what), and ``rounds``: ``asked`` (name, role, action, text, score, thought, ok), ``field``,
    ``mean``."""
    people = one.population.people
    rounds = []
    for state in one.states.iter_rows(named=True):
        told = one.reactions.filter(epoch=state["epoch"]).iter_rows(named=True)
        asked = [
            {"name": people[answer["row"]].name, "role": people[answer["row"]].role, "ok": answer["status"] == "ok"}
            | {key: answer[key] for key in ("action", "text", "score", "thought")}
            for answer in told
        ]
        rounds.append({
            "asked": asked, "field": state["field_text"], "kept": state["field_status"] == "kept",
            "mean": round(state["mean_attitude"], PLACES), "interested": state["share_interested"],
        })  # fmt: skip
    given = one.reactions.filter(pl.col("status") == "ok")["action"].value_counts().sort("action")
    return {
        "line": one.triggers["line"][0], "mean_field": [of["mean"] for of in rounds],
        "interested": rounds[-1]["interested"], "actions": dict(given.iter_rows()), "rounds": rounds,
    }  # fmt: skip
