"""Stages of the crystal and the slab at rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from models.crystal.k_points import SIXTHS
from models.crystal.lattices import neighbours
from models.crystal.mirrors import place_on_lines
from models.forces.crystals import Scale, crystal_energy, elastic_constants, static_scale
from models.forces.quasi_harmonic import MESH, distance_at
from models.forces.static import ideal_heights, layer_sums, relaxed_shifts, same_from_below
from models.protocol import Arrays, Cost, FloatArray, Part, Stage, Variable
from models.slab.parameters import (
    CONSTANTS,
    INFINITE,
    SlabParameters,
    Warmth,
    lengths_of,
    quasi_harmonic,
)


class FiniteStage(Stage):
    """A stage that has no meaning for a half space, where its variables are missing."""

    reads_vectors: ClassVar[bool] = False
    """It needs all modes with their vectors, which some solvers do not give."""

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Solve a slab."""
        if p.infinite or (self.reads_vectors and p.method != "dense"):
            return missing(self, p, part)
        return self.solve_slab(p, inputs, part)

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Solve a slab of so many layers."""
        raise NotImplementedError


def has_vectors(p: SlabParameters) -> bool:
    """Say whether a point has all modes with their vectors, or the Green's function instead."""
    return p.infinite or p.method == "dense"


MISSING = {"float64": np.nan, "complex128": np.nan, "int32": -1, "uint8": 255, "str": ""}


def missing(stage: Stage, p: SlabParameters, part: Part) -> Arrays:
    """Give the variables of a stage where a point has none."""
    lengths = lengths_of(p)
    if stage.cut is not None:
        lengths |= {stage.cut: part.size}
    return {
        v.name: np.full(
            [lengths[d] for d in v.dims], MISSING[v.dtype],
            dtype="U8" if v.dtype == "str" else v.dtype,
        )
        for v in stage.variables
    }  # fmt: skip


class SlabSize(Stage):
    """How many modes a slab has."""

    name = "size"
    depends_on = ("layers",)
    variables = (
        Variable("n_modes", (), "1", "number of modes at each wavevector", dtype="int32",
                 always=True),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count nothing."""
        return Cost(1e4, 1e5)

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Count three directions for each layer."""
        return {"n_modes": np.array(3 * p.thickness, dtype=np.int32)}


class SlabCrystal(Stage):
    """The endless crystal: equilibrium, energy, elastic constants."""

    name = "crystal"
    depends_on = ("crystal", "forces", "cutoff", "nn_distance", "spring_nn", "spring_nnn",
                  "errors")  # fmt: skip
    depends_where = {"material": ("nn_distance", quasi_harmonic)}  # noqa: RUF012 - never changed
    variables = (
        Variable("nearest_neighbour_distance", (), "length",
                 "nearest-neighbour distance of the crystal (hcp: in the basal plane)",
                 "Wallis Eq. 36"),
        Variable("nearest_neighbour_distance_error", (), "length",
                 "change of the distance of the vibrating crystal with half the mesh of the "
                 "whole zone; missing for others, which depend on none", scale=1.0,
                 tolerance=1e-6, error_of="mesh of the whole zone"),
        Variable("elastic_constant", ("constant",), "elastic constant",
                 "elastic constants of the stress-free crystal (cubic axes; hcp: x along a row, "
                 "z along c)"),
        Variable("c_over_a", (), "1", "ratio of the axes of hcp; missing in cubic crystals",
                 "Wallis Eq. 36", standard=False),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count a few sums over neighbours."""
        count = 6 * parameters.cutoff**3
        return Cost(3e6 + 2000 * count, 1e7 + 700 * count)

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Sum over the neighbours of an atom."""
        vectors = neighbours(p.crystal, p.pair_range)
        scale = Scale(1.0) if p.forces == "springs" else static_scale(p.crystal, vectors)
        constants, error = np.full(len(CONSTANTS), np.nan), np.nan
        if p.nn_distance == "static":
            constants = elastic_constants(p.crystal, p.pair_forces, vectors, scale)
        else:
            static, scale = scale, Scale(_distance(p, scale, MESH), scale.stretch)
            if p.errors and quasi_harmonic(p.nn_distance):
                error = abs(scale.distance - _distance(p, static, MESH // 2))
        ratio = np.sqrt(8 / 3) * scale.stretch if p.crystal == "hcp" else np.nan
        return {
            "nearest_neighbour_distance": np.array(scale.distance),
            "nearest_neighbour_distance_error": np.array(error),
            "stretch": np.array(scale.stretch),
            "energy": np.array(crystal_energy(p.pair_forces, vectors, scale)),
            "elastic_constant": constants,
            "c_over_a": np.array(ratio),
        }


def _distance(p: SlabParameters, static: Scale, mesh: int) -> float:
    """Give the nearest-neighbour distance of a crystal that is not at its static equilibrium."""
    if isinstance(p.nn_distance, int | float):
        return float(p.nn_distance)
    temperature = p.nn_distance.temperature if isinstance(p.nn_distance, Warmth) else 0.0
    assert p.gas is not None  # a rule asks for one
    return distance_at(p.crystal, p.cutoff, static, p.gas, temperature, mesh)


def layer_spacing(p: SlabParameters, crystal: Arrays) -> float:
    """Spacing of the layers in the endless crystal, reduced units."""
    stretch = float(crystal["stretch"]) if p.face.alternating else 1.0
    return p.face.spacing * float(crystal["nearest_neighbour_distance"]) * stretch


def shifts_at_rest(p: SlabParameters, crystal: Arrays) -> FloatArray:
    """Move of each layer along the normal, if the slab is to relax, top first, (layers,)."""
    if not p.relaxed or p.forces == "springs" or p.thickness < 2:
        return np.zeros(p.thickness)
    strength, spacing = p.strengths(), layer_spacing(p, crystal)
    distance = float(crystal["nearest_neighbour_distance"])
    moved = relaxed_shifts(p.pairs, distance, spacing, strength)
    if same_from_below(strength):
        moved = (moved - moved[::-1]) / 2  # exact, so that both faces give the same bytes
    return moved


class SlabStructure(FiniteStage):
    """Heights of the layers at rest."""

    name = "structure"
    depends_on = ("surface", "layers", "relaxed", "adlayer", "adlayer_bond_ratio",
                  "surface_bond_ratio")  # fmt: skip
    depends_where = {"surface_depth": ("layers", lambda n: n == INFINITE)}  # noqa: RUF012 - shown
    inputs = ("crystal",)
    variables = (
        Variable("layer_height", ("layer",), "length", "height above the middle of the slab",
                 "Wallis Eqs. 36-39", scale=1.0),
        Variable("layer_shift", ("layer",), "1",
                 "outward shift of the layer over the ideal spacing", "Wallis Eqs. 36-39",
                 scale=1.0),
        Variable("spacing_change", ("layer",), "1",
                 "change of the spacing below the layer over the ideal one", "Wallis Eqs. 36-39",
                 scale=1.0),
        Variable("surface_energy", (), "energy",
                 "static surface energy per surface cell and side"),
        Variable("relaxation_force", (), "force", "largest force left on a layer", always=True,
                 scale=1.0),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count ten Newton steps: the pair sums and the solution for the step."""
        p = parameters
        pairs = 3 * p.cutoff**3
        return Cost(1e7 + 1500 * pairs * p.thickness,
                    7e6 + (60 * pairs / p.cutoff + 500 * p.cutoff) * p.thickness)  # fmt: skip

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Relax, then compare with the ideal slab."""
        crystal = inputs["crystal"]
        spacing = layer_spacing(p, crystal)
        ideal, moved = ideal_heights(spacing, p.thickness), shifts_at_rest(p, crystal)
        distance = float(crystal["nearest_neighbour_distance"])
        sums = layer_sums(p.pair_forces, p.pairs, distance, spacing, moved, p.strengths())
        shift = moved / spacing
        energy = (sums.energy - p.thickness * float(crystal["energy"])) / 2
        return {
            "layer_height": ideal + moved,
            "moved": moved,
            "layer_shift": np.where(ideal >= 0, shift, -shift),
            "spacing_change": np.append(-np.diff(shift), np.nan),
            "surface_energy": np.array(np.nan if p.forces == "springs" else energy),
            "relaxation_force": np.abs(sums.force).max(),
        }


class SlabWavevectors(Stage):
    """The wavevectors of a point."""

    name = "k_points"
    depends_on = ("surface", "k_path", "k_points", "k_mesh", "k_mesh_shift", "k_list")
    inputs = ("crystal",)
    variables = (
        Variable("k_fraction", ("k", "fraction"), "1", "wavevector in units of b1 and b2"),
        Variable("k_vector", ("k", "component"), "wavevector", "in-plane wavevector"),
        Variable("k_weight", ("k",), "1", "share of the surface zone"),
        Variable("k_distance", ("k",), "wavevector", "length along the path"),
        Variable("k_label", ("k",), "1", "name of the point in the surface zone", dtype="str"),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the stars of a mesh."""
        points = (parameters.k_mesh or 0) ** 2 + parameters.k_points
        return Cost(5e6 + 1e4 * points, 1e6 + 400 * points)

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Build the set and bring it to reduced units."""
        distance = float(inputs["crystal"]["nearest_neighbour_distance"])
        k = p.k_set
        line, sagittal = place_on_lines(p.face, k.fraction)
        return {
            "k_fraction": k.fraction,
            "k_vector": k.vectors(p.face) / distance,
            "k_weight": k.weight,
            "k_distance": k.distance / distance,
            "k_label": np.array(k.label, dtype="U8"),
            "line": line,
            "sagittal": sagittal,
            "mixing": k.mixing,
            "gains": np.eye(1, SIXTHS).repeat(len(k.weight), 0) if k.gains is None else k.gains,
        }
