"""Sections ``evaluation`` and ``adversarial`` of params.yaml: what the report says about every row, and about drift."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from popcast.core.section import Key, Line, Name, Section, Watched


class Adversarial(Section):
    """One stage ``adversarial@<dataset>``. See popcast.scoring.adversarial."""

    features: Watched = Field(description="what DVC watches, below data/features: a dataset or one of its tables")
    blocks: list[Key] = Field(min_length=1, description="feature blocks that the classifier gets")
    embeddings: list[Line] = Field([], description="embedding columns that it gets too")
    against: Literal["test", "unlabelled"] = "test"
    drop: list[Line] = Field([], description="columns (or patterns) left out for good, such as those of time")
    steps: int = Field(3, ge=0, description="how often the strongest columns are left out after that")
    step_size: int = Field(3, ge=1, description="columns left out per step")
    folds: int = Field(5, ge=2)
    rounds: int = Field(200, ge=1, description="trees")
    learning_rate: float = Field(0.05, gt=0, le=1)
    depth: int = Field(5, ge=1, le=12)
    clip: float = Field(0.01, gt=0, lt=0.5, description="weights: probabilities nearer to 0 or 1 count as this")


class Evaluation(Section):
    bootstrap: int = Field(1000, ge=0, description="resamples of authors; 0 leaves intervals out")
    confidence: float = Field(0.95, gt=0, lt=1)
    baselines: list[Name] = Field(["median", "author_mean", "history_ridge"])
    metric_mode: Literal["full", "batch256"] = Field(
        "full", description="batch256: mean over consecutive batches of 256 posts, as MMRA's code reports it"
    )


class ScoredRun(Section):
    """What the scorer must know of a run whose predictions it reads."""

    name: Name
    suite: Name | None = None
    posthoc: bool = Field(description="its predictor got what was measured after posting")
    test_fit: str
    pseudo_labels: str
    simulated: bool = Field(description="it got blocks of a simulated audience")
