"""What a picture looks like, in numbers: decoding with guards, and classical descriptors of colour, sharpness, texture.

Source: sheet smp2025.md section 1 group 5 (size and mode) and section 7 (a failed image is flagged, never replaced by a
placeholder). Colourfulness: Hasler and Suesstrunk 2003. Local binary patterns: Ojala et al. 2002. Grey level
co-occurrence: Haralick et al. 1973. HOG: Dalal and Triggs 2005.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

SIDE = 256
"""Pictures are measured with their longer side scaled down to so many pixels."""
MAX_SIDE, MAX_PIXELS = 20_000, 120_000_000
"""A header that says more than this is refused before anything is decoded."""
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


def read_picture(path: Path) -> tuple[np.ndarray, int, int, str]:
    """RGB uint8 [h, w, 3] scaled down to :data:`SIDE`, and width, height and colour mode of the file itself.

    Raises :class:`Undecodable`: ``missing_file``, ``absurd_size`` or ``undecodable`` (no image, broken off, corrupt).
    """
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    if not path.is_file():
        raise Undecodable("missing_file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the size is checked below
            with Image.open(path) as image:
                width, height, mode = *image.size, image.mode
                if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
                    raise Undecodable("absurd_size")
                image.draft("RGB", (SIDE, SIDE))  # lets JPEG decode at a fraction of its size
                image.load()
                rgb = image.convert("RGBA").convert("RGB") if mode == "P" else image.convert("RGB")
    except Image.DecompressionBombError:
        raise Undecodable("absurd_size") from None
    except (OSError, SyntaxError, ValueError, EOFError):
        raise Undecodable("undecodable") from None
    return scaled(np.asarray(rgb)), width, height, mode


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
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
    saturation = hsv[..., 1] / 255
    low, high = np.percentile(grey, [5, 95]) / 255
    red, green, blue = (rgb[..., channel].astype(np.float64) for channel in range(3))
    yellow_blue, red_green = (red + green) / 2 - blue, red - green
    spread = np.hypot(red_green.std(), yellow_blue.std())
    colourfulness = spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean())
    shares = np.bincount(grey.ravel(), minlength=256) / grey.size
    entropy = -(shares[shares > 0] * np.log2(shares[shares > 0])).sum()
    sharpness = np.log1p(cv2.Laplacian(grey, cv2.CV_64F).var())
    weights = saturation * hsv[..., 2] / 255
    bins = hsv[..., 0].astype(np.int64) * HUES // 180
    hues = np.bincount(bins.ravel(), weights.ravel(), minlength=HUES)
    hues = hues / hues.sum() if hues.sum() > 0 else hues
    colour = (grey.mean() / 255, grey.std() / 255, high - low, saturation.mean(), saturation.std(), colourfulness)
    structure = (entropy, sharpness, (cv2.Canny(grey, 100, 200) > 0).mean())
    return np.array([*colour, *structure, *_texture(grey), *hues, (hues.argmax() + 0.5) / HUES])


def _texture(grey: np.ndarray) -> list[float]:
    """Co-occurrence of 16 grey levels of neighbours to the right and below, then uniform local binary patterns."""
    from skimage.feature import graycomatrix, graycoprops, local_binary_pattern

    matrix = graycomatrix(grey // 16, [1], [0, np.pi / 2], levels=16, symmetric=True, normed=True)
    names = ("contrast", "homogeneity", "energy", "correlation")
    numbers = [float(graycoprops(matrix, name).mean()) if min(grey.shape) > 1 else 0.0 for name in names]
    patterns = local_binary_pattern(grey, PATTERNS - 2, 1, method="uniform").astype(np.int64)
    return numbers + (np.bincount(patterns.ravel(), minlength=PATTERNS) / grey.size).tolist()


def appearance(rgb: np.ndarray) -> np.ndarray:
    """HOG of the 64 x 64 grey picture (324 numbers) and the 4 x 4 x 4 RGB histogram (64 shares): float32."""
    import cv2
    from skimage.feature import hog

    grey = cv2.cvtColor(cv2.resize(rgb, (64, 64), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    gradients = hog(grey, orientations=9, pixels_per_cell=(16, 16), cells_per_block=(2, 2))
    levels = (rgb >> 6).astype(np.int64)
    colours = np.bincount((levels[..., 0] * 16 + levels[..., 1] * 4 + levels[..., 2]).ravel(), minlength=64)
    return np.concatenate([gradients, colours / colours.sum()]).astype(np.float32)


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
