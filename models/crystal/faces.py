"""Faces of crystals: surface cells, stacking of layers, zone labels, point groups.

Units: nearest-neighbour distance of the ideal crystal. x and y lie in the face, z is its
outward normal. A layer lies `spacing` below the one above and is shifted by -`offset`.
Source: the table of faces in Wallis (1973), part 2B; k = f1 b1 + f2 b2, b_i.a_j = 2 pi.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from models.protocol import FloatArray, IntArray


@dataclass(frozen=True)
class Face:
    """One face of one crystal."""

    crystal: str
    surface: str
    cell: tuple[tuple[float, float], tuple[float, float]]
    """Rows a1, a2."""
    offset: tuple[float, float]
    spacing: float
    labels: dict[str, tuple[float, float]]
    """Fractions (f1, f2) of the named points of the surface zone."""
    path: str
    """The usual path through the zone."""
    two_fold: bool
    """The normal is a two-fold axis, so a change of phase makes D real."""
    hexagonal: bool = False
    alternating: bool = False
    """Every second layer lies above the first again (hcp): its neighbours are those of the
    first, turned by half a turn about the normal."""

    @property
    def vectors(self) -> FloatArray:
        """Rows a1, a2, shape (2, 2)."""
        return np.array(self.cell)

    @property
    def reciprocal(self) -> FloatArray:
        """Rows b1, b2, shape (2, 2), in 1/nearest-neighbour distance."""
        return np.asarray(2 * math.pi * np.linalg.inv(self.vectors).T, dtype=np.float64)

    @property
    def area(self) -> float:
        """Area of the surface cell."""
        return abs(float(np.linalg.det(self.vectors)))

    def shifts(self, layers: IntArray) -> FloatArray:
        """In-plane places of layers, counted from the top one, (n, 2)."""
        steps = layers % 2 if self.alternating else layers
        return np.asarray(-steps[:, None] * np.array(self.offset), float)

    def turns(self, layers: int) -> FloatArray:
        """1 for layers with the neighbours of the first, -1 for turned ones, (layers,)."""
        turned = (np.arange(layers) % 2 == 1) & self.alternating
        return np.where(turned, -1.0, 1.0)


_SQUARE = {"G": (0.0, 0.0), "X": (0.5, 0.0), "M": (0.5, 0.5)}
_RECTANGLE = {"G": (0.0, 0.0), "X": (0.5, 0.0), "Y": (0.0, 0.5), "S": (0.5, 0.5)}
_HEXAGON = {"G": (0.0, 0.0), "M": (0.5, 0.0), "K": (2 / 3, 1 / 3)}
_RHOMB = {
    "G": (0.0, 0.0), "S": (0.5, 0.0), "N": (0.5, -0.5), "corner": (3 / 8, 3 / 8), "N'": (0.5, 0.5),
}  # fmt: skip
"""N' is N again, reached through the corner of the zone."""
_TRIANGLES = ((1.0, 0.0), (0.5, math.sqrt(0.75)))
_CUBE = 2 / math.sqrt(3)
"""Edge of the bcc cube in nearest-neighbour distances."""

FACES = {
    ("fcc", "100"): Face(
        "fcc", "100", ((1.0, 0.0), (0.0, 1.0)), (0.5, 0.5), math.sqrt(0.5),
        _SQUARE, "G-X-M-G", two_fold=True,
    ),
    ("fcc", "110"): Face(
        "fcc", "110", ((1.0, 0.0), (0.0, math.sqrt(2))), (0.5, math.sqrt(0.5)), 0.5,
        _RECTANGLE, "G-X-S-Y-G", two_fold=True,
    ),
    ("fcc", "111"): Face(
        "fcc", "111", _TRIANGLES, (0.5, math.sqrt(3) / 6),
        math.sqrt(2 / 3), _HEXAGON, "G-M-K-G", two_fold=False, hexagonal=True,
    ),
    ("hcp", "0001"): Face(
        "hcp", "0001", _TRIANGLES, (0.5, math.sqrt(3) / 6),
        math.sqrt(2 / 3), _HEXAGON, "G-M-K-G", two_fold=False, hexagonal=True, alternating=True,
    ),
    ("bcc", "100"): Face(
        "bcc", "100", ((_CUBE, 0.0), (0.0, _CUBE)), (_CUBE / 2, _CUBE / 2), _CUBE / 2,
        _SQUARE, "G-X-M-G", two_fold=True,
    ),
    ("bcc", "110"): Face(
        "bcc", "110",
        ((_CUBE * math.sqrt(0.5), _CUBE / 2), (-_CUBE * math.sqrt(0.5), _CUBE / 2)),
        (_CUBE * math.sqrt(0.5), 0.0), _CUBE * math.sqrt(0.5),
        _RHOMB, "G-N,G-S,G-corner-N'", two_fold=True,
    ),
    ("sc", "100"): Face(
        "sc", "100", ((1.0, 0.0), (0.0, 1.0)), (0.0, 0.0), 1.0,
        _SQUARE, "G-X-M-G", two_fold=True,
    ),
}  # fmt: skip
"""Every face that can be built, by crystal and surface. The spacing of hcp is that of ideal
spheres: it says which pairs count, and the crystal at rest has its own."""


@dataclass(frozen=True)
class Pairs:
    """All pairs of the ideal crystal from an atom of the top layer to those at and below it.

    `depth` (n,) is 0 for the own layer, where both a pair and its opposite are listed;
    `in_plane` (n, 2) is the vector to the partner; `squared` (n,) the squared distance.
    """

    depth: IntArray
    in_plane: FloatArray
    squared: FloatArray

    @property
    def weight(self) -> FloatArray:
        """How many atoms of the crystal each pair stands for: above and below count alike."""
        return np.where(self.depth > 0, 2.0, 1.0)


@cache
def find_pairs(crystal: str, surface: str, cutoff: float) -> Pairs:
    """List the pairs with r0^2 <= cutoff^2 (1 + 1e-9), sorted by layer.

    Parameters
    ----------
    cutoff : in nearest-neighbour distances
    """
    face = FACES[crystal, surface]
    limit = cutoff**2 * (1 + 1e-9)
    a = face.vectors
    reach = 2 + int(cutoff * np.linalg.norm(np.linalg.inv(a), axis=0).max())
    steps = np.arange(-reach, reach + 1)
    n1, n2 = (g.ravel() for g in np.meshgrid(steps, steps, indexing="ij"))
    found = []
    for depth in range(int(cutoff * 1.000001 / face.spacing) + 1):
        # start from the atom nearest to the axis, else deep layers leave the window
        shift = face.shifts(np.array([depth]))[0]
        centre = np.rint(np.linalg.solve(a.T, -shift))
        xy = np.column_stack([n1 + centre[0], n2 + centre[1]]) @ a + shift
        squared = (xy**2).sum(axis=1) + (depth * face.spacing) ** 2
        near = (squared <= limit) & (squared > 1e-6)
        found.append((np.full(near.sum(), depth), xy[near], squared[near]))
    depth_of, in_plane, squares = (np.concatenate(x) for x in zip(*found, strict=True))
    return Pairs(depth_of, in_plane, squares)


def point_group(face: Face) -> list[IntArray]:
    """Give the rotations and mirrors of a face as integer matrices on (f1, f2).

    A face keeps an operation when the lattice in its plane and the shift from layer to
    layer both do. Shape of each: (2, 2); a wavevector f goes to W f.
    """
    return [w for _, w in operations(face)]


def operations(face: Face) -> list[tuple[FloatArray, IntArray]]:
    """Give each operation of the point group: on vectors, and on fractions (f1, f2)."""
    a, t = face.vectors, np.array(face.offset)
    found = []
    for step in range(24):
        angle = step * math.pi / 12
        c, s = math.cos(angle), math.sin(angle)
        for q in (np.array([[c, -s], [s, c]]), np.array([[c, s], [s, -c]])):
            in_cell = a @ q.T @ np.linalg.inv(a)  # rows: images of a1, a2 in steps of a1, a2
            shift = (q @ t - t) @ np.linalg.inv(a)
            if _whole(in_cell) and _whole(shift):
                # f_i = k.a_i/2pi, so the fractions of Q^T k are k.(Q a_i)/2pi
                found.append((q, np.rint(in_cell).astype(int)))
    return found


def _whole(x: FloatArray) -> bool:
    return bool(np.abs(x - np.rint(x)).max() < 1e-9)
