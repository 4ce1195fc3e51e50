"""modesweep explain"""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.assignments import assignments
from sweep.cli.common import AsJson, SweepName, show_json
from sweep.cli.places import Server, TokenFile, Workspace, looking


def command(
    sweep: SweepName,
    point: Annotated[
        list[str] | None, typer.Argument(metavar="AXIS=VALUE", help="One for each axis.")
    ] = None,
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say why a point is as it is: computed, reused, shared, skipped, failed or stale."""
    place = looking(server, token_file, workspace, sweep)
    told = place.explain(sweep, assignments(point or [], "The argument"))
    if as_json:
        show_json(told.as_dict())
        return
    at = " ".join(f"{axis}={value}" for axis, value in told.point.items())
    print(f"{told.sweep} {at}: {told.status}")
    for line in told.remarks:
        print(f"  {line}")
    for account in told.accounts:
        gives = f" -> {', '.join(account.variables)}" if account.variables else ""
        print(f"{' + '.join(account.stages)}: {account.status}{gives}")
        for line in account.lines:
            print(f"  {line}")
