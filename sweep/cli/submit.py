"""modesweep submit"""

from __future__ import annotations

from sweep.cli.changing import Unserved, changing
from sweep.cli.common import AsJson, SweepFile, show_json
from sweep.cli.following import state_text
from sweep.cli.places import Server, TokenFile, Workspace
from sweep.words import counts_text


def command(
    file: SweepFile,
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Submit a sweep file to a service, and return at once.

    The same file may be submitted any number of times: the sweep is there once. Without a
    service it waits in the workspace for the next one.
    """
    place = changing(server, token_file, workspace)
    status, new = place.submit(file)
    if as_json:
        show_json(status.as_dict() | {"new": new})
        return
    what = "submitted" if new else f"is there already, {state_text(status)}"
    print(f"{status.name}: {what}; {counts_text(status.counts)}")
    if isinstance(place, Unserved) and not status.ended:
        print(f"It begins with `modesweep serve --workspace {place.workspace}`.")
    elif not status.ended:
        print(f"follow it: modesweep watch {status.name}")
