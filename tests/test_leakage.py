"""No feature of a post changes when labels that it may not see change, or when posts after it change or go away.

Run on every block that needs no media, fitted on small generated posts of all splits.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core.named import block_module
from popcast.features.common.contract import Context
from tests.generated import make_posts

SETTINGS = {
    "metadata": [{}, {"log1p": True, "week": True}],
    "history": [{"as_of": mode, "outcomes": ["posthoc_comments"]} for mode in ("post", "fold")],
    "text": [{"encoder": None, "tfidf": {"dim": 8}}],
    "glove": [{}],
    "repeats": [{"fields": ["title", "tags", "category"], "as_of": mode} for mode in ("post", "fold")],
    "windows": [{"size": 3}, {"size": 5, "zero_fill": True}],
    "neighbours": [
        *({"k": 5, "as_of": mode} for mode in ("post", "fold")),
        {"k": 5, "drop_same_title": True},
    ],
    "knn_values": [{"columns": ["title_words", "user_photo_count"], "labels": True}],
}
CASES = [
    pytest.param(name, settings, id=f"{name}-{i}") for name, all_ in SETTINGS.items() for i, settings in enumerate(all_)
]
LABEL_BASED = ("history", "repeats", "neighbours", "knn_values")
DERIVED = ("windows", "neighbours", "knn_values")
MEASURED = ("popularity", "posthoc_comments")
WIDTH = 6


@pytest.fixture(autouse=True)
def word_vectors(monkeypatch):
    """A vector for some words of generated posts, in the place of GloVe's folder."""
    words = {"rain": 0, "sun": 1, "title": 2, "city": 3, "tag1": 4}
    vectors = np.random.default_rng(0).normal(size=(len(words), 3)).astype(np.float32)
    monkeypatch.setattr("popcast.features.glove.block.read_word_vectors", lambda folder: (words, vectors))


def embedded(posts: pl.DataFrame) -> pl.DataFrame:
    """An embedding per post that depends on the post alone."""
    rows = [np.random.default_rng([*i.encode()]).normal(size=WIDTH) for i in posts["post_id"]]
    return posts.select("post_id", embedding=pl.Series(rows, dtype=pl.Array(pl.Float32, WIDTH)))


def features(name: str, settings: dict, posts: pl.DataFrame, asked: pl.DataFrame, final_fit: str = "labelled"):
    """Block fitted on ``posts``, features of ``asked`` by post id."""
    module = block_module(name)
    block = module.Block(module.Params.model_validate(settings), Context("generated", 0, final_fit=final_fit))
    given = [(embedded(table),) if name in DERIVED else () for table in (posts, asked)]
    return block.fit(posts, *given[0]).transform(asked, *given[1]).sort("post_id")


def shaken(posts: pl.DataFrame, which: pl.Expr, seed: int = 0) -> pl.DataFrame:
    """``posts`` with everything measured after posting permuted and mirrored among the rows that ``which`` selects."""
    chosen = posts.filter(which & pl.col("popularity").is_not_null())
    other = chosen.sample(fraction=1, shuffle=True, seed=seed).select(
        (20.0 - pl.col(name)).alias(name) for name in MEASURED
    )
    changed = chosen.select("post_id").hstack(other)
    return posts.update(changed, on="post_id")


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_labels_of_later_posts_change_nothing(name, settings):
    posts = make_posts(240, seed=8)
    for quantile in (0.2, 0.5, 0.8):
        moment = posts["posted_at"].quantile(quantile)
        changed = shaken(posts, pl.col("posted_at") > moment)
        older = posts.filter(pl.col("posted_at") <= moment)
        assert not changed["popularity"].equals(posts["popularity"])
        assert features(name, settings, changed, older).equals(features(name, settings, posts, older))


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_labels_outside_the_training_part_reach_unlabelled_posts_only(name, settings):
    posts = make_posts(240, seed=9)
    changed = shaken(posts, pl.col("split").is_in(["valid", "test"]))
    labelled = posts.filter(pl.col("split") != "unlabelled")
    assert features(name, settings, changed, labelled).equals(features(name, settings, posts, labelled))
    everything = [features(name, settings, p, posts, "train") for p in (posts, changed)]
    assert everything[0].equals(everything[1])
    final = [features(name, settings, p, posts, "labelled") for p in (posts, changed)]
    assert final[0].equals(final[1]) == (name not in LABEL_BASED)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_own_label_changes_nothing(name, settings):
    posts = make_posts(160, seed=10)
    train = posts.filter(pl.col("split") == "train").sort("posted_at", "post_id")
    for post_id in train["post_id"].gather_every(30):
        changed = posts.with_columns(popularity=pl.when(pl.col("post_id") == post_id).then(1.0).otherwise("popularity"))
        asked = posts.filter(pl.col("post_id") == post_id)
        assert features(name, settings, changed, asked).equals(features(name, settings, posts, asked))


@pytest.mark.parametrize(("name", "settings"), [case for case in CASES if case.id != "windows-1"])
def test_posts_without_the_test_part(name, settings):
    """Deleting the test and unlabelled posts, all later than the training part, changes no row of the rest.

    Except in the published zero-filled windows, which know how many posts an author will have.
    """
    posts = make_posts(240, seed=11)
    kept = posts.filter(pl.col("split").is_in(["train", "valid"]))
    assert features(name, settings, kept, kept).equals(features(name, settings, posts, kept))


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in ("text", "metadata")])
def test_posts_without_any_later_post(name):
    """Blocks that fit no vocabulary: deleting every later post, also of the training part, changes no earlier row."""
    posts = make_posts(240, seed=12)
    settings = SETTINGS[name][0]
    for quantile in (0.3, 0.6):
        kept = posts.filter(pl.col("posted_at") <= posts["posted_at"].quantile(quantile))
        assert features(name, settings, kept, kept).equals(features(name, settings, posts, kept))
