"""The stages blend, evaluate and report on a tiny project, and what the report says."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from popcast.core import paths, tables
from popcast.report import standard
from popcast.scoring import bootstrap
from tests import popularity
from tests.fewshot import few_shot
from tests.plans import run_stage


def run_all(names=("blend", "evaluate", "report")) -> None:
    for name in names:
        result = run_stage(name, *([] if name == "report" else ["tiny"]))
        assert result.exit_code == 0, result.output + result.stderr


def outs(root: Path) -> dict[str, bytes]:
    files = [paths.SUMMARY, paths.LEADERBOARD, paths.REPORT / "index.html", paths.predictions("tiny", "blend")]
    for folder in (paths.metrics("tiny"), paths.plots("tiny"), paths.model("tiny", "blend")):
        files += [path.relative_to(root) for path in (root / folder).rglob("*") if path.is_file()]
    return {str(path): (root / path).read_bytes() for path in files}


@pytest.fixture(scope="module")
def world():
    return popularity.posts()


@pytest.fixture
def project(tmp_path, monkeypatch, world):
    monkeypatch.chdir(tmp_path)
    popularity.project(tmp_path, world)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory, world):
    """The root of a project after the three stages; tests only read it."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("finished")
        patch.chdir(folder)
        popularity.project(folder, world)
        run_all()
    return folder


def test_three_stages_end_to_end_and_the_same_bytes_elsewhere(project, finished):
    run_all()
    summary = json.loads(paths.SUMMARY.read_bytes())
    assert summary.pop("processor")
    assert {key.split(".")[2] for key in summary} == {"median", "good", "fair", "posthoc", "blend"}
    assert (
        summary["standard.tiny.blend.mae_low"] < summary["standard.tiny.blend.mae"] < summary["standard.tiny.good.mae"]
    )
    assert "standard.tiny.median.src" not in summary
    blend = tables.read(paths.predictions("tiny", "blend"), tables.PREDICTIONS)
    assert blend.filter(pl.col("split") == "unlabelled").height == 40
    weights = json.loads((paths.model("tiny", "blend") / "weights.json").read_bytes())
    assert sorted(weights["members"]) == ["fair", "good", "median"]
    assert outs(project) == outs(finished)


def test_leaderboard_is_sorted_and_says_what_must_be_said(finished):
    text, gains = (finished / paths.LEADERBOARD).read_text().split("| left out of the blend |")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    names = [row[0].strip("| *") for row in rows[1:]]
    assert names == ["posthoc", "blend", "good", "fair", "median"]
    values = [float(row[1]) for row in rows[1:]]
    assert values == sorted(values)
    notes = dict(zip(names, (row[-1].strip(" |") for row in rows[1:]), strict=True))
    assert notes == {
        "posthoc": "post-hoc values",
        "blend": "",
        "good": "best single model",
        "fair": "",
        "median": "reference, constant",
    }
    assert "## tiny (generated data)" in text
    added = [line.strip("| ").split(" | ") for line in gains.splitlines() if line.startswith("| ")]
    assert [row[0] for row in added] == ["good", "fair", "median"]  # in the order of what they add on the valid part
    assert [len(row) for row in added] == [5] * 3
    assert float(added[0][1]) > 0.05
    assert added[0][2].endswith("p < 0.01")


def test_page_is_whole_and_needs_no_network(finished):
    text = (finished / paths.REPORT / "index.html").read_text()
    links = []

    class Links(HTMLParser):
        def handle_starttag(self, tag, attrs):
            links.extend(value for key, value in attrs if key in ("src", "href"))

    Links().feed(text)
    assert len([link for link in links if link.startswith("data:image/webp;base64,")]) == 8
    assert all(link.startswith(("data:", "#")) for link in links)
    assert not re.search(r"https?://|@import|url\(", text)
    assert text.count("<script") == 1, "the page's own"
    for said in ("generated data", "post-hoc values", "Cold and warm authors", "Food &amp; Drink", "rejected: no date"):
        assert said in text


def test_removed_runs_leave_no_ghost_row(project):
    paths.metrics("tiny").mkdir(parents=True)
    paths.metrics("tiny", "fair").write_text("{}")
    text = paths.PARAMS.read_text()
    paths.PARAMS.write_text("".join(line for line in text.splitlines(True) if "tiny-fair" not in line))
    run_all()
    assert "fair" not in paths.LEADERBOARD.read_text()
    assert not any(".fair." in key for key in json.loads(paths.SUMMARY.read_bytes()))
    assert not paths.metrics("tiny", "fair").exists()


def test_real_data_and_another_metric_are_named_as_such(tmp_path, monkeypatch, world):
    monkeypatch.chdir(tmp_path)
    popularity.project(tmp_path, world, metric="mape", raw="../real")
    run_all()
    assert "generated" not in paths.LEADERBOARD.read_text()
    summary = json.loads(paths.SUMMARY.read_bytes())
    assert summary["standard.tiny.good.mape_low"] < summary["standard.tiny.good.mape"]
    assert "standard.tiny.good.mae_low" not in summary


def test_a_random_split_is_said_in_every_table(project):
    run_all()
    assert "no forecast" not in paths.LEADERBOARD.read_text()
    text = paths.PARAMS.read_text()
    assert "method: chronological" in text
    paths.PARAMS.write_text(text.replace("method: chronological", "method: random"))
    run_all(["report"])
    for page in (paths.LEADERBOARD, paths.REPORT / "index.html"):
        assert page.read_text().count("They are no forecast of later posts.") == 1


def test_weights_that_are_not_as_trained_are_said_wherever_the_model_stands(project):
    run_all()
    assert "language model of" not in paths.LEADERBOARD.read_text()
    said = "4-bit weights, dequantised to float32"
    tables.write_json({"stand_in": False, "weights": said}, paths.model("tiny", "fair") / "facts.json")
    run_all(["evaluate", "report"])
    rows = [line for line in paths.LEADERBOARD.read_text().splitlines() if f"language model of {said}" in line]
    assert {row.split("|")[1].strip(" *") for row in rows} == {"blend", "fair"}
    assert (paths.REPORT / "index.html").read_text().count(f"language model of {said}") >= 2
    json.loads(paths.SUMMARY.read_bytes())


def test_posthoc_blend_is_flagged_where_it_is_allowed(project):
    paths.PARAMS.write_text(paths.PARAMS.read_text().replace("allow_posthoc: false", "allow_posthoc: true"))
    run_all(["blend", "evaluate"])
    flags = json.loads(paths.metrics("tiny", "blend").read_bytes())
    assert flags["flags.posthoc"] is True
    assert json.loads(paths.metrics("tiny", "posthoc").read_bytes())["flags.best_single"] is True


def with_suite(text: str) -> str:
    """params.yaml with ``fair`` as a member of a suite and ``good`` learning pseudo-labels."""
    lines = [line for line in text.splitlines(True) if "tiny-fair" not in line]
    suite = "{dataset: tiny, suite: simple, features: tiny, runs: {fair: {model: m, blocks: [metadata]}}}"
    text = "".join(lines).replace("models: {m", f"suites:\n  tiny-simple: {suite}\nmodels: {{m")
    return text.replace("name: good,", "name: good, pseudo_labels: predicted,")


def test_members_of_suites_are_rows_like_others(project, finished):
    paths.PARAMS.write_text(with_suite(paths.PARAMS.read_text()))
    for maker in (paths.predictions, paths.model):
        place = maker("tiny", "fair", "simple")
        place.parent.mkdir(parents=True)
        maker("tiny", "fair").rename(place)
    run_all()
    assert paths.SUMMARY.read_bytes() == (finished / paths.SUMMARY).read_bytes()
    rows = [line for line in paths.LEADERBOARD.read_text().splitlines() if line.startswith("| ")]
    noted = [row.split(" | ")[0].strip("| *") for row in rows if "pseudo-labels" in row]
    assert noted == ["blend", "good"], "a blend with such a member says so too"
    importances = pl.read_csv(paths.plots("tiny") / "importances.csv")
    assert set(importances["model"]) == {"good", "fair", "posthoc"}


def test_seeds_and_batches_are_said_in_every_table(project):
    text = paths.PARAMS.read_text().replace("evaluation: {", "evaluation: {metric_mode: batch256, ")
    paths.PARAMS.write_text(text)
    file = paths.predictions("tiny", "good")
    table = tables.read(file, tables.PREDICTIONS)
    seeds = pl.concat_list(*(pl.col("prediction") + shift for shift in (-0.3, 0.0, 0.3)))
    tables.write(table.with_columns(seeds=seeds), file, tables.PREDICTIONS)
    curves = paths.model("tiny", "good") / "evaluation" / "history.json"
    curves.parent.mkdir()
    curves.write_text('[{"seed": 7, "epoch": 1, "loss": 0.5, "monitor": 0.9, "learning_rate": 0.1}]')
    run_all()
    summary = json.loads(paths.SUMMARY.read_bytes())
    mean, sd = (summary[f"standard.tiny.good.mae_seed_{key}"] for key in ("mean", "sd"))
    leaderboard = paths.LEADERBOARD.read_text()
    assert f"{mean:.4f} ± {sd:.4f} over 3 seeds" in leaderboard
    assert leaderboard.count("over 3 seeds") == 1
    page = (paths.REPORT / "index.html").read_text()
    for said in ("MAE (batch256)", "SRC (batch256)", "mean over consecutive batches of 256 posts"):
        assert said in leaderboard
        assert said in page
    assert "over 3 seeds" in page
    assert 'alt="Training curves, dataset tiny: least error on the stopping window: good 0.90 in 1 epoch."' in page
    assert pl.read_csv(paths.plots("tiny") / "training_curves.csv").rows() == [("good", 7, 1, 0.5, 0.9, True)]


def test_missing_inputs_are_one_line(project):
    paths.predictions("tiny", "fair").unlink()
    result = run_stage("blend", "tiny")
    assert result.exit_code == 1
    assert result.stderr == f"error: {paths.predictions('tiny', 'fair')}: no such table: run `dvc repro` first\n"
    assert not paths.predictions("tiny", "blend").exists()
    result = run_stage("report")
    assert result.exit_code == 1
    assert "metrics/runs/tiny/median.json: no such file" in result.stderr


def test_numbers_are_shown_as_a_reader_wants_them():
    assert (standard.number(1.23456), standard.number(None), standard.against_best({})) == (
        "1.2346",
        "–",
        "–",
    )


@pytest.fixture(scope="module")
def few_shots(tmp_path_factory, world):
    """The root of a project with a few-shot task after all its stages; tests only read it."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("few_shots")
        patch.chdir(folder)
        popularity.project(folder, world)
        few_shot.project()
        few_shot.rows_are_there(patch)
        patch.setattr(bootstrap, "LEAST_POSTS", 10)  # 24 records per number of shots
        run_all(["blend", "evaluate"])
        result = run_stage("tracks", "tiny")
        assert result.exit_code == 0, result.output
        run_all(["report"])
    return folder


def sections(text: str) -> dict[str, list[str]]:
    """Heading of the third level -> its lines."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            title = line.strip("# ")
            found[title] = []
        else:
            found[title].append(line)
    return found


def test_few_shot_tables_say_what_they_must(few_shots, finished):
    text = (few_shots / paths.LEADERBOARD).read_text()
    assert text.startswith((finished / paths.LEADERBOARD).read_text()), "the standard track is as it was"
    track = text.split("## tiny, coldstart track, generated data, stand-in language model")[1]
    found = sections("#" + track.split("\n\n#", 1)[1])
    titles = ["Few-shot, MAE / SRC", "All test sets together", "Ablation", "Tuning methods, 2 shots",
              "Many-shot, 2 shots", "DPO against IDPOP"]  # fmt: skip
    assert list(found) == titles
    for title, lines in found.items():
        assert "Generated data. The language model is a stand-in" in "\n".join(lines), title
        rows = [line for line in lines if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1, title
        assert any(line.startswith(("No answer was left out", "Answers that are no number")) for line in lines), title
        if title != titles[0]:
            assert any("ignificant against" in line or line.startswith("Every difference") for line in lines), title
    ablation = {row.split(" | ")[0].strip("| "): row for row in found["Ablation"] if row.startswith("| ")}
    assert list(ablation) == ["system", *(f"{name} ({decoding})" for name in (
        "base", "lora", "multismpllm", "sft_dpo", "idpop_only") for decoding in ("greedy", "expected"))]  # fmt: skip
    assert ablation["base (greedy)"].split(" | ")[1:5] == ["untuned", "0.0 %", "–", "100.0 %"]
    scored = re.fullmatch(r"\d\.\d{3} / −?\d\.\d\d", ablation["base (greedy)"].split(" | ")[5])
    assert scored, "what it would have if one decimal were enough"
    assert ablation["base (expected)"].split(" | ")[4:6] == ["", ""], "nothing is written there"
    assert any(line.startswith("Valid: numbers in range with two decimals") for line in found["Ablation"])
    assert "base (greedy) 24 of 24 at 1 shot, 24 of 24 at 2 shots" in "\n".join(found["Ablation"])
    assert "idpop_only (greedy) 4 of 24 at 1 shot, 4 of 24 at 2 shots" in "\n".join(found["Ablation"])
    few = [row for row in found[titles[0]] if row.startswith("| median")]
    assert few[0].count(" / no SRC") == 4
    assert any(line.startswith("no SRC: the system says the same") for line in found[titles[0]])
    assert "| harsh_dpo | dpo | 2 | 11 | −6.200 | −8.030 | −1.830 |" in text
    assert [row.split(" | ")[1] for row in found["Many-shot, 2 shots"] if row.startswith("| hyfea")] == ["12", "12"]


def test_few_shot_rows_of_the_summary_are_few_and_pooled(few_shots, finished):
    summary = json.loads((few_shots / paths.SUMMARY).read_bytes())
    scores = json.loads((few_shots / paths.track_metrics("tiny")).read_bytes())
    own = {key: value for key, value in summary.items() if key.startswith("coldstart.")}
    assert {key: value for key, value in summary.items() if key not in own} == json.loads(
        (finished / paths.SUMMARY).read_bytes()
    )
    assert own["coldstart.tiny.lora_2.mae"] == scores["all.2.lora.expected.mae"]
    assert own["coldstart.tiny.history_mean_1.src"] == scores["all.1.history_mean.point.src"]
    assert own["coldstart.tiny.idpop_only_2.valid"] == pytest.approx(20 / 24, abs=1e-6)
    assert own["coldstart.tiny.base_2.valid"] == 0
    assert own["coldstart.tiny.base_2.valid_lenient"] == 1
    assert not {"coldstart.tiny.median_1.src", "coldstart.tiny.median_1.valid", "coldstart.tiny.freeze_1.mae"} & set(
        own
    )


def test_few_shot_page_is_whole(few_shots):
    text = (few_shots / paths.REPORT / "index.html").read_text()
    assert len(re.findall(r'src="data:image/webp;base64,', text)) == 8 + 5
    assert not re.search(r"https?://|@import|url\(", text)
    for said in ('id="track-tiny"', 'href="#track-tiny"', "stand-in language model", "SFT + IDPOP, the full system",
                 'alt="Chosen logp, the coldstart track of tiny: change of the chosen',
                 "Not significant against lora"):  # fmt: skip
        assert said in text, said


def test_a_task_without_scores_is_one_line(project):
    few_shot.project()
    run_all(["blend", "evaluate"])
    result = run_stage("report")
    assert (result.exit_code, result.stderr.split(": expected")[0]) == (
        1, "error: metrics/tracks/tiny.json: no such file")  # fmt: skip
