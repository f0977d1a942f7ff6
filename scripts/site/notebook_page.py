"""A notebook as Markdown: text as it is, code and what it printed as fenced blocks. It needs no network."""

from __future__ import annotations

from typing import Any


def notebook_page(notebook: dict[str, Any], name: str) -> str:
    """Markdown of a notebook (nbformat 4, with outputs). name: of the file, shown as the place to get it.

    >>> cells = [{"cell_type": "code", "source": "1 + 1", "outputs": [
    ...     {"output_type": "execute_result", "data": {"text/plain": "2"}}]}]
    >>> print(notebook_page({"cells": cells}, "x.ipynb"))
    ```python
    1 + 1
    ```
    <BLANKLINE>
    ```text
    2
    ```
    <BLANKLINE>
    *Run from `x.ipynb`; what it printed is stored there.*
    <BLANKLINE>
    """
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"]).rstrip()
        if cell["cell_type"] == "markdown":
            parts.append(source + "\n")
        elif cell["cell_type"] == "code" and source:
            parts.append(f"```python\n{source}\n```\n")
            printed = "".join(_printed(output) for output in cell["outputs"]).rstrip()
            if printed:
                parts.append(f"```text\n{printed}\n```\n")
    parts.append(f"*Run from `{name}`; what it printed is stored there.*\n")
    return "\n".join(parts)


def _printed(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return "".join(output["text"])
    return "".join(output.get("data", {}).get("text/plain", "")) + "\n"
