"""Best, typical and worst posts: which they are, no post twice, of an author one of each kind, whatever the order."""

from __future__ import annotations

import polars as pl
import pytest

from popcast.serving.example_posts.chosen_examples import KINDS, chosen_examples


def table(errors: list[float], authors: list[str | None] | None = None) -> pl.DataFrame:
    ids = [f"p{place:02d}" for place in range(len(errors))]
    users = pl.Series(authors or [f"u{place}" for place in range(len(errors))], dtype=pl.String)
    return pl.DataFrame({"post_id": ids, "user_id": users, "prediction": errors, "popularity": [0.0] * len(ids)},
                        schema_overrides={"prediction": pl.Float64, "popularity": pl.Float64})  # fmt: skip


def kinds(found: pl.DataFrame) -> dict[str, list[str]]:
    return {kind: found.filter(kind=kind)["post_id"].to_list() for kind in KINDS}


def test_least_median_and_largest_errors():
    found = chosen_examples(table([5.0, -0.1, 2.0, -9.0, 0.2, 2.1, 3.0]))
    assert kinds(found) == {"best": ["p01", "p04"], "typical": ["p02", "p05"], "worst": ["p00", "p03"]}
    assert found["kind"].to_list() == [kind for kind in KINDS for _ in range(2)]


def test_an_author_stands_once_in_each_kind_and_posts_without_one_each_by_itself():
    errors = [0.0, 0.1, 0.2, 5.0, 5.1, 5.2, 9.0, 9.1, 9.2]
    found = kinds(chosen_examples(table(errors, ["a", "a", "b", "a", "a", "b", None, None, "b"])))
    assert found["best"] == ["p00", "p02"]
    assert found["worst"] == ["p07", "p08"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 6])
def test_few_posts_give_few_examples_and_none_twice(count):
    found = chosen_examples(table([float(place) for place in range(count)]))
    assert found.height == 3 * min(2, count // 3)
    assert found["post_id"].n_unique() == found.height


def test_the_order_of_rows_does_not_matter():
    rows = table([1.0, -1.0, 1.0, 2.0, 0.5, -0.5, 3.0, -3.0, 0.0, 1.5])
    first = chosen_examples(rows)
    assert chosen_examples(rows.sample(fraction=1.0, shuffle=True, seed=3)).equals(first)
