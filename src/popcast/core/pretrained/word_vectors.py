"""A folder of word vectors, such as GloVe: ``words.txt`` (a word per line), ``vectors.safetensors``, ``config.json``.

>>> import tempfile, numpy as np
>>> folder = Path(tempfile.mkdtemp())
>>> write_word_vectors(["rain", "sun"], np.eye(2, dtype=np.float32), folder)
>>> words, vectors = read_word_vectors(folder)
>>> words["sun"], vectors.shape
(1, (2, 2))
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from popcast.core.errors import BadInput, bad_input
from popcast.core.pretrained.saved_files import read_bytes, read_json, read_tensors
from popcast.core.safety.whole_files import write_whole
from popcast.core.tables import write_json

KIND = "word_vectors"
WORDS, VECTORS, CONFIG = "words.txt", "vectors.safetensors", "config.json"


def write_word_vectors(words: Sequence[str], vectors: np.ndarray, folder: Path) -> None:
    """words: distinct, without line breaks. vectors: float32 [words, width]."""
    from safetensors.numpy import save_file

    write_whole("".join(f"{word}\n" for word in words).encode(), folder / WORDS)
    save_file({"vectors": np.ascontiguousarray(vectors)}, folder / VECTORS)
    count, width = vectors.shape
    write_json({"model_type": KIND, "vocab_size": count, "hidden_size": width}, folder / CONFIG)


def read_word_vectors(folder: Path) -> tuple[dict[str, int], np.ndarray]:
    """Word -> row, and vectors float32 [rows, width]. BadInput: no such folder, or words and vectors do not fit."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder of word vectors: `popcast pretrained glove` makes one")
    if (kind := read_json(folder / CONFIG).get("model_type")) != KIND:
        raise bad_input("not word vectors", file=folder / CONFIG, field="model_type", value=kind, expected=KIND)
    words = read_bytes(folder / WORDS).decode().split("\n")[:-1]
    vectors = read_tensors(folder / VECTORS).get("vectors")
    if vectors is None or vectors.ndim != 2 or len(vectors) != len(words):
        raise bad_input(
            "not a vector per word", file=folder / VECTORS, value=None if vectors is None else vectors.shape,
            expected=f"{len(words)} rows",
        )  # fmt: skip
    return {word: row for row, word in enumerate(words)}, vectors
