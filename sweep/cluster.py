"""The Dask cluster that a sweep runs on: an embedded one, or one that is there already."""

from __future__ import annotations

import logging
import os
import platform
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster

import models
from sweep.problems import UnreachableError
from sweep.process import slot

WAIT_SECONDS = 30
CONFIG = {
    # numerics run in their own processes, but a busy disk may still hold a worker up
    "distributed.scheduler.worker-ttl": "30 minutes",
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.admin.tick.limit": "60s",
}


@contextmanager
def connect(
    scheduler: str | Client | None, workers: int | None, *, dashboard: bool
) -> Iterator[Client]:
    """Give a client of the cluster, and close what was opened for it.

    Raises
    ------
    UnreachableError : the scheduler does not answer, or has no workers, within 30 s
    """
    if isinstance(scheduler, Client):
        yield scheduler
        return
    with dask.config.set(CONFIG):
        if scheduler is None:
            with _embedded(workers, dashboard=dashboard) as client:
                yield client
            return
        try:
            client = Client(scheduler, timeout=WAIT_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            msg = (
                f"The scheduler {scheduler} does not answer within {WAIT_SECONDS} s ({error}). "
                "Check the address, and that it runs."
            )
            raise UnreachableError(msg) from None
        with client:
            yield client


@contextmanager
def _embedded(workers: int | None, *, dashboard: bool) -> Iterator[Client]:
    """Start workers of one thread each, on loopback only; they die with this process."""
    try:
        with _interrupts_held():
            cluster = LocalCluster(
                n_workers=workers or cores(), threads_per_worker=1, processes=True,
                host="127.0.0.1", memory_limit=0, silence_logs=logging.CRITICAL,
                # without addresses their HTTP servers would listen on every interface
                dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": dashboard},
            )  # fmt: skip
    except RuntimeError as error:
        msg = (
            f"The workers of the embedded cluster did not start ({error}). In a script, call "
            "sweep.run under `if __name__ == '__main__':`, since every worker reads the script."
        )
        raise UnreachableError(msg) from error
    try:
        with Client(cluster) as client:
            yield client
    finally:
        cluster.close(timeout=3)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while workers start.

    A terminal sends it to the whole process group. What starts here inherits the held
    signal, so workers end with their owner, quietly, instead of each by its own.
    """
    resource_tracker.ensure_running()  # its start would let the signal through again
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def versions() -> dict[str, str]:
    """Give the versions that decide results and formats."""
    names = ("modesweep", "numpy", "scipy", "zarr", "dask", "distributed", "pydantic")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def look_at_worker(folder: str, token: str) -> dict[str, Any]:
    """Report from a worker: versions, where the code comes from, the workspace, BLAS."""
    path = Path(folder, token)
    process = slot()
    process.close()
    return {
        "versions": versions(),
        "models": str(Path(models.__file__).parent),
        "sees_workspace": path.exists(),
        "python": sys.executable,
    }


def check_workers(client: Client, folder: Path) -> int:
    """See that every worker can do its part; give the number of slots.

    Raises
    ------
    UnreachableError : no workers, other versions, or a workspace that they do not share
    """
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError:
        msg = (
            f"The cluster has no workers after {WAIT_SECONDS} s. "
            "A sweep waits for ever without them. Start some, then run it again."
        )
        raise UnreachableError(msg) from None
    token = f"worker-check-{os.getpid()}"
    (folder / token).touch()
    try:
        reports = client.run(look_at_worker, str(folder), token)
    finally:
        (folder / token).unlink()
    faults = [f for name, r in reports.items() for f in _faults(name, r)]
    if faults:
        raise UnreachableError("The cluster cannot run this sweep:\n  " + "\n  ".join(faults))
    return sum(client.nthreads().values())


def _faults(name: str, report: dict[str, Any]) -> list[str]:
    own = versions()
    other = {k: v for k, v in report["versions"].items() if own.get(k) != v}
    found = []
    if other:
        pairs = ", ".join(f"{k} {v} (here {own[k]})" for k, v in other.items())
        found.append(f"{name} has {pairs}. Install the same versions everywhere.")
    if not report["sees_workspace"]:
        found.append(f"{name} does not see the workspace. Use a folder that all hosts share.")
    return found
