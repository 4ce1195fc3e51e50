"""From a plan to Dask: independent blocks through a bounded window.

Blocks meet in the store. A block is submitted once the ledger has the blocks whose kept
results it reads; a stage that is cut and summed is one graph of part tasks and a fixed tree.
The scheduler never knows more than the window, whatever the size of the sweep.
"""

from __future__ import annotations

import heapq
import queue
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distributed import Client, Future
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker

from sweep import cluster
from sweep.messages import Order, Receipt
from sweep.planning import Plan
from sweep.problems import UnreachableError
from sweep.regions import PARTS, Region
from sweep.state import SweepState, unfinished
from sweep.worker import add_parts, finish_sum, run_block, run_part


class SchedulerLostError(ConnectionError):
    """The scheduler does not know a task any more."""


CONNECTION_LOST = (SchedulerLostError, CommClosedError)
"""What is raised when the scheduler goes away."""


class CalledBackError(Exception):
    """An order was bound to workers that are gone."""


RECEIPT_SECONDS = 5.0
"""A receipt of a few hundred bytes that does not come for so long is asked for again."""


class Queue:
    """The blocks that are left, in the order in which they should start."""

    def __init__(self, plan: Plan, state: SweepState) -> None:
        self._plan = plan
        self._ready: list[tuple[int, float, str, int]] = []
        self._missing: dict[tuple[str, int], set[tuple[str, int]]] = {}
        self._users: dict[tuple[str, int], list[tuple[str, int]]] = {}
        self._seconds = {n: plan.block_seconds(r) for n, r in plan.regions.items()}
        self._first = {name for r in plan.regions.values() for name in r.inputs}
        for region, block in unfinished(plan, state):
            self._enter(region, block, state)

    def _enter(self, region: Region, block: int, state: SweepState) -> None:
        needs = {
            b for b in self._plan.input_blocks(region, block) if not state.is_done(*b)
        } if region.inputs else set()  # fmt: skip
        if not needs:
            self._push(region.name, block)
            return
        self._missing[region.name, block] = needs
        for need in needs:
            self._users.setdefault(need, []).append((region.name, block))

    def _push(self, name: str, block: int) -> None:
        # what others wait for goes first, then the heavy ones, so that no long one ends alone
        first = 0 if name in self._first else 1
        heapq.heappush(self._ready, (first, -self.seconds(name, block), name, block))

    def take(self) -> tuple[str, int] | None:
        """Take the block to start next, or None while every one left waits for another."""
        if not self._ready:
            return None
        *_, name, block = heapq.heappop(self._ready)
        return name, block

    def seconds(self, name: str, block: int) -> float:
        """Predict what a block takes."""
        return float(self._seconds[name][block])

    def finished(self, name: str, block: int) -> None:
        """Free the blocks that waited for one."""
        for user in self._users.pop((name, block), []):
            self._missing[user].discard((name, block))
            if not self._missing[user]:
                del self._missing[user]
                self._push(*user)


@dataclass(frozen=True)
class Outcome:
    """What became of an order: a receipt, or the error of its task."""

    order: Order
    place: float
    receipt: Receipt | None
    error: BaseException | None

    @property
    def killed(self) -> bool:
        """Say whether the block took its worker with it."""
        died = self.receipt is not None and self.receipt.outcome == "died"
        return died or isinstance(self.error, KilledWorker)


class Window:
    """Keeps a bounded number of orders on the cluster."""

    def __init__(self, client: Client, plan: Plan) -> None:
        self._client = client
        self._plan = plan
        self._futures: dict[Future, Order] = {}
        self._bound: dict[Future, set[str]] = {}
        """The only workers that may do an order, where some are of no use."""
        self._called_back: set[Future] = set()
        self._places: dict[Future, float] = {}
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self.avoid: set[str] = set()
        """Addresses of workers that are of no use."""

    @property
    def outstanding(self) -> int:
        """Orders on the cluster."""
        return len(self._futures)

    def submit(self, order: Order, place: float) -> None:
        """Send an order to the cluster; the one of the earliest place is begun first.

        Raises
        ------
        UnreachableError : every worker is of no use
        """
        region = self._plan.regions[order.region]
        fit = self._fit_workers() if self.avoid else set()
        where: dict[str, Any] = {"priority": -place}
        if fit:
            where |= {"workers": sorted(fit), "allow_other_workers": False}
        future = self._tree(order, region, where) if region.tree else self._block(order, where)
        self._futures[future] = order
        if fit:
            self._bound[future] = fit
        self._places[future] = place
        future.add_done_callback(self._ended.put)

    def _fit_workers(self) -> set[str]:
        """Give the workers that are of use; wait for one where there is none."""
        give_up = time.monotonic() + cluster.WAIT_SECONDS
        while not (fit := set(self._client.nthreads()) - self.avoid):
            if time.monotonic() > give_up:
                msg = "No worker of the cluster can do this sweep any more."
                raise UnreachableError(msg)
            time.sleep(0.1)
        return fit

    def call_back(self) -> None:
        """Call orders back that are bound to workers which are all gone; from any thread."""
        there = set(self._client.nthreads())
        for future, bound in list(self._bound.items()):
            if not bound & there and there - self.avoid:
                self._called_back.add(future)
                future.cancel()

    def next(self, seconds: float) -> Outcome | None:
        """Give what has become of the next order to end, or None if none ends so soon."""
        try:
            future = self._ended.get(timeout=seconds)
        except queue.Empty:
            return None
        if future not in self._futures:
            return None  # dropped meanwhile
        if future.status in ("lost", "pending"):  # the worker that held the receipt died
            future.add_done_callback(self._ended.put)
            return None
        receipt = self._receipt(future) if future.status == "finished" else None
        if receipt is None and future.status not in ("error", "cancelled"):
            future.add_done_callback(self._ended.put)  # it died with it just now
            return None
        outcome = self._outcome(future, receipt)
        future.release()
        return outcome

    def _receipt(self, future: Future) -> Receipt | None:
        """Fetch a receipt from its worker; None if that takes too long, or it is gone.

        It is done again then, by another worker, or called back if it is bound to that one.
        """
        try:
            receipt: Receipt = future.result(timeout=RECEIPT_SECONDS)
        except Exception as error:
            if future.status == "finished" and not isinstance(error, TimeoutError):
                raise
            return None  # the status tells what became of it
        return receipt

    def _outcome(self, future: Future, receipt: Receipt | None) -> Outcome:
        order, place = self._futures.pop(future), self._places.pop(future)
        self._bound.pop(future, None)
        if receipt is not None:
            return Outcome(order, place, receipt, None)
        if future in self._called_back:
            self._called_back.discard(future)
            return Outcome(order, place, None, CalledBackError())
        return Outcome(order, place, None, _error_of(future))

    def drop(self) -> None:
        """Let go of everything that is still outstanding."""
        for future in list(self._futures):
            future.release()
        self._futures.clear()
        self._places.clear()
        self._bound.clear()

    def _block(self, order: Order, where: dict[str, Any]) -> Future:
        return self._client.submit(
            run_block, order, key=_key(order, "block"), pure=False, retries=0, **where
        )

    def _tree(self, order: Order, region: Region, where: dict[str, Any]) -> Future:
        """Submit a summed stage: parts, the tree that adds them, the root that stores it."""
        level: Sequence[Future] = [
            self._client.submit(
                run_part, order, start, stop, key=_key(order, f"part-{start}"), pure=False, **where
            )
            for start, stop in part_runs(self._plan, region, order.block)
        ]
        depth = 0
        while len(level) > 1:
            pairs = [
                self._client.submit(
                    add_parts, a, b, key=_key(order, f"add-{depth}-{i}"), pure=False, **where
                )
                for i, (a, b) in enumerate(zip(level[::2], level[1::2], strict=False))
            ]
            level = [*pairs, *level[2 * len(pairs) :]]
            depth += 1
        return self._client.submit(
            finish_sum, order, level[0], key=_key(order, "block"), pure=False, retries=0, **where
        )


def _error_of(future: Future) -> BaseException:
    """Give the error of a task; one that was cancelled lost its scheduler."""
    error = future.exception() if future.status == "error" else None
    return error or SchedulerLostError(f"the scheduler is gone ({future.status})")


def _key(order: Order, what: str) -> str:
    # two workspaces may hold sweeps of one name, and share a scheduler
    sweep = f"{order.folder.rpartition('/')[2]}-{zlib.crc32(order.folder.encode()):08x}"
    return f"{sweep}-{order.generation}-{order.region}-{order.block}-{order.serial}-{what}"


def part_runs(plan: Plan, region: Region, block: int) -> list[tuple[int, int]]:
    """Cut a summed stage into runs of 2**m grains, about `PARTS` of them.

    Runs of a power of two, aligned, keep the tree of sums the same for any cutting.
    """
    stage = plan.model.stage(region.stages[0])
    ((_, point),) = plan.block_points(region, block)
    parts = plan.model.parts(stage, point)
    run = 1
    while len(parts) / run > PARTS:
        run *= 2
    return [
        (parts[i].start, parts[min(i + run, len(parts)) - 1].stop)
        for i in range(0, len(parts), run)
    ]
