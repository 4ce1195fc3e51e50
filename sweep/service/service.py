"""All sweeps of a workspace: what is wanted of them, and who carries them."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.documents import Document
from sweep.overview import Status
from sweep.problems import MachineError, RefusedError
from sweep.reading import stored_plan
from sweep.service.carrying import Carrier
from sweep.service.desk import Desk
from sweep.service.link import Link
from sweep.service.lock import ServiceLock
from sweep.steering import Line
from sweep.sweep_file import read
from sweep.wishes import read_wish, wished

SEATS = 64
"""Sweeps that are carried at once; more wait, the highest priority first."""
STOP_SECONDS = 20.0
log = logging.getLogger("modesweep.service")


@dataclass(frozen=True)
class Health:
    """How the service itself is."""

    scheduler: str
    workers: int
    slots: int
    fault: str
    carried: int


class Service:
    """Owns the sweeps of a workspace while it lives. Its methods may be called in any thread.

    Parameters
    ----------
    workspace : folder that holds sweeps, on a disk that all workers see
    scheduler : address; None: an embedded cluster
    workers : processes of the embedded cluster; None: one a core

    Raises
    ------
    RefusedError : the workspace has a service
    """

    def __init__(
        self, workspace: Path, scheduler: str | None = None, workers: int | None = None
    ) -> None:
        workspace.mkdir(parents=True, exist_ok=True)
        self.workspace = workspace.resolve()
        self._service_lock = ServiceLock(self.workspace)
        self._desk = Desk(self.workspace)
        self._link = Link(scheduler, workers)
        self._line = Line()
        self._lock = threading.RLock()
        self._carriers: dict[str, Carrier] = {}
        self._over = False

    def start(self) -> None:
        """Find the cluster, and go on with everything that is wanted."""
        self._link.start()
        for name in wished(self.workspace):
            self._consider(name)

    def stop(self) -> None:
        """Stop everything; what is finished is safe, and the next service goes on."""
        with self._lock:
            self._over = True
            carriers = list(self._carriers.values())
        for carrier in carriers:
            carrier.steering.stop()
        for carrier in carriers:
            carrier.join(STOP_SECONDS)
        self._link.close()
        self._service_lock.release()

    @property
    def health(self) -> Health:
        """Say how the service itself is."""
        workers = dict(self._link.workers)
        return Health(
            self._link.scheduler or "embedded", len(workers), sum(workers.values()),
            self._link.fault, len(self._carriers),
        )  # fmt: skip

    def cluster(self) -> dict[str, Any]:
        """Tell of the scheduler and its workers, as they were a few seconds ago."""
        return self._link.described() | {"carried": sorted(self._carriers)}

    # --- what may be wanted -----------------------------------------------------------------

    def submit(self, file: Mapping[str, Any] | Document) -> tuple[Status, bool]:
        """Take a sweep in; give its status and whether it is new. See `Desk.submit`."""
        sweep = read(file)
        with self._lock:
            new = self._desk.submit(sweep)
            self._consider(sweep.name)
        return self.status(sweep.name), new

    def pause(self, name: str) -> Status:
        """Let what has begun finish, and begin nothing more."""
        with self._lock:
            self._desk.pause(name)
            if name in self._carriers:
                self._carriers[name].steering.pause()
        return self.status(name)

    def resume(self, name: str) -> Status:
        """Go on with a sweep."""
        with self._lock:
            self._desk.resume(name)
            self._consider(name)
        return self.status(name)

    def cancel(self, name: str) -> Status:
        """Stop a sweep at once; what is finished is kept."""
        with self._lock:
            self._desk.cancel(name)
            if name in self._carriers:
                self._carriers[name].steering.stop()
        return self.status(name)

    def retry(self, name: str) -> Status:
        """Compute failed and lost points again; a sweep that runs first finishes its blocks."""
        with self._lock:
            self._desk.retry(name)
            self._again(name)
        return self.status(name)

    def extend(self, name: str, values: Mapping[str, Sequence[Any]]) -> Status:
        """Add values to axes; a sweep that runs first finishes its blocks."""
        with self._lock:
            self._desk.extend(name, values)
            self._again(name)
        return self.status(name)

    def prioritize(self, name: str, priority: int) -> Status:
        """Give a sweep another share of the cluster."""
        with self._lock:
            self._desk.prioritize(name, priority)
            if name in self._carriers:
                self._carriers[name].share.priority = priority
        return self.status(name)

    def remove(self, name: str) -> Path | None:
        """Cancel a sweep and move it to the trash; give its place there."""
        with self._lock:
            self._desk.cancel(name)
            carrier = self._carriers.get(name)
        if carrier is not None:
            carrier.steering.stop()
            carrier.join(STOP_SECONDS)
            if carrier.is_alive():
                msg = f"{name} does not stop yet. Try again in a while."
                raise RefusedError(msg)
        with self._lock:
            return self._desk.remove(name)

    # --- looking ------------------------------------------------------------------------------

    def status(self, name: str) -> Status:
        """Say how far a sweep is; of one whose disk is full, as far as it was."""
        try:
            return self._in_words(self._desk.status(name))
        except MachineError:
            carrier = self._carriers.get(name)
            if carrier is None or (waiting := carrier.waiting) is None:
                raise
            return waiting

    def statuses(self) -> list[Status]:
        """Say how far all sweeps are."""
        return [self._in_words(status) for status in self._desk.statuses()]

    def _in_words(self, status: Status) -> Status:
        """Add why a sweep waits, where the disk has taken no note of it."""
        carrier = self._carriers.get(status.name)
        if carrier is None or status.state not in ("queued", "running", "damaged"):
            return status
        return carrier.waiting or status

    def document(self, name: str) -> dict[str, Any]:
        """Give a sweep file as plain values."""
        waiting = self._desk.wish(name).document
        return stored_plan(self.folder(name)).sweep.document if waiting is None else waiting

    def folder(self, name: str) -> Path:
        """Give the folder of a sweep of this workspace, and of no other place."""
        return self._desk.folder(name)

    # --- who is carried -----------------------------------------------------------------------

    def _again(self, name: str) -> None:
        """Have what was asked of a sweep done once it is at rest."""
        if name in self._carriers:
            self._carriers[name].steering.pause()
        self._consider(name)

    def _consider(self, name: str) -> None:
        """Carry a sweep that is to run, if there is a seat."""
        with self._lock:
            wish = read_wish(self.workspace, name)
            full = len(self._carriers) >= SEATS
            if self._over or wish is None or wish.wanted != "run" or name in self._carriers or full:
                return
            begun = (
                self.workspace / name
            ).exists()  # else even one without a point gets its folder
            if begun and self._desk.status(name).state in ("complete", "ended"):
                return
            share = self._line.join(wish.priority)
            carrier = Carrier(name, self._desk, self._link, share, self._left)
            self._carriers[name] = carrier
        carrier.start()

    def _left(self, carrier: Carrier) -> None:
        """Give the seat to whoever waits; the same sweep, if more is wanted of it."""
        with self._lock:
            del self._carriers[carrier.sweep]
            if self._over:
                return
        with contextlib.suppress(Exception):  # a damaged one must not keep the others waiting
            self._consider(carrier.sweep)
        for name in self._waiting():
            with contextlib.suppress(Exception):
                self._consider(name)

    def _waiting(self) -> list[str]:
        """Name the sweeps without a seat, the highest priority first, then the oldest."""
        names = [n for n in wished(self.workspace) if n not in self._carriers]
        wishes = [w for n in names if (w := read_wish(self.workspace, n)) is not None]
        waiting = [w for w in wishes if w.wanted == "run"]
        return [w.name for w in sorted(waiting, key=lambda w: (-w.priority, w.submitted))]
