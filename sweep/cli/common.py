"""What several commands share: options, values on the command line, output."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sweep.cli.suggestions import sweep_files, sweeps

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
