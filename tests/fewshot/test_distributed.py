"""Two processes on the CPU (gloo) train and align as one does; the files for accelerate are complete."""

import json
import os
import shutil
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
ALIGNED = {
    "idpop": {"start": "lora", "shots": [2]},
    "untuned": {"start": "base", "shots": [2], "set": {"loss": "dpo"}},
    "asked": {"start": "freeze", "shots": [1], "set": {"precompute_ref": False}},
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


def write_pairs() -> None:
    """Preference pairs of all records, the better answer 1.5 nearer."""
    records = tables.read(paths.records("smpd"), tables.RECORDS)
    score = pl.col("score")
    pairs = records.select(
        pair_id="record_id",
        record_id="record_id",
        shots="shots",
        prompt=pl.format("Posts of {}: {} shown. Its popularity?\n", "user_id", "shots"),
        chosen=score.map_elements(lambda value: f"{value + 0.25:.2f}", pl.String),
        rejected=score.map_elements(lambda value: f"{value + 1.75:.2f}", pl.String),
        chosen_error=pl.lit(0.25),
        rejected_error=pl.lit(1.75),
        chosen_weight=pl.lit(0.8),
        rejected_weight=pl.lit(0.3),
        mu=0.5 + score / 10,
    )
    tables.write(pairs, paths.preferences("smpd"), tables.PAIRS, key="pair_id")


def write_params() -> None:
    content = YAML(typ="safe").load(ROOT / "params.yaml")
    task = {"dataset": "smpd", "source": "smpd", "track": "coldstart", "template": "smpd", "users": 12, "shots": [1, 2]}
    content["tasks"] = {"smpd": task}
    content["llms"] = {"smpd": {"scores": [1.0, 16.99], "base": {"made": {}}, "sft": SYSTEMS}}
    content["llms"]["smpd"]["preferences"] = {"start": "lora", "shots": [1, 2]}
    content["llms"]["smpd"]["align"] = ALIGNED
    content["llm"] = {"prompts": {}, "sft": {"epochs": 2, "batch_size": 4, "max_length": 256}}
    content["llm"]["align"] = {"epochs": 1, "batch_size": 4, "max_length": 256, "precompute_ref": True}
    content["llm_runs"] = {}
    with Path("params.yaml").open("w") as file:
        YAML().dump(content, file)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """A project folder in which one process has run the stages ``sft`` and ``align``."""
    folder = tmp_path_factory.mktemp("one")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_params()
        write_posts()
        write_records()
        write_pairs()
        tiny_base(paths.base_model("smpd"))
        patch.setenv("OMP_NUM_THREADS", "1")
        result = run_stage("sft", "smpd", catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert "smpd/lora: 2 shots, 12 records" in result.output
        result = run_stage("align", "smpd", catch_exceptions=False)
        assert result.exit_code == 0, result.output
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
    for folder in ("models/sft", "plots/llm/sft"):
        for path in (one_process / folder).rglob("*.*"):
            assert path.read_bytes() == Path(path.relative_to(one_process)).read_bytes(), path


LAUNCHED = """
import os, sys
from accelerate import PartialState
from popcast.lm import training_frame
from stages import align, sft
state = PartialState(cpu=True)
assert os.environ["WORLD_SIZE"] == "2" and state.num_processes == training_frame.processes() == 2, os.environ
assert state.distributed_type.value == "MULTI_CPU" and state.backend == "gloo", state
open(f"{sys.argv[2]}/process_{state.process_index}_of_{state.num_processes}", "x").close()
if training_frame.sharded():  # every forward goes through the wrapper: before it the model is on no GPU
    from torch.nn.parallel import DistributedDataParallel as Wrapped
    from popcast.fewshot.alignment.idpop_trainer import IdpopTrainer
    asked = []
    for name in ("policy_log_probs", "compute_ref_log_probs"):
        def watched(trainer, model, inputs, ask=getattr(IdpopTrainer, name), name=name):
            assert isinstance(model, Wrapped) or model is trainer.ref_model, (name, type(model))
            asked.append(name)
            return ask(trainer, model, inputs)
        setattr(IdpopTrainer, name, watched)
{"sft": sft, "align": align}[sys.argv[1]].main.main(["smpd"], standalone_mode=False)
if training_frame.sharded():
    assert set(asked) == {"policy_log_probs", "compute_ref_log_probs"}
"""
"""A stage in one of two processes. What is asserted here fails the launch."""


def launched(stage: str, project: Path, **more: str) -> str:
    """Output of a stage in two processes on the processor, started as torchrun starts them. more: environment."""
    (project / "launched.py").write_text(LAUNCHED)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "POPCAST_THREADS": "1"}
    environment |= {"TMPDIR": str(project / "tmp"), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"} | more
    (project / "tmp").mkdir(exist_ok=True)
    present = project.parent / "present"  # a file of each process: lines of two on one pipe may run together
    present.mkdir()
    done = subprocess.run(
        [*command, "launched.py", stage, str(present)], cwd=project, env=environment, capture_output=True, text=True,
        timeout=1800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted(path.name for path in present.iterdir()) == ["process_0_of_2", "process_1_of_2"]
    assert not list((project / "tmp").glob("hf_datasets-*"))
    return done.stdout


@pytest.mark.parametrize(("stage", "more"), [("sft", {}), ("align", {}), ("align", {"ACCELERATE_USE_FSDP": "true"})])
def test_two_processes_give_the_curves_of_one(stage, more, one_process, tmp_path):
    """The same rows in each update, shared by two. Alignment scores its reference once, before it trains.

    Where weights are in shards it asks nothing of a model that is not wrapped. FSDP itself wants GPUs: on the processor
    another wrapper (DDP) stands in its place, and curves and figures are those of one process all the same.
    """
    project = tmp_path / "two"
    left_out = ("shots_*", "plots") if stage == "sft" else ("aligned", "plots")
    shutil.copytree(one_process, project, ignore=shutil.ignore_patterns(*left_out))
    said = launched(stage, project, **more)
    assert said.count("smpd/lora: 2 shots" if stage == "sft" else "idpop_2: 12 pairs") == 1, "only the first speaks"
    curves, models = Path(f"plots/llm/{stage}/smpd"), "models/sft" if stage == "sft" else "models/aligned"
    drawn = sorted(path.name for path in (one_process / curves).glob("*_[0-9].csv"))
    assert len(drawn) == 3
    for name in drawn:
        one, two = (pl.read_csv(folder / curves / name) for folder in (one_process, project))
        assert one.columns == two.columns
        assert one["step"].equals(two["step"])
        for column in set(one.columns) - {"step"}:
            assert np.abs(one[column].to_numpy() - two[column].to_numpy()).max() < 2e-4, f"{name}: {column}"
    names = sorted(path.relative_to(one_process) for path in (one_process / models).rglob("*") if path.is_file())
    assert len(names) >= 6
    for name in (name for name in names if name.name == "tuned.json"):
        one, two = (json.loads((folder / name).read_bytes()) for folder in (one_process, project))
        assert one.keys() == two.keys()
        for key, value in one.items():
            assert two[key] == (pytest.approx(value, abs=2e-3) if key.startswith("chosen_logp") else value), key
    assert names == sorted(path.relative_to(project) for path in (project / models).rglob("*") if path.is_file())
    assert not list((project / ".scratch").iterdir())


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
