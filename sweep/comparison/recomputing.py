"""Computing stored points again: nothing that is kept is read, one numerics process a thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np

from models.evaluate import add_tree
from models.protocol import Arrays, Part, Stage
from sweep.child import Answer, Failure, Request, Unit
from sweep.planning import Plan
from sweep.process import NumericsProcess
from sweep.regions import Region

MOST_PARTIALS = 64
"""Partial sums of one point that are held at once."""


@dataclass(frozen=True)
class Instance:
    """One calculation of a region."""

    region: Region
    place: tuple[int, ...]
    """Along the dims of the region."""


@dataclass(frozen=True)
class Again:
    """An instance that was computed again, or why it could not be."""

    instance: Instance
    values: Arrays
    """As stored, (own dims...); and the eigenvalues that the variables name."""
    failure: Failure | None = None
    kernel: str = ""


@contextmanager
def recomputed(
    plan: Plan, instances: Sequence[Instance], threads: int
) -> Iterator[Iterator[Again]]:
    """Compute instances again, and give them in their order as they come.

    The timeout and memory of the sweep hold. Leaving early kills what still runs.
    """
    processes = [NumericsProcess() for _ in range(max(1, min(threads, len(instances))))]
    free: SimpleQueue[NumericsProcess] = SimpleQueue()
    for process in processes:
        free.put(process)

    def compute(instance: Instance) -> Again:
        mine = free.get()
        try:
            return _compute(plan, instance, mine)
        finally:
            free.put(mine)

    pool = ThreadPoolExecutor(len(processes))
    try:
        futures: list[Future[Again]] = [pool.submit(compute, i) for i in instances]
        yield (future.result() for future in futures)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.close()
        pool.shutdown()


def _compute(plan: Plan, instance: Instance, process: NumericsProcess) -> Again:
    region = instance.region
    index = [0] * len(plan.sweep.dims)
    for dim, i in zip(region.dims, instance.place, strict=True):
        index[dim] = i
    point = plan.sweep.point(index)
    values: Arrays = {}
    for stages, wanted in _requests(plan, region):
        found = _answered(plan, stages, wanted, point, process)
        if isinstance(found, Failure):
            return Again(instance, {}, found, process.kernel)
        values |= found
    return Again(instance, values, kernel=process.kernel)


def _requests(plan: Plan, region: Region) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Give the stages of a region, and those of eigenvalues that it does not store itself."""
    known = plan.model.variables()
    named = {known[v][0].degenerate for v in region.variables} - {"", *region.variables}
    inside = [n for n in sorted(named) if known[n][1].name in region.stages]
    outside = [n for n in sorted(named) if known[n][1].name not in region.stages]
    own = (region.stages, (*region.variables, *inside))
    return [own, *(((known[n][1].name,), (n,)) for n in outside)]


def _answered(
    plan: Plan, stages: tuple[str, ...], wanted: tuple[str, ...], point: Any,
    process: NumericsProcess,
) -> Arrays | Failure:  # fmt: skip
    """Compute some stages of one point, grain by grain where they are cut."""
    first = plan.model.stage(stages[0])
    units = _units(plan, first, point)
    request = Request(
        model=plan.model.name, stages=stages, wanted=wanted, kept=False, points=(dict(point),),
        units=units, stage_folder=None, kept_stages=(), memory=plan.sweep.run.memory,
        partial=first.sums,
    )  # fmt: skip
    pieces: list[Arrays] = []
    for answer in process.answers(request, plan.sweep.run.timeout):
        if isinstance(answer, Failure):
            return answer
        pieces.append(_without_point(answer))
    if first.sums:
        return _gathered(plan, first, wanted, point, pieces)
    if len(pieces) == 1:
        return pieces[0]
    return {name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]}


def _units(plan: Plan, stage: Stage, point: Any) -> tuple[Unit, ...]:
    """Let the timeout hold for each grain, or for an aligned run of grains of a sum."""
    if stage.cut is None:
        return (Unit((0,), None),)
    parts = plan.model.parts(stage, point)
    size = 1
    while stage.sums and len(parts) > MOST_PARTIALS * size:
        size *= 2
    runs = [parts[i : i + size] for i in range(0, len(parts), size)]
    return tuple(
        Unit((0,), Part(r[0].start, r[-1].stop, r[-1].stop - r[0].start)) for r in runs
    )  # fmt: skip


def _without_point(answer: Answer) -> Arrays:
    return {name: array[0] for name, array in answer.values.items()}


def _gathered(
    plan: Plan, stage: Stage, wanted: Sequence[str], point: Any, partials: Sequence[Arrays]
) -> Arrays:
    """Add partial sums in the tree of the sweep and finish them."""
    result = stage.gather(point, add_tree(partials))
    return {n: np.asarray(plan.model.present(n, np.asarray(result[n]), point)) for n in wanted}
