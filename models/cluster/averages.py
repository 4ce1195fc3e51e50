"""The later stages of the model `cluster`: spectra and averages from the levels.

Units: temperatures and thermal energies hbar*omega_0, displacements hbar/(m*omega_0).
Axes:  kinds of sites: the site classes, then the centre.
Source: J. M. Dickey and A. Paskin, Phys. Rev. B 1, 851 (1970); Wallis (1973), Eqs. 94-98 and
223-246.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from models.cluster.parameters import FREQUENCY, ClusterParameters, grid_settings
from models.cluster.vibrations import RIGID
from models.particle.chebyshev import MOST
from models.particle.levels import Levels
from models.particle.shapes import has_centre
from models.particle.site_classes import CENTRE
from models.particle.sizes import sizes_of
from models.particle.solution import (
    at_half_width,
    averages,
    mean_frequency,
    spectra,
    with_errors,
)
from models.protocol import Arrays, Cost, FloatArray, Part, Stage, Variable

PER_FREQUENCY = "sigma*sqrt(m/epsilon)"
LOW_MODES = 1e-7
"""Agreement of 1/omega^2: rounding of the highest mode against the lowest."""


def with_companions(setting: str, variables: tuple[Variable, ...]) -> tuple[Variable, ...]:
    """Put a variable for its error beside each, named after the setting."""
    errors = (
        replace(
            v, name=f"{v.name}_error", error_of=setting, source="",
            long_name=f"error of {v.name}: its change when the setting is halved",
            scale=1.0, tolerance=1e-7,
        )
        for v in variables
    )  # fmt: skip
    return (*variables, *errors)


def line_count(p: ClusterParameters) -> int:
    """Count the levels of a point, or the nodes that stand for them, at most."""
    rows = sizes_of(p.shape, p.shells).rows
    if p.method == "dense":
        return sum(rows)
    return 3 * len(rows) * (MOST if p.moments == "auto" else p.moments)


def solutions(modes: Arrays) -> list[Levels]:
    """Give the best levels of a point, then the cheaper ones that there are."""
    squared, half = modes["squared"], modes["half_squared"]
    found = [Levels(squared, modes["share"], np.zeros(0))]
    if len(half):
        found.append(Levels(half, modes["half_share"], np.zeros(0)))
        found.append(Levels(squared, modes["fewer_share"], np.zeros(0)))
    return found


class ClusterSpectra(Stage):
    """Spectra of the kinds of sites on the frequency grid."""

    name = "spectra"
    depends_on = ("grid_points", "grid_max", "grid_width", "errors")
    inputs = ("rest", "modes")
    variables = with_companions("grid_width", (
        Variable("site_dos", ("site_class", "grid"), PER_FREQUENCY,
                 "spectrum of one atom, all components, mean over the class; it integrates to 3 "
                 "minus the share of the rigid motions", "Dickey and Paskin"),
        Variable("centre_dos", ("grid",), PER_FREQUENCY,
                 "spectrum of the atom at the centre, all components"),
        Variable("dos", ("grid",), PER_FREQUENCY,
                 "density of modes over the number of atoms; it integrates to 3 - 6/n_atoms"),
    ))  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count lines on the grid."""
        p = parameters
        lines, grid = line_count(p), 2 * p.grid_points
        return Cost(
            flops=1e7 + 30 * min(lines, 9000) * grid,
            peak_bytes=4e6 + 400 * lines + 1000 * grid,
            result_bytes=150 * p.grid_points,
        )

    def solve(self, p: ClusterParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Broaden the levels."""
        atoms = inputs["rest"]["site_count"].astype(float)
        best, *cheaper = solutions(inputs["modes"])
        end, width = grid_settings([p])
        found = spectra(best, atoms, p.grid_points, end, width)
        others = [spectra(c, atoms, p.grid_points, end, width) for c in cheaper if p.errors]
        if p.errors:
            others.append(at_half_width(best, atoms, p.grid_points, end, width))
        result = with_errors(found, others, p.errors)
        for name in ("site_dos", "site_dos_error"):
            result[name][atoms == 0] = np.nan
        if not has_centre(p.shape, p.shells):
            for name in ("centre_dos", "centre_dos_error"):
                result[name][:] = np.nan
        return result


class ClusterMoments(Stage):
    """Mean frequencies of the site classes."""

    name = "moments"
    depends_on = ("errors",)
    inputs = ("rest", "modes")
    variables = with_companions("moments", (
        Variable("site_first_moment", ("site_class",), FREQUENCY,
                 "mean frequency of an atom: trace of the root of D over it, over the norm of its "
                 "spectrum; unstable modes left out", "Dickey and Paskin"),
    ))  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count one sum over levels."""
        return Cost(1e6 + 50 * line_count(parameters), 1e5 + 200 * line_count(parameters))

    def solve(self, p: ClusterParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Sum roots."""
        best, *cheaper = (
            {"site_first_moment": mean_frequency(x)[:CENTRE]} for x in solutions(inputs["modes"])
        )
        return with_errors(best, cheaper, p.errors)


class ClusterThermal(Stage):
    """Thermal functions of the vibrations and mean squares of the site classes."""

    name = "thermal"
    depends_on = ("temperatures", "errors")
    inputs = ("rest", "modes")
    variables = with_companions("moments", (
        Variable("mean_square_displacement", ("temperature", "site_class"), "hbar/(m*omega_0)",
                 "mean square displacement of an atom, mean of its three components, without "
                 "rigid motions", "Wallis Eq. 230", tolerance=LOW_MODES),
        Variable("mean_square_velocity", ("temperature", "site_class"), "hbar*omega_0/m",
                 "mean square velocity of an atom, mean of its three components, without rigid "
                 "motions", "Wallis Eq. 242"),
        Variable("centre_mean_square_displacement", ("temperature",), "hbar/(m*omega_0)",
                 "the same of the atom at the centre", "Wallis Eq. 230", tolerance=LOW_MODES),
        Variable("centre_mean_square_velocity", ("temperature",), "hbar*omega_0/m",
                 "the same of the atom at the centre", "Wallis Eq. 242"),
        Variable("internal_energy", ("temperature",), "hbar*omega_0",
                 "energy of the vibrations, zero-point energy included", "Wallis Eq. 94"),
        Variable("free_energy", ("temperature",), "hbar*omega_0",
                 "free energy of the vibrations", "Wallis Eq. 95"),
        Variable("entropy", ("temperature",), "k_B", "entropy of the vibrations",
                 "Wallis Eq. 96"),
        Variable("heat_capacity", ("temperature",), "k_B",
                 "heat capacity of the vibrations, of the whole particle", "Wallis Eq. 97"),
    ))  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count sums over levels at each temperature."""
        lines, nt = line_count(parameters), len(parameters.temperatures)
        return Cost(
            flops=2e6 + lines * (100 + 600 * nt),
            peak_bytes=2e6 + 8 * lines * (40 + 4 * nt) + 1000 * nt,
            result_bytes=400 * nt,
        )

    def solve(self, p: ClusterParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Sum over levels; an unstable or floppy particle has no averages."""
        count = inputs["rest"]["site_count"].astype(float)
        good = inputs["modes"]["n_negative"] == 0 and inputs["modes"]["n_zero"] == RIGID
        mobility = np.eye(CENTRE + 1)
        if p.impurity_mass_ratio != 1:
            mobility[CENTRE, CENTRE] = 1 / p.impurity_mass_ratio
            mobility[CENTRE - 1, CENTRE] = (1 / p.impurity_mass_ratio - 1) / count[-1]
        best, *cheaper = (
            self._named(p, averages(x, count, mobility, np.array(p.temperatures)), count)
            for x in solutions(inputs["modes"])
        )
        result = with_errors(best, cheaper, p.errors)
        return result if good else {n: np.full_like(a, np.nan) for n, a in result.items()}

    def _named(self, p: ClusterParameters, found: Arrays, count: FloatArray) -> Arrays:
        """Split the kinds into site classes and the centre, NaN where there is none."""
        for name in ("mean_square_displacement", "mean_square_velocity"):
            every = found[name]
            found[name] = np.where(count > 0, every[:, :CENTRE], np.nan)
            centred = has_centre(p.shape, p.shells)
            found[f"centre_{name}"] = every[:, CENTRE] if centred else every[:, CENTRE] * np.nan
        return found
