"""The two forms of CBAN's bipolar attention as torch modules (sheet mmra.md section 7).

V: frames [B, F, d], t: title [B, 1, d].

``shapes`` names the modalities that there are, as in ``MicroVideoInputs``: visual (frames, width), text (width,).
"""

from __future__ import annotations

import torch
from torch import nn


class Additive(nn.Module):
    """``ref``: S = tanh(Lin(Ev + Et)), Tp = softmax over frames(S) t, Vp = plain sum of the frames, negatives = -1 x.

    The softmax of the frames' branch runs over an axis of length 1, so all its weights are 1. Pooling weights
    tanh(Lin(x + M)) are not normalised; M is learned, one row per frame. The published module also holds two linear
    layers d -> 1 that nothing calls; they are kept, because the published number of parameters counts them.
    """

    def __init__(self, shapes: dict[str, tuple[int, ...]], width: int) -> None:
        super().__init__()
        both = len(shapes) == 2
        self.project = _projections(shapes, width)
        if both:
            self.embed = nn.ModuleDict({name: nn.Linear(width, width) for name in shapes})
            self.score = nn.Linear(width, 1)
            self.dual = nn.ModuleDict({name: nn.Linear(2 * width, width) for name in shapes})
        self.cross = nn.ModuleDict({name: nn.Linear((1 + both) * width, width) for name in shapes})
        self.weigh = nn.ModuleDict({name: nn.Linear(width, 1) for name in shapes})
        self.offset = nn.ParameterDict({name: torch.randn(_tokens(shape), width) for name, shape in shapes.items()})
        self.unused = nn.ModuleDict({name: nn.Linear(width, 1) for name in shapes})
        self.head = nn.Linear(len(shapes) * width, 1)

    def forward(self, visual=None, text=None) -> torch.Tensor:
        """visual [B, F, given], text [B, given] -> [B]."""
        tokens = _projected(self.project, visual, text)
        if len(tokens) == 2:
            tokens = self._crossed(tokens["visual"], tokens["text"])
        pooled = []
        for name, x in tokens.items():
            x = torch.tanh(self.cross[name](x))
            weights = torch.tanh(self.weigh[name](x + self.offset[name]))
            pooled.append((weights * x).sum(dim=1))
        return self.head(torch.cat(pooled, dim=1))[:, 0]

    def _crossed(self, visual: torch.Tensor, text: torch.Tensor) -> dict[str, torch.Tensor]:
        """Each token beside what the other modality says to it, [B, tokens, 2d]."""
        embedded = torch.tanh(self.embed["visual"](visual)) + torch.tanh(self.embed["text"](text))
        scores = torch.tanh(self.score(embedded))
        text_positive = torch.softmax(scores, dim=1) * text
        visual_positive = visual.sum(dim=1, keepdim=True)
        to_visual = torch.tanh(self.dual["text"](torch.cat([text_positive, -text_positive], dim=2)))
        to_text = torch.tanh(self.dual["visual"](torch.cat([visual_positive, -visual_positive], dim=2)))
        return {
            "visual": torch.cat([visual, to_visual], dim=2),
            "text": torch.cat([text, to_text], dim=2),
        }


class DotProduct(nn.Module):
    """``fixed``: A = Et Ev^T unscaled; softmax(A) and softmax(-A) over the keys; softmax pooling over sqrt(d).

    Dropout before every linear layer. Cheung and Lam, "Crossmodal bipolar attention for multimodal classification on
    social media" (2022), and its published code.
    """

    def __init__(self, shapes: dict[str, tuple[int, ...]], width: int, dropout: float) -> None:
        super().__init__()
        both = len(shapes) == 2
        self.project = _projections(shapes, width)
        self.dropout = nn.Dropout(dropout)
        if both:
            self.embed = nn.ModuleDict({name: nn.Linear(width, width) for name in shapes})
            self.dual = nn.ModuleDict({name: nn.Linear(2 * width, width) for name in shapes})
        self.cross = nn.ModuleDict({name: nn.Linear((1 + both) * width, width) for name in shapes})
        self.weigh = nn.ModuleDict({name: nn.Linear(width, 1, bias=False) for name in shapes})
        self.head = nn.Linear(len(shapes) * width, 1)

    def forward(self, visual=None, text=None) -> torch.Tensor:
        """visual [B, F, given], text [B, given] -> [B]."""
        tokens = _projected(self.project, visual, text)
        if len(tokens) == 2:
            tokens = self._crossed(tokens["visual"], tokens["text"])
        pooled = []
        for name, x in tokens.items():
            x = torch.tanh(self.cross[name](self.dropout(x)))
            scores = self.weigh[name](self.dropout(x)) / x.shape[2] ** 0.5
            pooled.append((torch.softmax(scores, dim=1) * x).sum(dim=1))
        return self.head(self.dropout(torch.cat(pooled, dim=1)))[:, 0]

    def _crossed(self, visual: torch.Tensor, text: torch.Tensor) -> dict[str, torch.Tensor]:
        """Each token beside what the other modality says to it, [B, tokens, 2d]."""
        tokens = {"visual": visual, "text": text}
        embedded = {name: torch.tanh(self.embed[name](self.dropout(x))) for name, x in tokens.items()}
        scores = embedded["text"] @ embedded["visual"].transpose(1, 2)
        found = {}
        for own, other, a in (("visual", "text", scores.transpose(1, 2)), ("text", "visual", scores)):
            fits = torch.softmax(a, dim=2) @ tokens[other]
            clashes = torch.softmax(-a, dim=2) @ tokens[other]
            said = torch.tanh(self.dual[own](self.dropout(torch.cat([fits, clashes], dim=2))))
            found[own] = torch.cat([tokens[own], said], dim=2)
        return found


def _tokens(shape: tuple[int, ...]) -> int:
    """Vectors per post: the frames, or the one of a title."""
    return shape[0] if len(shape) == 2 else 1


def _projections(shapes: dict[str, tuple[int, ...]], width: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {n: nn.Identity() if shape[-1] == width else nn.Linear(shape[-1], width) for n, shape in shapes.items()}
    )


def _projected(project: nn.ModuleDict, visual, text) -> dict[str, torch.Tensor]:
    """Tokens [B, F or 1, d] of the modalities that there are, visual first."""
    given = {"visual": visual, "text": None if text is None else text[:, None]}
    return {name: layer(given[name]) for name, layer in project.items()}
