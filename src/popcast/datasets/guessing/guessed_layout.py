"""What was found about the columns of an export, and the layout of a table that follows from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from popcast.core.errors import BadInput, shown
from popcast.core.params import said
from popcast.datasets.guessing.column_looks import Look
from popcast.datasets.params import Table

LEFT_OUT = "left out"
BREAKS, LONGEST = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]"), 300
"""What no setting can hold: in the name of a column, or its length."""
CATEGORIES = ("category", "subcategory", "concept")


@dataclass(frozen=True)
class ColumnGuess:
    """``sure``: given (by the user), sure, likely or doubtful."""

    column: str
    role: str
    sure: str
    reason: str
    look: Look


@dataclass(frozen=True)
class Guess:
    """Roles of all columns, in the order of the file. ``said``: plain sentences about what was left without."""

    columns: tuple[ColumnGuess, ...]
    said: tuple[str, ...] = ()
    transform: str = "log2(x+1)"
    form: Mapping[str, Any] = field(default_factory=dict)

    def of(self, role: str) -> list[str]:
        """Columns with a role, in the order of the file."""
        return [one.column for one in self.columns if one.role == role]

    def one(self, role: str) -> str | None:
        return next(iter(self.of(role)), None)

    @property
    def label(self) -> str:
        return self.of("label")[0]

    def layout(self, labelled: str | list[str] = "posts", unlabelled: str | list[str] | None = None, **more) -> Table:
        """``datasets.<name>.table`` for these roles. more: further settings of :class:`Table`, such as decimal.

        Raises BadInput for a name that no setting can hold.
        """
        columns = {role: self.one(role) for role in ("id", "author", "time", "tags", "media", "label")}
        columns |= dict(zip(CATEGORIES, self.of("category"), strict=False))
        columns |= {"text": self.of("text"), "posthoc": self.of("posthoc")}
        columns |= {"numbers": self.of("number"), "author_numbers": self.of("author_number")}
        kept = {name: value for name, value in columns.items() if value not in (None, [])}
        for one in self.columns:
            if one.role != LEFT_OUT and (len(one.column) > LONGEST or BREAKS.search(one.column)):
                raise BadInput(f"column {shown(one.column)}: its name has control characters or more than {LONGEST}: "
                               "rename it, or leave it out")  # fmt: skip
        settings = {"labelled": labelled, "unlabelled": unlabelled, "transform": self.transform, **self.form, **more}
        settings = {name: value for name, value in settings.items() if value is not None}
        try:
            return Table.model_validate(settings | {"columns": {"id": None, **kept}})
        except ValidationError as error:
            raise BadInput(said(error)) from None
