"""MFTM and the pooled forms of SVR and HyFea: which numbers they see, and how MFTM weighs its halves."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.features.common.embeddings import embedding
from popcast.models.contract.member_weights import best_share, weighing_part
from popcast.models.hyfea import predictor as hyfea
from popcast.models.inputs.pooling import PooledInputs, pooled
from popcast.models.mftm import predictor as mftm
from popcast.models.nets.networks import Networks
from popcast.models.svr import predictor as svr

pytestmark = pytest.mark.usefixtures("one_thread")

FRAMES = {"visual": "image.embedding", "frames": 2}
QUICK = {"lightgbm": {"rounds": 30, "min_child_samples": 5}, "training": {"max_epochs": 5, "batch_size": 64}}


def fitted(data, **settings):
    posts, features, target, folds = data
    model = mftm.Predictor(mftm.Params(**{**FRAMES, **QUICK, **settings}), 3)
    return model.fit(posts, features, target, folds)


def test_frames_are_pooled_as_named():
    visual = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert pooled(visual, "flat").shape == (2, 12)
    assert pooled(visual, "flat")[1].tolist() == list(range(12, 24))
    assert pooled(visual, "first")[1].tolist() == [12, 13, 14, 15]
    assert pooled(visual, "mean")[1].tolist() == [16, 17, 18, 19]


@pytest.mark.parametrize(("pool", "width"), [("flat", 6), ("mean", 3), ("first", 3)])
def test_pooled_inputs_keep_null_and_survive_json(data, pool, width):
    import orjson

    _, features, _, _ = data
    inputs = PooledInputs("image.embedding", "text.embedding", 2, pool).fit(features, "svr")
    found = inputs.transform(features)
    assert found.columns == ["image.embedding", "text.embedding"]
    assert found.schema["image.embedding"] == pl.Array(pl.Float32, width)
    assert found.null_count().row(0) == features.select(found.columns).null_count().row(0)
    raw = embedding(features["image.embedding"]).reshape(-1, 2, 3)
    expected = {"flat": raw.reshape(-1, 6), "mean": raw.mean(axis=1), "first": raw[:, 0]}[pool]
    assert np.array_equal(embedding(found["image.embedding"]), expected, equal_nan=True)
    again = PooledInputs.from_json(orjson.loads(orjson.dumps(inputs.to_json(), option=orjson.OPT_SORT_KEYS)))
    assert again.transform(features).equals(found)
    with pytest.raises(BadInput, match="svr: wrong width"):
        again.transform(features.with_columns(features["text.embedding"].alias("image.embedding")))


def test_ref_weighs_both_halves_equally_and_learns_raw_labels(data):
    posts, features, _, _ = data
    model = fitted(data, variant="ref")
    assert (model.params.standardise, model.params.bounded) == (False, False)
    assert (model.networks.center, model.networks.scale, model.weight) == (0.0, 1.0, 0.5)
    rows = model._rows(features)
    trees, network = model._halves(rows)
    assert model.predict(posts, features) == pytest.approx(0.5 * trees + 0.5 * network[:, 0])


def test_columns_of_the_published_form():
    """10 frames of 768 beside a title of 768: 8448 columns; a mean frame leaves 1536."""
    features = pl.DataFrame(
        {
            "video.frame_embedding": pl.Series(np.ones((2, 7680)), dtype=pl.Array(pl.Float32, 7680)),
            "text.embedding": pl.Series(np.zeros((2, 768)), dtype=pl.Array(pl.Float32, 768)),
        }
    )
    for pool, width in (("flat", 8448), ("mean", 1536)):
        model = mftm.Predictor(mftm.Params(visual_pool=pool), 0)
        model.inputs = mftm.MicroVideoInputs("video.frame_embedding", "text.embedding", 10).fit(features, "mftm")
        assert model._rows(features).shape == (2, width)


def test_lightgbm_is_at_its_own_defaults(data):
    import lightgbm

    _, features, target, folds = data
    model = fitted(data, variant="ref", lightgbm={})
    rows, learn = model._rows(features), folds < 3
    regressor = lightgbm.LGBMRegressor(n_jobs=1, deterministic=True, force_row_wise=True, verbosity=-1)
    expected = regressor.fit(rows[learn], target[learn]).predict(rows)
    assert model._halves(rows)[0] == pytest.approx(expected, abs=1e-9)
    assert model.booster.num_trees() == 100


def test_the_later_half_of_a_window_weighs_and_a_small_one_does_not():
    window = np.arange(100) % 2 == 1
    later = weighing_part(window)
    assert np.flatnonzero(later).tolist() == list(range(51, 100, 2))
    assert weighing_part(np.arange(100) >= 59).sum() == 21
    assert (weighing_part(np.arange(100) >= 60).sum(), weighing_part(np.arange(100) >= 61)) == (20, None)
    assert weighing_part(None) is None


def test_fixed_does_not_weigh_on_rows_on_which_tabnet_stops(data, monkeypatch):
    """TabNet never meets the later half of the window, whatever its labels are; it stops on the earlier half alone."""
    posts, features, target, folds = data
    watched = []
    whole = Networks.fit

    def spied(networks, build, examples, labels, parts, **more):
        watched.append(labels[more["window"].watch])
        return whole(networks, build, examples, labels, parts, **more)

    monkeypatch.setattr(Networks, "fit", spied)
    first = fitted(data)
    window = np.flatnonzero(folds == 3)
    assert watched[0].tolist() == target[window[:30]].tolist()
    other = target.copy()
    other[window[30:]] += 5
    second = fitted((posts, features, other, folds))
    rows = first._rows(features)
    assert all(np.array_equal(a, b) for a, b in zip(first._halves(rows), second._halves(rows), strict=True))
    assert first.weight != second.weight


def test_a_window_too_small_for_two_leaves_equal_halves(data):
    posts, features, target, _ = data
    few = np.where(np.arange(len(target)) >= len(target) - 39, 1, 0)
    assert fitted((posts, features, target, few)).weight == 0.5


def test_fixed_chooses_the_weight_on_the_later_half_of_the_window(data):
    _, features, target, folds = data
    model = fitted(data)
    trees, network = model._halves(model._rows(features))
    window = weighing_part(folds == 3)

    def error(weight):
        return float((((weight * trees + (1 - weight) * network[:, 0]) - target)[window] ** 2).mean())

    assert error(model.weight) <= min(error(weight) for weight in np.linspace(0, 1, 101)) + 1e-12
    assert 0 < model.weight <= 1
    assert error(model.weight) < error(0.5)


def test_weight_in_closed_form():
    first, second = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 0.0])
    assert best_share(first, second, 0.3 * first + 0.7 * second, otherwise=0.5) == pytest.approx(0.3)
    assert best_share(first, second, 4 * first - 3 * second, otherwise=0.5) == 1.0
    assert best_share(first, second, 4 * second - 3 * first, otherwise=0.5) == 0.0
    assert best_share(first, first, second, otherwise=0.5) == 0.5


def test_window_weighs_so_it_is_not_learned():
    with pytest.raises(ValueError, match="refit"):
        mftm.Params(refit=True)


def test_svr_on_the_first_frame_beside_the_title(data):
    from sklearn.svm import SVR

    posts, features, target, folds = data
    model = svr.Predictor(svr.Params(**FRAMES, visual_pool="first"), 0).fit(posts, features, target, folds)
    vectors = embedding(features["image.embedding"]).reshape(-1, 2, 3)[:, 0]
    raw = np.hstack([vectors, embedding(features["text.embedding"])]).astype(np.float64)
    x = np.nan_to_num((raw - np.nanmean(raw, axis=0)) / np.nanstd(raw, axis=0))
    center = np.median(target)
    expected = SVR(C=1.0, epsilon=0.1, gamma=1 / (15 * x.var())).fit(x, target - center).predict(x) + center
    assert model.predict(posts, features) == pytest.approx(expected, abs=2e-3)


def test_hyfea_on_frames_sees_nothing_else(data):
    posts, features, target, folds = data
    params = hyfea.Params(
        rounds=10, depth=3, **FRAMES, visual_pool="flat", blocks=["history"], embeddings=["text.svd_embedding"]
    )
    model = hyfea.Predictor(params, 0).fit(posts, features, target, folds)
    names = model.ensemble.encoder.names
    assert names == [f"{c}[{i}]" for c, n in (("image.embedding", 6), ("text.embedding", 12)) for i in range(n)]
    alone = features.select("image.embedding", "text.embedding")
    assert np.array_equal(model.predict(posts, alone), model.predict(posts, features))
    with pytest.raises(ValueError, match="neither baseline nor text"):
        hyfea.Params(visual_pool="mean", baseline="history.mean")


def test_titles_alone(data):
    posts, features, target, folds = data
    for module, settings in ((svr, {}), (hyfea, {"rounds": 10, "depth": 3}), (mftm, QUICK)):
        params = module.Params(visual=None, visual_pool="mean", **settings)
        model = module.Predictor(params, 0).fit(posts, features, target, folds)
        titles = features.select("text.embedding")
        assert np.array_equal(model.predict(posts, titles), model.predict(posts, features))
        assert np.corrcoef(model.predict(posts, titles), target)[0, 1] > 0.3


@pytest.mark.parametrize("module", [mftm, svr, hyfea])
def test_missing_frames_are_named(module, data):
    posts, features, target, folds = data
    settings = {"visual_pool": "mean"}
    with pytest.raises(BadInput, match=r"embedding column 'video\.frame_embedding' is missing"):
        module.Predictor(module.Params(**settings), 0).fit(posts, features, target, folds)
    empty = features.with_columns(pl.lit(None, pl.Array(pl.Float32, 6)).alias("image.embedding"))
    with pytest.raises(BadInput, match=r"'image\.embedding' is null in all 240 rows"):
        module.Predictor(module.Params(**settings, **FRAMES), 0).fit(posts, empty, target, folds)
