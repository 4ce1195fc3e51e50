"""Stages of thermal variables: sums over the zone, surface excess, displacements.

Sums run grain by grain over the irreducible wavevectors, in reduced units with hbar = k_B = 1.
Every sum is made on the mesh and on half of it; the difference is the stored error.
Source: Wallis (1973), Eqs. 94-98, 212-247; the tensors of displacement are diagonal by the
symmetry of every face.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.crystal.k_points import SIXTHS
from models.modes.bulk_bands import signed_root
from models.modes.matrix_forms import MatrixForm
from models.modes.slab_vectors import block_vectors, folded_squares, in_block_order
from models.protocol import Arrays, Cost, FloatArray, Part, Stage, Variable
from models.slab.modes import ZERO, endless_crystal
from models.slab.parameters import SlabParameters
from models.slab.statics import FiniteStage, has_vectors, missing
from models.slab.units import factors
from models.thermal.debye import debye_temperature
from models.thermal.oscillators import weighted_sums, zone_sums

FUNCTIONS = ("internal_energy", "free_energy", "entropy", "heat_capacity")
RIGID = 3
"""Zero modes at k = 0 that are shifts of the slab as a whole."""
MESH = "k_mesh"


def with_error(variable: Variable, of: str) -> tuple[Variable, Variable]:
    """Give a variable and the one that holds its error."""
    error = Variable(
        f"{variable.name}_error", variable.dims, variable.unit,
        f"change of {variable.name} when {of} is half as fine", variable.source,
        standard=variable.standard, scale=1.0, tolerance=1e-6, error_of=of,
    )  # fmt: skip
    return variable, error


def real_elements(part: Part) -> FloatArray:
    """1 for the elements of a grain, 0 for its padding, (size,)."""
    return (np.arange(part.size) < part.stop - part.start).astype(float)


def stable(frequency: FloatArray) -> NDArray[np.bool_]:
    """Say which modes (n, modes) are neither zero modes nor unstable."""
    top = np.abs(frequency).max(axis=1, keepdims=True) ** 2
    return np.asarray(np.sign(frequency) * frequency**2 > ZERO * top)


def _loose(frequency: FloatArray, k: FloatArray) -> FloatArray:
    """Count zero modes that are no shift of the whole, at each wavevector (n, 2)."""
    top = np.abs(frequency).max(axis=1, keepdims=True) ** 2
    zero = (frequency**2 <= ZERO * top).sum(axis=1)
    at_gamma = np.abs(k).max(axis=1) < 1e-12
    return np.maximum(zero - RIGID * at_gamma, 0.0)


class SlabThermalSums(FiniteStage):
    """Thermal functions and displacements of the slab, summed over the zone.

    Of a half space the displacements only.
    """

    name = "thermal_sums"
    depends_on = ("layers", "solver", "temperatures", "material", "adlayer", "adlayer_mass_ratio",
                  "layer_masses", "superlattice_period", "superlattice_mass_ratio")  # fmt: skip
    inputs = ("k_points", "modes", "form", "half_displacements")
    cut = "k"
    sums = True
    reads_vectors = True

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read the modes of a slab, or the displacements of a half space."""
        return ("k_points", "half_displacements") if p.infinite else self.inputs[:3]

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Sum one grain."""
        if not p.infinite:
            return super().solve(p, inputs, part)
        weight = inputs["k_points"]["k_weight"][part.indices] * real_elements(part)
        sums = inputs["half_displacements"]
        return {
            **{n: (weight[:, None, None, None] * sums[n]).sum(axis=0) for n in ("u2", "v2")},
            **dict.fromkeys(FUNCTIONS, np.full(len(p.temperatures), np.nan)),
            "negative": np.array((sums["negative"] * real_elements(part)).sum()),
            "loose": np.zeros(()),
        }

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the functions of every mode and the squares of the vectors."""
        n, nt = 3 * parameters.thickness, len(parameters.temperatures)
        return Cost(
            part.size * (10 * n**2 + nt * (n**2 + 500 * n)) + 1e5,
            part.size * (24 * n**2 + 100 * n * (nt + 1)) + 5e7,
        )

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Sum one grain."""
        form, modes = MatrixForm.from_arrays(inputs["form"]), inputs["modes"]
        weight = inputs["k_points"]["k_weight"][part.indices] * real_elements(part)
        k = inputs["k_points"]["k_fraction"][part.indices]
        omega = in_block_order(modes, modes["frequency"])
        keep, t = stable(omega), p.reduced_temperatures
        functions, energy = zone_sums(omega, weight, t, keep)
        squared = np.where(keep, omega, 1.0) ** 2
        u2, v2 = _displacements(form, modes, energy.swapaxes(0, 1), squared) / p.masses()[:, None]
        real = real_elements(part)
        return {
            **{name: getattr(functions, name) for name in FUNCTIONS},
            "u2": u2,
            "v2": v2,
            "negative": np.array((modes["n_negative"] * real).sum()),
            "loose": np.array((_loose(omega, k) * real).sum()),
        }


def _displacements(
    form: MatrixForm, modes: Arrays, energy: FloatArray, squared: FloatArray
) -> FloatArray:
    """Sum |e|^2 E/omega^2 and |e|^2 E over wavevectors and modes, (2, t, layers, 3).

    Parameters
    ----------
    energy : (t, n_k, modes), of the modes in the order of the blocks; used up
    squared : (n_k, modes), omega^2
    """
    sums = np.zeros((2, len(energy), 3 * form.layers))
    start = 0
    for i, block in enumerate(form.blocks):
        row, mirror, square = folded_squares(form, block, block_vectors(form, modes, i))
        of = slice(start, start + square.shape[2])
        # one product over all wavevectors: the copy costs less than many small products
        square = square.swapaxes(0, 1).reshape(len(row), -1).T
        part = energy[..., of].reshape(len(energy), len(square))
        v2 = part @ square
        part /= squared[:, of].ravel()
        for of_sum, half in zip(sums, (part @ square / 2, v2 / 2), strict=True):
            of_sum[:, row] += half
            of_sum[:, mirror] += half
        start = of.stop
    return sums.reshape(2, len(energy), form.layers, 3)


class SlabCyclicSums(FiniteStage):
    """Thermal functions of the cyclic crystal of as many layers, summed over the zone.

    Clean substrate at the true k_z = 2 pi n/(L h). Not a number where L is no multiple of
    the layers after which the crystal repeats.
    """

    name = "cyclic_sums"
    depends_on = ("surface", "layers", "solver", "temperatures", "material",
                  "superlattice_period", "superlattice_mass_ratio")  # fmt: skip
    inputs = ("crystal", "k_points")
    cut = "k"
    sums = True

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the problems of one cell at every k_z and the functions of every mode."""
        p = parameters
        n, period = 3 * p.thickness, len(p.crystal_masses)
        return Cost(
            part.size * n * (1e4 * period**2 + 500 * len(p.temperatures)) + 2e6,
            part.size * 100 * n * period + 16 * p.cutoff**3 * part.size + 5e7
            + 200 * p.cutoff**3,
        )  # fmt: skip

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Sum one grain."""
        weight = inputs["k_points"]["k_weight"][part.indices] * real_elements(part)
        crystal = endless_crystal(
            p, inputs["crystal"], inputs["k_points"]["k_vector"][part.indices]
        )
        t = p.reduced_temperatures
        if p.thickness % crystal.period:
            return {name: np.full(len(t), np.nan) for name in FUNCTIONS}
        total = dict.fromkeys(FUNCTIONS, np.zeros(len(t)))
        for turn, share in _turns(p, inputs["k_points"]["gains"][part.indices]).items():
            steps = np.arange(p.thickness // crystal.period) / p.thickness
            angle = np.broadcast_to(2 * np.pi * (steps + turn), (part.size, len(steps)))
            omega = signed_root(crystal.squared(angle).reshape(part.size, -1))
            functions = weighted_sums(omega, weight * share, t, stable(omega))
            total = {name: x + getattr(functions, name) for name, x in total.items()}
        return total


def _turns(p: SlabParameters, gains: FloatArray) -> dict[float, FloatArray]:
    """Give the shifts of k_z h/2 pi that a mesh asks for, each with its share of every star.

    Shifts that differ by a step of k_z are one.
    """
    steps = p.thickness // len(p.crystal_masses) * len(p.crystal_masses)
    found: dict[float, FloatArray] = {}
    for sixth, share in enumerate(gains.T):
        turn = sixth * steps % SIXTHS / (SIXTHS * steps)
        found[turn] = found.get(turn, np.zeros(len(gains))) + share
    return {turn: share for turn, share in found.items() if share.any()}


def _blank(x: FloatArray, sums: Arrays, *, loose: bool = False) -> FloatArray:
    """Make a sum not a number where modes are unstable or (displacements) loose."""
    bad = sums["negative"] > 0 or (loose and sums["loose"] > 0)
    return np.full_like(x, np.nan) if bad else x


def _error(now: FloatArray, half: FloatArray | None) -> FloatArray:
    return np.full_like(now, np.nan) if half is None else np.abs(now - half)


_QUANTITY = dict(zip(FUNCTIONS, ("thermal energy", "thermal energy", "entropy", "entropy"),
                     strict=True))  # fmt: skip
_IN_WORDS = {name: name.replace("_", " ") for name in FUNCTIONS}


class SlabThermal(Stage):
    """Thermal variables of the slab; of a half space those of its first layers."""

    name = "thermal"
    depends_on = ("surface_depth", "layers", "solver", "temperatures", "material",
                  "scattering_vector", "errors", "adlayer", "adlayer_mass_ratio", "layer_masses",
                  "superlattice_period", "superlattice_mass_ratio", "k_mesh")  # fmt: skip
    inputs = ("k_points", "thermal_sums", "thermal_sums_half")

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read half the mesh for the errors, and nothing where vectors are not known."""
        if not has_vectors(p):
            return ()
        return self.inputs if p.halves else self.inputs[:2]

    variables = (
        *(v for name in FUNCTIONS for v in with_error(
            Variable(name, ("temperature",), _QUANTITY[name],
                     f"{_IN_WORDS[name]} of the vibrations, per surface cell of the slab",
                     "Wallis Eqs. 94-98"), MESH)),
        *with_error(Variable("mean_square_displacement", ("temperature", "layer", "direction"),
                             "displacement", "mean square displacement of one component; of a "
                             "free slab it grows without end with the mesh",
                             "Wallis Eqs. 223-236"), MESH),
        *with_error(Variable("mean_square_velocity", ("temperature", "layer", "direction"),
                             "velocity", "mean square velocity of one component",
                             "Wallis Eqs. 242-246"), MESH),
        *with_error(Variable("debye_temperature", ("temperature", "layer", "direction"),
                             "temperature", "effective Debye temperature of the mean square "
                             "displacement", "Wallis Eqs. 218-220"), MESH),
        *with_error(Variable("debye_waller_exponent", ("temperature", "layer"), "1",
                             "half the mean square of Q.u", "Wallis Eq. 212", standard=False),
                    MESH),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the Debye functions."""
        n = 3 * parameters.thickness * (len(parameters.temperatures) + 1)
        return Cost(2e6 + 1e5 * n, 1e6 + 1000 * n)

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Take the sums, and those of half the mesh for their errors."""
        if not has_vectors(p):
            return missing(self, p, part)
        now = self._values(p, inputs["thermal_sums"], inputs["k_points"]["mixing"])
        half: Arrays = {}
        if p.halves:
            half = self._values(p, inputs["thermal_sums_half"], p.halved.k_set.mixing)
        errors = {f"{name}_error": _error(x, half.get(name)) for name, x in now.items()}
        return now | errors | {"negative": inputs["thermal_sums"]["negative"]}

    def unstable(self, result: Arrays) -> NDArray[np.bool_]:
        """Say whether some mode of the mesh is unstable."""
        return is_unstable(result)

    def _values(self, p: SlabParameters, sums: Arrays, mixing: FloatArray) -> Arrays:
        u2, v2 = (_blank(_mixed(sums[n], mixing), sums, loose=n == "u2") for n in ("u2", "v2"))
        t = p.reduced_temperatures
        return {
            **{name: _blank(sums[name], sums) for name in FUNCTIONS},
            "mean_square_displacement": u2,
            "mean_square_velocity": v2,
            "debye_temperature": debye_temperature(u2, p.masses(p.shown_layers)[:, None], t),
            "debye_waller_exponent": debye_waller(p, u2),
        }


def is_unstable(result: Arrays) -> NDArray[np.bool_]:
    """Say which points of a sum over modes have unstable ones, (points,)."""
    first = next(iter(result.values()))
    return np.asarray(result.get("negative", np.zeros(len(first))) > 0)


def _mixed(diagonal: FloatArray, mixing: FloatArray) -> FloatArray:
    """Average x and y of a diagonal tensor (..., 3) over the stars of a mesh."""
    plane = diagonal[..., :2] @ mixing.T
    return np.concatenate([plane, diagonal[..., 2:]], axis=-1)


def debye_waller(p: SlabParameters, u2: FloatArray) -> FloatArray:
    """Give half the mean square of Q.u, (temperatures, layers); missing without Q.

    Q is in 1/angstrom for a gas; in reduced units in sqrt(m omega_0/hbar), for these units
    leave the ratio of displacements and lattice open.
    """
    if p.scattering_vector is None:
        return np.full(u2.shape[:-1], np.nan)
    scale = 1.0 if p.gas is None else factors(p.gas)["displacement"]
    return np.asarray(u2 @ np.square(p.scattering_vector) * scale / 2)


class SlabSurfaceThermal(FiniteStage):
    """Surface excess of the thermal functions."""

    name = "surface_thermal"
    depends_on = ("errors", "temperatures", "layers")
    inputs = ("thermal_sums", "cyclic_sums", "thermal_sums_half", "cyclic_sums_half")
    reads_vectors = True

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read half the mesh for the errors."""
        return self.inputs if p.halves else self.inputs[:2]

    variables = tuple(
        v for name in FUNCTIONS for v in with_error(
            Variable(f"surface_{name}", ("temperature",), _QUANTITY[name],
                     f"{_IN_WORDS[name]}, excess per surface cell and side over the cyclic "
                     "crystal of as many layers on the same mesh", "Wallis Eqs. 94-98, 120"),
            MESH)
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count a few differences."""
        return Cost(1e5, 1e6)

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Compare with the cyclic crystal, on the mesh and on half of it."""
        return _compared("surface_{}", 0.5, *(inputs.get(name) for name in self.inputs))


def _compared(
    title: str, factor: float, one: Arrays | None, other: Arrays | None,
    one_half: Arrays | None, other_half: Arrays | None,
) -> Arrays:  # fmt: skip
    """Give differences of thermal functions, and their errors where half the mesh is there."""
    assert one is not None
    assert other is not None
    found: Arrays = {}
    for name in FUNCTIONS:
        now = factor * (_blank(one[name], one) - other[name])
        half = None
        if one_half is not None and other_half is not None:
            half = factor * (one_half[name] - other_half[name])
        found[title.format(name)] = now
        found[title.format(name) + "_error"] = _error(now, half)
    return found


class SlabAdlayerChange(FiniteStage):
    """What an adsorbed layer changes in the thermal functions."""

    name = "adlayer_change"
    depends_on = ("adlayer", "errors", "temperatures", "layers")
    inputs = ("thermal_sums", "thermal_sums_clean", "thermal_sums_half", "thermal_sums_clean_half")
    reads_vectors = True
    variables = tuple(
        v for name in FUNCTIONS for v in with_error(
            Variable(f"adlayer_{name}_change", ("temperature",), _QUANTITY[name],
                     f"{_IN_WORDS[name]} per adsorbed atom, less that of the same slab with "
                     "ratios of 1", "Wallis Eqs. 167-169", standard=False), MESH)
    )  # fmt: skip

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read nothing where no layer is adsorbed, and half the mesh for the errors."""
        if p.adlayer == "none":
            return ()
        return self.inputs if p.halves else self.inputs[:2]

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count a few differences."""
        return Cost(1e5, 1e6)

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Compare with the slab whose adlayer is like its substrate."""
        if not p.changes:
            zero = np.zeros(len(p.temperatures))
            return {v.name: zero.copy() for v in self.variables}
        return _compared(
            "adlayer_{}_change", 1 / len(p.adlayers),
            *(inputs.get(name) for name in self.inputs),
        )  # fmt: skip
