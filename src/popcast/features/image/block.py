"""Feature block ``image``: the first picture of a post.

Sources: sheet smp2025.md section 1 group 5 (width, height, pixels, mode), section 7 (vision encoders, ``has_image``
instead of placeholders). Descriptors: ``popcast.features.common.descriptors``.

Columns: ``image.has_image`` (1 or 0), ``image.width`` and so on, ``image.mode`` (a category), ``image.embedding`` (HOG
and colour histogram, standardised on training posts), ``image.encoder_embedding`` (vision encoder, off by default). A
picture that is missing, corrupt or absurdly large gives nulls and is counted in ``quality`` and quality.json.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import orjson
import polars as pl
from pydantic import Field

from popcast.core.engine import map_shards, progress
from popcast.core.errors import BadInput
from popcast.core.scratch import kept
from popcast.core.section import Section
from popcast.core.tables import write_json
from popcast.features.common import descriptors
from popcast.features.common.contract import Context
from popcast.features.common.encoders import VisionEncoder, embedding_column

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16")
REASONS = ("missing_file", "absurd_size", "undecodable")
FILE = ("width", "height", "pixels", "aspect")
NUMBERS = (*FILE, *descriptors.NAMES)
HEAD = 2
"""A row of :func:`describe_file` starts with status (0 good, else 1 + place in REASONS) and mode (place in MODES)."""


class Params(Section):
    encoder: str | None = Field(None, description="vision encoder: hub id or folder (CLIP, ViT); null: none")
    batch: int = Field(32, ge=1, description="pictures per batch of the encoder")
    shard: int = Field(256, ge=1, description="pictures per piece of work; a killed run finds finished pieces again")


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


def describe_file(path: Path) -> np.ndarray:
    """Status, mode, the numbers NUMBERS and the appearance vector of one file: float64; NaN after a bad status."""
    row = np.full(HEAD + len(NUMBERS) + descriptors.WIDTH, np.nan)
    try:
        rgb, width, height, mode = descriptors.read_picture(path)
    except descriptors.Undecodable as reason:
        row[0] = 1 + REASONS.index(str(reason))
        return row
    row[:HEAD] = 0, MODES.index(mode) if mode in MODES else -1
    row[HEAD : HEAD + len(FILE)] = width, height, width * height, width / height
    row[HEAD + len(FILE) :] = [*descriptors.describe(rgb), *descriptors.appearance(rgb)]
    return row


def describe_shard(names: list[str], raw: Path, scratch: Path | None) -> np.ndarray:
    """Rows of :func:`describe_file`, kept in the scratch folder."""
    key = file_key(raw, names, "image")
    return kept(scratch, f"images-{key}", lambda: np.stack([describe_file(raw / name) for name in names]))


class Block:
    """Descriptors and embeddings of the first picture. ``quality``: undecodable pictures by reason."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params, self.context = params, context
        self.quality: dict[str, int] = {}
        self.standard: descriptors.Standard | None = None
        self._rows: dict[str, np.ndarray] = {}

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Describe every picture once; learn mean and deviation of the embedding from those of training posts."""
        names, rows = self._described(posts)
        self.quality = _counts(names, rows)
        training = (posts["split"] == "train").to_numpy() & (rows[:, 0] == 0)
        order = np.argsort(posts["post_id"].to_numpy()[training], kind="stable")
        self.standard = descriptors.Standard.of(rows[training][order, HEAD + len(NUMBERS) :])
        return self

    def _described(self, posts: pl.DataFrame) -> tuple[list[str | None], np.ndarray]:
        """Names of the pictures, and rows of :func:`describe_file` [posts]; NaN where a post has no picture."""
        names = first_media(posts, SUFFIXES)
        fresh = sorted({name for name in names if name is not None} - self._rows.keys())
        if fresh:
            raw = raw_folder(self.context)
            shards = [fresh[start : start + self.params.shard] for start in range(0, len(fresh), self.params.shard)]
            work = partial(describe_shard, raw=raw, scratch=self.context.scratch)
            for shard, rows in zip(shards, map_shards(work, shards, "image: pictures"), strict=True):
                self._rows.update(zip(shard, rows, strict=True))
        nothing = np.full(HEAD + len(NUMBERS) + descriptors.WIDTH, np.nan)
        return names, np.stack([nothing if name is None else self._rows[name] for name in names])

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and the ``image.`` columns, in the order of ``posts``."""
        if not posts.height:
            raise BadInput(f"{self.context.dataset}: no posts to describe")
        names, rows = self._described(posts)
        self.quality = _counts(names, rows)
        good = rows[:, 0] == 0
        modes = [MODES[int(code)] if ok and code >= 0 else None for ok, code in zip(good, rows[:, 1], strict=True)]
        columns = [posts["post_id"], pl.Series("image.has_image", good.astype(np.float64))]
        columns.append(pl.Series("image.mode", modes, dtype=pl.String))
        for i, name in enumerate(NUMBERS, HEAD):
            columns.append(pl.Series(f"image.{name}", rows[:, i]).fill_nan(None))
        vectors = self.standard(rows[good, HEAD + len(NUMBERS) :])
        columns.append(embedding_column("image.embedding", vectors, good))
        if self.params.encoder is not None:
            columns.append(self._encoded(names, good))
        return pl.DataFrame(columns)

    def _encoded(self, names: list[str | None], good: np.ndarray) -> pl.Series:
        """Column of the vision encoder; pictures in the order of their names, so that batches repeat."""
        raw, encoder = raw_folder(self.context), VisionEncoder(self.params.encoder, self.params.batch)
        wanted = sorted({name for name, ok in zip(names, good, strict=True) if ok})
        starts = range(0, len(wanted), self.params.shard)
        vectors: dict[str, np.ndarray] = {}
        for start in progress(starts, len(starts), "image: encoder"):
            shard = wanted[start : start + self.params.shard]
            pictures = (descriptors.read_picture(raw / name)[0] for name in shard)
            key = file_key(raw, shard, self.params.encoder)
            encoded = kept(self.context.scratch, f"encoded-{key}", partial(encoder.encode, pictures))
            vectors.update(zip(shard, encoded, strict=True))
        found = [vectors[name] for name, ok in zip(names, good, strict=True) if ok]
        stacked = np.stack(found) if found else np.empty((0, encoder.width), np.float32)
        return embedding_column("image.encoder_embedding", stacked, good)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        learned = {"mean": self.standard.mean.tolist(), "scale": self.standard.scale.tolist()}
        write_json({"params": self.params.model_dump(mode="json"), **learned}, folder / "block.json")
        write_json(self.quality, folder / "quality.json")

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        content = orjson.loads((folder / "block.json").read_bytes())
        block = cls(cls.Params.model_validate(content["params"]), context)
        block.standard = descriptors.Standard(np.array(content["mean"]), np.array(content["scale"]))
        block.quality = orjson.loads((folder / "quality.json").read_bytes())
        return block


def _counts(names: list[str | None], rows: np.ndarray) -> dict[str, int]:
    """Posts with a picture, and those whose picture gives nothing, by reason."""
    counts = {"with_image": sum(name is not None for name in names)}
    return counts | {reason: int((rows[:, 0] == 1 + i).sum()) for i, reason in enumerate(REASONS)}


def raw_folder(context: Context) -> Path:
    """The raw folder of a media block; raises :class:`BadInput` where there is none."""
    if context.raw is None or not context.raw.is_dir():
        raise BadInput(f"{context.dataset}: {context.raw}: no such folder: expected the folder of the media files")
    return context.raw
