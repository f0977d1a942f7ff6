"""One prediction out of many: members weighted by how they did on posts that they had not learned.

The weights are fitted on out-of-fold predictions of the training part and on the valid part, every post counting the
same; the test part takes no share in it. A fitted :class:`Blend` is a small JSON file that can be read and shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from popcast.blend import intervals, segments
from popcast.blend.drift import Drift, fit_drift, model_age
from popcast.blend.params import Blend as BlendSection
from popcast.blend.simplex_weights import fit_simplex
from popcast.blend.widths.held_out_posts import wide_features
from popcast.blend.widths.spread import Spread
from popcast.blend.widths.width_fitting import learn_widths
from popcast.blend.widths.width_model import WidthModel
from popcast.core import paths, tables
from popcast.core.errors import BadInput, bad_input
from popcast.core.pretrained.saved_files import putting_together, read_json
from popcast.models.contract.member_weights import fit_weights
from popcast.models.params import ModelRun

SHRINK = 300  # a segment with this many posts is trusted half: w = (n * own + 300 * global) / (n + 300)
GRID = np.linspace(0, 1, 201)
POSTHOC_BLOCKS = ("profile",)
WIDTHS = "widths"
"""Folder beside ``weights.json`` with the model of widths."""


@dataclass(frozen=True)
class Blend:
    """A fitted blend. ``weights``: segment -> one weight per member, ``all`` always among them."""

    method: str
    members: list[str]
    weights: dict[str, list[float]]
    intercepts: dict[str, float]
    floor: float
    nominal: float
    half_width: float | None = None
    """One width for all posts: what the widths are measured against."""
    rows: dict[str, int] = field(default_factory=dict)
    """How many posts the weights were fitted on: ``out_of_fold`` and ``valid``."""
    drift: Drift | None = None
    quantiles: dict[str, list[float]] = field(default_factory=dict)
    """rank only: quantiles at ``GRID`` of each member, of the mean rank (``rank``) and of the labels (``label``)."""
    widths: WidthModel | None = field(default=None, compare=False)
    """None: the valid part was too small for any interval."""

    def predict(self, x: np.ndarray, segment: np.ndarray, age: np.ndarray) -> np.ndarray:
        """Popularity [n] of posts with members' predictions ``x`` [n, members], ``segment`` [n], ``age`` [n] in weeks.

        A row's result does not depend on the other rows.
        """
        if self.method == "rank":
            blended = np.interp(self._mean_rank(x), self.quantiles["rank"], self.quantiles["label"])
        else:
            blended = np.zeros(len(x))
            segment = np.array([name if name in self.weights else "all" for name in segment], dtype=object)
            for name, weights in self.weights.items():
                rows = segment == name
                blended[rows] = (x[rows] * weights).sum(axis=1) + self.intercepts[name]
        if self.drift is not None:
            blended = blended + self.drift.correction(age)
        return np.maximum(blended, self.floor)

    @property
    def levels(self) -> tuple[float, ...]:
        """Probabilities of the quantiles of :meth:`spread`; none where there is no interval."""
        return () if self.widths is None else self.widths.levels

    @property
    def width_blocks(self) -> tuple[str, ...]:
        """Feature blocks that :meth:`spread` looks at."""
        return () if self.widths is None else self.widths.blocks

    def spread(self, prediction: np.ndarray, x: np.ndarray, features: pl.DataFrame, warm: np.ndarray) -> Spread | None:
        """Calibrated quantiles of outcomes of posts with :meth:`predict`'s ``prediction`` [n] of ``x`` [n, members].

        features: columns of ``widths.blocks`` [n]. warm: bool [n], authors with an older post that models learned from.
        """
        if self.widths is None:
            return None
        return self.widths.apply(features, prediction, x[:, self.weighted], warm)

    @property
    def weighted(self) -> np.ndarray:
        """bool [members]: those with a weight in any segment."""
        return np.array(list(self.weights.values())).any(axis=0)

    def _mean_rank(self, x: np.ndarray) -> np.ndarray:
        ranks = [_rank_in(self.quantiles[name], x[:, column]) for column, name in enumerate(self.members)]
        return np.mean(ranks, axis=0)

    def save(self, folder: Path) -> None:
        """Write ``weights.json`` and, where there are intervals, the folder ``widths``."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != WIDTHS}
        content["drift"] = None if self.drift is None else self.drift.as_dict()
        content["weights"] = {
            segment: dict(zip(self.members, weights, strict=True)) for segment, weights in self.weights.items()
        }
        tables.write_json(content, folder / "weights.json")
        if self.widths is not None:
            self.widths.save(folder / WIDTHS)

    @classmethod
    def load(cls, folder: Path) -> Blend:
        content = read_json(folder / "weights.json")
        with putting_together(folder / "weights.json"):
            content["drift"] = None if content["drift"] is None else Drift(**content["drift"])
            content["weights"] = {
                segment: [weights[name] for name in content["members"]]
                for segment, weights in content["weights"].items()
            }
            found = cls(**content)
        return found if found.half_width is None else replace(found, widths=WidthModel.load(folder / WIDTHS))


def uses_posthoc(run: ModelRun, allow_posthoc: bool) -> bool:
    """Whether a run's predictor gets what was measured after posting."""
    allowed = allow_posthoc if run.allow_posthoc is None else run.allow_posthoc
    return allowed and any(block in POSTHOC_BLOCKS for block in run.blocks)


def entering(runs: list[ModelRun], section: BlendSection, allow_posthoc: bool, dataset: str) -> list[str]:
    """Names of the runs that enter the blend: not left out, free of post-hoc values unless these are allowed, and
    without a look at the valid part, on which the weights are fitted."""
    fair = [run for run in runs if run.test_fit != "stop_on_valid"]
    names = [run.name for run in fair if allow_posthoc or not uses_posthoc(run, allow_posthoc)]
    names = [name for name in names if name not in section.leave_out]
    if not names:
        raise bad_input(f"no model of {dataset} is left to blend: see runs and blend.leave_out", file=paths.PARAMS)
    return names


def gather(predictions: dict[str, pl.DataFrame]) -> tuple[pl.DataFrame, np.ndarray]:
    """Posts that every member predicts: ``post_id``, ``split``, ``fold`` sorted by id, and predictions [n, members].

    Training posts without an out-of-fold prediction of some member are left out; elsewhere members must agree.
    """
    names = list(predictions)
    common = None
    for position, (name, table) in enumerate(predictions.items()):
        held_out = table.filter(pl.col("split") != "train")
        column = table.select("post_id", "split", "fold", pl.col("prediction").alias(f"{position}"))
        if common is None:
            common, expected = column, held_out["post_id"].sort()
            continue
        if not held_out["post_id"].sort().equals(expected):
            raise bad_input(f"{name} and {names[0]} predict different posts", expected="the same: run `dvc repro`")
        common = common.join(column.drop("split", "fold"), on="post_id", how="inner")
    common = common.sort("post_id")
    matrix = common.select(f"{position}" for position in range(len(names))).to_numpy().astype(np.float64)
    return common.select("post_id", "split", "fold"), matrix


def blend(
    posts: pl.DataFrame,
    predictions: dict[str, pl.DataFrame],
    section: BlendSection,
    metric: str,
    allow_posthoc: bool = False,
    final_fit: str = "labelled",
    features: dict[str, pl.DataFrame] | None = None,
    seed: int = 0,
) -> tuple[pl.DataFrame, Blend]:
    """Fit a blend of members' ``predictions`` and apply it to every post that all of them predict.

    posts: ``posts`` joined with ``split`` and ``fold``. metric: what the weights minimise. features: block -> table of
    all posts, what the widths look at. Returns the prediction table with ``lower``, ``upper`` and ``quantiles``, and
    the fitted blend.
    """
    keys, x = gather(predictions)
    facts = (
        keys.join(posts.select("post_id", "popularity"), on="post_id", how="left")
        .join(segments.blend_segments(posts, final_fit, allow_posthoc), on="post_id", how="left")
        .join(model_age(posts, final_fit), on="post_id", how="left")
        .sort("post_id")
    )
    y = facts["popularity"].to_numpy().astype(np.float64)
    split = facts["split"].to_numpy()
    segment = facts["segment"].to_numpy()
    age = facts["age"].to_numpy().astype(np.float64)
    valid = (split == "valid") & ~np.isnan(y)
    if not valid.any():
        raise bad_input("no valid part to fit the blend on", field="split", expected="posts with split 'valid'")
    out_of_fold = (split == "train") & ~np.isnan(y) & (section.fit_on == "oof+valid")
    if section.fit_on == "oof+valid" and not out_of_fold.any():
        raise _no_common_fold(predictions)
    fitting = valid | out_of_fold
    labels = posts.filter(pl.col("split") == "train")["popularity"].to_numpy()

    def fit(rows: np.ndarray) -> Blend:
        return fit_corrected(x[rows], y[rows], segment[rows], age[rows], labels, list(predictions), section, metric)

    held_out = np.full(len(y), np.nan)
    for block in _blocks(keys.join(posts.select("post_id", "user_id", "posted_at"), on="post_id", how="left"), valid):
        others = fitting.copy()
        others[block] = False
        if others.any():
            held_out[block] = fit(others).predict(x[block], segment[block], age[block])
    errors = (y - held_out)[valid]
    reach = intervals.half_width(errors[~np.isnan(errors)], section.interval)
    fitted = fit(fitting)
    blended = fitted.predict(x, segment, age)
    counts = {"out_of_fold": int(out_of_fold.sum()), "valid": int(valid.sum())}
    fitted = replace(fitted, half_width=None if reach is None else round(reach, 6), rows=counts)
    held = keys.select("post_id", prediction=pl.Series(np.where(valid, held_out, blended), nan_to_null=True))
    fitted, spread = _with_widths(fitted, posts, held, blended, x, section, features or {}, final_fit, seed)
    return keys.with_columns(prediction=pl.Series(blended), **_interval_columns(spread, len(x))), fitted


def _with_widths(
    fitted: Blend, posts: pl.DataFrame, held: pl.DataFrame, blended: np.ndarray, x: np.ndarray, section: BlendSection,
    features: dict[str, pl.DataFrame], final_fit: str, seed: int,
) -> tuple[Blend, Spread | None]:  # fmt: skip
    """The blend with widths learned from ``held`` (``post_id``, ``prediction``), and the spread of all its posts."""
    if fitted.half_width is None:
        return fitted, None
    warm = pl.col("history_length").fill_null(0) > 0
    posts = posts.join(segments.history_length(posts, final_fit), on="post_id").with_columns(warm=warm)
    members = x[:, fitted.weighted]
    widths = learn_widths(
        posts, held, members, features, fitted.half_width, fitted.nominal, section.widths, seed
    )  # fmt: skip
    fitted = replace(fitted, widths=widths)
    shown = {name: features[name] for name in widths.blocks}
    rows = held.select("post_id").join(posts.select("post_id", "warm"), on="post_id", how="left")
    rows = rows.sort("post_id")
    return fitted, fitted.spread(blended, x, wide_features(shown, rows["post_id"]), rows["warm"].to_numpy())


def _interval_columns(spread: Spread | None, count: int) -> dict[str, pl.Series | pl.Expr]:
    """``lower``, ``upper`` and ``quantiles`` of a prediction table."""
    if spread is None:
        return {name: pl.lit(None, dtype) for name, dtype in
                (("lower", pl.Float64), ("upper", pl.Float64), ("quantiles", pl.List(pl.Float64)))}  # fmt: skip
    quantiles = pl.Series(spread.quantiles.tolist(), dtype=pl.List(pl.Float64))
    return {"lower": pl.Series(spread.lower), "upper": pl.Series(spread.upper), "quantiles": quantiles}


def _blocks(rows: pl.DataFrame, chosen: np.ndarray) -> list[np.ndarray]:
    """Row numbers of the ``chosen`` rows (bool [n]) in blocks, see ``intervals.blocks``; rows: in the order of ids."""
    known = rows["posted_at"].filter(pl.Series(chosen)).null_count() == 0
    times = rows["posted_at"].dt.epoch("us").fill_null(0).to_numpy() if known else None
    author = pl.coalesce(pl.lit("user ") + pl.col("user_id"), pl.lit("post ") + pl.col("post_id"))
    authors = rows.select(author.rank("dense")).to_series().to_numpy()
    return intervals.blocks(np.flatnonzero(chosen), times, authors)


def _no_common_fold(predictions: dict[str, pl.DataFrame]) -> BadInput:
    """What to say where no training post has an out-of-fold prediction of every member."""
    folds = {
        name: table.filter(pl.col("split") == "train")["fold"].unique().sort() for name, table in predictions.items()
    }
    shown = ", ".join(f"{name} in folds {of.to_list()}" for name, of in folds.items())
    return bad_input(
        f"no training post has an out-of-fold prediction of every member ({shown})",
        file=paths.PARAMS,
        field="blend.fit_on",
        value="oof+valid",
        expected="valid, or a smaller cross_fit_from of the members",
    )


def fit_corrected(
    x: np.ndarray,
    y: np.ndarray,
    segment: np.ndarray,
    age: np.ndarray,
    labels: np.ndarray,
    members: list[str],
    section: BlendSection,
    metric: str,
) -> Blend:
    """:func:`fit_blend`, with the drift correction where ``section`` asks for it. age: float64 [n], in weeks."""
    found = fit_blend(x, y, segment, labels, members, section, metric)
    if not section.drift_correction:
        return found
    return replace(found, drift=fit_drift(age, y - found.predict(x, segment, age)))


def fit_blend(
    x: np.ndarray,
    y: np.ndarray,
    segment: np.ndarray,
    labels: np.ndarray,
    members: list[str],
    section: BlendSection,
    metric: str,
) -> Blend:
    """A blend fitted on held-out predictions ``x`` [n, members] and labels ``y`` [n]; labels: of the training part."""
    equal = [1 / len(members)] * len(members)
    common = {"members": members, "floor": float(labels.min()), "nominal": section.interval}
    if section.method == "rank":
        quantiles = {name: np.quantile(x[:, i], GRID).tolist() for i, name in enumerate(members)}
        mean_rank = np.mean([_rank_in(quantiles[name], x[:, i]) for i, name in enumerate(members)], axis=0)
        quantiles |= {"rank": np.quantile(mean_rank, GRID).tolist(), "label": np.quantile(labels, GRID).tolist()}
        return Blend("rank", weights={"all": equal}, intercepts={"all": 0.0}, quantiles=quantiles, **common)
    if section.method == "mean":
        return Blend("mean", weights={"all": equal}, intercepts={"all": 0.0}, **common)
    overall, constant = _fitted_weights(x, y, metric, section)
    weights, intercepts = {"all": overall.tolist()}, {"all": constant}
    for name in segments.SEGMENTS if section.segments else ():
        rows = segment == name
        if not rows.any():
            continue
        own, own_constant = _fitted_weights(x[rows], y[rows], metric, section)
        trust = float(rows.sum() / (rows.sum() + SHRINK))
        weights[name] = np.round(trust * own + (1 - trust) * overall, 6).tolist()
        intercepts[name] = round(trust * own_constant + (1 - trust) * constant, 6)
    return Blend(section.method, weights=weights, intercepts=intercepts, **common)


def _fitted_weights(x: np.ndarray, y: np.ndarray, metric: str, section: BlendSection) -> tuple[np.ndarray, float]:
    if section.method == "simplex":
        return fit_simplex(x, y, metric, section.intercept)
    return fit_weights(x, y, metric, section.sum_to_one, section.intercept)


def _rank_in(quantiles: list[float], values: np.ndarray) -> np.ndarray:
    """Share of the reference below each value; over a run of equal quantiles, its middle."""
    grid = np.asarray(quantiles)
    return (np.interp(values, grid, GRID) + 1 - np.interp(-values, -grid[::-1], GRID)) / 2
