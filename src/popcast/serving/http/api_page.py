"""The page /docs: the API as OpenAPI describes it, with an example for each path, written out without any script."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import orjson

PLACE = files("popcast.serving.http") / "api_files"
STYLE = ("api.css", (PLACE / "api.css").read_bytes(), "text/css; charset=utf-8")
"""Name, content and type of its one file."""


def api_page(description: dict[str, Any]) -> str:
    """HTML of an OpenAPI description. All that is in it is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((PLACE / "api.html.j2").read_text(encoding="utf-8"))
    paths = [
        _shown(path, method, one, description) for path, ways in description["paths"].items()
        for method, one in ways.items()
    ]  # fmt: skip
    return template.render(info=description["info"], paths=paths)


def _shown(path: str, method: str, one: dict[str, Any], description: dict[str, Any]) -> dict[str, Any]:
    """What the page says of one path: its fields, and an example as JSON."""
    content = one.get("requestBody", {}).get("content", {}).get("application/json")
    found = {
        "path": path,
        "method": method.upper(),
        "summary": one["summary"],
        "fields": [],
        "example": None,
        "inner": [],
    }
    if content is None:
        found["fields"] = [_field(p["name"], p["schema"], p["required"]) for p in one.get("parameters", [])]
        return found
    schemas = description["components"]["schemas"]
    schema = schemas[_name(content["schema"])]
    found["fields"] = _fields(schema)
    found["example"] = orjson.dumps(schema["examples"][0], option=orjson.OPT_INDENT_2).decode()
    inner = {_name(one) for field in schema["properties"].values() for one in (field, field.get("items", {}))} - {None}
    found["inner"] = [{"name": name, "fields": _fields(schemas[name])} for name in sorted(inner)]
    return found


def _fields(schema: dict[str, Any]) -> list[dict[str, str]]:
    required = schema.get("required", [])
    return [_field(name, one, name in required) for name, one in schema["properties"].items()]


def _field(name: str, schema: dict[str, Any], required: bool) -> dict[str, str]:
    return {
        "name": name, "kind": _kind(schema), "needed": "required" if required else "",
        "said": schema.get("description", ""),
    }  # fmt: skip


def _kind(schema: dict[str, Any]) -> str:
    """Words for a type.

    >>> _kind({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]})
    'list of string'
    """
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"] if one.get("type") != "null")
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if "additionalProperties" in schema and isinstance(schema["additionalProperties"], dict):
        return f"name to {_kind(schema['additionalProperties'])}"
    return _name(schema) or schema.get("type", "any")


def _name(schema: dict[str, Any]) -> str | None:
    reference = schema.get("$ref")
    return None if reference is None else reference.rpartition("/")[2]
