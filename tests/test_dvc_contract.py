"""dvc.yaml and the plans tell the truth: a stage reads its own plan and its data, a plan names all it can reach."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import orjson
import pytest
from ruamel.yaml import YAML

from popcast.core import paths
from popcast.planning import plan, plot_definitions, project_params
from popcast.planning.source import Source
from tests.conftest import ROOT

LIMIT = 60
"""Expanded stages of the default run at most: DVC's cost grows with their square."""
LINES = 500
"""Of dvc.yaml: it is read in two minutes."""
LOCK = 90_000
"""Bytes of dvc.lock: DVC reads and writes it for every stage."""


@cache
def expanded() -> tuple:
    """Every stage of dvc.yaml with its templates filled in."""
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        return tuple(repo.index.stages)


@cache
def planned() -> dict[str, dict]:
    """``<stage>@<key>`` -> what its plan file says."""
    made = plan.contents(project_params.load(ROOT / paths.PARAMS))
    return {f"{path.parent.name}@{path.stem}": orjson.loads(text) for path, text in made.items()}


def with_key(name: str) -> str:
    """``report`` has the key ``all``."""
    return name if "@" in name else f"{name}@all"


def test_script_is_named_like_its_stage_and_gets_its_key():
    for stage in expanded():
        name, _, key = stage.name.partition("@")
        assert shlex.split(stage.cmd) == ["python", "-m", f"stages.{name}", *([key] if key else [])]
        assert (ROOT / "stages" / f"{name}.py").is_file(), name


def test_every_script_is_a_stage():
    scripts = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert scripts == {stage.name.split("@")[0] for stage in expanded()}


def test_every_instance_has_a_plan_and_every_plan_is_of_an_instance():
    assert {with_key(stage.name) for stage in expanded() if stage.name != "plan"} == set(planned())


def test_a_stage_depends_on_its_own_plan_and_no_other_code_or_params():
    for stage in expanded():
        deps = {dep.def_path for dep in stage.deps}
        if stage.name == "plan":
            assert deps == {"requirements.txt", "src", "stages", "params.yaml"}
            continue
        name, _, key = with_key(stage.name).partition("@")
        plans = {dep for dep in deps if dep.startswith("data/plan")}
        assert plans == {paths.plan(name, key).as_posix()}, stage.name
        code = {dep for dep in deps if dep.startswith("stages") or dep == "params.yaml" or dep.endswith(".py")}
        assert not code, stage.name


def test_only_the_plan_and_the_command_line_read_params():
    """Everything else is told by its plan: what a stage reads is what makes it stale."""
    for path in sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "stages").glob("*.py")]):
        if path.stem in ("cli", "plan", "project_params", "overlay") or {"planning", "api", "commands"} & {*path.parts}:
            continue
        imported = {
            f"{node.module}.{alias.name}"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        assert not {name for name in imported if name.startswith("popcast.planning")}, path


def test_a_stage_reads_the_settings_that_its_plan_has_and_no_others():
    """Literal names in ``plan["..."]`` and ``plan.section("...")`` of a script stand in every plan of that stage."""
    for script in sorted((ROOT / "stages").glob("*.py")):
        plans = [content for name, content in planned().items() if name.split("@")[0] == script.stem]
        tree = ast.parse(script.read_text())
        read = {
            ast.literal_eval(node.slice)
            for node in ast.walk(tree)
            if isinstance(node, ast.Subscript)
            and ast.unparse(node.value) == "plan"
            and isinstance(node.slice, ast.Constant)
        }
        read |= {
            ast.literal_eval(node.args[0])
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("plan.section", "plan.sections")
        }
        for content in plans:
            assert read <= set(content["settings"]), f"{content['stage']}@{content['key']}"


def test_no_label_of_the_generated_unlabelled_posts_is_a_dependency():
    for stage in expanded():
        assert not [dep.def_path for dep in stage.deps if "data/hidden" in dep.def_path], stage.name


def test_few_enough_stages_each_described_with_its_claim():
    stages = expanded()
    assert len(stages) <= LIMIT
    for stage in stages:
        assert stage.desc, stage.name
        assert isinstance(stage.meta["cores"], int), stage.name


def test_the_plan_is_short_to_read_and_the_lock_is_small_and_has_no_dead_entries():
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= LINES
    assert (ROOT / "dvc.lock").stat().st_size < LOCK
    locked = set(YAML(typ="safe").load(ROOT / "dvc.lock")["stages"])
    assert locked == {stage.name for stage in expanded()}


def test_plots_are_those_of_the_declared_datasets():
    made = plot_definitions.definitions(project_params.load(ROOT / paths.PARAMS))
    assert (ROOT / plot_definitions.FILE).read_text() == made


def test_no_absolute_path_in_tracked_files():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    files = [ROOT / name for name in listed if name and not name.endswith((".lock", ".png", ".parquet"))]
    assert len(files) > 20
    homes = "|".join(("work", "root", "home", "Users", "tmp/[a-z]"))
    pattern = re.compile(rf"(^|[^A-Za-z0-9_.])/({homes})(/|\b)")
    found = []
    for path in files:
        if path.is_file():
            lines = path.read_text(errors="replace").splitlines()
            found += [
                f"{path.relative_to(ROOT)}:{n}: {line}" for n, line in enumerate(lines, 1) if pattern.search(line)
            ]
    assert not found, "\n" + "\n".join(found)


FILES = {
    "stages/__init__.py": "",
    "stages/one.py": "from popcast import a\n\ndef main():\n    from popcast.sub.b import x\n    import numpy\n",
    "src/popcast/__init__.py": "",
    "src/popcast/a.py": '"""Words."""\nimport popcast.c as c\nFILE = "list.json"\n',
    "src/popcast/c.py": (
        "from popcast import a\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from popcast import d\n"
    ),
    "src/popcast/d.py": "",
    "src/popcast/list.json": "[1]",
    "src/popcast/sub/__init__.py": "",
    "src/popcast/sub/b.py": "x = 1\n\ndef y():\n    '''Words.'''\n    return 1\n",
}


@pytest.fixture
def toy(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def closure(root: Path) -> tuple[dict[str, str], set[str]]:
    return Source(root).closure(["stages.one"])


def test_closure_sees_circles_packages_imports_inside_functions_and_data_files(toy):
    files, packages = closure(toy)
    assert set(files) == set(FILES) - {"src/popcast/d.py"}  # an import for type checkers alone
    assert packages == {"numpy"}


@pytest.mark.parametrize(
    ("name", "text", "changes"),
    [
        ("src/popcast/a.py", '"""Other words."""\n# and more\nimport popcast.c as c\nFILE = "list.json"\n', False),
        ("src/popcast/sub/b.py", "x = 1\ndef y():\n    return 1  # one\n", False),
        ("src/popcast/sub/b.py", "x = 2\n\ndef y():\n    '''Words.'''\n    return 1\n", True),
        ("src/popcast/list.json", "[2]", True),
        ("src/popcast/d.py", "z = 3\n", False),
        ("stages/one.py", "from popcast import a\n\ndef main():\n    import numpy\n", True),
    ],
)
def test_wording_changes_no_hash_and_code_does(toy, name, text, changes):
    before = closure(toy)
    (toy / name).write_text(text)
    assert (closure(toy) != before) == changes


def test_source_that_is_no_python_is_one_line(toy):
    (toy / "src/popcast/a.py").write_text("def (:\n")
    with pytest.raises(Exception, match=r"a\.py: row 1: not valid Python"):
        closure(toy)
