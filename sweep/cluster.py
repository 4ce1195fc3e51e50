"""The Dask cluster that a sweep runs on: an embedded one, or one that is there already."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster, Worker, fire_and_forget, get_worker
from distributed.comm import CommClosedError, get_address_host, parse_address
from distributed.system import MEMORY_LIMIT

from models import registry
from models.protocol import Model
from sweep.machine import cores
from sweep.owning import owner_of
from sweep.planning import Plan
from sweep.problems import InputError, RefusedError, UnreachableError
from sweep.trust import Identity, exposed
from sweep.upgrading import frozen_plan
from sweep.versions import versions
from sweep.words import readable_bytes

WAIT_SECONDS = 30
WATCH_SECONDS = 5.0
CLOSE_SECONDS = 5.0
CONFIG = {
    # numerics run in their own processes, but a busy disk may still hold a worker up
    "distributed.scheduler.worker-ttl": "30 minutes",
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.admin.tick.limit": "60s",
}
log = logging.getLogger("modesweep.service.cluster")


@contextmanager
def connect(
    scheduler: str | Client | None, workers: int | None, *, dashboard: bool,
    wait: float | None = None,
) -> Iterator[Client]:  # fmt: skip
    """Give a client of the cluster, and close what was opened for it.

    Raises
    ------
    InputError : the scheduler cannot be spoken to with the certificates at hand
    UnreachableError : it does not answer within `wait` seconds, or `WAIT_SECONDS`
    """
    wait = WAIT_SECONDS if wait is None else wait
    if isinstance(scheduler, Client):
        yield scheduler
        return
    with dask.config.set(CONFIG):
        if scheduler is None:
            with _embedded(workers, dashboard=dashboard) as client:
                yield client
            return
        check_address(scheduler)
        # whoever waits for results hears of a lost scheduler; the log has only its traceback
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        try:
            client = Client(scheduler, timeout=wait)
        except (OSError, ValueError, TimeoutError) as error:
            raise UnreachableError(_no_answer(scheduler, wait, error)) from None
        with client:
            yield client


def check_address(scheduler: str) -> None:
    """See that an address fits the certificates that Dask was told of; warn if it needs none.

    Raises
    ------
    InputError : lists every file that is missing or of no use
    """
    try:
        (scheme, _), host = parse_address(scheduler), get_address_host(scheduler)
    except ValueError:
        return  # whoever connects says what is wrong with it
    if scheme in ("tls", "wss"):
        if faults := _identity().faults():
            msg = (
                f"The scheduler {scheduler} asks for certificates: {'; '.join(faults)}. "
                "Set them in the environment, to PEM files that you can read."
            )
            raise InputError(msg)
    elif scheme != "inproc" and dask.config.get("distributed.comm.require-encryption"):
        msg = (
            f"{scheduler} is not encrypted, and DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION is set. "
            "Give the address of a scheduler with TLS: tls://HOST:PORT."
        )
        raise InputError(msg)
    elif exposed(scheme, host):
        _warn_of(scheduler)


@functools.cache
def _warn_of(scheduler: str) -> None:
    """Say once what a cluster in the open means."""
    log.warning(
        "The connection to %s is not encrypted: whoever reaches that network can read results and "
        "run code on the cluster. Between hosts use TLS: tls://HOST:PORT.", scheduler
    )  # fmt: skip


def _identity() -> Identity:
    """Give what Dask shows and trusts as a client."""
    files = (dask.config.get(f"distributed.comm.tls.{x}", default=None)
             for x in ("ca-file", "client.cert", "client.key"))  # fmt: skip
    return Identity(*files)


def _no_answer(scheduler: str, wait: float, error: Exception) -> str:
    """Say why there is no connection: nobody is there, or one end does not trust the other."""
    if not isinstance(error, CommClosedError):
        return (
            f"The scheduler {scheduler} does not answer within {wait:g} s ({error}). "
            "Check the address, and that it runs."
        )
    if why := getattr(error.__cause__, "verify_message", ""):
        return (
            f"The scheduler {scheduler} shows a certificate that is not trusted here: {why}. Use "
            "certificates of one authority on all hosts, and renew those that have expired."
        )
    why = scheduler.startswith("tls://") and _identity().refusal()
    if why:
        return f"The scheduler {scheduler} hangs up: {why}. Use one that is valid there."
    reason = (
        str(error).rpartition(">: ")[2] or type(error).__name__
    )  # without the ports, which vary
    return (
        f"The scheduler {scheduler} hangs up ({reason}). Either one end speaks TLS and the other "
        "does not (an address that begins with tls:// is for schedulers that do), or it does not "
        "trust the certificate of this client. Its log says more."
    )


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
        # everything is stored by now; workers that are slow to end are killed with this process
        with contextlib.suppress(TimeoutError):
            cluster.close(timeout=CLOSE_SECONDS)


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


@contextmanager
def watched(
    client: Client, say: Callable[[str], None], look: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Say so when the cluster has been without workers for a while, as long as this lasts.

    `look` is called now and then, in another thread.
    """
    over = threading.Event()

    def watch() -> None:
        empty_since = None
        while not over.wait(WATCH_SECONDS):
            try:
                there = bool(client.nthreads())
                look()
            except (OSError, TimeoutError, RuntimeError):
                continue  # whoever waits for results hears of a lost scheduler
            now = time.monotonic()
            empty_since = None if there else empty_since or now
            if empty_since is not None and now - empty_since >= WAIT_SECONDS:
                say("The cluster has no workers. The sweep waits for some; Ctrl-C stops it.")
                empty_since = now + 10 * WAIT_SECONDS

    watcher = threading.Thread(target=watch, daemon=True, name="workers")
    watcher.start()
    try:
        yield
    finally:
        over.set()


def own_address() -> str:
    """Give the address of the worker that this code runs on."""
    try:
        return str(get_worker().address)
    except ValueError:
        return ""


def unfit(folder: Path) -> list[str]:
    """Say what this worker lacks for a sweep, as its owner has left word of it."""
    owner = owner_of(folder)
    try:
        frozen = frozen_plan(folder)
    except (OSError, ValueError):
        frozen = {}
    if not owner or not frozen:
        return [f"does not see {folder}. Use a workspace on a file system that all hosts share"]
    return _lacks(owner["versions"], frozen["model"], frozen["revision"])


def _lacks(wanted: dict[str, str], model: str, revision: int) -> list[str]:
    found = []
    own = versions()
    other = [f"{k} {own.get(k)} (the owner {v})" for k, v in wanted.items() if own.get(k) != v]
    if other:
        found.append(f"has {', '.join(other)}. Install the same versions everywhere")
    if model not in registry.names():
        found.append(f"does not have the model {model!r}. Install its package there, too")
    elif registry.get(model).revision != revision:
        found.append(
            f"has revision {registry.get(model).revision} of the model {model!r}, not {revision}. "
            "Install the same version everywhere"
        )
    return found


@dataclass(frozen=True)
class WorkerReport:
    """What a worker says of itself."""

    faults: list[str]
    memory: int
    """Bytes that each of its slots may use."""


def look_at_worker(
    token: str, wanted: dict[str, str], model: str, revision: int, dask_worker: Worker
) -> WorkerReport:
    """Report from a worker whether it can do its part."""
    faults = _lacks(wanted, model, revision)
    if not Path(token).exists():
        folder = Path(token).parent
        faults.append(f"does not see {folder}. Use a workspace that all hosts share")
    return WorkerReport(faults, MEMORY_LIMIT // dask_worker.state.nthreads)


def survey(client: Client, workspace: Path, model: Model) -> dict[str, WorkerReport]:
    """Ask every worker what it can do, by its address; those that have gone meanwhile are none."""
    workspace.mkdir(parents=True, exist_ok=True)
    token = workspace.resolve() / f".worker-check-{os.getpid()}"
    token.touch()
    try:
        told = (str(token), versions(), model.name, model.revision)
        there = list(client.nthreads())
        reports: dict[str, object] = client.sync(_looked_at, client, there, told)
        there = list(client.nthreads())
    finally:
        token.unlink(missing_ok=True)
    return {
        address: r if isinstance(r, WorkerReport) else WorkerReport([_cannot_answer(r)], 0)
        for address, r in reports.items()
        if isinstance(r, WorkerReport | TimeoutError) or address in there
    }


async def _looked_at(client: Client, there: list[str], told: tuple[Any, ...]) -> dict[str, object]:
    """Ask workers all at once, and wait for each no longer than `WAIT_SECONDS`."""

    async def one(address: str) -> object:
        question = client.run(look_at_worker, *told, workers=[address], on_error="return")
        try:
            return (await asyncio.wait_for(question, WAIT_SECONDS))[address]
        except TimeoutError as error:
            return error

    return dict(zip(there, await asyncio.gather(*map(one, there)), strict=True))


def _cannot_answer(error: object) -> str:
    if isinstance(error, TimeoutError):
        return f"does not answer within {WAIT_SECONDS} s. Stop it, or start it again"
    text = f"cannot run modesweep ({type(error).__name__}: {error})"
    return f"{text}. Install the same version of it there, where no other `sweep` hides it"


def _wait_for_workers(client: Client) -> None:
    if not client.nthreads():
        # a cluster that starts workers on demand has none while no task is there; this one
        # outlives its client, so that a job which waits for hours does not lose its place
        fire_and_forget(client.submit(int, key="modesweep-needs-a-worker"))
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError:
        msg = (
            f"The cluster has no workers after {WAIT_SECONDS} s. "
            "A sweep waits for ever without them. Start some, or wait for those that it starts "
            "on demand. A service then goes on by itself; give `modesweep run` again."
        )
        raise UnreachableError(msg) from None


def check_workers(client: Client, workspace: Path, plan: Plan) -> int:
    """See that every worker can do its part; give the number of slots.

    Raises
    ------
    UnreachableError : no workers, other versions, no model, or a workspace they do not share
    RefusedError : a point needs more memory than any worker has
    """
    reports: dict[str, WorkerReport] = {}
    while not reports:  # all may have gone while they were asked
        _wait_for_workers(client)
        reports = survey(client, workspace, plan.model)
    faults = [f"{address} {fault}." for address, r in reports.items() for fault in r.faults]
    if faults:
        raise UnreachableError("The cluster cannot run this sweep:\n  " + "\n  ".join(faults))
    most = max(r.memory for r in reports.values())
    if plan.peak_bytes > most:
        msg = (
            f"A point needs up to {readable_bytes(plan.peak_bytes)} of memory, and no worker has "
            f"more than {readable_bytes(most)} for each of its threads. Lower what makes "
            "matrices large, or start workers with more memory or fewer threads."
        )
        raise RefusedError(msg)
    return sum(client.nthreads().values())
