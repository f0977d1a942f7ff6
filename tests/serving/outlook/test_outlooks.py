"""What a forecast tells beyond three numbers: quantiles, the author's own past, chances; and that its parts agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets.reading.open_rows import rows_of_frame
from popcast.serving.asked_posts import asked_posts
from popcast.serving.outlook.author_past import SHOWN, AuthorPast, past_rows
from popcast.serving.outlook.outlooks import LEVELS, outlooks
from tests.api.fixed_choice import rows

DRAFTS = [
    {"message": "storm", "page": "page 3", "created": "2025-03-01T10:00:00Z"},
    {"message": "kitten", "page": "page 3", "created": "2025-08-01T10:00:00Z"},
    {"message": "kitten", "page": "nobody", "created": "2025-08-01T10:00:00Z"},
    {"message": "kitten"},
]


@pytest.fixture
def prepared(forecast) -> pl.DataFrame:
    return forecast.prepared(asked_posts(rows_of_frame(DRAFTS), forecast.contents).posts)


def test_the_numbers_are_those_of_predict(forecast, prepared):
    for together in (False, True):
        table = forecast.predict_prepared(prepared, None, together).drop("post_id")
        found = outlooks(forecast, prepared, together=together)
        assert [{name: one[name] for name in table.columns} for one in found] == table.to_dicts()


def test_quantiles_and_chances_are_two_readings_of_one_distribution(forecast, prepared):
    found = outlooks(forecast, prepared)
    for row, one in enumerate(found):
        for level in LEVELS:
            name = f"{level:g}"
            assert one["quantile_counts"][name] == pytest.approx(max(0, 2 ** one["quantiles"][name] - 1), abs=2e-3)
            beat = outlooks(forecast, prepared[row : row + 1], above=2 ** one["quantiles"][name] - 1)[0]["chance_above"]
            assert beat["chance"] == pytest.approx(1 - level, abs=1e-3)


def test_the_past_is_that_of_the_author_before_the_draft(forecast, prepared):
    posts = (
        rows()
        .drop_nulls("likes")
        .filter(page="page 3")
        .with_columns(pl.col("created").str.to_datetime(time_zone="UTC"))
    )
    early, late, unknown, without = (one["author"] for one in outlooks(forecast, prepared))
    older = posts.filter(pl.col("created") < datetime(2025, 3, 1, 10, tzinfo=UTC)).sort("created", descending=True)
    assert 0 < older.height < posts.height
    assert early["posts"] == older.height
    assert late["posts"] == posts.height
    assert [one["count"] for one in early["past"]] == [pytest.approx(likes, abs=1e-2) for likes in older["likes"]]
    assert [one["posted_at"] for one in early["past"]] == [moment.isoformat() for moment in older["created"]]
    assert early["median"] == pytest.approx(float((older["likes"] + 1).log(2).median()), abs=1e-5)
    assert late["known"]
    assert not unknown["known"]
    assert unknown["chance_above_median"] is None
    assert without is None


def test_a_bundle_without_intervals_has_no_chances(forecast, prepared):
    forecast.blend = replace(forecast.blend, widths=None)
    one = outlooks(forecast, prepared, above=7)[0]
    assert one["lower"] is one["quantiles"] is one["quantile_counts"] is None
    assert one["chance_above"] == {"value": 7, "chance": None}
    assert one["author"]["median"] is not None
    assert one["author"]["chance_above_median"] is None


@pytest.mark.parametrize(
    ("transform", "above"), [("log2(x+1)", -1.0), ("log2(x)", 0.0), ("log2(x)", -2.0), ("none", np.inf)]
)
def test_no_number_to_beat_is_one_line(transform, above, forecast, prepared):
    forecast.contents = forecast.contents.model_copy(update={"transform": transform})
    with pytest.raises(BadInput, match="above"):
        outlooks(forecast, prepared, above=above)


def past_of(times: list[datetime | None]) -> AuthorPast:
    """Of one author with posts at these times, with outcomes 0, 1, 2, ..."""
    labels = pl.DataFrame(
        {"post_id": [f"{i:04}" for i in range(len(times))], "user_id": ["a"] * len(times), "posted_at": times,
         "popularity": np.arange(float(len(times)))},
        schema_overrides={"posted_at": pl.Datetime("us", "UTC")},
    )  # fmt: skip
    history, contents = SimpleNamespace(labels=labels), SimpleNamespace(transform="none")
    return AuthorPast.of(SimpleNamespace(blocks={"history": history}, known=labels, contents=contents))


def test_posts_without_times():
    """Where none has a time all are older than any moment; beside others that have one, they are of no time."""
    none, some = past_of([None, None]), past_of([datetime(2025, 1, day, tzinfo=UTC) for day in (1, 2)] + [None])
    moment = datetime(2025, 1, 2, tzinfo=UTC)
    assert none.before("a", moment).outcomes.tolist() == [0, 1]
    assert some.before("a", moment).outcomes.tolist() == [0]
    assert sorted(some.before("a", None).outcomes.tolist()) == [0, 1, 2]
    assert some.before("b", moment).median is None
    assert past_rows(none.before("a", None), "none")[0]["posted_at"] is None


def test_a_long_past_is_told_from_its_newest_end():
    past = past_of([datetime(2025, 1, 1, minute=i % 60, hour=i // 60, tzinfo=UTC) for i in range(SHOWN + 50)])
    told = past_rows(past.before("a", None), "none")
    assert [one["popularity"] for one in told] == list(range(SHOWN + 49, 49, -1))
