"""modesweep extend"""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.assignments import assignments
from sweep.cli.common import (
    Dashboard,
    Scheduler,
    SweepName,
    TakeOver,
    Workers,
)
from sweep.cli.following import show_or_follow
from sweep.cli.places import NoWait, Server, TokenFile, Workspace, name_of, served
from sweep.cli.running import begin, end
from sweep.layout import DEFAULT_WORKSPACE
from sweep.problems import InputError
from sweep.runner import extend


def command(
    sweep: SweepName,
    values: Annotated[
        list[str], typer.Argument(metavar="AXIS=VALUES", help="Such as 'layers=[41, 61]'.")
    ],
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
    compute: Annotated[
        bool, typer.Option("--run/--no-run", help="Compute the new points now.")
    ] = True,
    workers: Workers = None,
    scheduler: Scheduler = None,
    dashboard: Dashboard = False,
    take_over: TakeOver = False,
    no_wait: NoWait = False,
) -> None:
    """Add values to axes and compute the new points; nothing stored is computed again.

    Values may lie anywhere between the old ones. Those that are there already are left as
    they are, so the same command may be repeated after an accident.
    """
    given = assignments(values, "The argument")
    if not given:
        msg = "There is nothing to add. Write for instance 'layers=[41, 61]'."
        raise InputError(msg)
    more = {axis: v if isinstance(v, list) else [v] for axis, v in given.items()}
    if (there := served(server, token_file, workspace, sweep)) is not None:
        if not compute:
            msg = "--no-run makes room without a service; one computes what it has. `pause` it."
            raise InputError(msg)
        show_or_follow(there, there.extend(name_of(sweep), more), no_wait=no_wait)
        return
    result = extend(
        sweep, more, workspace=workspace or DEFAULT_WORKSPACE, compute=compute,
        workers=workers, scheduler=scheduler, dashboard=dashboard, progress=begin(),
        take_over=take_over,
    )  # fmt: skip
    if compute:
        end(result)
    else:
        print(f"made room: {result.path}; `modesweep retry` or `run` computes the new points")
