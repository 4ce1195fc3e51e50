"""What runs on a Dask worker: one block, or one part of a summed stage.

A block reads the frozen sweep, has its points computed in the numerics process of its slot,
writes its own whole chunks and returns a receipt of a few hundred bytes. It writes nothing
when another owner has taken over since it was submitted.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluate import add_tree, content_key
from models.protocol import Arrays, Part
from sweep.child import Answer, Failure, Unit, about_result, packed
from sweep.cluster import own_address, unfit
from sweep.filling import DEATHS, Board, Filling, Points, request_of
from sweep.in_hand import InHand
from sweep.layout import in_hand_file, stage_file, sweep_file
from sweep.messages import Order, Receipt
from sweep.owning import generation_of
from sweep.planning import Plan
from sweep.process import UnwantedError, slot
from sweep.queries.range_index import packed_ranges
from sweep.regions import Region
from sweep.store import BlockWriter
from sweep.sweep_file import read
from sweep.upgrading import frozen_plan


class OpenSweep:
    """A frozen sweep as a worker sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = Plan(read(sweep_file(folder)), frozen_plan(folder))
        self.writer = BlockWriter(folder)

    def current(self, generation: int) -> bool:
        """Say whether the owner that ordered a block is still in charge."""
        return generation_of(self.folder) == generation


@lru_cache(maxsize=8)
def open_sweep(folder: str, generation: int) -> OpenSweep:
    """Open a sweep once for each owner."""
    return OpenSweep(Path(folder))


@lru_cache(maxsize=8)
def _faults(folder: str, generation: int) -> str:
    """Say what this worker lacks for the sweep of an owner; checked once for each."""
    return "; ".join(unfit(Path(folder)))


def run_block(order: Order) -> Receipt:
    """Compute and store one block."""
    if faults := _faults(order.folder, order.generation):
        return replace(_receipt(order, "unfit"), message=faults, worker=own_address())
    sweep = open_sweep(order.folder, order.generation)
    region = sweep.plan.regions[order.region]
    points = _ordered(sweep.plan, region, order)
    note = InHand(in_hand_file(sweep.folder, region.name, region.cell(order.block)), order.name)
    if (suspects := note.earlier()) is not None:
        return _died(order, region, [points[i] for i in suspects])
    note.begin()
    try:
        return _computed(sweep, order, points, note)
    except UnwantedError:
        return _receipt(order, "dropped")
    finally:
        note.end()


def _receipt(order: Order, outcome: Any) -> Receipt:
    return Receipt(order.region, order.block, order.generation, outcome)


def _died(order: Order, region: Region, points: Points) -> Receipt:
    box = region.box(order.block)
    mask = np.zeros([s.stop - s.start for s in box], bool)
    for place, _ in points:
        mask[tuple(i - s.start for i, s in zip(place, box, strict=True))] = True
    return replace(_receipt(order, "died"), suspects=mask.tobytes() if points else b"")


def _ordered(plan: Plan, region: Region, order: Order) -> Points:
    """Give the points of a block that an order names."""
    points = list(plan.block_points(region, order.block))
    if order.only is None:
        return points
    box = region.box(order.block)
    mask = np.frombuffer(order.only, bool).reshape([s.stop - s.start for s in box])
    return [
        (place, p)
        for place, p in points
        if mask[tuple(i - s.start for i, s in zip(place, box, strict=True))]
    ]


def _computed(sweep: OpenSweep, order: Order, points: Points, note: InHand) -> Receipt:
    board = _board(sweep, sweep.plan.regions[order.region], order, points)
    process = slot()
    process.renew_for(order.code or (order.folder, order.generation))
    Filling(board, points, process, sweep.folder, order, note).run()
    return _commit(sweep, order, board, process.kernel, note)


def _board(sweep: OpenSweep, region: Region, order: Order, points: Points) -> Board:
    if order.only is None:
        return Board(sweep.plan, region, order.block)
    board = Board(sweep.plan, region, order.block, sweep.writer.read(region, order.block))
    board.clear(points)
    return board


def _commit(
    sweep: OpenSweep, order: Order, board: Board, kernel: str, note: InHand | None = None
) -> Receipt:
    region = board.region
    beside = {stage_file(sweep.folder, key): content for key, content in board.kept.items()}
    files = sweep.writer.write(
        region, order.block, board.values, beside,
        lambda: sweep.current(order.generation) and (note is None or note.is_mine()),
    )  # fmt: skip
    if files is None:
        return _receipt(order, "dropped")
    own_dims = {n: sweep.plan.variables[n].dims for n in region.variables}
    return Receipt(
        order.region, order.block, order.generation,
        status=board.status.tobytes(), attempts=board.attempts.tobytes(),
        seconds=board.seconds.tobytes(), errors=tuple(board.errors.values()), files=files,
        ranges=packed_ranges(board.values, len(region.dims), own_dims),
        work=board.work, worker=socket.gethostname(), kernel=kernel,
    )  # fmt: skip


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
    note = InHand(
        in_hand_file(sweep.folder, region.name, region.cell(order.block), f".{start}"),
        order.name,
    )
    retries = sweep.plan.sweep.run.retries
    deaths = len(note.earlier() or ()) if note.earlier() is not None else 0
    if deaths > retries:
        message = f"the worker died {deaths} times"
        return Partial({}, failure=Failure(0, "lost", message, ""))
    note.begin()
    note.at(range(deaths + 1))  # one word for each start
    try:
        return _part(sweep, region, order, Part(start, stop, stop - start))
    except UnwantedError:
        return Partial({}, failure=Failure(0, "dropped", "the sweep was stopped", ""))
    finally:
        note.end()


def _part(sweep: OpenSweep, region: Region, order: Order, run: Part) -> Partial:
    points = list(sweep.plan.block_points(region, order.block))
    process = slot()
    process.renew_for(order.code or (order.folder, order.generation))
    request = request_of(sweep.plan, sweep.folder, region, points, (Unit((0,), run),))
    request = replace(request, partial=True)
    failure: Failure | None = None
    for _ in range(sweep.plan.sweep.run.retries + 1):
        wanted = partial(sweep.current, order.generation)
        (answer,) = process.answers(request, sweep.plan.sweep.run.timeout, wanted)
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
    if not sweep.current(order.generation):
        return _receipt(order, "dropped")
    region = sweep.plan.regions[order.region]
    board = Board(sweep.plan, region, order.block)
    points = list(sweep.plan.block_points(region, order.block))
    starts = order.starts + 1
    if total.failure is not None:
        board.fail(points, total.failure, starts)
    else:
        board.take(points, _finished(sweep, region, points[0][1], total), starts)
    return _commit(sweep, order, board, total.kernel)


def _finished(sweep: OpenSweep, region: Region, p: Any, total: Partial) -> Answer:
    # gather is a small pure function of the total, so it needs no process of its own
    model, stage = sweep.plan.model, sweep.plan.model.stage(region.stages[0])
    row = stage.gather(p, {n: a[0] for n, a in total.total.items()})
    result = {n: np.asarray(a)[None] for n, a in row.items()}
    values = {n: np.asarray(model.present(n, result[n][0], p))[None] for n in region.variables}
    kept = {}
    if region.kept:
        about = about_result(model, stage, p, sweep.plan.sweep.name)
        kept = {content_key(model, stage, p): packed(result, about)}
    return Answer(0, total.seconds, values, stage.unstable(result), kept)
