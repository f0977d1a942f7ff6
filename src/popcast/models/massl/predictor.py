"""``massl``: the experts of ``hmmved`` with a wide latent that a chain of convolutions and poolings decodes.

Sheet mmra.md section 7 (MASSL); the experts are in ``variational_layers.py``. Decoder of ``ref``: Linear, dropout,
ReLU, Linear, ReLU, then convolutions "C" (1 channel, kernel 3, stride 2, padding 1) and poolings "P" (2, stride 1)
in the order C P C P C C C P, Linear -> 1 and a dropout on that single number. ``fixed`` drops the last dropout and
puts a ReLU behind each convolution. With one channel a kernel of negative sum would then silence the whole network for
good, so ``fixed`` starts from positive kernels without bias. 4,204,572 parameters at width 768.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from popcast.models.micro_video.family import REFERENCE, MicroVideoPredictor
from popcast.models.micro_video.variational import VariationalParams

if TYPE_CHECKING:
    import torch

CHAIN = "CPCPCCCP"
DROPOUT = 0.2


class Params(VariationalParams):
    """Settings of MASSL."""

    published: ClassVar = {"ref": REFERENCE}

    variant: Literal["ref", "fixed"] = "fixed"
    latent: int = Field(256, ge=64, description="shorter ones do not survive the convolutions")


class Predictor(MicroVideoPredictor):
    """The network of ``popcast.models.micro_video.variational_layers`` with a convolutional decoder."""

    Params = Params
    name = "massl"

    def network(self) -> torch.nn.Module:
        from popcast.models.micro_video.variational_layers import Variational

        p, ref = self.params, self.params.variant == "ref"
        experts = p.experts(self.inputs.shapes, p.latent, across_batch=ref)
        decoder = _decoder(p.latent, reference=ref)
        return Variational(experts, decoder, 1 - p.kl_weight, p.kl_weight, always_sample=ref)


def lengths(latent: int) -> list[int]:
    """Length of the sequence before and after each step of the chain."""
    found = [latent]
    for step in CHAIN:
        found.append((found[-1] + 1) // 2 if step == "C" else found[-1] - 1)
    return found


def _decoder(latent: int, reference: bool) -> torch.nn.Sequential:
    """[B, latent] -> [B]."""
    from torch import nn

    layers = [nn.Unflatten(1, (1, latent)), nn.Linear(latent, latent), nn.Dropout(DROPOUT), nn.ReLU()]
    layers += [nn.Linear(latent, latent), nn.ReLU()]
    for step in CHAIN:
        if step == "P":
            layers.append(nn.MaxPool1d(kernel_size=2, stride=1))
            continue
        convolution = nn.Conv1d(1, 1, kernel_size=3, stride=2, padding=1)
        layers.append(convolution)
        if not reference:
            nn.init.uniform_(convolution.weight, 0.0, 2 / 3)  # of mean 1/3: the sequence keeps its level
            nn.init.zeros_(convolution.bias)
            layers.append(nn.ReLU())
    layers.append(nn.Linear(lengths(latent)[-1], 1))
    if reference:
        layers.append(nn.Dropout(DROPOUT))
    return nn.Sequential(*layers, nn.Flatten(0))
