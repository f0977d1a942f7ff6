"""Lay an overlay over params.yaml: what ``popcast use`` does.

params.yaml is edited section by section as text, so that the comments of every section that an overlay does not
replace stay as they are.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from popcast.core import paths
from popcast.core.errors import bad_input
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

_KEY = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*):")


@dataclass(frozen=True)
class Part:
    """One top-level section of a YAML file as text: the comment lines above it, and the section itself."""

    key: str
    comment: str
    body: str


def parts_of(text: str) -> list[Part]:
    """Cut a YAML mapping in block style into its top-level sections. Joined again they are the same text.

    >>> [(part.key, part.comment, part.body) for part in parts_of("# one\\na: 1\\n\\n# two\\nb:\\n  c: 2\\n")]
    [('a', '# one\\n', 'a: 1\\n'), ('b', '\\n# two\\n', 'b:\\n  c: 2\\n')]
    """
    parts: list[Part] = []
    key, comment, body, pending = "", "", "", ""
    for line in text.splitlines(keepends=True):
        match = _KEY.match(line)
        if match:
            if key:
                parts.append(Part(key, comment, body))
            key, comment, body, pending = match[1], pending, line, ""
        elif line.strip() == "" or line.startswith("#"):
            pending += line
        else:
            body, pending = body + pending + line, ""
    if key:
        parts.append(Part(key, comment, body + pending))
    return parts


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
    text = read_text(overlay)
    whole = yaml_value(text, overlay)
    if not isinstance(whole, dict) or not whole:
        raise bad_input("no section in it", file=overlay, expected="YAML with top-level keys of params.yaml")
    parts = {part.key: part for part in parts_of(text)}
    for key, value in whole.items():
        if key not in project_params.Params.model_fields:
            raise bad_input("unknown section", file=overlay, field=str(key))
        if not isinstance(value, dict):
            found = "nothing" if value is None else type(value).__name__
            raise bad_input(f"got {found}", file=overlay, field=key, expected="keys and values")
        if key not in parts:
            expected = "its name without quotes at the start of a line"
            raise bad_input("not a section in block style", file=overlay, field=key, expected=expected)
    return {key: yaml_value(part.body, overlay, _yaml(), key)[key] for key, part in parts.items()}


def overlaid(text: str, given: dict[str, Any]) -> str:
    """``text`` of params.yaml with the sections ``given`` replaced (PER_DATASET) or merged into it."""
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
            old = yaml_value(part.body, paths.PARAMS, _yaml(), part.key)
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
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            value[key], used = _placed(value[key], raw)
            uses |= used
        return value, uses
    if isinstance(value, date):
        return value.isoformat(), False
    if isinstance(value, str) and value.split("/")[0] == PLACEHOLDER:
        return (value if raw is None else raw + value.removeprefix(PLACEHOLDER)), True
    return value, False


def _merged(old: Any, new: Any) -> Any:
    """``new`` laid over ``old``: dictionaries key by key, everything else replaced."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    for key, value in new.items():
        old[key] = _merged(old[key], value) if key in old else value
    return old
