"""The notebook of the site: its code runs, and what is stored is text of a whole run."""

from __future__ import annotations

import ast
import json

import pytest

from scripts.run_notebook import LONGEST, NOTEBOOK
from scripts.site.notebook_page import notebook_page

CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_its_code_runs_in_an_empty_folder(tmp_path, monkeypatch, one_thread):
    monkeypatch.chdir(tmp_path)
    space: dict = {"__name__": "__main__"}
    for cell in CODE:
        exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), space)
    assert 0 < space["error"] < 4
    assert (tmp_path / "kept").is_dir()


def test_what_is_stored_is_one_whole_run_and_only_text():
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    for cell in CODE:
        for output in cell["outputs"]:
            assert output["output_type"] in {"execute_result", "display_data", "stream"}
            assert set(output.get("data", {})) <= {"text/plain"}
            assert len("".join(output.get("text", output.get("data", {}).get("text/plain", "")))) <= LONGEST


def test_the_page_shows_all_code_and_all_that_it_printed():
    page = notebook_page({"cells": CELLS}, NOTEBOOK.name)
    assert all("".join(cell["source"]).rstrip() in page for cell in CELLS)
    assert page.count("```text") == sum(bool(cell["outputs"]) for cell in CODE) > 4
    names = {
        node.id for cell in CODE for node in ast.walk(ast.parse("".join(cell["source"]))) if isinstance(node, ast.Name)
    }
    assert {"forecaster", "again"} <= names
