"""The reference of settings: every section of params.yaml by the pydantic model that checks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

HEAD = """# Settings

Sections of `params.yaml`, and of an overlay that `popcast use` or `popcast run` lays over it, as the models check them
that refuse an unknown key by name. Defaults are those of the code; `params.yaml` may set others. Where a section is
keyed, the keys are names of your own: datasets, or `<dataset>-<block>` and `<dataset>-<run>`.
"""

Schema = dict[str, Any]


def settings_page(sections: type[BaseModel], found: dict[str, dict[str, type[BaseModel]]]) -> str:
    """Markdown of all sections. found: heading -> name -> model of a predictor or a block."""
    schema = sections.model_json_schema()
    parts = [HEAD, "## Sections\n", _table(schema)]
    parts += [_part(name, part, "###") for name, part in sorted(schema.get("$defs", {}).items())]
    for heading, models in found.items():
        parts.append(f"## {heading}\n")
        for name, model in sorted(models.items()):
            own = model.model_json_schema()
            parts.append(_part(name, own, "###"))
            parts += [_part(f"{name}: {inner}", part, "####") for inner, part in sorted(own.get("$defs", {}).items())]
    return "\n".join(parts)


def _part(name: str, schema: Schema, level: str) -> str:
    if "enum" in schema:
        return f"{level} {name}\n\n{kind(schema)}\n"
    return f"{level} {name}\n\n{_first_sentence(schema)}{_table(schema)}"


def _first_sentence(schema: Schema) -> str:
    text = schema.get("description", "")
    return f"{' '.join(text.split())}\n\n" if text else ""


def _table(schema: Schema) -> str:
    if not schema.get("properties"):
        return "No settings.\n"
    rows = ["| key | value | default | |", "|---|---|---|---|"]
    for name, field in schema["properties"].items():
        given = "*needed*" if name in schema.get("required", ()) else f"`{_shown(field.get('default'))}`"
        said = " ".join(field.get("description", "").split())
        rows.append("| " + " | ".join(_cell(text) for text in (f"`{name}`", kind(field), given, said)) + " |")
    return "\n".join(rows) + "\n"


def kind(schema: Schema) -> str:
    """What a value may be, in words.

    >>> kind({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]})
    'integer, at least 1, or null'
    >>> kind({"enum": ["first", "last"], "type": "string"})
    '`first`, `last`'
    >>> kind({"type": "array", "items": {"type": "string"}})
    'list of text'
    """
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"section {name}"
    if "anyOf" in schema or "oneOf" in schema:
        return ", or ".join(kind(one) for one in schema.get("anyOf", schema.get("oneOf", [])))
    if "allOf" in schema:
        return kind(schema["allOf"][0])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{_shown(value)}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    if schema.get("type") == "object":
        inner = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties", {}))
        return "keys and values" if not isinstance(inner, dict) or not inner else f"by key: {kind(inner)}"
    names = {"string": "text", "boolean": "true or false", "null": "null", "number": "number", "integer": "integer"}
    return ", ".join([names.get(schema.get("type", ""), "any"), *_bounds(schema)])


def _bounds(schema: Schema) -> list[str]:
    words = {
        "minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below",
    }  # fmt: skip
    return [f"{word} {schema[key]}" for key, word in words.items() if key in schema]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def project_settings() -> str:
    """The page of this installation of popcast."""
    from popcast import features
    from popcast.core import named
    from popcast.planning.project_params import Params

    blocks = {one.parent.name: one for one in Path(features.__file__).parent.glob("*/block.py")}
    predictors = {one.parent.name for one in Path(features.__file__).parents[1].glob("*/*/predictor.py")}
    found = {
        "Feature blocks: `features.<name>`": {name: named.block_module(name).Params for name in blocks},
        "Predictors: `models.<name>`": {name: named.predictor_module(name).Params for name in predictors},
    }
    return settings_page(Params, found)
