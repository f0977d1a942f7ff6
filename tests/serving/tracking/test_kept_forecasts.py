"""Forecasts that are kept survive a kill, and find their outcomes."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets.reading.open_rows import rows_of_frame
from popcast.serving.asked_posts import asked_posts
from popcast.serving.forecast import Forecast
from popcast.serving.tracking import kept_forecasts
from popcast.serving.tracking.kept_forecasts import keep, kept_rows
from popcast.serving.tracking.tracked_forecasts import tracked
from tests.api.fixed_choice import rows

LATER = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def later() -> pl.DataFrame:
    """Posts after those that the bundle knows, with likes."""
    made = rows(n=60, unlabelled=0, seed=9)
    moved = pl.col("created").str.replace("2025-01-0", "2025-07-0").str.replace("2025-01-1", "2025-07-1")
    return made.with_columns(id=pl.lit("later ") + pl.col("id"), created=moved)


def posts_of(forecast: Forecast, frame: pl.DataFrame) -> pl.DataFrame:
    return asked_posts(rows_of_frame(frame.drop("likes")), forecast.contents).posts


def labels_of(frame: pl.DataFrame) -> pl.Series:
    return (frame["likes"] + 1).log(2)


def kept(forecast: Forecast, frame: pl.DataFrame, ids: pl.Series | None = None) -> list[str]:
    prepared = forecast.prepared(posts_of(forecast, frame))
    return keep(forecast, prepared, forecast.predict_prepared(prepared), ids)


def test_what_is_kept_is_what_was_said_and_finds_the_observed_outcomes(forecast, later, tmp_path):
    said = forecast.predict(posts_of(forecast, later))
    names = kept(forecast, later)
    assert len(set(names)) == later.height
    again = Forecast.load(tmp_path / "bundle")
    found, inputs = kept_rows(again.kept.all())
    assert found["kept"].to_list() == names
    assert found.select("post_id", "prediction", "lower", "upper").equals(
        said.select("post_id", "prediction", "lower", "upper")
    )
    assert inputs.numbers.height == inputs.words.height == later.height
    assert tracked(again)["counts"] == {
        "compared": 0,
        "waiting": 60,
        "older": 0,
        "settled": 0,
        "unknown": 0,
        "young": 0,
    }
    forecast.observe(posts_of(forecast, later)[:40], labels_of(later)[:40], LATER)
    content = tracked(forecast)
    assert content["counts"]["compared"] == 40
    assert content["counts"]["waiting"] == 20
    error = (said["prediction"] - labels_of(later))[:40]
    assert content["figures"]["mae"] == pytest.approx(error.abs().mean(), abs=1e-6)
    assert content["figures"]["bias"] == pytest.approx(error.mean(), abs=1e-6)
    assert content["figures"]["mae_low"] < content["figures"]["mae"] < content["figures"]["mae_high"]
    assert sum(week["posts"] for week in content["weeks"]) <= 40
    assert tracked(Forecast.load(tmp_path / "bundle")) == content


def test_an_outcome_names_the_kept_forecast_or_the_post_and_unknown_ones_are_counted(forecast, later):
    none = pl.Series([None] * 30, dtype=pl.String)
    names = kept(forecast, later[:30], none)
    kept(forecast, later[30:])
    ids = [names[0], "later p0000", "later p0030", "nobody"]
    outcomes = pl.DataFrame({"post_id": ids, "user_id": [None] * 4, "popularity": [5.0] * 4},
                            schema_overrides={"user_id": pl.String})  # fmt: skip
    content = tracked(forecast, outcomes)
    assert content["counts"] == {"compared": 2, "waiting": 58, "older": 0, "settled": 0, "unknown": 2, "young": 0}
    assert content["notes"][0] == "2 outcomes of posts without a kept forecast"
    other = outcomes.with_columns(user_id=pl.lit("page 99"))
    assert tracked(forecast, other)["counts"]["compared"] == 0
    posted = posts_of(forecast, later)["posted_at"].min()
    young = pl.Series([posted] * 4)
    assert tracked(forecast, outcomes, young)["counts"]["young"] == 2


def test_of_several_forecasts_of_a_post_the_last_one_counts_and_none_that_knew_the_outcome(forecast, later):
    kept(forecast, later[:2])
    kept(forecast, later[:1].with_columns(message=pl.lit("storm storm storm")))
    last = forecast.predict(posts_of(forecast, later[:1].with_columns(message=pl.lit("storm storm storm"))))
    forecast.observe(posts_of(forecast, later)[:2], labels_of(later)[:2], LATER)
    kept(forecast, later[:1])
    content = tracked(forecast)
    assert content["counts"] == {"compared": 2, "waiting": 0, "older": 1, "settled": 1, "unknown": 0, "young": 0}
    error = abs(last["prediction"][0] - labels_of(later)[0])
    other = abs(forecast_before(forecast, later)["prediction"][0] - labels_of(later)[1])
    assert content["figures"]["mae"] == pytest.approx((error + other) / 2, abs=1e-6)


def forecast_before(forecast: Forecast, later: pl.DataFrame) -> pl.DataFrame:
    """What was said of the second post."""
    found, _ = kept_rows(forecast.kept.all())
    return found.filter(post_id="later p0001")


@pytest.mark.parametrize("cut", [1, 5, 400])
def test_a_torn_line_is_dropped_and_the_next_one_takes_its_place(forecast, later, tmp_path, cut):
    first = kept(forecast, later[:3])
    kept(forecast, later[3:6])
    file = tmp_path / "bundle" / kept_forecasts.FILE
    file.write_bytes(file.read_bytes()[:-cut])
    torn = Forecast.load(tmp_path / "bundle")
    assert kept_rows(torn.kept.all())[0]["kept"].to_list() == first
    more = kept(torn, later[6:8])
    found = Forecast.load(tmp_path / "bundle").kept.all()
    assert kept_rows(found)[0]["kept"].to_list() == [*first, *more]


def test_another_bundles_journal_and_a_broken_line_are_one_line(forecast, later, tmp_path):
    kept(forecast, later[:1])
    kept(forecast, later[1:2])
    file = tmp_path / "bundle" / kept_forecasts.FILE
    lines = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join([lines[0], lines[1][:-3] + b"xxx", *lines[2:]]))
    with pytest.raises(BadInput, match="a broken line"):
        tracked(Forecast.load(tmp_path / "bundle"))
    file.write_bytes(b"\n".join(lines))
    bundle = tmp_path / "bundle" / "bundle.json"
    bundle.write_bytes(bundle.read_bytes() + b"\n")
    with pytest.raises(BadInput, match="the journal of another bundle"):
        tracked(Forecast.load(tmp_path / "bundle"))


def test_a_saved_bundle_has_what_was_kept_and_a_bundle_in_memory_keeps_in_memory(
    forecast, later, tmp_path, bundle_folder
):
    names = kept(forecast, later[:3])
    forecast.save(tmp_path / "copy")
    assert kept_rows(Forecast.load(tmp_path / "copy").kept.all())[0]["kept"].to_list() == names
    shutil.copytree(bundle_folder, tmp_path / "other")
    passing = Forecast.load(tmp_path / "other", keep=False)
    names = kept(passing, later[:2])
    assert kept_rows(passing.kept.all())[0]["kept"].to_list() == names
    assert not (tmp_path / "other" / kept_forecasts.FILE).exists()
    assert keep(passing, passing.prepared(posts_of(passing, later)[:0]), pl.DataFrame()) == []
