"""What every section of settings goes through: pydantic models, one line per fault, overrides laid over a section.

The sections themselves live with the rooms that own them (``<room>/params.py``, ``popcast.models.<model>.Params``,
``popcast.features.<block>.Params``); ``popcast.planning`` puts them together.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from popcast.core import paths
from popcast.core.errors import BadInput
from popcast.core.section import Section


class Base(Section):
    seed: int = Field(ge=0, description="every random number derives from it")
    watch: str = Field(
        "requirements.txt",
        min_length=1,
        description="folder that local pretrained models lie in; without any: a file of the project",
    )


def parse(section: type[Section], values: Any, where: str) -> Any:
    """Validate ``values`` as ``section``; the error is one line with the dotted key."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in (where, *first["loc"]) if part != "")
        if first["type"] == "extra_forbidden":
            raise BadInput(f"{paths.PARAMS}: {key}: unknown key") from None
        message = first["msg"].removeprefix("Value error, ")
        shown = "" if isinstance(first["input"], dict | Section) else f", got {first['input']!r}"
        raise BadInput(f"{paths.PARAMS}: {key + ': ' if key else ''}{message}{shown}") from None


def merged(section: type[Section], values: dict[str, Any], overrides: dict[str, Any], where: str) -> Any:
    """A block's or model's own section with the overrides (``set``) of one run laid over it."""
    return parse(section, {**values, **overrides}, where)
