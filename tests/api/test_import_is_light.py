"""``import popcast`` imports nothing; the forecaster imports no library that it does not need yet."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

HEAVY = ("pandas", "sklearn", "scipy", "torch", "transformers", "catboost", "lightgbm", "pandera", "matplotlib", "dvc")


@pytest.mark.parametrize(
    ("command", "barred"), [("import popcast", (*HEAVY, "polars", "numpy", "pydantic")),
                            ("from popcast import BadPosts, Forecaster, load, read_posts", HEAVY)]
)  # fmt: skip
def test_what_an_import_brings(command, barred):
    code = f"import sys\n{command}\nprint(*sorted(set(sys.modules) & {set(barred)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
