"""Parameters of the model `impurity`, and what follows from them at once."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from models.crystal.faces import FACES
from models.defects.perturbation import Defect, adatoms, group
from models.forces.pair_forces import ShellSprings
from models.impurity.hosts import (
    AnyHost,
    Host,
    SlabHost,
    gas_of,
    longest_bond,
    make_host,
    resolved,
)
from models.protocol import FloatArray, Parameters, Unit, rule
from models.thermal.temperatures import must_ascend
from models.units import Gas

INFINITE = "infinite"
LAYERS = (4, 8, 16)
"""Layers, or differences of layers, that host Green's functions are made for."""
RADII = (3.0, 6.0, 20.0)
"""In-plane distances that they are made for."""
DEEPEST = 12


def _adsorbed(p: Any) -> bool:
    """Say whether a defect consists of adatoms."""
    return p.defect == "adatom" or (p.defect == "pair" and p.site is not None)


def _places(p: Any) -> list[tuple[int, int, int]]:
    """Give layer (from 0) and cell of every impurity; adatoms have layer -1."""
    if p.defect == "group":
        return [(s.layer - 1, *s.cell) for s in p.sites]
    top = -1 if _adsorbed(p) else max(p.depth - 1, 0)
    if p.defect != "pair":
        return [(top, 0, 0)]
    n1, n2, *down = p.separation
    return [(top, 0, 0), (top + sum(down), n1, n2)]


class Site(BaseModel):
    """One impurity of a group."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    cell: Annotated[tuple[int, int], Field(strict=False)] = (0, 0)
    """Steps along a1 and a2 in its layer."""
    layer: Annotated[int, Field(ge=1, le=DEEPEST)] = 1
    """1 is the surface layer."""
    mass_ratio: Annotated[float, Field(gt=0), Unit("host mass")] = 1.0
    bond_ratio: Annotated[float, Field(ge=0), Unit("host spring")] = 1.0


class ImpurityParameters(Parameters):
    """One defect in one host."""

    host: AnyHost = "sc-isotropic"
    """Ashkin's simple cubic crystal of equal nearest and next-nearest springs; fcc with nearest
    springs; {crystal, springs = [...]}; or {model = "slab", ...}, Lennard-Jones."""
    surface: Literal["100", "110", "111"] = "100"
    """Face of the host; without meaning at depth 0."""
    defect: Literal["substitution", "adatom", "pair", "group"] = "substitution"
    """An atom exchanged; an atom adsorbed; two of them; a list of atoms exchanged."""
    depth: Annotated[int, Field(ge=0, le=DEEPEST)] = 1
    """Layer of the impurity: 1 is the surface, 0 stands for the infinite crystal."""
    mass_ratio: Annotated[float, Field(gt=0), Unit("host mass")] = 1.0
    """Mass of the impurity."""
    bond_ratio: Annotated[float, Field(ge=0), Unit("host spring")] = 1.0
    """Factor on every spring of the impurity; 0: a vacancy, whatever the mass."""
    separation: Annotated[
        Annotated[tuple[int, int], Field(strict=False)]
        | Annotated[tuple[int, int, int], Field(strict=False)],
        Unit("lattice steps"),
    ] = (1, 0)
    """From the first to the second atom of a pair: steps along a1 and a2, layers down."""
    site: Literal["top", "hollow"] | None = None
    """Where an adatom sits: above an atom (left out: so), or above the centre of a cell. With
    `defect` = "pair" it makes a pair of adatoms."""
    adatom_bond: bool = False
    """Whether two adatoms at the distance of a spring are joined by it."""
    sites: Annotated[tuple[Site, ...], Field(strict=False, max_length=12)] = ()
    """Atoms of a group: {cell, layer, mass_ratio, bond_ratio}."""
    host_layers: Literal["infinite"] | Annotated[int, Field(ge=2, le=400)] = "infinite"
    """Layers of the host; "infinite": one surface."""
    k_mesh: Literal["auto"] | Annotated[int, Field(ge=1, le=2000)] = "auto"
    """N for an N x N mesh of the zone; "auto": converged, by quadrature and fine meshes."""
    k_mesh_shift: Literal["auto", "gamma"] = "auto"
    """"auto" avoids Gamma; "gamma" contains it: an N x N supercell."""
    temperatures: Annotated[
        tuple[Annotated[float, Field(ge=0)], ...], Field(strict=False),
        Unit("K, or hbar*omega/k_B in the units of the host"),
    ] = ()  # fmt: skip
    """Temperatures of the thermal variables; 0 gives the zero-point values."""
    grid_points: Annotated[int, Field(ge=20, le=10_000)] = 400
    """Points of the frequency grid of spectra."""
    grid_max: Literal["auto"] | Annotated[float, Field(gt=0), Unit("frequency")] = "auto"
    """End of the frequency grid; "auto": 1.05 times the highest frequency of the hosts."""
    grid_width: Literal["auto"] | Annotated[float, Field(gt=0), Unit("frequency")] = "auto"
    """w in z = (omega + i w)^2; "auto": extrapolated to 0."""

    _temperatures_ascend = rule("temperatures")(must_ascend)

    @rule("host", "surface", "depth")
    @staticmethod
    def _host_has_the_face(p: Any) -> str | None:
        crystal = resolved(p.host).crystal
        faces = [s for c, s in FACES if c == crystal]
        if p.surface not in faces:
            return (
                f'`surface` = "{p.surface}" is no face of a {crystal} host. Its faces: '
                f"{', '.join(faces)}."
            )
        return None

    @rule("host")
    @staticmethod
    def _springs_hold(p: Any) -> str | None:
        springs = getattr(p.host, "springs", (1.0,))
        if not any(s if isinstance(s, float) else s.along or s.across for s in springs):
            return "`host` has springs of strength 0 only. Give one that holds the atoms."
        host = resolved(p.host)
        if make_host(host, "100", endless=True).stable:
            return None
        return (
            f"`host` is no crystal that holds: {host.crystal} with these springs has waves of "
            "frequency 0. Add springs to the next shell of neighbours, or across."
        )

    @rule("defect", "depth")
    @staticmethod
    def _adatoms_are_outside(p: Any) -> str | None:
        if p.defect == "adatom" and p.depth != 1:
            return (
                f'`depth` = {p.depth} with `defect` = "adatom", which sits on the surface. '
                "Leave `depth` out."
            )
        return None

    @rule("defect", "site")
    @staticmethod
    def _sites_are_those_of_adatoms(p: Any) -> str | None:
        if p.site is not None and p.defect not in ("adatom", "pair"):
            return (
                f'`site` = "{p.site}" is where an adatom sits, but `defect` = "{p.defect}". '
                'Use `defect` = "adatom" (or "pair", for two of them).'
            )
        return None

    @rule("defect", "site", "depth")
    @staticmethod
    def _pairs_of_adatoms_are_outside(p: Any) -> str | None:
        if p.defect == "pair" and p.site is not None and p.depth != 1:
            return (
                f"`depth` = {p.depth} with a pair of adatoms, which sit on the surface. "
                "Leave `depth` out, or `site`."
            )
        return None

    @rule("defect", "separation")
    @staticmethod
    def _two_atoms_are_two(p: Any) -> str | None:
        if p.defect == "pair" and not any(p.separation):
            return "`separation` = [0, 0] puts both atoms of the pair at one place. Part them."
        return None

    @rule("defect", "site", "separation")
    @staticmethod
    def _adatoms_lie_in_one_layer(p: Any) -> str | None:
        if p.defect == "pair" and p.site is not None and len(p.separation) == 3:
            return "`separation` of two adatoms has two numbers: they lie in one layer."
        return None

    @rule("defect", "separation", "depth")
    @staticmethod
    def _second_atom_is_in_the_crystal(p: Any) -> str | None:
        down = p.separation[2] if len(p.separation) == 3 else 0
        if p.defect != "pair" or p.depth == 0 or 1 <= p.depth + down <= DEEPEST:
            return None
        return (
            f"`separation` = {list(p.separation)} from `depth` = {p.depth} leads to layer "
            f"{p.depth + down}. The second atom must lie in layers 1 to {DEEPEST}."
        )

    @rule("defect", "separation")
    @staticmethod
    def _pair_is_not_too_far_apart(p: Any) -> str | None:
        if p.defect == "pair" and max(abs(n) for n in p.separation) > DEEPEST:
            return (
                f"`separation` = {list(p.separation)} is too far: steps of at most {DEEPEST} "
                "are computed."
            )
        return None

    @rule("defect", "sites")
    @staticmethod
    def _groups_have_sites(p: Any) -> str | None:
        if (p.defect == "group") != bool(p.sites):
            return (
                '`sites` lists the atoms of `defect` = "group", and only of that. '
                "Give both or neither."
            )
        places = [(s.layer, *s.cell) for s in p.sites]
        twice = sorted({x for x in places if places.count(x) > 1})
        if twice:
            return f"`sites` names layer {twice[0][0]}, cell {list(twice[0][1:])} twice. Join them."
        return None

    @rule("host", "surface", "defect", "depth", "separation", "site", "sites")
    @staticmethod
    def _atoms_lie_together(p: Any) -> str | None:
        host = resolved(p.host)
        face = FACES.get((host.crystal, "100" if p.depth == 0 else p.surface))
        if face is None or not _places(p):
            return None
        places, bond = np.array(_places(p)), longest_bond(host)
        layers = int(bond / face.spacing + 1e-9)
        deep = 2 * layers + np.ptp(places[:, 0]) if p.depth == 0 else layers + places[:, 0].max()
        if deep >= LAYERS[-1]:
            return (
                f"The bonds of the defect lead to layer {deep + 1} of the host, whose functions "
                f"are computed for {LAYERS[-1]} layers. Choose a smaller depth, or shorter springs."
            )
        at = places[:, 1:] @ face.vectors + face.shifts(places[:, 0])
        across = np.linalg.norm(at[:, None] - at, axis=-1).max() + 2 * bond
        if across > RADII[-1]:
            return (
                f"The atoms of the defect and those they are bound to are up to {across:.1f} "
                f"distances of neighbours apart along the surface; at most {RADII[-1]:.0f} are "
                "computed. Bring the impurities closer together, or sweep them one by one."
            )
        return None

    @rule("host", "defect", "site")
    @staticmethod
    def _adatoms_need_springs(p: Any) -> str | None:
        if _adsorbed(p) and isinstance(p.host, SlabHost):
            return (
                "An adatom on a Lennard-Jones host would have to find its place first, which is "
                "not computed. Use a host of springs, or an adlayer of the model `slab`."
            )
        return None

    @rule("defect", "site", "bond_ratio")
    @staticmethod
    def _adatoms_are_bound(p: Any) -> str | None:
        if _adsorbed(p) and p.bond_ratio == 0:
            return "`bond_ratio` = 0 leaves an adatom free, which is no defect. Give it bonds."
        return None

    @rule("host", "host_layers")
    @staticmethod
    def _finite_hosts_have_springs(p: Any) -> str | None:
        if p.host_layers != INFINITE and isinstance(p.host, SlabHost):
            return (
                f"`host_layers` = {p.host_layers} with a Lennard-Jones host, which is "
                'semi-infinite. Leave it at "infinite".'
            )
        return None

    @rule("host_layers", "depth", "defect")
    @staticmethod
    def _defect_is_in_the_slab(p: Any) -> str | None:
        if p.host_layers == INFINITE:
            return None
        if p.depth == 0:
            return "`depth` = 0, the infinite crystal, excludes `host_layers`. Leave one out."
        if p.depth > p.host_layers:
            return f"`depth` = {p.depth} lies outside `host_layers` = {p.host_layers}."
        return None

    def canonical(self) -> Self:
        """Set parameters without effect to their defaults."""
        same: dict[str, Any] = {"host": resolved(self.host)}
        if self.endless:
            same["surface"] = "100"
        if self.defect != "pair":
            same["separation"] = (1, 0)
        elif len(self.separation) == 3 and self.separation[2] == 0:
            same["separation"] = self.separation[:2]
        if self.adsorbed:
            same["site"] = self.site or "top"
        if not (self.adsorbed and self.defect == "pair"):
            same["adatom_bond"] = False
        if self.defect == "group":
            same |= {"mass_ratio": 1.0, "bond_ratio": 1.0}
            same["depth"] = 0 if self.endless else 1
        if self.bond_ratio == 0:
            same["mass_ratio"] = 1.0
        if self.k_mesh == "auto":
            same["k_mesh_shift"] = "auto"
        return self.model_copy(update=same)

    @property
    def endless(self) -> bool:
        """Whether the host has no surface."""
        return self.depth == 0

    @property
    def adsorbed(self) -> bool:
        """Whether the defect consists of adatoms."""
        return _adsorbed(self)

    @property
    def moves(self) -> bool:
        """Whether there is one impurity, and an atom: its displacements can be told apart."""
        return self.defect in ("substitution", "adatom") and self.bond_ratio > 0

    @property
    def rest(self) -> Host:
        """The host at rest."""
        return self.host_at(endless=self.endless)

    def host_at(self, *, endless: bool) -> Host:
        """Give the host at rest; without a surface, layers are those of its (100) face."""
        surface = "100" if endless else self.surface
        return make_host(resolved(self.host), surface, endless=endless)

    @property
    def gas(self) -> Gas | None:
        """The substance that sets the scale; None in the units of the host."""
        return gas_of(self.host)

    @property
    def impurities(self) -> tuple[tuple[tuple[int, int, int], float, float], ...]:
        """Site, mass and bond ratio of every impurity; adatoms have layer -1."""
        ratios = [(s.mass_ratio, s.bond_ratio) for s in self.sites if self.defect == "group"]
        places = _places(self)
        ratios = ratios or [(self.mass_ratio, self.bond_ratio)] * len(places)
        return tuple((place, *both) for place, both in zip(places, ratios, strict=True))

    @property
    def perturbation(self) -> Defect:
        """What the defect changes."""
        site = (self.site or "top") if self.adsorbed else None
        return _perturbation(self.rest, self.impurities, site, self.adatom_bond)

    @property
    def apart(self) -> tuple[Defect, ...]:
        """The impurities of a defect, each alone in the host."""
        site = (self.site or "top") if self.adsorbed else None
        return tuple(_perturbation(self.rest, (one,), site, False) for one in self.impurities)

    @property
    def frequency_scale(self) -> float:
        """Frequency that is stored, over that in the units of the host."""
        return 1.0 if self.gas is None else self.gas.frequency_thz

    @property
    def most_modes(self) -> int:
        """Bound on the number of localised modes: independent changes of masses and bonds."""
        change = self.perturbation.change
        return min(int(np.linalg.matrix_rank(change)) + 3 * len(self.impurities), len(change))

    @property
    def needs(self) -> tuple[int, float]:
        """Layers (0: endless: differences) and radius of the host's functions that it reads."""
        return _needs(self.perturbation)

    @property
    def reduced_temperatures(self) -> FloatArray:
        """Temperatures in hbar omega/k_B of the host's units, (temperatures,)."""
        scale = 1.0 if self.gas is None else self.gas.temperature_kelvin
        return np.array(self.temperatures, dtype=float) / scale


@lru_cache(maxsize=256)
def _perturbation(
    host: Host, impurities: Any, site: Literal["top", "hollow"] | None, joined: bool
) -> Defect:
    """Work out what a defect changes."""
    bonds = host.bonds()
    if site is None:
        return group(bonds, list(impurities))
    assert isinstance(host.forces, ShellSprings)  # a rule asks for it
    shells = list(zip(host.forces.squared, host.forces.along, strict=True))
    (_, mass, bond), *_ = impurities
    places = [where[1:] for where, _, _ in impurities]
    return adatoms(bonds, places, site, shells, mass, bond, joined)


@lru_cache(maxsize=256)
def _needs(defect: Defect) -> tuple[int, float]:
    """Round up the layers (or differences of layers) and the radius of the touched sites."""
    sites = defect.sites
    place = sites[:, 1:] @ defect.face.vectors + defect.face.shifts(sites[:, 0])
    across = np.linalg.norm(place[:, None] - place, axis=-1).max(initial=0.0)
    deep = np.ptp(sites[:, 0]) if defect.endless else sites[:, 0].max(initial=0)
    layers = next((n for n in LAYERS if deep < n), None)
    radius = next((r for r in RADII if across <= r), None)
    assert layers is not None
    assert radius is not None
    return layers, radius
