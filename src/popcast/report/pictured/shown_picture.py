"""One picture on the page: its pixels in few bytes, its size, its caption, and what it shows in words.

The stages draw PNGs of some 60 kB in true colour. They have few colours: 128 of them in lossless WebP look the same
in a quarter of the bytes, and the same picture gives the same bytes. Colours by octree: median cut loses the rare ones.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

COLOURS = 128
NEARLY_WHITE = 254
"""What the octree makes of white, which would show as a grey card on a white one."""
NAMES = {
    "action", "class", "column", "example", "family", "left_out", "learner", "model", "older_posts", "period",
    "post_id", "records", "segment", "system", "topic_id", "variant",
}  # fmt: skip
"""Columns of the csv tables that hold names, also where all of them look like numbers."""
Telling = Callable[[pl.DataFrame], str]
"""The table that a picture was drawn from -> what it shows, with numbers."""


@dataclass(frozen=True)
class Picture:
    """``source``: data URL. ``width``, ``height``: in pixels. ``alt``: for those who do not see it."""

    name: str
    source: str
    width: int
    height: int
    caption: str
    alt: str


def pictures(folder: Path, captions: Mapping[str, str], subject: str, telling: Mapping[str, Telling]) -> list[Picture]:
    """Those of ``captions`` that the folder has, in that order. subject: what they are of, as in "dataset smpd"."""
    return [
        picture(folder / f"{name}.png", caption, subject, telling.get(name))
        for name, caption in captions.items()
        if (folder / f"{name}.png").exists()
    ]


def picture(path: Path, caption: str, subject: str, telling: Telling | None) -> Picture:
    """The picture at ``path``, told from the csv file of its name."""
    source, width, height = small(path)
    name = path.stem
    alt = f"{name.replace('_', ' ').capitalize()}, {subject}: {_told(path.with_suffix('.csv'), telling)}"
    return Picture(name, source, width, height, caption, alt)


def _told(path: Path, telling: Telling | None) -> str:
    if telling is None or not path.exists():
        return "a picture whose figures stand in the tables of this section."
    names = {name: pl.String for name in pl.scan_csv(path).collect_schema().names() if name in NAMES}
    table = pl.read_csv(path, infer_schema_length=None, schema_overrides=names)
    empty = [column.name for column in table if column.dtype == pl.String and column.null_count() == table.height]
    table = table.with_columns(pl.col(empty).cast(pl.Float64))  # intervals that nobody has: a csv says no type
    return telling(table) if table.height else "no row."


def small(path: Path) -> tuple[str, int, int]:
    """Data URL of a picture in few colours, its width and its height."""
    from PIL import Image

    with Image.open(path) as opened:
        whole = opened.convert("RGB")
    buffer = io.BytesIO()
    few = whole.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.putpalette([255 if value == NEARLY_WHITE else value for value in few.getpalette()])
    few.convert("RGB").save(buffer, "WEBP", lossless=True, quality=100, method=4)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/webp;base64,{text}", *whole.size
