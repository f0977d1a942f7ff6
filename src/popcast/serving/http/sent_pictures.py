"""Pictures that were sent, in a private folder for as long as a request lasts, under names of our own."""

from __future__ import annotations

import base64
import binascii
import io
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from popcast.core.errors import bad_input
from popcast.features.common.descriptors import FORMATS, MAX_PIXELS, MAX_SIDE
from popcast.serving.draft_row import check_whole
from popcast.serving.http.request_bodies import ONE, SentDraft

TOGETHER = 4 * MAX_PIXELS
"""Pixels of all pictures of a request: some kilobytes may hold millions."""
PREFIX = "popcast-pictures-"
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}


@contextmanager
def pictures_of(drafts: Sequence[SentDraft], most: int, place: str) -> Iterator[tuple[Path, list[str | None]]]:
    """A folder with the pictures of the drafts, and the name of each there; it is gone afterwards. Without pictures
    there is no folder: nobody looks.

    most: bytes of one. place: what drafts are called in errors. BadInput, one line: not base64, too large, no picture,
    or one that breaks off, which would be taken as none without a word.
    """
    if all(draft.picture is None for draft in drafts):
        yield Path(), [None] * len(drafts)
        return
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        names: list[str | None] = []
        pixels = 0
        for row, draft in enumerate(drafts):
            if draft.picture is None:
                names.append(None)
                continue
            field = _field(place, row)
            content = _decoded(draft.picture.data, most, field)
            suffix, size = _looked_at(content, field)
            pixels += size
            if pixels > TOGETHER:
                expected = f"at most {TOGETHER // 1_000_000} million in one request"
                raise bad_input("pictures of too many pixels", field=field, expected=expected)
            names.append(f"{row}{suffix}")
            (Path(folder) / names[-1]).write_bytes(content)
        for row, name in enumerate(names):
            if name is not None:
                check_whole(Path(folder) / name, _field(place, row))
        yield Path(folder), names


def _field(place: str, row: int) -> str:
    return f"{place if place == ONE else f'{place}[{row}]'}.picture.data"


def _decoded(data: str, most: int, field: str) -> bytes:
    if len(data) > most * 4 // 3 + 4:
        raise bad_input("a picture that is too large", field=field, expected=f"at most {most} bytes")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise bad_input("not base64", field=field, value=data[:40]) from None


def _looked_at(content: bytes, field: str) -> tuple[str, int]:
    """The end of a name for a picture of this kind, and its pixels, by its head; nothing is decoded."""
    from PIL import Image

    expected = f"one of {', '.join(FORMATS)}, of at most {MAX_PIXELS // 1_000_000} million pixels"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the size is checked below
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                kind, (width, height) = image.format, image.size
    except Image.DecompressionBombError:
        raise bad_input("a picture of too many pixels", field=field, expected=expected) from None
    except Exception:
        raise bad_input("no picture that can be read", field=field, expected=expected) from None
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise bad_input("a picture of too many pixels", field=field, value=f"{width} x {height}", expected=expected)
    return SUFFIXES.get(kind, ".jpg"), width * height
