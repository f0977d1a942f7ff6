"""What a picture looks like, in numbers: decoding with guards, and classical descriptors of colour, sharpness, texture.

Source: sheet smp2025.md section 1 group 5 (size and mode) and section 7 (a failed image is flagged, never replaced by a
placeholder). Colourfulness: Hasler and Suesstrunk 2003. Local binary patterns: Ojala et al. 2002. Grey level
co-occurrence: Haralick et al. 1973. HOG: Dalal and Triggs 2005.
"""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np

SIDE = 256
"""Pictures are measured with their longer side scaled down to so many pixels."""
MAX_SIDE, MAX_PIXELS = 20_000, 25_000_000
"""A header that says more than this is refused before anything is decoded (25 million: a camera's 6,000 x 4,000)."""
LARGE = 4_000_000
"""Pixels from which on a picture is made smaller by whole factors first, in its own mode, so that no copy is large."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""What is decoded, whatever a file is named: no documents, and nothing that starts another program (EPS)."""
HUES, PATTERNS = 12, 10
NAMES = (
    *("brightness_mean", "brightness_std", "contrast", "saturation_mean", "saturation_std", "colourfulness"),
    *("entropy", "sharpness", "edge_density"),
    *("glcm_contrast", "glcm_homogeneity", "glcm_energy", "glcm_correlation"),
    *(f"lbp_{i}" for i in range(PATTERNS)),
    *(f"hue_{i}" for i in range(HUES)),
    "dominant_hue",
)
"""Names of the numbers that :func:`describe` returns."""
WIDTH = 324 + 64
"""Width of the vector that :func:`appearance` returns: HOG and colour histogram."""


class Undecodable(Exception):
    """A media file that gives no picture; ``str(error)`` is the reason that quality.json counts."""


def read_picture(path: Path, side: int = SIDE) -> tuple[np.ndarray, int, int, str]:
    """RGB uint8 [h, w, 3] scaled down to ``side``, and width, height and colour mode of the file itself.

    Raises :class:`Undecodable`: ``missing_file``, ``absurd_size`` or ``undecodable`` (no image, broken off, corrupt).
    """
    from PIL import Image, features

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    formats = (*FORMATS, "AVIF") if features.check("avif") else FORMATS
    if not path.is_file():
        raise Undecodable("missing_file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the size is checked below
            with Image.open(path, formats=formats) as image:
                width, height, mode = *image.size, image.mode
                if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
                    raise Undecodable("absurd_size")
                image.draft("RGB", (side, side))  # lets JPEG decode at a fraction of its size
                image.load()
                rgb = _in_colour(_smaller(image, side), mode)
    except Image.DecompressionBombError:
        raise Undecodable("absurd_size") from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, struct.error):
        raise Undecodable("undecodable") from None
    return scaled(np.asarray(rgb), side), width, height, mode


def write_blank_picture(path: Path) -> None:
    """A grey picture, for who wants to see decoding and encoders work before the first real one comes."""
    from PIL import Image

    Image.new("RGB", (64, 64), (128, 128, 128)).save(path)


def _smaller(image, side: int):
    """A large picture made smaller by a whole factor, its longer side at least four times ``side``."""
    if image.width * image.height <= LARGE:
        return image
    if image.mode not in ("RGB", "L", "CMYK", "YCbCr"):  # places in a palette have no mean, transparency would weigh
        image = _in_colour(image, image.mode)
    return image.reduce(max(1, max(image.size) // (4 * side)))


def _in_colour(image, mode: str):
    """The picture in RGB. mode: of the file; a palette may have a transparent colour."""
    if image.mode == "RGB":
        return image
    return image.convert("RGBA").convert("RGB") if mode == "P" else image.convert("RGB")


def scaled(rgb: np.ndarray, side: int = SIDE) -> np.ndarray:
    """The picture with its longer side at most ``side`` pixels, its shorter one at least 1."""
    import cv2

    height, width = rgb.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return np.ascontiguousarray(rgb)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def describe(rgb: np.ndarray) -> np.ndarray:
    """The numbers :data:`NAMES` of a picture uint8 [h, w, 3]: float64, brightness, saturation and shares in 0..1.

    dominant_hue: middle of the fullest hue bin, 0..1 (red 0, green 1/3, blue 2/3); entropy in bits; sharpness: log1p of
    the variance of the Laplacian of the 0..255 grey picture; edge_density: share of Canny edge pixels.
    """
    import cv2

    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    hue, saturation, value = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV))
    shares = np.bincount(grey.ravel(), minlength=256) / grey.size
    low, high = np.searchsorted(shares.cumsum(), [0.05, 0.95]) / 255
    red, green, blue = (channel.astype(np.float32) for channel in cv2.split(rgb))
    (yellow_blue, spread_yellow), (red_green, spread_red) = moments((red + green) / 2 - blue), moments(red - green)
    colourfulness = np.hypot(spread_red, spread_yellow) + 0.3 * np.hypot(red_green, yellow_blue)
    entropy = -(shares[shares > 0] * np.log2(shares[shares > 0])).sum()
    sharpness = np.log1p(moments(cv2.Laplacian(grey, cv2.CV_64F))[1] ** 2)
    weights = saturation.astype(np.float64) * value / 255**2
    hues = np.bincount(_HUE_BIN[hue].ravel(), weights.ravel(), minlength=HUES)
    hues = hues / hues.sum() if hues.sum() > 0 else hues
    (brightness, contrast), (tone, tones) = moments(grey), moments(saturation)
    colour = (brightness / 255, contrast / 255, high - low, tone / 255, tones / 255, colourfulness)
    structure = (entropy, sharpness, (cv2.Canny(grey, 100, 200) > 0).mean())
    texture = (*co_occurrence(grey), *local_patterns(grey))
    return np.array([*colour, *structure, *texture, *hues, (hues.argmax() + 0.5) / HUES])


def moments(channel: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of one channel."""
    import cv2

    mean, deviation = cv2.meanStdDev(channel)
    return float(mean[0, 0]), float(deviation[0, 0])


def co_occurrence(grey: np.ndarray) -> np.ndarray:
    """Contrast, homogeneity, energy and correlation [4] of 16 grey levels of neighbours, right and below averaged.

    As scikit-image's ``graycoprops`` has them for symmetric, normed matrices; zeros for a picture of one row or column.
    """
    if min(grey.shape) < 2:
        return np.zeros(4)
    level = (grey >> 4).astype(np.intp)
    found = []
    for pair in (level[:, :-1] * 16 + level[:, 1:], level[:-1] * 16 + level[1:]):
        matrix = np.bincount(pair.ravel(), minlength=256).reshape(16, 16)
        matrix = (matrix + matrix.T) / (2 * pair.size)
        mean = (matrix * _LEVEL).sum()
        variance = (matrix * (_LEVEL - mean) ** 2).sum()
        covariance = (matrix * (_LEVEL - mean) * (_LEVEL.T - mean)).sum()
        correlation = covariance / variance if variance > 1e-15 else 1.0
        found.append(((matrix * _APART).sum(), (matrix / (1 + _APART)).sum(), np.sqrt((matrix**2).sum()), correlation))
    return np.mean(found, axis=0)


def local_patterns(grey: np.ndarray) -> np.ndarray:
    """Shares [10] of the rotation invariant uniform patterns of the eight neighbours; outside the picture is 0.

    Pattern i < 9: i neighbours in a row are at least as bright as the pixel; 9: brighter and darker ones alternate.
    """
    padded = np.pad(grey, 1)
    height, width = grey.shape
    code = np.zeros(grey.shape, np.uint8)
    for bit, (down, right) in enumerate(_AROUND):
        neighbour = padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        code |= (neighbour >= grey).view(np.uint8) << np.uint8(bit)
    counts = np.bincount(code.ravel(), minlength=256)
    return np.bincount(_PATTERN, counts, minlength=PATTERNS) / grey.size


def _patterns() -> np.ndarray:
    """Pattern [256] of each code of eight neighbours."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), PATTERNS - 1)


_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
_PATTERN = _patterns()
_LEVEL = np.arange(16.0)[:, None]
_APART = (_LEVEL - _LEVEL.T) ** 2
_CELL = (np.arange(64)[:, None] // 16 * 4 + np.arange(64) // 16) * 9
_HUE_BIN = np.arange(256) * HUES // 180
"""Hue bin of OpenCV's hues 0..179."""


def appearance(rgb: np.ndarray) -> np.ndarray:
    """HOG of the 64 x 64 grey picture (324 numbers) and the 4 x 4 x 4 RGB histogram (64 shares): float32."""
    import cv2

    grey = cv2.cvtColor(cv2.resize(rgb, (64, 64), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    red, green, blue = cv2.split(rgb >> 6)
    colours = np.bincount((red << 4 | green << 2 | blue).ravel(), minlength=64)
    return np.concatenate([oriented_gradients(grey), colours / colours.sum()]).astype(np.float32)


def oriented_gradients(grey: np.ndarray) -> np.ndarray:
    """HOG [324] of a grey picture [64, 64]: 9 orientations, cells of 16 pixels, blocks of 2 x 2 cells, L2-Hys.

    The numbers of scikit-image's ``hog``, which takes 20 times as long.
    """
    levels = grey.astype(np.float64)
    down, right = np.zeros_like(levels), np.zeros_like(levels)
    down[1:-1] = levels[2:] - levels[:-2]
    right[:, 1:-1] = levels[:, 2:] - levels[:, :-2]
    orientation = (np.rad2deg(np.arctan2(down, right)) % 180 // 20).astype(np.intp) % 9
    sums = np.bincount((_CELL + orientation).ravel(), np.hypot(down, right).ravel(), minlength=144)
    cells = sums.reshape(4, 4, 9) / 256
    blocks = np.lib.stride_tricks.sliding_window_view(cells, (2, 2), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
    blocks = blocks.reshape(9, 36)
    for clip in (0.2, None):
        blocks = blocks / np.sqrt((blocks**2).sum(axis=1, keepdims=True) + 1e-10)
        blocks = blocks if clip is None else np.minimum(blocks, clip)
    return blocks.ravel()


class Standard:
    """Mean and deviation of the training vectors; a column that is constant there becomes 0."""

    def __init__(self, mean: np.ndarray, scale: np.ndarray) -> None:
        self.mean, self.scale = mean, scale

    @classmethod
    def of(cls, vectors: np.ndarray) -> Standard:
        if not len(vectors):
            return cls(np.zeros(vectors.shape[1]), np.zeros(vectors.shape[1]))
        deviation = vectors.std(axis=0, dtype=np.float64)
        known = deviation > 1e-6
        return cls(vectors.mean(axis=0, dtype=np.float64), np.where(known, 1 / np.where(known, deviation, 1.0), 0.0))

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        return (vectors - self.mean) * self.scale
