"""TRL's DPO trainer with a weight per pair and the penalty of IDPOP.

Source: sheet multismpllm.md sections 7 and 10, for TRL 1.16. Columns of a data set: ``prompt``, ``chosen``,
``rejected`` (strings) and ``mu`` (float). The parent tokenises, adds the end of sequence, keeps the reference and
trains; here are the way of ``mu`` to the loss, the loss, and what is logged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from trl import DPOConfig, DPOTrainer
from trl.models.utils import disable_gradient_checkpointing
from trl.trainer.dpo_trainer import DataCollatorForPreference

from popcast.core.errors import BadInput
from popcast.fewshot.alignment.idpop_loss import pair_losses
from popcast.lm.training_frame import sharded

LOGGED = (
    "chosen_logp",
    "rejected_logp",
    "reference_chosen_logp",
    "reference_rejected_logp",
    "falling_share",
    "penalty",
    "margin",
    "accuracy",
)
"""Means over the pairs of a step, in nats. ``falling_share``: pairs whose chosen answer is less likely than under the
reference; ``penalty``: with its weight; ``margin``: lw - ll; ``accuracy``: pairs with lw > ll."""

ROUNDING = 1e-4
"""A chosen answer falls if it loses more than this: less is the noise of sums in another order."""


@dataclass
class IdpopConfig(DPOConfig):
    """placement: see ``idpop_loss``. nll_weight: of the chosen answer's mean -log p per token (RPO)."""

    placement: str = field(default="outside")
    nll_weight: float = field(default=0.0)


@dataclass
class IdpopCollator(DataCollatorForPreference):
    """Stacks chosen, then rejected answers, and adds ``mu`` float32 [pairs]."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch = super().torch_call(examples)
        if any("mu" not in example for example in examples):
            raise BadInput("pairs: field mu: the weights got lost before the batch was made: expected a column mu")
        batch["mu"] = torch.tensor([example["mu"] for example in examples], dtype=torch.float32)
        return batch


class IdpopTrainer(DPOTrainer):
    """One forward of the policy per step; the reference comes from the batch, or from a second forward without it."""

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if "mu" not in self._signature_columns:
            self._signature_columns.append("mu")  # else it is removed before collation

    def compute_ref_log_probs(self, model, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """(chosen, rejected), float [pairs] each; without ``mu``, which the parent would hand to the model."""
        return super().compute_ref_log_probs(model, {name: value for name, value in inputs.items() if name != "mu"})

    def policy_log_probs(self, model, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """(chosen, rejected): log-probability of the answer with the end of sequence, float [pairs] each."""
        labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
        output = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            labels=labels,
            use_cache=False,
            fused_lm_head=True,
        )
        answers = output.log_probs[:, 1 - labels.shape[1] :]  # prefix tuning puts positions before them
        return answers.sum(dim=1).chunk(2)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Mean loss of a batch of pairs. Raises BadInput where the weights of the pairs did not arrive."""
        if "mu" not in inputs:
            raise BadInput("pairs: field mu: the weights got lost before the loss: expected a tensor mu in the batch")
        chosen, rejected = self.policy_log_probs(model, inputs)
        if self.precompute_ref_logps:
            reference_chosen, reference_rejected = inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
        else:
            own = model if sharded() else self.model
            reference = self.ref_model if self.ref_model is not None else own
            reference_chosen, reference_rejected = self.compute_ref_log_probs(reference, inputs)
        gain, rejected_gain = chosen - reference_chosen, rejected - reference_rejected
        losses, penalty = pair_losses(gain, rejected_gain, inputs["mu"], beta=self.beta, placement=self.args.placement)
        if self.args.nll_weight:
            tokens = inputs["completion_mask"].chunk(2)[0].sum(dim=1)
            losses = losses - self.args.nll_weight * chosen / tokens
        values = (chosen, rejected, reference_chosen, reference_rejected, (gain < -ROUNDING).float(), penalty,
                  gain - rejected_gain, (gain > rejected_gain).float())  # fmt: skip
        self._note(torch.stack([value.detach().float() for value in values], dim=1))
        return (losses.mean(), {"losses": losses}) if return_outputs else losses.mean()

    def _note(self, values: Tensor) -> None:
        """Keep the means of float [pairs, LOGGED] over all processes; ``log`` of the parent averages and clears."""
        means = self.accelerator.gather_for_metrics(values).mean(dim=0).tolist()
        kept = self._metrics["train" if self.model.training else "eval"]
        for name, mean in zip(LOGGED, means, strict=True):
            kept[name].append(mean)

    def chosen_log_prob(self, of_reference: bool = False) -> float:
        """Mean log-probability of the chosen answers of all pairs under the policy as it is now, or the reference.

        A reference that was scored before training is not asked again. Weights in shards are asked through their
        wrapper, which is there once training has begun: the bare model lies on the CPU before, and in pieces
        afterwards.
        """
        if of_reference and self.precompute_ref_logps:
            return float(np.mean(self.train_dataset["ref_chosen_logps"], dtype=np.float64))
        own = self.model_wrapped if sharded() else self.model
        ask, model = self.policy_log_probs, own
        if of_reference:
            ask, model = self.compute_ref_log_probs, own if self.ref_model is None else self.ref_model
        found = []
        was_training = self.model.training
        self.model.eval()
        quiet = disable_gradient_checkpointing(self.model, self.args.gradient_checkpointing_kwargs)
        with torch.no_grad(), quiet, self.compute_loss_context_manager():
            for batch in self.get_eval_dataloader(self.train_dataset):
                chosen, _ = ask(model, self._prepare_inputs(batch))
                found.append(self.accelerator.gather_for_metrics(chosen).double().cpu())
        self.model.train(was_training)
        return float(torch.cat(found).mean())
