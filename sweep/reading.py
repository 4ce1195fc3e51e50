"""Looking at a sweep without touching it: how far it is, what failed, how to repeat it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.evaluate import Evaluator
from sweep.layout import DEFAULT_WORKSPACE, sweep_file
from sweep.ledger import Ledger
from sweep.locating import locate
from sweep.messages import PointError
from sweep.owning import is_owned
from sweep.planning import Plan
from sweep.pointing import command_line
from sweep.problems import StoreError
from sweep.state import ETA_SPREAD, SweepState
from sweep.sweep_file import read
from sweep.upgrading import frozen_plan
from sweep.values import as_text


@dataclass(frozen=True)
class Status:
    """How far a sweep is."""

    name: str
    path: Path
    model: str
    counts: dict[str, int]
    """Points by status."""
    blocks_done: int
    blocks: int
    running: bool
    """A living process owns it."""
    seconds_left: tuple[float, float] | None
    """Range, while it runs."""

    @property
    def complete(self) -> bool:
        """Every point has a result, or is skipped."""
        return not {"todo", "running", "failed", "lost"} & set(self.counts)

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return {
            "name": self.name, "path": str(self.path), "model": self.model,
            "counts": self.counts, "blocks_done": self.blocks_done, "blocks": self.blocks,
            "running": self.running, "complete": self.complete,
            "seconds_left": self.seconds_left,
        }  # fmt: skip


@dataclass(frozen=True)
class FailedPoint:
    """A point, or a shared stage of several, that has no result."""

    sweep: str
    model: str
    stage: str
    point: dict[str, Any]
    """The axes that it has, by name."""
    kind: str
    """exception, memory, signal, timeout or lost."""
    message: str
    attempts: int
    traceback: str = field(repr=False)
    _folder: Path = field(repr=False, compare=False)
    _plan: Plan = field(repr=False, compare=False)
    _place: tuple[int, ...] = field(repr=False, compare=False)

    def reproduce(self) -> None:
        """Compute the point in this process, which raises what it raised."""
        stage = self._plan.model.stage(self.stage)
        Evaluator(self._plan.model).whole(stage, self._plan.sweep.point(self._index()))

    @property
    def points(self) -> int:
        """How many points of the sweep need it."""
        dims = self._plan.dims_of(self._plan.model.stage(self.stage))
        at = dict(zip(dims, self._place, strict=True))
        box = [slice(at[d], at[d] + 1) if d in at else slice(None)
               for d in range(len(self._plan.sweep.dims))]  # fmt: skip
        return int(self._plan.sweep.wanted(box).sum())

    @property
    def command(self) -> str:
        """The line that computes the point in a shell, which raises what it raised."""
        dims = zip(self._plan.sweep.dims, self._index(), strict=True)
        values = {axis: along[i] for dim, i in dims for axis, along in dim.values.items()}
        return command_line(self._folder, values)

    def _index(self) -> list[int]:
        """Place the point in the sweep: first values of axes that the stage does not have."""
        index = [0] * len(self._plan.sweep.dims)
        dims = self._plan.dims_of(self._plan.model.stage(self.stage))
        for dim, i in zip(dims, self._place, strict=True):
            index[dim] = i
        return index

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return {
            "stage": self.stage, "point": self.point, "kind": self.kind,
            "message": self.message, "attempts": self.attempts, "points": self.points,
            "traceback": self.traceback,
            "command": self.command,
        }  # fmt: skip


def stored_plan(folder: Path) -> Plan:
    """Read the frozen plan of a sweep.

    Raises
    ------
    StoreError : the folder does not hold a whole sweep
    """
    try:
        return Plan(read(sweep_file(folder)), frozen_plan(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = (
            f"{folder} does not hold a sweep that can be read: {error}. "
            "Run its sweep file again under another name, or restore the folder."
        )
        raise StoreError(msg) from error


def status(sweep: str | Path, workspace: str | Path = DEFAULT_WORKSPACE) -> Status:
    """Say how far a sweep is, from its ledger.

    Raises
    ------
    StoreError : there is no such sweep
    """
    folder = locate(sweep, workspace)
    plan = stored_plan(folder)
    ledger = Ledger(folder)
    try:
        state = SweepState.of(plan, ledger)
        began = ledger.fact("run")
    finally:
        ledger.close()
    running = is_owned(folder)
    done, blocks = state.blocks()
    left = _seconds_left(state, began) if running and began and done < blocks else None
    return Status(
        plan.sweep.name, folder, plan.model.name, state.counts(), done, blocks, running, left
    )


def _seconds_left(state: SweepState, began: Mapping[str, float]) -> tuple[float, float] | None:
    """Predict from the speed of the run so far."""
    finished, todo = state.predicted_seconds()
    done = finished - began["predicted_done"]
    if done <= 0:
        return None
    left = todo / done * (time.time() - began["started"])
    return left / ETA_SPREAD, left * ETA_SPREAD


def errors(sweep: str | Path, workspace: str | Path = DEFAULT_WORKSPACE) -> list[FailedPoint]:
    """List the points that failed or were lost.

    Raises
    ------
    StoreError : there is no such sweep
    """
    folder = locate(sweep, workspace)
    plan = stored_plan(folder)
    ledger = Ledger(folder)
    try:
        return [_failed(folder, plan, error) for error in ledger.errors()]
    finally:
        ledger.close()


def _failed(folder: Path, plan: Plan, error: PointError) -> FailedPoint:
    point = {}
    for place, i in zip(plan.dims_of(plan.model.stage(error.stage)), error.place, strict=True):
        for axis, values in plan.sweep.dims[place].values.items():
            value = values[i]
            point[axis] = value if isinstance(value, int | float) else as_text(value)
    return FailedPoint(
        plan.sweep.name, plan.model.name, error.stage, point, error.kind, error.message,
        error.attempts, error.traceback, folder, plan, error.place,
    )  # fmt: skip
