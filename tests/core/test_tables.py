"""Table contracts: what is refused and how it is said, and that the same table gives the same bytes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core import tables
from popcast.core.errors import BadInput


def splits(**columns) -> pl.DataFrame:
    base = {"post_id": ["b", "a"], "split": ["train", "test"], "fold": [0, None]}
    return pl.DataFrame(base | columns, schema_overrides={"fold": pl.Int8})


@pytest.mark.parametrize(
    ("table", "schema", "words"),
    [
        (splits(split=["train", "later"]), tables.SPLIT_TABLE, "x: row 2: field 'split': breaks the rule isin"),
        (splits(post_id=["a", "a"]), tables.SPLIT_TABLE, "field 'post_id'"),
        (splits(fold=[-1, None]), tables.SPLIT_TABLE, "field 'fold'.*got"),
        (splits(extra=[1, 2]), tables.SPLIT_TABLE, "extra"),
        (splits().drop("split"), tables.SPLIT_TABLE, "split"),
        (splits(post_id=[1, 2]), tables.FEATURES, "field 'post_id'"),
        (pl.DataFrame({"post_id": ["a"], "x": [float("nan")]}), tables.FEATURES, "field 'x': NaN or infinite"),
        (
            pl.DataFrame({"post_id": ["a"], "e": np.array([[1.0, np.inf]])}),
            tables.FEATURES,
            "field 'e': NaN or infinite",
        ),
    ],
)
def test_a_broken_contract_is_one_line_and_writes_nothing(table, schema, words, tmp_path):
    with pytest.raises(BadInput, match=words) as error:
        tables.check(table, schema, "x")
    assert "\n" not in str(error.value)
    with pytest.raises(BadInput):
        tables.write(table, tmp_path / "t.parquet", schema)
    assert list(tmp_path.iterdir()) == []


def test_written_sorted_rounded_and_with_the_same_bytes(tmp_path):
    values = np.array([[1.00000049, -1e-9], [3.0, 4.0]], np.float32)
    table = pl.DataFrame({"post_id": ["b", "a"], "x": [0.12345678, None], "x.embedding": values})
    tables.write(table, tmp_path / "one.parquet", tables.FEATURES)
    tables.write(table.reverse(), tmp_path / "two.parquet", tables.FEATURES)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    back = tables.read(tmp_path / "one.parquet", tables.FEATURES)
    assert back["post_id"].to_list() == ["a", "b"]
    assert back["x"].to_list() == [None, 0.123457]
    assert back["x.embedding"].to_list() == [[3.0, 4.0], [1.0, 0.0]]


def test_missing_embeddings_survive_and_the_others_are_rounded(tmp_path):
    column = pl.Series("e", [[0.12345678, 1.0], None], dtype=pl.Array(pl.Float64, 2))
    tables.write(pl.DataFrame({"post_id": ["a", "b"]}).with_columns(column), tmp_path / "t.parquet", tables.FEATURES)
    assert tables.read(tmp_path / "t.parquet", tables.FEATURES)["e"].to_list() == [[0.123457, 1.0], None]


def test_predictions_may_hold_those_of_single_seeds(tmp_path):
    table = splits().with_columns(prediction=pl.lit(2.0), seeds=pl.Series([[1.00000049, -1e-9], [3.0, 0.12345678]]))
    tables.write(table, tmp_path / "t.parquet", tables.PREDICTIONS)
    back = tables.read(tmp_path / "t.parquet", tables.PREDICTIONS).sort("seeds")
    assert back["seeds"].to_list() == [[1.0, 0.0], [3.0, 0.123457]]
    broken = table.with_columns(seeds=pl.Series([[1.0], [float("nan")]]))
    with pytest.raises(BadInput, match="field 'seeds': NaN or infinite"):
        tables.write(broken, tmp_path / "u.parquet", tables.PREDICTIONS)
    with pytest.raises(BadInput, match="seeds"):
        tables.check(table.with_columns(seeds=pl.lit("1")), tables.PREDICTIONS, "x")


def test_posts_without_split_are_an_error():
    posts = pl.DataFrame({"post_id": ["a", "b"]})
    with pytest.raises(BadInput, match="different posts"):
        tables.labelled(posts, splits().head(1))
    assert tables.labelled(posts, splits())["split"].to_list() == ["test", "train"]
