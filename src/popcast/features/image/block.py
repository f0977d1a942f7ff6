"""Feature block ``image``: the first picture of a post.

Sources: sheet smp2025.md section 1 group 5 (width, height, pixels, mode), section 7 (vision encoders, ``has_image``
instead of placeholders). Descriptors: ``popcast.features.common.descriptors``.

Columns: ``image.has_image`` (1 or 0), ``image.width`` and so on, ``image.mode`` (a category), ``image.embedding`` (HOG
and colour histogram, standardised on training posts), ``image.encoder_embedding`` (vision encoder, off by default).
With ``joint`` also ``image.<name>_joint_embedding``, of the picture and a text of the post, and
``image.<name>_similarity``, how well they fit (section 2, ``Title_simi`` and ``Tags_simi``); null where one of the two
is missing. A picture that is missing, corrupt or absurdly large gives nulls and is counted in ``quality`` and
quality.json.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core.errors import BadInput
from popcast.core.scratch import kept
from popcast.core.section import Model, Name, Section
from popcast.features.common import descriptors, media
from popcast.features.common.embeddings import embedding_column
from popcast.features.common.encoders import VisionEncoder
from popcast.features.common.image_text import ImageTextEncoder
from popcast.features.common.joined_text import TextField, joined_text

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16")
FILE = ("width", "height", "pixels", "aspect")
NUMBERS = (*FILE, *descriptors.NAMES)
HEAD = 2
"""A row of :func:`describe_file` starts with status (see ``media.REASONS``) and mode (place in MODES)."""


class Joint(Section):
    """A model that reads the picture together with texts of the post."""

    encoder: Model = Field(description="hub id or folder of a ViLT, BLIP, BLIP-2 or CLIP")
    texts: dict[Name, Annotated[list[TextField], Field(min_length=1)]] = Field(
        {"post": ["title", "tags"]}, min_length=1, description="name of the columns: fields that are read together"
    )
    max_tokens: int = Field(40, ge=4, description="longer texts are cut")


class Params(Section):
    encoder: Model | None = Field(None, description="vision encoder: hub id or folder (CLIP, ViT); null: none")
    joint: Joint | None = Field(None, description="image-text encoder; null: none")
    batch: int = Field(32, ge=1, description="pictures per batch of the encoder")
    shard: int = Field(256, ge=1, description="pictures per piece of work; a killed run finds finished pieces again")


def describe_file(path: Path) -> np.ndarray:
    """Status, mode, the numbers NUMBERS and the appearance vector of one file: float64; NaN after a bad status."""
    row = np.full(HEAD + len(NUMBERS) + descriptors.WIDTH, np.nan)
    try:
        rgb, width, height, mode = descriptors.read_picture(path)
    except descriptors.Undecodable as reason:
        row[0] = 1 + media.REASONS.index(str(reason))
        return row
    row[:HEAD] = 0, MODES.index(mode) if mode in MODES else -1
    row[HEAD : HEAD + len(FILE)] = width, height, width * height, width / height
    row[HEAD + len(FILE) :] = [*descriptors.describe(rgb), *descriptors.appearance(rgb)]
    return row


def describe_shard(names: list[str], raw: Path, scratch: Path | None) -> np.ndarray:
    """Rows of :func:`describe_file`, kept in the scratch folder."""
    key = media.file_key(raw, names, "image")
    return kept(scratch, f"images-{key}", lambda: np.stack([describe_file(raw / name) for name in names]))


class Block(media.MediaBlock):
    """Descriptors and embeddings of the first picture. ``quality``: undecodable pictures by reason."""

    Params = Params
    kind = "image"

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Describe every picture once; learn mean and deviation of the embedding from those of training posts."""
        _, rows = self._described(posts)
        training = media.training_rows(posts, rows[:, 0] == 0)
        self.standard = descriptors.Standard.of(rows[training, HEAD + len(NUMBERS) :])
        return self

    def _described(self, posts: pl.DataFrame) -> tuple[list[str | None], np.ndarray]:
        """Names of the pictures, and rows of :func:`describe_file` [posts]; NaN where a post has no picture."""
        names = media.first_media(posts, media.PICTURES)
        self._describe(names, describe_shard, "image: pictures")
        nothing = np.full(HEAD + len(NUMBERS) + descriptors.WIDTH, np.nan)
        rows = np.stack([nothing if name is None else self._rows[name] for name in names])
        self.quality = media.quality(names, rows[:, 0], "with_image")
        return names, rows

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and the ``image.`` columns, in the order of ``posts``."""
        if not posts.height:
            raise BadInput(f"{self.context.dataset}: no posts to describe")
        names, rows = self._described(posts)
        good = rows[:, 0] == 0
        modes = [MODES[int(code)] if ok and code >= 0 else None for ok, code in zip(good, rows[:, 1], strict=True)]
        columns = [posts["post_id"], pl.Series(f"{self.name}.has_image", good.astype(np.float64))]
        columns.append(pl.Series(f"{self.name}.mode", modes, dtype=pl.String))
        for i, name in enumerate(NUMBERS, HEAD):
            columns.append(pl.Series(f"{self.name}.{name}", rows[:, i]).fill_nan(None))
        vectors = self.standard(rows[good, HEAD + len(NUMBERS) :])
        columns.append(embedding_column(f"{self.name}.embedding", vectors, good))
        if self.params.encoder is not None:
            columns.append(self._encoded(names, good))
        if self.params.joint is not None:
            columns += self._joined(posts, names, good)
        return pl.DataFrame(columns)

    def _encoded(self, names: list[str | None], good: np.ndarray) -> pl.Series:
        """Column of the vision encoder; pictures in the order of their names, so that batches repeat."""
        p, raw = self.params, self.context.raw
        encoder = self._encoder("picture", partial(VisionEncoder, p.encoder, p.batch))
        wanted = [name for name, ok in zip(names, good, strict=True) if ok]
        vectors: dict[str, np.ndarray] = {}
        for piece, key in self._pieces(wanted, p.shard, p.encoder, "image: encoder"):
            pictures = (descriptors.read_picture(raw / name)[0] for name in piece)
            encoded = kept(self.context.scratch, key, partial(encoder.encode, pictures))
            vectors.update(zip(piece, encoded, strict=True))
        found = [vectors[name] for name in wanted]
        stacked = np.stack(found) if found else np.empty((0, encoder.width), np.float32)
        return embedding_column(f"{self.name}.encoder_embedding", stacked, good)

    def _joined(self, posts: pl.DataFrame, names: list[str | None], good: np.ndarray) -> list[pl.Series]:
        """Two columns per text of ``joint``; pairs in the order of picture and text, so that batches repeat."""
        joint = self.params.joint
        load = partial(ImageTextEncoder, joint.encoder, joint.max_tokens, self.params.batch)
        encoder, columns = self._encoder("joint", load), []
        for label, fields in sorted(joint.texts.items()):  # the order of a mapping means nothing
            texts = joined_text(posts, fields).to_list()
            known = np.array([ok and text is not None for ok, text in zip(good, texts, strict=True)], bool)
            wanted = [(names[i], texts[i]) for i in np.flatnonzero(known)]
            found: dict[tuple[str, str], np.ndarray] = {}
            pairs = sorted(set(wanted))
            for start in range(0, len(pairs), self.params.shard):
                piece = pairs[start : start + self.params.shard]
                rows = kept(self.context.scratch, self._pairs_key(piece), partial(self._read_pairs, encoder, piece))
                found.update(zip(piece, rows, strict=True))
            rows = (
                np.stack([found[pair] for pair in wanted]) if wanted else np.empty((0, encoder.width + 1), np.float32)
            )
            columns.append(embedding_column(f"{self.name}.{label}_joint_embedding", rows[:, :-1], known))
            fits = np.full(len(known), np.nan)
            fits[known] = rows[:, -1]
            columns.append(pl.Series(f"{self.name}.{label}_similarity", fits).fill_nan(None))
        return columns

    def _pairs_key(self, pairs: list[tuple[str, str]]) -> str:
        """Name of a piece of work: changes with pictures, texts and encoder."""
        joint = self.params.joint
        kind = "\0".join([joint.encoder, str(joint.max_tokens), *(text for _, text in pairs)])
        return f"joint-{media.file_key(self.context.raw, [name for name, _ in pairs], kind)}"

    def _read_pairs(self, encoder: ImageTextEncoder, pairs: list[tuple[str, str]]) -> np.ndarray:
        """Joint vectors and similarities side by side, float32 [pairs, width + 1]."""
        pictures = [descriptors.read_picture(self.context.raw / name)[0] for name, _ in pairs]
        vectors, fits = encoder.encode(pictures, [text for _, text in pairs])
        return np.hstack([vectors, fits[:, None]])
