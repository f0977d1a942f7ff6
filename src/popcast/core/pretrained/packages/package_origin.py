"""Where a converted model comes from: package, licence, what was done to the weights; ``origin.json`` and README.md.

A package is found by its module and is never imported: some bring engines that start on import.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from popcast.core.errors import BadInput
from popcast.core.pretrained.saved_files import read_json
from popcast.core.tables import write_json

ORIGIN = "origin.json"
HOW = "`make pretrained` installs it"
FOUR_BITS = "4-bit weights, dequantised to float32"
"""What a table says beside a model whose weights were stored in four bits."""


@dataclass(frozen=True)
class Origin:
    """One model of a package.

    module: its import name. weights: what a table says of them. use: where it is named. how: what to do where the
    package is not installed; not kept with the model.
    """

    name: str
    title: str
    package: str
    version: str
    module: str
    licence: str
    source: str
    weights: str
    use: str
    how: str = HOW

    def folder(self) -> Path:
        """Folder of the installed package. BadInput: not installed, or in another version."""
        spec = find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise BadInput(f"{self.name}: the package {self.package} is not installed: {self.how}")
        found = metadata.version(self.package)
        if found != self.version:
            raise BadInput(f"{self.name}: {self.package} has version {found}: expected {self.version}: {self.how}")
        return Path(next(iter(spec.submodule_search_locations)))

    def file(self, name: str) -> Path:
        """A file of the package by its path below it."""
        path = self.folder() / name
        if not path.is_file():
            raise BadInput(f"{path}: missing: expected in {self.package}=={self.version}")
        return path

    def installed(self) -> bool:
        """Whether :meth:`folder` finds it; nothing is imported."""
        return find_spec(self.module) is not None

    def write(self, folder: Path) -> None:
        """``origin.json`` and the card README.md. Written last: a card that the converter wrote is replaced."""
        facts = {name: value for name, value in asdict(self).items() if name != "how"}
        write_json(facts, folder / ORIGIN)
        (folder / "README.md").write_text(self.card(), encoding="utf-8")

    def card(self) -> str:
        return "\n".join(
            [
                f"# {self.title}",
                "",
                f"- Package: `{self.package}=={self.version}`",
                f"- Licence: {self.licence}",
                f"- Origin: {self.source}",
                f"- Weights: {self.weights}",
                f"- Use: {self.use}",
                "",
                "Made by `popcast pretrained` from the files of the package; nothing was trained.",
                "",
            ]
        )


def needed(module: str, package: str) -> Any:
    """The imported ``module``; BadInput where the package that brings it is not installed."""
    import importlib

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise BadInput(f"{package} needs {error.name}, which is not installed: {HOW}") from None
        raise BadInput(f"{package} is not installed: {HOW}") from None


def said_of_weights(folder: Path) -> str | None:
    """What a table says of the weights in a model folder; None where it was not converted from a package."""
    file = Path(folder) / ORIGIN
    return str(read_json(file).get("weights", "")) or None if file.is_file() else None
