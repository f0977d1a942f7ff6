"""What each member adds to the blend: the blend's error without it, minus the error with all members.

The weights of a blend are fitted on the valid part, where one more member can hardly do harm. So the valid part is cut
into blocks (in time order, or by author where there is no time), each block is predicted by a blend fitted on the other
blocks and the out-of-fold predictions, and only those predictions are compared, paired, over the same resamples of
authors (``popcast.scoring.bootstrap``). The test part is predicted by blends fitted on everything before it. A positive
gain means that the member helps; one whose interval holds zero does not, as far as these posts can tell.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from popcast.blend import intervals, segments
from popcast.blend.blending import fit_corrected, gather
from popcast.blend.drift import model_age
from popcast.blend.params import Blend as BlendSection
from popcast.scoring.bootstrap import author_codes, bootstrap, clusters_of, paired_difference
from popcast.scoring.metrics import score
from popcast.scoring.params import Evaluation

MOST_OUT_OF_FOLD = 30_000
"""Out-of-fold rows used at most, evenly through time: the weights hardly move beyond."""


def contributions(
    posts: pl.DataFrame,
    predictions: dict[str, pl.DataFrame],
    groups: dict[str, list[str]],
    blend: BlendSection,
    evaluation: Evaluation,
    metric: str,
    seed: int,
    final_fit: str = "labelled",
    allow_posthoc: bool = False,
) -> list[dict[str, object]]:
    """Gains of members and groups of members.

    posts: ``posts`` joined with ``split`` and ``fold``. predictions: member -> prediction table. groups: name ->
    members left out together. final_fit, allow_posthoc: as the blend itself has them; what is compared are blends with
    the segments and the drift correction that the blend has. Returns one row per member and group, in that order:
    ``left_out``, ``members``, and for the parts ``valid`` and ``test`` ``<part>.gain``, ``<part>.low``,
    ``<part>.high``, ``<part>.p`` in units of ``metric`` (null without resamples, or where a metric is not defined).
    """
    names = list(predictions)
    if len(names) < 2:
        return []
    design = _Design(posts, predictions, blend, metric, final_fit, allow_posthoc)
    left_out = {name: [name] for name in names} | groups
    left_out = {name: of for name, of in left_out.items() if 0 < len(set(of) & set(names)) < len(names)}
    rows = [{"left_out": name, "members": sorted(set(of) & set(names))} for name, of in left_out.items()]
    for part, predict in (("valid", design.cross_fitted), ("test", design.ahead)):
        chosen = design.part(part)
        if not chosen.any():
            continue
        found = {"all": predict(names)}
        for name, of in left_out.items():
            found[f"without {name}"] = predict([member for member in names if member not in of])
        y = design.y[chosen]
        draws = _draws(design, chosen, found, evaluation, seed)
        whole = score(y, found["all"])[metric]
        for row in rows:
            name = f"without {row['left_out']}"
            row[f"{part}.gain"] = None if whole is None else score(y, found[name])[metric] - whole
            interval = None if draws is None else _paired(draws, name, metric, evaluation.confidence)
            row |= dict(zip((f"{part}.low", f"{part}.high", f"{part}.p"), interval or (None,) * 3, strict=True))
    return rows


class _Design:
    """Members' predictions of one dataset, and blends of any subset of them."""

    def __init__(self, posts, predictions, blend, metric, final_fit, allow_posthoc) -> None:
        keys, self.x = gather(predictions)
        self.names, self.blend, self.metric = list(predictions), blend, metric
        self.rows = (
            keys.join(posts.select("post_id", "user_id", "posted_at", "popularity"), on="post_id", how="left")
            .join(segments.blend_segments(posts, final_fit, allow_posthoc), on="post_id", how="left")
            .join(model_age(posts, final_fit), on="post_id", how="left")
            .sort("post_id")
        )
        self.y = self.rows["popularity"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        self.split, self.segment = self.rows["split"].to_numpy(), self.rows["segment"].to_numpy()
        self.age = self.rows["age"].to_numpy().astype(np.float64)
        self.labels = posts.filter(pl.col("split") == "train")["popularity"].to_numpy()
        self.codes = author_codes(self.rows["user_id"].to_list(), self.rows["post_id"].to_list())
        self.out_of_fold = (
            np.flatnonzero((self.split == "train") & ~np.isnan(self.y)) if blend.fit_on != "valid" else []
        )
        self.out_of_fold = np.concatenate(
            [*self._blocks(np.asarray(self.out_of_fold, np.int64)), np.empty(0, np.int64)]
        )
        step = -(-len(self.out_of_fold) // MOST_OUT_OF_FOLD) or 1
        self.out_of_fold = self.out_of_fold[::step]

    def part(self, name: str) -> np.ndarray:
        """bool [n]: labelled posts of a part."""
        return (self.split == name) & ~np.isnan(self.y)

    def _blocks(self, chosen: np.ndarray) -> list[np.ndarray]:
        """Row numbers in blocks, see ``intervals.blocks``; in time order where there are times."""
        times = self.rows["posted_at"].dt.epoch("us").fill_null(0).to_numpy()
        return intervals.blocks(chosen, times if times[chosen].any() else None, self.codes)

    def _blended(self, members: list[str], fitting: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        columns = [self.names.index(member) for member in members]
        fitted = fit_corrected(
            self.x[fitting][:, columns], self.y[fitting], self.segment[fitting], self.age[fitting], self.labels,
            members, self.blend, self.metric,
        )  # fmt: skip
        return fitted.predict(self.x[wanted][:, columns], self.segment[wanted], self.age[wanted])

    def cross_fitted(self, members: list[str]) -> np.ndarray:
        """Predictions of the valid posts, each block by a blend of these members that did not see it."""
        predicted = np.full(len(self.y), np.nan)
        valid = self.part("valid")
        for block in self._blocks(np.flatnonzero(valid)):
            others = valid.copy()
            others[block] = False
            fitting = np.concatenate([self.out_of_fold, np.flatnonzero(others)])
            predicted[block] = self._blended(members, fitting if len(fitting) else block, block)
        return predicted[valid]

    def ahead(self, members: list[str]) -> np.ndarray:
        """Predictions of the test posts by a blend of these members fitted on all earlier held-out posts."""
        fitting = np.concatenate([self.out_of_fold, np.flatnonzero(self.part("valid"))])
        return self._blended(members, fitting, np.flatnonzero(self.part("test")))


def _draws(design: _Design, chosen, found, evaluation, seed):
    if not evaluation.bootstrap:
        return None
    clusters = clusters_of(design.rows.filter(pl.Series(chosen)))
    return None if clusters is None else bootstrap(design.y[chosen], found, clusters.codes, evaluation.bootstrap, seed)


def _paired(draws, name: str, metric: str, confidence: float):
    return paired_difference(draws[name][metric], draws["all"][metric], confidence)
