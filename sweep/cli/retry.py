"""modesweep retry"""

from __future__ import annotations

from sweep.cli.common import Dashboard, Scheduler, SweepName, TakeOver, Workers, Workspace
from sweep.cli.running import begin, end
from sweep.layout import DEFAULT_WORKSPACE
from sweep.runner import retry


def command(
    sweep: SweepName,
    workspace: Workspace = DEFAULT_WORKSPACE,
    workers: Workers = None,
    scheduler: Scheduler = None,
    dashboard: Dashboard = False,
    take_over: TakeOver = False,
) -> None:
    """Compute exactly the failed and lost points again, and what was never computed."""
    end(retry(
        sweep, workspace=workspace, workers=workers, scheduler=scheduler,
        dashboard=dashboard, progress=begin(), take_over=take_over,
    ))  # fmt: skip
