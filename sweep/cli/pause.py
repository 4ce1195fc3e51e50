"""modesweep pause"""

from __future__ import annotations

from sweep.cli.changing import changing, show_asked
from sweep.cli.common import AsJson, SweepName
from sweep.cli.places import Server, TokenFile, Workspace, name_of


def command(
    sweep: SweepName,
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Let what a sweep has begun finish, and begin nothing more."""
    place = changing(server, token_file, workspace, sweep)
    show_asked(place, place.pause(name_of(sweep)), as_json=as_json)
