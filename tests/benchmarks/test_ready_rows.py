"""AutoGluon in the benchmark of serving: what is handed to the rivals' environment, and what is said of its ready rows.

A stand-in for that environment's Python answers; the real one is not in this one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from benchmarks import serving

STAND_IN = """#!{python}
import json, sys
import polars as pl
table = pl.read_parquet(sys.argv[3])
assert sys.argv[1:3] == ["-m", "benchmarks.peers.single_row"], sys.argv
assert sorted(table.columns) == ["hour", "kind", "popularity"], table.columns
assert table["popularity"].to_list() == [0.5, 1.5, 2.5]
print("a line of somebody else")
row = {{"wall": [4.0, 4.0], "processor": [2.0, 2.0]}}
print(json.dumps({{"predictor": row, "model": row, "best": "LightGBM", "columns": 2}}))
"""


class ThreePosts:
    """A forecast of three posts with two blocks, one of them with vectors."""

    def prepared(self, drafts: pl.DataFrame) -> pl.DataFrame:
        return drafts

    def features(self, prepared: pl.DataFrame, media: Path) -> dict[str, pl.DataFrame]:
        names = prepared.select("post_id")
        vectors = pl.Series("vector", [[0.0, 1.0]] * 3, pl.Array(pl.Float32, 2))
        return {
            "metadata": names.with_columns(hour=pl.Series([1.0, 2.0, 3.0]), kind=pl.Series(["a", "b", "a"])),
            "text": names.with_columns(vectors, words=pl.Series([[1.0], [2.0], []])),
        }

    def predict(self, drafts: pl.DataFrame, media: Path) -> pl.DataFrame:
        return drafts.select("post_id", prediction=pl.Series([0.5, 1.5, 2.5]))


def test_numbers_and_categories_of_the_blocks_are_handed_over(tmp_path, monkeypatch, capsys):
    python = tmp_path / "benchmarks/peers/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN.format(python=sys.executable))
    python.chmod(0o755)
    drafts = pl.DataFrame({"post_id": ["1", "2", "3"]})
    monkeypatch.setattr(serving, "PEERS", tmp_path / "nowhere")
    serving.autogluon(ThreePosts(), drafts, tmp_path, 2, 0.01)
    assert "skipped" in capsys.readouterr().out
    monkeypatch.setattr(serving, "PEERS", python)
    serving.autogluon(ThreePosts(), drafts, tmp_path, 2, 0.01)
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 4
    assert told[2].startswith("AutoGluon, one ready row of 2 columns, LightGBM: p50 4.0 ms")
    assert told[3].endswith("ready row, LightGBM: 5.00")
