"""The model of shares finds planted effects and no others, repeats to the byte and comes back from its files."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.models.contract.stopping import stopping_window
from popcast.response.judging.share_distances import jsd, normalised
from popcast.response.shares.share_history import base_of, share_history, weights_of
from popcast.response.shares.share_items import Items
from popcast.response.shares.share_model import ShareModel
from popcast.response.shares.share_words import WordShares
from tests.response.share_world import CLASSES, FILLER, WORDS, settings, share_world

TRAIN = ("train",)


def parts(items: Items, chosen_settings, known=TRAIN):
    """Items and features: of the training part, and of the test part."""
    features = share_history(items, known, chosen_settings.history, 1)
    found = []
    for name in ("train", "test"):
        rows = (items.frame["split"] == name).to_numpy()
        found += [items.part(rows), features.filter(pl.Series(rows))]
    return found


@pytest.fixture(scope="module")
def world():
    return share_world()


@pytest.fixture(scope="module")
def fitted(world):
    chosen = settings()
    train, seen, test, asked = parts(world, chosen)
    return ShareModel(chosen, CLASSES, 1).fit(train, seen), test, asked


def test_planted_words_are_the_strongest(fitted):
    model = fitted[0]
    strongest = model.words.strongest(1)
    assert dict(zip(strongest["term"], strongest["class"], strict=True)) == {
        f"word:{word}": CLASSES[number] for word, number in WORDS.items()
    }
    terms = model.words.strongest(10_000).filter(pl.col("term").is_in([f"word:{word}" for word in FILLER]))
    assert terms["weight"].abs().max() < 0.4 * strongest["weight"].min()


def test_a_number_that_means_nothing_gets_no_say(fitted):
    gains = fitted[0].importances()
    assert sum(gains.values()) == pytest.approx(1)
    own = sum(gain for name, gain in gains.items() if name.startswith(("shares.", "words.")))
    assert own > 0.6
    assert gains["metadata.noise"] < 0.2


def test_shares_of_an_author_are_found(world):
    chosen = settings(words={"terms": "none"})
    train, seen, test, asked = parts(world, chosen)
    model = ShareModel(chosen, CLASSES, 1).fit(train, seen)
    scored = test.totals >= 10
    real = normalised(test.counts[scored])
    own = jsd(real, model.predict(test, asked)[scored]).mean()
    assert own < 0.9 * jsd(real, np.broadcast_to(model.prior, real.shape)).mean()
    assert not model.words.found


def test_own_words_of_an_author_are_found():
    """One word means love on one half of the pages and anger on the other: only own weights of an author see that."""
    world = share_world(1500, authors=6)
    marked = np.arange(1500) % 4 == 0
    odd = (world.frame["user_id"].str.slice(1).cast(int) % 2 == 1).to_numpy()
    counts = world.counts.copy()
    counts[marked & odd] = np.array([0, 0, 1]) * world.totals[marked & odd][:, None]
    counts[marked & ~odd] = np.array([1, 0, 0]) * world.totals[marked & ~odd][:, None]
    text = world.frame["text"].to_numpy().copy()
    text[marked] = text[marked] + " win"
    items = Items(world.frame.with_columns(text=pl.Series(text.astype(str))), counts, world.classes)
    found = {}
    for name, posts in (("own", 50), ("common", None)):
        words = WordShares(settings(words={"author_posts": posts, "author_penalty": 1.0}).words, CLASSES)
        train = items.part((items.frame["split"] == "train").to_numpy() & (items.totals > 0))
        words.fit(
            train.frame,
            normalised(train.counts),
            weights_of(train.totals, 10.0),
            np.zeros((len(train.totals), 3)),
            None,
        )
        asked = pl.DataFrame({"user_id": ["u1", "u0"], "text": ["win", "win"]})
        found[name] = words.transform(asked)[:, 0]
    assert found["own"][0].argmax() == 2
    assert found["own"][1].argmax() == 0
    assert np.allclose(found["common"][0], found["common"][1])


def test_words_that_mean_nothing_gain_nothing(world):
    """Reactions dealt anew among the posts of an author: no word says anything, so predictions stay at the author's."""
    rng = np.random.default_rng(0)
    counts = world.counts.copy()
    for author in world.frame["user_id"].unique().sort():
        rows = np.flatnonzero((world.frame["user_id"] == author).to_numpy() & (world.totals > 0))
        counts[rows] = counts[rng.permutation(rows)]
    chosen = settings()
    train, seen, test, asked = parts(Items(world.frame, counts, world.classes), chosen)
    model = ShareModel(chosen, CLASSES, 1).fit(train, seen)
    scored = test.totals >= 10
    real = normalised(test.counts[scored])
    assert jsd(real, model.predict(test, asked)[scored]).mean() == pytest.approx(
        jsd(real, np.exp(base_of(asked, CLASSES))[scored]).mean(), rel=0.12
    )


def test_saved_and_loaded(fitted, tmp_path):
    model, test, asked = fitted
    model.save(tmp_path)
    loaded = ShareModel.load(tmp_path)
    assert np.array_equal(loaded.predict(test, asked), model.predict(test, asked))
    loaded.save(tmp_path / "again")
    files = sorted(file.name for file in tmp_path.iterdir() if file.is_file())
    assert files == ["share_model.json", "trees.txt", "words.json", "words.safetensors"]
    for file in files:
        assert (tmp_path / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_same_seed_same_bytes(fitted, world, tmp_path):
    train, seen, *_ = parts(world, settings())
    fitted[0].save(tmp_path / "a")
    ShareModel(settings(), CLASSES, 1).fit(train, seen).save(tmp_path / "b")
    for file in sorted((tmp_path / "a").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


@pytest.mark.parametrize("file", ["share_model.json", "words.json", "words.safetensors", "trees.txt"])
def test_broken_files_are_one_line(fitted, tmp_path, file):
    fitted[0].save(tmp_path)
    whole = (tmp_path / file).read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"{}"):
        (tmp_path / file).write_bytes(content)
        with pytest.raises(BadInput) as error:
            ShareModel.load(tmp_path)
        assert "\n" not in str(error.value)
    (tmp_path / file).unlink()
    with pytest.raises(BadInput):
        ShareModel.load(tmp_path)


def test_a_row_depends_on_that_row_alone(fitted):
    model, test, asked = fitted
    whole = model.predict(test, asked)
    assert np.allclose(whole.sum(1), 1)
    assert whole.min() > 0
    order = np.random.default_rng(1).permutation(len(whole))[:30]
    assert np.allclose(model.predict(test.part(order), asked[order]), whole[order], atol=1e-12)
    assert np.allclose(model.predict(test.part([3]), asked[[3]]), whole[[3]], atol=1e-12)
    assert model.predict(test.part([]), asked[[]]).shape == (0, 3)


def test_missing_text_unseen_author_and_no_author(fitted, world):
    model, test, asked = fitted
    frame = test.frame.with_columns(text=pl.lit(None, pl.String), user_id=pl.lit("never seen"))
    strangers = Items(frame, test.counts, CLASSES)
    found = model.predict(strangers, asked)
    assert np.isfinite(found).all()
    anonymous = Items(frame.with_columns(user_id=pl.lit(None, pl.String)), test.counts, CLASSES)
    assert np.array_equal(model.predict(anonymous, asked), found)


@pytest.mark.parametrize("column", ["text", "user_id"])
def test_learns_where_a_column_is_all_null(world, column):
    items = Items(world.frame.with_columns(pl.lit(None, pl.String).alias(column)), world.counts, CLASSES)
    chosen = settings(words={"author_posts": 10}, trees={"rounds": 5})
    train, seen, test, asked = parts(items, chosen)
    found = ShareModel(chosen, CLASSES, 1).fit(train, seen).predict(test, asked)
    assert np.isfinite(found).all()


def test_a_single_class_that_ever_occurs(world):
    counts = world.counts * np.array([0, 1, 0])
    chosen = settings(trees={"rounds": 5})
    train, seen, test, asked = parts(Items(world.frame, counts, CLASSES), chosen)
    found = ShareModel(chosen, CLASSES, 1).fit(train, seen).predict(test, asked)
    assert np.isfinite(found).all()
    assert (found.argmax(1) == 1).all()
    assert found[:, 1].min() > 0.9


@pytest.mark.parametrize("rows", [1, 5])
def test_a_handful_of_posts(rows):
    world = share_world(10 * rows, authors=2)
    learned = world.part(np.arange(rows))
    learned = Items(learned.frame.with_columns(split=pl.lit("train")), learned.counts + 1, CLASSES)
    seen = share_history(learned, TRAIN, settings().history)
    found = ShareModel(settings(), CLASSES, 1).fit(learned, seen).predict(learned, seen)
    assert np.isfinite(found).all()


def test_no_reaction_at_all(world):
    items = Items(world.frame, world.counts * 0, CLASSES)
    train, seen, *_ = parts(items, settings())
    with pytest.raises(BadInput, match="nothing to learn from"):
        ShareModel(settings(), CLASSES, 1).fit(train, seen)


def test_labels_of_the_window_are_in_no_score(world):
    train = world.part((world.frame["split"] == "train").to_numpy() & (world.totals > 0))
    window = stopping_window(None, len(train.totals))
    shares, weights = normalised(train.counts), np.ones(len(train.totals))
    start = np.zeros_like(shares)
    changed = np.where(window.watch[:, None], shares[:, ::-1], shares)
    first = WordShares(settings().words, CLASSES).fit(train.frame, shares, weights, start, window)
    second = WordShares(settings().words, CLASSES).fit(train.frame, changed, weights, start, window)
    assert np.array_equal(first, second)


def test_a_row_is_left_out_of_its_own_score(world):
    train = world.part((world.frame["split"] == "train").to_numpy() & (world.totals > 0))
    shares, weights = normalised(train.counts), np.ones(len(train.totals))
    changed = shares.copy()
    changed[40] = [0, 0, 1]
    fits = [WordShares(settings().words, CLASSES) for _ in range(2)]
    first, second = (
        w.fit(train.frame, y, weights, shares * 0, None) for w, y in zip(fits, (shares, changed), strict=True)
    )
    assert np.array_equal(first[40], second[40])
    assert not np.array_equal(first[-1], second[-1])
