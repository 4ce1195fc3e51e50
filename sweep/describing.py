"""Models in plain values: what they take, what they give, where they come from."""

from __future__ import annotations

from typing import Any

from models import registry
from models.errors import ModelInputError
from models.protocol import Model
from sweep.problems import InputError, nearest
from sweep.values import FieldValues, as_text, unit_of


def model_named(name: str) -> Model:
    """Give a model.

    Raises
    ------
    InputError : there is none of that name
    """
    try:
        return registry.get(name)
    except ModelInputError as error:
        msg = f"{error}{nearest(name, registry.names())}"
        raise InputError(msg) from None


def models_in_short() -> list[dict[str, Any]]:
    """Name all models, and say what they are."""
    found = [registry.get(n) for n in registry.names()]
    return [
        {"name": m.name, "revision": m.revision, "title": m.title, "source": m.source}
        for m in found
    ]


def describe(model: Model) -> dict[str, Any]:
    """Give a model as plain values."""
    fields = model.parameters.model_fields
    return {
        "name": model.name, "revision": model.revision, "title": model.title,
        "source": model.source,
        "parameters": [
            {"name": n, "default": as_text(f.get_default(call_default_factory=True)),
             "unit": unit_of(f), "allowed": FieldValues(model.parameters, n).allowed,
             "meaning": f.description or ""}
            for n, f in fields.items()
        ],
        "variables": [
            {"name": v.name, "dims": list(v.dims), "unit": v.unit, "dtype": v.dtype,
             "meaning": v.long_name, "flags": list(v.flags), "source": v.source,
             "standard": v.standard or v.always, "stage": s.name}
            for v, s in model.variables().values()
        ],
        "dims": [{"name": d.name, "meaning": d.long_name, "unit": d.unit} for d in model.dims],
        "stages": [
            {"name": s.name, "depends_on": list(model.depends_on(s)), "inputs": list(s.inputs),
             "cut": s.cut}
            for s in model.stages
        ],
    }  # fmt: skip
