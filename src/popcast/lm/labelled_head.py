"""The head of a language model in training: only tokens with a label get logits, on a processor as on a GPU.

TRL's fused head leaves prompt tokens out where its Triton kernels run. Elsewhere it scores every token and throws the
prompt's away: with 49,000 words and answers of six tokens behind prompts of 270, two thirds of a step. The loss is the
same, for the tokens left out count nothing in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

CHOICE = "_use_triton"
"""What ``trl.trainer.utils`` asks before it leaves tokens out. The kernels ask a name of their own."""


@contextmanager
def labelled_alone() -> Iterator[None]:
    """Trainers of TRL score labelled tokens alone inside. A TRL without that choice does as it likes."""
    from trl.trainer import utils

    before = getattr(utils, CHOICE, None)
    if before is None:
        yield
        return
    setattr(utils, CHOICE, lambda device: True)
    try:
        yield
    finally:
        setattr(utils, CHOICE, before)
