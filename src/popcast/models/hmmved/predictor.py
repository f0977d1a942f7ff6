"""``hmmved``: frames and title as two Gaussian experts whose product is decoded (user-free, so really MMVED).

Sheet mmra.md section 7 (HMMVED); the modules are in ``variational_layers.py``. ``ref`` is the code of MMRA's
baselines with its defects, ``fixed`` the same network as it was meant. ``paper`` has the sizes of the official code:
one layer of 32, latents of 8, a single linear output, KL weight .2, whole error. Left out of it: the first stage, a
Gaussian per author that serves as the prior (an author's id is never a feature here; the prior is N(0, I)), sound, and
the learning rate 5e-4 -> 1e-5 -> 5e-5, which falls linearly to 0 instead. It sees the mean of the frames.

Titles or frames alone: that expert is the product. Epochs are chosen by the prediction error alone, without the KL.
3,862,233 parameters as ``ref`` and ``fixed`` at width 768.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from popcast.models.micro_video.family import REFERENCE, MicroVideoPredictor
from popcast.models.micro_video.variational import VariationalParams

if TYPE_CHECKING:
    import torch


class Params(VariationalParams):
    """Settings of HMMVED. ``paper`` uses ``kl_weight`` and ``latent`` only."""

    published: ClassVar = {
        "ref": REFERENCE,
        "paper": {
            "latent": 8,
            "kl_weight": 0.2,
            "training": {"learning_rate": 5e-4, "schedule": "linear", "batch_size": 512}
            | {"max_epochs": 100, "patience": 100},
        },
    }

    variant: Literal["ref", "fixed", "paper"] = "fixed"
    latent: int = Field(50, ge=1)
    decoder: int = Field(20, ge=1, description="columns of the decoder's hidden layer")


class Predictor(MicroVideoPredictor):
    """The network of ``popcast.models.micro_video.variational_layers`` with a small decoder."""

    Params = Params
    name = "hmmved"

    def network(self) -> torch.nn.Module:
        from torch import nn

        from popcast.models.micro_video.variational_layers import Variational

        p, ref = self.params, self.params.variant == "ref"
        if p.variant == "paper":
            decoder = nn.Sequential(nn.Linear(p.latent, 1), nn.Flatten(0))
            return Variational(self._paper_experts(), decoder, 1.0, p.kl_weight, always_sample=False)
        decoder = nn.Sequential(nn.Linear(p.latent, p.decoder), nn.ReLU(), nn.Linear(p.decoder, 1), nn.Flatten(0))
        experts = p.experts(self.inputs.shapes, p.latent, across_batch=ref)
        return Variational(experts, decoder, 1 - p.kl_weight, p.kl_weight, always_sample=ref)

    def _paper_experts(self) -> dict:
        from torch import nn

        from popcast.models.micro_video.variational_layers import Expert, MeanFrame, dense

        experts = {}
        for name, shape in self.inputs.shapes.items():
            encoder = dense(shape[-1], 32)
            encoder = nn.Sequential(MeanFrame(), *encoder) if name == "visual" else encoder
            experts[name] = Expert(encoder, 32, self.params.latent, bounds=(-20.0, 2.0))
        return experts
