"""``stacker``: trees as arrays are exact, the first layer looks back only, and AutoGluon is an honest option."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor

from popcast.core.errors import BadInput
from popcast.models.stacker import Params, Predictor
from popcast.models.stacker import predictor as stacker
from popcast.models.stacker.stacker_members import Settings, make_member
from popcast.models.trees.tree_arrays import Trees
from tests.models.wide import wide

pytestmark = pytest.mark.usefixtures("one_thread")


def table(rows: int = 400):
    """x float32 [rows, 6] with a fifth missing, y [rows]."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, 6)).astype(np.float32)
    y = 2 * x[:, 0] - x[:, 1] * x[:, 2] + rng.normal(0, 0.1, rows)
    x[rng.random(x.shape) < 0.2] = np.nan
    return x, y


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_boosted_trees_as_arrays_give_the_numbers_of_scikit_learn(loss):
    x, y = table()
    model = HistGradientBoostingRegressor(loss=loss, max_iter=40, early_stopping=False).fit(x[:300], y[:300])
    trees = Trees.of_boosting(model)
    assert np.array_equal(trees.predict(x), model.predict(x))
    empty = np.full((2, 6), np.nan, np.float32)
    assert np.array_equal(trees.predict(empty), model.predict(empty))
    assert trees.predict(x[:0]).shape == (0,)


def test_extra_trees_as_arrays_give_the_numbers_of_scikit_learn():
    x, y = table()
    model = ExtraTreesRegressor(20, min_samples_leaf=3, random_state=0).fit(x[:300], y[:300])
    assert Trees.of_forest(model).predict(x) == pytest.approx(model.predict(x), abs=1e-12)


def test_a_single_leaf():
    x, y = table()
    model = HistGradientBoostingRegressor(max_iter=3, early_stopping=False, min_samples_leaf=400).fit(x, y)
    assert np.array_equal(Trees.of_boosting(model).predict(x[:3]), model.predict(x[:3]))


def test_the_number_of_rounds_is_the_best_one_on_the_last_fold(monkeypatch):
    """Rounds found on the window, then a fit on all rows with exactly as many."""
    x, y = table()
    y = y + np.random.default_rng(0).normal(0, 3, len(y))
    seen = []
    original = HistGradientBoostingRegressor.fit

    def fit(self, rows, *arguments, **options):
        model = original(self, rows, *arguments, **options)
        seen.append((len(rows), self.n_iter_, self.validation_score_ if self.early_stopping else None))
        return model

    monkeypatch.setattr(HistGradientBoostingRegressor, "fit", fit)
    folds = np.arange(400) * 4 // 400
    make_member("boosting", Settings()).fit({"table": x}, y, folds, 3)
    (first, tried, scores), (second, rounds, _) = seen
    assert (first, second) == (300, 400)
    assert tried < 500
    assert rounds == int(np.argmax(scores)), "score 0 is that of no tree at all"


class Spy:
    """A member that knows nothing and writes down what it was shown."""

    calls = ()

    def fit(self, inputs, target, folds, seed):
        self.level = float(target.mean())
        Spy.calls = (
            *Spy.calls,
            (set(inputs["table"][:, 0].tolist()), set(folds.tolist() if folds is not None else [])),
        )
        return self

    def predict(self, inputs):
        Spy.calls = (*Spy.calls, set(inputs["table"][:, 0].tolist()))
        return np.full(len(inputs["table"]), self.level)


@pytest.mark.parametrize("with_time", [True, False])
def test_members_are_weighed_on_posts_that_they_had_not_learned(with_time, monkeypatch):
    """Each inner fit sees older folds alone (other folds where there is no time), the last one sees all rows."""
    posts, features, target, folds = wide(with_time=with_time)
    features = features.select(pl.Series("a.row", np.arange(240.0)), "metadata.hour")
    monkeypatch.setattr(stacker, "make_member", lambda name, settings: Spy())
    Spy.calls = ()
    Predictor(Params(members=["ridge"], inner_folds=4), 3).fit(posts, features, target, folds)
    order = dict(enumerate(folds.tolist()))
    *inner, last = Spy.calls
    assert len(last[0]) == 240
    pairs = list(zip(inner[::2], inner[1::2], strict=True))
    assert len(pairs) == (3 if with_time else 4)
    for (learned, _), asked in pairs:
        assert not learned & asked
        if with_time:
            assert max(order[row] for row in learned) < min(order[row] for row in asked)
        else:
            assert len(learned) + len(asked) == 240


def test_neighbouring_folds_are_joined(data):
    posts = data[0]
    predictor = Predictor(Params(inner_folds=2), 3)
    assert predictor._inner(np.repeat([0, 1, 2, 5], 60), posts).tolist() == [0] * 120 + [1] * 120
    assert predictor._inner(np.repeat([0, 3], 120), posts).tolist() == [0] * 120 + [1] * 120
    assert predictor._inner(None, posts).tolist() == [0] * 120 + [1] * 120
    timeless = predictor._inner(None, wide(with_time=False)[0])
    assert np.bincount(timeless).tolist() == [120, 120]


def test_the_second_layer(data):
    posts, features, target, folds = data
    predictor = Predictor(Params(boosting={"rounds": 30}), 3).fit(posts, features, target, folds)
    assert sum(predictor.weights) == pytest.approx(1)
    assert min(predictor.weights) >= 0
    assert predictor.importances() == dict(zip(["boosting", "ridge"], predictor.weights, strict=True))
    few = Predictor(Params(boosting={"rounds": 5}), 3).fit(posts[:30], features[:30], target[:30], None)
    assert few.weights == [0.5, 0.5], "too few posts to weigh anything"


def test_a_member_that_knows_nothing_gets_no_weight(data, monkeypatch):
    posts, features, target, folds = data
    real = stacker.make_member
    monkeypatch.setattr(stacker, "make_member", lambda n, s: Spy() if n == "extra_trees" else real(n, s))
    predictor = Predictor(Params(members=["ridge", "extra_trees"]), 3).fit(posts, features, target, folds)
    assert predictor.weights[0] > 0.7


def test_files_are_json_and_arrays(data, tmp_path):
    posts, features, target, folds = data
    Predictor(Params(boosting={"rounds": 5}), 3).fit(posts, features, target, folds).save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boosting.npz", "predictor.json", "ridge.npz"]
    with np.load(tmp_path / "boosting.npz", allow_pickle=False) as arrays:
        assert {arrays[name].dtype.kind for name in arrays} <= set("iufb")


def test_autogluon_is_named_with_its_command_where_it_is_missing(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "autogluon.tabular", None)
    with pytest.raises(BadInput, match=r"pip install -r requirements-autogluon\.txt") as caught:
        Predictor(Params(backend="autogluon"), 3).fit(*data)
    assert "\n" not in str(caught.value)


class Recorder:
    """Stands in for TabularPredictor and notes how it is called."""

    fits: tuple = ()
    refitted = 0

    def __init__(self, **options):
        assert options["label"] == "popularity"
        assert options["problem_type"] == "regression"
        assert options["eval_metric"] == "mean_absolute_error"

    def fit(self, train_data, tuning_data, **options):
        Recorder.fits = (*Recorder.fits, (train_data, tuning_data, options))

    def refit_full(self):
        Recorder.refitted += 1

    def predict(self, frame, as_pandas):
        assert not as_pandas
        assert "popularity" not in frame
        return np.full(len(frame), 1e9)


def test_autogluon_chooses_on_the_last_fold_and_then_learns_all_rows(data, monkeypatch):
    pytest.importorskip("pandas")
    posts, features, target, folds = data
    module = ModuleType("autogluon.tabular")
    module.TabularPredictor = Recorder
    monkeypatch.setitem(sys.modules, "autogluon", ModuleType("autogluon"))
    monkeypatch.setitem(sys.modules, "autogluon.tabular", module)
    predictor = Predictor(Params(backend="autogluon", loss="mae"), 3).fit(posts, features, target, folds)
    learned, watched, options = Recorder.fits[0]
    assert learned["popularity"].tolist() == target[folds < 3].tolist()
    assert watched["popularity"].tolist() == target[folds == 3].tolist()
    assert options["presets"] == "medium_quality"
    assert Recorder.refitted == 1
    assert predictor.predict(posts, features).tolist() == [target.max()] * 240, "bounded"


def test_autogluon_gets_words_and_its_multimodal_models_where_asked(data, monkeypatch):
    pytest.importorskip("pandas")
    posts, features, target, folds = data
    module = ModuleType("autogluon.tabular")
    module.TabularPredictor = Recorder
    monkeypatch.setitem(sys.modules, "autogluon", ModuleType("autogluon"))
    monkeypatch.setitem(sys.modules, "autogluon.tabular", module)
    monkeypatch.setattr(Recorder, "fits", ())
    params = Params(backend="autogluon", loss="mae", multimodal=["title", "tags"])
    model = Predictor(params, 3).fit(posts, features, target, folds)
    learned, _, options = Recorder.fits[0]
    assert options["hyperparameters"] == "multimodal"
    order = posts.sort("posted_at", "post_id").filter(folds[np.argsort(posts["posted_at"], kind="stable")] < 3)
    assert learned["words_title"].tolist() == order["title"].fill_null("").to_list()
    assert learned["words_tags"].tolist() == [" ".join(tags or []) for tags in order["tags"].to_list()]
    assert len(model.predict(posts.head(3), features.head(3))) == 3
    with pytest.raises(BadInput, match="posts have no column 'title'"):
        model.predict(posts.drop("title"), features)


@pytest.mark.parametrize("asked", [{"multimodal": ["title"]}, {"backend": "autogluon", "multimodal": ["user_id"]}])
def test_words_that_nobody_may_read_are_refused(asked):
    with pytest.raises(ValueError, match="multimodal: "):
        Params(**asked)


def test_a_folder_of_pickles_is_not_loaded_unasked(data, tmp_path, monkeypatch):
    from popcast.models.stacker.stacker_autogluon import Ensemble

    monkeypatch.delenv("POPCAST_TRUST_PICKLE", raising=False)
    with pytest.raises(BadInput, match=r"AutoGluon keeps pickles.*POPCAST_TRUST_PICKLE=1"):
        Ensemble.load(tmp_path)


@pytest.mark.slow
def test_autogluon_itself(data, tmp_path, monkeypatch):
    """With the extra installed: it learns, and what it saves predicts the same."""
    pytest.importorskip("autogluon.tabular", reason="AutoGluon not installed: requirements-autogluon.txt")
    posts, features, target, folds = data
    predictor = Predictor(Params(backend="autogluon", time_limit=20), 3)
    predictor.fit(posts[:200], features[:200], target[:200], folds[:200])
    found = predictor.predict(posts[200:], features[200:])
    assert np.abs(found - target[200:]).mean() < np.abs(np.median(target[:200]) - target[200:]).mean()
    predictor.save(tmp_path / "model")
    monkeypatch.setenv("POPCAST_TRUST_PICKLE", "1")
    assert np.array_equal(Predictor.load(tmp_path / "model").predict(posts[200:], features[200:]), found)
