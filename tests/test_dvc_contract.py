"""dvc.yaml tells the truth: each stage names the code it imports and the params it reads, no more and no less."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT

LIMIT = 60
"""Expanded stages: DVC's cost grows with their square."""

PREDICTORS = [
    "reference",
    "hyfea",
    "cr",
    "lightgbm",
    "text_ridge",
    "knn",
    "svr",
    "kernel_ridge",
    "cnn",
    "dae_cnn",
    "stacker",
    "mmra",
    "cban",
    "contextual_lstm",
    "hmmved",
    "massl",
    "tabnet",
    "mftm",
    "tmall",
    "text_regressor",
    "on_top",
    "nearby",
]
CHOSEN = {
    "sample": ("datasets/sample", ["smpd", "tpic2017", "microlens", "nus"]),
    "posts": ("datasets", ["smpd", "tpic2017", "microlens", "nus", "smp_video", "table"]),
    "features": ("features", ["metadata", "profile", "history", "text"]),
    "media": ("features", ["image", "video", "array"]),
    "derive": ("features", ["neighbours", "windows", "knn_values"]),
    "train": ("models", PREDICTORS),
    "suite": ("models", PREDICTORS),
    "train_llm": ("models", ["multismpllm", "popsim_agent"]),
}
"""Modules that a stage loads by the name in its key (importlib): dvc.yaml names the chosen one with ``${...}`` and
what any of them imports in full."""

ALL_CHOSEN = ("suite",)
"""Stages that may load any of their chosen modules: they name them all."""


def imported(path: Path, root: Path = ROOT) -> set[Path]:
    """Files of the project that ``path`` imports, also inside functions, with the packages' ``__init__.py``."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse((root / path).read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            found |= module_files(name, root)
    return found


def module_files(name: str, root: Path) -> set[Path]:
    """Files that ``import name`` loads: the module and every package on the way; nothing if it is not ours."""
    parts = name.split(".")
    if parts[0] not in ("popcast", "stages"):
        return set()
    base = Path("src") if parts[0] == "popcast" else Path()
    found = set()
    for length in range(1, len(parts) + 1):
        place = base.joinpath(*parts[:length])
        for candidate in (place / "__init__.py", place.with_suffix(".py")):
            if (root / candidate).is_file():
                found.add(candidate)
    return found


def closure(starts: set[Path], root: Path = ROOT) -> set[Path]:
    """``starts`` and everything of the project that they import, directly or not."""
    found, todo = set(), set(starts)
    while todo:
        path = todo.pop()
        found.add(path)
        todo |= imported(path, root) - found
    return found


def params_read(path: Path, options: dict[str, str]) -> set[str]:
    """Keys in the ``params.read(...)`` calls of a stage script, with the options of its command filled in."""
    keys = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "params.read":
            for argument in node.args:
                assert isinstance(argument, ast.Constant | ast.JoinedStr), f"{path}: not a literal key"
                keys.add(ast.literal_eval(argument) if isinstance(argument, ast.Constant) else fill(argument, options))
    return keys


def fill(text: ast.JoinedStr, options: dict[str, str]) -> str:
    parts = []
    for part in text.values:
        parts.append(part.value if isinstance(part, ast.Constant) else options[ast.unparse(part.value)])
    return "".join(parts)


@cache
def expanded() -> tuple:
    """Every stage of dvc.yaml with its templates filled in."""
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        return tuple(repo.index.stages)


def script_and_options(command: str) -> tuple[str, dict[str, str]]:
    """``python -m stages.posts --dataset smpd`` -> ("posts", {"dataset": "smpd"})."""
    words = shlex.split(command)
    assert words[:2] == ["python", "-m"], command
    assert words[2].startswith("stages."), command
    return words[2].removeprefix("stages."), {
        key.removeprefix("--"): value for key, value in zip(words[3::2], words[4::2], strict=True)
    }


def code_deps(stage) -> set[Path]:
    return {Path(dep.def_path) for dep in stage.deps if dep.def_path.startswith(("src/", "stages/"))}


def difference(title: str, missing: set, surplus: set) -> list[str]:
    return [f"{title}: missing {item}" for item in sorted(map(str, missing))] + [
        f"{title}: surplus {item}" for item in sorted(map(str, surplus))
    ]


def test_script_is_named_like_its_stage():
    for stage in expanded():
        script, _ = script_and_options(stage.cmd)
        assert script == stage.name.split("@")[0]
        assert (ROOT / "stages" / f"{script}.py").is_file(), script


def test_every_script_is_a_stage():
    scripts = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert scripts == {stage.name.split("@")[0] for stage in expanded()}


def test_chosen_modules_are_all_listed():
    listed = {Path("src/popcast") / folder / f"{name}.py" for folder, names in CHOSEN.values() for name in names}
    marks = {
        "datasets": "def load(raw",
        "datasets/sample": "def generate(",
        "features": "class Block",
        "models": "class Predictor",
    }
    for folder, mark in marks.items():
        for path in sorted((ROOT / "src/popcast" / folder).glob("*.py")):
            if path.stem not in ("__init__", "base") and re.search(rf"^{re.escape(mark)}", path.read_text(), re.M):
                assert path.relative_to(ROOT) in listed, f"{path.relative_to(ROOT)}: add it to CHOSEN"
    for path in listed:
        assert (ROOT / path).is_file(), path


def test_code_deps_are_the_import_closure():
    wrong: list[str] = []
    groups = defaultdict(list)
    for stage in expanded():
        groups[stage.name.split("@")[0]].append(stage)
    for script, stages in groups.items():
        start = {Path(f"stages/{script}.py"), Path("stages/__init__.py")}
        folder, names = CHOSEN.get(script, ("", []))
        chosen = {path for name in names if (ROOT / (path := Path("src/popcast") / folder / f"{name}.py")).is_file()}
        shared = closure(start)
        for module in chosen:
            shared |= closure({module}) - {module}
        for stage in stages:
            declared = code_deps(stage)
            own = declared & chosen
            if chosen:
                assert own, f"{stage.name}: names none of {sorted(map(str, chosen))}"
            expected = shared | (chosen if script in ALL_CHOSEN else own)
            wrong += difference(script, expected - declared, {p for p in declared - expected if p.suffix == ".py"})
    assert not wrong, "\n" + "\n".join(sorted(set(wrong)))


def test_params_read_are_the_params_declared():
    wrong: list[str] = []
    for stage in expanded():
        script, options = script_and_options(stage.cmd)
        declared = {key for dep in stage.deps if hasattr(dep, "params") for key in dep.params}
        read = params_read(Path(f"stages/{script}.py"), options)
        wrong += difference(stage.name, read - declared, declared - read)
    assert not wrong, "\n" + "\n".join(wrong)


def test_only_stage_scripts_read_params():
    allowed = {"params.py", "cli.py", "project.py"}
    for path in sorted((ROOT / "src").rglob("*.py")):
        if path.name not in allowed:
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            assert not {"params.read", "params.load"} & {ast.unparse(node.func) for node in calls}, path


def test_no_label_of_the_generated_unlabelled_posts_is_a_dependency():
    for stage in expanded():
        assert not [dep.def_path for dep in stage.deps if "data/hidden" in dep.def_path], stage.name


def test_few_enough_stages_each_described():
    stages = expanded()
    assert len(stages) <= LIMIT
    for stage in stages:
        assert stage.desc, stage.name


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


@pytest.fixture
def toy(tmp_path):
    files = {
        "stages/__init__.py": "",
        "stages/one.py": "from popcast import a\n\ndef main():\n    from popcast.sub.b import x\n    import numpy\n",
        "src/popcast/__init__.py": "",
        "src/popcast/a.py": "import popcast.c as c\n",
        "src/popcast/c.py": "from popcast import a\n",
        "src/popcast/d.py": "",
        "src/popcast/sub/__init__.py": "",
        "src/popcast/sub/b.py": "x = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_closure_sees_cycles_packages_and_imports_inside_functions(toy):
    found = closure({Path("stages/one.py")}, toy)
    assert {str(path) for path in found} == {
        "stages/one.py", "src/popcast/__init__.py", "src/popcast/a.py", "src/popcast/c.py",
        "src/popcast/sub/__init__.py", "src/popcast/sub/b.py",
    }  # fmt: skip


def test_params_that_dvc_watches_are_written_down():
    """DVC takes no default: a declared key that is missing in params.yaml stops the stage."""
    values = YAML(typ="safe").load(ROOT / "params.yaml")
    for stage in expanded():
        for key in (key for dep in stage.deps if hasattr(dep, "params") for key in dep.params):
            place = values
            for part in key.split("."):
                assert part in place, f"{stage.name}: {key}"
                place = place[part]
