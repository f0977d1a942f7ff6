"""Words in pictures, read by PP-OCRv4 through ``rapidocr-onnxruntime``, on one thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popcast.core.errors import BadInput
from popcast.core.pretrained.packages.package_origin import HOW

LINE_BREAK = " / "


@dataclass(frozen=True)
class Words:
    """What stands in a picture. lines: top to bottom. area: share of the picture that they cover, 0 to 1. sure: mean
    confidence of the lines, 0 to 1; NaN without any."""

    lines: tuple[str, ...]
    area: float
    sure: float

    @property
    def text(self) -> str:
        return LINE_BREAK.join(self.lines)


class WordReader:
    """Reads pictures uint8 RGB [height, width, 3]. folder: made by ``popcast pretrained ocr``."""

    def __init__(self, folder: Path) -> None:
        parts = {part: folder / f"{part}.onnx" for part in ("det", "rec", "cls")}
        missing = [file for file in parts.values() if not file.is_file()]
        if missing:
            raise BadInput(f"{missing[0]}: missing: expected a folder made by `popcast pretrained ocr`")
        try:
            from rapidocr_onnxruntime import RapidOCR
        except ImportError as error:
            raise BadInput(f"ocr: {error.name or 'rapidocr_onnxruntime'} is not installed: {HOW}") from None
        files = {f"{part}_model_path": str(file) for part, file in parts.items()}
        self._read = RapidOCR(**files, intra_op_num_threads=1, inter_op_num_threads=1)

    def __call__(self, picture: np.ndarray) -> Words:
        found, _ = self._read(np.ascontiguousarray(picture[..., ::-1]))
        lines = sorted(found or [], key=lambda line: (round(min(y for _, y in line[0])), min(x for x, _ in line[0])))
        area = sum(_area(np.asarray(box)) for box, _, _ in lines) / (picture.shape[0] * picture.shape[1])
        sure = float(np.mean([float(score) for _, _, score in lines])) if lines else float("nan")
        return Words(tuple(text for _, text, _ in lines), min(1.0, float(area)), sure)


def _area(box: np.ndarray) -> float:
    """Of a polygon [corners, 2], by its corners."""
    x, y = box[:, 0], box[:, 1]
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2
