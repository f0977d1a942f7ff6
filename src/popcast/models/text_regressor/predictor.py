"""``text_regressor``: a pretrained text encoder, fine-tuned to read popularity off a post's words.

Sheet smp2025.md section 6, as specified there: within-task pretraining on the training texts, re-initialised top
layers, layer-wise learning rates, attention head, outputs [n]. The default backbone is all-MiniLM-L6-v2 out of its
Python package; ``roberta-base`` and others of the BERT family go by hub id or folder. With ``frozen_layers`` the bottom
of the network is run once and kept, which saves most of the time on a CPU. Saved: safetensors, tokenizer, config.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl

from popcast.core.errors import BadInput
from popcast.features.common.joined_text import joined_text, with_fields
from popcast.models.contract.predictors import require_columns
from popcast.models.contract.stopping import Window, stopping_window
from popcast.models.inputs.matrix import in_time_order, numeric_columns
from popcast.models.inputs.scaling import center_and_scale, standardised
from popcast.models.nets.network_predictor import NetworkPredictor
from popcast.models.nets.training import chosen_device, seeded
from popcast.models.text_regressor.params import Params

if TYPE_CHECKING:
    from popcast.models.text_regressor.text_network import TextNetwork, Texts


class Predictor(NetworkPredictor):
    """Mean of the fine-tuned networks, one per seed."""

    Params = Params
    name = "text_regressor"

    def __init__(self, params: Params, seed: int) -> None:
        super().__init__(params, seed)
        self.perplexity: dict[str, float] = {}

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        from popcast.models.text_regressor import text_network

        p = self.params
        require_columns(features, p.columns, "text_regressor: feature column", "see models.text_regressor.columns")
        posts, features, target, folds = in_time_order(posts, features, target, folds)
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
        self.mean, self.sd = center_and_scale(numeric_columns(features, p.columns))
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

    def _adapted(self, texts: Texts, window: Window | None) -> dict | None:
        """Backbone weights after within-task pretraining; None without it, or where it did not help."""
        if self.params.mlm is None or window is None:
            return None
        from popcast.models.text_regressor.masked_lm import pretrain

        name, settings = self.params.backbone, self.params.mlm
        adapted, self.perplexity = pretrain(
            name, self.config, self.tokenizer, texts, window, settings, self.seed, self.scratch
        )
        return adapted

    def _texts(self, posts: pl.DataFrame, features: pl.DataFrame) -> Texts:
        from popcast.models.text_regressor.text_network import Texts, token_ids

        p = self.params
        words = joined_text(with_fields(posts, p.fields), p.fields).fill_null("").to_list()
        scaled = standardised(numeric_columns(features, p.columns), self.mean, self.sd)
        ids = token_ids(self.tokenizer, words, self.config, p.max_tokens)
        return Texts(ids, self.tokenizer.pad_token_id, scaled)

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        if not posts.height:
            return np.empty((0, self.params.seeds))
        return self.networks.predict(self._texts(posts, features), exact=self.params.exact)

    def network(self) -> TextNetwork:
        """One whose weights are yet to be loaded."""
        from popcast.models.text_regressor.text_network import TextNetwork, empty_backbone

        return TextNetwork(empty_backbone(self.config), len(self.params.columns), self.params.frozen_layers)

    def save(self, folder: Path) -> None:
        """``backbone/`` (config and tokenizer), ``network-<i>.safetensors`` and JSON files."""
        super().save(folder)
        self.config.save_pretrained(folder / "backbone")
        self.tokenizer.save_pretrained(folder / "backbone")

    def learned(self) -> dict[str, Any]:
        return {"perplexity": self.perplexity, "mean": self.mean.tolist(), "sd": self.sd.tolist()}

    def restore(self, folder: Path, content: dict[str, Any]) -> None:
        from popcast.models.text_regressor import text_network

        self.perplexity = content["perplexity"]
        self.mean, self.sd = np.array(content["mean"]), np.array(content["sd"])
        self.config = text_network.load_config(str(folder / "backbone"), self.params.dropout)
        self.tokenizer = text_network.load_tokenizer(str(folder / "backbone"))
