"""What a bundle says of itself is about the members that are in it."""

from __future__ import annotations

from types import SimpleNamespace

import polars as pl
import pytest

from popcast.serving import bundle_writing
from popcast.serving.bundle_card import TRAIN_ONLY, card


@pytest.mark.parametrize(("weights", "said"), [([0.6, 0.4], True), ([1.0, 0.0], False)])
def test_only_members_with_a_weight_are_spoken_of(weights, said):
    blend = SimpleNamespace(members=["plain", "agent"], weights={"all": weights}, rows={})
    scores = {
        "plain": {"test.mae": 1.0},
        "agent": {"test.mae": 1.0, "flags.simulated": True},
        "blend": {"flags.generated": True, "flags.simulated": True},
    }
    posts = pl.DataFrame(
        {"popularity": [1.0], "posted_at": pl.Series([None], dtype=pl.Datetime), "split": ["train"], "user_id": ["a"]}
    )
    dataset = SimpleNamespace(metric="mae", kind="table")
    parts = SimpleNamespace(posts=posts, scores=scores, dataset=dataset, runs={}, blend=blend, left_out=[])
    facts = bundle_writing._facts(parts)
    assert facts["generated"] is True
    assert ("Some members saw a simulated audience." in facts["flags"]) is said


@pytest.mark.parametrize(("final_fit", "said"), [("train", True), ("labelled", False)])
def test_the_card_says_which_labels_count_and_where_titles_are(forecast, final_fit, said):
    contents = forecast.contents.model_copy(update={"final_fit": final_fit})
    text = card(contents, forecast.scores)
    assert "`past_posts.parquet`" in text
    assert (TRAIN_ONLY in text) is said
