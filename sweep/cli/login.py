"""modesweep login"""

from __future__ import annotations

from sweep.cli.places import Server, TokenFile, Workspace, served
from sweep.layout import DEFAULT_WORKSPACE
from sweep.problems import UnreachableError


def command(
    workspace: Workspace = None, server: Server = None, token_file: TokenFile = None
) -> None:
    """Print a link that opens the pages of a service in a browser, once."""
    there = served(server, token_file, workspace)
    if there is None:
        place = workspace or DEFAULT_WORKSPACE
        msg = f"{place} has no service. Start one: modesweep serve --workspace {place}"
        raise UnreachableError(msg)
    print(there.login_link())
