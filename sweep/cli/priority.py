"""modesweep priority"""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.cli.changing import changing, show_asked
from sweep.cli.common import AsJson, SweepName
from sweep.cli.places import Server, TokenFile, Workspace, name_of


def command(
    sweep: SweepName,
    priority: Annotated[int, typer.Argument(help="-1000 to 1000; each step doubles its share.")],
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Give a sweep another share of the cluster; 0 is usual, each step doubles it."""
    place = changing(server, token_file, workspace, sweep)
    show_asked(place, place.prioritize(name_of(sweep), priority), as_json=as_json)
