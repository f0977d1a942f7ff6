"""What the command line does to a project: lay an overlay over params.yaml, remove leftovers of dropped datasets.

params.yaml is edited section by section as text, so that the comments of every section that an overlay does not
replace stay as they are.
"""

from __future__ import annotations

import copy
import io
import os
import re
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from popcast.core import paths
from popcast.core.errors import BadInput, bad_input
from popcast.core.section import Section
from popcast.datasets.params import Dataset
from popcast.fewshot.params import Llm
from popcast.planning import project_params
from popcast.simulation.params import Simulation
from popcast.splits.params import Split

PER_DATASET = (
    "sample",
    "datasets",
    "splits",
    "blocks",
    "media",
    "derived",
    "runs",
    "suites",
    "adversarial",
    "tasks",
    "llms",
    "llm_runs",
    "feature_rows",
    "populations",
    "simulations",
)
"""Sections that say which datasets there are: an overlay replaces them as wholes. All others are merged key by key."""

WATCHED = {
    "datasets": (Dataset, ("zone", "metric")),
    "splits": (Split, ("final_fit",)),
    "llms": (Llm, ("preferences", "align")),
    "simulations": (Simulation, ("simulate", "fields", "ablation")),
}
"""Keys that dvc.yaml names one by one. DVC wants them written down: an overlay gets the defaults that it leaves out."""

PLACEHOLDER = "RAW"
"""In an overlay: the raw folder given on the command line."""

_KEY = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*):")


@dataclass(frozen=True)
class Part:
    """One top-level section of a YAML file as text: the comment lines above it, and the section itself."""

    key: str
    comment: str
    body: str


def parts_of(text: str) -> list[Part]:
    """Cut a YAML mapping in block style into its top-level sections. Joined again they are the same text.

    >>> [(part.key, part.comment, part.body) for part in parts_of("# one\\na: 1\\n\\n# two\\nb:\\n  c: 2\\n")]
    [('a', '# one\\n', 'a: 1\\n'), ('b', '\\n# two\\n', 'b:\\n  c: 2\\n')]
    """
    parts: list[Part] = []
    key, comment, body, pending = "", "", "", ""
    for line in text.splitlines(keepends=True):
        match = _KEY.match(line)
        if match:
            if key:
                parts.append(Part(key, comment, body))
            key, comment, body, pending = match[1], pending, line, ""
        elif line.strip() == "" or line.startswith("#"):
            pending += line
        else:
            body, pending = body + pending + line, ""
    if key:
        parts.append(Part(key, comment, body + pending))
    return parts


def use_overlay(overlay: Path, raw: Path | None) -> list[str]:
    """Write the sections of ``overlay`` into params.yaml; names of the sections written.

    An overlay that names ``datasets`` speaks for all sections in PER_DATASET: those that it leaves out become empty.
    ``raw`` stands for the word RAW in values of the overlay. The result is validated before it replaces params.yaml.
    """
    if raw is not None and not raw.is_dir():
        raise bad_input("no such folder", file=raw)
    given = {part.key: _value(part, overlay) for part in parts_of(_read(overlay))}
    if not given:
        raise bad_input("no section in it", file=overlay, expected="YAML with top-level keys of params.yaml")
    for key in given:
        if key not in project_params.Params.model_fields:
            raise bad_input("unknown section", file=overlay, field=key)
    given, uses = _placed(given, None if raw is None else str(raw.resolve()))
    if uses and raw is None:
        raise bad_input(f"it says {PLACEHOLDER}: name the raw folder with --raw", file=overlay)
    if raw is not None and not uses:
        raise bad_input(f"--raw given, but no value in it is {PLACEHOLDER}", file=overlay)
    for section, (model, keys) in WATCHED.items():
        for entry in given.get(section, {}).values():
            for key in keys:
                entry.setdefault(key, _plain(model.model_fields[key].default))
    if "datasets" in given:
        given = {**{key: {} for key in PER_DATASET if key not in given}, **given}
    text = overlaid(_read(paths.PARAMS), given)
    temporary = paths.PARAMS.with_name(paths.PARAMS.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    try:
        project_params.load(temporary)
    except BadInput:
        temporary.unlink()
        raise
    os.replace(temporary, paths.PARAMS)
    return list(given)


def overlaid(text: str, given: dict[str, Any]) -> str:
    """``text`` of params.yaml with the sections ``given`` replaced (PER_DATASET) or merged into it."""
    parts = parts_of(text)
    known = {part.key for part in parts}
    parts += [Part(key, "\n", "") for key in given if key not in known]
    out = ""
    for part in parts:
        if part.key not in given:
            body = part.body
        elif part.key in PER_DATASET or not part.body:
            body = _dump({part.key: given[part.key]})
        else:
            body = _dump(_merged(_yaml().load(part.body), {part.key: given[part.key]}))
        out += part.comment + body
    return out


def leftovers(settings: project_params.Params) -> list[Path]:
    """Files and folders below data, models, metrics and plots that no stage of params.yaml makes, sorted.

    Only what popcast's own stages made for a dataset, block, run or suite since dropped: raw folders are left alone.
    """
    names = set(settings.datasets)
    keep = set()
    for name in names:
        keep |= {paths.posts(name), paths.splits(name), paths.quality(name), paths.plots(name), paths.metrics(name)}
        keep |= {paths.predictions(name, "blend"), paths.model(name, "blend")}
        for block in settings.blocks_of(name):
            keep |= {paths.features(name, block), paths.feature_model(name, block)}
        for run in settings.runs_of(name):
            keep |= {paths.predictions(name, run.name, run.suite), paths.model(name, run.name, run.suite)}
    adversarial = (paths.adversarial, paths.adversarial_metrics, paths.adversarial_plots)
    populations = (paths.population, paths.population_metrics)
    keep |= {maker(name) for name in settings.adversarial for maker in adversarial}
    keep |= {path for task in settings.tasks for path in _of_task(task)}
    keep |= {path for llm in settings.llms for path in _of_llm(llm)}
    keep |= {path for name in settings.simulations for path in _of_simulation(name)}
    keep |= {maker(name) for name in settings.populations for maker in populations}
    single = (paths.posts, paths.splits, paths.quality, paths.plots, paths.metrics, paths.members)
    places = [
        *(maker("*") for maker in (*single, *adversarial, *populations)),
        *_of_task("*"),
        *_of_llm("*"),
        *_of_simulation("*"),
        paths.predictions("*", "*"),
        paths.members("*", "*"),
        paths.predictions("*", "blend"),
        paths.features("*", "*"),
        paths.feature_model("*", "*"),
        paths.model("*", "*"),
    ]
    found = {path for place in places for path in Path().glob(str(place))}
    needed = keep | {parent for path in keep for parent in path.parents}
    features_root = paths.feature_model("*", "*").parent.parent
    gone = {path for path in found if path not in needed and path.parent != features_root}
    return sorted(path for path in gone if not gone & set(path.parents))


def _of_task(task: str) -> list[Path]:
    """Everything that stages make for one few-shot task."""
    tables = [paths.instructions(task), *(paths.answers(task, who) for who in ("llm", "features"))]
    return [*tables, paths.track_metrics(task), paths.track_plots(task)]


def _of_llm(llm: str) -> list[Path]:
    """Everything that stages make for one language model."""
    curves = [paths.training_curves(stage, llm) for stage in ("sft", "align")]
    tables = [paths.preferences(llm), paths.preference_counts(llm)]
    return [paths.base_model(llm), paths.sft(llm), paths.aligned(llm), *tables, *curves]


def _of_simulation(name: str) -> list[Path]:
    """Everything that stages make for one simulated audience, but its feature blocks."""
    numbers = [paths.simulation_metrics(name), paths.ablation_metrics(name)]
    return [paths.simulation(name), *numbers, paths.simulation_plots(name), paths.ablation_plots(name)]


def remove(path: Path) -> None:
    """Remove a file or a folder, and the folders above it that are empty then."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    for parent in path.parents:
        if parent == Path() or any(parent.iterdir()):
            break
        parent.rmdir()


def _plain(default: Any) -> Any:
    """A default as it would stand in YAML; a value of its own each time, since YAML marks shared ones."""
    return default.model_dump() if isinstance(default, Section) else copy.deepcopy(default)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise bad_input(error.strerror or "cannot be read", file=path) from None


def _value(part: Part, file: Path) -> Any:
    try:
        return _yaml().load(part.body)[part.key]
    except YAMLError as error:
        raise bad_input(f"not valid YAML: {str(error).splitlines()[0]}", file=file, field=part.key) from None


def _dump(value: Any) -> str:
    stream = io.StringIO()
    _yaml().dump(value, stream)
    return stream.getvalue()


def _placed(value: Any, raw: str | None) -> tuple[Any, bool]:
    """``value`` with RAW replaced and dates written as text (DVC takes no bare dates); whether RAW was in it."""
    if isinstance(value, dict | list):
        uses = False
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            value[key], used = _placed(value[key], raw)
            uses |= used
        return value, uses
    if isinstance(value, date):
        return value.isoformat(), False
    if isinstance(value, str) and value.split("/")[0] == PLACEHOLDER:
        return (value if raw is None else raw + value.removeprefix(PLACEHOLDER)), True
    return value, False


def _merged(old: Any, new: Any) -> Any:
    """``new`` laid over ``old``: dictionaries key by key, everything else replaced."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    for key, value in new.items():
        old[key] = _merged(old[key], value) if key in old else value
    return old
