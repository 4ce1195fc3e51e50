"""modesweep status"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.cli.common import AsJson, Workspace, show_json, show_table
from sweep.cli.suggestions import sweeps
from sweep.layout import DEFAULT_WORKSPACE, sweeps_in
from sweep.reading import Status, status
from sweep.values import readable_seconds


def command(
    sweep: Annotated[
        str | None,
        typer.Argument(
            help="Name or folder; all of the workspace if left out.", autocompletion=sweeps
        ),
    ] = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Say how far sweeps are: points by status, blocks, time left."""
    if sweep is not None:
        found = [status(sweep, workspace)]
    else:
        found = [status(folder) for folder in sweeps_in(Path(workspace))]
    if as_json:
        show_json(found[0].as_dict() if sweep is not None else [s.as_dict() for s in found])
    elif not found:
        print(f"There are no sweeps in {workspace}. `modesweep run FILE` makes one.")
    else:
        show_table("", ["sweep", "model", "points", "blocks", "state"], [_row(s) for s in found])


def _row(s: Status) -> list[str]:
    counts = ", ".join(f"{n:,} {name}" for name, n in s.counts.items())
    state = "running" if s.running else "complete" if s.complete else "stopped"
    if state == "stopped" and s.blocks_done == s.blocks:
        state = "ended, with points that failed"
    if s.seconds_left is not None:
        low, high = s.seconds_left
        state += f", {readable_seconds(low)} to {readable_seconds(high)} left"
    return [s.name, s.model, counts, f"{s.blocks_done}/{s.blocks}", state]
