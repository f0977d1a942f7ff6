"""Ensembles and TabNet's pretraining at their edges: constants, few rows, no folds, no rows at all."""

from types import SimpleNamespace

import numpy as np
import pytest

from popcast.models.cr import predictor as cr
from popcast.models.hyfea import predictor as hyfea
from popcast.models.mftm import predictor as mftm
from popcast.models.tabnet.predictor import masked_error
from tests.models.wide import wide

pytestmark = pytest.mark.usefixtures("one_thread")

MFTM = {"visual": "image.embedding", "frames": 2, "lightgbm": {"rounds": 10, "min_child_samples": 5}}
FEW = {"rounds": 20, "early_stopping": 5, "depth": 3, "learning_rate": 0.1}


def fit_mftm(posts, features, target, folds, **settings):
    params = mftm.Params(**MFTM, training={"max_epochs": 3, "batch_size": 64}, **settings)
    return mftm.Predictor(params, 3).fit(posts, features, target, folds)


def test_mftm_of_a_constant_label_is_that_constant(tmp_path):
    posts, features, _, folds = wide(120)
    model = fit_mftm(posts, features, np.full(120, 4.0), folds)
    assert (model.weight, model.booster) == (0.0, None)
    assert model.predict(posts, features).tolist() == [4.0] * 120
    model.save(tmp_path)
    again = mftm.Predictor.load(tmp_path)
    assert again.predict(posts, features).tolist() == [4.0] * 120


@pytest.mark.parametrize("rows", [240, 60])
def test_mftm_without_folds_takes_the_last_fifth_or_no_window(rows, tmp_path):
    """Of 240 rows 48 are the window, whose 24 later ones weigh; 60 are too few for a window, so halves are equal."""
    posts, features, target, _ = wide(rows)
    model = fit_mftm(posts, features, target, None)
    assert (model.weight == 0.5) == (rows == 60)
    model.save(tmp_path)
    found = mftm.Predictor.load(tmp_path)
    assert found.weight == model.weight
    assert np.array_equal(found.predict(posts, features), model.predict(posts, features))
    assert found.predict(posts[:0], features[:0]).shape == (0,)


def test_cr_shows_the_columns_of_its_stronger_half_and_mixes_by_shares_of_one():
    posts, features, target, folds = wide(240)
    model = cr.Predictor(cr.Params(**FEW), 1).fit(posts, features, target, folds)
    assert model.importances() == model.ensembles["with"].importances()
    assert any(name.startswith("profile.") for name in model.importances())
    model.shares = {"profile": 0.25, "known": 0.5, "new": 0.75}
    share = np.array([model.shares[name] for name in cr.segments(features)])
    first, second = (model.ensembles[side].predict(features) for side in ("with", "without"))
    assert model.predict(posts, features) == pytest.approx(share * first + (1 - share) * second)
    bare = features.select(name for name in features.columns if not name.startswith("profile."))
    without = cr.Predictor(cr.Params(**FEW), 1).fit(posts, bare, target, folds)
    assert without.importances() == without.ensembles["without"].importances() != {}


def test_one_older_post_is_enough_to_be_known():
    features = wide(60)[1]
    once = features.with_columns(history_count=1.0).rename({"history_count": "history.count_of"})
    once = once.with_columns(once["history.count_of"].alias("history.count"))
    assert set(cr.segments(once)) == {"profile", "known"}


def test_boosted_trees_of_no_rows_and_of_a_constant(tmp_path):
    posts, features, target, folds = wide(120)
    model = hyfea.Predictor(hyfea.Params(**FEW), 1).fit(posts, features, target, folds)
    assert model.predict(posts[:0], features[:0]).shape == (0,)
    assert np.ptp(model.predict(posts, features)) > 0
    assert max(model.importances().values()) > 0
    flat = hyfea.Predictor(hyfea.Params(**FEW), 1).fit(posts, features, np.full(120, 3.0), folds)
    assert flat.importances() == {}
    flat.save(tmp_path)
    assert hyfea.Predictor.load(tmp_path).predict(posts, features).tolist() == [3.0] * 120


def test_the_error_of_hidden_columns_is_in_units_of_their_variance():
    """Column 0 has variance 4, column 1 none (its unit is 1); a row's error is the mean over what is hidden in it."""
    import torch

    entries = torch.tensor([[0.0, 5.0], [4.0, 5.0], [0.0, 5.0], [4.0, 5.0]])
    encoder = SimpleNamespace(column=torch.tensor([0, 1]))
    module = SimpleNamespace(tabnet=SimpleNamespace(entries=lambda numeric: numeric, encoder=encoder))
    examples = SimpleNamespace(batch=lambda rows: {"numeric": entries[rows]})
    error = masked_error(module, examples, np.arange(4), 0.5)
    concealed = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])

    def network(numeric, hidden):
        assert set(hidden.flatten().tolist()) <= {0.0, 1.0}
        return numeric + torch.tensor([4.0, 2.0]), numeric, concealed

    assert float(error(network, {"numeric": entries})) == pytest.approx(((16 / 4 + 4) / 2 + 16 / 4 + 4 + 0) / 4)
