"""Settings of ``dae_cnn``: the autoencoder, the convolutional network on its encoding, and how both learn."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from popcast.core.section import Section
from popcast.models.inputs.columns import ColumnParams
from popcast.models.nets.convolution import Convolution
from popcast.models.nets.networks import NetworkParams
from popcast.models.nets.training import Training


class Autoencoder(Section):
    """Sizes and losses; those of the paper are tokens 8, width 128, heads 8, feedforward 512 (3,072 features)."""

    supervised: bool = Field(False, description="true: the autoencoder with a label head instead of the denoising one")
    encoder: Literal["transformer", "mlp"] = Field("transformer", description="of the denoising autoencoder")
    swap: float = Field(0.15, gt=0, lt=1, description="share of cells taken from another post")
    one_hot: int = Field(64, ge=2, description="a category with more codes is no input of the autoencoder")
    tokens: int = Field(8, ge=1)
    width: int = Field(32, ge=1, description="of a token; the mlp has layers of tokens * width units")
    heads: int = Field(4, ge=1)
    feedforward: int = Field(64, ge=1)
    layers: int = Field(3, ge=1)
    mask_weight: float = Field(2.0, ge=0)
    number_weight: float = Field(14 / 24, ge=0)
    category_weight: float = Field(10 / 24, ge=0)
    corrupted_weight: float = Field(0.75, gt=0, lt=1, description="of a changed cell; the others have the rest to 1")
    hidden: int = Field(64, ge=1, description="supervised: features of the encoding")
    label_hidden: int = Field(32, ge=1, description="supervised: units before the label")
    noise: float = Field(0.1, ge=0, description="supervised: sd of the noise on the inputs")
    dropout: float = Field(0.1, ge=0, lt=1, description="supervised")
    training: Training = Training(learning_rate=3e-4, batch_size=128, max_epochs=100, patience=10)

    @model_validator(mode="after")
    def whole_heads(self) -> Self:
        if self.width % self.heads:
            raise ValueError("heads: must divide width")
        return self


class Params(ColumnParams, NetworkParams):
    """Settings of both stages. ``seeds`` networks share one autoencoder."""

    autoencoder: Autoencoder = Autoencoder()
    convolution: Convolution = Convolution(kernel=7, dense=[256, 128], batch_norm=True, noise=0.01, dropout=0.2)
    training: Training = Training(
        learning_rate=1e-3, optimizer="radam", schedule="plateau", batch_size=256, max_epochs=100, patience=8
    )
