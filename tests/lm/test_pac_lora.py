"""PAC-LoRA against its equations (socialalign.md 7), and what has to hold of any adapter on stock networks."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from popcast.core.errors import BadInput
from popcast.lm.pac.pac_lora import PROJECTIONS, PacLoraConfig, PacLoraLinear, trainable_parameters
from popcast.lm.pac.regions import NEWS, OTHER, USER
from popcast.lm.pac.routed_model import PacPeftModel, fresh, opened

SIZES = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 64, "max_position_embeddings": 128, "initializer_range": 0.2,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
FAMILIES = {"qwen2": Qwen2Config, "llama": LlamaConfig}
TOKENS = torch.tensor([[5, 9, 13, 21, 40, 33, 17, 8, 50, 61], [7, 9, 3, 22, 41, 33, 12, 18, 60, 11]])
REGIONS = torch.tensor([[USER] * 4 + [NEWS] * 4 + [OTHER] * 2, [USER] * 3 + [NEWS] * 5 + [OTHER] * 2])


@pytest.fixture(params=FAMILIES)
def network(request):
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(FAMILIES[request.param](**SIZES), attn_implementation="sdpa").eval()


def config(**changes) -> PacLoraConfig:
    usual = {"r": 4, "lora_alpha": 8, "target_modules": list(PROJECTIONS), "task_type": "CAUSAL_LM", "gate_hidden": 6}
    return PacLoraConfig(**(usual | changes))


def moved(model, seed: int = 1, scale: float = 0.3):
    """The same model, with random numbers in all that learns: B is zero at the start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * scale)
    return model.eval()


def logits(model, tokens=TOKENS, regions=REGIONS, **more):
    with torch.no_grad():
        return model(input_ids=tokens, region_ids=regions, **more).logits


def apart(first, second) -> float:
    return float((first - second).detach().abs().max())


def by_the_equations(layer: PacLoraLinear, x: torch.Tensor, regions: torch.Tensor, routing: str, name="default"):
    """Section 7 word by word: a loop over tokens and experts, the input of a gate masked and not its logits."""

    def gate(which: str, of: torch.Tensor, region: int, wanted: int, experts: int, learned: bool) -> list[float]:
        if not learned:
            return [1 / experts] * experts
        given = of if region == wanted else torch.zeros_like(of)
        inner = getattr(layer, f"lora_gate_{which}_in")[name].weight @ given
        inner = 0.5 * inner * (1 + torch.erf(inner / math.sqrt(2)))
        found = (getattr(layer, f"lora_gate_{which}_out")[name].weight @ inner).tolist()
        total = sum(math.exp(value) for value in found)
        return [math.exp(value) / total for value in found]

    rank = layer.r[name]
    a, b = layer.lora_A[name].weight.split(rank, 0), layer.lora_B[name].weight.split(rank, 1)
    base = layer.get_base_layer()
    rows = []
    for row, of in zip(x, regions.tolist(), strict=True):
        found = []
        for token, region in zip(row, of, strict=True):
            analyze = gate("A", token, region, NEWS, len(a), routing in ("both", "uniform_write"))
            write = gate("B", token, region, USER, len(b), routing in ("both", "uniform_analyze"))
            u = sum(weight * (expert @ token) for weight, expert in zip(analyze, a, strict=True))
            y = base.weight @ token if base.bias is None else base.weight @ token + base.bias
            y = y + layer.scaling[name] * sum(
                weight * (expert @ u) for weight, expert in zip(write, b, strict=True)
            )  # fmt: skip
            found.append(y)
        rows.append(torch.stack(found))
    return torch.stack(rows)


@pytest.mark.parametrize("routing", ["both", "uniform_analyze", "uniform_write", "uniform"])
def test_every_layer_computes_the_equations(network, routing):
    model = moved(fresh(network, config(routing=routing, num_analyze=3, num_write=2)))
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, PacLoraLinear)}
    assert len(layers) == 2 * 7
    seen = {}
    for name, layer in layers.items():
        layer.register_forward_hook(lambda _, given, out, name=name: seen.update({name: (given[0], out)}))
    found = logits(model)
    for name, layer in layers.items():
        given, out = seen[name]
        assert apart(out, by_the_equations(layer, given, REGIONS, routing)) < 1e-5, name
    other = logits(model, regions=torch.full_like(REGIONS, OTHER))
    assert (apart(found, other) > 1e-3) == (routing != "uniform")


def test_a_new_adapter_changes_nothing(network):
    with torch.no_grad():
        before = network(TOKENS).logits
    assert apart(logits(fresh(network, config())), before) < 1e-6


@pytest.mark.parametrize("routing", ["both", "uniform_analyze", "uniform_write", "uniform"])
def test_what_learns_is_the_adapter_and_as_many_as_the_formula_says(network, routing):
    settings = config(routing=routing, num_analyze=3, num_write=5)
    expected = trainable_parameters(settings, network.config)
    model = fresh(network, settings)
    learning = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert all("lora_" in name for name in learning)
    assert sum(weight.numel() for weight in learning.values()) == expected


def test_the_formula_for_a_large_model_and_for_plain_lora(network):
    shape = {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28}
    large = Qwen2Config(**shape, num_key_value_heads=4, vocab_size=152064)
    settings = {"lora_alpha": 16, "target_modules": list(PROJECTIONS), "task_type": "CAUSAL_LM"}
    assert trainable_parameters(PacLoraConfig(r=8, **settings), large) == 133_075_712
    assert trainable_parameters(PacLoraConfig(r=8, routing="uniform", **settings), large) == 60_555_264
    assert trainable_parameters(LoraConfig(r=8, **settings), large) == 20_185_088
    assert trainable_parameters(LoraConfig(r=24, **settings), large) == 60_555_264
    plain = get_peft_model(network, LoraConfig(r=5, **settings))
    assert plain.num_parameters(only_trainable=True) == trainable_parameters(plain.peft_config["default"], plain.config)


def labelled(model, **more):
    labels = TOKENS.where(REGIONS == OTHER, torch.tensor(-100))
    return model(input_ids=TOKENS, region_ids=REGIONS, labels=labels, **more).loss


def test_the_loss_falls_and_gates_learn_in_the_second_step(network):
    model = fresh(network, config()).train()
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=5e-3)
    losses = []
    for step in range(30):
        loss = labelled(model)
        loss.backward()
        if step == 0:  # B is zero, and what stands before it has no gradient
            still = [weight for name, weight in model.named_parameters() if "lora_A." in name or "lora_gate" in name]
            assert len(still) == 2 * 7 * 5
            assert all(weight.grad.abs().max() == 0 for weight in still)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.5
    same = {name for name, weight in model.named_parameters() if torch.equal(weight, before[name])}
    assert all("lora_" not in name or ".1." in name for name in same), "only gates of the last layer may stand still"
    assert all(name in same for name in before if "lora_" not in name)


def test_saved_and_opened_under_any_name(network, tmp_path):
    bare = copy.deepcopy(network)
    model = moved(fresh(network, config(num_write=2, routing="uniform_write")))
    expected = logits(model)
    model.save_pretrained(tmp_path)
    for name in ("default", "other", "lora_A"):
        for trainable in (False, True):
            again = opened(copy.deepcopy(bare), tmp_path, name, trainable)
            assert apart(logits(again.eval()), expected) == 0.0
            assert any(weight.requires_grad for weight in again.parameters()) == trainable
            assert again.peft_config[name].routing == "uniform_write"
    again.save_pretrained(tmp_path / "again", selected_adapters=["lora_A"])
    saved = json.loads((tmp_path / "again" / "lora_A" / "adapter_config.json").read_text())
    assert (saved["num_analyze"], saved["num_write"], saved["routing"]) == (3, 2, "uniform_write")


def test_plain_peft_never_runs_it_without_regions(network, tmp_path):
    bare = copy.deepcopy(network)
    moved(fresh(network, config())).save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="size mismatch"):
        PeftModel.from_pretrained(copy.deepcopy(bare), tmp_path)
    settings = PacLoraConfig.from_pretrained(str(tmp_path))
    plain = PeftModel.from_pretrained(bare, tmp_path, config=settings)
    with pytest.raises(BadInput, match="region_ids are missing"):
        plain(input_ids=TOKENS)


def test_without_the_adapter_it_is_the_base(network):
    with torch.no_grad():
        before = network(TOKENS).logits
    model = moved(fresh(network, config()))
    assert apart(logits(model), before) > 1e-2
    with torch.no_grad(), model.disable_adapter():
        assert apart(model(TOKENS).logits, before) == 0.0
    assert apart(model.unload()(TOKENS).logits, before) == 0.0


def test_it_is_never_merged(network):
    model = moved(fresh(network, config()))
    layer = next(layer for layer in model.modules() if isinstance(layer, PacLoraLinear))
    for call in (
        model.merge_adapter, model.merge_and_unload, layer.merge, lambda: layer.get_delta_weight("default"),
    ):  # fmt: skip
        with pytest.raises(BadInput) as error:
            call()
        assert "depends on the tokens" in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"use_dora": True}, {"lora_bias": True}, {"init_lora_weights": "gaussian"}, {"init_lora_weights": False},
        {"init_lora_weights": "pissa"}, {"bias": "all"}, {"use_qalora": True}, {"alora_invocation_tokens": [1]},
        {"routing": "none"}, {"num_analyze": 0}, {"num_write": 1.5}, {"gate_hidden": True}, {"r": -1},
    ],
    ids=str,
)  # fmt: skip
def test_settings_without_a_meaning_are_one_line(changes):
    with pytest.raises(BadInput) as error:
        config(**changes)
    assert next(iter(changes)) in str(error.value)
    assert "\n" not in str(error.value)


def generated(model, tokens=TOKENS, regions=REGIONS, **more):
    usual = {"max_new_tokens": 12, "do_sample": False, "eos_token_id": 63, "pad_token_id": 0}
    return model.generate(input_ids=tokens, region_ids=regions, **(usual | more))


def test_cached_is_uncached_is_a_static_cache(network):
    model = moved(fresh(network, config()))
    cached = generated(model)
    assert torch.equal(cached, generated(model, use_cache=False))
    assert torch.equal(cached, generated(model, cache_implementation="static"))
    assert cached.shape == (2, 22)
    rest = torch.full((2, 12), OTHER)
    whole = logits(model, cached, torch.cat([REGIONS, rest], 1))
    assert torch.equal(whole[:, 9:-1].argmax(-1), cached[:, 10:])


def test_decoding_step_by_step_is_teacher_forcing(network):
    """A new token is OTHER, whatever its place in the running call is (a fault of the reference)."""
    model = moved(fresh(network, config()))
    expected = logits(model, regions=REGIONS)
    with torch.no_grad():
        first = model(input_ids=TOKENS[:, :8], region_ids=REGIONS[:, :8], use_cache=True)
        found, cache = [first.logits], first.past_key_values
        for place in (8, 9):
            out = model(
                input_ids=TOKENS[:, place : place + 1], region_ids=REGIONS[:, :8], past_key_values=cache, use_cache=True
            )
            found.append(out.logits)
    assert apart(torch.cat(found, 1), expected) < 1e-5
    with torch.no_grad():  # in two halves of a prompt: the second goes on where the cache ends
        cache = model(input_ids=TOKENS[:, :5], region_ids=REGIONS[:, :5], use_cache=True).past_key_values
        second = model(input_ids=TOKENS[:, 5:], region_ids=REGIONS, past_key_values=cache, use_cache=True).logits
    assert apart(second, expected[:, 5:]) < 1e-5


def test_beams_and_several_answers_have_the_regions_of_their_prompt(network):
    model = moved(fresh(network, config()))
    both = generated(model, num_beams=3)
    for row in range(2):
        assert torch.equal(generated(model, TOKENS[row : row + 1], REGIONS[row : row + 1], num_beams=3)[0], both[row])
    assert generated(model, num_beams=4, num_return_sequences=2).shape == (4, 22)
    torch.manual_seed(3)
    assert generated(model, do_sample=True, num_return_sequences=5).shape == (10, 22)


def test_padding_on_the_left_changes_nothing(network):
    model = moved(fresh(network, config()))
    short = TOKENS[1:, 3:]
    tokens = torch.cat([TOKENS[:1], torch.cat([torch.zeros(1, 3, dtype=torch.long), short], 1)])
    regions = torch.cat([REGIONS[:1], torch.cat([torch.full((1, 3), OTHER), REGIONS[1:, 3:]], 1)])
    mask = torch.ones_like(tokens)
    mask[1, :3] = 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    found = logits(model, tokens, regions, attention_mask=mask, position_ids=positions)
    assert apart(found[1:, 3:], logits(model, short, REGIONS[1:, 3:])) < 1e-5
    assert torch.equal(
        generated(model, tokens, regions, attention_mask=mask)[1, 10:], generated(model, short, REGIONS[1:, 3:])[0, 7:]
    )


def test_regions_change_the_output(network):
    model = moved(fresh(network, config()))
    found = logits(model)
    for swapped in ({USER: NEWS, NEWS: USER}, {USER: OTHER}, {NEWS: OTHER}):
        changed = REGIONS.clone()
        for region, other in swapped.items():
            changed[region == REGIONS] = other
        assert apart(found, logits(model, regions=changed)) > 1e-3


def test_checkpointing_gives_the_same_gradients(network):
    model = moved(fresh(network, config())).train()
    found = []
    for reentrant in (None, False, True):
        if reentrant is not None:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            model.enable_input_require_grads()
        model.zero_grad()
        labelled(model, use_cache=False).backward()
        found.append({name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad})
    for other in found[1:]:
        assert all(torch.equal(gradient, other[name]) for name, gradient in found[0].items())


def test_an_adapter_on_bfloat16_stays_float32(network, tmp_path):
    base = copy.deepcopy(network).to(torch.bfloat16)
    model = fresh(copy.deepcopy(base), config())
    assert {weight.dtype for name, weight in model.named_parameters() if "lora_" in name} == {torch.float32}
    assert {weight.dtype for name, weight in model.named_parameters() if "lora_" not in name} == {torch.bfloat16}
    assert logits(moved(model)).dtype == torch.bfloat16
    labelled(model.train()).backward()
    model.save_pretrained(tmp_path)
    again = opened(base, tmp_path)
    assert {weight.dtype for name, weight in again.named_parameters() if "lora_" in name} == {torch.float32}
    assert apart(logits(again), logits(model.eval())) == 0.0


def test_a_second_adapter_with_other_experts(network, tmp_path):
    bare = copy.deepcopy(network)
    settings = config(num_analyze=2, num_write=5, r=3, gate_hidden=9, routing="uniform_analyze")
    second = moved(fresh(copy.deepcopy(bare), settings), seed=2)
    second.save_pretrained(tmp_path)
    model = moved(fresh(network, config()))
    first = logits(model)
    model.load_adapter(tmp_path, "second")
    assert apart(logits(model), first) == 0.0
    model.set_adapter("second")
    assert apart(logits(model), logits(second)) == 0.0
    model.add_adapter("third", config(num_write=1))
    model.set_adapter("third")
    assert apart(logits(model), bare(TOKENS).logits) < 1e-6
    model.set_adapter("default")
    model.delete_adapter("second")
    assert apart(logits(model), first) == 0.0
    assert not any("second" in name for name, _ in model.named_parameters())
    layer = next(layer for layer in model.modules() if isinstance(layer, PacLoraLinear))
    assert set(layer.experts) == {"default", "third"}
    with pytest.raises(BadInput, match="an adapter of another kind"):
        model.add_adapter("plain", LoraConfig(r=2, target_modules=list(PROJECTIONS)))


REFUSED: dict[str, Callable[[PacPeftModel], object]] = {
    "none": lambda model: model(input_ids=TOKENS),
    "none to generate from": lambda model: model.generate(input_ids=TOKENS, max_new_tokens=2),
    "fewer tokens": lambda model: model(input_ids=TOKENS, region_ids=REGIONS[:, :-1]),
    "more tokens": lambda model: model.generate(input_ids=TOKENS[:, :5], region_ids=REGIONS, max_new_tokens=2),
    "fewer rows": lambda model: model(input_ids=TOKENS, region_ids=REGIONS[:1]),
    "one dimension": lambda model: model(input_ids=TOKENS, region_ids=REGIONS[0]),
    "the network itself": lambda model: model.get_base_model()(input_ids=TOKENS),
}


@pytest.mark.parametrize("name", REFUSED)
def test_regions_that_are_missing_or_of_other_tokens_are_one_line(network, name):
    model = moved(fresh(network, config()))
    logits(model)  # what was known for an earlier call does not count
    with torch.no_grad(), pytest.raises(BadInput, match="region_ids") as error:
        REFUSED[name](model)
    assert "\n" not in str(error.value)


def test_folders_of_other_adapters_are_one_line(network, tmp_path):
    bare = copy.deepcopy(network)
    model = moved(fresh(network, config()))
    model.save_pretrained(tmp_path / "pac")
    narrow = AutoModelForCausalLM.from_config(type(bare.config)(**(SIZES | {"hidden_size": 16})))
    flat = AutoModelForCausalLM.from_config(type(bare.config)(**(SIZES | {"num_hidden_layers": 1})))
    deep = AutoModelForCausalLM.from_config(type(bare.config)(**(SIZES | {"num_hidden_layers": 3})))
    get_peft_model(bare, LoraConfig(r=4, target_modules=list(PROJECTIONS))).save_pretrained(tmp_path / "lora")
    for other, folder in ((narrow, "pac"), (flat, "pac"), (deep, "pac"), (flat, "lora")):
        with pytest.raises(BadInput) as error:
            opened(other, Path(tmp_path / folder))
        assert str(tmp_path / folder) in str(error.value)
        assert "\n" not in str(error.value)
