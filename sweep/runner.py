"""Runs a sweep here and now: the owner of one sweep, from its file to its last block.

Safe to stop at any moment and by any means; the same call goes on where it stopped.
"""

from __future__ import annotations

import difflib
import errno
import json
import multiprocessing
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import xarray
from distributed import Client

from sweep import documents, store
from sweep.child import blas
from sweep.cluster import check_workers, connect, versions
from sweep.durable import PARTIAL, write_files
from sweep.graph import MOST_OUTSTANDING, WINDOW, Outcome, Queue, Window
from sweep.layout import DEFAULT_WORKSPACE, plan_file, sweep_file
from sweep.ledger import BlockRow, Ledger, Ownership
from sweep.messages import Order, Receipt
from sweep.planning import Plan
from sweep.problems import MachineError, RefusedError, SweepError
from sweep.progress import Finished, Progress, Silent, Started
from sweep.querying import open_dataset
from sweep.spec import Sweep
from sweep.state import SweepState
from sweep.summary import check_budget
from sweep.sweep_file import read

STATUS_SECONDS = 1.0
STALE_SECONDS = 3600.0


@dataclass(frozen=True)
class Result:
    """A sweep that was run, as far as it came."""

    name: str
    path: Path
    outputs: tuple[str, ...]
    counts: dict[str, int] = field(compare=False)
    """Points by status."""

    @property
    def complete(self) -> bool:
        """Every point has a result, or is skipped."""
        return not {"todo", "running", "failed", "lost"} & set(self.counts)

    def open(self) -> xarray.Dataset:
        """Open the results as a lazy xarray.Dataset."""
        return open_dataset(self.path)

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {name}" for name, n in self.counts.items())
        return f"{self.name}: {counts} ({self.path})"


def run(
    file: str | Path | Mapping[str, Any] | Sweep,
    *,
    workspace: str | Path = DEFAULT_WORKSPACE,
    workers: int | None = None,
    scheduler: str | Client | None = None,
    dashboard: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Run a sweep, or go on with it; what is stored is not computed again.

    Parameters
    ----------
    file : sweep file, or a dict of its shape
    workspace : folder that holds sweeps, on a disk that all workers see
    workers : processes of the embedded cluster; default: one for each core
    scheduler : address of a Dask scheduler, or a Client, instead of the embedded cluster
    dashboard : show Dask's own dashboard on loopback

    Raises
    ------
    InputError : the file cannot be run, or differs from what is stored under its name
    UnreachableError : the scheduler or its workers are not there
    MachineError : the disk is full, or input or output failed
    """
    _refuse_spawned_copy()
    sweep = read(file)
    folder = Path(workspace) / sweep.name
    try:
        plan = _prepared(sweep, folder)
        owner = Ownership(folder)
    except OSError as error:
        raise _machine(error, folder) from error
    ledger = Ledger(folder, writable=True)
    try:
        runner = _Runner(plan, folder, ledger, owner.generation, progress or Silent())
        runner.run(workers, scheduler, dashboard=dashboard)
        return Result(sweep.name, folder, sweep.outputs, runner.state.counts())
    except OSError as error:
        if isinstance(error, SweepError | BrokenPipeError):
            raise  # a broken pipe is the reader of our output going away, not the disk
        raise _machine(error, folder) from error
    finally:
        ledger.close()
        owner.release()


def _refuse_spawned_copy() -> None:
    """Stop a script that runs again inside each worker that it starts."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        msg = (
            "sweep.run was called while a worker process was starting: the script has no guard, "
            "so every worker runs it again. Put the call under `if __name__ == '__main__':`."
        )
        raise RuntimeError(msg)


def _machine(error: OSError, folder: Path) -> MachineError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "Free some space" if full else "Check the disk and its permissions"
    msg = (
        f"{folder} cannot be written: {error.strerror or error}. "
        f"What is finished is safe. {remedy}, then run the same command again."
    )
    return MachineError(msg)


def _prepared(sweep: Sweep, folder: Path) -> Plan:
    """Create the folder of a sweep, or find it as it was created."""
    if plan_file(folder).exists():
        return _found(sweep, folder)
    plan = Plan(sweep)
    check_budget(plan, folder.parent)
    fresh = folder.with_name(f".{folder.name}.creating")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    store.create(fresh, plan, store.attributes(plan, versions(), blas()[0]))
    frozen = {
        "format": 1, "model": plan.model.name, "revision": plan.model.revision,
        "regions": plan.frozen(),
    }  # fmt: skip
    write_files({
        sweep_file(fresh): documents.to_toml(sweep.document).encode(),
        plan_file(fresh): json.dumps(frozen, indent=1).encode(),
    })  # fmt: skip
    Ledger(fresh, writable=True).close()
    # one rename makes the sweep: a kill before it leaves nothing under the name
    if folder.exists():
        shutil.rmtree(folder)
    fresh.replace(folder)
    return plan


def _found(sweep: Sweep, folder: Path) -> Plan:
    stored = read(sweep_file(folder))
    frozen = json.loads(plan_file(folder).read_text())
    before, now = (documents.to_toml(s.canonical_document()) for s in (stored, sweep))
    if stored.canonical_document() != sweep.canonical_document():
        change = difflib.unified_diff(
            before.splitlines(), now.splitlines(), "stored", "given", lineterm="", n=0
        )
        msg = (
            f"{folder} holds another sweep of the name {sweep.name!r}:\n  "
            + "\n  ".join(change)
            + "\nWhat is stored is never overwritten. Give the new sweep another `name`, or "
            f"use another --workspace, or remove {folder} if you no longer want it."
        )
        raise RefusedError(msg)
    if frozen["revision"] != sweep.model.revision:
        msg = (
            f"{folder} was computed by revision {frozen['revision']} of the model "
            f"{sweep.model.name!r}; this is revision {sweep.model.revision}, which gives other "
            "numbers. Give the sweep another `name`, or install the version that began it."
        )
        raise RefusedError(msg)
    return Plan(replace(stored, run=sweep.run), frozen["regions"])


class _Runner:
    """Feeds the window and settles what comes back."""

    def __init__(
        self, plan: Plan, folder: Path, ledger: Ledger, generation: int, progress: Progress
    ) -> None:
        self.plan = plan
        self.folder = folder.resolve()
        self.ledger = ledger
        self.generation = generation
        self.progress = progress
        ledger.forget_lost()
        self.state = SweepState.of(plan, ledger)
        self._status = store.StatusWriter(folder)
        self._written = 0.0

    def run(self, workers: int | None, scheduler: str | Client | None, *, dashboard: bool) -> None:
        """Do all that is left."""
        done, blocks = self.state.blocks()
        self.progress.start(Started(self.plan, self.folder, self.state.counts(), done, blocks))
        try:
            if done < blocks:
                remove_leftovers(self.folder)
                with connect(scheduler, workers, dashboard=dashboard) as client:
                    slots = check_workers(client, self.folder)
                    self.ledger.note(
                        "run",
                        {
                            "started": time.time(),
                            "slots": slots,
                            "predicted_done": self.state.predicted_seconds()[0],
                        },
                    )
                    self.progress.cluster(slots, client.dashboard_link if dashboard else None)
                    self._drive(client, slots)
        finally:
            self.state.running.clear()
            self._write_status(final=True)
            self.progress.stop(Finished(self.state.counts(), list(self.ledger.errors())))

    def _drive(self, client: Client, slots: int) -> None:
        queue = Queue(self.plan, self.state)
        window = Window(client, self.plan, self._order)
        most = min(WINDOW * slots, MOST_OUTSTANDING)
        try:
            self._feed(queue, window, most)
            for outcome in window.outcomes():
                self._settle(outcome, queue, window)
                self._feed(queue, window, most)
                self._write_status()
        finally:
            window.drop()

    def _feed(self, queue: Queue, window: Window, most: int) -> None:
        while window.outstanding < most and (block := queue.take()) is not None:
            window.submit(*block, attempt=1)
            self.state.running.add(block)

    def _order(self, name: str, block: int, attempt: int) -> Order:
        skip = self._without_input(name, block)
        return Order(str(self.folder), self.generation, name, block, attempt, skip)

    def _without_input(self, name: str, block: int) -> tuple[tuple[int, ...], ...]:
        """Give the points of a block that read a shared result which failed."""
        region = self.plan.regions[name]
        bad = {n: self.state.failed_places(n) for n in region.inputs}
        if not any(bad.values()):
            return ()
        found = []
        for place, _ in self.plan.block_points(region, block):
            at = dict(zip(region.dims, place, strict=True))
            for n, places in bad.items():
                if tuple(at.get(d, 0) for d in self.plan.regions[n].dims) in places:
                    found.append(place)
                    break
        return tuple(found)

    def _settle(self, outcome: Outcome, queue: Queue, window: Window) -> None:
        order, receipt = outcome.order, outcome.receipt
        if receipt is not None:
            if receipt.dropped:
                msg = (
                    f"Another process has taken over {self.folder.name}. This one stops; "
                    "what it had finished is safe."
                )
                raise RefusedError(msg)
            self.ledger.record([receipt])
            self.state.add(_row(receipt))
        elif outcome.killed and order.attempt <= self.plan.sweep.run.retries:
            window.submit(order.region, order.block, order.attempt + 1)
            return
        elif outcome.killed:
            message = f"the worker died {order.attempt} times: {outcome.error}"
            self.ledger.record_lost(order.region, order.block, order.attempt, message)
            self.state.lose(order.region, order.block, order.attempt)
        elif outcome.error is not None:
            raise outcome.error
        self.state.running.discard((order.region, order.block))
        queue.finished(order.region, order.block)
        self.progress.update(self.state, receipt)

    def _write_status(self, *, final: bool = False) -> None:
        now = time.monotonic()
        if final or now - self._written >= STATUS_SECONDS:
            self._status.write(self.state.arrays())
            self._written = now


def _row(receipt: Receipt) -> BlockRow:
    return BlockRow(
        receipt.region, receipt.block, receipt.status, receipt.attempts, receipt.seconds,
        receipt.files,
    )  # fmt: skip


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a killed writer left behind long ago."""
    now = time.time()
    for path in folder.rglob(f"*{PARTIAL}"):
        if now - path.stat().st_mtime > STALE_SECONDS:
            path.unlink(missing_ok=True)
