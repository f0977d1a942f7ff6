"""``stacker``: the AutoGluon role. A second layer weighs members that were predicted out of fold.

Sheet smp2025.md section 5.2. ``backend: sklearn`` (default): boosted trees and a ridge are predicted fold by fold,
forward in time where the posts have times; the second layer is fitted on these predictions and the members are then
fitted again on all rows. ``backend: autogluon`` hands the same columns to AutoGluon (requirements-autogluon.txt),
and with ``multimodal`` words of the posts as well, on which it tunes a text encoder (its set ``multimodal``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from popcast.core.errors import BadInput
from popcast.core.section import Line
from popcast.models.contract.member_weights import fit_weights
from popcast.models.contract.predictor_files import read_arrays, read_predictor, take, write_predictor
from popcast.models.contract.stopping import ASIDE, SMALLEST_WINDOW, older, set_aside
from popcast.models.inputs.columns import ColumnParams
from popcast.models.inputs.dense import Dense
from popcast.models.inputs.matrix import in_time_order
from popcast.models.stacker.stacker_members import Settings, make_member

IDS = ("post_id", "user_id", "popularity", "media")
Member = Literal["boosting", "ridge", "extra_trees"]


class Params(ColumnParams, Settings):
    """Settings of both layers. Which columns the members get, which members there are, how they are weighed."""

    backend: Literal["sklearn", "autogluon"] = "sklearn"
    members: list[Member] = Field(["boosting", "ridge"], min_length=1)
    inner_folds: int = Field(3, ge=2, description="folds of the first layer; neighbouring folds of the run are joined")
    second: Literal["nonnegative", "ridge"] = Field("nonnegative", description="nonnegative: weights of sum 1")
    second_penalty: float = Field(10.0, gt=0, description="of second: ridge")
    bounded: bool = Field(True, description="predictions stay within the labels seen")
    presets: Line = Field("medium_quality", description="autogluon: quality preset")
    time_limit: int | None = Field(None, ge=1, description="autogluon: seconds per fit; null: none, reproducible")
    multimodal: list[Line] = Field(
        [], description="autogluon: columns of posts with words, such as title and tags; any: its multimodal models"
    )

    @model_validator(mode="after")
    def words_for_autogluon(self) -> Self:
        if self.multimodal and self.backend != "autogluon":
            raise ValueError("multimodal: only backend autogluon reads words, expected []")
        if hidden := [name for name in self.multimodal if name in IDS or name.startswith("posthoc_")]:
            raise ValueError(f"multimodal: {hidden[0]!r} is an id, the outcome or measured later")
        return self


class Predictor:
    """``intercept + sum_m weight_m * member_m``, or AutoGluon's ensemble."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.members = []

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p = self.params
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        self.columns = Dense(p.blocks, p.embeddings, p.rare, p.drop).fit(features, "stacker")
        self.bounds = [float(target.min()), float(target.max())]
        self.weights, self.intercept, self.members, self.ensemble = [], float(target.mean()), [], None
        if not self.columns.varies or self.bounds[0] == self.bounds[1]:
            return self
        if p.backend == "autogluon":
            from popcast.models.stacker.stacker_autogluon import Ensemble

            matrix, words = self.columns.encoder.transform(features), self._words(posts)
            self.ensemble = Ensemble.fitted(matrix, words, target, folds, p.presets, p.time_limit, p.loss, self.seed)
            return self
        inputs = self._inputs(features)
        timed = posts["posted_at"].null_count() == 0
        self._weigh(inputs, target, self._inner(folds, posts), posts["posted_at"] if timed else None)
        self.members = [make_member(name, p).fit(inputs, target, folds, self.seed) for name in p.members]
        return self

    def _words(self, posts: pl.DataFrame) -> dict[str, list[str]]:
        """Texts [n] of the columns ``multimodal``, lists joined by blanks, "" where missing."""
        found = {}
        for name in self.params.multimodal:
            if name not in posts.columns:
                raise BadInput(f"stacker: multimodal: posts have no column {name!r}")
            text = pl.col(name).list.join(" ") if posts.schema[name] == pl.List else pl.col(name).cast(pl.String)
            found[name] = posts.select(text.fill_null("")).to_series().to_list()
        return found

    def _inputs(self, features: pl.DataFrame) -> dict[str, np.ndarray]:
        """See stacker_members.py; a row depends on that row alone."""
        matrix = self.columns.encoder.transform(features)
        dense = self.columns.scaled(matrix)
        codes, sizes = dense["codes"], self.columns.sizes
        one_hot = [(codes[:, [i]] == np.arange(size)).astype(np.float32) for i, size in enumerate(sizes)]
        return {"table": matrix.dense(), "scaled": np.hstack([dense["numeric"], *one_hot])}

    def _inner(self, folds: np.ndarray | None, posts: pl.DataFrame) -> np.ndarray:
        """At most ``inner_folds`` folds [n] for the first layer: those of the run joined, else cut from the rows.

        Rows that the run sets aside stay ``ASIDE``.
        """
        count, rows = self.params.inner_folds, posts.height
        known = np.empty(0) if folds is None else np.unique(folds[folds != ASIDE])
        if len(known) > 1:
            joined = (np.searchsorted(known, folds) * min(count, len(known))) // len(known)
            return np.where(folds == ASIDE, ASIDE, joined)
        if posts["posted_at"].null_count() == 0:
            return np.arange(rows) * count // rows
        return np.random.default_rng(self.seed).permutation(rows) % count

    def _weigh(self, inputs: dict, target: np.ndarray, inner: np.ndarray, posted_at: pl.Series | None) -> None:
        """Second layer: weights and intercept from predictions of members that had not learned the row.

        With times a member has learned nothing that is not older than the first of the rows it is asked about.
        """
        p = self.params
        found = np.full((len(target), len(p.members)), np.nan)
        moments = None if posted_at is None else posted_at.dt.epoch("us").to_numpy()
        for fold in np.unique(inner[inner != ASIDE]):
            earlier = (inner != fold) & (inner != ASIDE) if moments is None else older(inner, moments, fold)
            learn = np.flatnonzero(earlier)
            asked = np.flatnonzero(inner == fold)
            if len(learn) < SMALLEST_WINDOW or np.ptp(target[learn]) == 0:
                continue
            part, rest = ({k: v[rows] for k, v in inputs.items()} for rows in (learn, asked))
            own = inner[learn] if moments is None else set_aside(inner[learn], moments[learn])
            for i, name in enumerate(p.members):
                member = make_member(name, p).fit(part, target[learn], own, self.seed)
                found[asked, i] = np.clip(member.predict(rest), target[learn].min(), target[learn].max())
        known = ~np.isnan(found[:, 0])
        if known.sum() < SMALLEST_WINDOW:  # too few posts to weigh anything
            self.weights, self.intercept = [1 / len(p.members)] * len(p.members), 0.0
        elif p.second == "nonnegative":
            weights, self.intercept = fit_weights(found[known], target[known], p.loss)
            self.weights = weights.tolist()
        else:
            from sklearn.linear_model import Ridge

            model = Ridge(alpha=p.second_penalty, solver="cholesky").fit(found[known], target[known])
            self.weights, self.intercept = model.coef_.tolist(), float(model.intercept_)

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        if self.ensemble is not None:
            found = self.ensemble.predict(self.columns.encoder.transform(features), self._words(posts))
        else:
            found, inputs = np.full(features.height, self.intercept), self._inputs(features) if self.members else {}
            for weight, member in zip(self.weights, self.members, strict=True):
                found += weight * np.clip(member.predict(inputs), *self.bounds)
        return np.clip(found, *self.bounds) if self.params.bounded else found

    def importances(self) -> dict[str, float]:
        """Absolute weights of the members."""
        if not self.members:
            return {}
        return {name: abs(weight) for name, weight in zip(self.params.members, self.weights, strict=True)}

    def save(self, folder: Path) -> None:
        """``predictor.json`` and an npz per member, or AutoGluon's own folder."""
        learned = {"weights": self.weights, "intercept": self.intercept, "bounds": self.bounds}
        learned |= {"fitted": len(self.members), "ensemble": self.ensemble is not None}
        write_predictor(folder, self, columns=self.columns.to_json(), **learned)
        for name, member in zip(self.params.members, self.members, strict=False):
            np.savez(folder / f"{name}.npz", **member.arrays())
        if self.ensemble is not None:
            self.ensemble.save(folder / "autogluon")

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        predictor.columns, predictor.ensemble = Dense.from_json(content["columns"]), None
        take(predictor, content, ("weights", "intercept", "bounds"))
        for name in predictor.params.members[: content["fitted"]]:
            predictor.members.append(make_member(name, predictor.params).of(read_arrays(folder / f"{name}.npz")))
        if content["ensemble"]:
            from popcast.models.stacker.stacker_autogluon import Ensemble

            predictor.ensemble = Ensemble.load(folder / "autogluon")
        return predictor
