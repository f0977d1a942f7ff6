"""The loss of IDPOP on log-probabilities alone: DPO with a penalty on pairs whose chosen answer became less likely.

Source: sheet multismpllm.md section 7 (equation 12 of the paper; DPOP, arXiv 2402.13228). Nothing here knows of models
or trainers. ``mu`` is what tells the forms apart: 0 is DPO, a constant is DPOP, equation 14 is IDPOP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Placement = Literal["outside", "inside", "inside_beta"]


def pair_losses(
    chosen_gain: Tensor, rejected_gain: Tensor, mu: Tensor, *, beta: float, placement: Placement
) -> tuple[Tensor, Tensor]:
    """Losses and weighted penalties ``mu * max(0, -lw)`` of pairs, both float [pairs].

    chosen_gain, rejected_gain: float [pairs], log-probability of the answer under the policy minus that under the
    reference (``lw`` and ``ll``), summed over its tokens with the end of sequence. mu: float [pairs], >= 0.
    placement: ``outside`` adds the penalty to the loss, ``inside`` takes it from the argument of the sigmoid,
    ``inside_beta`` takes ``beta`` times it (DPOP). The penalty that is returned is without that ``beta``.

    >>> import torch
    >>> zero, mu = torch.zeros(1), torch.ones(1)
    >>> loss, penalty = pair_losses(-mu, zero, mu, beta=0.1, placement="outside")
    >>> round(loss.item(), 6), penalty.item()
    (1.744397, 1.0)
    """
    from torch.nn.functional import logsigmoid

    penalty = mu * (-chosen_gain).clamp(min=0)
    margin = beta * (chosen_gain - rejected_gain)
    if placement == "outside":
        return penalty - logsigmoid(margin), penalty
    scale = beta if placement == "inside_beta" else 1.0
    return -logsigmoid(margin - scale * penalty), penalty
