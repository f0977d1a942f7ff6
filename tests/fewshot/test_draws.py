"""Who is drawn, what is shown and what is asked: sheet multismpllm.md sections 3 and 4."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.fewshot.draws import draw_users, histories, make_records, usable_posts
from popcast.fewshot.params import Task

START = datetime(2016, 1, 1, tzinfo=UTC)
COLDSTART = {"dataset": "smpd", "source": "smpd", "track": "coldstart", "template": "smpd"}
ZEROSHOT = {"dataset": "tpic2017", "source": "smpd", "track": "zeroshot", "template": "tpic2017", "users": None}


def some_posts(authors: int = 40, seed: int = 0) -> pl.DataFrame:
    """Generated: author i has 1 + i % 9 posts on whole days; rows and ids are in random order, times are tied."""
    rng = np.random.default_rng(seed)
    users = [f"u{i}" for i in range(authors) for _ in range(1 + i % 9)]
    n = len(users)
    return pl.DataFrame(
        {
            "post_id": [str(i) for i in rng.permutation(np.arange(1000, 1000 + n))],
            "user_id": users,
            "posted_at": pl.Series([START + timedelta(days=int(d)) for d in rng.integers(0, 6, n)], dtype=tables.TIME),
            "popularity": np.round(rng.uniform(1, 16, n), 2),
        }
    ).sample(fraction=1.0, shuffle=True, seed=seed)


def task(**changes) -> Task:
    return Task(**{**COLDSTART, "users": 4, **changes})


def in_time(posts: pl.DataFrame, user: str) -> list[str]:
    return posts.filter(pl.col("user_id") == user).sort("posted_at", "post_id")["post_id"].to_list()


def test_draws_are_disjoint_and_only_of_authors_with_enough_posts():
    posts = some_posts()
    draws = draw_users(posts, task(), 0, "smpd")
    tables.check(draws, tables.DRAWS, "draws")
    assert dict(draws["draw"].value_counts().iter_rows()) == {"fewshot": 4, "extra1": 4, "extra2": 4, "pool": 4}
    assert draws["user_id"].n_unique() == 16
    counts = dict(posts["user_id"].value_counts().iter_rows())
    assert min(counts[user] for user in draws["user_id"]) >= 5
    no_extra = draw_users(posts, task(extra=0), 0, "smpd")
    assert set(no_extra["draw"]) == {"fewshot", "pool"}


def test_draws_depend_on_seed_and_ids_not_on_rows():
    posts = some_posts()
    draws = draw_users(posts, task(), 0, "smpd")
    assert draw_users(posts.sort("popularity"), task(), 0, "smpd").equals(draws)
    more = pl.concat([posts, posts.with_columns(pl.col("post_id") + "x", popularity=3.0)]).filter(
        pl.col("user_id").is_in(posts.filter(pl.len().over("user_id") >= 5)["user_id"].unique().to_list())
    )
    assert draw_users(more, task(), 0, "smpd").equals(draws)
    assert not draw_users(posts, task(), 1, "smpd").equals(draws)
    assert not draw_users(posts, task(), 0, "other").equals(draws)


def test_another_author_moves_no_two_draws_past_each_other():
    """Order of the drawn authors is their own: with one author more, at most one leaves each draw for the next."""
    posts = some_posts()
    before = dict(draw_users(posts, task(), 0, "smpd").iter_rows())
    one_more = posts.head(6).with_columns(pl.col("post_id") + "n", user_id=pl.lit("new"))
    after = dict(draw_users(pl.concat([posts, one_more]), task(), 0, "smpd").iter_rows())
    for name in ("fewshot", "extra1", "extra2", "pool"):
        kept = {user for user, draw in before.items() if draw == name and after.get(user) == name}
        assert len(kept) >= 3


def test_too_few_authors():
    expected = (
        r"^params.yaml: tasks.smpd.users: 20 of 40 authors have 5 or more labelled posts: expected at least 24, that is"
        r" 6 for each of 4 draws$"
    )
    with pytest.raises(BadInput, match=expected):
        draw_users(some_posts(), task(users=6), 0, "smpd")
    with pytest.raises(BadInput, match="0 of 3 authors have 4 or more labelled posts: expected at least 1"):
        draw_users(some_posts(3), Task(**ZEROSHOT, newest=4), 0, "tpic2017")
    with pytest.raises(BadInput, match="expected at least 60, that is 60 for each of 1 draws"):
        draw_users(some_posts(), Task(**{**ZEROSHOT, "users": 60}, newest=4), 0, "tpic2017")


def test_a_dataset_without_authors_or_times():
    posts = some_posts()
    with pytest.raises(BadInput, match=r"^tasks.smpd: no labelled post of smpd has an author"):
        draw_users(posts.with_columns(user_id=pl.lit(None, pl.String)), task(), 0, "smpd")
    for field in ("posted_at", "popularity"):
        gap = posts.with_columns(pl.when(pl.col("post_id") != "1003").then(pl.col(field)))
        with pytest.raises(BadInput, match=f"^smpd: field '{field}': .* post 1003 has none$"):
            draw_users(gap, task(), 0, "smpd")


def test_posts_without_author_belong_to_nobody():
    posts = some_posts()
    nobody = posts.head(30).with_columns(pl.col("post_id") + "n", user_id=pl.lit(None, pl.String))
    both = pl.concat([posts, nobody])
    draws = draw_users(both, task(many_shot=[0.5]), 0, "smpd")
    assert draws.equals(draw_users(posts, task(), 0, "smpd"))
    records = make_records(both, draws, task(many_shot=[0.5]), 0)
    assert not set(nobody["post_id"]) & set(records["target"]).union(*records["history"].to_list())


def test_ties_in_time_go_by_id():
    posts = some_posts()
    for user, ids, scores in histories(posts.reverse(), "smpd").iter_rows():
        assert ids == in_time(posts, user)
        of = dict(posts.select("post_id", "popularity").iter_rows())
        assert scores == [of[post] for post in ids]


@pytest.mark.parametrize("question", ["earliest", "previous"])
@pytest.mark.parametrize("newest", [5, 6])
def test_coldstart_records(question, newest):
    posts, section = some_posts(), task(users=2, question=question, newest=newest)
    draws = draw_users(posts, section, 0, "smpd")
    records = make_records(posts, draws, section, 0)
    tables.check(records, tables.RECORDS, "records")
    of_draw = dict(draws.iter_rows())
    expected = set()
    for user, draw in of_draw.items():
        p = in_time(posts, user)[-newest:]
        for s in (1, 2, 3):
            if question == "earliest":
                train, test = (p[:s], p[s]), (p[: s + 1], p[-1])
            else:
                train, test = (p[-2 - s : -2], p[-2]), (p[-2 - s : -1], p[-1])
            if draw == "fewshot":
                expected.add((draw, "train", s, user, tuple(train[0]), train[1]))
            role = "preference" if draw == "pool" else "test"
            expected.add((draw, role, s, user, tuple(test[0]), test[1]))
    columns = ("draw", "role", "shots", "user_id", "history", "target")
    found = {(*row[:4], tuple(row[4]), row[5]) for row in records.select(columns).iter_rows()}
    assert found == expected
    assert records.height == len(expected) == 2 * 3 * 2 + 2 * 3 * 3
    scores = dict(posts.select("post_id", "popularity").iter_rows())
    assert records["score"].to_list() == [scores[post] for post in records["target"]]


def test_train_and_test_share_authors_but_no_target_and_never_show_it():
    posts, section = some_posts(), task()
    records = make_records(posts, draw_users(posts, section, 0, "smpd"), section, 0)
    train, test = (records.filter(draw="fewshot", role=role) for role in ("train", "test"))
    assert set(train["user_id"]) == set(test["user_id"])
    assert not set(train["target"]) & set(test["target"])
    assert not any(target in history for history, target in records.select("history", "target").iter_rows())
    when = dict(posts.select("post_id", "posted_at").iter_rows())
    for history, target in records.select("history", "target").iter_rows():
        times = [when[post] for post in [*history, target]]
        assert times == sorted(times)


def test_zeroshot_shows_exactly_the_shots_before_the_newest():
    posts, section = some_posts(), Task(**ZEROSHOT, newest=4)
    draws = draw_users(posts, section, 0, "tpic2017")
    enough = posts.filter(pl.len().over("user_id") >= 4)["user_id"].unique()
    assert set(draws["user_id"]) == set(enough)
    assert set(draws["draw"]) == {"zeroshot"}
    records = make_records(posts, draws, section, 0)
    assert set(records["role"]) == {"test"}
    assert records.height == 3 * draws.height
    for shots, user, history, target in records.select("shots", "user_id", "history", "target").iter_rows():
        p = in_time(posts, user)
        assert history == p[-1 - shots : -1]
        assert target == p[-1]
    assert draw_users(posts, Task(**{**ZEROSHOT, "users": 7}, newest=4), 0, "tpic2017").height == 7


def test_many_shot_shares():
    posts, section = some_posts(300), task(many_shot=[0.05, 0.2, 0.5])
    draws = draw_users(posts, section, 0, "smpd")
    records = make_records(posts, draws, section, 0)
    many = records.filter(pl.col("draw").str.starts_with("many"))
    assert set(many["role"]) == {"train"}
    assert set(many["shots"]) == {3}
    drawn = set(draws["user_id"])
    assert not set(many["user_id"]) & drawn
    targets = {name: set(many.filter(draw=name)["target"]) for name in ("many_05", "many_20", "many_50")}
    assert targets["many_05"] < targets["many_20"] < targets["many_50"]
    others = posts.filter(~pl.col("user_id").is_in(sorted(drawn)))
    askable = others.height - others["user_id"].n_unique()
    for name, share in (("many_05", 0.05), ("many_20", 0.2), ("many_50", 0.5)):
        assert abs(len(targets[name]) - share * askable) < 4 * (share * (1 - share) * askable) ** 0.5
    lengths = set()
    for user, history, target in many.select("user_id", "history", "target").iter_rows():
        p = in_time(posts, user)
        place = p.index(target)
        assert history == p[max(0, place - 3) : place]
        lengths.add(len(history))
    assert lengths == {1, 2, 3}
    assert make_records(posts.sort("popularity"), draws, section, 0).equals(records)
    other_seed = make_records(posts, draws, section, 1).filter(draw="many_20")
    assert set(other_seed["target"]) != targets["many_20"]


def test_many_shot_without_posts():
    posts = some_posts().filter(pl.len().over("user_id") >= 5)
    section = task(users=5, many_shot=[0.05])
    with pytest.raises(BadInput, match=r"^params.yaml: tasks.smpd.many_shot: no post for a share of 0.05: .* 0 lab"):
        make_records(posts, draw_users(posts, section, 0, "smpd"), section, 0)


def test_draws_of_other_posts_are_refused():
    posts, section = some_posts(), task()
    draws = draw_users(posts, section, 0, "smpd")
    user = draws["user_id"][0]
    with pytest.raises(BadInput, match="posts lack authors of the draws"):
        make_records(posts.filter(pl.col("user_id") != user), draws, section, 0)
    fewer = posts.filter((pl.col("user_id") != user) | (pl.col("post_id") == in_time(posts, user)[0]))
    with pytest.raises(BadInput, match="a drawn author has fewer than 5 posts"):
        make_records(fewer, draws, section, 0)


def test_posts_outside_the_split_are_not_used():
    posts = some_posts()
    splits = posts.select("post_id", split=pl.lit("train"), fold=pl.lit(0, pl.Int8))
    outside = posts["post_id"][5]
    unlabelled = posts["post_id"][9]
    splits = splits.with_columns(
        split=pl.when(pl.col("post_id").is_in([outside])).then(pl.lit("unlabelled")).otherwise("split")
    )
    posts = posts.with_columns(popularity=pl.when(pl.col("post_id") != unlabelled).then("popularity"))
    left = usable_posts(posts, splits)
    assert set(posts["post_id"]) - set(left["post_id"]) == {outside, unlabelled}
