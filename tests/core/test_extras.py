"""Ranges, pins and imports agree: a room imports the core or an extra of its own, and pins lie in ranges."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from popcast.core.libraries.extras import EXTRAS, USED_BY, installed, line_of_missing
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCE = ROOT / "src" / "popcast"
BESIDE = {"autogluon", "pandas", "gguf", "onnx", "rapidocr_onnxruntime"}
"""Imported by what has a requirements file of its own: a stacker that wants an older pandas, pretrained models."""


def distributions(requirements: list[str]) -> set[str]:
    """Names of the distributions, those of extras of popcast itself put in."""
    found = set()
    for requirement in map(Requirement, requirements):
        if requirement.name == "popcast":
            for extra in requirement.extras:
                found |= distributions(PROJECT["optional-dependencies"][extra])
        else:
            found.add(canonicalize_name(requirement.name))
    return found


CORE = distributions(PROJECT["dependencies"])
INSTALLED = metadata.packages_distributions()
OPTIONAL = {extra: distributions(named) for extra, named in PROJECT["optional-dependencies"].items()}


def ranges() -> list[Requirement]:
    lines = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [one for named in lines for one in map(Requirement, named) if one.name != "popcast"]


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    pairs = (re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[a-z]+\])?==(\S+)", line) for line in lines)
    return {canonicalize_name(pair[1]): pair[2] for pair in pairs if pair}


def brought_by(module: str) -> set[str]:
    """Distributions that bring a module, by what is installed."""
    return {canonicalize_name(name) for name in INSTALLED.get(module, [module])}


def imports(file: Path) -> dict[str, bool]:
    """Third-party modules that a file imports -> whether when it is imported itself."""
    found: dict[str, bool] = {}

    def look(node: ast.AST, first: bool) -> None:
        for child in ast.iter_child_nodes(node):
            names = [alias.name for alias in child.names] if isinstance(child, ast.Import) else []
            if isinstance(child, ast.ImportFrom) and child.module:
                names = [child.module]
            for name in (name.split(".")[0] for name in names):
                if name not in sys.stdlib_module_names and name != "popcast":
                    found[name] = found.get(name, False) or first
            typed = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            if not typed:
                look(child, first and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    look(ast.parse(file.read_text(encoding="utf-8")), True)
    return found


def room(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("name", sorted({room(file) for file in FILES}))
def test_what_a_room_imports_is_in_the_core_or_in_an_extra_of_that_room(name):
    allowed = {module for extra in USED_BY.get(name, ()) for module in EXTRAS[extra]} | BESIDE
    wrong = [
        f"{file.relative_to(ROOT)}: {module}"
        for file in FILES
        if room(file) == name
        for module in imports(file)
        if module not in allowed and not brought_by(module) & CORE
    ]
    assert not wrong


def test_the_modules_of_an_extra_are_what_pyproject_says_it_brings():
    """Distributions that no module of popcast imports (a server's, a store's) need no line in EXTRAS."""
    for extra, modules in EXTRAS.items():
        assert {name for module in modules for name in brought_by(module) & OPTIONAL[extra]}, extra
        assert all(brought_by(module) & OPTIONAL[extra] for module in modules), extra
    imported = {module for file in FILES for module in imports(file)}
    assert {module for modules in EXTRAS.values() for module in modules} <= imported


def test_every_dependency_of_the_core_is_imported():
    imported = {name for file in FILES for module in imports(file) for name in brought_by(module)}
    assert imported >= CORE


@pytest.mark.parametrize(
    "file", sorted(path.name for path in [*ROOT.glob("requirements*.txt"), ROOT / "constraints.txt"])
)
def test_every_pin_lies_in_the_ranges_of_pyproject(file):
    found = pins(file)
    assert found
    wrong = [
        f"{one}: {found[canonicalize_name(one.name)]}"
        for one in ranges()
        if not one.specifier.contains(found.get(canonicalize_name(one.name), ""))
        and canonicalize_name(one.name) in found
    ]
    assert not wrong


def test_what_popcast_imports_is_pinned():
    """requirements.txt pins the core and what the pipeline takes; constraints.txt everything that it brings."""
    known = pins("constraints.txt")
    own = pins("requirements.txt")
    assert set(own) >= CORE
    assert {name: known.get(name) for name in own} == own
    apart = set(pins("requirements-gpu.txt")) | set(pins("requirements-remotes.txt"))
    assert all(canonicalize_name(one.name) in set(known) | apart for one in ranges())


def test_every_range_has_both_ends():
    for one in ranges():
        assert {part.operator for part in one.specifier} == {">=", "<"}, one


def test_a_missing_module_is_one_line_by_the_room_that_asked(tmp_path):
    """The extra is that of the room whose function imports it; what belongs to no extra stays an error."""

    def error_in(place: str, module: str) -> BaseException:
        code = compile(f"def ask():\n    raise ModuleNotFoundError('no', name={module!r})", str(SOURCE / place), "exec")
        space: dict = {}
        exec(code, space)
        with pytest.raises(ModuleNotFoundError) as caught:
            space["ask"]()
        return caught.value

    assert line_of_missing(error_in("lm/tuning.py", "torch")).endswith("`llm`: pip install 'popcast[llm]'")
    assert line_of_missing(error_in("models/nets/training.py", "torch.nn")).endswith("pip install 'popcast[text]'")
    assert line_of_missing(error_in("chat/client.py", "openai")).endswith("pip install 'popcast[simulation]'")
    assert line_of_missing(error_in("scoring/plots.py", "matplotlib")).endswith("pip install 'popcast[pipeline]'")
    assert line_of_missing(error_in("core/named.py", "popcast.gone")) is None
    assert line_of_missing(ValueError("torch")) is None


def test_an_extra_is_installed_if_all_of_it_is(monkeypatch):
    monkeypatch.setitem(EXTRAS, "tried", ("polars", "numpy"))
    assert installed("tried")
    monkeypatch.setitem(EXTRAS, "tried", ("polars", "no_such_module"))
    assert not installed("tried")


def test_without_the_extra_no_network_and_no_encoder_is_chosen(monkeypatch):
    """What is chosen for an hour must run in the environment that it was chosen in."""
    from popcast.planning.choosing import pipeline_choice
    from popcast.planning.choosing.post_facts import PostFacts

    known = {"posts": 3000, "labelled": 3000, "english": True, "text": True, "authors": 50, "timed": True, "folds": 4}
    fields = {field: known.get(field, 0) for field in PostFacts.__dataclass_fields__}
    chosen = {}
    for there in (True, False):
        monkeypatch.setattr(pipeline_choice, "installed", lambda extra, there=there: there)
        chosen[there] = set(pipeline_choice.chosen("mine", PostFacts(**fields), 3600.0).sections["runs"])
    assert chosen[True] - chosen[False] == {"mine-cnn", "mine-kernel_ridge"}
    assert chosen[False] < chosen[True]
