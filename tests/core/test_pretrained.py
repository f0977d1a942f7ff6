"""Nothing that comes with a model runs: one door for pretrained models, no pickles, and no call that trusts code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

OPENS = {"from_pretrained", "from_config", "pipeline", "SentenceTransformer", "CrossEncoder", "SparseEncoder"}
"""Calls that can run code of a model folder, and must say that they do not."""
OPENS |= {"load_dataset", "load_tool", "get_class_from_dynamic_module"}
UNPICKLES = {"read_pickle", "Unpickler", "unsafe_load", "UnsafeLoader", "FullLoader"}
MODULES = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "torch"}
"""Modules whose ``load`` and ``loads`` run what they read."""
DOOR = "src/popcast/core/pretrained/opening.py"


def name_of(node: ast.expr) -> str:
    """``a.b.c`` of a called expression; "" where it is no plain name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}".removeprefix(".")
    return ""


def given(call: ast.Call, keyword: str) -> object:
    """The literal value of a keyword; None: not given or no literal."""
    found = next((one.value for one in call.keywords if one.arg == keyword), None)
    return found.value if isinstance(found, ast.Constant) else None


def faults(text: str) -> list[str]:
    """Calls in Python source that could run what they read, as ``line: call``."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        *of, last = name.split(".")
        wrong = last in OPENS and given(node, "trust_remote_code") is not False
        wrong |= last in UNPICKLES or (last in ("load", "loads") and bool(of) and of[-1] in MODULES)
        wrong |= last == "load" and of in (["np"], ["numpy"]) and given(node, "allow_pickle") is not False
        wrong |= isinstance(node.func, ast.Name) and name in ("eval", "exec")
        wrong |= any(one.arg == "trust_remote_code" and given(node, one.arg) is not False for one in node.keywords)
        if wrong:
            found.append(f"{node.lineno}: {name}")
    return found


def sources() -> list[Path]:
    return sorted(
        path
        for folder in ("src", "stages", "scripts", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if ".venv" not in path.parts
    )


def test_no_call_anywhere_runs_what_it_reads():
    found = {str(path.relative_to(ROOT)): faults(path.read_text()) for path in sources()}
    assert not {name: lines for name, lines in found.items() if lines}
    assert len(found) > 250


def test_pretrained_models_have_one_door():
    """So that a folder is looked through before anything of it is opened."""
    opened = {
        str(path.relative_to(ROOT))
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and name_of(node.func).split(".")[-1] in OPENS
    }
    assert opened == {DOOR, "benchmarks/text.py"}


@pytest.mark.parametrize(
    "line",
    [
        "AutoModel.from_pretrained(name)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "AutoModel.from_pretrained(name, **options)",
        "AutoModel.from_pretrained(name, trust_remote_code=trust)",
        "kinds[0].from_config(config)",
        "transformers.pipeline('text-generation', model=name)",
        "SentenceTransformer(name, device='cpu')",
        "anything(trust_remote_code=True)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path, weights_only=True)",
        "pickle.loads(data)",
        "joblib.load(path)",
        "pd.read_pickle(path)",
        "eval(text)",
    ],
)
def test_the_test_sees_a_call_that_would(line):
    assert len(faults(f"def f():\n    return {line}\n")) == 1


def test_the_test_lets_the_others_pass():
    lines = ["json.load(f)", "np.load(p, allow_pickle=False)", "model.eval()", "re.compile(x)"]
    assert not faults("\n".join([*lines, "kind.from_pretrained(n, trust_remote_code=False)"]))
