"""Phase sums of a full mesh of wavevectors: one FFT of everything, or products where needed.

    python -m benchmarks.full_mesh

Only the irreducible points of a mesh are solved. The product sums phases at just these
points, grain by grain; an FFT gives all N x N points at once and most are thrown away. Both
fill the same array, and agree to 1e-10 or the script exits with 1. What does not depend on
the wavevector (folding the couplings onto the N x N cells) is ready beforehand. The FFT is
timed for one block that holds the whole mesh: blocks that cut it would each pay it again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from benchmarks.timing import interleaved, machine, print_table, settle
from models.crystal.faces import Face
from models.crystal.k_points import mesh_shift
from models.evaluate import Evaluator
from models.modes.phase_sums import Couplings, sum_phases
from models.protocol import Arrays, ComplexArray, FloatArray, IntArray
from models.slab import Slab, SlabParameters

BoolArray: TypeAlias = NDArray[np.bool_]
LAYERS, CUTOFF = 21, 6.0
AGREEMENT = 1e-10
RELEVANT = 0.05
"""Share of the whole solution from which a faster sum would be worth its code."""


@dataclass(frozen=True)
class Mesh:
    """Couplings folded onto the cells of a mesh, and what turns their FFT into sums."""

    cells: tuple[ComplexArray | FloatArray, ...]
    """One entry a depth: (columns, N, N); real for a mesh that contains Gamma."""
    turn: tuple[ComplexArray, ...]
    """One entry a depth: (irreducible points, 1), phase of the shift between layers."""
    place: IntArray
    """(irreducible points,), where they are among the N * N."""
    conjugate: BoolArray
    """(irreducible points, 1), where the FFT gives the conjugate."""


def fold(p: SlabParameters, couplings: Couplings, distance: float) -> Mesh:
    """Put every coupling on its cell; a shifted mesh also needs the phase of the shift."""
    n = p.k_mesh or 0
    face, shift = p.face, np.array(mesh_shift(p.face, p.k_mesh_shift))
    fraction = p.k_set.fraction
    column, row = couplings.vectors
    vectors = np.stack([couplings.x[column], couplings.y[row]], axis=1) / distance
    steps = vectors @ np.linalg.inv(face.vectors)
    cells, turns = [], []
    offset = _offset(face)
    for depth, used in enumerate(couplings.used):
        even, odd = couplings.cosine[depth], couplings.sine[depth]
        cell = np.zeros((n, n, even.shape[1]), dtype=complex)
        for sign in (1, -1):
            part = (even + sign * odd) / 2
            there = part.any(axis=1)
            at = np.rint(sign * steps[used][there] + depth * offset)
            phase = np.exp(2j * np.pi * (at @ shift) / n)[:, None]
            i, j = at.astype(int).T % n
            np.add.at(cell, (i, j), part[there] * phase)
        columns = np.ascontiguousarray(cell.transpose(2, 0, 1))
        cells.append(columns if shift.any() else columns.real.copy())
        turns.append(np.exp(-2j * np.pi * depth * (fraction @ offset))[:, None])
    i, j = np.rint(fraction * n - shift).astype(int).T % n
    if shift.any():
        return Mesh(tuple(cells), tuple(turns), i * n + j, np.zeros((len(i), 1), dtype=bool))
    # a real FFT gives sums of exp(-i k.R), for half of the points; k and -k are conjugates
    width = n // 2 + 1
    inside = j < width
    place = np.where(inside, i * width + j, (-i % n) * width + -j % n)
    return Mesh(tuple(cells), tuple(turns), place, inside[:, None])


def _offset(face: Face) -> FloatArray:
    return np.linalg.solve(face.vectors.T, np.array(face.offset))


def sum_by_fft(mesh: Mesh, couplings: Couplings) -> FloatArray:
    """Fill the array that `sum_phases` fills, at all irreducible points."""
    n_k, width, layers = len(mesh.place), couplings.width, couplings.layers
    sums = np.empty((n_k, 2 * width + 1))
    at = 6 * layers
    for depth, (cell, turn) in enumerate(zip(mesh.cells, mesh.turn, strict=True)):
        both = _at_points(mesh, cell) * turn
        size = both.shape[1]
        if depth == 0:
            own = both.real[:, None, :] + couplings.self_terms
            sums[:, : 6 * layers] = own.reshape(n_k, -1)
            continue
        sums[:, at : at + size] = both.real
        sums[:, at + size : at + 2 * size] = both.imag
        at += 2 * size
    np.negative(sums[:, :width], out=sums[:, width:-1])
    sums[:, -1] = 0
    return sums


def _at_points(mesh: Mesh, cell: ComplexArray | FloatArray) -> ComplexArray:
    """Sum over cells of coupling * exp(i k.R) at the irreducible points, (points, columns)."""
    shifted = np.iscomplexobj(cell)
    every = scipy.fft.ifft2(cell, norm="forward") if shifted else scipy.fft.rfft2(cell)
    sums: ComplexArray = every.reshape(len(cell), -1)[:, mesh.place].T
    return np.where(mesh.conjugate, sums.conj(), sums)


def compare(
    surface: str, relaxed: bool, n: int, shift: str, rounds: int
) -> tuple[list[object], float]:
    """Time one mesh: the row of the table, and how far the two ways are apart."""
    model = Slab()
    p = SlabParameters.model_validate({
        "surface": surface, "layers": LAYERS, "cutoff": CUTOFF, "relaxed": relaxed,
        "k_mesh": n, "k_mesh_shift": shift,
    })  # fmt: skip
    evaluator, modes = Evaluator(model), model.stage("modes")

    def ready(name: str) -> Arrays:
        return {key: a[0] for key, a in evaluator.whole(model.stage(name), p).items()}

    inputs = {name: ready(name) for name in modes.inputs}
    couplings = Couplings.from_arrays(inputs["couplings"])
    k, parts = inputs["k_points"]["k_vector"], model.parts(modes, p)
    mesh = fold(p, couplings, float(ready("crystal")["nearest_neighbour_distance"]))

    def by_products() -> list[FloatArray]:
        return [sum_phases(couplings, k[part.indices]) for part in parts]

    ways: dict[str, Callable[[], object]] = {
        "products": by_products,
        "FFT": lambda: sum_by_fft(mesh, couplings),
        "solve": lambda: modes.solve(p, inputs, parts[0]),
    }
    sums = np.concatenate(by_products())[: len(k)]
    apart = np.abs(sum_by_fft(mesh, couplings) - sums).max() / np.abs(sums).max()
    times = interleaved(ways, rounds)
    solve = 1e6 * times["solve"].cpu / parts[0].size
    products, fft = (1e6 * times[name].cpu / len(k) for name in ("products", "FFT"))
    gain = (products - fft) / solve
    name = f"({surface}) {'relaxed' if relaxed else 'ideal'} N = {n} {shift}"
    verdict = "FFT" if gain > RELEVANT else "products" if gain < -RELEVANT else "no matter"
    row = [name, n * n, len(k), products, fft, solve, f"{100 * gain:+.1f} %", verdict]
    return row, float(apart)


def main() -> int:
    settle()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="(111) and N = 16 only")
    quick = parser.parse_args().quick
    print(machine())
    print(f"{LAYERS} layers, cutoff {CUTOFF}; us per irreducible point")
    results = [
        compare(surface, relaxed, n, shift, rounds=3 if quick else 12)
        for surface in (("111",) if quick else ("111", "110"))
        for relaxed in (False, True)
        for n in ((16,) if quick else (16, 32, 64))
        for shift in ("auto", "gamma")
    ]
    print_table(
        (
            "mesh",
            "points",
            "irreducible",
            "products",
            "FFT",
            "whole solution",
            "FFT gains",
            "better",
        ),
        [row for row, _ in results],
    )
    worst = max(apart for _, apart in results)
    if not worst <= AGREEMENT:
        print(f"DISAGREEMENT: {worst:.1e} of the largest sum is over {AGREEMENT}")
        return 1
    print(f"both ways agree to {worst:.0e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
