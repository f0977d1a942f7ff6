"""Within-task pretraining: a backbone goes on learning its language from the training posts' own texts.

Sheet smp2025.md section 6 (ITPT): masked language modelling on training texts, learning rate 5e-5 with warm-up; texts
held out of it tell the perplexity, stop the training, and send us back to the base model if the perplexity does not
fall. Masks as in BERT: of the tokens drawn 80 in 100 become the mask, 10 another token, 10 stay. A checkpoint without
a masked-language head (MiniLM) gets a new one, so that its perplexity before says little.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from popcast.core.pretrained import opening
from popcast.models.nets.training import chosen_device, seeded, train
from popcast.models.text_regressor.text_network import Texts, run_layers, source

if TYPE_CHECKING:
    from popcast.models.contract.stopping import Window
    from popcast.models.text_regressor.params import Mlm

IGNORED = -100
"""Label of a token that is not to be guessed."""
LARGEST = 700.0
"""Log perplexities above it would not be a number."""


class MaskedLm(nn.Module):
    """Backbone and language head. ``forward``: mean negative log likelihood of the guessed tokens (nats)."""

    def __init__(self, name: str, config) -> None:
        from transformers import AutoModelForMaskedLM

        super().__init__()
        options = {"config": config, "dtype": torch.float32, "attn_implementation": "sdpa"}
        model = opening.model(AutoModelForMaskedLM, source(name), **options)
        self.backbone = model.base_model
        self.head = model.cls if hasattr(model, "cls") else model.lm_head

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        hidden = run_layers(self.backbone.embeddings(input_ids=ids), self.backbone.encoder.layer, mask)
        guessed = labels != IGNORED
        logits = self.head(hidden[guessed])
        return nn.functional.cross_entropy(logits.float(), labels[guessed])


def masked(ids: torch.Tensor, mask: torch.Tensor, tokenizer, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Corrupted ids and labels [b, w] by torch's random numbers; special tokens are left alone.

    At least one token is to be guessed wherever there is an ordinary one.
    """
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids, device=ids.device)) | ~mask
    chance = torch.rand(ids.shape, device=ids.device).masked_fill(special, 2.0)
    chosen = chance < share
    if not chosen.any() and not special.all():
        chosen = chance == chance.min()
    kind = torch.rand(ids.shape, device=ids.device)
    other = torch.randint(len(tokenizer), ids.shape, device=ids.device)
    corrupted = torch.where(chosen & (kind < 0.8), torch.full_like(ids, tokenizer.mask_token_id), ids)
    corrupted = torch.where(chosen & (kind >= 0.9), other, corrupted)
    return corrupted, torch.where(chosen, ids, torch.full_like(ids, IGNORED))


def pretrain(
    name: str, config, tokenizer, texts: Texts, window: Window, settings: Mlm, seed: int, scratch: Path | None
) -> tuple[dict[str, torch.Tensor] | None, dict[str, float]]:
    """Adapt a backbone to ``texts``; those that ``window`` watches are held out.

    Returns the adapted weights of the backbone, or None where the held-out perplexity did not fall, and the
    perplexities ``before`` and ``after``.
    """
    with seeded(seed):
        network = MaskedLm(name, config)

    def loss(module: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        ids, labels = masked(batch["ids"], batch["mask"], tokenizer, settings.share)
        return module(ids, batch["mask"], labels)

    held_out = np.flatnonzero(window.watch)
    held_out = held_out[np.argsort(texts.lengths[held_out], kind="stable")]

    def monitor(module: nn.Module) -> float:
        """Log perplexity of the held-out texts, with the same masks every time."""
        device, total, guessed = next(module.parameters()).device, 0.0, 0
        with seeded(seed, 0):
            for i in range(0, len(held_out), 64):
                batch = texts.batch(held_out[i : i + 64])
                ids, labels = masked(batch["ids"], batch["mask"], tokenizer, settings.share)
                count = int((labels != IGNORED).sum())
                if count:
                    value = module(ids.to(device), batch["mask"].to(device), labels.to(device))
                    total, guessed = total + float(value) * count, guessed + count
        return total / max(guessed, 1)

    network.to(chosen_device(settings.training.device)).eval()
    with torch.no_grad():
        before = monitor(network)
    history = train(
        network, texts, np.flatnonzero(window.learn), loss, settings.training, seed, monitor=monitor,
        folder=None if scratch is None else scratch / "masked-lm", label="masked language model",
    )  # fmt: skip
    after = min(row["monitor"] for row in history)
    found = {"before": math.exp(min(before, LARGEST)), "after": math.exp(min(after, LARGEST))}
    if not after < before:
        return None, found
    return {name: value.detach().clone() for name, value in network.backbone.state_dict().items()}, found
