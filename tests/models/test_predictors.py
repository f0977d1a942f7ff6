"""The contract suite: every predictor keeps the promises of models.contract.predictors. A new one joins PREDICTORS."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.scratch import Scratch
from popcast.models.contract.fitting import make_design, predict_all
from popcast.models.contract.predictor_files import load_predictor
from tests.models.predictor_cases import CLEARLY, PREDICTORS, data_of, family_of, make
from tests.plans import write_plan

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(name):
    """:func:`data_of` the predictor that a test is called with."""
    return data_of(family_of(name))


@pytest.fixture(scope="module", params=PREDICTORS)
def fitted(request):
    """(name, predictor fitted on the first 200 posts, posts and features of the last 40)."""
    posts, features, target, folds = data_of(family_of(request.param))
    model = make(request.param).fit(posts[:200], features[:200], target[:200], folds[:200])
    return request.param, model, posts[200:], features[200:]


def digests(folder) -> dict[str, str]:
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.rglob("*.*"))}


def test_same_seed_same_bytes_and_row_order_of_the_training_table_means_nothing(fitted, tmp_path):
    name, model, _, _ = fitted
    posts, features, target, folds = data_of(family_of(name))
    model.save(tmp_path / "first")
    shuffled = np.random.default_rng(0).permutation(200)
    again = make(name).fit(posts[shuffled], features[shuffled], target[shuffled], folds[shuffled])
    again.save(tmp_path / "second")
    assert digests(tmp_path / "first")
    assert digests(tmp_path / "first") == digests(tmp_path / "second")


def test_save_and_load_are_exact(fitted, tmp_path):
    _, model, posts, features = fitted
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model")
    assert np.array_equal(loaded.predict(posts, features), model.predict(posts, features))
    assert loaded.importances() == pytest.approx(model.importances(), rel=1e-12)


def refusal(kind: type, folder: Path) -> str | None:
    """What loading a predictor is refused with; None: it went well."""
    try:
        load_predictor(kind, folder)
    except BadInput as error:
        return str(error)
    return None


def test_a_broken_file_is_one_line(fitted, tmp_path):
    """Each file cut in half, emptied, gone and of another kind; each JSON with a part less or of another type."""
    _, model, _, _ = fitted
    folder = tmp_path / "model"
    model.save(folder)
    rng, lines = np.random.default_rng(0), []
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        whole = file.read_bytes()
        spoiled = [whole[: len(whole) // 2], b"", rng.bytes(64), None]
        if file.suffix == ".json" and isinstance(content := orjson.loads(whole), dict) and content:
            key = sorted(content)[rng.integers(len(content))]
            spoiled += [orjson.dumps({name: value for name, value in content.items() if name != key})]
            spoiled += [orjson.dumps(content | {key: wrong}) for wrong in ("text", [[1]], {"a": None})]
        for broken in spoiled:
            file.unlink(missing_ok=True)
            if broken is not None:
                file.write_bytes(broken)
            lines.append(refusal(type(model), folder))
        file.write_bytes(whole)
    told = [line for line in lines if line is not None]
    assert len(told) >= 4
    assert all("\n" not in line for line in told)
    assert refusal(type(model), folder) is None


def test_a_prediction_does_not_depend_on_the_other_rows(fitted):
    _, model, posts, features = fitted
    whole = model.predict(posts, features)
    assert whole.shape == (40,)
    assert whole.dtype == np.float64
    assert model.predict(posts[::-1], features[::-1])[::-1] == pytest.approx(whole, abs=1e-9)
    for part in (slice(7, 8), slice(3, 5), slice(9, 20), slice(21, 40)):
        assert model.predict(posts[part], features[part]) == pytest.approx(whole[part], abs=1e-9)
    assert model.predict(posts[:0], features[:0]).shape == (0,)


def test_columns_in_another_order_change_nothing(fitted):
    _, model, posts, features = fitted
    other = features.select(features.columns[::-1])
    assert np.array_equal(model.predict(posts, other), model.predict(posts, features))


def test_missing_values_unseen_users_and_unseen_categories_give_finite_predictions(fitted):
    _, model, posts, features = fitted
    empty = features.with_columns(pl.lit(None, dtype=dtype).alias(name) for name, dtype in features.schema.items())
    nameless = posts.with_columns(user_id=pl.lit("nobody"), title=None, category=None).with_columns(
        pl.col("title", "category").cast(pl.String), tags=pl.lit(None, dtype=pl.List(pl.String))
    )
    strange = features.with_columns(pl.lit("never seen").alias("metadata.category"))
    for frame in (empty, strange):
        predictions = model.predict(nameless, frame)
        assert np.isfinite(predictions).all()
        assert (np.abs(predictions - 6) < 12).all()


def test_importances_are_finite_and_belong_to_columns(fitted):
    name, model, _, _ = fitted
    importances = model.importances()
    assert all(np.isfinite(value) and value >= 0 for value in importances.values())
    if not name.startswith(
        (
            "cnn",
            "dae_cnn",
            "median",
            "author_mean",
            "svr",
            "text_regressor",
            "mmra",
            "mftm",
            "tmall_ref",
            "cban",
            "contextual",
            "hmmved",
            "massl",
            "on_top",
            "normed_label_seeds",
            "multismpllm",
            "popsim_agent",
        )
    ):
        assert max(importances.values()) > 0
        assert not any("constant" in key or "odd" in key or "index" in key for key in importances)


def test_it_learns_something(fitted):
    """On later posts each model is clearly closer than the median, which is what it has to beat.

    A tiny language model of random weights learns the posts that it was tuned on, and no more.
    """
    name, model, posts, features = fitted
    everything = data_of(family_of(name))
    target = everything[2][200:]
    if name in ("multismpllm", "popsim_agent"):
        tuned = everything[0]["post_id"].is_in(model.records["post_id"].implode()).to_numpy()
        posts, features, target = everything[0].filter(tuned), everything[1].filter(tuned), everything[2][tuned]
    error = np.abs(model.predict(posts, features) - target).mean()
    constant = np.abs(np.median(everything[2][:200]) - target).mean()
    assert error == pytest.approx(constant) if name == "median" else error < CLEARLY * constant


@pytest.mark.parametrize("name", PREDICTORS)
def test_a_handful_of_posts_and_a_constant_label(name, data):
    """No stopping window, no fold, no variance: still finite, and equal to the only label there is."""
    posts, features, _, _ = data
    model = make(name).fit(posts[:6], features[:6], np.full(6, 3.0), None)
    expected = 3.0
    if name in (
        "author_mean",
        "lightgbm_baseline",
        "lightgbm_scores",
        "hyfea_scores",
    ):  # the column speaks of the generated labels, not of this one
        assert np.isfinite(model.predict(posts[6:9], features[6:9])).all()
    else:
        assert model.predict(posts[6:9], features[6:9]) == pytest.approx(np.full(3, expected), abs=0.11)


@pytest.mark.parametrize("rows", [60, 200], ids=["everywhere", "before the stopping window"])
@pytest.mark.parametrize("name", PREDICTORS)
def test_columns_that_are_empty_or_constant_where_it_learns(name, rows, data):
    """The past of young accounts: nothing is known of it in the posts learned from, and something in later ones."""
    posts, features, target, folds = data
    history = pl.selectors.starts_with("history.") & pl.selectors.numeric()
    constant = pl.selectors.starts_with("metadata.") & pl.selectors.numeric()
    late = pl.Series("late", folds[:rows] == folds.max())
    young = features[:rows].with_columns(pl.when(late).then(history).name.keep(), constant.first())
    assert young.filter(~late).select(history).drop_nulls().is_empty()
    assert young.select(constant).n_unique() == 1
    model = make(name).fit(posts[:rows], young, target[:rows], folds[:rows])
    assert np.isfinite(model.predict(posts[200:], features[200:])).all()


@pytest.mark.parametrize("name", PREDICTORS)
def test_labels_of_test_posts_have_no_influence(name, data, tmp_path, monkeypatch):
    """The whole run, twice, with the labels of valid and test permuted: not one prediction changes."""
    monkeypatch.chdir(tmp_path)
    posts, features, target, folds = data
    split = np.array(["train"] * 150 + ["valid"] * 30 + ["test"] * 60)
    fold = [int(f) if s == "train" else None for f, s in zip(folds, split, strict=True)]
    blocks = _blocks(posts, features)
    tables = []
    for number in range(2):
        labels = target.copy()
        if number:
            labels[150:] = np.random.default_rng(1).permutation(labels[150:]) * 3
        table = posts.with_columns(
            popularity=labels, posthoc_views=labels * 2, split=pl.Series(split), fold=pl.Series(fold, dtype=pl.Int8)
        )
        with Scratch(write_plan("train", f"{name}-{number}", {}), []) as scratch:
            tables.append(predict_all(lambda: make(name), make_design(table, blocks, True), "labelled", scratch)[0])
    assert tables[0].equals(tables[1])
    assert tables[0]["prediction"].is_finite().all()


def _blocks(posts: pl.DataFrame, features: pl.DataFrame) -> dict[str, pl.DataFrame]:
    names = sorted({column.split(".")[0] for column in features.columns})
    return {
        name: features.select(posts["post_id"], *(c for c in features.columns if c.startswith(f"{name}.")))
        for name in names
    }


@pytest.mark.parametrize(
    ("name", "dropped", "said"),
    [
        ("history_ridge", "history", "history"),
        ("knn", "neighbours", "neighbours"),
        ("svr", "embedding", "text.embedding"),
        ("lightgbm_baseline", "history", "history.smoothed_mean"),
        ("text_ridge_wide", "text", "text.embedding"),
    ],
)
def test_a_missing_block_is_named(name, dropped, said, data):
    posts, features, target, folds = data
    left = features.select(c for c in features.columns if dropped not in c)
    with pytest.raises(BadInput, match=said):
        make(name).fit(posts, left, target, folds)
