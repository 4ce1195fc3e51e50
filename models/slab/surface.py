"""Stages of surface branches: modes outside the bulk bands, followed along a path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.modes.branches import follow_branches
from models.modes.phase_sums import Couplings, sum_phases
from models.modes.thick_slabs import solve_surface
from models.protocol import Arrays, Cost, IntArray, Part, Stage, Variable
from models.slab.modes import alike, below_zero
from models.slab.parameters import BRANCHES, SlabParameters
from models.slab.statics import FiniteStage

MEASURES = {
    "surface_branch": "frequency",
    "surface_branch_top_weight": "top_weight",
    "surface_branch_surface_weight": "surface_weight",
    "surface_branch_normal_weight": "normal_weight",
    "surface_branch_depth": "penetration_depth",
}
"""From each variable to what the search for surface modes calls it."""
FOLLOWED = 1e-6
"""Agreement of weights of surface modes."""
SOUGHT = 16 * BRANCHES
"""Branches that are followed, before those are kept that lie most in the surface: some live at
a few wavevectors only, just off a band, and would take the room of others."""


class SlabSurfaceModes(FiniteStage):
    """Surface modes of a slab at each wavevector, in a time linear in its layers."""

    name = "surface_modes"
    depends_on = ("surface", "layers", "surface_depth", "adlayer", "adlayer_mass_ratio",
                  "layer_masses", "superlattice_period", "superlattice_mass_ratio")  # fmt: skip
    inputs = ("k_points", "couplings", "bulk")
    cut = "k"

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count dense problems of the outer layers, then solutions with banded factors."""
        p = parameters
        band = 3 * (p.cutoff * 1.3 + 1)
        thin = min(p.thickness, 60)
        return Cost(
            part.size * (2e7 + 3 * (3 * thin) ** 3 + 400 * p.thickness * band**2 / 10),
            part.size * 16 * 3 * min(p.thickness, 120) * BRANCHES
            + p.thickness * (3000 * band + 1000 * BRANCHES) + 8e7,
        )  # fmt: skip

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Find the modes outside the bulk bands."""
        couplings = Couplings.from_arrays(inputs["couplings"])
        k = inputs["k_points"]["k_vector"][part.indices]
        # one by one: bytes must not depend on the grain, which the solver decides
        sums = np.concatenate([sum_phases(couplings, one[None]) for one in k])
        bands = inputs["bulk"]["bulk_band"]
        found = solve_surface(
            couplings, sums, p.masses(), p.face.two_fold, alike(p), bands, p.surface_depth, BRANCHES
        )
        return found | {"negative": below_zero(found["frequency"], bands)}


class SlabBranches(Stage):
    """Surface branches followed by the overlap of their vectors along a path or a list.

    On a mesh there is nothing to follow: the modes of each wavevector stand in ascending order.
    """

    name = "branches"
    depends_on = ("layers", "k_path", "k_mesh", "k_list", "k_points", "surface")
    inputs = ("surface_modes", "half_modes")
    variables = (
        Variable("surface_branch", ("k", "branch"), "frequency",
                 "surface branch: a mode below, between or above the projected bulk bands, "
                 "followed along the path", "Wallis part 2B", standard=False, root=True),
        Variable("surface_branch_top_weight", ("k", "branch"), "1",
                 "share of a surface branch in the top face", standard=False,
                 tolerance=FOLLOWED),
        Variable("surface_branch_surface_weight", ("k", "branch"), "1",
                 "share of a surface branch in the outer surface_depth layers", standard=False,
                 tolerance=FOLLOWED),
        Variable("surface_branch_normal_weight", ("k", "branch"), "1",
                 "share of the motion of a surface branch along the normal", standard=False,
                 tolerance=FOLLOWED),
        Variable("surface_branch_depth", ("k", "branch"), "1",
                 "mean depth of a surface branch below the nearest face, in layers",
                 standard=False, tolerance=FOLLOWED),
    )  # fmt: skip

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read the modes of a slab or of a half space."""
        return ("half_modes",) if p.infinite else ("surface_modes",)

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count overlaps of neighbouring wavevectors."""
        n = 3 * min(parameters.thickness, 120) + 200
        k = parameters.n_wavevectors
        return Cost(1e6 + k * (2e6 + 10 * n * BRANCHES**2), 1e7 + k * BRANCHES * 60.0 * n)

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Follow the branches."""
        modes = inputs["half_modes" if p.infinite else "surface_modes"]
        place = self._places(p, modes)
        there = place >= 0
        chosen = np.where(there, place, 0)
        return {
            name: np.where(there, np.take_along_axis(modes[of], chosen, axis=1), np.nan)
            for name, of in MEASURES.items()
        } | {"negative": modes["negative"].sum()}

    def unstable(self, result: Arrays) -> NDArray[np.bool_]:
        """Say whether some surface mode or bulk band lies below zero."""
        return np.asarray(result["negative"] > 0)

    def _places(self, p: SlabParameters, modes: Arrays) -> IntArray:
        """Say which mode of each wavevector belongs to each branch, -1 where there is none."""
        if p.k_mesh is not None:
            number = np.isfinite(modes["frequency"]).sum(axis=1)[:, None]
            return np.where(np.arange(BRANCHES) < number, np.arange(BRANCHES), -1)
        breaks = np.array(p.k_set.breaks, dtype=np.int64)
        place = follow_branches(modes["frequency"], modes["vectors"], breaks, SOUGHT)
        weight = np.take_along_axis(modes["surface_weight"], np.maximum(place, 0), axis=1)
        total = np.where(place >= 0, weight, 0.0).sum(axis=0).round(9)
        return place[:, np.sort(np.argsort(-total, kind="stable")[:BRANCHES])]
