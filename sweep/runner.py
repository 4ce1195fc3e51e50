"""Runs a sweep here and now: the owner of one sweep, from its file to its last block.

Safe to stop at any moment and by any means; the same call goes on where it stopped.
"""

from __future__ import annotations

import errno
import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from distributed import CancelledError, Client

from sweep import beginning, extending
from sweep.calibration import WORTH_SECONDS, Work, measured, pilot
from sweep.child import Request
from sweep.cluster import check_workers, connect
from sweep.driving import Driver
from sweep.durable import PARTIAL
from sweep.graph import CONNECTION_LOST, SchedulerLostError
from sweep.layout import DEFAULT_WORKSPACE, extension_folder
from sweep.ledger import Ledger
from sweep.locating import complete, complete_own, locate, put_in_place
from sweep.owning import Ownership
from sweep.planning import Plan
from sweep.problems import MachineError, SweepError, UnreachableError
from sweep.progress import Progress, Silent
from sweep.reading import stored_plan
from sweep.result import Result
from sweep.spec import Sweep
from sweep.summary import check_budget
from sweep.sweep_file import outgrown, read

STALE_SECONDS = 3600.0
MOST_LOSSES = 3
"""How often a scheduler may be lost without a single block in between."""


@dataclass(frozen=True)
class Cluster:
    """Where a sweep runs."""

    workers: int | None = None
    scheduler: str | Client | None = None
    dashboard: bool = False

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Connect, or start an embedded cluster."""
        with connect(self.scheduler, self.workers, dashboard=self.dashboard) as client:
            yield client


def run(
    file: str | Path | Mapping[str, Any] | Sweep,
    *,
    workspace: str | Path = DEFAULT_WORKSPACE,
    workers: int | None = None,
    scheduler: str | Client | None = None,
    dashboard: bool = False,
    progress: Progress | None = None,
    take_over: bool = False,
) -> Result:
    """Run a sweep, or go on with it; what is stored is not computed again.

    Points that have failed or were lost stay so; `retry` tries them again.

    Parameters
    ----------
    file : sweep file, or a dict of its shape
    workspace : folder that holds sweeps, on a disk that all workers see
    workers : processes of the embedded cluster; default: one for each core
    scheduler : address of a Dask scheduler, or a Client, instead of the embedded cluster
    dashboard : show Dask's own dashboard on loopback
    take_over : replace an owner on a host that is gone for good, whose lock stayed behind

    Raises
    ------
    InputError : the file cannot be run, or differs from what is stored under its name
    UnreachableError : the scheduler or its workers are not there, or are of no use
    MachineError : the disk is full, or input or output failed
    """
    _refuse_spawned_copy()
    sweep = read(file)
    folder = Path(workspace) / sweep.name
    cluster = Cluster(workers, scheduler, dashboard)
    with _machine_errors(folder):
        if not beginning.exists(folder):
            return _begin(sweep, folder, cluster, progress)
        complete(folder)
        found = partial(beginning.found, sweep, folder)
        return _go_on(found, folder, cluster, progress, take_over)


def retry(
    sweep: str | Path,
    *,
    workspace: str | Path = DEFAULT_WORKSPACE,
    workers: int | None = None,
    scheduler: str | Client | None = None,
    dashboard: bool = False,
    progress: Progress | None = None,
    take_over: bool = False,
) -> Result:
    """Compute exactly the failed and lost points again, and what never was computed.

    The arguments are those of `run`; `sweep` is a name in the workspace, or a folder.
    """
    _refuse_spawned_copy()
    folder = locate(sweep, workspace)
    with _machine_errors(folder):
        beginning.check_revision(stored_plan(folder).sweep, folder)
        cluster = Cluster(workers, scheduler, dashboard)
        stored = partial(stored_plan, folder)
        return _go_on(stored, folder, cluster, progress, take_over, again=True)


def extend(
    sweep: str | Path,
    values: Mapping[str, Sequence[Any]],
    *,
    workspace: str | Path = DEFAULT_WORKSPACE,
    compute: bool = True,
    workers: int | None = None,
    scheduler: str | Client | None = None,
    dashboard: bool = False,
    progress: Progress | None = None,
    take_over: bool = False,
) -> Result:
    """Add values to axes of a sweep and compute the new points.

    Nothing that is stored is computed again. Values that are there already are left as they
    are, so the same call may be repeated after an accident.

    Parameters
    ----------
    sweep : name in the workspace, or folder
    values : from each axis to its new values, which may lie anywhere between the old ones
    compute : False only makes room; `run` or `retry` computes

    Raises
    ------
    InputError : names that are no axes, values that the model does not take, or no room
    """
    _refuse_spawned_copy()
    folder = locate(sweep, workspace)
    with _machine_errors(folder):
        before = stored_plan(folder)
        beginning.check_revision(before.sweep, folder)
        check_budget(extending.grown(before, values), folder.parent)
        with owned(folder, take_over=take_over) as (owner, ledger):
            plan = make_room(folder, values, progress or Silent())
            driver = Driver(plan, folder, ledger, owner, progress or Silent())
            return _drive(driver, Cluster(workers, scheduler, dashboard) if compute else None)


def make_room(folder: Path, values: Mapping[str, Sequence[Any]], progress: Progress) -> Plan:
    """Add values to axes of a sweep that the caller owns."""
    before = stored_plan(folder)  # another may have extended it meanwhile
    plan = extending.grown(before, values)
    if plan.sweep.shape != before.sweep.shape:
        extending.decide(folder, plan)
        put_in_place(folder)
        _tell_of_outgrown(plan.sweep, progress)
    return plan


def _tell_of_outgrown(sweep: Sweep, progress: Progress) -> None:
    """Say which settings the new points would need larger; what is stored keeps its own."""
    for name, (now, needed) in outgrown(sweep).items():
        progress.note(
            f"{name} stays {now:.6g}, as when the sweep began; with the new points it would be "
            f"{needed:.6g}. Begin a new sweep for a grid that holds them whole."
        )


def _begin(sweep: Sweep, folder: Path, cluster: Cluster, progress: Progress | None) -> Result:
    """Start a sweep: blocks are cut by what points are seen to take on the workers."""
    nominal = Plan(sweep)
    check_budget(nominal, folder.parent)
    with cluster.client() as client:
        check_workers(client, folder.parent, nominal)
        if progress is not None and nominal.seconds >= WORTH_SECONDS:
            progress.note("a few points are tried first, so that blocks get the right length")
        plan = create(nominal, folder, client)
        # an embedded cluster is used on; one at an address is connected to again if it is lost
        again = isinstance(cluster.scheduler, str)
        here = cluster if again else replace(cluster, scheduler=client)

        def found() -> Plan:  # the rates of the pilots are worth keeping
            stored = beginning.found(plan.sweep, folder)
            return plan if stored.sweep.shape == plan.sweep.shape else stored

        return _go_on(found, folder, here, progress)


def create(nominal: Plan, folder: Path, client: Client) -> Plan:
    """Create the folder of a sweep, cut by what points are seen to take on the workers."""
    plan = measured(nominal, folder.parent, partial(_tried, client))
    return beginning.create(plan, folder)


def _tried(client: Client, request: Request) -> Work:
    """Have a pilot computed."""
    try:
        work: Work = client.submit(pilot, request, pure=False).result()
    except CancelledError as error:
        raise UnreachableError(_lost(error)) from None
    return work


def _go_on(
    found: Callable[[], Plan], folder: Path, cluster: Cluster, progress: Progress | None,
    take_over: bool = False, *, again: bool = False,
) -> Result:  # fmt: skip
    found()  # what cannot go on is refused before anything is touched
    with owned(folder, take_over=take_over) as (owner, ledger):
        plan = found()  # another may have extended it meanwhile
        if again:
            ledger.try_again()
        return _drive(Driver(plan, folder, ledger, owner, progress or Silent()), cluster)


@contextmanager
def owned(folder: Path, *, take_over: bool = False) -> Iterator[tuple[Ownership, Ledger]]:
    """Own a sweep, whole as it was left.

    Raises
    ------
    OwnedError : another process owns it
    """
    owner = Ownership(folder, take_over=take_over)
    try:
        complete_own(folder)
        with Ledger(folder, writable=True) as ledger:
            yield owner, ledger
    finally:
        owner.release()


def _drive(driver: Driver, cluster: Cluster | None) -> Result:
    """Compute what is left, over as many connections as it takes."""
    driver.start()
    try:
        if cluster is not None and not driver.complete:
            remove_leftovers(driver.folder)
            _connected(driver, cluster)
    finally:
        driver.stop()
    sweep = driver.plan.sweep
    return Result(sweep.name, driver.path, sweep.outputs, driver.state.counts())


def _connected(driver: Driver, cluster: Cluster) -> None:
    """Drive a sweep; a scheduler that is lost is waited for, as long as `connect` waits."""
    losses, done = 0, driver.state.blocks()[0]
    while True:
        with cluster.client() as client:
            try:
                slots = check_workers(client, driver.folder.parent, driver.plan)
                link = client.dashboard_link if cluster.dashboard else None
                driver.drive(client, slots, link)
                return
            except CONNECTION_LOST as error:
                losses = losses + 1 if driver.state.blocks()[0] == done else 1
                done = driver.state.blocks()[0]
                if losses > MOST_LOSSES or isinstance(cluster.scheduler, Client):
                    raise UnreachableError(_lost(error)) from None
                driver.progress.note("The scheduler is gone. Waiting for it to come back.")


def _lost(error: BaseException) -> str:
    return (
        f"The scheduler was lost ({error}). What is finished is safe. "
        "Start it again, then give the same command."
    )


def _refuse_spawned_copy() -> None:
    """Stop a script that runs again inside each worker that it starts."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        msg = (
            "sweep.run was called while a worker process was starting: the script has no guard, "
            "so every worker runs it again. Put the call under `if __name__ == '__main__':`."
        )
        raise RuntimeError(msg)


@contextmanager
def _machine_errors(folder: Path) -> Iterator[None]:
    """Tell failures of the disk from our own."""
    try:
        yield
    except OSError as error:
        if isinstance(error, SweepError | BrokenPipeError | SchedulerLostError):
            raise  # a broken pipe is the reader of our output going away, not the disk
        raise _machine(error, folder) from error


def _machine(error: OSError, folder: Path) -> MachineError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "Free some space" if full else "Check the disk and its permissions"
    msg = (
        f"{folder} cannot be written: {error.strerror or error}. "
        f"What is finished is safe. {remedy}, then run the same command again."
    )
    return MachineError(msg)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers and owners left behind; the caller owns the sweep."""
    for prepared in folder.glob(f"{extension_folder(folder).name}-*"):
        shutil.rmtree(prepared, ignore_errors=True)
    now = time.time()
    for path in folder.rglob(f"*{PARTIAL}"):
        with suppress(FileNotFoundError):  # its writer has just given it its name
            if now - path.stat().st_mtime > STALE_SECONDS:
                path.unlink(missing_ok=True)
