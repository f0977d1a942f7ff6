"""Run docs/notebooks/first_forecast.ipynb in an empty folder and store what it prints.

``python scripts/run_notebook.py`` needs requirements-docs.txt. Only text is stored, no times and no pictures of tables:
a second run changes what the code printed and nothing else.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "notebooks" / "first_forecast.ipynb"
LONGEST = 6000
"""Characters of one cell's output that are stored at most."""


def slim(notebook: Any) -> Any:
    """The notebook with texts as its only outputs and without anything that differs from run to run."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell["id"] = {}, f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs = [_as_text(output) for output in cell.outputs if _wanted(output)]
    return notebook


def _wanted(output: Any) -> bool:
    return output.output_type != "stream" or output.name == "stdout"


def _as_text(output: Any) -> Any:
    if output.output_type == "stream":
        output.text = output.text[:LONGEST]
    elif "data" in output:
        output.data, output.metadata = {"text/plain": output.data.get("text/plain", "")[:LONGEST]}, {}
    return output


def main() -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory(prefix="popcast-notebook-") as folder:
        NotebookClient(notebook, timeout=900, resources={"metadata": {"path": folder}}).execute()
    nbformat.write(slim(notebook), NOTEBOOK)
    print(f"{NOTEBOOK.name}: {len(notebook.cells)} cells, {NOTEBOOK.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
