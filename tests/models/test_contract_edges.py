"""The contract of predictors at its edges: windows, seeds, files, and what a run without a choice gets."""

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.models.contract.crossfit import out_of_fold
from popcast.models.contract.predictor_files import read_arrays
from popcast.models.contract.predictors import fitted, require_blocks, require_columns, seed_predictions
from popcast.models.contract.resolving import resolved
from popcast.models.contract.stopping import loss_weights, stopping_window
from popcast.models.params import ModelRun
from popcast.models.reference import predictor as reference
from popcast.models.trees.catboosted import BoostingParams, CatBoosted
from popcast.models.trees.lightgbm_trees import same_bytes, stopped
from tests.models.wide import wide


def test_a_window_and_what_is_left_of_it_have_at_least_twenty_rows():
    for count, found in ((99, None), (100, 20)):
        window = stopping_window(None, count)
        assert (window if window is None else window.watch.sum()) == found
    for late, found in ((19, None), (20, 20), (80, 80), (81, None)):
        window = stopping_window(np.where(np.arange(100) >= 100 - late, 3, 1), 100)
        assert (window if window is None else window.watch.sum()) == found, late
    assert stopping_window(np.full(200, 2), 200).watch.sum() == 40, "one fold is no fold"


def test_mape_weights_halve_where_labels_double():
    weights = loss_weights(np.array([1.0, 1.5, 3.0, -6.0, 0.0]), "mape")
    assert weights / weights[0] == pytest.approx([1, 1 / 1.5, 1 / 3, 1 / 6, 1])


@pytest.mark.parametrize("seed", [5, 2**31 - 1, 2**31 + 70, 2**40 + 3])
def test_seeds_of_any_size_are_those_of_31_bits(seed):
    assert same_bytes(seed)["seed"] == seed % 2**31
    regressor = CatBoosted(BoostingParams(), seed, {})._regressor(1)
    assert regressor.get_param("random_seed") == seed % 2**31


def test_lightgbm_repeats_itself_and_says_nothing():
    settings = same_bytes(1)
    assert (settings["deterministic"], settings["force_row_wise"], settings["verbosity"]) == (True, True, -1)


def test_at_least_one_tree_is_kept_and_no_more_than_help(monkeypatch):
    """Labels to watch that contradict those to learn: every tree makes it worse."""
    import lightgbm

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    x = np.tile([[0.0], [1.0]], (60, 1))
    settings = {**same_bytes(1), "objective": "l2", "min_child_samples": 1}
    learn = lightgbm.Dataset(x, x[:, 0] + 10, params=settings)
    watch = lightgbm.Dataset(x, 11 - x[:, 0], reference=learn)
    assert stopped(settings, learn, watch, 50, 5)[1] == 1


def test_a_pickled_object_in_an_npz_file_is_refused(tmp_path):
    np.savez(tmp_path / "good.npz", a=np.arange(3))
    assert read_arrays(tmp_path / "good.npz")["a"].tolist() == [0, 1, 2]
    np.savez(tmp_path / "bad.npz", a=np.array([{"x": 1}], dtype=object))
    with pytest.raises(BadInput, match="without objects"):
        read_arrays(tmp_path / "bad.npz")


def test_a_predictor_that_wants_no_scratch_gets_none(tmp_path):
    posts, features, target, folds = wide(60)
    model = fitted(reference.Predictor(reference.Params(), 1), tmp_path / "work", posts, features, target, folds)
    assert not hasattr(model, "scratch")
    assert seed_predictions(model, posts, features).shape == (60, 1)


class Working(reference.Predictor):
    """Notes the folder that it was given."""

    scratch, seen = None, None

    def fit(self, posts, features, target, folds):
        self.seen = self.scratch
        if self.scratch is not None:
            self.scratch.mkdir()
        return super().fit(posts, features, target, folds)


def test_a_predictor_that_wants_scratch_has_it_for_its_fit_alone(tmp_path):
    posts, features, target, folds = wide(60)
    model = fitted(Working(reference.Params(), 1), tmp_path / "work", posts, features, target, folds)
    assert (model.seen, model.scratch, (tmp_path / "work").exists()) == (tmp_path / "work", None, False)
    assert fitted(Working(reference.Params(), 1), None, posts, features, target, folds).seen is None


def test_no_fold_to_predict_leaves_empty_arrays():
    posts, features, target, folds = wide(40)
    rows, found = out_of_fold(
        lambda: reference.Predictor(reference.Params(), 1), posts, features, target, folds, True, first=9
    )
    assert (rows.shape, found.shape) == ((0,), (0, 1))


def test_folds_without_time_are_predicted_by_all_the_others():
    """Each fold by the median of the other folds, in the order of the rows."""
    posts, features, target, _ = wide(40)
    folds = np.arange(40) % 4
    rows, found = out_of_fold(lambda: reference.Predictor(reference.Params(), 1), posts, features, target, folds, False)
    assert rows.tolist() == list(range(40))
    assert found[:, 0] == pytest.approx([np.median(target[folds != fold]) for fold in folds])


@pytest.mark.parametrize(
    ("own", "common", "expected"), [(None, True, True), (None, False, False), (False, True, False), (True, False, True)]
)
def test_a_run_may_say_itself_whether_posthoc_values_are_allowed(own, common, expected):
    run = ModelRun(dataset="d", name="n", model="reference", features="d", blocks=[], allow_posthoc=own)
    assert resolved(run, {}, "mae", common).allow_posthoc is expected


@pytest.mark.parametrize(("metric", "loss"), [("mae", "mae"), ("nmse", "rmse"), ("rmse", "rmse"), ("mape", "mape")])
def test_the_loss_of_a_metric_is_taken_only_where_it_is_asked_for(metric, loss):
    asked = {"dataset": "d", "name": "n", "model": "hyfea", "features": "d", "blocks": []}
    assert resolved(ModelRun(**asked), {"loss": "metric"}, metric, False).params["loss"] == loss
    assert (
        resolved(ModelRun(**asked, set={"loss": "huber"}), {"loss": "metric"}, metric, False).params["loss"] == "huber"
    )


def test_the_first_column_or_block_that_is_missing_is_named():
    features = pl.DataFrame({"text.a": [1.0], "image.b": [2.0]})
    require_columns(features, ["text.a", "image.b"], "svr: column", "make it")
    with pytest.raises(BadInput, match=r"svr: column 'text\.c' is missing: make it"):
        require_columns(features, ["text.a", "text.c", "text.d"], "svr: column", "make it")
    require_blocks(features, ["image", "text"], "svr")
    with pytest.raises(BadInput, match="svr: feature block 'a' is missing"):
        require_blocks(features, ("text", "a", "b"), "svr")
