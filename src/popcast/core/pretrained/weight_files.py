"""Is a model folder whole, and is it safe to open? Both are known before anything of it is loaded.

Weights are safetensors and nothing else. A pickle runs code when it is opened, so ``pytorch_model.bin`` and its like
are refused by name, never opened. A cut file, a shard that is missing and a configuration that no model can have are
one line each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from popcast.core.errors import BadInput, bad_input
from popcast.core.pretrained.routed_adapter import check_plain, check_routed
from popcast.core.pretrained.saved_files import read_json

INDEX = "model.safetensors.index.json"
MODULES = "modules.json"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".h5", ".msgpack")
"""Endings of files that weights come in and that are no safetensors."""
OWN_MODULES = "sentence_transformers."
MOST = {"layers": 1000, "n_layer": 1000, "depth": 1000, "hidden_size": 200_000, "intermediate_size": 200_000}
MOST |= {"n_embd": 200_000, "d_model": 200_000, "n_inner": 200_000, "ffn_dim": 200_000, "vocab_size": 10_000_000}
"""Largest number by ending of its name: a model beyond it would be built for hours before its weights do not fit."""
LEAST = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")
"""At least 1: a model without layers would load, and say nothing of it."""
LONGEST_HEADER = 100_000_000
"""Bytes of the header of a safetensors file, as the library itself has it."""
LORA, PREFIX = "LORA", "PREFIX_TUNING"
IMPORTING = ("auto_mapping", "megatron_config", "runtime_config")
"""Settings of an adapter that name other code."""


def check_folder(folder: Path) -> None:
    """Raise BadInput where the folder of a whole model cannot be opened safely, or holds less than it promises."""
    entries = check_entries(folder)
    if (folder / ADAPTER_CONFIG) in entries:
        raise bad_input("an adapter in the folder of a whole model", file=folder / ADAPTER_CONFIG)
    check_config(folder / "config.json")
    if (folder / INDEX) in entries:
        _check_index(folder / INDEX)
    for place in (folder, *module_folders(folder)):
        check_weights(place)
    if not any(path.suffix == ".safetensors" for path in entries):
        raise BadInput(f"{folder}: no weights: expected *.safetensors: an interrupted download?")


def check_entries(folder: Path) -> list[Path]:
    """What lies in ``folder``, sorted: files and folders. BadInput: something else (a pipe would never end)."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise bad_input(error.strerror or "cannot be read", file=folder) from None
    for path in entries:
        if not path.is_file() and not path.is_dir():
            raise bad_input("neither a file nor a folder", file=path)
    return entries


def check_weights(folder: Path) -> None:
    """Raise BadInput where weights are pickles without safetensors beside them, or where safetensors are cut off."""
    entries = check_entries(folder)
    safe = [path for path in entries if path.suffix == ".safetensors"]
    pickles = [path for path in entries if path.suffix.lower() in PICKLES or path.name.endswith(".bin.index.json")]
    pickles = [path for path in pickles if path.name != "training_args.bin"]
    if pickles and not safe:
        raise bad_input("opening it would run code that lies in it", file=pickles[0], expected="*.safetensors")
    for file in safe:
        check_file(file)


def _check_index(file: Path) -> None:
    found = read_json(file).get("weight_map")
    if not isinstance(found, dict) or not found or not all(isinstance(shard, str) for shard in found.values()):
        raise bad_input("not an index of weights", file=file, field="weight_map", expected="tensor: shard")
    shards = sorted(set(found.values()))
    for shard in shards:
        if Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise bad_input("not a shard beside it", file=file, value=shard, expected="the name of a safetensors file")
    missing = [shard for shard in shards if not (file.parent / shard).exists()]
    if missing:
        raise BadInput(
            f"{file.parent / missing[0]}: missing: an interrupted download? "
            f"{len(shards) - len(missing)} of {len(shards)} shards are there"
        )


def module_folders(folder: Path) -> list[Path]:
    """Folders of the parts of a sentence encoder. BadInput: a part that is no code of sentence-transformers."""
    file = folder / MODULES
    if not file.exists():
        return []
    parts = read_json(file, list)
    found = []
    for part in parts:
        kind, place = (part.get("type"), part.get("path")) if isinstance(part, dict) else (None, None)
        if not isinstance(kind, str) or not kind.startswith(OWN_MODULES):
            raise bad_input("code of its own", file=file, field="type", value=kind, expected=f"{OWN_MODULES}*")
        if not isinstance(place, str) or Path(place).is_absolute() or ".." in Path(place).parts:
            raise bad_input("not a folder in it", file=file, field="path", value=place)
        if place and (folder / place).is_dir():
            found.append(folder / place)
    return found


def check_config(file: Path) -> dict[str, Any]:
    """The content of a ``config.json``. BadInput: none, no JSON object, code of its own, or absurd sizes."""
    config = read_json(file)
    kind = config.get("model_type")
    if kind is not None and not isinstance(kind, str):
        raise bad_input("not the name of an architecture", file=file, field="model_type", value=kind)
    if "transformers_weights" in config:
        raise bad_input("weights of another name", file=file, field="transformers_weights")
    for name, value in _numbers(config):
        most = next((limit for ending, limit in MOST.items() if name.endswith(ending)), None)
        if (most is not None and value > most) or (name in LEAST and value < 1):
            raise bad_input("no model is like that", file=file, field=name, value=value)
    return config


def _numbers(value: Any, name: str = "") -> list[tuple[str, int]]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in _numbers(inner, key)]
    if isinstance(value, list):
        return [found for inner in value for found in _numbers(inner, name)]
    return [(name, value)] if isinstance(value, int) and not isinstance(value, bool) else []


def check_adapter(folder: Path, routed: bool = False) -> dict[str, Any]:
    """Settings of the adapter in ``folder``. BadInput: it is neither LoRA nor a prefix, or names code; weights cut.

    routed: it must be one of PAC-LoRA (which plain LoRA may not be), with weights of the right shapes.
    """
    check_entries(folder)
    file = folder / ADAPTER_CONFIG
    config = read_json(file)
    if config.get("peft_type") not in (LORA, PREFIX):
        raise bad_input(
            "not an adapter of ours", file=file, field="peft_type", value=config.get("peft_type"),
            expected=f"{LORA} or {PREFIX}",
        )  # fmt: skip
    for name in IMPORTING:
        if config.get(name) is not None:
            raise bad_input("names code", file=file, field=name, expected="null")
    tensors = check_file(folder / ADAPTER_WEIGHTS)
    if routed:
        check_routed(config, file, tensors, folder / ADAPTER_WEIGHTS)
    else:
        check_plain(config, file)
    return config


def check_file(file: Path) -> dict[str, Any]:
    """The header of a safetensors file. BadInput: missing, or its length is not what its header says."""
    if not file.is_file():
        raise BadInput(f"{file}: missing: an interrupted download?")
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = stream.read(length) if 8 < 8 + length <= min(size, LONGEST_HEADER) else b""
    except OSError as error:
        raise bad_input(error.strerror or "cannot be read", file=file) from None
    try:
        entries = orjson.loads(header)
        expected = (
            8
            + length
            + max((entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"), default=0)
        )
    except (orjson.JSONDecodeError, TypeError, KeyError, IndexError, AttributeError):
        raise bad_input("not a whole safetensors file: an interrupted download?", file=file) from None
    if size != expected:
        raise bad_input("cut off: an interrupted download?", file=file, value=size, expected=f"{expected} bytes")
    return entries
