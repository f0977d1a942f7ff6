"""Plans: what a changed number or a changed file makes stale, and settings that come back as they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest
from ruamel.yaml import YAML

from popcast.core import paths
from popcast.core.errors import BadInput
from popcast.core.named import block_module, predictor_module
from popcast.core.plan_file import Plan
from popcast.planning import plan, project_params
from popcast.planning.status import differences, stage_name, status
from tests.conftest import ROOT

TRAINS_SMPD = {"train@smpd-hyfea", "train@smpd-cr", "train@smpd-lightgbm"}
SUITES_SMPD = {"suite@smpd-simple", "suite@smpd-neural"}
LLM_RUNS = {"train_llm@smpd-multismpllm", "train_llm@smpd-popsim_agent"}
ENDS = {f"{stage}@{name}" for stage in ("blend", "evaluate", "bundle") for name in ("smpd", "tpic2017", "microlens")}
BUNDLES = {end for end in ENDS if end.startswith("bundle")}
EVALUATES = {end for end in ENDS if not end.startswith("blend")}


@pytest.fixture(scope="module")
def values() -> dict:
    return YAML(typ="safe").load(ROOT / "params.yaml")


@pytest.fixture(scope="module")
def planned() -> dict[str, bytes]:
    return by_name(plan.contents(project_params.load(ROOT / paths.PARAMS)))


def by_name(contents: dict[Path, bytes]) -> dict[str, bytes]:
    return {stage_name(path): text for path, text in contents.items()}


def changed(values: dict, key: str, value: object, folder: Path) -> dict[str, bytes]:
    """Plans of the project's params.yaml with one dotted key changed."""
    content = orjson.loads(orjson.dumps(values))
    place = content
    *way, last = key.split(".")
    for part in way:
        place = place[part]
    place[last] = value
    YAML().dump(content, folder / "params.yaml")
    return by_name(plan.contents(project_params.load(folder / "params.yaml")))


@pytest.mark.parametrize(
    ("key", "value", "stale"),
    [
        ("features.text.max_tokens", 16, {"features@microlens-text"}),  # smpd sets its own
        ("features.history.smoothing", 9.0, {"features@smpd-history", "features@tpic2017-history"}),
        ("splits.smpd.test_from", "2016-01-20", {"posts@smpd"}),
        (
            "splits.smpd.final_fit",
            "train",
            {"features@smpd-metadata", "features@smpd-profile", "features@smpd-history", "features@smpd-text"}
            | {"derive@smpd-neighbours", "derive@smpd-windows", "derive@smpd-knn_values", "blend@smpd", "evaluate@smpd"}
            | {"bundle@smpd"}
            | TRAINS_SMPD
            | SUITES_SMPD
            | LLM_RUNS,
        ),
        (
            "models.lightgbm.learning_rate",
            0.1,
            {"train@smpd-lightgbm", "suite@smpd-simple", "suite@tpic2017-simple", "suite@microlens-simple"} | BUNDLES,
        ),
        ("models.mmra.k", 5, {"suite@microlens-neural", "bundle@microlens"}),
        ("models.cnn.loss", "rmse", {"suite@smpd-neural", "bundle@smpd"}),
        ("suites.microlens-simple.runs.svr.set", {"c": 2.0}, {"suite@microlens-simple", "bundle@microlens"}),
        ("sample.microlens.videos", 110, {"sample@microlens"}),
        (
            "datasets.tpic2017.metric",
            "rmse",
            {"suite@tpic2017-simple", "blend@tpic2017", "evaluate@tpic2017", "bundle@tpic2017", "report"},
        ),
        ("blend.intercept", True, ENDS),
        (
            "evaluation.confidence",
            0.9,
            {*EVALUATES, "ablation@smpd", "report", "tracks@smpd", "response_score@weibo", "reaction_shares@weibo"},
        ),
        ("simulation.rules.alpha", 0.5, {"simulate@smpd", "bundle@smpd"}),
        ("simulation.runner.in_flight", 8, {"simulate@smpd"}),
        ("simulations.smpd.fields.dim", 6, {"fields@smpd", "ablation@smpd"}),
        ("llm.align.epochs", 3, {"align@smpd"}),
        ("llm.decoding.invalid", "history_mean", {"llm_predict@smpd", "tracks@smpd"}),
        ("llms.smpd.sft.lora.set", {"rank": 4}, {"sft@smpd"}),
        ("llms.smpd.base.made.steps", 90, {"base_model@smpd"}),
        ("populations.default.agents", 50, {"population@default"}),
        ("response.retrieval.top", 3, {"response_cases@weibo"}),
        ("response.prompts.max_tokens", 300, {"response_train@weibo", "response_predict@weibo"}),
        ("response.train.epochs", 5, {"response_train@weibo"}),
        ("response.decoding.top_k", 5, {"response_predict@weibo"}),
        ("response.judging.least_cases", 5, {"response_score@weibo"}),
        ("responses.weibo.samples", 2, {"response_predict@weibo"}),
        ("share_model.least", 5, {"reaction_shares@weibo"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_changed_number_changes_the_plans_of_what_reads_it_and_of_nothing_else(
    values, planned, tmp_path, key, value, stale
):
    found = changed(values, key, value, tmp_path)
    assert set(found) == set(planned)
    assert {name for name in found if found[name] != planned[name]} == stale


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The project's source in another folder, to be changed and put back."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "requirements.txt", folder / "requirements.txt")
    return folder


def touched(copy: Path, planned: dict[str, bytes], file: str, edit) -> set[str]:
    """Names of the stages whose plan changes with an edit of one source file."""
    path = copy / "src" / "popcast" / file
    before = path.read_text()
    path.write_text(edit(before))
    try:
        found = by_name(plan.contents(project_params.load(ROOT / paths.PARAMS), copy))
    finally:
        path.write_text(before)
    return {name for name in found if found[name] != planned[name]}


def more_code(text: str) -> str:
    return text + "\nNEW = 1\n"


def more_words(text: str) -> str:
    return text.replace('"""', '"""In other words: ', 1) + "\n# a comment\n"


@pytest.mark.parametrize("file", ["core/tables.py", "simulation/params.py", "models/hyfea/predictor.py"])
def test_words_make_nothing_stale(copy, planned, file):
    assert touched(copy, planned, file, more_words) == set()


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("models/mmra/predictor.py", {"suite@microlens-neural", "bundle@microlens"}),
        ("models/stacker/stacker_members.py", {"suite@smpd-neural", "bundle@smpd"}),
        (
            "models/hyfea/predictor.py",
            {"train@smpd-hyfea", "suite@tpic2017-simple", "suite@microlens-neural", "tracks@smpd"} | BUNDLES,
        ),
        ("features/windows/block.py", {"derive@smpd-windows"}),
        ("datasets/tpic2017.py", {"posts@tpic2017"}),
        ("datasets/sample/generate_microlens.py", {"sample@microlens"}),
        ("simulation/policies/policy_transformers.py", set()),  # nobody's policy here
        ("simulation/policies/persona_phrases.json", {"simulate@smpd"}),
        ("simulation/popsim_agent/predictor.py", {"train_llm@smpd-popsim_agent"}),
        ("fewshot/alignment/idpop_trainer.py", {"align@smpd"}),
        ("report/templates/stepping_page.css.j2", {"report"}),
        ("planning/status.py", set()),
        ("cli.py", set()),
    ],
)
def test_changed_code_changes_the_plans_of_what_reaches_it(copy, planned, file, stale):
    edit = (lambda text: text + "\n") if not file.endswith(".py") else more_code
    assert touched(copy, planned, file, edit) == stale


def test_settings_come_back_as_they_were():
    """JSON holds what a predictor or block is told: read again it is the same section."""
    whole = project_params.load(ROOT / paths.PARAMS)
    for one in plan.all_instances(whole):
        read = orjson.loads(orjson.dumps(one.settings))
        for run in read.get("runs", {}).values() if one.stage in ("train", "suite", "train_llm") else ():
            section = predictor_module(run["model"]).Params.model_validate(run["params"])
            assert section.model_dump(mode="json") == run["params"]
        if one.stage in ("features", "media", "derive"):
            section = block_module(read["block"]).Params.model_validate(read["params"])
            assert section.model_dump(mode="json") == read["params"]


def test_plans_are_written_as_a_whole_and_those_of_dropped_instances_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ghost = paths.plan("train", "gone")
    ghost.parent.mkdir(parents=True)
    ghost.write_text("{}")
    whole = project_params.load(ROOT / paths.PARAMS)
    count = plan.write(whole)
    assert not ghost.exists()
    assert len(list(paths.PLANS.rglob("*.json"))) == count == len(plan.all_instances(whole))
    assert Plan("train", "smpd-hyfea")["final_fit"] == "labelled"
    before = {path: path.read_bytes() for path in paths.PLANS.rglob("*.json")}
    plan.write(whole)
    assert {path: path.read_bytes() for path in paths.PLANS.rglob("*.json")} == before


@pytest.mark.parametrize(
    ("content", "line"),
    [(None, "no plan of train@a"), (b"{", "not a plan"), (b"[]", "not a plan"), (b'{"key": 1}', "not a plan")],
)
def test_a_plan_that_is_missing_or_spoiled_is_one_line(tmp_path, monkeypatch, content, line):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        path = paths.plan("train", "a")
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        Plan("train", "a")
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_differences_name_settings_files_and_versions():
    before = {"settings": {"a": {"b": 1, "c": 2}}, "source": {"x.py": "1", "y.py": "1"}, "versions": {"numpy": "1"}}
    now = {
        "settings": {"a": {"b": 3, "c": 2}, "d": 4},
        "source": {"x.py": "2", "z.py": "1"},
        "versions": {"numpy": "2"},
    }
    assert list(differences(before, now)) == [
        "setting a.b: 1 -> 3", "setting d: null -> 4", "file x.py", "file y.py (no longer needed)", "file z.py (new)",
        "version of numpy",
    ]  # fmt: skip


def test_status_tells_what_never_ran_and_what_follows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plans = {
        paths.plan("posts", "a"): b"{}",
        paths.plan("features", "a-text"): b"{}",
        paths.plan("report", "all"): b"{}",
    }
    assert [(one.name, one.reasons) for one in status(plans)] == [
        (name, ["has not run yet"]) for name in ("posts@a", "features@a-text", "report")
    ]
    for path, text in plans.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    stages = {
        "posts@a": {"deps": [dep("posts", "a")], "outs": [{"path": "data/posts/a.parquet", "md5": "1"}]},
        "features@a-text": {"deps": [dep("features", "a-text"), {"path": "data/posts/a.parquet", "md5": "1"}]},
        "report": {"deps": [dep("report", "all")]},
    }
    YAML().dump({"schema": "2.0", "stages": stages}, Path("dvc.lock"))
    assert status(plans) == []
    changed = plans | {paths.plan("posts", "a"): b"{ }"}
    assert [(one.name, one.after) for one in status(changed)] == [("posts@a", []), ("features@a-text", ["posts@a"])]


def dep(stage: str, key: str) -> dict[str, str]:
    return {"path": paths.plan(stage, key).as_posix(), "md5": "0" * 32}
