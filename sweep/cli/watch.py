"""modesweep watch"""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.cli.common import SweepName
from sweep.cli.following import watch
from sweep.cli.places import Server, TokenFile, Workspace, looking, name_of


def command(
    sweep: SweepName,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds after which to give up, with exit code 4.")
    ] = None,
    until: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the points that is enough.")
    ] = 1.0,
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Follow a sweep until it ends. Ctrl-C stops watching, nothing else."""
    place = looking(server, token_file, workspace, sweep)
    watch(lambda: place.status(sweep if "/" in sweep else name_of(sweep)), timeout, until)
