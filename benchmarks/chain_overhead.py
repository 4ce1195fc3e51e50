"""What a sweep adds to each of 100,000 cheap points, over a bare loop of the same numerics.

Chains of ten atoms, frequencies and end weights; CPU seconds of the whole process tree, an
empty sweep (one point) of the same run subtracted. The bare loop calls the same stage in
the same batches and keeps nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

import psutil

import sweep
from benchmarks.timing import print_table, settle
from models.evaluate import Evaluator
from models.registry import get
from sweep.messages import Receipt
from sweep.progress import Silent
from sweep.spec import Sweep
from sweep.state import SweepState
from sweep.sweep_file import read

GOAL_MILLISECONDS = 0.1


def document(points: int, name: str) -> dict[str, Any]:
    """Make a sweep of so many chains."""
    return {
        "modesweep": 1, "name": name, "model": "chain",
        "outputs": ["frequency_squared", "end_weight"], "fixed": {"atoms": 10},
        "axes": {"mass_ratio": {"linspace": [0.2, 5.0, max(1, points // 100)]},
                 "end_mass_ratio": {"linspace": [0.3, 3.0, min(points, 100)]}},
    }  # fmt: skip


class TreeTime(Silent):
    """CPU seconds of this process and all it started, read at the end of every block."""

    def __init__(self) -> None:
        self._began = tree_seconds()
        self.seconds = 0.0

    def update(self, state: SweepState, receipt: Receipt | None) -> None:
        """Read the clocks."""
        self.seconds = tree_seconds() - self._began


def tree_seconds() -> float:
    """Give the CPU seconds of this process and its living descendants."""
    own = psutil.Process()
    total = 0.0
    for process in (own, *own.children(recursive=True)):
        used = process.cpu_times()
        total += used.user + used.system
    return total


def sweep_seconds(points: int, name: str, folder: str) -> float:
    """Run a sweep on two workers and give its CPU seconds."""
    clock = TreeTime()
    sweep.run(document(points, name), workspace=folder, workers=2, progress=clock)
    return clock.seconds


def bare_loop(chains: Sweep) -> None:
    """Solve all chains, batch by batch, as a script of one's own would."""
    stage = get("chain").stage("modes")
    rows, columns = chains.shape
    evaluator = Evaluator(get("chain"))
    batch = []
    for i in range(rows):
        for j in range(columns):
            batch.append(chains.point((i, j)))
            if len(batch) == stage.batch:
                evaluator.grain(stage, batch)
                batch = []


def main() -> None:
    """Print the overhead."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    points = 20_000 if options.quick else options.points
    with tempfile.TemporaryDirectory() as folder:
        empty = sweep_seconds(1, "empty", folder)
        full = sweep_seconds(points, "full", folder)
    began = time.process_time()
    bare_loop(read(document(points, "bare")))
    bare = time.process_time() - began
    per_point = (full - empty - bare) / points * 1e3
    print_table(
        ["points", "sweep s", "empty s", "bare loop s", "overhead ms/point", "goal"],
        [[f"{points:,}", f"{full:.2f}", f"{empty:.2f}", f"{bare:.2f}", f"{per_point:.4f}",
          f"<= {GOAL_MILLISECONDS}"]],
    )  # fmt: skip


if __name__ == "__main__":
    settle()
    main()
