"""Modes of a crystal slab with two free surfaces, and of a semi-infinite crystal.

The slab is periodic in its plane and finite across it, so every in-plane wavevector gives
one Hermitian eigenproblem of order 3 * layers. Layer 0 is the top face.

Units: reduced (epsilon = sigma = m = 1; springs: nearest-neighbour distance, k, m) inside
every stage; a gas is brought to THz, angstrom, meV and GPa when results are presented.
Source: R. F. Wallis, Lattice Dynamics of Crystal Surfaces (1973), parts 2B, 3B, 3C, 5, 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.crystal.slab_cell import slab_cell
from models.evaluate import compute
from models.protocol import Dim, Model, Structure
from models.slab.grid import frequency_grid, settled
from models.slab.half_spaces import (
    SlabHalfDensity,
    SlabHalfDisplacements,
    SlabHalfModes,
    SlabHalfSpace,
)
from models.slab.modes import (
    SlabBulk,
    SlabCharacter,
    SlabCouplings,
    SlabForm,
    SlabKinds,
    SlabModes,
    SlabVectors,
    SlabVelocities,
)
from models.slab.parameters import CONSTANTS, DENSE_MOST, SlabParameters, gas_of, lengths_of
from models.slab.spectra import SlabSpectra, SlabSpectralDensity, SlabSpectralSums
from models.slab.statics import (
    FiniteStage,
    SlabCrystal,
    SlabSize,
    SlabStructure,
    SlabWavevectors,
    has_vectors,
)
from models.slab.surface import SlabBranches, SlabSurfaceModes
from models.slab.thermal import (
    SlabAdlayerChange,
    SlabCyclicSums,
    SlabSurfaceThermal,
    SlabThermal,
    SlabThermalSums,
)
from models.slab.units import GAS, REDUCED, SPRING, UNITS, factors
from models.units import GASES
from models.variants import Change
from models.works import WALLIS


def _grid(p: SlabParameters) -> list[float]:
    """Frequencies of the grid, in the unit that is stored."""
    scale = 1.0 if p.gas is None else p.gas.frequency_thz
    grid: list[float] = (frequency_grid(p)[0] * scale).tolist()
    return grid


HALF = Change(
    "half", to=lambda p: p.halved, wanted=lambda p: p.halves, needs=("errors", "k_mesh"),
    dims={"k": "k_half"},
)  # fmt: skip
"""Sums over half the mesh, for the errors of those over the whole."""
CLEAN = Change(
    "clean", to=lambda p: p.clean, wanted=lambda p: True,
    drops=("adlayer_mass_ratio", "adlayer_bond_ratio"),
)  # fmt: skip
"""The slab whose adlayers are like their substrate."""

_WAVEVECTORS, _STRUCTURE, _COUPLINGS = SlabWavevectors(), SlabStructure(), SlabCouplings()
_FORM, _MODES = SlabForm(), SlabModes()
_THERMAL_SUMS, _CYCLIC_SUMS, _SPECTRAL_SUMS = (
    SlabThermalSums(), SlabCyclicSums(), SlabSpectralSums(),
)  # fmt: skip
_HALF_DENSITY, _HALF_DISPLACEMENTS = SlabHalfDensity(), SlabHalfDisplacements()
_CLEAN = CLEAN.of(_STRUCTURE, _COUPLINGS, _FORM, _MODES, _THERMAL_SUMS)
_HALF = HALF.of(
    _WAVEVECTORS, _MODES, _HALF_DENSITY, _HALF_DISPLACEMENTS,
    _THERMAL_SUMS, _CYCLIC_SUMS, _SPECTRAL_SUMS, *(s for s in _CLEAN if s.cut == "k"),
)  # fmt: skip

_ZONE = ("dos", "dos_error", "layer_dos", "layer_dos_error")
_BANDED = ("frequency", "n_zero", "n_negative", "sum_rule_residual", "asymmetry")
_HALF_SPACE = (
    "layer_dos", "spectral_density", "mean_square_displacement", "mean_square_velocity",
    "debye_temperature", "debye_waller_exponent", "surface_branch", "surface_branch_top_weight",
    "surface_branch_surface_weight", "surface_branch_normal_weight", "surface_branch_depth",
    "nearest_neighbour_distance", "elastic_constant", "c_over_a", "bulk_band", "k_fraction",
    "k_vector", "k_weight", "k_distance", "k_label", "n_modes",
)  # fmt: skip
"""What a half space has; the rest belongs to slabs."""


class Slab(Model):
    """Crystal slab with two free surfaces."""

    name = "slab"
    revision = 1
    title = "Crystal slab with two free surfaces, adsorbed layers included"
    source = "Wallis (1973), part 2B(i), (ii), (v)"
    works = (WALLIS,)
    parameters = SlabParameters
    dims = (
        Dim("k", "wavevector, counted along the path, the list or the irreducible mesh",
            described_by=("k_fraction", "k_vector", "k_weight", "k_distance", "k_label")),
        Dim("mode", "mode, counted from the lowest frequency", described_by=("n_modes",)),
        Dim("layer", "layer, counted from the top face"),
        Dim("temperature", "temperature", "temperature", coordinate=lambda p: p.temperatures),
        Dim("grid", "frequency", "frequency", coordinate=_grid),
        Dim("branch", "surface branch, counted as it first appears along the path"),
        Dim("k_half", "wavevector of half the mesh"),
        Dim("direction", "x and y in the face, z along the outward normal",
            coordinate=lambda p: ("x", "y", "z")),
        Dim("component", "Cartesian component in the face", coordinate=lambda p: ("x", "y")),
        Dim("fraction", "reciprocal vector of the surface cell",
            coordinate=lambda p: ("b1", "b2")),
        Dim("band", "projected bulk band, counted from the lowest"),
        Dim("edge", "edge of a band", coordinate=lambda p: ("low", "high")),
        Dim("constant", "elastic constant", coordinate=lambda p: CONSTANTS),
    )  # fmt: skip
    stages = (
        SlabSize(), SlabCrystal(), _STRUCTURE, _WAVEVECTORS, SlabBulk(), _COUPLINGS, _FORM, _MODES,
        SlabKinds(), SlabCharacter(), SlabVelocities(), SlabVectors(), SlabHalfSpace(),
        _HALF_DENSITY, _HALF_DISPLACEMENTS, SlabHalfModes(), SlabSurfaceModes(), SlabBranches(),
        *_CLEAN, _THERMAL_SUMS, _CYCLIC_SUMS, _SPECTRAL_SUMS, *_HALF, SlabThermal(),
        SlabSurfaceThermal(), SlabAdlayerChange(), SlabSpectra(), SlabSpectralDensity(),
    )  # fmt: skip
    shape_parameters = (
        "crystal", "surface", "layers", "solver", "forces", "cutoff", "adlayer", "layer_masses",
        "superlattice_period", "superlattice_mass_ratio", "k_path", "k_points", "k_mesh",
        "k_mesh_shift", "k_list", "surface_depth", "temperatures", "grid_points", "line_shape",
        "errors", "relaxed",
    )  # fmt: skip
    fixed_only = ("temperatures", "grid_points", "grid_max", "grid_width", "errors")
    settles = ("grid_max", "grid_width")
    settled_by = (
        "crystal", "surface", "layers", "forces", "material", "cutoff", "nn_distance", "relaxed",
        "spring_nn", "spring_nnn", "adlayer", "adlayer_mass_ratio", "adlayer_bond_ratio",
        "surface_bond_ratio", "superlattice_period", "superlattice_mass_ratio", "layer_masses",
        "k_path", "k_points", "k_mesh", "k_mesh_shift", "k_list",
    )  # fmt: skip
    output_depends_on = ("material",)
    unit_parameters = ("material", "forces")

    def lengths(self, p: SlabParameters) -> dict[str, int]:
        """Give the lengths of the own dims."""
        return lengths_of(p)

    def grain(self, dim: str, p: SlabParameters) -> int:
        """Give the wavevectors of one call: fewer for larger matrices."""
        if p.infinite or p.method != "dense":
            return 1
        most = 2 ** int(np.log2(3200 / (3 * p.thickness)))
        needed = 2 ** int(np.ceil(np.log2(self.lengths(p)[dim])))
        return max(1, min(32, most, needed))

    def unit_of(self, quantity: str, p: SlabParameters) -> str:
        """Give the unit of a quantity in reduced units, for springs, or for a gas."""
        column = SPRING if p.forces == "springs" else REDUCED if p.material == "reduced" else GAS
        return UNITS[quantity][column] if quantity in UNITS else quantity

    def present(self, variable: str, values: NDArray[Any], p: SlabParameters) -> NDArray[Any]:
        """Bring reduced units to those of a gas."""
        if p.gas is None:
            return values
        factor = factors(p.gas).get(self.variables()[variable][0].unit)
        return values if factor is None else values * factor

    def settle(self, points: Sequence[Any]) -> dict[str, Any]:
        """Give the frequency grid of a sweep."""
        return settled(points)

    def missing(self, variable: str, p: SlabParameters) -> str | None:
        """Say why a point cannot have a variable."""
        known, stage = self.variables()[variable]
        if p.infinite and variable.removesuffix("_error") not in _HALF_SPACE:
            return (
                f'{variable} belongs to a slab, and `layers` = "infinite" has one surface only. '
                "Give a number of `layers`."
            )
        vectors = isinstance(stage, FiniteStage | SlabThermal | SlabSpectra | SlabSpectralDensity)
        plain = isinstance(stage, FiniteStage) and not (stage is _MODES or stage.reads_vectors)
        given = _BANDED if p.method == "banded" else ()
        if not has_vectors(p) and vectors and not plain and variable not in given:
            return (
                f'{variable} needs all modes with their vectors, which `solver` = "{p.method}" '
                f'does not give ("auto" means "banded" above {DENSE_MOST} layers). Use "dense".'
            )
        if "temperature" in known.dims and not p.temperatures:
            return f"{variable} needs `temperatures`. Give them under [fixed]."
        if variable in _ZONE and p.k_mesh is None and p.k_list is None:
            return f"{variable} is a sum over the surface zone. Give `k_mesh`."
        if variable == "debye_waller_exponent" and p.scattering_vector is None:
            return f"{variable} needs `scattering_vector`."
        return None

    def remarks(self, p: Any) -> tuple[str, ...]:
        """Say how many wavevectors of a mesh were solved, and whether a grid sees every line."""
        said = []
        if p.k_mesh is not None:
            said.append(
                f"{self.lengths(p)['k']} wavevectors stand for the {p.k_mesh**2} of the mesh: the "
                "others are equal by the symmetry of the face and time reversal (k_weight)"
            )
        if isinstance(p.grid_max, float) and isinstance(p.grid_width, float):
            step = p.grid_max / (p.grid_points - 1)
            if p.grid_width < step / 2:
                said.append(
                    f"a line is {p.grid_width:.4g} wide and a step of the grid {step:.4g}: lines "
                    "may fall between its points, and sums over it miss them (grid_points)"
                )
        return tuple(said)

    def structure(self, p: SlabParameters) -> Structure:
        """Give the slab at rest, one atom a layer, with vacuum between its images."""
        at_rest = compute(self, ("nearest_neighbour_distance", "layer_height"), p)
        distance = float(at_rest["nearest_neighbour_distance"])
        lattice, positions = slab_cell(p.face, distance, at_rest["layer_height"])
        reduced = p.material == "reduced"
        return Structure(
            lattice, positions,
            masses=p.masses() * (1.0 if reduced else gas_of(p.material).mass_u),
            symbols=(str(p.material) if p.material in GASES else "X",) * p.thickness,
            length_unit=self.unit_of("length", p),
            mass_unit="host mass" if reduced else "u",
            mesh=None if p.k_mesh is None else (p.k_mesh, p.k_mesh, 1),
        )  # fmt: skip
