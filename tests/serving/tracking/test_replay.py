"""The test part played once more has the figures of its report, and shows what following intervals would have held."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from popcast.blend import blending
from popcast.blend.params import Blend as BlendSection
from popcast.core import paths
from popcast.report.tracking.tracking_chapter import fragment, tracking_chapter
from popcast.scoring.metrics import score
from popcast.serving.tracking.replay import FILE, Played, replay, write_replay

COUNTS = {"train": 600, "valid": 500, "test": 600}


def played(seed: int, growth: float = 1.0, timed: bool = True) -> tuple[Played, pl.DataFrame]:
    """Posts of 80 authors, two members, their blend; in the second half of the test part outcomes spread ``growth``
    times as far around what members say. Also the table of the blend."""
    rng = np.random.default_rng(seed)
    split = np.repeat(list(COUNTS), list(COUNTS.values()))
    count = len(split)
    level, noise = rng.normal(8, 2, count), rng.normal(0, 1, count)
    noise[count - COUNTS["test"] // 2 :] *= growth
    posts = pl.DataFrame(
        {
            "post_id": [f"p{i:04}" for i in range(count)],
            "user_id": [f"a{a}" for a in rng.integers(0, 80, count)],
            "posted_at": [
                datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=4 * i) if timed else None for i in range(count)
            ],
            "title": ["x" * int(n) for n in rng.integers(3, 50, count)],
            "tags": [["t"] * int(n) for n in rng.integers(0, 4, count)],
            "category": rng.choice(["a", "b"], count),
            "media": [None] * count,
            "popularity": np.round(level + noise, 6),
            "split": split,
            "fold": [i % 3 if part == "train" else None for i, part in enumerate(split)],
        },
        schema_overrides={"posted_at": pl.Datetime("us", "UTC"), "fold": pl.Int8, "media": pl.List(pl.String)},
    )
    predictions = {
        name: posts.select(
            "post_id", "split", "fold", prediction=pl.Series(np.round(level + rng.normal(0, 0.3, count), 6))
        )
        for name in ("one", "other")
    }
    section = BlendSection.model_validate({"method": "mean", "widths": {"method": "constant"}})
    table, blend = blending.blend(posts, predictions, section, "mae")
    one = Played("posts", posts, blend, predictions, {}, "labelled", False, "UTC", 0, 1.0)
    return one, table


def test_figures_are_those_of_the_test_part_and_bytes_are_the_same(tmp_path):
    one, table = played(0)
    found = replay(one)
    rows = table.filter(split="test").join(one.posts.select("post_id", "popularity"), on="post_id")
    scores = score(rows["popularity"].to_numpy(), rows["prediction"].round(6).to_numpy())
    assert found["figures"]["posts"] == COUNTS["test"]
    assert found["figures"]["mae"] == pytest.approx(scores["mae"], abs=1e-6)
    assert found["figures"]["src"] == pytest.approx(scores["src"], abs=1e-6)
    inside = rows["popularity"].is_between(rows["lower"], rows["upper"]).mean()
    assert found["figures"]["coverage"] == pytest.approx(inside, abs=0.002)
    assert found["test"]["posts"] == COUNTS["valid"]
    assert found["verdict"]["refit"] is False
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        write_replay(folder, played(0)[0])
    assert (tmp_path / "a" / FILE).read_bytes() == (tmp_path / "b" / FILE).read_bytes()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_intervals_that_follow_outcomes_hold_more_where_errors_grow(seed):
    found = replay(played(seed, growth=2.0)[0])
    assert found["figures"]["coverage"] < 0.82
    assert found["adapted"]["coverage"] > found["figures"]["coverage"] + 0.04
    assert found["adapted"]["interval_score"] < found["figures"]["interval_score"]
    assert found["drift"]["error"]["moved"]
    assert found["verdict"]["refit"] is True
    late = [week for week in found["weeks"][-5:] if week["posts"] > 20]
    assert np.mean([week["adapted"] for week in late]) == pytest.approx(0.9, abs=0.05)


def test_no_outcome_is_known_before_its_post_is_old_enough():
    one, _ = played(4, growth=2.0)
    never = replay(replace(one, maturity_days=1e5))
    assert never["adapted"]["coverage"] == never["figures"]["coverage"]
    assert replay(one)["adapted"]["coverage"] > never["adapted"]["coverage"]


def test_posts_without_times_have_figures_and_neither_weeks_nor_drift():
    found = replay(played(5, timed=False)[0])
    assert found["figures"]["posts"] == COUNTS["test"]
    assert (found["weeks"], found["drift"], found["adapted"]) == ([], {}, None)
    assert "<svg" in fragment(found, "test part")  # inputs


def test_the_chapter_shows_figures_and_pictures_with_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tracking_chapter("posts") is None
    paths.bundle("posts").mkdir(parents=True)
    write_replay(paths.bundle("posts"), played(6, growth=2.0)[0])
    html = tracking_chapter("posts")
    assert html.count('role="img" aria-label="') == 3
    assert "Coverage by week, posts" in html
    assert "Refit: " in html
    for word in ("NaN", "None", "nan", "inf<"):
        assert word not in html
    assert "<script" not in html
