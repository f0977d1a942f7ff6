"""Torch modules of ``dae_cnn``: what encodes a post without (sheet smp2025.md 4.1) or with its label (4.2).

Each module gives its loss in ``forward`` and the encoding [b, features] in ``encode``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as f
from torch import nn

from popcast.models.dae_cnn.params import Autoencoder
from popcast.models.nets.cnn_layers import Noise, Norm


class OneHot(nn.Module):
    """Numbers [b, p] (values, then missing flags) and chosen codes [b, c] as one matrix [b, :attr:`width`].

    ``owner`` int64 [width]: the column that an entry belongs to, so that a value and its missing flag, or the entries
    of a category, are swapped together. Categories with more codes than ``largest`` stay out.
    """

    def __init__(self, numbers: int, flagged: list[int], sizes: list[int], largest: int) -> None:
        super().__init__()
        self.numbers, self.values = numbers, numbers - len(flagged)
        self.chosen = [i for i, size in enumerate(sizes) if size <= largest]
        self.sizes = [sizes[i] for i in self.chosen]
        self.width, self.columns = numbers + sum(self.sizes), self.values + len(self.sizes)
        owner = [*range(self.values), *flagged]
        for number, size in enumerate(self.sizes):
            owner += [self.values + number] * size
        self.register_buffer("owner", torch.tensor(owner, dtype=torch.int64), persistent=False)

    def forward(self, numeric: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        parts = [
            f.one_hot(codes[:, i], size).to(numeric.dtype) for i, size in zip(self.chosen, self.sizes, strict=True)
        ]
        return torch.cat([numeric, *parts], dim=1)


def swap_noise(x: torch.Tensor, owner: torch.Tensor, columns: int, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """x [b, e] with a share of its cells taken from another row, and which columns [b, columns] really changed.

    owner: int64 [e], the column of every entry. A single row has no other row to take from and stays as it is.
    """
    rows = len(x)
    swapped = torch.rand(rows, columns, device=x.device) < share
    step = torch.randint(1, max(rows, 2), (rows, columns), device=x.device)
    source = (torch.arange(rows, device=x.device)[:, None] + step) % rows
    noisy = torch.where(swapped[:, owner], x.gather(0, source[:, owner]), x)
    differs = torch.zeros(rows, columns, device=x.device, dtype=x.dtype)
    return noisy, differs.index_add_(1, owner, (noisy != x).to(x.dtype)) > 0


class TransformerEncoder(nn.Module):
    """[b, e] -> dense -> tokens x width -> post-norm transformer layers; the outputs of all layers side by side."""

    def __init__(self, entries: int, p: Autoencoder) -> None:
        super().__init__()
        self.shape, self.last = (p.tokens, p.width), p.tokens * p.width
        self.features = p.layers * self.last
        self.spread = nn.Linear(entries, self.last)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(p.width, p.heads, p.feedforward, dropout=0.0, batch_first=True)
            for _ in range(p.layers)
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x, found = self.spread(x).unflatten(1, self.shape), []
        for layer in self.layers:
            x = layer(x)
            found.append(x.flatten(1))
        return found


class MlpEncoder(nn.Module):
    """[b, e] -> dense layers of tokens * width units with ReLU; the outputs of all layers side by side."""

    def __init__(self, entries: int, p: Autoencoder) -> None:
        super().__init__()
        self.last = p.tokens * p.width
        self.features = p.layers * self.last
        widths = [entries, *[self.last] * (p.layers - 1)]
        self.layers = nn.ModuleList(nn.Linear(width, self.last) for width in widths)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        found = []
        for layer in self.layers:
            x = layer(x).relu()
            found.append(x)
        return found


class DenoisingAutoencoder(nn.Module):
    """Learns, without label, which cells were swapped (mask head) and what stood there (reconstruction head).

    Loss: mask_weight * BCE(mask) + category_weight * BCE(one-hot) + number_weight * MSE(numbers), the last two with
    ``corrupted_weight`` for changed cells and 1 - corrupted_weight for the others.
    """

    def __init__(self, inputs: OneHot, p: Autoencoder) -> None:
        super().__init__()
        self.inputs, self.p = inputs, p
        self.encoder = (TransformerEncoder if p.encoder == "transformer" else MlpEncoder)(inputs.width, p)
        self.features = self.encoder.features
        self.mask = nn.Linear(self.encoder.last, inputs.columns)
        self.reconstruction = nn.Linear(self.encoder.last, inputs.width)

    def forward(self, numeric: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        p, owner, numbers = self.p, self.inputs.owner, self.inputs.numbers
        x = self.inputs(numeric, codes)
        noisy, changed = swap_noise(x, owner, self.inputs.columns, p.swap)
        last = self.encoder(noisy)[-1]
        found = self.reconstruction(last).float()
        weight = torch.where(changed[:, owner], p.corrupted_weight, 1 - p.corrupted_weight)
        loss = p.mask_weight * f.binary_cross_entropy_with_logits(self.mask(last).float(), changed.float())
        if numbers:
            squared = (found[:, :numbers] - x[:, :numbers]) ** 2
            loss = loss + p.number_weight * (weight[:, :numbers] * squared).mean()
        if self.inputs.sizes:
            crossed = f.binary_cross_entropy_with_logits(found[:, numbers:], x[:, numbers:], weight[:, numbers:])
            loss = loss + p.category_weight * crossed
        return loss

    def encode(self, numeric: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return torch.cat(self.encoder(self.inputs(numeric, codes)), dim=1)


class SupervisedAutoencoder(nn.Module):
    """norm, noise -> dense ReLU (the encoding) -> dropout -> reconstruction -> dense ReLU, norm, dropout -> label.

    Loss: mean absolute error of the reconstruction plus that of the label.
    """

    def __init__(self, inputs: OneHot, p: Autoencoder) -> None:
        super().__init__()
        self.inputs, self.features = inputs, p.hidden
        self.before = nn.Sequential(Norm(inputs.width), Noise(p.noise))
        self.encoder = nn.Linear(inputs.width, p.hidden)
        self.decoder = nn.Sequential(nn.Dropout(p.dropout), nn.Linear(p.hidden, inputs.width))
        self.label = nn.Sequential(
            nn.Linear(inputs.width, p.label_hidden), nn.ReLU(), Norm(p.label_hidden), nn.Dropout(p.dropout),
            nn.Linear(p.label_hidden, 1),
        )  # fmt: skip

    def forward(self, numeric: torch.Tensor, codes: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        x = self.inputs(numeric, codes)
        decoded = self.decoder(self._encoded(x))
        label = self.label(decoded).squeeze(1)
        return f.l1_loss(decoded.float(), x) + f.l1_loss(label.float(), target)

    def _encoded(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder(self.before(x)).relu()

    def encode(self, numeric: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return self._encoded(self.inputs(numeric, codes))
