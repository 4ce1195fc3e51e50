"""Thermal variables on a mesh: the whole chain against its eigenproblems alone.

    python -m benchmarks.thermal_mesh

A 64 x 64 mesh of a Lennard-Jones (111) slab of 21 layers, cutoff 6, twenty temperatures, one
thread. The chain is the stages `modes` and `thermal_sums` through the evaluator: phase sums,
matrices, eigenproblems, weights, the thermal functions of every mode, displacements. What does
not depend on the wavevector is ready beforehand. Alone means numpy's `eigh` called again with
the very matrices that the chain gave it. Exits with 1 when more than the irreducible
wavevectors are solved.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.timing import interleaved, machine, print_table, settle, verdict
from models.evaluate import Evaluator
from models.protocol import Arrays, Model, Stage
from models.slab import Slab, SlabParameters

LAYERS, CUTOFF, MESH = 21, 6.0, 64
TEMPERATURES = tuple(float(t) for t in np.linspace(0, 5, 20))
GOAL = 1.2
"""Most of the time of the eigenproblems alone."""
ONCE = ("crystal", "structure", "k_points", "couplings", "form")
"""Stages that do not depend on the wavevector."""


class Chain:
    """The sums of one point, computed anew at every call."""

    def __init__(self, model: Model, p: Any) -> None:
        self.model, self.p = model, p
        self.stage = model.stage("thermal_sums")
        first = Evaluator(model)
        self.ready = {name: first.whole(model.stage(name), p) for name in ONCE}

    def __call__(self) -> Arrays:
        return Evaluator(self.model, kept=self._kept).whole(self.stage, self.p)

    def _kept(self, stage: Stage, key: str) -> Arrays | None:
        return self.ready.get(stage.name)

    def problems(self) -> list[Any]:
        """Give the matrices of one call of the chain, as they go to the solver."""
        seen: list[Any] = []
        solve = np.linalg.eigh

        def watched(matrices: Any, *args: Any, **options: Any) -> Any:
            seen.append(matrices.copy())
            return solve(matrices, *args, **options)

        with patch.object(np.linalg, "eigh", watched):
            self()
        return seen


def measure(surface: str, mesh: int, rounds: int) -> tuple[list[object], float, bool]:
    """Time one face: the row of the table, the ratio, and whether the points are irreducible."""
    model = Slab()
    values = {
        "surface": surface, "layers": LAYERS, "cutoff": CUTOFF, "k_mesh": mesh,
        "temperatures": TEMPERATURES,
    }  # fmt: skip
    p = SlabParameters.model_validate(values | {"errors": False})
    chain, halves = Chain(model, p), Chain(model, p.halved)
    matrices = chain.problems()
    points = len(chain.ready["k_points"]["k_weight"][0])
    grain = model.grain("k", p)
    modes = 3 * LAYERS * grain * -(-points // grain)  # the last grain is filled up
    few = sum(len(m) * m.shape[-1] for m in matrices) == modes and points < mesh**2 / 5
    times = interleaved(
        {
            "chain": chain,
            "alone": lambda: [np.linalg.eigh(m) for m in matrices],
            "halves": halves,
        },
        rounds,
    )
    cpu = {name: t.cpu for name, t in times.items()}
    ratio = cpu["chain"] / cpu["alone"]
    row = [f"({surface})", mesh**2, points, 1e3 * cpu["chain"], 1e3 * cpu["alone"], ratio,
           f"{100 * cpu['halves'] / cpu['chain']:.0f} %"]  # fmt: skip
    return row, ratio, few


def main() -> int:
    settle()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="N = 16, few rounds")
    quick = parser.parse_args().quick
    print(machine())
    print(f"{LAYERS} layers, cutoff {CUTOFF}, {len(TEMPERATURES)} temperatures; CPU ms")
    mesh, rounds = (16, 3) if quick else (MESH, 20)
    found = [measure(surface, mesh, rounds) for surface in ("111", "100")]
    columns = ("mesh", "points", "irreducible", "chain", "eigenproblems", "ratio", "errors add")
    print_table(columns, [row for row, _, _ in found])
    print(f"goal for (111): at most {GOAL} x: {verdict(found[0][1] <= GOAL)}")
    if not all(few for _, _, few in found):
        print("MORE than the irreducible wavevectors were solved")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
