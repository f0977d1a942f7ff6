"""From facts about a table of posts and a budget to the sections of an overlay: :func:`choose`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from popcast.core.libraries.extras import installed
from popcast.planning.choosing.cost_model import SIDE_BY_SIDE, block_seconds, frame_seconds
from popcast.planning.choosing.post_facts import PostFacts, facts_of
from popcast.planning.choosing.run_choice import WORDS_FROM, Member, fields, members, references
from popcast.planning.choosing.split_choice import history_of, newest_per_author, split_of

__all__ = ["Choice", "PostFacts", "choose", "chosen", "facts_of"]

VALID_ENOUGH, DRAWN_ENOUGH = 1000, 300
"""Validation posts that weights of the blend can be fitted on alone. Fewer do where they are the newest of drawn
authors, for out-of-fold predictions in the order of time end long before those."""

SEEDS = (3, 5, 10)
"""Ensembles that differ in nothing but their random rows and columns and are averaged, where there is time left."""


@dataclass(frozen=True)
class Choice:
    """``sections``: as params.yaml has them. ``seconds``: what they are expected to take on two cores."""

    sections: dict[str, dict[str, Any]]
    seconds: float
    left_for_more: tuple[str, ...]
    """Members that a larger budget would take."""
    without_extra: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Extra that is not installed -> members that are not chosen for want of it."""

    @property
    def runs(self) -> list[str]:
        """Names of all rows of the leaderboard but the blend."""
        suites = [name for suite in self.sections["suites"].values() for name in suite["runs"]]
        return suites + [run["name"] for run in self.sections["runs"].values()]


def choose(name: str, facts: PostFacts, budget: float = 300.0, raw: str | None = None) -> dict[str, dict[str, Any]]:
    """Sections splits, blocks, media, derived, runs, suites, models and blend for the dataset ``name``.

    budget: seconds on two cores. raw: the folder with media files; None: they are not looked at. The least there is
    (references and one ensemble of trees) is chosen whatever the budget. Deterministic. Raises BadInput where there are
    too few posts with a label.
    """
    return chosen(name, facts, budget, raw).sections


def chosen(name: str, facts: PostFacts, budget: float = 300.0, raw: str | None = None) -> Choice:
    """As :func:`choose`, with the seconds that it is expected to take."""
    split = split_of(facts)
    history = facts.timed and facts.authors > 0
    words = bool(fields(facts)) and facts.labelled >= WORDS_FROM
    cross_fit = _cross_fit(facts, split)
    fits = 2 + (split["folds"] if cross_fit else 0)
    blocks = ["metadata", *(["history"] if history else []), *(["text"] if words else [])]
    spent = frame_seconds(facts) + (sum(block_seconds(kind, facts) for kind in blocks)) / SIDE_BY_SIDE
    pictures = _pictures(facts, budget - spent, raw)
    spent += block_seconds("image", facts) if pictures else 0.0
    wanted = list(members(facts, history, words))
    absent = {extra: tuple(one.name for one in wanted if one.extra == extra)
              for extra in sorted({one.extra for one in wanted if one.extra}) if not installed(extra)}  # fmt: skip
    taken, left = _within(budget, spent, facts, [one for one in wanted if one.extra not in absent], fits)
    encoder = any(one.needs == "encoder" for one in taken[0])
    sections = {
        "splits": {name: split},
        "blocks": _blocks(name, facts, history, words, encoder),
        "media": {f"{name}-image": {"dataset": name, "block": "image", "raw": raw}} if pictures else {},
        "derived": {},
        "runs": {f"{name}-{one.name}": _run(name, one, cross_fit, split["folds"], pictures) for one in taken[0]},
        "suites": {
            f"{name}-references": {
                "dataset": name, "suite": "references", "features": name, "runs": references(facts, history),
            }
        },
        "models": {"on_top": {"loss": "metric"}} if any(one.model == "on_top" for one in taken[0]) else {},
        "blend": _blend(facts, cross_fit),
    }  # fmt: skip
    return Choice(sections, taken[1], left, absent)


def _pictures(facts: PostFacts, seconds: float, raw: str | None) -> bool:
    """Pictures are looked at where that leaves half of the time to the models."""
    return facts.images and raw is not None and block_seconds("image", facts) <= seconds / 2


def _cross_fit(facts: PostFacts, split: dict[str, Any]) -> bool:
    """Out-of-fold predictions join the validation part where that is too small for the blend's weights, and
    there are folds to learn from and to predict."""
    if facts.folds < 2:
        return False
    share = split["shares"][1]
    if split["method"] == "newest_per_author":
        return facts.authors * share < DRAWN_ENOUGH
    return facts.labelled * share < VALID_ENOUGH


def _within(
    budget: float, spent: float, facts: PostFacts, wanted: list[Member], fits: int
) -> tuple[tuple[list[Member], float], tuple[str, ...]]:
    """Those of ``wanted`` that the budget has room for, with the seconds of everything; and the names of the others."""
    taken: list[Member] = []
    left: list[str] = []
    for member in wanted:
        more = member.seconds(facts, fits) / SIDE_BY_SIDE
        if member.needs is not None:
            more += block_seconds(member.needs, facts)
        if taken and spent + more > budget:
            left.append(member.name)
        else:
            taken.append(member)
            spent += more
    if not left:
        taken, spent = _more_seeds(taken, budget, spent, facts, fits)
    return (taken, spent), tuple(left)


def _more_seeds(
    taken: list[Member], budget: float, spent: float, facts: PostFacts, fits: int
) -> tuple[list[Member], float]:
    """The members with the most seeds that the rest of the budget has room for, and the seconds of everything."""
    for seeds in SEEDS:
        more = [member.with_seeds(seeds) for member in taken]
        cost = sum(after.seconds(facts, fits) - before.seconds(facts, fits)
                   for after, before in zip(more, taken, strict=True)) / SIDE_BY_SIDE  # fmt: skip
        if spent + cost > budget:
            break
        taken, spent = more, spent + cost
    return taken, spent


def _blocks(name: str, facts: PostFacts, history: bool, words: bool, encoder: bool) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {f"{name}-metadata": {"dataset": name, "block": "metadata"}}
    if history:
        made[f"{name}-history"] = {"dataset": name, "block": "history", "set": history_of(facts)}
    if words:
        many = facts.labelled >= 10_000
        terms = {"char": None} if facts.blanks else {"word": None, "char": [1, 3]}
        tfidf = {"dim": 32 if many else 16, **terms, "max_features": 30000 if many else 10000}
        setting = {"fields": fields(facts), "tfidf": tfidf}
        if not encoder:
            setting["encoder"] = None
        made[f"{name}-text"] = {"dataset": name, "block": "text", "set": setting}
    return made


def _run(name: str, member: Member, cross_fit: bool, folds: int, pictures: bool) -> dict[str, Any]:
    """Trees get the columns of pictures too."""
    late = {} if cross_fit else {"cross_fit_from": folds}
    run = {"dataset": name, "name": member.name, "model": member.model, "features": name, "blocks": member.blocks}
    if pictures and member.model in ("lightgbm", "hyfea"):
        run["blocks"] = [*member.blocks, "image"]
    return run | late | {"set": member.set}


def _blend(facts: PostFacts, cross_fit: bool) -> dict[str, Any]:
    """Weights of parts that follow one another in time sum to 1; where parts are drawn they are free, and so is the
    intercept: nothing drifts between them."""
    drawn = not facts.timed or newest_per_author(facts)
    return {
        "fit_on": "oof+valid" if cross_fit else "valid",
        "sum_to_one": not drawn,
        "intercept": drawn,
        "leave_out": ["median"] if drawn else [],
    }
