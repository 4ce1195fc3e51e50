"""modesweep models"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from models import registry
from models.errors import ModelInputError
from models.protocol import Model
from sweep.cli import suggestions
from sweep.cli.common import AsJson, show_json, show_table
from sweep.problems import InputError, nearest
from sweep.schema import file_schema
from sweep.values import FieldValues, as_text, unit_of


def command(
    name: Annotated[
        str | None, typer.Argument(help="Model to describe.", autocompletion=suggestions.models)
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of sweep files, for editors.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the models, or describe one: parameters, variables, stages, source."""
    if schema:
        print(json.dumps(file_schema(_found(name) if name else None), indent=1))
    elif name is None:
        _list(as_json)
    elif as_json:
        show_json(describe(_found(name)))
    else:
        _show(describe(_found(name)))


def _found(name: str) -> Model:
    try:
        return registry.get(name)
    except ModelInputError as error:
        msg = f"{error}{nearest(name, registry.names())}"
        raise InputError(msg) from None


def _list(as_json: bool) -> None:
    rows = [(n, registry.get(n)) for n in registry.names()]
    if as_json:
        show_json([{"name": n, "revision": m.revision, "title": m.title, "source": m.source}
                   for n, m in rows])  # fmt: skip
    else:
        show_table("", ["model", "revision", "what it is", "source"],
                   [(n, m.revision, m.title, m.source) for n, m in rows])  # fmt: skip
        print("\n`modesweep models NAME` describes one.")


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


def _show(model: dict[str, Any]) -> None:
    print(f"{model['name']}, revision {model['revision']}: {model['title']}\n{model['source']}\n")
    show_table("Parameters", ["name", "default", "unit", "allowed", "meaning"],
               [[p[k] for k in ("name", "default", "unit", "allowed", "meaning")]
                for p in model["parameters"]])  # fmt: skip
    print()
    show_table("Variables (* only on request)", ["name", "own dims", "unit", "meaning"],
               [[v["name"] + ("" if v["standard"] else " *"), ", ".join(v["dims"]), v["unit"],
                 v["meaning"] + (f" ({', '.join(v['flags'])})" if v["flags"] else "")]
                for v in model["variables"]])  # fmt: skip
    print()
    show_table("Stages", ["name", "inputs", "cut along", "depends on"],
               [[s["name"], ", ".join(s["inputs"]), s["cut"] or "", ", ".join(s["depends_on"])]
                for s in model["stages"]])  # fmt: skip
