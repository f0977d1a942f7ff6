"""Sections of params.yaml that describe responses: ``responses``, ``response`` and ``reaction_shares``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from popcast.core import paths
from popcast.core.section import Key, Line, Name, Place, Section, Variable
from popcast.response.response_tables import SENTIMENTS

PARTS = (
    "cleaning", "retrieval", "portraits", "sentiment", "prompts", "base", "train", "systems", "decoding", "judging",
)  # fmt: skip
"""Parts of the section ``response``: what all sets of responses share."""

NO_AUDIENCE = "requirements.txt"
"""A file of the project in the place of the folder of a simulation: DVC watches some path in any case."""


class ResponseSet(Section):
    """``responses.<key>``: one raw folder of responses and how it is read and divided."""

    kind: Literal["collector", "ced"] = Field(description="collector: formats A to E; ced: the ced-weibo files")
    raw: Place
    generated: bool = Field(False, description="the raw folder is invented: said in every table")
    learned: int | None = Field(None, ge=1, description="training cases at most, drawn by seed; null: all")
    asked: int | None = Field(None, ge=1, description="cases of valid, and of test, at most, drawn by seed; null: all")
    samples: int = Field(1, ge=1, le=100, description="texts written per case and system")
    submit: Name = Field("pac", description="system whose texts are the predictions of withheld responses")
    zone: Literal["Asia/Shanghai", "UTC"] = "Asia/Shanghai"
    salt_variable: Variable | None = Field(
        "POPCAST_SALT", description="environment variable with the salt of pseudonyms; null: generated data only"
    )
    aliases: bool = Field(True, description="stable aliases in place of screen names")
    max_reject_share: float = Field(0.05, ge=0, le=1)
    shares: tuple[float, float, float] = Field(
        (0.7, 0.15, 0.15), description="of topics: train, valid, test; by time where topics have one, else by seed"
    )
    set: dict[Name, dict[Name, Any]] = Field({}, description="parts of the section response, laid over it for this set")

    @model_validator(mode="after")
    def possible(self) -> ResponseSet:
        if abs(sum(self.shares) - 1) > 1e-9 or min(self.shares) <= 0:
            raise ValueError(f"shares: expected three shares above 0 that sum to 1, got {self.shares}")
        if unknown := set(self.set) - set(PARTS):
            raise ValueError(f"set.{min(unknown)}: unknown part, expected one of {', '.join(PARTS)}")
        return self


class System(Section):
    """``response.systems.<name>``: a model that writes responses."""

    method: Literal["base", "pac", "lora"] = Field(description="base: untuned; pac: PAC-LoRA; lora: plain LoRA")
    variant: Literal["full", "without_portrait", "without_history"] = "full"
    set: dict[str, Any] = Field({}, description="overrides response.train")


class ShareRun(Section):
    """``reaction_shares.<key>``: shares of reactions of one set of posts or topics."""

    of: Literal["posts", "topics"] = Field(description="posts: of a dataset; topics: of a set of responses")
    dataset: Key = Field(description="a dataset, or a set of responses")
    posts: Place = Field(description="what DVC watches: data/posts/<dataset>.parquet, or topics.parquet of the set")
    splits: Place = Field(description="data/splits/<dataset>.parquet, or counts.parquet of the set")
    watch: Place = Field(description="data/features/<dataset>, or data/responses/<key>")
    file: Name = Field("reaction_shares", description="name of the table below data/predictions/<dataset>")
    classes: list[Line] = Field(
        list(SENTIMENTS), min_length=2, description="posts: names of posthoc_ columns without their prefix"
    )
    blocks: list[Name] = Field([], description="posts: feature blocks of the dataset")
    audience: Place = Field(description="data/simulation/<dataset>, one more reference row; requirements.txt: none")
    bands: dict[Line, tuple[int, int]] | None = Field(
        None, description="class -> scores of interest of the audience, lowest and highest; null: of sentiments"
    )
    set: dict[str, Any] = Field({}, description="overrides share_model")

    def simulation(self) -> Path | None:
        """Folder of the simulated audience that is one more reference row, if any."""
        return None if self.audience == NO_AUDIENCE else Path(self.audience)

    def places(self) -> dict[str, str]:
        """What ``posts``, ``splits`` and ``watch`` must say, and ``audience`` if there is one."""
        if self.of == "posts":
            found = (paths.posts(self.dataset), paths.splits(self.dataset), paths.features(self.dataset))
        else:
            found = (paths.responses(self.dataset, "topics"), paths.responses(self.dataset, "counts"))
            found += (paths.responses(self.dataset),)
        if self.audience != NO_AUDIENCE:
            found += (paths.simulation(self.dataset),)
        names = ("posts", "splits", "watch", "audience")
        return dict(zip(names, (path.as_posix() for path in found), strict=False))
