"""Stages of the semi-infinite crystal, `layers` = "infinite".

Its surface is that of a thick slab whose lower part is ideal bulk. What a slab sums over its
modes is here taken from the Green's function of the first `surface_depth` layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from models.green.decimation import chain_of
from models.green.displacements import lowest_squared_frequency, mean_squares
from models.green.half_space import HalfSpace, half_space_of
from models.green.solver_choice import cheaper_solver, steepest_slope
from models.green.surface_modes import find_surface_modes
from models.green.surface_spectra import slab_spectral_density, spectral_density
from models.modes.matrix_forms import MatrixForm, choose_form
from models.modes.phase_sums import Couplings, find_couplings, sum_phases
from models.modes.slab_modes import Lines, solve_grain
from models.modes.slab_vectors import coordinate_shares, in_block_order
from models.protocol import WHOLE, Arrays, Cost, FloatArray, Part, Stage
from models.slab.grid import frequency_grid, highest_frequency
from models.slab.modes import ZERO, alike, below_zero
from models.slab.parameters import BRANCHES, SlabParameters
from models.slab.statics import SlabCrystal, layer_spacing, shifts_at_rest

THICKNESS = 24
"""Slabs that stand for a half space have a multiple of so many layers: few are made."""
SETTLED = 6
"""Layers below the reach of the forces where a relaxed crystal is ideal, if that is deep."""
SETTLED_DEPTH = 12.0
"""Depth in nearest-neighbour distances where it is ideal to 1e-10 sigma, however short the
forces: from layer to layer of fcc (110) shifts fall by 0.4 only."""


class HalfSpaceStage(Stage):
    """A stage that has a meaning for a half space only; slabs give nothing here."""

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read nothing for a slab."""
        return self.inputs if p.infinite else ()

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Solve a half space."""
        return self.solve_half_space(p, inputs, part) if p.infinite else {}

    def solve_half_space(
        self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part
    ) -> Arrays:
        """Solve a half space at a grain of wavevectors."""
        raise NotImplementedError


def layers_of(p: SlabParameters) -> tuple[int, int, int]:
    """Give the explicit layers, those of a principal layer, and those of the slab they are in."""
    reach = int(p.pairs.depth[-1])
    period = len(p.crystal_masses)
    principal = -(-max(reach, 1) // period) * period
    relaxed = p.relaxed and p.forces == "lennard-jones"
    settled = max(reach + SETTLED, int(np.ceil(SETTLED_DEPTH / p.face.spacing))) if relaxed else 1
    explicit = max(reach + settled, p.surface_depth, len(p.layer_masses))
    below = max(2 * principal + reach + 1, settled if relaxed else 0)
    return explicit, principal, explicit + below


class SlabHalfSpace(HalfSpaceStage):
    """Force constants of a thick slab with one real surface, ideal below it."""

    name = "half_space"
    depends_on = ("surface", "layers", "relaxed", "surface_depth", "adlayer",
                  "adlayer_mass_ratio", "adlayer_bond_ratio", "surface_bond_ratio",
                  "superlattice_period", "superlattice_mass_ratio", "layer_masses", "k_path",
                  "k_points", "k_mesh", "k_mesh_shift", "k_list")  # fmt: skip
    inputs = ("crystal",)

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the relaxation, the couplings and the search for the highest frequency."""
        if not parameters.infinite:
            return Cost(1e4, 1e5)
        thick = layers_of(parameters)[2]
        pairs = 3 * parameters.cutoff**3 * thick
        return Cost(1e8 + 3000 * pairs, 1e8 + 300 * pairs)

    def solve_half_space(
        self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part
    ) -> Arrays:
        """Relax a thick slab, and keep what its upper face does."""
        crystal = inputs["crystal"]
        explicit, _, layers = layers_of(p)
        thick = p.model_copy(update={"layers": layers})
        moved = shifts_at_rest(thick, crystal)
        settled = explicit - int(p.pairs.depth[-1])  # from here on no layer below feels a shift
        moved -= moved[settled]
        moved[settled:] = 0
        couplings = find_couplings(
            p.pair_forces, p.pairs, float(crystal["nearest_neighbour_distance"]),
            layer_spacing(p, crystal), moved, thick.strengths(), p.face.turns(layers),
        )  # fmt: skip
        highest = highest_frequency(p.model_copy(update={"material": "reduced"}))
        return couplings.as_arrays() | {"highest": np.array(highest)}


def half_space_at(p: SlabParameters, stored: Arrays, k: FloatArray) -> HalfSpace:
    """Build the half space at in-plane wavevectors (n, 2), reduced units."""
    explicit, principal, layers = layers_of(p)
    couplings = Couplings.from_arrays({n: a for n, a in stored.items() if n != "highest"})
    form = choose_form(couplings, p.masses(layers), p.face.two_fold, symmetric=False)
    matrices = form.matrices(sum_phases(couplings, k), form.blocks[0])
    return half_space_of(matrices, explicit, principal)


def unstable_at(half: HalfSpace, k: FloatArray) -> FloatArray:
    """1 at wavevectors (n, 2) where the half space is unstable, else 0; at Gamma it floats."""
    moves = np.abs(k).max(axis=1) > 1e-12
    found = [m and lowest_squared_frequency(half, i) < 0 for i, m in enumerate(moves)]
    return np.array(found, dtype=float)


def _flops(p: SlabParameters) -> float:
    """Operations of one Green's function in the first layers at one z."""
    explicit, principal, _ = layers_of(p)
    q = 3 * principal
    return 8 * (1.5e5 + 26 * q**3 + (explicit // principal + 1) * 8 * q**3)


def _peak(p: SlabParameters, size: int) -> float:
    _, _, layers = layers_of(p)
    return 5e7 + size * 200.0 * (3 * layers) ** 2 + 3e3 * p.cutoff**3


class SlabHalfDensity(HalfSpaceStage):
    """Spectral densities of the first layers at each wavevector.

    By decimation, or by a slab that is thick enough for the accuracy that is asked for,
    whichever costs less. Missing where the half space is unstable.
    """

    name = "half_density"
    depends_on = ("surface_depth", "grid_points", "grid_max", "grid_width", "errors", "accuracy",
                  "material")  # fmt: skip
    inputs = ("k_points", "half_space")
    cut = "k"

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count one Green's function for each frequency."""
        p = parameters
        if not p.infinite:
            return Cost(1e4, 1e5)
        values = 48.0 * p.surface_depth * p.grid_points
        twice = 2 if p.errors else 1
        return Cost(part.size * p.grid_points * _flops(p) * twice,
                    _peak(p, part.size) + part.size * values * 2)  # fmt: skip

    def solve_half_space(
        self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part
    ) -> Arrays:
        """Compute the densities, and those of lines half as wide."""
        k = inputs["k_points"]["k_vector"][part.indices]
        half = half_space_at(p, inputs["half_space"], k)
        grid, width = frequency_grid(p)
        negative = unstable_at(half, k)
        found = {"density": _density(p, half, k, grid, width, negative)}
        if p.errors:
            found["density_fine"] = _density(p, half, k, grid, width / 2, negative)
        return found | {"negative": negative}


def _density(
    p: SlabParameters, half: HalfSpace, k: FloatArray, grid: FloatArray, width: float,
    negative: FloatArray,
) -> FloatArray:  # fmt: skip
    """Densities of the first layers (n, layers, 3, grid), each wavevector in its cheaper way."""
    depth, kind = p.surface_depth, chain_of(half.onsite[0], half.hop[0]).kind
    rows = []
    for i in range(len(k)):
        if negative[i]:
            rows.append(np.full((depth, 3, len(grid)), np.nan))
            continue
        slope = steepest_slope(half, i)
        way, layers = cheaper_solver(half, kind, depth, grid, width, p.accuracy, slope)
        if way == "slab":
            layers = -(-layers // THICKNESS) * THICKNESS
            squared, shares = _slab_modes(p, layers, k[i : i + 1])
            rows.append(slab_spectral_density(squared, shares, grid, width)[0])
        else:
            rows.append(spectral_density(half.at(i), grid, width, depth)[0])
    return np.stack(rows)


@lru_cache(maxsize=4)
def _slab(p: SlabParameters, layers: int) -> tuple[Couplings, MatrixForm]:
    """Make a thick slab whose two faces are both the surface of the half space."""
    thick = p.model_copy(update={
        "layers": layers, "adlayer": "none" if p.adlayer == "none" else "both sides",
    })  # fmt: skip
    crystal = SlabCrystal().solve(thick, {}, WHOLE)
    couplings = find_couplings(
        p.pair_forces, p.pairs, float(crystal["nearest_neighbour_distance"]),
        layer_spacing(p, crystal), shifts_at_rest(thick, crystal), thick.strengths(),
        p.face.turns(layers),
    )  # fmt: skip
    masses = thick.masses()
    if not p.superlattice_period:
        masses[layers // 2 :] = masses[: -(-layers // 2)][::-1]
    symmetric = bool((masses == masses[::-1]).all()) and alike(thick.model_copy(
        update={"layer_masses": ()}))  # fmt: skip
    return couplings, choose_form(couplings, masses, p.face.two_fold, symmetric)


def _slab_modes(p: SlabParameters, layers: int, k: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Squared frequencies (n, modes) of a thick slab, shares of its first layers."""
    couplings, form = _slab(p, layers)
    modes = solve_grain(form, couplings, k, Lines.none(len(k)), p.surface_depth, ZERO)
    shares = coordinate_shares(form, modes)[:, : 3 * p.surface_depth]
    omega = in_block_order(modes, modes["frequency"])
    return np.sign(omega) * omega**2, shares.reshape(len(k), p.surface_depth, 3, -1)


class SlabHalfDisplacements(HalfSpaceStage):
    """Mean square displacements and velocities of the first layers at each wavevector."""

    name = "half_displacements"
    depends_on = ("surface_depth", "temperatures", "material", "adlayer", "adlayer_mass_ratio",
                  "layer_masses", "superlattice_period", "superlattice_mass_ratio")  # fmt: skip
    inputs = ("k_points", "half_space")
    cut = "k"

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count about thirty poles."""
        if not parameters.infinite:
            return Cost(1e4, 1e5)
        return Cost(part.size * 40 * _flops(parameters), _peak(parameters, part.size))

    def solve_half_space(
        self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part
    ) -> Arrays:
        """Sum over poles; a wavevector at Gamma, where the surface floats, counts nothing."""
        k = inputs["k_points"]["k_vector"][part.indices]
        half = half_space_at(p, inputs["half_space"], k)
        highest = 1.1 * float(inputs["half_space"]["highest"]) ** 2
        u2, v2 = mean_squares(half, highest, p.reduced_temperatures, p.surface_depth)
        floats = np.abs(k).max(axis=1) < 1e-12
        u2[floats], v2[floats] = 0, 0
        mass = p.masses(p.surface_depth)[:, None]
        return {"u2": u2 / mass, "v2": v2 / mass, "negative": unstable_at(half, k)}


class SlabHalfModes(HalfSpaceStage):
    """Surface modes of the half space, poles outside the bulk bands, at each wavevector."""

    name = "half_modes"
    depends_on = ("surface_depth",)
    inputs = ("k_points", "half_space", "bulk")
    cut = "k"

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the Green's functions of the search, 130 as measured."""
        if not parameters.infinite:
            return Cost(1e4, 1e5)
        return Cost(part.size * 130 * _flops(parameters), _peak(parameters, part.size))

    def solve_half_space(
        self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part
    ) -> Arrays:
        """Find the modes of each wavevector."""
        k = inputs["k_points"]["k_vector"][part.indices]
        half = half_space_at(p, inputs["half_space"], k)
        bands = inputs["bulk"]["bulk_band"]
        rows = [self._measured(p, half, i, edges * np.abs(edges)) for i, edges in enumerate(bands)]
        found = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        return found | {"negative": below_zero(found["frequency"], bands)}

    def _measured(self, p: SlabParameters, half: HalfSpace, i: int, bands: FloatArray) -> Arrays:
        found = find_surface_modes(half, i, bands)
        vectors = np.zeros((BRANCHES, 3 * half.layers), dtype=complex)
        surface = found.shares[:, : p.surface_depth].sum(axis=(1, 2))
        kept = np.sort(np.argsort(-surface, kind="stable")[:BRANCHES])
        vectors[: len(kept)] = found.vectors[kept]
        measured = {
            "frequency": np.sign(found.squared) * np.sqrt(np.abs(found.squared)),
            "top_weight": found.top_weight,
            "surface_weight": surface,
            "normal_weight": found.normal_weight,
            "penetration_depth": found.penetration_depth,
        }
        room = (0, BRANCHES - len(kept))
        padded = {n: np.pad(a[kept], room, constant_values=np.nan) for n, a in measured.items()}
        return {**padded, "vectors": vectors}
