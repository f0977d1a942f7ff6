"""Word vectors of a package -> a folder of words and vectors, see ``popcast.core.pretrained.word_vectors``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from popcast.core.errors import bad_input
from popcast.core.pretrained.saved_files import read_array
from popcast.core.pretrained.word_vectors import write_word_vectors


def convert_glove(vectors: Path, index: Path, folder: Path) -> None:
    """vectors: npy, float32 [words, width]. index: parquet with the words in that order."""
    found = read_array(vectors)
    words = pl.read_parquet(index).to_series().to_list()
    if found.ndim != 2 or len(words) != len(found):
        raise bad_input("not a vector per word", file=vectors, value=found.shape, expected=f"{len(words)} rows")
    write_word_vectors(words, found.astype(np.float32), folder)
