"""A saved forecaster says the same anywhere, says what it is, and refuses what is broken."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import polars as pl
import pytest

import popcast
from popcast.serving.bundle import Contents
from tests.api.fixed_choice import GIVEN, SETTINGS
from tests.conftest import ROOT

ELSEWHERE = """
import sys
import popcast
popcast.load(sys.argv[1]).predict(sys.argv[2]).write_parquet(sys.argv[3])
"""


def test_another_process_elsewhere_says_the_same_when_the_posts_are_gone(posts, drafts, tmp_path):
    file = tmp_path / "posts.csv"
    posts.write_csv(file)
    fitted = popcast.Forecaster(**GIVEN, settings=SETTINGS).fit(file)
    said = fitted.predict(drafts)
    fitted.save(tmp_path / "bundle")
    file.unlink()
    shutil.move(tmp_path / "bundle", tmp_path / "moved")
    drafts.write_csv(tmp_path / "drafts.csv")
    (tmp_path / "elsewhere").mkdir()
    command = [sys.executable, "-c", ELSEWHERE, tmp_path / "moved", tmp_path / "drafts.csv", tmp_path / "said.parquet"]
    done = subprocess.run(
        [str(part) for part in command], cwd=tmp_path / "elsewhere", env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(tmp_path / "said.parquet").equals(said)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_loaded_one_predicts_and_knows_its_leaderboard(forecaster, saved, drafts):
    loaded = popcast.load(saved)
    assert loaded.predict(drafts).equals(forecaster.predict(drafts))
    assert loaded.leaderboard().equals(forecaster.leaderboard())
    assert loaded.members_ == forecaster.members_


def test_saved_again_it_has_the_same_bytes(saved, tmp_path):
    popcast.load(saved).save(tmp_path / "again")
    assert _files(tmp_path / "again") == _files(saved)
    popcast.load(saved).save(tmp_path / "again")  # over an older one


def test_two_fits_have_the_same_bytes(posts, saved, tmp_path):
    popcast.Forecaster(**GIVEN, settings=SETTINGS).fit(posts).save(tmp_path / "twin")
    assert _files(tmp_path / "twin") == _files(saved)


def test_a_bundle_says_what_it_is_and_holds_no_pickle(saved):
    contents = Contents.read(saved)
    assert contents.facts["labelled"] == 570
    assert contents.facts["authors"] == 10
    assert contents.transform == "log2(x+1)"
    assert contents.table.columns.label == "likes"
    assert set(contents.members) == {path.name for path in (saved / "members").iterdir()}
    assert {one.block for one in contents.blocks} == {path.name for path in (saved / "blocks").iterdir()}
    card = (saved / "README.md").read_text()
    assert "570 posts with a label by 10 authors" in card
    assert not [path for path in saved.rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib", ".pt", ".bin")]
    assert not [path for path in saved.rglob("*") if path.is_file() and path.read_bytes()[:1] == b"\x80"]


def test_the_final_models_learn_every_label_even_where_there_is_nothing_to_predict_yet(posts, saved):
    """Posts to predict that come later change no feature of a post with a label."""
    alone = popcast.Forecaster(**GIVEN, settings=SETTINGS).fit(posts.filter(pl.col("likes").is_not_null()))
    files = {name: content for name, content in alone.forecast_.files.items() if name.startswith("members/")}
    assert files == {name: content for name, content in _files(saved).items() if name.startswith("members/")}


def test_members_without_weight_stay_behind(forecaster, saved):
    weights = dict(zip(forecaster.blend_.members, forecaster.blend_.weights["all"], strict=True))
    assert {name for name, weight in weights.items() if weight > 0} == set(popcast.load(saved).members_)
    assert any(weight == 0 for weight in weights.values())


def test_a_folder_with_other_files_is_left_alone(forecaster, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(popcast.BadPosts, match="other files are in it"):
        forecaster.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "no bundle in this folder"),
        (lambda folder: (folder / "bundle.json").write_text("{"), "not valid JSON"),
        (lambda folder: _set(folder, format="other"), "not a bundle"),
        (lambda folder: _set(folder, version=2), "another format"),
        (lambda folder: _set(folder, seed="x"), "cannot be put together"),
        (lambda folder: (folder / "known.parquet").write_bytes(b"PAR1"), "cannot be put together"),
        (lambda folder: (folder / "weights.json").unlink(), "missing"),
        (lambda folder: shutil.rmtree(folder / "blocks"), "missing"),
        (lambda folder: shutil.rmtree(folder / "members"), "missing"),
    ],
)
def test_a_broken_bundle_is_one_line(saved, tmp_path, damage, said):
    shutil.copytree(saved, tmp_path / "broken")
    damage(tmp_path / "broken")
    with pytest.raises(popcast.BadPosts, match=said) as error:
        popcast.load(tmp_path / "broken")
    assert "\n" not in str(error.value)
    assert str(tmp_path / "broken") in str(error.value)


def _set(folder: Path, **values) -> None:
    content = orjson.loads((folder / "bundle.json").read_bytes())
    (folder / "bundle.json").write_bytes(orjson.dumps(content | values))


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
