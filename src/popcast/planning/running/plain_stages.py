"""The pipeline without DVC: dvc.yaml and params.yaml read here, no cache and no lock; every stage runs.

Insurance against a DVC that no longer works. Knows what the dvc.yaml of this project uses: ``foreach`` over a section
of params.yaml, a dict or a list, ``${key}``, ``${item}``, ``${item.x}`` and ``${section.x}``, a ``cmd`` of one or more
lines, deps, outs, metrics and plots with ``cache`` and ``persist``, ``wdir``, ``meta``. Anything else is refused.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ruamel.yaml import YAML, YAMLError

from popcast.planning.running.launchers import Command, default_shell
from popcast.planning.running.stages import MUST_RUN, StageError, StageRow

FIELDS = {"cmd", "deps", "params", "outs", "metrics", "plots", "meta", "desc", "wdir", "always_changed"}
TEMPLATE = re.compile(r"(?<!\\)\$\{([^}]*)\}")


@dataclass(frozen=True)
class PlainStage:
    """A stage of dvc.yaml with its templates filled; paths relative to the project. ``kept``: not removed before."""

    name: str
    lines: list[str]
    folder: str
    deps: list[str]
    outs: list[str]
    kept: set[str]
    meta: dict


class PlainStages:
    """All stages of dvc.yaml in the current folder, or those of ``targets`` (stages or outs) and what these need."""

    def __init__(self, targets: tuple[str, ...] = ()):
        params = read_yaml("params.yaml") if Path("params.yaml").exists() else {}
        project = read_yaml("dvc.yaml")
        if "vars" in project:
            raise StageError("dvc.yaml: --plain does not know vars")
        stages = read_stages(project.get("stages") or {}, params)
        needs = {name: needed_by(stage, stages) for name, stage in stages.items()}
        wanted = [name for target in targets for name in matching(target, stages)] or list(stages)
        order: list[str] = []
        for name in wanted:
            _visit(name, needs, order, ())
        self._stages = {name: stages[name] for name in order}
        self.rows = [StageRow(name, frozenset(needs[name]), stages[name].meta) for name in order]

    def turn(self) -> AbstractContextManager[None]:
        return nullcontext()

    def look(self, name: str) -> str:
        missing = [path for path in self._stages[name].deps if not Path(path).exists()]
        if missing:
            raise StageError(f"missing: {', '.join(missing)}")
        return MUST_RUN

    def would(self, name: str) -> str:
        return MUST_RUN

    def begin(self, name: str) -> Command:
        """Outs are removed as DVC does it, but for those that dvc.yaml calls ``persist``."""
        stage = self._stages[name]
        for path in map(Path, stage.outs):
            if str(path) in stage.kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"DVC_STAGE": name, "DVC_ROOT": os.getcwd()}
        return Command(name, stage.lines, os.path.abspath(stage.folder), environment, default_shell())

    def end(self, name: str) -> None:
        missing = [path for path in self._stages[name].outs if not Path(path).exists()]
        if missing:
            raise StageError(f"output does not exist: {', '.join(missing)}")

    def give_up(self, name: str) -> None:
        """Nothing was taken."""

    def write(self) -> None:
        """Nothing is written down."""


def read_yaml(path: str) -> dict:
    """A YAML file that holds a mapping; StageError otherwise."""
    try:
        data = YAML(typ="safe").load(Path(path))
    except FileNotFoundError:
        raise StageError(f"{path}: no such file") from None
    except YAMLError as error:
        raise StageError(f"{path}: " + " ".join(str(error).split())) from None
    if not isinstance(data, dict):
        raise StageError(f"{path}: got {type(data).__name__}, expected a mapping")
    return data


def read_stages(raw: dict, params: dict) -> dict[str, PlainStage]:
    """Stages by name, ``foreach`` spread out in the order of the file; names as DVC gives them: ``group@key``."""
    stages: dict[str, PlainStage] = {}
    for name, body in raw.items():
        if not isinstance(body, dict):
            raise StageError(f"dvc.yaml: stage {name}: expected a mapping")
        if "foreach" not in body:
            stages[name] = read_stage(name, fill(body, params, name))
            continue
        over = fill(body["foreach"], params, name)
        items = (
            over.items() if isinstance(over, dict) else [(_key(place, item), item) for place, item in enumerate(over)]
        )
        for key, item in items:
            own = {"item": item, "key": key} if isinstance(over, dict) else {"item": item}
            full = f"{name}@{key}"
            stages[full] = read_stage(full, fill(body["do"], params | own, full))
    return stages


def _key(place: int, item: object) -> object:
    return place if isinstance(item, dict | list) else item


def read_stage(name: str, body: dict) -> PlainStage:
    if unknown := set(body) - FIELDS:
        raise StageError(f"dvc.yaml: stage {name}: --plain does not know {', '.join(sorted(unknown))}")
    if "cmd" not in body:
        raise StageError(f"dvc.yaml: stage {name}: expected cmd")
    folder = body.get("wdir", ".")
    lines = body["cmd"] if isinstance(body["cmd"], list) else str(body["cmd"]).splitlines()
    deps = [os.path.normpath(os.path.join(folder, dep)) for dep in body.get("deps", [])]
    outs, kept = [], set()
    for entry in [*body.get("outs", []), *body.get("metrics", []), *body.get("plots", [])]:
        path, options = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
        path = os.path.normpath(os.path.join(folder, path))
        outs.append(path)
        if (options or {}).get("persist"):
            kept.add(path)
    return PlainStage(name, lines, folder, deps, outs, kept, body.get("meta") or {})


def fill(value: object, values: dict, stage: str):
    """``value`` with every template replaced; a text that is one template becomes the value itself."""
    if isinstance(value, dict):
        return {fill(key, values, stage): fill(part, values, stage) for key, part in value.items()}
    if isinstance(value, list):
        return [fill(part, values, stage) for part in value]
    if not isinstance(value, str):
        return value
    if whole := TEMPLATE.fullmatch(value):
        return find(whole[1], values, stage)

    def text(match: re.Match) -> str:
        found = find(match[1], values, stage)
        if isinstance(found, dict | list):
            raise StageError(f"dvc.yaml: stage {stage}: ${{{match[1]}}} is no single value")
        return str(found).lower() if isinstance(found, bool) else str(found)

    return TEMPLATE.sub(text, value).replace("\\${", "${")


def find(path: str, values: dict, stage: str) -> object:
    """Value at a dotted path such as ``item.kind``; StageError names the stage and the path."""
    found: object = values
    for key in path.strip().split("."):
        if not isinstance(found, dict) or key not in found:
            raise StageError(f"dvc.yaml: stage {stage}: ${{{path}}} not found in params.yaml")
        found = found[key]
    return found


def overlap(one: str, other: str) -> bool:
    """Whether one path is the other or lies below it."""
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first == second or first in second.parents or second in first.parents


def needed_by(stage: PlainStage, stages: dict[str, PlainStage]) -> list[str]:
    """Stages whose outs are, contain or lie below a dep of ``stage``."""
    return [
        other.name
        for other in stages.values()
        if other is not stage and any(overlap(dep, out) for dep in stage.deps for out in other.outs)
    ]


def matching(target: str, stages: dict[str, PlainStage]) -> list[str]:
    """Stages called ``target``, spread out from it, or that make the file or folder ``target``."""
    path = os.path.normpath(target)
    names = [name for name, stage in stages.items() if target in (name, name.split("@")[0]) or path in stage.outs]
    if not names:
        raise StageError(f"{target!r} is no stage and no output of dvc.yaml")
    return names


def _visit(name: str, needs: dict[str, list[str]], order: list[str], above: tuple[str, ...]) -> None:
    if name in above:
        raise StageError(f"dvc.yaml: stages need each other: {', '.join(above[above.index(name) :])}")
    if name not in order:
        for need in needs[name]:
            _visit(need, needs, order, (*above, name))
        order.append(name)
