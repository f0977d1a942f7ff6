"""Sections ``runs``, ``suites`` and ``llm_runs`` of params.yaml: which predictor gets which blocks of which dataset."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from popcast.core.section import Key, Name, Section, Watched

Loss = Literal["rmse", "mae", "huber", "mape"]


class RunSettings(Section):
    """What one run does: a predictor with its blocks. A member of a suite is written like this."""

    model: Key = Field(description="file in src/popcast/models and section in models")
    blocks: list[Key] = Field(description="feature blocks that the predictor gets")
    allow_posthoc: bool | None = Field(None, description="null: as features.allow_posthoc says")
    test_fit: Literal["train", "train+valid", "stop_on_valid"] = Field(
        "train",
        description="what the model that predicts test learns from; train+valid is named in every report. "
        "stop_on_valid: a network learns train, stops on valid and predicts both, as published; never in the blend",
    )
    cross_fit_from: int = Field(0, ge=0, description="first fold with out-of-fold predictions; later ones save time")
    pseudo_labels: Literal["none", "predicted"] = Field(
        "none", description="predicted: a model is fitted again with the posts that it predicts as training rows"
    )
    set: dict[str, Any] = Field({}, description="overrides of the model's section for this dataset")


class ModelRun(RunSettings):
    """One row of the leaderboard. Several runs may share one model with other settings.

    In ``runs`` it is one stage ``train@<dataset>-<name>``; a suite makes its members into such runs.
    """

    dataset: Key
    name: Name = Field(description="name of the row in every table and report")
    features: Watched = Field(description="what DVC watches, below data/features: a dataset or one of its tables")
    suite: Name | None = Field(None, description="filled in by the suite that the run is a member of")
    base: Key | None = Field(None, description="llm_runs: key in llms whose base model it tunes")


class PlannedRun(Section):
    """A run as the stage that fits it gets it: ``params`` are the predictor's settings, complete."""

    dataset: Key
    name: Name
    suite: Name | None = None
    base: Key | None = None
    model: Key
    blocks: list[Key]
    allow_posthoc: bool
    test_fit: Literal["train", "train+valid", "stop_on_valid"] = "train"
    cross_fit_from: int = 0
    pseudo_labels: Literal["none", "predicted"] = "none"
    params: dict[str, Any]
    inner: list[Key] = Field([], description="predictors that this one is made of, found by name as well")


class Suite(Section):
    """One stage ``suite@<dataset>-<suite>``: several runs, one after the other. ``runs``: name -> settings."""

    dataset: Key
    suite: Name
    features: Watched = Field(description="what DVC watches, below data/features: a dataset or one of its tables")
    runs: dict[Name, RunSettings] = Field(min_length=1)

    def members(self) -> list[ModelRun]:
        """Its runs in the order of params.yaml."""
        common = {"dataset": self.dataset, "features": self.features, "suite": self.suite}
        return [ModelRun(name=name, **common, **settings.model_dump()) for name, settings in self.runs.items()]


def runs_of(runs: dict[str, ModelRun], suites: dict[str, Suite], dataset: str) -> list[ModelRun]:
    """Every run of a dataset: first those of ``runs``, then the members of ``suites``, in the order of params.yaml.

    runs: those of ``runs`` and of ``llm_runs`` (their keys differ: rows have one name per dataset).
    """
    single = [run for run in runs.values() if run.dataset == dataset]
    return single + [run for suite in suites.values() if suite.dataset == dataset for run in suite.members()]
