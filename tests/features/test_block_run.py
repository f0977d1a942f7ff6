"""The stages ``features`` and ``derive`` as a user runs them: tables, model folders, same bytes, one-line errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML

from popcast.core import paths, tables
from popcast.features import history, windows
from popcast.features.common.contract import Context
from tests.generated import make_posts
from tests.plans import run_stage


def params() -> dict:
    return {
        "base": {"seed": 7},
        "datasets": {"tiny": {"kind": "smpd", "raw": "data/raw/tiny", "zone": "Asia/Shanghai"}},
        "splits": {"tiny": {"method": "chronological", "shares": [0.6, 0.2, 0.2]}},
        "blocks": {
            f"tiny-{block}": {"dataset": "tiny", "block": block} for block in ("metadata", "history", "text", "profile")
        },
        "media": {},
        "derived": {"tiny-windows": {"dataset": "tiny", "block": "windows", "of": "text", "set": {"size": 2}}},
        "features": {"metadata": {}, "history": {"smoothing": 3}, "text": {}, "windows": {}, "profile": {}},
        "runs": {},
        "models": {},
        "blend": {},
        "evaluation": {},
    }


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with generated posts, splits and a text embedding, as the working folder."""
    monkeypatch.chdir(tmp_path)
    YAML().dump(params(), paths.PARAMS)
    posts = make_posts(150)
    tables.write(posts.drop("split", "fold"), paths.posts("tiny"), tables.POSTS)
    tables.write(posts.select("post_id", "split", "fold"), paths.splits("tiny"), tables.SPLIT_TABLE)
    vectors = np.random.default_rng(0).normal(size=(150, 3))
    column = pl.Series("text.svd_embedding", vectors, dtype=pl.Array(pl.Float32, 3))
    tables.write(posts.select("post_id").with_columns(column), paths.features("tiny", "text"), tables.FEATURES)
    return tmp_path


def run(stage: str, block: str):
    return run_stage(stage, f"tiny-{block}", catch_exceptions=False)


def files(folder: Path) -> dict[str, bytes]:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and "plan" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.parametrize(
    ("script", "block"), [("features", "metadata"), ("features", "history"), ("derive", "windows")]
)
def test_stage_writes_table_and_model_twice_the_same(project, script, block):
    before = files(project)
    assert run(script, block).exit_code == 0
    first = files(project)
    new = {name for name in first if name not in before}
    folder = str(paths.feature_model("tiny", block))
    table = str(paths.features("tiny", block))
    assert table in new
    assert new - {table} == {name for name in new if name.startswith(folder)}
    assert run(script, block).exit_code == 0
    assert files(project) == first
    assert tables.read(paths.features("tiny", block), tables.FEATURES).height == 150


def test_saved_block_gives_the_table_again(project):
    run("features", "history")
    context = Context("tiny", 7, zone="Asia/Shanghai")
    block = history.Block.load(paths.feature_model("tiny", "history"), context)
    assert block.params.smoothing == 3
    posts = tables.read(paths.posts("tiny"), tables.POSTS)
    assert tables.rounded(block.transform(posts)).equals(pl.read_parquet(paths.features("tiny", "history")))


def test_override_of_a_dataset_reaches_the_block(project):
    run("derive", "windows")
    assert windows.Block.load(paths.feature_model("tiny", "windows"), Context("tiny", 7)).params.size == 2


def test_unknown_key_is_one_line_and_writes_nothing(project):
    content = params()
    content["features"]["metadata"] = {"weak": True}
    YAML().dump(content, paths.PARAMS)
    before = files(project)
    result = run("features", "metadata")
    assert (result.exit_code, result.output.strip()) == (1, "error: params.yaml: features.metadata.weak: unknown key")
    assert files(project) == before


def test_derived_block_without_its_source(project):
    paths.features("tiny", "text").unlink()
    result = run("derive", "windows")
    assert result.exit_code == 1
    assert "data/features/tiny/text.parquet: no such table" in result.output


def test_undeclared_media_block(project):
    result = run("media", "image")
    assert result.exit_code == 1
    assert result.output == "error: params.yaml: asks for no stage media@tiny-image\n"
