"""Tuning on records of tokens whose regions are known: PAC-LoRA, or plain LoRA on the same seven projections.

Source: socialalign.md 7 and 8. Hugging Face's ``Trainer`` learns the answer and the end of the turn and nothing else;
experts and gates learn together, in float32 over a base of any dtype. How a run goes on after a kill:
``popcast.lm.training_frame``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from popcast.core.errors import BadInput, bad_input
from popcast.core.pretrained.model_notes import tuned_note
from popcast.lm import backbone
from popcast.lm.pac.regions import NEWS, OTHER, USER
from popcast.lm.trainable import save
from popcast.lm.training_frame import (
    Learning,
    fit,
    fixed,
    loading_device,
    records_in,
    shared_arguments,
    single_gpu,
    working_folder,
)
from popcast.lm.tuning import COLUMNS

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedTokenizerFast

IGNORED = -100
"""Label of a token that is not learned."""


class RoutedParams(Learning):
    """What learns, and how. The defaults are those of the sheet for a base of billions of weights."""

    method: Literal["pac", "lora"] = Field("pac", description="lora: the baseline; rank 24 has as many as the experts")
    rank: int = Field(8, ge=1, le=1024, description="of every expert (pac), or of the update (lora)")
    alpha: float = Field(16, gt=0, description="the update counts alpha / rank times")
    dropout: float = Field(0.1, ge=0, lt=1, description="of the input of experts and gates")
    num_analyze: int = Field(3, ge=1, le=64, description="pac: experts that analyse, chosen by tokens of the news")
    num_write: int = Field(3, ge=1, le=64, description="pac: experts that write, chosen by tokens about the user")
    gate_hidden: int = Field(32, ge=1, le=4096, description="pac: width of a gate")
    routing: Literal["both", "uniform_analyze", "uniform_write", "uniform"] = Field(
        "both", description="pac: uniform_*: the mean of those experts in the place of their gate"
    )
    learning_rate: float = Field(2e-5, gt=0)
    epochs: int = Field(2, ge=1)
    batch_size: int = Field(16, ge=1, description="rows per update, over all processes and accumulated parts")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of all steps with a rising learning rate")
    weight_decay: float = Field(0.01, ge=0)
    max_length: int = Field(1024, ge=8, description="tokens of prompt and answer; a longer record is an error")


@dataclass(frozen=True)
class RoutedExample:
    """Tokens of a prompt, the region of each (``regions.OTHER``, ``USER``, ``NEWS``), and tokens of the answer.

    The end of the turn is put behind an answer that does not end with it.
    """

    prompt_ids: list[int]
    region_ids: list[int]
    answer_ids: list[int]


def tune(
    start: Path,
    examples: list[RoutedExample],
    params: RoutedParams,
    seed: int,
    out: Path,
    *,
    names: list[str] | None = None,
    label: str | None = None,
    work: Path | None = None,
    curves: Path | None = None,
) -> dict[str, float]:
    """Tune ``start`` (a base folder, or one tuned with the same settings) on examples; write the tuned folder ``out``.

    names: what an error calls an example; None: its row from 1. label: what it calls the run. work: keeps the
    checkpoints of a killed run. curves: csv file of step, loss and learning_rate. Returns records, tokens (learned
    from, per epoch), steps, and the loss of the first and of the last epoch (mean per step).

    Raises BadInput for an example that is longer than ``max_length``, has no answer, or whose regions are not those of
    its prompt, and for a tuned folder ``start`` of another method or of other settings.
    """
    from transformers import Trainer, TrainingArguments

    with working_folder(work) as folder, fixed(seed):
        arguments = shared_arguments(params, seed, folder) | {"remove_unused_columns": False}
        arguments = single_gpu(TrainingArguments(**arguments, label_names=["labels"]))
        model, tokenizer, facts = learning_model(start, params)
        columns = checked_columns(examples, params.max_length, tokenizer, names)
        trainer = Trainer(
            model=model,
            args=arguments,
            data_collator=Padding(tokenizer, routed=params.method == "pac"),
            train_dataset=records_in(folder, columns),
        )
        rows = fit(trainer, folder, label or out.as_posix(), COLUMNS, curves)
        save(trainer, facts, folder, out)
    per_epoch = len(rows) // params.epochs
    losses = [row["loss"] for row in rows]
    return {
        "records": len(examples),
        "tokens": sum(label != IGNORED for row in columns["labels"] for label in row),
        "steps": len(rows),
        "first_loss": sum(losses[:per_epoch]) / per_epoch,
        "last_loss": sum(losses[-per_epoch:]) / per_epoch,
    }


def adapter_config(params: RoutedParams) -> LoraConfig:
    """The adapter that ``params`` describe, on the seven projections of every decoder layer."""
    from peft import LoraConfig

    from popcast.lm.pac.pac_lora import PROJECTIONS, PacLoraConfig

    usual: dict[str, Any] = {"r": params.rank, "lora_alpha": params.alpha, "lora_dropout": params.dropout}
    usual |= {"target_modules": list(PROJECTIONS), "task_type": "CAUSAL_LM"}
    if params.method == "lora":
        return LoraConfig(**usual)
    counts = {"num_analyze": params.num_analyze, "num_write": params.num_write, "gate_hidden": params.gate_hidden}
    return PacLoraConfig(**usual, **counts, routing=params.routing)


def learning_model(start: Path, params: RoutedParams) -> tuple[Any, PreTrainedTokenizerFast, dict[str, Any]]:
    """The model of ``start`` with an adapter that learns, its tokenizer, and the facts for ``trainable.save``."""
    from peft import get_peft_model

    start = Path(start)
    tuned = tuned_note(start)
    if tuned is not None and tuned["method"] != params.method:
        known = tuned["method"]
        raise bad_input("tuned by another method", file=start, field="method", value=params.method, expected=known)
    model, tokenizer = backbone.load(start, device=loading_device(params), trainable=True)
    wanted = adapter_config(params)
    if tuned is not None:
        _check_same(start, model.peft_config["default"], wanted)
    elif params.method == "lora":
        model = get_peft_model(model, wanted)
    else:
        from popcast.lm.pac.routed_model import fresh

        model = fresh(model, wanted)
    return model, tokenizer, {"base": backbone.base_of(start).as_posix(), "method": params.method}


def _check_same(start: Path, found: LoraConfig, wanted: LoraConfig) -> None:
    own = ("num_analyze", "num_write", "gate_hidden", "routing")
    for name in ("r", "lora_alpha", "lora_dropout", "target_modules", *own):
        there, asked = getattr(found, name, None), getattr(wanted, name, None)
        if there != asked:
            raise bad_input("tuned with other settings", file=start, field=name, value=asked, expected=str(there))


def checked_columns(
    examples: list[RoutedExample], max_length: int, tokenizer: PreTrainedTokenizerFast, names: list[str] | None = None
) -> dict[str, list[list[int]]]:
    """Columns input_ids, labels and region_ids of the examples. Raises BadInput, naming the first that cannot be."""
    if not examples:
        raise BadInput("no records to learn from")
    end, known = tokenizer.eos_token_id, len(tokenizer)
    columns: dict[str, list[list[int]]] = {"input_ids": [], "labels": [], "region_ids": []}
    for row, one in enumerate(examples):
        where = f"record {row + 1 if names is None else names[row]}"
        answer = list(one.answer_ids) + ([] if list(one.answer_ids[-1:]) == [end] else [end])
        if len(answer) < 2:
            raise bad_input("has no answer", file=where, field="answer_ids")
        if not one.prompt_ids:
            raise bad_input("has no prompt", file=where, field="prompt_ids")
        if len(one.region_ids) != len(one.prompt_ids):
            raise bad_input(
                "not a region for every token", file=where, field="region_ids", value=len(one.region_ids),
                expected=f"{len(one.prompt_ids)} as the prompt",
            )  # fmt: skip
        if wrong := set(one.region_ids) - {OTHER, USER, NEWS}:
            raise bad_input("no such region", file=where, field="region_ids", value=min(wrong), expected="0, 1 or 2")
        tokens = [*one.prompt_ids, *answer]
        if min(tokens) < 0 or max(tokens) >= known:
            wrong = next(token for token in tokens if not 0 <= token < known)
            raise bad_input("no such token", file=where, value=wrong, expected=f"0 to {known - 1}")
        if len(tokens) > max_length:
            raise bad_input(
                "prompt and answer are too long", file=where, field="max_length", value=len(tokens),
                expected=f"at most {max_length} tokens",
            )  # fmt: skip
        columns["input_ids"].append(tokens)
        columns["labels"].append([IGNORED] * len(one.prompt_ids) + answer)
        columns["region_ids"].append([*one.region_ids, *[OTHER] * len(answer)])
    return columns


class Padding:
    """Rows of a batch as tensors [rows, longest], padded on the tokenizer's side, positions counted without padding.

    With padding on the left all answers stand at the end, and only there are logits asked for: labels are then cut to
    the longest answer and the token before it. routed: with ``region_ids``.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, routed: bool) -> None:
        self.pad, self.left, self.routed = tokenizer.pad_token_id, tokenizer.padding_side == "left", routed

    def __call__(self, rows: list[dict[str, list[int]]]) -> dict[str, Any]:
        import torch

        width = max(len(row["input_ids"]) for row in rows)

        def padded(name: str, filler: int) -> torch.Tensor:
            found = torch.full((len(rows), width), filler, dtype=torch.long)
            for number, row in enumerate(rows):
                values = torch.as_tensor(row[name])
                place = slice(width - len(values), width) if self.left else slice(len(values))
                found[number, place] = values
            return found

        seen = padded("labels", IGNORED - 1) > IGNORED - 1
        batch = {"input_ids": padded("input_ids", self.pad), "attention_mask": seen.long()}
        batch["position_ids"] = (seen.long().cumsum(1) - 1).clamp(min=0)
        batch["labels"] = padded("labels", IGNORED)
        if self.left:
            answers = max(sum(label != IGNORED for label in row["labels"]) for row in rows)
            batch["labels"] = batch["labels"][:, -answers - 1 :].contiguous()
            batch["logits_to_keep"] = answers + 1
        if self.routed:
            batch["region_ids"] = padded("region_ids", OTHER)
        return batch
