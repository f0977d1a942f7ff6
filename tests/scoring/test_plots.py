"""The tables behind the pictures, and the pictures."""

import polars as pl
import pytest

from popcast.blend import blending
from popcast.blend.params import Blend as BlendSection
from popcast.scoring import evaluation, plot_data, plots
from popcast.scoring.contributions import contributions
from popcast.scoring.params import Evaluation
from tests import popularity


def history(seeds: int, epochs: int, best: int, monitor: bool = True) -> list[dict]:
    return [
        {"seed": 7 + s, "epoch": e, "loss": 2.0**-e, "monitor": abs(e - best) + 0.5 if monitor else None, "rate": 0.1}
        for s in range(seeds)
        for e in range(1, epochs + 1)
    ]


HISTORIES = {"good": history(2, 9, 4), "fair": history(1, 3, 0, monitor=False)}
IMPORTANCES = {"good": {f"block.column_{i:02d}_$x": 1.0 / (i + 1) for i in range(20)}, "fair": {"b": 3.0, "a": -1.0}}


def pictured(**more):
    world = popularity.posts(n=2000, **more)
    tables = popularity.predictions(world)
    members = {name: tables[name] for name in ("median", "good", "fair")}
    tables["blend"], blend = blending.blend(world, members, BlendSection(segments=True), "mae")
    posts = evaluation.scored_posts(world, "UTC")
    found = plot_data.tables_of(posts, tables, ["blend", "good", "median"], blend, IMPORTANCES, 7, HISTORIES)
    gains = contributions(world, members, {}, BlendSection(), Evaluation(bootstrap=50), "mae", 7)
    return found | {"contributions": plot_data.contribution_table(gains)}, posts, tables


@pytest.fixture(scope="module")
def whole():
    return pictured()


def test_tables_hold_what_they_say(whole):
    found, posts, tables = whole
    test = posts.filter(pl.col("split") == "test").join(tables["blend"].drop("split"), on="post_id")
    error = test["prediction"] - test["popularity"]
    by_time = found["residual_by_time"].filter(pl.col("part") == "test")
    assert (by_time["mean_error"] * by_time["posts"]).sum() == pytest.approx(error.sum())
    assert by_time["posts"].sum() == test.height
    tenths = found["calibration"]
    assert tenths["tenth"].to_list() == list(range(1, 11))
    assert tenths["posts"].to_list() == [40] * 10
    assert tenths["predicted"].is_sorted()
    assert (tenths["real"] * tenths["posts"]).sum() == pytest.approx(test["popularity"].sum())
    history = found["error_by_history_length"].filter(pl.col("model") == "blend")
    assert (history["mae"] * history["posts"]).sum() == pytest.approx(error.abs().sum())
    cold = test.filter(pl.col("history_length") == 0)
    assert history.filter(pl.col("older_posts") == "0")["posts"].to_list() == [cold.height]


def test_sample_is_bounded_and_seeded(whole):
    _, posts, tables = whole
    many = plot_data._scored(posts, tables["blend"])
    drawn = plot_data.predicted_vs_real(many, 7)
    assert drawn.height == plot_data.SAMPLE < many.height
    assert drawn.equals(plot_data.predicted_vs_real(many, 7))
    assert not drawn.equals(plot_data.predicted_vs_real(many, 8))


def test_importances_are_shares_of_the_strongest_member_first(whole):
    table = whole[0]["importances"]
    assert table["model"].unique(maintain_order=True).to_list() == ["good", "fair"]
    assert table.filter(pl.col("model") == "good").height == plot_data.TOP_COLUMNS
    assert table.filter(pl.col("model") == "fair").rows() == [("fair", "b", 0.75), ("fair", "a", 0.25)]


def test_weights_of_each_segment_sum_to_one(whole):
    sums = whole[0]["blend_weights"].group_by("segment").agg(pl.col("weight").sum())
    assert set(sums["segment"]) == {"all", "known_author", "new_author"}
    assert sums["weight"].to_list() == pytest.approx([1, 1, 1], abs=1e-5)


def test_curves_mark_the_epoch_whose_weights_were_kept(whole):
    table = whole[0]["training_curves"]
    assert table.height == 2 * 9 + 3
    assert table.filter("best").select("model", "seed", "epoch").rows() == [("good", 7, 4), ("good", 8, 4)]
    equal = [{"seed": 1, "epoch": e, "loss": 1.0, "monitor": 1.0} for e in (1, 2)]
    assert plot_data.training_curves({"m": equal})["best"].to_list() == [True, False], "the earliest of equals"


def test_histories_are_those_of_the_evaluation_models(tmp_path):
    for name, content in (("a", '[{"seed": 1}]'), ("b", "[]")):
        (tmp_path / name / "evaluation").mkdir(parents=True)
        (tmp_path / name / "evaluation" / "history.json").write_text(content)
    folders = {name: tmp_path / name for name in ("a", "b", "c")}
    assert plot_data.read_histories(folders) == {"a": [{"seed": 1}]}


def test_what_a_dataset_cannot_have_is_left_out():
    found, _, _ = pictured(authors=False, times=False)
    assert set(plots.DRAW) - set(found) == {"residual_by_time", "error_by_history_length"}


def test_pictures_are_the_same_bytes_twice_and_replace_old_ones(whole, tmp_path):
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "ghost.png").touch()
        plots.write(whole[0], folder, "tiny (generated data)")
    first = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert set(first) == {f"{key}.{kind}" for key in plots.DRAW for kind in ("csv", "png")}
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    assert pl.read_csv(tmp_path / "one" / "calibration.csv").height == 10
