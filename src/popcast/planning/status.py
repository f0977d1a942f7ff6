"""What would run now, and why: which setting, which source file, which version. ``popcast status``.

The plan that a stage last ran with lies in DVC's cache, under the hash that dvc.lock has of it; it is compared with the
plan that the stage would get now. Changed data are DVC's business: ``dvc status`` sees those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import orjson
from ruamel.yaml import YAML, YAMLError

from popcast.core import paths
from popcast.core.errors import bad_input

LOCK = Path("dvc.lock")
CACHE = Path(".dvc/cache/files/md5")
SHOWN = 60
"""Characters of a value that are shown."""


@dataclass
class Stale:
    """A stage that would run. reasons: what changed for it; after: stages before it that would run."""

    name: str
    reasons: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


def status(plans: dict[Path, bytes]) -> list[Stale]:
    """Stages that would run with these plan files, in their order; empty: nothing to do.

    plans: from :func:`popcast.planning.plan.contents`.
    """
    lock = _lock()
    found: dict[str, Stale] = {}
    for path, content in plans.items():
        name = stage_name(path)
        one = Stale(name)
        if name not in lock:
            one.reasons.append("has not run yet")
        else:
            one.reasons += reasons(path, content, lock[name])
            one.after = sorted(other for other in found if _feeds(lock.get(other, {}), lock[name]))
        if one.reasons or one.after:
            found[name] = one
    return list(found.values())


def stage_name(path: Path) -> str:
    """``data/plan/train/smpd-hyfea.json`` -> ``train@smpd-hyfea``; a stage without keys is named alone."""
    stage, key = path.parent.name, path.stem
    return stage if key == "all" else f"{stage}@{key}"


def reasons(path: Path, content: bytes, locked: dict[str, Any]) -> list[str]:
    """Why a stage would run again: nothing where its plan is the one that it ran with."""
    dep = next((dep for dep in locked.get("deps", []) if dep["path"] == path.as_posix()), None)
    if dep is None:
        return ["ran without a plan"]
    kept = CACHE / dep["md5"][:2] / dep["md5"][2:]
    if not kept.exists():
        here = path.read_bytes() if path.exists() else b""
        return [] if here == content else ["its plan changed (the old one is not in the cache here)"]
    before, now = orjson.loads(kept.read_bytes()), orjson.loads(content)
    return list(differences(before, now))


def differences(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Settings, source files, versions and files of local models that differ, a line each."""
    yield from (f"setting {line}" for line in _compared(before["settings"], now["settings"]))
    for part, word in (("source", "file"), ("versions", "version of"), ("folders", "files in")):
        old, new_ones = before.get(part, {}), now.get(part, {})
        for name in sorted(old.keys() | new_ones.keys()):
            if old.get(name) != new_ones.get(name):
                gone = "" if name in new_ones else " (no longer needed)"
                new = "" if name in old else " (new)"
                yield f"{word} {name}{gone}{new}"


def _compared(before: Any, now: Any, where: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            inner = f"{where}.{key}" if where else str(key)
            yield from _compared(before.get(key), now.get(key), inner)
    elif before != now:
        yield f"{where}: {_shown(before)} -> {_shown(now)}"


def _shown(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _lock() -> dict[str, dict[str, Any]]:
    if not LOCK.exists():
        return {}
    try:
        return YAML(typ="safe").load(LOCK)["stages"]
    except (YAMLError, KeyError, TypeError):
        raise bad_input("not a lock file of DVC", file=LOCK) from None


def _feeds(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether an out of stage ``one`` is, holds, or lies below a dep of ``other``."""
    outs = [PurePosixPath(out["path"]) for out in one.get("outs", [])]
    deps = [PurePosixPath(dep["path"]) for dep in other.get("deps", [])]
    deps = [dep for dep in deps if not dep.is_relative_to(paths.PLANS.as_posix())]
    return any(out.is_relative_to(dep) or dep.is_relative_to(out) for out in outs for dep in deps)
