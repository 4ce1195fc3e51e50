"""modesweep retry"""

from __future__ import annotations

from sweep.cli.common import Dashboard, Scheduler, SweepName, TakeOver, Workers
from sweep.cli.following import show_or_follow
from sweep.cli.places import NoWait, Server, TokenFile, Workspace, name_of, served
from sweep.cli.running import begin, end
from sweep.layout import DEFAULT_WORKSPACE
from sweep.runner import retry


def command(
    sweep: SweepName,
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    dashboard: Dashboard = False,
    take_over: TakeOver = False,
    no_wait: NoWait = False,
) -> None:
    """Compute exactly the failed and lost points again, and what was never computed."""
    if (there := served(server, token_file, workspace, sweep)) is not None:
        show_or_follow(there, there.retry(name_of(sweep)), no_wait=no_wait)
        return
    end(retry(
        sweep, workspace=workspace or DEFAULT_WORKSPACE, workers=workers, scheduler=scheduler,
        dashboard=dashboard, progress=begin(), take_over=take_over,
    ))  # fmt: skip
