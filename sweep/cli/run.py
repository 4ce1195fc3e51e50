"""modesweep run"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from sweep.cli.common import SweepFile, Workspace
from sweep.layout import DEFAULT_WORKSPACE
from sweep.progress import for_terminal
from sweep.result import Result
from sweep.runner import run


def command(
    file: SweepFile,
    workspace: Workspace = DEFAULT_WORKSPACE,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; default: one a core.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler to use.")
    ] = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Serve Dask's own dashboard on loopback.")
    ] = False,
) -> None:
    """Run a sweep here and now, or go on with it.

    Ctrl-C stops within seconds and loses nothing that is finished; the same command goes on.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = run(
        Path(file), workspace=workspace, workers=workers, scheduler=scheduler,
        dashboard=dashboard, progress=for_terminal(interactive=sys.stdout.isatty()),
    )  # fmt: skip
    print(_ending(result))
    if not result.complete:
        raise typer.Exit(1)


def _ending(result: Result) -> str:
    if result.complete:
        first = "frequency" if "frequency" in result.outputs else result.outputs[0]
        look = f"modesweep query {result.path} '{first} > 0'"
        return f"done: {result.path}\nlook at it: {look}"
    return f"ended with points that have no result: modesweep errors {result.path}"
