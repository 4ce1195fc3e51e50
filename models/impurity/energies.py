"""Stage of energies: what a defect changes in the thermal functions, by the imaginary axis.

Source: Wallis (1973), Eqs. 123-142, 230-247.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.defects.interpolation import OnAxis
from models.defects.perturbation import Defect
from models.defects.thermodynamics import (
    displacement_series,
    free_energy,
    heat_capacity,
    log_determinant,
    mean_squares,
    velocity_series,
    zero_point_energy,
)
from models.impurity.host_functions import axis_scale, stages_of
from models.impurity.localised import (
    DEFECT,
    MESH,
    DefectStage,
    by_polarization,
    with_error,
    with_errors,
)
from models.impurity.parameters import ImpurityParameters
from models.protocol import Arrays, Cost, FloatArray, Part, Variable

CHANGE = "change with half the quadrature"
PAIR_NODES = 128
"""Nodes of the series of a pair and of each of its atoms, which are subtracted."""
_OF_HOST = "of the defect crystal less that of the host"


class ImpurityEnergies(DefectStage):
    """Zero-point energy, free energy, heat capacity; motion of the impurity; interaction."""

    name = "energies"
    family = "imaginary"
    depends_on = (*DEFECT, "host_layers", "temperatures")
    inputs = stages_of("imaginary")
    variables = (
        *with_error(Variable("zero_point_energy_change", (), "thermal energy",
                             f"zero-point energy {_OF_HOST}", "Wallis Eqs. 123-142"),
                    MESH, CHANGE, scale=1.0),
        *with_error(Variable("free_energy_change", ("temperature",), "thermal energy",
                             f"free energy {_OF_HOST}", "Wallis Eqs. 123-142"),
                    MESH, CHANGE, scale=1.0),
        *with_error(Variable("heat_capacity_change", ("temperature",), "entropy",
                             f"heat capacity {_OF_HOST}", "Wallis Eqs. 94, 123-142",
                             tolerance=1e-7),
                    MESH, CHANGE, scale=1.0),
        *with_error(Variable("impurity_mean_square_displacement",
                             ("temperature", "polarization"), "displacement",
                             "mean square displacement of one component of the impurity, mean "
                             "over several impurities", "Wallis Eqs. 230-238"),
                    MESH, CHANGE, scale=1.0),
        *with_error(Variable("impurity_mean_square_velocity", ("temperature", "polarization"),
                             "velocity", "mean square velocity of one component of the impurity, "
                             "mean over several impurities", "Wallis Eqs. 242-247"),
                    MESH, CHANGE, scale=1.0),
        *with_error(Variable("interaction_energy", (), "thermal energy",
                             "zero-point energy of a pair less those of its atoms alone",
                             "Grimley (1962)"),
                    MESH, CHANGE, scale=1e-6),
        *with_error(Variable("interaction_free_energy", ("temperature",), "thermal energy",
                             "free energy of a pair less those of its atoms alone",
                             "Grimley (1962)"),
                    MESH, CHANGE, scale=1e-6),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the determinants of the nodes and the sums over temperatures."""
        p = parameters
        n, several = len(p.perturbation.change), 4 if p.defect == "pair" else 1
        return Cost(
            2e8 * several + 1e6 * len(p.temperatures) + several * 256 * (100 * n**2 + n**3),
            5e7 + 256 * 60 * n**2 + 5e5 * len(p.temperatures),
        )

    def solve(self, p: ImpurityParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Sum on the quadrature and on half of it."""
        now, *half = (self._energies(p, g) for g in self.host(p, inputs))
        return with_errors(now, *half)

    def _energies(self, p: ImpurityParameters, g: FloatArray) -> Arrays:
        defect, t = p.perturbation, p.reduced_temperatures
        host = OnAxis.from_green(axis_scale(p.rest), g)
        logarithm = log_determinant(defect, host)
        u2 = v2 = np.full((len(t), 2), np.nan)
        if not len(defect.vacancies):
            u2, v2 = (
                by_polarization(mean_squares(series(defect, host), t))
                for series in (displacement_series, velocity_series)
            )
        return {
            "zero_point_energy_change": np.array(zero_point_energy(logarithm)),
            "free_energy_change": free_energy(logarithm, t),
            "heat_capacity_change": heat_capacity(logarithm, t),
            "impurity_mean_square_displacement": u2,
            "impurity_mean_square_velocity": v2,
            **self._interaction(p, defect, host, t),
        }

    def _interaction(
        self, p: ImpurityParameters, defect: Defect, host: OnAxis, t: FloatArray
    ) -> Arrays:
        """Give what a pair has beyond its two atoms."""
        if p.defect != "pair":
            return {
                "interaction_energy": np.array(np.nan),
                "interaction_free_energy": np.full(len(t), np.nan),
            }
        both = log_determinant(defect, host, PAIR_NODES)
        alone = [log_determinant(one, _among(host, defect, one), PAIR_NODES) for one in p.apart]
        left = both.minus(*alone)
        return {
            "interaction_energy": np.array(zero_point_energy(left)),
            "interaction_free_energy": free_energy(left, t),
        }


def _among(host: OnAxis, defect: Defect, part: Defect) -> OnAxis:
    """Keep the host among the sites of a part of a defect."""
    number = {tuple(site): i for i, site in enumerate(defect.sites.tolist())}
    sites = np.array([number[tuple(site)] for site in part.sites.tolist()])
    of = (3 * sites[:, None] + np.arange(3)).ravel()
    return OnAxis(host.scale, host.values[:, of[:, None], of])
