"""A language model with PAC-LoRA that is told the region of every token, and the folder that it comes from.

``forward`` and ``generate`` take ``region_ids``; a hook in front of the network cuts out those of the running call, by
how many columns the cache holds, so cached decoding sees the same regions as one long call (socialalign.md 7, 12).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import PeftModelForCausalLM

from popcast.core.errors import BadInput, bad_input
from popcast.core.pretrained.opening import one_line, routed_settings
from popcast.core.pretrained.weight_files import check_adapter
from popcast.lm.pac.pac_lora import PacLoraConfig, PacLoraLinear, Regions


class PacPeftModel(PeftModelForCausalLM):
    """A network whose linear layers hold PAC-LoRA adapters, and the regions that all of them look at."""

    def __init__(self, model: Any, peft_config: PacLoraConfig, adapter_name: str = "default", **kwargs: Any) -> None:
        super().__init__(model, peft_config, adapter_name, **kwargs)
        self.token_regions = Regions()
        self._share_regions()
        self.get_base_model().register_forward_pre_hook(_Cut(self.token_regions), with_kwargs=True)

    def _share_regions(self) -> None:
        for layer in self.modules():
            if isinstance(layer, PacLoraLinear):
                layer.regions = self.token_regions

    def add_adapter(self, adapter_name: str, peft_config: PacLoraConfig, **kwargs: Any) -> None:
        if not isinstance(peft_config, PacLoraConfig):
            raise bad_input("an adapter of another kind", value=type(peft_config).__name__, expected="PacLoraConfig")
        super().add_adapter(adapter_name, peft_config, **kwargs)
        self._share_regions()

    def load_adapter(self, model_id: str | Path, adapter_name: str, is_trainable: bool = False, **kwargs: Any) -> Any:
        """Load the folder of an adapter under this name; a name that is there already gets its weights.

        Raises BadInput where the folder lacks a weight of the adapter or has one too many.
        """
        check_adapter(Path(model_id), routed=True)
        if adapter_name not in self.peft_config:
            self.add_adapter(adapter_name, routed_settings(PacLoraConfig, Path(model_id), is_trainable))
            if is_trainable:
                self.set_requires_grad(adapter_name)
        result = super().load_adapter(str(model_id), adapter_name, is_trainable, **kwargs)
        for what, keys in (("lack", result.missing_keys), ("have beyond the model", result.unexpected_keys)):
            if keys:
                raise BadInput(f"{model_id}: the weights {what} {len(keys)} tensors, such as {sorted(keys)[0]}")
        return result

    def forward(self, input_ids: Any = None, *args: Any, region_ids: torch.Tensor | None = None, **kwargs: Any) -> Any:
        """As the network's. region_ids: int [rows, tokens] of the sequence from its first column, cache included."""
        if not self._adapters_disabled:
            given = kwargs.get("inputs_embeds") if input_ids is None else input_ids
            self._give(region_ids, given, cached=kwargs.get("past_key_values") is not None)
        try:
            return super().forward(input_ids, *args, **kwargs)
        finally:
            if not torch.is_grad_enabled():  # else a backward pass may need them
                self.token_regions.forget()

    def generate(self, inputs: Any = None, *args: Any, region_ids: torch.Tensor | None = None, **kwargs: Any) -> Any:
        """As the network's. region_ids: int [rows, tokens] of the prompts; what is written is OTHER."""
        if inputs is not None:
            kwargs["input_ids"] = inputs
        if not self._adapters_disabled:
            self._give(region_ids, kwargs.get("input_ids", kwargs.get("inputs_embeds")), cached=False)
        try:
            return super().generate(*args, **kwargs)
        finally:
            self.token_regions.forget()

    def _give(self, regions: torch.Tensor | None, tokens: torch.Tensor, cached: bool) -> None:
        if regions is None:
            raise BadInput("region_ids are missing: a PAC-LoRA model has to be told the region of every token")
        if regions.dim() != 2 or (not cached and regions.shape != tokens.shape[:2]):
            shapes = tuple(regions.shape), tuple(tokens.shape[:2])
            raise bad_input("of another shape", field="region_ids", value=shapes[0], expected=f"{shapes[1]}")
        self.token_regions.give(regions)


class _Cut:
    """Sets the masks of a call of the network: from the column that its cache has come to."""

    def __init__(self, regions: Regions) -> None:
        self.regions = regions

    def __call__(self, network: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        tokens = kwargs.get("input_ids", args[0] if args else None)
        tokens = kwargs["inputs_embeds"] if tokens is None else tokens
        cache = kwargs.get("past_key_values")
        start = 0 if cache is None else int(cache.get_seq_length())
        self.regions.run(tokens.shape[0], range(start, start + tokens.shape[1]), tokens.device)


def fresh(model: Any, config: PacLoraConfig) -> PacPeftModel:
    """``model`` with a new adapter ``default`` that learns, in float32 whatever the model's own weights are."""
    return PacPeftModel(model, config)


def opened(model: Any, folder: Path, adapter: str = "default", trainable: bool = False) -> PacPeftModel:
    """``model`` with the adapter that lies in ``folder``. BadInput, one line: it is none, or does not fit the model."""
    settings = routed_settings(PacLoraConfig, folder, trainable)
    with one_line(str(folder)):
        routed = PacPeftModel(model, settings, adapter)
        routed.load_adapter(folder, adapter, is_trainable=trainable)
        return routed
