"""The library and the pipeline are the same thing: same tables, same bytes."""

from __future__ import annotations

import shutil

import orjson
import polars as pl
import pytest
from ruamel.yaml import YAML

import popcast
from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.models.contract.finished import Inputs
from popcast.models.contract.fitting import make_design
from popcast.models.params import PlannedRun
from popcast.planning.default_params import default_params
from popcast.serving.bundle import Contents
from popcast.serving.final_models import forecasting_model
from tests.api.fixed_choice import GIVEN, SETTINGS
from tests.plans import run_stage

STAGES = (
    ("posts", "posts"), ("features", "posts-metadata"), ("features", "posts-history"), ("features", "posts-text"),
    ("derive", "posts-neighbours"), ("derive", "posts-windows"), ("suite", "posts-chosen"), ("blend", "posts"),
    ("evaluate", "posts"), ("bundle", "posts"),
)  # fmt: skip


@pytest.fixture(scope="module")
def project(posts, tmp_path_factory):
    """A project folder in which the stages have run on the same posts as a csv."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "raw").mkdir()
    posts.write_csv(folder / "raw" / "posts.csv")
    found = {"numbers": "numbers", "author_numbers": "author_numbers"}
    columns = {found.get(role, role): column for role, column in GIVEN.items()}
    layout = {"labelled": "posts.csv", "without_label": "predict", "columns": columns}
    dataset = {"kind": "table", "raw": "raw", "metric": "mae", "table": layout}
    sections = default_params() | {"datasets": {"posts": dataset}} | SETTINGS
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        YAML().dump(sections, paths.PARAMS)
        for stage, key in STAGES:
            result = run_stage(stage, key, catch_exceptions=False)
            assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module", params=["csv", "polars"])
def fitted(request, posts, project, forecaster) -> popcast.Forecaster:
    if request.param == "polars":
        return forecaster
    return popcast.Forecaster(**GIVEN, settings=SETTINGS).fit(project / "raw" / "posts.csv")


def test_the_blend_of_all_parts_has_the_same_bytes(project, fitted, tmp_path):
    tables.write(fitted.predictions_, tmp_path / "blend.parquet", tables.PREDICTIONS)
    theirs = project / paths.predictions("posts", "blend")
    assert set(fitted.predictions_["split"]) == {"train", "valid", "test", "unlabelled"}
    assert (tmp_path / "blend.parquet").read_bytes() == theirs.read_bytes()


def test_forecasts_of_posts_without_label_are_those_of_the_pipeline(project, fitted, drafts):
    theirs = pl.read_parquet(project / paths.predictions("posts", "blend"))
    found = fitted.predict(drafts)
    assert found["id"].to_list() == drafts["id"].to_list()
    both = found.join(theirs, left_on="id", right_on="post_id", suffix="_theirs", how="left", maintain_order="left")
    for name in ("prediction", "lower", "upper"):
        assert both[name].to_list() == both[f"{name}_theirs"].to_list()
    assert both.height == 30


def test_scores_are_those_of_the_pipeline(project, fitted):
    for name, of in fitted.scores_.items():
        theirs = orjson.loads((project / paths.metrics("posts", name)).read_bytes())
        assert {key: of[key] for key in theirs} == theirs
        assert {key for key in of if key not in theirs} <= {f"test.vs_blend.{key}" for key in
                                                            ("difference", "low", "high", "p")}  # fmt: skip


@pytest.mark.parametrize("block", ["metadata", "history", "text", "neighbours"])
def test_blocks_of_the_bundle_are_those_of_the_pipeline(project, fitted, block):
    theirs = project / paths.feature_model("posts", block)
    names = sorted(path.relative_to(theirs).as_posix() for path in theirs.rglob("*") if path.is_file())
    ours = {name: fitted.forecast_.files.get(f"blocks/{block}/{name}") for name in names}
    if any(content is not None for content in ours.values()):
        assert ours == {name: (theirs / name).read_bytes() for name in names}
    else:
        assert block not in {one.block for one in fitted.forecast_.contents.blocks}


def test_models_of_the_bundle_are_those_of_the_pipeline(project, fitted):
    for name in fitted.members_:
        theirs = project / paths.model("posts", name, "chosen") / "final"
        for path in theirs.rglob("*"):
            assert fitted.forecast_.files[f"members/{name}/{path.name}"] == path.read_bytes()
    assert len(fitted.members_) >= 2


def test_the_bundle_of_the_stage_is_that_of_the_library(project, fitted, drafts, tmp_path):
    theirs = project / paths.bundle("posts")
    fitted.save(tmp_path / "ours")
    ours = {file: (tmp_path / "ours" / file).read_bytes() for file in fitted.forecast_.files}
    stages_own = {"track.json"}  # what the test part would have been told, played again from the stage's tables
    found = {path.relative_to(theirs).as_posix() for path in theirs.rglob("*") if path.is_file()}
    assert found == set(ours) | stages_own
    differ = {name for name, content in ours.items() if (theirs / name).read_bytes() != content}
    assert differ <= {"bundle.json", "scores.json"}  # how the file was named; what else is compared with the blend
    made, own = Contents.read(theirs), fitted.forecast_.contents
    assert made.table.columns == own.table.columns
    kept = {"table", "names", "dataset"}
    assert made.model_dump(exclude=kept) == own.model_dump(exclude=kept)
    assert popcast.load(theirs).predict(drafts).equals(fitted.predict(drafts))


@pytest.mark.parametrize("name", ["lightgbm", "hyfea"])
def test_where_no_post_waits_the_stage_fits_the_same_final_model_once(project, name, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    saved, plan = tmp_path / "saved", Plan("bundle", "posts")
    shutil.copytree(paths.model("posts", name, "chosen"), saved)
    shutil.move(saved / "final", tmp_path / "final")
    run, inputs = plan.sections("members", PlannedRun)[name], Inputs("posts")

    def design():
        return make_design(inputs.posts, inputs.blocks(run.blocks), run.allow_posthoc)

    found = forecasting_model(run, saved, design, plan["seed"], "labelled", tmp_path / "work")
    assert found == tmp_path / "work" / "final"
    for path in (tmp_path / "final").rglob("*"):
        assert (found / path.name).read_bytes() == path.read_bytes()
    assert forecasting_model(run, saved, None, plan["seed"], "labelled", tmp_path / "work") == found  # it goes on
    assert forecasting_model(run, saved, None, plan["seed"], "train", tmp_path / "other") == saved / "evaluation"
