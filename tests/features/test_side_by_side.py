"""Several blocks of one kind for a dataset: ``text`` beside ``text_small``, each with its own settings and columns."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.named import SIDE_BY_SIDE, block_module, block_package, kind_of_block
from popcast.features.common.block_run import context_of, embedding_in, fitted_block
from popcast.features.common.contract import Context
from popcast.serving.reasons.reason_groups import group_of_column
from tests.conftest import ROOT
from tests.generated import make_posts

TFIDF = {"encoder": None, "tfidf": {"dim": 4, "max_features": 200}}
FOLDERS = sorted(path.parent.name for path in (ROOT / "src/popcast/features").glob("*/block.py"))
DERIVED = {"neighbours": {"k": 3}, "windows": {}, "knn_values": {"columns": ["title_words"]}}


def test_no_folder_has_a_name_that_another_would_take():
    assert set(SIDE_BY_SIDE) <= set(FOLDERS)
    assert [kind_of_block(name) for name in FOLDERS] == FOLDERS


@pytest.mark.parametrize("kind", SIDE_BY_SIDE)
def test_a_variant_is_made_by_the_code_of_its_kind(kind):
    assert block_package(f"{kind}_other") == f"popcast.features.{kind}"
    assert block_module(f"{kind}_other").Block is block_module(kind).Block
    for column in ("embedding", "level", "tags_mean", "mean"):
        assert group_of_column(f"{kind}_other.{column}") == group_of_column(f"{kind}.{column}")


@pytest.mark.parametrize("name", ["profile_other", "metadata_2", "texts", "nothing"])
def test_what_has_no_variants_is_refused(name):
    with pytest.raises(BadInput, match=rf"features.{name}: no such feature block"):
        block_package(name)


def test_two_text_blocks_have_the_same_numbers_under_their_own_names():
    posts = make_posts(80)
    params = block_module("text").Params.model_validate(TFIDF)
    tables = {}
    for name in ("text", "text_small"):
        context = context_of({"dataset": "generated", "seed": 1, "block": name})
        tables[name] = fitted_block(name, params, context, posts)[1]
        assert embedding_in(tables[name], name, "table").columns == ["post_id", "embedding"]
    assert tables["text_small"].columns == ["post_id", "text_small.svd_embedding"]
    assert tables["text_small"].to_series(1).to_list() == tables["text"].to_series(1).to_list()


@pytest.mark.parametrize("kind", ["history", "repeats"])
def test_draws_of_a_lag_differ_where_training_posts_look_back_and_nowhere_else(kind):
    posts = make_posts(300)
    tables = {}
    for name, draw in ((kind, 0), (f"{kind}_same", 0), (f"{kind}_other", 1)):
        params = block_module(name).Params.model_validate({"as_of": "lag", "lag_days": 60.0, "draw": draw})
        table = fitted_block(name, params, Context("generated", 0, block=name), posts)[1]
        assert all(column.startswith(f"{name}.") for column in table.columns[1:])
        tables[name] = table.rename({column: column.replace(f"{name}.", "") for column in table.columns})
    assert tables[f"{kind}_same"].equals(tables[kind])
    train = (posts["split"] == "train").to_numpy()
    drawn, first = tables[f"{kind}_other"], tables[kind]
    assert drawn.filter(~train).equals(first.filter(~train))
    assert not drawn.filter(train).equals(first.filter(train))


@pytest.mark.parametrize("kind", DERIVED)
def test_derived_blocks_of_two_embeddings_stand_side_by_side(kind):
    """Their columns, those of held out folds too, begin with the block's own name and nothing else's."""
    posts = make_posts(80)
    rng = np.random.default_rng(0)
    vectors = posts.select(
        "post_id", embedding=pl.Series(rng.normal(size=(80, 3)).tolist(), dtype=pl.Array(pl.Float32, 3))
    )
    params = block_module(kind).Params.model_validate(DERIVED[kind])
    tables = [
        fitted_block(name, params, Context("generated", 0, block=name), posts, (vectors,))[1]
        for name in (kind, f"{kind}_e5")
    ]
    renamed = {column: column.replace(f"{kind}.", f"{kind}_e5.") for column in tables[0].columns}
    assert tables[1].equals(tables[0].rename(renamed))
    assert all(f"{kind}_e5." in column for column in tables[1].columns[1:])


def test_captions_are_read_where_they_are_asked_for():
    text = block_module("text")
    posts = make_posts(60).with_columns(post_caption=pl.lit("a zebra"))
    params = text.Params.model_validate(TFIDF | {"fields": ["title", "post_caption"]})
    block = text.Block(params, Context("generated", 1)).fit(posts)
    assert any("zebra" in term for one in block.vectorizers for term in one.get_feature_names_out())
    without = block.transform(posts.drop("post_caption"))  # of a post that nobody described
    assert without.to_series(1).null_count() == posts["title"].null_count()
    plain = text.Block(text.Params.model_validate(TFIDF), Context("generated", 1)).fit(posts)
    assert not any("zebra" in term for one in plain.vectorizers for term in one.get_feature_names_out())
