"""``contextual_lstm``: one LSTM reads the frames, one the title; their last states are mixed by two linear layers.

Sheet mmra.md section 7 (contextual LSTM). ``ref`` has no activation between the two linear layers, as the published
code; ``fixed`` has a ReLU there. Without frames or without titles the other LSTM stands alone, and the first linear
layer is as much narrower. 348,401 parameters with both at width 768.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from popcast.models.micro_video.family import REFERENCE, MicroVideoParams, MicroVideoPredictor
from popcast.models.nets.training import Training

if TYPE_CHECKING:
    import torch


class Params(MicroVideoParams):
    """Settings of the contextual LSTM."""

    published: ClassVar = {"ref": REFERENCE}

    variant: Literal["ref", "fixed"] = "fixed"
    hidden: int = Field(50, ge=1, description="state of each LSTM")
    dense: int = Field(200, ge=1, description="columns between the two linear layers")
    monitor: Literal["loss", "mae+nmse"] = "mae+nmse"
    training: Training = Training(learning_rate=1e-4, batch_size=64, max_epochs=200, patience=11)


class Predictor(MicroVideoPredictor):
    """Two LSTMs side by side."""

    Params = Params
    name = "contextual_lstm"

    def network(self) -> torch.nn.Module:
        return _network({name: shape[-1] for name, shape in self.inputs.shapes.items()}, self.params)


def _network(widths: dict[str, int], params: Params) -> torch.nn.Module:
    """widths: modality -> columns of one vector."""
    import torch
    from torch import nn

    class ContextualLSTM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.readers = nn.ModuleDict(
                {name: nn.LSTM(width, params.hidden, batch_first=True) for name, width in widths.items()}
            )
            between = nn.Identity() if params.variant == "ref" else nn.ReLU()
            self.head = nn.Sequential(
                nn.Linear(params.hidden * len(widths), params.dense), between, nn.Linear(params.dense, 1)
            )

        def forward(self, visual=None, text=None) -> torch.Tensor:
            """visual [B, F, width], text [B, width] -> [B]."""
            sequences = {"visual": visual, "text": None if text is None else text[:, None]}
            last = [reader(sequences[name])[1][0][-1] for name, reader in self.readers.items()]
            return self.head(torch.cat(last, dim=1))[:, 0]

    return ContextualLSTM()
