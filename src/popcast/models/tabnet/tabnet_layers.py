"""The layers of TabNet: sparse attention over columns, step by step, and the decoder that pretrains them.

Source: Arik and Pfister, "TabNet: Attentive Interpretable Tabular Learning", AAAI 2021 (arXiv 1908.07442), sections
"TabNet encoder architecture" and "Tabular self-supervised learning"; initial weights have the scale of the widespread
implementation, so that its learning rates mean the same here. B rows, C columns, E entries: a number is one entry, a
category as many as its embedding has; D = n_d, A = n_a.
"""

from __future__ import annotations

import torch
import torch.nn.functional as f
from torch import nn

EPSILON = 1e-15
HALF = 0.5**0.5
INPUT_MOMENTUM, WHOLE_BATCH = 0.01, 2**31
"""Of the normalisation of the entries, which knows no virtual batches."""


def sparsemax(values: torch.Tensor) -> torch.Tensor:
    """Euclidean projection of each row [B, C] onto the simplex (Martins and Astudillo, 2016): most entries become 0."""
    values = values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
    with torch.no_grad():
        ordered = values.sort(dim=1, descending=True).values
        count = torch.arange(1, values.shape[1] + 1, dtype=values.dtype, device=values.device)
        above = ordered.cumsum(dim=1) - 1
        support = (count * ordered > above).sum(dim=1, keepdim=True)
        inside = (values > above.gather(1, support - 1) / support).to(values.dtype)
    # the threshold once more, now with a gradient: (sum over the support - 1) / its size
    threshold = ((values * inside).sum(dim=1, keepdim=True) - 1) / inside.sum(dim=1, keepdim=True)
    return torch.clamp(values - threshold, min=0)


class GhostBatchNorm(nn.Module):
    """Batch normalisation by virtual batches of at most ``virtual_batch`` rows (Hoffer et al., 2017).

    A virtual batch of one row has no variance: it is normalised by the running statistics.
    """

    def __init__(self, width: int, virtual_batch: int, momentum: float) -> None:
        super().__init__()
        self.virtual_batch = virtual_batch
        self.norm = nn.BatchNorm1d(width, momentum=momentum)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return self.norm(x)
        return torch.cat([self._part(part) for part in x.chunk(-(-len(x) // self.virtual_batch))])

    def _part(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 1:
            return self.norm(x)
        norm = self.norm
        return f.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)


def linear(inputs: int, outputs: int, variance: float) -> nn.Linear:
    """Linear layer without bias; its weights are N(0, variance / sqrt(inputs))."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=(variance / inputs**0.5) ** 0.5)
    return layer


class FeatureTransformer(nn.Module):
    """Gated linear units in a row, from the second one on with residuals times sqrt(.5): [B, inputs] -> [B, width].

    The first ``len(shared)`` units use the linear layers that all steps share, with normalisations of their own;
    ``independent`` further ones are this step's alone.
    """

    def __init__(self, inputs: int, width: int, shared: int, independent: int, virtual_batch: int, momentum: float):
        super().__init__()
        sizes = [inputs if number == 0 else width for number in range(shared + independent)]
        self.own = nn.ModuleList(linear(size, 2 * width, 2.0) for size in sizes[shared:])
        self.norms = nn.ModuleList(GhostBatchNorm(2 * width, virtual_batch, momentum) for _ in sizes)

    def forward(self, x: torch.Tensor, shared: nn.ModuleList) -> torch.Tensor:
        for number, (layer, norm) in enumerate(zip([*shared, *self.own], self.norms, strict=True)):
            unit = f.glu(norm(layer(x)), dim=1)
            x = unit if number == 0 else (x + unit) * HALF
        return x


class Encoder(nn.Module):
    """Entries [B, E] -> per step: decision [B, D] and mask over columns [B, C].

    column: int [E], the column of each entry. The entries of a category share one mask value, each an equal part.
    """

    def __init__(
        self, column: list[int], n_d: int, n_a: int, n_steps: int, gamma: float, n_shared: int, n_independent: int,
        virtual_batch: int, momentum: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.n_d, self.gamma, entries, columns, width = n_d, gamma, len(column), max(column) + 1, n_d + n_a
        sizes = torch.bincount(torch.tensor(column)).float()
        self.register_buffer("column", torch.tensor(column), persistent=False)
        self.register_buffer("part", 1 / sizes[column], persistent=False)
        self.norm = GhostBatchNorm(entries, WHOLE_BATCH, INPUT_MOMENTUM)
        self.shared = nn.ModuleList(linear(entries if i == 0 else width, 2 * width, 2.0) for i in range(n_shared))
        self.transformers = nn.ModuleList(
            FeatureTransformer(entries, width, n_shared, n_independent, virtual_batch, momentum)
            for _ in range(n_steps + 1)
        )
        self.attention = nn.ModuleList(linear(n_a, columns, 0.5) for _ in range(n_steps))
        self.attention_norms = nn.ModuleList(GhostBatchNorm(columns, virtual_batch, momentum) for _ in range(n_steps))

    def forward(
        self, x: torch.Tensor, prior: torch.Tensor | None = None
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """prior: [B, C], how open each column is at the first step; None: all of them."""
        x, decisions, masks = self.norm(x), [], []
        attended = self.transformers[0](x, self.shared)[:, self.n_d :]
        for step, transformer in enumerate(self.transformers[1:]):
            scores = self.attention_norms[step](self.attention[step](attended))
            mask = sparsemax(scores if prior is None else scores * prior)
            prior = (self.gamma - mask) if prior is None else prior * (self.gamma - mask)
            out = transformer(mask[:, self.column] * self.part * x, self.shared)
            decisions.append(torch.relu(out[:, : self.n_d]))
            masks.append(mask)
            attended = out[:, self.n_d :]
        return decisions, masks


class TabNet(nn.Module):
    """numeric [B, N], codes int64 [B, K] -> prediction [B] and the sparsity penalty.

    sizes, widths: number of codes and width of the embedding of each category. shape: the settings of
    :class:`Encoder`. sparsity: weight of the masks' entropy, mean over steps and rows.
    """

    def __init__(self, numbers: int, sizes: list[int], widths: list[int], shape: dict, sparsity: float) -> None:
        super().__init__()
        self.sparsity = sparsity
        self.embeddings = nn.ModuleList(nn.Embedding(size, width) for size, width in zip(sizes, widths, strict=True))
        column = list(range(numbers)) + [numbers + i for i, width in enumerate(widths) for _ in range(width)]
        self.encoder = Encoder(column, **shape)
        self.output = linear(shape["n_d"], 1, 0.5)

    def entries(self, numeric: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """[B, E]: the numbers, then the embeddings of the categories."""
        return torch.cat([numeric, *(embed(codes[:, i]) for i, embed in enumerate(self.embeddings))], dim=1)

    def forward(self, numeric: torch.Tensor, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        decisions, masks = self.encoder(self.entries(numeric, codes))
        entropy = -sum((mask * torch.log(mask + EPSILON)).sum(dim=1).mean() for mask in masks) / len(masks)
        return self.output(sum(decisions)).squeeze(1), self.sparsity * entropy

    def column_weights(self, numeric: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Aggregate feature importance [B, C]: each step's mask, weighted by the sum of its decision."""
        decisions, masks = self.encoder(self.entries(numeric, codes))
        return sum(decision.sum(dim=1, keepdim=True) * mask for decision, mask in zip(decisions, masks, strict=True))


class Reconstruction(nn.Module):
    """Self-supervised pretraining: hide columns, encode the others, decode what was hidden.

    The embeddings of categories stay what they are: a target that can move would shrink towards 0.
    """

    def __init__(self, tabnet: TabNet, shape: dict, n_shared: int, n_independent: int) -> None:
        super().__init__()
        self.tabnet = tabnet
        width, entries, steps = shape["n_d"], len(tabnet.encoder.column), shape["n_steps"]
        self.shared = nn.ModuleList(linear(width, 2 * width, 2.0) for _ in range(n_shared))
        self.transformers = nn.ModuleList(
            FeatureTransformer(width, width, n_shared, n_independent, shape["virtual_batch"], shape["momentum"])
            for _ in range(steps)
        )
        self.outputs = nn.ModuleList(linear(width, entries, 0.5) for _ in range(steps))

    def forward(
        self, numeric: torch.Tensor, codes: torch.Tensor, hidden: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """hidden: 1 for a hidden column [B, C], else 0. Returns decoded, true and hidden entries, each [B, E]."""
        encoder = self.tabnet.encoder
        entries, concealed = self.tabnet.entries(numeric, codes).detach(), hidden[:, encoder.column]
        decisions, _ = encoder(entries * (1 - concealed), 1 - hidden)
        steps = zip(decisions, self.transformers, self.outputs, strict=True)
        decoded = sum(output(transformer(decision, self.shared)) for decision, transformer, output in steps)
        return decoded, entries, concealed
