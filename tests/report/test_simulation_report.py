"""Simulated audiences in leaderboard, summary and report: what is said, and from which numbers."""

import json
import re

import pytest

from popcast.core import paths, tables
from popcast.core.errors import BadInput
from popcast.planning import project_params
from popcast.report import simulation_chapter, simulation_tables
from popcast.simulation.showing import episodes, pictures
from tests import popularity
from tests.plans import run_stage
from tests.simulation import told

VARIANTS = {"none": "history and text alone", "text": "and words", "numeric": "and attitudes", "both": "and both",
            "shuffled": "and both of another post", "raw": "and the mean raw score"}  # fmt: skip
ABOUT = {"learners": ["ridge", "lightgbm"], "variants": VARIANTS, "epochs": 2, "runs": 5, "confidence": 0.95,
         "posts": {"train": 1500, "valid": 200, "test": 300}, "authors": 120, "drawn": "authors",
         "generated": True}  # fmt: skip
SECTIONS = """
populations: {default: {kind: generated, file: words.json}}
simulations:
  tiny:
    dataset: tiny
    population: default
    watch: data/posts/tiny.parquet
    ablation: {text: metadata.embedding, history: false}
"""
METRICS = {"posts": 14, "posts_without_text": 1, "triggers": 13, "shared_share": 0.071429, "simulations": 26,
           "answers": 2000, "retries": 12, "failure_rate": 0.0125, "kept_fields": 3, "prompt_tokens": 123456,
           "output_tokens": 7890, "mean_attitude_epoch_1": 1.5, "mean_attitude_epoch_2": 2.25,
           "mean_attitude_epoch_3": 3.0}  # fmt: skip

SENSITIVITY = {
    f"sensitivity.{name}.{part}": value
    for name, values in {"in_use": (3.0, 0.0, 1.0), "core_weight_0_5": (2.5, -0.5, 0.9)}.items()
    for part, value in zip(("mean", "shift", "rank_correlation"), values, strict=True)
}


def made_up(changes: dict[str, tuple[float, float]], against: dict[str, float] | None = None) -> dict[str, float]:
    """A double of what stage ablation writes. changes: cell -> (difference of MAE, p), else no difference with p 0.6.

    against: cell -> upper end of the interval of the difference to its control.
    """
    scores = {}
    for learner in ABOUT["learners"]:
        scores |= {f"{learner}.none.mae": 1.5, f"{learner}.none.src": 0.4}
        for variant in simulation_tables.VARIANTS:
            for epoch in (1, 2):
                stem = f"{learner}.{variant}.{epoch}"
                change, p = changes.get(stem, (0.001, 0.6))
                low, high = (change - 0.01, change + 0.01) if p > 0.05 else (change * 1.5, change * 0.5)
                named = {"difference": change, "low": min(low, high), "high": max(low, high), "p": p}
                named |= {"src_difference": -change, "src_low": -named["high"], "src_high": -named["low"], "src_p": p}
                scores |= {f"{stem}.vs_none.{name}": value for name, value in named.items()}
                scores |= {f"{stem}.mae": 1.5 + change, f"{stem}.src": 0.4 - change}
                if variant in simulation_tables.CONTROLS:
                    rival = simulation_tables.CONTROLS[variant]
                    scores[f"{stem}.vs_{rival}.high"] = (against or {}).get(stem, 0.02)
    return scores


def said(changes: dict[str, tuple[float, float]], against: dict[str, float] | None = None) -> str:
    return " ".join(simulation_tables.verdict(made_up(changes, against), ABOUT))


def test_verdict_without_any_difference():
    text = said({})
    assert "adds nothing to history and text that can be told from chance" in text
    assert "in none of 12 comparisons (false discovery rate 5 %). The interval by itself is below zero in 0" in text
    assert "higher" not in text


def test_verdict_does_not_take_one_lucky_comparison_for_help():
    text = said({"ridge.numeric.1": (-0.02, 0.03)})
    assert "adds nothing" in text
    assert "below zero in 1, where chance gives about 0.3" in text


def test_verdict_names_what_helps_and_whether_it_beats_its_control():
    strong = {"ridge.both.2": (-0.08, 0.001), "lightgbm.text.1": (-0.02, 0.004)}
    text = said(strong)
    assert "The MAE is lower with the audience in 2 of 12 comparisons" in text
    assert "at most by 0.0800 (both, epoch 2, ridge regression)" in text
    assert "1 have a control (the field of another post) and 0 have a lower MAE" in text
    assert "what helps is not what the audience said" in text
    assert "and 1 have a lower MAE than it beyond chance." in said(strong, {"ridge.both.2": -0.01})


def test_verdict_says_what_does_harm_and_when_there_are_no_intervals():
    text = said({"ridge.text.1": (0.3, 0.001)})
    assert "The MAE is higher with the audience in 1 of 12 comparisons" in text
    assert "by up to 0.3000 (text, epoch 1, ridge regression)" in text
    bare = {key: value for key, value in made_up({}).items() if not key.endswith((".p", ".low", ".high"))}
    assert simulation_tables.verdict(bare, ABOUT)[-1].startswith("Too few authors")


def test_controls_do_not_count_as_help():
    assert "adds nothing" in said({"ridge.shuffled.1": (-0.3, 0.001), "ridge.raw.2": (-0.3, 0.001)})


def test_discoveries_step_up():
    cells = [("ridge", "text", epoch) for epoch in range(1, 6)]
    p = dict(zip(cells, (0.9, 0.039, 0.001, 0.03, 0.2), strict=True))  # sorted: thresholds 0.01, 0.02, 0.03, 0.04, 0.05
    assert simulation_tables.discoveries(p, 0.05) == [cells[2]]
    assert simulation_tables.discoveries(p | {cells[4]: 0.04}, 0.05) == [cells[2], cells[3], cells[1], cells[4]]
    assert simulation_tables.discoveries(dict.fromkeys(cells, 0.9), 0.05) == []


def test_numbers_that_round_to_zero_have_no_sign():
    assert simulation_tables.signed(-0.00001, 4) == "0.0000"
    assert simulation_tables.signed(-0.1, 2) == "−0.10"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Root of a project whose dataset has a simulated audience, after the report."""
    world = popularity.posts()
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("finished")
        patch.chdir(folder)
        popularity.project(folder, world)
        text = paths.PARAMS.read_text()
        paths.PARAMS.write_text(text + SECTIONS)
        tables_of = told.simulated()
        drawn = {name: table for name, table in tables_of.items() if name != "manifest"}
        pictures.draw(pictures.title("tiny", True, True), **drawn, folder=paths.simulation_plots("tiny"))
        episodes.write("tiny", **tables_of, folder=paths.simulation_plots("tiny"))
        tables.write_json(METRICS, paths.simulation_metrics("tiny"))
        scores = made_up({"ridge.both.2": (-0.08, 0.001)})
        tables.write_json({"about": ABOUT, **scores, **SENSITIVITY}, paths.ablation_metrics("tiny"))
        for name in ("blend", "evaluate", "report"):
            result = run_stage(name, *([] if name == "report" else ["tiny"]))
            assert result.exit_code == 0, result.output + result.stderr
    return folder


def test_leaderboard_has_the_audience_and_names_the_stand_in(finished):
    text = (finished / paths.LEADERBOARD).read_text()
    section = text[text.index("## tiny, simulated audience, generated data, answers by rules, a stand-in") :]
    assert "| personas without an answer | 1.2 % |" in section
    assert "| trigger lines | 13 (7.1 % of posts share one) |" in section
    assert "| prompt tokens | 123,456 |" in section
    assert "| mean attitude by epoch | 1.50, 2.25, 3.00 |" in section
    assert (
        "| both | 2 | 1.4200 | 0.480 | −0.0800 | −0.1200 to −0.0400 | < 0.01 | +0.0800 | +0.0400 to +0.1200 |"
        in section
    )
    assert "| core weight 0.5 | 2.500 | −0.500 | 0.900 |" in section
    assert "in 1 of 12 comparisons" in section
    rows = [line.split(" | ")[0].strip("| ") for line in section.splitlines() if re.match(r"\| .* \| [12] \| ", line)]
    assert rows[:10:2] == ["words", "attitudes", "both", "both of another post", "the mean raw score"]


def test_summary_has_flat_numbers(finished):
    found = json.loads((finished / paths.SUMMARY).read_bytes())
    own = {key.removeprefix("simulation.tiny."): value for key, value in found.items() if key.startswith("simulation.")}
    assert own["failure_rate"] == 0.0125
    assert own["mean_attitude_epoch_3"] == 3.0
    assert own["ridge.none.mae"] == 1.5
    assert own["ridge.both_2.difference"] == -0.08
    assert "ridge.none.difference" not in own
    assert all(isinstance(value, (int, float)) for value in own.values())


def test_report_has_a_chapter_and_a_page_to_step_through(finished):
    text = (finished / paths.REPORT / "index.html").read_text()
    chapter = text[text.index('<section id="simulation-tiny"') :]
    assert '<a href="#simulation-tiny">tiny, simulated audience</a>' in text
    assert '<a href="simulation.html">Step through single posts</a>' in chapter
    assert chapter.count("data:image/webp;base64,") == 4
    assert "a stand-in for a language model" in chapter
    page = (finished / paths.REPORT / "simulation.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1))
    assert [(one["dataset"], one["generated"]) for one in data] == [("tiny", True)]


def test_without_simulations_there_is_no_page(finished, monkeypatch):
    monkeypatch.chdir(finished)
    text = paths.PARAMS.read_text()
    kept = {name: (paths.REPORT / name).read_bytes() for name in ("index.html", simulation_chapter.PAGE)}
    kept_files = {path: path.read_bytes() for path in (paths.SUMMARY, paths.LEADERBOARD)}
    try:
        paths.PARAMS.write_text(text.replace(SECTIONS, ""))
        result = run_stage("report")
        assert result.exit_code == 0
        assert not (paths.REPORT / simulation_chapter.PAGE).exists()
        assert "simulated audience" not in paths.LEADERBOARD.read_text()
    finally:
        paths.PARAMS.write_text(text)
        for name, content in kept.items():
            (paths.REPORT / name).write_bytes(content)
        for path, content in kept_files.items():
            path.write_bytes(content)


def test_missing_outs_are_one_line(finished, monkeypatch):
    monkeypatch.chdir(finished)
    simulations = list(project_params.load().simulations)
    monkeypatch.setattr(paths, "simulation_metrics", lambda name: paths.REPORT / "gone.json")
    with pytest.raises(BadInput, match=r"gone\.json.*no such file"):
        simulation_chapter.collect(simulations)
