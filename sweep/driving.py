"""Drives a sweep over a cluster: feeds the window, settles what comes back."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from distributed import Client
from numpy.typing import NDArray

from sweep import store
from sweep.calibration import Work, added, learn
from sweep.cluster import survey, watched
from sweep.graph import CalledBackError, Outcome, Queue, Window
from sweep.in_hand import InHand
from sweep.layout import FAILED, LOST, TODO, in_hand_file
from sweep.ledger import BlockRow, Ledger
from sweep.messages import Order, PointError, Receipt
from sweep.owning import Ownership
from sweep.planning import Plan
from sweep.problems import OwnedError
from sweep.progress import Finished, Progress, Started
from sweep.regions import Region
from sweep.state import SweepState, count_status
from sweep.steering import Line, Share, Steering

STATUS_SECONDS = 1.0
STATUS_SHARE = 0.05
"""Of the owner's time, at most, for status arrays: those of a hundred million points take long."""
SLOW_COMMIT_SECONDS = 1.0
"""On a network file system, rows are committed together, this often."""
TICK_SECONDS = 0.5
"""How long nothing may end before a drive looks whether it is to pause or stop."""
UNBEGUN = 2
"""How often a block goes out again that was not begun by the workers that died with it."""
Key: TypeAlias = tuple[str, int]


class Driver:
    """The owner's side of a running sweep."""

    def __init__(
        self, plan: Plan, folder: Path, ledger: Ledger, owner: Ownership, progress: Progress,
        code: str = "",
    ) -> None:  # fmt: skip
        self.plan = plan
        self._code = code
        """Which state of the models' code the workers are to use; "": as it is now."""
        self.path = folder
        """As the user named it."""
        self.folder = folder.resolve()
        self.ledger = ledger
        self.owner = owner
        self.progress = progress
        self.state = SweepState.of(plan, ledger)
        self._status = store.StatusWriter(folder)
        self._status_due = 0.0
        self._serials = itertools.count()
        self._work: Work = {}
        """What stages took in this run."""

    @property
    def complete(self) -> bool:
        """Nothing is left to be computed."""
        done, blocks = self.state.blocks()
        return done == blocks

    def start(self) -> None:
        """Say how far the sweep is."""
        told = self.state.summary()
        self.ledger.summarize(told)
        self.progress.start(
            Started(self.plan, self.folder, told["counts"], told["blocks_done"], told["blocks"])
        )

    def drive(
        self, client: Client, slots: int, link: str | None,
        steering: Steering | None = None, share: Share | None = None,
    ) -> None:  # fmt: skip
        """Do all that is left, or as much as `steering` lets it.

        Parameters
        ----------
        slots : worker threads of the cluster
        link : address of Dask's dashboard, to be shown
        steering : pauses and stops it from another thread
        share : its share of a cluster that other sweeps use, too
        """
        predicted = self.state.predicted_seconds()[0]
        began = {"started": time.time(), "slots": slots, "predicted_done": predicted}
        self.ledger.note("run", began)
        self.progress.cluster(slots, link)
        share = share or Line().join(0)
        session = _Session(self, client, slots, steering or Steering(), share)
        with watched(client, self.progress.note, session.look_around):
            session.run()

    def count(self, receipt: Receipt) -> None:
        """Count what a block took."""
        self._work = added(self._work, receipt.work)

    def stop(self) -> None:
        """Leave everything as it is found by whoever comes next."""
        learn(self.plan, self.folder.parent, self._work)
        self.state.running.clear()
        self.write_status(final=True)
        self.progress.stop(Finished(self.state.counts(), list(self.ledger.errors())))

    def order(self, name: str, block: int) -> Order:
        """Order what is left of a block."""
        only = None
        if self.state.begun(name, block):
            only = self.state.left(name, block).tobytes()
        generation = self.owner.generation
        return Order(
            str(self.folder), generation, name, block, self.serial(), only=only, code=self._code
        )

    def serial(self) -> int:
        """Give a number that no other order has."""
        return next(self._serials)

    def without_input(self, name: str, block: int) -> NDArray[np.bool_]:
        """Say which points of a block read a shared result which failed."""
        region = self.plan.regions[name]
        left = self.state.left(name, block)
        blocked = np.zeros_like(left)
        for source in region.inputs:
            dims = self.plan.regions[source].dims
            for place in self.state.failed_places(source):
                at = dict(zip(dims, place, strict=True))
                blocked |= _inside(region.box(block), [at.get(d) for d in region.dims])
        return blocked & left

    def write_status(self, *, final: bool = False) -> None:
        """Bring the status arrays up to date, at most once a second."""
        now = time.monotonic()
        if (final or now >= self._status_due) and self.owner.in_charge:
            arrays = self.state.arrays()
            self._status.write(arrays)
            self.ledger.summarize(self.state.summary(count_status(arrays["status"])))
            took = time.monotonic() - now
            self._status_due = now + max(STATUS_SECONDS, took / STATUS_SHARE)


class _Session:
    """One connection to a cluster, until everything is done or it is lost."""

    def __init__(
        self, driver: Driver, client: Client, slots: int, steering: Steering, share: Share
    ) -> None:
        self._driver = driver
        self._client = client
        self._slots = slots
        self._steering = steering
        self._share = share
        self._queue = Queue(driver.plan, driver.state)
        self._window = Window(client, driver.plan)
        self._pieces: dict[Key, list[Order]] = {}
        """Orders that wait for another piece of their block, which writes the same chunks."""
        self._unbegun: Counter[Key] = Counter()
        self._receipts: list[tuple[Receipt | None, BlockRow]] = []
        self._committed = 0.0

    def run(self) -> None:
        """Feed and settle until nothing is left, or a pause or stop comes."""
        try:
            self._feed()
            while self._window.outstanding and not self._steering.stopped:
                outcome = self._window.next(TICK_SECONDS)
                if outcome is not None:
                    self._share.served(outcome.place)
                    self._settle(outcome)
                    self._commit()
                self._feed()
                self._driver.write_status()
        finally:
            self._commit(final=True)
            self._driver.state.running.clear()
            if self._window.outstanding:
                self._window.drop()
                self._driver.owner.dismiss()

    def look_around(self) -> None:
        """Give work to workers that have come, and orders of those that are gone to others."""
        self._slots = max(sum(self._client.nthreads().values()), 1)
        self._window.call_back()

    def _feed(self) -> None:
        driver, most = self._driver, self._share.most(self._slots)
        if self._steering.paused:
            return
        while self._window.outstanding < most and (block := self._queue.take()) is not None:
            blocked = driver.without_input(*block)
            if blocked.any():  # the error stands with the shared result
                row = _marked(driver.plan.regions[block[0]], block[1], blocked, FAILED)
                driver.state.add(*driver.ledger.record([row]))
            if driver.state.is_done(*block):
                self._queue.finished(*block)
                continue
            driver.state.running.add(block)
            self._send(driver.order(*block))

    def _send(self, order: Order) -> None:
        """Send an order to its place in the line."""
        seconds = self._queue.seconds(order.region, order.block)
        self._window.submit(order, self._share.place(seconds))

    def _settle(self, outcome: Outcome) -> None:
        order, receipt = outcome.order, outcome.receipt
        if outcome.killed:
            self._after_death(order, receipt)
        elif receipt is None:
            self._after_error(order, outcome.error)
        elif receipt.outcome == "written":
            self._receipts.append((receipt, self._row(receipt)))
            self._next_piece((order.region, order.block))
        else:
            self._after_refusal(order, receipt)

    def _row(self, receipt: Receipt) -> BlockRow:
        region = self._driver.plan.regions[receipt.region]
        shape = [s.stop - s.start for s in region.box(receipt.block)]
        return BlockRow(
            receipt.region, region.cell(receipt.block),
            np.frombuffer(receipt.status, np.uint8).reshape(shape),
            np.frombuffer(receipt.attempts, np.uint8).reshape(shape),
            np.frombuffer(receipt.seconds, np.float32).reshape(shape),
            receipt.files, receipt.worker, receipt.kernel, time.time(), receipt.generation,
            tuple(self._in_all(region, receipt.block, e) for e in receipt.errors), receipt.ranges,
        )  # fmt: skip

    def _in_all(self, region: Region, block: int, error: PointError) -> PointError:
        """Add the attempts of earlier runs to an error of a region's own stages."""
        plan = self._driver.plan
        dims = plan.dims_of(plan.model.stage(error.stage))
        if error.stage not in region.stages or dims != region.dims:
            return error
        before = self._driver.state.regions[region.name].attempts
        earlier = int(before[(*error.place, region.cell(block)[-1])])
        return replace(error, attempts=error.attempts + earlier)

    def _commit(self, *, final: bool = False) -> None:
        """Bring receipts into the ledger; only then do they count."""
        now = time.monotonic()
        soon = self._driver.ledger.slow and now - self._committed < SLOW_COMMIT_SECONDS
        if not self._receipts or (soon and self._window.outstanding and not final):
            return
        if not self._driver.owner.in_charge:
            raise OwnedError(_taken_over(self._driver.folder))
        rows = self._driver.ledger.record([row for _, row in self._receipts])
        self._committed = now
        for (receipt, _), row in zip(self._receipts, rows, strict=True):
            self._driver.state.add(row)
            if receipt is not None:
                self._driver.count(receipt)
            key = row.region, self._driver.plan.regions[row.region].block_in(row.cell)
            if key not in self._pieces:
                self._driver.state.running.discard(key)
                self._queue.finished(*key)
            self._driver.progress.update(self._driver.state, receipt)
        self._receipts.clear()

    # --- when something goes wrong ----------------------------------------------------------

    def _after_death(self, order: Order, receipt: Receipt | None) -> None:
        """Set suspects apart; a single point is tried again, or is lost."""
        key = order.region, order.block
        points = self._points(order)
        suspects = receipt.suspects if receipt is not None else self._noted(order, points)
        if suspects is None and self._unbegun[key] < UNBEGUN:
            self._unbegun[key] += 1  # it was in the queue of workers that others have killed
            self._send(replace(order, serial=self._driver.serial()))
            return
        if points.sum() > 1:
            pieces = list(self._divided(order, points, suspects))
        else:
            pieces = [replace(order, starts=order.starts + 1, only=points.tobytes())]
        retries = self._driver.plan.sweep.run.retries
        for piece in pieces:
            if piece.starts > retries:
                self._receipts.append((None, self._lost(piece)))
                self._note(order).end()
        self._pieces.setdefault(key, [])[:0] = [p for p in pieces if p.starts <= retries]
        self._next_piece(key)

    def _noted(self, order: Order, points: NDArray[np.bool_]) -> bytes | None:
        """Read what a dead worker had in hand of an order; None if it has left no word."""
        found = self._note(order).earlier()
        if not found:
            return None if found is None else b""
        suspects = np.zeros(points.size, bool)
        suspects[np.flatnonzero(points)[list(found)]] = True
        return suspects.tobytes()

    def _note(self, order: Order) -> InHand:
        region = self._driver.plan.regions[order.region]
        path = in_hand_file(self._driver.folder, region.name, region.cell(order.block))
        return InHand(path, order.name)

    def _points(self, order: Order) -> NDArray[np.bool_]:
        """Say which points of its box an order has computed."""
        left = self._driver.state.left(order.region, order.block)
        if order.only is not None:
            left = np.frombuffer(order.only, bool).reshape(left.shape).copy()
        return left

    def _divided(
        self, order: Order, points: NDArray[np.bool_], suspects: bytes | None
    ) -> Iterator[Order]:
        """Set the points apart that were in hand; cut in halves where that is not known."""
        first = np.zeros_like(points)
        if suspects:
            first |= np.frombuffer(suspects, bool).reshape(points.shape)
        known, alone = bool(first.any()), order.alone
        if known:
            alone = first.sum() > 1
        else:
            first[...] = points & (np.cumsum(points).reshape(points.shape) <= points.sum() // 2)
        if not first.all(where=points):
            yield replace(order, only=(points & ~first).tobytes())
        # what was in hand alone has been started once
        starts = order.starts + 1 if known and not alone else order.starts
        yield replace(order, only=first.tobytes(), starts=starts, alone=bool(alone))

    def _lost(self, order: Order) -> BlockRow:
        """Give up the points of an order."""
        points = self._points(order)
        plan = self._driver.plan
        region = plan.regions[order.region]
        stage = plan.model.stage(region.stages[-1])
        starts = order.starts
        message = f"the worker died {starts} times while it was at this point"
        corner = [s.start for s in region.box(order.block)]
        dims = [region.dims.index(d) for d in plan.dims_of(stage)]
        places = [tuple(int(i[d] + corner[d]) for d in dims) for i in np.argwhere(points)]
        errors = [PointError(stage.name, p, "lost", message, "", starts) for p in places]
        errors = [self._in_all(region, order.block, e) for e in errors]
        return _marked(region, order.block, points, LOST, starts, errors)

    def _next_piece(self, key: Key) -> None:
        """Send the next piece of a block that was cut."""
        waiting = self._pieces.get(key)
        if waiting:
            self._send(replace(waiting.pop(0), serial=self._driver.serial()))
        else:
            self._pieces.pop(key, None)

    def _after_refusal(self, order: Order, receipt: Receipt) -> None:
        """Stop when another owner is in charge; else give the order to another worker."""
        if not self._driver.owner.in_charge:
            raise OwnedError(_taken_over(self._driver.folder))
        if receipt.outcome == "unfit":
            self._avoid({receipt.worker: receipt.message})
        self._send(replace(order, serial=self._driver.serial()))

    def _after_error(self, order: Order, error: BaseException | None) -> None:
        if isinstance(error, CalledBackError):
            if self._noted(order, self._points(order)) is None:
                self._send(replace(order, serial=self._driver.serial()))
            else:
                self._after_death(order, None)
            return
        if not isinstance(error, ImportError | AttributeError):
            raise error or RuntimeError("a task ended without a result")
        # a worker that cannot load the order: find it among those that have joined
        reports = survey(self._client, self._driver.folder.parent, self._driver.plan.model)
        bad = {address: r.faults[0] for address, r in reports.items() if r.faults}
        if not set(bad) - self._window.avoid:
            raise error
        self._avoid(bad)
        self._send(replace(order, serial=self._driver.serial()))

    def _avoid(self, faults: dict[str, str]) -> None:
        for address, fault in faults.items():
            if address not in self._window.avoid:
                self._driver.progress.note(f"{address} {fault}. It gets no work.")
                self._window.avoid.add(address)


def _inside(box: Sequence[slice], place: Sequence[int | None]) -> NDArray[np.bool_]:
    """Say which points of a box lie at a place; None stands for any."""
    here = np.ones([s.stop - s.start for s in box], bool)
    for axis, (s, at) in enumerate(zip(box, place, strict=True)):
        if at is not None:
            along = [-1 if i == axis else 1 for i in range(len(box))]
            here &= (np.arange(s.start, s.stop) == at).reshape(along)
    return here


def _marked(
    region: Region, block: int, points: NDArray[np.bool_], status: int, starts: int = 0,
    errors: Sequence[PointError] = (),
) -> BlockRow:  # fmt: skip
    """Give a row that says nothing but the status of some points."""
    return BlockRow(
        region.name, region.cell(block),
        np.where(points, status, TODO).astype(np.uint8),
        np.where(points, min(starts, 255), 0).astype(np.uint8),
        np.where(points, 0, np.nan).astype(np.float32),
        {}, finished=time.time(), errors=tuple(errors),
    )  # fmt: skip


def _taken_over(folder: Path) -> str:
    return (
        f"Another process has taken over {folder.name}. This one stops; "
        "what it had finished is safe."
    )
