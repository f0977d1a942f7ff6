"""Rules of choosing: by size, times, authors, text and budget; every choice is one that params.yaml takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.yaml_reading import read_yaml
from popcast.planning import plan, project_params
from popcast.planning.choosing.pipeline_choice import PostFacts, choose, chosen, facts_of
from popcast.planning.choosing.split_choice import history_of, snapshot_of, split_of
from popcast.splits.making import make_splits
from popcast.splits.params import Split
from tests.conftest import ROOT

FACTS = PostFacts(
    posts=3020, labelled=3000, unlabelled=20, authors=40, posts_per_author=75.0, every_author=True, timed=True,
    moments=2900, folds=4, span_days=365.0, lag_days=2.4, newest_drawn=False,
    newest=datetime(2025, 3, 1, 12, 34, tzinfo=UTC), text=True, blanks=True, english=True, tags=True,
    categories=("category",), images=False, videos=False,
    outcomes=("posthoc_comments",),
)  # fmt: skip

KINDS = {
    "usual": FACTS,
    "no time": replace(FACTS, timed=False, moments=0, span_days=0.0, lag_days=0.0, newest=None),
    "no author": replace(FACTS, authors=0, posts_per_author=0.0, every_author=False),
    "neither": replace(FACTS, timed=False, authors=0, every_author=False, moments=0, newest=None, lag_days=0.0),
    "one account": replace(FACTS, authors=1, posts_per_author=3000.0),
    "no text": replace(FACTS, text=False, tags=False, english=False),
    "Chinese": replace(FACTS, blanks=False, english=False),
    "small": replace(FACTS, labelled=120, posts=140, authors=9),
    "middle": replace(FACTS, labelled=49_000, posts=50_000, authors=1800, newest_drawn=True),
    "pictures": replace(FACTS, images=True),
    "large": replace(FACTS, labelled=176_000, posts=220_000, authors=141),
}


@pytest.mark.parametrize("budget", [1.0, 300.0, 7200.0])
@pytest.mark.parametrize("facts", KINDS.values(), ids=KINDS)
def test_every_choice_is_taken_by_params_yaml(facts, budget):
    sections = choose("mine", facts, budget, "data/raw/mine")
    project = read_yaml(ROOT / "params.yaml")
    mine = {
        "kind": "table",
        "raw": "data/raw/mine",
        "table": {"labelled": "a.csv", "columns": {"id": "a", "label": "b"}},
    }
    empty = ("sample", "adversarial", "tasks", "llms", "llm_runs", "feature_rows", "populations", "simulations",
             "responses", "reaction_shares")  # fmt: skip
    merged = {name: {**project.get(name, {}), **sections[name]} for name in ("models", "blend")}
    whole = {**project, **{name: {} for name in empty}, **sections, **merged, "datasets": {"mine": mine}}
    params = project_params.Params.model_validate(whole)
    stages = {one.stage for one in plan.all_instances(params)}
    assert stages <= {"posts", "features", "media", "train", "suite", "blend", "evaluate", "bundle", "report"}
    assert {"posts", "features", "train", "suite", "blend", "evaluate", "report"} <= stages
    assert sections == choose("mine", facts, budget, "data/raw/mine")


def test_a_larger_budget_has_more_members_and_never_fewer():
    runs = [set(chosen("mine", FACTS, budget).runs) for budget in (1.0, 60.0, 300.0, 3600.0)]
    assert all(less <= more for less, more in pairwise(runs))
    assert len(runs[0]) < len(runs[-1])
    assert chosen("mine", FACTS, 1.0).left_for_more
    assert not chosen("mine", FACTS, 3600.0).left_for_more


@pytest.mark.parametrize("facts", KINDS.values(), ids=KINDS)
def test_the_budget_is_kept_where_more_than_the_least_is_chosen(facts):
    least = chosen("mine", facts, 1.0)
    for budget in (300.0, 600.0):
        assert chosen("mine", facts, budget).seconds <= max(budget, least.seconds)


@pytest.mark.parametrize(
    ("kind", "method"),
    [("usual", "chronological"), ("one account", "chronological"), ("no time", "random"), ("neither", "random"),
     ("middle", "newest_per_author")],
)  # fmt: skip
def test_times_and_authors_decide_the_split(kind, method):
    assert split_of(KINDS[kind])["method"] == method


def test_few_authors_are_no_draw_of_authors():
    assert split_of(replace(KINDS["middle"], authors=49))["method"] == "chronological"


def test_too_few_labels_are_one_line():
    with pytest.raises(BadInput, match="39 posts with a label"):
        choose("mine", replace(FACTS, labelled=39))


def test_news_is_as_old_as_it_will_be():
    assert history_of(FACTS) == {"as_of": "lag", "lag_days": 3, "outcomes": ["posthoc_comments"]}
    assert history_of(replace(FACTS, lag_days=0.0))["lag_days"] == 55  # 15 % of the span
    assert history_of(replace(FACTS, lag_days=900.0))["lag_days"] == 92  # never more than a quarter of the span
    assert history_of(KINDS["middle"]) == {"outcomes": ["posthoc_comments"]}


def test_a_snapshot_is_taken_where_all_counts_were_read_at_once():
    assert snapshot_of(KINDS["middle"]) == datetime(2025, 3, 1, 13, tzinfo=UTC)
    assert snapshot_of(FACTS) is None


def test_scripts_without_blanks_are_read_by_letters():
    blocks = choose("mine", KINDS["Chinese"], 3600.0)["blocks"]
    assert blocks["mine-text"]["set"]["tfidf"]["word"] is None
    assert choose("mine", FACTS)["blocks"]["mine-text"]["set"]["tfidf"]["char"] is None


def test_pictures_are_looked_at_where_there_is_time_and_a_folder():
    facts = KINDS["pictures"]
    sections = choose("mine", facts, 1200.0, "raw")
    assert sections["media"] == {"mine-image": {"dataset": "mine", "block": "image", "raw": "raw"}}
    assert "image" in sections["runs"]["mine-lightgbm"]["blocks"]
    assert not choose("mine", facts, 1200.0)["media"]
    assert not choose("mine", facts, 60.0, "raw")["media"]


@pytest.mark.parametrize(
    ("labelled", "authors", "together"), [(176_000, 141, True), (3_000, 40, False), (176_000, 0, False)]
)
def test_words_of_authors_are_learned_together_where_posts_are_many(labelled, authors, together):
    facts = replace(FACTS, labelled=labelled, posts=labelled + 20, authors=authors, every_author=authors > 0)
    runs = choose("mine", facts)["runs"]
    texts = [run["set"]["text"] for run in runs.values() if "text" in run.get("set", {})]
    assert texts
    assert {text.get("authors", "own") for text in texts} == {"joint" if together else "own"}


def test_few_posts_have_out_of_fold_predictions_for_the_blend():
    small, usual = (choose("mine", KINDS[kind]) for kind in ("small", "middle"))
    assert small["blend"]["fit_on"] == "oof+valid"
    assert all("cross_fit_from" not in run for run in small["runs"].values())
    assert usual["blend"]["fit_on"] == "valid"
    assert all(run["cross_fit_from"] == 4 for run in usual["runs"].values())


def table(authors: int, each: int, **more) -> pl.DataFrame:
    """Posts of ``authors`` in turn, one an hour; the last of every other author has no label."""
    count = authors * each
    start = datetime(2024, 1, 1, tzinfo=UTC)
    last = [i >= count - authors for i in range(count)]
    return pl.DataFrame({
        "post_id": [str(i) for i in range(count)],
        "user_id": [f"a{i % authors}" for i in range(count)],
        "posted_at": [start + timedelta(hours=(i % authors) * 24 * each + i // authors) for i in range(count)],
        "title": [f"post {i}" for i in range(count)],
        "popularity": [None if end and i % 2 else float(i % 7) for i, end in enumerate(last)],
        **more,
    }, schema_overrides={"posted_at": pl.Datetime("us", "UTC")})  # fmt: skip


@pytest.mark.parametrize(
    ("text", "there"),
    [
        (lambda i: "", False),
        (lambda i: "?!", False),
        (lambda i: "🎉🔥", False),
        (lambda i: f"w{i}x v{i}y", False),
        (lambda i: "hello", False),
        (lambda i: "good words shared today here" if i % 40 == 0 else None, True),
        (lambda i: "good words shared today here" if i > 380 else None, False),
        (lambda i: "今天天气很好", True),
    ],
    ids=["empty", "signs", "emoji", "no word twice", "one word", "some posts", "the newest posts only", "Chinese"],
)
def test_texts_count_where_posts_to_learn_from_share_words(text, there):
    times = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=i) for i in range(400)]
    posts = pl.DataFrame({"post_id": [f"{i:03}" for i in range(400)], "posted_at": times, "popularity": [1.0] * 400,
                          "title": [text(i) for i in range(400)]}, schema_overrides={"title": pl.String})  # fmt: skip
    facts = facts_of(posts.with_columns(pl.col("posted_at").cast(pl.Datetime("us", "UTC"))))
    assert facts.text == there
    assert ("mine-text" in choose("mine", facts)["blocks"]) == there


@pytest.mark.parametrize(
    ("moments", "timed", "folds"),
    [
        ([0] * 400, False, 1),
        ([i % 3 * 100 for i in range(400)], False, None),
        ([i if i < 40 else 40 for i in range(400)], False, None),
        ([i / 3600 for i in range(400)], True, 1),
        ([i * 7 for i in range(400)], True, 3),
    ],
    ids=["one moment", "three moments", "most at one moment", "one burst", "spread"],
)
def test_times_that_part_no_posts_are_no_chronological_split(moments, timed, folds):
    times = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hours) for hours in moments]
    posts = pl.DataFrame({"post_id": [f"{i:03}" for i in range(400)], "posted_at": times, "popularity": [1.0] * 400,
                          "user_id": [str(i % 5) for i in range(400)]})  # fmt: skip
    posts = posts.with_columns(pl.col("posted_at").cast(pl.Datetime("us", "UTC")))
    facts = facts_of(posts)
    sections = choose("mine", facts)
    assert facts.timed == timed
    assert sections["splits"]["mine"]["method"] == ("chronological" if timed else "random")
    if folds is not None:
        assert facts.folds == folds
    made = make_splits(posts, Split.model_validate(sections["splits"]["mine"]), "UTC", 1, "mine")
    assert set(made["split"]) == {"train", "valid", "test"}
    assert (sections["blend"]["fit_on"] == "oof+valid") == (made["fold"].drop_nulls().n_unique() > 1)


def test_posts_to_predict_that_are_the_newest_of_drawn_authors_are_seen():
    facts = facts_of(table(60, 6))
    assert (facts.newest_drawn, facts.authors, facts.unlabelled, facts.posts_per_author) == (True, 60, 30, 5.5)


def test_posts_to_predict_that_are_newer_than_all_labels_are_no_draw():
    posts = table(60, 6).with_columns(popularity=pl.lit(1.0))
    newest = posts.with_columns(
        posted_at=pl.col("posted_at") + pl.duration(days=400), popularity=pl.lit(None, pl.Float64)
    )
    facts = facts_of(pl.concat([posts, newest.with_columns(post_id="n" + pl.col("post_id"))]))
    assert not facts.newest_drawn
    assert facts.lag_days == pytest.approx(400.0)


def test_facts_of_a_table_with_neither_times_nor_authors():
    facts = facts_of(pl.DataFrame({"post_id": ["a", "b"], "popularity": [1.0, None]}))
    assert (facts.timed, facts.authors, facts.text, facts.labelled, facts.newest) == (False, 0, False, 1, None)


def test_scripts_are_told_by_their_letters():
    posts = table(60, 2)
    assert facts_of(posts).blanks
    assert not facts_of(posts.with_columns(title=pl.lit("今天天气很好，我们去公园"))).blanks
