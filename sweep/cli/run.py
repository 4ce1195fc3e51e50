"""modesweep run"""

from __future__ import annotations

from pathlib import Path

from sweep.cli.common import Dashboard, Scheduler, SweepFile, TakeOver, Workers, Workspace
from sweep.cli.running import begin, end
from sweep.layout import DEFAULT_WORKSPACE
from sweep.runner import run


def command(
    file: SweepFile,
    workspace: Workspace = DEFAULT_WORKSPACE,
    workers: Workers = None,
    scheduler: Scheduler = None,
    dashboard: Dashboard = False,
    take_over: TakeOver = False,
) -> None:
    """Run a sweep here and now, or go on with it.

    Ctrl-C stops within seconds and loses nothing that is finished; the same command goes on.
    """
    end(run(
        Path(file), workspace=workspace, workers=workers, scheduler=scheduler,
        dashboard=dashboard, progress=begin(), take_over=take_over,
    ))  # fmt: skip
