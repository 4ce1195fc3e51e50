"""Sweeps of trial models, run in processes that can be killed, and compared byte by byte."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from sweep.documents import to_toml
from sweep.problems import SweepError
from sweep.reading import status

COMMAND = [sys.executable, "-P", "-c", "from sweep.cli.main import main; main()"]
NOT_RESULTS = ("seconds", "attempts")
"""They tell what happened to a point, not what it is."""


def document(name: str, model: str = "poison", **tables: Any) -> dict[str, Any]:
    """Make a sweep file of a trial model."""
    return {"modesweep": 1, "name": name, "model": model, **tables}


def start(content: dict[str, Any], folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start `modesweep run` in a process group of its own, as a terminal would."""
    file = folder / f"{content['name']}.toml"
    file.write_text(to_toml(content))
    return subprocess.Popen(
        [*COMMAND, "run", str(file), "--workspace", str(folder / "results"), *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


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


def children_of(pid: int) -> list[int]:
    """List the processes that a process started."""
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(x) for x in out.stdout.split()]
