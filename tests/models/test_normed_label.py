"""``normed_label``: there and back for each norm, what the inner predictor learns, and settings that are refused."""

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.models.contract.resolving import resolved
from popcast.models.normed_label import predictor as normed
from popcast.models.params import ModelRun
from tests.models.wide import wide

RIDGE = {"model": "text_ridge", "set": {"columns": ["history.smoothed_mean"], "fields": []}}
LIGHT = {"model": "lightgbm", "set": {"rounds": 20, "early_stopping": 5, "min_child_samples": 5}}


def fitted(target, **values):
    posts, features, _, folds = wide()
    return normed.Predictor(normed.Params(**values), 1).fit(posts, features, target, folds), posts, features


@pytest.mark.parametrize("norm", ["standardised", "shifted", "scaled", "log1p"])
def test_there_and_back_is_the_label(norm):
    model = normed.Predictor(normed.Params(**LIGHT, norm=norm), 1)
    label = np.array([-0.5, 0.0, 2.29, 3.0, 7.25, 16.0])
    model._note(label)
    there = model.there(label)
    if norm == "shifted":
        assert there.tolist() == pytest.approx([1, 1, 1, 1.71, 5.96, 14.71])
        assert model.back(there).tolist() == pytest.approx([2.29, 2.29, 2.29, 3.0, 7.25, 16.0])
        return
    assert np.all(np.diff(there) > 0)
    np.testing.assert_allclose(model.back(there), label, atol=1e-12)
    if norm == "standardised":
        assert (there.mean(), there.std()) == pytest.approx((0, 1), abs=1e-12)


def test_the_inner_predictor_learns_the_other_scale():
    target = wide()[2]
    model, posts, features = fitted(target, **LIGHT, norm="scaled", scale=0.5)
    np.testing.assert_allclose(model.predict(posts, features), 2 * model.inner.predict(posts, features))
    assert abs(np.median(model.inner.predict(posts, features)) - np.median(target) / 2) < 0.5


def test_a_logarithm_never_leaves_the_labels_seen():
    target = wide()[2]
    model, *_ = fitted(target, **LIGHT, norm="log1p")
    wild = model.back(np.array([-50.0, 900.0]))
    assert wild.tolist() == pytest.approx([target.min(), target.max()])


def test_one_label_is_its_own_prediction():
    model, posts, features = fitted(np.full(240, 4.0), **LIGHT)
    assert model.predict(posts, features).tolist() == [4.0] * 240
    assert model.importances() == {}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model": "lightgbm", "loss": "mape"}, "normed_label: loss mape"),
        ({"model": "text_ridge", "set": {"relative": True}}, "normed_label: relative True"),
        ({"model": "lightgbm", "set": {"baseline": "history.smoothed_mean"}}, "baseline is on the scale of the label"),
        ({"model": "lightgbm", "set": {"leafs": 3}}, "leafs"),
    ],
)
def test_settings_that_mean_nothing_are_refused(values, said):
    with pytest.raises(BadInput, match=said):
        normed.Params(**values)


def test_a_run_names_the_predictor_that_it_is_made_of():
    run = ModelRun(dataset="d", name="n", features="d", model="normed_label", blocks=["history"], set=LIGHT)
    planned = resolved(run, {"norm": "log1p"}, "mae", False)
    assert planned.inner == ["lightgbm"]
    assert planned.params["norm"] == "log1p"


def test_posts_without_rows_have_no_prediction():
    model, posts, features = fitted(wide()[2], **LIGHT)
    assert model.predict(posts.head(0), features.head(0)).shape == (0,)
    assert isinstance(posts, pl.DataFrame)
