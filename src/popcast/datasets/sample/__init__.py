"""Generated raw folders in the layouts of SMPD, TPIC2017, MicroLens, NUS and Weibo, for a pipeline that runs offline.

All posts are invented. The statistics follow what the sheets measured on the real files; no statistic of a generated
dataset may be presented as one of the real dataset. Each generator is a file here with
``write(params, seed, dataset, raw) -> {post_id: popularity}`` of the posts whose labels are withheld.

Comes in: sizes and a seed. Goes out: a raw folder, and a csv of the withheld labels.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from popcast.core.errors import bad_input
from popcast.core.params import parse
from popcast.core.safety.whole_files import whole_folder, write_whole
from popcast.core.section import Section


class Smpd(Section):
    kind: Literal["smpd"] = "smpd"
    posts: int = Field(8000, ge=50, description="posts with a label, 2015-03-01 .. 2016-02-29 in UTC+8")
    users: int = Field(1500, ge=10)
    unlabelled: int = Field(2000, ge=0, description="later posts, labels withheld")
    generation: Literal["A", "B"] = Field("B", description="which generation of the official files")
    media: bool = Field(True, description="write the images; the lists of their paths are always there")
    image_size: int = Field(64, ge=16, le=500, description="pixels of the longest side")


class Tpic2017(Section):
    kind: Literal["tpic2017"] = "tpic2017"
    posts: int = Field(3000, ge=50)
    users: int = Field(300, ge=5)
    naming: Literal["readme", "zip"] = Field("readme", description="file names of the README or inside the archives")


class Microlens(Section):
    kind: Literal["microlens"] = "microlens"
    videos: int = Field(1200, ge=50)
    layout: Literal["100k", "50k"] = "100k"
    labels: Literal["pairs", "comments", "csv"] = Field("pairs", description="file that carries the comment counts")
    media: bool = Field(True, description="write covers and videos")
    image_size: int = Field(64, ge=32, le=500, description="pixels of the longest side of a cover; videos 64 x 64")
    frames: int = Field(12, ge=4, le=120, description="mean frames of a video, at 12 per second")
    array_width: int = Field(0, ge=0, le=2048, description="columns of extracted_modality_features; 0: no such files")

    @model_validator(mode="after")
    def labels_of_layout(self) -> Microlens:
        if self.layout == "50k" and self.labels == "csv":
            raise ValueError("labels 'csv' belongs to layout '100k'")
        return self


class Nus(Section):
    kind: Literal["nus"] = "nus"
    videos: int = Field(600, ge=50)
    users: int = Field(80, ge=5)
    media: bool = Field(True, description="write the videos, 64 x 64 pixels")
    frames: int = Field(12, ge=4, le=120, description="mean frames of a video, at 12 per second")


class Weibo(Section):
    kind: Literal["weibo"] = "weibo"
    topics: int = Field(6, ge=3, le=144, description="events; every two have different hashtags")
    ai_topics: int = Field(2, ge=0, description="of these, the latest come as AI-search JSON, the others as csv")
    users: int = Field(30, ge=4, le=2000, description="who answer one topic, drawn from twice as many")
    history_low: int = Field(15, ge=11, description="earlier posts of a user at least")
    history_high: int = Field(40, ge=11, le=1000)

    @model_validator(mode="after")
    def possible(self) -> Weibo:
        if self.ai_topics > self.topics or self.history_low > self.history_high:
            raise ValueError("expected ai_topics <= topics and history_low <= history_high")
        return self


KINDS: dict[str, type[Section]] = {
    "smpd": Smpd,
    "tpic2017": Tpic2017,
    "microlens": Microlens,
    "nus": Nus,
    "weibo": Weibo,
}


def settings(dataset: str, values: dict[str, Any]) -> Section:
    """Section ``sample.<dataset>`` validated; its ``kind`` defaults to the dataset's own name."""
    kind = values.get("kind", dataset)
    if not isinstance(kind, str) or kind not in KINDS:
        raise bad_input(
            "no generator", file="params.yaml", field=f"sample.{dataset}.kind", value=kind, expected=" | ".join(KINDS)
        )
    return parse(KINDS[kind], values, f"sample.{dataset}")


def generate(dataset: str, values: dict[str, Any], seed: int, raw: Path, hidden: Path) -> None:
    """Write the raw folder of ``dataset`` and the csv of withheld labels; an existing folder is replaced as a whole.

    values: section ``sample.<dataset>``. hidden: csv ``post_id,popularity``, header only where nothing is withheld.
    Same values and seed: same bytes.
    """
    section = settings(dataset, values)
    module = importlib.import_module(f"popcast.datasets.sample.generate_{section.kind}")
    with whole_folder(raw) as part:
        withheld = module.write(section, seed, dataset, part)
    rows = [f"{post_id},{label:.2f}\n" for post_id, label in withheld.items()]
    write_whole(("post_id,popularity\n" + "".join(rows)).encode(), hidden)
