"""What the stages ``features``, ``media`` and ``derive`` have in common: fit one block, transform all posts, write."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from popcast.core import paths, tables
from popcast.core.errors import BadInput
from popcast.core.named import block_module
from popcast.core.params import merged
from popcast.core.scratch import Scratch
from popcast.features.common.contract import Context
from popcast.features.params import BlockRun


def run_block(stage: str, run: BlockRun, section: dict[str, Any], context: Context) -> None:
    """Make the table and the model folder of one feature block.

    run: dataset, block and overrides; ``of`` (derived blocks) names the block whose embedding is used. section: the
    block's section of params.yaml. A killed run goes on from its scratch folder, which ``context.scratch`` names.
    """
    module = block_module(run.block)
    params = merged(module.Params, section, run.set, f"features.{run.block}")
    posts_file, splits_file = paths.posts(run.dataset), paths.splits(run.dataset)
    posts = tables.labelled(tables.read(posts_file, tables.POSTS), tables.read(splits_file, tables.SPLIT_TABLE))
    inputs, embedding = [posts_file, splits_file], None
    if run.of is not None:
        inputs.append(paths.features(run.dataset, run.of))
        embedding = read_embedding(run.dataset, run.of)
    settings = {"params": params.model_dump(), "context": {**vars(context)}, "of": run.of}
    with Scratch(stage, f"{run.dataset}-{run.block}", settings, inputs) as scratch:
        block = module.Block(params, replace(context, scratch=scratch.folder))
        given = () if embedding is None else (embedding,)
        features = block.fit(posts, *given).transform(posts, *given)
        finished = scratch.folder / "model"
        shutil.rmtree(finished, ignore_errors=True)
        block.save(finished)
        tables.write(features, paths.features(run.dataset, run.block), tables.FEATURES)
        _move(finished, paths.feature_model(run.dataset, run.block))
    print(f"{run.dataset}/{run.block}: {features.height} posts, {features.width - 1} columns")


def read_embedding(dataset: str, block: str) -> pl.DataFrame:
    """``post_id`` and ``embedding`` of a block: its ``embedding`` column, else its ``svd_embedding``."""
    path = paths.features(dataset, block)
    table = tables.read(path, tables.FEATURES)
    for column in (f"{block}.embedding", f"{block}.svd_embedding"):
        if column in table.columns:
            return table.select("post_id", pl.col(column).alias("embedding"))
    raise BadInput(f"{path}: no embedding column: expected {block}.embedding or {block}.svd_embedding")


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(source, target)
