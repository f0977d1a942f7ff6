"""Settings of ``text_regressor``: the encoder, within-task pretraining, and how both learn."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from popcast.core.section import Model, Section
from popcast.features.common.encoders import PACKAGED
from popcast.features.common.joined_text import TextField
from popcast.models.nets.networks import NetworkParams
from popcast.models.nets.training import Training


class MlmTraining(Training):
    """The shared settings with defaults for masked language modelling."""

    learning_rate: float = Field(5e-5, gt=0)
    optimizer: Literal["adam", "adamw", "radam"] = "adamw"
    weight_decay: float = Field(0.01, ge=0)
    schedule: Literal["constant", "cosine", "linear", "plateau"] = "linear"
    warmup: float = Field(0.06, ge=0, lt=1)
    batch_size: int = Field(32, ge=1)
    max_epochs: int = Field(5, ge=1)
    patience: int = Field(1, ge=1)
    clip: float | None = Field(1.0, gt=0)


class TextTraining(MlmTraining):
    """The shared settings with defaults for fine-tuning."""

    warmup: float = Field(0.1, ge=0, lt=1)
    max_epochs: int = Field(4, ge=1)
    patience: int = Field(2, ge=1)


class Mlm(Section):
    """Settings of within-task pretraining."""

    share: float = Field(0.15, gt=0, lt=1, description="of the tokens, to be guessed")
    training: MlmTraining = MlmTraining()


class Params(NetworkParams):
    """Settings of the backbone, its head and its training."""

    fields: list[TextField] = Field(["title"], min_length=1)
    columns: list[str] = Field([], description="numeric features that the output sees beside the text, standardised")
    backbone: Model = Field(PACKAGED, description="encoder of the BERT family: hub id, folder, or the packaged MiniLM")
    max_tokens: int = Field(64, ge=4, description="longer texts are cut")
    mlm: Mlm | None = Field(None, description="within-task pretraining; null: none")
    frozen_layers: int = Field(
        0, ge=0, description="bottom layers that do not learn, and with any of them the embeddings"
    )
    reinit: int = Field(0, ge=0, description="top layers that start from random weights")
    decay: float = Field(0.95, gt=0, le=1, description="learning rate of a layer against that of the layer above")
    head_scale: float = Field(10.0, gt=0, description="learning rate of the head against that of the top layer")
    dropout: float = Field(0.0, ge=0, lt=1, description="in the backbone; 0 suits regression")
    exact: bool = Field(True, description="predict in double precision; false: faster, rows then agree to about 1e-5")
    training: TextTraining = TextTraining()
