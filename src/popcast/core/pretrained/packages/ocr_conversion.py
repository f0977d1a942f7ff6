"""Networks that find and read words in pictures (PP-OCRv4): the ONNX files of the package in a folder of ours.

They stay ONNX and are run by ``rapidocr-onnxruntime``, whose code cuts out and decodes the lines; ``config.json`` names
the files and what the reading is set to.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from popcast.core.tables import write_json

FILES = {"det": "ch_PP-OCRv4_det_infer.onnx", "rec": "ch_PP-OCRv4_rec_infer.onnx"}
FILES |= {"cls": "ch_ppocr_mobile_v2.0_cls_infer.onnx"}
"""Part -> file: where lines are, what they say, whether they stand on their head."""


def convert_ocr(models: Path, folder: Path) -> None:
    """models: the package's folder of ONNX files."""
    for part, name in FILES.items():
        shutil.copyfile(models / name, folder / f"{part}.onnx")
    write_json({"model_type": "ppocr", "files": {part: f"{part}.onnx" for part in FILES}}, folder / "config.json")
