"""Feature block ``ocr``: the words in a post's first picture.

Columns: ``ocr.lines`` and ``ocr.letters`` (how many; 0 where a picture has none), ``ocr.area`` (share of the picture),
``ocr.sure`` (mean confidence), and with ``encoder`` ``ocr.embedding`` of the words as one text. All are null for a post
without a picture or with one that gives nothing, which ``quality`` counts; ``ocr.sure`` and ``ocr.embedding`` are null
without words too. Pictures are read with their longer side at most ``side`` pixels. Nothing is learned.
``popcast pretrained ocr`` makes the folder of networks; ``rapidocr-onnxruntime`` must be installed.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core import paths
from popcast.core.engine import map_shards
from popcast.core.errors import BadInput
from popcast.core.pretrained.saved_files import read_json
from popcast.core.scratch import kept
from popcast.core.section import Model, Section
from popcast.core.tables import write_json
from popcast.features.common import descriptors, media
from popcast.features.common.block_files import read_block
from popcast.features.common.contract import Context
from popcast.features.common.embeddings import embedding_column
from popcast.features.common.encoders import SentenceEncoder
from popcast.features.ocr.word_reading import WordReader

LONGEST = 2000
"""Bytes of the words of a picture that are kept."""
NUMBERS = ("lines", "letters", "area", "sure")
ROW = np.dtype([("status", "f8"), *((name, "f8") for name in NUMBERS), ("text", f"S{LONGEST}")])
"""What is known of a picture. status: see ``media.REASONS``; NaN: no picture."""


class Params(Section):
    model: Model = Field(str(paths.PRETRAINED / "ocr"), description="folder of the networks")
    side: int = Field(960, ge=32, description="longer side of the picture that is read, in pixels")
    encoder: Model | None = Field(None, description="sentence encoder of the words: hub id or folder; null: none")
    max_tokens: int = Field(64, ge=8)
    shard: int = Field(64, ge=1, description="pictures per piece of work; a killed run finds finished pieces again")


@lru_cache(maxsize=1)
def reader_of(model: str) -> Any:
    """One reader per process: its networks take a while to load."""
    return WordReader(Path(model))


def read_file(path: Path, model: str, side: int) -> np.ndarray:
    """Row [1] of ROW of one picture."""
    row = np.zeros(1, ROW)
    try:
        picture = descriptors.read_picture(path, side)[0]
    except descriptors.Undecodable as reason:
        row["status"] = 1 + media.REASONS.index(str(reason))
        return row
    words = reader_of(model)(picture)
    letters = sum(sign.isalnum() for line in words.lines for sign in line)
    for name, value in zip(NUMBERS, (len(words.lines), letters, words.area, words.sure), strict=True):
        row[name] = value
    row["text"] = words.text.encode()[:LONGEST].decode(errors="ignore").encode()
    return row


def read_shard(names: list[str], raw: Path, scratch: Path | None, model: str, side: int) -> np.ndarray:
    """Rows of :func:`read_file`, kept in the scratch folder."""
    key = media.file_key(raw, names, f"ocr {model} {side}")
    return kept(scratch, f"words-{key}", lambda: np.concatenate([read_file(raw / name, model, side) for name in names]))


class Block:
    """Words of the first picture. ``quality``: pictures that give nothing, by reason."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params, self.context, self.name = params, context, context.named("ocr")
        self.quality: dict[str, int] = {}
        self._rows: dict[str, np.ndarray] = {}

    def forget(self) -> None:
        """Read every file anew from now on."""
        self._rows = {}

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Read every picture once; nothing is learned."""
        self._described(posts)
        return self

    def _described(self, posts: pl.DataFrame) -> np.ndarray:
        """Rows of ROW [posts]."""
        names, p = media.first_media(posts, media.PICTURES), self.params
        fresh = sorted({name for name in names if name is not None} - self._rows.keys())
        if fresh:
            shards = [fresh[start : start + p.shard] for start in range(0, len(fresh), p.shard)]
            raw = media.raw_folder(self.context)
            work = partial(read_shard, raw=raw, scratch=self.context.scratch, model=p.model, side=p.side)
            for shard, rows in zip(shards, map_shards(work, shards, f"{self.name}: pictures"), strict=True):
                self._rows.update(zip(shard, rows, strict=True))
        described = np.zeros(len(names), ROW)
        described["status"] = np.nan
        for i, name in enumerate(names):
            if name is not None:
                described[i] = self._rows[name]
        self.quality = media.quality(names, described["status"], "with_image")
        return described

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and the ``ocr.`` columns, in the order of ``posts``."""
        if not posts.height:
            raise BadInput(f"{self.context.dataset}: no posts to describe")
        rows = self._described(posts)
        good, columns = rows["status"] == 0, [posts["post_id"]]
        for name in NUMBERS:
            columns.append(pl.Series(f"{self.name}.{name}", np.where(good, rows[name], np.nan)).fill_nan(None))
        if self.params.encoder is not None:
            texts = [text.decode() for text in rows["text"].tolist()]
            said = np.array([ok and bool(text) for ok, text in zip(good, texts, strict=True)], bool)
            encoder = SentenceEncoder(self.params.encoder, self.params.max_tokens, scratch=self.context.scratch)
            vectors = encoder.encode([texts[i] for i in np.flatnonzero(said)])
            columns.append(embedding_column(f"{self.name}.embedding", vectors, said))
        return pl.DataFrame(columns)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json({"params": self.params.model_dump(mode="json")}, folder / "block.json")
        write_json(self.quality, folder / "quality.json")

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        block, _ = read_block(cls, folder / "block.json", context)
        block.quality = read_json(folder / "quality.json")
        return block
