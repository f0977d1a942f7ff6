"""The layer of PAC-LoRA (socialalign.md 7): low-rank experts of a linear layer, mixed for every token by two gates.

Experts that analyse are chosen by tokens of the news, experts that write by tokens about the user; all other tokens get
the plain mean. Which token is which says :class:`Regions`, one object that all layers of a model look at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import torch
from peft import LoraConfig
from peft.tuners.lora.layer import Linear, LoraLayer
from torch import nn
from torch.nn.functional import gelu

from popcast.core.errors import BadInput, bad_input
from popcast.lm.pac.regions import NEWS, OTHER, USER

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Linear layers of a decoder layer that learn."""

ROUTINGS = ("both", "uniform_analyze", "uniform_write", "uniform")
PLAIN = {
    "use_dora": False,
    "use_qalora": False,
    "lora_bias": False,
    "init_lora_weights": True,
    "bias": "none",
    "fan_in_fan_out": False,
}
"""What PAC-LoRA has no meaning for, and the only value that it takes."""


@dataclass
class PacLoraConfig(LoraConfig):
    """Settings of an adapter. r: rank of every expert; the update counts ``lora_alpha / r`` times.

    num_analyze, num_write: experts A and B. gate_hidden: width of a gate. routing: ``uniform_analyze``,
    ``uniform_write`` and ``uniform`` put the mean in the place of a gate, which then has no weights.
    """

    num_analyze: int = field(default=3)
    num_write: int = field(default=3)
    gate_hidden: int = field(default=32)
    routing: Literal["both", "uniform_analyze", "uniform_write", "uniform"] = field(default="both")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_analyze", "num_write", "gate_hidden", "r"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise bad_input("not a number of this kind", field=name, value=value, expected="a whole number from 1")
        if self.routing not in ROUTINGS:
            raise bad_input("no such routing", field="routing", value=self.routing, expected=", ".join(ROUTINGS))
        usual = {one.name: one.default for one in fields(LoraConfig) if one.metadata.get("is_lora_variant")} | PLAIN
        for name, value in usual.items():
            if getattr(self, name) != value or type(getattr(self, name)) is not type(value):
                given = getattr(self, name)
                raise bad_input("PAC-LoRA has none of it", field=name, value=given, expected=str(value))
        self._register_custom_module({nn.Linear: PacLoraLinear})

    @classmethod
    def from_peft_type(cls, **settings: Any) -> PacLoraConfig:
        """The inherited form makes a plain ``LoraConfig`` of what a folder of ours says."""
        return cls(**settings)

    @property
    def gates(self) -> tuple[bool, bool]:
        """Whether the analysing and the writing experts have a gate."""
        return self.routing in ("both", "uniform_write"), self.routing in ("both", "uniform_analyze")


class Regions:
    """The regions of the running call: masks of news and of user [rows, tokens, 1], and whether there are any.

    They stay after a call: gradient checkpointing runs layers again during the backward pass, in threads of its own.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """No regions are known: a layer that is asked for them raises."""
        self.given: torch.Tensor | None = None
        self.start = 0
        self.news = self.user = None
        self.elsewhere = False

    def give(self, regions: torch.Tensor, start: int = 0) -> None:
        """Regions [rows, tokens] of the cache's columns from ``start`` on; what lies beyond them is OTHER."""
        self.forget()
        self.given, self.start = regions, start

    def run(self, rows: int, columns: range, device: torch.device) -> None:
        """Set the masks for a call on these columns of the sequence. Raises BadInput where the regions do not fit it.

        A multiple of the rows given (beams, several answers) is theirs repeated.
        """
        if self.given is None:
            return
        end = self.start + self.given.shape[1]
        self.elsewhere = columns.start >= end
        if self.elsewhere:
            self.news = self.user = torch.zeros(1, 1, 1, device=device).expand(rows, len(columns), 1)
            return
        if columns.start < self.start or rows % len(self.given):
            raise bad_input(
                "region_ids are of other tokens", value=f"{rows} rows from column {columns.start}",
                expected=f"a multiple of {len(self.given)} rows from column {self.start} on",
            )  # fmt: skip
        found = self.given[:, columns.start - self.start : columns.stop - self.start].to(device)
        found = nn.functional.pad(found, (0, max(0, columns.stop - end)), value=OTHER)
        found = found.repeat_interleave(rows // len(found), 0)[..., None]
        self.news, self.user = (found == NEWS).float(), (found == USER).float()

    def mask(self, news: bool, like: torch.Tensor) -> torch.Tensor:
        """The mask of the news or of the user for an input [rows, tokens, size]."""
        found = self.news if news else self.user
        if found is None:
            raise BadInput("region_ids are missing: a PAC-LoRA model has to be told the region of every token")
        if found.shape[:2] != like.shape[:2]:
            shapes = tuple(found.shape[:2]), tuple(like.shape[:2])
            raise bad_input("region_ids are of other tokens", value=shapes[0], expected=f"{shapes[1]} as the input")
        return found


class PacLoraLinear(Linear):
    """A linear layer with stacked experts: A [num_analyze x r, in], B [out, num_write x r], and up to two gates.

    y = W x + b + s sum_j gB[j] B_j (sum_i gA[i] A_i x), where a gate is the softmax of its logits, and logits of tokens
    outside the gate's region are 0.
    """

    adapter_layer_names = (
        *LoraLayer.adapter_layer_names,
        "lora_gate_A_in",
        "lora_gate_A_out",
        "lora_gate_B_in",
        "lora_gate_B_out",
    )
    other_param_names = (*LoraLayer.other_param_names, "experts")

    def __init__(
        self, base_layer: nn.Module, adapter_name: str, config: PacLoraConfig, r: int, lora_alpha: float, **kwargs: Any
    ) -> None:
        nn.Module.__init__(self)
        LoraLayer.__init__(self, base_layer, **kwargs)
        self.fan_in_fan_out = self.is_target_conv_1d_layer = False
        self.regions: Regions | None = None
        self.experts: dict[str, tuple[int, int]] = {}
        for name in self.adapter_layer_names[-4:]:
            setattr(self, name, nn.ModuleDict())
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, r, lora_alpha, config, **kwargs)

    def update_layer(self, adapter_name: str, r: int, lora_alpha: float, config: PacLoraConfig, **_: Any) -> None:
        """Add an adapter. A and gates start uniform as torch's linear layers do, B at zero."""
        if not isinstance(config, PacLoraConfig):
            raise bad_input("an adapter of another kind", value=type(config).__name__, expected="PacLoraConfig")
        analyze, write = config.num_analyze, config.num_write
        self.r[adapter_name], self.lora_alpha[adapter_name] = r, lora_alpha
        self.scaling[adapter_name] = lora_alpha / (math.sqrt(r) if config.use_rslora else r)
        self.use_rslora[adapter_name] = config.use_rslora
        self.use_dora[adapter_name] = self.lora_bias[adapter_name] = False
        self.experts[adapter_name] = analyze, write
        self.lora_dropout[adapter_name] = nn.Dropout(config.lora_dropout) if config.lora_dropout else nn.Identity()
        fresh = {"lora_A": (self.in_features, analyze * r), "lora_B": (write * r, self.out_features)}
        for gate, experts, wanted in zip("AB", (analyze, write), config.gates, strict=True):
            if wanted:
                fresh[f"lora_gate_{gate}_in"] = self.in_features, config.gate_hidden
                fresh[f"lora_gate_{gate}_out"] = config.gate_hidden, experts
        for name, (inner, outer) in fresh.items():
            layer = nn.Linear(inner, outer, bias=False)
            if name == "lora_B":
                nn.init.zeros_(layer.weight)
            else:
                nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))
            getattr(self, name)[adapter_name] = layer
        self._move_adapter_to_device_of_base_layer(adapter_name)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if kwargs.pop("adapter_names", None) is not None:
            raise BadInput("adapter_names: PAC-LoRA has no batches of several adapters")
        result = self.base_layer(x, *args, **kwargs)
        if self.disable_adapters:
            return result
        dtype = result.dtype
        for name in self.active_adapters:
            if name in self.lora_A:
                result = result + self._update(name, x)
        return result.to(dtype)

    def _update(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """What the adapter adds to the output for x [rows, tokens, in]."""
        if self.regions is None:
            raise BadInput("region_ids are missing: load PAC-LoRA with popcast.lm.backbone.load")
        analyze, write = self.experts[name]
        x = self.lora_dropout[name](self._cast_input_dtype(x, self.lora_A[name].weight.dtype))
        read = self.lora_A[name](x).unflatten(-1, (analyze, self.r[name]))
        gate = self._gate("A", name, x)
        read = read.mean(-2) if gate is None else (read * gate.to(read.dtype)).sum(-2)
        gate = self._gate("B", name, x)
        if gate is None:
            spread = (read * (self.scaling[name] / write)).tile((1, 1, write))
        else:
            spread = ((gate * self.scaling[name]).to(read.dtype) * read.unsqueeze(-2)).flatten(-2)
        return self.lora_B[name](spread)

    def _gate(self, which: Literal["A", "B"], name: str, x: torch.Tensor) -> torch.Tensor | None:
        """Weights of the experts [rows, tokens, experts, 1] in float32; None: all the same."""
        mask = self.regions.mask(which == "A", x)
        inner = getattr(self, f"lora_gate_{which}_in")
        if name not in inner or (self.regions.elsewhere and not torch.is_grad_enabled()):
            return None
        logits = getattr(self, f"lora_gate_{which}_out")[name](gelu(inner[name](x)))
        return torch.softmax(logits.float() * mask, -1).unsqueeze(-1)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        raise BadInput("PAC-LoRA cannot be merged: what it adds depends on the tokens")

    def get_delta_weight(self, adapter: str) -> torch.Tensor:
        raise BadInput("PAC-LoRA has no single update of a weight: what it adds depends on the tokens")

    def supports_lora_conversion(self, adapter_name: str = "default") -> bool:
        return False


def trainable_parameters(adapter: LoraConfig, network: Any) -> int:
    """Weights that learn, from configurations alone. network: of transformers, with the fields of Llama or Qwen2.

    Sum over the seven projections of r (Na in + Nb out) and, for each gate, hidden (in + its experts); plain LoRA has
    one expert of each kind and no gate.
    """
    hidden, inner = network.hidden_size, network.intermediate_size
    size = getattr(network, "head_dim", None) or hidden // network.num_attention_heads
    queries, keys = network.num_attention_heads * size, network.num_key_value_heads * size
    shapes = {"q_proj": (hidden, queries), "k_proj": (hidden, keys), "v_proj": (hidden, keys)}
    shapes |= {"o_proj": (queries, hidden), "gate_proj": (hidden, inner), "up_proj": (hidden, inner)}
    shapes |= {"down_proj": (inner, hidden)}
    found = 0
    for inner, outer in shapes.values():
        if not isinstance(adapter, PacLoraConfig):
            found += adapter.r * (inner + outer)
            continue
        counts = adapter.num_analyze, adapter.num_write
        found += adapter.r * (counts[0] * inner + counts[1] * outer)
        for experts, wanted in zip(counts, adapter.gates, strict=True):
            found += wanted * adapter.gate_hidden * (inner + experts)
    return found * network.num_hidden_layers
