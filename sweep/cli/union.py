"""modesweep union"""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.cli.common import Workspace
from sweep.joining import union
from sweep.layout import DEFAULT_WORKSPACE, sweep_file


def command(
    sweeps: Annotated[list[str], typer.Argument(help="Names in the workspace, or folders.")],
    name: Annotated[str, typer.Option(help="Name of the new sweep.")],
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> None:
    """Join sweeps of one model into a new one; nothing is computed.

    Each axis gets the values of all. A parameter that is fixed to different values becomes
    an axis. Points that no sweep has are left to be computed.
    """
    result = union(sweeps, name, workspace=workspace)
    print(result)
    if todo := result.counts.get("todo", 0):
        file = sweep_file(result.path)
        print(f"{todo:,} points are in none of them; `modesweep run {file}` computes them")
