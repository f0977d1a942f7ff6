"""Which weights of a language model learn, and the folder that they end in: LoRA, freeze, prefix or full.

A tuned folder holds ``tuned.json`` and either an adapter or whole weights: no optimiser, nothing pickled, no absolute
path and nothing that changes from run to run.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from popcast.core import tables
from popcast.core.errors import BadInput, bad_input
from popcast.core.pretrained.model_notes import tuned_note
from popcast.core.pretrained.saved_files import read_json
from popcast.core.safety.disk_faults import writing
from popcast.core.safety.whole_files import whole_folder
from popcast.core.section import Section
from popcast.lm import backbone
from popcast.lm.training_frame import is_main, wait_for_everyone

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

Name = Literal["lora", "freeze", "prefix", "full"]
ADAPTER = "adapter_config.json"
WHOLE = ("config.json", "generation_config.json", "model.safetensors.index.json")
"""Files beside whole weights."""


class Method(Section):
    """What learns (multismpllm.md 5). Rank and its like are not reported by the paper."""

    method: Name = "lora"
    rank: int = Field(8, ge=1, description="lora: rank of the update of every linear layer")
    alpha: float = Field(16, gt=0, description="lora: the update counts alpha / rank times")
    dropout: float = Field(0.0, ge=0, lt=1, description="lora: of the input of the update")
    freeze_layers: int = Field(1, ge=1, description="freeze: the last decoder layers that learn, with the final norm")
    prefix_tokens: int = Field(16, ge=1, description="prefix: vectors put before the prompt in every layer")


def trainable(
    start: Path, method: Method, device: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, dict[str, Any]]:
    """Model whose learning weights are set, tokenizer, and the facts for :func:`save`. device: as for backbone.load.

    start: a base folder gets a fresh adapter, or has layers frozen, by ``method``. A tuned folder goes on with what was
    tuned in it, whatever ``method`` says: its adapter, or its layers, whose flags are set again (no file keeps them).
    """
    start = Path(start)
    tuned = tuned_note(start)
    if tuned is not None:
        kept = {key: tuned[key] for key in ("method", "freeze_layers") if key in tuned}
        method = method.model_copy(update=kept)
    model, tokenizer = backbone.load(start, device=device, trainable=True)
    facts: dict[str, Any] = {"base": backbone.base_of(start).as_posix(), "method": method.method}
    if method.method in backbone.ADAPTERS:
        model = model if tuned is not None else _with_adapter(model, method)
    elif getattr(model, "is_quantized", False):
        raise bad_input("weights in 4 bits cannot learn", file=start, value=method.method, expected="lora or prefix")
    else:
        _unfreeze(model, method)
    if method.method == "freeze":
        facts["freeze_layers"] = method.freeze_layers
    return model, tokenizer, facts


def _with_adapter(model: PreTrainedModel, method: Method) -> PreTrainedModel:
    """A fresh adapter named ``default``. LoRA sits on every linear layer but the head, whose loss is fused."""
    from peft import LoraConfig, PrefixTuningConfig, get_peft_model

    if method.method == "prefix":
        return get_peft_model(model, PrefixTuningConfig(num_virtual_tokens=method.prefix_tokens, task_type="CAUSAL_LM"))
    whole = {"r": method.rank, "lora_alpha": method.alpha, "lora_dropout": method.dropout}
    return get_peft_model(model, LoraConfig(**whole, target_modules="all-linear", task_type="CAUSAL_LM"))


def _unfreeze(model: PreTrainedModel, method: Method) -> None:
    """Full: everything learns. Freeze: the last decoder layers and the final norm. What learns is in float32."""
    from transformers.integrations import is_deepspeed_zero3_enabled

    decoder = model.get_decoder()
    if method.method == "full":
        parts = [model]
    else:
        layers, norm = getattr(decoder, "layers", None), getattr(decoder, "norm", None)
        if layers is None or norm is None:
            raise BadInput(f"freeze: {type(model).__name__} has no list of layers with a final norm: try lora")
        if method.freeze_layers > len(layers):
            raise BadInput(f"freeze_layers: got {method.freeze_layers}, expected at most {len(layers)}")
        parts = [*layers[len(layers) - method.freeze_layers :], norm]
    model.requires_grad_(False)
    for part in parts:
        part.requires_grad_(True)
        if not is_deepspeed_zero3_enabled():  # which holds the weights that learn in float32 itself
            part.float()  # steps of a low learning rate vanish in bfloat16


def save(trainer: Any, facts: dict[str, Any], work: Path, out: Path) -> None:
    """Write the tuned folder ``out`` through ``work``; to be called by every process, the first one writes ``out``.

    facts: those of :func:`trainable`, with anything else that ``tuned.json`` should say. The trainer gathers sharded
    weights and writes more than is wanted (a pickle of its arguments, a second adapter): only weights are taken over.
    """
    raw = work / "saved"
    with writing(raw):
        trainer.save_model(str(raw))
    wait_for_everyone()
    if is_main():
        with whole_folder(out) as fresh:
            for file in sorted(raw.iterdir()):
                if file.suffix == ".safetensors" or file.name in (ADAPTER, *WHOLE):
                    shutil.copyfile(file, fresh / file.name)
            if (fresh / ADAPTER).exists():
                for name in WHOLE:
                    (fresh / name).unlink(missing_ok=True)
                _normalise(fresh / ADAPTER)
            else:  # training turns the cache of the model off
                config = read_json(fresh / "config.json")
                tables.write_json(config | {"use_cache": True}, fresh / "config.json")
            backbone.write_tuned(fresh, **facts)
        shutil.rmtree(raw)
    wait_for_everyone()


def _normalise(path: Path) -> None:
    """peft writes sets in any order and the place where the base model was: sort the one, leave the other out."""
    config = read_json(path)
    config = {key: sorted(value) if key == "target_modules" else value for key, value in config.items()}
    tables.write_json(config | {"base_model_name_or_path": None, "revision": None}, path)


def merge(tuned: Path, out: Path, dtype: Literal["float32", "base"] = "float32") -> None:
    """Write ``out``: the LoRA adapter of ``tuned`` merged into whole weights, with the tokenizer.

    The sum is made in float32. dtype: of the weights written; float32 keeps every bit of the update, ``base`` rounds to
    what the base's own files hold (half the size; bfloat16 moves logits by about a tenth). A base that was loaded in 4
    bits is merged in its whole weights. ``backbone.load`` and transformers' ``from_pretrained`` read the folder. Raises
    BadInput where ``tuned`` is not by LoRA.
    """
    note = tuned / backbone.TUNED
    facts = tuned_note(tuned) or {"method": None}
    if facts["method"] == "pac":
        raise bad_input("PAC-LoRA cannot be merged: what it adds depends on the tokens", file=note, field="method")
    if facts["method"] != "lora":
        raise bad_input("nothing to merge", file=note, field="method", value=facts["method"], expected="lora")
    written = "float32" if dtype == "float32" else backbone.stored_dtype(backbone.base_of(tuned))
    model, tokenizer = backbone.load(tuned, device="cpu", dtype="float32", four_bit=False)
    whole = model.merge_and_unload().to(backbone.chosen_dtype(written, model.device))
    with whole_folder(out) as fresh:
        whole.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        backbone.write_tuned(fresh, base=backbone.base_of(tuned), method="full", merged="lora", dtype=written)
