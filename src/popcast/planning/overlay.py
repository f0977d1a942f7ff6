"""Lay an overlay over params.yaml: what ``popcast use`` does.

params.yaml is edited section by section as text, so that the comments of every section that an overlay does not
replace stay as they are. Where a section begins is what the parser of YAML says, never what a line looks like.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from popcast.core import paths
from popcast.core.errors import BadInput, bad_input
from popcast.core.safety.whole_files import whole_file
from popcast.core.yaml_reading import read_text, yaml_value
from popcast.planning import project_params
from popcast.planning.project_params import Params

PER_DATASET = (
    "sample",
    "datasets",
    "splits",
    "blocks",
    "media",
    "derived",
    "runs",
    "suites",
    "adversarial",
    "tasks",
    "llms",
    "llm_runs",
    "feature_rows",
    "populations",
    "simulations",
    "responses",
    "reaction_shares",
)
"""Sections that say which datasets there are: an overlay replaces them as wholes. All others are merged key by key."""

PLACEHOLDER = "RAW"
"""In an overlay: the raw folder given on the command line."""


@dataclass(frozen=True)
class Part:
    """One top-level section of a YAML file as text: the comment lines above it, and the section itself."""

    key: str
    comment: str
    body: str


def parts_of(text: str, file: Path = paths.PARAMS) -> list[Part]:
    """Cut a YAML mapping in block style into its top-level sections. Joined again they are the same text.

    Comment lines belong to the section below them. Raises BadInput, with ``file``, for a mapping in one pair of braces.

    >>> [(part.key, part.comment, part.body) for part in parts_of("# one\\na: 1\\n\\n# two\\n'b-c':\\n  d: 2\\n")]
    [('a', '# one\\n', 'a: 1\\n'), ('b-c', '\\n# two\\n', "'b-c':\\n  d: 2\\n")]
    """
    if not isinstance(yaml_value(text, file), dict):
        raise bad_input("no section in it", file=file, expected="YAML with top-level keys of params.yaml")
    node = YAML().compose(text)
    keys = [(str(key.value), text.rfind("\n", 0, key.start_mark.index) + 1) for key, _ in node.value]
    if node.flow_style or any(text[start] in " {" for _, start in keys):
        raise bad_input("sections within braces", file=file, expected="one at the start of a line each")
    parts, above = [], 0
    for (key, start), (_, end) in pairwise([*keys, ("", len(text))]):
        lines = text[start:end].splitlines(keepends=True)
        own = len(lines)
        while end < len(text) and own > 1 and _is_comment(lines[own - 1]):
            own -= 1
        last = start + sum(map(len, lines[:own]))
        parts.append(Part(key, text[above:start], text[start:last]))
        above = last
    return parts


def _is_comment(line: str) -> bool:
    return line.strip() == "" or line.startswith("#")


def use_overlay(overlay: Path, raw: Path | None, check: Callable[[Params], object] | None = None) -> list[str]:
    """Write the sections of ``overlay`` into params.yaml; names of the sections written.

    An overlay that names ``datasets`` speaks for all sections in PER_DATASET: those that it leaves out become empty.
    ``raw`` stands for the word RAW in values of the overlay. The result is validated before it replaces params.yaml;
    check: what else it must pass, raising BadInput.
    """
    if raw is not None and not raw.is_dir():
        raise bad_input("no such folder", file=raw)
    given = sections_of(overlay)
    given, uses = _placed(given, None if raw is None else str(raw.resolve()))
    if uses and raw is None:
        raise bad_input(f"it says {PLACEHOLDER}: name the raw folder with --raw", file=overlay)
    if raw is not None and not uses:
        raise bad_input(f"--raw given, but no value in it is {PLACEHOLDER}", file=overlay)
    if "datasets" in given:
        given = {**{key: {} for key in PER_DATASET if key not in given}, **given}
    text = overlaid(read_text(paths.PARAMS), given)
    with whole_file(paths.PARAMS) as part:
        part.write_text(text, encoding="utf-8")
        params = project_params.load(part)  # refused: params.yaml stays as it was
        if check is not None:
            check(params)
    return list(given)


def sections_of(overlay: Path) -> dict[str, Any]:
    """Top-level sections of an overlay: name -> value that keeps its comments. Raises BadInput, one line."""
    text = read_text(overlay, wide=True)
    whole = yaml_value(text, overlay, _yaml())
    if not isinstance(whole, dict) or not whole:
        raise bad_input("no section in it", file=overlay, expected="YAML with top-level keys of params.yaml")
    for key, value in whole.items():
        if key not in Params.model_fields:
            raise bad_input("unknown section", file=overlay, field=str(key), expected=_nearest(str(key)))
        if not isinstance(value, dict):
            found = "nothing" if value is None else "list" if isinstance(value, list) else type(value).__name__
            raise bad_input(f"got {found}", file=overlay, field=key, expected="keys and values")
    try:
        parts = parts_of(text, overlay)
    except BadInput:  # sections within braces have no comments to keep
        return dict(whole)
    return {part.key: _alone(part, whole[part.key], overlay) for part in parts}


def _nearest(key: str) -> str:
    """What a section of another name may be meant to be."""
    known = list(Params.model_fields)
    near = difflib.get_close_matches(key.lower().replace("-", "_"), known, n=1)
    return f"{near[0]}?" if near else f"one of {', '.join(known)}"


def _alone(part: Part, value: Any, overlay: Path) -> Any:
    """A section without the comments above the next one; as part of the whole where it names an anchor of another."""
    try:
        return yaml_value(part.body, overlay, _yaml(), part.key)[part.key]
    except BadInput:
        return value


def overlaid(text: str, given: dict[str, Any]) -> str:
    """``text`` of params.yaml with the sections ``given`` replaced (PER_DATASET) or merged into it."""
    whole = yaml_value(text, paths.PARAMS, _yaml())
    parts = parts_of(text)
    known = {part.key for part in parts}
    parts += [Part(key, "\n", "") for key in given if key not in known]
    out = ""
    for part in parts:
        if part.key not in given:
            body = part.body
        elif part.key in PER_DATASET or not part.body:
            body = _dump({part.key: given[part.key]})
        else:
            old = {part.key: _alone(part, whole[part.key], paths.PARAMS)}
            body = _dump(_merged(old, {part.key: given[part.key]}))
        out += part.comment + body
    return out


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dump(value: Any) -> str:
    stream = io.StringIO()
    _yaml().dump(value, stream)
    return stream.getvalue()


def _placed(value: Any, raw: str | None) -> tuple[Any, bool]:
    """``value`` with RAW replaced and dates written as text (DVC takes no bare dates); whether RAW was in it."""
    if isinstance(value, dict | list):
        uses = False
        for key in _own_keys(value):
            value[key], used = _placed(value[key], raw)
            uses |= used
        return value, uses
    if isinstance(value, date):
        return value.isoformat(), False
    if isinstance(value, str) and value.split("/")[0] == PLACEHOLDER:
        return (value if raw is None else raw + value.removeprefix(PLACEHOLDER)), True
    return value, False


def _own_keys(value: dict | list) -> list[Any]:
    """Keys or places of ``value``; what a mapping has by ``<<`` stays where it is written, and is not written twice."""
    if isinstance(value, CommentedMap):
        return [key for key, _ in value.non_merged_items()]
    return list(value if isinstance(value, dict) else range(len(value)))


def _merged(old: Any, new: Any) -> Any:
    """``new`` laid over ``old``: dictionaries key by key, everything else replaced."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    for key, value in new.items():
        old[key] = _merged(old[key], value) if key in old else value
    return old
