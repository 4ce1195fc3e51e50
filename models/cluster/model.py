"""Vibrations of a free Lennard-Jones particle: icosahedra, cuboctahedra, cubes.

All pairs of atoms interact, without a cutoff. The particle is at rest with the full symmetry
of its shape, which also splits its force constants into small blocks: a particle of 10,000
atoms is solved completely. Sites are told apart by their coordination number, the atoms nearer
than 1.35 sigma. The atom at the centre may have another mass.

Units: reduced (epsilon = sigma = m = 1, omega_0 = sqrt(epsilon/m)/sigma); temperatures and
thermal energies hbar*omega_0, displacements hbar/(m*omega_0), static energy epsilon.
Axes:  levels of the blocks inside, modes outside; kinds of sites: site_class, then the centre.
Source: J. M. Dickey and A. Paskin, Phys. Rev. B 1, 851 (1970); R. F. Wallis, Lattice Dynamics
of Crystal Surfaces (1973), Eqs. 94-98, 223-246.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.cluster.averages import ClusterMoments, ClusterSpectra, ClusterThermal
from models.cluster.parameters import FREQUENCY, ClusterParameters, grid_settings
from models.cluster.vibrations import RIGID, ClusterModes, ClusterRest
from models.particle.shapes import atom_count, has_centre
from models.particle.site_classes import SITE_CLASSES
from models.particle.sizes import sizes_of
from models.protocol import Dim, Model
from models.works import DICKEY_AND_PASKIN, WALLIS


class Cluster(Model):
    """Free Lennard-Jones particle at rest."""

    name = "cluster"
    revision = 1
    title = "Free Lennard-Jones particle: icosahedron, cuboctahedron, cube"
    source = "Dickey and Paskin (1970); Wallis (1973), Eqs. 94-98, 223-246"
    works = (DICKEY_AND_PASKIN, WALLIS)
    parameters = ClusterParameters
    dims = (
        Dim("mode", "mode, counted from the lowest frequency"),
        Dim("atom", "atom, counted from the centre"),
        Dim("direction", "Cartesian direction, along axes of the shape",
            coordinate=lambda p: ("x", "y", "z")),
        Dim("site_class", "coordination number of a site",
            coordinate=lambda p: [float(c) for c in SITE_CLASSES], described_by=("site_count",)),
        Dim("temperature", "temperature", "hbar*omega_0/k_B",
            coordinate=lambda p: p.temperatures),
        Dim("grid", "frequency", FREQUENCY,
            coordinate=lambda p: np.linspace(0, grid_settings([p])[0], p.grid_points).tolist()),
    )  # fmt: skip
    stages = (ClusterRest(), ClusterModes(), ClusterSpectra(), ClusterMoments(), ClusterThermal())
    shape_parameters = ("shape", "shells", "temperatures", "grid_points", "solver", "moments",
                        "start_vectors")  # fmt: skip
    fixed_only = ("temperatures", "grid_points", "grid_max", "grid_width")
    settles = ("grid_max", "grid_width")
    settled_by = ("shape", "shells", "impurity_mass_ratio")

    def lengths(self, p: ClusterParameters) -> dict[str, int]:
        """Give the lengths of the own dims; site classes are those of all shapes."""
        atoms = atom_count(p.shape, p.shells)
        return {
            "mode": 3 * atoms - RIGID, "atom": atoms, "direction": 3,
            "site_class": len(SITE_CLASSES), "temperature": len(p.temperatures),
            "grid": p.grid_points,
        }  # fmt: skip

    def settle(self, points: Sequence[Any]) -> dict[str, Any]:
        """Give the frequency grid that holds the spectra of all points."""
        end, width = grid_settings(points)
        found = {"grid_max": end, "grid_width": width}
        return {name: x for name, x in found.items() if getattr(points[0], name) == "auto"}

    def missing(self, variable: str, p: Any) -> str | None:
        """Say that nodes are no frequencies, and that some cubes have no centre."""
        if variable == "frequency" and p.method == "chebyshev":
            return 'Chebyshev moments give no frequencies. Use `solver` = "dense".'
        if variable.startswith("centre_") and not has_centre(p.shape, p.shells):
            return (
                "A cube of an odd number of cells has no atom at its centre. "
                "Use an even number of `shells`."
            )
        return None

    def remarks(self, p: Any) -> tuple[str, ...]:
        """Say how symmetry cut the problem."""
        sizes = sizes_of(p.shape, p.shells)
        return (
            f"{atom_count(p.shape, p.shells)} atoms are solved in {sum(n > 0 for n in sizes.rows)} "
            f"blocks of up to {sizes.largest} rows, by the symmetry of the shape",
        )
