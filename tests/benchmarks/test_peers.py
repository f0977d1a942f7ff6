"""Rivals on the same posts: what they get, that their history is causal, and the table of their scores.

Without the rivals' own packages: those are in an environment of their own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import ClassVar

import numpy as np
import orjson
import polars as pl
import pytest
from click.testing import CliRunner

from benchmarks.peers import handover, rivals, single_row
from benchmarks.peers import run as running
from benchmarks.peers.fitting import RIVALS, fit_of, parts_of
from benchmarks.peers.older_posts import columns_of, raw_columns, with_older_posts
from benchmarks.peers.rivals import Fit, clocks_of_the_processor
from popcast.core import tables
from popcast.core.errors import BadInput
from tests.conftest import ROOT

SETTINGS = {"metric": "mae", "seconds": 1.0, "threads": 1, "seed": 0, "folder": ROOT}


def test_the_hand_over_holds_the_posts_and_the_split_of_the_recipe(handed, posts):
    base, task = handed
    assert task == orjson.loads((base / "handed" / handover.TASK).read_bytes())
    assert task["posts"] == {"test": 22, "train": 66, "unlabelled": 10, "valid": 22}
    named = [task[name] for name in ("dataset", "metric", "final_fit", "test_fit")]
    assert named == ["invented", "mae", "labelled", "train"]
    tables.check(posts.drop("split", "fold"), tables.POSTS, "posts")
    assert posts["post_id"].is_sorted()
    newest = posts.group_by("split").agg(first=pl.col("posted_at").min(), last=pl.col("posted_at").max())
    ends = {split: (first, last) for split, first, last in newest.iter_rows()}
    assert ends["train"][1] < ends["valid"][0] <= ends["valid"][1] < ends["test"][0]


def test_the_same_hand_over_has_the_same_bytes(handed):
    base, _ = handed
    handover.hand_over(base / "invented.yaml", base, base / "again")
    for name in (handover.POSTS, handover.TASK):
        assert (base / "again" / name).read_bytes() == (base / "handed" / name).read_bytes()


@pytest.mark.parametrize("name", ["tiktok-creators", "smp-video", "facebook-pages", "microlens"])
def test_recipes_of_real_sets_can_be_handed_over(name, tmp_path):
    found, section, split, test_fit = handover.recipe_sections(ROOT / "recipes" / f"{name}.yaml", tmp_path)
    assert test_fit == ("train+valid" if name == "microlens" else "train")
    assert found == name.replace("-", "_")
    assert section.raw == str(tmp_path)
    assert split.final_fit in ("labelled", "train")


def test_a_recipe_of_several_sets_is_refused(tmp_path):
    (tmp_path / "two.yaml").write_text("datasets: {a: {}, b: {}}\n")
    with pytest.raises(BadInput, match="2 datasets: expected one"):
        handover.recipe_sections(tmp_path / "two.yaml", tmp_path)


def test_nothing_of_an_outcome_is_a_raw_column(posts):
    changed = posts.with_columns(popularity=pl.lit(1.0), posthoc_shares=pl.lit(2.0), split=pl.lit("train"))
    assert raw_columns(posts).equals(raw_columns(changed))
    assert set(raw_columns(posts).columns) == {
        "user_id", "title", "tags", "posted_seconds", "posted_hour", "posted_weekday",
    }  # fmt: skip
    assert raw_columns(posts)["tags"][0] == "a b0"


def by_hand(posts: pl.DataFrame, learned: set[str]) -> list[list[float]]:
    """Labels of strictly older learned posts of each post's author, oldest first."""
    rows = posts.sort("posted_at", "post_id").to_dicts()
    return [
        [
            other["popularity"]
            for other in rows
            if other["user_id"] == post["user_id"]
            and other["posted_at"] < post["posted_at"]
            and other["split"] in learned
            and other["popularity"] is not None
        ]
        for post in posts.to_dicts()
    ]


@pytest.mark.parametrize("learned", [{"train"}, {"train", "valid", "test"}])
def test_history_is_that_of_older_learned_posts(posts, learned):
    found = with_older_posts(posts, learned)
    assert found.height == posts.height
    for row, labels in zip(found.to_dicts(), by_hand(posts, learned), strict=True):
        if not labels:
            assert set(row.values()) == {None}
            continue
        assert row["older_posts"] == len(labels)
        assert row["older_last"] == labels[-1]
        told = [row[f"older_{name}"] for name in ("mean", "lowest", "highest", "mean_3", "median_10")]
        expected = [np.mean(labels), min(labels), max(labels), np.mean(labels[-3:]), np.median(labels[-10:])]
        assert told == pytest.approx(expected)
        assert row["older_hours"] > 0


def test_posts_of_one_moment_do_not_see_each_other(posts):
    one = posts.with_columns(user_id=pl.lit("one page"))
    counts = with_older_posts(one, {"train"})["older_posts"].fill_null(0).to_list()
    expected = [len(labels) for labels in by_hand(one, {"train"})]
    assert counts == expected
    assert len(set(expected)) < one.height / 1.5  # two posts share each moment


def test_posts_without_author_or_time_have_no_history(posts):
    for column in ("user_id", "posted_at"):
        nobody = posts.with_columns(pl.lit(None, posts.schema[column]).alias(column))
        assert with_older_posts(nobody, {"train"})["older_posts"].null_count() == posts.height


def test_no_label_but_of_older_posts_reaches_a_history(posts):
    middle = posts.filter(pl.col("split") == "train")["posted_at"].median()
    later = pl.col("posted_at") >= middle
    changed = posts.with_columns(popularity=pl.when(later).then(99.0).otherwise("popularity"))
    before = posts["posted_at"] <= middle
    for learned in (("train",), ("train", "valid", "test")):
        kept, other = (columns_of(table, "history", learned).filter(before) for table in (posts, changed))
        assert kept.equals(other)
    held = posts.with_columns(popularity=pl.when(pl.col("split") == "train").then("popularity"))
    assert columns_of(posts, "history", ("train",)).equals(columns_of(held, "history", ("train",)))


def test_rows_keep_their_order_whatever_order_the_posts_are_in(posts):
    mixed = posts.sample(fraction=1.0, shuffle=True, seed=1)
    one, other = columns_of(posts, "history", ("train",)), columns_of(mixed, "history", ("train",))
    assert one.equals(other[mixed["post_id"].arg_sort()])


@pytest.mark.parametrize(("role", "learn", "tune"), [("test", 66, 22), ("unlabelled", 66, 44)])
def test_a_model_learns_from_no_post_that_it_predicts(posts, role, learn, tune):
    fit, rows = fit_of(posts, role, [role], "history", **SETTINGS)
    assert (len(fit.learn), len(fit.tune)) == (learn, tune)
    assert fit.refit == (role == "unlabelled")
    assert set(posts["split"][rows]) == {role}
    assert not set(rows) & set(fit.both)
    assert np.isfinite(fit.y[fit.both]).all()
    known = {"train"} if role == "test" else {"train", "valid", "test"}
    assert fit.x.select("^older_.*$").equals(with_older_posts(posts, known))
    assert fit.texts() == ["title", "tags"]
    assert fit.categories() == ["user_id"]


def test_a_final_fit_on_train_predicts_all_with_one_model():
    assert parts_of("train", {"train": 5, "test": 2, "unlabelled": 1}) == {"test": ["test", "unlabelled"]}
    assert parts_of("labelled", {"train": 5, "test": 2}) == {"test": ["test"]}


def test_a_rival_learns_valid_too_where_popcasts_members_do(posts):
    fit, rows = fit_of(posts, "test", ["test"], "history", "train+valid", **SETTINGS)
    assert fit.refit
    assert (len(fit.learn), len(fit.tune)) == (66, 22)
    assert set(posts["split"][rows]) == {"test"}
    assert fit.x.select("^older_.*$").equals(with_older_posts(posts, {"train", "valid"}))


@pytest.mark.parametrize("clock", ["time", "monotonic"])
def test_limits_on_the_clock_count_the_processor(clock):
    before = getattr(time, clock)
    with clocks_of_the_processor():
        used, start = time.process_time(), getattr(time, clock)()
        time.sleep(0.3)
        passed = getattr(time, clock)() - start
        assert 0 <= passed <= time.process_time() - used + 1e-6  # nothing of the sleep
    assert getattr(time, clock) is before


class EightSeconds:
    """A network whose epochs take eight seconds of the processor."""

    fitted: ClassVar[list[dict[str, object]]] = []

    def __init__(self, **settings: object) -> None:
        self.settings = settings

    def fit(self, *data: np.ndarray) -> EightSeconds:
        self.fitted.append(self.settings)
        Seconds.now += 8 * self.settings["n_epochs"]
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.zeros((len(x), 1))


class Seconds:
    now = 0.0


@pytest.mark.parametrize(
    ("seconds", "refit", "most", "epochs"),
    [(600, False, 10_000, 74), (600, True, 10_000, 37), (600, False, 20, 20), (5, False, 256, 1)],
)
def test_a_network_has_the_epochs_that_its_budget_has_room_for(monkeypatch, seconds, refit, most, epochs):
    monkeypatch.setattr(rivals, "vectorised", lambda fit, scaled: np.zeros((fit.x.height, 2)))
    monkeypatch.setattr(rivals.time, "process_time", lambda: Seconds.now)
    EightSeconds.fitted.clear()
    rows, settings = np.arange(4), SETTINGS | {"seconds": seconds, "refit": refit}
    fit = Fit(x=pl.DataFrame({"x": range(4)}), y=np.zeros(4), learn=rows, tune=rows, ask=rows[:3], **settings)
    assert rivals._network(fit, EightSeconds, most).shape == (3,)
    first, whole = EightSeconds.fitted
    assert (first["n_epochs"], first["n_refit"]) == (1, 0)
    assert (whole["n_epochs"], whole["n_refit"]) == (epochs, int(refit))


def test_weights_for_mape_are_relative_and_finite():
    y = np.array([0.0, 1.0, 2.0, 4.0])
    rows = np.arange(4)
    fit = Fit(x=pl.DataFrame(), y=y, learn=rows, tune=rows, ask=rows, refit=False, **SETTINGS | {"metric": "mape"})
    assert fit.weights(rows).mean() == pytest.approx(1)
    assert fit.weights(rows[1:]) / fit.weights(rows[1:])[0] == pytest.approx([1, 0.5, 0.25])
    assert Fit(**{**vars(fit), "metric": "mae"}).weights(rows) is None


def test_a_row_is_timed_after_a_first_one():
    seen = []
    found = single_row.milliseconds(3, seen.append)
    assert seen == [0, 0, 1, 2]
    assert {name: len(values) for name, values in found.items()} == {"wall": 3, "processor": 3}


def test_the_command_says_in_one_line_what_is_wrong(tmp_path, monkeypatch):
    assert set(running.RIVALS) == set(RIVALS)
    arguments = ["tiktok-creators", str(tmp_path), "--rival", "skrub"]
    unknown = CliRunner().invoke(running.main, ["nowhere", *arguments[1:]])
    assert unknown.exit_code == 1
    assert unknown.stderr.count("\n") == 1
    assert "no such recipe" in unknown.stderr
    monkeypatch.setattr(running, "PYTHON", tmp_path / "python")
    missing = CliRunner().invoke(running.main, arguments)
    assert missing.exit_code == 1
    assert missing.stderr.count("\n") == 1
    assert "bash benchmarks/peers/environment.sh" in missing.stderr


def test_popcast_runs_its_recipe_and_seconds_are_of_whole_runs(tmp_path, monkeypatch, predictions):
    """With a recipe that writes the blend, as bash runs it."""
    monkeypatch.setattr(running, "ROOT", tmp_path)
    for name in ("recipes", "data/predictions/invented", "kept"):
        (tmp_path / name).mkdir(parents=True)
    predictions["popcast"].write_parquet(tmp_path / "made.parquet")
    blend = tmp_path / "data/predictions/invented/blend.parquet"
    (tmp_path / "recipes/good.sh").write_text(f"[[ -d $1 ]] && cp made.parquet {blend}\n")
    (tmp_path / "recipes/bad.sh").write_text("exit 3\n")
    assert running.run_ours("bad", tmp_path, "invented", tmp_path / "kept") == 3
    assert not list((tmp_path / "kept").iterdir())
    for first in (True, False):
        assert running.run_ours("good", tmp_path, "invented", tmp_path / "kept") == 0
        took = orjson.loads((tmp_path / "kept/popcast.json").read_bytes())["took"]["all"]["processor_seconds"]
        assert (took is not None) == first
    assert pl.read_parquet(tmp_path / "kept/popcast.parquet").equals(predictions["popcast"])


def test_the_rivals_half_imports_nothing_of_popcast():
    """Their environment does not have it; and ours has none of their packages."""
    names = "benchmarks.peers.fitting, benchmarks.peers.single_row"
    code = f"import sys, {names}; print(sorted({{name.split('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "'benchmarks'" in loaded
    for name in ("popcast", "autogluon", "pytabkit", "skrub", "catboost"):
        assert f"'{name}'" not in loaded
