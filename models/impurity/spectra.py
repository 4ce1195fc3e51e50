"""Stage of spectra: densities of states at and near the defect, its change, resonances.

Source: Wallis (1973), Eqs. 133-142; densities are per unit frequency, norm 1 for a component.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.defects.perturbation import Defect, Numbers
from models.defects.spectra import (
    dos_change,
    find_determinants,
    find_peaks,
    find_resonances,
    host_dos,
    impurity_dos,
    states_change,
)
from models.green.half_space import Matrices
from models.impurity.host_functions import frequency_grid, line_heights, stages_of
from models.impurity.localised import (
    DEFECT,
    DefectStage,
    by_polarization,
    with_error,
    with_errors,
)
from models.impurity.parameters import ImpurityParameters
from models.protocol import Arrays, ComplexArray, Cost, FloatArray, Part, Variable

LINES = "lowest line above the real axis"
CHANGE = "change when the lines are extrapolated without the lowest"
TOLERANCE = 1e-6


class ImpuritySpectra(DefectStage):
    """Densities of states inside the bands, and resonances."""

    name = "spectra"
    family = "lines"
    depends_on = (*DEFECT, "host_layers", "grid_points", "grid_max", "grid_width")
    inputs = ("local", *stages_of("lines"))
    variables = (
        *with_error(
            Variable("impurity_dos", ("polarization", "grid"), "spectrum",
                     "density of states of the impurity's motion, mean over several impurities; "
                     "its norm is 1 less the weight in localised modes", "Wallis Eqs. 136-138",
                     tolerance=TOLERANCE),
            LINES, CHANGE, scale=1.0),
        *with_error(
            Variable("host_dos", ("polarization", "grid"), "spectrum",
                     "density of states of the same atoms in the host (under an adatom: of the "
                     "surface atom), norm 1", "Wallis Eq. 138", tolerance=TOLERANCE),
            LINES, CHANGE, scale=1.0),
        *with_error(
            Variable("neighbour_dos", ("grid",), "spectrum",
                     "density of states of the other atoms whose bonds the defect changes, mean "
                     "over them and directions; missing if there are none", "Wallis Eqs. 136-138",
                     standard=False, tolerance=TOLERANCE),
            LINES, CHANGE, scale=1.0),
        *with_error(
            Variable("states_change", ("grid",), "1",
                     "states below the frequency in the defect crystal less those in the host; "
                     "localised modes do not count", "Wallis Eq. 142", tolerance=TOLERANCE),
            LINES, CHANGE, scale=1.0),
        *with_error(
            Variable("dos_change", ("grid",), "spectrum",
                     "density of states of the defect crystal less that of the host, localised "
                     "modes left out", "Wallis Eq. 142", tolerance=TOLERANCE),
            LINES, CHANGE, scale=1.0),
        *with_error(
            Variable("resonance_frequency", ("polarization",), "frequency",
                     "lowest frequency at which the real part of the determinant falls through "
                     "zero, for a heavy impurity; else missing", "Wallis Eq. 137",
                     tolerance=TOLERANCE),
            LINES, CHANGE, scale=1.0),
        *with_error(
            Variable("resonance_width", ("polarization",), "frequency",
                     "full width of the resonance; missing if over 0.3 of its frequency",
                     "Wallis Eq. 137", tolerance=TOLERANCE),
            LINES, CHANGE, scale=1.0),
        *with_error(
            Variable("resonance_peak", ("polarization",), "frequency",
                     "frequency of the maximum of the impurity's density of states",
                     tolerance=TOLERANCE),
            LINES, CHANGE, scale=1.0),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the equations of every frequency, twice."""
        p = parameters
        n, points = len(p.perturbation.change), p.grid_points
        _, radius = p.needs
        rows = 4 * 10 * (2 + 3.2 * radius**2)
        return Cost(
            1e7 + 2 * points * (2e5 + 60 * n**2 + 0.4 * n**3),
            5e7 + points * (500 * rows + 200 * n**2),
        )

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read the number of localised modes, too: so many states have left the bands."""
        return ("local", *super().reads(p))

    def solve(self, p: ImpurityParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Take the host on the axis as it is, and without its lowest line."""
        modes = int(inputs["local"]["n_local_modes"])
        now, *other = (self._spectra(p, g, modes) for g in self.host(p, inputs))
        return with_errors(now, *other)

    def _spectra(self, p: ImpurityParameters, g: Matrices, modes: int) -> Arrays:
        defect, omega = p.perturbation, frequency_grid(p, p.rest)
        z = omega if p.grid_width == "auto" else omega + 1j * line_heights(p, p.rest)[0]
        g = np.asarray(g, dtype=complex)
        # at frequency 0 a coordinate without a spring has a pole, and no density
        own, near = (
            np.concatenate([np.zeros_like(dos[:1]), dos])
            for dos in (impurity_dos(defect, g[1:], z[1:]), neighbour_dos(defect, g[1:], z[1:]))
        )
        at = np.zeros(1, dtype=np.int64) if p.adsorbed else defect.impurities
        dos = by_polarization(own).T if not len(defect.vacancies) else np.full((2, len(z)), np.nan)
        return {
            "impurity_dos": dos, "host_dos": by_polarization(host_dos(g, z)[:, at]).T,
            "neighbour_dos": near,
            "resonance_peak": find_peaks(omega, dos.T) if p.moves else np.full(2, np.nan),
            **_determined(p, defect, g, z, modes),
        }  # fmt: skip


def _determined(
    p: ImpurityParameters, defect: Defect, g: ComplexArray, omega: Numbers, modes: int
) -> Arrays:
    """Give what follows from the determinants of the blocks and the number of localised modes."""
    determinants = find_determinants(defect, g, omega)
    end = 3 * (len(defect.extra_masses) - len(defect.vacancies)) - modes
    states = states_change(determinants, p.rest.top if p.grid_width == "auto" else np.inf, end)
    resonance = width = np.full(2, np.nan)
    if p.moves:
        found = find_resonances(defect, determinants)
        resonance, width = found.frequency, found.width
    return {
        "states_change": states, "dos_change": dos_change(omega.real, states),
        "resonance_frequency": resonance, "resonance_width": width,
    }  # fmt: skip


def neighbour_dos(defect: Defect, g: ComplexArray, omega: Numbers) -> FloatArray:
    """Mean density of states of the touched atoms that are no impurities, (n,); else NaN.

    Parameters
    ----------
    g : (n, 3n, 3n), the host among the touched sites
    """
    others = np.setdiff1d(np.arange(len(defect.sites)), defect.impurities)
    if not len(others):
        return np.full(len(omega), np.nan)
    w, h = defect.equation(g, omega.astype(complex) ** 2, np.eye(len(defect.change)))
    own = (3 * others[:, None] + np.arange(3)).ravel()
    u = np.linalg.solve(w, h[:, :, own])[:, own, np.arange(len(own))]
    return np.asarray(-2 / np.pi * omega.real * u.mean(axis=1).imag)
