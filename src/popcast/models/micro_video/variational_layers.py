"""Torch modules of ``hmmved`` and ``massl``: each modality is a Gaussian expert, their product is decoded.

Sheet mmra.md section 7. Product of experts without a prior expert: precision = sum_m exp(-logvar_m), mean =
sum_m mean_m exp(-logvar_m) / precision. Penalty: KL of the product to N(0, I), mean over the batch. With
one modality the product is that expert.

``ref`` is the published baseline code with its defects: its transformer takes the batch for the sequence, so posts
attend to the posts beside them and only the last frame counts, and the latent is sampled at evaluation too. Such a
prediction breaks the contract of ``popcast.models.contract.predictors`` (rows independent of each other) and is there
for comparison with published figures only; it is evaluated as published, in batches of 256 in a fixed order, with
seeded noise. ``fixed`` attends over the frames, knows their positions, and evaluates the mean.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

EVALUATION_BATCH = 256
"""Posts that see each other when ``ref`` is evaluated."""


def product_of_experts(means: torch.Tensor, log_variances: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and log variance [B, k] of the product of M Gaussians [M, B, k]."""
    shares = torch.softmax(-log_variances, dim=0)
    return (shares * means).sum(dim=0), -torch.logsumexp(-log_variances, dim=0)


def divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL of N(mean, exp(log_variance)) [B, k] to N(0, I): scalar, mean over B."""
    return (-0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(dim=1)).mean()


def positions(frames: int, width: int) -> torch.Tensor:
    """Sines and cosines [frames, width] of Vaswani et al. 2017, section 3.5."""
    column = torch.arange(width, dtype=torch.float64)
    angle = torch.arange(frames, dtype=torch.float64)[:, None] / 10000 ** (2 * (column // 2) / width)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()


def dense(*widths: int) -> nn.Sequential:
    """Linear layers of these widths with a ReLU after each."""
    layers = [[nn.Linear(a, b), nn.ReLU()] for a, b in pairwise(widths)]
    return nn.Sequential(*(layer for pair in layers for layer in pair))


class FrameEncoder(nn.Module):
    """One transformer layer (post-norm, ReLU) over the frames [B, F, given] -> [B, width]."""

    def __init__(
        self, shape: tuple[int, int], width: int, heads: int, feedforward: int, pool: str, across_batch: bool
    ) -> None:
        """pool: last | mean over the frames. across_batch: the defect of ``ref``; it always takes the last frame."""
        super().__init__()
        frames, given = shape
        self.pool, self.across_batch = pool, across_batch
        self.project = nn.Identity() if given == width else nn.Linear(given, width)
        self.layer = nn.TransformerEncoderLayer(width, heads, feedforward, dropout=0.1, batch_first=not across_batch)
        self.register_buffer("positions", positions(frames, width), persistent=False)

    def forward(self, visual: torch.Tensor) -> torch.Tensor:
        x = self.project(visual)
        if self.across_batch:
            parts = x.split(len(x) if self.training else EVALUATION_BATCH)
            return torch.cat([self.layer(part)[:, -1] for part in parts])
        x = self.layer(x + self.positions)
        return x.mean(dim=1) if self.pool == "mean" else x[:, -1]


class MeanFrame(nn.Module):
    """Frames [B, F, width] -> their mean [B, width]."""

    def forward(self, visual: torch.Tensor) -> torch.Tensor:
        return visual.mean(dim=1)


class Expert(nn.Module):
    """A Gaussian [B, latent] from what ``encoder`` makes of a modality. bounds: of log standard deviations, or None."""

    def __init__(self, encoder: nn.Module, width: int, latent: int, bounds: tuple[float, float] | None = None) -> None:
        super().__init__()
        self.encoder, self.bounds = encoder, bounds
        self.mean, self.spread = nn.Linear(width, latent), nn.Linear(width, latent)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance."""
        hidden = self.encoder(x)
        spread = self.spread(hidden)
        return self.mean(hidden), spread if self.bounds is None else 2 * spread.clamp(*self.bounds)


class Variational(nn.Module):
    """Experts by modality, their product, a decoder [B, latent] -> [B].

    loss_weight: of the prediction error. kl_weight: of the KL. always_sample: the latent is drawn at evaluation too.
    """

    def __init__(
        self,
        experts: dict[str, Expert],
        decoder: nn.Module,
        loss_weight: float,
        kl_weight: float,
        always_sample: bool,
    ) -> None:
        super().__init__()
        self.experts, self.decoder = nn.ModuleDict(experts), decoder
        self.loss_weight, self.kl_weight, self.always_sample = loss_weight, kl_weight, always_sample

    def forward(self, visual=None, text=None) -> tuple[torch.Tensor, torch.Tensor]:
        """visual [B, F, width], text [B, width] -> predictions [B] and the weighted KL."""
        given = {"visual": visual, "text": text}
        found = [expert(given[name]) for name, expert in self.experts.items()]
        mean, log_variance = product_of_experts(*(torch.stack(part) for part in zip(*found, strict=True)))
        latent = mean
        if self.training or self.always_sample:
            latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(latent), self.kl_weight * divergence(mean, log_variance)


def transformer_experts(
    shapes: dict[str, tuple[int, ...]],
    width: int,
    heads: int,
    feedforward: int,
    hidden: tuple[int, ...],
    latent: int,
    pool: str,
    across_batch: bool,
) -> dict[str, Expert]:
    """Experts of ``ref`` and ``fixed``: frames through a transformer layer, then, as titles, through ``hidden``."""
    experts = {}
    for name, shape in shapes.items():
        if name == "visual":
            frames = FrameEncoder(shape, width, heads, feedforward, pool, across_batch)
            encoder = nn.Sequential(frames, *dense(width, *hidden))
        else:
            encoder = dense(shape[0], *hidden)
        experts[name] = Expert(encoder, hidden[-1], latent)
    return experts
