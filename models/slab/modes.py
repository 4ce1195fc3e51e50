"""Stages from force constants to modes: bulk bands, couplings, D, frequencies, weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.crystal.mirrors import mirrors
from models.forces.static import same_from_below
from models.modes.bulk_bands import SCAN, bulk_bands, place_modes
from models.modes.endless import EndlessCrystal
from models.modes.line_elements import PlaneElements, plane_elements
from models.modes.localization import (
    layer_of_largest_weight,
    participation_ratio,
    penetration_depth,
)
from models.modes.matrix_forms import MatrixForm, choose_form
from models.modes.phase_sums import Couplings, crystal_couplings, find_couplings, sum_phases
from models.modes.slab_modes import Lines, solve_grain
from models.modes.slab_vectors import folded_shares, vectors_of
from models.modes.thick_slabs import solve_frequencies
from models.modes.velocities import group_velocities
from models.protocol import Arrays, Cost, FloatArray, Part, Stage, Variable
from models.slab.parameters import SlabParameters
from models.slab.statics import FiniteStage, layer_spacing, missing

ZERO = 1e-11
"""|w2| below this share of the highest w2 counts as a zero mode."""
VECTORS = 1e-6
"""Agreement of eigenvectors: rounding, 1e-13, over the least gap that is no degeneracy."""
MODE_KINDS = ("bulk", "below", "gap", "above", "resonance")
PARITIES = ("sagittal", "shear", "none")


def endless_crystal(
    p: SlabParameters, crystal: Arrays, k: FloatArray, *, one_by_one: bool = False
) -> EndlessCrystal:
    """Give the clean crystal that a slab is cut from, at in-plane wavevectors (n, 2)."""
    distance, spacing = float(crystal["nearest_neighbour_distance"]), layer_spacing(p, crystal)
    couplings = crystal_couplings(p.pair_forces, p.pairs, distance, spacing, p.face.alternating)
    build = EndlessCrystal.one_by_one if one_by_one else EndlessCrystal.at
    return build(couplings, k, p.crystal_masses)


class SlabBulk(Stage):
    """Bands of the clean endless crystal at each in-plane wavevector."""

    name = "bulk"
    depends_on = ("surface", "superlattice_period", "superlattice_mass_ratio", "errors")
    inputs = ("crystal", "k_points")
    cut = "k"
    variables = (
        Variable("bulk_band", ("k", "band", "edge"), "frequency",
                 "projected bulk bands, merged, low and high edge", "Wallis part 2B",
                 root=True),
        Variable("bulk_band_error", ("k", "band", "edge"), "frequency",
                 "change of the edge with half as many values of k_z", error_of="k_z scan",
                 scale=1.0),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the problems of the scan and of the refinement."""
        period = len(parameters.crystal_masses)
        twice = 2 if parameters.errors else 1
        return Cost(1.2e7 * twice * part.size * period**2.5, part.size * 6e5 * period**2 + 2e7)

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Scan k_z at a grain of wavevectors."""
        k = inputs["k_points"]["k_vector"][part.indices]
        # the grain depends on the layers and the solver, of which the crystal knows nothing
        crystal = endless_crystal(p, inputs["crystal"], k, one_by_one=True)
        bands = bulk_bands(crystal)
        error = np.full_like(bands, np.nan)
        if p.errors:
            error = np.abs(bands - bulk_bands(crystal, SCAN // 2))
        return {"bulk_band": bands, "bulk_band_error": error}


class SlabCouplings(FiniteStage):
    """Force constants between layers, ready for phase sums."""

    name = "couplings"
    depends_on = ("surface", "layers")
    inputs = ("crystal", "structure")

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the blocks of all distinct pairs."""
        pairs = 1.6 * parameters.cutoff**3 * parameters.thickness
        return Cost(2e6 + 600 * pairs, 2e7 + 200 * pairs)

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Collect the blocks by depth."""
        distance = float(inputs["crystal"]["nearest_neighbour_distance"])
        return find_couplings(
            p.pair_forces, p.pairs, distance, layer_spacing(p, inputs["crystal"]),
            inputs["structure"]["moved"], p.strengths(), p.face.turns(p.thickness),
        ).as_arrays()  # fmt: skip


class SlabForm(FiniteStage):
    """The cheapest form of the dynamical matrix for these masses, and what mirror lines need."""

    name = "form"
    depends_on = ("surface", "layers", "solver", "adlayer", "adlayer_mass_ratio", "layer_masses",
                  "superlattice_period", "superlattice_mass_ratio")  # fmt: skip
    inputs = ("couplings",)

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the index arrays, and the elements on mirror lines."""
        p = parameters
        n = 3 * p.thickness if p.method == "dense" else 0
        return Cost(1e6 + 300 * n**2 + 5e3 * p.cutoff * n, 2e5 + 100 * n**2 + 1e4 * p.cutoff * n)

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Work out which phase sums make each element."""
        if p.method != "dense":
            return {}
        couplings = Couplings.from_arrays(inputs["couplings"])
        form = choose_form(couplings, p.masses(), p.face.two_fold, alike(p))
        found = form.as_arrays()
        for i, mirror in enumerate(mirrors(p.crystal, p.surface)):
            found |= plane_elements(form, couplings, mirror).as_arrays(i)
        return found


def alike(p: SlabParameters) -> bool:
    """Say whether a slab has an inversion centre: its faces, masses and bonds are alike."""
    strength, mass = p.strengths(), p.masses()
    stacked = not p.face.alternating or p.thickness % 2 == 0
    same = same_from_below(strength) and (mass == mass[::-1]).all()
    return bool(same and stacked)


class SlabModes(FiniteStage):
    """Frequencies of all modes and where they live."""

    name = "modes"
    depends_on = ("surface", "layers", "solver", "surface_depth")
    inputs = ("k_points", "couplings", "form")
    cut = "k"
    bulky = True
    variables = (
        Variable("frequency", ("k", "mode"), "frequency",
                 "frequency, negative for an unstable mode", "Wallis Eqs. 47-49",
                 tolerance=ZERO, root=True),
        Variable("surface_weight", ("k", "mode"), "1",
                 "share of the mode in the outer surface_depth layers of both faces",
                 tolerance=VECTORS, degenerate="frequency"),
        Variable("normal_weight", ("k", "mode"), "1", "share of the motion along the normal",
                 tolerance=VECTORS, degenerate="frequency"),
        Variable("top_weight", ("k", "mode"), "1", "share of the mode in the top face",
                 standard=False, tolerance=VECTORS, degenerate="frequency"),
        Variable("mode_parity", ("k", "mode"), "1",
                 "polarisation on mirror lines: in the plane of k and the normal, or across it",
                 "Wallis part 2B", dtype="uint8", flags=PARITIES, standard=False,
                 degenerate="frequency"),
        Variable("n_zero", ("k",), "1", "number of zero modes", dtype="int32", always=True),
        Variable("n_negative", ("k",), "1", "number of unstable modes", dtype="int32",
                 always=True),
        Variable("sum_rule_residual", ("k",), "1",
                 "sum of squared frequencies against the trace, over the trace", always=True,
                 scale=1.0),
        Variable("asymmetry", ("k",), "1",
                 "largest difference of the matrix from its transpose, over a squared frequency "
                 "that some mode reaches",
                 always=True, scale=1.0),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count LAPACK's solver, quadratic and cubic part, and the assembly."""
        p = parameters
        n = 3 * p.thickness
        if p.method != "dense":
            band = 6 * (1.3 * p.cutoff + 1)
            # the reduction of a band moves through memory again and again: measured as n^3
            return Cost(part.size * (1e5 + 0.006 * n**3 * band), part.size * 60 * n
                        + n * (3000 + 100 * band) + 4e7, part.size * 8 * n)  # fmt: skip
        order, halves = (n / 2, 2) if p.face.two_fold and p.adlayer != "one side" else (n, 1)
        solver = halves * (5e4 + 484 * order**2 + 0.72 * order**3)
        if not p.face.two_fold and (p.adlayer == "one side" or p.face.alternating):
            solver *= 1.5 + 3 * min(n / 1000, 1)
        sums = 40 * p.cutoff**3 + 3 * p.cutoff**3 * p.thickness
        return Cost(
            flops=part.size * (solver + sums + 60 * n**2),
            peak_bytes=part.size * (100 * n**2 + 100 * p.thickness * p.cutoff + 16 * p.cutoff**3)
            + 120 * n**2 + 100 * p.cutoff**3 * p.thickness + 3e7,
            result_bytes=part.size * 8 * n * (n + 4),
        )  # fmt: skip

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read nothing where only surface modes are wanted."""
        return () if p.infinite or p.method == "surface" else self.inputs

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Diagonalise a grain of wavevectors."""
        if p.method == "surface":
            return missing(self, p, part)
        couplings = Couplings.from_arrays(inputs["couplings"])
        if p.method == "banded":
            sums = sum_phases(couplings, inputs["k_points"]["k_vector"][part.indices])
            return missing(self, p, part) | solve_frequencies(
                couplings, sums, p.masses(), p.face.two_fold, alike(p), ZERO
            )
        form = MatrixForm.from_arrays(inputs["form"])
        k, line, sagittal = (
            inputs["k_points"][n][part.indices] for n in ("k_vector", "line", "sagittal")
        )
        planes = {
            i: PlaneElements.from_arrays(inputs["form"], i, len(form.blocks))
            for i in set((line[line >= 0] // 2).tolist())
        }
        lines = Lines(mirrors(p.crystal, p.surface), line, sagittal, planes)
        return solve_grain(form, couplings, k, lines, p.surface_depth, ZERO)

    def unstable(self, result: Arrays) -> NDArray[np.bool_]:
        """Say whether some squared frequency is below zero."""
        return np.asarray((result["n_negative"] > 0).any(axis=1))  # missing ones are -1


class SlabKinds(FiniteStage):
    """Which modes are surface modes: those outside the bulk bands, and resonances inside."""

    name = "kinds"
    depends_on = ("layers", "surface_depth")
    inputs = ("modes", "bulk")
    cut = "k"
    reads_vectors = True
    variables = (
        Variable("mode_kind", ("k", "mode"), "1",
                 "place of the mode against the projected bulk bands", dtype="uint8",
                 flags=MODE_KINDS, degenerate="frequency"),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count a few comparisons."""
        n = 3 * parameters.thickness
        return Cost(1e4 + part.size * 200 * n, 1e5 + part.size * 100 * n)

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Compare frequencies with the bands."""
        modes = inputs["modes"]
        kind = kinds_of(p, modes["frequency"], modes["surface_weight"], inputs["bulk"]["bulk_band"])
        return {"mode_kind": kind.astype(np.uint8)}


def kinds_of(
    p: SlabParameters, frequency: FloatArray, surface_weight: FloatArray, bands: FloatArray
) -> NDArray[np.int64]:
    """Place modes (n, modes) against bands (n, bands, 2); those inside may be resonances."""
    kind = place_modes(frequency, bands)
    if p.thickness >= 4 * p.surface_depth:
        kind[(kind == 0) & (surface_weight >= 0.5)] = MODE_KINDS.index("resonance")
    return kind


def below_zero(frequency: FloatArray, bands: FloatArray) -> NDArray[np.int64]:
    """Count modes (n, modes) and bands (n, bands, 2) below zero by more than rounding, (n,)."""
    lowest = np.concatenate([frequency, bands[:, :, 0]], axis=1)
    limit = np.sqrt(ZERO) * np.nanmax(np.abs(bands), axis=(1, 2))
    return np.asarray((lowest < -limit[:, None]).sum(axis=1))


class SlabCharacter(FiniteStage):
    """How far modes reach inwards and how many atoms take part in them."""

    name = "character"
    depends_on = ("layers",)
    inputs = ("modes", "form")
    cut = "k"
    reads_vectors = True
    variables = (
        Variable("penetration_depth", ("k", "mode"), "1",
                 "mean depth below the nearest face, in layers, 0 the outermost",
                 standard=False, tolerance=VECTORS, degenerate="frequency"),
        Variable("layer_of_largest_weight", ("k", "mode"), "1",
                 "layer that carries most of the mode, counted from the nearest face, 1 the "
                 "outermost", dtype="int32", standard=False, degenerate="frequency"),
        Variable("participation_ratio", ("k", "mode"), "1",
                 "share of the atoms that take part, 1/(layers sum of squared layer weights)",
                 standard=False, tolerance=VECTORS, degenerate="frequency"),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the squares."""
        n = 3 * parameters.thickness
        return Cost(1e4 + part.size * 20 * n**2, 1e5 + part.size * 40 * n**2)

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Measure the layer weights of every mode."""
        form = MatrixForm.from_arrays(inputs["form"])
        shares = folded_shares(form, inputs["modes"])
        weights = shares.reshape(len(shares), p.thickness, 3, -1).sum(axis=2)
        return {
            "penetration_depth": penetration_depth(weights),
            "layer_of_largest_weight": layer_of_largest_weight(weights).astype(np.int32),
            "participation_ratio": participation_ratio(weights),
        }


class SlabVelocities(FiniteStage):
    """Group velocities by the derivative of the dynamical matrix."""

    name = "velocities"
    depends_on = ("layers",)
    inputs = ("k_points", "couplings", "form", "modes")
    cut = "k"
    reads_vectors = True
    variables = (
        Variable("group_velocity", ("k", "mode", "component"), "group velocity",
                 "in-plane group velocity; degenerate modes resolved along k; missing for zero "
                 "modes", standard=False, tolerance=VECTORS, degenerate="frequency"),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count two products of the order of the matrix."""
        p = parameters
        n = 3 * p.thickness
        return Cost(
            1e4 + part.size * (8 * n**3 / 10 + 200 * n**2 + 6 * p.cutoff**3 * p.thickness),
            part.size * (100 * n**2 + 200 * p.thickness * p.cutoff + 64 * p.cutoff**3) + 3e7,
        )

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Differentiate D along x and y."""
        couplings = Couplings.from_arrays(inputs["couplings"])
        form = MatrixForm.from_arrays(inputs["form"])
        k = inputs["k_points"]["k_vector"][part.indices]
        return {"group_velocity": group_velocities(form, couplings, k, inputs["modes"])}


class SlabVectors(FiniteStage):
    """Eigenvectors of D with the true positions in the phase (Wallis Eq. 46)."""

    name = "vectors"
    depends_on = ("layers",)
    inputs = ("modes", "form")
    cut = "k"
    reads_vectors = True
    variables = (
        Variable("eigenvector", ("k", "mode", "layer", "direction"), "1",
                 "mass-weighted eigenvector, phase from the true in-plane position",
                 "Wallis Eqs. 46-48", dtype="complex128", standard=False,
                 tolerance=VECTORS, degenerate="frequency", within_group="projector"),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the copies."""
        n = 3 * parameters.thickness
        return Cost(1e4 + part.size * 40 * n**2, 1e5 + part.size * 96 * n**2)

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Undo the real form."""
        form = MatrixForm.from_arrays(inputs["form"])
        e = vectors_of(form, inputs["modes"])
        return {"eigenvector": e.transpose(0, 2, 1).reshape(len(e), -1, p.thickness, 3)}
