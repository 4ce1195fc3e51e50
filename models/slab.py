"""Modes of a crystal slab with two free surfaces.

The slab is periodic in its plane and finite across it, so every in-plane wavevector gives
one Hermitian eigenproblem of order 3 * layers. Layer 0 is the top face.

Units: reduced (epsilon = sigma = m = 1; springs: nearest-neighbour distance, k, m) inside
every stage; a gas is brought to THz, angstrom, meV and GPa when results are presented.
Source: R. F. Wallis, Lattice Dynamics of Crystal Surfaces (1973), part 2B(i), (ii), (v).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.crystal.faces import FACES, Face, Pairs, find_pairs
from models.crystal.k_points import KPoints, along_path, listed, on_mesh, parse_path
from models.crystal.slab_cell import slab_cell
from models.errors import ModelInputError
from models.evaluate import compute
from models.forces.pair_forces import LennardJones, PairForces, Springs
from models.forces.static import (
    crystal_energy,
    fcc_elastic_constants,
    fcc_neighbours,
    ideal_heights,
    layer_sums,
    relaxed_heights,
    static_distance,
)
from models.modes.bulk_bands import bulk_bands, place_modes
from models.modes.matrix_forms import MatrixForm, choose_form
from models.modes.phase_sums import Couplings, crystal_couplings, find_couplings, sum_phases
from models.modes.slab_modes import solve_grain, vectors_of
from models.protocol import (
    Arrays,
    Cost,
    Dim,
    FloatArray,
    Model,
    Parameters,
    Part,
    Stage,
    Structure,
    Unit,
    Variable,
    rule,
)
from models.units import GASES, Gas

SPRING_CUTOFF = 1.5
"""Next-nearest neighbours lie at sqrt 2, third ones at sqrt 3."""
ZERO = 1e-11
"""|w2| below this share of the highest w2 counts as a zero mode."""
VECTORS = 1e-6
"""Agreement of eigenvectors: rounding, 1e-13, over the least gap that is no degeneracy."""
MODE_KINDS = ("bulk", "below", "gap", "above", "resonance")
CONSTANTS = ("c11", "c12", "c13", "c33", "c44")


class Substance(BaseModel):
    """A Lennard-Jones substance of the user's own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    epsilon_K: Annotated[float, Field(gt=0), Unit("K")]  # noqa: N815 - the contract's spelling
    sigma_angstrom: Annotated[float, Field(gt=0), Unit("angstrom")]
    mass_u: Annotated[float, Field(gt=0), Unit("u")]


class SlabParameters(Parameters):
    """One slab."""

    crystal: Literal["fcc"] = "fcc"
    """Crystal structure."""
    surface: Literal["100", "110", "111"] = "111"
    """Miller indices of the two faces."""
    layers: Annotated[int, Field(ge=1, le=20_000)] = 21
    """Number of layers, adsorbed ones included."""
    forces: Literal["lennard-jones", "springs"] = "lennard-jones"
    """Lennard-Jones pairs, or central springs without prestress."""
    material: Literal["reduced", "Ne", "Ar", "Kr", "Xe"] | Substance = "reduced"
    """Reduced units, a rare gas, or {epsilon_K, sigma_angstrom, mass_u}."""
    cutoff: Annotated[float, Field(ge=1, le=40), Unit("nearest-neighbour distance")] = 8.03
    """Pairs nearer than this in the ideal lattice interact (Lennard-Jones only)."""
    nn_distance: Literal["static"] | Annotated[float, Field(ge=0.9, le=1.3), Unit("sigma")] = (
        "static"
    )
    """Nearest-neighbour distance: the static equilibrium, or a number with `relaxed` = false."""
    relaxed: bool = True
    """Let the layers move along the normal until no force is left."""
    spring_nn: Annotated[float, Field(gt=0), Unit("k")] = 1.0
    """Spring between nearest neighbours."""
    spring_nnn: Annotated[float, Field(ge=0), Unit("k")] = 0.0
    """Spring between next-nearest neighbours."""
    adlayer: Literal["none", "one side", "both sides"] = "none"
    """Where the outermost layer is an adsorbed one; "one side" is the top face."""
    adlayer_mass_ratio: Annotated[float, Field(gt=0), Unit("host mass")] = 1.0
    """Mass of an adlayer atom."""
    adlayer_bond_ratio: Annotated[float, Field(gt=0), Unit("host pair strength")] = 1.0
    """Strength of all pairs between adlayer and substrate."""
    surface_bond_ratio: Annotated[float, Field(gt=0), Unit("host pair strength")] = 1.0
    """Strength of the pairs between the first and second layer, on both faces."""
    layer_masses: Annotated[
        tuple[Annotated[float, Field(gt=0)], ...], Field(strict=False), Unit("host mass")
    ] = ()
    """Masses from the top face inwards; the remaining layers have mass 1."""
    k_path: str | None = None
    """Labels joined by "-", unconnected pieces by ","; default: the usual path of the face."""
    k_points: Annotated[int, Field(ge=2, le=1_000_000)] = 120
    """Number of wavevectors on the path."""
    k_mesh: Annotated[int, Field(ge=1, le=2000)] | None = None
    """N for an N x N mesh of the whole zone; its irreducible points are solved."""
    k_mesh_shift: Literal["auto", "gamma"] = "auto"
    """"auto" avoids Gamma and keeps the symmetry of the face; "gamma" contains it."""
    k_list: Annotated[
        tuple[Annotated[tuple[float, float], Field(strict=False)], ...],
        Field(strict=False, min_length=1), Unit("b1, b2"),
    ] | None = None  # fmt: skip
    """Wavevectors as fractions (f1, f2)."""
    surface_depth: Annotated[int, Field(ge=1)] = 3
    """Layers that count as surface, on each side."""

    @rule("k_path", "k_mesh", "k_list")
    @staticmethod
    def _one_set_of_wavevectors(p: Any) -> str | None:
        given = [n for n in ("k_path", "k_mesh", "k_list") if getattr(p, n) is not None]
        if len(given) > 1:
            return f"{', '.join(f'`{n}`' for n in given)} exclude each other: give just one."
        return None

    @rule("crystal", "surface", "k_path", "k_points", "k_mesh", "k_list")
    @staticmethod
    def _path_fits_the_face(p: Any) -> str | None:
        if p.k_mesh is not None or p.k_list is not None:
            return None
        face = FACES[p.crystal, p.surface]
        try:
            parse_path(face, p.k_path or face.path)
            along_path(face, p.k_path or face.path, p.k_points)
        except ModelInputError as error:
            return str(error)
        return None

    @rule("layers", "adlayer")
    @staticmethod
    def _adlayer_needs_a_substrate(p: Any) -> str | None:
        least = {"none": 1, "one side": 2, "both sides": 3}[p.adlayer]
        if p.layers < least:
            return (
                f'`adlayer` = "{p.adlayer}" with `layers` = {p.layers} leaves no substrate: '
                f"`layers` counts the adsorbed ones. Use at least {least} layers."
            )
        return None

    @rule("layers", "layer_masses")
    @staticmethod
    def _masses_fit_the_layers(p: Any) -> str | None:
        if len(p.layer_masses) > p.layers:
            return (
                f"`layer_masses` names {len(p.layer_masses)} masses for {p.layers} layers. "
                "Give at most one for each layer, from the top face inwards."
            )
        return None

    @rule("adlayer", "layer_masses")
    @staticmethod
    def _one_way_to_give_the_surface_mass(p: Any) -> str | None:
        if p.adlayer != "none" and p.layer_masses:
            return (
                "`layer_masses` and `adlayer` both set the mass of the outermost layer. "
                'Use `layer_masses` with `adlayer` = "none".'
            )
        return None

    @rule("nn_distance", "relaxed", "forces")
    @staticmethod
    def _stretched_crystals_stay_put(p: Any) -> str | None:
        if p.nn_distance == "static":
            return None
        if p.forces == "springs":
            return '`nn_distance` has no meaning for springs. Leave it at "static".'
        if p.relaxed:
            return (
                f"`nn_distance` = {p.nn_distance} with `relaxed` = true: the interior would "
                "not be in equilibrium. Set `relaxed` = false."
            )
        return None

    @rule("material", "forces")
    @staticmethod
    def _gases_need_lennard_jones(p: Any) -> str | None:
        if p.forces == "springs" and p.material != "reduced":
            return (
                '`material` sets the scale of Lennard-Jones forces. With `forces` = "springs" '
                'leave it at "reduced".'
            )
        return None

    def canonical(self) -> Self:
        """Set parameters without effect to their defaults."""
        same: dict[str, Any] = {}
        if self.forces == "springs":
            same |= {"cutoff": 8.03, "relaxed": False}
        else:
            same |= {"spring_nn": 1.0, "spring_nnn": 0.0}
        clean = self.adlayer_mass_ratio == 1 and self.adlayer_bond_ratio == 1
        if self.adlayer == "none" or clean:
            same |= {"adlayer": "none", "adlayer_mass_ratio": 1.0, "adlayer_bond_ratio": 1.0}
        if self.layers < 2:
            same |= {"surface_bond_ratio": 1.0}
        changed = [i for i, mass in enumerate(self.layer_masses) if mass != 1]
        same |= {"layer_masses": self.layer_masses[: changed[-1] + 1 if changed else 0]}
        if self.k_mesh is not None or self.k_list is not None:
            same |= {"k_points": 120}
        elif self.k_path is None:
            same |= {"k_path": FACES[self.crystal, self.surface].path}
        if self.k_mesh is None:
            same |= {"k_mesh_shift": "auto"}
        return self.model_copy(update=same)

    @property
    def face(self) -> Face:
        """Geometry of the face."""
        return FACES[self.crystal, self.surface]

    @property
    def pairs(self) -> Pairs:
        """Pairs of the ideal crystal that interact."""
        cutoff = SPRING_CUTOFF if self.forces == "springs" else self.cutoff
        return find_pairs(self.crystal, self.surface, cutoff)

    @property
    def pair_forces(self) -> PairForces:
        """Forces between two host atoms."""
        if self.forces == "springs":
            return Springs(self.spring_nn, self.spring_nnn)
        return LennardJones()

    @property
    def adlayers(self) -> tuple[int, ...]:
        """Indices of the adsorbed layers."""
        return {"none": (), "one side": (0,), "both sides": (0, self.layers - 1)}[self.adlayer]

    @property
    def k_set(self) -> KPoints:
        """Wavevectors of the point."""
        if self.k_list is not None:
            return listed(self.face, self.k_list)
        if self.k_mesh is not None:
            return _mesh(self.crystal, self.surface, self.k_mesh, self.k_mesh_shift)
        return along_path(self.face, self.k_path or self.face.path, self.k_points)

    def masses(self) -> FloatArray:
        """Masses by layer, (layers,), host mass 1."""
        m = np.ones(self.layers)
        m[: len(self.layer_masses)] = self.layer_masses
        m[list(self.adlayers)] = self.adlayer_mass_ratio
        return m

    def strengths(self) -> FloatArray:
        """Factor on the pairs between two layers, (layers, layers)."""
        s = np.ones((self.layers, self.layers))
        for layer in self.adlayers:
            substrate = np.setdiff1d(np.arange(self.layers), self.adlayers)
            s[layer, substrate] = s[substrate, layer] = self.adlayer_bond_ratio
        if self.layers > 1:
            for a, b in {(0, 1), (self.layers - 2, self.layers - 1)}:
                s[a, b] *= self.surface_bond_ratio
                s[b, a] = s[a, b]
        return s


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
        return {"n_modes": np.array(3 * p.layers, dtype=np.int32)}


class SlabCrystal(Stage):
    """The infinite crystal: equilibrium, energy, elastic constants."""

    name = "crystal"
    depends_on = ("crystal", "forces", "cutoff", "nn_distance", "spring_nn", "spring_nnn")
    variables = (
        Variable("nearest_neighbour_distance", (), "length",
                 "nearest-neighbour distance of the crystal", "Wallis Eq. 36"),
        Variable("elastic_constant", ("constant",), "elastic constant",
                 "elastic constants of the stress-free crystal in cubic axes"),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count a few sums over neighbours."""
        neighbours = 6 * parameters.cutoff**3
        return Cost(3e6 + 2000 * neighbours, 1e7 + 400 * neighbours)

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Sum over the neighbours of an atom."""
        springs = p.forces == "springs"
        neighbours = fcc_neighbours(SPRING_CUTOFF if springs else p.cutoff)
        static = 1.0 if springs else static_distance(neighbours)
        distance = static if isinstance(p.nn_distance, str) else p.nn_distance
        constants = np.full(len(CONSTANTS), np.nan)
        if p.nn_distance == "static":
            constants = fcc_elastic_constants(p.pair_forces, neighbours, distance)
        return {
            "nearest_neighbour_distance": np.array(distance),
            "energy": np.array(crystal_energy(p.pair_forces, neighbours, distance)),
            "elastic_constant": constants,
        }


class SlabStructure(Stage):
    """Heights of the layers at rest."""

    name = "structure"
    depends_on = ("surface", "layers", "relaxed", "adlayer", "adlayer_bond_ratio",
                  "surface_bond_ratio")  # fmt: skip
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
        matrix = 8.0 * p.layers**2
        return Cost(1e6 + 10 * (150 * pairs * p.layers + p.layers**3), 6e6 + 5 * matrix
                    + 60 * pairs / p.cutoff * p.layers)  # fmt: skip

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Relax, then compare with the ideal slab."""
        distance = float(inputs["crystal"]["nearest_neighbour_distance"])
        strength = p.strengths()
        ideal = ideal_heights(p.face, p.layers, distance)
        z = ideal
        if p.relaxed and p.forces == "lennard-jones" and p.layers > 1:
            z = relaxed_heights(p.pairs, distance, ideal, strength)
            if (strength == strength[::-1, ::-1]).all():
                z = (z - z[::-1]) / 2  # exact, so that both faces give the same bytes
        sums = layer_sums(p.pair_forces, p.pairs, distance, z, strength)
        spacing = p.face.spacing * distance
        shift = (z - ideal) / spacing
        energy = (sums.energy - p.layers * float(inputs["crystal"]["energy"])) / 2
        return {
            "layer_height": z,
            "layer_shift": np.where(ideal >= 0, shift, -shift),
            "spacing_change": np.append(-np.diff(z) / spacing - 1, np.nan),
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
        return {
            "k_fraction": k.fraction,
            "k_vector": k.vectors(p.face) / distance,
            "k_weight": k.weight,
            "k_distance": k.distance / distance,
            "k_label": np.array(k.label, dtype="U8"),
        }


class SlabBulk(Stage):
    """Bands of the clean infinite crystal at each in-plane wavevector."""

    name = "bulk"
    depends_on = ()
    inputs = ("crystal", "k_points")
    cut = "k"
    variables = (
        Variable("bulk_band", ("k", "band", "edge"), "frequency",
                 "projected bulk bands, merged, low and high edge", "Wallis part 2B",
                 root=True),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the 3 x 3 problems of the scan and of the refinement."""
        return Cost(1.5e7 * part.size, part.size * 6e5 + 2e7)

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Scan k_z at a grain of wavevectors."""
        distance = float(inputs["crystal"]["nearest_neighbour_distance"])
        crystal = crystal_couplings(p.pair_forces, p.pairs, distance, p.face.spacing)
        k = inputs["k_points"]["k_vector"][part.indices]
        return {"bulk_band": bulk_bands(crystal, k)}


class SlabCouplings(Stage):
    """Force constants between layers, ready for phase sums."""

    name = "couplings"
    depends_on = ()
    inputs = ("crystal", "structure")

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the blocks of all distinct pairs."""
        pairs = 1.6 * parameters.cutoff**3 * parameters.layers
        return Cost(2e6 + 600 * pairs, 2e7 + 200 * pairs)

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Collect the blocks by depth."""
        distance = float(inputs["crystal"]["nearest_neighbour_distance"])
        heights = inputs["structure"]["layer_height"]
        return find_couplings(p.pair_forces, p.pairs, distance, heights, p.strengths()).as_arrays()


class SlabForm(Stage):
    """The cheapest form of the dynamical matrix for these masses."""

    name = "form"
    depends_on = ("surface", "layers", "adlayer", "adlayer_mass_ratio", "layer_masses")
    inputs = ("couplings",)

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the index arrays."""
        n = 3 * parameters.layers
        return Cost(1e6 + 300 * n**2, 1e5 + 100 * n**2)

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Work out which phase sums make each element."""
        couplings = Couplings.from_arrays(inputs["couplings"])
        strength, mass = p.strengths(), p.masses()
        alike = (strength == strength[::-1, ::-1]).all() and (mass == mass[::-1]).all()
        return choose_form(couplings, mass, p.face.two_fold, bool(alike)).as_arrays()


class SlabModes(Stage):
    """Frequencies of all modes and where they live."""

    name = "modes"
    depends_on = ("layers", "surface_depth")
    inputs = ("k_points", "couplings", "form")
    cut = "k"
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
        Variable("n_zero", ("k",), "1", "number of zero modes", dtype="int32", always=True),
        Variable("n_negative", ("k",), "1", "number of unstable modes", dtype="int32",
                 always=True),
        Variable("sum_rule_residual", ("k",), "1",
                 "sum of squared frequencies against the trace, over the trace", always=True,
                 scale=1.0),
        Variable("asymmetry", ("k",), "1",
                 "difference of the matrix from its transpose on a probe vector, relative",
                 always=True, scale=1.0),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count LAPACK's solver, quadratic and cubic part, and the assembly."""
        p = parameters
        n = 3 * p.layers
        order, halves = (n / 2, 2) if p.face.two_fold and p.adlayer != "one side" else (n, 1)
        solver = halves * (5e4 + 484 * order**2 + 0.72 * order**3)
        if not p.face.two_fold and p.adlayer == "one side":
            solver *= 1.5 + 3 * min(n / 1000, 1)
        sums = 40 * p.cutoff**3 + 3 * p.cutoff**3 * p.layers
        return Cost(
            flops=part.size * (solver + sums + 60 * n**2),
            peak_bytes=part.size * (80 * n**2 + 100 * p.layers * p.cutoff + 16 * p.cutoff**3)
            + 120 * n**2 + 100 * p.cutoff**3 * p.layers + 3e7,
            result_bytes=part.size * 8 * n * (n + 4),
        )  # fmt: skip

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Diagonalise a grain of wavevectors."""
        couplings = Couplings.from_arrays(inputs["couplings"])
        form = MatrixForm.from_arrays(inputs["form"])
        k = inputs["k_points"]["k_vector"][part.indices]
        return solve_grain(form, sum_phases(couplings, k), p.surface_depth, ZERO)

    def unstable(self, result: Arrays) -> NDArray[np.bool_]:
        """Say whether some squared frequency is below zero."""
        return np.asarray((result["n_negative"] > 0).any(axis=1))


class SlabKinds(Stage):
    """Which modes are surface modes: those outside the bulk bands, and resonances inside."""

    name = "kinds"
    depends_on = ("layers", "surface_depth")
    inputs = ("modes", "bulk")
    cut = "k"
    variables = (
        Variable("mode_kind", ("k", "mode"), "1",
                 "place of the mode against the projected bulk bands", dtype="uint8",
                 flags=MODE_KINDS, degenerate="frequency"),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count a few comparisons."""
        n = 3 * parameters.layers
        return Cost(part.size * 200 * n, 1e5 + part.size * 100 * n)

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Compare frequencies with the bands."""
        modes = inputs["modes"]
        kind = place_modes(modes["frequency"], inputs["bulk"]["bulk_band"])
        if p.layers >= 4 * p.surface_depth:
            kind[(kind == 0) & (modes["surface_weight"] >= 0.5)] = MODE_KINDS.index("resonance")
        return {"mode_kind": kind.astype(np.uint8)}


class SlabVectors(Stage):
    """Eigenvectors of D with the true positions in the phase (Wallis Eq. 46)."""

    name = "vectors"
    depends_on = ("layers",)
    inputs = ("modes", "form")
    cut = "k"
    variables = (
        Variable("eigenvector", ("k", "mode", "layer", "direction"), "1",
                 "mass-weighted eigenvector, phase from the true in-plane position",
                 "Wallis Eqs. 46-48", dtype="complex128", standard=False,
                 tolerance=VECTORS, degenerate="frequency", within_group="projector"),
    )  # fmt: skip

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the copies."""
        n = 3 * parameters.layers
        return Cost(part.size * 40 * n**2, 1e5 + part.size * 96 * n**2)

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Undo the real form."""
        form = MatrixForm.from_arrays(inputs["form"])
        e = vectors_of(form, inputs["modes"])
        return {"eigenvector": e.transpose(0, 2, 1).reshape(len(e), -1, p.layers, 3)}


class Slab(Model):
    """Crystal slab with two free surfaces."""

    name = "slab"
    revision = 1
    title = "Crystal slab with two free surfaces, adsorbed layers included"
    source = "Wallis (1973), part 2B(i), (ii), (v)"
    parameters = SlabParameters
    dims = (
        Dim("k", "wavevector, counted along the path, the list or the irreducible mesh",
            described_by=("k_fraction", "k_vector", "k_weight", "k_distance", "k_label")),
        Dim("mode", "mode, counted from the lowest frequency", described_by=("n_modes",)),
        Dim("layer", "layer, counted from the top face"),
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
        SlabSize(), SlabCrystal(), SlabStructure(), SlabWavevectors(), SlabBulk(),
        SlabCouplings(), SlabForm(), SlabModes(), SlabKinds(), SlabVectors(),
    )  # fmt: skip
    shape_parameters = (
        "crystal", "surface", "layers", "forces", "cutoff", "adlayer", "layer_masses",
        "k_path", "k_points", "k_mesh", "k_mesh_shift", "k_list",
    )  # fmt: skip
    output_depends_on = ("material",)
    unit_parameters = ("material", "forces")

    def lengths(self, p: SlabParameters) -> dict[str, int]:
        """Give the lengths of the own dims."""
        return {
            "k": _count_wavevectors(p), "mode": 3 * p.layers, "layer": p.layers,
            "direction": 3, "component": 2, "fraction": 2, "band": 3, "edge": 2,
            "constant": len(CONSTANTS),
        }  # fmt: skip

    def grain(self, dim: str, p: SlabParameters) -> int:
        """Give the wavevectors of one call: fewer for larger matrices."""
        return max(1, min(32, 2 ** int(np.log2(3200 / (3 * p.layers)))))

    def unit_of(self, quantity: str, p: SlabParameters) -> str:
        """Give the unit of a quantity in reduced units, for springs, or for a gas."""
        column = 0 if p.forces == "springs" else 1 if p.material == "reduced" else 2
        return _UNITS[quantity][column] if quantity in _UNITS else quantity

    def present(self, variable: str, values: NDArray[Any], p: SlabParameters) -> NDArray[Any]:
        """Bring reduced units to those of a gas."""
        if p.material == "reduced":
            return values
        factor = _factors(p.material).get(self.variables()[variable][0].unit)
        return values if factor is None else values * factor

    def remarks(self, p: Any) -> tuple[str, ...]:
        """Say how many wavevectors of a mesh were solved."""
        if p.k_mesh is None:
            return ()
        solved = self.lengths(p)["k"]
        return (
            f"{solved} wavevectors stand for the {p.k_mesh**2} of the mesh: the others are equal "
            "by the symmetry of the face and time reversal (k_weight)",
        )

    def structure(self, p: SlabParameters) -> Structure:
        """Give the slab at rest, one atom a layer, with vacuum between its images."""
        at_rest = compute(self, ("nearest_neighbour_distance", "layer_height"), p)
        distance = float(at_rest["nearest_neighbour_distance"])
        lattice, positions = slab_cell(p.face, distance, at_rest["layer_height"])
        reduced = p.material == "reduced"
        return Structure(
            lattice, positions,
            masses=p.masses() * (1.0 if reduced else _gas(p.material).mass_u),
            symbols=(str(p.material) if p.material in GASES else "X",) * p.layers,
            length_unit=self.unit_of("length", p),
            mass_unit="host mass" if reduced else "u",
            mesh=None if p.k_mesh is None else (p.k_mesh, p.k_mesh, 1),
        )  # fmt: skip


_UNITS = {
    "frequency": ("sqrt(k/m)", "sqrt(epsilon/m)/sigma", "THz"),
    "length": ("nearest-neighbour distance", "sigma", "angstrom"),
    "wavevector": ("1/nearest-neighbour distance", "1/sigma", "1/angstrom"),
    "energy": ("k*nearest-neighbour distance^2", "epsilon", "meV"),
    "force": ("k*nearest-neighbour distance", "epsilon/sigma", "meV/angstrom"),
    "elastic constant": ("k/nearest-neighbour distance", "epsilon/sigma^3", "GPa"),
}
"""Units of each quantity: springs, reduced Lennard-Jones, gas."""


def _gas(material: str | Substance) -> Gas:
    if isinstance(material, str):
        return GASES[material]
    return Gas(material.epsilon_K, material.sigma_angstrom, material.mass_u)


def _factors(material: str | Substance) -> dict[str, float]:
    gas = _gas(material)
    return {
        "frequency": gas.frequency_thz,
        "length": gas.sigma_angstrom,
        "wavevector": 1 / gas.sigma_angstrom,
        "energy": gas.energy_mev,
        "force": gas.energy_mev / gas.sigma_angstrom,
        "elastic constant": gas.pressure_gpa,
    }


@lru_cache(maxsize=32)
def _mesh(crystal: str, surface: str, n: int, shift: str) -> KPoints:
    """Find the irreducible points of a mesh once: a plan asks for their number many times."""
    return on_mesh(FACES[crystal, surface], n, shift)


def _count_wavevectors(p: SlabParameters) -> int:
    if p.k_list is not None:
        return len(p.k_list)
    if p.k_mesh is not None:
        return len(p.k_set.weight)
    return p.k_points
