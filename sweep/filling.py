"""Filling a block: its points computed in a numerics process, the bad ones isolated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.protocol import Part, Stage
from sweep.child import Answer, Failure, Request, Unit
from sweep.in_hand import InHand
from sweep.layout import FAILED, LOST, OK, UNSTABLE, fill_of, stage_file
from sweep.messages import Order, PointError
from sweep.owning import generation_of
from sweep.planning import Plan
from sweep.process import NumericsProcess
from sweep.regions import Region

FATAL = ("signal", "timeout")
"""Failures that take the numerics process with them."""
DEATHS = ("signal", "memory")
"""Failures that are tried again; an exception or a timeout is final at once."""
Place: TypeAlias = tuple[int, ...]
Points: TypeAlias = Sequence[tuple[Place, Any]]
"""Place in the region and parameters of each point."""


class Board:
    """A block while it is being filled, or filled up."""

    def __init__(
        self, plan: Plan, region: Region, block: int,
        stored: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.region = region
        self._box = region.box(block)
        shape = tuple(s.stop - s.start for s in self._box)
        self.values = dict(stored) if stored else _missing(plan, region, block, shape)
        self.status = np.zeros(shape, np.uint8)
        self.attempts = np.zeros(shape, np.uint8)
        self.seconds = np.full(shape, np.nan, np.float32)
        self.errors: dict[tuple[str, Place], PointError] = {}
        self.kept: dict[str, bytes] = {}
        self.work: dict[str, tuple[float, float]] = {}

    def inside(self, place: Place) -> Place:
        """Give the place of a point inside the box."""
        return tuple(i - s.start for i, s in zip(place, self._box, strict=True))

    def clear(self, points: Points) -> None:
        """Remove what is stored of points that are computed again."""
        for place, _ in points:
            for array in self.values.values():
                array[self.inside(place)] = fill_of(_name_of(array.dtype))

    def mark(self, points: Points, status: int) -> None:
        """Give points a status."""
        for place, _ in points:
            self.status[self.inside(place)] = status

    def take(self, points: Points, answer: Answer, starts: int) -> None:
        """Put the answer for some points where it belongs."""
        for row, (whole, _) in enumerate(points):
            place = self.inside(whole)
            for name, array in answer.values.items():
                value = array[row]
                inside: tuple[Any, ...] = (*place, *(slice(n) for n in value.shape))
                self.values[name][inside] = value
            self.status[place] = UNSTABLE if answer.unstable[row] else OK
            self.attempts[place] = min(starts, 255)
            self.seconds[place] = answer.seconds / len(points)
        self.kept |= answer.kept
        for stage, (seconds, flops) in answer.work.items():
            before = self.work.get(stage, (0.0, 0.0))
            self.work[stage] = before[0] + seconds, before[1] + flops

    def fail(self, points: Points, failure: Failure, starts: int) -> None:
        """Mark points failed, and blame the stage that failed once."""
        stage = failure.stage or self.region.stages[-1]
        dims = [self.region.dims.index(d) for d in self.plan.dims_of(self.plan.model.stage(stage))]
        for whole, _ in points:
            place = self.inside(whole)
            self.status[place] = LOST if failure.kind == "lost" else FAILED
            self.attempts[place] = min(starts, 255)
            self.seconds[place] = 0.0
            at = tuple(whole[d] for d in dims)
            self.errors[stage, at] = PointError(
                stage, at, failure.kind, failure.message, failure.traceback, starts
            )


def _name_of(dtype: np.dtype[Any]) -> str:
    return "str" if dtype.kind == "O" else str(dtype)


def _missing(
    plan: Plan, region: Region, block: int, shape: tuple[int, ...]
) -> dict[str, NDArray[Any]]:
    start, stop = region.cut_range(block)
    values = {}
    for name in region.variables:
        v = plan.variables[name]
        own = [stop - start if d == region.cut else plan.lengths[d] for d in v.dims]
        dtype = object if v.dtype == "str" else v.dtype
        values[name] = np.full((*shape, *own), fill_of(v.dtype), dtype=dtype)
    return values


@dataclass(frozen=True)
class _Job:
    """Units of one request, with the number of starts that their points had."""

    units: tuple[Unit, ...]
    starts: int


class Filling:
    """Has the points of a block computed; isolates the ones that fail.

    A unit that fails with several points in it is repeated point by point. A unit of one
    point that takes the process with it is tried again as often as the sweep allows; the
    units after it go on in a new process.
    """

    def __init__(
        self, board: Board, points: Points, process: NumericsProcess, folder: Path, order: Order,
        note: InHand,
    ) -> None:  # fmt: skip
        self._board = board
        self._plan = board.plan
        self._region = board.region
        self._points = points
        self._process = process
        self._folder = folder
        self._order = order
        self._note = note

    def run(self) -> None:
        """Fill the board.

        Raises
        ------
        UnwantedError : the block was dismissed by its owner, or there is another owner
        """
        if not self._points:
            return
        parameters = [p for _, p in self._points]
        units = units_of(self._plan, self._region, self._order.block, parameters)
        if self._order.alone:
            units = tuple(Unit((i,), unit.part) for unit in units for i in unit.points)
        busy = {i for unit in units for i in unit.points}
        # points whose cut dim is shorter have nothing in this block
        self._board.mark([x for i, x in enumerate(self._points) if i not in busy], OK)
        retries = self._plan.sweep.run.retries
        todo = [_Job(units, self._order.starts + 1)]
        while todo:
            job = todo.pop()
            failures = self._ask(job)
            if failures and failures[-1].kind in FATAL:
                todo.append(_Job(job.units[failures[-1].unit + 1 :], job.starts))
            for failure in failures:
                unit = job.units[failure.unit]
                if len(unit.points) > 1:
                    alone = tuple(Unit((i,), unit.part) for i in unit.points)
                    todo.append(_Job(alone, job.starts))
                elif failure.kind in DEATHS and job.starts <= retries:
                    todo.append(_Job((unit,), job.starts + 1))
                else:
                    self._board.fail(self._of(unit), failure, job.starts)

    def _ask(self, job: _Job) -> list[Failure]:
        """Run a job and put what comes back on the board; give the units that failed.

        A failure that takes the process with it is the last one: later units were not done.
        """
        if not job.units:
            return []
        sweep = self._plan.sweep
        request = request_of(self._plan, self._folder, self._region, self._points, job.units)
        request = replace(request, note=self._note.told)
        failures = []
        for answer in self._process.answers(request, sweep.run.timeout, self._wanted):
            if isinstance(answer, Failure):
                failures.append(replace(answer, unit=max(answer.unit, 0)))
            else:
                self._board.take(self._of(job.units[answer.unit]), answer, job.starts)
        return failures

    def _wanted(self) -> bool:
        """Say whether the owner that ordered the block is still in charge, and waits for it."""
        return generation_of(self._folder) == self._order.generation

    def _of(self, unit: Unit) -> Points:
        return [self._points[i] for i in unit.points]


def request_of(
    plan: Plan, folder: Path, region: Region, points: Points, units: tuple[Unit, ...]
) -> Request:
    """Ask for the variables of a region at some points."""
    return Request(
        model=plan.model.name, stages=region.stages, wanted=region.variables,
        kept=region.kept, points=tuple(dict(p) for _, p in points), units=units,
        stage_folder=str(stage_file(folder, "xx").parent.parent),
        kept_stages=_kept_stages(region), memory=plan.sweep.run.memory, sweep=plan.sweep.name,
    )  # fmt: skip


def _kept_stages(region: Region) -> tuple[str, ...]:
    """Name the stages whose results may lie in the workspace: its inputs, and itself."""
    return (*region.inputs, *region.stages[:1]) if region.kept else region.inputs


def units_of(plan: Plan, region: Region, block: int, points: Sequence[Any]) -> tuple[Unit, ...]:
    """Group the points of a block into batches of equal shape, or cut one point."""
    stage = plan.model.stage(region.stages[0])
    if region.divided:
        return tuple(
            u for i, p in enumerate(points) for u in _cut(plan, stage, region, block, i, p)
        )
    shapes: dict[tuple[Any, ...], list[int]] = {}
    for i, p in enumerate(points):
        shape = tuple(getattr(p, n) for n in plan.model.shape_parameters)
        shapes.setdefault(shape, []).append(i)
    return tuple(_batches(stage, points, shapes.values()))


def _batches(
    stage: Stage, points: Sequence[Any], shapes: Iterable[Sequence[int]]
) -> Iterable[Unit]:
    for same in shapes:
        size = stage.batch_of(points[same[0]])
        for i in range(0, len(same), size):
            yield Unit(tuple(same[i : i + size]), None)


def _cut(plan: Plan, stage: Stage, region: Region, block: int, i: int, p: Any) -> list[Unit]:
    # a block holds whole grains, unless the sweep was extended to shapes with longer ones
    start, stop = region.cut_range(block)
    stop = min(stop, plan.model.parts(stage, p)[-1].stop)
    return [Unit((i,), Part(start, stop, stop - start))] if start < stop else []
