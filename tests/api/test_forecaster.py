"""The library as somebody uses it: manners of scikit-learn, any form of posts, drafts of any kind, odd data."""

from __future__ import annotations

import tempfile
import warnings

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import popcast
from popcast.core.errors import BadInput
from tests.api.fixed_choice import GIVEN, SETTINGS, rows


def test_the_constructor_only_stores_and_clone_works():
    given = {"label": "no such column", "text": ["a"], "settings": SETTINGS, "budget": "nonsense"}
    made = popcast.Forecaster(**given)
    params = made.get_params()
    assert {name: params[name] for name in given} == given
    twin = clone(made)
    assert twin is not made
    assert twin.get_params() == params
    assert made.set_params(budget="1h").budget == "1h"
    with pytest.raises(ValueError, match="no parameter 'likes'"):
        made.set_params(likes="x")
    assert repr(popcast.Forecaster("likes", seed=3)) == "Forecaster(label='likes', seed=3)"
    assert made.__sklearn_tags__().estimator_type == "regressor"


def test_nothing_works_before_fit():
    made = popcast.Forecaster()
    for ask in (lambda: made.predict([]), made.leaderboard, lambda: made.save("x")):
        with pytest.raises(NotFittedError, match="call fit first"):
            ask()


def test_fit_says_what_columns_became(forecaster):
    assert forecaster.columns_["page"] == "author"
    assert forecaster.columns_["likes"] == "label"
    assert forecaster.quality_["posts"]["labelled"] == 570
    assert sum(forecaster.members_.values()) == pytest.approx(1)


def test_leaderboard(forecaster):
    board = forecaster.leaderboard()
    assert set(board["model"]) == {"blend", "median", "author_mean", "lightgbm", "hyfea"}
    assert board["value"].is_sorted()
    assert (board["value"] == board["mae"]).all()
    assert (board["lower"] <= board["value"]).all()
    assert (board["value"] <= board["upper"]).all()
    median = board.row(by_predicate=pl.col("model") == "median", named=True)
    blend = board.row(by_predicate=pl.col("model") == "blend", named=True)
    assert median["vs_blend"] == pytest.approx(median["value"] - blend["value"], abs=2e-6)
    assert median["p"] < 0.05
    assert blend["p"] is None


def test_counts_are_the_inverse_of_the_label_scale(forecaster, drafts):
    found = forecaster.predict(drafts)
    for name in ("prediction", "lower", "upper"):
        assert np.allclose(np.log2(found[f"{name}_count"].to_numpy() + 1), np.maximum(found[name].to_numpy(), 0))
    assert np.allclose(found["upper"] - found["lower"], 2 * forecaster.blend_.half_width, atol=2e-6)


def test_order_and_batch_mean_nothing(forecaster, drafts):
    whole = forecaster.predict(drafts)
    assert forecaster.predict(drafts.reverse()).reverse().equals(whole)
    single = [forecaster.predict(drafts[i]) for i in range(5)]
    assert pl.concat(single).equals(whole[:5])
    assert forecaster.predict(drafts[:0]).schema == whole.schema


def test_drafts_do_not_see_one_another(forecaster, drafts):
    """Not even that the others exist: history counts the posts that were given to fit."""
    one = drafts[0].with_columns(id=pl.lit("draft"), created=pl.lit("2025-07-01T10:00:00Z"))
    crowd = [one.with_columns(id=pl.lit(f"draft {i}"), created=pl.lit(f"2025-06-{i + 1:02}T10:00:00Z"))
             for i in range(20)]  # fmt: skip
    alone, among = forecaster.predict(one), forecaster.predict(pl.concat([*crowd, one]))
    assert among[-1].equals(alone)


def test_labels_of_asked_posts_are_never_looked_at(forecaster, drafts):
    plain = forecaster.predict(drafts)
    assert forecaster.predict(drafts.with_columns(likes=pl.lit(10**6))).equals(plain)


def test_ids_of_drafts_may_be_those_of_other_posts_and_may_repeat(forecaster, drafts):
    fresh = drafts.with_columns(created=pl.lit("2025-07-01T10:00:00Z"))
    named = fresh.with_columns(id=pl.Series([f"new {i}" for i in range(fresh.height)]))
    taken = fresh.with_columns(id=pl.Series([f"p{i:04}" for i in range(fresh.height)]))
    same = fresh.with_columns(id=pl.lit("draft"))
    wanted = forecaster.predict(named).drop("id")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert forecaster.predict(taken).drop("id").equals(wanted)
        assert forecaster.predict(same).drop("id").equals(wanted)
    assert forecaster.predict(taken)["id"].to_list() == taken["id"].to_list()


def test_posts_that_were_learned_from_are_named(forecaster, posts):
    with pytest.warns(UserWarning, match="3 of the posts were learned from"):
        forecaster.predict(posts[:3])


def test_a_new_author(forecaster, drafts):
    known = drafts[:4].with_columns(created=pl.lit("2025-07-01T10:00:00Z"))
    strange = known.with_columns(page=pl.lit("nobody knows"))
    found, usual = forecaster.predict(strange), forecaster.predict(known)
    assert found["prediction"].is_finite().all()
    assert found["prediction"].to_list() != usual["prediction"].to_list()


@pytest.mark.parametrize("missing", ["page", "created", "message", "hashtags", "kind", "followers", "id"])
def test_a_column_that_drafts_lack_is_not_known_and_named(forecaster, drafts, missing):
    with pytest.warns(UserWarning, match=f"lack, taken as not known: '{missing}'"):
        found = forecaster.predict(drafts.drop(missing))
    empty = drafts.with_columns(pl.lit(None, drafts.schema[missing]).alias(missing))
    if missing != "id":
        assert found.equals(forecaster.predict(empty))
    assert found.height == drafts.height


def test_only_a_text(forecaster):
    with pytest.warns(UserWarning, match="lack"):
        found = forecaster.predict([{"message": "storm in the harbour"}])
    assert found.height == 1
    assert found["prediction"].is_finite().all()


def test_a_column_that_was_never_there_is_named_and_left_out(forecaster, drafts):
    with pytest.warns(UserWarning, match="did not have, left out: 'mood'"):
        found = forecaster.predict(drafts.with_columns(mood=pl.lit("fine")))
    assert found.equals(forecaster.predict(drafts))


@pytest.mark.parametrize("form", ["csv", "parquet", "json lines", "pandas", "dicts", "iterator", "lazy"])
def test_every_form_of_posts_says_the_same(forecaster, posts, drafts, tmp_path, form):
    def given(table: pl.DataFrame, name: str):
        file = tmp_path / name
        if form == "csv":
            table.write_csv(file.with_suffix(".csv"))
            return str(file.with_suffix(".csv"))
        if form == "parquet":
            table.write_parquet(file.with_suffix(".parquet"))
            return file.with_suffix(".parquet")
        if form == "json lines":
            table.write_ndjson(file.with_suffix(".jsonl"))
            return file.with_suffix(".jsonl")
        if form == "iterator":
            return iter(table.to_dicts())
        return {"pandas": table.to_pandas, "dicts": table.to_dicts, "lazy": table.lazy}[form]()

    fitted = popcast.Forecaster(**GIVEN, settings=SETTINGS).fit(given(posts, "posts"))
    assert fitted.predictions_.equals(forecaster.predictions_)
    assert fitted.predict(given(drafts, "drafts")).equals(forecaster.predict(drafts))


def test_labels_beside_the_posts(forecaster, posts):
    params = {**GIVEN, "label": None}
    fitted = popcast.Forecaster(**params, settings=SETTINGS).fit(posts.drop("likes"), posts["likes"])
    assert fitted.predictions_.equals(forecaster.predictions_)
    with pytest.raises(popcast.BadPosts, match="got 2 labels for 600 posts"):
        popcast.Forecaster(**params, settings=SETTINGS).fit(posts.drop("likes"), [1, 2])


@pytest.mark.parametrize(
    ("params", "given", "said"),
    [
        ({}, 3, "posts: got 'int', expected a path"),
        ({}, "no such file.csv", "no such file.csv"),
        ({}, [], "posts: no row in it"),
        ({}, iter([]), "posts: no row in it"),
        ({"label": 5}, rows(50), "label=: got 5, expected the name of a column"),
        ({"text": ["message", None]}, rows(50), "text=: got"),
        ({"budget": "5"}, rows(200), "budget: got '5'"),
        ({"budget": float("inf")}, rows(200), "budget: got inf"),
        ({"label": "hearts"}, rows(50), "label=: no column 'hearts'"),
        ({"budget": "soon"}, rows(200), "budget: got 'soon'"),
        ({"zone": "Mars"}, rows(200), "Mars"),
        ({"metric": "luck"}, rows(200), "luck"),
        ({"settings": {"blokcs": {}}}, rows(200), "blokcs"),
        ({}, rows(20, unlabelled=0), "too few"),
        ({}, rows(60, unlabelled=60), "label"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing_fitted(forecaster, params, given, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    made = popcast.Forecaster(**{**GIVEN, "budget": "1s", **params})
    made.forecast_ = forecaster.forecast_  # an earlier fit
    with pytest.raises(popcast.BadPosts, match=said) as error:
        made.fit(given)
    assert isinstance(error.value, ValueError)
    assert isinstance(error.value, BadInput)
    assert "\n" not in str(error.value)
    with pytest.raises(NotFittedError):
        made.predict(rows(1))
    assert not list((tmp_path / "tmp").iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]


def test_a_fit_that_is_stopped_leaves_nothing(posts, tmp_path, monkeypatch):
    from popcast.api import forecaster as module

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_bundle", stop)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = popcast.Forecaster(**GIVEN, settings=SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        made.fit(posts)
    assert not hasattr(made, "forecast_")
    assert not list(tmp_path.iterdir())


ODD = {
    "one account": rows(200, authors=1),
    "no author": rows(200).drop("page", "followers"),
    "no time": rows(200).drop("created"),
    "neither author nor time": rows(200).drop("page", "created", "followers"),
    "no text": rows(200).drop("message", "hashtags"),
    "no id": rows(200).drop("id"),
    "one moment": rows(400).with_columns(created=pl.lit("2025-01-01 00:00")),
    "most at one moment": rows(400).with_columns(
        created=pl.when(pl.int_range(pl.len()) > 60).then(pl.lit("2024-01-01 00:00")).otherwise("created")
    ),
    "one burst": rows(400).with_columns(
        created=pl.lit("2025-01-01 10:") + (pl.int_range(pl.len()) // 10).cast(pl.String).str.zfill(2)
    ),
    "nothing but emoji": rows(400).with_columns(message=pl.lit("🎉🔥")),
    "no word twice": rows(400).with_columns(message=pl.format("w{}x", pl.int_range(pl.len()))),
    "equal labels": rows(400).with_columns(likes=pl.when(pl.col("likes").is_not_null()).then(7)),
    "nothing but labels and a text": rows(200).select("message", "likes"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_posts(kind):
    posts = ODD[kind]
    params = {role: column for role, column in GIVEN.items() if set(np.atleast_1d(column)) <= set(posts.columns)}
    fitted = popcast.Forecaster(**params, budget="1s").fit(posts)
    found = fitted.predict(posts.filter(pl.col("likes").is_null()))
    assert found.height == 30
    assert found["prediction"].is_finite().all()
    board = fitted.leaderboard()
    assert board.filter(model="blend")["value"][0] <= board.filter(model="median")["value"][0] * 1.1
    if "id" in posts.columns:
        theirs = fitted.predictions_.filter(split="unlabelled").sort("post_id")
        assert found.sort("id")["prediction"].to_list() == theirs["prediction"].to_list()


def test_read_posts_metrics_and_splits(posts, tmp_path):
    posts.write_csv(tmp_path / "posts.csv")
    table = popcast.read_posts(tmp_path / "posts.csv", label="likes", author="page", text=["message"])
    assert table.height == 600
    assert table["popularity"].null_count() == 30
    assert "user_id" in table.columns
    assert popcast.metrics.score(np.array([1.0, 2.0]), np.array([1.0, 2.0]))["mae"] == 0
    from popcast.splits.params import Split

    section = Split(method="chronological", shares=(0.6, 0.2, 0.2))
    split = popcast.splits.make_splits(table, section, "UTC", 0, "posts")
    assert set(split["split"]) == {"train", "valid", "test", "unlabelled"}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = popcast.nothing
    assert {"Forecaster", "load", "read_posts"} <= set(dir(popcast))
