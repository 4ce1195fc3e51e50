"""What the smoke checks of all ways share: lines of a report, processes, who listens where.

A check is a command, `python -m deploy.<way>.check`. It prints a line for each thing that it
looked at, and ends with 1 if one of them is not as it should be. What cannot run on this
machine is said plainly, never passed over.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
MODESWEEP = str(Path(sys.executable).with_name("modesweep"))
"""The command, by the environment that runs the check."""
WAIT_SECONDS = 120.0
LOOPBACK = ("127.", "::1", "::ffff:127.")

SWEEP = """\
modesweep = 1
name = "smoke"
model = "chain"

[axes]
atoms = [20, 40]
mass_ratio = { linspace = [0.5, 2.0, 16] }
"""
"""A sweep that is done in seconds: 32 points."""


class Report:
    """Lines of a check, and whether all is well."""

    def __init__(self, title: str) -> None:
        self.bad: list[str] = []
        print(title, flush=True)

    def that(self, fact: str, holds: object, otherwise: str = "") -> None:
        """Say whether a fact holds; `otherwise` tells what was seen instead."""
        print(f"  {'ok     ' if holds else 'NOT SO '}  {fact}", flush=True)
        if not holds:
            self.bad.append(fact)
            if otherwise:
                print("           " + otherwise.strip().replace("\n", "\n           "), flush=True)

    def not_run(self, what: str, why: str) -> None:
        """Say that something cannot be run on this machine."""
        print(f"  not run  {what}: {why}", flush=True)

    def end(self) -> None:
        """Leave with the exit code of the check."""
        print(f"{len(self.bad)} not as they should be" if self.bad else "all well", flush=True)
        sys.exit(1 if self.bad else 0)


def until(condition: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """Wait for something to come, and give it.

    Raises
    ------
    TimeoutError : it did not come
    """
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if found := condition():
            return found
        time.sleep(0.1)
    msg = f"still waiting for {what} after {seconds:g} s"
    raise TimeoutError(msg)


def free_port(host: str = "127.0.0.1") -> int:
    """Give a port that nobody listens at."""
    with socket.socket() as free:
        free.bind((host, 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def started(
    command: Sequence[object], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Keep a program running, in a process group of its own that ends with this."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=out, stderr=subprocess.STDOUT, cwd=ROOT,
            start_new_session=True, env={**os.environ, **(env or {})},
        )  # fmt: skip
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program as a system does, and what it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(
    *command: object, env: Mapping[str, str] | None = None, cwd: Path = ROOT,
    seconds: float = WAIT_SECONDS,
) -> tuple[int, str]:  # fmt: skip
    """Run a program to its end; give its exit code and all that it said."""
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=seconds, cwd=cwd, env={**os.environ, **(env or {})},
    )  # fmt: skip
    return done.returncode, done.stdout


def service_of(workspace: Path) -> dict[str, Any]:
    """Wait for the service of a workspace; give its url, token and pid."""
    path = workspace / "service.json"
    until(path.exists, f"the service of {workspace}")
    told: dict[str, Any] = json.loads(path.read_text())
    return told


def answer(url: str, token: str = "") -> int:
    """Ask a service; give the status."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def family(pid: int) -> set[int]:
    """Give a process and all that descend from it."""
    process = psutil.Process(pid)
    return {pid, *(child.pid for child in process.children(recursive=True))}


def listeners(pids: set[int]) -> list[tuple[str, int]]:
    """Give the addresses and ports at which some processes listen for TCP."""
    found = psutil.net_connections("tcp")
    return sorted(
        {(c.laddr.ip, c.laddr.port) for c in found if c.status == "LISTEN" and c.pid in pids}
    )


def beyond_loopback(pids: set[int]) -> list[tuple[str, int]]:
    """Give those at which other machines reach them."""
    return [(ip, port) for ip, port in listeners(pids) if not ip.startswith(LOOPBACK)]


def has(program: str) -> bool:
    """Say whether a program is installed."""
    return shutil.which(program) is not None
