"""recipes/*.sh with the real git and bash, and programs that only write down how they were called."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clone import environment
from tests.conftest import ROOT

STAGES = "plan\nposts@smpd\nbase_model@smpd\nsft@smpd\npreferences@smpd\nalign@smpd\nreport\n"
PROGRAM = """#!/usr/bin/env bash
echo "{name} $*" >> calls
case "{name} $*" in
    "popcast use recipes/"*) [[ ! -e refuses ]] || {{ echo "error: params.yaml: refused" >&2; exit 1; }}
        echo "of: $2" > params.yaml ;;
    "dvc stage list --name-only") printf '{stages}' ;;
    "dvc status --quiet "*) [[ -e "done-$3" ]] ;;
    "dvc commit --force "*) touch "done-$3" ;;
    "accelerate launch "*) [[ ! -e dies ]] ;;
    "python scripts/repro.py"*) mkdir -p metrics && echo "| model | MAE |" > metrics/leaderboard.md ;;
esac
"""
ROLLING_DVC = """#!/usr/bin/env bash
echo "dvc $*" >> calls
[[ $1 = exp ]] || exit 0
origin=${4##*-}
[[ $origin != 2 || ! -e fails ]] || exit 1
echo changed > params.yaml; echo changed > dvc.lock; echo changed > metrics/kept.md
echo "{\\"test.mae\\": $origin, \\"test.rmse\\": 2, \\"test.src\\": null}" > metrics/runs/tpic2017/blend.json
"""
SCRIPTS = sorted(path.stem for path in (ROOT / "recipes").glob("*.sh") if path.stem not in ("run", "tpic2017-rolling"))


@pytest.fixture
def clone(tmp_path) -> Path:
    """A repository with the recipes, a committed params.yaml and an environment of such programs."""
    folder = tmp_path / "clone"
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("popcast", "dvc", "accelerate", "python"):
        program = folder / ".venv/bin" / name
        program.write_text(PROGRAM.format(name=name, stages=STAGES.replace("\n", "\\n")))
        program.chmod(0o755)
    (folder / "params.yaml").write_text("committed: true\n")
    (folder / ".gitignore").write_text("/calls\n/.venv\n/done-*\n/params.yaml.bak*\n/metrics\n")
    (tmp_path / "raw posts").mkdir()
    for command in (["git", "init", "-q"], ["git", "add", "."], ["git", "commit", "-qm", "all"]):
        subprocess.run(command, cwd=folder, env=environment(), check=True)
    return folder


def run(clone: Path, script: str, *arguments: str, **more: str) -> subprocess.CompletedProcess:
    """A recipe called from the folder above, as a user may."""
    return subprocess.run(
        ["bash", f"clone/recipes/{script}.sh", *arguments], cwd=clone.parent, env=environment() | more,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def calls(clone: Path) -> list[str]:
    """How the programs were called since the last time that this was asked."""
    path = clone / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def takes_raw(script: str) -> bool:
    return ": RAW" in (ROOT / f"recipes/{script}.yaml").read_text()


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_recipe_uses_its_overlay_and_runs_the_pipeline(script, clone):
    folder = ["raw posts"] if takes_raw(script) else []
    done = run(clone, script, *folder)
    assert done.returncode == 0, done.stderr
    used = f"popcast use recipes/{script}.yaml" + (f" --raw {clone.parent}/raw posts" if folder else "")
    assert calls(clone) == [used, "python scripts/repro.py"]
    assert done.stdout.endswith("| model | MAE |\n")
    assert not list(clone.glob("params.yaml.bak*"))


@pytest.mark.parametrize("script", [script for script in SCRIPTS if takes_raw(script)])
def test_a_recipe_of_real_data_asks_for_its_folder(script, clone):
    for arguments in ([], ["raw posts", "more"]):
        done = run(clone, script, *arguments)
        assert (done.returncode, done.stderr) == (2, f"usage: bash recipes/{script}.sh RAW_FOLDER\n")
    assert calls(clone) == []
    assert (clone / "params.yaml").read_text() == "committed: true\n"


def test_an_absolute_folder_stays_as_it_is(clone):
    run(clone, "smp-video", str(clone.parent / "raw posts"))
    assert calls(clone)[0] == f"popcast use recipes/smp-video.yaml --raw {clone.parent}/raw posts"


def test_changes_of_params_are_kept_and_never_overwritten(clone):
    """A recipe after another one, after a kill, after edits: each params.yaml that was there is still there."""
    (clone / "params.yaml").write_text("mine: 1\n")
    done = run(clone, "microlens", "raw posts")
    assert "they are kept in params.yaml.bak\n" in done.stderr
    assert (clone / "params.yaml").read_text() == "of: recipes/microlens.yaml\n"
    run(clone, "smp-video", "raw posts")
    (clone / "params.yaml").write_text("mine: 2\n")
    run(clone, "smp-video", "raw posts")
    run(clone, "smp-video", "raw posts")
    kept = {path.read_text() for path in clone.glob("params.yaml.bak*")}
    assert {"mine: 1\n", "mine: 2\n"} <= kept
    before = sorted(path.name for path in clone.glob("params.yaml.bak*"))
    run(clone, "smp-video", "raw posts")
    assert sorted(path.name for path in clone.glob("params.yaml.bak*")) == before, "the same text is not kept twice"


def test_a_refused_overlay_leaves_params_as_they_were(clone):
    (clone / "refuses").touch()
    (clone / "params.yaml").write_text("mine: 1\n")
    done = run(clone, "microlens", "raw posts")
    assert done.returncode == 1
    assert done.stderr.endswith("error: params.yaml: refused\n")
    assert (clone / "params.yaml").read_text() == "mine: 1\n"
    assert [line.split()[0] for line in calls(clone)] == ["popcast"]


LAUNCHES = [
    "dvc stage list --name-only",
    "dvc repro base_model@smpd",
    "dvc status --quiet sft@smpd",
    "accelerate launch --config_file {file} -m stages.sft smpd",
    "dvc commit --force sft@smpd",
    "dvc repro preferences@smpd",
    "dvc status --quiet align@smpd",
    "accelerate launch --config_file {file} -m stages.align smpd",
    "dvc commit --force align@smpd",
    "python scripts/repro.py",
]


@pytest.mark.parametrize("script", ["llama3-8b", "popsim-smpd", "tiktok-fewshot"])
def test_several_processes_train_and_a_second_start_trains_nothing_again(script, clone):
    """LAUNCH goes the way of every recipe: params.yaml is put back first, and what is up to date stays."""
    file = "clone/recipes/accelerate/ddp.yaml"
    (clone / "params.yaml").write_text("mine: 1\n")
    done = run(clone, script, "raw posts", LAUNCH=file)
    assert done.returncode == 0, done.stderr
    found = calls(clone)
    assert found[0].startswith(f"popcast use recipes/{script}.yaml --raw ")
    assert found[1:] == [line.format(file=clone.parent / file) for line in LAUNCHES]
    assert (clone / "params.yaml.bak").read_text() == "mine: 1\n"
    assert run(clone, script, "raw posts", LAUNCH=file).returncode == 0
    assert not [line for line in calls(clone) if line.startswith(("accelerate", "dvc commit"))]


def test_a_launch_that_dies_is_not_committed_and_goes_on_where_it_was(clone):
    file = "clone/recipes/accelerate/fsdp.yaml"
    (clone / "dies").touch()
    assert run(clone, "llama3-8b", "raw posts", LAUNCH=file).returncode != 0
    found = calls(clone)
    assert found[-1].startswith("accelerate launch")
    assert not [line for line in found if "commit" in line or "repro.py" in line]
    (clone / "dies").unlink()
    (clone / "done-sft@smpd").touch()
    assert run(clone, "llama3-8b", "raw posts", LAUNCH=file).returncode == 0
    assert [line.split(" -m ")[1] for line in calls(clone) if line.startswith("accelerate")] == ["stages.align smpd"]


def test_a_launch_file_that_is_not_there_stops_before_anything_changes(clone):
    (clone / "params.yaml").write_text("mine: 1\n")
    done = run(clone, "llama3-8b", "raw posts", LAUNCH="nowhere.yaml")
    assert done.returncode == 1
    assert done.stderr == f"error: LAUNCH: no such file: {clone.parent}/nowhere.yaml\n"
    assert (clone / "params.yaml").read_text() == "mine: 1\n"
    assert calls(clone) == []


def test_until_runs_a_stage_and_what_it_needs(clone):
    done = run(clone, "popsim-smpd", "raw posts", UNTIL="simulate@smpd")
    assert done.returncode == 0, done.stderr
    assert calls(clone)[-1] == "python scripts/repro.py simulate@smpd"
    assert "MAE" not in done.stdout, "an old leaderboard would not be that of this run"


def test_without_an_environment_nothing_changes(clone):
    shutil.rmtree(clone / ".venv")
    (clone / "params.yaml").write_text("mine: 1\n")
    done = run(clone, "microlens", "raw posts")
    assert (done.returncode, done.stderr) == (1, "error: no .venv here: run 'make setup' first\n")
    assert (clone / "params.yaml").read_text() == "mine: 1\n"


def test_the_rolling_origins_put_the_workspace_back(clone):
    """Also where the third origin fails: params.yaml, dvc.lock and metrics as they were, nothing left in scratch."""
    (clone / "metrics/runs/tpic2017").mkdir(parents=True)
    (clone / "metrics/kept.md").write_text("kept\n")
    (clone / "dvc.lock").write_text("locked\n")
    (clone / ".gitignore").write_text("/calls\n/.venv\n/metrics/runs\n/.scratch\n/fails\n")
    dvc = clone / ".venv/bin/dvc"
    dvc.write_text(ROLLING_DVC)
    (clone / ".venv/bin/python").unlink()
    os.symlink(shutil.which("python3"), clone / ".venv/bin/python")
    for command in (["git", "add", "."], ["git", "commit", "-qm", "more"]):
        subprocess.run(command, cwd=clone, env=environment(), check=True)
    for fails in (False, True):
        if fails:
            (clone / "fails").touch()
        done = run(clone, "tpic2017-rolling")
        assert (done.returncode != 0) == fails, done.stderr
        texts = [(clone / name).read_text() for name in ("params.yaml", "dvc.lock", "metrics/kept.md")]
        assert texts == ["committed: true\n", "locked\n", "kept\n"]
        assert not list((clone / ".scratch").iterdir())
        asked = [line for line in calls(clone) if line.startswith("dvc exp run")]
        assert len(asked) == (3 if fails else 5)
        if not fails:
            assert "mean and sd of 5 origins" in done.stdout
            assert "   2.000 ± 1.581" in done.stdout  # 0, 1, 2, 3, 4
            assert all(line.endswith(" evaluate@tpic2017") for line in asked)
    (clone / "params.yaml").write_text("mine: 1\n")
    assert "error: uncommitted changes" in run(clone, "tpic2017-rolling").stderr
    assert (clone / "params.yaml").read_text() == "mine: 1\n"
