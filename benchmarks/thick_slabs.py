"""Slabs of 1,001 to 10,001 layers: band solvers against the full real matrix.

    python -m benchmarks.thick_slabs
    python -m benchmarks.thick_slabs --quick

Ideal Lennard-Jones fcc (111) slab, cutoff 6, one generic wavevector, one thread. Timed are

* all frequencies: from ready phase sums through the band form, against numpy's eigvalsh of
  the ready real symmetric matrix;
* the Rayleigh pair: from ready phase sums to vectors, residuals below 1e-12, against numpy's
  eigh of the same matrix; and how its time grows with the layers.

Exits with 1 when two ways disagree by more than 1e-10 of the highest squared frequency.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.timing import Timing, interleaved, machine, print_table, settle, verdict
from models.evaluate import Evaluator
from models.modes.banded import bands_of, layer_blocks, squared_frequencies
from models.modes.phase_sums import Couplings, sum_phases
from models.modes.surface_solver import SurfaceModes, gaps_of, surface_modes
from models.protocol import Arrays, FloatArray
from models.registry import get

FRACTION = (0.31, 0.12)
AGREEMENT = 1e-10
ALL, PAIR, EVERY = "all frequencies, banded", "Rayleigh pair", "all surface modes, counted"
VALUES, VECTORS = "numpy eigvalsh, ready matrix", "numpy eigh, ready matrix"
GOALS_AT = 1001
"""Layers."""
LEAST_FREQUENCIES = 4.0
"""Times numpy's eigvalsh."""
LEAST_PAIR = 300.0
"""Times numpy's eigh."""
MOST_GROWTH = 1.2
"""Exponent of the time of the pair in the number of layers."""
PAIR_ROUNDS = 10


@dataclass(frozen=True)
class Case:
    """One slab at one wavevector, ready for every way."""

    couplings: Couplings
    masses: FloatArray
    sums: FloatArray
    bands: FloatArray

    def squared(self) -> FloatArray:
        return squared_frequencies(self.couplings, self.sums, self.masses, "inversion")[0]

    def surface(self, *places: str, counted: bool) -> SurfaceModes:
        blocks = layer_blocks(self.couplings, self.sums[0], self.masses)
        gaps = gaps_of(self.bands, places)
        return surface_modes(blocks, gaps, two_fold=False, symmetric=True, counted=counted)

    def full(self) -> FloatArray:
        """The real symmetric matrix, written out."""
        blocks = layer_blocks(self.couplings, self.sums[0], self.masses)
        (band,) = bands_of(blocks, "inversion")
        n = band.shape[1]
        full = np.zeros((n, n))
        for i in range(min(len(band), n)):
            at = np.arange(n - i)
            full[at + i, at] = full[at, at + i] = band[i, : n - i]
        return full


def make_case(layers: int) -> Case:
    model = get("slab")
    p = model.parameters(layers=layers, cutoff=6.0, relaxed=False, k_list=(FRACTION,))
    evaluator = Evaluator(model)

    def ready(name: str) -> Arrays:
        return {key: a[0] for key, a in evaluator.whole(model.stage(name), p).items()}

    couplings = Couplings.from_arrays(ready("couplings"))
    sums = sum_phases(couplings, ready("k_points")["k_vector"])
    return Case(couplings, np.ones(layers), sums, ready("bulk")["bulk_band"][0])


def against_numpy(layers: int) -> float:
    """Time all ways at one thickness; gives how far apart they are."""
    case = make_case(layers)
    full = case.full()
    expected = np.linalg.eigvalsh(full)
    pair = case.surface("below", counted=False)
    apart = [
        np.abs(case.squared() - expected).max() / expected[-1],
        np.abs(pair.squared - expected[:2]).max() / expected[-1],
        float(pair.residual.max()),
    ]
    slow: dict[str, Callable[[], Any]] = {
        ALL: case.squared,
        VALUES: lambda: np.linalg.eigvalsh(full),
        VECTORS: lambda: np.linalg.eigh(full),
    }
    times = interleaved(slow, 1) | pair_times(case)
    report(layers, times)
    if layers != GOALS_AT:
        return max(apart)
    frequencies = times[VALUES].cpu / times[ALL].cpu
    ratio = times[VECTORS].cpu / times[PAIR].cpu
    goals = [
        (f"frequencies {frequencies:.1f} x eigvalsh", frequencies >= LEAST_FREQUENCIES,
         LEAST_FREQUENCIES),
        (f"Rayleigh pair {ratio:.0f} x eigh", ratio >= LEAST_PAIR, LEAST_PAIR),
    ]  # fmt: skip
    for text, met, least in goals:
        print(f"goal at {layers} layers: {text}, at least {least:g}: {verdict(met)}")
    return max(apart)


def pair_times(case: Case) -> dict[str, Timing]:
    ways: dict[str, Callable[[], Any]] = {
        PAIR: lambda: case.surface("below", counted=False),
        EVERY: lambda: case.surface("below", "gap", "above", counted=True),
    }
    return interleaved(ways, PAIR_ROUNDS)


def growth(sizes: list[int]) -> float:
    """Time the pair in thicker and thicker slabs; gives the spread of its level."""
    cases = {layers: make_case(layers) for layers in sizes}
    times = {layers: pair_times(case) for layers, case in cases.items()}
    found = {layers: case.surface("below", counted=True) for layers, case in cases.items()}
    levels = np.array([modes.squared for modes in found.values()])
    for layers, of in times.items():
        print(f"{layers:6d} layers: {of[PAIR].cpu * 1e3:8.1f} ms, w2 {levels.min():.10f}, "
              f"{EVERY} {of[EVERY].cpu * 1e3:.1f} ms")  # fmt: skip
    first, last = sizes[0], sizes[-1]
    exponent = np.log(times[last][PAIR].cpu / times[first][PAIR].cpu) / np.log(last / first)
    print(f"goal: time of the pair as layers^{exponent:.2f} from {first} to {last}, at most "
          f"{MOST_GROWTH}: {verdict(bool(exponent <= MOST_GROWTH))}")  # fmt: skip
    wrong = any(modes.missing for modes in found.values())
    return 1.0 if wrong else float(np.ptp(levels) / levels.max())


def report(layers: int, times: dict[str, Timing]) -> None:
    rows = [
        (name, t.cpu * 1e3, times[VALUES].cpu / t.cpu, times[VECTORS].cpu / t.cpu, t.wall / t.cpu)
        for name, t in times.items()
    ]
    print(f"\n(111), {layers} layers, one wavevector")
    print_table(("", "ms", "x eigvalsh", "x eigh", "wall/CPU"), rows)


def main() -> int:
    settle()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="201 to 1,001 layers, no goals")
    options = parser.parse_args()
    case = make_case(21)
    case.squared()  # loads the band solvers' library
    print(machine())
    apart = against_numpy(201 if options.quick else GOALS_AT)
    spread = growth([201, 1001] if options.quick else [GOALS_AT, 3001, 10001])
    worst = max(apart, spread)
    if not worst <= AGREEMENT:
        print(f"DISAGREEMENT: {worst:.1e} of the highest squared frequency is over {AGREEMENT}")
        return 1
    print(f"\nall ways agree to {worst:.0e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
