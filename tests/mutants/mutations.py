"""Small wrong changes of a module: an operator or a constant becomes another one, found in its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

OTHER: dict[type[ast.AST], type[ast.AST]] = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div},
    **{ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd},
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And},
}
SAYS_NOTHING = (
    *("strict", "exist_ok", "parents", "ignore_errors", "statistics", "verbose", "verbosity", "allow_writing_files"),
    *("check_sortedness", "allow_const_label", "validate"),
)
"""Arguments of calls that change no number, only what is refused or printed."""


@dataclass(frozen=True)
class Mutant:
    """One change. place: dotted name of the function around it, "" outside of any. before, after: the expression."""

    number: int
    line: int
    place: str
    before: str
    after: str

    @property
    def change(self) -> str:
        return f"{self.before} -> {self.after}"


def mutants(text: str) -> list[Mutant]:
    """Every mutant of a module, numbered in the order of its syntax tree.

    Left alone: docstrings and other strings, paths, annotations, decorators, what is raised or asserted, settings of
    sections (fields of classes), and pictures (functions of ``axes``).
    """
    found = []
    for number, (node, change, place) in enumerate(_places(ast.parse(text), "")):
        before, saved = ast.unparse(node), dict(node.__dict__)
        change()
        found.append(Mutant(number, node.lineno, place, before, ast.unparse(node)))
        node.__dict__.update(saved)
    return found


def changed(text: str, number: int) -> str:
    """The module with one mutant in it; comments are lost on the way."""
    tree = ast.parse(text)
    _, change, _ = next(islice(_places(tree, ""), number, None))
    change()
    return ast.unparse(ast.fix_missing_locations(tree))


def _places(node: ast.AST, place: str) -> Iterator[tuple[ast.expr, Callable[[], None], str]]:
    """(node, function that changes it in place, name of the function around it)."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.keyword) and node.arg in SAYS_NOTHING:
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if any(argument.arg == "axes" for argument in node.args.args):
            return
        inside = f"{place}.{node.name}".lstrip(".")
        for part in [*node.args.defaults, *node.args.kw_defaults, *node.body]:
            if part is not None:
                yield from _places(part, inside)
        return
    if isinstance(node, ast.ClassDef):
        for part in node.body:
            if not isinstance(part, ast.AnnAssign):
                yield from _places(part, f"{place}.{node.name}".lstrip("."))
        return
    if isinstance(node, ast.AnnAssign):
        if node.value is not None:
            yield from _places(node.value, place)
        return
    if isinstance(node, ast.expr):
        yield from ((node, change, place) for change in _changes(node))
    for part in ast.iter_child_nodes(node):
        yield from _places(part, place)


def _is_path(node: ast.BinOp | ast.BoolOp) -> bool:
    """``folder / name``: another operator there fails at once and says nothing of the tests."""
    if not isinstance(node.op, ast.Div):
        return False
    word = isinstance(node.right, ast.JoinedStr) or isinstance(getattr(node.right, "value", None), str)
    return word or any(part in ast.unparse(node.left) for part in ("folder", "target /", "paths.", "ROOT"))


def _changes(node: ast.expr) -> Iterator[Callable[[], None]]:
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in OTHER and not _is_path(node):
        yield lambda: setattr(node, "op", OTHER[type(node.op)]())
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OTHER:
        yield lambda: setattr(node, "ops", [OTHER[type(node.ops[0])]()])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield lambda: setattr(node, "op", ast.UAdd())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):  # twice is not at all
        yield lambda: setattr(node, "operand", ast.UnaryOp(type(node.op)(), node.operand))
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        value = node.value
        other = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else value * 2 or 1.0
        yield lambda: setattr(node, "value", other)
