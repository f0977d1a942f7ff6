"""A recipe at the size of a test: the same stages, models and keys, with few posts, trees, epochs and resamples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from popcast.core.named import predictor_module

CAPS = {
    "accumulation": 1,
    "agents": 20,
    "batch_size": 64,
    "bootstrap": 20,
    "borders": 16,
    "concurrency": 8,
    "depth": 3,
    "dim": 8,
    "early_stopping": 4,
    "epochs": 2,
    "frames": 4,
    "freeze_layers": 2,
    "image_size": 32,
    "in_flight": 16,
    "max_epochs": 1,
    "max_features": 500,
    "max_new_tokens": 8,
    "max_train": 24,
    "posts": 150,
    "repeated": 150,
    "rounds": 8,
    "runs": 2,
    "sample": 4,
    "samples": 2,
    "seeds": 1,
    "steps": 10,
    "training": 40,
    "users": 4,
    "videos": 80,
    "virtual_batch": 32,
    "warmup_steps": 10,
}
"""Largest value of every key of this name, wherever it stands."""
SAMPLES = {"posts": 420, "users": 40, "unlabelled": 60, "videos": 80, "topics": 8}
MADE = {"vocabulary": 640, "hidden": 32, "layers": 2, "heads": 2, "intermediate": 64, "initializer_range": 0.15}
WRITER = {"vocabulary": 512, "hidden": 16, "layers": 1, "heads": 2, "intermediate": 24, "max_positions": 4096}
"""The stand-in that writes responses."""


def shrink(values: dict[str, Any], base_like: Callable[[str], Path], server: str) -> dict[str, Any]:
    """params.yaml as ``popcast use`` wrote it, small. base_like: hub id -> folder of a tiny model. server: base URL."""
    sample = values.pop("sample")
    values = _capped(values)
    values["sample"] = {key: _capped(of, SAMPLES | {"image_size": 32, "frames": 6}) for key, of in sample.items()}
    for of in values["datasets"].values():
        of["max_reject_share"] = 0.1  # generated files have as many faulty rows as the real ones, of few
    values["evaluation"]["bootstrap"] = 20
    for name, of in values["models"].items():
        fields = predictor_module(name).Params.model_fields
        for key, small in (("rounds", 8), ("early_stopping", 4), ("seeds", 1)):
            if key in fields and fields[key].annotation is int:
                of[key] = small
        if "training" in fields:
            of["training"] = of.get("training", {}) | {"max_epochs": 1}
    for llm in values["llms"].values():
        if "made" in llm["base"]:
            llm["base"]["made"] |= MADE
        else:
            llm["base"]["pretrained"]["model"] = str(base_like(llm["base"]["pretrained"]["model"]))
    for of in values["features"].values():
        if isinstance(of, dict) and str(of.get("encoder")).startswith("models/"):
            of["encoder"] = str(base_like(of["encoder"]))
    for settings in _sections_of_learning(values):
        settings |= {"dtype": "float32", "gradient_checkpointing": False}  # bfloat16 is slow on a processor
    for of in values["responses"].values():
        of |= {"max_reject_share": 0.5, "learned": 24, "asked": 10}
        for part in [values["response"], of.get("set", {})]:
            if "made" in part.get("base", {}):
                part["base"]["made"] |= WRITER
            part["train"] = part.get("train", {}) | {"max_length": 2000}
    _shrink_policies(values, base_like, server)
    return values


def _shrink_policies(values: dict[str, Any], base_like: Callable[[str], Path], server: str) -> None:
    """Personas are answered by the chat server here, or by a tiny model in the place of a simulation's own."""
    policy = values["simulation"].get("policy", {})
    if policy.get("kind") == "server":
        policy["url"] = server
    for simulation in values["simulations"].values():
        own = simulation.get("simulate", {}).get("set", {}).get("policy", {})
        if own.get("kind") == "transformers":
            model = str(base_like(own["model"]))
            own |= {"model": model, "dtype": "float32"}
            simulation["watch"] = model


def _sections_of_learning(values: Any) -> Iterator[dict[str, Any]]:
    """Every section that says a ``dtype`` and checkpoints of activations."""
    if isinstance(values, dict):
        if "gradient_checkpointing" in values and "dtype" in values:
            yield values
        for of in values.values():
            yield from _sections_of_learning(of)


def _capped(value: Any, caps: dict[str, int] = CAPS) -> Any:
    if isinstance(value, dict):
        return {key: _small(caps.get(key), _capped(of, caps)) for key, of in value.items()}
    return [_capped(of, caps) for of in value] if isinstance(value, list) else value


def _small(most: int | None, value: Any) -> Any:
    if most is None or isinstance(value, bool) or not isinstance(value, int):
        return value
    return min(value, most)
