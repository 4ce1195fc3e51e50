"""The cluster of a service: its own, or one at an address, lost and found again."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack
from typing import Any

import dask
from distributed import Client

from sweep.cluster import CONFIG, check_address, connect
from sweep.problems import SweepError
from sweep.steering import Steering

log = logging.getLogger("modesweep.service")
TRY_SECONDS = 5.0
"""How long an attempt to connect may take, and how often the cluster is looked at."""
PATIENCE = 2
"""How often a scheduler may fail to answer in time before it counts as gone."""
STALL_SECONDS = 30.0
"""A clock that is set back further than this stops Dask's streams for too long."""


class Link:
    """Keeps a client of the cluster for all sweeps of a service.

    Parameters
    ----------
    scheduler : address; None: an embedded cluster, on loopback
    workers : processes of the embedded cluster; None: one a core
    """

    def __init__(self, scheduler: str | None, workers: int | None) -> None:
        self.scheduler = scheduler
        self.fault = ""
        """Why there is no cluster; empty while there is one."""
        self.workers: dict[str, int] = {}
        """Threads of each worker, as they were a few seconds ago."""
        self._asked_for = workers
        self._client: Client | None = None
        self._stack = ExitStack()
        self._over = threading.Event()
        self._wake = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True, name="cluster")

    def start(self) -> None:
        """Start the embedded cluster, or begin to look for the one at the address.

        Raises
        ------
        InputError : the certificates at hand are of no use for that address
        UnreachableError : the workers of an embedded cluster do not start
        """
        dask.config.set(CONFIG)
        if self.scheduler is None:
            self._connect()
        else:
            check_address(self.scheduler)
        self._keeper.start()

    def client(self, steering: Steering) -> Client | None:
        """Wait for the cluster; None if a pause or stop comes first."""
        while not steering.paused:
            if (client := self._client) is not None:
                return client
            steering.wait(0.2)
        return None

    def lost(self, client: Client) -> None:
        """Look for another client: the scheduler of this one is gone."""
        if self._client is client and self.scheduler is not None:
            log.warning("the scheduler is gone; waiting for it to come back")
            self.fault = f"the scheduler {self.scheduler} is gone"
            self._client = None
            self._wake.set()

    def answers(self, client: Client) -> bool:
        """Ask the scheduler of a client for its workers; say whether it answers."""
        try:
            self.workers = client.sync(client.scheduler.ncores, callback_timeout=TRY_SECONDS)
        except Exception:
            self.workers = {}
            return False
        return True

    def described(self) -> dict[str, Any]:
        """Tell of the scheduler and its workers, by what they last said of themselves."""
        client = self._client
        known = {} if client is None else _identity(client)
        return {
            "scheduler": self.scheduler or "embedded", "fault": self.fault,
            "address": known.get("address", ""), "dashboard": self._dashboard(client),
            "workers": [_worker(address, w) for address, w in known.get("workers", {}).items()],
        }  # fmt: skip

    def _dashboard(self, client: Client | None) -> str:
        """Give the address of Dask's own dashboard; that of an embedded cluster is off."""
        return "" if client is None or self.scheduler is None else client.dashboard_link or ""

    def close(self) -> None:
        """Let go of the cluster; stop it if it is embedded."""
        self._over.set()
        self._wake.set()
        self._client = None
        if self._keeper.is_alive():
            self._keeper.join(2 * TRY_SECONDS)
        self._disconnect()

    def _connect(self) -> None:
        self._client = self._stack.enter_context(
            connect(self.scheduler, self._asked_for, dashboard=False, wait=TRY_SECONDS)
        )
        self.fault = ""
        log.info("connected to %s", self.scheduler or "the embedded cluster")

    def _disconnect(self) -> None:
        try:
            self._stack.close()
        except Exception as error:  # the other end may be gone in any way
            log.info("the connection to the scheduler closed with %r", error)

    def _keep(self) -> None:
        """Look at the cluster now and then, and for one while there is none."""
        silent, clock = 0, _clock()
        while not self._over.is_set():
            before, clock = clock, _clock()
            if clock < before - STALL_SECONDS and self._client is not None:
                # what Dask was about to send waits until the clock shows the old time again
                log.warning("the clock was set back; connecting to the cluster anew")
                self._client = None
            client = self._client
            if client is None:
                self._disconnect()
                self._look()
            else:
                silent = 0 if self.answers(client) else silent + 1
                if silent >= PATIENCE or client.status == "closed":
                    self.lost(client)
                    silent = 0
            self._wake.wait(TRY_SECONDS if self._client is not None else 1.0)
            self._wake.clear()

    def _look(self) -> None:
        try:
            self._connect()
        except (SweepError, OSError, TimeoutError) as error:
            if str(error) != self.fault:
                log.warning("%s", error)
            self.fault = str(error)


def _identity(client: Client) -> dict[str, Any]:
    """Ask a scheduler for itself and all its workers; nothing, if it does not answer."""
    ask = client.scheduler.identity
    try:
        try:
            return client.sync(ask, n_workers=-1, callback_timeout=TRY_SECONDS)
        except TypeError:  # older ones give all of them unasked
            return client.sync(ask, callback_timeout=TRY_SECONDS)
    except Exception as error:  # it may be gone in any way
        log.debug("the scheduler does not say who its workers are: %r", error)
        return {}


def _worker(address: str, told: dict[str, Any]) -> dict[str, Any]:
    """Tell of a worker what its heartbeats say."""
    metrics = told.get("metrics", {})
    return {
        "address": address, "name": str(told.get("name", "")), "host": told.get("host", ""),
        "threads": told.get("nthreads", 0), "memory": metrics.get("memory", 0),
        "memory_limit": told.get("memory_limit", 0), "cpu": metrics.get("cpu", 0.0),
        "executing": metrics.get("executing", 0), "ready": metrics.get("ready", 0),
        "last_seen": told.get("last_seen", 0.0), "status": told.get("status", ""),
    }  # fmt: skip


def _clock() -> float:
    """Compare the clock on the wall with one that nobody sets."""
    return time.time() - time.monotonic()
