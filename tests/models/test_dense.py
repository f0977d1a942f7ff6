"""Inputs of networks: missing flags, skew, unseen categories, values that are not finite."""

from __future__ import annotations

import numpy as np
import orjson
import polars as pl
import pytest

from popcast.models.inputs.dense import CLAMP, Dense
from popcast.models.inputs.matrix import FIRST, MISSING, OTHER
from tests.models.wide import wide

RNG = np.random.default_rng(0)


def frame(**columns) -> pl.DataFrame:
    return pl.DataFrame({name.replace("_", ".", 1): values for name, values in columns.items()})


def test_numbers_have_mean_0_and_sd_1_over_the_known_training_values():
    values = pl.Series(RNG.normal(50, 7, 400)).set(pl.Series(np.arange(400) % 10 == 0), None)
    features = frame(a_x=values)
    dense = Dense().fit(features, "net")
    numeric = dense.transform(features)["numeric"]
    known = values.is_not_null().to_numpy()
    assert numeric.dtype == np.float32
    assert numeric.shape == (400, dense.width) == (400, 2)
    assert numeric[known, 0].mean() == pytest.approx(0, abs=1e-6)
    assert numeric[known, 0].std() == pytest.approx(1, abs=1e-6)
    assert (numeric[~known, 0] == 0).all(), "a missing value is the mean"
    assert numeric[:, 1].tolist() == (~known).tolist(), "and has a flag"


def test_only_columns_with_missing_training_values_have_a_flag():
    features = frame(a_full=RNG.normal(size=50), a_holed=[None, *RNG.normal(size=49)])
    dense = Dense().fit(features, "net")
    assert dense.width == 3
    later = dense.transform(frame(a_full=[None, 1.0], a_holed=[1.0, None]))["numeric"]
    assert later[0, 0] == 0, "missing for the first time: the mean, without a flag"
    assert later[:, 2].tolist() == [0.0, 1.0]


def test_a_skewed_column_is_taken_as_a_logarithm_and_a_straight_one_is_not():
    counts, straight = RNG.pareto(1.5, 500) * 100, RNG.normal(3, 2, 500)
    features = frame(a_counts=counts, a_mirrored=-counts, a_straight=straight)
    dense = Dense().fit(features, "net")
    assert dense.skewed.tolist() == [True, True, False]
    numeric = dense.transform(features)["numeric"]
    logs = np.log1p(counts.astype(np.float32).astype(np.float64))
    expected = np.clip((logs - logs.mean()) / logs.std(), -CLAMP, CLAMP)
    assert numeric[:, 0] == pytest.approx(expected, abs=1e-5)
    assert numeric[:, 1] == pytest.approx(-expected, abs=1e-5)
    assert np.corrcoef(numeric[:, 2], straight)[0, 1] == pytest.approx(1)


def test_the_skew_rule_is_that_of_the_sheet():
    """|skew| > .75: an exponential column has skew 2, a uniform one 0; 0/1 with share p has (1-2p)/sqrt(p(1-p))."""
    share = np.r_[np.ones(36), np.zeros(64)]  # skew .58
    rarer = np.r_[np.ones(30), np.zeros(70)]  # skew .87
    dense = Dense().fit(frame(a_b=share, a_c=rarer, a_d=np.linspace(0, 1, 100)), "net")
    assert dense.skewed.tolist() == [False, True, False]


def test_entries_of_embeddings_are_never_taken_as_logarithms():
    vectors = pl.Series("a.embedding", np.exp(RNG.normal(size=(80, 3))).tolist(), dtype=pl.Array(pl.Float32, 3))
    dense = Dense().fit(pl.DataFrame([vectors, pl.Series("a.x", RNG.pareto(1, 80))]), "net")
    assert dense.skewed.tolist() == [True, False, False, False]


def test_an_extreme_post_is_clamped():
    dense = Dense().fit(frame(a_x=np.linspace(-1, 1, 100)), "net")
    assert dense.transform(frame(a_x=[1e30, -1e30]))["numeric"][:, 0].tolist() == [CLAMP, -CLAMP]


@pytest.mark.filterwarnings("error")
def test_a_value_that_is_not_finite_counts_as_missing():
    values = [*RNG.normal(size=60), np.inf, -np.inf, np.nan, None, 1e300]  # the last is infinite in float32
    dense = Dense().fit(frame(a_x=values), "net")
    clean = Dense().fit(frame(a_x=[v if v is not None and abs(v) < 1e30 else None for v in values]), "net")
    assert dense.to_json() == clean.to_json()
    numeric = dense.transform(frame(a_x=values))["numeric"]
    assert np.isfinite(numeric).all()
    assert numeric[60:].tolist() == [[0.0, 1.0]] * 5


def test_codes_of_rare_missing_and_unseen_categories():
    features = frame(a_kind=["x"] * 12 + ["b"] * 10 + ["rare"] * 3 + [None] * 2)
    dense = Dense(rare=10).fit(features, "net")
    assert dense.sizes == [FIRST + 2]
    codes = dense.transform(frame(a_kind=["x", "b", "rare", "never seen", None]))["codes"]
    assert codes.dtype == np.int64
    assert codes[:, 0].tolist() == [FIRST + 1, FIRST, OTHER, OTHER, MISSING]


def test_each_row_by_itself_and_json_keeps_everything():
    features = wide()[1]
    dense = Dense().fit(features[:180], "net")
    whole = dense.transform(features)
    again = Dense.from_json(orjson.loads(orjson.dumps(dense.to_json())))
    assert (again.width, again.sizes, again.varies) == (dense.width, dense.sizes, True)
    for name, values in whole.items():
        assert np.isfinite(values).all()
        assert np.array_equal(dense.transform(features[200:203])[name], values[200:203])
        assert np.array_equal(again.transform(features)[name], values)
    assert whole["numeric"].shape == (240, dense.width)


def test_what_is_learned_comes_from_the_training_posts_alone():
    features = wide()[1]
    first = Dense().fit(features[:180], "net").to_json()
    other = features.with_columns(pl.col("image.width") * pl.Series(np.r_[np.ones(180), np.full(60, 9.0)]))
    assert Dense().fit(other[:180], "net").to_json() == first


def test_no_columns_at_all():
    dense = Dense().fit(frame(a_x=[1.0, 1.0, 1.0]), "net")
    assert not dense.varies
    assert dense.width == 0
    assert dense.transform(frame(a_x=[2.0]))["numeric"].shape == (1, 0)
    assert dense.transform(frame(a_x=[2.0]))["codes"].shape == (1, 0)
