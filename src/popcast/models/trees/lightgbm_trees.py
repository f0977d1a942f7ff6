"""What every use of LightGBM here has in common: the same rows give the same bytes, and later rows say when to stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from popcast.core.pretrained.saved_files import putting_together
from popcast.models.contract.stopping import threads

if TYPE_CHECKING:
    import lightgbm


def same_bytes(seed: int) -> dict[str, Any]:
    """Settings of a quiet fit that repeats: deterministic mode, a fixed seed and number of threads."""
    return {
        "seed": seed % 2**31,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads(),
        "verbosity": -1,
    }


def stopped(
    settings: dict[str, Any], learn: lightgbm.Dataset, watch: lightgbm.Dataset, rounds: int, patience: int
) -> tuple[lightgbm.Booster, int]:
    """An ensemble, and how many of its trees (at least 1) do best on ``watch``.

    rounds: trees at most. patience: trees without gain on ``watch`` before boosting ends.
    """
    import lightgbm

    stop = lightgbm.early_stopping(patience, verbose=False)
    booster = lightgbm.train(settings, learn, rounds, valid_sets=[watch], callbacks=[stop])
    return booster, max(booster.best_iteration, 1)


def kept_booster(file: Path) -> lightgbm.Booster:
    """The ensemble in a text file of LightGBM. BadInput: broken."""
    import lightgbm

    with putting_together(file):
        return lightgbm.Booster(model_file=str(file))
