"""Adversarial validation: can a classifier tell the posts to predict from the training posts, and by what?

Source: sheet smp2025.md section 8.1: boosted trees of depth 5, train against test, AUC over five folds; then without
time columns, then with ever more of the drifting columns left out (published: 1.000, .821, .773, .751, .713). What the
sheet recommends is kept here: every probability is out-of-fold, and p / (1 - p) is a weight of training posts only.

Folds hold whole authors: where a fold mate has the same followers and the same habits, trees know the author and not
the time, and parts that were drawn by author look as if everything had drifted. Folds of single posts, as in the sheet,
give the second figure, ``auc_by_post``; the distance of the two is what is known of authors.

No label takes part. The features of the posts to predict do, so a model that uses the weights is transductive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

import numpy as np
import polars as pl
from scipy.stats import rankdata

from popcast.core.engine import progress
from popcast.core.errors import BadInput
from popcast.core.stable import stable_random
from popcast.models.contract.stopping import threads
from popcast.models.inputs.matrix import Encoder
from popcast.scoring.params import Adversarial

Kept = Callable[[str, Callable[[], np.ndarray]], np.ndarray]
"""Name of a piece of work and the function that does it -> its array, taken from an earlier run if it is there."""


@dataclass(frozen=True)
class Step:
    """One rung of the ladder: what was left out before it, AUC, share of the gain per column, p [n] out-of-fold.

    All but ``auc_by_post`` are of the folds that hold whole authors, where there are such.
    """

    dropped: list[str]
    auc: float
    auc_by_post: float
    shares: dict[str, float]
    probability: np.ndarray


@dataclass(frozen=True)
class Result:
    """``posts``: post_id, ``against`` (bool), in the order of ids. ``columns``: a row per column, see :func:`drifting`.

    steps: the first with all columns, then (where ``drop`` names some) without those, then without the strongest ones.
    base: number of the step whose probabilities count: the one without the columns that ``drop`` names. by_author:
    whether folds hold whole authors; without, there are none or too few of them.
    """

    posts: pl.DataFrame
    columns: pl.DataFrame
    steps: list[Step]
    base: int
    by_author: bool


@dataclass(frozen=True)
class _Task:
    """rows: float32 [n, p], of whose columns some are ``categorical`` [p]. owner: feature column of each [p].

    against: bool [n]. fold_of_post: int [n]. fold_of_author: int [n], the same one for all posts of an author.
    """

    rows: np.ndarray
    categorical: np.ndarray
    owner: np.ndarray
    against: np.ndarray
    fold_of_post: np.ndarray
    fold_of_author: np.ndarray | None
    section: Adversarial
    seed: int
    kept: Kept

    def step(self, number: int, dropped: list[str], gone: set[str]) -> Step:
        """All folds without the feature columns ``gone``, of which ``dropped`` are the latest."""
        columns = np.flatnonzero(~np.isin(self.owner, sorted(gone)))
        owner = self.owner[columns]
        probability, gain = self._out_of_fold(f"step-{number}", self.fold_of_post, columns)
        by_post = auc(self.against, probability)
        if self.fold_of_author is not None:
            probability, gain = self._out_of_fold(f"step-{number}-authors", self.fold_of_author, columns)
        total = gain.sum() or 1.0
        shares = {name: float(gain[owner == name].sum() / total) for name in sorted(set(owner.tolist()))}
        return Step(dropped, auc(self.against, probability), by_post, shares, probability)

    def _out_of_fold(self, name: str, fold: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities [n] and the summed gain of each column."""
        probability, gain = np.empty(len(self.rows)), np.zeros(len(columns))
        for k in progress(range(self.section.folds), self.section.folds, f"adversarial: {name}"):
            held = fold == k
            piece = self.kept(f"{name}-fold-{k}", partial(self.one_fold, held, columns))
            probability[held] = piece[: held.sum()]
            gain += piece[held.sum() :]
        return probability, gain

    def one_fold(self, held: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Probabilities of the posts ``held`` by trees that learned the others, then the gain of each column."""
        import lightgbm

        settings = {
            "objective": "binary",
            "learning_rate": self.section.learning_rate,
            "max_depth": self.section.depth,
            "num_leaves": 2**self.section.depth - 1,
            "max_bin": 63,
            "seed": self.seed % 2**31,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads(),
            "verbosity": -1,
        }
        learn = lightgbm.Dataset(
            self.rows[np.ix_(~held, columns)],
            label=self.against[~held].astype(np.float64),
            feature_name=[f"column_{i}" for i in range(len(columns))],
            categorical_feature=np.flatnonzero(self.categorical[columns]).tolist(),
            params=settings,
        )
        booster = lightgbm.train(settings, learn, self.section.rounds)
        found = booster.predict(self.rows[np.ix_(held, columns)], num_threads=threads())
        return np.concatenate([found, booster.feature_importance("gain").astype(np.float64)])


def validate(splits: pl.DataFrame, features: pl.DataFrame, section: Adversarial, seed: int, kept: Kept) -> Result:
    """Climb the ladder.

    splits: ``post_id``, ``split`` and ``user_id`` (null where unknown). features: ``post_id`` and columns
    ``<block>.<column>`` of the same posts. Neither holds a label.
    Raises BadInput for a part that is too small and for a name in ``drop`` that is no column.
    """
    posts, features, against = _two_parts(splits, features, section)
    encoder = Encoder(embeddings=section.embeddings).fit(features.drop("post_id"), "adversarial")
    matrix = encoder.transform(features.drop("post_id"))
    owner = np.array([name.split("[", 1)[0] for name in matrix.names])
    if not len(owner):
        raise BadInput("adversarial: the blocks give no column that varies")
    categorical = np.arange(len(owner)) >= matrix.numeric.shape[1]
    by_post = _folds(posts["post_id"], against, section.folds, seed)
    by_author = author_folds(posts, against, section.folds, seed)
    task = _Task(matrix.dense(), categorical, owner, against, by_post, by_author, section, seed, kept)
    named = _named(section.drop, sorted(set(owner.tolist())))
    steps, gone = [task.step(0, [], set())], set(named)
    if named:
        steps.append(task.step(1, named, gone))
    base = len(steps) - 1
    while len(steps) <= base + section.steps:
        last = steps[-1].shares
        strongest = sorted(last, key=lambda name, last=last: (-last[name], name))[: section.step_size]
        if len(strongest) == len(last):
            break
        gone |= set(strongest)
        steps.append(task.step(len(steps), strongest, gone))
    columns = drifting(features, against, steps, base)
    posts = posts.select("post_id", against=pl.Series(against))
    return Result(posts, columns, steps, base, by_author is not None)


def _two_parts(
    splits: pl.DataFrame, features: pl.DataFrame, section: Adversarial
) -> tuple[pl.DataFrame, pl.DataFrame, np.ndarray]:
    """Training posts and those of the part ``against`` (post_id, user_id), their features, and which are the latter."""
    posts = splits.filter(pl.col("split").is_in(["train", section.against])).sort("post_id")
    against = (posts["split"] == section.against).to_numpy()
    for name, count in ((section.against, against.sum()), ("train", (~against).sum())):
        if count < section.folds:
            raise BadInput(f"adversarial: {count} posts in the part {name!r}: expected at least {section.folds}")
    posts = posts.select("post_id", "user_id")
    return posts, posts.select("post_id").join(features, on="post_id", how="left", maintain_order="left"), against


def _folds(ids: pl.Series, against: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Fold of each post [n]: by a draw per id, equal shares of both parts in every fold."""
    draw = stable_random(ids, seed, "adversarial")
    order = np.lexsort((draw, against))
    fold = np.empty(len(draw), np.int64)
    fold[order] = np.arange(len(draw)) % folds
    return fold


def author_folds(posts: pl.DataFrame, against: np.ndarray, folds: int, seed: int) -> np.ndarray | None:
    """Fold of each post [n] such that an author's posts share one and both parts are spread over all of them.

    posts: ``post_id`` and ``user_id``; a post without an author stands alone. None where no post has an author,
    and where authors are so few that some fold would leave one of the parts unlearned or hold no post.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if posts["user_id"].null_count() == posts.height:
        return None
    author = posts.select(pl.coalesce("user " + pl.col("user_id"), "post " + pl.col("post_id"))).to_series()
    group = author.rank("dense").to_numpy()
    if len(np.unique(group)) < folds:
        return None
    fold = np.empty(posts.height, np.int64)
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**31).split(fold, against, group)
    for k, (learned, held) in enumerate(split):
        if not len(held) or len(np.unique(against[learned])) < 2:
            return None
        fold[held] = k
    return fold


def _named(patterns: list[str], columns: list[str]) -> list[str]:
    """Columns that the patterns name, sorted."""
    found = set()
    for pattern in patterns:
        matching = [name for name in columns if fnmatchcase(name, pattern)]
        if not matching:
            raise BadInput(f"params.yaml: adversarial: drop: no column is called {pattern!r} (or it never varies)")
        found |= set(matching)
    if found == set(columns):
        raise BadInput("params.yaml: adversarial: drop: names every column")
    return sorted(found)


def auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Chance that a positive row has the higher score than a negative one, ties count half. Both: [n].

    >>> auc(np.array([False, True, True]), np.array([0.2, 0.1, 0.2]))
    0.25
    """
    count = int(positive.sum())
    ranks = rankdata(score)[positive].sum()
    return float((ranks - count * (count + 1) / 2) / (count * (len(score) - count)))


def weights(probability: np.ndarray, against: np.ndarray, clip: float) -> np.ndarray:
    """p / (1 - p) of training posts, scaled to mean 1; NaN for the others. p is kept in [clip, 1 - clip]."""
    p = np.clip(probability, clip, 1 - clip)
    odds = np.where(against, np.nan, p / (1 - p))
    return odds / np.nanmean(odds)


def drifting(features: pl.DataFrame, against: np.ndarray, steps: list[Step], base: int) -> pl.DataFrame:
    """One row per column, the strongest of the first step first.

    ``share``: of the gain with all columns; ``share_base``: in the step ``base``, null where it was left out;
    ``shift``: how far its distributions in the two parts are apart, 0 (equal) to 1 (apart): Kolmogorov-Smirnov for
    numbers, where missing lies below everything, total variation for categories, null for embeddings; means and shares
    of missing values.
    """
    table = []
    for name, share in steps[0].shares.items():
        column = features[name]
        row = {"column": name, "share": share, "share_base": steps[base].shares.get(name), "shift": None}
        if not isinstance(column.dtype, pl.Array):
            row["shift"] = _shift(column, against)
        for part, chosen in (("train", ~against), ("against", against)):
            values = column.filter(pl.Series(chosen))
            number = column.dtype.is_numeric() or column.dtype == pl.Boolean
            row[f"{part}_mean"] = values.cast(pl.Float64).mean() if number else None
            row[f"{part}_missing"] = values.null_count() / len(values)
        table.append(row)
    numbers = dict.fromkeys([name for name in table[0] if name != "column"], pl.Float64)
    return pl.DataFrame(table, schema={"column": pl.String, **numbers}).sort(
        "share", "column", descending=[True, False]
    )


def _shift(column: pl.Series, against: np.ndarray) -> float:
    """Largest difference of the two distribution functions, or half the summed difference of the shares."""
    number = column.dtype.is_numeric() or column.dtype == pl.Boolean
    values = column.cast(pl.Float64 if number else pl.String).alias("value")
    counts = pl.DataFrame({"value": values, "against": against}).group_by("value").agg(
        a=pl.col("against").sum() / against.sum(), b=(~pl.col("against")).sum() / (~against).sum()
    )  # fmt: skip
    difference = counts.sort("value", nulls_last=False).select(pl.col("a") - pl.col("b")).to_series()
    return float(difference.cum_sum().abs().max() if number else difference.abs().sum() / 2)


def post_weights(result: Result, clip: float) -> pl.DataFrame:
    """``post_id``, ``probability`` out-of-fold, and ``weight``, which only training posts have."""
    probability, against = result.steps[result.base].probability, result.posts["against"].to_numpy()
    weight = pl.Series(weights(probability, against, clip)).fill_nan(None)
    return result.posts.select("post_id", probability=pl.Series(probability), weight=weight)


def numbers(result: Result, clip: float) -> dict[str, float | int]:
    """What metrics/adversarial holds. ``weights.effective_share``: the share of training posts that the weights use.

    ``auc.``: folds of whole authors, where ``folds.by_author``; ``auc_by_post.``: folds of single posts.
    """
    against = result.posts["against"].to_numpy()
    weight = weights(result.steps[result.base].probability, against, clip)[~against]
    facts = {}
    for name in ("auc", "auc_by_post"):
        figures = [getattr(step, name) for step in result.steps]
        facts |= {f"{name}.step_{number}": figure for number, figure in enumerate(figures)}
        facts |= {f"{name}.all": figures[0], f"{name}.base": figures[result.base]}
    facts |= {"weights.effective_share": float(weight.mean() ** 2 / (weight**2).mean())}
    counts = {"posts.train": int((~against).sum()), "posts.against": int(against.sum())}
    counts |= {"folds.by_author": result.by_author}
    return {key: round(value, 6) for key, value in facts.items()} | counts | {"columns": result.columns.height}
