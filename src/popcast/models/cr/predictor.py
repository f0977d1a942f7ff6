"""``cr``: CatBoost with and without the crawled profile, mixed by what is known of a post's author.

Sheet smp2025.md section 3.3 (CrossModal Robot, ACM MM 2020, 10.1145/3394171.3416294): model W learns from all blocks,
model N from all but ``profile``. The three segments (profile present, known author, new author) keep their own share
of W. The paper's shares were set by hand on a leaderboard; here they are least squares in [0, 1] on the later half of
the last fold, predicted by the models of the earlier folds, which stopped on the other half, and then both models learn
from all rows. Without a ``profile`` block there is only N.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from popcast.models.contract.member_weights import best_share, weighing_part
from popcast.models.contract.predictor_files import read_predictor, write_predictor
from popcast.models.contract.stopping import stopping_window
from popcast.models.inputs.matrix import in_time_order
from popcast.models.trees.catboosted import BoostingParams, CatBoosted

SEGMENTS = ("profile", "known", "new")
PUBLISHED = {"profile": 0.98, "known": 0.05, "new": 0.15}
"""Share of W per segment in the paper's submission: used where the rows are too few to fit any."""
SMALLEST_SEGMENT = 30


class Params(BoostingParams):
    """blocks: null = all that the run gets. A ``profile`` that is named but not given means that there is no W."""

    depth: int = 6


class Predictor:
    """Two CatBoost ensembles and three weights."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.shares: dict[str, float] = {}
        self.ensembles: dict[str, CatBoosted] = {}

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        given = sorted({name.split(".", 1)[0] for name in features.columns if "." in name})
        chosen = given if self.params.blocks is None else self.params.blocks
        sides = {"without": [block for block in chosen if block != "profile"]}
        if "profile" in chosen and "profile" in given:
            sides["with"] = chosen
        window = stopping_window(folds, len(target)) if "with" in sides else None
        weighing = None if window is None else weighing_part(window.watch)
        for side, blocks in sides.items():
            self.ensembles[side] = self._ensemble(blocks).fit(features, target, folds, "cr", weighing=weighing)
        if "with" in sides:
            self.shares = self._fit_shares(features, target, weighing)
        return self

    def _ensemble(self, blocks: list[str] | None) -> CatBoosted:
        return CatBoosted(self.params.model_copy(update={"blocks": blocks}), self.seed, {"boosting_type": "Plain"})

    def _fit_shares(self, features: pl.DataFrame, target: np.ndarray, weighing: np.ndarray | None) -> dict[str, float]:
        """Share of W per segment: non-negative least squares with sum 1, which has a closed form for two members."""
        with_profile = self.ensembles["with"].weighing_prediction
        without = self.ensembles["without"].weighing_prediction
        if with_profile is None or without is None:
            return dict(PUBLISHED)
        truth, segment = target[weighing], segments(features.filter(pl.Series(weighing)))
        shares = {}
        for name in SEGMENTS:
            rows = segment == name
            if rows.sum() < SMALLEST_SEGMENT:
                shares[name] = PUBLISHED[name]
                continue
            shares[name] = best_share(with_profile[rows], without[rows], truth[rows], otherwise=0.0)
        return shares

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        without = self.ensembles["without"].predict(features)
        if "with" not in self.ensembles:
            return without
        segment = segments(features)
        share = np.select([segment == name for name in SEGMENTS], [self.shares[name] for name in SEGMENTS])
        return share * self.ensembles["with"].predict(features) + (1 - share) * without

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for side, ensemble in self.ensembles.items():
            ensemble.save(folder, side)
        write_predictor(folder, self, shares=self.shares, ensembles=sorted(self.ensembles))

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        predictor.shares = content["shares"]
        for side in content["ensembles"]:
            predictor.ensembles[side] = predictor._ensemble(None).restore(folder, side)
        return predictor

    def importances(self) -> dict[str, float]:
        """Of W where it exists, else of N."""
        return self.ensembles["with" if "with" in self.ensembles else "without"].importances()


def segments(features: pl.DataFrame) -> np.ndarray:
    """Segment name [n] of each post: its author has a crawled profile, else older posts with a label, else nothing."""
    profile = [pl.col(name).is_not_null() for name in features.columns if name.startswith("profile.")]
    if "profile.has_profile" in features.columns:
        profile = [pl.col("profile.has_profile").cast(pl.Float64) > 0]
    known = pl.col("history.count") > 0 if "history.count" in features.columns else pl.lit(False)
    name = (
        pl.when(pl.any_horizontal(profile or [pl.lit(False)]).fill_null(False))
        .then(pl.lit("profile"))
        .when(known.fill_null(False))
        .then(pl.lit("known"))
        .otherwise(pl.lit("new"))
    )
    return features.with_columns(_segment=name)["_segment"].to_numpy()
