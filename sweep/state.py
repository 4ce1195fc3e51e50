"""How far a sweep is: one pure fold of its plan and the rows of its ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.layout import FAILED, LOST, OK, RUNNING, SKIPPED, STATUS, TODO, UNSTABLE
from sweep.ledger import BlockRow, Ledger
from sweep.planning import Plan
from sweep.regions import Region

_RANK = np.zeros(len(STATUS), dtype=np.uint8)
_RANK[[OK, UNSTABLE, LOST, FAILED]] = [1, 2, 3, 4]
_BY_RANK = np.array([TODO, OK, UNSTABLE, LOST, FAILED], dtype=np.uint8)


@dataclass
class RegionState:
    """The instances of one region, over its dims and the pieces of its cut dim."""

    status: NDArray[np.uint8]
    attempts: NDArray[np.uint8]
    seconds: NDArray[np.float32]
    done: NDArray[np.bool_]
    """One for each block: nothing is left to do."""
    never: int = 0
    """Blocks without a wanted point, which are never run and count as done."""

    @property
    def worst(self) -> NDArray[np.uint8]:
        """Rank of the worst status among the pieces of every instance."""
        return _RANK[self.status].max(axis=-1)

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Say which instances have all their pieces."""
        return (self.status != TODO).all(axis=-1)


class SweepState:
    """Status of every point, from the blocks that the ledger has."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.regions = {n: _fresh(r) for n, r in plan.regions.items()}
        for name, region in plan.regions.items():
            wanted = plan.wanted_blocks(region)
            self.regions[name].done[~wanted] = True
            self.regions[name].never = int((~wanted).sum())
        self.running: set[tuple[str, int]] = set()

    @classmethod
    def of(cls, plan: Plan, ledger: Ledger) -> SweepState:
        """Fold a whole ledger."""
        state = cls(plan)
        for row in ledger.blocks():
            state.add(row)
        return state

    def add(self, row: BlockRow) -> None:
        """Take over what the ledger has of a block."""
        region, state = self.plan.regions[row.region], self.regions[row.region]
        block = region.block_in(row.cell)
        # the box may have grown since the row was written
        here: tuple[Any, ...] = tuple(
            slice(s.start, s.start + n)
            for s, n in zip(region.box(block), row.status.shape, strict=True)
        )
        here = (*here, row.cell[-1])
        state.status[here] = row.status
        state.attempts[here] = row.attempts
        state.seconds[here] = row.seconds
        state.done[block] = not self.left(row.region, block).any()

    def left(self, name: str, block: int) -> NDArray[np.bool_]:
        """Say which points of a block's box are still to be done."""
        region = self.plan.regions[name]
        status = self.regions[name].status[_here(region, block)]
        return np.asarray((status == TODO) & self.plan.wanted(region)[region.box(block)])

    def begun(self, name: str, block: int) -> bool:
        """Say whether some points of a block are stored."""
        region = self.plan.regions[name]
        return bool((self.regions[name].status[_here(region, block)] != TODO).any())

    def is_done(self, name: str, block: int) -> bool:
        """Say whether a block is finished."""
        return bool(self.regions[name].done[block])

    def failed_places(self, name: str) -> set[tuple[int, ...]]:
        """Give the instances of a region that have no result."""
        return {tuple(map(int, i)) for i in np.argwhere(self.regions[name].worst >= _RANK[LOST])}

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Give status, attempts and seconds of every point, in the shape of the sweep."""
        wanted = self._wanted()
        main = self.main_region
        own = self.regions[main.name]
        attempts = self._spread(own.attempts.max(axis=-1), main)
        seconds = self._spread(_total(own.seconds), main)
        return {
            "status": self.status(),
            "attempts": np.where(wanted, attempts, 0).astype(np.uint8, copy=False),
            "seconds": np.where(wanted, seconds, np.nan).astype(np.float32, copy=False),
        }

    def status(self) -> NDArray[np.uint8]:
        """Give the status of every point, in the shape of the sweep."""
        shape = self.plan.sweep.shape
        rank = np.ones(shape, dtype=np.uint8)
        complete = np.ones(shape, dtype=bool)
        for name, region in self.plan.regions.items():
            state = self.regions[name]
            complete &= self._spread(state.complete, region)
            np.maximum(rank, self._spread(state.worst, region), out=rank)
        status = np.asarray(_BY_RANK[rank])
        # a part that failed or was lost decides, whatever is still to be done
        status[~complete & (rank < _RANK[LOST])] = TODO
        for name, block in self.running:
            self._mark_running(status, self.plan.regions[name], block)
        status[~self._wanted()] = SKIPPED
        return status

    def _wanted(self) -> NDArray[np.bool_]:
        return self.plan.sweep.wanted([slice(None)] * len(self.plan.sweep.dims))

    @property
    def main_region(self) -> Region:
        """The region of a point's own last stage: the last one with the most dims."""
        regions = [r for r in self.plan.regions.values() if r.variables]
        most = max(len(r.dims) for r in regions)
        return [r for r in regions if len(r.dims) == most][-1]

    def counts(self) -> dict[str, int]:
        """Count the points by status."""
        return count_status(self.status())

    def blocks(self) -> tuple[int, int]:
        """Give how many blocks are finished, of how many that hold a wanted point."""
        never = sum(s.never for s in self.regions.values())
        done = sum(int(s.done.sum()) for s in self.regions.values())
        return done - never, sum(r.blocks for r in self.plan.regions.values()) - never

    def predicted_seconds(self) -> tuple[float, float]:
        """Give the predicted seconds of one core of what is finished and of what is left."""
        done = left = 0.0
        for name, region in self.plan.regions.items():
            seconds, finished = self.plan.block_seconds(region), self.regions[name].done
            done += float(seconds[finished].sum())
            left += float(seconds[~finished].sum())
        return done, left

    def summary(self, counts: Mapping[str, int] | None = None) -> dict[str, Any]:
        """Sum up how far the sweep is, for `Ledger.summarize`; `counts`, if they are known."""
        done, blocks = self.blocks()
        return {
            "name": self.plan.sweep.name, "model": self.plan.model.name,
            "counts": dict(self.counts() if counts is None else counts),
            "blocks_done": done, "blocks": blocks, "predicted": self.predicted_seconds(),
        }  # fmt: skip

    def _mark_running(self, status: NDArray[np.uint8], region: Region, block: int) -> None:
        box = dict(zip(region.dims, region.box(block), strict=True))
        here: tuple[Any, ...] = (*(box.get(i, slice(None)) for i in range(status.ndim)), ...)
        part = status[here]
        part[part == TODO] = RUNNING

    def _spread(self, values: NDArray[np.generic], region: Region) -> NDArray[np.generic]:
        """Repeat an array over the region's dims along the others."""
        shape = self.plan.sweep.shape
        place = [shape[i] if i in region.dims else 1 for i in range(len(shape))]
        return np.broadcast_to(values.reshape(place), shape)


def _fresh(region: Region) -> RegionState:
    shape = (*region.shape, region.grid[-1])
    return RegionState(
        np.zeros(shape, np.uint8), np.zeros(shape, np.uint8), np.full(shape, np.nan, np.float32),
        np.zeros(region.blocks, bool),
    )  # fmt: skip


def _here(region: Region, block: int) -> tuple[Any, ...]:
    """Place a block in the arrays of its region's state."""
    return (*region.box(block), region.cell(block)[-1])


def _total(seconds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add the pieces that are there; none at all is not known."""
    if seconds.shape[-1] == 1:
        return seconds[..., 0]
    known = ~np.isnan(seconds).all(axis=-1)
    return np.where(known, np.nansum(seconds, axis=-1), np.nan).astype(np.float32)


def count_status(status: NDArray[np.generic]) -> dict[str, int]:
    """Count points by the name of their status, leaving out those that do not occur."""
    counts = {name: int(np.count_nonzero(status == i)) for i, name in enumerate(STATUS)}
    return {name: n for name, n in counts.items() if n}


def unfinished(plan: Plan, state: SweepState) -> Iterable[tuple[Region, int]]:
    """Go through the blocks that are left."""
    for region in plan.regions.values():
        for block in np.flatnonzero(~state.regions[region.name].done):
            yield region, int(block)
