"""How prompts go through a causal language model: batches of similar length, padded on the left.

What all prompts of a call begin with (the instruction) is read once, and every batch starts from its keys and values.
A prefix-tuned model has a learned prefix before that; its prompts stand at the positions behind it, as in training.
A model with PAC-LoRA is told the region of every token; prompts then have in common what is in the same regions too.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popcast.core.errors import BadInput, bad_input
from popcast.lm.backbone import fast_in_half
from popcast.lm.pac.regions import OTHER

if TYPE_CHECKING:
    import torch

ATTENTION = ("sdpa", "eager")
"""Attention implementations that take a mask of every token against every token."""


@dataclass
class Read:
    """A batch that was read, and that tokens are written behind (``sampler.Writing``).

    Next-token ``logits`` [rows, vocabulary], the model's ``cache``, ``mask`` [rows, columns] of the cache's columns
    that hold a token, and the ``position`` [rows] of the next token.
    """

    reader: Reader
    logits: torch.Tensor
    cache: object
    mask: torch.Tensor
    position: torch.Tensor

    def repeat(self, count: int) -> None:
        """Each row ``count`` times, copies together: as many answers behind a prompt that was read once."""
        self.cache.batch_repeat_interleave(count)
        parts = (self.logits, self.mask, self.position)
        self.logits, self.mask, self.position = (part.repeat_interleave(count, 0) for part in parts)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Write one token per row [rows]; logits [rows, vocabulary] of the next one."""
        import torch

        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], 1)
        ids, none = tokens[:, None], tokens[:, None][:, :0]  # beyond the regions that are given, all is OTHER
        logits, self.cache = self.reader.call(
            ids, self.mask, self.position[:, None], keep=1, cache=self.cache, use_cache=True, regions=none
        )
        self.position = self.position + 1
        return logits[:, -1]

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows only [rows kept], in rising order."""
        self.cache.batch_select_indices(rows)
        self.mask, self.position = self.mask[rows], self.position[rows]


class Reader:
    """A model in evaluation mode that reads prompts in batches; results are asked for batch by batch.

    prompts: texts, or their tokens. size: rows per batch. buckets: batches of prompts of similar length. room: tokens
    that may follow a prompt. regions: of the tokens of every prompt; only a model with PAC-LoRA looks at them, and it
    needs them. lower: the setting that an error advises to lower. half: compute in bfloat16 (autocast) whatever the
    weights are, and the logits from it as the weights are; None: where the device is the faster by it. Raises BadInput
    where a prompt has no tokens, not the regions that it needs, or does not fit.
    """

    def __init__(
        self,
        model,
        tokenizer,
        prompts: list[str] | list[list[int]],
        *,
        size: int,
        buckets: bool,
        room: int,
        regions: list[list[int]] | None = None,
        lower: str = "llm.prompts.max_tokens",
        half: bool | None = False,
    ) -> None:
        texts = bool(prompts) and isinstance(prompts[0], str)
        self.tokens: list[list[int]] = tokenizer(prompts)["input_ids"] if texts else list(prompts)
        self.token_regions = getattr(model, "token_regions", None)
        self.regions = regions if self.token_regions is not None else None
        self.pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        self.model, self.network, self.before = model, model, 0
        if hasattr(model, "peft_config"):
            self.network = model.get_base_model()  # LoRA sits inside it
            if model.active_peft_config.is_prompt_learning:
                self.before = model.active_peft_config.num_virtual_tokens
        self.device = self.network.get_input_embeddings().weight.device
        self.half = fast_in_half(self.device.type) if half is None else half
        self.known = inspect.signature(self.network.forward).parameters
        self.ends = end_tokens(self.network, tokenizer)
        lengths = np.array([len(row) for row in self.tokens], int)
        self._check(lengths, room, lower)
        self.takes_masks = self._takes_masks(int(lengths.max(initial=0)) + self.before + room)
        order = np.argsort(lengths, kind="stable") if buckets else np.arange(len(lengths))
        self.batches = [order[i : i + size] for i in range(0, len(order), size)]
        self._shared: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.shared = self._read_shared()

    @property
    def columns(self) -> int:
        """Cache columns before a batch's own tokens: learned prefix and shared beginning, seen by every row."""
        return self.before + self.shared

    def read(self, batch: np.ndarray) -> Read:
        """Read the prompts numbered ``batch``; what is written after them goes on from the cache."""
        regions = None if self.regions is None else [self.regions[i] for i in batch]
        return self.read_tokens([self.tokens[i] for i in batch], self.cache(len(batch)), regions)

    def read_tokens(self, rows: list[list[int]], cache: object = None, regions: list[list[int]] | None = None) -> Read:
        """Read rows of tokens behind ``cache``; None: behind nothing. regions: of the tokens."""
        ids, seen, positions = self.padded(rows)
        given = None if regions is None else self._padded_regions(regions)
        logits, cache = self.call(ids, seen, positions, keep=1, cache=cache, use_cache=True, regions=given)
        return Read(self, logits[:, -1], cache, seen, positions[:, -1] + 1)

    def padded(self, rows: list[list[int]], tail: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rows without their shared beginning, padded on the left.

        Returns ids [rows, tokens], mask [rows, columns + tokens] and positions [rows, tokens]. tail: columns left free
        for further tokens at the end of all three.
        """
        import torch

        rows = [row[self.shared :] for row in rows]
        width = max(len(row) for row in rows)
        ids = torch.full((len(rows), width + tail), self.pad)
        seen = torch.ones((len(rows), self.columns + width + tail), dtype=torch.long)
        for number, row in enumerate(rows):
            ids[number, width - len(row) : width] = torch.tensor(row)
            seen[number, self.columns : self.columns + width - len(row)] = 0
        positions = self.columns + (seen[:, self.columns :].cumsum(1) - 1).clamp(min=0)
        return ids.to(self.device), seen.to(self.device), positions.to(self.device)

    def _padded_regions(self, regions: list[list[int]]) -> torch.Tensor:
        """Regions [rows, tokens] of rows without their shared beginning, padded as their tokens are."""
        import torch

        rows = [row[self.shared :] for row in regions]
        width = max(len(row) for row in rows)
        return torch.tensor([[OTHER] * (width - len(row)) + row for row in rows], device=self.device)

    def cache(self, rows: int):
        """A fresh cache with the columns that every row sees; None where there are none."""
        if self._shared:
            from transformers import DynamicCache

            return DynamicCache([(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in self._shared])
        return self.model.get_prompt(rows) if self.before else None

    def call(self, ids, mask, positions, *, keep: int, cache=None, use_cache: bool = False, regions=None):
        """One forward: logits of the last ``keep`` tokens [rows, keep, vocabulary], and the cache.

        regions: of the tokens of this call [rows, tokens]; a model with PAC-LoRA raises BadInput without.
        """
        if self.token_regions is not None:
            self.token_regions.forget()
            if regions is not None:
                self.token_regions.give(regions, 0 if cache is None else int(cache.get_seq_length()))
        given = {"position_ids": positions, "logits_to_keep": keep, "past_key_values": cache, "use_cache": use_cache}
        given = {name: value for name, value in given.items() if name in self.known}
        with in_half(self.network, self.device.type) if self.half else nullcontext():
            out = self.network(input_ids=ids, attention_mask=mask, **given)
        return out.logits[:, -keep:], out.past_key_values if use_cache else None

    def _read_shared(self) -> int:
        """Read the common beginning of all prompts; returns its tokens. A prompt keeps at least one of its own."""
        import torch

        self.shared = 0
        if len(self.tokens) < 2 or not self.takes_masks:
            return 0
        rows = self.tokens
        if self.regions is not None:
            rows = [list(zip(*pair, strict=True)) for pair in zip(self.tokens, self.regions, strict=True)]
        same = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*rows, strict=False))
        length = min(sum(1 for _ in same), min(len(row) for row in self.tokens) - 1)
        if length < 1:
            return 0
        ids, seen, positions = self.padded([self.tokens[0][:length]])
        given = None if self.regions is None else self._padded_regions([self.regions[0][:length]])
        with torch.no_grad():
            _, cache = self.call(ids, seen, positions, keep=1, cache=self.cache(1), use_cache=True, regions=given)
        self._shared = [(layer.keys, layer.values) for layer in cache.layers]
        return length

    def _takes_masks(self, longest: int) -> bool:
        """Whether attention is what a mask says, for up to ``longest`` tokens: no other kinds of layers, no windows."""
        config = self.network.config.get_text_config(decoder=True)
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
        return (
            config._attn_implementation in ATTENTION
            and {"position_ids", "past_key_values"} <= set(self.known)
            and kinds <= {"full_attention", "sliding_attention", "chunked_attention"}
            and not getattr(config, "num_kv_shared_layers", None)
            and all(window is None or longest <= window for window in windows)
        )

    def _check(self, lengths: np.ndarray, room: int, lower: str) -> None:
        config = self.network.config.get_text_config(decoder=True)
        most = getattr(config, "max_position_embeddings", None)
        for number, length in enumerate(lengths, start=1):
            if length == 0:
                raise bad_input("has no tokens", file=f"prompt {number}")
            if most is not None and self.before + length + room > most:
                raise bad_input(
                    f"{length} tokens and {self.before + room} for prefix and answer do not fit into the model",
                    file=f"prompt {number}",
                    expected=f"at most {most} together: lower {lower}",
                )
        if self.token_regions is not None and self.regions is None and len(lengths):
            raise BadInput("region_ids are missing: a PAC-LoRA model has to be told the region of every token")
        for number, (length, found) in enumerate(zip(lengths, self.regions or [], strict=False), start=1):
            if length != len(found):
                raise bad_input(
                    "not a region for every token", file=f"prompt {number}", value=len(found), expected=str(length)
                )


@contextmanager
def in_half(network, device: str) -> Iterator[None]:
    """The network computes in bfloat16 inside, but for its head: bfloat16 would round logits of 20 to eighths."""
    import torch

    head = network.get_output_embeddings()
    whole = head.forward

    def forward(hidden):
        with torch.autocast(device, enabled=False):
            return whole(hidden.to(head.weight.dtype))

    head.forward = forward
    try:
        with torch.autocast(device, torch.bfloat16):
            yield
    finally:
        del head.forward


def end_tokens(network, tokenizer) -> set[int]:
    """Every token that ends an answer: of the tokenizer, and of the model (Llama 3 has several)."""
    found = [tokenizer.eos_token_id]
    for config in (network.config, getattr(network, "generation_config", None)):
        ends = getattr(config, "eos_token_id", None)
        found += ends if isinstance(ends, list) else [ends]
    return {token for token in found if token is not None}
