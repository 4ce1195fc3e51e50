"""Following a sweep: lines or a bar, and how it has ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from sweep.overview import Status, follow
from sweep.words import counts_text, eta_text, readable_seconds

if TYPE_CHECKING:
    from sweep.client.verbs import Verbs

TIMED_OUT = 4
LINE_SECONDS = 5.0


def state_text(s: Status) -> str:
    """Say what happens to a sweep, and what of it is left."""
    text = {
        "ended": "ended, with points that failed",
        "queued": "queued",
    }.get(s.state, s.state)
    if s.state == "stopped" and s.blocks_done == s.blocks:
        text = "ended, with points that failed"
    if s.seconds_left is not None:
        low, high = s.seconds_left
        text += f", {readable_seconds(low)} to {readable_seconds(high)} left"
    return text


def show_or_follow(there: Verbs, status: Status, *, no_wait: bool) -> None:
    """Say that a service has taken something in, or follow the sweep until it ends."""
    if no_wait:
        print(f"{status.name}: {line_of(status)}")
    else:
        watch(lambda: there.status(status.name), None)


def watch(status: Callable[[], Status], seconds: float | None, until: float = 1.0) -> None:
    """Follow a sweep until it ends; leave with the exit code that tells how.

    Raises
    ------
    typer.Exit : 1 it ended with points that have no result; 4 it has not ended in time
    """
    now = None
    show = _Bar() if sys.stdout.isatty() else _Lines()
    with show:
        for now in follow(status, seconds):
            show.update(now)
            if until < 1 and now.fraction >= until and not now.ended:
                return
            if now.ended or now.state in ("cancelled", "damaged"):
                break
    assert now is not None  # it was looked at once, at least
    ending(now)


def ending(status: Status) -> None:
    """Say how a sweep has ended, as `modesweep run` does, and leave with its exit code."""
    if status.complete:
        print(f"done: {status.path}")
        return
    if status.state == "ended":
        print(f"ended with points that have no result: modesweep errors {status.name}")
        raise typer.Exit(1)
    if status.state in ("cancelled", "damaged"):
        print(f"{status.name} is {status.state}. {status.note}".rstrip())
        raise typer.Exit(1)
    print(f"{status.name} has not ended yet: {state_text(status)}. It goes on by itself.")
    raise typer.Exit(TIMED_OUT)


def line_of(status: Status) -> str:
    """Say in a line how far a sweep is."""
    done = f"{status.blocks_done} of {status.blocks} blocks"
    parts = [status.state, counts_text(status.counts), done]
    if status.state == "running":
        parts.append(eta_text(status.seconds_left))
    if status.note:
        parts.append(status.note)
    return "; ".join(parts)


class _Lines:
    """Plain lines, for logs and pipes: when the state changes, and now and then."""

    def __init__(self) -> None:
        self._state, self._due, self._line = "", 0.0, ""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, now: Status) -> None:
        """Say how far it is."""
        line = line_of(now)
        if line != self._line and (now.state != self._state or time.monotonic() >= self._due):
            print(f"{now.name}: {line}", flush=True)
            self._state, self._line = now.state, line
            self._due = time.monotonic() + LINE_SECONDS


class _Bar:
    """A bar, for a terminal."""

    def __init__(self) -> None:
        self._live = Live(console=Console(), refresh_per_second=5, transient=True)

    def __enter__(self) -> None:
        self._live.__enter__()

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def update(self, now: Status) -> None:
        """Move the bar."""
        grid = Table.grid(padding=(0, 1))
        grid.add_row(
            now.name, ProgressBar(completed=100 * now.fraction, width=40),
            f"{now.fraction:4.0%}", line_of(now),
        )  # fmt: skip
        self._live.update(grid)
