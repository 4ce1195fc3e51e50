"""How many workers a sweep can use: what a block costs everywhere, and a simulation of more.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --quick
    python -m benchmarks.scaling --picture docs/pictures/efficiency-against-workers.png

Scheduler, workers and owner are processes of their own. Sweeps of several lengths, whose blocks
are one point that takes no time, are fitted by a straight line: CPU seconds a block of each
process. Waits (of the owner for a receipt and for the disk, of a worker around its numerics) are
medians on a cluster whose numerics sleep, so that the cores are idle. Chunks of several sizes
are written with fsync, and fitted too. Then the real clusters are simulated
(`benchmarks.queueing`), and clusters of up to 10,000 workers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from bokeh.models import FixedTicker
from distributed import Client
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.scheduler import heartbeat_interval

import sweep
from benchmarks.queueing import Case, Costs, Run, Store, rate, simulate
from benchmarks.service import started
from benchmarks.timing import machine, print_table, settle
from dashboards.files import write_page, write_picture
from dashboards.theme import DEPTHS, box_legend, new_figure
from sweep import beginning, driving, graph, planning
from sweep.cluster import connect
from sweep.documents import to_toml
from sweep.ledger import Ledger
from sweep.planning import Plan
from sweep.store import BlockWriter
from sweep.sweep_file import read

POINT_BYTES = 32
"""Of the larger variable of a point; a chunk of so many holds one."""
FILES = 2
SIZES = (100, 250, 400)
IDLE = ("scheduler", "worker")
"""Processes that do something while there is nothing to do."""
TRUTHS = ((1, 0.0, 200), (2, 0.0, 300), (1, 0.2, 60), (2, 0.2, 120), (8, 0.5, 240),
          (12, 1.0, 180))  # fmt: skip
"""Workers, seconds that a block sleeps, blocks."""
QUICK_TRUTHS = ((1, 0.0, 200), (2, 0.1, 150), (4, 0.1, 200))
WORKERS = (1, 10, 30, 100, 300, 1000, 3000, 10_000)
BLOCK_SECONDS = (0.3, 2.0, 10.0, 60.0)
BLOCK_BYTES = 4 * 2**20
CHUNKS = (5, 100, 1000)
"""Chains of 512 atoms in a chunk: 20 kB to 4 MB."""
PLUGIN = Path(__file__).parents[1] / "tests" / "plugin"
SIZE = (720, 480)


def blocks_of(count: int, slow: float, name: str) -> dict[str, Any]:
    """Make a sweep of so many points that sleep; each is a block of two small files."""
    return {
        "modesweep": 1, "name": name, "model": "poison", "outputs": ["square", "powers"],
        "fixed": {"slow": slow}, "axes": {"x": {"linspace": [1.0, 2.0, count]}},
    }  # fmt: skip


# --- the owner, in a process of its own -----------------------------------------------------


class Watch:
    """Wall seconds of calls, and CPU seconds of the thread that made them."""

    def __init__(self) -> None:
        self.walls: dict[str, list[float]] = defaultdict(list)
        self.cpus: dict[str, list[float]] = defaultdict(list)

    def around(self, owner: Any, name: str) -> None:
        """Time every call of a method."""
        call: Callable[..., Any] = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return call(*arguments, **options)
            finally:
                self.walls[name].append(time.perf_counter() - wall)
                self.cpus[name].append(time.thread_time() - cpu)

        setattr(owner, name, timed)

    def waits(self, name: str) -> list[float]:
        """Give how long calls wait for others: the quarters."""
        pairs = zip(self.walls[name], self.cpus[name], strict=True)
        return statistics.quantiles(wall - cpu for wall, cpu in pairs)

    def works(self, name: str, blocks: int) -> float:
        """Give the CPU seconds of the thread, for each block."""
        return sum(self.cpus[name]) / blocks


@dataclass(frozen=True)
class Owned:
    """What a sweep took its owner."""

    cpu: float
    """Of the process, between the first order and the last row."""
    submit: float
    """Of the thread that drives, a block."""
    fetch_waits: list[float]
    """Quarters of the seconds that a receipt is waited for."""
    commit_waits: list[float]
    finished: list[float]


def own(file: Path, workspace: Path, address: str) -> Owned:
    """Run a sweep in this process."""
    planning.LEAST_SECONDS, planning.CHUNK_BYTES = 0.0, POINT_BYTES
    watch = Watch()
    watch.around(graph.Window, "submit")
    watch.around(graph.Window, "_receipt")
    watch.around(Ledger, "record")
    cpu: list[float] = []
    run = driving._Session.run

    def counted(session: Any) -> None:
        before = time.process_time()
        run(session)
        cpu.append(time.process_time() - before)

    driving._Session.run = counted  # type: ignore[assignment, method-assign]
    with connect(address, None, dashboard=False) as client:
        result = sweep.run(file, workspace=workspace, scheduler=client)
    assert result.complete
    with contextlib.closing(sqlite3.connect(result.path / "ledger.sqlite")) as ledger:
        finished = [row[0] for row in ledger.execute("select finished from block")]
    return Owned(
        sum(cpu), watch.works("submit", len(finished)), watch.waits("_receipt"),
        watch.waits("record"), finished,
    )  # fmt: skip


# --- a cluster ------------------------------------------------------------------------------


class Intervals(SchedulerPlugin):
    """When each worker was at which block."""

    def __init__(self) -> None:
        self.at: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def transition(self, key: Any, start: str, finish: str, *_: Any, **told: Any) -> None:
        if finish == "memory" and "block" in str(key):
            self.at[told.get("worker", "")] += [
                (s["start"], s["stop"]) for s in told.get("startstops", ())
                if s["action"] == "compute"
            ]  # fmt: skip


@dataclass
class Hosts:
    """A scheduler and workers of one thread."""

    address: str
    scheduler: psutil.Process
    workers: list[psutil.Process]
    client: Client
    folder: Path

    def intervals(self) -> list[list[tuple[float, float]]]:
        """Take what the workers have done since the last time."""

        def take(dask_scheduler: Any) -> list[list[tuple[float, float]]]:
            at = dask_scheduler.plugins["intervals"].at
            taken = [sorted(pairs) for pairs in at.values()]
            at.clear()
            return taken

        return self.client.run_on_scheduler(take)

    def idle(self, seconds: float) -> dict[str, float]:
        """Give the CPU seconds a second of processes that have nothing to do."""
        before, began = self.spent(), time.perf_counter()
        time.sleep(seconds)
        took = time.perf_counter() - began
        return {p: (much - before[p]) / took for p, much in self.spent().items() if p in IDLE}

    def own(self, count: int, slow: float) -> tuple[Owned, dict[str, float]]:
        """Run a sweep; give what its owner says, and what other processes do, in seconds."""
        name = f"blocks-{len(self.workers)}-{slow:g}-{count}".replace(".", "_")
        file = self.folder / f"{name}.toml"
        file.write_text(to_toml(blocks_of(count, slow, name)))
        before, began = self.spent(), time.perf_counter()
        command = [sys.executable, "-m", "benchmarks.scaling", "--own", str(file),
                   str(self.folder), self.address]  # fmt: skip
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        after = self.spent()
        told = json.loads(done.stdout.splitlines()[-1])
        spent = {place: after[place] - before[place] for place in after}
        return Owned(**told), spent | {"wall": time.perf_counter() - began}

    def spent(self) -> dict[str, float]:
        """Give the CPU seconds so far, of the scheduler, workers, and their numerics."""
        numerics = [c for w in self.workers for c in w.children(recursive=True)]
        return {
            "scheduler": seconds_of([self.scheduler]),
            "worker": seconds_of(self.workers),
            "numerics": seconds_of(numerics),
        }


def seconds_of(processes: Sequence[psutil.Process]) -> float:
    """Add up the CPU seconds of processes that are there."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


@contextlib.contextmanager
def hosts(count: int, folder: Path) -> Iterator[Hosts]:
    """Start a scheduler and so many workers on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    here = ["--host", "127.0.0.1", "--no-dashboard"]
    dask = [sys.executable, "-m"]
    scheduler = [*dask, "distributed.cli.dask_scheduler", *here, "--port", str(port)]
    worker = [*dask, "distributed.cli.dask_worker", address, *here, "--nthreads", "1",
              "--no-nanny", "--memory-limit", "0"]  # fmt: skip
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(started(scheduler, folder, "scheduler.log"))
        others = [stack.enter_context(started(worker, folder, f"worker-{i}.log"))
                  for i in range(count)]  # fmt: skip
        client = stack.enter_context(Client(address, timeout=120))
        client.wait_for_workers(count, timeout=180)
        client.register_plugin(Intervals(), name="intervals")
        yield Hosts(address, psutil.Process(first.pid), [psutil.Process(p.pid) for p in others],
                    client, folder)  # fmt: skip


# --- (a) what a block costs -----------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """CPU and waits, in seconds."""

    scheduler: float
    owner: float
    worker: float
    numerics: float
    submit: float
    """The part of the owner that sends an order."""
    fetch_waits: float
    commit_waits: float
    around: float
    """Wall seconds of a worker around the numerics, chunks and fsync included."""
    heartbeat: float
    file_seconds: float
    """Wall seconds of a small file with fsync."""
    file_bytes_per_second: float
    write_cpu: float
    """CPU seconds a MB that is packed and written."""

    @property
    def costs(self) -> Costs:
        """Give what the simulation needs."""
        settle = self.owner - self.submit + self.commit_waits
        around = max(self.around - FILES * self.file_seconds, 0.0)
        fetch = max(self.fetch_waits - self.scheduler / 3, 0.0)
        return Costs(self.submit, settle, fetch, self.scheduler, around, self.heartbeat)

    @property
    def store(self) -> Store:
        """Give a store without bounds, in which small files take as long as here."""
        return Store(seconds=FILES * self.file_seconds)


@dataclass(frozen=True)
class Truth:
    """A real cluster, to be simulated."""

    workers: int
    slow: float
    blocks: int
    rate: float
    fetch_waits: list[float]
    commit_waits: list[float]
    around: list[float]

    def simulated(self, found: Measured) -> float:
        """Give the rate of the simulation, with the waits that this cluster had."""
        _, fetch, _ = self.fetch_waits
        _, commit, _ = self.commit_waits
        _, span, _ = self.around
        costs = replace(found, fetch_waits=fetch, commit_waits=commit, around=span).costs
        case = Case(self.workers, self.slow, self.blocks, 0, FILES, spread=0)
        return simulate(case, costs, found.store).rate


def slope(counts: Sequence[float], seconds: Sequence[float]) -> float:
    """Fit a straight line; give what one more costs."""
    return float(np.polyfit(counts, seconds, 1)[0])


def around(intervals: list[list[tuple[float, float]]], slow: float) -> list[float]:
    """Give what a worker takes from one block to the next, less the numerics: the quarters."""
    steps = [
        later[0] - earlier[0]
        for pairs in intervals
        for earlier, later in zip(pairs[2:], pairs[3:], strict=False)
    ]
    return [step - slow for step in statistics.quantiles(steps)]


def per_block(cluster: Hosts, sizes: Sequence[int], idle: dict[str, float]) -> dict[str, float]:
    """Fit the CPU seconds of each process against the number of blocks.

    What it does anyhow, while time passes, is left out.
    """
    cluster.own(20, 0.0)  # what is done once
    spent: dict[str, list[float]] = defaultdict(list)
    submit = []
    for size in sizes:
        owned, others = cluster.own(size, 0.0)
        wall = others.pop("wall")
        for place, seconds in {**others, "owner": owned.cpu}.items():
            spent[place].append(seconds - idle.get(place, 0.0) * wall)
        submit.append(owned.submit)
    found = {place: slope(sizes, seconds) for place, seconds in spent.items()}
    return found | {"submit": submit[-1]}


def writing(folder: Path, rounds: int) -> tuple[float, float, float]:
    """Fit the seconds of a chunk with fsync: of a file, bytes a second, CPU a MB."""
    sizes, walls, cpus = [], [], []
    for points in CHUNKS:
        document = {
            "modesweep": 1, "name": f"chunks-{points}", "model": "chain",
            "outputs": ["frequency_squared"], "fixed": {"atoms": 512},
            "axes": {"mass_ratio": {"linspace": [0.2, 5.0, rounds]},
                     "end_mass_ratio": {"linspace": [0.3, 3.0, points]}},
        }  # fmt: skip
        plan = Plan(read(document))
        region = plan.regions[plan.arrays["frequency_squared"].region]
        beginning.create(plan, folder / f"chunks-{points}")
        writer = BlockWriter(folder / f"chunks-{points}")
        took = []
        for block in range(region.blocks):
            shape = [s.stop - s.start for s in region.box(block)]
            values = np.random.default_rng(block).random((*shape, 512))
            wall, cpu = time.perf_counter(), time.process_time()
            writer.write(region, block, {"frequency_squared": values}, {}, lambda: True)
            took.append((time.perf_counter() - wall, time.process_time() - cpu, values.nbytes))
        sizes.append(statistics.median(t[2] for t in took))
        walls.append(statistics.median(t[0] for t in took))
        cpus.append(statistics.median(t[1] for t in took))
    per_byte, once = np.polyfit(sizes, walls, 1)
    return (
        max(float(once), min(walls) / 2),
        1 / max(float(per_byte), 1e-12),
        (slope(sizes, cpus) * 1e6),
    )


def measure(folder: Path, *, quick: bool) -> tuple[Measured, list[Truth]]:
    """Measure costs, and real clusters to be simulated."""
    truths = QUICK_TRUTHS if quick else TRUTHS
    file_seconds, bandwidth, write_cpu = writing(folder, 10 if quick else 30)
    rows: list[Truth] = []
    fitted: dict[str, float] = {}
    quiet: dict[float, float] = {}
    for count in sorted({workers for workers, _, _ in truths}):
        here = folder / f"{count}-workers"
        here.mkdir()
        with hosts(count, here) as cluster:
            idle = cluster.idle(5.0 if quick else 10.0)
            quiet[count / heartbeat_interval(count)] = idle["scheduler"]
            fitted = fitted or per_block(cluster, SIZES[:2] if quick else SIZES, idle)
            for workers, slow, blocks in truths:
                if workers != count:
                    continue
                cluster.intervals()
                owned, _ = cluster.own(blocks, slow)
                span = around(cluster.intervals(), slow)
                rows.append(
                    Truth(workers, slow, blocks, rate(owned.finished), owned.fetch_waits,
                          owned.commit_waits, span)
                )  # fmt: skip
                print(".", end="", flush=True, file=sys.stderr)
    beat = max(slope(list(quiet), list(quiet.values())), 0.0)
    found = Measured(
        fitted["scheduler"], fitted["owner"], fitted["worker"], fitted["numerics"],
        fitted["submit"], min(t.fetch_waits[0] for t in rows),
        min(t.commit_waits[0] for t in rows), min(t.around[0] for t in rows), beat,
        file_seconds, bandwidth, write_cpu,
    )  # fmt: skip
    return found, rows


# --- (b) simulated --------------------------------------------------------------------------


def blocks_for(workers: int) -> int:
    """Give a number of blocks whose middle half is neither beginning nor end."""
    return max(400, 6 * workers)


def table(costs: Costs, store: Store) -> Iterator[tuple[float, int, Run]]:
    """Simulate every number of workers and length of blocks."""
    for seconds in BLOCK_SECONDS:
        for workers in WORKERS:
            yield (
                seconds,
                workers,
                simulate(
                    Case(workers, seconds, blocks_for(workers), BLOCK_BYTES, FILES), costs, store
                ),
            )


def draw(found: dict[tuple[float, int], Run]) -> Any:
    """Draw efficiency against workers, one line for each length of blocks."""
    plot = new_figure(
        title="Share of the workers' time that is numerics", width=SIZE[0], height=SIZE[1],
        x_axis_type="log", x_range=(0.8, 13_000), y_range=(0, 105),
    )  # fmt: skip
    plot.xaxis.axis_label, plot.yaxis.axis_label = "workers", "numerics (%)"
    ticks = [1, 10, 100, 1000, 10_000]
    plot.xaxis.ticker = FixedTicker(ticks=ticks)
    plot.xaxis.major_label_overrides = {n: f"{n:,}" for n in ticks}
    plot.ygrid.visible = plot.xgrid.visible = True
    plot.grid.grid_line_color = "#e4e7ec"
    for seconds, colour in zip(BLOCK_SECONDS, DEPTHS, strict=False):
        runs = [(w, min(100 * r.efficiency, 100)) for (s, w), r in found.items() if s == seconds]
        x, y = zip(*runs, strict=True)
        label = f"blocks of {seconds:g} s"
        plot.line(x, y, line_width=2, color=colour, legend_label=label)
        plot.scatter(x, y, size=7, color=colour, legend_label=label)
    box_legend(plot, "bottom_left")
    return plot


def install(folder: Path) -> None:
    """Install the trial models, one of which sleeps, for all processes that come."""
    source, target = folder / "source", folder / "plugin"
    source.mkdir()
    for file in PLUGIN.iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
               "--no-build-isolation", "--target", str(target), str(source)]  # fmt: skip
    subprocess.run(command, check=True)
    before = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    os.environ["PYTHONPATH"] = os.pathsep.join([str(target), *before])


def show(found: Measured, rows: list[Truth], picture: Path | None) -> None:
    """Print what was measured, how well it is simulated, and what is simulated beyond."""
    ms = {name: 1e3 * value for name, value in asdict(found).items()}
    print_table(("a block of two small files", "ms"), [
        ("scheduler, CPU", ms["scheduler"]),
        ("owner, CPU", ms["owner"]),
        ("  of it to send the order", ms["submit"]),
        ("  and it waits for the receipt", ms["fetch_waits"]),
        ("  and for the ledger's disk", ms["commit_waits"]),
        ("worker, CPU", ms["worker"]),
        ("numerics process, CPU", ms["numerics"]),
        ("worker around the numerics, wall", ms["around"]),
        ("a chunk of few bytes with fsync, wall", ms["file_seconds"]),
        ("a chunk, CPU a MB", ms["write_cpu"]),
        ("a sign of life at the scheduler, CPU", ms["heartbeat"]),
    ])  # fmt: skip
    print(f"chunks with fsync: {found.file_bytes_per_second / 1e6:.0f} MB/s\n")
    compared = []
    for truth in rows:
        simulated = truth.simulated(found)
        waits = (1e3 * of[1] for of in (truth.around, truth.fetch_waits, truth.commit_waits))
        compared.append((str(truth.workers), truth.slow, truth.blocks, truth.rate, simulated,
                         simulated / truth.rate, *waits))  # fmt: skip
    print_table(("workers", "block, s", "blocks", "real, 1/s", "simulated", "ratio",
                 "around, ms", "receipt, ms", "disk, ms"), compared)  # fmt: skip
    print()
    runs = {(s, w): r for s, w, r in table(found.costs, found.store)}
    print_table(
        ("block, s", "workers", "blocks/s", "numerics, %", "limit", "owner, %", "scheduler, %",
         "MB/s"),
        [(f"{s:g}", w, r.rate, min(100 * r.efficiency, 100.0), r.limit, 100 * r.use["owner"],
          100 * r.use["scheduler"], r.rate * BLOCK_BYTES / 1e6) for (s, w), r in runs.items()],
    )  # fmt: skip
    if picture is not None:
        with tempfile.TemporaryDirectory() as folder:
            page = write_page(draw(runs), Path(folder) / "page.html", "Efficiency")
            if not write_picture(page, picture, (SIZE[0] + 24, SIZE[1] + 24)):
                print("no Chromium on this machine: no picture")


def main() -> None:
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="up to four real workers")
    parser.add_argument("--picture", type=Path, help="where the picture goes")
    parser.add_argument("--costs", type=Path, help="measured before; written if it is not there")
    parser.add_argument("--own", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.own:
        file, workspace, address = options.own
        print(json.dumps(asdict(own(Path(file), Path(workspace), address))))
        return
    print(machine())
    if options.costs and options.costs.exists():
        told = json.loads(options.costs.read_text())
        found, rows = Measured(**told["costs"]), [Truth(**t) for t in told["clusters"]]
    else:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            install(folder)
            found, rows = measure(folder, quick=options.quick)
    if options.costs:
        kept = {"costs": asdict(found), "clusters": [asdict(t) for t in rows]}
        options.costs.write_text(json.dumps(kept, indent=1))
    show(found, rows, options.picture)


if __name__ == "__main__":
    settle()
    main()
