"""From a finished pipeline to a bundle: what forecasting new posts needs, and nothing else.

The stage ``bundle`` and the library write bundles with it, each from where its parts lie.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from popcast.blend.blending import Blend
from popcast.blend.count_scale import transform_of
from popcast.core import tables
from popcast.core.safety.whole_files import write_whole
from popcast.datasets.params import Dataset
from popcast.models.params import PlannedRun
from popcast.serving import bundle, known_posts
from popcast.serving.bundle import BundledBlock, Contents, Member
from popcast.serving.bundle_card import card
from popcast.serving.tracking.post_inputs import write_inputs

LIBRARIES = ("polars", "numpy", "scikit-learn", "catboost", "lightgbm", "torch")
"""Whose versions a bundle names."""

FLAGS = {
    "flags.generated": "The posts are generated.",
    "flags.posthoc": "Some members were given what was measured after posting.",
    "flags.learned_valid": "Some members learned the valid part too before they predicted the test part.",
    "flags.pseudo_labels": "Some members learned from labels that they had predicted.",
    "flags.simulated": "Some members saw a simulated audience.",
    "flags.stand_in": "Some members work with a stand-in for a language model.",
    "flags.weights": "Some members work with a language model of dequantised weights.",
}


@dataclass(frozen=True)
class Parts:
    """What a bundle is put together from.

    name, dataset: of the posts. names: of the columns of their file. seed: of all that is random. posts: joined with
    ``split`` and ``fold``. blocks: settings of each feature block, in the order of making. runs: of the members.
    block_folder: block -> where it was saved. model_folder: member -> where the model lies that forecasts. left_out:
    members that cannot say anything about a new post -> why; ``blend`` has none of them.
    """

    name: str
    dataset: Dataset
    names: list[str]
    seed: int
    final_fit: str
    allow_posthoc: bool
    posts: pl.DataFrame
    blocks: list[dict[str, Any]]
    runs: dict[str, PlannedRun]
    blend: Blend
    scores: dict[str, dict]
    block_folder: Callable[[str], Path]
    model_folder: Callable[[str], Path]
    left_out: dict[str, str] = field(default_factory=dict)


def write_bundle(folder: Path, parts: Parts) -> None:
    """Fill the empty ``folder``."""
    weights = weighted(parts.blend)
    contents = Contents(
        popcast=_version("popcast") or "0",
        dataset=parts.name,
        seed=parts.seed,
        zone=parts.dataset.zone,
        final_fit=parts.final_fit,
        metric=parts.dataset.metric,
        transform=transform_of(parts.dataset),
        snapshot=parts.dataset.snapshot,
        allow_posthoc=parts.allow_posthoc,
        columns=bundle.kinds_of(parts.posts.drop("split", "fold")),
        table=parts.dataset.table,
        names=parts.names,
        blocks=[block_told(settings) for settings in _needed(parts, weights)],
        members={name: _member(parts.runs[name], weight) for name, weight in weights.items()},
        facts=_facts(parts),
        versions={name: version for name in LIBRARIES if (version := _version(name))},
    )
    for one in contents.blocks:
        shutil.copytree(parts.block_folder(one.block), folder / bundle.BLOCKS / one.block)
    for name in contents.members:
        shutil.copytree(parts.model_folder(name), folder / bundle.MEMBERS / name)
    parts.blend.save(folder)
    known = known_posts.known_posts(parts.posts)
    known.write_parquet(folder / bundle.KNOWN, compression="zstd", statistics=False)
    learned = parts.posts.filter(split="train") if parts.final_fit == "train" else labelled(parts.posts)
    write_inputs(folder, learned, parts.dataset.zone)
    tables.write_json(parts.scores, folder / bundle.SCORES)
    write_whole(card(contents, parts.scores).encode(), folder / bundle.CARD)
    contents.write(folder)


def weighted(blend: Blend) -> dict[str, float]:
    """Weight in the blend of all posts of each member that has any weight anywhere, the heaviest first."""
    found = {}
    for place, name in enumerate(blend.members):
        if any(weights[place] != 0 for weights in blend.weights.values()):
            found[name] = blend.weights["all"][place]
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def _needed(parts: Parts, members: dict[str, float]) -> list[dict[str, Any]]:
    """Settings of the blocks that members use, and of those that these are made of, in the order of making."""
    named = {block for name in members for block in parts.runs[name].blocks}
    named |= set(parts.blend.width_blocks)
    for settings in reversed(parts.blocks):
        if settings["block"] in named and settings.get("of"):
            named.add(settings["of"])
    return [settings for settings in parts.blocks if settings["block"] in named]


def block_told(settings: dict[str, Any]) -> BundledBlock:
    """What a bundle says of a block. settings: those of its stage."""
    told = {name: settings[name] for name in ("zone", "final_fit") if name in settings}
    return BundledBlock(block=settings["block"], of=settings.get("of"), media="raw" in settings, told=told)


def _member(run: PlannedRun, weight: float) -> Member:
    return Member(model=run.model, blocks=run.blocks, allow_posthoc=run.allow_posthoc, weight=weight)


def _facts(parts: Parts) -> dict[str, Any]:
    posts, scores, metric = parts.posts, parts.scores, parts.dataset.metric
    known = labelled(posts)
    moments = known["posted_at"].drop_nulls()
    counts = posts["split"].value_counts().sort("split")
    behind = [scores[name] for name in weighted(parts.blend) if name in scores]
    references = [name for name, run in parts.runs.items() if run.model == "reference" and name in scores]
    return {
        "kind": parts.dataset.kind,
        "posts": posts.height,
        "labelled": known.height,
        "authors": known["user_id"].drop_nulls().n_unique(),
        "from": moments.min().isoformat() if len(moments) else None,
        "to": moments.max().isoformat() if len(moments) else None,
        "parts": dict(counts.iter_rows()),
        "fitted_on": parts.blend.rows,
        "generated": bool(scores["blend"].get("flags.generated")),
        "flags": [said for flag, said in FLAGS.items() if any(of.get(flag) for of in behind)],
        "references": {name: scores[name].get(f"test.{metric}") for name in references},
        "left_out": parts.left_out,
    }


def labelled(posts: pl.DataFrame) -> pl.DataFrame:
    """Posts with a label."""
    return posts.filter(pl.col("popularity").is_not_null())


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
