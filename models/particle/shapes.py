"""Sites of the particles, sorted into sets that symmetry maps on one another.

`icosahedron`: shells of an icosahedron around a centre (Mackay). `cuboctahedron`: the same
numbers of atoms on fcc sites, six (100) and eight (111) faces. `cube`: fcc sites of n x n x n
cubic cells with all six {100} faces complete. The centre of mass is the origin; a cube with
an odd number of cells along its edge has no atom there.

Units: any; the atoms at rest are found by `relaxation`. Axes: sites (atoms, 3).
Source: J. M. Dickey, A. Paskin, Phys. Rev. B 1, 851 (1970); A. L. Mackay, Acta Cryst. 15, 916
(1962).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from typing import Literal

import numpy as np

from models.particle.groups import GOLDEN, PointGroup, cubic, icosahedral
from models.protocol import FloatArray, IntArray

Shape = Literal["icosahedron", "cuboctahedron", "cube"]
ROUND = 6
"""Digits that tell sites apart: they are of the order of one, and their images exact to 1e-13."""
IMAGES = 2**17
"""Images of sites that are made at once."""


@dataclass(frozen=True, eq=False)
class Particle:
    """Sites of a particle and the operations that make all of them from a few.

    Sets of equivalent sites are ordered by their distance from the centre, and the sites of a
    set by the first operation that leads to them.
    """

    group: PointGroup
    representative: FloatArray
    """(sets, 3), one site of each set, in the ideal particle."""
    orbit: IntArray
    """(atoms,), the set of each atom."""
    operation: IntArray
    """(atoms,), an operation that takes the representative of its set to the atom."""

    @cached_property
    def stabiliser(self) -> FloatArray:
        """(sets, order), 1 where an operation leaves the representative in its place."""
        image = np.einsum("gab,sb->sga", self.group.operations, self.representative)
        moved = np.abs(image - self.representative[:, None]).max(axis=-1)
        return (moved < 10.0**-ROUND).astype(float)

    @cached_property
    def size(self) -> IntArray:
        """(sets,), how many atoms a set has."""
        return np.bincount(self.orbit)

    @property
    def atoms(self) -> int:
        """How many atoms there are."""
        return len(self.orbit)

    @property
    def centred(self) -> bool:
        """Whether there is an atom at the centre; it is atom 0."""
        return bool(self.size[0] == 1)

    def everywhere(self, representative: FloatArray) -> FloatArray:
        """Give the position of every atom from that of one of each set, (atoms, 3)."""
        turn = self.group.operations[self.operation]
        return np.asarray(np.einsum("nab,nb->na", turn, representative[self.orbit]))


def atom_count(shape: Shape, shells: int) -> int:
    """Count the atoms of a particle."""
    n = shells
    if shape == "cube":
        return 4 * n**3 + 6 * n**2 + 3 * n + 1
    return (10 * n**3 + 15 * n**2 + 11 * n + 3) // 3


def has_centre(shape: Shape, shells: int) -> bool:
    """Say whether an atom sits at the centre of mass."""
    return shape != "cube" or shells % 2 == 0


@lru_cache(maxsize=8)
def particle(shape: Shape, shells: int) -> Particle:
    """Build a particle from its shape."""
    group = icosahedral() if shape == "icosahedron" else cubic()
    return sorted_by_symmetry(group, sites(shape, shells))


def sites(shape: Shape, shells: int) -> FloatArray:
    """Give the sites of a particle in no special order, (atoms, 3)."""
    if shape == "icosahedron":
        return _icosahedron(shells)
    i = np.stack(np.meshgrid(*[np.arange(-shells, shells + 1)] * 3, indexing="ij"), axis=-1)
    i = i.reshape(-1, 3)
    if shape == "cube":  # corners are sites, also where the centre is none
        return i[i.sum(axis=1) % 2 == shells % 2].astype(float)
    # each shell lies between the faces |x| = s and |x| + |y| + |z| = 2 s
    fcc = i[i.sum(axis=1) % 2 == 0]
    return fcc[np.abs(fcc).sum(axis=1) <= 2 * shells].astype(float)


def _icosahedron(shells: int) -> FloatArray:
    """Fill the twenty faces of every shell; neighbouring shells are 1 apart along a vertex."""
    corner = np.array([[0, a, b * GOLDEN] for a in (1, -1) for b in (1, -1)])
    vertices = np.concatenate([np.roll(corner, s, axis=1) for s in range(3)])
    vertices /= np.hypot(1, GOLDEN)
    near = vertices @ vertices.T > 0.4  # cosine 0.447 between neighbours
    faces = [f for f in combinations(range(12), 3) if near[np.ix_(f, f)].all()]
    found = [np.zeros((1, 3))]
    for s in range(1, shells + 1):
        steps = np.array([(i, j, s - i - j) for i in range(s + 1) for j in range(s + 1 - i)])
        shell = np.concatenate([steps @ vertices[list(face)] for face in faces])
        _, first = np.unique(shell.round(ROUND) + 0.0, axis=0, return_index=True)
        found.append(shell[first])
    return np.concatenate(found)


def sorted_by_symmetry(group: PointGroup, sites: FloatArray) -> Particle:
    """Sort sites into sets; the representative is the image with the largest x, then y, z."""
    chosen: dict[tuple[float, ...], FloatArray] = {}
    step = max(1, IMAGES // group.order)
    for start in range(0, len(sites), step):
        image = np.einsum("gab,nb->nga", group.operations, sites[start : start + step])
        rounded = image.round(ROUND) + 0.0
        order = np.lexsort((rounded[..., 2], rounded[..., 1], rounded[..., 0]), axis=-1)[:, -1]
        row = np.arange(len(image))
        keys = map(tuple, rounded[row, order].tolist())
        chosen.update(dict(zip(keys, image[row, order], strict=True)))
    found = sorted(
        chosen.items(), key=lambda item: (round(float(item[1] @ item[1]), ROUND), item[0])
    )
    orbit: list[int] = []
    operation: list[int] = []
    for place, (_, site) in enumerate(found):
        image = (group.operations @ site).round(ROUND) + 0.0
        _, first = np.unique(image, axis=0, return_index=True)
        operation += sorted(first.tolist())
        orbit += [place] * len(first)
    representative = np.array([site for _, site in found])
    return Particle(group, representative, np.array(orbit), np.array(operation))
