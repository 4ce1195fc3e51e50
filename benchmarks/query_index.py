"""How much the range index saves a query: the same query by index and by reading everything.

    python -m benchmarks.query_index
    python -m benchmarks.query_index --megabytes 500

A slab sweep whose spectra (frequency and surface_weight, 2 GB by default) are made up and
written as workers write them, with their ranges in the ledger. What is asked for lies in a
few chunks, in every other one, in all. Wall seconds, best of interleaved rounds. Exits with 1
when the two answers differ.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal

import sweep
from benchmarks.timing import machine, print_table, settle
from models.protocol import FloatArray
from sweep import beginning
from sweep.layout import OK
from sweep.ledger import BlockRow, Ledger
from sweep.planning import Plan
from sweep.queries import querying
from sweep.queries.range_index import packed_ranges
from sweep.regions import Region
from sweep.store import BlockWriter
from sweep.sweep_file import read

LAYERS, K_POINTS, FACES, ADLAYERS = 21, 120, ("100", "111"), ("one side", "both sides")
MODES = 3 * LAYERS
POINT_BYTES = 2 * 8 * K_POINTS * MODES
QUERIES = {
    "in at most 2 % of the chunks": "frequency between 3.1 and 3.3 and surface_weight > 0.6",
    "in every other chunk": "frequency < 0.5 and surface_weight between 0.52 and 0.58",
    "in all chunks": "frequency between 3.1 and 3.3 and surface_weight > 0.4995",
}
GOALS = {"in at most 2 % of the chunks": 20.0, "in all chunks": 1 / 1.1}
"""How many times faster it is to be with the index."""


def document(megabytes: int) -> dict[str, Any]:
    """Make a sweep whose spectra take so many megabytes before compression."""
    ratios = max(2, round(megabytes * 1e6 / POINT_BYTES / len(FACES) / len(ADLAYERS)))
    return {
        "modesweep": 1, "name": "spectra", "model": "slab",
        "outputs": ["frequency", "surface_weight"],
        "fixed": {"layers": LAYERS, "cutoff": 6.0, "k_points": K_POINTS},
        "axes": {"surface": list(FACES), "adlayer": list(ADLAYERS),
                 "adlayer_mass_ratio": {"linspace": [0.1, 3.0, ratios]}},
    }  # fmt: skip


def spectra(region: Region, block: int) -> dict[str, FloatArray]:
    """Make up a block: bulk modes everywhere, and a surface mode that moves along the sweep."""
    random = np.random.default_rng(block)
    shape = (*(s.stop - s.start for s in region.box(block)), K_POINTS, MODES)
    frequency = 0.1 * np.arange(MODES) + 0.3 * random.random(shape)
    weight = 0.5 * random.random(shape)
    surface = 20 * (block + np.linspace(0, 1, shape[2])) / region.blocks
    frequency[..., 0] = surface[:, None] + 0.01 * random.random(shape[:-1])
    weight[..., 0] = 0.6 + 0.3 * random.random(shape[:-1])
    if block % 2:
        weight[..., 1] = 0.5 + 0.1 * random.random(shape[:-1])
    return {"frequency": frequency, "surface_weight": weight}


def make_store(megabytes: int, workspace: Path) -> Path:
    """Write the store, block by block, with its ledger; give its folder."""
    plan = Plan(read(document(megabytes)))
    folder = workspace / "spectra"
    beginning.create(plan, folder)
    region = plan.regions["modes"]
    writer, ledger = BlockWriter(folder), Ledger(folder, writable=True)
    own_dims = {n: plan.variables[n].dims for n in region.variables}
    for block in range(region.blocks):
        values = spectra(region, block)
        files = writer.write(region, block, values, {}, lambda: True) or {}
        ranges = packed_ranges(values, len(region.dims), own_dims)
        points = [s.stop - s.start for s in region.box(block)]
        row = BlockRow(
            region.name, region.cell(block), np.full(points, OK, np.uint8),
            np.ones(points, np.uint8), np.zeros(points, np.float32), files, ranges=ranges,
        )  # fmt: skip
        ledger.record([row])
    ledger.close()
    return folder


def chunks_with(found: pd.DataFrame, plan: Plan) -> float:
    """Say which share of the chunks holds the places that were found."""
    region = plan.regions["modes"]
    ratios = plan.sweep.coordinates["adlayer_mass_ratio"]
    column = np.searchsorted(ratios, found.adlayer_mass_ratio) // region.chunk[2]
    return len(set(zip(found.surface, found.adlayer, column, strict=True))) / region.blocks


def seconds(folder: Path, rounds: int) -> Mapping[str, tuple[float, float, pd.DataFrame]]:
    """Time each query by reading everything and by the index; give what it finds, too."""
    found = {}
    for name, condition in QUERIES.items():
        best = [math.inf, math.inf]
        answers = [pd.DataFrame(), pd.DataFrame()]
        for _ in range(rounds + 1):
            for way, start in enumerate((math.inf, querying.INDEX_FROM)):
                with patch.object(querying, "INDEX_FROM", start):
                    began = time.perf_counter()
                    answers[way] = sweep.query(folder, condition)
                    best[way] = min(best[way], time.perf_counter() - began)
        assert_frame_equal(*answers)
        found[name] = best[0], best[1], answers[0]
    return found


def main() -> int:
    settle()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--quick", action="store_true", help="500 MB, one round")
    options = parser.parse_args()
    megabytes = 500 if options.quick else options.megabytes
    print(machine())
    with tempfile.TemporaryDirectory() as workspace:
        folder = make_store(megabytes, Path(workspace))
        plan = Plan(read(document(megabytes)))
        rows = []
        try:
            found = seconds(folder, rounds=1 if options.quick else 5)
        except AssertionError as error:
            print(f"DISAGREEMENT: {error}")
            return 1
        for name, (scan, index, answer) in found.items():
            goal = f">= {GOALS[name]:.2g}" if name in GOALS else "-"
            share = f"{100 * chunks_with(answer, plan):.1f} %"
            rows.append([name, len(answer), share, scan, index, scan / index, goal])
    print(f"{megabytes} MB of spectra in {plan.regions['modes'].blocks} blocks")
    print_table(
        ("hits", "rows", "chunks", "reading all, s", "index, s", "times faster", "goal"), rows
    )
    print("both ways find the same")
    return 0


if __name__ == "__main__":
    sys.exit(main())
