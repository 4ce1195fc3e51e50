"""Sweeps of trial models, run in processes that can be killed, and compared byte by byte."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from distributed import Client

from sweep.documents import to_toml
from sweep.messages import Receipt
from sweep.overview import status
from sweep.problems import SweepError
from sweep.progress import Silent
from sweep.state import SweepState

COMMAND = [sys.executable, "-P", "-c", "from sweep.cli.main import main; main()"]
SMALL_BLOCKS = [
    sys.executable, "-P", "-c", "from sweep import planning; planning.LEAST_SECONDS = 0.0; "
    "from sweep.cli.main import main; main()",
]  # fmt: skip
"""The command, but quick points are not put together into large blocks."""
NOT_RESULTS = ("seconds", "attempts")
"""They tell what happened to a point, not what it is."""


def document(name: str, model: str = "poison", **tables: Any) -> dict[str, Any]:
    """Make a sweep file of a trial model."""
    return {"modesweep": 1, "name": name, "model": model, **tables}


def start(
    content: dict[str, Any], folder: Path, *options: str, command: list[str] = COMMAND
) -> subprocess.Popen[str]:
    """Start `modesweep run` in a process group of its own, as a terminal would."""
    file = folder / f"{content['name']}.toml"
    file.write_text(to_toml(content))
    return subprocess.Popen(
        [*command, "run", str(file), "--workspace", str(folder / "results"), *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def modesweep(*arguments: object) -> tuple[int, str]:
    """Run a command to its end; give its exit code and all that it said."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a command to end."""
    out, _ = process.communicate(timeout=120)
    return process.returncode, out


def wait_for_blocks(sweep: Path, count: int) -> None:
    """Wait until the ledger of a sweep names so many blocks."""
    wait(lambda: _blocks_done(sweep) >= count, f"{count} blocks of {sweep}")


def _blocks_done(sweep: Path) -> int:
    try:
        return status(sweep).blocks_done
    except SweepError:
        return 0


def wait(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that must come; how long is no matter of correctness."""
    for _ in range(2400):
        if condition():
            return
        time.sleep(0.05)
    msg = f"still waiting for {what}"
    raise AssertionError(msg)


def kill_all(process: subprocess.Popen[str]) -> None:
    """Kill the owner and everything it started, at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def results(sweep: Path) -> dict[str, bytes]:
    """Give the bytes of every array of a store."""
    group = zarr.open_group(sweep / "data.zarr", mode="r")
    arrays = {n: np.asarray(a[...]) for n, a in group.arrays() if n not in NOT_RESULTS}
    return {
        n: repr(a.tolist()).encode() if a.dtype.kind in "TOU" else a.tobytes()
        for n, a in arrays.items()
    }


def may_mount() -> bool:
    """Say whether a process may have file systems of its own."""
    return (
        subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode == 0
    )


def children_of(pid: int) -> list[int]:
    """List the processes that a process started."""
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(x) for x in out.stdout.split()]


class Hosts:
    """A scheduler and workers, each a process as a user starts it; on loopback, or at `host`."""

    def __init__(
        self, folder: Path, host: str = "127.0.0.1", env: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._host = host
        self._env = dict(env or {})
        with socket.socket() as free:
            free.bind((host, 0))
            self._port = free.getsockname()[1]
        self.address = f"tcp://{host}:{self._port}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start_scheduler()
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """Start the scheduler, or start it again at the same address."""
        self.scheduler = self._start("scheduler", "--port", str(self._port))
        return self.scheduler

    def start_worker(
        self, *options: str, env: Mapping[str, str] | None = None, before: tuple[str, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a worker of one slot, without a nanny that would start it again."""
        worker = self._start(
            "worker", self.address, "--nthreads", "1", "--no-nanny", *options, env=env,
            before=before,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def wait_for(self, workers: int) -> dict[str, str]:
        """Wait until so many workers have come; give their addresses by their names."""
        with Client(self.address) as client:
            client.wait_for_workers(workers)
            told = client.scheduler_info(n_workers=-1)["workers"]
        return {w["name"]: address for address, w in told.items()}

    def _start(
        self, what: str, *options: str, env: Mapping[str, str] | None = None,
        before: tuple[str, ...] = (),
    ) -> subprocess.Popen[bytes]:  # fmt: skip
        command = [*before, sys.executable, "-P", "-m", f"distributed.cli.dask_{what}",
                   "--host", self._host, "--no-dashboard", *options]  # fmt: skip
        process = subprocess.Popen(
            command, cwd=self.folder, env={**os.environ, **self._env, **(env or {})},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._processes.append(process)
        return process

    def close(self) -> None:
        """Kill what is left."""
        for process in self._processes:
            process.kill()
            process.wait()


class Script(Silent):
    """Does something once so many blocks are in the ledger; remembers what the run says."""

    def __init__(self, blocks: int = 0, act: Callable[[], object] = lambda: None) -> None:
        self._blocks = blocks
        self._act = act
        self.acted = False
        self.notes: list[str] = []

    def update(self, state: SweepState, receipt: Receipt | None) -> None:
        """Act, once."""
        if not self.acted and state.blocks()[0] >= self._blocks:
            self.acted = True
            self._act()

    def note(self, text: str) -> None:
        """Remember."""
        self.notes.append(text)
