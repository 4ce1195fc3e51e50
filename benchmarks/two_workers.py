"""How much faster two workers are than one, on a sweep of 101-layer slabs.

Wall seconds of the compute part, interleaved rounds, best of each; start-up is left out by
subtracting a sweep of one point.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import sweep
from benchmarks.timing import print_table, settle

GOAL = 1.7


def document(name: str, points: int, k_points: int) -> dict[str, Any]:
    """Make a sweep over adlayer masses of thick slabs."""
    return {
        "modesweep": 1, "name": name, "model": "slab",
        "outputs": ["frequency", "surface_weight"],
        "fixed": {"surface": "111", "layers": 101, "cutoff": 6.0, "adlayer": "both sides",
                  "k_points": k_points},
        "axes": {"adlayer_mass_ratio": {"geomspace": [0.2, 5.0, points]}},
    }  # fmt: skip


def main() -> None:
    """Print the speed-up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    points, rounds = (16, 1) if quick else (32, 3)
    times: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        for r in range(rounds):
            for workers in (1, 2):
                start = _seconds(document(f"e{r}-{workers}", 1, 4), folder, workers)
                whole = _seconds(document(f"f{r}-{workers}", points, 60), folder, workers)
                times[workers].append(whole - start)
    one, two = min(times[1]), min(times[2])
    print_table(
        ["one worker s", "two workers s", "speed-up", "goal"],
        [[f"{one:.1f}", f"{two:.1f}", f"{one / two:.2f}", f">= {GOAL}"]],
    )


def _seconds(content: dict[str, Any], folder: str, workers: int) -> float:
    began = time.perf_counter()
    sweep.run(content, workspace=Path(folder), workers=workers)
    return time.perf_counter() - began


if __name__ == "__main__":
    settle()
    main()
