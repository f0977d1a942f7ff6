"""Sizes of the convolutional network that ``cnn`` and ``dae_cnn`` share (modules: ``cnn_layers.py``)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from popcast.core.section import Section


class Convolution(Section):
    """Sizes of the convolutional network; those of the paper are channels 16, length 256, filters 16."""

    channels: int = Field(16, ge=1)
    length: int = Field(64, ge=1, description="steps of every channel")
    filters: int = Field(16, ge=1)
    kernel: int = Field(5, ge=1)
    pool: int = Field(2, ge=1)
    dense: list[int] = Field([16], description="units of the dense blocks before the output")
    batch_norm: bool = False
    noise: float = Field(0.0, ge=0, description="sd of the noise after each dense block")
    dropout: float = Field(0.0, ge=0, lt=1, description="after each dense block")

    @property
    def steps(self) -> int:
        """Steps left after convolution and pooling."""
        return (self.length - self.kernel + 1) // self.pool

    @model_validator(mode="after")
    def long_enough(self) -> Self:
        if self.steps < 1:
            raise ValueError("length: nothing is left after kernel and pool: expected at least kernel + pool - 1")
        return self
