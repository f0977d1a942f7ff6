"""A bundle with two text blocks and neighbours in the second one: forecasts, reasons and observing as with one."""

from __future__ import annotations

import polars as pl
import pytest

import popcast
from popcast.core.errors import BadInput
from popcast.serving.bundle import Contents
from tests.api.fixed_choice import GIVEN, SETTINGS, rows

BLOCKS = ["metadata", "history", "text", "text_signs", "neighbours_signs"]


def settings() -> dict:
    vectors = ["text.svd_embedding", "text_signs.svd_embedding"]
    setting = {"rounds": 20, "min_child_samples": 5, "embeddings": vectors}
    run = {"model": "lightgbm", "blocks": BLOCKS, "set": setting}
    signs = {"encoder": None, "tfidf": {"dim": 4, "word": None, "char": [2, 3]}}
    return SETTINGS | {
        "features": {"text_signs": signs, "neighbours_signs": {}},
        "blocks": SETTINGS["blocks"] | {"posts-text_signs": {"dataset": "posts", "block": "text_signs"}},
        "derived": {
            "posts-neighbours_signs": {
                "dataset": "posts", "block": "neighbours_signs", "of": "text_signs", "set": {"k": 5, "k_stored": 5},
            },
        },
        "suites": {"posts-chosen": SETTINGS["suites"]["posts-chosen"] | {"runs": {"boosted": run}}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    return popcast.Forecaster(**GIVEN, settings=settings()).fit(rows())


def test_a_bundle_holds_both_and_says_the_same(fitted, tmp_path):
    posts = rows()
    drafts = posts.tail(30).drop("likes")
    fitted.save(tmp_path / "bundle")
    contents = Contents.read(tmp_path / "bundle")
    assert {one.block: one.of for one in contents.blocks} == {
        "metadata": None, "history": None, "text": None, "text_signs": None, "neighbours_signs": "text_signs",
    }  # fmt: skip
    loaded = popcast.load(tmp_path / "bundle")
    assert loaded.predict(drafts).equals(fitted.predict(drafts))
    learned = (tmp_path / "bundle" / "members" / "boosted").rglob("predictor.json")
    names = next(learned).read_text()
    assert all(name in names for name in ("text.svd_embedding", "text_signs.svd_embedding", "neighbours_signs.count"))
    reasons = loaded.explain(drafts.head(3))
    assert all("similar_posts" in {one.key for one in reason.contributions} for reason in reasons)


def test_a_label_that_came_later_reaches_the_neighbours(fitted, tmp_path):
    posts = rows()
    fitted.save(tmp_path / "bundle")
    loaded = popcast.load(tmp_path / "bundle")
    told = posts.tail(30).head(10).with_columns(likes=pl.lit(5000))
    before = loaded.predict(posts.tail(10).drop("likes"))
    loaded.observe(told)
    after = loaded.predict(posts.tail(10).drop("likes"))
    assert not after["prediction"].equals(before["prediction"])


def test_a_block_without_its_section_is_one_line():
    lacking = settings()
    del lacking["features"]["text_signs"]
    with pytest.raises(BadInput, match=r"features.text_signs: missing, blocks.posts-text_signs needs it"):
        popcast.Forecaster(**GIVEN, settings=lacking).fit(rows())
