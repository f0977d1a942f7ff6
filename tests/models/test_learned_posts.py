"""The bank of neighbours inside a predictor: who sees whom, ties, and exact averages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.features.common.nearest import unit_rows
from popcast.models.inputs.learned_posts import LearnedPosts, neighbour_weights, weighted_sums

START = datetime(2022, 6, 1, tzinfo=UTC)
DEGREES = {"a": 0, "b": 10, "c": 30, "d": 35, "e": 60}
LEARNING = np.array([True, True, True, False, False])
QUERY = {"q": 32}


def posts(ids, days=None, titles=None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "post_id": list(ids),
            "posted_at": [None if days is None else START + timedelta(days=day) for day in days or ids],
            "title": titles or [f"title of {name}" for name in ids],
        },
        schema_overrides={"posted_at": pl.Datetime("us", "UTC"), "title": pl.String},
    )


def angles(degrees) -> np.ndarray:
    radians = np.deg2rad(np.array(list(degrees), np.float64))
    return unit_rows(np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32))


def small_bank(policy: str, days=(1, 2, 3, 4, 5), drop=False, titles=None) -> LearnedPosts:
    return LearnedPosts(posts(DEGREES, list(days), titles), angles(DEGREES.values()), LEARNING, policy, drop)


def names(index: np.ndarray) -> list[str]:
    return ["".join("abcde"[i] for i in row if i >= 0) for row in index]


@pytest.mark.parametrize(
    ("policy", "in_fit", "at_prediction"),
    [  # of a, b, c (learning), d, e (window), and of a new post at 32 degrees on day 4.5
        ("train", ["bc", "ac", "ba", "cb", "cb"], ["cb"]),
        ("train+valid", ["bc", "ac", "ba", "cb", "cb"], ["cd"]),
        ("ref", ["bc", "ac", "db", "cb", "dc"], ["cd"]),
        ("past_only", ["", "a", "ba", "cb", "cb"], ["cb"]),
    ],
)
def test_who_sees_whom(policy, in_fit, at_prediction):
    bank = small_bank(policy)
    index, _ = bank.neighbours(posts(DEGREES, [1, 2, 3, 4, 5]), angles(DEGREES.values()), 2, "fit")
    assert names(index) == in_fit
    index, similarity = bank.neighbours(posts("q", [4.5]), angles([32]), 2, "predict")
    assert names(index) == at_prediction
    found = [DEGREES[name] for name in at_prediction[0]]
    assert similarity[0] == pytest.approx(np.cos(np.deg2rad(np.array(found) - 32)), abs=1e-6)


def test_fewer_neighbours_than_asked_for_and_a_post_without_vector():
    bank = small_bank("train")
    asking = posts("qr", [9, 9])
    index, similarity = bank.neighbours(asking, np.vstack([angles([0]), np.zeros((1, 2), np.float32)]), 5, "predict")
    assert index.tolist() == [[0, 1, 2, -1, -1], [-1] * 5]
    assert (similarity[0, 3:] == 0).all()
    assert (similarity[1] == 0).all()


def test_a_row_without_vector_is_nobodys_neighbour():
    vectors = angles(DEGREES.values())
    vectors[1] = 0
    bank = LearnedPosts(posts(DEGREES, [1, 2, 3, 4, 5]), vectors, LEARNING, "ref", False)
    index, _ = bank.neighbours(posts("q", [9]), angles([12]), 4, "predict")
    assert names(index) == ["acde"]


def test_ties_go_by_ascending_id_not_by_place():
    bank = LearnedPosts(posts("dbca", [1, 2, 3, 4]), angles([5, 5, 5, 5]), np.ones(4, bool), "train", False)
    index, _ = bank.neighbours(posts("q", [9]), angles([7]), 3, "predict")
    assert index.tolist() == [[3, 1, 2]]


def test_the_same_title_is_passed_over_and_a_missing_title_is_no_title():
    titles = ["same", "same", None, "same", None]
    asking = pl.concat([posts("q", [9], ["same"]), posts("c", [3], [None])])
    for drop, expected in ((False, ["cdbe", "dbae"]), (True, ["ce", "dbae"])):
        index, _ = small_bank("ref", drop=drop, titles=titles).neighbours(asking, angles([32, 30]), 4, "predict")
        assert names(index) == expected


def test_past_only_needs_times():
    with pytest.raises(BadInput, match="past_only needs the times"):
        LearnedPosts(posts(DEGREES), angles(DEGREES.values()), LEARNING, "past_only", False)
    bank = small_bank("past_only")
    index, _ = bank.neighbours(posts("q"), angles([32]), 2, "predict")
    assert (index == -1).all()


def many(seed: int = 0, rows: int = 700, width: int = 16):
    rng = np.random.default_rng(seed)
    vectors = unit_rows(rng.normal(size=(rows, width)).astype(np.float32).round(1))
    ids = [f"p{i:04d}" for i in rng.permutation(rows)]
    return posts(ids, list(range(rows)), [f"t{i % 50}" for i in range(rows)]), vectors, np.arange(rows) < 500


@pytest.mark.parametrize("policy", ["train", "ref", "past_only"])
@pytest.mark.parametrize("drop", [False, True])
def test_same_neighbours_as_a_plain_loop(policy, drop):
    table, vectors, learning = many()
    bank = LearnedPosts(table, vectors, learning, policy, drop)
    index, _ = bank.neighbours(table, vectors, 6, "fit")
    exact = (vectors.astype(np.float64) @ vectors.astype(np.float64).T).round(6)
    ids, titles = table["post_id"].to_list(), table["title"].to_list()
    for i in range(0, len(ids), 23):
        allowed = [
            j
            for j in range(i if policy == "past_only" else len(ids))
            if j != i and (policy == "ref" or learning[j]) and not (drop and titles[j] == titles[i])
        ]
        expected = sorted(allowed, key=lambda j: (-exact[i, j], ids[j]))[:6]
        assert [j for j in index[i] if j >= 0] == expected


def test_never_oneself_and_only_labels_that_the_policy_allows():
    table, vectors, learning = many(1)
    index, _ = LearnedPosts(table, vectors, learning, "train", False).neighbours(table, vectors, 10, "fit")
    assert (index >= 0).all()
    assert (index != np.arange(len(index))[:, None]).all()
    assert learning[index].all()


def test_a_query_is_answered_alone_as_among_others():
    table, vectors, learning = many(2)
    bank = LearnedPosts(table, vectors, learning, "train", True)
    whole, similar = bank.neighbours(table, vectors, 5, "predict")
    for rows in (np.array([600]), np.arange(699, 450, -7)):
        index, similarity = bank.neighbours(table[rows], vectors[rows], 5, "predict")
        assert np.array_equal(index, whole[rows])
        assert np.array_equal(similarity, similar[rows])


def test_weights_are_a_softmax_over_those_that_there_are():
    index = np.array([[3, 1], [2, -1], [-1, -1]], np.int32)
    similarity = np.array([[0.9, 0.4], [0.7, 0.0], [0.0, 0.0]], np.float32)
    first = 1 / (1 + np.exp(-0.5))
    assert neighbour_weights(index, similarity) == pytest.approx(np.array([[first, 1 - first], [1, 0], [0, 0]]))
    sharp = neighbour_weights(index, similarity, 0.1)
    assert sharp[0, 0] == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-6)


def test_weighted_sums_are_those_of_the_gathered_rows():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(50, 4, 3)).astype(np.float32)
    index = rng.integers(0, 50, (20, 5)).astype(np.int32)
    index[4, 2:], index[9] = -1, -1
    weights = neighbour_weights(index, rng.random((20, 5)).astype(np.float32))
    found = weighted_sums(index, weights, values)
    assert found.dtype == np.float32
    assert found == pytest.approx(np.einsum("nk,nkfd->nfd", weights, values[index]), abs=1e-6)
    assert (found[9] == 0).all()
    assert np.array_equal(weighted_sums(index[4:5], weights[4:5], values), found[4:5])
    assert weighted_sums(index[:0], weights[:0], values).shape == (0, 4, 3)
