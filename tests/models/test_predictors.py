"""The contract suite: every predictor keeps the promises of models.contract.predictors. A new one joins PREDICTORS."""

from __future__ import annotations

import hashlib
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.named import predictor_module
from popcast.core.scratch import Scratch
from popcast.models.contract.fitting import make_design, predict_all
from popcast.models.contract.predictor_files import load_predictor
from tests.lm.tiny_llm import tiny_base
from tests.models.tiny_backbone import tiny_backbone
from tests.models.wide import wide
from tests.plans import write_plan

pytestmark = pytest.mark.usefixtures("one_thread")

FEW = {"rounds": 25, "early_stopping": 5}
SCORES = {"fields": ["title", "tags"], "min_df": 2, "author_posts": 5, "stretches": 3}
PREDICTORS = {
    "median": ("reference", {"kind": "median"}),
    "author_mean": ("reference", {"kind": "author_mean"}),
    "history_ridge": ("reference", {"kind": "history_ridge"}),
    "hyfea": ("hyfea", {**FEW, "depth": 4}),
    "hyfea_huber": ("hyfea", {**FEW, "depth": 3, "loss": "huber"}),
    "hyfea_mape": ("hyfea", {**FEW, "depth": 3, "loss": "mape"}),
    "cr": ("cr", {**FEW, "depth": 3}),
    "lightgbm": ("lightgbm", {**FEW, "min_child_samples": 5, "seeds": 2}),
    "lightgbm_baseline": ("lightgbm", {**FEW, "baseline": "history.smoothed_mean", "loss": "mae"}),
    "lightgbm_scores": ("lightgbm", {**FEW, "baseline": "history.smoothed_mean", "text": SCORES}),
    "hyfea_scores": ("hyfea", {**FEW, "depth": 3, "baseline": "history.smoothed_mean", "text": SCORES}),
    "lightgbm_mape": ("lightgbm", {**FEW, "loss": "mape"}),
    "text_ridge": ("text_ridge", {"fields": ["title", "tags", "category"]}),
    "text_ridge_wide": ("text_ridge", {"columns": ["history.smoothed_mean"], "embeddings": ["text.embedding"]}),
    "text_ridge_relative": ("text_ridge", {"relative": True}),
    "knn": ("knn", {}),
    "svr": ("svr", {}),
    "nearby": ("nearby", {"k": 5}),
    "nearby_words": ("nearby", {"k": 5, "beside": ["image.embedding"], "words": ["title", "tags"]}),
    "kernel_ridge": ("kernel_ridge", {}),
}
TINY_TEXT = {
    "backbone": tiny_backbone,
    "columns": ["history.smoothed_mean"],
    "head_scale": 1.0,
    "training": {"learning_rate": 0.01, "max_epochs": 8, "batch_size": 32, "patience": 4},
}
PREDICTORS |= {
    "text_regressor": ("text_regressor", {**TINY_TEXT, "fields": ["title", "tags", "category"]}),
    "text_regressor_mlm": (
        "text_regressor",
        {**TINY_TEXT, "frozen_layers": 1, "reinit": 1, "mlm": {"training": {"max_epochs": 1}}, "seeds": 2},
    ),
}
MMRA = {"visual": "image.embedding", "frames": 2, "width": 16, "hidden": [32, 8], "k": 5}
MMRA["training"] = {"learning_rate": 0.003, "max_epochs": 15}
PREDICTORS |= {f"mmra_{variant}": ("mmra", {**MMRA, "variant": variant}) for variant in ("ref", "fixed", "paper")}
PREDICTORS["mmra_titles"] = ("mmra", {**MMRA, "visual": None, "learn_temperature": True, "seeds": 2, "refit": True})
TABNET = {"n_d": 8, "n_a": 8, "virtual_batch": 32}
TABNET["training"] = {"learning_rate": 0.05, "max_epochs": 15, "batch_size": 64, "patience": 15}
FRAMES = {"visual": "image.embedding", "frames": 2}
TINY_MFTM = {
    **FRAMES,
    "lightgbm": {"rounds": 20, "min_child_samples": 5},
    "training": {"max_epochs": 16, "batch_size": 32},
}
PREDICTORS |= {
    "on_top": (
        "on_top",
        {
            "model": "cnn",
            "baseline": "history.smoothed_mean",
            "text": SCORES,
            "set": {"seeds": 2, "training": {"max_epochs": 6, "batch_size": 32, "learning_rate": 0.01}},
        },
    ),
    "normed_label": ("normed_label", {"model": "hyfea", "norm": "log1p", "set": {**FEW, "depth": 3}}),
    "normed_label_seeds": (
        "normed_label",
        {"model": "cnn", "set": {"seeds": 2, "training": {"max_epochs": 6, "batch_size": 32, "learning_rate": 0.01}}},
    ),
    "tabnet": ("tabnet", {**TABNET, "seeds": 2}),
    "tabnet_pretrained": (
        "tabnet",
        {**TABNET, "seeds": 2, "pretrain": {"training": {"max_epochs": 2, "batch_size": 64}}},
    ),
    "mftm": ("mftm", {**TINY_MFTM, "visual_pool": "mean"}),
    "tmall_ref": ("tmall", {**FRAMES, "variant": "ref", "training": {"learning_rate": 0.1, "max_epochs": 60}}),
    "tmall_fixed": ("tmall", {**FRAMES, "mu": [0.01], "lam": [0.03, 0.3]}),
    "svr_first": ("svr", {**FRAMES, "visual_pool": "first"}),
    "svr_mean": ("svr", {**FRAMES, "visual_pool": "mean"}),
    "hyfea_pooled": ("hyfea", {**FEW, "depth": 3, "learning_rate": 0.1, **FRAMES, "visual_pool": "mean"}),
}
TINY_EXPERTS = {**FRAMES, "width": 8, "heads": 2, "feedforward": 8, "hidden": [16, 8]}
TINY_EXPERTS["training"] = {"learning_rate": 0.01, "max_epochs": 6, "batch_size": 16}
TINY_VIDEO = {**FRAMES, "training": {**TINY_EXPERTS["training"], "max_epochs": 8}}
PREDICTORS |= {
    "cban_ref": ("cban", {**TINY_VIDEO, "variant": "ref", "width": 8}),
    "cban_fixed": ("cban", {**TINY_VIDEO, "width": 8, "seeds": 2}),
    "contextual_lstm_ref": ("contextual_lstm", {**TINY_VIDEO, "variant": "ref", "hidden": 8, "dense": 8}),
    "contextual_lstm_fixed": ("contextual_lstm", {**TINY_VIDEO, "hidden": 8, "dense": 8}),
    "hmmved_fixed": ("hmmved", {**TINY_EXPERTS, "latent": 4}),
    "hmmved_paper": ("hmmved", {**TINY_VIDEO, "variant": "paper"}),
    "massl_fixed": ("massl", {**TINY_EXPERTS, "latent": 256}),
}
CNN = {"length": 12, "channels": 4, "filters": 4}
CNN = {"convolution": CNN, "training": {"learning_rate": 0.01, "max_epochs": 12, "batch_size": 32}}
DAE = {"tokens": 2, "width": 8, "heads": 2, "feedforward": 8, "layers": 2, "training": {"max_epochs": 3}}
PREDICTORS |= {
    "cnn": ("cnn", {**CNN, "seeds": 2, "loss": "mae"}),
    "cnn_refit": ("cnn", {**CNN, "refit": True, "loss": "mape"}),
    "dae_cnn": ("dae_cnn", {**CNN, "autoencoder": DAE}),
    "dae_cnn_supervised": (
        "dae_cnn",
        {**CNN, "autoencoder": {"supervised": True, "hidden": 8, "training": {"max_epochs": 5}}},
    ),
    "stacker": ("stacker", {"boosting": {"rounds": 30}}),
    "stacker_trees": (
        "stacker",
        {"members": ["ridge", "extra_trees"], "extra_trees": {"n_estimators": 10}, "second": "ridge", "loss": "mape"},
    ),
}


@cache
def tiny_llm() -> str:
    """Folder of a tiny language model with random weights."""
    return str(tiny_base(Path(tempfile.mkdtemp(prefix="tiny-llm-"))))


TINY_LLM = {"base": tiny_llm, "template": "table", "fields": ["title"], "prompts": {"instruction": ""}, "shots": 1}
TINY_LLM["tuning"] = {"method": "full", "learning_rate": 0.01, "epochs": 16, "batch_size": 8}
PREDICTORS["multismpllm"] = ("multismpllm", {**TINY_LLM, "max_train": 32})
PREDICTORS["popsim_agent"] = ("popsim_agent", {**TINY_LLM, "max_train": 32})
VECTORS = ("svr", "nearby", "kernel", "mmra", "mftm", "tmall", "cban", "contextual", "hmmved", "massl", "tabnet")
SEEN = {
    "words": {"author": 0.2, "category": 0.2, "sunset": 4.0, "latent": 0.2},
    "vectors": {"author": 0.2, "category": 0.1, "sunset": 0.3, "latent": 3.0},
}
"""What the target is made of for predictors that see a part of it alone, so that tiny ones can show what they learn."""
CLEARLY = 0.95
"""Share of the median's error that a predictor has to stay below."""
SEED = 11


def make(name: str, seed: int = SEED):
    file, values = PREDICTORS[name]
    module = predictor_module(file)
    values = {key: value() if callable(value) else value for key, value in values.items()}
    return module.Predictor(module.Params(**values), seed)


@cache
def data_of(family: str):
    """The wide frame whose target is what ``family`` can see, or of everything.

    Its mean field has a few words and a number that say nothing about the label.
    """
    posts, features, target, folds = wide(**SEEN.get(family, {}))
    row = pl.int_range(posts.height)
    field = {
        "mean_field.text": pl.Series(["liked", "left alone"]).gather(row % 2),
        "mean_field.attitude": row % 7 * 0.5,
    }
    return posts, features.with_columns(posts.select(**field)), target, folds


def family_of(name: str) -> str:
    if name in ("text_ridge", "text_ridge_relative", "text_regressor", "text_regressor_mlm"):
        return "words"
    return "vectors" if name == "hyfea_pooled" or name.startswith(VECTORS) else ""


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
