"""A Slurm of one node as ordinary processes, for checks: no systemd, no cgroups, no system files.

munged has a key and a socket of its own, slurmctld and slurmd a slurm.conf of their own; all of
it lies in a folder that goes when they go.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.checks import free_port, started, until

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel", "sinfo")
SYSTEM = "/usr/sbin:/sbin"
"""Where daemons lie, which is not on everybody's path."""
SETTINGS = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=5
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ReturnToService=2
KillWait={kill_wait}
OverTimeLimit=0
MinJobAge=3600
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=65536 State=UNKNOWN
PartitionName=work Nodes=one Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Slurm:
    """A running Slurm."""

    folder: Path
    env: dict[str, str]
    """What its commands need in their environment."""

    def jobs(self, form: str = "%i") -> list[str]:
        """List jobs that wait or run, by squeue's format."""
        return self.ask("squeue", "--noheader", f"--format={form}").split()

    def ask(self, *command: str, env: Mapping[str, str] | None = None) -> str:
        """Run one of its commands; give what it says."""
        done = subprocess.run(
            command, env={**os.environ, **self.env, **(env or {})}, check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout


def missing() -> str:
    """Name the first program that is not installed; "" if all are."""
    return next((name for name in PROGRAMS if not _found(name)), "")


def _found(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SYSTEM}")


@contextmanager
def one_node(cpus: int = 4, kill_wait: int = 5) -> Iterator[Slurm]:
    """Keep a Slurm running, and leave nobody behind.

    Parameters
    ----------
    cpus : how many the node claims to have
    kill_wait : seconds from SIGTERM to SIGKILL at the end of a job
    """
    # paths of sockets are short, so it does not lie in anybody's folder of tests
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    try:
        with _running(folder, cpus, kill_wait) as slurm:
            yield slurm
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(folder: Path, cpus: int, kill_wait: int) -> Iterator[Slurm]:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(128))
    settings = folder / "slurm.conf"
    settings.write_text(
        SETTINGS.format(
            host=socket.gethostname().partition(".")[0], user=getpass.getuser(), folder=folder,
            controller_port=free_port(), node_port=free_port(), cpus=cpus, kill_wait=kill_wait,
        )
    )  # fmt: skip
    slurm = Slurm(folder, {"SLURM_CONF": str(settings)})
    munged = [
        _found("munged"), "--foreground", "--force", "--num-threads=2", f"--key-file={key}",
        *(f"--{what}={folder}/munge.{what.partition('-')[0]}"
          for what in ("socket", "pid-file", "log-file", "seed-file")),
    ]  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(started(munged, folder / "munged.out"))
        until((folder / "munge.socket").exists, "munged", 30)
        for daemon, *options in (("slurmctld",), ("slurmd", "-N", "one")):
            command = [_found(daemon), "-D", "-f", settings, *options]
            stack.enter_context(started(command, folder / f"{daemon}.out", slurm.env))
        stack.callback(_end_jobs, slurm)
        try:
            until(lambda: _idle(slurm), "the node", 60)
        except TimeoutError:
            said = [f.read_text()[-2000:] for f in sorted(folder.glob("*.out"))]
            msg = "Slurm does not start:\n" + "\n".join(said)
            raise TimeoutError(msg) from None
        yield slurm


def _idle(slurm: Slurm) -> bool:
    with suppress(subprocess.CalledProcessError):
        return "idle" in slurm.ask("sinfo", "--noheader", "--format=%t")
    return False


def _end_jobs(slurm: Slurm) -> None:
    """End what still runs in jobs; it belongs to no process group of the daemons."""
    with suppress(subprocess.CalledProcessError, TimeoutError):
        if jobs := slurm.jobs():
            slurm.ask("scancel", *jobs)
            until(lambda: not slurm.jobs(), "the end of the jobs", 20)
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            mine = process.environ().get("SLURM_CONF") == slurm.env["SLURM_CONF"]
            name = process.name()
            if mine and process.pid != os.getpid() and not name.startswith(("slurmctld", "slurmd")):
                process.send_signal(signal.SIGKILL)
