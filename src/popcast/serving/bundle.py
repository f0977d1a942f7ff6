"""A bundle: everything that is needed to forecast new posts, in one folder, without pickle and without raw files.

    bundle.json       format, settings, how a file of posts is read, blocks, members, facts
    README.md         the same for people
    blocks/<block>/   what each feature block learned; those that look at the past hold the posts with their labels
    members/<name>/   the final model of every member with a weight above 0
    weights.json      the blend, with its interval
    known.parquet     ids, authors and times of the posts it was fitted on
    scores.json       what every model scored on the test part
    inputs.json       how inputs lie in the posts it was fitted on, see ``tracking``
    track.json        the test part played once more in the order of time (bundles of the stage)
    audience.json     whom a simulation asks, with ``population.json`` (where the dataset has one)
    observed.jsonl    what was observed since; ``forecasts.jsonl``: forecasts that were kept

A bundle holds ids of authors and the popularity of their posts: it is as private as the posts themselves.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl
from pydantic import Field

from popcast.core import paths, tables
from popcast.core.errors import bad_input
from popcast.core.pretrained.saved_files import putting_together, read_json
from popcast.core.section import Key, Line, Name, Section
from popcast.datasets.params import Metric, Table

FORMAT, VERSION = "popcast bundle", 1
FILE, KNOWN, SCORES, CARD = "bundle.json", "known.parquet", "scores.json", "README.md"
BLOCKS, MEMBERS = "blocks", "members"

TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "number": pl.Float64(),
    "whole number": pl.Int64(),
    "yes or no": pl.Boolean(),
    "texts": pl.List(pl.String()),
    "time": tables.TIME,
}
"""Types of the columns of posts, by the words that a bundle has for them."""


class BundledBlock(Section):
    """One feature block. ``of``: the block whose embedding it is made of."""

    block: Key
    of: Key | None = None
    media: bool = Field(False, description="it opens the files that the column media names")
    told: dict[Literal["zone", "final_fit"], Line] = Field({}, description="what its context says, see Context")


class Member(Section):
    """One member of the blend that has a weight."""

    model: Key
    blocks: list[Key]
    allow_posthoc: bool = False
    weight: float = Field(description="in the blend of all posts; posts of a segment may have other ones")


class Contents(Section):
    """``bundle.json``."""

    format: Literal["popcast bundle"] = FORMAT
    version: Literal[1] = VERSION
    popcast: Line
    dataset: Key
    seed: int
    zone: Line
    final_fit: Literal["labelled", "train"]
    metric: Metric
    transform: Literal["log2(x)", "log2(x+1)", "none"]
    snapshot: datetime | None = Field(None, description="when the outcomes were counted, if all at one moment")
    allow_posthoc: bool
    maturity_days: float = Field(1.0, ge=0, description="age of a post from which on its outcome is observed")
    columns: dict[Line, Line] = Field(description="columns of the table of posts -> type, see TYPES")
    table: Table | None = Field(None, description="how a file of posts is read")
    names: list[str] = Field([], description="columns of the posts it was fitted on, as they were called")
    blocks: list[BundledBlock]
    members: dict[Name, Member]
    facts: dict[str, Any]
    versions: dict[Line, Line]

    def schema(self) -> dict[str, pl.DataType]:
        """Columns of the ``posts`` table that the blocks were fitted with -> type."""
        return {name: TYPES[kind] for name, kind in self.columns.items()}

    def write(self, folder: Path) -> None:
        tables.write_json(self.model_dump(mode="json"), folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises BadInput, one line, where the folder holds no bundle that this version of popcast reads."""
        file = folder / FILE
        if not file.is_file():
            raise bad_input("no bundle in this folder", file=folder, expected=f"a folder that was saved, with {FILE}")
        content = read_json(file)
        if content.get("format") != FORMAT:
            raise bad_input("not a bundle", file=file, field="format", value=content.get("format"), expected=FORMAT)
        if content.get("version") != VERSION:
            expected = f"{VERSION}: save it again with this version of popcast"
            raise bad_input(
                "another format", file=file, field="version", value=content.get("version"), expected=expected
            )
        with putting_together(file):
            return cls.model_validate(content)


def bundle_folder(name: str) -> Path:
    """Folder of the bundle ``name``: one with a bundle in it, or a dataset of the project. BadInput, one line: none."""
    for folder in (Path(name), paths.bundle(name)):
        if (folder / FILE).is_file():
            return folder
    expected = "a folder that was saved or exported, or a dataset of this project whose stage `bundle` has run"
    raise bad_input("no bundle there", file=name, expected=expected)


def made_anew(folder: Path) -> bool:
    """Whether the next run of a stage would make the bundle in ``folder`` anew, and lose what was written into it."""
    return folder.resolve().is_relative_to(paths.bundle("x").parent.resolve())


def check_own(folder: Path) -> None:
    """Raise BadInput where nothing may be written into the bundle in ``folder``, see :func:`made_anew`."""
    if made_anew(folder):
        expected = f"a copy of its own: popcast export {folder.name} FOLDER"
        raise bad_input("this bundle is the out of a stage, which makes it anew", file=folder.name, expected=expected)


def check_free(folder: Path) -> None:
    """Raise BadInput where ``folder`` holds anything but an older bundle."""
    if folder.exists() and not folder.is_dir():
        raise bad_input("not a folder", file=folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / FILE).is_file():
        raise bad_input("other files are in it", file=folder, expected="a new folder, or an older bundle")


def kinds_of(posts: pl.DataFrame) -> dict[str, str]:
    """Column -> word for its type, as ``Contents.columns`` has them; of numbers the widest."""
    words = {dtype: word for word, dtype in TYPES.items()}
    found = {}
    for name, dtype in posts.schema.items():
        if dtype.is_integer():
            dtype = pl.Int64()
        elif dtype.is_float():
            dtype = pl.Float64()
        found[name] = words[dtype]
    return found
