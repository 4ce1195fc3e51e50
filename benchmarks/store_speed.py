"""How fast a store is written and read, beside Zarr alone on the same chunks.

    python -m benchmarks.store_speed
    python -m benchmarks.store_speed --quick

20,000 chains of 512 atoms, 82 MB of frequencies, cut into chunks by their plan. Written is
block by block, as workers do: every chunk packed, brought to the disk (fsync) under a
temporary name, renamed, its folder brought to the disk. Beside it Zarr alone writes the same
chunks with the same codecs: both with fsync of each file and its folder, both without, and
each as it is, where Zarr leaves to the system when bytes reach the disk. Read is through
`sweep.open`, beside Zarr alone on the same arrays. Wall and CPU seconds, the best of
interleaved rounds. Exits with 1 when what is read differs.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import zarr
from numpy.typing import NDArray

import sweep
from benchmarks.timing import Timing, interleaved, machine, print_table, settle, verdict
from models.protocol import FloatArray
from sweep import beginning
from sweep.durable import sync_folder
from sweep.planning import Plan
from sweep.store import BlockWriter
from sweep.sweep_file import read

ATOMS = 512
NAME = "frequency_squared"
WRITING, READING, POINT = 1.3, 2.0, 10.0
"""Times Zarr alone, times Zarr alone, milliseconds."""
POINTS_READ = 20


def document(points: int) -> dict[str, Any]:
    """Make a sweep of so many chains."""
    return {
        "modesweep": 1, "name": "chains", "model": "chain", "outputs": [NAME],
        "fixed": {"atoms": ATOMS},
        "axes": {"mass_ratio": {"linspace": [0.2, 5.0, points // 100]},
                 "end_mass_ratio": {"linspace": [0.3, 3.0, 100]}},
    }  # fmt: skip


def spectra(plan: Plan) -> FloatArray:
    """Make up frequencies: smooth along the modes, with the last digits that rounding leaves."""
    mode = np.arange(ATOMS) / ATOMS
    scale = 1 + np.random.default_rng(0).random((*plan.sweep.shape, 1))
    return np.asarray(4 * np.sin(0.5 * np.pi * mode) ** 2 * scale)


# --- writing --------------------------------------------------------------------------------


class Writing:
    """Ways to write the same chunks, each time into a new store."""

    def __init__(self, plan: Plan, values: FloatArray, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._region = plan.regions[plan.arrays[NAME].region]
        self._blocks = [
            (block, self._region.box(block), values[self._region.box(block)].copy())
            for block in range(self._region.blocks)
        ]
        self._stores = itertools.count()

    def new_store(self) -> Path:
        """Allocate a store; its folder."""
        folder = self._folder / str(next(self._stores))
        beginning.create(self._plan, folder)
        return folder

    def ours(self, folder: Path) -> None:
        """Write as workers do."""
        writer = BlockWriter(folder)
        for block, _, values in self._blocks:
            writer.write(self._region, block, {NAME: values}, {}, lambda: True)

    def ours_unsynced(self, folder: Path) -> None:
        """Write as workers would if they did not care for the disk."""
        with patch.object(os, "fsync"):
            self.ours(folder)

    def bare(self, folder: Path) -> None:
        """Write with Zarr."""
        array = _array(folder, "r+")
        for _, box, values in self._blocks:
            array[box] = values

    def bare_synced(self, folder: Path) -> None:
        """Write with Zarr, each file and its folder brought to the disk."""
        array = _array(folder, "r+")
        for block, box, values in self._blocks:
            array[box] = values
            key = array.metadata.encode_chunk_key((*self._region.cell(block)[:-1], 0))
            _sync(folder / "data.zarr" / NAME / key)


def _array(folder: Path, mode: Any) -> zarr.Array[Any]:
    array: Any = zarr.open_group(folder / "data.zarr", mode=mode)[NAME]
    return array


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    sync_folder(path.parent)


def write_times(writing: Writing, rounds: int) -> dict[str, Timing]:
    """Time every way of writing; allocating the store is left out."""
    ways = {
        "modesweep": writing.ours, "modesweep, no fsync": writing.ours_unsynced,
        "zarr": writing.bare, "zarr, fsync": writing.bare_synced,
    }  # fmt: skip
    best = {name: Timing(float("inf"), float("inf")) for name in ways}
    for turn in range(rounds + 1):
        for name, write in ways.items():
            folder = writing.new_store()
            os.sync()
            wall, cpu = time.perf_counter(), time.process_time()
            write(folder)
            took = Timing(time.process_time() - cpu, time.perf_counter() - wall)
            if turn:
                best[name] = Timing(min(took.cpu, best[name].cpu), min(took.wall, best[name].wall))
    return best


# --- reading --------------------------------------------------------------------------------


def read_times(folder: Path, rounds: int) -> dict[str, Timing]:
    """Time reading a point and a slice, on stores that are open; and opening one."""
    dataset, array = sweep.open(folder), _array(folder, "r")
    variable = dataset[NAME]
    random = np.random.default_rng(1)
    places = [tuple(map(int, random.integers(variable.shape[:2]))) for _ in range(POINTS_READ)]
    points = {
        "point, modesweep": lambda: [variable[i, j].values for i, j in places],
        "point, zarr": lambda: [array[i, j] for i, j in places],
    }
    others = {
        "slice, modesweep": lambda: variable.isel(mode=ATOMS // 2).values,
        "slice, zarr": lambda: array[:, :, ATOMS // 2],
        "open": lambda: sweep.open(folder),
    }
    times = interleaved(points, rounds)
    each = {n: Timing(t.cpu / POINTS_READ, t.wall / POINTS_READ) for n, t in times.items()}
    return each | interleaved(others, rounds)


def same(folder: Path, values: FloatArray) -> bool:
    """Say whether every way of reading gives what was written."""
    ways: list[Callable[[], NDArray[Any]]] = [
        lambda: sweep.open(folder)[NAME].values,
        lambda: np.asarray(_array(folder, "r")[...]),
    ]
    return all(np.array_equal(way(), values) for way in ways)


def main() -> int:
    """Print what writing and reading take."""
    settle()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--quick", action="store_true", help="5,000 points, one round")
    options = parser.parse_args()
    points, rounds = (5000, 1) if options.quick else (options.points, 5)
    plan = Plan(read(document(points)))
    values = spectra(plan)
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        writing = Writing(plan, values, Path(name))
        written = write_times(writing, rounds)
        folder = writing.new_store()
        writing.ours(folder)
        agree = same(folder, values)
        found = read_times(folder, rounds)
    chunk = plan.arrays[NAME].chunk
    print(f"{values.nbytes / 1e6:.0f} MB in {plan.files} chunks of {' x '.join(map(str, chunk))}")
    report(written, found)
    if not agree:
        print("DISAGREEMENT: what is read is not what was written")
        return 1
    print("all ways read what was written")
    return 0


def report(written: dict[str, Timing], found: dict[str, Timing]) -> None:
    rows: list[tuple[object, ...]] = []
    for what, our, their, goal in (
        ("both with fsync", "modesweep", "zarr, fsync", WRITING),
        ("both without", "modesweep, no fsync", "zarr", WRITING),
        ("each as it is", "modesweep", "zarr", None),
    ):
        ours, bare = written[our], written[their]
        ratio = ours.wall / bare.wall
        text = ("-", "") if goal is None else (f"<= {goal:g} x", verdict(ratio <= goal))
        rows.append((f"write all, {what}", 1e3 * ours.wall, 1e3 * bare.wall, ratio,
                     ours.cpu / bare.cpu, *text))  # fmt: skip
    for what, goal in (("point", POINT), ("slice", READING)):
        ours, bare = found[f"{what}, modesweep"], found[f"{what}, zarr"]
        ratio = ours.wall / bare.wall
        reached = 1e3 * ours.wall <= goal if what == "point" else ratio <= goal
        limit = f"<= {goal:g} ms" if what == "point" else f"<= {goal:g} x"
        rows.append((f"read a {what}", 1e3 * ours.wall, 1e3 * bare.wall, ratio,
                     ours.cpu / bare.cpu, limit, verdict(reached)))  # fmt: skip
    rows.append(("sweep.open", 1e3 * found["open"].wall, "-", "-", "-", "-", ""))
    print_table(("", "modesweep ms", "zarr ms", "x zarr", "x zarr, CPU", "goal", ""), rows)


if __name__ == "__main__":
    sys.exit(main())
