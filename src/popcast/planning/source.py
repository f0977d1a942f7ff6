"""Which source files a stage instance can reach, and a hash of each that wording does not change.

The files follow from the imports in the syntax tree, also those inside functions; imports for type checkers are not
followed, since nothing runs them. A file's hash is that of its syntax tree without docstrings, so that a reworded
comment makes nothing stale. Files that are no Python (word lists, templates) belong to the module beside them that
names them, and are hashed byte by byte.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from popcast.core.errors import bad_input
from popcast.core.safety.source_hash import source_hash, tree_of

DATA_FILE = re.compile(r"[\w.-]+\.(json|j2|css|js|html|yaml)")
INCLUDED = re.compile(r'{%-? *include *"([^"]+)"')


@dataclass(frozen=True)
class Reached:
    """What one module imports: modules of this project, data files beside it, and packages of others."""

    modules: frozenset[str]
    files: frozenset[Path]
    packages: frozenset[str]


class Source:
    """The source of a project in ``root``: packages ``popcast`` (below ``src``) and ``stages``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._reached: dict[str, Reached] = {}
        self._hashes: dict[str, str] = {}

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Dotted name -> file, of every module."""
        found = {}
        for folder, base in ((self.root / "src" / "popcast", self.root / "src"), (self.root / "stages", self.root)):
            for path in sorted(folder.rglob("*.py")):
                parts = path.relative_to(base).with_suffix("").parts
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found

    def closure(self, starts: list[str]) -> tuple[dict[str, str], set[str]]:
        """Files that ``starts`` can reach (path from the root -> hash), sorted, and packages of others that they use.

        starts: dotted names. Raises BadInput for one that is no module of the project.
        """
        done: set[str] = set()
        todo, files, packages = list(starts), set(), set()
        while todo:
            name = todo.pop()
            if name in done:
                continue
            if name not in self.modules:
                raise bad_input("no such module", file=self.root / "src" / "popcast", value=name)
            done.add(name)
            reached = self.reached(name)
            todo += [*reached.modules, *self._parents(name)]
            files |= reached.files
            packages |= reached.packages
        found = {self._shown(self.modules[name]): self.hash_of(self.modules[name]) for name in done}
        found |= {self._shown(path): self.hash_of(path) for path in files}
        return dict(sorted(found.items())), packages

    def reached(self, name: str) -> Reached:
        """What the module ``name`` itself imports or names."""
        if name not in self._reached:
            path = self.modules[name]
            modules, packages = set(), set()
            tree = tree_of(path)
            for imported in _imports(tree):
                own = self._own(imported)
                modules |= own
                if not own:
                    packages.add(imported.split(".")[0])
            files = self._data_files(path, tree)
            self._reached[name] = Reached(frozenset(modules), frozenset(files), frozenset(packages))
        return self._reached[name]

    def hash_of(self, path: Path) -> str:
        """Hash of a file, of Python without docstrings and comments."""
        shown = self._shown(path)
        if shown not in self._hashes:
            self._hashes[shown] = source_hash(path)
        return self._hashes[shown]

    def _own(self, name: str) -> set[str]:
        """The module of this project that ``name`` is or is a part of; nothing if it is not ours."""
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            candidate = ".".join(parts[:length])
            if candidate in self.modules:
                return {candidate}
        return set()

    def _parents(self, name: str) -> list[str]:
        parts = name.split(".")[:-1]
        return [known for n in range(1, len(parts) + 1) if (known := ".".join(parts[:n])) in self.modules]

    def _data_files(self, module: Path, tree: ast.Module) -> set[Path]:
        places = (module.parent, module.parent / "templates")
        words = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        todo = [place / word for word in words if DATA_FILE.fullmatch(word) for place in places]
        found: set[Path] = set()
        while todo:
            path = todo.pop()
            if path not in found and path.is_file():
                found.add(path)
                if path.suffix == ".j2":
                    todo += [path.parent / name for name in INCLUDED.findall(path.read_text(encoding="utf-8"))]
        return found

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _imports(tree: ast.Module) -> set[str]:
    """Dotted names that a module imports when it runs. ``from a import b`` is ``a.b``, which may be a module or not."""
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] not in sys.stdlib_module_names}
