"""What every use of LightGBM here has in common: the same rows give the same bytes, and later rows say when to stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from popcast.core.errors import bad_input
from popcast.core.pretrained.saved_files import putting_together, read_bytes
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
    """The ensemble in a text file of LightGBM. BadInput: broken.

    LightGBM ends the whole process over a file that is cut, so its parts are measured before: the header says how many
    bytes each tree has, and a whole file has an end of trees and an end of parameters.
    """
    import lightgbm

    with putting_together(file):
        content = read_bytes(file)
        header, _, _ = content.partition(b"\n\n")
        sizes = next((line for line in header.splitlines() if line.startswith(b"tree_sizes=")), b"tree_sizes=")
        first, end = content.find(b"Tree=0\n"), content.find(b"end of trees\n")
        trees = sum(map(int, sizes.removeprefix(b"tree_sizes=").split()))
        if (
            not content.startswith(b"tree\n")
            or first < 0
            or first + trees != end
            or b"end of parameters" not in content
        ):
            raise bad_input("not a whole file of LightGBM", file=file)
        return lightgbm.Booster(model_file=str(file))
