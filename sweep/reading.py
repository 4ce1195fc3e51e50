"""Looking at a sweep without touching it: its plan, what failed, how to repeat it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.evaluate import Evaluator
from sweep.arrays import told
from sweep.layout import DATA, DEFAULT_WORKSPACE, sweep_file
from sweep.ledger import Ledger
from sweep.locating import locate
from sweep.messages import PointError
from sweep.planning import Plan
from sweep.pointing import command_line
from sweep.problems import StoreError
from sweep.state import SweepState
from sweep.sweep_file import read
from sweep.upgrading import frozen_plan
from sweep.values import as_text

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


def folded(folder: Path) -> tuple[dict[str, Any], Any]:
    """Say how far a sweep is by all rows of its ledger, and what is noted of its run."""
    with Ledger(folder) as ledger:
        return SweepState.of(stored_plan(folder), ledger).summary(), ledger.fact("run")


def stored_bytes(folder: Path) -> int:
    """Count the bytes of a sweep: those of its folder, and its chunks in an object store."""
    here = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if told(folder) is None:
        return here
    with Ledger(folder) as ledger:
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
    with Ledger(folder) as ledger:
        return [failed_point(folder, plan, error) for error in ledger.errors()]


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
    with Ledger(folder) as ledger:
        return [
            FailureGroup(
                stage, kind, message, count,
                tuple(failed_point(folder, plan, error)
                      for error in ledger.errors((stage, kind, message), most_points)),
            )
            for stage, kind, message, count in ledger.error_groups(most_groups)
        ]  # fmt: skip


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
