"""What the stage ``plan`` does: params.yaml and the source -> one small file per stage instance.

A file that stays the same keeps its hash, and DVC runs nothing that depends on it. Settings that no longer belong to
an instance leave with its file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from popcast.core import paths
from popcast.core.errors import bad_input
from popcast.core.safety.whole_files import whole_folder
from popcast.planning import fewshot_instances, instances, local_models, needs, response_instances, simulation_instances
from popcast.planning.instances import Instance
from popcast.planning.project_params import Params
from popcast.planning.source import Source
from popcast.planning.versions import pinned, versions

STAGES: tuple[Callable[[Params], Iterator[Instance]], ...] = (
    instances.sample,
    instances.posts,
    instances.features,
    instances.media,
    instances.derive,
    instances.adversarial,
    instances.train,
    instances.suite,
    fewshot_instances.instructions,
    fewshot_instances.base_model,
    fewshot_instances.sft,
    fewshot_instances.preferences,
    fewshot_instances.align,
    fewshot_instances.llm_predict,
    fewshot_instances.tracks,
    simulation_instances.population,
    simulation_instances.simulate,
    simulation_instances.fields,
    simulation_instances.ablation,
    instances.train_llm,
    instances.blend,
    instances.evaluate,
    instances.bundle,
    response_instances.response_cases,
    response_instances.response_train,
    response_instances.response_predict,
    response_instances.response_score,
    response_instances.reaction_shares,
    instances.report,
)

ROOT = Path(__file__).resolve().parents[3]
"""The project whose source runs: with ``src`` and ``stages`` in it."""


def all_instances(params: Params) -> list[Instance]:
    """Every stage instance of params.yaml, in the order of dvc.yaml.

    Raises BadInput for a setting that is wrong, and for an instance that needs what no other one makes.
    """
    made = [instance for stage in STAGES for instance in stage(params)]
    needs.check(params, {(one.stage, one.key) for one in made})
    found = {text for one in made for text in texts(one.settings)}
    local_models.check_watched(found, params.base.watch)
    return made


def instance(params: Params, stage: str, key: str) -> Instance:
    """The instance ``<stage>@<key>``. Raises BadInput where params.yaml asks for none."""
    for make in STAGES:
        for one in make(params) if make.__name__ == stage else ():
            if one.key == key:
                return one
    raise bad_input(f"asks for no stage {stage}@{key}", file=paths.PARAMS)


def content(instance: Instance, source: Source, wanted: set[str]) -> dict[str, Any]:
    """What the plan file of an instance says. wanted: distributions whose versions count."""
    starts = ["stages", f"stages.{instance.stage}", *instance.modules]
    files, packages = source.closure(starts)
    found = set(texts(instance.settings))
    told = {
        "stage": instance.stage,
        "key": instance.key,
        "settings": instance.settings,
        "source": files,
        "versions": versions(packages, found, wanted),
    }
    if folders := local_models.named(found):
        told["folders"] = {name: local_models.fingerprint(name) for name in folders}
    return told


def contents(params: Params, root: Path = ROOT) -> dict[Path, bytes]:
    """Plan file of every instance -> its bytes."""
    source, wanted = Source(root), pinned(root / "requirements.txt")
    return {
        paths.plan(one.stage, one.key): orjson.dumps(content(one, source, wanted), option=orjson.OPT_INDENT_2) + b"\n"
        for one in all_instances(params)
    }


def write(params: Params, root: Path = ROOT) -> int:
    """Write all plan files, and no others below ``data/plan``; returns how many. All of them or none."""
    made = contents(params, root)
    with whole_folder(paths.PLANS) as fresh:
        for path, text in made.items():
            place = fresh / path.relative_to(paths.PLANS)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text)
    return len(made)


def texts(value: Any) -> Iterator[str]:
    """Every text in settings, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)
