"""modesweep models"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from sweep.cli import suggestions
from sweep.cli.common import AsJson, show_json, show_table
from sweep.describing import describe, model_named, models_in_short
from sweep.schema import file_schema


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
        print(json.dumps(file_schema(model_named(name) if name else None), indent=1))
    elif name is None:
        _list(as_json)
    elif as_json:
        show_json(describe(model_named(name)))
    else:
        _show(describe(model_named(name)))


def _list(as_json: bool) -> None:
    rows = models_in_short()
    if as_json:
        show_json(rows)
    else:
        show_table("", ["model", "revision", "what it is", "source"],
                   [(m["name"], m["revision"], m["title"], m["source"]) for m in rows])  # fmt: skip
        print("\n`modesweep models NAME` describes one.")


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
