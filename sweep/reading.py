"""Looking at a sweep without touching it: how far it is, what failed, how to repeat it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from models.evaluate import Evaluator
from sweep.arrays import told
from sweep.layout import DATA, DEFAULT_WORKSPACE, STATUS, plan_file, sweep_file, sweeps_in
from sweep.ledger import Ledger
from sweep.locating import locate
from sweep.messages import PointError
from sweep.owning import is_owned
from sweep.planning import Plan
from sweep.pointing import command_line
from sweep.problems import MachineError, StoreError
from sweep.state import ETA_SPREAD, SweepState, fractions
from sweep.sweep_file import NAME, read
from sweep.upgrading import frozen_plan
from sweep.values import as_text
from sweep.wishes import Wish, read_wish, wished

State: TypeAlias = Literal[
    "queued", "running", "waiting", "pausing", "paused", "cancelling", "cancelled", "stopped",
    "ended", "complete", "damaged",
]  # fmt: skip


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
    state: State
    """What happens to it, in one word."""
    priority: int = 0
    """Its weight among the sweeps of a service: each step doubles its share."""
    submitted: float | None = None
    """When it was submitted to a service, in seconds since 1970."""
    note: str = ""
    """Why it waits, or cannot be read."""

    @property
    def complete(self) -> bool:
        """Every point has a result, or is skipped."""
        open_ = {"todo", "running", "failed", "lost"} & set(self.counts)
        return bool(self.counts) and not open_

    @property
    def ended(self) -> bool:
        """Nothing more is to be computed, whatever became of it."""
        return self.state in ("complete", "ended")

    @property
    def fraction(self) -> float:
        """Share of the wanted points that need no more work."""
        return fractions(self.counts) if self.counts else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return {
            "name": self.name, "path": str(self.path), "model": self.model,
            "counts": self.counts, "blocks_done": self.blocks_done, "blocks": self.blocks,
            "running": self.running, "complete": self.complete,
            "seconds_left": self.seconds_left, "state": self.state, "priority": self.priority,
            "submitted": self.submitted, "note": self.note,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Status:
        """Read what `as_dict` gives."""
        left = told["seconds_left"]
        known = {f.name: told[f.name] for f in fields(cls)}
        return cls(**{
            **known, "path": Path(told["path"]),
            "seconds_left": None if left is None else (left[0], left[1]),
        })  # fmt: skip


def _state(counts: Mapping[str, int], wish: Wish | None, *, running: bool) -> State:
    """Say in one word what happens to a sweep."""
    more = wish is not None and wish.wanted == "run" and wish.pending
    if not {"todo", "running"} & set(counts) and not more:
        return "ended" if {"failed", "lost"} & set(counts) else "complete"
    if wish is None:
        return "running" if running else "stopped"
    if wish.wanted == "cancel":
        return "cancelling" if running else "cancelled"
    if wish.wanted == "pause":
        return "pausing" if running else "paused"
    if wish.note:
        return "waiting"
    return "running" if running else "queued"


def _status(
    name: str, folder: Path, model: str, counts: dict[str, int], blocks: tuple[int, int],
    wish: Wish | None, *, running: bool = False, left: tuple[float, float] | None = None,
) -> Status:  # fmt: skip
    state = _state(counts, wish, running=running)
    status = Status(name, folder, model, counts, *blocks, running, left, state)
    if wish is None:
        return status
    return replace(status, priority=wish.priority, submitted=wish.submitted, note=wish.note)


TOLD_OF_FAILURES = (
    "stage", "point", "kind", "message", "attempts", "points", "traceback", "command",
)  # fmt: skip
"""What JSON has of a failed point."""


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
        return {name: getattr(self, name) for name in TOLD_OF_FAILURES}


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
    if (waiting := _not_begun(sweep, Path(workspace))) is not None:
        return waiting
    folder = locate(sweep, workspace)
    running = is_owned(folder)
    ledger = Ledger(folder)
    try:
        # while it runs, the summary is a second old at most
        told = ledger.summary(newest=not running) or _summary(stored_plan(folder), ledger)
        began = ledger.fact("run")
    finally:
        ledger.close()
    done, blocks = told["blocks_done"], told["blocks"]
    left = _seconds_left(told["predicted"], began) if running and began and done < blocks else None
    counts = told["counts"] if running else _at_rest(told["counts"])
    wish = read_wish(folder.parent, folder.name)
    return _status(
        told["name"], folder, told["model"], counts, (done, blocks), wish, running=running,
        left=left,
    )  # fmt: skip


def statuses(workspace: Path, *, links: bool = True) -> list[Status]:
    """Say how far all sweeps of a workspace are, those that wait to begin too.

    Without `links`, those in other places are left alone.
    """
    there = [folder.name for folder in sweeps_in(workspace) if links or not folder.is_symlink()]
    names = {*there, *wished(workspace)}
    return [_whatever_it_is(name, workspace) for name in sorted(names)]


def _whatever_it_is(name: str, workspace: Path) -> Status:
    """Give the status of a sweep; one that is damaged does not hide the others."""
    try:
        return status(name, workspace)
    except (StoreError, MachineError) as error:
        return Status(name, workspace / name, "", {}, 0, 0, False, None, "damaged", note=str(error))


def _not_begun(sweep: str | Path, workspace: Path) -> Status | None:
    """Give the status of a sweep that was submitted and has no folder yet."""
    name = str(sweep)
    if not NAME.fullmatch(name) or plan_file(workspace / name).exists():
        return None
    wish = read_wish(workspace, name)
    if wish is None or wish.document is None:
        return None
    return _status(name, workspace / name, wish.model, wish.counts, (0, 0), wish)


def _summary(plan: Plan, ledger: Ledger) -> dict[str, Any]:
    """Fold a whole ledger, where its last summary is no longer true."""
    return SweepState.of(plan, ledger).summary()


def _at_rest(counts: Mapping[str, int]) -> dict[str, int]:
    """Count what was running when the owner died as still to be done."""
    found = {name: counts.get(name, 0) for name in STATUS}
    found["todo"] += found.pop("running")
    return {name: n for name, n in found.items() if n}


def _seconds_left(
    predicted: Sequence[float], began: Mapping[str, float]
) -> tuple[float, float] | None:
    """Predict from the speed of the run so far."""
    finished, todo = predicted
    done, elapsed = finished - began["predicted_done"], time.time() - began["started"]
    if done <= 0 or elapsed <= 0:  # a clock that was set back
        return None
    left = todo / done * elapsed
    return left / ETA_SPREAD, left * ETA_SPREAD


def stored_bytes(folder: Path) -> int:
    """Count the bytes of a sweep: those of its folder, and its chunks in an object store."""
    here = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if told(folder) is None:
        return here
    with closing(Ledger(folder)) as ledger:
        sizes = {name: size for row in ledger.blocks() for name, (size, _) in row.files.items()}
    return here + sum(size for name, size in sizes.items() if name.startswith(DATA))


def document(sweep: str | Path, workspace: str | Path = DEFAULT_WORKSPACE) -> dict[str, Any]:
    """Give the sweep file of a sweep, as plain values.

    Raises
    ------
    StoreError : there is no such sweep
    """
    return stored_plan(locate(sweep, workspace)).sweep.document


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
        return [failed_point(folder, plan, error) for error in ledger.errors()]
    finally:
        ledger.close()


@dataclass(frozen=True)
class FailureGroup:
    """Points that failed with the same words."""

    stage: str
    kind: str
    message: str
    count: int
    """Failed instances of the stage."""
    points: tuple[FailedPoint, ...]
    """The first of them."""


MOST_GROUPS = 50
MOST_OF_A_GROUP = 200


def failures(
    sweep: str | Path, workspace: str | Path = DEFAULT_WORKSPACE, *,
    most_groups: int = MOST_GROUPS, most_points: int = MOST_OF_A_GROUP,
) -> list[FailureGroup]:  # fmt: skip
    """Group the points that failed or were lost by what was said of them, the commonest first.

    However many there are, so many groups are given and so many points of each.

    Raises
    ------
    StoreError : there is no such sweep
    """
    folder = locate(sweep, workspace)
    plan = stored_plan(folder)
    ledger = Ledger(folder)
    try:
        return [
            FailureGroup(
                stage, kind, message, count,
                tuple(failed_point(folder, plan, error)
                      for error in ledger.errors((stage, kind, message), most_points)),
            )
            for stage, kind, message, count in ledger.error_groups(most_groups)
        ]  # fmt: skip
    finally:
        ledger.close()


def failed_point(folder: Path, plan: Plan, error: PointError) -> FailedPoint:
    """Tell of a failed instance of a stage."""
    point = {}
    for place, i in zip(plan.dims_of(plan.model.stage(error.stage)), error.place, strict=True):
        for axis, values in plan.sweep.dims[place].values.items():
            value = values[i]
            point[axis] = value if isinstance(value, int | float) else as_text(value)
    return FailedPoint(
        plan.sweep.name, plan.model.name, error.stage, point, error.kind, error.message,
        error.attempts, error.traceback, folder, plan, error.place,
    )  # fmt: skip
