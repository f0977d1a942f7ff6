"""A hash of a source file that wording does not change: of its syntax tree without docstrings and comments.

Files that are no Python (word lists, templates) are hashed byte by byte.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

from popcast.core.errors import bad_input

LENGTH = 16
"""Hex digits kept of a hash: plans are read by people too."""


def source_hash(path: Path) -> str:
    """Hex hash of a file. Raises BadInput where Python does not read it."""
    content = path.read_bytes() if path.suffix != ".py" else meaning(tree_of(path)).encode()
    return hashlib.sha256(content).hexdigest()[:LENGTH]


def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise bad_input(f"not valid Python: {error.msg}", file=path, row=error.lineno) from None


def meaning(tree: ast.Module) -> str:
    """The syntax tree as text, without docstrings (of modules, classes, functions, and below assignments)."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            node.body = [statement for statement in body if not _is_text(statement)] or [ast.Pass()]
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
