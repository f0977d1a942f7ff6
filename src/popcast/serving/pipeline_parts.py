"""What the stage ``bundle`` finds of a dataset: posts, scores, and the members that can forecast a post of tomorrow.

A member that looks at a simulated audience, or that is an adapter of a language model of the project, says nothing
about a post that was not simulated, or away from the project. It is left out; where it had a weight, the blend of the
others is fitted and scored anew, so that weights, interval and figures are those of what is in the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from popcast.blend import blending
from popcast.blend.blending import Blend
from popcast.blend.params import Blend as BlendSection
from popcast.core import paths, tables
from popcast.core.errors import bad_input
from popcast.models.params import PlannedRun
from popcast.scoring import evaluation
from popcast.scoring.interval_scoring import OneWidth
from popcast.scoring.params import Evaluation, ScoredRun
from popcast.serving.bundle_writing import weighted
from popcast.simulation.params import MEAN_FIELD, SIMULATION

SIMULATED = "it looks at a simulated audience, and a new post was shown to none"
ADAPTER = "it is an adapter of a language model that stays in the project"


def why_left_out(run: PlannedRun) -> str | None:
    """Why a member cannot forecast new posts; None: it can."""
    if {SIMULATION, MEAN_FIELD} & set(run.blocks):
        return SIMULATED
    return ADAPTER if run.base is not None else None


def scores_of(dataset: str) -> dict[str, dict[str, Any]]:
    """Model -> flat metrics, as the stage ``evaluate`` wrote them."""
    return {file.stem: orjson.loads(file.read_bytes()) for file in sorted(paths.metrics(dataset).glob("*.json"))}


def without(
    names: Mapping[str, str],
    posts: pl.DataFrame,
    runs: dict[str, PlannedRun],
    fitted: Blend,
    scores: dict[str, dict[str, Any]],
    scored: dict[str, ScoredRun],
    section: BlendSection,
    how: Evaluation,
    told: Mapping[str, Any],
) -> tuple[Blend, dict[str, dict[str, Any]]]:
    """The blend and all scores without the members ``names``: as they are where none of these has a weight.

    posts: joined with ``split`` and ``fold``. told: ``metric``, ``zone``, ``seed``, ``allow_posthoc``, ``final_fit``,
    ``generated``, ``rule_audience`` and ``width_blocks`` of the dataset. Raises BadInput where no member is left.
    """
    if not set(names) & set(weighted(fitted)):
        return fitted, scores
    kept = [name for name in fitted.members if name not in names]
    if not kept:
        why = next(iter(names.values()))
        raise bad_input(f"no member of the blend can forecast a new post: {why}", expected="a run of another kind")
    dataset = runs[kept[0]].dataset
    files = {name: paths.predictions(dataset, name, runs[name].suite) for name in kept}
    predictions = {name: tables.read(file, tables.PREDICTIONS) for name, file in files.items()}
    features = {block: tables.read_features(paths.features(dataset, block)) for block in told["width_blocks"]}
    blended, anew = blending.blend(
        posts, predictions, section, told["metric"], told["allow_posthoc"], told["final_fit"], features, told["seed"]
    )
    rows, kinds = evaluation.scored_posts(posts, told["zone"]), {name: scored[name] for name in kept}
    singles = evaluation.singles_of(kinds, told["allow_posthoc"])
    blended = tables.as_written(blended, Path("blend"), tables.PREDICTIONS)
    found = evaluation.evaluate(rows, predictions | {"blend": blended}, told["metric"], how, told["seed"], singles,
                                OneWidth(anew.nominal, anew.half_width))  # fmt: skip
    facts = [evaluation.facts_beside(paths.model(dataset, name, runs[name].suite)) for name in kept]
    flags = evaluation.flags(list(kinds.values()), told["generated"], told["rule_audience"], facts)
    return anew, scores | {"blend": evaluation.rounded(found["blend"] | flags)}
