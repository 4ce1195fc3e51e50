"""The service with a million points and a hundred sweeps: looking, memory, tasks, watchers.

    python -m benchmarks.service
    python -m benchmarks.service --quick

Scheduler, workers and service are processes of their own. The million and the hundred are
written as runs leave them, but for their chunks, and once more with a ledger whose summary is
out of date. Commands are timed as from a shell, the start of Python included, wall seconds, best
of three; requests without it, the median. Memory is resident memory of the service, after a
hundred requests of all kinds that look and after a thousand more. Tasks are the most that the
scheduler knew at once while many sweeps of many small blocks ran. Watching costs what the
scheduler's process takes more, in CPU time and in connections, while event streams are open,
in rounds with and without.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psutil
from distributed import Client
from distributed.diagnostics.plugin import SchedulerPlugin

from benchmarks.scale import COMMAND, Row, chains, make_finished, shell
from benchmarks.timing import machine, print_table, settle, verdict
from sweep.ledger import Ledger
from sweep.reading import stored_plan
from sweep.state import SweepState
from sweep.steering import WINDOW

WORKERS = 2
SWEEPS = 100
AT_ONCE = 10
"""Sweeps that run together while tasks are counted."""
WATCHERS = 20
ROUNDS = 3
REQUESTS = 1000
SMALL_BLOCKS = [
    sys.executable, "-P", "-c", "from sweep import planning; planning.LEAST_SECONDS = 0.0; "
    "planning.CHUNK_BYTES = 4000; from sweep.cli.main import main; main()",
]  # fmt: skip
"""The command, but sweeps are cut into very many blocks."""
LOOKS = (
    "/sweeps", "/sweeps/large", "/sweeps/large/errors", "/sweeps/chains-1/file", "/metrics",
    "/sweeps/chains-1/explain?point=mass_ratio%3D0.2&point=end_mass_ratio%3D0.3", "/about",
    "/sweeps/chains-1/query?limit=1000&where=" + quote("frequency_squared >= 0 or mode >= 0"),
    "/models/slab", "/sweeps/chains-1/export?format=csv&out=x&vars=frequency_squared",
)  # fmt: skip
GOALS = {
    "look": 1.0, "memory": 600.0, "growth": 10.0, "cpu": 3.0,
    "tasks": 2 * WINDOW * WORKERS * AT_ONCE,
}  # fmt: skip
sources = itertools.count(2)


# --- processes ------------------------------------------------------------------------------


class MostTasks(SchedulerPlugin):
    """The largest number of tasks that a scheduler has known at once."""

    def __init__(self) -> None:
        self.most = 0

    async def start(self, scheduler: Any) -> None:
        self.scheduler = scheduler

    def transition(self, *_: Any, **__: Any) -> None:
        self.most = max(self.most, len(self.scheduler.tasks))


@dataclass
class Cluster:
    """A scheduler and workers."""

    address: str
    scheduler: psutil.Process


@contextlib.contextmanager
def started(command: list[str], folder: Path, log: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process; end it with everything that it started."""
    with (folder / log).open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    family = psutil.Process(process.pid)
    try:
        yield process
    finally:
        children = family.children(recursive=True)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start a scheduler and workers on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    dask = [sys.executable, "-m"]
    here = ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = [*dask, "distributed.cli.dask_scheduler", *here, "--port", str(port)]
    worker = [*dask, "distributed.cli.dask_worker", address, *here, "--nthreads", "1",
              "--nworkers", str(WORKERS)]  # fmt: skip
    with started(scheduler, folder, "scheduler.log") as process:  # noqa: SIM117 - it comes first
        with started(worker, folder, "workers.log"), Client(address, timeout=60) as client:
            client.wait_for_workers(WORKERS, timeout=60)
            client.register_plugin(MostTasks(), name="most-tasks")
            yield Cluster(address, psutil.Process(process.pid))


class Served:
    """A service, and requests to it."""

    def __init__(self, workspace: Path, process: subprocess.Popen[bytes]) -> None:
        self.process = psutil.Process(process.pid)
        while not (workspace / "service.json").exists():
            assert process.poll() is None, (workspace.parent / "service.log").read_text()
            time.sleep(0.05)
        told = json.loads((workspace / "service.json").read_text())
        self.url: str = told["url"]
        self._port = urlsplit(self.url).port
        self._headers = {"Authorization": f"Bearer {told['token']}"}

    def link(self) -> http.client.HTTPConnection:
        """Connect from another address each time: one address may ask so much a second."""
        source = "127.{}.{}.{}".format(*_digits(next(sources)))
        return http.client.HTTPConnection("127.0.0.1", self._port, 60, (source, 0))

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask something; give the answer as bytes."""
        link = self.link()
        headers = self._headers | ({"Content-Type": "application/json"} if body else {})
        link.request(method, f"/api/v1{path}", json.dumps(body) if body else None, headers)
        answer = link.getresponse()
        content = answer.read()
        link.close()
        assert answer.status in (200, 201), (path, content)
        return content

    def watch(self, name: str) -> http.client.HTTPConnection:
        """Follow a sweep, and read its first event."""
        link = self.link()
        link.request("GET", f"/api/v1/sweeps/{name}/events", headers=self._headers)
        assert link.getresponse().readline() == b"event: status\n"
        return link

    @property
    def megabytes(self) -> float:
        """Resident memory."""
        return float(self.process.memory_info().rss / 1e6)


def _digits(number: int) -> tuple[int, int, int]:
    return number // 62500, number // 250 % 250, number % 250 + 1


@contextlib.contextmanager
def served(workspace: Path, address: str, command: list[str]) -> Iterator[Served]:
    """Serve a workspace."""
    options = ["serve", "--workspace", str(workspace), "--port", "0", "--scheduler", address]
    with started([*command, *options], workspace.parent, "service.log") as process:
        yield Served(workspace, process)


# --- measuring ------------------------------------------------------------------------------


def looking(service: Served, workspace: Path, points: int, summaries: str) -> Iterable[Row]:
    """Time the list of all sweeps and the status of the largest."""
    how = f"{SWEEPS + 1} sweeps, {summaries}"
    for what, path, words in (
        ("ls", "/sweeps", ("ls",)),
        ("status of the large one", "/sweeps/large", ("status", "large")),
    ):
        seconds = min(shell(*words, workspace=workspace) for _ in range(ROUNDS))
        yield f"{what}, s", seconds, GOALS["look"], how
        asked = statistics.median(timed(service, path) for _ in range(3 * ROUNDS))
        yield f"{what}, over HTTP, s", asked, GOALS["look"], f"{points:,} points"


def timed(service: Served, path: str) -> float:
    """Give the wall seconds of a request."""
    began = time.perf_counter()
    service.ask("GET", path)
    return time.perf_counter() - began


def memory(service: Served, requests: int) -> Iterable[Row]:
    """Measure how much memory a thousand requests leave in use."""
    begin = service.megabytes
    for path in itertools.islice(itertools.cycle(LOOKS), 100):
        service.ask("GET", path)
    warm = service.megabytes
    for path in itertools.islice(itertools.cycle(LOOKS), requests):
        service.ask("GET", path)
    end = service.megabytes
    yield "memory of the service, MB", end, GOALS["memory"], f"at the start {begin:.0f}"
    what = f"memory that {requests} requests add, %"
    yield what, (end / warm - 1) * 100, GOALS["growth"], f"{warm:.0f} to {end:.0f} MB"


def tasks(service: Served, address: str) -> Iterable[Row]:
    """Run many sweeps of many blocks at once; count the most tasks that the scheduler knew.

    It is full long before the first sweep ends.
    """
    names = [f"run-{i}" for i in range(AT_ONCE)]
    blocks = 0
    for name in names:
        service.ask("POST", "/sweeps", chains(900, name))
    left = set(names)
    while left:
        time.sleep(0.5)
        listed = {s["name"]: s for s in json.loads(service.ask("GET", "/sweeps"))}
        blocks = sum(listed[n]["blocks"] for n in names)
        left = {n for n in left if listed[n]["blocks_done"] < ROUNDS}
    for name in names:
        service.ask("POST", f"/sweeps/{name}/cancel")
    with Client(address, timeout=60) as client:
        most = client.run_on_scheduler(
            lambda dask_scheduler: dask_scheduler.plugins["most-tasks"].most
        )
    beside = f"{blocks} blocks, window {WINDOW * WORKERS} for each of {AT_ONCE} sweeps"
    yield "most tasks that the scheduler knew", most, GOALS["tasks"], beside


def watching(service: Served, scheduler: psutil.Process, seconds: float) -> Iterable[Row]:
    """Compare what the scheduler does with and without watching clients."""
    alone, watched = [], []
    links: tuple[list[int], list[int]] = ([], [])
    for _ in range(ROUNDS):
        alone.append(cpu_of(scheduler, seconds))
        links[0].append(len(scheduler.net_connections()))
        watchers = [service.watch("large") for _ in range(WATCHERS)]
        watched.append(cpu_of(scheduler, seconds))
        links[1].append(len(scheduler.net_connections()))
        for link in watchers:
            link.close()
    more = statistics.median(watched) - statistics.median(alone)
    yield (f"scheduler's CPU for {WATCHERS} watchers, ms a second", more, GOALS["cpu"],
           f"without {_range(alone)}, with {_range(watched)}")  # fmt: skip
    yield (f"scheduler's connections for {WATCHERS} watchers", min(links[1]) - min(links[0]), 0,
           f"without {links[0]}, with {links[1]}")  # fmt: skip


def _range(values: list[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}"


def cpu_of(process: psutil.Process, seconds: float) -> float:
    """Give the milliseconds of CPU time that a process takes a second."""
    before, began = process.cpu_times(), time.perf_counter()
    time.sleep(seconds)
    after, took = process.cpu_times(), time.perf_counter() - began
    return (after.user + after.system - before.user - before.system) / took * 1e3


# --- what is looked at ----------------------------------------------------------------------


def fill(workspace: Path, points: int) -> None:
    """Make a large sweep and many small ones, whose summaries are out of date."""
    make_finished(workspace / "large", points)
    for i in range(SWEEPS):
        make_finished(workspace / f"chains-{i}")


def summarize(folder: Path) -> None:
    """Leave the summary that the end of a run leaves."""
    plan = stored_plan(folder)
    ledger = Ledger(folder, writable=True)
    ledger.summarize(SweepState.of(plan, ledger).summary())
    ledger.close()


def measured(points: int, seconds: float, requests: int, folder: Path) -> Iterable[Row]:
    """Measure everything."""
    workspace = folder / "results"
    fill(workspace, points)
    with cluster(folder) as hosts:
        with served(workspace, hosts.address, list(COMMAND)) as service:
            yield from looking(service, workspace, points, "ledgers folded")
            for sweep in workspace.glob("[!.]*/plan.json"):
                summarize(sweep.parent)
            yield from looking(service, workspace, points, "summaries read")
            yield from memory(service, requests)
            yield from watching(service, hosts.scheduler, seconds)
        with served(workspace, hosts.address, SMALL_BLOCKS) as service:
            yield from tasks(service, hosts.address)


def main() -> None:
    """Print what everything takes, and the goals."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--points", type=int, default=10**6)
    parser.add_argument("--quick", action="store_true", help="100,000 points, short rounds")
    options = parser.parse_args()
    print(machine())
    points = 100_000 if options.quick else options.points
    with tempfile.TemporaryDirectory() as name:
        seconds, requests = (5.0, 200) if options.quick else (20.0, REQUESTS)
        rows = []
        for row in measured(points, seconds, requests, Path(name)):
            print(".", end="", flush=True, file=sys.stderr)
            rows.append(row)
    print_table(
        (f"{points:,} points", "measured", "goal", "", "beside"),
        [(what, much, f"<= {goal:g}", verdict(much <= goal), beside)
         for what, much, goal, beside in rows],
    )  # fmt: skip


if __name__ == "__main__":
    settle()
    main()
