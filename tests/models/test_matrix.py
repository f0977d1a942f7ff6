"""The encoder: which columns enter, what null, rare and unknown become, and that it survives JSON."""

from __future__ import annotations

import numpy as np
import orjson
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.features.common.embeddings import embedding
from popcast.models.inputs.matrix import FIRST, MISSING, OTHER, Encoder, training_order
from tests.models.wide import wide


@pytest.fixture(scope="module")
def features() -> pl.DataFrame:
    return wide()[1]


def test_columns_that_enter(features):
    encoder = Encoder().fit(features)
    assert "metadata.constant" not in encoder.names
    assert "metadata.odd" not in encoder.names, "no value of it is frequent enough for a code"
    assert not any(name.startswith("neighbours.index") or name.startswith("neighbours.sim") for name in encoder.names)
    assert sum(name.startswith("text.embedding[") for name in encoder.names) == 12
    assert set(encoder.vocabularies) == {"metadata.category", "metadata.language"}
    matrix = encoder.transform(features)
    assert matrix.numeric.dtype == np.float32
    assert matrix.numeric.shape[1] + matrix.codes.shape[1] == len(encoder.names)


def test_blocks_and_embeddings_are_chosen_by_name(features):
    encoder = Encoder(["metadata", "text"], ["text.svd_embedding", "image.embedding"]).fit(
        features.select(pl.exclude("image.embedding", "image.width"))
    )
    assert {name.split(".")[0] for name in encoder.names} == {"metadata", "text"}
    assert list(encoder.vectors) == ["text.svd_embedding"]
    with pytest.raises(BadInput, match=r"text\.other"):
        Encoder(None, ["text.other"]).fit(features)
    with pytest.raises(BadInput, match="'video' is missing"):
        Encoder(["video"]).fit(features)


def test_columns_are_left_out_by_name(features):
    every = Encoder().fit(features).names
    block = every[0].split(".")[0]
    gone = Encoder(drop=[every[0]]).fit(features).names
    assert gone == [name for name in every if name != every[0]]
    assert not [name for name in Encoder(drop=[f"{block}.*"]).fit(features).names if name.startswith(f"{block}.")]
    assert Encoder(drop=["absent.*"]).fit(features).names == every
    with pytest.raises(BadInput, match=f"drop: no column '{block}.nothing"):
        Encoder(drop=[f"{block}.nothing*"]).fit(features)


def test_null_rare_and_unknown_categories():
    column = pl.Series("a.kind", ["x"] * 12 + ["b"] * 10 + ["rare"] * 3 + [None] * 2)
    encoder = Encoder(rare=10).fit(pl.DataFrame([column]))
    seen = encoder.transform(pl.DataFrame({"a.kind": ["x", "b", "rare", "never seen", None]}))
    assert seen.codes[:, 0].tolist() == [FIRST + 1, FIRST, OTHER, OTHER, MISSING]
    assert encoder.transform(pl.DataFrame({"a.kind": pl.Series([None], dtype=pl.String)})).codes.tolist() == [[MISSING]]


def test_null_numbers_and_null_embeddings_become_nan(features):
    matrix = Encoder().fit(features).transform(features)
    at = matrix.names.index("image.width")
    assert np.isnan(matrix.numeric[:, at]).tolist() == features["image.width"].is_null().to_list()
    values = embedding(features["text.embedding"])
    assert np.isnan(values).all(axis=1).tolist() == features["text.embedding"].is_null().to_list()
    assert values[1].tolist() == features["text.embedding"][1].to_list()


def test_json_round_trip(features):
    encoder = Encoder().fit(features)
    again = Encoder.from_json(orjson.loads(orjson.dumps(encoder.to_json())))
    first, second = encoder.transform(features), again.transform(features)
    assert first.names == second.names
    assert np.array_equal(first.dense(), second.dense(), equal_nan=True)


def test_an_unsupported_column_is_refused():
    with pytest.raises(BadInput, match=r"a\.when"):
        Encoder().fit(pl.DataFrame({"a.when": pl.Series([None, None], dtype=pl.Datetime("us"))}))


def test_varies():
    def varies(*columns):
        return Encoder().fit(pl.DataFrame({"a.x": [1.0, 2.0, None]})).transform(pl.DataFrame({"a.x": columns})).varies()

    assert varies(1.0, 2.0)
    assert varies(None, 2.0)
    assert not varies(2.0, 2.0)
    assert not varies(None, None, None)


def test_training_order_is_by_time_then_id():
    posts = wide(20)[0]
    shuffled = posts[np.random.default_rng(0).permutation(20)]
    assert shuffled[training_order(shuffled)].equals(posts)
    timeless = wide(20, with_time=False)[0]
    shuffled = timeless[np.random.default_rng(0).permutation(20)]
    assert shuffled[training_order(shuffled)]["post_id"].to_list() == sorted(timeless["post_id"])
