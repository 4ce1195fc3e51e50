"""What the commands that compute share: how they stop, what they say at the end."""

from __future__ import annotations

import signal
import sys

import typer

from sweep.progress import Progress, for_terminal
from sweep.result import Result


def begin() -> Progress:
    """Make a stop by the system as clean as Ctrl-C, and choose how progress is shown."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return for_terminal(interactive=sys.stdout.isatty())


def end(result: Result) -> None:
    """Say how it ended, and leave with 1 if points have no result."""
    if not result.complete:
        print(f"ended with points that have no result: modesweep errors {result.path}")
        raise typer.Exit(1)
    first = "frequency" if "frequency" in result.outputs else result.outputs[0]
    print(f"done: {result.path}")
    print(f"look at it: modesweep query {result.path} '{first} > 0'")
