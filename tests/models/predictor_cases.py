"""Predictors of the contract suite, each with settings that fit in a second, and posts that it can learn from."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import polars as pl

from popcast.core.named import predictor_module
from tests.lm.tiny_llm import tiny_base
from tests.models.tiny_backbone import tiny_backbone
from tests.models.wide import wide

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
