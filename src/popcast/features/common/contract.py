"""The contract of a feature block: fit on training posts, save, transform any posts, also ones never seen.

The ``block.py`` of a folder defines ``Params`` (its section of params.yaml) and ``Block``. ``fit`` gets every post of
the dataset with its ``split`` and ``fold`` and must learn from the training part only; a block that uses labels keeps,
for each post it was fitted with, what that post may see (see :func:`visible_from`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, Self

import polars as pl

from popcast.core.section import Section


@dataclass(frozen=True)
class Context:
    """What a block may know besides its params: seed, zone of day parts, raw folder (media only), scratch folder.

    ``final_fit`` is that of the dataset's split: which labels an unlabelled post may see (``visibility``). ``block`` is
    the block's name where several of one kind stand side by side, such as ``text_e5``.
    """

    dataset: str
    seed: int
    zone: str = "UTC"
    raw: Path | None = None
    scratch: Path | None = None
    final_fit: str = "labelled"
    block: str | None = None

    def named(self, kind: str) -> str:
        """Name of the block whose code is the folder ``kind``: what its columns begin with."""
        return self.block or kind


class FeatureBlock(Protocol):
    """One feature block. Columns are named ``<block>.<column>``.

    Column types: Float64 or Float32 for numbers, String for categories, ``Array(Float32, width)`` for embeddings,
    whose column is called ``<block>.embedding`` (or ``<block>.<what>_embedding``). Null where unknown.

    A block that lends labels to posts without times, where a post of one fold sees the labels of the other folds, also
    has ``held_out(posts, embedding)``: fold -> the columns of ``transform`` as they are while that fold's labels are
    unknown. Out-of-fold models learn from these, else the labels they are judged by would be among their inputs.

    A block that looks at other posts than the one asked about has ``grown(posts, embedding)``: a copy that knows these
    posts too (joined with ``split`` and ``fold``), as a block that was fitted on all of them would.
    """

    Params: ClassVar[type[Section]]

    def __init__(self, params: Section, context: Context) -> None: ...

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Learn from posts with ``split == "train"``.

        posts: the ``posts`` table joined with ``split`` and ``fold``, any order. embedding (derived blocks only):
        ``post_id`` and ``embedding`` [width] of the same posts.
        """

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """Features of any posts (columns of the ``posts`` table): ``post_id`` first, one row per post, same order."""

    def save(self, folder: Path) -> None: ...

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self: ...
