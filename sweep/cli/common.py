"""What several commands share: options, values on the command line, output."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len, set_cell_size
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
    """Print a table; on a terminal that is too narrow for it, its cells are wrapped."""
    if title:
        print(title)
    lines = [columns, *([" ".join(str(cell).split("\n")) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    if sys.stdout.isatty() and sum(widths) + 2 * len(widths) > shutil.get_terminal_size().columns:
        _wrapped(columns, lines[1:])
        return
    for line in lines:
        padded = (set_cell_size(cell, n) for cell, n in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def _wrapped(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)
