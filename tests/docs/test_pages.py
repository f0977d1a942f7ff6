"""Code on the pages runs: Python blocks in their order, in a folder of their own; commands have the options shown."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
import tomllib
from pathlib import Path

import click
import pytest

from popcast.cli import main
from popcast.datasets.sample.made_export import write_export
from tests.conftest import ROOT
from tests.docs.pages import PAGES, Block, blocks_of, commands

PYTHON = [page for page in PAGES if any(block.kind == "python" for block in blocks_of(page))]
OWN = {"popcast", "python", "make", "bash", "pip", "pytest"}
OTHERS = {"git", "cd", "dvc", "open", "source"}
"""Commands that are not ours to test."""
MOST_SKIPPED = 0
"""Blocks that no test runs. Each says why."""


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PYTHON, ids=name)
def test_python_blocks_run_in_their_order(page, tmp_path, monkeypatch, one_thread):
    monkeypatch.chdir(tmp_path)
    own_export(Path("posts.csv"))
    space: dict = {"__name__": "__main__"}
    for block in blocks_of(page):
        if block.kind == "python" and block.skipped is None:
            run(block, space, monkeypatch)


def own_export(file: Path) -> None:
    """What a page calls posts.csv without having written it: the reader's own posts."""
    write_export(file, posts=400)
    _, *rows = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("id,author,time,text,tags,followers,likes,comments\n" + "".join(rows), encoding="utf-8")


def run(block: Block, space: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template of a module of ours that it exports names of is put under its name first."""
    module = re.search(r"^from (popcast\.models\.\w+)\.predictor import", block.code, re.MULTILINE)
    if module and importlib.util.find_spec(module[1]) is None:
        monkeypatch.setitem(sys.modules, module[1], made := type(sys)(module[1]))
        monkeypatch.setitem(sys.modules, f"{module[1]}.predictor", made)
        made.__dict__.update(space)
    exec(compile(block.code, block.place, "exec", dont_inherit=True), space)


ALL = [(place, command) for page in PAGES for place, command in commands(page)]


@pytest.mark.parametrize(("place", "command"), ALL, ids=[f"{place} {command[:40]}" for place, command in ALL])
def test_commands_are_there_with_the_options_that_are_shown(place, command):
    words = [word for word in shlex.split(command) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    program = Path(words[0]).name
    assert program in OWN | OTHERS, f"{place}: {command}"
    if program in OWN:
        globals()[f"check_{program}"](words[1:], f"{place}: {command}")


def check_popcast(words: list[str], place: str) -> None:
    assert words, place
    command, context = main, click.Context(main)
    if not words[0].startswith("-"):
        command = main.get_command(context, words[0])
        assert command is not None, f"{place}: no such command"
    known = {one for option in command.get_params(context) for one in (*option.opts, *option.secondary_opts)}
    assert {word.split("=")[0] for word in words if word.startswith("-")} <= known, place


def check_python(words: list[str], place: str) -> None:
    if words[0] == "-m":
        assert importlib.util.find_spec(words[1]) is not None, place
        return
    file = ROOT / words[0]
    assert file.is_file(), place
    text = file.read_text(encoding="utf-8")
    assert all(word in text for word in words[1:] if word.startswith("--") and word != "--help"), place


def check_make(words: list[str], place: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in words if "=" not in word} <= set(targets), place


def check_bash(words: list[str], place: str) -> None:
    assert (ROOT / words[0]).is_file(), place


def check_pip(words: list[str], place: str) -> None:
    """Extras are there, and files of requirements."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words:
        if match := re.fullmatch(r"popcast\[(.+)\]", word):
            assert set(match[1].split(",")) <= set(extras), place
        if word.endswith(".txt"):
            assert (ROOT / word).is_file(), place


def test_what_is_not_run_is_counted_and_says_why():
    skipped = [block for page in PAGES for block in blocks_of(page) if block.skipped is not None]
    assert len(skipped) <= MOST_SKIPPED, [block.place for block in skipped]
    kinds = {block.kind for page in PAGES for block in blocks_of(page)}
    assert kinds <= {"python", "bash", "yaml", "text"}, "a block of another kind is neither run nor known"


YAML = [block for page in PAGES for block in blocks_of(page) if block.kind == "yaml" and "kind: table" in block.code]


@pytest.mark.parametrize("block", YAML, ids=[block.place for block in YAML])
def test_settings_that_are_shown_are_valid(block, tmp_path):
    from popcast.core import yaml_reading
    from popcast.datasets.params import Dataset

    (tmp_path / "shown.yaml").write_text(block.code)
    sections = yaml_reading.read_yaml(tmp_path / "shown.yaml")
    assert [Dataset.model_validate(section).kind for section in sections["datasets"].values()]


def test_an_unknown_option_and_a_missing_file_are_seen():
    for check, words in (
        (check_popcast, ["init", "--no-such-option"]),
        (check_popcast, ["no-such-command"]),
        (check_python, ["scripts/no_such.py"]),
        (check_python, ["scripts/repro.py", "--no-such"]),
        (check_make, ["no-such-target"]),
        (check_bash, ["recipes/no-such.sh"]),
        (check_pip, ["install", "popcast[no-such]"]),
    ):
        with pytest.raises(AssertionError):
            check(words, "here")
