"""What the blocks ``image`` and ``video`` share: which file of a post is looked at, pieces of work, what is learned.

Every file is described once; a killed run finds finished pieces again in the scratch folder. The mean and deviation of
the appearance vectors come from training posts.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import polars as pl

from popcast.core.engine import map_shards, progress
from popcast.core.errors import BadInput
from popcast.core.pretrained.saved_files import read_json
from popcast.core.section import Section
from popcast.core.tables import write_json
from popcast.features.common import descriptors
from popcast.features.common.block_files import read_block
from popcast.features.common.contract import Context

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
REASONS = ("missing_file", "absurd_size", "undecodable")
"""Why a file gives nothing. The status of a file is 0 for a good one, else 1 + the place of its reason."""

Made = TypeVar("Made")
_LOADING = threading.Lock()


def raw_folder(context: Context) -> Path:
    """The raw folder of a media block; raises :class:`BadInput` where there is none."""
    if context.raw is None or not context.raw.is_dir():
        raise BadInput(f"{context.dataset}: {context.raw}: no such folder: expected the folder of the media files")
    return context.raw


def first_media(posts: pl.DataFrame, suffixes: tuple[str, ...]) -> list[str | None]:
    """Path (below the raw folder) of the first media item of each post with one of the suffixes, else None."""
    found = []
    for media in posts["media"].to_list():
        found.append(next((item for item in media or () if item.lower().endswith(suffixes)), None))
    return found


def file_key(raw: Path, names: list[str], kind: str) -> str:
    """Name of the piece of work on these files: changes with their names, sizes and times."""
    digest = hashlib.sha256(kind.encode())
    for name in names:
        path = raw / name
        stat = path.stat() if path.is_file() else None
        digest.update(f"{path}\0{stat and (stat.st_size, stat.st_mtime_ns)}\0".encode())
    return digest.hexdigest()[:24]


class MediaBlock:
    """A block that describes one file per post. ``quality``: files that give nothing, by reason.

    A subclass has ``kind``, its folder, and ``Params`` with ``shard``, files per piece of work. ``standard``: of the
    appearance vectors.
    """

    Params: ClassVar[type[Section]]
    kind: ClassVar[str] = "media"

    def __init__(self, params: Section, context: Context) -> None:
        self.params, self.context, self.name = params, context, context.named(self.kind)
        self.quality: dict[str, int] = {}
        self.standard: descriptors.Standard | None = None
        self._rows: dict[str, np.ndarray] = {}
        self._encoders: dict[str, Any] = {}
        """Shared with copies of the block: a bundle loads an encoder once, not once per forecast."""

    def _encoder(self, name: str, load: Callable[[], Made]) -> Made:
        """The encoder ``name``, loaded when it is first asked for."""
        with _LOADING:
            if name not in self._encoders:
                self._encoders[name] = load()
            return self._encoders[name]

    def forget(self) -> None:
        """Describe every file anew from now on. What was learned stays."""
        self._rows = {}

    def _describe(self, names: Iterable[str | None], work: Callable[..., np.ndarray], label: str) -> None:
        """Put the rows of files that are not yet known into ``_rows``.

        work: (names [k], raw, scratch) -> rows [k]; it may run in another process.
        """
        fresh = sorted({name for name in names if name is not None} - self._rows.keys())
        if fresh:
            shards = [fresh[start : start + self.params.shard] for start in range(0, len(fresh), self.params.shard)]
            work = partial(work, raw=raw_folder(self.context), scratch=self.context.scratch)
            for shard, rows in zip(shards, map_shards(work, shards, label), strict=True):
                self._rows.update(zip(shard, rows, strict=True))

    def _pieces(self, names: Iterable[str], size: int, kind: str, label: str) -> Iterator[tuple[list[str], str]]:
        """The distinct files in the order of their names, ``size`` at a time, and the name of each piece in scratch.

        The order makes batches of an encoder repeat. kind: what is done with them.
        """
        raw, wanted = raw_folder(self.context), sorted(set(names))
        starts = range(0, len(wanted), size)
        for start in progress(starts, len(starts), label):
            piece = wanted[start : start + size]
            yield piece, f"encoded-{file_key(raw, piece, kind)}"

    def save(self, folder: Path) -> None:
        learned = {"mean": self.standard.mean.tolist(), "scale": self.standard.scale.tolist()}
        write_json({"params": self.params.model_dump(mode="json"), **learned}, folder / "block.json")
        write_json(self.quality, folder / "quality.json")

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        block, content = read_block(cls, folder / "block.json", context)
        block.standard = descriptors.Standard(np.array(content["mean"]), np.array(content["scale"]))
        block.quality = read_json(folder / "quality.json")
        return block


def training_rows(posts: pl.DataFrame, good: np.ndarray) -> np.ndarray:
    """Numbers of the training posts whose file is good, in the order of their ids. good: bool [posts]."""
    rows = np.flatnonzero((posts["split"] == "train").to_numpy() & good)
    return rows[np.argsort(posts["post_id"].to_numpy()[rows], kind="stable")]


def quality(names: list[str | None], status: np.ndarray, what: str) -> dict[str, Any]:
    """Posts with a file, under ``what``, and those whose file gives nothing, by reason. status: float64 [posts]."""
    counts = {what: sum(name is not None for name in names)}
    return counts | {reason: int((status == 1 + i).sum()) for i, reason in enumerate(REASONS)}
