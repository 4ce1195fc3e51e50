"""Green's functions of the first layers at many k and z: this package against plain numpy.

    python -m benchmarks.host_green
    python -m benchmarks.host_green --quick

The host of impurity calculations: simple cubic, springs to nearest and next-nearest neighbours
alike (highest squared frequency 12), all pairs l <= l' of the first three layers, one thread.
The plain way is decimation as printed, on batches of complex 3 x 3 matrices, the surface closed
layer by layer. Times are CPU time per (k, z). Exits with 1 when the two ways disagree by more
than 1e-10.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from benchmarks.timing import interleaved, machine, print_table, settle, verdict
from models.crystal.faces import FACES, find_pairs
from models.forces.pair_forces import Springs
from models.green.half_space import HalfSpace, half_space_of
from models.green.layer_functions import layer_functions
from models.modes.matrix_forms import choose_form
from models.modes.phase_sums import find_couplings, sum_phases
from models.protocol import ComplexArray, FloatArray

LAYERS = 3
PAIRS = tuple(combinations_with_replacement(range(LAYERS), 2))
WAVEVECTORS = 2048
TOP = 12.0
"""Highest squared frequency of the bulk."""
WIDTH = 0.05
AGREEMENT = 1e-10
LINE, ABOVE, IMAGINARY = "lines", "above the band", "imaginary axis"
FREQUENCIES = np.array([0.4, 1.3, 2.2, 3.1])
HEIGHTS = np.array([0.15, 0.4, 1.2, 4.0])
NODES = np.array([0.2, 0.4, 0.6, 0.8])
"""s = sqrt(1 - 12/z), in which functions above the band are smooth."""
GOALS = {LINE: 0.45, ABOVE: 0.25, IMAGINARY: 0.25}
"""Time as a share of plain numpy's."""
SQUARED = {
    LINE: (FREQUENCIES + 1j * WIDTH) ** 2,
    ABOVE: TOP / (1 - NODES**2),
    IMAGINARY: -(HEIGHTS**2),
}


def ashkin_host(k: FloatArray) -> HalfSpace:
    """The half space at wavevectors (n, 2), with three explicit layers."""
    face, pairs, slab = FACES["sc", "100"], find_pairs("sc", "100", 1.5), 8
    couplings = find_couplings(
        Springs(1.0, 1.0), pairs, 1.0, face.spacing, np.zeros(slab), np.ones((2, slab)),
        face.turns(slab),
    )  # fmt: skip
    form = choose_form(couplings, np.ones(slab), face.two_fold, symmetric=False)
    return half_space_of(form.matrices(sum_phases(couplings, k), form.blocks[0]), LAYERS, 1)


def plain_functions(half: HalfSpace, z: Any) -> ComplexArray:
    """The same as `layer_functions` by batches of complex matrices, (pairs, 3, 3, n_z, n_k)."""
    result = np.empty((len(PAIRS), 3, 3, len(z), len(half.hop)), dtype=complex)
    for i, x in enumerate(z):
        for slot, g in zip(result, plain_at(half, complex(x)), strict=True):
            slot[:, :, i] = g.transpose(1, 2, 0)
    return result


def plain_at(half: HalfSpace, z: complex) -> list[ComplexArray]:
    """G_ll' for each of `PAIRS` at one z, (n_k, 3, 3) each."""
    unit = np.eye(3)
    hop = half.hop.astype(complex)
    back = hop.conj().swapaxes(1, 2)
    sigma, e, a, b = 0 * hop, half.onsite.astype(complex), hop, back
    while np.abs(a).max() > 1e-14:
        g = np.linalg.inv(z * unit - e)
        ag, bg = a @ g, b @ g
        agb = ag @ b
        sigma = sigma + agb
        e = e + agb + bg @ a
        a, b = ag @ a, bg @ b
    own = [half.surface[:, 3 * i : 3 * i + 3, 3 * i : 3 * i + 3] for i in range(LAYERS)]
    g2 = np.linalg.inv(z * unit - own[2] - sigma)
    g1 = np.linalg.inv(z * unit - own[1] - hop @ g2 @ back)
    g00 = np.linalg.inv(z * unit - own[0] - hop @ g1 @ back)
    x0, x1 = hop @ g1, hop @ g2
    g01 = g00 @ x0
    g02 = g01 @ x1
    g11 = g1 + g1 @ back @ g01
    g12 = g11 @ x1
    g22 = g2 + g2 @ back @ g12
    return [g00, g01, g02, g11, g12, g22]


def measure(name: str, half: HalfSpace, rounds: int) -> tuple[list[Any], float]:
    """Time one family of z: a row of the table, and the disagreement."""
    z = SQUARED[name]
    ways: dict[str, Callable[[], Any]] = {
        "modesweep": lambda: layer_functions(half, z, PAIRS),
        "numpy": lambda: plain_functions(half, z),
    }
    found, plain = ways["modesweep"](), ways["numpy"]()
    apart = float(np.abs(found - plain).max())
    cpu = {way: t.cpu / found[0, 0, 0].size for way, t in interleaved(ways, rounds).items()}
    ratio = cpu["modesweep"] / cpu["numpy"]
    goal = GOALS[name]
    row = [
        name, len(z), 1e6 * cpu["modesweep"], 1e6 * cpu["numpy"], ratio,
        f"{goal}: {verdict(ratio <= goal)}", apart,
    ]  # fmt: skip
    return row, apart


def main() -> int:
    """Print the table; 1 when the two ways disagree."""
    settle()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few rounds")
    options = parser.parse_args()
    print(machine())
    print(f"simple cubic, {LAYERS} layers, {WAVEVECTORS} wavevectors; us per (k, z)")
    # scattered evenly over the zone, on no line of symmetry
    steps = np.arange(WAVEVECTORS)[:, None] * np.array([0.7548776662466927, 0.5698402909980532])
    half = ashkin_host(2 * np.pi * (steps % 1.0) - np.pi)
    measured = [measure(name, half, 3 if options.quick else 12) for name in SQUARED]
    print_table(
        ("z", "values", "modesweep", "numpy", "x numpy", "goal x numpy", "apart"),
        [row for row, _ in measured],
    )
    worst = max(apart for _, apart in measured)
    if not worst <= AGREEMENT:
        print(f"DISAGREEMENT: {worst:.1e} is over {AGREEMENT}")
        return 1
    print(f"both ways agree to {worst:.0e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
