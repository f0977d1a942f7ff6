"""params.yaml and overlays, mutated: what ``popcast check`` and ``popcast use`` read."""

from __future__ import annotations

import io
import random
import shutil
from pathlib import Path

from ruamel.yaml import YAML

from tests.faults import mutations
from tests.faults.raw_folders import ROOT

SETTINGS = {"params": ["check"], "overlay": ["use", "overlay.yaml", "--raw", "metrics"]}
"""Format -> the command that reads it."""

OVERLAY = "facebook-pages.yaml"


def write_settings(folder: Path) -> None:
    """params.yaml and an overlay, both as they are in the project."""
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copy(ROOT / "recipes" / OVERLAY, folder / "overlay.yaml")
    (folder / "metrics").mkdir()
    shutil.copy(ROOT / "metrics" / "dvc.yaml", folder / "metrics" / "dvc.yaml")


def mutate_settings(folder: Path, rng: random.Random) -> str:
    """Change params.yaml or the overlay; what was done."""
    file = folder / rng.choice(("params.yaml", "overlay.yaml"))
    if rng.random() < 0.4:
        return f"{file.name}: {mutations.of_bytes(file, rng)}"
    if rng.random() < 0.1:
        return f"{file.name}: {mutations.of_disk(file, rng)}"
    values = YAML(typ="safe").load(file)
    said = mutations._change(values, rng)
    stream = io.StringIO()
    try:
        YAML(typ="safe", pure=True).dump(values, stream)
    except Exception:  # nothing that YAML can hold
        return f"{file.name}: {mutations.of_bytes(file, rng)}"
    file.write_text(stream.getvalue(), encoding="utf-8", errors="replace")
    return f"{file.name}: {said}"
