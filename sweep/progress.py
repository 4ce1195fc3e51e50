"""What a run shows while it goes on: events in, lines or a bar out."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweep.messages import PointError, Receipt, grouped
from sweep.overview import ETA_SPREAD, fractions
from sweep.planning import Plan
from sweep.state import SweepState
from sweep.words import counts_text, eta_text

LINE_SECONDS = 5.0
DRAW_SECONDS = 0.2
SHARE = 0.05
"""Of the owner's time, at most, for counting points to show."""


@dataclass(frozen=True)
class Started:
    """A run begins."""

    plan: Plan
    folder: Path
    counts: dict[str, int]
    done: int
    blocks: int


@dataclass(frozen=True)
class Finished:
    """A run has ended, in whatever way."""

    counts: dict[str, int]
    errors: list[PointError]


class Progress(Protocol):
    """Whoever wants to follow a run."""

    def start(self, event: Started) -> None:
        """The run begins."""

    def cluster(self, slots: int, dashboard: str | None) -> None:
        """Workers are there."""

    def update(self, state: SweepState, receipt: Receipt | None) -> None:
        """A block has ended."""

    def note(self, text: str) -> None:
        """Something has happened that the user should know of."""

    def stop(self, event: Finished) -> None:
        """The run has ended."""


class Silent:
    """Follows nothing."""

    def start(self, event: Started) -> None:
        """Ignore."""

    def cluster(self, slots: int, dashboard: str | None) -> None:
        """Ignore."""

    def update(self, state: SweepState, receipt: Receipt | None) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""

    def stop(self, event: Finished) -> None:
        """Ignore."""


@dataclass
class Eta:
    """Time left: the predicted seconds of what is left, at the speed so far."""

    plan: Plan
    predicted_done: float = 0.0
    started: float = 0.0

    def begin(self) -> None:
        """Set the clock."""
        self.started = time.monotonic()
        self._seconds = {n: self.plan.block_seconds(r) for n, r in self.plan.regions.items()}

    def count(self, receipt: Receipt) -> None:
        """Count a block."""
        self.predicted_done += float(self._seconds[receipt.region][receipt.block])

    def left(self, state: SweepState) -> tuple[float, float] | None:
        """Give the range of the seconds left."""
        elapsed = time.monotonic() - self.started
        if self.predicted_done <= 0 or elapsed <= 0:
            return None
        todo = sum(float(self._seconds[n][~s.done].sum()) for n, s in state.regions.items())
        left = todo / self.predicted_done * elapsed
        return left / ETA_SPREAD, left * ETA_SPREAD


class Lines:
    """Plain lines, for logs and pipes: one every few seconds."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._due = 0.0

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def start(self, event: Started) -> None:
        """Say what is there already."""
        self._eta = Eta(event.plan)
        self._blocks = event.blocks
        done = f"{event.done} of {event.blocks} blocks done; results in {event.folder}"
        self._say(f"{event.plan.sweep.name}: {counts_text(event.counts)}; {done}")

    def cluster(self, slots: int, dashboard: str | None) -> None:
        """Say who works."""
        self._eta.begin()
        self._say(f"{slots} workers" + (f", dashboard {dashboard}" if dashboard else ""))

    def update(self, state: SweepState, receipt: Receipt | None) -> None:
        """Say how far it is."""
        if receipt is not None:
            self._eta.count(receipt)
        now = time.monotonic()
        if now >= self._due:
            done, blocks = state.blocks()
            stage = receipt.region if receipt else "?"
            self._say(f"{counts_text(state.counts())}; {done} of {blocks} blocks; stage {stage}; "
                      f"{eta_text(self._eta.left(state))}")  # fmt: skip
            self._due = now + max(LINE_SECONDS, (time.monotonic() - now) / SHARE)

    def note(self, text: str) -> None:
        """Say it."""
        self._say(f"note: {text}")

    def stop(self, event: Finished) -> None:
        """Say how it ended."""
        for line in summary_lines(event):
            self._say(line)


class Rich:
    """A bar with counts, rate, time left and the current stage, for a terminal."""

    def __init__(self) -> None:
        self._console = Console()
        self._live = Live(console=self._console, refresh_per_second=5, transient=True)
        self._due = 0.0

    def start(self, event: Started) -> None:
        """Open the bar."""
        self._eta = Eta(event.plan)
        self._at_start = fractions(event.counts)
        self._console.print(f"[bold]{event.plan.sweep.name}[/] -> {event.folder}", highlight=False)
        self._live.start()
        self._draw("starting workers", event.counts, "")

    def cluster(self, slots: int, dashboard: str | None) -> None:
        """Name the workers."""
        self._eta.begin()
        where = f", dashboard {dashboard}" if dashboard else ""
        self._console.print(f"{slots} workers{where}", highlight=False)

    def update(self, state: SweepState, receipt: Receipt | None) -> None:
        """Move the bar, a few times a second."""
        if receipt is not None:
            self._eta.count(receipt)
        now = time.monotonic()
        if now < self._due:
            return
        counts = state.counts()
        points = sum(counts.values()) - counts.get("skipped", 0)
        since = points * (fractions(counts) - self._at_start)
        rate = since / max(now - self._eta.started, 1e-9)
        left = f"{rate:,.1f} points/s, {eta_text(self._eta.left(state))}"
        self._draw(receipt.region if receipt else "", counts, left)
        self._due = now + max(DRAW_SECONDS, (time.monotonic() - now) / SHARE)

    def _draw(self, stage: str, counts: dict[str, int], left: str) -> None:
        share = fractions(counts)
        head = Columns([ProgressBar(completed=100 * share, width=40), f"{share:4.0%}  {stage}"])
        self._live.update(Group(head, counts_text(counts), Text(left, style="dim")))

    def note(self, text: str) -> None:
        """Write it above the bar."""
        self._console.print(f"note: {text}", highlight=False, markup=False)

    def stop(self, event: Finished) -> None:
        """Close the bar and sum up."""
        self._live.stop()
        self._console.print(counts_text(event.counts), highlight=False)
        groups = grouped(event.errors)
        if groups:
            table = Table("points", "kind", "message", title="failed points")
            for (kind, message), places in groups.items():
                table.add_row(str(len(places)), kind, message[:200])
            self._console.print(table)
            self._console.print("`modesweep errors` shows the points and the tracebacks.")


def summary_lines(event: Finished) -> list[str]:
    """Sum up a run: counts, and failures by kind."""
    lines = [counts_text(event.counts)]
    for (kind, message), places in grouped(event.errors).items():
        lines.append(f"  {len(places)} failed ({kind}): {message[:200]}")
    return lines


def for_terminal(*, interactive: bool) -> Progress:
    """Choose a bar for a terminal, lines for anything else."""
    return Rich() if interactive else Lines()
