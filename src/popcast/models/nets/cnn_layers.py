"""Torch modules of ``cnn`` and ``dae_cnn``: embedded categories, and dense -> channels x length -> Conv1d -> dense.

Sheet smp2025.md sections 4.2 and 4.3; the output is linear (section 9, defect 17).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as f
from torch import nn

from popcast.models.inputs.matrix import OTHER
from popcast.models.nets.convolution import Convolution


class Norm(nn.BatchNorm1d):
    """Batch normalisation that can also learn from a batch of one row: it then takes the running moments."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and len(x) == 1:
            return f.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)


class Noise(nn.Module):
    """Gaussian noise while learning."""

    def __init__(self, sd: float) -> None:
        super().__init__()
        self.sd = sd

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.sd * torch.randn_like(x) if self.training and self.sd else x


class Embedded(nn.Module):
    """Numbers [b, p] and codes [b, c] as one float matrix [b, :attr:`width`], each category by an embedding.

    An embedding of a category with ``size`` codes has ceil(ln size) entries (sheet section 5.1). That of a value
    never seen starts at 0, so that it says nothing where no rare value taught it anything.
    """

    def __init__(self, numbers: int, sizes: list[int]) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, math.ceil(math.log(size))) for size in sizes)
        for table in self.tables:
            nn.init.zeros_(table.weight[OTHER])
        self.width = numbers + sum(table.embedding_dim for table in self.tables)

    def forward(self, numeric: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return torch.cat([numeric, *(table(codes[:, i]) for i, table in enumerate(self.tables))], dim=1)


class ConvolutionalNetwork(nn.Module):
    """[norm] -> dense channels * length, ReLU -> Conv1d, ReLU -> max pool -> dense blocks -> one number per row.

    A block is dense, ReLU, [norm], noise, dropout. ``encoded`` [b, width of the encoding] stands beside the inputs.
    """

    def __init__(self, numbers: int, sizes: list[int], encoded: int, p: Convolution) -> None:
        super().__init__()
        self.shape = (p.channels, p.length)
        self.embedded = Embedded(numbers, sizes)
        width = self.embedded.width + encoded
        self.norm = Norm(width) if p.batch_norm else nn.Identity()
        self.spread = nn.Linear(width, p.channels * p.length)
        self.convolution = nn.Conv1d(p.channels, p.filters, p.kernel)
        self.pool = nn.MaxPool1d(p.pool)
        width, layers = p.filters * p.steps, []
        for units in p.dense:
            layers += [nn.Linear(width, units), nn.ReLU()]
            layers += [Norm(units)] if p.batch_norm else []
            layers += [Noise(p.noise), nn.Dropout(p.dropout)]
            width = units
        self.dense = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, numeric: torch.Tensor, codes: torch.Tensor, encoded: torch.Tensor | None = None) -> torch.Tensor:
        x = self.embedded(numeric, codes)
        x = self.norm(x if encoded is None else torch.cat([encoded, x], dim=1))
        x = self.spread(x).relu().unflatten(1, self.shape)
        x = self.pool(self.convolution(x).relu()).flatten(1)
        return self.dense(x).squeeze(1)
