"""The house: rooms import only downwards, no file imports itself in a circle, and no two files share a name."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import networkx as nx
import pytest

from popcast.planning.source import Source
from tests.conftest import ROOT

ROOMS = (
    "core", "datasets", "splits", "features", "models", "blend", "scoring", "chat", "lm", "fewshot", "simulation",
    "response", "report", "serving", "planning", "api", "commands", "cli",
)  # fmt: skip
"""From the ground floor up: a room imports only rooms named before it. Those still to come have their place."""

FORMS = {"__init__", "predictor", "block", "params"}
"""File names that the form of a room prescribes."""

LONGEST = 400
MOST_FILES = 15
"""In a room or folder, before it gets inner walls."""


def files(root: Path) -> list[Path]:
    return sorted((root / "src" / "popcast").rglob("*.py"))


def imports(root: Path) -> dict[str, dict[str, int]]:
    """Module -> module of ours that it imports -> line, those for type checkers too."""
    known = Source(root).modules
    found: dict[str, dict[str, int]] = {}
    for name, path in known.items():
        if not name.startswith("popcast"):
            continue
        own = found.setdefault(name, {})
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for imported in names:
                parts = imported.split(".")
                ours = next(
                    (".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in known), None
                )
                if ours is not None and ours != "popcast":
                    own[ours] = node.lineno
    return found


def upward(root: Path) -> list[str]:
    """Imports that lead to a higher room, as ``file:line: imports room.module``."""
    known, wrong = Source(root).modules, []
    for name, imported in imports(root).items():
        if name == "popcast":
            continue
        floor = ROOMS.index(name.split(".")[1])
        for other, line in imported.items():
            if ROOMS.index(other.split(".")[1]) > floor:
                wrong.append(f"{known[name].relative_to(root)}:{line}: imports {other}, which is above")
    return wrong


def circles(root: Path) -> list[list[str]]:
    graph = nx.DiGraph([(name, other) for name, imported in imports(root).items() for other in imported])
    return [sorted(circle) for circle in nx.strongly_connected_components(graph) if len(circle) > 1]


def test_rooms_import_downwards():
    assert not upward(ROOT), "\n" + "\n".join(upward(ROOT))


def test_no_file_imports_itself_in_a_circle():
    assert not circles(ROOT)


def test_every_folder_is_a_room_that_says_what_comes_in_and_what_goes_out():
    folders = {path.parent for path in files(ROOT)} - {ROOT / "src" / "popcast"}
    assert {folder.relative_to(ROOT / "src" / "popcast").parts[0] for folder in folders} <= set(ROOMS)
    for folder in folders:
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert text, f"{folder}: __init__.py says nothing"
        form = {path.stem for path in folder.glob("*.py")} & {"predictor", "block"}
        if not form:
            assert "Comes in" in text, folder
            assert "oes out" in text, folder


def test_nothing_but_the_command_line_lies_at_the_top():
    assert {path.stem for path in (ROOT / "src" / "popcast").glob("*.py")} == {"__init__", "cli"}


def test_no_two_files_share_a_name():
    counts = Counter(path.stem for path in files(ROOT) if path.stem not in FORMS)
    assert not [name for name, count in counts.items() if count > 1]


def test_no_two_test_files_share_a_name():
    """pytest imports those of folders without an ``__init__.py`` by their bare name."""
    found = [path for path in sorted((ROOT / "tests").rglob("*.py")) if not (path.parent / "__init__.py").exists()]
    counts = Counter(path.stem for path in found if path.stem != "conftest")
    assert len(found) > 100
    assert not [name for name, count in counts.items() if count > 1]


def test_files_and_folders_stay_liveable():
    long = {
        str(path.relative_to(ROOT)): n for path in files(ROOT) if (n := len(path.read_text().splitlines())) > LONGEST
    }
    assert not long
    for folder in {path.parent for path in files(ROOT)}:
        own = [path for path in folder.glob("*.py") if path.stem != "__init__"]
        assert len(own) <= MOST_FILES, f"{folder.relative_to(ROOT)}: {len(own)} files"


def test_folders_of_predictors_and_blocks_export_their_form():
    for path in files(ROOT):
        wanted = {"predictor": {"Params", "Predictor"}, "block": {"Params", "Block"}}.get(path.stem)
        if wanted is not None:
            tree = ast.parse(path.with_name("__init__.py").read_text())
            exported = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
            assert wanted <= exported, path


@pytest.fixture
def toy(tmp_path):
    made = {
        "core/__init__.py": "", "core/a.py": "from popcast.models.b import c\n",
        "models/__init__.py": "", "models/b.py": "def c():\n    from popcast.core import a\n",
        "__init__.py": "",
    }  # fmt: skip
    for name, text in made.items():
        path = tmp_path / "src" / "popcast" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_an_upward_import_and_a_circle_are_seen(toy):
    assert upward(toy) == ["src/popcast/core/a.py:1: imports popcast.models.b, which is above"]
    assert circles(toy) == [["popcast.core.a", "popcast.models.b"]]
