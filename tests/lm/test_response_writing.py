"""Responses written in batches: the same tokens as one by one, the draws of a stable key, and the regions respected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from popcast.core.errors import BadInput
from popcast.lm import backbone
from popcast.lm.pac.pac_lora import PROJECTIONS, PacLoraConfig
from popcast.lm.pac.regions import NEWS, OTHER, USER
from popcast.lm.pac.response_writing import Decoding, RoutedPrompt, write
from popcast.lm.pac.routed_model import fresh
from popcast.lm.reading import Reader
from popcast.lm.token_draws import PenalisedDraws, uniform
from tests.lm.tiny_llm import tiny_base

SEVEN = {"r": 4, "lora_alpha": 8, "target_modules": list(PROJECTIONS), "task_type": "CAUSAL_LM"}


def settings(**changes) -> Decoding:
    return Decoding(**({"max_new_tokens": 8, "batch_size": 6} | changes))


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base") / "base")


@pytest.fixture(scope="module")
def models(base) -> dict:
    """The base, plain LoRA and PAC-LoRA with random numbers in their adapters, and the tokenizer."""
    from peft import LoraConfig, get_peft_model

    plain, tokenizer = backbone.load(base, device="cpu")
    lora = get_peft_model(backbone.load(base, device="cpu")[0], LoraConfig(**SEVEN))
    pac = fresh(backbone.load(base, device="cpu")[0], PacLoraConfig(**SEVEN))
    generator = torch.Generator().manual_seed(1)
    for model in (lora, pac):
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.data.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
        model.eval()
    return {"base": plain, "lora": lora, "pac": pac, "tokenizer": tokenizer}


@pytest.fixture(scope="module")
def prompts(models) -> list[RoutedPrompt]:
    """They begin alike; every third has other regions in the beginning, and their lengths differ."""
    found = []
    for number in range(7):
        text = f"The input lists posts of one user. post {number}: {'small dog ' * (number % 4)}Its popularity?\n"
        ids = models["tokenizer"](text)["input_ids"]
        user = 3 if number % 3 == 0 else 8
        news = len(ids) - user - 2
        found.append(RoutedPrompt(ids, [USER] * user + [NEWS] * news + [OTHER] * 2))
    return found


KEYS = [f"case-{number}" for number in range(7)]


@pytest.mark.parametrize("kind", ["pac", "lora", "base"])
@pytest.mark.parametrize(
    "changes", [{}, {"greedy": True}, {"top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0}], ids=str
)
def test_batches_write_what_prompts_alone_write(kind, changes, models, prompts):
    model, tokenizer = models[kind], models["tokenizer"]
    together = write(model, tokenizer, prompts, KEYS, 2, settings(**changes), 5)
    apart = [
        write(model, tokenizer, [prompt], [key], 2, settings(**changes), 5)[0]
        for prompt, key in zip(prompts, KEYS, strict=True)
    ]
    assert together == apart
    assert all(len(answers) == 2 for answers in together)
    assert {one.finish_reason for answers in together for one in answers} <= {"end", "length"}
    one_sample = write(model, tokenizer, prompts, KEYS, 1, settings(**changes, batch_size=4, buckets=False), 5)
    assert [answers[0] for answers in together] == [answers[0] for answers in one_sample]
    order = np.random.default_rng(0).permutation(7)
    shuffled = write(model, tokenizer, [prompts[i] for i in order], [KEYS[i] for i in order], 2, settings(**changes), 5)
    assert shuffled == [together[i] for i in order]


def test_draws_are_of_the_seed_the_key_and_the_sample(models, prompts):
    model, tokenizer = models["pac"], models["tokenizer"]
    found = write(model, tokenizer, prompts[:1] * 2, ["a", "b"], 4, settings(), 5)
    assert len({one.text for answers in found for one in answers}) > 4
    assert found[0] == write(model, tokenizer, prompts[:1], ["a"], 4, settings(), 5)[0]
    assert found[0] != write(model, tokenizer, prompts[:1], ["a"], 4, settings(), 6)[0]
    most_probable = write(model, tokenizer, prompts[:1] * 2, ["a", "b"], 2, settings(greedy=True), 5)
    assert len({one.text for answers in most_probable for one in answers}) == 1


def test_greedy_is_what_generate_writes(models, prompts):
    """The network's own loop, told the regions, with its penalty: prompts alone, so that padding has no say in it."""
    tokenizer = models["tokenizer"]
    for kind in ("base", "lora", "pac"):
        found = write(models[kind], tokenizer, prompts, KEYS, 1, settings(greedy=True), 0)
        for prompt, answers in zip(prompts, found, strict=True):
            given = {"input_ids": torch.tensor([prompt.ids]), "attention_mask": torch.ones(1, len(prompt.ids))}
            if kind == "pac":
                given["region_ids"] = torch.tensor([prompt.regions])
            out = (
                models[kind]
                .generate(
                    **given,
                    do_sample=False,
                    max_new_tokens=8,
                    repetition_penalty=1.2,
                    pad_token_id=tokenizer.pad_token_id,
                )[0, len(prompt.ids) :]
                .tolist()
            )
            ends = [place for place, token in enumerate(out) if token == tokenizer.eos_token_id]
            assert answers[0].text == tokenizer.decode(out[: ends[0]] if ends else out, skip_special_tokens=True)
            assert answers[0].finish_reason == ("end" if ends else "length")


def test_regions_matter_to_a_routed_model_alone(models, prompts):
    tokenizer = models["tokenizer"]
    swapped = [RoutedPrompt(one.ids, [{USER: NEWS, NEWS: USER}.get(of, of) for of in one.regions]) for one in prompts]
    for kind, matters in (("pac", True), ("lora", False), ("base", False)):
        found = write(models[kind], tokenizer, prompts, KEYS, 1, settings(greedy=True), 0)
        assert (found != write(models[kind], tokenizer, swapped, KEYS, 1, settings(greedy=True), 0)) == matters


def test_a_shared_beginning_is_one_of_the_same_regions(models, prompts):
    model, tokenizer = models["pac"], models["tokenizer"]

    def reader(rows, **more):
        ids, regions = [one.ids for one in rows], [one.regions for one in rows]
        return Reader(model, tokenizer, ids, regions=regions, size=4, buckets=True, room=4, **more)

    same = reader([one for number, one in enumerate(prompts) if number % 3])
    assert same.shared > 8
    mixed = reader(prompts)
    assert mixed.shared == 3
    for found in (same, mixed):
        for batch in found.batches:
            with torch.no_grad():
                read = found.read(batch)
                for row, number in enumerate(batch):
                    rows = {"input_ids": torch.tensor([found.tokens[number]])}
                    alone = model(**rows, region_ids=torch.tensor([found.regions[number]])).logits[0, -1]
                    assert float((read.logits[row] - alone).abs().max()) < 1e-5


def test_what_ends_and_what_is_cut(models, prompts, monkeypatch):
    tokenizer, model = models["tokenizer"], models["base"]
    cut = write(model, tokenizer, prompts, KEYS, 1, settings(max_new_tokens=1), 1)
    assert {answers[0].finish_reason for answers in cut} == {"length"}
    monkeypatch.setattr(model.generation_config, "eos_token_id", list(range(0, 512, 3)))  # a model with many ends
    found = [
        one for answers in write(model, tokenizer, prompts, KEYS, 3, settings(max_new_tokens=3), 1) for one in answers
    ]
    assert {one.finish_reason for one in found} == {"end", "length"}
    assert all(one.text for one in found if one.finish_reason == "length")
    monkeypatch.setattr(model.generation_config, "eos_token_id", list(range(512)))
    found = write(model, tokenizer, prompts, KEYS, 1, settings(), 1)
    assert {(one.text, one.finish_reason) for answers in found for one in answers} == {("", "end")}


def test_what_cannot_be_read_is_one_line(models, prompts):
    model, tokenizer = models["pac"], models["tokenizer"]
    for wrong, line in (
        (RoutedPrompt([], []), "prompt 2: has no tokens"),
        (RoutedPrompt([5, 6], [USER]), "prompt 2: not a region for every token: got 1, expected 2"),
        (RoutedPrompt([5] * 1020, [USER] * 1020), "lower max_new_tokens or the length of prompts"),
    ):
        with pytest.raises(BadInput) as error:
            write(model, tokenizer, [prompts[0], wrong], KEYS[:2], 1, settings(), 0)
        assert line in str(error.value)
    with pytest.raises(BadInput, match="region_ids are missing"):
        Reader(model, tokenizer, ["a text"], size=1, buckets=True, room=1)
    with pytest.raises(ValueError, match="1 prompts, but 2 keys"):
        write(model, tokenizer, prompts[:1], KEYS[:2], 1, settings(), 0)
    assert write(model, tokenizer, [], [], 3, settings(), 0) == []


def test_draws_follow_the_shares_that_generate_would_draw_from():
    """Against transformers' own processors, in their order: penalty, temperature, top_k, top_p."""
    from transformers import (
        LogitsProcessorList,
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(1, 40, generator=generator) * 2
    tokens = torch.tensor([[3, 9, 11, 30]])
    shapes = [RepetitionPenaltyLogitsProcessor(1.4), TemperatureLogitsWarper(0.8), TopKLogitsWarper(12)]
    shaped = LogitsProcessorList([*shapes, TopPLogitsWarper(0.85)])(tokens, logits.clone())
    expected = torch.softmax(shaped, -1)[0]
    seen = torch.zeros(1, 40, dtype=torch.bool)
    seen[0, tokens[0]] = True
    draws = PenalisedDraws(0.8, 0.85, 12, 1.4)
    count = 20_000
    numbers = [uniform(seed, 0) for seed in range(count)]
    chosen = draws.choose(logits.expand(count, 40), seen.expand(count, 40), numbers)
    shares = torch.bincount(chosen, minlength=40) / count
    assert torch.equal(shares > 0, expected > 0)
    assert float((shares - expected).abs().max()) < 0.012


def test_equal_logits_come_in_the_order_of_tokens_in_any_company():
    logits = torch.zeros(3, 50)
    logits[0, 7], logits[1, :20], logits[2, 5:9] = 1.0, 1.0, 2.0
    seen = torch.zeros(3, 50, dtype=torch.bool)
    draws = PenalisedDraws(1.0, 0.7, 6, 1.2)
    numbers = np.linspace(0, 1 - 2**-53, 40).tolist()
    alone = [[int(draws.choose(logits[row : row + 1], seen[:1], [number])) for number in numbers] for row in range(3)]
    for place, number in enumerate(numbers):
        assert draws.choose(logits, seen, [number] * 3).tolist() == [alone[row][place] for row in range(3)]
    for row in range(3):
        assert alone[row] == sorted(alone[row], key=lambda token, row=row: (-float(logits[row, token]), token))
    assert set(alone[1]) <= set(range(20)), "the sixth is as probable as the twentieth"
    few = PenalisedDraws(1.0, 0.7, 4, 1.2)
    assert {int(few.choose(logits[2:], seen[:1], [number])) for number in numbers} == {5, 6, 7}  # 0.7 of four alike
    with pytest.raises(BadInput, match="not finite"):
        draws.choose(torch.full((1, 3), torch.nan), seen[:1, :3], [0.5])
