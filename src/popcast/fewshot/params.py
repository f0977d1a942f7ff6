"""Sections of params.yaml for the language model: tasks (who is asked about what) and llms (who answers).

``llm`` holds the shared numbers of prompts, tuning, decoding, preferences and alignment; each part is validated by the
module that owns it (such as ``popcast.lm.tuning.Params``), overlaid with the ``set`` of a run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from popcast.chat.params import ChatSettings
from popcast.core.named import kind_of_block
from popcast.core.pretrained.packages.package_origin import said_of_weights
from popcast.core.section import Key, Line, Model, Name, Revision, Section

TEMPLATES = ("smpd", "tpic2017", "microlens", "table")
PARTS = ("prompts", "sft", "decoding", "preferences", "align")
"""Sections below ``llm``: one per stage that reads it."""

Shots = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]


class Rival(Section):
    """Another language model that is asked the same questions in context: nothing of it is tuned."""

    model: Model | None = Field(None, description="hub id or local folder")
    revision: Revision | None = Field(None, description="commit or tag of the hub's repository")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    server: ChatSettings | None = Field(None, description="a chat server instead of a model that is loaded here")

    @model_validator(mode="after")
    def one(self) -> Rival:
        if (self.model is None) == (self.server is None):
            raise ValueError("expected exactly one of 'model' and 'server'")
        return self

    @property
    def said(self) -> str:
        """What tables say of it."""
        if self.server is not None:
            return f"{self.server.model} on a server, in context"
        weights = said_of_weights(Path(self.model))
        return f"{self.model}, in context" + (f" ({weights})" if weights else "")


class Task(Section):
    """One few-shot task: which authors, which of their posts, who is asked about what (multismpllm.md 3 and 4)."""

    dataset: Key
    source: Key = Field(description="key in llms: whose language model answers; a coldstart task names itself")
    track: Literal["coldstart", "zeroshot"]
    template: Literal["smpd", "tpic2017", "microlens", "table"]
    fields: list[Line] | None = Field(None, description="columns of posts that a prompt shows; null: the template's")
    caption: Line | None = Field(None, description="column of posts that describes the image in words")
    users: int | None = Field(200, ge=1, description="authors per draw; null: all that have enough posts (zeroshot)")
    newest: int = Field(5, ge=2, description="newest posts kept of each drawn author; those with fewer are not drawn")
    extra: int = Field(2, ge=0, le=3, description="further test draws of the same size")
    shots: Shots = Field([1, 2, 3])
    question: Literal["earliest", "previous"] = Field(
        "earliest", description="training question: the first post after the shots, or the one before the newest"
    )
    systems: list[Name] | None = Field(None, description="which systems of the source answer; null: all, and the base")
    rivals: dict[Name, Rival] = Field({}, description="other language models that answer too, untuned")
    many_shot: list[Annotated[float, Field(gt=0, le=0.5)]] = Field(
        [], description="shares of the labelled posts that train the many-shot rows"
    )

    @model_validator(mode="after")
    def possible(self) -> Task:
        if max(self.shots) + (2 if self.track == "coldstart" else 1) > self.newest:
            raise ValueError(f"newest: {self.newest} posts are too few for {max(self.shots)} shots")
        if self.track == "coldstart" and self.users is None:
            raise ValueError("users: a coldstart task needs a number of authors per draw")
        return self


class SftRun(Section):
    """One system tuned on records: a checkpoint per number of shots."""

    shots: Shots = Field([1, 2, 3])
    records: str = Field("fewshot", pattern=r"^(fewshot|many_\d\d)$", description="which training records")
    set: dict[str, Any] = Field({}, description="overrides of llm.sft")


class AlignRun(Section):
    """One system aligned on preference pairs: a checkpoint per number of shots."""

    start: Name = Field(description="name of the sft run that it starts from, or base: the untuned model")
    shots: Shots = Field([1, 2, 3])
    set: dict[str, Any] = Field({}, description="overrides of llm.align")


class PreferenceRun(Section):
    """Whose answers become preference pairs."""

    start: Name = Field("lora", description="name of the sft run that is sampled")
    shots: Shots = Field([1, 2, 3])
    set: dict[str, Any] = Field({}, description="overrides of llm.preferences")


class Llm(Section):
    """One language model of the pipeline with everything made from it. The key is that of a coldstart task."""

    scores: tuple[float, float] = Field(description="smallest and largest score that counts as an answer, both in")
    base: dict[str, Any] = Field(description="see popcast.lm.backbone")
    sft: dict[Name, SftRun] = Field(min_length=1)
    preferences: PreferenceRun = Field(PreferenceRun())
    align: dict[Name, AlignRun] = Field({})

    @field_validator("scores")
    @classmethod
    def in_order(cls, scores: tuple[float, float]) -> tuple[float, float]:
        low, high = scores
        if not 0 <= low < high < 1000 or low != round(low, 2) or high != round(high, 2):
            raise ValueError("expected 0 <= smallest < largest < 1000 with at most two decimals")
        return scores

    @model_validator(mode="after")
    def connected(self) -> Llm:
        for where, run in [("preferences", self.preferences)] + [(f"align.{n}", r) for n, r in self.align.items()]:
            if run.start == "base" and where != "preferences":
                continue
            if run.start not in self.sft:
                raise ValueError(f"{where}.start: no sft run is called {run.start!r}")
            missing = set(run.shots) - set(self.sft[run.start].shots)
            if missing:
                raise ValueError(f"{where}.shots: {run.start!r} is not tuned for {min(missing)} shots")
        for name, run in self.align.items():
            if set(run.shots) - set(self.preferences.shots):
                raise ValueError(f"align.{name}.shots: there are no preference pairs for all of them")
        if taken := set(self.sft) & set(self.align) | ({"base"} & (set(self.sft) | set(self.align))):
            raise ValueError(f"align: the name {min(taken)!r} is taken")
        return self


LABEL_BLOCKS = ("history", "neighbours", "knn_values")
"""Feature blocks that may show a post the labels of others: more than the prompt of a few-shot task does."""


class FeatureRow(Section):
    """One row of the few-shot tables that no language model answers: a reference, or a predictor on the same posts."""

    model: Literal["median", "history_mean", "last_score", "history_ridge", "hyfea", "cr", "lightgbm"]
    blocks: list[Key] = Field([], description="feature blocks of the post asked about, beside its shown history")
    records: str = Field("fewshot", pattern=r"^(fewshot|many_\d\d)$", description="which training records")
    zero_fill: bool = Field(False, description="a missing feature becomes 0, as in the paper, instead of null")
    other_names: dict[Line, Line] = Field({}, description="column -> what a dataset without that column calls it")
    set: dict[str, Any] = Field({}, description="settings of hyfea, cr or lightgbm")

    @model_validator(mode="after")
    def fair(self) -> FeatureRow:
        for block in self.blocks:
            if kind_of_block(block) in LABEL_BLOCKS:
                raise ValueError(f"blocks: {block!r} looks up labels that the prompt does not show")
            if block == "profile":
                raise ValueError("blocks: 'profile' was measured after posting")
        if self.model in ("median", "history_mean", "last_score", "history_ridge") and (self.blocks or self.set):
            raise ValueError(f"{self.model} takes neither blocks nor set")
        return self


def check_tasks(tasks: dict[str, Task], llms: dict[str, Llm], datasets: set[str], rows: dict[str, FeatureRow]) -> None:
    """Raise ValueError, naming the key, where tasks, llms, datasets and feature rows do not fit together."""
    for key, task in tasks.items():
        if key != task.dataset or key not in datasets:
            raise ValueError(f"tasks.{key}: key must be that of a declared dataset, and its dataset the same")
        if task.source not in llms:
            raise ValueError(f"tasks.{key}.source: no llms.{task.source}")
        known = {"base", *llms[task.source].sft, *llms[task.source].align}
        if unknown := set(task.systems or []) - known:
            raise ValueError(f"tasks.{key}.systems: llms.{task.source} has no {min(unknown)!r}")
        if taken := set(task.rivals) & (known | set(rows)):
            raise ValueError(f"tasks.{key}.rivals: the name {min(taken)!r} is taken by another system")
        if (task.track == "coldstart") != (task.source == key):
            raise ValueError(f"tasks.{key}.source: a coldstart task names itself, a zeroshot task another one")
    for key, llm in llms.items():
        if taken := set(rows) & ({"base"} | set(llm.sft) | set(llm.align)):
            raise ValueError(f"feature_rows.{min(taken)}: the name is taken by a system of llms.{key}")
        if key not in tasks or tasks[key].track != "coldstart":
            raise ValueError(f"llms.{key}: key must be that of a coldstart task")
        known = {"fewshot"} | {many_name(share) for share in tasks[key].many_shot}
        for name, run in llm.sft.items():
            if run.records not in known:
                raise ValueError(f"llms.{key}.sft.{name}.records: got {run.records!r}, expected one of {sorted(known)}")
            if run.records == "fewshot" and set(run.shots) - set(tasks[key].shots):
                raise ValueError(f"llms.{key}.sft.{name}.shots: tasks.{key} has no records for all of them")


def many_name(share: float) -> str:
    """Name of the training records of a many-shot share.

    >>> many_name(0.05)
    'many_05'
    """
    return f"many_{round(share * 100):02d}"
