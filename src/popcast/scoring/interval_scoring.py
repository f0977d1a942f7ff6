"""How good the blend's intervals are: coverage, width and interval score on the test part, and of each quantile.

Nominal coverage is a promise for posts like those of the valid part; here is what it came to. The interval score is
compared with that of one width for all posts, from the same predictions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from popcast.blend.intervals import measured_coverage
from popcast.blend.widths.winkler_score import interval_scores

EMPTY = ("test.coverage", "test.half_width", "test.interval_score", "test.interval_score_constant")


class OneWidth(NamedTuple):
    """Nominal coverage of a blend, and the half width that it would give to all posts; None: too few posts."""

    coverage: float
    half_width: float | None


def interval_metrics(test: pl.DataFrame, table: pl.DataFrame, one_width: OneWidth | None) -> dict[str, float | None]:
    """``test.coverage``, ``test.cold.coverage``, ``test.warm.coverage``, ``test.half_width`` (mean) and, where
    ``one_width`` says what is nominal, ``test.interval_score`` and ``test.interval_score_constant`` (and
    ``test.coverage_constant``).

    test: labelled posts with ``warm``. table: predictions with ``lower`` and ``upper``. Null where there are none.
    """
    rows = test.join(table, on="post_id").drop_nulls(["lower", "upper"])
    if not rows.height:
        return dict.fromkeys(EMPTY if one_width is not None else EMPTY[:2])
    y, lower, upper, p = (rows[name].to_numpy() for name in ("popularity", "lower", "upper", "prediction"))
    found = {"test.coverage": measured_coverage(y, lower, upper), "test.half_width": float(np.mean(upper - lower)) / 2}
    for name, of in parts(rows).items():
        if of.any():
            found[f"test.{name}.coverage"] = measured_coverage(y[of], lower[of], upper[of])
    if one_width is None or one_width.half_width is None:
        return found
    same = p - one_width.half_width, p + one_width.half_width
    return found | {
        "test.interval_score": float(interval_scores(y, lower, upper, one_width.coverage).mean()),
        "test.interval_score_constant": float(interval_scores(y, *same, one_width.coverage).mean()),
        "test.coverage_constant": measured_coverage(y, *same),
    }


def parts(rows: pl.DataFrame) -> dict[str, np.ndarray]:
    """bool [n] of ``cold`` and ``warm`` authors; posts without an author are neither."""
    return {
        name: (rows["warm"] == value).fill_null(False).to_numpy() for name, value in (("cold", False), ("warm", True))
    }


def coverage_by_level(test: pl.DataFrame, table: pl.DataFrame, levels: tuple[float, ...]) -> pl.DataFrame:
    """Of each level the share of test labels at or below its quantile: ``nominal``, ``observed``, and ``cold`` and
    ``warm`` (null where no such post is). No rows where there are no quantiles.

    table: predictions, with ``quantiles`` in the order of ``levels``.
    """
    schema = dict.fromkeys(("nominal", "observed", "cold", "warm"), pl.Float64)
    if "quantiles" not in table.columns or not levels:
        return pl.DataFrame(schema=schema)
    rows = test.select("post_id", "popularity", "warm").join(table.select("post_id", "quantiles"), on="post_id")
    rows = rows.drop_nulls("quantiles")
    if not rows.height:
        return pl.DataFrame(schema=schema)
    below = rows["popularity"].to_numpy()[:, None] <= np.array(rows["quantiles"].to_list())
    groups = {"observed": np.ones(rows.height, bool)} | parts(rows)
    found = {name: below[of].mean(axis=0) if of.any() else [None] * len(levels) for name, of in groups.items()}
    return pl.DataFrame({"nominal": list(levels)} | found, schema=schema)
