"""Parameters of the model `slab`, and what follows from them at once."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from models.crystal.faces import FACES, Face, Pairs, find_pairs
from models.crystal.k_points import KPoints, along_path, listed, on_mesh, parse_path
from models.errors import ModelInputError
from models.forces.pair_forces import LennardJones, PairForces, Springs
from models.protocol import FloatArray, Parameters, Unit, rule
from models.thermal.temperatures import must_ascend
from models.units import GASES, Gas

SPRING_CUTOFF = 1.5
"""Next-nearest neighbours lie at sqrt 2 (bcc: 2/sqrt 3), third ones at sqrt 8/3 or beyond."""
INFINITE = "infinite"
DENSE_MOST = 500
"""Thickest slab of which "auto" computes all modes; of thicker ones it gives frequencies."""
BRANCHES = 24
"""Surface branches that are kept along a path."""
CONSTANTS = ("c11", "c12", "c13", "c33", "c44")


class Substance(BaseModel):
    """A Lennard-Jones substance of the user's own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    epsilon_K: Annotated[float, Field(gt=0), Unit("K")]  # noqa: N815 - the contract's spelling
    sigma_angstrom: Annotated[float, Field(gt=0), Unit("angstrom")]
    mass_u: Annotated[float, Field(gt=0), Unit("u")]


class Warmth(BaseModel):
    """The crystal in equilibrium at a temperature."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    temperature: Annotated[float, Field(ge=0), Unit("K")]


class SlabParameters(Parameters):
    """One slab."""

    crystal: Literal["fcc", "hcp", "bcc", "sc"] = "fcc"
    """Crystal structure."""
    surface: Literal["100", "110", "111", "0001"] = "111"
    """Miller indices of the two faces."""
    layers: Annotated[int, Field(ge=1, le=20_000)] | Literal["infinite"] = 21
    """Number of layers, adsorbed ones included; "infinite": one surface of a half space."""
    solver: Literal["auto", "dense", "banded", "surface"] = "auto"
    """All modes; frequencies alone; surface branches alone. "auto" takes the least that serves."""
    forces: Literal["lennard-jones", "springs"] = "lennard-jones"
    """Lennard-Jones pairs, or central springs without prestress."""
    material: Literal["reduced", "Ne", "Ar", "Kr", "Xe"] | Substance = "reduced"
    """Reduced units, a rare gas, or {epsilon_K, sigma_angstrom, mass_u}."""
    cutoff: Annotated[float, Field(ge=1, le=40), Unit("nearest-neighbour distance")] = 8.03
    """Pairs nearer than this in the ideal lattice interact (Lennard-Jones only)."""
    nn_distance: (
        Literal["static", "zero-point"]
        | Annotated[float, Field(ge=0.9, le=1.3), Unit("sigma")]
        | Warmth
    ) = "static"
    """Nearest-neighbour distance: of the static equilibrium; a number, or that of the
    quasi-harmonic crystal at 0 K ("zero-point") or {temperature = T}, with `relaxed` = false."""
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
    superlattice_period: Annotated[int, Field(ge=0, le=50)] = 0
    """Layers after which the mass changes; 0: all masses are 1."""
    superlattice_mass_ratio: Annotated[float, Field(gt=0), Unit("host mass")] = 1.0
    """Mass in every second period of layers; the top face starts with mass 1."""
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
    temperatures: Annotated[
        tuple[Annotated[float, Field(ge=0)], ...], Field(strict=False),
        Unit("K, or hbar*omega/k_B in reduced units"),
    ] = ()  # fmt: skip
    """Temperatures of the thermal variables; 0 gives the zero-point values."""
    scattering_vector: Annotated[
        tuple[float, float, float], Field(strict=False), Unit("1/angstrom, or reduced")
    ] | None = None  # fmt: skip
    """Scattering vector (x, y, z) of the Debye-Waller exponent."""
    grid_points: Annotated[int, Field(ge=2, le=1_000_000)] = 400
    """Points of the frequency grid of spectra."""
    grid_max: Literal["auto"] | Annotated[float, Field(gt=0), Unit("frequency")] = "auto"
    """End of the frequency grid; "auto": 1.05 times the highest frequency of the sweep."""
    grid_width: Literal["auto"] | Annotated[float, Field(gt=0), Unit("frequency")] = "auto"
    """Width of a line: standard deviation, or w in z = (omega + i w)^2; "auto": 1/200 of the
    grid's length."""
    line_shape: Literal["gaussian", "lorentzian", "linear"] = "gaussian"
    """Shape of a line in spectra; "linear" interpolates a mesh of wavevectors instead (`dos`,
    `layer_dos`). A semi-infinite crystal always has Lorentzian lines."""
    accuracy: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    """Relative error up to which settings that are left at their default are refined."""
    errors: bool = True
    """Compute the errors of what depends on a mesh, a width or another such setting."""

    @rule("crystal", "surface")
    @staticmethod
    def _crystal_has_the_face(p: Any) -> str | None:
        faces = [surface for crystal, surface in FACES if crystal == p.crystal]
        if p.surface not in faces:
            return (
                f'`surface` = "{p.surface}" is no face of `crystal` = "{p.crystal}". '
                f"Faces of {p.crystal}: {', '.join(faces)}."
            )
        return None

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
        if p.k_mesh is not None or p.k_list is not None or (p.crystal, p.surface) not in FACES:
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
        if p.layers == INFINITE:
            if p.adlayer == "both sides":
                return (
                    '`adlayer` = "both sides" with `layers` = "infinite", which has one '
                    'side. Use "one side".'
                )
            return None
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
        if p.layers != INFINITE and len(p.layer_masses) > p.layers:
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

    @rule("superlattice_period", "layer_masses")
    @staticmethod
    def _one_way_to_give_masses(p: Any) -> str | None:
        if p.superlattice_period and p.layer_masses:
            return (
                "`layer_masses` and `superlattice_period` both set the masses of layers. "
                "Give one of them; `layer_masses` may list any sequence."
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
                f"`nn_distance` = {_shown(p.nn_distance)} with `relaxed` = true: the interior "
                "would not be in equilibrium. Set `relaxed` = false."
            )
        return None

    @rule("nn_distance", "material")
    @staticmethod
    def _quantum_crystals_need_a_gas(p: Any) -> str | None:
        if quasi_harmonic(p.nn_distance) and p.material == "reduced":
            return (
                f"`nn_distance` = {_shown(p.nn_distance)} depends on the mass and the well of the "
                'atoms. Give `material` = "Ne", "Ar", "Kr", "Xe" or a substance of your own.'
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

    _temperatures_ascend = rule("temperatures")(must_ascend)

    @rule("temperatures", "k_mesh", "k_list")
    @staticmethod
    def _sums_need_a_mesh(p: Any) -> str | None:
        if p.temperatures and p.k_mesh is None and p.k_list is None:
            return (
                "`temperatures` ask for sums over the surface zone, and there is a path only. "
                "Give `k_mesh`, 16 to begin with."
            )
        return None

    @rule("line_shape", "k_mesh")
    @staticmethod
    def _interpolation_needs_a_mesh(p: Any) -> str | None:
        if p.line_shape == "linear" and p.k_mesh is None:
            return (
                '`line_shape` = "linear" interpolates between wavevectors of a mesh. Give `k_mesh`.'
            )
        return None

    @rule("layers", "solver")
    @staticmethod
    def _half_spaces_have_one_solver(p: Any) -> str | None:
        if p.layers == INFINITE and p.solver not in ("auto", "surface"):
            return (
                f'`solver` = "{p.solver}" with `layers` = "infinite", which has no list of modes. '
                'Leave it at "auto".'
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
        if self.adlayer == "none" or (clean and not self.superlattice_period):
            same |= {"adlayer": "none", "adlayer_mass_ratio": 1.0, "adlayer_bond_ratio": 1.0}
        if self.layers == 1:
            same |= {"surface_bond_ratio": 1.0}
        if not self.superlattice_period or self.superlattice_mass_ratio == 1:
            same |= {"superlattice_period": 0, "superlattice_mass_ratio": 1.0}
        changed = [i for i, mass in enumerate(self.layer_masses) if mass != 1]
        same |= {"layer_masses": self.layer_masses[: changed[-1] + 1 if changed else 0]}
        if self.k_mesh is not None or self.k_list is not None:
            same |= {"k_points": 120}
        elif self.k_path is None:
            same |= {"k_path": self.face.path}
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
        return find_pairs(self.crystal, self.surface, self.pair_range)

    @property
    def pair_range(self) -> float:
        """Distance in the ideal lattice up to which pairs interact."""
        return SPRING_CUTOFF if self.forces == "springs" else self.cutoff

    @property
    def pair_forces(self) -> PairForces:
        """Forces between two host atoms."""
        if self.forces == "springs":
            return Springs(self.spring_nn, self.spring_nnn)
        return LennardJones()

    @property
    def infinite(self) -> bool:
        """Whether there is one surface only."""
        return self.layers == INFINITE

    @property
    def thickness(self) -> int:
        """Number of layers of a slab; none of its modes exist in a half space."""
        return 0 if isinstance(self.layers, str) else self.layers

    @property
    def shown_layers(self) -> int:
        """Layers that variables list: all, or the surface of a half space."""
        return self.surface_depth if isinstance(self.layers, str) else self.layers

    @property
    def adlayers(self) -> tuple[int, ...]:
        """Indices of the adsorbed layers."""
        last = self.thickness - 1
        return {"none": (), "one side": (0,), "both sides": (0, last)}[self.adlayer]

    @property
    def k_set(self) -> KPoints:
        """Wavevectors of the point."""
        if self.k_list is not None:
            return listed(self.face, self.k_list)
        if self.k_mesh is not None:
            return _mesh(self.crystal, self.surface, self.k_mesh, self.k_mesh_shift)
        return along_path(self.face, self.k_path or self.face.path, self.k_points)

    @property
    def n_wavevectors(self) -> int:
        """Number of wavevectors of the point."""
        if self.k_list is not None:
            return len(self.k_list)
        return self.k_points if self.k_mesh is None else len(self.k_set.weight)

    @property
    def halves(self) -> bool:
        """Whether sums over the mesh are compared with those over half of it."""
        return self.errors and self.k_mesh is not None and self.k_mesh > 1

    @property
    def halved(self) -> Self:
        """The point with half the mesh."""
        return self.model_copy(update={"k_mesh": (self.k_mesh or 1) // 2})

    @property
    def changes(self) -> bool:
        """Whether an adlayer differs from its substrate."""
        changed = self.adlayer_mass_ratio != 1 or self.adlayer_bond_ratio != 1
        return self.adlayer != "none" and changed

    @property
    def clean(self) -> Self:
        """The point with adlayers like their substrate: of mass 1 and its bonds."""
        update = {"adlayer_mass_ratio": 1.0, "adlayer_bond_ratio": 1.0}
        return self.model_copy(update=update)

    @property
    def reduced_temperatures(self) -> FloatArray:
        """Temperatures in hbar omega_0/k_B, (temperatures,)."""
        scale = 1.0 if self.gas is None else self.gas.temperature_kelvin
        return np.array(self.temperatures, dtype=float) / scale

    @property
    def method(self) -> str:
        """How modes are computed: "dense", "banded" or "surface"."""
        if self.solver == "auto":
            return "dense" if self.thickness <= DENSE_MOST else "banded"
        return self.solver

    @property
    def gas(self) -> Gas | None:
        """The substance that sets the scale; None in reduced units."""
        return None if self.material == "reduced" else gas_of(self.material)

    @property
    def crystal_masses(self) -> FloatArray:
        """Masses of the layers after which the clean crystal repeats, (period,)."""
        period = 2 if self.face.alternating else 1
        if self.superlattice_period and self.superlattice_mass_ratio != 1:
            period = int(np.lcm(period, 2 * self.superlattice_period))
        return self.substrate_masses(period)

    def substrate_masses(self, layers: int) -> FloatArray:
        """Masses of layers of the clean substrate, from the top face, (layers,)."""
        m = np.ones(layers)
        if self.superlattice_period:
            odd = np.arange(layers) // self.superlattice_period % 2 == 1
            m[odd] = self.superlattice_mass_ratio
        return m

    def masses(self, layers: int | None = None) -> FloatArray:
        """Masses by layer, (layers,), host mass 1; of a half space as many as are asked for."""
        m = self.substrate_masses(self.thickness if layers is None else layers)
        m[: len(self.layer_masses)] = self.layer_masses[: len(m)]
        m[list(self.adlayers)] = self.adlayer_mass_ratio
        return m

    def strengths(self) -> FloatArray:
        """Factor on the pairs of layer l with layer l + d, (depths, layers)."""
        last = self.thickness - 1
        s = np.ones((min(last, int(self.pairs.depth[-1])) + 1, self.thickness))
        depth, upper = np.indices(s.shape)
        lower = upper + depth
        bound = np.isin(upper, self.adlayers) != np.isin(lower, self.adlayers)
        s[bound & (lower <= last)] = self.adlayer_bond_ratio
        if last > 0:
            for layer in {0, last - 1}:
                s[1, layer] *= self.surface_bond_ratio
        return s


def lengths_of(p: SlabParameters) -> dict[str, int]:
    """Give the lengths of the own dims of a point."""
    return {
        "k": p.n_wavevectors, "k_half": p.halved.n_wavevectors if p.halves else 1,
        "mode": 3 * p.thickness, "layer": p.shown_layers, "direction": 3, "component": 2,
        "fraction": 2, "band": 3 * len(p.crystal_masses), "edge": 2,
        "constant": len(CONSTANTS), "temperature": len(p.temperatures),
        "grid": p.grid_points, "branch": BRANCHES,
    }  # fmt: skip


def quasi_harmonic(nn_distance: Any) -> bool:
    """Say whether a nearest-neighbour distance is that of a vibrating crystal."""
    return nn_distance == "zero-point" or isinstance(nn_distance, Warmth)


def gas_of(material: str | Substance) -> Gas:
    """Give the Lennard-Jones parameters of a substance."""
    if isinstance(material, str):
        return GASES[material]
    return Gas(material.epsilon_K, material.sigma_angstrom, material.mass_u)


def _shown(value: Any) -> str:
    if isinstance(value, Warmth):
        return f"{{temperature = {value.temperature}}}"
    return f'"{value}"' if isinstance(value, str) else str(value)


@lru_cache(maxsize=32)
def _mesh(crystal: str, surface: str, n: int, shift: str) -> KPoints:
    """Find the irreducible points of a mesh once: a plan asks for their number many times."""
    return on_mesh(FACES[crystal, surface], n, shift)
