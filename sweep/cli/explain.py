"""modesweep explain"""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.assignments import assignments
from sweep.cli.common import AsJson, SweepName, Workspace, show_json
from sweep.explaining import explain
from sweep.layout import DEFAULT_WORKSPACE


def command(
    sweep: SweepName,
    point: Annotated[
        list[str] | None, typer.Argument(metavar="AXIS=VALUE", help="One for each axis.")
    ] = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Say why a point is as it is: computed, reused, shared, skipped, failed or stale."""
    told = explain(sweep, assignments(point or [], "The argument"), workspace=workspace)
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
