"""The first stages of the model `cluster`: the particle at rest, and its levels.

Units: reduced (epsilon = sigma = m = 1, omega_0 = sqrt(epsilon/m)/sigma).
Axes:  levels of all blocks, ascending; kinds of sites: the site classes, then the centre.
Source: J. M. Dickey and A. Paskin, Phys. Rev. B 1, 851 (1970); Wallis (1973), Eq. 42.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cluster.parameters import FREQUENCY, ClusterParameters
from models.particle.band_top import masses_of, resting
from models.particle.chebyshev import LANCZOS, MOST, Nodes, nodes_of
from models.particle.levels import Block, Levels
from models.particle.pair_sums import coordination
from models.particle.shapes import atom_count, particle
from models.particle.site_classes import CENTRE, NEIGHBOUR, SITE_CLASSES, kinds_of
from models.particle.sizes import MATRICES, PAIR_FLOPS, SOLVER_FLOPS, sizes_of
from models.particle.solution import solve
from models.protocol import Arrays, Cost, FloatArray, Part, Stage, Variable

ZERO = 1e-11
"""Share of the highest squared frequency up to which another one counts as zero."""
RIGID = 6
"""Rigid motions: three translations, three rotations."""
NOTHING = Levels(np.zeros(0), np.zeros((CENTRE + 1, 0)), np.zeros(0))
"""In place of cheaper solutions where all modes are known."""


class ClusterRest(Stage):
    """The particle at rest and its sites."""

    name = "rest"
    depends_on = ("shape", "shells")
    variables = (
        Variable("n_atoms", (), "1", "number of atoms", dtype="int32"),
        Variable("energy", (), "epsilon", "static energy", "Dickey and Paskin"),
        Variable("position", ("atom", "direction"), "sigma",
                 "position at rest, symmetric copies together, from the centre outwards"),
        Variable("coordination_number", ("atom",), "1", "atoms nearer than 1.35 sigma",
                 dtype="int32"),
        Variable("site_count", ("site_class",), "1", "atoms of the class", dtype="int32"),
        Variable("relaxation_force", (), "epsilon/sigma", "largest force left on an atom",
                 always=True, scale=1.0),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count steps of Newton's method, each with one block and the forces."""
        sizes = sizes_of(parameters.shape, parameters.shells)
        atoms = atom_count(parameters.shape, parameters.shells)
        return Cost(
            flops=1e7 + atoms * sizes.order * 5e3 + 9 * sizes.pairs * PAIR_FLOPS,
            peak_bytes=3e5 + 200 * atoms + sizes.pair_bytes + 40 * sizes.rows[0] ** 2,
            result_bytes=48 * atoms,
        )

    def solve(self, p: ClusterParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Relax, and count neighbours."""
        whole, rest = particle(p.shape, p.shells), resting(p.shape, p.shells)
        count = coordination(whole, rest.representative, NEIGHBOUR)
        of_class = kinds_of(whole, count)[:CENTRE] > 0
        return {
            "n_atoms": np.array(whole.atoms, dtype=np.int32),
            "energy": np.array(rest.energy),
            "position": whole.everywhere(rest.representative),
            "coordination_number": count[whole.orbit].astype(np.int32),
            "site_count": (of_class @ whole.size).astype(np.int32),
            "relaxation_force": np.array(rest.largest_force),
            "representative": rest.representative,
            "neighbours": count,
        }


class ClusterModes(Stage):
    """Levels of all blocks, or nodes in their place, with the shares of the kinds of sites."""

    name = "modes"
    depends_on = ("shape", "shells", "impurity_mass_ratio", "solver", "moments",
                  "start_vectors", "accuracy")  # fmt: skip
    inputs = ("rest",)
    variables = (
        Variable("frequency", ("mode",), FREQUENCY,
                 "frequency, negative if unstable, without the six rigid motions", root=True),
        Variable("site_second_moment", ("site_class",), "epsilon/(m*sigma^2)",
                 "mean squared frequency of an atom: trace of D over it, over the norm of its "
                 "spectrum", "Wallis Eq. 245"),
        Variable("n_negative", (), "1", "number of unstable modes", dtype="int32", always=True),
        Variable("n_zero", (), "1", "number of zero modes, the six rigid motions included",
                 dtype="int32", always=True),
        Variable("sum_rule_residual", (), "1",
                 "second moment by modes against the trace, largest of the site classes",
                 always=True, scale=1.0),
        Variable("asymmetry", (), "1", "D against its transpose, over its largest element",
                 always=True, scale=1.0),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count pairs for every block, and its solver or products."""
        p, sizes = parameters, sizes_of(parameters.shape, parameters.shells)
        rows = np.array(sizes.rows, dtype=float)
        atoms = atom_count(p.shape, p.shells)
        held = 8.0 * MATRICES * sizes.largest**2
        result = 80 * rows.sum() + 24 * atoms
        solving = SOLVER_FLOPS * (rows**3).sum()
        if p.method == "chebyshev":
            nodes = MOST if p.moments == "auto" else p.moments
            starts = 1 + len(SITE_CLASSES) * min(p.start_vectors, sizes.largest)
            result = 800 * nodes + 24 * atoms
            held = 8 * (4 * sizes.largest**2 + starts * (6 * sizes.largest + 4 * nodes))
            solving = (rows**2).sum() * (0.35 * min(nodes, 1024) * starts + 4 * LANCZOS)
        return Cost(
            flops=1e7 + sizes.build_flops + solving,
            peak_bytes=5e5 + sizes.pair_bytes + held + 4 * result,
            result_bytes=result,
        )

    def solve(self, p: ClusterParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Solve block after block."""
        rest, whole = inputs["rest"], particle(p.shape, p.shells)
        kinds = kinds_of(whole, rest["neighbours"])
        masses = masses_of(p.shape, p.shells, p.impurity_mass_ratio)
        moments = None if p.moments == "auto" else p.moments

        def nodes(block: Block) -> Nodes | None:
            return nodes_of(block, kinds, p.start_vectors, moments, p.accuracy)

        found = solve(
            whole, rest["representative"], masses, kinds,
            nodes if p.method == "chebyshev" else None,
        )  # fmt: skip
        half, fewer = found.cheaper or (NOTHING, NOTHING)
        norm = np.where(found.norm > 0, found.norm, np.nan)
        return {
            "frequency": self._frequencies(p, found.best),
            "site_second_moment": (found.trace / norm)[:CENTRE],
            "asymmetry": np.array(found.asymmetry),
            **self._verdicts(found.best, found.trace),
            "squared": found.best.squared, "share": found.best.share,
            "half_squared": half.squared, "half_share": half.share, "fewer_share": fewer.share,
        }  # fmt: skip

    def _frequencies(self, p: ClusterParameters, levels: Levels) -> FloatArray:
        """Repeat the root of each level; of nodes there are none."""
        if p.method == "chebyshev":
            return np.full(3 * atom_count(p.shape, p.shells) - RIGID, np.nan)
        squared = np.repeat(levels.squared, levels.degeneracy.astype(int))
        return np.sign(squared) * np.sqrt(np.abs(squared))

    def _verdicts(self, levels: Levels, trace: FloatArray) -> Arrays:
        """Count modes, and hold the sum rule of every kind of site against the trace."""
        squared = levels.squared
        zero = ZERO * squared.max()
        modes = np.nan_to_num(levels.degeneracy, nan=1)
        off = np.abs(levels.share @ squared - trace)
        return {
            "n_negative": np.array(modes[squared < -zero].sum(), dtype=np.int32),
            "n_zero": np.array(RIGID + modes[np.abs(squared) <= zero].sum(), dtype=np.int32),
            "sum_rule_residual": (off / np.where(trace > 0, trace, 1)).max(),
        }

    def unstable(self, result: Arrays) -> NDArray[np.bool_]:
        """Say whether some squared frequency is below zero by more than rounding."""
        return np.asarray(result["n_negative"] > 0)
