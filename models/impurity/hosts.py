"""Hosts of impurities: crystals of springs, and the Lennard-Jones crystal of `slab`.

A host is known by a few plain values. What follows from them (forces, the crystal at rest,
the matrices of its half space, the top of its bands) is worked out when it is asked for.

Units: springs and masses of the host 1, lengths in nearest-neighbour distances; of the
Lennard-Jones crystal reduced units (epsilon = sigma = m = 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from models.crystal.faces import FACES, Face, Pairs, find_pairs
from models.defects.host_bonds import HostBonds
from models.forces.pair_forces import PairForces, ShellSprings
from models.green.half_space import HalfSpace, Matrices, half_space_of
from models.modes.endless import EndlessCrystal
from models.modes.matrix_forms import choose_form
from models.modes.phase_sums import crystal_couplings, find_couplings, sum_phases
from models.protocol import WHOLE, FloatArray, Unit
from models.slab.half_spaces import layers_of
from models.slab.parameters import SlabParameters, Substance
from models.slab.statics import SlabCrystal, layer_spacing, shifts_at_rest
from models.units import GASES, Gas

SHELLS = {
    "sc": (1.0, 2.0, 3.0), "fcc": (1.0, 2.0, 3.0), "bcc": (1.0, 4 / 3, 8 / 3),
}  # fmt: skip
"""Squared distances of the first shells of neighbours, nearest-neighbour distance 1."""
SCAN = 12
"""Steps of k_z, and of the mesh, to the edge of the zone in the search for the band top."""
COARSE = 4
"""The same for surface branches, and for waves that nothing holds."""
LOOSE = 1e-9
"""Share of the band top below which a squared frequency is 0."""
CLIMB = 40
"""Steps uphill from there, halved where none leads up."""
ROUNDING = 1e-14
BATCH = 512
"""Places that are looked at together."""
THICK = 24
"""Layers of the slab that shows the top of the surface branches."""


class Spring(BaseModel):
    """The springs of one shell of neighbours."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    along: Annotated[float, Field(ge=0), Unit("spring")]
    """Along the line of the two atoms."""
    across: Annotated[float, Field(ge=0), Unit("spring")] = 0.0
    """Across it (Rosenstock and Newell)."""


class SpringHost(BaseModel):
    """A crystal of springs between shells of neighbours."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    springs: Annotated[
        tuple[Annotated[float, Field(ge=0)] | Spring, ...],
        Field(strict=False, min_length=1, max_length=3), Unit("spring"),
    ]  # fmt: skip
    """Springs to the first, second, ... shell: a central one, or {along, across}."""
    crystal: Literal["sc", "fcc", "bcc"] = "sc"
    """Crystal structure."""


class SlabHost(BaseModel):
    """The Lennard-Jones crystal of the model `slab`, its surface relaxed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    model: Literal["slab"]
    crystal: Literal["fcc"] = "fcc"
    """Crystal structure."""
    material: Literal["reduced", "Ne", "Ar", "Kr", "Xe"] | Substance = "reduced"
    """Reduced units, a rare gas, or {epsilon_K, sigma_angstrom, mass_u}."""
    cutoff: Annotated[float, Field(ge=1, le=5), Unit("nearest-neighbour distance")] = 2.1
    """Pairs nearer than this in the ideal lattice interact."""
    relaxed: bool = True
    """Let the layers at the surface move along the normal until no force is left."""


HostName: TypeAlias = Literal["sc-isotropic", "fcc-springs"]
NAMED: dict[str, SpringHost] = {
    "sc-isotropic": SpringHost(crystal="sc", springs=(1.0, 1.0)),
    "fcc-springs": SpringHost(crystal="fcc", springs=(1.0,)),
}
AnyHost: TypeAlias = HostName | SpringHost | SlabHost


def resolved(host: AnyHost) -> SpringHost | SlabHost:
    """Give what a named host stands for."""
    return NAMED[host] if isinstance(host, str) else host


def longest_bond(host: SpringHost | SlabHost) -> float:
    """Give the longest distance over which a host's atoms act, in nearest-neighbour distances."""
    if isinstance(host, SlabHost):
        return host.cutoff
    return float(np.sqrt(SHELLS[host.crystal][len(host.springs) - 1]))


def gas_of(host: AnyHost) -> Gas | None:
    """Give the substance that sets the scale of a host; None in its own units."""
    if not isinstance(host, SlabHost) or host.material == "reduced":
        return None
    if isinstance(host.material, str):
        return GASES[host.material]
    return Gas(host.material.epsilon_K, host.material.sigma_angstrom, host.material.mass_u)


@dataclass(frozen=True)
class Host:
    """A crystal with one surface, or without any."""

    crystal: str
    surface: str
    forces: PairForces
    cutoff: float
    """Nearest-neighbour distances."""
    distance: float
    """Of nearest neighbours, in the unit of the forces."""
    moved: tuple[float, ...]
    """How far each layer has moved along the normal, from the outermost; none below."""
    endless: bool
    """Whether there is no surface."""

    @property
    def face(self) -> Face:
        """The face."""
        return FACES[self.crystal, self.surface]

    @property
    def pairs(self) -> Pairs:
        """Pairs that interact."""
        return find_pairs(self.crystal, self.surface, self.cutoff)

    @property
    def reach(self) -> int:
        """Layers over which the forces reach."""
        return int(self.pairs.depth[-1])

    def bonds(self) -> HostBonds:
        """Give the force constants between atoms."""
        moved = np.array(self.moved) if self.moved else None
        return HostBonds(
            self.forces, self.pairs, self.face, self.distance, self._spacing, moved,
            endless=self.endless,
        )  # fmt: skip

    @property
    def _spacing(self) -> float:
        return self.face.spacing * self.distance

    def slab_matrices(self, k: FloatArray, layers: int) -> Matrices:
        """Dynamical matrices of the first layers with a free lower face, (n_k, 3n, 3n).

        Real, by u_z -> i u_z, where the face has a two-fold axis.

        Parameters
        ----------
        k : (n_k, 2), in the inverse of the nearest-neighbour distance
        """
        moved = np.zeros(layers)
        moved[: len(self.moved)] = self.moved[:layers]
        couplings = find_couplings(
            self.forces, self.pairs, self.distance, self._spacing, moved,
            np.ones((min(layers - 1, self.reach) + 1, layers)), self.face.turns(layers),
        )  # fmt: skip
        form = choose_form(couplings, np.ones(layers), self.face.two_fold, symmetric=False)
        sums = sum_phases(couplings, k / self.distance)
        return form.matrices(sums, form.blocks[0])

    def half_space(self, k: FloatArray) -> HalfSpace:
        """Give the half space at wavevectors (n_k, 2)."""
        explicit = max(len(self.moved) + self.reach, 1)
        layers = explicit + 3 * self.reach + 1
        return half_space_of(self.slab_matrices(k, layers), explicit, self.reach)

    def _bands(self, place: FloatArray) -> FloatArray:
        """Bands of the endless crystal, (n, 3), at fractions (f1, f2) and turns of the phase from
        layer to layer, (n, 3)."""
        couplings = crystal_couplings(self.forces, self.pairs, self.distance, self._spacing)
        k = place[:, :2] @ self.face.reciprocal / self.distance
        bands = EndlessCrystal.at(couplings, k, np.ones(1))
        return bands.squared(2 * np.pi * place[:, 2:])[:, 0]

    @cached_property
    def bulk_top(self) -> float:
        """Highest squared frequency of the endless crystal."""
        return _highest(lambda place: self._bands(place)[:, -1], _half_zone(SCAN, turns=True))

    @cached_property
    def stable(self) -> bool:
        """Whether no wave but the three of Gamma has frequency 0, or is unstable."""
        waves = _half_zone(COARSE, turns=True)[1:]  # Gamma is the first
        return bool(self._bands(waves).min() > LOOSE * self.bulk_top)

    @cached_property
    def top(self) -> float:
        """Highest squared frequency, that of surface branches included."""
        if self.endless:
            return self.bulk_top

        def squared(fraction: FloatArray) -> FloatArray:
            slab = self.slab_matrices(fraction @ self.face.reciprocal, THICK)
            return np.asarray(np.linalg.eigvalsh(slab)[:, -1])

        return max(self.bulk_top, _highest(squared, _half_zone(COARSE)))


def _half_zone(steps: int, *, turns: bool = False) -> FloatArray:
    """A mesh with Gamma and the middles of all edges, half of it left out, (n, 2 or 3)."""
    whole = np.arange(2 * steps) / (2 * steps)
    sides = [whole, whole[: steps + 1], *([whole] if turns else [])]
    return np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, len(sides))


def _highest(value: Callable[[FloatArray], FloatArray], places: FloatArray) -> float:
    """Climb from the best of some places (n, dims) to the maximum nearby."""
    parts = np.array_split(places, -(-len(places) // BATCH))
    values = np.concatenate([value(part) for part in parts])
    best, top = places[values.argmax()], float(values.max())
    around = np.array(list(product((-1.0, 0.0, 1.0), repeat=places.shape[1])))
    step = 1 / (2 * SCAN)
    for _ in range(CLIMB):
        near = best + step * around
        values = value(near)
        if values.max() > top * (1 + ROUNDING):
            best, top = near[values.argmax()], float(values.max())
        else:
            step /= 2
    return top


@lru_cache(maxsize=32)
def make_host(host: SpringHost | SlabHost, surface: str, *, endless: bool) -> Host:
    """Work out a host at rest."""
    if isinstance(host, SpringHost):
        springs = [s if isinstance(s, Spring) else Spring(along=s) for s in host.springs]
        squared = SHELLS[host.crystal][: len(springs)]
        forces = ShellSprings(
            squared, tuple(s.along for s in springs), tuple(s.across for s in springs)
        )
        return Host(host.crystal, surface, forces, longest_bond(host), 1.0, (), endless)
    p = SlabParameters.model_validate(
        {"crystal": host.crystal, "surface": surface, "cutoff": host.cutoff,
         "layers": "infinite", "relaxed": host.relaxed}
    )  # fmt: skip
    crystal = SlabCrystal().solve(p, {}, WHOLE)
    distance = float(crystal["nearest_neighbour_distance"])
    moved: tuple[float, ...] = ()
    if host.relaxed and not endless:
        explicit, _, layers = layers_of(p)
        settled = explicit - int(p.pairs.depth[-1])
        shifts = shifts_at_rest(p.model_copy(update={"layers": layers}), crystal)
        moved = tuple((shifts[:settled] - shifts[settled]).tolist())
    assert abs(layer_spacing(p, crystal) - p.face.spacing * distance) < 1e-12
    return Host(host.crystal, surface, p.pair_forces, host.cutoff, distance, moved, endless)
