"""Loading of base, tuned and plain model folders, and what is said when one is not whole."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from pydantic import ValidationError

from popcast.core.errors import BadInput
from popcast.core.pretrained.packages import converting
from popcast.core.pretrained.packages.package_origin import FOUR_BITS
from popcast.fewshot.tokenizer import all_scores, make_tokenizer
from popcast.lm import backbone
from popcast.lm.backbone import Made, Params, Pretrained
from popcast.lm.training_frame import Learning, trainer_arguments
from popcast.lm.tuned_systems import title
from tests.lm.tiny_llm import SCORES, TEXTS, tiny_base

pytestmark = pytest.mark.usefixtures("one_thread")

PROMPT = 'Post 1: title "red sky"\nPost 1 has popularity 7.52\n'


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("base") / "base")


def logits(model, tokenizer, text: str = PROMPT) -> torch.Tensor:
    with torch.inference_mode():
        return model(**tokenizer(text, return_tensors="pt")).logits[0]


def refused(call, *arguments, **options) -> str:
    """The one line of the error that a call must end with."""
    with pytest.raises(BadInput) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def plain(base, folder):
    """A model folder as downloaded: without base.json."""
    shutil.copytree(base, folder)
    (folder / backbone.BASE).unlink()
    return folder


def test_scores_are_three_tokens_and_texts_come_back(base):
    tokenizer = backbone.load_tokenizer(base)
    for score in all_scores(*SCORES):
        whole, _, cents = score.partition(".")
        assert tokenizer.tokenize(score) == [whole, ".", cents]
    hostile = "Zażółć 😀 12345 <b>\t x  y"
    assert tokenizer.decode(tokenizer(hostile).input_ids, skip_special_tokens=True) == hostile
    ids = tokenizer(PROMPT).input_ids
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.eos_token_id not in ids
    assert tokenizer(PROMPT + "7.52").input_ids[: len(ids)] == ids


def test_tokenizer_is_the_same_again_and_says_when_it_is_too_small():
    first, second = (make_tokenizer(TEXTS, 512, SCORES) for _ in range(2))
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()
    assert "vocabulary: 300" in refused(make_tokenizer, TEXTS, 300, SCORES)


def test_model_is_ready_for_decoding(base):
    model, tokenizer = backbone.load(base)
    assert not model.training
    assert (model.dtype, model.config._attn_implementation, tokenizer.padding_side) == (torch.float32, "sdpa", "left")
    assert tokenizer.pad_token_id is not None
    ids = tokenizer(PROMPT, return_tensors="pt").input_ids
    causal = torch.ones(ids.shape[1], ids.shape[1]).tril().bool()[None, None]
    with torch.inference_mode():
        found = model(input_ids=ids, attention_mask=causal).logits[0]
        blind = model(input_ids=ids, attention_mask=causal & torch.eye(ids.shape[1]).bool()).logits[0]
    torch.testing.assert_close(found, logits(model, tokenizer), atol=1e-5, rtol=1e-5)
    assert (found[-1] - blind[-1]).abs().max() > 1e-3  # a 4-D mask is obeyed
    assert backbone.load(base, dtype="bfloat16")[0].dtype == torch.bfloat16


def test_lora_folder_gives_the_tuned_model(base, tmp_path):
    from peft import LoraConfig, get_peft_model

    model, tokenizer = backbone.load(base)
    bare = logits(model, tokenizer)
    tuned = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(parameter, 0.05)
    tuned.save_pretrained(tmp_path / "lora")
    backbone.write_tuned(tmp_path / "lora", base, "lora", shots=3)
    assert json.loads((tmp_path / "lora" / "tuned.json").read_text())["shots"] == 3
    loaded, again = backbone.load(tmp_path / "lora")
    assert torch.equal(logits(loaded, again), logits(tuned.eval(), tokenizer))
    assert (logits(loaded, again) - bare).abs().max() > 1e-2
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    learning, _ = backbone.load(tmp_path / "lora", trainable=True)
    names = [name for name, parameter in learning.named_parameters() if parameter.requires_grad]
    assert names
    assert all("lora_" in name and "default" in name for name in names)


def test_prefix_folder_can_go_on_learning(base, tmp_path):
    from peft import PrefixTuningConfig, get_peft_model

    model, tokenizer = backbone.load(base)
    bare = logits(model, tokenizer)
    torch.manual_seed(0)
    tuned = get_peft_model(model, PrefixTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"))
    tuned.save_pretrained(tmp_path / "prefix")
    backbone.write_tuned(tmp_path / "prefix", base, "prefix")
    for trainable in (False, True):
        loaded, again = backbone.load(tmp_path / "prefix", trainable=trainable)
        torch.testing.assert_close(logits(loaded, again), logits(tuned.eval(), tokenizer))
        assert (logits(loaded, again) - bare).abs().max() > 1e-3
        assert any(parameter.requires_grad for parameter in loaded.parameters()) is trainable


def test_whole_weights_of_a_tuned_folder(base, tmp_path):
    model, tokenizer = backbone.load(base)
    with torch.no_grad():
        model.model.norm.weight.mul_(1.5)
    model.save_pretrained(tmp_path / "full")
    backbone.write_tuned(tmp_path / "full", base, "full")
    loaded, again = backbone.load(tmp_path / "full")
    assert torch.equal(logits(loaded, again), logits(model, tokenizer))
    assert loaded.config._name_or_path == str(tmp_path / "full")
    assert backbone.base_of(tmp_path / "full") == base


def test_pointer_says_that_weights_had_four_bits(base, tmp_path):
    source = plain(base, tmp_path / "source")
    converting.SMOLLM2.write(source)
    backbone.write_pointer(tmp_path / "pointer", Pretrained(model=str(source)), SCORES)
    assert json.loads((tmp_path / "pointer" / "base.json").read_text())["weights"] == FOUR_BITS
    assert title("smpd", True, tmp_path / "pointer") == f"smpd ({FOUR_BITS}, generated data)"
    assert title("smpd", True, base) == "smpd (stand-in model, generated data)"


def test_pointer_names_a_model_and_copies_nothing(base, tmp_path):
    source = plain(base, tmp_path / "source")
    backbone.write_pointer(tmp_path / "pointer", Pretrained(model=str(source)), SCORES)
    assert [file.name for file in (tmp_path / "pointer").iterdir()] == ["base.json"]
    note = json.loads((tmp_path / "pointer" / "base.json").read_text())
    assert (note["kind"], note["stand_in"], note["scores"]) == ("pretrained", False, list(SCORES))
    assert "weights" not in note
    assert torch.equal(logits(*backbone.load(tmp_path / "pointer")), logits(*backbone.load(base)))
    shutil.rmtree(source)
    assert "no such model folder" in refused(backbone.load, tmp_path / "pointer")
    assert "no such model folder" in refused(backbone.write_pointer, tmp_path / "b", Pretrained(model="./gone"), SCORES)
    assert not (tmp_path / "b").exists()


def test_tokenizer_without_padding_gets_its_end_token(base, tmp_path):
    folder = plain(base, tmp_path / "unpadded")
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text())
    del config["pad_token"]
    file.write_text(json.dumps(config))
    tokenizer = backbone.load_tokenizer(folder)
    assert (tokenizer.pad_token, tokenizer.padding_side) == (tokenizer.eos_token, "left")
    del config["eos_token"]
    file.write_text(json.dumps(config))
    assert "no end-of-text token" in refused(backbone.load_tokenizer, folder)


def test_folders_that_are_no_models(base, tmp_path):
    assert "no such model folder" in refused(backbone.load, tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    assert "not a model folder" in refused(backbone.load, tmp_path / "empty")
    assert "not a model folder" in refused(backbone.load_tokenizer, tmp_path / "empty")
    other = plain(base, tmp_path / "other")
    (other / "config.json").write_text(json.dumps({"model_type": "t5"}))
    assert "not a usable model folder" in refused(backbone.load, other)
    backbone.write_tuned(tmp_path / "empty", tmp_path / "gone", "lora")
    assert "its base model is gone" in refused(backbone.load, tmp_path / "empty")


def test_interrupted_downloads(base, tmp_path):
    cut = plain(base, tmp_path / "cut")
    file = cut / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert "cut off: an interrupted download?" in refused(backbone.load, cut)
    file.write_bytes(file.read_bytes()[:50])
    assert "not a whole safetensors file" in refused(backbone.load, cut)
    file.unlink()
    assert "no weights" in refused(backbone.load, cut)
    sharded = plain(base, tmp_path / "sharded")
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    line = refused(backbone.load, sharded)
    assert "model-00002-of-00002.safetensors" in line
    assert "1 of 2 shards" in line


def test_weights_that_lack_a_layer_are_not_made_up(base, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = plain(base, tmp_path / "lacking")
    tensors = load_file(folder / "model.safetensors")
    gone = next(name for name in tensors if "layers.1" in name)
    del tensors[gone]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    assert f"lack 1 tensors of the model, such as {gone}" in refused(backbone.load, folder)


def test_hub_that_cannot_be_reached(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    line = refused(backbone.write_pointer, tmp_path / "b", Pretrained(model="nobody/no-such-model"), SCORES)
    assert "no such model on the hub, or no network" in line
    assert not (tmp_path / "b").exists()


def test_four_bit_needs_a_gpu(base, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    source = plain(base, tmp_path / "source")
    backbone.write_pointer(tmp_path / "pointer", Pretrained(model=str(source), load_in_4bit=True), SCORES)
    assert "load_in_4bit: needs a GPU" in refused(backbone.load, tmp_path / "pointer")


def test_params_ask_for_exactly_one_base():
    for values in ({}, {"made": {}, "pretrained": {"model": "a/b"}}):
        with pytest.raises(ValidationError, match="exactly one"):
            Params.model_validate(values)
    with pytest.raises(ValidationError, match="multiple"):
        Made(hidden=100, heads=3)
    assert backbone.chosen_dtype("auto", torch.device("cuda")) == torch.bfloat16
    assert backbone.chosen_dtype("auto", torch.device("cpu")) == torch.float32


@pytest.mark.parametrize(("has", "dtype", "half"), [(True, torch.bfloat16, True), (False, torch.float32, False)])
def test_fast_is_bfloat16_where_the_processor_has_it(monkeypatch, tmp_path, has, dtype, half):
    monkeypatch.setattr(backbone, "multiplies_bfloat16", lambda: has)
    assert backbone.chosen_dtype("fast", torch.device("cpu")) == dtype
    learning = {name: Learning(dtype=name, device="cpu") for name in ("auto", "float32", "bfloat16", "fast")}
    told = {name: trainer_arguments(params, 7, tmp_path)["bf16"] for name, params in learning.items()}
    assert told == {"auto": False, "float32": False, "bfloat16": True, "fast": half}
