"""A sweep on very many workers, as servers and queues: what limits it first.

Every order passes the owner, the scheduler, a worker, the store, the scheduler and the owner
again, as in `sweep.driving` and `sweep.graph`. The owner is one server: it sends orders until its
window is full, then fetches one receipt, brings it into the ledger, and looks at the window
again. The scheduler is one server, first come first served. A worker holds the block it is at
and one more, as Dask has it; it pays what a block costs it beside the numerics, and waits for the
store, which all share. Nothing fails, nothing is lost, and no network is slow.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from dataclasses import dataclass, field

from distributed.scheduler import heartbeat_interval

from sweep.steering import Line

HELD = 2
"""Blocks that Dask gives a worker of one thread: ceil(1.1 * threads)."""
SPREAD = 0.3
"""Blocks take from 1 - SPREAD to 1 + SPREAD of their mean, so that no two workers keep step."""
BUSY = 0.9
"""A server that is busy for more of the time is what limits."""


@dataclass(frozen=True)
class Costs:
    """What a block costs at each place, in seconds."""

    submit: float
    """Of the owner, to send an order."""
    settle: float
    """Of the owner, from a receipt that has come to the ledger, the disk included."""
    fetch: float
    """That the owner waits for a receipt, beside the scheduler's part."""
    scheduler: float
    """Of the scheduler, on its three looks at a block."""
    worker: float
    """Of a worker, around numerics and store."""
    heartbeat: float = 0.0
    """Of the scheduler, for a sign of life of one worker."""


@dataclass(frozen=True)
class Store:
    """A store that all workers share."""

    bytes_per_second: float = float("inf")
    files_per_second: float = float("inf")
    seconds: float = 0.0
    """That a worker waits for the files of a block in an idle store."""


@dataclass(frozen=True)
class Case:
    """A sweep of equal blocks on a cluster."""

    workers: int
    block_seconds: float
    """Of numerics."""
    blocks: int
    bytes: float = 0.0
    files: int = 1
    spread: float = SPREAD
    most: int = 0
    """Orders that may be outstanding; 0: as `sweep.steering` has it for one sweep."""


@dataclass
class Server:
    """Something that does one thing at a time, first come first served."""

    slowed: float = 1.0
    free: float = 0.0
    busy: float = 0.0

    def done_at(self, now: float, seconds: float) -> float:
        """Take up a piece of work; give when it will be done."""
        seconds *= self.slowed
        self.busy += seconds
        self.free = max(now, self.free) + seconds
        return self.free


@dataclass
class Run:
    """What became of a case."""

    case: Case
    finished: list[float] = field(default_factory=list)
    """When each block was in the ledger."""
    seconds: float = 0.0
    numerics: float = 0.0
    """Seconds of workers."""
    most: int = 0
    """Orders that were outstanding at once."""
    use: dict[str, float] = field(default_factory=dict)
    """Share of the time that each server was busy, while all workers could have been."""

    kept_waiting: float = 0.0
    """Share of the time that the owner waits for a receipt since the scheduler has others."""

    @property
    def rate(self) -> float:
        """Blocks a second, in the middle half of the sweep."""
        return rate(self.finished)

    @property
    def efficiency(self) -> float:
        """Share of the workers' time that goes into numerics, in the middle half."""
        return self.rate * self.numerics / self.case.blocks / self.case.workers

    @property
    def limit(self) -> str:
        """Name what limits."""
        name, busy = max(self.use.items(), key=lambda item: item[1])
        if busy > BUSY:
            return name
        if self.use["owner"] + self.kept_waiting > BUSY:
            return "owner"
        window = self.most / self.case.workers
        return "window" if window < 1 else "workers"


def rate(finished: list[float]) -> float:
    """Give blocks a second in the middle half, where a sweep neither begins nor ends."""
    times = sorted(finished)
    first, last = len(times) // 4, len(times) * 3 // 4
    return (last - first) / max(times[last] - times[first], 1e-9)


class _Simulation:
    def __init__(self, case: Case, costs: Costs, store: Store) -> None:
        self.case, self.costs, self.store = case, costs, store
        self.result = Run(case)
        self.most = case.most or window(case.workers)
        beats = case.workers / heartbeat_interval(case.workers) * costs.heartbeat
        self.scheduler = Server(1 / max(1 - beats, 0.05))
        self.disk = Server()
        self.owner = Server()
        self._events: list[tuple[float, int, int, int]] = []
        self._order = itertools.count()
        self._random = random.Random(1)  # noqa: S311 - no secret
        self._left = case.blocks
        self._kept_waiting = 0.0
        self._outstanding = 0
        self._feeding, self._idle = True, True
        self._ended: deque[int] = deque()
        self._queued = 0
        # the places of a worker: those of all are taken before anybody's second
        self._places = deque([*range(case.workers)] * HELD)
        self._ready = [0] * case.workers
        self._at_work = [False] * case.workers
        self._steps = (self._owner, self._ordered, self._given, self._computed, self._written,
                       self._told, self._fetched, self._sent)  # fmt: skip

    OWNER, ORDERED, GIVEN, COMPUTED, WRITTEN, TOLD, FETCHED, SENT = range(8)

    def _at(self, time: float, step: int, worker: int = -1) -> None:
        heapq.heappush(self._events, (time, next(self._order), step, worker))

    def run(self) -> Run:
        self._wake(0.0)
        now = 0.0
        while self._events:
            now, _, step, worker = heapq.heappop(self._events)
            self._steps[step](now, worker)
        result = self.result
        result.seconds = now
        result.use = {"owner": self.owner.busy, "scheduler": self.scheduler.busy,
                      "store": self.disk.busy}  # fmt: skip
        # busy seconds of each block are the same all along; so the middle tells the rate
        share = result.rate / self.case.blocks
        result.use = {name: busy * share for name, busy in result.use.items()}
        result.kept_waiting = self._kept_waiting * share
        return result

    # --- the owner: feeds, fetches, settles ------------------------------------------------

    def _wake(self, now: float) -> None:
        if self._idle:
            self._idle = False
            self._at(now, self.OWNER)

    def _owner(self, now: float, _: int) -> None:
        if self._feeding and self._outstanding < self.most and self._left:
            self._left -= 1
            self._outstanding += 1
            self.result.most = max(self.result.most, self._outstanding)
            sent = self.owner.done_at(now, self.costs.submit)
            self._at(sent, self.SENT)
            self._at(sent, self.OWNER)
        elif self._ended:
            self._feeding = False
            self._ended.popleft()
            part = self.costs.scheduler / 3
            self.owner.busy += part + self.costs.fetch
            come = self.scheduler.done_at(now, part) + self.costs.fetch
            self._kept_waiting += come - now - part - self.costs.fetch
            self._at(come, self.FETCHED)
        else:
            self._feeding = False
            self._idle = True

    def _fetched(self, now: float, _: int) -> None:
        done = self.owner.done_at(now, self.costs.settle)
        self.result.finished.append(done)
        self._outstanding -= 1
        self._feeding = True
        self._at(done, self.OWNER)

    # --- the scheduler ---------------------------------------------------------------------

    def _sent(self, now: float, _: int) -> None:
        self._at(self.scheduler.done_at(now, self.costs.scheduler / 3), self.ORDERED)

    def _ordered(self, now: float, _: int) -> None:
        self._queued += 1
        self._give(now)

    def _give(self, now: float) -> None:
        while self._queued and self._places:
            self._queued -= 1
            self._at(now, self.GIVEN, self._places.popleft())

    def _told(self, now: float, worker: int) -> None:
        self._places.append(worker)
        self._ended.append(worker)
        self._wake(now)
        self._give(now)

    # --- workers and the store -------------------------------------------------------------

    def _given(self, now: float, worker: int) -> None:
        if self._at_work[worker]:
            self._ready[worker] += 1
            return
        self._at_work[worker] = True
        spread = self.case.spread
        seconds = self.case.block_seconds * self._random.uniform(1 - spread, 1 + spread)
        self.result.numerics += seconds
        self._at(now + seconds + self.costs.worker, self.COMPUTED, worker)

    def _computed(self, now: float, worker: int) -> None:
        case, store = self.case, self.store
        takes = max(case.bytes / store.bytes_per_second, case.files / store.files_per_second)
        self._at(self.disk.done_at(now, takes) + store.seconds, self.WRITTEN, worker)

    def _written(self, now: float, worker: int) -> None:
        self._at_work[worker] = False
        self._at(self.scheduler.done_at(now, self.costs.scheduler / 3), self.TOLD, worker)
        if self._ready[worker]:
            self._ready[worker] -= 1
            self._given(now, worker)


def window(slots: int) -> int:
    """Give how many orders a sweep that is alone may have outstanding."""
    line = Line()
    line.join(0)
    return line.most(slots)


def simulate(case: Case, costs: Costs, store: Store | None = None) -> Run:
    """Let a sweep run from its first order to its last row."""
    return _Simulation(case, costs, store or Store()).run()
