"""IDPOP: the loss by hand in all its forms, the way of the weights, the reference, resume, what a run leaves."""

import math
import shutil
from itertools import pairwise, product
from pathlib import Path

import orjson
import polars as pl
import pytest
import torch

from popcast.core.errors import BadInput
from popcast.fewshot.alignment.idpop import Params, align, make_trainer, pair_rows
from popcast.fewshot.alignment.idpop_loss import pair_losses
from popcast.lm import backbone, training_frame
from popcast.lm.trainable import Method
from tests.lm.tiny_llm import tiny_base

FORMS = [("dpo", "outside"), *product(("dpop", "idpop"), ("outside", "inside", "inside_beta")), ("rpo", "outside")]
QUICK = {"batch_size": 4, "learning_rate": 2e-2, "epochs": 1, "checkpoint_steps": 1, "device": "cpu"}
MU = (0.5, 2.0, 5.0, 0.8, 1.5, 3.0, 0.7, 1.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base") / "base")


@pytest.fixture(scope="module")
def lora(base, tmp_path_factory) -> Path:
    """A LoRA folder that says something else than its base: both halves of each update are random."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("lora") / "lora"
    model, _ = backbone.load(base, device="cpu")
    model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    model.save_pretrained(folder)
    backbone.write_tuned(folder, base, "lora")
    return folder


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory) -> Path:
    """A folder of whole weights, as freeze and full leave it."""
    folder = tmp_path_factory.mktemp("whole") / "whole"
    shutil.copytree(base, folder)
    (folder / "base.json").unlink()
    backbone.write_tuned(folder, base, "full")
    return folder


@pytest.fixture(scope="module")
def pairs() -> pl.DataFrame:
    rows = range(len(MU))
    return pl.DataFrame(
        {
            "pair_id": [f"r{i}" for i in rows],
            "record_id": [f"r{i}" for i in rows],
            "shots": pl.Series([1] * len(MU), dtype=pl.Int8),
            "prompt": [f"post 1: title red sky {i}{' over the sea' * (i % 3)}. score {i + 2}.5\nnew?\n" for i in rows],
            "chosen": [f"{i + 2}.52" for i in rows],
            "rejected": [f"{i + 5}.1{i}" for i in rows],
            "chosen_error": 0.5,
            "rejected_error": 1.5,
            "chosen_weight": 9.0,
            "rejected_weight": 5.0,
            "mu": list(MU),
        }
    )


def by_hand(model, tokenizer, prompt: str, answer: str) -> float:
    """Log-probability of the answer and the end of sequence, one forward, one row, no trainer."""
    start, ids = (tokenizer(text)["input_ids"] for text in (prompt, prompt + answer + tokenizer.eos_token))
    with torch.no_grad():
        found = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(dim=-1)
    return sum(found[i - 1, ids[i]].item() for i in range(len(start), len(ids)))


def loss_by_hand(row: tuple, mu: float, tokens: int, form: str, placement: str, beta=0.1) -> float:
    """Section 7 of the sheet for one pair. row: chosen, rejected, reference of both."""
    lw, ll = row[0] - row[2], row[1] - row[3]
    z, pen = beta * (lw - ll), max(0.0, -lw)
    mu = {"dpo": 0.0, "rpo": 0.0, "dpop": 1.5, "idpop": mu}[form]
    inner = {"outside": z, "inside": z - mu * pen, "inside_beta": z - beta * mu * pen}[placement]
    loss = math.log(1 + math.exp(-inner))
    if placement == "outside":
        loss += mu * pen
    return loss - (0.7 * row[0] / tokens if form == "rpo" else 0.0)


def moved(trainer, rises=()) -> None:
    """Train until the chosen answers of the rows ``rises`` are more likely than at the start, those of others less."""
    weights = [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]
    batch = batch_of(trainer, range(len(MU)))
    sign = torch.tensor([-1.0 if row in rises else 1.0 for row in range(len(MU))])
    at_start = trainer.policy_log_probs(trainer.model.eval(), batch)[0].detach()
    for _ in range(100):
        gain = trainer.policy_log_probs(trainer.model, batch)[0] - at_start
        if bool((gain * sign < -0.2).all()):
            return
        (sign * gain).clamp(min=-1.0).sum().backward()
        with torch.no_grad():
            norm = sum(weight.grad.square().sum() for weight in weights).sqrt()
            for weight in weights:
                weight -= 0.1 * weight.grad / norm
                weight.grad = None
    raise AssertionError("the model did not move")


def batch_of(trainer, rows: list[int]) -> dict:
    return trainer.data_collator([trainer.train_dataset[i] for i in rows])


def test_pair_losses_by_hand():
    """lw = -2, 1; ll = 1, -1; mu = 0.5, 3; beta = 0.1: z = -0.3, 0.2; penalties 1, 0."""
    lw, ll, mu = torch.tensor([-2.0, 1.0]), torch.tensor([1.0, -1.0]), torch.tensor([0.5, 3.0])
    second = math.log(1 + math.exp(-0.2))
    for placement, first in (
        ("outside", math.log(1 + math.exp(0.3)) + 1.0),
        ("inside", math.log(1 + math.exp(1.3))),
        ("inside_beta", math.log(1 + math.exp(0.4))),
    ):
        losses, penalty = pair_losses(lw, ll, mu, beta=0.1, placement=placement)
        assert losses.tolist() == pytest.approx([first, second], abs=1e-6)
        assert penalty.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("precompute", [True, False])
@pytest.mark.parametrize("kind", ["lora", "whole"])
def test_loss_of_all_forms_by_hand(kind, precompute, request, pairs, tmp_path):
    start = request.getfixturevalue(kind)
    params = Params(**QUICK, precompute_ref=precompute, lam=1.5, rpo_weight=0.7)
    trainer, _ = make_trainer(start, pairs, params, 0, tmp_path)
    reference, tokenizer = backbone.load(start, device="cpu")
    moved(trainer, rises=(1, 3))
    policy = trainer.model.eval()
    rows = pairs.rows(named=True)[:5]
    values = [
        tuple(by_hand(m, tokenizer, r["prompt"], r[a]) for m in (policy, reference) for a in ("chosen", "rejected"))
        for r in rows
    ]
    assert {row[0] < row[2] for row in values} == {True, False}  # both sides of the penalty
    tokens = [len(tokenizer.tokenize(r["chosen"])) + 1 for r in rows]
    for form, placement in FORMS:
        given = pair_rows(pairs, Params(**QUICK, loss=form, lam=1.5))["mu"]
        batch = batch_of(trainer, range(5)) | {"mu": torch.tensor(given[:5])}
        trainer.args.placement, trainer.args.nll_weight = placement, 0.7 if form == "rpo" else 0.0
        expected = sum(
            loss_by_hand(v, r["mu"], n, form, placement) for v, r, n in zip(values, rows, tokens, strict=True)
        )
        assert trainer.compute_loss(policy, batch).item() == pytest.approx(expected / 5, abs=1e-5), (form, placement)


def test_without_penalty_it_is_the_loss_of_trl(lora, pairs, tmp_path):
    """DPO against the parent's own loss; RPO against its list of sigmoid and sft, all answers being equally long."""
    from trl import DPOTrainer

    trainer, _ = make_trainer(lora, pairs, Params(**QUICK, loss="dpo"), 0, tmp_path)
    moved(trainer, rises=(1, 3))
    batch = batch_of(trainer, range(5))
    own = {name: value for name, value in batch.items() if name != "mu"}
    for weight, kinds in ((0.0, ["sigmoid"]), (0.7, ["sigmoid", "sft"])):
        trainer.args.nll_weight, trainer.loss_types, trainer.loss_weights = weight, kinds, [1.0, 0.7][: len(kinds)]
        theirs = DPOTrainer.compute_loss(trainer, trainer.model, own).item()
        assert trainer.compute_loss(trainer.model, batch).item() == pytest.approx(theirs, abs=1e-6)


def test_constant_weights_are_dpop(lora, pairs, tmp_path):
    constant = pairs.with_columns(mu=pl.lit(1.5))
    first = align(lora, constant, Params(**QUICK), 0, tmp_path / "a", curves=tmp_path / "a.csv")
    second = align(lora, pairs, Params(**QUICK, loss="dpop", lam=1.5), 0, tmp_path / "b", curves=tmp_path / "b.csv")
    assert first == second
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize(("form", "placement"), FORMS[:-1])
def test_first_step_costs_ln_2(form, placement, lora, pairs, tmp_path):
    trainer, _ = make_trainer(lora, pairs, Params(**QUICK, loss=form, placement=placement), 0, tmp_path)
    loss = trainer.compute_loss(trainer.model, batch_of(trainer, range(8)))
    assert loss.item() == pytest.approx(math.log(2), abs=1e-5)


@pytest.mark.parametrize("kind", ["lora", "whole"])
def test_accumulated_parts_change_nothing(kind, request, pairs, tmp_path):
    start = request.getfixturevalue(kind)
    found = []
    for parts in (1, 2):
        params = Params(**QUICK | {"epochs": 2, "learning_rate": 1e-3}, accumulation=parts, warmup=0.0)
        trainer, _ = make_trainer(start, pairs, params, 0, tmp_path / str(parts))
        moved(trainer)
        rows = training_frame.fit(trainer, tmp_path / str(parts), "test", {"loss": "loss", "penalty": "penalty"}, None)
        found.append([(row["loss"], row["penalty"]) for row in rows])
    assert len(found[0]) == 4
    assert min(penalty for _, penalty in found[0][:2]) > 0.1
    for one, two in zip(*found, strict=True):
        assert one == pytest.approx(two, abs=1e-5)


@pytest.mark.parametrize(("kind", "precompute"), [("lora", True), ("lora", False), ("whole", False), ("base", True)])
def test_reference_is_the_start_and_stays(kind, precompute, request, pairs, tmp_path):
    start = request.getfixturevalue(kind)
    curves = tmp_path / "curves.csv"
    params = Params(**QUICK | {"epochs": 2}, precompute_ref=precompute)
    trainer, _ = make_trainer(start, pairs, params, 0, tmp_path / "work")
    files = [Path(file["filename"]) for file in trainer.train_dataset.cache_files]
    assert files
    assert all(file.is_relative_to(tmp_path / "work") for file in files), "where other processes find them too"
    columns = {name: name for name in ("loss", "chosen_logp", "reference_chosen_logp", "reference_rejected_logp")}
    rows = training_frame.fit(trainer, tmp_path / "work", "test", columns, curves)
    reference, tokenizer = backbone.load(start, device="cpu")
    for which in ("chosen", "rejected"):
        mean = sum(by_hand(reference, tokenizer, r["prompt"], r[which]) for r in pairs.iter_rows(named=True)) / 8
        for epoch in (rows[:2], rows[2:]):  # two batches of four are all pairs
            assert sum(row[f"reference_{which}_logp"] for row in epoch) / 2 == pytest.approx(mean, abs=1e-4)
    assert rows[0]["chosen_logp"] == pytest.approx(rows[0]["reference_chosen_logp"], abs=1e-4)
    assert abs(rows[3]["chosen_logp"] - rows[3]["reference_chosen_logp"]) > 1e-3


def test_tuned_start_is_not_scored_by_its_base(base, lora, pairs):
    first = pairs.row(0, named=True)
    scores = [
        by_hand(*backbone.load(folder, device="cpu"), first["prompt"], first["chosen"]) for folder in (base, lora)
    ]
    assert abs(scores[0] - scores[1]) > 0.01


def test_weights_in_shards_are_asked_for_nothing_before_they_are_placed(lora, whole, pairs, tmp_path, monkeypatch):
    """FSDP and DeepSpeed put the model on GPUs when training starts; until then it lies on the processor.

    So the reference is never scored before, and whole weights have a reference of their own that is shared out too,
    loaded by us (revision, files) and not by its name.
    """
    for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "true")
            assert training_frame.sharded()
            assert training_frame.loading_device(Params(**QUICK | {"device": "auto"})) == "cpu"
    asked, place = [], "popcast.fewshot.alignment.idpop_trainer.IdpopTrainer.compute_ref_log_probs"
    with monkeypatch.context() as patch:
        patch.setenv("ACCELERATE_USE_FSDP", "true")
        patch.setattr(place, lambda *arguments: asked.append(arguments))
        for start in (lora, whole):
            trainer, _ = make_trainer(start, pairs, Params(**QUICK, precompute_ref=True), 0, tmp_path / "work")
            assert not trainer.precompute_ref_logps
            assert (trainer.ref_model is not None) == (start == whole)
    assert not asked
    trainer, _ = make_trainer(lora, pairs, Params(**QUICK, precompute_ref=True), 0, tmp_path / "work")
    assert trainer.precompute_ref_logps


@pytest.mark.parametrize("where", ["collator", "loss"])
def test_lost_weights_stop_the_run(where, lora, pairs, tmp_path):
    trainer, _ = make_trainer(lora, pairs, Params(**QUICK), 0, tmp_path)
    if where == "collator":
        trainer._signature_columns = ["prompt_ids", "chosen_ids", "rejected_ids", "ref_chosen_logps"]
        trainer._set_signature_columns_if_needed = lambda: None
    else:
        trainer.data_collator = super(type(trainer.data_collator), trainer.data_collator).torch_call
    with pytest.raises(BadInput, match="mu: the weights got lost"):
        trainer.train()


def test_pair_that_does_not_fit(lora, pairs, tmp_path):
    with pytest.raises(BadInput, match=r"row r\d: field 'chosen': .* at most max_length, 24") as error:
        align(lora, pairs, Params(**QUICK, max_length=24), 0, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_run_leaves_an_adapter_and_figures(lora, base, pairs, tmp_path):
    """Two runs, one killed after each update: the same bytes; nothing pickled, no second adapter, no path."""
    params = Params(**QUICK | {"epochs": 2})
    figures = align(lora, pairs, params, 0, tmp_path / "a", work=tmp_path / "work a", curves=tmp_path / "a.csv")
    work = tmp_path / "work b"
    shutil.copytree(tmp_path / "work a", work)
    shutil.rmtree(work / "checkpoint-4")
    assert (work / "checkpoint-3").is_dir()
    again = align(lora, pairs.reverse(), params, 0, tmp_path / "b", work=work, curves=tmp_path / "b.csv")
    third = align(lora, pairs, params, 0, tmp_path / "c", curves=tmp_path / "c.csv")
    assert figures == again == third
    files = sorted(path.relative_to(tmp_path / "a").as_posix() for path in (tmp_path / "a").rglob("*"))
    assert files == ["adapter_config.json", "adapter_model.safetensors", "tuned.json"]
    for name in files:
        bytes_ = (tmp_path / "a" / name).read_bytes()
        assert bytes_ == (tmp_path / "b" / name).read_bytes() == (tmp_path / "c" / name).read_bytes(), name
        assert name == "tuned.json" or str(tmp_path).encode() not in bytes_
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes() == (tmp_path / "c.csv").read_bytes()
    curve = pl.read_csv(tmp_path / "a.csv")
    assert curve["step"].to_list() == [1, 2, 3, 4]
    assert curve["loss"][0] == pytest.approx(math.log(2), abs=1e-5)
    assert curve["falling_share"][0] == 0
    note = orjson.loads((tmp_path / "a" / "tuned.json").read_bytes())
    assert note["method"] == "lora"
    assert note["base"] == base.as_posix()
    assert note["pairs"] == 8
    for which, folder in (("before", lora), ("after", tmp_path / "a")):
        model, tokenizer = backbone.load(folder, device="cpu")
        mean = sum(by_hand(model, tokenizer, r["prompt"], r["chosen"]) for r in pairs.iter_rows(named=True)) / 8
        assert note[f"chosen_logp_{which}"] == pytest.approx(mean, abs=2e-4)


@pytest.mark.parametrize("method", ["freeze", "prefix"])
def test_other_methods_as_start(method, base, pairs, tmp_path):
    """Each goes on with what it trains: aligned from the base first, then once more from that result."""
    fresh = Params(**QUICK, fresh=Method(method=method))
    align(base, pairs, fresh, 0, tmp_path / "first")
    align(tmp_path / "first", pairs, Params(**QUICK), 0, tmp_path / "second")
    models = [backbone.load(folder, device="cpu")[0] for folder in (base, tmp_path / "first", tmp_path / "second")]
    tokenizer = backbone.load_tokenizer(base)
    first = pairs.row(0, named=True)
    for one, two in pairwise(models):
        scores = [by_hand(model, tokenizer, first["prompt"], first["chosen"]) for model in (one, two)]
        assert abs(scores[0] - scores[1]) > 1e-4
    if method == "freeze":
        states = [model.state_dict() for model in models]
        changed = [{n for n in one if not torch.equal(one[n], two[n])} for one, two in pairwise(states)]
        assert changed[0] == changed[1]
        assert changed[0]
        assert not any("layers.0." in name or "embed" in name for name in changed[0])
