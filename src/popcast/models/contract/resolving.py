"""From a run of params.yaml to one whose settings are complete: what the stage that fits it is told."""

from __future__ import annotations

from typing import Any

from popcast.core import paths
from popcast.core.errors import BadInput
from popcast.core.named import predictor_module
from popcast.core.params import merged
from popcast.core.section import Section
from popcast.datasets.params import Metric
from popcast.models.params import ModelRun, PlannedRun

SCORED = ("hyfea", "lightgbm")
"""Predictors whose setting ``text`` means text scores; elsewhere it names a column."""
MADE_OF_ANOTHER = ("on_top", "normed_label")
"""Predictors whose setting ``model`` names another one."""
LOSS_OF_METRIC = {"mae": "mae", "rmse": "rmse", "nmse": "rmse", "mape": "mape"}


def resolved(run: ModelRun, section: dict[str, Any], metric: Metric, allow_posthoc: bool) -> PlannedRun:
    """``run`` with the settings of its predictor, complete and checked.

    section: ``models.<model>`` of params.yaml. ``loss: metric`` stands for the loss of the dataset's metric. A run on
    a language model gets the folder of its base model as the setting ``base``.
    """
    kind = predictor_module(run.model).Params
    values = {**section, **run.set}
    if run.base is not None:
        values["base"] = str(paths.base_model(run.base))
    if values.get("loss") == "metric":
        values["loss"] = LOSS_OF_METRIC[metric]
    params = merged(kind, values, {}, f"models.{run.model}")
    if run.test_fit == "stop_on_valid":
        only_stops = getattr(params, "early_stopping", False) and not getattr(params, "refit", False)
        if not only_stops or run.pseudo_labels != "none":
            raise BadInput(
                f"params.yaml: {run.dataset}/{run.name}: test_fit stop_on_valid is for networks with early_stopping "
                "and without refit or pseudo_labels: others would learn the valid part that they predict"
            )
        if reads := learned_from_window(run.model, params):
            raise BadInput(
                f"params.yaml: {run.dataset}/{run.name}: test_fit stop_on_valid with {reads}: labels of the valid part "
                "would be learned, expected a setting with which it only says when to stop"
            )
    kept = run.model_dump(exclude={"set", "features", "allow_posthoc"})
    allowed = allow_posthoc if run.allow_posthoc is None else run.allow_posthoc
    inner = [params.model] if run.model in MADE_OF_ANOTHER else []
    return PlannedRun(**kept, allow_posthoc=allowed, params=params.model_dump(mode="json"), inner=inner)


def learned_from_window(model: str, params: Section) -> str | None:
    """The setting by which a predictor takes more from its stopping window than when to stop; None: it does not.

    ``bank: ref`` of MMRA is not among them: there valid labels are inputs while it learns, as published.
    """
    if model in SCORED and params.text is not None:
        return "text (scores are learned from every row)"
    if getattr(params, "bank", None) == "train+valid":
        return "bank: train+valid (test posts find valid ones, posts learned from do not)"
    return "model: cr (it weighs its halves there)" if model == "cr" else None
