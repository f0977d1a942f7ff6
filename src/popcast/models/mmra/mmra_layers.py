"""Layers of ``mmra``: the bipolar attention block in three variants, and the network around it.

Source: sheet mmra.md section 5. Shapes: B posts, F frames, d = ``width``; text is one vector, a sequence of length 1.
``ref`` and ``fixed`` have the same layers (18,115,509 parameters at d = 768) and attend differently; ``paper`` has
projections of its own for each polarity. One modality alone has no attention: its vectors go through ``cross``
(d to d) and the pooling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layout:
    """What a network is built of. ``modalities``: name -> width of its vectors, in the order text, visual."""

    variant: str
    modalities: dict[str, int]
    width: int
    alpha: float
    divisor: float
    activation: str
    polarities: tuple[str, ...] = ("positive", "negative")
    retrieval: bool = True
    products: bool = True
    hidden: tuple[int, ...] = (800, 200)
    fallback: float = 0.0
    temperature: float = 1.0
    learned_temperature: bool = False


class Attention:
    """Both polarities of what queries take from values; no weights of its own."""

    def __init__(self, layout: Layout) -> None:
        self.alpha, self.polarities, self.reference = layout.alpha, layout.polarities, layout.variant == "ref"

    def __call__(self, scores: dict[str, Tensor], values: dict[str, Tensor]) -> Tensor:
        """scores [B, Q, N], values [B, N, d] by polarity -> [B, Q, polarities * d].

        Reference: softmax over the queries (so a single query sums its values), negative = -alpha * positive. Else:
        softmax over the values, of alpha * scores and of -(1 - alpha) * scores.
        """
        found = []
        for polarity in self.polarities:
            score = scores[polarity]
            if self.reference:
                taken = score.softmax(dim=1) @ values[polarity]
                found.append(taken if polarity == "positive" else -self.alpha * taken)
            else:
                sharpness = self.alpha if polarity == "positive" else self.alpha - 1.0
                found.append((sharpness * score).softmax(dim=2) @ values[polarity])
        return torch.cat(found, dim=-1)


class Pooling(nn.Module):
    """Attentive pooling over a sequence [B, N, d] -> [B, d]."""

    def __init__(self, width: int, divisor: float) -> None:
        super().__init__()
        self.score, self.divisor = nn.Linear(width, 1), divisor

    def forward(self, sequence: Tensor) -> Tensor:
        return ((self.score(sequence) / self.divisor).softmax(dim=1) * sequence).sum(dim=1)


class BipolarBlock(nn.Module):
    """``ref`` and ``fixed``: {modality: [B, N, d]} -> {modality: [B, d]}."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        d, names = layout.width, list(layout.modalities)
        self.both, self.divisor, self.attention = len(names) == 2, layout.divisor, Attention(layout)
        self.activation = torch.tanh if layout.activation == "tanh" else torch.relu
        if self.both:
            self.embed = nn.ModuleDict({name: nn.Linear(d, d) for name in names})
            self.dual = nn.ModuleDict({name: nn.Linear(len(layout.polarities) * d, d) for name in names})
        self.cross = nn.ModuleDict({name: nn.Linear((2 if self.both else 1) * d, d) for name in names})
        self.pool = nn.ModuleDict({name: Pooling(d, layout.divisor) for name in names})

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        fused = dict(inputs)
        if self.both:
            visual, text = (self.activation(self.embed[name](inputs[name])) for name in ("visual", "text"))
            scores = visual @ text.transpose(1, 2) / self.divisor
            fused["visual"] = self._joined("visual", inputs, "text", scores)
            fused["text"] = self._joined("text", inputs, "visual", scores.transpose(1, 2))
        return {name: self.pool[name](self.activation(self.cross[name](part))) for name, part in fused.items()}

    def _joined(self, name: str, inputs: dict[str, Tensor], other: str, scores: Tensor) -> Tensor:
        """[B, N, 2d]: the vectors of one modality beside what they take from the other one."""
        polarities = self.attention.polarities
        taken = self.attention(dict.fromkeys(polarities, scores), dict.fromkeys(polarities, inputs[other]))
        return torch.cat([inputs[name], self.activation(self.dual[other](taken))], dim=-1)


class PaperBlock(nn.Module):
    """``paper``: fused = ReLU(X + [P; N] W1) W2 with X = ReLU(Lin(E)), and Q, K, V projections for each polarity."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        d, names, count = layout.width, list(layout.modalities), len(layout.polarities)
        self.both, self.divisor, self.attention = len(names) == 2, layout.divisor, Attention(layout)
        self.encode = nn.ModuleDict({name: nn.Linear(d, d) for name in names})
        if self.both:
            self.query, self.key, self.value = (
                nn.ModuleDict({name: nn.ModuleDict({p: nn.Linear(d, d) for p in layout.polarities}) for name in names})
                for _ in range(3)
            )
            self.first = nn.ModuleDict({name: nn.Linear(count * d, d) for name in names})
        self.second = nn.ModuleDict({name: nn.Linear(d, d) for name in names})
        self.pool = nn.ModuleDict({name: Pooling(d, layout.divisor) for name in names})

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        encoded = {name: torch.relu(self.encode[name](part)) for name, part in inputs.items()}
        fused = dict(encoded)
        if self.both:
            for name, other in (("visual", "text"), ("text", "visual")):
                fused[name] = torch.relu(encoded[name] + self.first[name](self._taken(name, other, encoded)))
        return {name: self.pool[name](self.second[name](part)) for name, part in fused.items()}

    def _taken(self, name: str, other: str, encoded: dict[str, Tensor]) -> Tensor:
        """[B, N, polarities * d]: what the vectors of one modality take from the other one."""
        scores, values = {}, {}
        for polarity in self.attention.polarities:
            keys = self.key[other][polarity](encoded[other])
            scores[polarity] = self.query[name][polarity](encoded[name]) @ keys.transpose(1, 2) / self.divisor
            values[polarity] = self.value[other][polarity](encoded[other])
        return self.attention(scores, values)


class Network(nn.Module):
    """MMRA: popularity of posts from their own vectors and those of their neighbours with their labels.

    ``forward`` takes ``visual`` [B, F, widths] and ``text`` [B, width], ``near_visual``, ``near_text`` and
    ``near_label`` [B]: either already averaged over the neighbours, or with a dimension K after the first one together
    with ``near_similarity`` [B, K] (-inf where there is no neighbour).
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout, d, names = layout, layout.width, list(layout.modalities)
        self.project = nn.ModuleDict(
            {name: nn.Linear(width, d) for name, width in layout.modalities.items() if width != d}
        )
        kind = PaperBlock if layout.variant == "paper" else BipolarBlock
        self.own = kind(layout)
        pieces = len(names)
        if layout.retrieval:
            self.near, self.label = kind(layout), nn.Linear(1, d)
            pieces = 2 * len(names) + (len(names) * (len(names) + 1) if layout.products else 0)
            pieces += layout.variant == "paper" or not layout.products
        if layout.learned_temperature:
            self.log_temperature = nn.Parameter(torch.tensor(math.log(layout.temperature)))
        widths = [pieces * d, *layout.hidden]
        steps = [step for a, b in pairwise(widths) for step in (nn.Linear(a, b), nn.ReLU())]
        self.head = nn.Sequential(*steps, nn.Linear(widths[-1], 1))

    def forward(self, **inputs: Tensor) -> Tensor:
        own = self.own(self._sequences(inputs, ""))
        pieces = list(own.values())
        if self.layout.retrieval:
            if "near_similarity" in inputs:
                inputs = self._averaged(inputs)
            near = self.near(self._sequences(inputs, "near_"))
            label = self.label(inputs["near_label"][:, None])
            label = label if self.layout.variant == "paper" else torch.relu(label)
            pieces += self._neighbour_pieces(own, near, label)
        return self.head(torch.cat(pieces, dim=-1)).squeeze(-1)

    def _sequences(self, inputs: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
        """{modality: [B, N, d]}, projected to d where the vectors have another width."""
        found = {name: inputs[prefix + name] for name in self.layout.modalities}
        found = {name: self.project[name](part) if name in self.project else part for name, part in found.items()}
        return {name: part[:, None] if name == "text" else part for name, part in found.items()}

    def _neighbour_pieces(self, own: dict[str, Tensor], near: dict[str, Tensor], label: Tensor) -> list[Tensor]:
        """Order of the sheet: neighbours, products V V', V T', T V', T T', V l, T l."""
        pieces = list(near.values())
        if self.layout.variant == "paper" or not self.layout.products:
            pieces.append(label)
        if self.layout.products:
            first = [name for name in ("visual", "text") if name in own]
            pieces += [own[a] * near[b] for a in first for b in first] + [own[a] * label for a in first]
        return pieces

    def _averaged(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """The K neighbours of each post as one: sums weighted by softmax(similarity / temperature)."""
        learned = self.layout.learned_temperature
        temperature = self.log_temperature.exp() if learned else self.layout.temperature
        similarity = inputs["near_similarity"]
        seen = similarity.isfinite()
        scaled = torch.where(seen, similarity, 0.0) / temperature
        weights = scaled.masked_fill(~seen & seen.any(dim=1, keepdim=True), -torch.inf).softmax(dim=1) * seen
        found = {name: inputs[name] for name in self.layout.modalities}
        for name in self.layout.modalities:
            near = inputs[f"near_{name}"]
            found[f"near_{name}"] = (weights[:, None] @ near.flatten(2)).view(len(near), *near.shape[2:])
        rest = 1.0 - weights.sum(dim=1)
        found["near_label"] = (weights * inputs["near_label"]).sum(dim=1) + rest * self.layout.fallback
        return found
