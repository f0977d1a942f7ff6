"""Tuning on records with regions: what is learned, what is written, and the same bytes, killed or not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest
import torch

from popcast.core.errors import BadInput
from popcast.lm import backbone, decoding, tuning
from popcast.lm.pac.pac_lora import trainable_parameters
from popcast.lm.pac.regions import NEWS, OTHER, USER
from popcast.lm.pac.routed_model import PacPeftModel, opened
from popcast.lm.pac.routed_tuning import Padding, RoutedExample, RoutedParams, checked_columns, learning_model, tune
from popcast.lm.training_frame import MARK, newest_checkpoint
from tests.lm.tiny_llm import tiny_base

ROOT = Path(__file__).resolve().parents[2]


def params(**changes) -> RoutedParams:
    usual = {"epochs": 2, "batch_size": 8, "max_length": 64, "learning_rate": 5e-3, "rank": 4, "gate_hidden": 8}
    return RoutedParams(**(usual | changes))


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base") / "base")


@pytest.fixture(scope="module")
def examples(base) -> list[RoutedExample]:
    tokenizer = backbone.load_tokenizer(base)
    found = []
    for number in range(24):
        prompt = tokenizer(f"post {number}: red sky over the sea, category Travel. {'dog ' * (number % 5)}Answer:\n")
        ids = prompt["input_ids"]
        third = len(ids) // 3
        regions = [USER] * third + [NEWS] * third + [OTHER] * (len(ids) - 2 * third)
        answer = tokenizer(f"{number / 3 + 1:.2f}", add_special_tokens=False)["input_ids"]
        found.append(RoutedExample(ids, regions, answer))
    return found


@pytest.fixture(scope="module")
def tuned(base, examples, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tuned")
    for method in ("pac", "lora"):
        tune(base, examples, params(method=method), 7, folder / method, curves=folder / f"{method}.csv")
    return {method: folder / method for method in ("pac", "lora")}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("method", ["pac", "lora"])
def test_same_bytes_and_nothing_but_weights(method, base, examples, tuned, tmp_path):
    again = tmp_path / method
    tune(base, examples, params(method=method), 7, again, work=tmp_path / "work")
    assert contents(again) == contents(tuned[method])
    assert set(contents(again)) == {"tuned.json", "adapter_config.json", "adapter_model.safetensors"}
    assert str(tmp_path.parent).encode() not in contents(again)["adapter_config.json"]
    assert json.loads((again / "tuned.json").read_text())["method"] == method


def test_another_seed_gives_other_weights(base, examples, tuned, tmp_path):
    tune(base, examples, params(), 8, tmp_path / "pac")
    weights = "adapter_model.safetensors"
    assert contents(tmp_path / "pac")[weights] != contents(tuned["pac"])[weights]


def test_the_loss_falls_and_the_figures_are_those_of_the_curve(base, examples, tmp_path):
    figures = tune(base, examples, params(epochs=4), 7, tmp_path / "out", curves=tmp_path / "out.csv")
    curve = pl.read_csv(tmp_path / "out.csv")
    assert curve.columns == ["step", "loss", "learning_rate"]
    assert figures["steps"] == curve.height == 12
    assert figures["records"] == 24
    assert figures["tokens"] == sum(len(one.answer_ids) + 1 for one in examples)
    assert figures["first_loss"] == pytest.approx(curve["loss"][:3].mean(), abs=1e-4)
    assert figures["last_loss"] == pytest.approx(curve["loss"][-3:].mean(), abs=1e-4)
    assert figures["last_loss"] < figures["first_loss"] - 0.5


def test_a_folder_opens_as_what_it_is(base, tuned):
    routed, tokenizer = backbone.load(tuned["pac"], device="cpu")
    assert isinstance(routed, PacPeftModel)
    assert not any(weight.requires_grad for weight in routed.parameters())
    assert tokenizer.get_vocab() == backbone.load_tokenizer(base).get_vocab()
    learning, _ = backbone.load(tuned["pac"], device="cpu", trainable=True)
    expected = trainable_parameters(learning.peft_config["default"], learning.config)
    assert sum(weight.numel() for weight in learning.parameters() if weight.requires_grad) == expected
    plain, _ = backbone.load(tuned["lora"], device="cpu")
    assert not isinstance(plain, PacPeftModel)
    with pytest.raises(BadInput, match="region_ids are missing"):
        decoding.greedy(routed, tokenizer, ["Answer:"], decoding.Params())


def test_a_checkpoint_of_the_trainer_opens_as_the_folder_does(base, examples, tmp_path):
    tune(base, examples, params(checkpoint_steps=3), 7, tmp_path / "out", work=tmp_path / "work")
    checkpoint = Path(newest_checkpoint(tmp_path / "work"))
    assert checkpoint.name == "checkpoint-6"
    found = [opened(backbone.load(base, device="cpu")[0], checkpoint, name) for name in ("default", "other")]
    found.append(backbone.load(tmp_path / "out", device="cpu")[0])
    given = {"input_ids": torch.tensor([examples[0].prompt_ids]), "region_ids": torch.tensor([examples[0].region_ids])}
    with torch.no_grad():
        logits = [model.eval()(**given).logits for model in found]
    assert torch.equal(logits[0], logits[2])
    assert torch.equal(logits[1], logits[2])


def test_merging_is_refused_and_goes_for_plain_lora(tuned, tmp_path):
    with pytest.raises(BadInput) as error:
        tuning.merge(tuned["pac"], tmp_path / "merged")
    assert str(error.value).startswith(f"{tuned['pac'] / 'tuned.json'}: field 'method': PAC-LoRA cannot be merged")
    assert not (tmp_path / "merged").exists()
    tuning.merge(tuned["lora"], tmp_path / "merged")
    assert (tmp_path / "merged" / "model.safetensors").exists()


def test_it_goes_on_from_a_folder_of_the_same_settings_alone(tuned, examples, tmp_path):
    tune(tuned["pac"], examples, params(), 9, tmp_path / "on")
    before, after = contents(tuned["pac"]), contents(tmp_path / "on")
    assert before["adapter_config.json"] == after["adapter_config.json"]
    assert before["adapter_model.safetensors"] != after["adapter_model.safetensors"]
    for changes, line in (
        ({"method": "lora"}, "tuned by another method: got 'lora', expected pac"),
        ({"rank": 3}, "field 'r': tuned with other settings: got 3, expected 4"),
        ({"num_write": 2}, "field 'num_write': tuned with other settings: got 2, expected 3"),
        ({"routing": "uniform"}, "field 'routing': tuned with other settings: got 'uniform', expected both"),
    ):
        with pytest.raises(BadInput) as error:
            tune(tuned["pac"], examples, params(**changes), 9, tmp_path / "no")
        assert line in str(error.value)
    assert not (tmp_path / "no").exists()


def test_a_run_of_trl_on_such_a_folder_is_one_line(tuned, tmp_path):
    with pytest.raises(BadInput, match=r"method|region_ids"):
        tuning.tune(tuned["pac"], ["a\n"] * 8, ["1.00"] * 8, tuning.Params(epochs=1, batch_size=8), 1, tmp_path / "out")


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_teaches_the_answer_and_the_end_of_the_turn(side, base, examples):
    tokenizer = backbone.load_tokenizer(base)
    tokenizer.padding_side = side
    columns = checked_columns(examples, 64, tokenizer)
    rows = [{name: values[i] for name, values in columns.items()} for i in (0, 4, 11)]
    batch = Padding(tokenizer, routed=True)(rows)
    width = max(len(row["input_ids"]) for row in rows)
    assert batch["input_ids"].shape == batch["region_ids"].shape == batch["attention_mask"].shape == (3, width)
    for place, number in enumerate((0, 4, 11)):
        one, seen = examples[number], batch["attention_mask"][place].bool()
        assert batch["input_ids"][place][seen].tolist() == [*one.prompt_ids, *one.answer_ids, tokenizer.eos_token_id]
        assert batch["region_ids"][place][seen].tolist() == one.region_ids + [OTHER] * (len(one.answer_ids) + 1)
        assert set(batch["region_ids"][place][~seen].tolist()) <= {OTHER}
        assert batch["position_ids"][place][seen].tolist() == list(range(int(seen.sum())))
        learned = batch["labels"][place]
        assert learned[learned != -100].tolist() == [*one.answer_ids, tokenizer.eos_token_id]
    assert ("logits_to_keep" in batch) == (side == "left")
    assert "region_ids" not in Padding(tokenizer, routed=False)(rows)


def test_logits_at_the_answers_alone_give_the_loss_of_all(base, examples):
    model, tokenizer, _ = learning_model(base, params(dropout=0.0))
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.1)
    columns = checked_columns(examples, 64, tokenizer)
    rows = [{name: values[i] for name, values in columns.items()} for i in range(0, 24, 5)]
    batch = Padding(tokenizer, routed=True)(rows)
    short = model(**batch).loss
    width, kept = batch["input_ids"].shape[1], batch.pop("logits_to_keep")
    assert kept < width
    batch["labels"] = torch.nn.functional.pad(batch["labels"], (width - kept, 0), value=-100)
    whole = model(**batch).loss
    assert float((short - whole).detach().abs()) < 1e-6
    alone = [model(**Padding(tokenizer, routed=True)([row])).loss.item() for row in rows]
    counts = [sum(label != -100 for label in row["labels"]) for row in rows]
    mean = sum(loss * count for loss, count in zip(alone, counts, strict=True)) / sum(counts)
    assert short.item() == pytest.approx(mean, abs=1e-5)


def test_an_answer_that_ends_its_turn_is_not_ended_twice(base):
    tokenizer = backbone.load_tokenizer(base)
    end = tokenizer.eos_token_id
    for answer in ([20, 21], [20, 21, end]):
        columns = checked_columns([RoutedExample([5, 6], [USER, NEWS], answer)], 64, tokenizer)
        assert columns == {
            "input_ids": [[5, 6, 20, 21, end]],
            "labels": [[-100, -100, 20, 21, end]],
            "region_ids": [[USER, NEWS, OTHER, OTHER, OTHER]],
        }


WRONG = {
    "field 'answer_ids': has no answer": RoutedExample([5, 6], [0, 0], []),
    "field 'prompt_ids': has no prompt": RoutedExample([], [], [5]),
    "field 'region_ids': not a region for every token: got 3, expected 2": RoutedExample([5, 6], [0, 0, 0], [5]),
    "field 'region_ids': no such region: got 3, expected 0, 1 or 2": RoutedExample([5, 6], [0, 3], [5]),
    "field 'region_ids': no such region: got -1": RoutedExample([5, 6], [0, -1], [5]),
    "no such token: got 100000": RoutedExample([5, 100_000], [0, 1], [5]),
    "no such token: got -1": RoutedExample([5, 6], [0, 1], [-1, 4]),
    "field 'max_length': prompt and answer are too long: got 65, expected at most 64": RoutedExample(
        [5] * 60, [0] * 60, [5] * 4
    ),
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_record_is_named_in_one_line(line, base, examples, tmp_path):
    records = [*examples[:3], WRONG[line], *examples[3:]]
    with pytest.raises(BadInput) as error:
        tune(base, records, params(), 7, tmp_path / "out")
    assert str(error.value).startswith(f"record 4: {line}")
    with pytest.raises(BadInput) as error:
        tune(base, records, params(), 7, tmp_path / "out", names=[f"case-{i}" for i in range(25)])
    assert str(error.value).startswith(f"record case-3: {line}")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_no_records_are_one_line(base, tmp_path):
    with pytest.raises(BadInput, match="no records to learn from"):
        tune(base, [], params(), 7, tmp_path / "out")


def test_how_it_is_computed_does_not_change_the_curve(base, examples, tmp_path):
    found = {}
    for name, more in (("usual", {}), ("parts", {"accumulation": 4}), ("again", {"gradient_checkpointing": True})):
        settings = params(epochs=1, dropout=0.0, **more)
        tune(base, examples, settings, 7, tmp_path / name, curves=tmp_path / f"{name}.csv")
        found[name] = pl.read_csv(tmp_path / f"{name}.csv")["loss"]
    assert (found["usual"] - found["parts"]).abs().max() < 1e-4
    assert (found["usual"] - found["again"]).abs().max() < 1e-4


RUN = """
import sys, json
from pathlib import Path
from popcast.lm.pac.routed_tuning import RoutedExample, RoutedParams, tune
base, out, work = map(Path, sys.argv[1:4])
examples, settings = json.loads(sys.argv[4])
examples = [RoutedExample(**one) for one in examples]
tune(base, examples, RoutedParams(**settings), 7, out, work=work, curves=work / "curve.csv")
"""


def test_killed_and_run_again_gives_the_same_bytes(base, examples, tmp_path):
    """SIGKILL as soon as a checkpoint is whole; dropout draws random numbers in every step."""
    settings = params(epochs=10, dropout=0.2, checkpoint_steps=4)
    whole, out, work = tmp_path / "whole", tmp_path / "out", tmp_path / "work"
    tune(base, examples, settings, 7, whole, curves=tmp_path / "whole.csv")
    command = [sys.executable, "-c", RUN, str(base), str(out), str(work)]
    command.append(json.dumps([[asdict(one) for one in examples], settings.model_dump()]))
    (tmp_path / "tmp").mkdir()
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "TMPDIR": str(tmp_path / "tmp")}
    started = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while not list(work.glob(f"checkpoint-*/{MARK}")) and started.poll() is None:
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert not out.exists(), "the run ended before it could be killed"
    assert not list((tmp_path / "tmp").glob("hf_datasets-*"))
    reached = int(Path(newest_checkpoint(work)).name.removeprefix("checkpoint-"))
    assert 0 < reached < 30
    tune(base, examples, settings, 7, out, work=work, curves=tmp_path / "out.csv")
    assert contents(out) == contents(whole)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
