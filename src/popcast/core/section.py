"""The base class of every section of params.yaml, and the kinds of text that stand in one.

A name reaches a command, a path or the key of a stage, so each has a pattern: no field of a section is a bare ``str``
but columns and words of the user's own files (``tests/faults/test_hostile_names.py`` reads every section).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from popcast.core.errors import cut

KEY = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""Keys of sections, and names of datasets: they reach commands unquoted."""

NAME = r"^[a-z0-9][a-z0-9_]{0,63}$"
"""Names of runs, suites and systems: they become file names and keys of metrics."""

WATCHED = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(/[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.parquet)?$"
"""What DVC watches below data/features: ``smpd`` or ``smpd/text.parquet``."""

PLACE = r'^[^\x00-\x20\x7f$`"\\*?<>|;-]([^\x00-\x1f\x7f$`"\\*?<>|;]{0,498}[^\x00-\x20\x7f$`"\\*?<>|;])?$'
"""Files and folders, inside the project or not: what no shell, no pattern and no template of DVC reads as its own."""

REVISION = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"
LINE = r"^[^\x00-\x1f\x7f]{1,300}$"

EXPLAINED = {
    KEY: "1 to 64 letters, digits, _ and -, a letter or digit first",
    NAME: "1 to 64 small letters, digits and _, a letter or digit first",
    WATCHED: "a dataset, or <dataset>/<block>.parquet",
    PLACE: 'a file or folder, without blanks at its ends, - at its start and any of $ ` " \\ * ? < > | ;',
    REVISION: "a commit, branch or tag",
    VARIABLE: "the name of an environment variable",
    LINE: "one line of text, 1 to 300 characters",
}
"""Pattern -> what it asks for, in words."""

WORDS = 20_000
"""Characters of a text in a section at most."""

_HUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
_NO_WORDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def stays_below(path: str) -> str:
    """``path`` if it stays below the folder that it is read from."""
    if PurePosixPath(path).is_absolute() or re.match(r"[A-Za-z]:", path) or ".." in path.split("/"):
        raise ValueError("leaves the raw folder, expected a path below it")
    return path


def _model(text: str) -> str:
    """``text`` if it is the id of a model on the hub, or a folder."""
    if not _HUB.fullmatch(text) and not text.startswith(("/", "./", "../", "~/")) and "/" not in text:
        raise ValueError("expected a model's id on the hub (owner/name), an installed encoder or a folder")
    return text


Key = Annotated[str, Field(pattern=KEY)]
Name = Annotated[str, Field(pattern=NAME)]
Watched = Annotated[str, Field(pattern=WATCHED)]
Place = Annotated[str, Field(pattern=PLACE)]
Below = Annotated[str, Field(pattern=PLACE), AfterValidator(stays_below)]
Model = Annotated[str, Field(pattern=PLACE), AfterValidator(_model)]
Revision = Annotated[str, Field(pattern=REVISION)]
Variable = Annotated[str, Field(pattern=VARIABLE)]
Line = Annotated[str, Field(pattern=LINE)]


class Section(BaseModel):
    """Base of all params sections: unknown keys are refused, values are not coerced beyond int -> float."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _readable(cls, values: Any) -> Any:
        """No text of a section, however deep below ``set``, holds control characters or is endless."""
        for place, text in _texts(values):
            if len(text) > WORDS or _NO_WORDS.search(text):
                raise ValueError(f"{place}: a text with control characters or of more than {WORDS} characters")
        return values


def _texts(value: Any, *way: str) -> Iterator[tuple[str, str]]:
    """Texts and keys of a plain value, each with the dotted key where it stands."""
    if isinstance(value, str):
        yield ".".join(way), value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key, *way)
            yield from _texts(inner, *way, cut(str(key), 80))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _texts(inner, *way, str(place))
