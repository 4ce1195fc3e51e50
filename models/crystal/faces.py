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


_SQUARE = {"G": (0.0, 0.0), "X": (0.5, 0.0), "M": (0.5, 0.5)}
_RECTANGLE = {"G": (0.0, 0.0), "X": (0.5, 0.0), "Y": (0.0, 0.5), "S": (0.5, 0.5)}
_HEXAGON = {"G": (0.0, 0.0), "M": (0.5, 0.0), "K": (2 / 3, 1 / 3)}

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
        "fcc", "111", ((1.0, 0.0), (0.5, math.sqrt(0.75))), (0.5, math.sqrt(3) / 6),
        math.sqrt(2 / 3), _HEXAGON, "G-M-K-G", two_fold=False, hexagonal=True,
    ),
}  # fmt: skip
"""Every face that can be built, by crystal and surface."""


@dataclass(frozen=True)
class Pairs:
    """All pairs of the ideal crystal from an atom to those at and below its layer.

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
    a, t = face.vectors, np.array(face.offset)
    reach = 2 + int(cutoff * np.linalg.norm(np.linalg.inv(a), axis=0).max())
    steps = np.arange(-reach, reach + 1)
    n1, n2 = (g.ravel() for g in np.meshgrid(steps, steps, indexing="ij"))
    found = []
    for depth in range(int(cutoff * 1.000001 / face.spacing) + 1):
        # start from the atom nearest to the axis, else deep layers leave the window
        centre = np.rint(np.linalg.solve(a.T, depth * t))
        xy = np.column_stack([n1 + centre[0], n2 + centre[1]]) @ a - depth * t
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
    a, t = face.vectors, np.array(face.offset)
    operations = []
    for step in range(24):
        angle = step * math.pi / 12
        c, s = math.cos(angle), math.sin(angle)
        for q in (np.array([[c, -s], [s, c]]), np.array([[c, s], [s, -c]])):
            in_cell = a @ q.T @ np.linalg.inv(a)  # rows: images of a1, a2 in steps of a1, a2
            shift = (q @ t - t) @ np.linalg.inv(a)
            if _whole(in_cell) and _whole(shift):
                # f_i = k.a_i/2pi, so the fractions of Q^T k are k.(Q a_i)/2pi
                operations.append(np.rint(in_cell).astype(int))
    return operations


def _whole(x: FloatArray) -> bool:
    return bool(np.abs(x - np.rint(x)).max() < 1e-9)
