"""Stages of localised modes: the modes, the critical mass ratio, the expansion of Eq. 73.

Source: Wallis (1973), Eqs. 73, 74, 133-137.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.defects.expansion import expansion_coefficients, expansion_terms
from models.defects.interpolation import AboveBand
from models.defects.local_modes import (
    LocalModes,
    critical_mass_ratios,
    find_local_modes,
    mode_shifts,
    own_modes,
)
from models.green.half_space import Matrices
from models.impurity.host_functions import HostFunctions, host_stage, panels_of, stages_of
from models.impurity.parameters import ImpurityParameters
from models.protocol import Arrays, Cost, FloatArray, Part, Stage, Variable

DEFECT = (
    "host", "surface", "defect", "depth", "mass_ratio", "bond_ratio", "separation", "site",
    "adatom_bond", "sites",
)  # fmt: skip
"""Parameters of a defect in its host."""
MESH = "quadrature of the surface zone"


def with_error(
    variable: Variable, of: str, what: str, *, scale: float
) -> tuple[Variable, Variable]:
    """Give a variable and the one that holds its error."""
    error = Variable(
        f"{variable.name}_error", variable.dims, variable.unit, what, variable.source,
        standard=variable.standard, tolerance=1e-3, scale=scale, error_of=of,
    )  # fmt: skip
    return variable, error


class DefectStage(Stage):
    """A stage that reads the functions of the host in one family of z."""

    family = ""

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read the functions for the depth and the radius of the defect."""
        return (host_stage(self.family, p).name,)

    def host(self, p: ImpurityParameters, inputs: Mapping[str, Arrays]) -> tuple[Matrices, ...]:
        """Give G (n_z, 3n, 3n) among the touched sites, and with half the quadrature, if known."""
        stage: HostFunctions = host_stage(self.family, p)
        known, table = inputs[stage.name], stage.table(p.rest)
        sites = p.perturbation.sites
        return tuple(table.between(known[n], sites) for n in ("g", "half") if n in known)


class ImpurityModes(DefectStage):
    """Localised modes above the bands, and up to which mass there are any."""

    name = "local"
    family = "local"
    depends_on = DEFECT
    inputs = stages_of("local")
    variables = (
        *with_error(
            Variable("local_mode_squared", ("polarization",), "squared frequency",
                     "squared frequency of the highest localised mode in which the impurity "
                     "moves so; missing if there is none, and for pairs and groups",
                     "Wallis Eqs. 133-137"),
            MESH, "change with half the quadrature", scale=1.0),
        Variable("local_mode_weight", ("polarization",), "1",
                 "share of the impurity in this mode", tolerance=1e-6),
        *with_error(
            Variable("local_modes_squared", ("local_mode",), "squared frequency",
                     "squared frequencies of all localised modes, degenerate ones repeated",
                     "Wallis Eqs. 133-137"),
            MESH, "change with half the quadrature", scale=1.0),
        Variable("local_modes_weight", ("local_mode",), "1",
                 "share of all impurities in each of them", standard=False, tolerance=1e-6),
        Variable("n_local_modes", (), "1", "number of localised modes", dtype="int32"),
        *with_error(
            Variable("critical_mass_ratio", ("polarization",), "1",
                     "largest mass ratio with a localised mode at this bond ratio; infinite if "
                     "there always is one, missing if never", "Wallis part 2B(v)c"),
            MESH, "change with half the quadrature", scale=1.0),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the projections of the nodes and the searches for roots."""
        n, modes = len(parameters.perturbation.change), parameters.most_modes
        return Cost(2e7 + 32 * 500 * n**2 + 4e6 * modes, 2e7 + 32 * 80 * n**2 + 2e5 * n)

    def solve(self, p: ImpurityParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Find the modes, and how far they move with half the quadrature."""
        host, *half = (
            AboveBand.from_green(p.rest.top, panels_of(p), g) for g in self.host(p, inputs)
        )
        defect = p.perturbation
        modes = find_local_modes(host, defect)
        errors = np.full(len(modes.squared), np.nan)
        if half:
            errors = np.abs(mode_shifts(modes, half[0], defect))
        listed = np.full((3, p.most_modes), np.nan)
        listed[:, : len(errors)] = modes.squared, errors, modes.weight
        names = ("local_modes_squared", "local_modes_squared_error", "local_modes_weight")
        return {
            **dict(zip(names, listed, strict=True)),
            **self._own(p, modes, errors),
            **self._critical(p, host, half),
            "n_local_modes": np.array(len(errors), dtype=np.int32),
        }

    def _own(self, p: ImpurityParameters, modes: LocalModes, errors: FloatArray) -> Arrays:
        """Give the modes in which a single impurity moves along the normal and in the plane."""
        names = ("local_mode_squared", "local_mode_weight", "local_mode_squared_error")
        if not p.moves:
            return dict.fromkeys(names, np.full(2, np.nan))
        own = own_modes(modes, p.perturbation)
        error = np.where(own.place < 0, np.nan, np.append(errors, np.nan)[own.place])
        return dict(zip(names, (own.squared, own.weight, error), strict=True))

    def _critical(
        self, p: ImpurityParameters, host: AboveBand, half: Sequence[AboveBand]
    ) -> Arrays:
        """Give the mass ratios below which a single impurity has localised modes."""
        nothing = np.full(2, np.nan)
        found = [nothing, nothing]
        if p.moves:
            ratios = [critical_mass_ratios(h, p.perturbation) for h in (host, *half)]
            found = [ratios[0], apart(ratios[0], ratios[1]) if half else nothing]
        return dict(zip(("critical_mass_ratio", "critical_mass_ratio_error"), found, strict=True))


def apart(now: FloatArray, half: FloatArray) -> FloatArray:
    """Difference of two results; none where both are infinite, unknown where one is missing."""
    return np.where(now == half, 0.0, np.abs(now - np.where(now == half, 0.0, half)))


def with_errors(now: Arrays, half: Arrays | None = None) -> Arrays:
    """Give results with their errors, which are unknown without a second result."""
    known = half or {name: np.full_like(x, np.nan) for name, x in now.items()}
    return now | {f"{name}_error": apart(x, known[name]) for name, x in now.items()}


def by_polarization(values: FloatArray) -> FloatArray:
    """From (n, atoms, 3) to the mean over atoms along the normal and in the plane, (n, 2)."""
    mean = values.mean(axis=1)
    return np.stack([mean[:, 2], mean[:, :2].mean(axis=1)], axis=-1)


class ImpurityExpansion(Stage):
    """The localised mode as a series in the mass ratio."""

    name = "expansion"
    depends_on = DEFECT
    variables = (
        Variable("local_mode_expansion", ("polarization",), "squared frequency",
                 "squared frequency of the localised mode by the first three terms of its "
                 "expansion in the mass ratio; missing for adatoms, pairs and groups",
                 "Wallis Eqs. 73-74"),
        Variable("expansion_term", ("polarization", "term"), "squared frequency",
                 "the three terms of the expansion", "Wallis Eqs. 73-74", standard=False),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the force constants among the neighbours."""
        n = len(parameters.rest.pairs.depth)
        return Cost(1e6 + 3e5 * n, 1e6 + 2e3 * n**2)

    def solve(self, p: ImpurityParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Sum the three terms."""
        terms = np.full((2, 3), np.nan)
        if p.defect == "substitution" and p.bond_ratio:
            layer = max(p.depth - 1, 0)
            x, _, z = expansion_coefficients(p.rest.bonds(), layer, p.bond_ratio)
            terms = expansion_terms(np.array([z, x]), p.mass_ratio)
        return {"expansion_term": terms, "local_mode_expansion": terms.sum(axis=1)}
