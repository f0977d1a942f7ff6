"""What is not imported before somebody needs it: a fresh process starts, reads a table and has no heavy library."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

HEAVY = (
    "av", "catboost", "cv2", "datasets", "dvc", "faiss", "lightgbm", "matplotlib", "openai", "pandas", "pandera", "PIL",
    "pyarrow", "ray", "sklearn", "torch", "transformers", "trl",
)  # fmt: skip
READ = """
from pathlib import Path
import popcast.datasets.table
from popcast.datasets.reading.open_rows import read_rows
Path("posts.csv").write_text("id,likes,text\\n1,3,one\\n2,4,two\\n")
assert read_rows(Path("."), "posts.csv", None).columns.shape == (2, 3)
"""
STARTS = {
    "package": "import popcast",
    "tables": "import popcast.core.tables",
    "stage": "import popcast.core.stage",
    "readers": READ,
    "loading": "import popcast.datasets.loading",
    "command line": "import popcast.cli",
    "settings": "import popcast.planning.project_params",
    "Forecaster": "import popcast; [getattr(popcast, name) for name in getattr(popcast, '__all__', ())]",
}


def loaded_after(code: str, folder) -> set[str]:
    """Top-level modules that a fresh process has after ``code``."""
    code += "\nimport sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("start", STARTS)
def test_nothing_heavy_is_imported_before_it_is_needed(start, tmp_path):
    loaded = loaded_after(STARTS[start], tmp_path)
    assert "popcast" in loaded
    assert not loaded & set(HEAVY)


def test_help_imports_nothing_heavy(tmp_path):
    code = "from popcast.cli import main\nmain(['--help'], standalone_mode=False)"
    loaded = loaded_after(code, tmp_path)
    assert "popcast" in loaded
    assert not loaded & set(HEAVY)


def test_a_checked_table_takes_pandera_and_no_more(tmp_path):
    code = (
        "import polars as pl\nfrom popcast.core import tables\n"
        "tables.check(pl.DataFrame({'post_id': ['a']}), tables.FEATURES, 'x')"
    )
    loaded = loaded_after(code, tmp_path)
    assert "pandera" in loaded
    assert not loaded & {"torch", "sklearn", "matplotlib", "catboost", "lightgbm"}
