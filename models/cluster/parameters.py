"""Parameters of the model `cluster`, and its frequency grid.

Units: reduced (epsilon = sigma = m = 1, omega_0 = sqrt(epsilon/m)/sigma).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from models.particle.band_top import highest_frequency
from models.particle.chebyshev import MOST
from models.particle.shapes import Shape, has_centre
from models.particle.sizes import sizes_of
from models.protocol import Parameters, Unit, rule
from models.thermal.temperatures import must_ascend

FREQUENCY = "sqrt(epsilon/m)/sigma"
DENSE_ROWS = 4000
"""Largest block that "auto" diagonalises: 20 s, and 0.9 GB of memory."""
TOP, LINES = 1.05, 200
"""The frequency grid ends at TOP times the highest frequency, and is LINES widths long."""


class ClusterParameters(Parameters):
    """One particle."""

    shape: Shape = "icosahedron"
    """Icosahedron around a centre, cuboctahedron of fcc, or cube of fcc with {100} faces."""
    shells: Annotated[int, Field(ge=1, le=20)] = 3
    """Shells around the centre; for the cube, cubic cells along each edge."""
    impurity_mass_ratio: Annotated[float, Field(gt=0), Unit("mass of the others")] = 1.0
    """Mass of the atom at the centre."""
    temperatures: Annotated[
        tuple[Annotated[float, Field(ge=0)], ...], Field(strict=False), Unit("hbar*omega_0/k_B")
    ] = ()
    """Temperatures of the thermal variables; 0 gives the zero-point values."""
    grid_points: Annotated[int, Field(ge=2, le=100_000)] = 400
    """Points of the frequency grid, from 0 to `grid_max`."""
    grid_max: Literal["auto"] | Annotated[float, Field(gt=0), Unit(FREQUENCY)] = "auto"
    """End of the frequency grid; "auto": 1.05 of the highest frequency of all points."""
    grid_width: Literal["auto"] | Annotated[float, Field(gt=0), Unit(FREQUENCY)] = "auto"
    """Standard deviation of the Gaussian lines of spectra; "auto": grid_max/200."""
    solver: Literal["auto", "dense", "chebyshev"] = "auto"
    """All modes ("dense"), or spectra from Chebyshev moments; "auto": all modes up to 4000 rows
    of a block, which is every icosahedron and the other shapes to 20,000 atoms."""
    moments: Literal["auto"] | Annotated[int, Field(ge=64, le=MOST)] = "auto"
    """Chebyshev moments of each block; "auto": doubled from 512 until `accuracy` holds."""
    start_vectors: Annotated[int, Field(ge=2, le=10_000)] = 16
    """Start vectors for each kind of site and block; kinds with fewer rows are exact."""
    accuracy: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    """Relative error of the mean of 1/omega that "auto" moments reach."""
    errors: bool = True
    """Whether variables that depend on a setting come with their errors."""

    _temperatures_ascend = rule("temperatures")(must_ascend)

    @rule("shape", "shells", "impurity_mass_ratio")
    @staticmethod
    def _the_centre_is_there(p: Any) -> str | None:
        if p.impurity_mass_ratio == 1 or has_centre(p.shape, p.shells):
            return None
        return (
            f"A cube of {p.shells} cells has no atom at its centre, so `impurity_mass_ratio` "
            "must be 1. Use an even number of `shells`."
        )

    @property
    def method(self) -> Literal["dense", "chebyshev"]:
        """What `solver` comes to."""
        if self.solver != "auto":
            return self.solver
        return "dense" if sizes_of(self.shape, self.shells).largest <= DENSE_ROWS else "chebyshev"

    def canonical(self) -> ClusterParameters:
        """Name the solver, and forget what it does not read."""
        values: dict[str, Any] = {"solver": self.method}
        if self.method == "dense":
            values |= {"moments": "auto", "start_vectors": 16}
        if self.method == "dense" or self.moments != "auto":
            values["accuracy"] = 1e-4
        return self.model_copy(update=values)


def grid_settings(points: Sequence[ClusterParameters]) -> tuple[float, float]:
    """Give the end of the frequency grid and the width of lines that serve all points."""
    p = points[0]
    top = p.grid_max
    if top == "auto":
        lightest: dict[tuple[Shape, int], float] = {}
        for q in points:
            mass = lightest.get((q.shape, q.shells), np.inf)
            lightest[q.shape, q.shells] = min(mass, q.impurity_mass_ratio)
        top = TOP * max(highest_frequency(*key, mass) for key, mass in lightest.items())
    return top, top / LINES if p.grid_width == "auto" else p.grid_width
