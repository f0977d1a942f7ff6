"""Settings that ``hmmved`` and ``massl`` share, and the experts made from them (modules: ``variational_layers.py``)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from popcast.models.micro_video.family import MicroVideoParams
from popcast.models.nets.training import Training


class VariationalParams(MicroVideoParams):
    """What ``hmmved`` and ``massl`` have in common."""

    width: int = Field(768, ge=1, description="of the transformer; frames of another width are projected")
    heads: int = Field(8, ge=1)
    feedforward: int = Field(256, ge=1)
    hidden: tuple[int, ...] = Field((512, 256), min_length=1, description="layers behind frames and titles")
    pool: Literal["mean", "last"] = Field("mean", description="over the frames; fixed only")
    kl_weight: float = Field(0.05, ge=0, le=1)
    training: Training = Training(learning_rate=1e-4, batch_size=64, max_epochs=200, patience=11)

    @model_validator(mode="after")
    def whole_heads(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width: expected a multiple of heads ({self.heads})")
        return self

    def experts(self, shapes: dict[str, tuple[int, ...]], latent: int, across_batch: bool) -> dict:
        """The experts of ``ref`` and ``fixed``."""
        from popcast.models.micro_video.variational_layers import transformer_experts

        return transformer_experts(
            shapes, self.width, self.heads, self.feedforward, self.hidden, latent, self.pool, across_batch
        )
