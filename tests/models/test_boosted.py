"""Boosted ensembles: the stopping window, the losses, the baseline column and the shares of ``cr``."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.models.contract.stopping import ASIDE, loss_weights, older, sample_rows, set_aside, stopping_window
from popcast.models.cr import predictor as cr
from popcast.models.hyfea import predictor as hyfea
from popcast.models.lightgbm import predictor as lightgbm
from popcast.models.on_top import predictor as on_top
from tests.models.wide import wide

pytestmark = pytest.mark.usefixtures("one_thread")

FEW = {"rounds": 30, "early_stopping": 5}


def test_the_stopping_window_is_the_last_fold_or_the_last_fifth():
    folds = np.repeat([0, 1, 2], 30)
    assert np.flatnonzero(stopping_window(folds, 90).watch).tolist() == list(range(60, 90))
    assert np.flatnonzero(stopping_window(None, 100).watch).tolist() == list(range(80, 100))
    assert np.flatnonzero(stopping_window(np.zeros(100, int), 100).watch).tolist() == list(range(80, 100))
    assert stopping_window(None, 50) is None
    assert stopping_window(np.array([0] * 50 + [1] * 5), 55) is None
    assert stopping_window(np.array([0] * 20 + [1] * 20), 40).learn.sum() == 20
    assert stopping_window(np.array([0] * 19 + [1] * 20), 39) is None
    assert stopping_window(np.array([0] * 20 + [1] * 19), 39) is None


def test_rows_set_aside_are_neither_learned_nor_watched():
    folds = np.array([0] * 30 + [ASIDE] * 5 + [1] * 30)
    window = stopping_window(folds, 65)
    assert np.flatnonzero(window.learn).tolist() == list(range(30))
    assert np.flatnonzero(window.watch).tolist() == list(range(35, 65))
    one = stopping_window(np.array([0] * 90 + [ASIDE] * 10), 100)
    assert one is None, "a fifth of 90 rows is too small a window"
    one = stopping_window(np.array([0] * 100 + [ASIDE] * 10), 110)
    assert np.flatnonzero(one.watch).tolist() == list(range(80, 100))
    assert np.flatnonzero(one.learn).tolist() == list(range(80))


def test_older_rows_are_of_earlier_folds_and_before_the_first_post_of_this_one():
    folds, moments = np.array([0, 0, 1, 0, 1, 2, 1, 2, 0]), np.array([1, 2, 3, 3, 4, 5, 5, 6, 9])
    assert older(folds, moments, 0).tolist() == [False] * 9
    assert older(folds, moments, 1).tolist() == [True, True] + [False] * 7  # one of fold 0 has the very moment
    assert older(folds, moments, 2).tolist() == [True] * 5 + [False] * 4
    aside = set_aside(folds, moments)
    assert aside.tolist() == [0, 0, 1, 0, 1, 2, ASIDE, 2, ASIDE]
    assert set_aside(aside, moments).tolist() == aside.tolist()
    assert not older(aside, moments, 2)[[6, 8]].any()


def test_mape_weights_are_clipped_near_zero():
    weights = loss_weights(np.array([0.0, 0.5, 2.0, -4.0]), "mape")
    assert (weights / weights[0]).tolist() == [1, 1, 0.5, 0.25]
    assert weights.mean() == pytest.approx(1)
    assert loss_weights(np.ones(2), "mae") is None


def test_the_shap_sample_is_fixed():
    rows = sample_rows(2000, 3)
    assert len(set(rows.tolist())) == 500
    assert np.array_equal(rows, sample_rows(2000, 3))
    assert sample_rows(4, 3).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("baseline", [None, "history.level"])
@pytest.mark.parametrize("module", [hyfea, lightgbm])
def test_a_loss_moves_the_prediction_to_its_own_optimum(module, baseline):
    """Skewed labels: RMSE ends at the mean of a group, MAE at its median, MAPE at the median weighted with 1 / y.

    Wherever the trees start: what MAPE divides by is the label, not how far the label lies from the start.
    """
    rng = np.random.default_rng(0)
    side = np.tile([0.0, 1.0], 400)
    target = 2 + 6 * side + rng.exponential(2.0, 800)
    posts = wide(800)[0]
    features = pl.DataFrame({"metadata.side": side, "history.level": np.full(800, 6.0)})
    values = {"rounds": 150, "learning_rate": 0.2, "early_stopping": 150, "rare": 1, "baseline": baseline}
    found = {}
    for loss in ("rmse", "mae", "mape"):
        model = module.Predictor(module.Params(**values, loss=loss), 1)
        model.fit(posts, features, target, None)
        found[loss] = model.predict(posts, features)[side == 0].mean()
    group = target[side == 0]
    ordered = np.sort(group)
    weight = np.cumsum(1 / ordered)
    lower = ordered[np.searchsorted(weight, weight[-1] / 2)]
    assert lower < np.median(group) - 0.4 < group.mean() - 0.8
    expected = {"rmse": group.mean(), "mae": np.median(group), "mape": lower}
    assert found == pytest.approx(expected, abs=0.15)


def test_refit_learns_from_the_stopping_window_too(data):
    posts, features, target, folds = data
    both = []
    for refit in (True, False):
        model = hyfea.Predictor(hyfea.Params(**FEW, depth=3, refit=refit), 1).fit(posts, features, target, folds)
        both.append(model)
    assert both[0].ensemble.model.tree_count_ == both[1].ensemble.model.tree_count_
    assert not np.array_equal(both[0].predict(posts, features), both[1].predict(posts, features))


def test_labels_of_the_stopping_window_do_not_reach_trees_without_refit(data):
    """With refit off and rounds too few to stop, the window decides nothing, so its labels change nothing."""
    posts, features, target, folds = data
    other = target.copy()
    other[folds == 3] = other[folds == 3][::-1]
    params = lightgbm.Params(rounds=1, refit=False, baseline="history.smoothed_mean")
    first = lightgbm.Predictor(params, 1).fit(posts, features, target, folds)
    second = lightgbm.Predictor(params, 1).fit(posts, features, other, folds)
    known = features["history.smoothed_mean"].is_not_null().to_numpy()
    assert np.array_equal(first.predict(posts, features)[known], second.predict(posts, features)[known])


def test_the_baseline_is_where_lightgbm_starts(data):
    """Trees that may not split add one constant, so predictions follow the baseline; null is the training median."""
    posts, features, target, _ = data
    params = lightgbm.Params(rounds=1, min_child_samples=1000, baseline="history.smoothed_mean")
    model = lightgbm.Predictor(params, 1).fit(posts, features, target, None)
    start = features["history.smoothed_mean"].fill_null(float(np.median(target))).to_numpy()
    gap = model.predict(posts, features) - start
    assert gap == pytest.approx(np.full(len(gap), gap[0]), abs=1e-5)
    assert features["history.smoothed_mean"].null_count() > 0


def test_cr_does_not_weigh_on_the_rows_on_which_it_stops(data, monkeypatch):
    """Labels of the later half of the window change no number of trees, those of the earlier half no share's rows."""
    posts, features, target, folds = data
    window = np.flatnonzero(folds == 3)
    asked = []
    monkeypatch.setattr(cr, "SMALLEST_SEGMENT", 1)
    monkeypatch.setattr(cr, "best_share", lambda first, second, truth, otherwise: asked.append(truth) or 0.5)
    params = cr.Params(**{**FEW, "rounds": 200}, depth=3, learning_rate=0.3)
    first = cr.Predictor(params, 1).fit(posts, features, target, folds)
    weighed = np.concatenate(asked)
    assert sorted(weighed) == sorted(target[window[30:]])
    other = target.copy()
    other[window[30:]] = target[window[30:]][::-1]
    second = cr.Predictor(params, 1).fit(posts, features, other, folds)
    for side in ("with", "without"):
        assert first.ensembles[side].model.tree_count_ == second.ensembles[side].model.tree_count_ < 200


def test_seeds_are_averaged(data):
    posts, features, target, folds = data

    def predict(seed, seeds):
        model = lightgbm.Predictor(lightgbm.Params(**FEW, min_child_samples=5, seeds=seeds), seed)
        return model.fit(posts, features, target, folds).predict(posts, features)

    assert predict(4, 2) == pytest.approx((predict(4, 1) + predict(5, 1)) / 2, abs=1e-9)
    assert not np.array_equal(predict(4, 1), predict(5, 1))


def test_cr_without_profile_block_is_the_model_without(data):
    posts, features, target, folds = data
    bare = features.select(c for c in features.columns if not c.startswith("profile."))
    params = cr.Params(**FEW, depth=3)
    without = cr.Predictor(params, 1).fit(posts, bare, target, folds)
    assert list(without.ensembles) == ["without"]
    both = cr.Predictor(params, 1).fit(posts, features, target, folds)
    assert both.ensembles["without"].predict(features) == pytest.approx(without.predict(posts, bare), abs=1e-12)
    assert not any(name.startswith("profile.") for name in both.ensembles["without"].encoder.names)
    assert any(name.startswith("profile.") for name in both.ensembles["with"].encoder.names)


def test_cr_segments(data):
    features = data[1]
    segment = cr.segments(features)
    profile = features["profile.has_profile"].to_numpy() > 0
    count = features["history.count"].to_numpy()
    assert (segment[profile] == "profile").all()
    assert (segment[~profile & (count > 0)] == "known").all()
    assert (segment[~profile & (count == 0)] == "new").all()
    assert (~profile & (count == 0)).any()


def test_cr_shares_are_the_least_squares_of_the_later_half_of_the_last_fold():
    """In the generated posts a profile all but gives the label away, so W takes over where there is one."""
    posts, features, target, _ = wide(340)
    folds = np.where(np.arange(len(target)) < 100, 0, 1)
    model = cr.Predictor(cr.Params(rounds=60, early_stopping=10, depth=3, learning_rate=0.1), 1)
    model.fit(posts, features, target, folds)
    window = np.arange(len(target)) >= 220
    rows = cr.segments(features.filter(pl.Series(window))) == "profile"
    assert rows.sum() >= cr.SMALLEST_SEGMENT
    with_profile = model.ensembles["with"].weighing_prediction[rows]
    without = model.ensembles["without"].weighing_prediction[rows]

    def error(share):
        return ((share * with_profile + (1 - share) * without - target[window][rows]) ** 2).mean()

    best = min(np.linspace(0, 1, 1001), key=error)
    assert model.shares["profile"] == pytest.approx(best, abs=1e-3)
    assert model.shares["profile"] > 0.5
    assert model.shares["new"] == cr.PUBLISHED["new"], "too few new authors to fit a share"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "text_ridge", "set": {"relative": True}}, "on_top: relative True"),
        ({"model": "cnn", "loss": "mape"}, "on_top: loss mape"),
        ({"model": "hyfea", "set": {"loss": "mape"}}, "on_top: loss mape"),
        ({"model": "stacker", "loss": "mape"}, "on_top: loss mape"),
    ],
)
def test_a_relative_error_of_a_difference_is_refused_under_every_name(asked, said):
    with pytest.raises(BadInput, match=f"{said}: a relative error of a difference means nothing"):
        on_top.Params(**asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "lightgbm", "set": {"leaves": 3}},
        {"model": "lightgbm", "set": {"num_leaves": "many"}},
        {"model": "cnn", "set": {"training": {"epochs": 3}}},
        {"model": "stacker", "set": {"boosting": {"$(touch x)": 3}}},
        {"model": "on_top", "set": {"model": "lightgbm", "set": {"leaves": 3}}},
    ],
)
def test_wrong_settings_of_an_inner_predictor_are_refused_when_params_are_read(asked):
    with pytest.raises(BadInput, match=r"lightgbm\.set|cnn\.set|stacker\.set"):
        on_top.Params(**asked)
