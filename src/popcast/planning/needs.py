"""Does every stage get what it needs? Each dep of dvc.yaml below the folders of outs must be the out of another stage.

An overlay that names datasets empties the sections that it leaves out, so a section may refer to an instance of another
one that is gone: a run to a block, a task to a language model. DVC would find out when the stage starts, hours later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from popcast.core import paths
from popcast.core.errors import bad_input
from popcast.planning.project_params import Params
from popcast.planning.running.plain_stages import fill, read_yaml

DVC = Path("dvc.yaml")
ROOT = Path(__file__).resolve().parents[3]
READS_WHAT_THERE_IS = {"report"}
"""Stages that read folders whatever lies in them; the folders are in git."""
ANY = "\0"
"""Stands for a key in a path of outs."""


def check(params: Params, planned: set[tuple[str, str]]) -> None:
    """Raise BadInput, one line, for the first stage instance that needs what no other one makes.

    planned: stage and key of every instance that has a plan. The stages are those of dvc.yaml in the current folder, or
    of popcast's own where there is none.
    """
    stages, values = read_yaml(str(DVC if DVC.exists() else ROOT / DVC))["stages"], params.model_dump(mode="json")
    _check_raw(params)
    for stage, section, key, _ in _expanded(stages, values):
        if (stage, key) not in planned:
            raise bad_input(
                f"the stage {stage}@{key} has nothing to do", file=paths.PARAMS, field=f"{section}.{key}",
                expected=f"at least one run of {key}, in runs or suites: `popcast init` writes them",
            )  # fmt: skip
    for stage, section, key, need in lacking(stages, values):
        makers = ", ".join(made_by(need, stages)) or "nothing in params.yaml"
        raise bad_input(
            f"the stage {stage}@{key} needs {need}, and no stage makes it",
            file=paths.PARAMS, field=f"{section}.{key}", expected=f"an entry that does, in {makers}",
        )  # fmt: skip


def _check_raw(params: Params) -> None:
    """No raw folder holds the project: DVC would hash all of it, outs too."""
    here = Path.cwd().resolve()
    for section in ("datasets", "responses"):
        for key, of in getattr(params, section).items():
            raw = Path(of.raw).resolve()
            if raw == here or raw in here.parents:
                raise bad_input(
                    "this folder holds the project", file=paths.PARAMS, field=f"{section}.{key}.raw", value=of.raw,
                    expected="a folder for the raw files alone",
                )  # fmt: skip


def lacking(stages: dict[str, Any], values: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """(stage, section of params.yaml, key, dep) of every dep that is missing. values: params.yaml, complete."""
    expanded = list(_expanded(stages, values))
    outs = [out for _, _, _, body in expanded for out in _outs(body)]
    outs += [out for body in stages.values() if "foreach" not in body for out in _outs(body)]
    own = {out.split("/")[0] for out in outs}
    for stage, section, key, body in expanded:
        given = {str(value) for value in values[section][key].values() if isinstance(value, str)}
        for dep in body.get("deps", []):
            user = dep in given and (dep == values[section][key].get("raw") or Path(dep).exists())
            if dep.split("/")[0] in own and not user and not any(_overlap(dep, out) for out in outs):
                yield stage, section, key, dep


def made_by(need: str, stages: dict[str, Any]) -> list[str]:
    """Sections of params.yaml whose entries could make the path ``need``, by the outs that say most of it."""
    found: dict[int, list[str]] = {}
    for body in stages.values():
        if "foreach" not in body:
            continue
        for out in _outs(body["do"]):
            pattern = re.sub(r"\$\{[^}]*\}", ANY, out)
            parts = list(zip(need.split("/"), pattern.split("/"), strict=False))
            if all(re.fullmatch(re.escape(form).replace(re.escape(ANY), ".+"), part) for part, form in parts):
                found.setdefault(pattern.count(ANY), []).append(_section(body))
    return list(dict.fromkeys(found[min(found)])) if found else []


def _expanded(stages: dict[str, Any], values: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for stage, body in stages.items():
        if "foreach" in body and stage not in READS_WHAT_THERE_IS:
            section = _section(body)
            for key, item in values[section].items():
                filled = fill({part: body["do"].get(part, []) for part in ("deps", "outs")},
                              values | {"item": item, "key": key}, f"{stage}@{key}")  # fmt: skip
                yield stage, section, key, filled


def _overlap(one: str, other: str) -> bool:
    """Whether one path is the other or lies below it."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _section(body: dict[str, Any]) -> str:
    return re.sub(r"\$\{(.*)\}", r"\1", body["foreach"])


def _outs(body: dict[str, Any]) -> list[str]:
    return [next(iter(out)) if isinstance(out, dict) else out for out in body.get("outs", [])]
