"""Feature models and references on few-shot records: what they see, what they learn, what the stage writes."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from popcast.core import params, paths, tables
from popcast.core.errors import BadInput
from popcast.fewshot.draws import RECORD
from popcast.fewshot.feature_rows import (
    answer_table,
    asked,
    history_statistics,
    like,
    predict_row,
    ridge_predictions,
    zero_filled,
)
from popcast.fewshot.params import FeatureRow, Task
from stages.tracks import answered_by_rows
from tests.plans import plan_of

SMALL = {"rounds": 5, "depth": 2, "rare": 2, "early_stopping": 2}
PARAMS = """
base: {seed: 7}
datasets: {one: {kind: smpd, raw: nowhere}, two: {kind: smpd, raw: nowhere}}
splits: {one: {method: chronological, shares: [0.6, 0.2, 0.2]}, two: {method: chronological, shares: [0.6, 0.2, 0.2]}}
blocks:
  one-metadata: {dataset: one, block: metadata}
  one-text: {dataset: one, block: text}
  two-metadata: {dataset: two, block: metadata}
features: {metadata: {}, text: {}}
runs: {}
models: {}
blend: {}
evaluation: {}
tasks:
  one: {dataset: one, source: one, track: coldstart, template: smpd, users: 9, newest: 4, extra: 1, shots: [1, 2]}
  two: {dataset: two, source: one, track: zeroshot, template: tpic2017, users: null, newest: 3, extra: 0, shots: [1, 2]}
llms: {one: {scores: [1.0, 16.99], base: {}, sft: {lora: {shots: [1, 2]}}, preferences: {shots: [1, 2]}}}
feature_rows:
  history_mean: {model: history_mean}
  history_ridge: {model: history_ridge}
  hyfea: {model: hyfea, blocks: [metadata, text], zero_fill: true, set: {rounds: 5, depth: 2, rare: 2}}
  many: {model: history_ridge, records: many_05}
"""


def records(authors: int = 9, posts_each: int = 4, shots=(1, 2), draw="fewshot", zero=False) -> pl.DataFrame:
    """Train and test records (zero: test records of one draw) of authors u0, u1 ... with posts u0-0, u0-1 ..."""
    rows = []
    for author in range(authors):
        ids = [f"u{author}-{i}" for i in range(posts_each)]
        for s in shots:
            asked_for = {"test": (ids[-1 - s : -1], ids[-1])} if zero else {
                "train": (ids[:s], ids[s]), "test": (ids[: s + 1], ids[-1])}  # fmt: skip
            for role, (shown, target) in asked_for.items():
                key = f"{draw}-{role}-{s}-{target}"
                rows.append((key, draw, role, s, f"u{author}", shown, target, label(target)))
    return pl.DataFrame(rows, schema=RECORD, orient="row")


def label(post: str) -> float:
    author, place = post[1:].split("-")
    return 3.0 + int(author) * 0.5 + (int(author) * 7 + int(place) * 3) % 5 * 0.25


def posts(authors: int = 9, posts_each: int = 4) -> pl.DataFrame:
    ids = [f"u{a}-{i}" for a in range(authors) for i in range(posts_each)]
    start = dt.datetime(2016, 1, 1, tzinfo=dt.UTC)
    frame = pl.DataFrame(
        {
            "post_id": ids,
            "user_id": [post.split("-")[0] for post in ids],
            "posted_at": [start + dt.timedelta(days=n) for n in range(len(ids))],
            "popularity": [label(post) for post in ids],
            "posthoc_views": 1.0,
        },
        schema_overrides={"posted_at": tables.TIME},
    )
    empty = {name: pl.lit(None, kind) for name, kind in tables.POSTS_COLUMNS.items() if name not in frame.columns}
    return frame.with_columns(**empty)


def blocks(table: pl.DataFrame) -> dict[str, pl.DataFrame]:
    n = table.height
    metadata = table.select("post_id", pl.lit("red").alias("metadata.category"))
    metadata = metadata.with_columns(pl.Series("metadata.title_length", [float(i % 7) for i in range(n)]))
    vectors = pl.Series("text.svd_embedding", np.arange(2 * n).reshape(n, 2) % 5, dtype=pl.Array(pl.Float32, 2))
    return {"metadata": metadata, "text": table.select("post_id", vectors)}


def parts(role: str):
    return asked(records().filter(pl.col("role") == role), posts(), blocks(posts()))


def test_statistics_of_the_shown_scores_by_hand():
    table = pl.DataFrame({"post_id": ["a", "b", "c"], "popularity": [2.0, 4.0, 9.0]})
    shown = pl.DataFrame({"record_id": ["z", "y", "x"], "history": [["a", "b", "c"], ["b"], []]})
    found = history_statistics(shown, table)
    assert found.columns == [f"history.{name}" for name in ("count", "mean", "last", "min", "max", "std", "slope")]
    assert found.row(0) == pytest.approx((3.0, 5.0, 9.0, 2.0, 9.0, 13**0.5, 3.5))
    assert found.row(1) == (1.0, 4.0, 4.0, 4.0, 4.0, None, None)
    assert found.row(2) == (0.0, *[None] * 6)
    with pytest.raises(BadInput, match="a post shown with its score has none: got 'd'"):
        history_statistics(pl.DataFrame({"record_id": ["z"], "history": [["a", "d"]]}), table)


def test_references_are_what_their_names_say():
    train, test = parts("train"), parts("test")
    one, other = (part.where(pl.col("shots") == 2) for part in (train, test))
    found = {
        m: predict_row(FeatureRow(model=m), m, one, other, 7, True) for m in ("median", "history_mean", "last_score")
    }
    scores = [[label(post) for post in shown] for shown in other.records["history"]]
    assert found["median"].tolist() == [float(np.median(one.scores))] * 9
    assert found["history_mean"] == pytest.approx([np.mean(of) for of in scores])
    assert found["last_score"].tolist() == [of[-1] for of in scores]


def test_ridge_finds_a_line_and_is_the_mean_without_any_column():
    shown = np.linspace(2, 10, 30)
    train = pl.DataFrame({"history.mean": shown, "history.std": pl.Series([None] * 30, dtype=pl.Float64)})
    test = pl.DataFrame({"history.mean": [3.0, None], "history.std": [1.0, 1.0]})
    found = ridge_predictions(train, 2 * shown - 1, test)
    assert found == pytest.approx([5.0, 11.0], abs=0.02), "a null counts as the mean of the column"
    constant = pl.DataFrame({"history.mean": [1.0, 1.0]})
    assert ridge_predictions(constant, np.array([2.0, 4.0]), constant).tolist() == [3.0, 3.0]


def test_what_another_dataset_lacks_is_filled():
    kind = pl.Array(pl.Float32, 2)
    wanted = pl.Schema({"m.a": pl.Float64, "m.b": pl.Float64, "m.c": pl.String, "t.svd_embedding": kind, "t.v": kind})
    given = pl.DataFrame(
        {"m.a": [1.0, None], "other": [5.0, 6.0], "t.svd_embedding": [[1.0, 2.0]] * 2, "t.v": [[1.0, 2.0, 3.0]] * 2},
        schema_overrides={"t.svd_embedding": kind, "t.v": pl.Array(pl.Float32, 3)},
    )
    found = like(given, wanted, {"m.b": "other", "m.a": "other"}, same_dataset=False)
    assert dict(found.schema) == dict(wanted)
    assert found.rows() == [(1.0, 5.0, None, None, None), (None, 6.0, None, None, None)]
    assert like(given, wanted, {}, same_dataset=True)["t.svd_embedding"].null_count() == 0
    assert zero_filled(found).rows() == [
        (1.0, 5.0, "0", [0.0, 0.0], [0.0, 0.0]),
        (0.0, 6.0, "0", [0.0, 0.0], [0.0, 0.0]),
    ]


def test_no_label_but_the_shown_ones_reaches_a_prediction():
    rows = {
        "history_ridge": FeatureRow(model="history_ridge"),
        "hyfea": FeatureRow(model="hyfea", blocks=["metadata", "text"], set=SMALL),
        "cr": FeatureRow(model="cr", blocks=["metadata"], zero_fill=True, set=SMALL),
    }
    test = records().filter(pl.col("role") == "test")
    hidden = set(test["target"])
    shaken = posts().with_columns(
        popularity=pl.when(pl.col("post_id").is_in(hidden)).then(16.0).otherwise("popularity"),
        posthoc_views=pl.Series(np.arange(36.0)),
    )
    first, left_out = answer_table(rows, parts("train"), parts("test"), 7, True)
    other = asked(test.with_columns(score=pl.lit(0.0)), shaken, blocks(posts()))
    assert not left_out
    assert answer_table(rows, parts("train"), other, 7, True)[0].equals(first)
    assert first["prediction"].n_unique() > 20


def test_blocks_that_show_other_labels_are_refused():
    for block in ("history", "neighbours", "knn_values"):
        with pytest.raises(BadInput, match=f"{block}' looks up labels that the prompt does not show"):
            params.parse(FeatureRow, {"model": "hyfea", "blocks": [block]}, "feature_rows.hyfea")
    with pytest.raises(BadInput, match="measured after posting"):
        params.parse(FeatureRow, {"model": "hyfea", "blocks": ["profile"]}, "feature_rows.hyfea")
    row = FeatureRow(model="hyfea", set={"roundz": 3})
    with pytest.raises(BadInput, match=r"feature_rows.hyfea.set.roundz: unknown key"):
        predict_row(row, "hyfea", parts("train"), parts("test"), 7, True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths.PARAMS.write_text(PARAMS)
    for name, table in (("one", records()), ("two", records(posts_each=3, draw="zeroshot", zero=True))):
        world = posts()
        tables.write(world, paths.posts(name), tables.POSTS)
        tables.write(table, paths.records(name), tables.RECORDS, key="record_id")
        for block, content in blocks(world).items():
            if (name, block) != ("two", "text"):
                tables.write(content, paths.features(name, block), tables.FEATURES)
    return tmp_path


def answered(task: str) -> pl.DataFrame:
    """What the stage ``tracks`` answers by rows, in the current folder."""
    planned = plan_of("tracks", task)
    return answered_by_rows(planned, planned.section("task", Task))


def test_stage_answers_every_test_record_of_both_tracks(project, capsys):
    for task in ("one", "two"):
        table = answered(task)
        assert table.equals(tables.read(paths.answers(task, "features"), tables.ANSWERS))
        assert table.group_by("system").len().sort("system").rows() == [
            ("history_mean", 18), ("history_ridge", 18), ("hyfea", 18)]  # fmt: skip
        assert set(table["decoding"]) == {"point"}
        assert table["prediction"].null_count() == 0
    assert "one: 3 rows, 18 test records; without training records: many\n" in capsys.readouterr().out
    before = paths.answers("two", "features").read_bytes()
    answered("two")
    assert paths.answers("two", "features").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            ("blocks: [metadata, text]", "blocks: [metadata, image]"),
            "params.yaml: field 'feature_rows.hyfea.blocks': no stage makes block 'image' of one",
        ),
        (("  history_mean: {model", "  lora: {model"), "feature_rows.lora: the name is taken by a system of llms.one"),
        (("rounds: 5,", "roundz: 5,"), "params.yaml: feature_rows.hyfea.set.roundz: unknown key"),
    ],
)
def test_a_wrong_row_is_refused_by_the_plan(project, change, line):
    paths.PARAMS.write_text(PARAMS.replace(*change))
    with pytest.raises(BadInput) as caught:
        plan_of("tracks", "one")
    assert line in str(caught.value)
    assert not paths.answers("one", "features").exists()
