"""Self-energy of a semi-infinite crystal: this package against sisl and plain numpy.

    python -m benchmarks.decimation
    python -m benchmarks.decimation --surface 100 --quick

Lennard-Jones fcc crystal, cutoff 6, one generic wavevector, complex squared frequencies over
the whole spectrum, one thread. Every way gets the same principal layer and gives the
self-energy of the half space below it, converged to 1e-14: sisl's `RecursiveSI` at its
default tolerance. Exits with 1 when two ways disagree by more than 1e-10 of the highest
squared frequency, which is what rounding grows to at the narrowest width.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.half_spaces import CUTOFF, Crystal, printed_decimation, sisl_self_energy
from benchmarks.timing import interleaved, machine, print_table, settle, verdict
from models.green.decimation import chain_of, chain_self_energies

AGREEMENT = 1e-10
GOAL = 0.8
"""Time of one energy, as a share of sisl's."""
ENERGIES = 128
RESOLUTIONS = (200, 1000)
"""Highest squared frequency over the imaginary part of z."""
OURS, PLAIN, SISL = "modesweep", "plain batched numpy", "sisl"


def measure(surface: str, resolution: int, rounds: int) -> tuple[list[Any], float, bool]:
    """Time one case: a row of the table, the disagreement, and whether the goal is met."""
    half = Crystal(surface, relaxed=False).half_space()
    onsite, hop = half.onsite[0], half.hop[0]
    top = float(np.linalg.eigvalsh(Crystal(surface, relaxed=False).matrix(61, True))[-1])
    z = np.linspace(0.02, 1.02, ENERGIES) * top + 1j * top / resolution
    ways: dict[str, Callable[[], Any]] = {
        OURS: lambda: chain_self_energies(onsite, hop, z),
        PLAIN: lambda: printed_decimation(onsite, hop, z),
    }
    try:
        peer = sisl_self_energy(onsite, hop)
        ways[SISL] = lambda: np.array([peer.self_energy(x) for x in z])
    except ImportError:
        print("sisl is not installed: left out (pip install modesweep[compare])")
    results = {name: run() for name, run in ways.items()}
    apart = max(float(np.abs(r - results[OURS]).max()) for r in results.values()) / top
    cpu = {name: t.cpu / ENERGIES for name, t in interleaved(ways, rounds).items()}
    ratio = cpu[OURS] / cpu[SISL] if SISL in cpu else float("nan")
    row = [
        f"({surface})", len(onsite), chain_of(onsite, hop).kind, resolution,
        *(1e6 * cpu[name] if name in cpu else "-" for name in (OURS, PLAIN, SISL)),
        cpu[OURS] / cpu[PLAIN], ratio if SISL in cpu else "-",
        verdict(ratio <= GOAL) if SISL in cpu else "-",
    ]  # fmt: skip
    return row, apart, bool(ratio <= GOAL)


def main() -> int:
    settle()
    warnings.filterwarnings("ignore")  # sisl warns of its own dependencies
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--surface", choices=("100", "110", "111"), nargs="+",
                        default=["111", "100", "110"])  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="few rounds")
    options = parser.parse_args()
    print(machine())
    print(f"self-energy of the half space, cutoff {CUTOFF}, {ENERGIES} energies; us per energy")
    rows, worst = [], 0.0
    for surface in options.surface:
        for resolution in RESOLUTIONS:
            row, apart, _ = measure(surface, resolution, 3 if options.quick else 12)
            rows.append(row)
            worst = max(worst, apart)
    print_table(
        ("face", "order", "symmetry", "w2max/eta", "modesweep", "numpy", "sisl", "x numpy",
         "x sisl", f"goal {GOAL} x sisl"), rows,
    )  # fmt: skip
    if not worst <= AGREEMENT:
        print(f"DISAGREEMENT: {worst:.1e} of the highest squared frequency is over {AGREEMENT}")
        return 1
    print(f"all ways agree to {worst:.0e} of the highest squared frequency")
    return 0


if __name__ == "__main__":
    sys.exit(main())
