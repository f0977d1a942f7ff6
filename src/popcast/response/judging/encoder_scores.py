"""BERTScore and cosine of embeddings, by a text encoder in a local folder; without one they are null, never 0."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from popcast.response.judging.text_overlap import normalised

TOKENS = 256
BATCH = 32
MEASURES = ("bertscore_f1", "cosine")


def similarity(real: Sequence[str], made: Sequence[str], folder: str | None) -> dict[str, np.ndarray]:
    """``MEASURES`` for n pairs of normalised texts, float64 [n]; all NaN without a folder, and where a text is empty.

    bertscore_f1: greedy matching of the last layer's token vectors (Zhang et al., 2020), no idf, no rescaling; special
    tokens are left out. cosine: of the means of those vectors.
    """
    values = np.full((2, len(real)), np.nan)
    if folder is None:
        return dict(zip(MEASURES, values, strict=True))
    pairs = [(normalised(one), normalised(other)) for one, other in zip(real, made, strict=True)]
    texts = sorted({text for pair in pairs for text in pair if text}, key=lambda text: (len(text), text))
    vectors = dict(zip(texts, _token_vectors(texts, folder), strict=True))
    for place, (one, other) in enumerate(pairs):
        if one and other and len(vectors[one]) and len(vectors[other]):
            values[:, place] = _pair(vectors[one], vectors[other])
    return dict(zip(MEASURES, values, strict=True))


def _pair(real: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    means = real.mean(0), made.mean(0)
    cosine = float(means[0] @ means[1] / (np.linalg.norm(means[0]) * np.linalg.norm(means[1])))
    real, made = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (real, made))
    table = made @ real.T
    precision, recall = float(table.max(1).mean()), float(table.max(0).mean())
    return (2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0), cosine


@lru_cache(maxsize=1)
def _encoder(folder: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModel, AutoTokenizer

    from popcast.core.pretrained import opening

    return opening.part(AutoTokenizer, folder), opening.model(AutoModel, folder, dtype=torch.float32).eval()


def _token_vectors(texts: Sequence[str], folder: str) -> list[np.ndarray]:
    """Vectors of each text's tokens, float32 [tokens, width]."""
    import torch

    tokenizer, model = _encoder(folder)
    found: list[np.ndarray] = []
    for start in range(0, len(texts), BATCH):
        encoded = tokenizer(
            list(texts[start : start + BATCH]), padding=True, truncation=True, max_length=TOKENS,
            return_special_tokens_mask=True, return_tensors="pt",
        )  # fmt: skip
        special = encoded.pop("special_tokens_mask")
        with torch.inference_mode():
            hidden = model(**encoded).last_hidden_state
        kept = encoded["attention_mask"].bool() & ~special.bool()
        found += [one[mask].numpy() for one, mask in zip(hidden, kept, strict=True)]
    return found
