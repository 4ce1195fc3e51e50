"""What several commands share: options, values on the command line, output."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sweep.cli.suggestions import sweep_files, sweeps
from sweep.problems import InputError

Workspace = Annotated[Path, typer.Option("--workspace", help="Folder that holds the sweeps.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
SweepName = Annotated[
    str, typer.Argument(help="Name in the workspace, or folder.", autocompletion=sweeps)
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Worker processes; default: one a core.")
]
Scheduler = Annotated[
    str | None, typer.Option("--scheduler", help="Address of a Dask scheduler to use.")
]
Dashboard = Annotated[
    bool, typer.Option("--dashboard", help="Serve Dask's own dashboard on loopback.")
]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Replace an owner whose host is gone for good.")
]
SweepFile = Annotated[
    Path,
    typer.Argument(help="Sweep file: .toml, .yaml, .yml or .json.", autocompletion=sweep_files),
]


def show_json(value: Any) -> None:
    """Print plain values as JSON."""
    print(json.dumps(value, indent=1, default=str))


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table that fits the terminal; as wide as it needs to be anywhere else."""
    if title:
        print(title)
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*[str(cell) for cell in row])
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False)
    console.print(table)


def assignments(given: Sequence[str], what: str) -> dict[str, Any]:
    """Read `axis=value` pairs; values are TOML, a bare word is a string, repeats make a list.

    Raises
    ------
    InputError : a pair without `=`
    """
    found: dict[str, list[Any]] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            msg = f"{what} {pair!r} is not of the form axis=value. Write for instance layers=21."
            raise InputError(msg)
        found.setdefault(name.strip(), []).append(_value(text.strip()))
    return {name: v if len(v) > 1 else v[0] for name, v in found.items()}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
