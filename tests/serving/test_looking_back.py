"""Every block of the datasets' own lists that looks back: growing day by day is a fit on all posts."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from popcast.core import paths
from popcast.core.named import block_module
from popcast.features.common.block_run import context_of
from popcast.planning import instances, project_params
from tests.conftest import ROOT
from tests.generated import make_posts, new_posts

WIDTH = 6
LACKS = {
    "smpd": (),
    "tpic2017": ("title", "tags", "category", "subcategory", "concept", "media"),
    "microlens": ("user_id", "tags", "subcategory", "concept"),
}
"""What the posts of a dataset do not have."""


def looking_back() -> list[tuple[str, str, dict]]:
    """Dataset, block and settings of its stage, as params.yaml has them."""
    params = project_params.load(ROOT / paths.PARAMS)
    found = []
    for made in [*instances.features(params), *instances.derive(params)]:
        name, settings = made.settings["dataset"], made.settings
        if name in LACKS and hasattr(block_module(settings["block"]).Block, "grown"):
            found.append((name, settings["block"], settings))
    return found


CASES = looking_back()


def shaped(posts: pl.DataFrame, dataset: str) -> pl.DataFrame:
    return posts.with_columns(pl.lit(None, posts.schema[name]).alias(name) for name in LACKS[dataset])


def vectors(posts: pl.DataFrame) -> pl.DataFrame:
    """An embedding of each post by its id; some have none."""
    ids = posts["post_id"].unique(maintain_order=True)
    values = np.stack([np.random.default_rng(abs(hash_of(one))).normal(size=WIDTH) for one in ids]).astype(np.float32)
    known = pl.Series([hash_of(one) % 11 != 3 for one in ids])
    column = pl.Series("embedding", values, dtype=pl.Array(pl.Float32, WIDTH))
    return pl.DataFrame({"post_id": ids, "embedding": column}).with_columns(embedding=pl.when(known).then("embedding"))


def hash_of(name: str) -> int:
    return sum(ord(sign) * 31**place for place, sign in enumerate(name)) % 2**31


@pytest.fixture(scope="module")
def days() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Posts to fit on, posts that come later with their labels, and drafts after these."""
    known = make_posts(160)
    late = make_posts(60, seed=5).drop("split", "fold")
    moved = (pl.col("posted_at") + timedelta(days=20)).alias("posted_at")
    labels = pl.col("popularity").is_not_null()
    late = late.with_columns(moved, post_id=pl.lit("late ") + pl.col("post_id")).sort("posted_at", "post_id")
    late = late.with_columns(
        split=pl.when(labels).then(pl.lit("test")).otherwise(pl.lit("unlabelled")), fold=pl.lit(None, pl.Int8)
    ).select(known.columns)
    drafts = new_posts(known, 25).with_columns(post_id=pl.lit("draft ") + pl.col("post_id"))
    drafts = pl.concat([drafts, drafts.with_columns(moved, post_id=pl.lit("last ") + pl.col("post_id"))])
    return known, late, drafts


def test_the_blocks_are_those_that_look_back():
    assert {block for _, block, _ in CASES} == {"history", "neighbours", "windows", "knn_values"}
    assert {dataset for dataset, _, _ in CASES} == set(LACKS)


@pytest.mark.parametrize("final_fit", ["labelled", "train"])
@pytest.mark.parametrize(("dataset", "block", "settings"), CASES, ids=[f"{name}-{block}" for name, block, _ in CASES])
def test_growing_day_by_day_is_a_fit_on_all_posts(days, dataset, block, settings, final_fit):
    known, late, drafts = (shaped(part, dataset) for part in days)
    kind = block_module(block)
    context = context_of(settings | {"final_fit": final_fit})
    everything = pl.concat([known, late, drafts.select("post_id")], how="diagonal")
    given = (vectors(everything),) if "of" in settings else ()

    def fitted(posts: pl.DataFrame):
        return kind.Block(kind.Params.model_validate(settings["params"]), context).fit(posts, *given)

    first = fitted(known)
    before = first.transform(drafts, *given)
    grown = first
    for start in range(0, late.height, 9):  # first that they exist, some days later what became of them
        new = late[start : start + 9].with_columns(popularity=pl.lit(None, pl.Float64), split=pl.lit("unlabelled"))
        grown = grown.grown(new, *given)
        grown.transform(drafts[:3], *given)  # what it keeps for look-ups must not outlive its posts
        grown = grown.grown(late[start : start + 9], *given)
    after = grown.transform(drafts, *given)
    assert after.equals(fitted(pl.concat([known, late])).transform(drafts, *given))
    assert first.transform(drafts, *given).equals(before)
    assert after.equals(before) == (final_fit == "train" and block in ("neighbours", "knn_values"))
    single = pl.concat([grown.transform(drafts[i : i + 1], *given) for i in range(drafts.height)])
    assert single.equals(after), "a draft looks at another one"
