"""A million points, 200 GB of spectra, fifty sweeps: what running, planning and looking cost.

    python -m benchmarks.scale
    python -m benchmarks.scale --quick

The million are chains of ten atoms on two workers. What a sweep adds to each is the CPU time
of the whole process tree less that of a sweep of one point, and less a bare loop, which solves
the same chains in the same batches and keeps nothing. The owner has a process of its own; its
peak memory holds the scheduler, too. Commands are timed as from a shell, the start of Python
included: wall seconds, best of three, beside the same command on a sweep of one point. The 200
GB are planned only, and the room on the disk is not asked for. The fifty sweeps are
written as runs leave them, but for the chunks, which `status` does not read.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from distributed import Client
from distributed.diagnostics.plugin import SchedulerPlugin

import sweep
from benchmarks.chain_overhead import bare_loop, tree_seconds
from benchmarks.timing import machine, print_table, settle, verdict
from sweep import beginning, summary
from sweep.cluster import connect
from sweep.documents import to_toml
from sweep.layout import OK
from sweep.ledger import BlockRow, Ledger
from sweep.planning import Plan
from sweep.steering import WINDOW
from sweep.sweep_file import read

WORKERS = 2
SWEEPS = 50
ROUNDS = 3
COMMAND = (sys.executable, "-P", "-c", "from sweep.cli.main import main; main()")
GOALS = {
    "overhead": 0.05, "memory": 500.0, "tasks": 2 * WINDOW * WORKERS, "plan": 10.0, "status": 1.0,
    "resume": 10.0, "files": 0.01, "status of all": 2.0,
}  # fmt: skip


def chains(points: int, name: str = "chains") -> dict[str, Any]:
    """Make a sweep of so many chains, a square or a little less."""
    rows = max(1, math.isqrt(points))
    return {
        "modesweep": 1, "name": name, "model": "chain", "outputs": ["frequency_squared"],
        "fixed": {"atoms": 10},
        "axes": {"mass_ratio": {"linspace": [0.2, 5.0, rows]},
                 "end_mass_ratio": {"linspace": [0.3, 3.0, points // rows]}},
    }  # fmt: skip


def spectra() -> dict[str, Any]:
    """Make a sweep whose spectra take 200 GB."""
    return {
        "modesweep": 1, "name": "spectra", "model": "slab",
        "outputs": ["frequency", "surface_weight"], "fixed": {"k_points": 120},
        "axes": {"layers": [21, 41, 61, 81, 101], "surface": ["100", "110", "111"],
                 "adlayer": ["one side", "both sides"],
                 "adlayer_bond_ratio": {"linspace": [0.5, 2.0, 30]},
                 "adlayer_mass_ratio": {"geomspace": [0.1, 10.0, 381]}},
    }  # fmt: skip


# --- the owner, in a process of its own -----------------------------------------------------


@dataclass(frozen=True)
class Owner:
    """What a sweep took."""

    seconds: float
    """CPU, of the owner and all it started."""
    megabytes: float
    """Peak memory of the owner, the scheduler inside it."""
    tasks: int
    """The most that the scheduler ever knew."""


class MostTasks(SchedulerPlugin):
    """The largest number of tasks that a scheduler has known at once."""

    def __init__(self, client: Client) -> None:
        self._scheduler = client.cluster.scheduler
        self._scheduler.add_plugin(self, name="most-tasks")
        self.most = 0

    def transition(self, *_: Any, **__: Any) -> None:
        self.most = max(self.most, len(self._scheduler.tasks))


def own(file: Path, workspace: Path) -> Owner:
    """Run a sweep in this process, on an embedded cluster."""
    began = tree_seconds()
    with connect(None, WORKERS, dashboard=False) as client:
        tasks = MostTasks(client)
        sweep.run(file, workspace=workspace, scheduler=client)
        seconds = tree_seconds() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Owner(seconds, peak / 1e3, tasks.most)


def owner_of(file: Path, workspace: Path) -> Owner:
    """Run a sweep in another process, as `modesweep run` would."""
    command = [sys.executable, "-m", "benchmarks.scale", "--own", str(file), str(workspace)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Owner(**json.loads(done.stdout))


# --- measuring ------------------------------------------------------------------------------


Row = tuple[str, float, float, str]
"""What, how much, how much it may be, beside what."""


def running(points: int, folder: Path) -> Iterable[Row]:
    """Measure a whole run: overhead, memory, tasks, files."""
    one = owner_of(_file(chains(1, "one"), folder), folder)
    many = owner_of(_file(chains(points), folder), folder)
    began = time.process_time()
    bare_loop(read(chains(points)))
    bare = time.process_time() - began
    per_point = (many.seconds - one.seconds - bare) / points * 1e3
    data = folder / "chains" / "data.zarr"
    files = sum(p.is_file() and p.name != "zarr.json" for p in data.rglob("*"))
    blocks = sweep.status(folder / "chains").blocks
    took = f"sweep {many.seconds:.1f} s, one point {one.seconds:.1f} s, bare loop {bare:.1f} s"
    peak = f"one point {one.megabytes:.0f}"
    yield "overhead of a point, ms", per_point, GOALS["overhead"], took
    yield "owner and scheduler at their peak, MB", many.megabytes, GOALS["memory"], peak
    window = f"window {WINDOW * WORKERS}, {blocks} blocks"
    yield "most tasks that the scheduler knew", many.tasks, GOALS["tasks"], window
    yield "chunk files for each point", files / points, GOALS["files"], f"{files} files"


def commands(points: int, folder: Path) -> Iterable[Row]:
    """Time plan, status and run on what is complete."""
    one = f"one point {planning(folder / 'one.toml', folder):.2f}"
    _file(chains(10**8, "largest"), folder)
    for name, count in (("chains", points), ("largest", 10**8)):
        seconds = planning(folder / f"{name}.toml", folder)
        yield f"plan of {count:,} points, s", seconds, GOALS["plan"], one
    for what, goal, command, ending in (
        ("status, s", "status", "status", ""),
        ("run with everything done, s", "resume", "run", ".toml"),
    ):
        many, few = (
            min(shell(command, f"{folder / name}{ending}", workspace=folder) for _ in range(ROUNDS))
            for name in ("chains", "one")
        )
        yield what, many, GOALS[goal], f"one point {few:.2f}"


def planning(file: Path, folder: Path) -> float:
    """Time `modesweep plan` in workspaces that know no rates."""
    return min(
        shell("plan", str(file), workspace=Path(tempfile.mkdtemp(dir=folder)))
        for _ in range(ROUNDS)
    )


def shell(*arguments: str, workspace: Path) -> float:
    """Give the wall seconds of a command."""
    began = time.perf_counter()
    command = (*COMMAND, *arguments, "--workspace", str(workspace))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def large_plan(folder: Path) -> Iterable[Row]:
    """Time the plan of what this disk may have no room for."""
    began = time.perf_counter()
    with patch.object(summary, "check_budget"):
        p = sweep.plan(spectra(), workspace=folder)
    seconds = time.perf_counter() - began
    size = f"{p.points:,} points, {p.blocks:,} blocks, {p.files:,} files"
    yield f"plan of {p.bytes / 1e9:.0f} GB of spectra, s", seconds, GOALS["plan"], size


def fifty(folder: Path) -> Iterable[Row]:
    """Time the status of every sweep in a workspace."""
    workspaces = {count: folder / f"{count}-sweeps" for count in (1, SWEEPS)}
    for count, workspace in workspaces.items():
        for i in range(count):
            make_finished(workspace / f"chains-{i}")
    one, all_ = (
        min(shell("status", workspace=w) for _ in range(ROUNDS)) for w in workspaces.values()
    )
    yield f"status of {SWEEPS} sweeps, s", all_, GOALS["status of all"], f"one sweep {one:.2f}"


def make_finished(folder: Path, points: int = 100) -> None:
    """Write what the run of so many chains leaves, but for its chunks."""
    plan = Plan(read(chains(points, folder.name)))
    beginning.create(plan, folder)
    ledger = Ledger(folder, writable=True)
    for region in plan.regions.values():
        for block in range(region.blocks):
            points = [s.stop - s.start for s in region.box(block)]
            row = BlockRow(
                region.name, region.cell(block), np.full(points, OK, np.uint8),
                np.ones(points, np.uint8), np.zeros(points, np.float32), {},
            )  # fmt: skip
            ledger.record([row])
    ledger.close()


def _file(document: dict[str, Any], folder: Path) -> Path:
    path = folder / f"{document['name']}.toml"
    path.write_text(to_toml(document))
    return path


def main() -> None:
    """Print what everything takes, and the goals."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--points", type=int, default=10**6)
    parser.add_argument("--quick", action="store_true", help="100,000 points")
    parser.add_argument("--own", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.own:
        print(json.dumps(asdict(own(*options.own))))
        return
    print(machine())
    points = 100_000 if options.quick else options.points
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [*running(points, folder), *commands(points, folder), *large_plan(folder),
                *fifty(folder)]  # fmt: skip
    print_table(
        (f"{points:,} points", "measured", "goal", "", "beside"),
        [(what, much, f"<= {goal:g}", verdict(much <= goal), beside)
         for what, much, goal, beside in rows],
    )  # fmt: skip


if __name__ == "__main__":
    settle()
    main()
