"""All modes of a slab: this package against LAPACK alone, plain numpy and phonopy.

    python -m benchmarks.slab_modes
    python -m benchmarks.slab_modes --layers 51 --surface 100 --quick

Lennard-Jones fcc slab, cutoff 6, generic wavevectors, one thread. Timed is the steady state:
one grain of the `modes` stage with its inputs ready (frequencies, all weights, verdicts),
against the same wavevectors done the other ways with their set-up ready. phonopy gets
analytic force constants. Exits with 1 when two ways disagree by more than 1e-10.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg.lapack import dsyevd

from benchmarks.other_ways import PlainSlab, phonopy_modes, plain_modes, plain_slab
from benchmarks.timing import Timing, interleaved, machine, print_table, settle
from models.evaluate import Evaluator
from models.modes.matrix_forms import MatrixForm
from models.modes.phase_sums import Couplings, sum_phases
from models.protocol import Arrays, FloatArray, Part
from models.slab import Slab, SlabParameters

CUTOFF = 6.0
AGREEMENT = 1e-10
OURS, NUMPY, PHONOPY = "modesweep, modes stage", "plain batched numpy", "phonopy"
REPEATS = 2
"""Grains that each way does in a row, as in the middle of a sweep."""
LAPACK = ("numpy eigh of ready real matrices", "scipy dsyevd of ready real matrices")
GOALS = {21: (0.85, 1.25, 8.0), 101: (0.93, 2.2, 20.0)}
"""By layers, for (111): share of LAPACK's rate, times plain numpy, times phonopy."""


@dataclass(frozen=True)
class Case:
    """One slab and one grain of wavevectors, ready for every way."""

    parameters: SlabParameters
    inputs: dict[str, Arrays]
    part: Part
    plain: PlainSlab

    @property
    def fractions(self) -> FloatArray:
        return self.inputs["k_points"]["k_fraction"]

    @property
    def k(self) -> FloatArray:
        return self.inputs["k_points"]["k_vector"]

    def modes(self) -> Arrays:
        return Slab().stage("modes").solve(self.parameters, self.inputs, self.part)

    def ready_matrices(self) -> FloatArray:
        """Real symmetric matrices of order 3 * layers with the spectrum of this grain."""
        form = MatrixForm.from_arrays(self.inputs["form"])
        sums = sum_phases(Couplings.from_arrays(self.inputs["couplings"]), self.k)
        if len(form.blocks) == 1:
            return np.array(form.matrices(sums, form.blocks[0]).real)
        n = 3 * form.layers  # two halves: what LAPACK would be given is the whole
        whole, at = np.zeros((len(sums), n, n)), 0
        for block in form.blocks:
            end = at + len(block.row)
            whole[:, at:end, at:end] = form.matrices(sums, block)
            at = end
        turn = np.linalg.qr(np.random.default_rng(1).standard_normal((n, n)))[0]
        return np.array(turn @ whole @ turn.T)


def make_case(surface: str, layers: int, relaxed: bool) -> Case:
    model = Slab()
    values: dict[str, Any] = {
        "surface": surface, "layers": layers, "relaxed": relaxed, "cutoff": CUTOFF,
    }  # fmt: skip
    size = model.grain("k", SlabParameters(**values))
    points = np.random.default_rng(0).random((size, 2)).tolist()
    p = SlabParameters(**values, k_list=tuple((f1, f2) for f1, f2 in points))
    evaluator = Evaluator(model)

    def ready(name: str) -> Arrays:
        return {key: a[0] for key, a in evaluator.whole(model.stage(name), p).items()}

    inputs = {name: ready(name) for name in model.stage("modes").inputs}
    distance = float(ready("crystal")["nearest_neighbour_distance"])
    heights = ready("structure")["layer_height"]
    return Case(p, inputs, Part(0, size, size), plain_slab(p.face, distance, heights, CUTOFF))


def ways_of(case: Case) -> dict[str, Callable[[], Any]]:
    matrices = case.ready_matrices()
    depth = case.parameters.surface_depth
    ways: dict[str, Callable[[], Any]] = {
        OURS: case.modes,
        LAPACK[0]: lambda: np.linalg.eigh(matrices)[0],
        LAPACK[1]: lambda: np.array([dsyevd(x, lower=1)[0] for x in matrices]),
        NUMPY: lambda: plain_modes(case.plain, case.k, depth),
    }
    try:
        ways[PHONOPY] = phonopy_modes(case.plain, case.fractions)
    except ImportError:
        print("phonopy is not installed: left out (pip install modesweep[compare])")
    return ways


def disagreement(case: Case, ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Largest difference from plain numpy, relative to the highest squared frequency.

    Weights are compared as means over the modes, each counted by its squared frequency: the
    weights of two modes that nearly coincide are not determined by themselves.
    """
    squared, weights = ways[NUMPY]()
    top = squared.max()
    ours = ways[OURS]()
    signed = ours["frequency"] * np.abs(ours["frequency"])
    apart = {OURS: float(np.abs(signed - squared).max() / top)}
    for i, name in enumerate(("surface_weight", "normal_weight", "top_weight")):
        moment = (ours[name] * signed).sum(axis=1) - (weights[:, i] * squared).sum(axis=1)
        apart[name] = float(np.abs(moment / squared.sum(axis=1)).max())
    for name in (*LAPACK, PHONOPY):
        if name in ways:
            apart[name] = float(np.abs(np.sort(ways[name](), axis=1) - squared).max() / top)
    return apart


def report(case: Case, times: dict[str, Timing]) -> None:
    p, n = case.parameters, REPEATS * case.part.size
    best = min(times[name].cpu for name in LAPACK)
    rows = [
        (name, 1e6 * t.cpu / n, best / t.cpu, times[NUMPY].cpu / t.cpu,
         times[PHONOPY].cpu / t.cpu if PHONOPY in times else "-", t.wall / t.cpu)
        for name, t in times.items()
    ]  # fmt: skip
    kind = "relaxed" if p.relaxed else "ideal"
    print(f"\n({p.surface}), {p.layers} layers, {kind}, {case.part.size} k")
    print_table(("", "us per k", "x LAPACK", "x numpy", "x phonopy", "wall/CPU"), rows)
    if p.surface == "111" and p.layers in GOALS:
        reached = zip(("LAPACK", "numpy", "phonopy"), GOALS[p.layers], rows[0][2:5], strict=True)
        texts = [
            f"{goal} x {name} {'met' if float(x) >= goal else 'MISSED'}"
            for name, goal, x in reached
            if not isinstance(x, str)
        ]
        print("goals: " + ", ".join(texts))


def main() -> int:
    settle()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--layers", type=int, nargs="+", default=[21, 101])
    parser.add_argument("--surface", choices=("100", "110", "111"), default="111")
    parser.add_argument("--quick", action="store_true", help="21 layers, few rounds")
    options = parser.parse_args()
    print(machine())
    worst = 0.0
    for layers in [21] if options.quick else options.layers:
        for relaxed in (True, False):
            case = make_case(options.surface, layers, relaxed)
            ways = ways_of(case)
            apart = disagreement(case, ways)
            rounds = 5 if options.quick else max(6, 600 // layers)
            report(case, interleaved(ways, rounds, REPEATS))
            print("apart: " + ", ".join(f"{name} {x:.0e}" for name, x in apart.items()))
            worst = max(worst, *apart.values())
    if not worst <= AGREEMENT:
        print(f"DISAGREEMENT: {worst:.1e} of the highest squared frequency is over {AGREEMENT}")
        return 1
    print(f"\nall ways agree to {AGREEMENT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
