"""Small real JPEGs and MP4s of the generated posts. Looks carry signal: brightness, colour saturation, texture, motion.

Bytes depend on the arguments and the library versions only: one encoder thread, no time stamps.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

MODES = ("RGB", "L", "CMYK", "P", "RGBA")
MODE_SHARES = (0.90, 0.04, 0.02, 0.02, 0.02)
"""Colour modes of SMPD images. Palette and RGBA pictures are PNG data under the .jpg name, as in the wild."""
MISSING, CORRUPT = 0.01, 0.005
"""Shares of media files that are absent, and that break off in the middle."""
RATE = 12
"""Frames per second of the videos."""


def scene(
    rng: np.random.Generator, looks: float, hue: float, width: int, height: int, frames: int = 1, motion: float = 0.0
) -> Iterator[np.ndarray]:
    """Frames uint8 [height, width, 3] of a striped background with a disc in front.

    looks (standard score) raises brightness, saturation and the contrast of the stripes. hue in 0..1. motion is the
    way of disc and stripes from frame to frame, as a share of the width.
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width, y / height
    brightness = np.clip(0.50 + 0.11 * looks + 0.05 * rng.standard_normal(), 0.12, 0.9)
    saturation = np.clip(0.45 + 0.13 * looks + 0.07 * rng.standard_normal(), 0.03, 0.97)
    contrast = np.clip(0.10 + 0.035 * looks + 0.02 * rng.standard_normal(), 0.01, 0.25)
    angle, waves = rng.uniform(0, np.pi), rng.uniform(4, 9)
    tilt, turn = rng.uniform(-0.15, 0.15, 2)
    centre_x, centre_y, radius = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), rng.uniform(0.12, 0.25)
    grain = 0.02 * rng.standard_normal((height, width)).astype(np.float32)
    for frame in range(frames):
        way = frame * motion
        stripes = np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle) - way))
        aside = (x - centre_x - way + 0.5) % 1 - 0.5
        inside = aside**2 + (y - centre_y) ** 2 < radius**2
        value = np.clip(brightness + tilt * (y - 0.5) + contrast * stripes + grain, 0, 1)
        tone = (hue + 0.08 * turn * x + np.where(inside, 0.33, 0.0)) % 1
        yield rgb(tone, np.full_like(value, saturation), value)


def rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """HSV in 0..1 [h, w] each to uint8 RGB [h, w, 3]."""
    k = (np.array([5, 3, 1], dtype=np.float32) + 6 * hue[..., None]) % 6
    channels = value[..., None] * (1 - saturation[..., None] * np.clip(np.minimum(k, 4 - k), 0, 1))
    return (255 * channels + 0.5).astype(np.uint8)


def image_file(rng: np.random.Generator, looks: float, hue: float, size: int, only_jpeg: bool = False) -> bytes | None:
    """Bytes of one picture, longest side ``size`` pixels; None for a missing file; a few break off in the middle."""
    from PIL import Image

    mode = "RGB" if only_jpeg else str(rng.choice(MODES, p=MODE_SHARES))
    fate = rng.random()
    short = max(8, round(size * rng.choice([0.67, 0.75, 1.0])))
    width, height = (size, short) if rng.random() < 0.7 else (short, size)
    picture = Image.fromarray(next(scene(rng, looks, hue, width, height)))
    if mode == "P":
        picture = picture.quantize(64)
    elif mode != "RGB":
        picture = picture.convert(mode)
    buffer = io.BytesIO()
    if mode in ("P", "RGBA"):
        picture.save(buffer, "PNG")
    else:
        picture.save(buffer, "JPEG", quality=88)
    return spoiled(buffer.getvalue(), fate)


def video_file(rng: np.random.Generator, looks: float, motion: float, hue: float, frames: int) -> bytes | None:
    """Bytes of one silent H.264 MP4, 64 x 64 pixels; None for a missing file; a few break off in the middle.

    motion: standard score; the higher, the faster the scene moves.
    """
    import av

    fate = rng.random()
    count = max(4, round(frames * rng.uniform(0.7, 1.3)))
    way = 0.004 * np.exp(0.6 * motion + 0.1 * rng.standard_normal())
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.thread_count = 1
        for image in scene(rng, looks, hue, 64, 64, count, float(way)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return spoiled(buffer.getvalue(), fate)


def spoiled(content: bytes, fate: float) -> bytes | None:
    """None for the share MISSING, the first third of the bytes for the share CORRUPT, else ``content``."""
    if fate < MISSING:
        return None
    return content[: len(content) // 3] if fate < MISSING + CORRUPT else content
