"""``popcast report``: a copy with commit and fit times, while the bytes of the stage stay as they are."""

from __future__ import annotations

import json
import subprocess

import pytest
from click.testing import CliRunner

from popcast.cli import main
from popcast.core import paths
from popcast.report.page.index_page import page

TIMES = {"train@a-hyfea": {"seconds": 12.5, "cpu": 10.0, "peak": 300.0}, "posts@a": {"seconds": 2.0}}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths.REPORT.mkdir()
    (paths.REPORT / "index.html").write_text(page([], processor="x86_64 Made"), encoding="utf-8")
    (paths.REPORT / "simulation.html").write_text("<p>steps</p>")
    (tmp_path / ".scratch").mkdir()
    (tmp_path / ".scratch" / "repro-times.json").write_text(json.dumps(TIMES))
    return tmp_path


def ask(*words: str):
    return CliRunner().invoke(main, ["report", *words])


def git(*words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *who, *words], capture_output=True, text=True, check=True).stdout.strip()


def test_the_copy_names_commit_changes_and_times(project):
    git("init", "-q")
    (project / "params.yaml").write_text("a: 1\n")
    git("add", "params.yaml")
    git("commit", "-q", "-m", "one")
    (project / "params.yaml").write_text("a: 2\n")
    before = {path: path.read_bytes() for path in paths.REPORT.iterdir()}
    result = ask("copy")
    assert result.exit_code == 0, result.output
    text = (project / "copy" / "index.html").read_text(encoding="utf-8")
    assert f"<code>{git('rev-parse', 'HEAD')}</code> with 1 changed file" in text
    assert 'data-name="seconds">12.5</td>' in text
    assert "Times of the other stages: 1 rows" in text
    assert "x86_64 Made" in text
    assert "popcast report FOLDER" not in text
    assert (project / "copy" / "simulation.html").read_text() == "<p>steps</p>"
    assert {path: path.read_bytes() for path in paths.REPORT.iterdir()} == before
    assert ask("copy").exit_code == 0, "an earlier copy is replaced"


def test_outside_of_git_and_without_times_it_says_so(project, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    (project / ".scratch" / "repro-times.json").write_text("broken")
    assert ask("copy").exit_code == 0
    text = (project / "copy" / "index.html").read_text(encoding="utf-8")
    assert "not in a git repository" in text
    assert "No times" in text


def test_two_runs_of_the_stage_do_not_differ_by_commit_or_time(project):
    assert page([], processor="x86_64 Made") == (paths.REPORT / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("made", "folder", "said"),
    [
        (
            lambda root: (root / "other").mkdir() or (root / "other" / "a").write_text("x"),
            "other",
            "other files are in it",
        ),
        (lambda root: None, "reports", "the folder of the stage itself"),
        (lambda root: (root / "reports" / "index.html").write_text("<p>"), "copy", "no place for facts of the run"),
        (lambda root: (root / "reports" / "index.html").unlink(), "copy", "no report there"),
    ],
)
def test_what_it_refuses_is_one_line(project, made, folder, said):
    made(project)
    result = ask(folder)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
    assert not (project / "copy").exists()
