"""Instruction tuning on records: TRL's ``SFTTrainer`` learns the answers and nothing else (multismpllm.md 5).

Prompts and answers go in as they will be shown, the trainer adds the end-of-text token. Methods: LoRA, freeze, prefix,
full (see ``popcast.lm.trainable``); how a run goes on after a kill: ``popcast.lm.training_frame``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from popcast.core.errors import BadInput, bad_input
from popcast.lm.labelled_head import labelled_alone
from popcast.lm.trainable import Method, merge, save, trainable
from popcast.lm.training_frame import (
    Learning,
    fit,
    fixed,
    loading_device,
    records_in,
    single_gpu,
    trainer_arguments,
    working_folder,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = ["COLUMNS", "Params", "merge", "tune"]

COLUMNS = {"loss": "loss", "learning_rate": "learning_rate"}
"""Columns of the curves, by the trainer's names."""


class Params(Learning, Method):
    """Section ``llm.sft``. The learning rate suits the small model made here; a large one needs about 1e-4 for LoRA and
    1e-5 for full."""


def tune(
    start: Path,
    prompts: list[str],
    answers: list[str],
    params: Params,
    seed: int,
    out: Path,
    *,
    names: list[str] | None = None,
    label: str | None = None,
    work: Path | None = None,
    curves: Path | None = None,
) -> dict[str, float]:
    """Tune ``start`` (a base or a tuned folder) on prompts and answers (both [n]); write the tuned folder ``out``.

    names: what an error calls a record; None: its row from 1. label: what it calls the run. work: keeps the checkpoints
    of a killed run, see ``training_frame.py``. curves: csv file of step, loss and learning_rate. Returns records,
    tokens (learned from, per epoch), steps, and the loss of the first and of the last epoch (mean per step).

    Raises BadInput for a record that is longer than ``max_length`` (the trainer would drop it or cut its answer), for a
    prompt that shares a token with its answer, and for a tuned folder ``start`` of another method.
    """
    from trl import SFTConfig

    with working_folder(work) as folder, fixed(seed), labelled_alone():
        arguments = single_gpu(SFTConfig(**trainer_arguments(params, seed, folder), packing=False))
        model, tokenizer, facts = trainable(start, params, loading_device(params))
        if facts["method"] != params.method:
            known = facts["method"]
            raise bad_input("tuned by another method", file=start, field="method", value=params.method, expected=known)
        trainer = make_trainer(model, tokenizer, arguments, prompts, answers, names)
        rows = fit(trainer, folder, label or out.as_posix(), COLUMNS, curves)
        tokens = sum(label != -100 for row in trainer.train_dataset["labels"] for label in row)
        save(trainer, facts, folder, out)
    per_epoch = len(rows) // params.epochs
    losses = [row["loss"] for row in rows]
    return {
        "records": len(prompts),
        "tokens": tokens,
        "steps": len(rows),
        "first_loss": sum(losses[:per_epoch]) / per_epoch,
        "last_loss": sum(losses[-per_epoch:]) / per_epoch,
    }


def make_trainer(
    model: Any,
    tokenizer: PreTrainedTokenizerFast,
    arguments: Any,
    prompts: list[str],
    answers: list[str],
    names: list[str] | None = None,
) -> Any:
    """TRL's trainer on checked records."""
    from trl import SFTTrainer

    check_records(tokenizer, prompts, answers, arguments.max_length, names)
    records = records_in(Path(arguments.output_dir), {"prompt": prompts, "completion": answers})
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=records, processing_class=tokenizer)
    if len(trainer.train_dataset) != len(prompts):
        raise BadInput(f"{len(prompts)} records, but the trainer kept {len(trainer.train_dataset)} of them")
    return trainer


def check_records(
    tokenizer: PreTrainedTokenizerFast,
    prompts: list[str],
    answers: list[str],
    max_length: int,
    names: list[str] | None = None,
) -> None:
    """Raise BadInput, naming the first record, where a record is too long or the answer is not on tokens of its own."""
    if not prompts:
        raise BadInput("no records to learn from")
    asked = tokenizer(prompts, verbose=False)["input_ids"]
    records = [p + a + tokenizer.eos_token for p, a in zip(prompts, answers, strict=True)]
    whole = tokenizer(records, verbose=False)["input_ids"]
    for row, (prompt, record) in enumerate(zip(asked, whole, strict=True)):
        where = f"record {row + 1 if names is None else names[row]}"
        if len(record) > max_length:
            raise bad_input(
                "prompt and answer are too long", file=where, field="max_length", value=len(record),
                expected=f"at most {max_length} tokens: raise max_length or lower llm.prompts.max_tokens",
            )  # fmt: skip
        if record[: len(prompt)] != prompt:
            raise bad_input(
                "the tokenizer joins the end of the prompt to the answer", file=where,
                expected="the prompt's tokens to be the first of prompt and answer",
            )  # fmt: skip
