"""What every section of settings goes through: pydantic models, one line per fault, overrides laid over a section.

The sections themselves live with the rooms that own them (``<room>/params.py``, ``popcast.models.<model>.Params``,
``popcast.features.<block>.Params``); ``popcast.planning`` puts them together.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from popcast.core import paths
from popcast.core.errors import PLACE, WORDS, BadInput, cut, shown
from popcast.core.section import EXPLAINED, Place, Section


class Base(Section):
    seed: int = Field(ge=0, description="every random number derives from it")
    watch: Place = Field(
        "requirements.txt",
        description="folder that local pretrained models lie in; without any: a file of the project",
    )


def parse(section: type[Section], values: Any, where: str) -> Any:
    """Validate ``values`` as ``section``; the error is one line with the dotted key."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise BadInput(f"{paths.PARAMS}: {said(error, where)}") from None


def said(error: ValidationError, where: str = "") -> str:
    """The first fault of a section: dotted key, problem, value; one line."""
    first = error.errors(include_url=False, include_context=True)[0]
    key = cut(".".join(str(part) for part in (where, *first["loc"]) if part != ""), PLACE)
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch":
        pattern = first["ctx"]["pattern"]
        message = f"expected {EXPLAINED.get(pattern, f'text of the form {pattern}')}"
    got = "" if isinstance(first["input"], dict | Section) else f", got {shown(first['input'])}"
    return f"{key + ': ' if key else ''}{cut(message, WORDS)}{got}"


def merged(section: type[Section], values: dict[str, Any], overrides: dict[str, Any], where: str) -> Any:
    """A block's or model's own section with the overrides (``set``) of one run laid over it."""
    for part in (values, overrides):
        if not isinstance(part, dict):
            raise BadInput(f"{paths.PARAMS}: {where}: expected keys and values, got {shown(part)}")
    return parse(section, {**values, **overrides}, where)
