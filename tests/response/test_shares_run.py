"""A run of the predictor of shares on generated posts, from labels to the table of shares and its scores."""

from __future__ import annotations

import numpy as np
import orjson
import polars as pl
import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.response.response_tables import SHARES
from popcast.response.shares.share_audience import audience_shares
from popcast.response.shares.share_items import Items
from popcast.response.shares.share_model import ShareModel
from popcast.response.shares.share_run import WRITTEN, by_class, run
from tests.response.share_world import CLASSES, settings, share_world

BANDS = {"love": (7, 10), "sad": (4, 6), "angry": (0, 3)}


@pytest.fixture(scope="module")
def world():
    return share_world()


@pytest.fixture(scope="module")
def result(world):
    return run(world, settings(), 1)


def test_model_beats_every_reference_row(result):
    for part in ("valid", "test"):
        for name in ("uniform", "prior", "author"):
            assert result.scores[f"{part}.model.vs_{name}.high"] < 0, name
            assert result.scores[f"{part}.model.jsd"] < result.scores[f"{part}.{name}.jsd"]
        assert result.scores[f"{part}.author.jsd"] < result.scores[f"{part}.prior.jsd"]


def test_table_after_its_contract(result, world, tmp_path):
    tables.write(by_class(result.predictions, ("a", "b", "c")), tmp_path / "by_class.parquet", WRITTEN)
    both = tables.read(tmp_path / "by_class.parquet", WRITTEN)
    assert both.select(pl.concat_list("a", "b", "c")).to_series().to_list() == both["shares"].to_list()
    tables.write(result.predictions, tmp_path / "shares.parquet", SHARES)
    table = tables.read(tmp_path / "shares.parquet", SHARES)
    assert table["post_id"].to_list() == sorted(world.frame["post_id"].to_list())
    assert np.allclose(np.array(table["shares"].to_list()).sum(axis=1), 1, atol=1e-5)


def test_scores_are_flat_json(result):
    assert orjson.loads(orjson.dumps(result.scores)) == result.scores
    assert all(isinstance(value, int | float) for value in result.scores.values())
    assert result.notes == ["audience: no simulation named"]


def test_models_come_back(result, world, tmp_path):
    result.save_models(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation", "final"]
    assert ShareModel.load(tmp_path / "final").power == 1


def test_no_final_model_without_unlabelled_posts(world):
    labelled = world.part((world.frame["split"] != "unlabelled").to_numpy())
    found = run(labelled, settings(trees={"rounds": 3}), 1)
    assert list(found.models) == ["evaluation"]


def test_final_fit_on_the_training_part(result, world):
    found = run(world, settings(), 1, final_fit="train")
    assert list(found.models) == ["evaluation"]
    assert found.scores == result.scores
    unlabelled = world.frame["split"] == "unlabelled"
    assert found.predictions.filter(unlabelled)["shares"].to_list() != (
        result.predictions.filter(unlabelled)["shares"].to_list()
    )


def test_labels_after_training_reach_neither_valid_nor_test(result, world):
    """Labels of valid and test may change: only the final model, which predicts unlabelled posts, sees them."""
    later = world.frame["split"].is_in(["valid", "test"]).to_numpy()
    counts = world.counts.copy()
    counts[later] = counts[later][:, ::-1] + 3
    found = run(Items(world.frame, counts, CLASSES), settings(), 1).predictions
    same = [a.to_list() == b.to_list() for a, b in zip(found["shares"], result.predictions["shares"], strict=True)]
    unlabelled = (world.frame["split"] == "unlabelled").to_numpy()
    assert np.array(same)[~unlabelled].all()
    assert not np.array(same)[unlabelled].any()


def test_sharpened_shares_lie_nearer_on_the_window(world):
    found = run(world, settings(sharpen=True), 1)
    assert 0.8 <= found.models["evaluation"].power <= 1.6


def test_nothing_to_learn_from(world):
    with pytest.raises(BadInput, match="nothing to learn from"):
        run(Items(world.frame, world.counts * 0, CLASSES), settings(), 1)
    test_only = world.part((world.frame["split"] == "test").to_numpy())
    with pytest.raises(BadInput, match="nothing to learn from"):
        run(test_only, settings(), 1)


def _simulation(folder, posts, scores):
    """A simulation in which every post's only trigger gets ``scores``."""
    triggers = pl.DataFrame(
        {"post_id": posts, "trigger": [f"{i:016x}" for i in range(len(posts))], "line": ["said"] * len(posts)}
    ).with_columns(runs=pl.lit(1, pl.Int16))
    tables.write(triggers, folder / "triggers.parquet", tables.TRIGGERS)
    kinds = {name: column.dtype for name, column in tables.REACTIONS.columns.items()}
    rows = [
        {"run": 0, "trigger": trigger, "epoch": 0, "slot": slot, "row": slot, "status": "ok", "attempts": 1,
         "action": "like", "score": score}
        for trigger in triggers["trigger"] for slot, score in enumerate(scores)
    ]  # fmt: skip
    table = pl.DataFrame([{name: row.get(name) for name in kinds} for row in rows], schema=kinds)
    tables.write(table, folder / "reactions" / "0000.parquet", tables.REACTIONS, tables.REACTIONS_KEY)


def test_audience_is_one_more_row(world, tmp_path):
    asked = world.frame.filter(pl.col("split") == "test")["post_id"].to_list()[:60]
    _simulation(tmp_path, asked, [9, 8, 8, 5])
    shares, reason = audience_shares(tmp_path, [*asked[:1], "unseen"], CLASSES, BANDS)
    assert reason is None
    assert shares[0] == pytest.approx([3.5 / 5.5, 1.5 / 5.5, 0.5 / 5.5])
    assert np.isnan(shares[1]).all()
    found = run(world, settings(trees={"rounds": 3}), 1, tmp_path, BANDS)
    assert 0 < found.scores["test.audience.posts"] <= 60
    assert found.scores["test.model.vs_audience.high"] < 0
    assert found.scores["valid.audience.posts"] == 0
    assert not found.notes


@pytest.mark.parametrize(
    ("bands", "made", "reason"),
    [(None, True, "no map of scores"), (BANDS, False, "no simulation in"), (BANDS, True, "none of these posts")],
)
def test_why_there_is_no_audience(tmp_path, bands, made, reason):
    if made:
        _simulation(tmp_path, ["other"], [5])
    shares, why = audience_shares(tmp_path, ["p"], CLASSES, bands)
    assert shares is None
    assert reason in why


@pytest.mark.parametrize(
    "bands",
    [
        {"love": (7, 10), "sad": (4, 6)},
        {**BANDS, "wow": (0, 1)},
        {**BANDS, "love": (6, 10)},
        {**BANDS, "love": (9, 7)},
        {**BANDS, "love": (7, 11)},
    ],
)
def test_bands_that_are_none(tmp_path, bands):
    with pytest.raises(BadInput, match="band"):
        audience_shares(tmp_path, ["p"], CLASSES, bands)
