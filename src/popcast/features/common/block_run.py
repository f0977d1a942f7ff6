"""What the stages ``features``, ``media`` and ``derive`` have in common: fit one block, transform all posts, write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from popcast.core import paths, tables
from popcast.core.errors import BadInput
from popcast.core.named import block_module
from popcast.core.plan_file import Plan
from popcast.core.safety.whole_files import move_whole, whole_folder
from popcast.core.scratch import Scratch
from popcast.core.section import Section
from popcast.features.common.contract import Context, FeatureBlock


def run_block(plan: Plan, of: str | None = None) -> None:
    """Make the table and the model folder of one feature block.

    plan: names dataset, block and its settings, see :func:`context_of`. of: the block whose embedding a derived block
    uses. A killed run goes on from its scratch folder.
    """
    dataset, name = plan["dataset"], plan["block"]
    params = plan.section("params", block_module(name).Params)
    posts_file, splits_file = paths.posts(dataset), paths.splits(dataset)
    posts = tables.labelled(tables.read(posts_file, tables.POSTS), tables.read(splits_file, tables.SPLIT_TABLE))
    inputs, given = [posts_file, splits_file], ()
    if of is not None:
        inputs.append(paths.features(dataset, of))
        given = (read_embedding(dataset, of),)
    with Scratch(plan, inputs) as scratch:
        context = context_of(plan.settings, scratch.folder)
        block, features = fitted_block(name, params, context, posts, given)
        finished = scratch.folder / "model"
        with whole_folder(finished) as part:
            block.save(part)
        tables.write(features, paths.features(dataset, name), tables.FEATURES)
        move_whole(finished, paths.feature_model(dataset, name))
    width = sum(not column.startswith(tables.HELD_OUT) for column in features.columns) - 1
    print(f"{dataset}/{name}: {features.height} posts, {width} columns")


def context_of(settings: Mapping[str, Any], scratch: Path | None = None) -> Context:
    """What a block may know, of the settings of its stage: those of ``features`` have a zone and what unlabelled posts
    may see, those of ``derive`` the latter, those of ``media`` a raw folder."""
    told = {name: settings[name] for name in ("zone", "final_fit", "block") if name in settings}
    raw = Path(settings["raw"]) if "raw" in settings else None
    return Context(settings["dataset"], settings["seed"], raw=raw, scratch=scratch, **told)


def fitted_block(
    name: str, params: Section, context: Context, posts: pl.DataFrame, given: tuple[pl.DataFrame, ...] = ()
) -> tuple[FeatureBlock, pl.DataFrame]:
    """The block after its fit, and its features of all posts with the columns of held out folds.

    posts: joined with ``split`` and ``fold``. given: of a derived block, the embedding that it is made of.
    """
    block = block_module(name).Block(params, context)
    features = block.fit(posts, *given).transform(posts, *given)
    return block, features.hstack(_held_out(block, posts, given))


def _held_out(block: FeatureBlock, posts: pl.DataFrame, given: tuple[pl.DataFrame, ...]) -> list[pl.Series]:
    """Columns of each fold for when it is held out, where the block has any, see ``FeatureBlock``.

    Null for posts that no model of that fold learns.
    """
    found = []
    for fold, table in block.held_out(posts, *given).items() if hasattr(block, "held_out") else ():
        learned = ((posts["split"] == "train") & (posts["fold"] != fold)).fill_null(False)
        head = f"{tables.HELD_OUT}{fold}."
        found += table.drop("post_id").select(pl.when(learned).then(pl.all()).name.prefix(head)).get_columns()
    return found


def read_embedding(dataset: str, block: str) -> pl.DataFrame:
    """:func:`embedding_in` of the table of a block."""
    path = paths.features(dataset, block)
    return embedding_in(tables.read(path, tables.FEATURES), block, path)


def embedding_in(table: pl.DataFrame, block: str, name: Path | str) -> pl.DataFrame:
    """``post_id`` and ``embedding`` of a block: its ``embedding`` column, else its ``svd_embedding``.

    name: of the table, for errors.
    """
    for column in (f"{block}.embedding", f"{block}.svd_embedding"):
        if column in table.columns:
            return table.select("post_id", pl.col(column).alias("embedding"))
    raise BadInput(f"{name}: no embedding column: expected {block}.embedding or {block}.svd_embedding")
