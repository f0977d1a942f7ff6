"""Feature block ``glove``: the mean word vectors of a post's title and of its tags.

Source: sheet smp2025.md section 1 no. 14 (``title_fe`` and ``alltags_fe``: mean of the GloVe vectors of lower-case
words that have one). Missing is null here, where the published code has zeros. Words are runs of letters and digits,
with the apostrophe cut as GloVe's own tokenizer does (``don't`` -> ``do``, ``n't``; ``it's`` -> ``it``, ``'s``).

Columns, per name in ``texts``: ``glove.<name>_embedding`` and ``glove.<name>_known``, the share of its words that have
a vector. Nothing is learned, and a word that occurs twice counts twice. ``popcast pretrained glove`` makes the folder.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core import paths
from popcast.core.errors import BadInput
from popcast.core.pretrained.word_vectors import read_word_vectors
from popcast.core.section import Model, Name, Section
from popcast.core.tables import write_json
from popcast.features.common.block_files import read_block
from popcast.features.common.contract import Context
from popcast.features.common.embeddings import embedding_column
from popcast.features.common.joined_text import AnyTextField, joined_text, with_fields

_WORD = re.compile(r"n't\b|'(?:s|re|ve|ll|d|m)\b|\w+?(?=n't\b)|\w+")
CURLY = str.maketrans({"\u2019": "'"})


class Params(Section):
    vectors: Model = Field(str(paths.PRETRAINED / "glove"), description="folder of word vectors")
    texts: dict[Name, Annotated[list[AnyTextField], Field(min_length=1)]] = Field(
        {"title": ["title"], "tags": ["tags"]}, min_length=1,
        description="name of the columns: fields that are read together",
    )  # fmt: skip


def words_of(text: str) -> list[str]:
    """Lower-case words of a text, in its order.

    >>> words_of("Don't stop, it’s 2024 #SunSet!")
    ['do', "n't", 'stop', 'it', "'s", '2024', 'sunset']
    """
    return _WORD.findall(text.lower().translate(CURLY))


class Block:
    """Mean vectors of known words. ``vectors`` float32 [words, width] are read when they are needed."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params, self.context, self.name = params, context, context.named("glove")
        self._read: tuple[dict[str, int], np.ndarray] | None = None

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Learn nothing; refuse posts of which no training post has a known word."""
        table = self.transform(posts.filter(split="train"))
        if all(table[column].null_count() == table.height for column in table.columns if column.endswith("_embedding")):
            raise BadInput(f"{self.context.dataset}: no training post has a word with a vector: leave {self.name} out")
        return self

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and the ``glove.`` columns, in the order of ``posts``."""
        columns = [posts["post_id"]]
        for label, fields in sorted(self.params.texts.items()):  # the order of a mapping means nothing
            texts = joined_text(with_fields(posts, fields), fields).to_list()
            means, share = self._means(texts)
            known = np.nan_to_num(share) > 0
            columns.append(embedding_column(f"{self.name}.{label}_embedding", means[known], known))
            columns.append(pl.Series(f"{self.name}.{label}_known", share, dtype=pl.Float64).fill_nan(None))
        return pl.DataFrame(columns)

    def _means(self, texts: list[str | None]) -> tuple[np.ndarray, np.ndarray]:
        """Mean vectors float32 [texts, width] (zero where no word is known) and shares; NaN where there is no word."""
        if self._read is None:
            self._read = read_word_vectors(Path(self.params.vectors))
        rows_of, vectors = self._read
        means = np.zeros((len(texts), vectors.shape[1]), np.float32)
        share = np.full(len(texts), np.nan)
        for i, text in enumerate(texts):
            words = words_of(text) if text is not None else []
            rows = [row for word in words if (row := rows_of.get(word)) is not None]
            if words:
                share[i] = len(rows) / len(words)
            if rows:
                means[i] = vectors[rows].mean(axis=0, dtype=np.float64)
        return means, share

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json({"params": self.params.model_dump(mode="json")}, folder / "block.json")

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        block, _ = read_block(cls, folder / "block.json", context)
        return block
