"""Feature blocks of a simulation: numbers of a state, nulls, what is learned from whom, saving."""

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.tables import FEATURES, check
from popcast.features.common.contract import Context
from popcast.simulation.fields import EMBEDDING, FieldBlocks, chosen_epoch, numbers_of, of_posts
from popcast.simulation.params import FieldFeatures
from tests.simulation.states import make_states, make_triggers

CONTEXT = Context("generated", seed=3)
SECTION = FieldFeatures(dim=4)


def make_rows(n: int = 60) -> pl.DataFrame:
    parts = ["train" if i < 0.6 * n else "valid" if i < 0.7 * n else "test" for i in range(n)]
    return pl.DataFrame({"post_id": [f"p{i:03d}" for i in range(n)], "split": parts})


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return make_rows()


@pytest.fixture(scope="module")
def triggers(rows) -> pl.DataFrame:
    return make_triggers(rows["post_id"].to_list()[:-2], shared=3)  # two posts have no text and are not simulated


@pytest.fixture(scope="module")
def states(triggers) -> pl.DataFrame:
    return make_states(triggers)


def test_numbers_of_a_state_by_hand(states):
    table = numbers_of(states, 0, 3)
    assert table["trigger"].is_sorted()
    row = table.row(1, named=True)
    own = states.filter((pl.col("run") == 0) & (pl.col("trigger") == row["trigger"])).sort("epoch")
    last, before = own.row(2, named=True), own.row(1, named=True)
    assert row["field_text"] == last["field_text"]
    assert row["mean_attitude"] == last["mean_attitude"]
    assert row["attitude_sd"] == pytest.approx(np.std(last["attitudes"]), abs=1e-12)
    assert row["n_like"] == last["n_like"]
    for name in ("mean_attitude", "mean_raw_score", "share_interested"):
        assert row[f"{name}_change_3"] == pytest.approx(last[name] - before[name], abs=1e-12)
    assert "mean_attitude_change_2" in table.columns
    assert not [name for name in numbers_of(states, 0, 1).columns if "change" in name]


def test_a_silent_audience_has_nulls_where_nothing_is_known(states):
    silent = states.filter(pl.col("mean_raw_score").is_null())["trigger"][0]
    row = numbers_of(states, 0, 2).filter(pl.col("trigger") == silent).row(0, named=True)
    assert row["mean_attitude"] == 0.0
    assert row["n_like"] == 0.0
    assert row["field_text"] is None
    assert row["mean_raw_score"] is None
    assert row["mean_raw_score_change_2"] is None


def test_one_row_per_post_and_nulls_where_not_simulated(rows, triggers, states):
    blocks = FieldBlocks(SECTION, 3, CONTEXT).fit(rows, triggers, states)
    simulation, mean_field = blocks.transform(rows, triggers, states)
    for table in (simulation, mean_field):
        assert table["post_id"].to_list() == rows["post_id"].to_list()
        check(table, FEATURES, "table")
        assert not any(value for row in table[-2:].drop("post_id").rows() for value in row)
        assert all(table[-2:][name].null_count() == 2 for name in table.columns[1:])
    assert simulation.schema[EMBEDDING] == pl.Array(pl.Float32, 4)
    assert all(name.startswith("simulation.") for name in simulation.columns[1:])
    assert mean_field.schema == {"post_id": pl.String, "mean_field.text": pl.String, "mean_field.attitude": pl.Float64}
    assert simulation[0].drop("post_id").equals(simulation[2].drop("post_id"))  # they share a trigger
    assert not simulation[0].drop("post_id").equals(simulation[3].drop("post_id"))
    assert simulation["simulation.n_reply"].dtype == pl.Float64


def test_words_are_learned_from_training_posts_only(rows, triggers, states):
    training = triggers.filter(pl.col("post_id").is_in(rows.filter(split="train")["post_id"].implode()))["trigger"]
    own = pl.col("trigger").is_in(training.implode())
    other = states.with_columns(field_text=pl.when(own).then("field_text").otherwise(pl.lit("zebra zeppelin zebra")))
    blocks = FieldBlocks(SECTION, 3, CONTEXT).fit(rows, triggers, other)
    terms = blocks.texts.block.vectorizers[0].get_feature_names_out()
    assert "warm" in terms
    assert not any("zebra" in term for term in terms)
    first = FieldBlocks(SECTION, 3, CONTEXT).fit(rows, triggers, states)
    assert first.transform(rows, triggers, states)[0].equals(blocks.transform(rows, triggers, states)[0])


def test_epoch_and_run_that_features_are_taken_from(rows, states):
    assert chosen_epoch(FieldFeatures(), 3) == 3
    section = FieldFeatures(epoch=1, dim=4)
    triggers = make_triggers(rows["post_id"].to_list()[:-2], runs=2, shared=3)
    both = make_states(triggers, seed=5)
    blocks = FieldBlocks(section, 3, CONTEXT).fit(rows, triggers, both)
    simulation, _ = blocks.transform(rows, triggers, both)
    changed = both.with_columns(
        mean_attitude=pl.when((pl.col("run") == 1) | (pl.col("epoch") > 0)).then(9.0).otherwise("mean_attitude")
    )
    assert blocks.transform(rows, triggers, changed)[0].equals(simulation)
    with pytest.raises(BadInput, match=r"'simulations.fields.epoch': no such epoch: got 4, expected at most 3"):
        chosen_epoch(FieldFeatures(epoch=4), 3)


def test_order_of_rows_and_saving(tmp_path, rows, triggers, states):
    blocks = FieldBlocks(SECTION, 3, CONTEXT).fit(rows, triggers, states)
    tables = blocks.transform(rows, triggers, states)
    mixed = [t.sample(fraction=1, shuffle=True, seed=1) for t in (rows, triggers, states)]
    again = FieldBlocks(SECTION, 3, CONTEXT).fit(*mixed)
    assert all(a.sort("post_id").equals(b) for a, b in zip(again.transform(*mixed), tables, strict=True))
    blocks.save(tmp_path / "a", {"population_hash": "0"})
    again.save(tmp_path / "b", {"population_hash": "0"})
    files = sorted(str(f.relative_to(tmp_path / "a")) for f in (tmp_path / "a").rglob("*") if f.is_file())
    assert files == ["block.json", "texts/block.json", "texts/terms-0.json", "texts/text.safetensors"]
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    loaded = FieldBlocks.load(tmp_path / "a", CONTEXT)
    assert all(a.equals(b) for a, b in zip(loaded.transform(rows, triggers, states), tables, strict=True))
    one = loaded.transform(rows[5:6], triggers[5:6], states)
    assert one[0].equals(tables[0][5:6])


def test_sentence_encoder_instead_of_words(rows, triggers, states):
    class EncoderDouble:
        width = 3
        full_width = 3

        def encode(self, texts):
            return np.array([[len(t), t.count("warm"), 0] for t in texts], np.float32).reshape(len(texts), 3)

    blocks = FieldBlocks(FieldFeatures(encoder="some-encoder"), 3, CONTEXT)
    assert blocks.texts.block.encoder.name == "some-encoder"
    blocks.texts.block.encoder = EncoderDouble()
    simulation, mean_field = blocks.fit(rows, triggers, states).transform(rows, triggers, states)
    assert simulation[0][EMBEDDING][0].to_list()[0] == len(mean_field["mean_field.text"][0])
    assert simulation[EMBEDDING].null_count() == mean_field["mean_field.text"].null_count() == 3


def test_refusals(rows, triggers, states):
    with pytest.raises(BadInput, match="states of run 0 do not have epochs 1 to 3 of every post"):
        numbers_of(states[1:], 0, 3)
    numbers = numbers_of(states, 0, 3)
    with pytest.raises(BadInput, match=r"'post_id': a simulated post has no states: .*'p003'"):
        of_posts(rows, triggers, numbers.filter(pl.col("trigger") != triggers["trigger"][3]))
    with pytest.raises(BadInput, match=r"'post_id': the simulation holds a post that posts do not: .*'p000'"):
        of_posts(rows[1:], triggers, numbers)
    silent = states.with_columns(field_text=pl.lit("None"))
    with pytest.raises(BadInput, match="generated: no training post of the simulation has a text field"):
        FieldBlocks(SECTION, 3, CONTEXT).fit(rows, triggers, silent)
    single = states.with_columns(field_text=pl.lit("..."))
    with pytest.raises(BadInput, match="generated: text fields: empty vocabulary"):
        FieldBlocks(SECTION, 3, CONTEXT).fit(rows, triggers, single)
