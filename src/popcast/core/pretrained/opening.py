"""Opens models of other people: safetensors only, code that comes with a model is never run, failures are one line.

``kind`` is a class of transformers (``AutoModel``, ``AutoTokenizer`` and the like), imported by the caller. A name is a
hub id or a local folder; a folder is looked through first (``weight_files``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from popcast.core.errors import BadInput
from popcast.core.pretrained import weight_files
from popcast.core.pretrained.saved_files import reason

CONFIG = "config.json"


def check_place(name: str) -> None:
    """A name that can only be a folder must be one with a model; anything else is left to the hub."""
    looks_like_folder = name.startswith((".", "/", "~")) or name.count("/") > 1
    if Path(name).is_dir():
        weight_files.check_entries(Path(name))
        if not (Path(name) / CONFIG).exists():
            raise BadInput(f"{name}: not a model folder: no {CONFIG} in it")
        weight_files.check_config(Path(name) / CONFIG)
    elif looks_like_folder:
        raise BadInput(f"{name}: no such model folder")


def check_model(name: str) -> None:
    """:func:`check_place`, and the weights of a folder are whole and no pickles."""
    check_place(name)
    if Path(name).is_dir():
        weight_files.check_folder(Path(name))


def part(kind: Any, name: str, **options: Any) -> Any:
    """Configuration, tokenizer or processor of a model: ``kind.from_pretrained(name)``."""
    check_place(name)
    with one_line(name):
        return kind.from_pretrained(name, trust_remote_code=False, **options)


def model(kind: Any, name: str, **options: Any) -> Any:
    """Model with its weights: ``kind.from_pretrained(name)``."""
    check_model(name)
    with quiet(), one_line(name):
        return kind.from_pretrained(name, trust_remote_code=False, use_safetensors=True, **options)


def from_gguf(kind: Any, file: Path, **options: Any) -> Any:
    """Model or tokenizer out of one GGUF file, which holds both: ``kind.from_pretrained(folder, gguf_file=...)``."""
    if not file.is_file():
        raise BadInput(f"{file}: no such GGUF file")
    with quiet(), one_line(str(file)):
        return kind.from_pretrained(str(file.parent), gguf_file=file.name, trust_remote_code=False, **options)


def whole_model(kind: Any, name: str, **options: Any) -> Any:
    """:func:`model`; BadInput where its weights lack a tensor (but one of a pooler, which many do not need)."""
    found, told = model(kind, name, output_loading_info=True, **options)
    missing = sorted(key for key in told["missing_keys"] if "pooler" not in key)
    if missing:
        raise BadInput(f"{name}: the weights lack {len(missing)} tensors of the model, such as {missing[0]}")
    return found


def empty_model(kind: Any, config: Any, **options: Any) -> Any:
    """A model of a configuration, with random weights."""
    return kind.from_config(config, trust_remote_code=False, **options)


def sentence_encoder(name: str, **options: Any) -> Any:
    """A model of sentence-transformers. A hub id is fetched without pickles first, so that it is a folder too."""
    from sentence_transformers import SentenceTransformer

    folder = name if Path(name).is_dir() else _fetched(name)
    weight_files.check_entries(Path(folder))
    if (Path(folder) / CONFIG).exists():
        weight_files.check_config(Path(folder) / CONFIG)
    for place in (Path(folder), *weight_files.module_folders(Path(folder))):
        weight_files.check_weights(place)
    with quiet(), one_line(name):
        return SentenceTransformer(
            folder, trust_remote_code=False, local_files_only=True,
            model_kwargs={"use_safetensors": True, **options.pop("model_kwargs", {})}, **options,
        )  # fmt: skip


def _fetched(name: str) -> str:
    from huggingface_hub import snapshot_download

    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise BadInput(f"{name}: no such model folder")
    without = [f"*{ending}" for ending in weight_files.PICKLES] + ["*.py", "onnx/*", "openvino/*", "original/*"]
    with one_line(name):
        return snapshot_download(name, ignore_patterns=without)


def adapted(model: Any, folder: Path, trainable: bool) -> Any:
    """``model`` with the adapter (LoRA or prefix) of ``folder``; trainable: it goes on learning."""
    from peft import PeftConfig, PeftModel, get_peft_model, set_peft_model_state_dict

    from popcast.core.pretrained.saved_files import read_torch_tensors

    found = weight_files.check_adapter(folder)
    with one_line(str(folder)):
        if found["peft_type"] == weight_files.PREFIX and trainable:  # from_pretrained refuses to go on learning one
            config = PeftConfig.from_pretrained(str(folder), trust_remote_code=False)
            config.inference_mode = False
            adapted = get_peft_model(model, config)
            tensors = read_torch_tensors(folder / weight_files.ADAPTER_WEIGHTS)
            set_peft_model_state_dict(adapted, tensors)
            return adapted
        return PeftModel.from_pretrained(model, str(folder), is_trainable=trainable, trust_remote_code=False)


def routed_settings(kind: Any, folder: Path, trainable: bool) -> Any:
    """Settings of the PAC-LoRA adapter in ``folder``, whose files are looked through first. kind: class of them."""
    weight_files.check_adapter(folder, routed=True)
    try:
        with one_line(str(folder)):
            settings = kind.from_pretrained(str(folder), trust_remote_code=False)
    except BadInput as error:
        raise BadInput(f"{folder / weight_files.ADAPTER_CONFIG}: {error}") from None
    settings.inference_mode = not trainable
    return settings


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars, and no list of weights that are left over."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


@contextmanager
def one_line(name: str) -> Iterator[None]:
    """Whatever a library raises while it opens the model ``name`` is one line."""
    try:
        yield
    except BadInput:
        raise
    except BaseException as error:
        # the tokenizers' panics derive from BaseException
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        what = "not a usable model folder" if Path(name).is_dir() else "no such model on the hub, or no network"
        raise BadInput(f"{name}: {what}: {reason(error)}") from None
