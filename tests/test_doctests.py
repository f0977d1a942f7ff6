"""Every example in a docstring is run: what it shows is what comes out."""

import doctest
import importlib

import pytest

from tests.conftest import ROOT

FOLDERS = ("src/popcast", "stages", "scripts", "tests", "benchmarks")
MARK = ">>" + "> "
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if ".venv" not in path.parts and MARK in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("file", FILES)
def test_examples_hold(file):
    """Only files with examples are imported, and each example counts: none hides where doctest does not look."""
    module = importlib.import_module(file.removeprefix("src/").removesuffix(".py").replace("/", "."))
    found = doctest.testmod(module)
    text = (ROOT / file).read_text(encoding="utf-8")
    assert found.attempted == text.count(MARK)
    assert found.failed == 0
