"""Keep a Dask cluster whose workers are jobs of Slurm, as many as there is work for.

    python -m deploy.slurm.cluster --certificates DIR --maximum 64

It runs where sbatch runs, as long as sweeps are to be done. SIGTERM or Ctrl-C ends it and its jobs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask
from dask.utils import parse_timedelta
from dask_jobqueue import SLURMCluster
from dask_jobqueue.slurm import SLURMJob
from distributed import Security
from distributed.deploy.spec import ProcessInterface

HERE = Path(__file__).resolve().parent
DASK = HERE.parent / "dask.yaml"
LOOK_SECONDS = 30.0
"""How often it is looked for jobs that ended before their worker came."""
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
log = logging.getLogger("modesweep.slurm")


class Job(SLURMJob):
    """A job; one that Slurm refuses is forgotten later, as one that has ended is."""

    async def start(self) -> None:
        """Submit it."""
        try:
            await super().start()
        except (RuntimeError, OSError) as error:
            said = [line for line in str(error).splitlines() if line]
            log.warning("a job cannot be submitted: %s", said[-1] if said else error)
            await ProcessInterface.start(self)

    async def close(self) -> None:
        """Cancel it."""
        await super().close()
        await ProcessInterface.close(self)


class SettingsError(ValueError):
    """Settings that lead to trouble later."""


def settings(file: Path) -> dict[str, Any]:
    """Bring settings into Dask's configuration, and give those of jobs; the environment wins.

    Raises
    ------
    SettingsError : workers of several threads, or a lifetime that the walltime cuts off
    """
    found = dask.config.collect(paths=[str(DASK), str(file)], env=os.environ)
    dask.config.update(dask.config.config, found, priority="new")
    jobs: dict[str, Any] = dask.config.get("jobqueue.slurm")
    if jobs["cores"] != jobs["processes"]:
        msg = (
            f"cores: {jobs['cores']}, processes: {jobs['processes']} in {file}: workers of "
            "modesweep have one thread each. Give both the same number."
        )
        raise SettingsError(msg)
    options = jobs["worker-extra-args"]
    last = sum(seconds_of(options, name) for name in ("--lifetime", "--lifetime-stagger"))
    if not 0 < last < walltime(jobs["walltime"]):
        msg = (
            f"A worker may live up to {last:g} s, the walltime is {jobs['walltime']}. In {file} "
            "give --lifetime and --lifetime-stagger that end before the walltime, so that "
            "workers leave by themselves."
        )
        raise SettingsError(msg)
    return jobs


def seconds_of(options: Sequence[str], name: str) -> float:
    """Give the time that an option of the workers says; 0 without it."""
    after = dict(zip(options, options[1:], strict=False))
    return float(parse_timedelta(after.get(name, 0)))


def walltime(text: object) -> float:
    """Give the seconds of a walltime as Slurm reads it: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S."""
    days, dash, rest = str(text).rpartition("-")
    numbers = [int(n) for n in rest.split(":")]
    if dash:
        numbers = [*numbers, 0, 0][:3]
    elif len(numbers) < 3:
        numbers = [0, *numbers, 0][:3]
    hours, minutes, seconds = numbers
    return int(days or 0) * 86400.0 + hours * 3600 + minutes * 60 + seconds


def security(certificates: Path) -> Security:
    """Read what deploy/hosts/certificates.sh has made."""
    roles = {
        f"tls_{role}_{what}": str(certificates.resolve() / f"{role}.{ending}")
        for role in ("scheduler", "worker", "client")
        for what, ending in (("cert", "pem"), ("key", "key"))
    }
    authority = str(certificates.resolve() / "ca.pem")
    return Security(tls_ca_file=authority, require_encryption=True, **roles)


def prologue(own: Sequence[str]) -> list[str]:
    """Give the shell lines of a job before its worker starts."""
    return [
        *own,
        # the end of a job sends SIGTERM to all of it; a numerics process that hears of it looks
        # like a crash of its point, and the worker ends it anyway
        "trap '' TERM",
        f"export DASK_CONFIG={shlex.quote(str(DASK))}",
        "export DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=True",
        f"export {' '.join(f'{name}=1' for name in ONE_THREAD)}",
    ]


def cluster_of(jobs: dict[str, Any], certificates: Path, name: str) -> SLURMCluster:
    """Make the cluster, without jobs yet."""
    options = [
        *jobs["worker-extra-args"], "--dashboard-address", "127.0.0.1:0",
        "--preload", str(HERE / "leaving.py"),
    ]  # fmt: skip
    return SLURMCluster(
        asynchronous=True, job_cls=Job, job_name=name, worker_extra_args=options,
        job_script_prologue=prologue(jobs["job-script-prologue"]),
        security=security(certificates), protocol="tls://",
    )  # fmt: skip


async def keep(cluster: SLURMCluster, file: Path, minimum: int, maximum: int) -> None:
    """Keep a cluster until a signal comes; tell its address in a file."""
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    cluster.adapt(minimum=minimum, maximum=maximum)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    partial.write_text(f"{cluster.scheduler_address}\n")
    partial.replace(file)
    print(cluster.scheduler_address, flush=True)
    try:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), LOOK_SECONDS)
                break
            await forget_dead_jobs(cluster)
    finally:
        file.unlink(missing_ok=True)


async def forget_dead_jobs(cluster: SLURMCluster) -> None:
    """Let others be submitted for jobs that ended before their worker came; Dask waits for them."""
    submitted = {name: job.job_id for name, job in cluster.workers.items()}
    try:
        listed = await asyncio.to_thread(squeue, cluster.job_name)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("squeue does not answer: %s", error)
        return
    came = [str(worker["name"]) for worker in cluster.scheduler_info["workers"].values()]
    dead = [
        name
        for name, job in submitted.items()
        if job not in listed and not any(w == str(name) or w.startswith(f"{name}-") for w in came)
    ]
    if gone := [submitted[name] for name in dead if submitted[name]]:
        log.warning("jobs that are gone without their workers: %s; see their logs", ", ".join(gone))
    if dead:
        await cluster.scale_down(dead)


def squeue(name: str) -> set[str]:
    """List our jobs that wait or run."""
    command = ["squeue", "--noheader", "--format=%i", f"--name={name}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return set(done.stdout.split())


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.slurm.cluster", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("--certificates", type=Path, required=True,
                        help="folder that deploy/hosts/certificates.sh has filled")  # fmt: skip
    parser.add_argument("--minimum", type=int, default=0, help="workers, at least (default: 0)")
    parser.add_argument("--maximum", type=int, default=16, help="workers, at most (default: 16)")
    parser.add_argument("--settings", type=Path, default=HERE / "slurm.yaml",
                        help="of jobs (default: slurm.yaml beside this program)")  # fmt: skip
    parser.add_argument("--address-file", type=Path, default=Path("scheduler.address"),
                        help="there while it runs (default: scheduler.address)")  # fmt: skip
    return parser.parse_args()


async def main() -> None:
    """Run from the first job to the last."""
    told = options()
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    logging.getLogger("distributed").setLevel(logging.WARNING)
    jobs = settings(told.settings)
    name = f"{jobs['name']}-{os.getpid()}"
    try:
        async with cluster_of(jobs, told.certificates, name) as cluster:
            await keep(cluster, told.address_file, told.minimum, told.maximum)
    finally:
        # also those that nobody knows any more, whatever has happened
        subprocess.run(["scancel", f"--name={name}"], check=False, timeout=60)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except SettingsError as error:
        sys.exit(str(error))
