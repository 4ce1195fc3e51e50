"""Vibrations of point defects in and near crystal surfaces, by Green's functions.

The host's Green's functions are computed once, and serve every defect: substituted atoms at any
depth, adatoms, pairs of them and small groups, with any masses and bonds.

Units: spring and mass of the host 1, squared frequencies in spring/mass; Lennard-Jones hosts in
reduced units or those of a gas. Axes: perpendicular and parallel to the surface.
Source: R. F. Wallis, Lattice Dynamics of Crystal Surfaces (1973), Eqs. 73-74, 131-142, 149-152;
T. B. Grimley, Proc. Phys. Soc. 79, 1203 (1962).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.impurity.energies import ImpurityEnergies
from models.impurity.host_functions import (
    ALL,
    FAMILIES,
    MARGIN,
    frequency_grid,
    grain_of,
    node_count,
)
from models.impurity.hosts import SlabHost
from models.impurity.localised import ImpurityExpansion, ImpurityModes
from models.impurity.parameters import ImpurityParameters
from models.impurity.spectra import ImpuritySpectra
from models.protocol import Dim, Model
from models.slab.units import GAS, REDUCED, SPRING, UNITS, factors
from models.works import GRIMLEY, WALLIS

POLARIZATIONS = ("perpendicular", "parallel")
SQUARED = "squared frequency"


class Impurity(Model):
    """Point defects of a crystal with one surface, or without any."""

    name = "impurity"
    revision = 1
    title = "Point defects in and on crystals, by Green's functions"
    source = "Wallis (1973), Eqs. 73-74, 131-142, 149-152; Grimley (1962)"
    works = (WALLIS, GRIMLEY)
    parameters = ImpurityParameters
    dims = (
        Dim("polarization", "direction of motion, with respect to the surface",
            coordinate=lambda p: POLARIZATIONS),
        Dim("local_mode", "localised mode, counted from the lowest"),
        Dim("term", "term of the expansion in the mass ratio",
            coordinate=lambda p: ("1/r", "1", "r")),
        Dim("temperature", "temperature", "temperature", coordinate=lambda p: p.temperatures),
        Dim("grid", "frequency", "frequency", coordinate=lambda p: _grid(p)),
        *(Dim(f"{family}_node", f"squared frequency of the host, {family}")
          for family in FAMILIES),
    )  # fmt: skip
    stages = (
        *ALL.values(), ImpurityModes(), ImpurityExpansion(), ImpuritySpectra(),
        ImpurityEnergies(),
    )  # fmt: skip
    shape_parameters = (
        "host", "surface", "defect", "depth", "bond_ratio", "separation", "site", "adatom_bond",
        "sites", "host_layers", "k_mesh", "k_mesh_shift", "temperatures", "grid_points",
        "grid_width",
    )  # fmt: skip
    fixed_only = ("temperatures", "grid_points", "grid_max", "grid_width")
    settles = ("grid_max",)
    settled_by = ("host", "surface", "depth")
    output_depends_on = ("host",)
    unit_parameters = ("host",)

    def lengths(self, p: ImpurityParameters) -> dict[str, int]:
        """Give the lengths of the own dims."""
        return {
            "polarization": len(POLARIZATIONS), "local_mode": p.most_modes, "term": 3,
            "temperature": len(p.temperatures), "grid": p.grid_points,
            **{f"{family}_node": node_count(family, p) for family in FAMILIES},
        }  # fmt: skip

    def grain(self, dim: str, p: ImpurityParameters) -> int:
        """Give the values of z of one call."""
        return grain_of(dim.removesuffix("_node"), p)

    def unit_of(self, quantity: str, p: ImpurityParameters) -> str:
        """Give the unit of a quantity for springs, Lennard-Jones, or a gas."""
        column = REDUCED if isinstance(p.host, SlabHost) else SPRING
        column = column if p.gas is None else GAS
        if quantity == SQUARED:
            return ("spring/mass", "epsilon/(m*sigma^2)", "THz^2")[column]
        return UNITS[quantity][column] if quantity in UNITS else quantity

    def present(self, variable: str, values: NDArray[Any], p: ImpurityParameters) -> NDArray[Any]:
        """Bring reduced units to those of a gas."""
        if p.gas is None:
            return values
        quantity, known = self.variables()[variable][0].unit, factors(p.gas)
        factor = known["frequency"] ** 2 if quantity == SQUARED else known.get(quantity)
        return values if factor is None else values * factor

    def settle(self, points: Sequence[Any]) -> dict[str, Any]:
        """Give the end of the frequency grid of a sweep."""
        if points[0].grid_max != "auto":
            return {}
        tops = [np.sqrt(p.rest.top) * p.frequency_scale for p in points]
        return {"grid_max": float(MARGIN * max(tops))}

    def missing(self, variable: str, p: Any) -> str | None:
        """Say why a point cannot have a variable."""
        known, _ = self.variables()[variable]
        if "temperature" in known.dims and not p.temperatures:
            return f"{variable} needs `temperatures`. Give them under [fixed]."
        if variable.startswith("interaction_") and p.defect != "pair":
            return f'{variable} is that of two atoms. Use `defect` = "pair".'
        return None


def _grid(p: ImpurityParameters) -> list[float]:
    """Frequencies of the grid, in the unit that is stored."""
    grid: list[float] = (frequency_grid(p, p.rest) * p.frequency_scale).tolist()
    return grid
