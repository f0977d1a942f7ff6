"""Two processes on the CPU (gloo) train as one does; the files for accelerate are complete."""

import os
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML

from popcast.core import params, paths, tables
from popcast.fewshot import score_prompts
from tests.lm.tiny_llm import tiny_base
from tests.plans import run_stage

ROOT = Path(__file__).resolve().parents[2]
AUTHORS = 12
SYSTEMS = {
    "lora": {"shots": [1, 2]},
    "freeze": {"shots": [1], "set": {"method": "freeze", "epochs": 1}},
}


def write_posts() -> None:
    """Three posts of each author, the score tied to author and order."""
    rows = range(3 * AUTHORS)
    posts = pl.DataFrame(
        {
            "post_id": [f"p{row}" for row in rows],
            "user_id": [f"u{row // 3}" for row in rows],
            "posted_at": [datetime(2016, 1, 1, tzinfo=UTC) + timedelta(days=row) for row in rows],
            "title": [f"red sky {row}" for row in rows],
            "popularity": [2.0 + row / 4 for row in rows],
        }
    )
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in tables.POSTS_COLUMNS.items() if name not in posts]
    posts = posts.with_columns(missing).select(*tables.POSTS_COLUMNS).cast(tables.POSTS_COLUMNS)
    tables.write(posts, paths.posts("smpd"), tables.POSTS)


def write_records() -> None:
    """Training records of one and two shots."""
    rows = [
        {
            "record_id": f"fewshot-train-{shots}-p{3 * author + shots}", "draw": "fewshot", "role": "train",
            "shots": shots, "user_id": f"u{author}", "history": [f"p{3 * author + post}" for post in range(shots)],
            "target": f"p{3 * author + shots}", "score": 2.0 + (3 * author + shots) / 4,
        }
        for shots in (1, 2) for author in range(AUTHORS)
    ]  # fmt: skip
    records = pl.DataFrame(rows).with_columns(pl.col("shots").cast(pl.Int8))
    tables.write(records, paths.records("smpd"), tables.RECORDS, key="record_id")


def write_params() -> None:
    content = YAML(typ="safe").load(ROOT / "params.yaml")
    task = {"dataset": "smpd", "source": "smpd", "track": "coldstart", "template": "smpd", "users": 12, "shots": [1, 2]}
    content["tasks"] = {"smpd": task}
    content["llms"] = {"smpd": {"scores": [1.0, 16.99], "base": {"made": {}}, "sft": SYSTEMS}}
    content["llms"]["smpd"]["preferences"] = {"start": "lora", "shots": [1, 2]}
    content["llm"] = {"prompts": {}, "sft": {"epochs": 2, "batch_size": 4, "max_length": 256}}
    content["llm_runs"] = {}
    with Path("params.yaml").open("w") as file:
        YAML().dump(content, file)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """A project folder in which one process has run the stage ``sft``."""
    folder = tmp_path_factory.mktemp("one")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_params()
        write_posts()
        write_records()
        tiny_base(paths.base_model("smpd"))
        patch.setenv("OMP_NUM_THREADS", "1")
        result = run_stage("sft", "smpd", catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert "smpd/lora: 2 shots, 12 records" in result.output
    return folder


def test_stage_writes_models_and_curves_and_nothing_else(one_process):
    models = {str(path.parent.relative_to(one_process)) for path in (one_process / "models/sft").rglob("tuned.json")}
    assert models == {f"models/sft/smpd/{name}" for name in ("lora/shots_1", "lora/shots_2", "freeze/shots_1")}
    curves = {path.name for path in (one_process / "plots/llm/sft/smpd").iterdir()}
    assert curves == {"lora_1.csv", "lora_2.csv", "freeze_1.csv", "loss.csv", "loss.png"}
    assert list((one_process / ".scratch").iterdir()) == []
    loss = pl.read_csv(one_process / "plots/llm/sft/smpd/loss.csv")
    assert loss.group_by("system", "shots").len().sort("system", "shots")["len"].to_list() == [3, 6, 6]
    tuned = (one_process / "models/sft/smpd/lora/shots_1/tuned.json").read_text()
    assert '"base": "models/base/smpd"' in tuned


def test_finished_models_wait_in_scratch(one_process, tmp_path, monkeypatch):
    """A stage that ends before its outs are placed goes on without training anything again."""
    project = tmp_path / "again"
    shutil.copytree(one_process, project, ignore=shutil.ignore_patterns("sft", "plots"))
    monkeypatch.chdir(project)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    from stages import sft

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sft, "place", stop)
        assert run_stage("sft", "smpd").exit_code != 0
    assert not Path("models/sft").exists()
    assert len(list(Path(".scratch").glob("sft-smpd-*/finished.json"))) == 3
    assert list(Path(".scratch").glob("sft-smpd-*/*/checkpoint-*")) == []
    monkeypatch.setattr(sft.tuning, "tune", stop)
    assert run_stage("sft", "smpd", catch_exceptions=False).exit_code == 0
    for folder in ("models/sft", "plots"):
        for path in (one_process / folder).rglob("*.*"):
            assert path.read_bytes() == Path(path.relative_to(one_process)).read_bytes(), path


def test_two_processes_give_the_curves_of_one(one_process, tmp_path):
    """As recipes/accelerate/ddp.yaml says, but for the processor: the same rows in each update, shared by two."""
    project = tmp_path / "two"
    shutil.copytree(one_process, project, ignore=shutil.ignore_patterns("shots_*", "plots"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = str(ROOT / "recipes/accelerate/ddp.yaml")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", config]
    command += ["--cpu", "--num_processes", "2", "--main_process_port", str(port), "-m", "stages.sft", "smpd"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "POPCAST_THREADS": "1"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("smpd/lora: 2 shots") == 1  # the first process speaks and writes
    curves = "plots/llm/sft/smpd/loss.csv"
    one, two = (pl.read_csv(folder / curves) for folder in (one_process, project))
    assert one.select("system", "shots", "step").equals(two.select("system", "shots", "step"))
    assert np.abs(one["loss"].to_numpy() - two["loss"].to_numpy()).max() < 1e-4
    names = sorted(path.relative_to(one_process) for path in (one_process / "models/sft").rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(project) for path in (project / "models/sft").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("name", "kind", "facts"),
    [
        ("ddp", "MULTI_GPU", {}),
        ("fsdp", "FSDP", {"fsdp_config": {"fsdp_state_dict_type": "FULL_STATE_DICT"}}),
        ("zero3", "DEEPSPEED", {"deepspeed_config": {"zero_stage": 3, "zero3_save_16bit_model": True}}),
    ],
)
def test_accelerate_reads_the_files(name, kind, facts):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(ROOT / f"recipes/accelerate/{name}.yaml"))
    assert config.distributed_type == kind
    assert config.mixed_precision == "bf16"
    assert config.num_processes > 1
    for section, expected in facts.items():
        assert expected.items() <= getattr(config, section).items()


def test_recipe_names_every_param_of_tuning_and_alignment():
    """Each value is one that its module takes, and nothing that trains a language model is left to a default."""
    from popcast.fewshot.alignment import idpop, preferences
    from popcast.lm import backbone, decoding, tuning

    given = YAML(typ="safe").load(ROOT / "recipes/llama3-8b.yaml")
    modules = {
        "prompts": score_prompts,
        "sft": tuning,
        "decoding": decoding,
        "preferences": preferences,
        "align": idpop,
    }
    for name, module in modules.items():
        params.parse(module.Params, given["llm"][name], f"llm.{name}")
    for name in ("sft", "align"):
        for system, run in given["llms"]["smpd"][name].items():
            params.merged(modules[name].Params, given["llm"][name], run.get("set", {}), f"llms.smpd.{name}.{system}")
    base = params.parse(backbone.Params, given["llms"]["smpd"]["base"], "llms.smpd.base")
    assert base.pretrained.model == "meta-llama/Meta-Llama-3-8B-Instruct"
    assert set(tuning.Params.model_fields) == set(given["llm"]["sft"])
    assert given["tasks"]["smpd"]["users"] == 200
    for section in ("sft", "align"):  # eight GPUs, as fsdp.yaml and zero3.yaml say
        settings = given["llm"][section]
        assert settings["batch_size"] % (settings["accumulation"] * 8) == 0
