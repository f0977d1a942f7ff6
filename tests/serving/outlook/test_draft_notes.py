"""What is said beside forecasts: moments far from the posts learned from, authors nobody knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from popcast.datasets.reading.open_rows import rows_of_frame
from popcast.serving.asked_posts import asked_posts
from popcast.serving.outlook.draft_notes import Ends, authors_said, draft_notes, moments_said

START = datetime(2025, 1, 1, tzinfo=UTC)


def known(*days: tuple[int, str, bool]) -> pl.DataFrame:
    """Posts of a bundle: (day, part, observed later?), all with a label."""
    rows = [{"posted_at": START + timedelta(days=day), "split": part, "observed": seen} for day, part, seen in days]
    return pl.DataFrame(rows).with_columns(labelled=pl.lit(True))


POSTS = known((0, "train", False), (100, "train", False), (150, "test", False))


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ([151], []),
        ([200], []),  # fifty days ahead were tested
        ([201], ["1 post is later than the posts learned from by up to 51 days: forecasts were tested up to 50 days"]),
        ([3800, 4000, 120], ["2 posts are later than the posts learned from by up to 3,850 days: forecasts were"]),
        ([-30], []),
        ([-31], ["1 post is earlier than the posts learned from by up to 31 days"]),
        ([-31, 900], ["1 post is later than", "1 post is earlier than"]),
        ([None], []),
    ],
)
def test_moments_far_from_those_learned_from_are_said(days, said):
    moments = [None if day is None else START + timedelta(days=day) for day in days]
    found = moments_said(pl.Series(moments, dtype=pl.Datetime("us", "UTC")), Ends.of(POSTS))
    assert len(found) == len(said)
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True))


def test_observed_posts_bring_the_end_nearer_and_posts_without_times_have_none():
    later = pl.Series([START + timedelta(days=201)])
    assert moments_said(later, Ends.of(pl.concat([POSTS, known((190, "test", True))]))) == []
    assert Ends.of(POSTS.with_columns(posted_at=pl.lit(None, pl.Datetime("us", "UTC")))) is None
    assert moments_said(later, Ends.of(POSTS.with_columns(labelled=pl.lit(False)))) == []


def test_unknown_authors_are_said_with_who_is_nearly_called_so():
    asked = pl.Series(["Page 3 ", None, "page 3", "\u202enobody\n"])
    line = authors_said(asked, {"page 3", None})[0]
    assert "'Page 3 ' (known is 'page 3')" in line
    assert line.isprintable()
    assert authors_said(pl.Series(["page 3", None]), {"page 3"}) == []
    assert authors_said(pl.Series([f"a{n}" for n in range(7)]), set())[0].endswith(" and 2 more")


def test_ten_years_later_is_said_and_the_forecast_stays_among_counts(forecast):
    drafts = [{"message": "storm", "page": "page 3", "created": f"20{year}-06-01T10:00:00Z"} for year in (25, 35)]
    prepared = forecast.prepared(asked_posts(rows_of_frame(drafts), forecast.contents).posts)
    assert [line.partition(" than")[0] for line in draft_notes(forecast, prepared)] == ["1 post is later"]
    now, then = forecast.predict_prepared(prepared)["prediction"]
    assert then == pytest.approx(now, abs=3)
