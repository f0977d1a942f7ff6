"""Changes of params.yaml made by hand: kept beside it before an overlay is laid over the committed file.

An overlay is meant for the committed params.yaml: what an earlier one has left in sections that are merged would change
results in silence. A params.yaml that ``popcast run`` itself has made is no change of the user's.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from popcast.core import paths
from popcast.core.safety.whole_files import write_whole

MADE = paths.SCRATCH / "laid-over.txt"
"""Hashes of what ``popcast run`` has made of params.yaml, one a line."""


def committed() -> bytes | None:
    """params.yaml as committed, or None where git does not know."""
    try:
        done = subprocess.run(["git", "show", f"HEAD:./{paths.PARAMS}"], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def keep_changes() -> Path | None:
    """Put the committed params.yaml back; the file that holds the user's changes, or None where there were none.

    The first free one of params.yaml.bak, params.yaml.bak.1 and so on; a copy that is there already is used again.
    """
    before, now = committed(), paths.PARAMS.read_bytes()
    if before is None or before == now:
        return None
    kept = None
    if _hash(now) not in _made():
        kept = paths.PARAMS.with_name(paths.PARAMS.name + ".bak")
        number = 0
        while kept.exists() and kept.read_bytes() != now:
            number += 1
            kept = paths.PARAMS.with_name(f"{paths.PARAMS.name}.bak.{number}")
        kept.write_bytes(now)
    write_whole(before, paths.PARAMS)
    return kept


def note_made() -> None:
    """params.yaml as it is now is no change by hand."""
    known = _made()
    if (mark := _hash(paths.PARAMS.read_bytes())) not in known:
        MADE.parent.mkdir(parents=True, exist_ok=True)
        write_whole("\n".join([*known, mark, ""]).encode(), MADE)


def _made() -> list[str]:
    return MADE.read_text().split() if MADE.exists() else []


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
