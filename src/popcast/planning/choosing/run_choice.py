"""Which predictors run, by what there is to learn from, and what each of them is set to by the number of posts.

References first, then members in the order in which they have helped on real posts (docs/results.md): boosted trees on
what is known at posting and on history, the same with words, CatBoost, a ridge on words. With more seconds: more seeds,
sentence vectors with a kernel ridge, a stacker, networks. A member is taken where the seconds that are left suffice,
and where the extra that it needs is installed (networks and encoders: ``text``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from popcast.planning.choosing.cost_model import run_seconds
from popcast.planning.choosing.post_facts import PostFacts

HISTORY = "history.smoothed_mean"
WORDS_FROM = 300
"""Labelled posts from which words are worth columns of their own."""


@dataclass(frozen=True)
class Member:
    """A run, and the kind that the cost model knows it by. ``needs``: a block that it alone needs. ``extra``: what
    must be installed for it, see ``core.libraries.extras``."""

    name: str
    kind: str
    model: str
    blocks: list[str]
    set: dict[str, Any] = field(default_factory=dict)
    seeds: int = 1
    needs: str | None = None
    extra: str | None = None

    def with_seeds(self, seeds: int) -> Member:
        """The same with more seeds, where its model averages over them."""
        if "seeds" not in self.set or seeds <= self.seeds:
            return self
        return replace(self, seeds=seeds, set={**self.set, "seeds": seeds})

    def seconds(self, facts: PostFacts, fits: int) -> float:
        return run_seconds(self.kind, facts, fits, self.seeds)


def references(facts: PostFacts, history: bool) -> dict[str, dict[str, Any]]:
    """Members of the suite ``references``: every report shows them beside the models."""
    runs: dict[str, dict[str, Any]] = {"median": {"model": "reference", "blocks": []}}
    if history:
        for kind in ("author_mean", "history_ridge"):
            runs[kind] = {"model": "reference", "blocks": ["history"], "set": {"kind": kind}}
    return runs


def lightgbm(facts: PostFacts, history: bool, seeds: int) -> dict[str, Any]:
    """LightGBM by the number of posts: fewer leaves and stronger shrinkage where there are few."""
    count = facts.labelled
    if count < 1_000:
        sizes = {"learning_rate": 0.04, "num_leaves": 7, "min_child_samples": 8, "feature_fraction": 0.3,
                 "bagging_fraction": 0.7, "lambda_l2": 10.0, "rounds": 300}  # fmt: skip
    elif count < 10_000:
        sizes = {"learning_rate": 0.04, "num_leaves": 12, "min_child_samples": 20, "feature_fraction": 0.3,
                 "bagging_fraction": 0.7, "lambda_l2": 5.0, "rounds": 500}  # fmt: skip
    elif count < 100_000:
        sizes = {"learning_rate": 0.05, "num_leaves": 24, "min_child_samples": 30, "feature_fraction": 0.5,
                 "lambda_l2": 10.0, "rounds": 400}  # fmt: skip
    else:
        sizes = {"learning_rate": 0.08, "num_leaves": 63, "min_child_samples": 50, "feature_fraction": 0.4,
                 "rounds": 400}  # fmt: skip
    start = {"baseline": HISTORY} if history else {}
    return {"loss": "metric", **start, **sizes, "early_stopping": 50, "seeds": seeds}


def hyfea(facts: PostFacts, history: bool) -> dict[str, Any]:
    """CatBoost by the number of posts."""
    count = facts.labelled
    if count < 10_000:
        sizes = {"learning_rate": 0.06, "depth": 4, "rounds": 400}
    elif count < 100_000:
        sizes = {"learning_rate": 0.06, "depth": 6, "rounds": 600}
    else:
        sizes = {"learning_rate": 0.12, "depth": 6, "rounds": 400}
    return {"loss": "metric", **({"baseline": HISTORY} if history else {}), **sizes, "early_stopping": 50}


# On 123,000 training posts of 145 pages joint and marks lower the error on validation by .8 and 1.8 %, levels that of
# pages that nobody knew by a fifth. On a tenth of the posts, and on videos of 1,794 creators, nothing is clear of noise
# (docs/results.md).
AUTHORS = {
    "authors": "joint", "centered": True, "levels": True, "marks": True, "besides": ["hour", "weekday", "category"],
    "alpha": 3.0,
}  # fmt: skip


def fields(facts: PostFacts) -> list[str]:
    """Fields that words are read from."""
    return [name for name, there in (("title", facts.text), ("tags", facts.tags)) if there]


def members(facts: PostFacts, history: bool, words: bool) -> Iterator[Member]:
    """Members in the order in which seconds are spent on them. history, words: those blocks are made."""
    base = ["metadata", *(["history"] if history else [])]
    read = fields(facts)
    few = facts.labelled < 100_000
    setting = {"fields": read, "min_df": 3 if few else 5} | (AUTHORS if history and not few else {})
    scores = {"text": setting} if words and facts.blanks else {}
    seeds = 3 if few else 1
    if words:
        setting = lightgbm(facts, history, seeds) | scores
        yield Member("lightgbm_text", "lightgbm_text", "lightgbm", [*base, "text"], setting, seeds)
    if few or not words:
        yield Member("lightgbm", "lightgbm", "lightgbm", base, lightgbm(facts, history, seeds), seeds)
    if few or not words:
        yield Member("hyfea", "hyfea", "hyfea", base, hyfea(facts, history))
    if scores:
        yield Member("hyfea_text", "hyfea_text", "hyfea", base, hyfea(facts, history) | scores)
    if words and few:
        columns = {"columns": [HISTORY]} if history else {}
        setting = {"fields": read, "alphas": [3.0, 10.0, 30.0, 100.0], **columns}
        yield Member("text_ridge", "text_ridge", "text_ridge", base, setting)
    yield from _more(facts, history, words, base, scores)


def _more(facts: PostFacts, history: bool, words: bool, base: list[str], scores: dict[str, Any]) -> Iterator[Member]:
    """Members that only a larger budget has room for."""
    if history:
        inner = {"boosting": {"learning_rate": 0.05, "rounds": 300, "max_leaf_nodes": 24}}
        setting = {"model": "stacker", "baseline": HISTORY, "loss": "metric", **scores, "set": inner}
        yield Member("stacker", "stacker", "on_top", base, setting)
        batch = 128 if facts.labelled < 20_000 else 1024
        training = {"learning_rate": 0.001, "batch_size": batch, "max_epochs": 20, "patience": 4}
        setting = {"model": "cnn", "baseline": HISTORY, "loss": "metric", **scores, "set": {"training": training}}
        yield Member("cnn", "cnn", "on_top", base, setting, extra="text")
    if words and facts.english and facts.labelled <= 30_000:
        setting = {"fields": ["title"], "embedding": "text.embedding"}
        yield Member("kernel_ridge", "kernel_ridge", "kernel_ridge", ["text"], setting, needs="encoder", extra="text")
