"""``text_regressor``: a pretrained text encoder, fine-tuned to read popularity off a post's words.

Sheet smp2025.md section 6, as specified there: within-task pretraining on the training texts, re-initialised top
layers, layer-wise learning rates, attention head, outputs [n]. The default backbone is all-MiniLM-L6-v2 out of its
Python package; ``roberta-base`` and others of the BERT family go by hub id or folder. With ``frozen_layers`` the bottom
of the network is run once and kept, which saves most of the time on a CPU. Saved: safetensors, tokenizer, config.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import orjson
import polars as pl

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.features.text.block import joined_text
from popcast.models.contract.stopping import stopping_window
from popcast.models.inputs.matrix import numbers, training_order
from popcast.models.nets.networks import Networks
from popcast.models.nets.training import chosen_device, seeded
from popcast.models.text_regressor.params import Params

if TYPE_CHECKING:
    from popcast.models.text_regressor.text_network import TextNetwork, Texts


class Predictor:
    """Mean of the fine-tuned networks, one per seed."""

    Params = Params
    blocks = ()
    scratch: Path | None = None

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.networks = Networks(params, seed, "text_regressor")
        self.perplexity: dict[str, float] = {}

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        from popcast.models.text_regressor import text_network

        p, order = self.params, training_order(posts)
        missing = [name for name in p.columns if name not in features.columns]
        if missing:
            raise BadInput(
                f"text_regressor: feature column {missing[0]!r} is missing: see models.text_regressor.columns"
            )
        posts, features, target = posts[order], features[order], target[order]
        folds = None if folds is None else folds[order]
        if not joined_text(posts, p.fields).drop_nulls().len():
            raise BadInput(f"text_regressor: no post has any text in {p.fields}: set models.text_regressor.fields")
        self.config = text_network.load_config(p.backbone, p.dropout)
        layers = self.config.num_hidden_layers
        if p.frozen_layers + p.reinit > layers:
            raise BadInput(
                f"text_regressor: frozen_layers + reinit: got {p.frozen_layers} + {p.reinit}, "
                f"expected at most the {layers} layers of {p.backbone}"
            )
        self.tokenizer = text_network.load_tokenizer(p.backbone)
        self._fit_scale(features)
        texts = self._texts(posts, features)
        adapted = self._adapted(texts, stopping_window(folds, len(target)))

        def build() -> TextNetwork:
            backbone = text_network.load_backbone(p.backbone, self.config)
            if adapted is not None:
                backbone.load_state_dict(adapted)
            return text_network.TextNetwork(backbone, len(p.columns), p.frozen_layers, p.reinit)

        if p.frozen_layers:
            with seeded(self.seed):
                texts.keep_hidden(build(), chosen_device(p.training.device))
        self.networks.fit(
            build, texts, target, folds, scratch=self.scratch,
            groups=lambda network: network.groups(p.decay, p.head_scale, p.training.weight_decay),
        )  # fmt: skip
        return self

    def _adapted(self, texts: Texts, window: np.ndarray | None) -> dict | None:
        """Backbone weights after within-task pretraining; None without it, or where it did not help."""
        if self.params.mlm is None or window is None:
            return None
        from popcast.models.text_regressor.masked_lm import pretrain

        name, settings = self.params.backbone, self.params.mlm
        adapted, self.perplexity = pretrain(
            name, self.config, self.tokenizer, texts, window, settings, self.seed, self.scratch
        )
        return adapted

    def _fit_scale(self, features: pl.DataFrame) -> None:
        raw = self._raw(features)
        known = ~np.isnan(raw)
        count = np.maximum(known.sum(axis=0), 1)
        self.mean = np.where(known, raw, 0.0).sum(axis=0) / count
        deviation = np.sqrt(np.where(known, (raw - self.mean) ** 2, 0.0).sum(axis=0) / count)
        self.sd = np.where(deviation > 1e-9, deviation, 1.0)

    def _raw(self, features: pl.DataFrame) -> np.ndarray:
        """float64 [n, columns], NaN for null."""
        columns = [numbers(features[name])[:, None] for name in self.params.columns]
        return np.hstack(columns).astype(np.float64) if columns else np.empty((features.height, 0))

    def _texts(self, posts: pl.DataFrame, features: pl.DataFrame) -> Texts:
        from popcast.models.text_regressor.text_network import Texts, token_ids

        p = self.params
        absent = [name for name in p.fields if name not in posts.columns]
        posts = posts.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
        words = joined_text(posts, p.fields).fill_null("").to_list()
        scaled = (self._raw(features) - self.mean) / self.sd
        ids = token_ids(self.tokenizer, words, self.config, p.max_tokens)
        return Texts(ids, self.tokenizer.pad_token_id, np.where(np.isnan(scaled), 0.0, scaled))

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        """Popularity [n, seeds] by every single network."""
        if not posts.height:
            return np.empty((0, self.params.seeds))
        return self.networks.predict(self._texts(posts, features), exact=self.params.exact)

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        return self.predict_seeds(posts, features).mean(axis=1)

    def importances(self) -> dict[str, float]:
        return {}

    def save(self, folder: Path) -> None:
        """``backbone/`` (config and tokenizer), ``network-<i>.safetensors`` and JSON files."""
        self.networks.save(folder)
        self.config.save_pretrained(folder / "backbone")
        self.tokenizer.save_pretrained(folder / "backbone")
        content = {"params": self.params.model_dump(), "seed": self.seed, "perplexity": self.perplexity}
        content |= {"mean": self.mean.tolist(), "sd": self.sd.tolist()}
        tables.write_json(content, folder / "predictor.json")

    @classmethod
    def load(cls, folder: Path) -> Self:
        from popcast.models.text_regressor import text_network

        content = orjson.loads((folder / "predictor.json").read_bytes())
        predictor = cls(Params.model_validate(content["params"]), content["seed"])
        predictor.perplexity = content["perplexity"]
        predictor.mean, predictor.sd = np.array(content["mean"]), np.array(content["sd"])
        predictor.config = text_network.load_config(str(folder / "backbone"), predictor.params.dropout)
        predictor.tokenizer = text_network.load_tokenizer(str(folder / "backbone"))
        columns, frozen = len(predictor.params.columns), predictor.params.frozen_layers
        predictor.networks.load(
            folder, lambda: text_network.TextNetwork(text_network.empty_backbone(predictor.config), columns, frozen)
        )
        return predictor
