"""Feature block ``video``: F frames of a post's video, or its cover where there is no video.

Sources: sheets mmra.md section 2 (frames ``int(linspace(0, total - 1, F))`` over the frames that really decode, padded
with the last good one; vision encoder per frame; F = 1 with the cover picture) and microlens.md (``<item>.mp4``,
``<item>.jpg``). Decoding: PyAV. Descriptors: ``popcast.features.common.descriptors``, averaged over the frames.

Columns: ``video.has_video`` and ``video.has_frames`` (1 or 0), ``video.duration`` (s), ``video.fps``, size,
``video.change`` (mean grey difference of one sampled frame to the next one, 0..1), ``video.motion`` (the same to the
frame that directly follows), the descriptors, ``video.embedding`` (HOG and colour histogram, standardised on training
posts), ``video.encoder_embedding`` (mean over the frames, off by default) and ``video.frame_embedding``: the vectors of
the single frames, always exactly F of them, one after the other, ``Array(Float32, F * width)``. They are those of the
encoder where there is one, else those of ``video.embedding``; either column is the mean of its frames, and F is the
width of ``frame_embedding`` divided by the width of that mean. A cover stands F times. A file that gives no frame is
counted in ``quality`` and quality.json and gives nulls.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core.errors import BadInput
from popcast.core.scratch import kept
from popcast.core.section import Model, Section
from popcast.features.common import descriptors, media
from popcast.features.common.embeddings import embedding_column
from popcast.features.common.encoders import VisionEncoder

SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi")
FILE = ("width", "height", "pixels", "aspect", "duration", "fps", "frames", "change", "motion")
NUMBERS = (*FILE, *descriptors.NAMES)
MAX_FRAMES = 500_000
"""Four hours and a half at 30 frames a second; a video with more is refused before it is decoded."""
CHUNK = 1024
"""Videos standardised at once in float64."""


class Params(Section):
    frames: int = Field(10, ge=1, description="frames per video")
    encoder: Model | None = Field(None, description="vision encoder: hub id or folder (CLIP, ViT); null: none")
    batch: int = Field(40, ge=1, description="frames per batch of the encoder")
    shard: int = Field(64, ge=1, description="videos per piece of work; a killed run finds finished pieces again")


def frame_numbers(total: int, count: int) -> list[int]:
    """Numbers of ``count`` frames of a video of ``total`` frames, evenly from the first to the last, with repeats."""
    return np.linspace(0, total - 1, count).astype(int).tolist()


def read_frames(path: Path, count: int) -> tuple[list[np.ndarray], list[np.ndarray], dict[str, float]]:
    """``count`` frames RGB uint8 (longer side :data:`descriptors.SIDE`), the frame after each, and facts of the file.

    Facts: width, height, duration (s), fps, frames (those that decode); NaN where unknown. Raises
    :class:`descriptors.Undecodable` for a file without a single good frame.
    """
    import av

    if not path.is_file():
        raise descriptors.Undecodable("missing_file")
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if max(stream.width, stream.height) > descriptors.MAX_SIDE:
                raise descriptors.Undecodable("absurd_size")
            if stream.width * stream.height > descriptors.MAX_PIXELS:
                raise descriptors.Undecodable("absurd_size")
            facts = {"width": stream.width, "height": stream.height, "fps": float(stream.average_rate or np.nan)}
            expected = sum(packet.size > 0 for packet in container.demux(stream))
            if expected > MAX_FRAMES:
                raise descriptors.Undecodable("absurd_size")
        chosen, following, total = _decode(path, frame_numbers(expected, count))
        if 0 < total != expected:  # the file promises other frames than it holds
            chosen, following, total = _decode(path, frame_numbers(total, count))
    except (av.error.FFmpegError, OSError, IndexError, ValueError, MemoryError):  # IndexError: no video stream
        raise descriptors.Undecodable("undecodable") from None
    if not total:
        raise descriptors.Undecodable("undecodable")
    facts |= {"frames": total, "duration": total / facts["fps"]}
    return chosen, following, facts


def _decode(path: Path, numbers: list[int]) -> tuple[list[np.ndarray], list[np.ndarray], int]:
    """The frames with these ascending numbers, the frames after them, and how many frames decode at all.

    Where decoding ends early the last good frame stands in; nothing raised after the first good frame.
    """
    import av

    wanted = set(numbers) | {number + 1 for number in numbers}
    pictures: dict[int, np.ndarray] = {}
    total, last = 0, None
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "SLICE"
        stream.codec_context.options = {"max_pixels": str(descriptors.MAX_PIXELS)}  # frames may grow behind the header
        try:
            for frame in container.decode(stream):
                if total in wanted:
                    pictures[total] = descriptors.scaled(frame.to_ndarray(format="rgb24"))
                last, total = frame, total + 1
        except av.error.FFmpegError:
            if last is None:
                raise
    if last is None:
        return [], [], 0
    end = descriptors.scaled(last.to_ndarray(format="rgb24"))
    chosen = [pictures.get(number, end) for number in numbers]
    following = [pictures.get(number + 1, end) for number in numbers]
    return chosen, following, total


def read_media(path: Path, count: int) -> tuple[list[np.ndarray], dict[str, float]]:
    """Frames and facts of a video, or the one picture of a cover."""
    if path.suffix.lower() not in SUFFIXES:
        picture, width, height, _ = descriptors.read_picture(path)
        return [picture], {"width": width, "height": height}
    chosen, following, facts = read_frames(path, count)
    small = [_small(frame) for frame in chosen]
    facts["motion"] = float(np.mean([np.abs(a - _small(b)).mean() for a, b in zip(small, following, strict=True)]))
    if len(small) > 1:
        facts["change"] = float(np.mean([np.abs(a - b).mean() for a, b in pairwise(small)]))
    return chosen, facts


def _small(rgb: np.ndarray) -> np.ndarray:
    """Grey 64 x 64 picture, 0..1."""
    import cv2

    grey = cv2.cvtColor(cv2.resize(rgb, (64, 64), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return grey.astype(np.float64) / 255


def row_type(count: int) -> np.dtype:
    """What is known of a file: status (see ``media.REASONS``, NaN: no file), NUMBERS, and a vector per frame."""
    shape = (count, descriptors.WIDTH)
    return np.dtype([("status", "f8"), ("numbers", "f8", (len(NUMBERS),)), ("frames", "f4", shape)])


def unknown_rows(n: int, count: int) -> np.ndarray:
    """``n`` rows of :func:`row_type`, all NaN."""
    rows = np.empty(n, row_type(count))
    for field in rows.dtype.names:
        rows[field] = np.nan
    return rows


def describe_file(path: Path, count: int) -> np.ndarray:
    """Row [1] of :func:`row_type`; the descriptors among its numbers are means over the frames."""
    row = unknown_rows(1, count)
    try:
        frames, facts = read_media(path, count)
    except descriptors.Undecodable as reason:
        row["status"] = 1 + media.REASONS.index(str(reason))
        return row
    facts |= {"pixels": facts["width"] * facts["height"], "aspect": facts["width"] / facts["height"]}
    row["status"] = 0
    row["numbers"][0, : len(FILE)] = [facts.get(name, np.nan) for name in FILE]
    row["numbers"][0, len(FILE) :] = np.mean([descriptors.describe(frame) for frame in frames], axis=0)
    row["frames"][0] = padded(np.stack([descriptors.appearance(frame) for frame in frames]), count)
    return row


def padded(vectors: np.ndarray, count: int) -> np.ndarray:
    """``vectors`` [n, width] with the last one repeated, [count, width] (mmra.md section 2)."""
    return vectors[np.minimum(np.arange(count), len(vectors) - 1)]


def describe_shard(names: list[str], raw: Path, count: int, scratch: Path | None) -> np.ndarray:
    """Rows of :func:`describe_file`, kept in the scratch folder."""
    key = media.file_key(raw, names, f"video {count}")
    return kept(scratch, f"videos-{key}", lambda: np.concatenate([describe_file(raw / name, count) for name in names]))


class Block(media.MediaBlock):
    """Descriptors and embeddings of a post's video. ``quality``: undecodable media by reason."""

    Params = Params
    kind = "video"

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Describe every video once; learn mean and deviation of the embedding from those of training posts."""
        _, rows = self._described(posts)
        training = media.training_rows(posts, rows["status"] == 0)
        self.standard = descriptors.Standard.of(_means(rows["frames"][training]))
        return self

    def _described(self, posts: pl.DataFrame) -> tuple[list[str | None], np.ndarray]:
        """Names of the videos or covers, and rows of :func:`row_type` [posts]; NaN where a post has neither."""
        pairs = zip(media.first_media(posts, SUFFIXES), media.first_media(posts, media.PICTURES), strict=True)
        names = [video or cover for video, cover in pairs]
        self._describe(names, partial(describe_shard, count=self.params.frames), "video: files")
        described = unknown_rows(len(names), self.params.frames)
        for i, name in enumerate(names):
            if name is not None:
                described[i] = self._rows[name]
        self.quality = media.quality(names, described["status"], "with_media")
        return names, described

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and the ``video.`` columns, in the order of ``posts``."""
        if not posts.height:
            raise BadInput(f"{self.context.dataset}: no posts to describe")
        names, rows = self._described(posts)
        good = rows["status"] == 0
        moving = np.array([name is not None and name.lower().endswith(SUFFIXES) for name in names])
        columns = [posts["post_id"], pl.Series(f"{self.name}.has_video", (good & moving).astype(np.float64))]
        columns.append(pl.Series(f"{self.name}.has_frames", good.astype(np.float64)))
        for i, name in enumerate(NUMBERS):
            columns.append(pl.Series(f"{self.name}.{name}", rows["numbers"][:, i]).fill_nan(None))
        frames = rows["frames"][good]
        columns.append(embedding_column(f"{self.name}.embedding", self.standard(_means(frames)), good))
        if self.params.encoder is None:
            for start in range(0, len(frames), CHUNK):  # in place: the whole in float64 would be large
                frames[start : start + CHUNK] = self.standard(frames[start : start + CHUNK])
        else:
            frames = self._encoded(names, good)
            columns.append(embedding_column(f"{self.name}.encoder_embedding", frames.mean(axis=1), good))
        flat = frames.reshape(len(frames), -1) if len(frames) else np.empty((0, frames.shape[1] * frames.shape[2]))
        columns.append(embedding_column(f"{self.name}.frame_embedding", flat, good))
        return pl.DataFrame(columns)

    def _encoded(self, names: list[str | None], good: np.ndarray) -> np.ndarray:
        """Vectors float32 [good posts, frames, width] of the vision encoder."""
        raw, load = self.context.raw, partial(VisionEncoder, self.params.encoder, self.params.batch)
        encoder = self._encoder("frame", load)
        count, vectors = self.params.frames, {}
        wanted = [name for name, ok in zip(names, good, strict=True) if ok]
        for (name,), key in self._pieces(wanted, 1, f"{self.params.encoder} {count} frames", "video: encoder"):
            vectors[name] = kept(self.context.scratch, key, partial(_encode_file, encoder, raw / name, count))
        found = [padded(vectors[name], count) for name in wanted]
        return np.stack(found) if found else np.empty((0, count, encoder.width), np.float32)


def _encode_file(encoder: VisionEncoder, path: Path, count: int) -> np.ndarray:
    return encoder.encode(read_media(path, count)[0])


def _means(frames: np.ndarray) -> np.ndarray:
    """Mean over the frames [n, frames, width] in float64 [n, width]."""
    return frames.mean(axis=1, dtype=np.float64)
