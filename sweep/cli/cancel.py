"""modesweep cancel"""

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
    """Stop a sweep at once; what is finished is kept, and `resume` goes on."""
    place = changing(server, token_file, workspace, sweep)
    show_asked(place, place.cancel(name_of(sweep)), as_json=as_json)
