"""Local model folders that settings name: base models, encoders, backbones, policies. Other weights make a stage stale.

The plan of a stage holds a hash of every file of such a folder. DVC asks the stage ``plan`` for it again when something
changes in the folder that ``base.watch`` names, so a local model must lie in there; one that does not is refused. A
folder below ``models`` is the out of a stage, which DVC follows itself, but for those in ``models/pretrained``
(`popcast pretrained`): ``base.watch: models/pretrained``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from popcast.core import paths, tables
from popcast.core.errors import bad_input
from popcast.core.pretrained.model_notes import BASE, TUNED
from popcast.core.pretrained.packages.package_origin import ORIGIN
from popcast.core.pretrained.weight_files import ADAPTER_CONFIG, MODULES

MADE = Path("models")
"""Outs of stages."""
SIGNS = (BASE, TUNED, ADAPTER_CONFIG, MODULES, ORIGIN)
KNOWN = paths.SCRATCH / "model-hashes.json"
"""Hashes of files by path, size and time: weights of gigabytes are read once."""
LONGEST = 1000


def named(texts: Iterable[str]) -> list[str]:
    """Those of ``texts`` that are local model folders and no outs of stages, sorted."""
    return sorted({text for text in texts if _is_model(text) and not is_made(text)})


def is_made(text: str) -> bool:
    """Whether a path lies among the outs of stages; what `popcast pretrained` makes does not."""
    return Path(text).is_relative_to(MADE) and not Path(text).is_relative_to(paths.PRETRAINED)


def _is_model(text: str) -> bool:
    if not 0 < len(text) <= LONGEST or "\0" in text:
        return False
    try:
        folder = Path(text)
        if not folder.is_dir():
            return False
        weights = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
        return weights or any((folder / name).is_file() for name in SIGNS)
    except OSError:
        return False


def check_watched(texts: Iterable[str], watch: str) -> None:
    """Raise BadInput for a local model folder that is neither ``watch`` nor lies in it. A link counts as its target."""
    seen = Path(os.path.realpath(watch))  # DVC does not look behind links to folders
    for name in named(texts):
        if not Path(os.path.realpath(name)).is_relative_to(seen):
            raise bad_input(
                "DVC would not see other weights in this folder", file=paths.PARAMS, field="base.watch", value=name,
                expected=f"local models in {watch}, or base.watch: the folder that they lie in",
            )  # fmt: skip


def fingerprint(folder: str) -> str:
    """Hex SHA-256 of names and contents of all files of ``folder`` but hidden ones."""
    known = _known()
    digest, changed = hashlib.sha256(), False
    for file in sorted(Path(folder).rglob("*")):
        name = file.relative_to(folder)
        if not file.is_file() or any(part.startswith(".") for part in name.parts):
            continue
        try:
            stat = file.stat()
            key = f"{os.path.realpath(file)}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}"
            if key not in known:
                with file.open("rb") as stream:
                    known[key], changed = hashlib.file_digest(stream, "sha256").hexdigest(), True
        except OSError as error:
            raise bad_input(error.strerror or "cannot be read", file=file) from None
        digest.update(f"{name.as_posix()}\0{known[key]}\0".encode())
    if changed:
        tables.write_json(known, KNOWN)
    return digest.hexdigest()


def _known() -> dict[str, Any]:
    try:
        found = orjson.loads(KNOWN.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
