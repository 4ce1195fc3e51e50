"""When and where the blocks of a sweep were finished, and what its points took and should take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.layout import DEFAULT_WORKSPACE, RUNNING, SKIPPED, TODO
from sweep.ledger import BlockRow, Ledger
from sweep.locating import locate
from sweep.planning import Plan
from sweep.queries.querying import sorting, stored_dataset
from sweep.reading import stored_plan
from sweep.regions import Region
from sweep.state import SweepState

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class History:
    """What has become of a sweep so far; blocks in the order in which they were finished.

    Arrays over points have the shape of the sweep, in the order of `sweep.open`.
    """

    finished: FloatArray
    """(blocks,), seconds since 1970."""
    points: NDArray[np.int64]
    """(blocks,), points of the sweep that got their own last results with the block."""
    seconds: FloatArray
    """(blocks,), time that its calculations took, on one core."""
    worker: tuple[str, ...]
    """(blocks,), address."""
    point_finished: FloatArray
    """NaN where a point has no results of its own last stage."""
    point_predicted: FloatArray
    """Seconds by the cost model, without shared stages."""


def history(sweep: str | Path, workspace: str | Path = DEFAULT_WORKSPACE) -> History:
    """Tell when and where the blocks of a sweep were finished.

    Raises
    ------
    StoreError : there is no such sweep
    """
    folder = locate(sweep, workspace)
    plan = stored_plan(folder)
    with Ledger(folder) as ledger:
        rows = sorted(ledger.blocks(), key=lambda row: row.finished)
    state = SweepState(plan)
    own = state.main_region
    finished = _over_points(plan, own, _finished(own, rows))
    predicted = _over_points(plan, own, plan.point_seconds(own))
    return History(
        np.array([row.finished for row in rows], dtype=np.float64),
        np.array([_points(row, own) for row in rows], dtype=np.int64),
        np.array([np.nansum(row.seconds) for row in rows], dtype=np.float64),
        tuple(row.worker for row in rows),
        in_order_of_open(finished, plan, folder), in_order_of_open(predicted, plan, folder),
    )  # fmt: skip


def _points(row: BlockRow, own: Region) -> int:
    """Count the points that a block has brought; of those that are cut, with their first piece."""
    if row.region != own.name or row.cell[-1]:
        return 0
    return int(np.isin(row.status, (TODO, RUNNING, SKIPPED), invert=True).sum())


def _finished(own: Region, rows: list[BlockRow]) -> FloatArray:
    """Say when the instances of a region got their results; a later piece counts."""
    found = np.full(own.shape, np.nan)
    for row in rows:
        if row.region == own.name:
            box = own.box(own.block_in(row.cell))
            here = tuple(
                slice(s.start, s.start + n) for s, n in zip(box, row.status.shape, strict=True)
            )
            found[here] = np.where(row.status == TODO, found[here], row.finished)
    return found


def _over_points(plan: Plan, own: Region, values: FloatArray) -> FloatArray:
    """Repeat what a region has over the axes that it does not hang on."""
    place = [n if i in own.dims else 1 for i, n in enumerate(plan.sweep.shape)]
    return np.broadcast_to(values.reshape(place), plan.sweep.shape)


def in_order_of_open(values: NDArray[Any], plan: Plan, folder: Path) -> NDArray[Any]:
    """Bring an array over all points from the order of the store into that of `sweep.open`."""
    order = sorting(stored_dataset(folder)) if plan.begun_with else {}
    for i, dim in enumerate(plan.sweep.dims):
        if dim.name in order:
            values = np.take(values, order[dim.name], axis=i)
    return values
