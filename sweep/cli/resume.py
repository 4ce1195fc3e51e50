"""modesweep resume"""

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
    """Go on with a sweep that was paused or cancelled."""
    place = changing(server, token_file, workspace, sweep)
    show_asked(place, place.resume(name_of(sweep)), as_json=as_json)
