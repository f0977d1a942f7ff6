"""What dvc.yaml takes from params.yaml, looked at before any command is made of it.

Keys reach commands of a shell unquoted, and DVC expands them whatever they are. The stage ``plan`` refuses them too,
but a runner has its commands before that stage runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from popcast.core.errors import BadInput, shown
from popcast.core.section import EXPLAINED, KEY, PLACE
from popcast.core.yaml_reading import mapping, read_yaml
from popcast.planning.running.stages import StageError

OVER = re.compile(r"\$\{([A-Za-z0-9_.]+)\}")


def check_template_values(project: Path = Path("dvc.yaml"), params: Path = Path("params.yaml")) -> None:
    """Raise StageError, one line, for a key or value that no command or path should be made of."""
    if not (project.is_file() and params.exists()):
        return
    try:
        stages = mapping(read_yaml(project) or {}, project).get("stages") or {}
        values = mapping(read_yaml(params) or {}, params)
    except BadInput as error:
        raise StageError(str(error)) from None
    for name, body in mapping(stages, project).items():
        if isinstance(body, dict) and "foreach" in body:
            section = OVER.fullmatch(str(body["foreach"]))
            where = name if section is None else section[1]
            for key, item in _entries(body["foreach"] if section is None else _found(values, section[1])):
                _check(KEY, key, where)
                for path in _named(body.get("do"), "cmd"):
                    _check(KEY, _found({"item": item, "key": key}, path), f"{where}.{key}")
                for path in _named(body.get("do"), "deps", "outs", "metrics", "plots", "wdir"):
                    _check(PLACE, _found({"item": item, "key": key}, path), f"{where}.{key}")


def _entries(over: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(over, dict):
        yield from over.items()
    elif isinstance(over, list):
        yield from ((place if isinstance(item, dict | list) else item, item) for place, item in enumerate(over))


def _named(body: Any, *fields: str) -> set[str]:
    """Templates of these fields of a stage: ``key``, ``item``, ``item.raw``."""
    found = {path for field in fields for path in OVER.findall(str((body or {}).get(field, "")))}
    return {path for path in found if path.split(".")[0] in ("key", "item")}


def _found(values: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(values, dict) or part not in values:
            return None
        values = values[part]
    return values


def _check(pattern: str, value: Any, where: str) -> None:
    """A missing value is for DVC to name; a number is as harmless as it looks."""
    if isinstance(value, str) and not re.fullmatch(pattern.removesuffix("$"), value):
        raise StageError(f"params.yaml: {where}: got {shown(value)}, expected {EXPLAINED[pattern]}")
