"""What runs on a Dask worker: one block, or one part of a summed stage.

A block reads the frozen sweep, has its points computed in the numerics process of its slot,
writes its own whole chunks and returns a receipt of a few hundred bytes. It writes nothing
when another owner has taken over since it was submitted.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluate import add_tree, content_key
from models.protocol import Arrays, Part, Stage
from sweep.child import Answer, Failure, Request, Unit, packed
from sweep.layout import (
    FAILED,
    OK,
    UNSTABLE,
    fill_of,
    generation_file,
    plan_file,
    stage_file,
    sweep_file,
)
from sweep.messages import Order, PointError, Receipt
from sweep.planning import Plan, Region
from sweep.process import NumericsProcess, slot
from sweep.store import BlockWriter
from sweep.sweep_file import read

FATAL = ("signal", "timeout")
"""Failures that take the numerics process with them."""
DEATHS = ("signal", "memory")
"""Failures that are tried again; an exception or a timeout is final at once."""


@dataclass
class Board:
    """A block while it is being filled."""

    values: dict[str, NDArray[Any]]
    status: NDArray[np.uint8]
    attempts: NDArray[np.uint8]
    seconds: NDArray[np.float32]
    errors: dict[tuple[str, tuple[int, ...]], PointError]
    kept: dict[str, bytes]


class OpenSweep:
    """A frozen sweep as a worker sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        frozen = json.loads(plan_file(folder).read_text())
        self.plan = Plan(read(sweep_file(folder)), frozen["regions"])
        self.writer = BlockWriter(folder)

    def current(self, generation: int) -> bool:
        """Say whether the owner that ordered a block is still in charge."""
        try:
            return int(generation_file(self.folder).read_text()) == generation
        except (OSError, ValueError):
            return False


@lru_cache(maxsize=8)
def open_sweep(folder: str, generation: int) -> OpenSweep:
    """Open a sweep once for each owner."""
    return OpenSweep(Path(folder))


def run_block(order: Order) -> Receipt:
    """Compute and store one block."""
    sweep = open_sweep(order.folder, order.generation)
    region = sweep.plan.regions[order.region]
    board = _empty_board(sweep.plan, region, order.block)
    points = list(sweep.plan.block_points(region, order.block))
    if order.skip:
        left_out = set(order.skip)
        for place in _places(region, order.block, [x for x in points if x[0] in left_out]):
            board.status[place] = FAILED
        points = [x for x in points if x[0] not in left_out]
    process = slot()
    _fill(sweep, region, order, board, points, process)
    return _commit(sweep, region, order, board, process.kernel)


def _commit(sweep: OpenSweep, region: Region, order: Order, board: Board, kernel: str) -> Receipt:
    beside = {stage_file(sweep.folder, key): content for key, content in board.kept.items()}
    files = sweep.writer.write(
        region, order.block, board.values, beside, lambda: sweep.current(order.generation)
    )
    if files is None:
        return Receipt(order.region, order.block, order.generation, dropped=True)
    return Receipt(
        order.region, order.block, order.generation,
        status=board.status.tobytes(), attempts=board.attempts.tobytes(),
        seconds=board.seconds.tobytes(), errors=tuple(board.errors.values()), files=files,
        worker=socket.gethostname(), kernel=kernel,
    )  # fmt: skip


def _empty_board(plan: Plan, region: Region, block: int) -> Board:
    box = tuple(s.stop - s.start for s in region.box(block))
    start, stop = region.cut_range(block)
    values = {}
    for name in region.variables:
        v = plan.variables[name]
        own = [stop - start if d == region.cut else plan.lengths[d] for d in v.dims]
        dtype = object if v.dtype == "str" else v.dtype
        values[name] = np.full((*box, *own), fill_of(v.dtype), dtype=dtype)
    return Board(
        values, np.zeros(box, np.uint8), np.zeros(box, np.uint8),
        np.full(box, np.nan, np.float32), {}, {},
    )  # fmt: skip


# --- computing --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    """Points and units of one request, with the number of starts that each point had."""

    units: tuple[Unit, ...]
    starts: int


def _fill(
    sweep: OpenSweep, region: Region, order: Order, board: Board,
    points: Sequence[tuple[tuple[int, ...], Any]], process: NumericsProcess,
) -> None:  # fmt: skip
    """Have all points of a block computed; isolate the ones that fail.

    A unit that fails with several points in it is repeated point by point. A unit of one
    point that takes the process with it is tried again as often as the sweep allows; the
    units after it go on in a new process.
    """
    if not points:
        return
    places = _places(region, order.block, points)
    units = _units(sweep.plan, region, order.block, [p for _, p in points])
    _mark_idle(board, places, units)
    todo = [_Job(units, 1)]
    retries = sweep.plan.sweep.run.retries
    while todo:
        job = todo.pop()
        failures = _ask(sweep, region, board, points, places, job, process)
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
                _fail(sweep.plan, region, board, points, places, unit, failure, job.starts)


def _places(
    region: Region, block: int, points: Sequence[tuple[tuple[int, ...], Any]]
) -> list[tuple[int, ...]]:
    """Give the places of points inside the box of their block."""
    box = region.box(block)
    return [tuple(i - s.start for i, s in zip(place, box, strict=True)) for place, _ in points]


def _mark_idle(board: Board, places: Sequence[tuple[int, ...]], units: Sequence[Unit]) -> None:
    """Call points done that have nothing in this block: their cut dim is shorter."""
    busy = {i for unit in units for i in unit.points}
    for i, place in enumerate(places):
        if i not in busy:
            board.status[place] = OK


def _ask(
    sweep: OpenSweep, region: Region, board: Board,
    points: Sequence[tuple[tuple[int, ...], Any]], places: Sequence[tuple[int, ...]],
    job: _Job, process: NumericsProcess,
) -> list[Failure]:  # fmt: skip
    """Run a job and put what comes back on the board; give the units that failed.

    A failure that takes the process with it is the last one: later units were not done.
    """
    if not job.units:
        return []
    request = _request(sweep, region, [p for _, p in points], job.units)
    failures = []
    for answer in process.answers(request, sweep.plan.sweep.run.timeout):
        if isinstance(answer, Failure):
            failures.append(replace(answer, unit=max(answer.unit, 0)))
        else:
            _take(sweep.plan, region, board, places, job.units[answer.unit], answer, job.starts)
    return failures


def _request(
    sweep: OpenSweep, region: Region, points: Iterable[Any], units: tuple[Unit, ...]
) -> Request:
    return Request(
        model=sweep.plan.model.name, stages=region.stages, wanted=region.variables,
        kept=region.kept, points=tuple(dict(p) for p in points), units=units,
        stage_folder=str(stage_file(sweep.folder, "xx").parent.parent),
        kept_stages=_kept_stages(region), memory=sweep.plan.sweep.run.memory, partial=False,
    )  # fmt: skip


def _kept_stages(region: Region) -> tuple[str, ...]:
    """Name the stages whose results may lie in the workspace: its inputs, and itself."""
    return (*region.inputs, *region.stages[:1]) if region.kept else region.inputs


def _units(plan: Plan, region: Region, block: int, points: Sequence[Any]) -> tuple[Unit, ...]:
    """Group the points of a block into batches of equal shape, or cut one point."""
    stage = plan.model.stage(region.stages[0])
    if region.cut_chunk < region.cut_length:
        return tuple(
            u for i, p in enumerate(points) for u in _cut(plan, stage, region, block, i, p)
        )
    shapes: dict[tuple[Any, ...], list[int]] = {}
    for i, p in enumerate(points):
        shape = tuple(getattr(p, n) for n in plan.model.shape_parameters)
        shapes.setdefault(shape, []).append(i)
    batches = []
    for same in shapes.values():
        size = stage.batch_of(points[same[0]])
        batches += [Unit(tuple(same[i : i + size]), None) for i in range(0, len(same), size)]
    return tuple(batches)


def _cut(plan: Plan, stage: Stage, region: Region, block: int, i: int, p: Any) -> list[Unit]:
    start, stop = region.cut_range(block)
    parts = [q for q in plan.model.parts(stage, p) if start <= q.start < stop]
    if not parts:
        return []
    return [Unit((i,), Part(parts[0].start, parts[-1].stop, parts[-1].stop - parts[0].start))]


def _take(
    plan: Plan, region: Region, board: Board, places: Sequence[tuple[int, ...]], unit: Unit,
    answer: Answer, starts: int,
) -> None:  # fmt: skip
    """Put an answer where it belongs."""
    for row, i in enumerate(unit.points):
        place = places[i]
        for name, array in answer.values.items():
            value = array[row]
            inside: tuple[Any, ...] = (*place, *(slice(n) for n in value.shape))
            board.values[name][inside] = value
        board.status[place] = UNSTABLE if answer.unstable[row] else OK
        board.attempts[place] = starts
        board.seconds[place] = answer.seconds / len(unit.points)
    board.kept |= answer.kept


def _fail(
    plan: Plan, region: Region, board: Board, points: Sequence[tuple[tuple[int, ...], Any]],
    places: Sequence[tuple[int, ...]], unit: Unit, failure: Failure, starts: int,
) -> None:  # fmt: skip
    """Mark the points of a unit failed, and blame the stage that failed once."""
    stage = failure.stage or region.stages[-1]
    dims = [region.dims.index(d) for d in plan.dims_of(plan.model.stage(stage))]
    for i in unit.points:
        board.status[places[i]] = FAILED
        board.attempts[places[i]] = starts
        board.seconds[places[i]] = 0.0
        place = tuple(points[i][0][d] for d in dims)
        board.errors[stage, place] = PointError(
            stage, place, failure.kind, failure.message, failure.traceback, starts
        )


# --- summed stages ------------------------------------------------------------------------


@dataclass(frozen=True)
class Partial:
    """A partial sum on its way through the tree, or why there is none."""

    total: Arrays
    seconds: float = 0.0
    failure: Failure | None = None
    kernel: str = ""


def run_part(order: Order, start: int, stop: int) -> Partial:
    """Add an aligned run of grains of a summed stage."""
    sweep = open_sweep(order.folder, order.generation)
    region = sweep.plan.regions[order.region]
    ((_, point),) = sweep.plan.block_points(region, order.block)
    process = slot()
    unit = Unit((0,), Part(start, stop, stop - start))
    request = _request(sweep, region, [point], (unit,))
    request = replace(request, partial=True)
    retries = sweep.plan.sweep.run.retries
    failure: Failure | None = None
    for _ in range(retries + 1):
        (answer,) = process.answers(request, sweep.plan.sweep.run.timeout)
        if isinstance(answer, Answer):
            return Partial(answer.values, answer.seconds, kernel=process.kernel)
        failure = answer
        if answer.kind not in DEATHS:
            break
    return Partial({}, failure=failure)


def add_parts(a: Partial, b: Partial) -> Partial:
    """Add two neighbours of the tree."""
    if a.failure or b.failure:
        return a if a.failure else b
    return Partial(add_tree([a.total, b.total]), a.seconds + b.seconds, kernel=a.kernel)


def finish_sum(order: Order, total: Partial) -> Receipt:
    """Turn the total of a summed stage into its result and store it."""
    sweep = open_sweep(order.folder, order.generation)
    region = sweep.plan.regions[order.region]
    board = _empty_board(sweep.plan, region, order.block)
    points = list(sweep.plan.block_points(region, order.block))
    places = [(0,) * len(region.dims)]
    unit = Unit((0,), None)
    if total.failure is not None:
        _fail(sweep.plan, region, board, points, places, unit, total.failure, order.attempt)
    else:
        _finish(sweep, region, board, points[0][1], places, total)
    return _commit(sweep, region, order, board, total.kernel)


def _finish(
    sweep: OpenSweep, region: Region, board: Board, p: Any, places: Sequence[tuple[int, ...]],
    total: Partial,
) -> None:  # fmt: skip
    # gather is a small pure function of the total, so it needs no process of its own
    from_total = sweep.plan.model.stage(region.stages[0])
    row = from_total.gather(p, {n: a[0] for n, a in total.total.items()})
    result = {n: np.asarray(a)[None] for n, a in row.items()}
    values = {
        n: np.asarray(sweep.plan.model.present(n, result[n][0], p))[None] for n in region.variables
    }
    kept = {}
    if region.kept:
        kept = {content_key(sweep.plan.model, from_total, p): packed(result)}
    answer = Answer(0, total.seconds, values, from_total.unstable(result), kept)
    _take(sweep.plan, region, board, places, Unit((0,), None), answer, 1)
