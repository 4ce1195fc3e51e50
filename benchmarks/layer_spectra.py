"""Spectra of the first layer of a semi-infinite crystal: a finite slab against decimation.

    python -m benchmarks.layer_spectra
    python -m benchmarks.layer_spectra --quick

Lennard-Jones fcc crystal, cutoff 6, one thread. First the law of the slab's error, rms
difference from decimation over the rms, which `models.green.solver_choice` states and uses:
its exponent (2 expected) and its largest prefactor, by face, relaxation and wavevector. Then
the cost of 400 energies on (111) at one generic wavevector: the slab that reaches 1e-3 and
this package's decimation against decimation as printed, in plain batched numpy. Exits with 1
when the ways do not agree.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.half_spaces import CUTOFF, Crystal, inversion_form, printed_decimation
from benchmarks.timing import interleaved, machine, print_table, settle, verdict
from models.green.decimation import chain_of
from models.green.half_space import HalfSpace, Matrices
from models.green.solver_choice import ECHO, cheaper_solver, steepest_slope
from models.green.surface_spectra import layer_green, slab_spectral_density, spectral_density
from models.protocol import ComplexArray, FloatArray

ENERGIES = 400
ACCURACY = 1e-3
GOAL = 5.0
"""Times that the slab is faster than printed decimation, at eta = w2max/200."""
AGREEMENT = 1e-10
LAYERS = (31, 41, 61, 81, 101, 151)
WAVES = ((0.31, 0.12), (0.05, 0.02), (0.5, 0.0))
WIDTHS = 0.5 ** np.arange(4, 8)
"""Half widths w over the highest frequency."""


def law(crystal: Crystal, layers: tuple[int, ...]) -> list[Any]:
    """Fit ln(error) = ln A - B layers w/v_max, and give the largest error times exp(+2 ..)."""
    half = crystal.half_space()
    slope = steepest_slope(half, 0)
    modes = {n: np.linalg.eigh(crystal.matrix(n, both_faces=True)) for n in layers}
    top = float(np.sqrt(modes[layers[-1]][0][-1]))
    grid = np.linspace(0.0, 1.02, 200) * top
    points = []
    for width in WIDTHS * top:
        exact = spectral_density(half, grid, width, 3)[0]
        for n, (squared, e) in modes.items():
            shares = (np.abs(e[:9]) ** 2).reshape(1, 3, 3, -1)
            found = slab_spectral_density(squared[None], shares, grid, width)[0]
            first = np.sqrt(((found - exact)[0] ** 2).mean() / (exact[0] ** 2).mean())
            three = np.sqrt(((found - exact) ** 2).mean() / (exact**2).mean())
            if 1e-9 < first < 0.1:
                points.append((n * width / slope, first, three))
    x, first, three = np.array(points).T
    fit = np.polyfit(x, np.log(first), 1)
    return [
        f"({crystal.surface}) {'relaxed' if crystal.relaxed else 'ideal'}", str(crystal.fraction),
        slope / top, float(np.exp(fit[1])), -float(fit[0]),
        *(float((e * np.exp(2 * x)).max()) for e in (first, three)),
    ]  # fmt: skip


def printed_density(half: HalfSpace, z: ComplexArray) -> FloatArray:
    """-Im G/pi of the first layer, everything explicit inverted at once."""
    onsite, hop, q = half.onsite[0], half.hop[0], len(half.onsite[0])
    sigma = printed_decimation(onsite, hop, z)
    s = half.surface.shape[-1]
    m = z[:, None, None] * np.eye(s) - half.surface[0]
    m[:, s - q :, s - q :] -= sigma
    return np.asarray(-np.einsum("zii->iz", np.linalg.inv(m)[:, :3, :3]).imag / np.pi)


def modes_density(matrix: Matrices, z: ComplexArray) -> FloatArray:
    """The same from the modes of a slab in the real form by inversion."""
    squared, w = np.linalg.eigh(matrix)
    n = len(squared)
    shares = (w[:3] ** 2 + w.reshape(n // 3, 3, n)[-1] ** 2) / 2
    return np.asarray(shares @ (-1 / np.pi / (z[:, None] - squared)).imag.T)


def costs(relaxed: bool, resolution: int, rounds: int) -> tuple[list[Any], float, bool]:
    """Time the three ways at eta = w2max/resolution: a row, the disagreement, goal met."""
    crystal = Crystal("111", relaxed)
    half = crystal.half_space()
    top = float(np.linalg.eigvalsh(crystal.matrix(61, True))[-1])
    eta = top / resolution
    z = np.linspace(0.02, 1.02, ENERGIES) * top + 1j * eta
    layers = max(61, int(np.ceil(np.log(0.4 / ACCURACY) / 7.2 * resolution)))
    matrix = inversion_form(crystal.matrix(layers, both_faces=True))
    ways: dict[str, Callable[[], FloatArray]] = {
        "slab": lambda: modes_density(matrix, z),
        "ours": lambda: np.asarray(-np.einsum("zii->iz", layer_green(half, 0, z, 1)).imag / np.pi),
        "printed": lambda: printed_density(half, z),
    }
    found = {name: run() for name, run in ways.items()}
    size = float(np.sqrt((found["printed"] ** 2).mean()))
    error = float(np.sqrt(((found["slab"] - found["printed"]) ** 2).mean())) / size
    apart = float(np.abs(found["ours"] - found["printed"]).max()) / size
    cpu = {name: 1e3 * t.cpu for name, t in interleaved(ways, rounds).items()}
    times = cpu["printed"] / cpu["slab"]
    return [
        "relaxed" if relaxed else "ideal", resolution, layers, error, cpu["slab"], cpu["ours"],
        cpu["printed"], times, cpu["printed"] / cpu["ours"],
    ], max(apart, 0.0 if error <= ACCURACY else error), times >= GOAL  # fmt: skip


def choices() -> list[list[Any]]:
    """What `cheaper_solver` says, by width, for one generic wavevector."""
    rows = []
    for surface in ("111", "100"):
        half = Crystal(surface, True).half_space()
        top = float(np.sqrt(np.linalg.eigvalsh(half.surface[0])[-1]))
        kind = chain_of(half.onsite[0], half.hop[0]).kind
        for accuracy in (1e-2, 1e-3, 1e-6):
            said = []
            for resolution in (50, 100, 200, 400, 800):
                grid = np.linspace(0, 1.05 * top, ENERGIES)
                solver, layers = cheaper_solver(
                    half, kind, 3, grid, top / resolution, accuracy, steepest_slope(half, 0)
                )
                said.append(f"{solver} ({layers})")
            rows.append([f"({surface})", accuracy, *said])
    return rows


def main() -> int:
    settle()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer faces, layers and rounds")
    options = parser.parse_args()
    print(machine())
    surfaces, layers = (("111",), LAYERS[:4]) if options.quick else (("111", "100", "110"), LAYERS)
    print(f"\nerror of a slab, cutoff {CUTOFF}: A exp(-B layers w/v_max)")
    cases = [Crystal(s, r, k) for s in surfaces for r in (False, True) for k in WAVES]
    rows = [law(case, layers) for case in cases]
    print_table(("face", "k", "v/w_max", "A", "B", "A at B = 2", "three layers"), rows)
    largest = max(max(row[-2:]) for row in rows)
    print(f"largest A {largest:.2f}, {ECHO} is used")
    print(f"\n(111), {ENERGIES} energies, ms per wavevector; wanted rms error {ACCURACY}")
    worst, table = 0.0, []
    rounds = 2 if options.quick else 6
    for relaxed, resolution in ((False, 200), (True, 200), (False, 1000)):
        if options.quick and resolution == 1000:
            continue
        row, apart, met = costs(relaxed, resolution, rounds if resolution == 200 else 1)
        goal = verdict(met) if resolution == 200 else "-"
        table.append([*row, goal])
        worst = max(worst, apart)
    print_table(
        ("", "w2max/eta", "layers", "slab error", "slab", "modesweep", "printed", "x slab",
         "x modesweep", f"slab {GOAL} x"), table,
    )  # fmt: skip
    print("\nsolver and layers chosen by w_max/w, three layers asked for")
    print_table(("face", "accuracy", "50", "100", "200", "400", "800"), choices())
    if not (worst <= AGREEMENT and largest <= ECHO):
        print(f"DISAGREEMENT: {worst:.1e} is over {AGREEMENT}, or A over {ECHO}")
        return 1
    print(f"\nall ways agree to {worst:.0e} of the rms density")
    return 0


if __name__ == "__main__":
    sys.exit(main())
