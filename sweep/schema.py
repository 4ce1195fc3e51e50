"""JSON schema of sweep files, for editors that complete and check while one types."""

from __future__ import annotations

from typing import Any

from models import registry
from models.protocol import Model
from sweep.layout import NAME
from sweep.sweep_file import FORMAT, RANGES
from sweep.values import unit_of


def file_schema(model: Model | None = None) -> dict[str, Any]:
    """Give the schema of sweep files, of one model or of all."""
    chosen = [model] if model else [registry.get(n) for n in registry.names()]
    definitions: dict[str, Any] = {}
    options = [_of_model(m, definitions) for m in chosen]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "modesweep sweep file",
        "type": "object",
        "required": ["modesweep", "name", "model"],
        "properties": {
            "modesweep": {"const": FORMAT, "description": "Version of the format."},
            "name": {"type": "string", "pattern": f"^{NAME.pattern}$",
                     "description": "Folder of the results."},
            "model": {"enum": [m.name for m in chosen]},
            "where": {"type": "string",
                      "description": "Points where this condition is false are skipped."},
            "zip": {"type": "array", "description": "Axes that move together.",
                    "items": {"type": "array", "items": {"type": "string"}, "minItems": 2}},
            "outputs": {"type": "array", "items": {"type": "string"}},
            "fixed": {"type": "object"},
            "axes": {"type": "object"},
            "run": _run(),
        },
        "additionalProperties": False,
        "allOf": options,
        "$defs": definitions,
    }  # fmt: skip


def _of_model(model: Model, definitions: dict[str, Any]) -> dict[str, Any]:
    fixed, axes = {}, {}
    whole = model.parameters.model_json_schema(ref_template="#/$defs/{model}")
    definitions.update(whole.get("$defs", {}))
    for name, field in model.parameters.model_fields.items():
        one = whole["properties"][name]
        unit = unit_of(field)
        value = {k: v for k, v in one.items() if k not in ("default", "title")}
        if options := [o for o in value.pop("anyOf", []) if o != {"type": "null"}]:
            # TOML has no null: a parameter that may be absent is left out
            value |= options[0] if len(options) == 1 else {"anyOf": options}
        fixed[name] = value | (
            {"description": f"{one.get('description', '')} [{unit}]"} if unit else {}
        )
        if name not in model.fixed_only:
            axes[name] = {"anyOf": [{"type": "array", "items": value, "minItems": 1}, _range()]}
    outputs = {"items": {"enum": list(model.variables())}}
    tables = {
        "fixed": {"properties": fixed, "additionalProperties": False},
        "axes": {"properties": axes, "additionalProperties": False},
        "outputs": outputs,
    }
    return {
        "if": {"properties": {"model": {"const": model.name}}},
        "then": {"properties": tables},
    }


def _range() -> dict[str, Any]:
    numbers = {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 3}
    return {
        "type": "object", "properties": dict.fromkeys(RANGES, numbers),
        "minProperties": 1, "maxProperties": 1, "additionalProperties": False,
    }  # fmt: skip


def _run() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "retries": {"type": "integer", "minimum": 0, "maximum": 100},
            "timeout": {"type": ["string", "number"], "description": 'Per part: "10min", 30.'},
            "memory": {"type": ["string", "number"], "description": 'Per worker: "2GiB".'},
            "priority": {"type": "integer", "minimum": -1000, "maximum": 1000},
        },
        "additionalProperties": False,
    }
