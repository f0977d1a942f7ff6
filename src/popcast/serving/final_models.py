"""The model of each member that forecasts: the one that learned every labelled post.

The pipeline fits it where there are posts without a label. Where there are none, only the members that the blend weighs
need it, and only here: the stages that train stay as quick as they are, and what they made is not made again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from popcast.core.safety.whole_files import copy_whole
from popcast.core.scratch import Pieces
from popcast.models.contract.fitting import Design, fit_run
from popcast.models.params import PlannedRun

NO_FOLD = sys.maxsize
"""As ``cross_fit_from``: no training post is predicted out-of-fold, for that was done."""


def forecasting_model(
    run: PlannedRun, saved: Path, design: Callable[[], Design], seed: int, final_fit: str, work: Path
) -> Path:
    """Folder of the model of ``run`` that forecasts new posts.

    saved: folder of the run's models. work: a folder that outlives a kill; finished models are found there again.
    """
    if (saved / "final").is_dir():
        return saved / "final"
    if final_fit != "labelled":
        return saved / "evaluation"
    if not (work / "final").is_dir():
        for name in ("evaluation", "test"):
            if (saved / name).is_dir() and not (work / name).is_dir():
                copy_whole(saved / name, work / name)
        alone = run.model_copy(update={"cross_fit_from": NO_FOLD})
        fit_run(alone, design(), seed, final_fit, Pieces(work), always_final=True)
    return work / "final" if (work / "final").is_dir() else saved / "evaluation"
