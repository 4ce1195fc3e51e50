"""All modes of a slab: this package against LAPACK alone, plain numpy and phonopy.

    python -m benchmarks.slab_modes
    python -m benchmarks.slab_modes --layers 51 --surfaces 100 --quick

Lennard-Jones fcc slab, cutoff 6, one thread. Timed is the steady state: one grain of the
`modes` stage with its inputs ready (frequencies, all weights, verdicts), against the same
wavevectors done the other ways with their set-up ready. LAPACK gets one real matrix of the
full order 3 * layers, ready, also where symmetry splits it: on (100) and (110), and on the
mirror line from G to M of (111). Other wavevectors are generic. phonopy gets analytic force
constants. Exits with 1 when two ways disagree by more than 1e-10, or when a grain holds more
memory than it should.
"""

from __future__ import annotations

import argparse
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg.lapack import dsyevd

from benchmarks.other_ways import PlainSlab, phonopy_modes, plain_modes, plain_slab
from benchmarks.timing import Timing, interleaved, machine, print_table, settle, verdict
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
GOALS: dict[tuple[str, int], tuple[float | None, ...]] = {
    ("111", 21): (0.87, 1.25, 8.0),
    ("111", 51): (0.93, 1.7, 17.0),
    ("111", 101): (0.95, 2.2, 20.0),
    ("111", 301): (0.96, 3.5, 20.0),
    ("100", 21): (1.3,), ("110", 21): (1.3,),
    ("100", 51): (1.55,), ("110", 51): (1.55,),
    ("100", 101): (1.75,), ("110", 101): (1.75,),
    ("mirror", 21): (1.4,), ("mirror", 101): (1.8,),
}  # fmt: skip
"""Times the rate of LAPACK, of plain numpy, of phonopy."""
SLOW_ROUNDS = 3
"""Rounds of what is slow."""
MOST_SPLIT = 101
"""Thickest slab with symmetry that is timed."""
MATRICES = 3.0
"""Most memory of a grain, in real matrices of full order for all its wavevectors."""
HELD = 0.2
"""The same for what is left of it when its vectors are dropped."""


@dataclass(frozen=True)
class Case:
    """One slab and one grain of wavevectors, ready for every way."""

    kind: str
    """The face, or "mirror" for a mirror line of (111)."""
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


def make_case(kind: str, layers: int, relaxed: bool) -> Case:
    model = Slab()
    values: dict[str, Any] = {
        "surface": "111" if kind == "mirror" else kind, "layers": layers, "relaxed": relaxed,
        "cutoff": CUTOFF,
    }  # fmt: skip
    size = model.grain("k", SlabParameters(**values))
    points = np.random.default_rng(0).random((size, 2))
    if kind == "mirror":  # from G to M
        points = np.outer(np.linspace(0.02, 0.48, size), [1.0, 0.0])
    p = SlabParameters(**values, k_list=tuple((f1, f2) for f1, f2 in points.tolist()))
    evaluator = Evaluator(model)

    def ready(name: str) -> Arrays:
        return {key: a[0] for key, a in evaluator.whole(model.stage(name), p).items()}

    inputs = {name: ready(name) for name in model.stage("modes").inputs}
    distance = float(ready("crystal")["nearest_neighbour_distance"])
    heights = ready("structure")["layer_height"]
    plain = plain_slab(p.face, distance, heights, CUTOFF)
    return Case(kind, p, inputs, Part(0, size, size), plain)


def ways_of(case: Case, peers: bool) -> dict[str, Callable[[], Any]]:
    matrices = case.ready_matrices()
    depth = case.parameters.surface_depth
    ways: dict[str, Callable[[], Any]] = {
        OURS: case.modes,
        LAPACK[0]: lambda: np.linalg.eigh(matrices)[0],
        LAPACK[1]: lambda: np.array([dsyevd(x, lower=1)[0] for x in matrices]),
        NUMPY: lambda: plain_modes(case.plain, case.k, depth),
    }
    if peers and case.kind == "111":
        try:
            ways[PHONOPY] = phonopy_modes(case.plain, case.fractions)
        except ImportError:
            print("phonopy is not installed: left out (pip install modesweep[compare])")
    return ways


def memory_of(case: Case) -> tuple[float, float]:
    """Peak of a grain, and what its variables hold, in matrices of full order for its k.

    What LAPACK itself allocates, for one matrix at a time, is not seen.
    """
    block = 8 * case.part.size * (3 * case.parameters.thickness) ** 2
    names = [v.name for v in Slab().stage("modes").variables]
    case.modes()
    tracemalloc.start()
    result = case.modes()
    peak = tracemalloc.get_traced_memory()[1]
    result = {name: result[name] for name in names}
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return peak / block, held / block


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
    print_table(("", "us per k", "x LAPACK", "x numpy", "x phonopy", "wall/CPU"), rows)
    reached = zip(
        ("LAPACK", "numpy", "phonopy"), GOALS.get((case.kind, p.thickness), ()), rows[0][2:5],
        strict=False,
    )  # fmt: skip
    texts = [
        f"{goal} x {name} {verdict(float(x) >= goal)}"
        for name, goal, x in reached
        if goal is not None and not isinstance(x, str)
    ]
    if texts:
        print("goals: " + ", ".join(texts))


def measure(case: Case, rounds: int, peers: bool) -> bool:
    """Time and check one case; say whether the checks hold."""
    p = case.parameters
    name = "(111), G to M" if case.kind == "mirror" else f"({case.kind})"
    relaxed = "relaxed" if p.relaxed else "ideal"
    print(f"\n{name}, {p.layers} layers, {relaxed}, {case.part.size} k", flush=True)
    ways = ways_of(case, peers)
    apart = disagreement(case, ways)
    slow = {name: ways.pop(name) for name in (PHONOPY,) if name in ways}
    times = interleaved(ways, rounds, REPEATS)
    if slow:  # fewer rounds, beside ours
        beside = interleaved({OURS: ways[OURS], **slow}, SLOW_ROUNDS, REPEATS)
        times[PHONOPY] = beside[PHONOPY]
        times[OURS] = min(times[OURS], beside[OURS], key=lambda t: t.cpu)
    report(case, times)
    print("apart: " + ", ".join(f"{name} {x:.0e}" for name, x in apart.items()))
    peak, held = memory_of(case)
    light = peak <= MATRICES and held <= HELD
    print(f"memory: {peak:.2f} matrices at the peak, {held:.3f} in the variables: {verdict(light)}")
    agree = max(apart.values()) <= AGREEMENT
    if not agree:
        print(f"DISAGREEMENT: over {AGREEMENT} of the highest squared frequency")
    return agree and light


def main() -> int:
    settle()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--layers", type=int, nargs="+", default=[21, 51, 101, 301])
    parser.add_argument(
        "--surfaces", choices=("100", "110", "111", "mirror"), nargs="+",
        default=["111", "100", "110", "mirror"],
    )  # fmt: skip
    parser.add_argument("--ideal", action="store_true", help="unrelaxed slabs, too")
    parser.add_argument(
        "--peers-up-to", type=int, default=101,
        help="thickest slab given to phonopy; 301 layers cost it nearly 3 GB and over ten minutes",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="21 layers, few rounds")
    options = parser.parse_args()
    print(machine())
    good = True
    for kind in options.surfaces:
        for layers in [21] if options.quick else options.layers:
            if kind != "111" and layers > MOST_SPLIT:
                continue
            for relaxed in (True, False) if options.ideal else (True,):
                rounds = 5 if options.quick else max(3, 600 // layers)
                case = make_case(kind, layers, relaxed)
                good &= measure(case, rounds, layers <= options.peers_up_to)
    if good:
        print(f"\nall ways agree to {AGREEMENT}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
