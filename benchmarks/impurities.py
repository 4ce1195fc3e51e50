"""What impurities cost: the host once, then each defect; two workers against one.

    python -m benchmarks.impurities
    python -m benchmarks.impurities --quick

CPU time of this process for the host above the bands (Ashkin's crystal, four explicit layers)
and for defects that read it: new substitutions with changed bonds, and new pairs. Then wall
time of a sweep that is all host (spectra on 256 x 256 wavevectors, 500 values of z), by one
worker and by two; start-up is left out by subtracting a sweep of a coarse host.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import sweep
from benchmarks.timing import machine, print_table, settle, verdict
from models.evaluate import Evaluator
from models.protocol import Part
from models.registry import get

NODES = 32
"""Values of z above the bands at which the host is known."""
EACH = 0.5
"""Most milliseconds of a defect and z."""
GOALS = {"substitution": 20.0, "pair": 60.0}
"""Most milliseconds of one."""
TWO = 1.7
MEMORY = 100e6


def cpu_seconds(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def defects(count: int) -> None:
    """Time the host, then defects on it."""
    model = get("impurity")
    stage, make = model.stage("local"), model.parameters.model_validate
    masses = [0.1 + 0.5 * i / count for i in range(count)]
    kinds = {
        "substitution": [make({"mass_ratio": m, "bond_ratio": 1.2 - m / 10}) for m in masses],
        "pair": [make({"mass_ratio": m, "defect": "pair", "bond_ratio": 1.2 - m / 10})
                 for m in masses],
    }  # fmt: skip
    rows = []
    for kind, points in kinds.items():
        evaluator = Evaluator(model)
        first, *others = points
        source = model.stage(stage.reads(first)[0])
        host = cpu_seconds(partial(evaluator.whole, source, first))
        evaluator.whole(stage, first)
        times = sorted(cpu_seconds(partial(evaluator.whole, stage, p)) for p in others)
        each = 1e3 * times[len(times) // 2]
        rows.append((kind, host, each, each / NODES, verdict(each < GOALS[kind]),
                     verdict(each / NODES < EACH)))  # fmt: skip
    print_table(
        ("defect", "host s", "ms each", "ms each and z", "goal", "goal per z"),
        rows,
    )


def memory() -> None:
    """Peak of one grain of the lines on a fine mesh, after the mesh was made."""
    model = get("impurity")
    p = model.parameters.model_validate({"k_mesh": 256, "grid_points": 100})
    stage = model.stage(model.stage("spectra").reads(p)[1])
    size = model.grain(stage.cut or "", p)
    stage.run([p], {}, Part(0, size, size))
    tracemalloc.start()
    stage.run([p], {}, Part(0, size, size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"memory of a grain: {peak / 1e6:.0f} MB: {verdict(peak < MEMORY)}")


def two_workers(points: int, rounds: int) -> None:
    """Time a sweep that is all host."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            for workers in seconds:
                start = _run(Path(folder) / f"{turn}-{workers}-small", 4, 20, workers)
                whole = _run(Path(folder) / f"{turn}-{workers}", 256, points, workers)
                seconds[workers].append(whole - start)
    one, two = min(seconds[1]), min(seconds[2])
    print_table(("one worker s", "two workers s", "speed-up", "goal"),
                [(one, two, one / two, f">= {TWO} {verdict(one / two >= TWO)}")])  # fmt: skip


def _run(workspace: Path, mesh: int, points: int, workers: int) -> float:
    document = {
        "modesweep": 1, "name": "host", "model": "impurity", "outputs": ["host_dos"],
        "fixed": {"k_mesh": mesh, "grid_points": points}, "axes": {"mass_ratio": [1.0]},
    }  # fmt: skip
    start = time.perf_counter()
    sweep.run(document, workspace=workspace, workers=workers)
    return time.perf_counter() - start


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few defects, one round")
    quick = parser.parse_args().quick
    print(machine())
    defects(6 if quick else 40)
    memory()
    two_workers(40 if quick else 100, 1 if quick else 3)


if __name__ == "__main__":
    settle()
    main()
