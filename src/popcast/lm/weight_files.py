"""Are the weights of a model folder whole? An interrupted download is found before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import orjson

from popcast.core.errors import BadInput, bad_input

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


def check_folder(folder: Path) -> None:
    """Raise BadInput where a shard of the index is missing, a safetensors file is cut off or there are no weights."""
    files = sorted(folder.glob("*.safetensors"))
    for name in INDEXES:
        if (folder / name).exists():
            shards = sorted(set(orjson.loads((folder / name).read_bytes())["weight_map"].values()))
            missing = [shard for shard in shards if not (folder / shard).exists()]
            if missing:
                raise BadInput(
                    f"{folder / missing[0]}: missing: an interrupted download? "
                    f"{len(shards) - len(missing)} of {len(shards)} shards are there"
                )
    if not files and not any(folder.glob("pytorch_model*.bin")):
        raise BadInput(f"{folder}: no weights: expected *.safetensors: an interrupted download?")
    for file in files:
        check_file(file)


def check_file(file: Path) -> None:
    """Raise BadInput where a safetensors file is missing or its length is not what its header says."""
    if not file.exists():
        raise BadInput(f"{file}: missing: an interrupted download?")
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = stream.read(length) if 8 < 8 + length <= size else b""
    try:
        entries = orjson.loads(header)
        expected = (
            8
            + length
            + max((entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"), default=0)
        )
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        raise bad_input("not a whole safetensors file: an interrupted download?", file=file) from None
    if size != expected:
        raise bad_input("cut off: an interrupted download?", file=file, value=size, expected=f"{expected} bytes")
