"""modesweep status"""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.cli.common import AsJson, show_json, show_table
from sweep.cli.following import state_text
from sweep.cli.places import Server, TokenFile, Workspace, looking
from sweep.cli.suggestions import sweeps
from sweep.layout import DEFAULT_WORKSPACE
from sweep.overview import Status


def command(
    sweep: Annotated[
        str | None,
        typer.Argument(
            help="Name or folder; all of the workspace if left out.", autocompletion=sweeps
        ),
    ] = None,
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say how far sweeps are: points by status, blocks, time left."""
    place = looking(server, token_file, workspace, sweep)
    found = place.statuses() if sweep is None else [place.status(sweep)]
    if as_json:
        show_json(found[0].as_dict() if sweep is not None else [s.as_dict() for s in found])
    elif not found:
        where = server or workspace or DEFAULT_WORKSPACE
        print(f"There are no sweeps in {where}. `modesweep run FILE` makes one.")
    else:
        show_table("", ["sweep", "model", "points", "blocks", "state"], [_row(s) for s in found])


def _row(s: Status) -> list[str]:
    counts = ", ".join(f"{n:,} {name}" for name, n in s.counts.items())
    return [s.name, s.model, counts, f"{s.blocks_done}/{s.blocks}", state_text(s)]
