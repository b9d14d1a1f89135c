"""matrix.json, from its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from reference import ROOT
from reference.markdown import blocks, code, codes, heading, table, text

FILE = ROOT / "matrix" / "matrix.schema.json"
Schema = Mapping[str, Any]


def matrix_json() -> str:
    """Return every object of matrix.json, a table each."""
    whole = read()
    objects = [("matrix.json", whole), *whole["$defs"].items()]
    found = (_object(name, each) for name, each in objects if "properties" in each)
    return blocks(text(whole["description"]), *found)


@lru_cache
def read() -> dict[str, Any]:
    """Return the schema."""
    return dict(json.loads(FILE.read_text("utf-8")))


def _object(name: str, schema: Schema) -> str:
    lines = list(_properties(schema))
    said = text(schema.get("description", "")) if name != "matrix.json" else ""
    return blocks(
        heading(2, code(name), _anchor(name)), said, table(("name", "type", "what it says"), lines)
    )


def _anchor(name: str) -> str:
    return "matrix-json" if name == "matrix.json" else f"matrix-json-{name.replace('_', '-')}"


def _properties(schema: Schema, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", ())
    for name, each in schema["properties"].items():
        optional = "" if name in required else " (may be absent)"
        yield code(f"{prefix}{name}"), kind_of(each) + optional, text(_said(each))
        if "properties" in each:
            yield from _properties(each, f"{prefix}{name}.")


def _said(schema: Schema) -> str:
    """Return what is said of a value, if be it of all values of its kind."""
    name = schema.get("$ref", "").rpartition("/")[2]
    kind = read()["$defs"].get(name, {})
    of_its_kind = "" if "properties" in kind else kind.get("description", "")
    return str(schema.get("description") or of_its_kind)


def kind_of(schema: Schema) -> str:
    """Return in words what a value may be."""
    for word, told in _KINDS.items():
        if word in schema:
            return str(told(schema))
    kind = schema.get("type", "any value")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _reference(schema: Schema) -> str:
    name = schema["$ref"].rpartition("/")[2]
    target = read()["$defs"][name]
    return f"[{name}](#{_anchor(name)})" if "properties" in target else kind_of(target)


def _several(schema: Schema) -> str:
    return " or ".join(kind_of(each) for each in schema.get("oneOf") or schema["anyOf"])


def _constant(schema: Schema) -> str:
    value = json.dumps(schema["const"])
    return code(value)


_KINDS: Mapping[str, Any] = {
    "$ref": _reference,
    "oneOf": _several,
    "anyOf": _several,
    "enum": lambda schema: f"one of {codes(map(str, schema['enum']))}",
    "const": _constant,
    "items": lambda schema: f"list of: {kind_of(schema['items'])}",
}
