"""Force constants of a host crystal in real space, as bonds between single atoms.

E = 1/2 sum over bonds of (u_i - u_j).K.(u_i - u_j), so Phi(i, j) = -K, and Phi(i, i) is the sum
of K over all bonds of atom i. A half space keeps just the bonds whose two atoms exist.

A site is (layer, n1, n2): layer 0 is the outermost (in an endless crystal any whole number is
a layer), and the atom lies at n1 a1 + n2 a2 + shift of the layer.
Units: distances as handed in; K in those of the pair forces. Coordinates: 3 * site + direction.
Source: Wallis (1973), Eq. 42; the surface as missing bonds: Eq. 66.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.crystal.faces import Face, Pairs
from models.forces.pair_forces import ELEMENT, PairForces, blocks
from models.protocol import FloatArray, IntArray


def positions(face: Face, sites: IntArray) -> FloatArray:
    """Places of sites of the ideal crystal, (n, 3), in nearest-neighbour distances."""
    in_plane = sites[:, 1:] @ face.vectors + face.shifts(sites[:, 0])
    return np.column_stack([in_plane, -face.spacing * sites[:, 0]])


def site_numbers(face: Face, places: FloatArray) -> FloatArray:
    """Undo `positions`: (n, 3), near whole numbers where there is a site."""
    layer = -places[:, 2] / face.spacing
    shift = face.shifts(np.rint(layer).astype(np.int64))
    return np.column_stack([layer, (places[:, :2] - shift) @ np.linalg.inv(face.vectors)])


def zero_force_constants(atoms: int) -> FloatArray:
    """Force constants of atoms without bonds, (atoms, 3, atoms, 3), for `add_bond`."""
    return np.zeros((atoms, 3, atoms, 3))


def add_bond(force_constants: FloatArray, i: int, j: int, k: FloatArray) -> None:
    """Add a bond K (3, 3) between two atoms to force constants (atoms, 3, atoms, 3)."""
    force_constants[i, :, i] += k
    force_constants[j, :, j] += k
    force_constants[i, :, j] -= k
    force_constants[j, :, i] -= k


@dataclass(frozen=True, eq=False)
class HostBonds:
    """The bonds of a crystal, endless or with one surface.

    `moved` (layers,) says how far the first layers of a relaxed surface have moved outwards,
    in the unit of `distance` (nearest neighbours) and `spacing` (layers); deeper ones have not.
    """

    forces: PairForces
    pairs: Pairs
    face: Face
    distance: float
    spacing: float
    moved: FloatArray | None = None
    endless: bool = False
    _known: dict[int, tuple[IntArray, FloatArray]] = field(
        default_factory=dict, init=False, repr=False
    )

    def of(self, site: Sequence[int] | IntArray) -> tuple[IntArray, FloatArray]:
        """Give the bonds of one atom: the sites at their other ends (m, 3), and K (m, 3, 3)."""
        layer, n1, n2 = (int(n) for n in site)
        # all atoms of a layer have the same bonds, in an endless crystal those of every second
        kind = layer % 2 if self.endless else layer
        if kind not in self._known:
            self._known[kind] = self._of_layer(kind)
        steps, k = self._known[kind]
        return steps + np.array([layer, n1, n2]), k

    def _of_layer(self, layer: int) -> tuple[IntArray, FloatArray]:
        """Bonds of the atom (layer, 0, 0): steps to the other ends, and K."""
        up = self.pairs.depth > 0
        if not self.endless:
            up &= self.pairs.depth <= layer
        # a pair leads down; seen from its lower atom it leads up, and to the opposite side
        sign = np.concatenate([np.ones(len(up), dtype=np.int64), np.full(up.sum(), -1)])
        depth, squared, in_plane = (
            np.concatenate([a, a[up]])
            for a in (self.pairs.depth, self.pairs.squared, self.pairs.in_plane)
        )
        partner = layer + sign * depth
        turned = (np.minimum(layer, partner) % 2 == 1) & self.face.alternating
        xy = in_plane * np.where(turned, -sign, sign)[:, None]
        separation = np.empty((len(sign), 3))
        separation[:, :2] = xy * self.distance
        rise = self._moved(partner) - self._moved(np.array([layer]))
        separation[:, 2] = rise - sign * depth * self.spacing
        shift = self.face.shifts(partner) - self.face.shifts(np.array([layer]))
        cells = np.rint((xy - shift) @ np.linalg.inv(self.face.vectors)).astype(np.int64)
        steps = np.column_stack([sign * depth, cells])
        return steps, blocks(self.forces, separation, squared)[:, ELEMENT]

    def _moved(self, layers: IntArray) -> FloatArray:
        if self.moved is None or self.endless:
            return np.zeros(len(layers))
        padded = np.append(self.moved, 0.0)
        return np.asarray(padded[np.minimum(layers, len(self.moved))])

    def force_constants(self, sites: IntArray) -> FloatArray:
        """Phi of the host among sites, (3n, 3n); self terms count all bonds of an atom."""
        n = len(sites)
        place = {tuple(site): i for i, site in enumerate(sites.tolist())}
        phi = zero_force_constants(n)
        for i, site in enumerate(sites):
            partners, k = self.of(site)
            phi[i, :, i] = k.sum(axis=0)
            for partner, block in zip(partners.tolist(), k, strict=True):
                j = place.get(tuple(partner))
                if j is not None:
                    phi[i, :, j] -= block
        return phi.reshape(3 * n, 3 * n)
