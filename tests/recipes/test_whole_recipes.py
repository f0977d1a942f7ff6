"""Every recipe runs all its stages, shrunken, on generated raw folders: one per run of the suite, all of them nightly.

The commit chooses which one, so that all workers and a second run choose the same; the name stands in the test's id.
``POPCAST_RECIPES=all`` (``make nightly``) takes all, ``POPCAST_RECIPES=nus,llama3-8b`` those.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import orjson
import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT
from tests.recipes.whole_recipe import ROLLING

RECIPES = [*sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml")), ROLLING]


def chosen(asked: str, commit: str) -> list[str]:
    """Recipes to run. asked: ``$POPCAST_RECIPES``; empty: one, by the hash of the commit."""
    if asked == "all":
        return RECIPES
    if asked:
        return asked.split(",")
    return [RECIPES[int.from_bytes(hashlib.sha256(commit.encode()).digest()[:8], "big") % len(RECIPES)]]


def commit() -> str:
    asked = ["git", "rev-parse", "HEAD"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("name", chosen(os.environ.get("POPCAST_RECIPES", ""), commit()))
def test_recipe_runs_all_its_stages(name, tmp_path):
    project, temporary = tmp_path / "project", tmp_path / "tmp"
    project.mkdir()
    temporary.mkdir()
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "TMPDIR": str(temporary)}
    environment |= {"POPCAST_THREADS": "1", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment |= {"POPCAST_SALT": "of tests, no secret"}
    command = [sys.executable, "-m", "tests.recipes.whole_recipe", name, str(project)]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=3600, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-4000:]
    params = YAML(typ="safe").load(project / "params.yaml")
    board = (project / "metrics/leaderboard.md").read_text()
    for group in (params["runs"], params["llm_runs"], *(suite["runs"] for suite in params["suites"].values())):
        for key, run in group.items():
            assert f"| {run.get('name', key)} " in board, f"{key}: no row in the leaderboard"
    for task in params["tasks"]:
        scores = orjson.loads((project / f"metrics/tracks/{task}.json").read_bytes())
        assert set(params["feature_rows"]) <= set(scores["about"]["order"])
        assert any(key.endswith(".mae") and value is not None for key, value in scores.items())
    for key in params["responses"]:
        figures = orjson.loads((project / f"metrics/responses/scores/{key}.json").read_bytes())
        for system in params["response"]["systems"] | params["responses"][key].get("set", {}).get("systems", {}):
            assert figures[f"test.{system}.micro.answers"] > 0, system
    for key, of in params["reaction_shares"].items():
        assert (project / f"data/predictions/{of['dataset']}/{of.get('file', 'reaction_shares')}.parquet").exists(), key
    for simulation in params["simulations"]:
        assert orjson.loads((project / f"metrics/simulation/{simulation}.json").read_bytes())["answers"] > 0
    assert {path.name for path in (project / ".scratch").glob("*")} <= {"answers", "model-hashes.json"}
    assert not list(temporary.glob("hf_datasets-*")) + list(temporary.glob("tmp*"))


def test_one_recipe_per_commit_and_each_has_its_turn():
    found = [chosen("", str(number)) for number in range(400)]
    assert {len(names) for names in found} == {1}
    assert {name for names in found for name in names} == set(RECIPES)
    assert chosen("", "a") == chosen("", "a")
    assert chosen("all", "a") == RECIPES
    assert chosen("nus,smp-video", "a") == ["nus", "smp-video"]
