"""Time several ways of doing one thing side by side, on one thread.

CPU time of this process, best of interleaved rounds: other load on the machine changes it
little, and what it changes it changes for all ways alike.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    # keep freed memory, as a worker's child process does: else fresh pages cost up to a tenth
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
}


def settle() -> None:
    """Start this process again with `SETTINGS`, which libraries read as they load."""
    if any(os.environ.get(name) != value for name, value in SETTINGS.items()):
        os.execve(sys.executable, sys.orig_argv, os.environ | SETTINGS)


@dataclass(frozen=True)
class Timing:
    """The best round of one way."""

    cpu: float
    wall: float


def interleaved(
    ways: Mapping[str, Callable[[], Any]], rounds: int, repeats: int = 1
) -> dict[str, Timing]:
    """Time all ways in turn, `rounds` times after one to warm up: the best round of each.

    One turn of a way is `repeats` calls in a row; the seconds are those of all of them.
    """
    best = {name: Timing(float("inf"), float("inf")) for name in ways}
    for turn in range(rounds + 1):
        for name, run in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(repeats):
                run()
            took = Timing(time.process_time() - cpu, time.perf_counter() - wall)
            if turn and took.cpu < best[name].cpu:
                best[name] = took
    return best


def machine() -> str:
    """Name the versions and BLAS kernels that the numbers belong to."""
    import numpy as np
    import scipy
    from threadpoolctl import threadpool_info

    blas = [x for x in threadpool_info() if x["user_api"] == "blas"]
    kernels = ", ".join(f"{x['internal_api']} {x['version']} {x['architecture']}" for x in blas)
    threads = max((x["num_threads"] for x in blas), default=1)
    return f"numpy {np.__version__}, scipy {scipy.__version__}, {kernels}, {threads} thread"


def verdict(reached: bool) -> str:
    """Say whether a goal is reached."""
    return "met" if reached else "MISSED"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a heading: the first column to the left, the others to the right."""
    cells = [[f"{x:.3g}" if isinstance(x, float) else str(x) for x in row] for row in rows]
    widths = [max(len(row[i]) for row in [columns, *cells]) for i in range(len(columns))]
    for row in [columns, *cells]:
        first, *others = (x.rjust(w) if i else x.ljust(w)
                          for i, (x, w) in enumerate(zip(row, widths, strict=True)))  # fmt: skip
        print("  ".join([first, *others]))
