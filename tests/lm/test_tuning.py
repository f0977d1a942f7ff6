"""Instruction tuning: what learns, what is written, and that the same run gives the same bytes, killed or not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.lm import backbone, tuning
from popcast.lm.trainable import trainable
from popcast.lm.training_frame import MARK, newest_checkpoint, trainer_arguments
from tests.lm.tiny_llm import tiny_base

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("lora", "freeze", "prefix", "full")
SCORES = [1 + 15 * i / 23 for i in range(24)]
PROMPTS = [f"post 1: title red sky {i}. score {score:.2f}\nIts popularity?\n" for i, score in enumerate(SCORES)]
ANSWERS = [f"{score:.2f}" for score in SCORES]


def params(**changes) -> tuning.Params:
    return tuning.Params(**({"epochs": 2, "batch_size": 8, "max_length": 128} | changes))


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base") / "base")


@pytest.fixture(scope="module")
def tuned(base, tmp_path_factory) -> dict[str, Path]:
    """Each method tuned once."""
    folder = tmp_path_factory.mktemp("tuned")
    for method in METHODS:
        tuning.tune(base, PROMPTS, ANSWERS, params(method=method), 7, folder / method, curves=folder / f"{method}.csv")
    return {method: folder / method for method in METHODS}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(next(folder.glob("*.safetensors")))


def logits(model, tokenizer):
    import torch

    with torch.no_grad():
        return model(**tokenizer(PROMPTS[:3], padding=True, return_tensors="pt")).logits


@pytest.mark.parametrize("method", METHODS)
def test_same_bytes_and_nothing_but_weights(method, base, tuned, tmp_path):
    again = tmp_path / method
    tuning.tune(base, PROMPTS, ANSWERS, params(method=method), 7, again, work=tmp_path / "work")
    assert contents(again) == contents(tuned[method])
    expected = {"tuned.json", "adapter_config.json", "adapter_model.safetensors"}
    if method in ("freeze", "full"):
        expected = {"tuned.json", "config.json", "generation_config.json", "model.safetensors"}
    assert set(contents(again)) == expected
    for name, content in contents(again).items():
        if name.endswith(".json") and name != "tuned.json":  # tuned.json names the base folder as it was given
            assert str(tmp_path.parent).encode() not in content, name
    assert json.loads((again / "tuned.json").read_text())["method"] == method


def test_another_seed_gives_other_weights(base, tuned, tmp_path):
    tuning.tune(base, PROMPTS, ANSWERS, params(), 8, tmp_path / "lora")
    assert (
        contents(tmp_path / "lora")["adapter_model.safetensors"] != contents(tuned["lora"])["adapter_model.safetensors"]
    )


def test_loss_falls_and_the_curve_says_so(base, tmp_path):
    figures = tuning.tune(
        base,
        PROMPTS,
        ANSWERS,
        params(method="full", learning_rate=5e-3),
        7,
        tmp_path / "full",
        curves=tmp_path / "a.csv",
    )
    curve = pl.read_csv(tmp_path / "a.csv")
    assert curve.columns == ["step", "loss", "learning_rate"]
    assert curve["step"].to_list() == list(range(1, 7))
    assert figures["last_loss"] < figures["first_loss"] - 0.5
    assert np.isclose(curve["loss"][:3].mean(), figures["first_loss"], atol=1e-5)
    assert figures["tokens"] == 24 * 4  # three tokens of a score and the end of text


def test_lora_sits_on_all_linear_layers_but_the_head(tuned):
    names = set(weights(tuned["lora"]))
    assert len(names) == 2 * 7 * 2  # layers x linear layers x (A, B)
    assert not any("lm_head" in name or "embed" in name for name in names)


def test_freeze_moves_the_last_layer_and_the_norm_only(base, tuned):
    before, after = weights(base), weights(tuned["freeze"])
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("model.layers.1.") or name == "model.norm.weight" for name in moved)
    assert "model.norm.weight" in moved


def test_full_moves_every_weight(base, tuned):
    before, after = weights(base), weights(tuned["full"])
    assert [name for name in before if np.array_equal(before[name], after[name])] == []


@pytest.mark.parametrize("method", METHODS)
def test_goes_on_from_a_tuned_folder(method, tuned, tmp_path):
    before = weights(tuned[method])
    tuning.tune(tuned[method], PROMPTS, ANSWERS, params(method=method), 9, tmp_path / "on")
    after = weights(tmp_path / "on")
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert set(before) == set(after)
    assert moved
    if method == "freeze":  # the flags are set again
        assert all(name.startswith("model.layers.1.") or name == "model.norm.weight" for name in moved)


def test_freeze_flags_come_from_the_folder(base, tmp_path):
    tuning.tune(base, PROMPTS, ANSWERS, params(method="freeze", freeze_layers=2, epochs=1), 7, tmp_path / "two")
    model, _, facts = trainable(tmp_path / "two", params(method="lora", freeze_layers=1), "cpu")
    learning = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert facts["freeze_layers"] == 2
    assert facts["method"] == "freeze"
    assert any(name.startswith("model.layers.0.") for name in learning)
    assert "model.embed_tokens.weight" not in learning


def test_only_answers_and_end_of_text_are_learned(base, tmp_path):
    from trl import SFTConfig

    model, tokenizer, _ = trainable(base, params(), "cpu")
    trainer = tuning.make_trainer(
        model, tokenizer, SFTConfig(**trainer_arguments(params(), 0, tmp_path)), PROMPTS, ANSWERS
    )
    for row, answer in zip(trainer.train_dataset, ANSWERS, strict=True):
        learned = [label for label in row["labels"] if label != -100]
        assert tokenizer.decode(learned) == answer + tokenizer.eos_token
        assert row["input_ids"][-len(learned) :] == learned
        assert row["input_ids"].count(tokenizer.bos_token_id) == 1
    files = [Path(file["filename"]) for file in trainer.train_dataset.cache_files]
    assert files
    assert all(file.is_relative_to(tmp_path) for file in files), "else a kill leaves them behind"


def test_merged_lora_is_the_same_model(tuned, tmp_path):
    from transformers import AutoModelForCausalLM

    tuning.merge(tuned["lora"], tmp_path / "merged")
    adapted = logits(*backbone.load(tuned["lora"], device="cpu"))
    merged, tokenizer = backbone.load(tmp_path / "merged", device="cpu")
    assert (logits(merged, tokenizer) - adapted).abs().max() < 1e-5
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    assert (logits(plain, tokenizer) - adapted).abs().max() < 1e-5
    bare = logits(*backbone.load(backbone.base_of(tuned["lora"]), device="cpu"))
    assert (bare - adapted).abs().max() > 1e-3
    with pytest.raises(BadInput, match="nothing to merge: got 'full', expected lora"):
        tuning.merge(tuned["full"], tmp_path / "no")


def test_lora_on_a_bfloat16_base_is_merged_without_rounding(base, tmp_path):
    """A pretrained base whose files and computation are bfloat16: its sum with an update of other bits is float32."""
    import torch
    from transformers import AutoModelForCausalLM

    stored, pointer = tmp_path / "stored", tmp_path / "pointer"
    model, tokenizer = backbone.load(base, device="cpu")
    model.to(torch.bfloat16).save_pretrained(stored)
    tokenizer.save_pretrained(stored)
    named = backbone.Pretrained(model=str(stored), dtype="bfloat16", load_in_4bit=True)  # 4 bits need a GPU: not here
    backbone.write_pointer(pointer, named.model_copy(update={"load_in_4bit": False}), (1.0, 16.99))
    tuning.tune(pointer, PROMPTS, ANSWERS, params(epochs=8, learning_rate=0.02), 7, tmp_path / "lora")
    backbone.write_pointer(pointer, named, (1.0, 16.99))
    adapted = logits(*backbone.load(tmp_path / "lora", device="cpu", dtype="float32", four_bit=False))
    found = {}
    for dtype in ("float32", "base"):
        tuning.merge(tmp_path / "lora", tmp_path / dtype, dtype)
        merged, _ = backbone.load(tmp_path / dtype, device="cpu")
        plain = AutoModelForCausalLM.from_pretrained(tmp_path / dtype, dtype="auto").eval()
        assert torch.equal(logits(merged, tokenizer), logits(plain, tokenizer))
        found[dtype] = (merged.dtype, float((logits(merged, tokenizer) - adapted).abs().max()))
    assert found["float32"][0] == torch.float32
    assert found["float32"][1] < 1e-4
    assert found["base"][0] == torch.bfloat16
    assert found["base"][1] > 1e-2


@pytest.mark.parametrize(
    ("changes", "close"),
    [({"accumulation": 4}, 1e-4), ({"gradient_checkpointing": True}, 1e-4), ({"dtype": "bfloat16"}, 0.1)],
)
def test_how_it_is_computed_does_not_change_the_curve(changes, close, base, tuned, tmp_path):
    tuning.tune(base, PROMPTS, ANSWERS, params(**changes), 7, tmp_path / "out", curves=tmp_path / "out.csv")
    usual = pl.read_csv(tuned["lora"].with_suffix(".csv"))["loss"].to_numpy()
    found = pl.read_csv(tmp_path / "out.csv")["loss"].to_numpy()
    assert np.abs(found - usual).max() < close
    assert usual[0] - usual[-1] > 0.1


def test_too_long_record_is_named(base, tmp_path):
    names = [f"fewshot-train-1-{i}" for i in range(24)]
    prompts = [*PROMPTS[:5], PROMPTS[5] * 12, *PROMPTS[6:]]
    with pytest.raises(BadInput, match=r"record fewshot-train-1-5: field 'max_length': prompt and answer are too long"):
        tuning.tune(base, prompts, ANSWERS, params(), 7, tmp_path / "out", names=names)
    assert not (tmp_path / "out").exists()


def test_prompt_that_joins_its_answer_is_refused(base, tmp_path):
    prompts = [*PROMPTS[:3], PROMPTS[3].rstrip("\n") + "\n1", *PROMPTS[4:]]  # "1" and "2.96" read together: "12", ".96"
    with pytest.raises(BadInput, match=r"record 4: the tokenizer joins the end of the prompt to the answer"):
        tuning.tune(base, prompts, ANSWERS, params(), 7, tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 8, "accumulation": 3}, "batch_size: got 8, expected a multiple of 3"),
        ({"method": "freeze", "freeze_layers": 3}, "freeze_layers: got 3, expected at most 2"),
        ({"learning_rate": 1e30, "method": "full"}, "expected a finite number; try a lower learning_rate"),
    ],
)
def test_impossible_runs_stop_in_one_line(changes, message, base, tmp_path):
    with pytest.raises(BadInput) as error:
        tuning.tune(base, PROMPTS, ANSWERS, params(**changes), 7, tmp_path / "out")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_another_method_is_refused_on_a_tuned_folder(tuned, tmp_path):
    with pytest.raises(BadInput, match="tuned by another method: got 'full', expected lora"):
        tuning.tune(tuned["lora"], PROMPTS, ANSWERS, params(method="full"), 7, tmp_path / "out")


RUN = """
import sys, json
from pathlib import Path
from popcast.lm import tuning
base, out, work = map(Path, sys.argv[1:4])
prompts, answers, settings = json.loads(sys.argv[4])
tuning.tune(base, prompts, answers, tuning.Params(**settings), 7, out, work=work, curves=work / "curve.csv")
"""


def test_killed_and_run_again_gives_the_same_bytes(base, tmp_path):
    """SIGKILL as soon as a checkpoint is whole; dropout draws random numbers in every step."""
    settings = params(epochs=20, dropout=0.2, checkpoint_steps=5)
    whole, out, work = tmp_path / "whole", tmp_path / "out", tmp_path / "work"
    tuning.tune(base, PROMPTS, ANSWERS, settings, 7, whole, curves=tmp_path / "whole.csv")
    command = [sys.executable, "-c", RUN, str(base), str(out), str(work)]
    command.append(json.dumps([PROMPTS, ANSWERS, settings.model_dump()]))
    (tmp_path / "tmp").mkdir()
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "TMPDIR": str(tmp_path / "tmp")}
    started = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while not list(work.glob(f"checkpoint-*/{MARK}")) and started.poll() is None:
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert not out.exists(), "the run ended before it could be killed"
    assert not list((tmp_path / "tmp").glob("hf_datasets-*")), "a data set outside of the folder of the run"
    assert not list((tmp_path / "tmp").glob("tmp*"))
    (work / "checkpoint-999").mkdir()  # as a kill in the middle of writing leaves it
    reached = int(Path(newest_checkpoint(work)).name.removeprefix("checkpoint-"))
    assert 0 < reached < 60
    tuning.tune(base, PROMPTS, ANSWERS, settings, 7, out, work=work, curves=tmp_path / "out.csv")
    assert contents(out) == contents(whole)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
