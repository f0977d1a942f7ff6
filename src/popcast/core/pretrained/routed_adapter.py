"""Is an adapter what PAC-LoRA writes? Known from its settings and the header of its weights, before anything is built.

Settings that promise a million experts would fill the memory before the weights turned out not to fit them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from popcast.core.errors import bad_input

OWN = ("num_analyze", "num_write", "gate_hidden", "routing")
"""Settings that a plain LoRA adapter does not have."""

GATED = {"both": "AB", "uniform_analyze": "B", "uniform_write": "A", "uniform": ""}
"""Routing -> the experts that have a gate."""

FIXED = {"init_lora_weights": True, "bias": "none"}
"""Settings with one value that PAC-LoRA has a meaning for."""

EMPTY = ("use_dora", "lora_bias", "fan_in_fan_out", "use_qalora", "use_rslora", "rank_pattern", "alpha_pattern")
EMPTY += ("modules_to_save", "layers_to_transform", "layer_replication", "target_parameters", "exclude_modules")
EMPTY += ("trainable_token_indices", "ensure_weight_tying")
"""Settings that stay null, false or empty."""


def check_plain(config: dict[str, Any], file: Path) -> None:
    """Raise BadInput where the settings are those of a routed adapter: peft would leave its gates out."""
    found = next((name for name in OWN if name in config), None)
    if found is not None:
        raise bad_input("an adapter of PAC-LoRA", file=file, field=found, expected="method pac in tuned.json")


def check_routed(config: dict[str, Any], file: Path, tensors: dict[str, Any], weights: Path) -> None:
    """Raise BadInput where settings or shapes of the weights are not those of a routed adapter.

    config: content of ``file``. tensors: header of ``weights``.
    """
    if config.get("peft_type") != "LORA":
        raise bad_input("not an adapter of PAC-LoRA", file=file, field="peft_type", value=config.get("peft_type"))
    for name in ("r", *OWN[:3]):
        value = config.get(name)
        if type(value) is not int or value < 1:
            raise bad_input("not a count", file=file, field=name, value=value, expected="a whole number from 1")
    for name in ("lora_alpha", "lora_dropout"):
        value = config.get(name)
        if type(value) not in (int, float) or not 0 <= value < (1 if name == "lora_dropout" else 1e6):
            raise bad_input("not a number of this kind", file=file, field=name, value=value)
    if not isinstance(config.get("routing"), str) or config["routing"] not in GATED:
        raise bad_input("no such routing", file=file, field="routing", value=config.get("routing"))
    for name in (*FIXED, *EMPTY):
        found = config.get(name)
        if found != FIXED[name] if name in FIXED else found:
            raise bad_input("PAC-LoRA has none of it", file=file, field=name, value=found)
    _check_shapes(config, tensors, weights)


def _check_shapes(config: dict[str, Any], tensors: dict[str, Any], weights: Path) -> None:
    rank, hidden = config["r"], config["gate_hidden"]
    spans: dict[str, tuple[int | None, int | None]] = {
        "lora_A": (config["num_analyze"] * rank, None),
        "lora_B": (None, config["num_write"] * rank),
    }
    for gate, experts in (("A", config["num_analyze"]), ("B", config["num_write"])):
        if gate in GATED[config["routing"]]:
            spans |= {f"lora_gate_{gate}_in": (hidden, None), f"lora_gate_{gate}_out": (experts, hidden)}
    layers: dict[str, set[str]] = {}
    for key in sorted(name for name in tensors if name != "__metadata__"):
        layer, _, part = key.removesuffix(".weight").rpartition(".")
        shape = tensors[key].get("shape") if isinstance(tensors[key], dict) else None
        if part not in spans or not key.endswith(".weight"):
            raise bad_input("not a tensor of this adapter", file=weights, field=key)
        expected = spans[part]
        if not isinstance(shape, list) or len(shape) != 2 or any(
            size is not None and size != found for size, found in zip(expected, shape, strict=True)
        ):  # fmt: skip
            raise bad_input("does not fit the adapter's settings", file=weights, field=key, value=shape)
        layers.setdefault(layer, set()).add(part)
    if not layers:
        raise bad_input("holds no weights", file=weights)
    for layer, parts in layers.items():
        if missing := sorted(set(spans) - parts):
            raise bad_input("lacks a tensor", file=weights, field=f"{layer}.{missing[0]}.weight")
