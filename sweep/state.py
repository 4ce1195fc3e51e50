"""How far a sweep is: one pure fold of its plan and the rows of its ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.layout import FAILED, LOST, OK, RUNNING, SKIPPED, STATUS, TODO, UNSTABLE
from sweep.ledger import BlockRow, Ledger
from sweep.planning import Plan, Region

ETA_SPREAD = 1.3
"""The time left is said as a range: this factor either way."""
_RANK = np.zeros(len(STATUS), dtype=np.uint8)
_RANK[[OK, UNSTABLE, LOST, FAILED]] = [1, 2, 3, 4]
_BY_RANK = np.array([TODO, OK, UNSTABLE, LOST, FAILED], dtype=np.uint8)


@dataclass
class RegionState:
    """The instances of one region."""

    done: NDArray[np.bool_]
    """One for each block."""
    pieces: NDArray[np.int32]
    """Pieces of the cut dim that are done, over the region's dims."""
    worst: NDArray[np.uint8]
    """Rank of the worst status of those pieces."""
    attempts: NDArray[np.uint8]
    seconds: NDArray[np.float32]
    never: int = 0
    """Blocks without a wanted point, which are never run and count as done."""


class SweepState:
    """Status of every point, from the blocks that are finished."""

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
        for region, block, attempts, _ in ledger.lost():
            state.lose(region, block, attempts)
        return state

    def add(self, row: BlockRow) -> None:
        """Count a finished block."""
        region, state = self.plan.regions[row.region], self.regions[row.region]
        if state.done[row.block]:
            return
        box = region.box(row.block)
        shape = tuple(s.stop - s.start for s in box)
        status = np.frombuffer(row.status, np.uint8).reshape(shape)
        attempts = np.frombuffer(row.attempts, np.uint8).reshape(shape)
        seconds = np.frombuffer(row.seconds, np.float32).reshape(shape)
        state.done[row.block] = True
        state.pieces[box] += 1
        state.worst[box] = np.maximum(state.worst[box], _RANK[status])
        state.attempts[box] = np.maximum(state.attempts[box], attempts)
        state.seconds[box] = np.nansum([state.seconds[box], seconds], axis=0)

    def lose(self, name: str, block: int, attempts: int) -> None:
        """Count a block that took too many workers with it."""
        region, state = self.plan.regions[name], self.regions[name]
        box = region.box(block)
        state.done[block] = True
        state.pieces[box] += 1
        state.worst[box] = np.maximum(state.worst[box], _RANK[LOST])
        state.attempts[box] = np.maximum(state.attempts[box], min(attempts, 255))

    def is_done(self, name: str, block: int) -> bool:
        """Say whether a block is finished."""
        return bool(self.regions[name].done[block])

    def failed_places(self, name: str) -> set[tuple[int, ...]]:
        """Give the instances of a region that have no result."""
        worst = self.regions[name].worst
        return {tuple(map(int, i)) for i in np.argwhere(worst >= _RANK[LOST])}

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Give status, attempts and seconds of every point, in the shape of the sweep."""
        shape = self.plan.sweep.shape
        rank = np.full(shape, len(_BY_RANK), dtype=np.uint8)
        complete = np.ones(shape, dtype=bool)
        bad = np.zeros(shape, dtype=np.uint8)
        running = np.zeros(shape, dtype=bool)
        rank[...] = 1
        for name, region in self.plan.regions.items():
            state = self.regions[name]
            complete &= self._spread(state.pieces == region.grid[-1], region)
            worst = self._spread(state.worst, region)
            rank = np.maximum(rank, worst)
            bad = np.maximum(bad, np.where(worst >= _RANK[LOST], worst, 0))
            running |= self._spread(self._in_flight(name, region), region)
        status = np.where(bad > 0, _BY_RANK[bad], np.where(complete, _BY_RANK[rank], TODO))
        status = np.where((status == TODO) & running, RUNNING, status)
        wanted = self.plan.sweep.wanted([slice(None)] * len(shape))
        main = self.main_region
        return {
            "status": np.where(wanted, status, SKIPPED).astype(np.uint8),
            "attempts": np.where(wanted, self._spread(self.regions[main.name].attempts, main), 0)
            .astype(np.uint8),
            "seconds": np.where(
                wanted, self._spread(self.regions[main.name].seconds, main), np.nan
            ).astype(np.float32),
        }  # fmt: skip

    @property
    def main_region(self) -> Region:
        """The region of a point's own last stage: the last one with the most dims."""
        regions = [r for r in self.plan.regions.values() if r.variables]
        most = max(len(r.dims) for r in regions)
        return [r for r in regions if len(r.dims) == most][-1]

    def counts(self) -> dict[str, int]:
        """Count the points by status."""
        return count_status(self.arrays()["status"])

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

    def _in_flight(self, name: str, region: Region) -> NDArray[np.bool_]:
        here = np.zeros(region.shape, dtype=bool)
        for running, block in self.running:
            if running == name:
                here[region.box(block)] = True
        return here

    def _spread(self, values: NDArray[np.generic], region: Region) -> NDArray[np.generic]:
        """Repeat an array over the region's dims along the others."""
        shape = self.plan.sweep.shape
        place = [shape[i] if i in region.dims else 1 for i in range(len(shape))]
        return np.broadcast_to(values.reshape(place), shape)


def _fresh(region: Region) -> RegionState:
    return RegionState(
        np.zeros(region.blocks, bool), np.zeros(region.shape, np.int32),
        np.zeros(region.shape, np.uint8), np.zeros(region.shape, np.uint8),
        np.zeros(region.shape, np.float32),
    )  # fmt: skip


def count_status(status: NDArray[np.generic]) -> dict[str, int]:
    """Count points by the name of their status, leaving out those that do not occur."""
    counts = np.bincount(status.ravel().astype(np.int64), minlength=len(STATUS))
    return {name: int(n) for name, n in zip(STATUS, counts, strict=True) if n}


def unfinished(plan: Plan, state: SweepState) -> Iterable[tuple[Region, int]]:
    """Go through the blocks that are left."""
    for region in plan.regions.values():
        for block in np.flatnonzero(~state.regions[region.name].done):
            yield region, int(block)


def fractions(counts: Mapping[str, int]) -> float:
    """Give the share of the wanted points that need no more work."""
    open_ = counts.get("todo", 0) + counts.get("running", 0)
    total = sum(counts.values()) - counts.get("skipped", 0)
    return 1.0 if total == 0 else 1 - open_ / total
