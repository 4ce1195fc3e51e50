"""How true a plan is: seconds, bytes and files as predicted, and as the run then has them.

    python -m benchmarks.plan_truth
    python -m benchmarks.plan_truth --quick

The examples, and slabs of mixed sizes. Predicted is by `sweep.plan` in a workspace that knows
nothing, which tries a few points; beside it the prediction without that. Measured are the
seconds that the ledger has, summed; every round has a new workspace, and the median round is
shown. Bytes are those of the arrays before compression, files the chunk files on the disk.
Numerics processes are given the CPU clock, so that other load on the machine counts on
neither side. Exits with 1 when bytes or files differ from the plan.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import zarr

import sweep
from benchmarks.timing import machine, print_table, settle, verdict
from sweep.ledger import Ledger
from sweep.reading import stored_plan
from sweep.regions import ITEM_BYTES

EXAMPLES = Path(__file__).parents[1] / "examples"
GOAL, AIM = 2.0, 1.5
"""Factor between predicted and measured seconds, either way."""
MIXED: dict[str, Any] = {
    "modesweep": 1, "name": "mixed-slabs", "model": "slab",
    "outputs": ["frequency", "surface_weight", "mode_kind"],
    "fixed": {"k_points": 60, "adlayer": "one side"},
    "axes": {"layers": [11, 41, 101], "surface": ["111", "100"],
             "adlayer_mass_ratio": [0.5, 1.0, 2.0]},
}  # fmt: skip
MESH: dict[str, Any] = {
    "modesweep": 1,
    "name": "slab-mesh",
    "model": "slab",
    "outputs": ["frequency"],
    "fixed": {"k_mesh": 24, "layers": 31},
    "axes": {"surface": ["100", "110", "111"]},
}
CPU_CLOCK = """
import sys, time
if any("sweep.child" in word for word in sys.orig_argv):
    time.perf_counter = time.process_time
"""
"""Python reads it as it starts; only the numerics processes heed it."""
Document: TypeAlias = Path | dict[str, Any]


@dataclass(frozen=True)
class Truth:
    """A plan and what became of it."""

    name: str
    untried: float
    """Seconds by the cost model alone."""
    predicted: float
    """Seconds, after a few points were tried."""
    measured: float
    bytes: tuple[int, int]
    """Planned, and in the store."""
    files: tuple[int, int]

    @property
    def factor(self) -> float:
        """How far the predicted seconds are off, either way."""
        return max(self.predicted / self.measured, self.measured / self.predicted)

    @property
    def exact(self) -> bool:
        """Bytes and files are what was planned."""
        return self.bytes[0] == self.bytes[1] and self.files[0] == self.files[1]


def truth_of(document: Document) -> Truth:
    """Plan a sweep, run it, and compare."""
    with tempfile.TemporaryDirectory() as workspace:
        untried = sweep.plan(document, workspace=workspace, pilots=False)
        planned = sweep.plan(document, workspace=workspace)
        result = sweep.run(document, workspace=workspace, workers=1)
        return Truth(
            result.name, untried.seconds, planned.seconds, seconds_of(result.path),
            (planned.bytes, bytes_of(result.path)), (planned.files, files_of(result.path)),
        )  # fmt: skip


def seconds_of(folder: Path) -> float:
    """Sum the seconds of all blocks."""
    ledger = Ledger(folder)
    try:
        return sum(float(np.nansum(row.seconds)) for row in ledger.blocks())
    finally:
        ledger.close()


def bytes_of(folder: Path) -> int:
    """Sum the bytes of the variables in a store before compression."""
    plan, group = stored_plan(folder), zarr.open_group(folder / "data.zarr", mode="r")
    arrays: Mapping[str, Any] = {name: group[name] for name in plan.arrays}
    return sum(math.prod(a.shape) * ITEM_BYTES[plan.variables[n].dtype] for n, a in arrays.items())


def files_of(folder: Path) -> int:
    """Count the chunk files of the variables in a store."""
    below = [folder / "data.zarr" / name for name in stored_plan(folder).arrays]
    return sum(p.is_file() and p.name != "zarr.json" for d in below for p in d.rglob("*"))


def median(document: Document, rounds: int) -> Truth:
    """Take the median round, by the ratio of the seconds."""
    all_ = sorted((truth_of(document) for _ in range(rounds)),
                  key=lambda t: t.predicted / t.measured)  # fmt: skip
    return all_[len(all_) // 2]


def use_cpu_clock(folder: Path) -> None:
    """Let numerics processes that start from here measure by their CPU time."""
    (folder / "sitecustomize.py").write_text(CPU_CLOCK)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{before}" if before else str(folder)


def main() -> int:
    settle()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round")
    options = parser.parse_args()
    documents: list[Document] = [*sorted(EXAMPLES.glob("*.toml")), MIXED, MESH]
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        use_cpu_clock(Path(folder))
        found = [median(d, 1 if options.quick else options.rounds) for d in documents]
    print_table(
        ("", "not tried, s", "predicted s", "measured s", "factor", "goal", "", "bytes planned",
         "in the store", "files planned", "on the disk"),
        [(t.name, t.untried, t.predicted, t.measured, t.factor, f"<= {GOAL:g}",
          verdict(t.factor <= GOAL), *t.bytes, *t.files) for t in found],
    )  # fmt: skip
    middle = statistics.median(t.factor for t in found)
    within = sum(t.factor <= AIM for t in found)
    print(f"median factor {middle:.2f}; {within} of {len(found)} within the aim of {AIM:g}")
    if not all(t.exact for t in found):
        print("DISAGREEMENT: bytes or files are not what was planned")
        return 1
    print("bytes and files are what was planned")
    return 0


if __name__ == "__main__":
    sys.exit(main())
