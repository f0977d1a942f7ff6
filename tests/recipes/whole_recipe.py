"""Run all stages of a recipe, shrunken, in this process: ``python -m tests.recipes.whole_recipe NAME FOLDER``.

FOLDER becomes a project: params.yaml as ``popcast use recipes/NAME.yaml`` writes it, made small (``shrunken.py``), with
generated raw folders, tiny random models in the place of hub ids and a chat server on the loopback interface. Stages
run one after the other as dvc.yaml orders them; each must find its deps and leave its outs. Prints a line per stage.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path

from ruamel.yaml import YAML

from popcast.core import paths
from popcast.planning import plan, project_params
from popcast.planning.overlay import PLACEHOLDER, use_overlay
from popcast.planning.running.plain_stages import PlainStages
from tests.chat.servers import ChatServer
from tests.recipes import random_bases, raw_folders
from tests.recipes.shrunken import shrink

ROOT = Path(__file__).resolve().parents[2]
ROLLING = "tpic2017-rolling"
"""The recipe that is a script without an overlay: what it sets for one of its five origins."""
BASES = Path("bases")
OF_ROLLING = """
datasets:
  tpic2017: {kind: tpic2017, raw: data/raw/tpic2017, zone: Asia/Shanghai, metric: mae}
sample:
  tpic2017: {kind: tpic2017, posts: 3000, users: 300}
splits:
  tpic2017: {method: rolling_origin, origin: 4, final_fit: labelled}
blocks:
  tpic2017-metadata: {dataset: tpic2017, block: metadata}
  tpic2017-history: {dataset: tpic2017, block: history}
"""


def lay_out(name: str, server: str) -> None:
    """Make the current folder a project with the params.yaml of a recipe, made small, and its raw folders."""
    for path in ("src", "stages", "dvc.yaml", "requirements.txt"):
        os.symlink(ROOT / path, path)
    for kept in ("metrics", "models"):  # the report reads their folders whatever lies in them
        for folder in ROOT.glob(f"{kept}/*/.gitignore"):
            (Path(kept) / folder.parent.name).mkdir(parents=True)
    Path("params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    overlay = ROOT / "recipes" / f"{name}.yaml"
    if name == ROLLING:
        overlay = Path("rolling.yaml")
        suites = YAML(typ="safe").load(ROOT / "params.yaml")["suites"]
        with overlay.open("w") as file:
            file.write(OF_ROLLING)
            YAML().dump(
                {"runs": {}, "suites": {key: of for key, of in suites.items() if of["dataset"] == "tpic2017"}}, file
            )
    raw = None
    if PLACEHOLDER in overlay.read_text():
        raw = Path("raw")
        named = YAML(typ="safe").load(overlay)
        for dataset, of in (named["datasets"] | named.get("responses", {})).items():
            if of["raw"].split("/")[0] == PLACEHOLDER:
                raw_folders.write(dataset, raw / Path(of["raw"]).relative_to(PLACEHOLDER))
    use_overlay(overlay, raw)
    yaml = YAML(typ="safe")
    small = shrink(yaml.load(Path("params.yaml")), base_like, server)
    if BASES.is_dir():  # folders of models are watched, ids on the hub are not
        small["base"]["watch"] = BASES.as_posix()
    with Path("params.yaml").open("w") as file:
        YAML().dump(small, file)


def base_like(model: str) -> Path:
    folder = BASES / model.replace("/", "--")
    return folder if folder.exists() else random_bases.base_like(model, folder).resolve()


def run(name: str) -> int:
    """Lay out and run a recipe in the current folder; the number of stages that ran."""
    with ChatServer() as server:
        lay_out(name, server.url)
        stages = PlainStages()
        done = 0
        for row in stages.rows:
            started = time.perf_counter()
            stages.look(row.name)
            for line in stages.begin(row.name).lines:
                run_here(line)
            stages.end(row.name)
            base = paths.base_model(row.name.rpartition("@")[2])
            if row.name.startswith("base_model@") and (base / "config.json").exists():  # made here, of ten steps
                random_bases.teach(base)
            done += 1
            print(f"{row.name}: {time.perf_counter() - started:.1f} s", flush=True)
    expected = {f"{one.stage}@{one.key}" for one in plan.all_instances(project_params.load())} - {"report@all"}
    assert {row.name for row in stages.rows} == expected | {"plan", "report"}
    return done


def run_here(line: str) -> None:
    """The command of a stage, ``python -m stages.NAME KEY``, without a process of its own."""
    python, minus_m, module, *key = line.split()
    assert (python, minus_m) == ("python", "-m"), line
    importlib.import_module(module).main.main(key, standalone_mode=False)


if __name__ == "__main__":
    os.chdir(sys.argv[2])
    print(f"{sys.argv[1]}: {run(sys.argv[1])} stages")
