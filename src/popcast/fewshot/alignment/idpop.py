"""Alignment on preference pairs: DPO, DPOP, IDPOP or RPO, on a tuned model or on the untuned base.

Source: sheet multismpllm.md sections 7 and 10. The reference is the model that alignment starts from (the untuned base
where it starts there) and never moves. The weights mu of IDPOP come with the pairs
(popcast.fewshot.alignment.preferences); the other forms are the same loss with other weights, see :func:`pair_rows`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
from pydantic import Field

from popcast.core.errors import bad_input
from popcast.fewshot.alignment.idpop_loss import Placement
from popcast.lm import training_frame as hf
from popcast.lm.labelled_head import labelled_alone
from popcast.lm.trainable import Method, save, trainable

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast

    from popcast.fewshot.alignment.idpop_trainer import IdpopTrainer


class Params(hf.Learning):
    """How a model is aligned (``llm.align``). A batch counts pairs."""

    learning_rate: float = Field(2e-4, gt=0)
    epochs: int = Field(3, ge=1)
    batch_size: int = Field(4, ge=1, description="pairs per update, over all processes and accumulated parts")
    warmup: float = Field(0.0, ge=0, lt=1, description="share of all steps with a rising learning rate")
    loss: Literal["dpo", "dpop", "idpop", "rpo"] = "idpop"
    placement: Placement = Field("outside", description="of the penalty: see popcast.fewshot.alignment.idpop_loss")
    beta: float = Field(0.1, gt=0, description="scale of the log-probability ratios in the sigmoid")
    lam: float = Field(1.0, ge=0, description="dpop: mu of every pair. With inside_beta it wants to be 1 / beta larger")
    rpo_weight: float = Field(1.0, ge=0, description="rpo: weight of the mean -log p per token of the chosen answer")
    precompute_ref: bool = Field(
        True,
        description="score the reference once, before training, not in every step; with weights in shards (FSDP, "
        "DeepSpeed) it is always in every step, since the model is on no GPU before",
    )
    fresh: Method = Field(Method(), description="what trains where alignment starts from the untuned base")


def pair_rows(pairs: pl.DataFrame, params: Params) -> dict[str, list]:
    """Columns prompt, chosen, rejected, mu of the loss: mu of the pairs (idpop), ``lam`` (dpop) or 0 (dpo, rpo).

    pairs: PAIRS. The rows are in the order of pair_id, whatever theirs is.
    """
    table = pairs.sort("pair_id")
    if params.loss != "idpop":
        table = table.with_columns(mu=pl.lit(params.lam if params.loss == "dpop" else 0.0))
    return table.select("prompt", "chosen", "rejected", "mu").to_dict(as_series=False)


def check_lengths(pairs: pl.DataFrame, tokenizer: PreTrainedTokenizerFast, max_length: int) -> None:
    """Raise BadInput for a pair that does not fit: TRL would cut its answer, or drop it without a word."""
    for pair in pairs.iter_rows(named=True):
        for which in ("chosen", "rejected"):
            tokens = len(tokenizer(pair["prompt"] + pair[which] + tokenizer.eos_token)["input_ids"])
            if tokens > max_length:
                raise bad_input(
                    "prompt and answer are too long", file="pairs", row=pair["pair_id"], field=which,
                    value=f"{tokens} tokens", expected=f"at most max_length, {max_length}",
                )  # fmt: skip


def make_trainer(
    start: Path, pairs: pl.DataFrame, params: Params, seed: int, work: Path
) -> tuple[IdpopTrainer, dict[str, Any]]:
    """The trainer, ready to run, and the facts of its model for ``tuned.json``."""
    from accelerate.utils import is_peft_model

    from popcast.fewshot.alignment.idpop_trainer import IdpopCollator, IdpopConfig, IdpopTrainer
    from popcast.lm import backbone

    precompute = params.precompute_ref and not hf.sharded()
    config = IdpopConfig(
        **hf.trainer_arguments(params, seed, work),
        beta=params.beta,
        placement=params.placement,
        nll_weight=params.rpo_weight if params.loss == "rpo" else 0.0,
        precompute_ref_log_probs=precompute,
    )
    model, tokenizer, facts = trainable(start, params.fresh, hf.loading_device(params))
    check_lengths(pairs, tokenizer, params.max_length)
    reference = None
    if not (precompute or is_peft_model(model)):  # else a frozen copy of the adapter is the reference
        reference, _ = backbone.load(start, device=hf.loading_device(params))
    trainer = IdpopTrainer(
        model=model,
        ref_model=reference,
        args=hf.single_gpu(config),
        data_collator=IdpopCollator(pad_token_id=tokenizer.pad_token_id, max_length=params.max_length),
        train_dataset=hf.records_in(work, pair_rows(pairs, params)),
        processing_class=tokenizer,
    )
    _check_rows(trainer.train_dataset, pairs)
    return trainer, facts


def _check_rows(prepared: Dataset, pairs: pl.DataFrame) -> None:
    if len(prepared) != pairs.height:
        raise bad_input(
            "the trainer dropped pairs", file="pairs", value=len(prepared), expected=f"{pairs.height} pairs"
        )


def align(
    start: Path,
    pairs: pl.DataFrame,
    params: Params,
    seed: int,
    out: Path,
    *,
    label: str | None = None,
    work: Path | None = None,
    curves: Path | None = None,
) -> dict[str, float]:
    """Align the model of folder ``start`` on PAIRS and write a tuned folder ``out``; returns the figures below.

    start: a tuned folder (LoRA, freeze, full, prefix), or a base folder, on which ``params.fresh`` trains. label: what
    an error calls the run. work: folder of checkpoints; a killed run goes on there to the same weights. curves: csv
    with a row per update, see ``popcast.fewshot.alignment.idpop_trainer.LOGGED``. The figures, also in ``tuned.json``:
    mean log-probability of the chosen answers of all pairs, ``chosen_logp_before`` and ``chosen_logp_after``, and the
    number of ``pairs``. Raises BadInput where a pair is longer than ``max_length`` or the loss is not finite.
    """
    from popcast.fewshot.alignment.idpop_trainer import LOGGED

    with hf.working_folder(work) as folder, hf.fixed(seed), labelled_alone():
        trainer, facts = make_trainer(start, pairs, params, seed, folder)
        before = None if hf.sharded() else trainer.chosen_log_prob(of_reference=trainer.precompute_ref_logps)
        hf.fit(trainer, folder, label or out.as_posix(), {name: name for name in ("loss", *LOGGED)}, curves)
        after = trainer.chosen_log_prob()
        if before is None:  # the reference is the model before, and has its wrapper only now
            before = trainer.chosen_log_prob(of_reference=True)
        figures = {"chosen_logp_before": round(before, 4), "chosen_logp_after": round(after, 4), "pairs": pairs.height}
        save(trainer, {**facts, "loss": params.loss, **figures}, folder, out)
    return figures
