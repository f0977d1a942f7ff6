"""Coverage, width and interval score of a blend's intervals, worked out by hand."""

import polars as pl
import pytest

from popcast.scoring.interval_scoring import OneWidth, coverage_by_level, interval_metrics

TEST = pl.DataFrame({"post_id": list("abcd"), "popularity": [1.0, 2.0, 3.0, 9.0], "warm": [True, True, False, None]})
TABLE = pl.DataFrame(
    {
        "post_id": list("abcd"),
        "prediction": [1.0, 1.0, 3.0, 5.0],
        "lower": [0.0, 0.5, 3.5, 4.0],
        "upper": [2.0, 2.5, 4.5, 9.0],
        "quantiles": [[0.0, 1.5], [0.5, 1.0], [3.5, 4.5], [4.0, 9.0]],
    }
)


def test_golden_values():
    found = interval_metrics(TEST, TABLE, OneWidth(0.8, 1.0))
    assert found == pytest.approx({
        "test.coverage": 0.75,
        "test.half_width": (2 + 2 + 1 + 5) / 8,
        "test.cold.coverage": 0.0,
        "test.warm.coverage": 1.0,
        "test.interval_score": (2 + 2 + 1 + 10 * 0.5 + 5) / 4,
        "test.interval_score_constant": (2 * 4 + 10 * 3) / 4,
        "test.coverage_constant": 0.75,
    })  # fmt: skip


def test_no_intervals_are_no_figures():
    none = TABLE.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("lower", "upper"))
    assert set(interval_metrics(TEST, none, OneWidth(0.8, None)).values()) == {None}
    assert coverage_by_level(TEST, TABLE.drop("quantiles"), (0.1, 0.9)).height == 0
    assert coverage_by_level(TEST, TABLE, ()).height == 0


def test_the_share_below_each_quantile():
    found = coverage_by_level(TEST, TABLE, (0.1, 0.9))
    assert found.to_dict(as_series=False) == {
        "nominal": [0.1, 0.9], "observed": [0.25, 0.75], "cold": [1.0, 1.0], "warm": [0.0, 0.5],
    }  # fmt: skip
