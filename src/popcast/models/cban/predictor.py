"""``cban``: frames and title attend to each other twice, to what fits and to what does not (bipolar attention).

Sheet mmra.md section 7 (CBAN). ``ref`` is the additive form in the code of MMRA's baselines, with its singleton softmax
and its collinear negative branch; ``fixed`` is the dot-product form of the official code. Both are in
``cban_layers.py``. A title is one vector here, so in ``fixed`` the frames' attention to it can only be 1. Without
frames or without titles there is nothing to attend to: what is left is one tanh layer on the own vectors, the pooling
and the output. Vectors of another width than ``width`` get a linear projection first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from popcast.models.micro_video.family import REFERENCE, MicroVideoParams, MicroVideoPredictor
from popcast.models.nets.training import Training

if TYPE_CHECKING:
    import torch


class Params(MicroVideoParams):
    """Settings of CBAN. 5,912,070 parameters as ``ref`` with 4 frames, 5,916,678 with 10, all at width 768."""

    published: ClassVar = {"ref": REFERENCE}

    variant: Literal["ref", "fixed"] = "fixed"
    width: int = Field(768, ge=1, description="columns of every layer")
    dropout: float = Field(0.1, ge=0, lt=1, description="before every linear layer; fixed only")
    monitor: Literal["loss", "mae+nmse"] = "mae+nmse"
    training: Training = Training(learning_rate=1e-4, batch_size=64, max_epochs=200, patience=21)


class Predictor(MicroVideoPredictor):
    """The network of ``popcast.models.cban.cban_layers``."""

    Params = Params
    name = "cban"

    def network(self) -> torch.nn.Module:
        from popcast.models.cban.cban_layers import Additive, DotProduct

        p = self.params
        if p.variant == "ref":
            return Additive(self.inputs.shapes, p.width)
        return DotProduct(self.inputs.shapes, p.width, p.dropout)
