"""What is observed later is looked back at, as if the blocks had been fitted on it, and survives a kill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.core.named import block_module
from popcast.datasets.reading.open_rows import rows_of_frame
from popcast.features.common.block_run import embedding_in
from popcast.serving import observed_journal
from popcast.serving.asked_posts import asked_posts
from popcast.serving.forecast import Forecast, context_of
from tests.api.fixed_choice import rows

LATER = datetime(2026, 1, 1, tzinfo=UTC)


def posts_of(forecast: Forecast, frame: pl.DataFrame) -> pl.DataFrame:
    return asked_posts(rows_of_frame(frame), forecast.contents).posts


def labels_of(frame: pl.DataFrame) -> pl.Series:
    return (frame["likes"] + 1).log(2)


def drafts_of(frame: pl.DataFrame) -> pl.DataFrame:
    """New posts of the same authors, after all that is observed."""
    moved = pl.col("created").str.replace("2025-07", "2025-08")
    return frame.with_columns(id=pl.lit("draft ") + pl.col("id"), created=moved).drop("likes").head(12)


def test_observing_day_by_day_is_a_fit_of_the_blocks_on_all_posts(forecast, later):
    """Same posts, same visible labels: same features, of every block, also where some labels come later."""
    drafts = forecast.prepared(posts_of(forecast, drafts_of(later)))
    before = forecast.features(drafts)
    told, labels = posts_of(forecast, later), labels_of(later)
    known = labels.is_not_null() & (pl.Series(range(later.height)) % 4 != 0)
    for start in range(0, later.height, 10):
        part, some = slice(start, start + 10), known[start : start + 10]
        values = pl.select(pl.when(some).then(labels[part])).to_series()
        forecast.observe(told[part], values, LATER)
    forecast.observe(told[:1], labels[:1], LATER)  # of a post that was known to exist
    known[0] = True
    forecast.observe(told.select("post_id")[1:2], pl.Series([3.5]), LATER)  # another outcome; the id is enough
    labels[1] = 3.5
    after = forecast.features(drafts)
    refitted = refit(forecast, told, pl.select(pl.when(known).then(labels)).to_series(), drafts)
    changed = set()
    for name, table in after.items():
        assert table.equals(refitted[name]), name
        changed |= set() if table.equals(before[name]) else {name}
    assert changed == {"history", "neighbours", "knn_values", "windows"}


def refit(forecast: Forecast, told: pl.DataFrame, labels: pl.Series, drafts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Features of drafts by blocks that were fitted on the posts of the bundle and the observed ones."""
    fitted = rows()
    old = posts_of(forecast, fitted.drop("likes")).with_columns(popularity=labels_of(fitted))
    parts = forecast.known.filter(~pl.col("observed")).select("post_id", "split", "fold")
    old = forecast.complete(old).with_columns(old["popularity"]).join(parts, on="post_id")
    new = forecast.complete(told).with_columns(popularity=labels)
    split = pl.when(pl.col("popularity").is_not_null()).then(pl.lit("test")).otherwise(pl.lit("unlabelled"))
    new = new.with_columns(split=split, fold=pl.lit(None, pl.Int8))
    everything = tables.rounded(pl.concat([old, new], how="diagonal_relaxed"))
    found, made = {}, {}
    for one in forecast.contents.blocks:
        params = forecast.blocks[one.block].params
        block = block_module(one.block).Block(params, context_of(forecast.contents, one))
        given = [] if one.of is None else [embedding_in(made[one.of], one.of, one.of)]
        block.fit(everything, *given)
        made[one.block] = tables.rounded(block.transform(everything, *given))
        asked = [] if one.of is None else [embedding_in(found[one.of], one.of, one.of)]
        found[one.block] = tables.rounded(block.transform(drafts, *asked))
    return found


def test_a_loaded_bundle_goes_on_with_all_that_was_observed(forecast, later, tmp_path):
    drafts = posts_of(forecast, drafts_of(later))
    before = forecast.predict(drafts)
    told, labels = posts_of(forecast, later), labels_of(later)
    assert forecast.observe(told[:20], labels[:20], LATER) == {"posts": 20, "outcomes": 20, "too_young": 0}
    assert forecast.observe(told[10:], labels[10:], LATER) == {"posts": 20, "outcomes": 30, "too_young": 0}
    said = forecast.predict(drafts)
    assert not said.equals(before)
    again = Forecast.load(tmp_path / "bundle")
    assert again.predict(drafts).equals(said)
    again.save(tmp_path / "elsewhere")
    assert Forecast.load(tmp_path / "elsewhere").predict(drafts).equals(said)


def test_two_that_are_open_at_once_see_what_the_other_one_wrote(forecast, later, tmp_path):
    other = Forecast.load(tmp_path / "bundle")
    told, labels, drafts = posts_of(forecast, later), labels_of(later), posts_of(forecast, drafts_of(later))
    other.observe(told[:20], labels[:20], LATER)
    forecast.observe(told[20:], labels[20:], LATER)
    assert forecast.predict(drafts).equals(Forecast.load(tmp_path / "bundle").predict(drafts))
    assert forecast.observed.posts.height == 40


def test_an_outcome_counts_when_its_post_is_old_enough_and_the_newest_one_wins(forecast, later):
    told, posted = posts_of(forecast, later)[:1], posts_of(forecast, later)["posted_at"][0]

    def seen() -> float | None:
        return forecast.observed.posts["popularity"][0]

    hour, day, week = (posted + timedelta(hours=hours) for hours in (1, 24, 168))
    assert forecast.observe(told, pl.Series([1.0]), hour) == {"posts": 1, "outcomes": 0, "too_young": 1}
    assert seen() is None
    assert forecast.known.filter(post_id=told["post_id"][0])["labelled"].to_list() == [False]
    forecast.observe(told, pl.Series([4.0]), day)
    assert seen() == 4.0
    forecast.observe(told, pl.Series([5.0]), week)
    assert seen() == 5.0
    forecast.observe(told, None, week)
    assert seen() == 5.0
    assert forecast.known.filter(post_id=told["post_id"][0])["labelled"].to_list() == [True]


def test_an_outcome_of_a_post_that_was_learned_from_takes_the_place_of_the_old_one(forecast):
    block = forecast.blocks["history"]
    post = block.labels.row(0, named=True)
    asked = pl.DataFrame({"post_id": [post["post_id"]]})
    forecast.observe(asked, pl.Series([17.0]), LATER)
    found = forecast.blocks["history"].labels
    assert found.height == block.labels.height
    assert found.row(0, named=True) == post | {"popularity": 17.0}
    assert forecast.learned_from(asked) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"post_id": None}, "a post without id"),
        ({"user_id": "page 99"}, "is known with another author"),
        ({"posted_at": LATER}, "is known with another time"),
    ],
)
def test_a_post_that_cannot_be_told_apart_is_one_line_and_nothing_is_written(forecast, later, tmp_path, change, said):
    told = posts_of(forecast, later)[:2]
    forecast.observe(told)
    size = (tmp_path / "bundle" / observed_journal.FILE).stat().st_size
    wrong = told.with_columns(pl.lit(value, told.schema[name]).alias(name) for name, value in change.items())
    with pytest.raises(BadInput, match=said):
        forecast.observe(wrong)
    assert (tmp_path / "bundle" / observed_journal.FILE).stat().st_size == size


def test_two_rows_of_one_id_are_one_line(forecast, later):
    told = posts_of(forecast, later)[:1]
    with pytest.raises(BadInput, match="two rows of one id"):
        forecast.observe(pl.concat([told, told]))


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_last_line_is_dropped_and_the_journal_goes_on(forecast, later, tmp_path, cut):
    told, labels, drafts = posts_of(forecast, later), labels_of(later), posts_of(forecast, drafts_of(later))
    forecast.observe(told[:20], labels[:20], LATER)
    said = forecast.predict(drafts)
    forecast.observe(told[20:], labels[20:], LATER)
    whole = forecast.predict(drafts)
    file = tmp_path / "bundle" / observed_journal.FILE
    file.write_bytes(file.read_bytes()[:-cut])
    torn = Forecast.load(tmp_path / "bundle")
    assert torn.predict(drafts).equals(said)
    torn.observe(told[20:], labels[20:], LATER)
    assert Forecast.load(tmp_path / "bundle").predict(drafts).equals(whole)


def test_a_broken_line_in_the_middle_and_another_bundles_journal_are_one_line(forecast, later, tmp_path):
    told = posts_of(forecast, later)
    forecast.observe(told[:1])
    forecast.observe(told[1:2])
    file = tmp_path / "bundle" / observed_journal.FILE
    lines = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join([lines[0], lines[1][:-3] + b"xxx", *lines[2:]]))
    with pytest.raises(BadInput, match=r"observed\.jsonl, row 2.*a broken line|row 2"):
        Forecast.load(tmp_path / "bundle")
    file.write_bytes(b"\n".join(lines))
    bundle = tmp_path / "bundle" / "bundle.json"
    bundle.write_bytes(bundle.read_bytes() + b"\n")
    with pytest.raises(BadInput, match="the journal of another bundle"):
        Forecast.load(tmp_path / "bundle")


def test_drafts_of_one_author_see_one_another_only_together(forecast, later):
    """Together an older draft counts as a post of the author; its label is no one's."""
    first = posts_of(forecast, drafts_of(later))[:1]
    hours = [pl.col("posted_at") + pl.duration(hours=hour) for hour in range(3)]
    drafts = pl.concat([first.with_columns(hour, post_id=pl.lit(f"d{i}")) for i, hour in enumerate(hours)])
    alone = pl.concat([forecast.predict(drafts[i : i + 1]) for i in range(3)])
    assert forecast.predict(drafts).equals(alone)
    prepared = forecast.prepared(drafts)
    apart = forecast.features(prepared)["history"]
    among = forecast._among(prepared, None).features(prepared)["history"]
    assert (among["history.posts_before"] - apart["history.posts_before"]).to_list() == [0, 1, 2]
    assert among["history.count"].equals(apart["history.count"])
    together = forecast.predict(drafts, together=True)
    assert together[:1].equals(alone[:1])
    assert not together.equals(alone)
    assert forecast.predict(drafts).equals(alone)  # nothing stays


def test_a_known_forecast_stays_when_nothing_was_observed(forecast, bundle_folder, later):
    drafts = posts_of(forecast, drafts_of(later))
    forecast.warm()
    assert forecast.predict(drafts).equals(Forecast.load(bundle_folder).predict(drafts))
    assert forecast.observe(drafts.clear()) == {"posts": 0, "outcomes": 0, "too_young": 0}
    assert forecast.journal.content() == b""
