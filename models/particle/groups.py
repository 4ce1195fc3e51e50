"""The point groups of the cube and the icosahedron, with all real irreducible representations.

Each is a group of rotations and its product with the inversion. A representation is a matrix
for every operation, in the order of the operations; all of them are real and orthogonal.

Axes:  operations (order, 3, 3); matrices of a representation (order, d, d).
Source: E. B. Wilson, J. C. Decius, P. C. Cross, Molecular Vibrations (1955), appendix X.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import permutations, product

import numpy as np

from models.protocol import FloatArray

GOLDEN = (1 + 5**0.5) / 2
SQUARES: FloatArray = np.array([
    np.diag([1, -1, 0]) / 2**0.5,
    np.diag([-1, -1, 2]) / 6**0.5,
    np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0]]) / 2**0.5,
    np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]]) / 2**0.5,
    np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]]) / 2**0.5,
])  # fmt: skip
"""Symmetric matrices without a trace; under the cubic group the first two are a set."""


@dataclass(frozen=True, eq=False)
class Representation:
    """A real, orthogonal, irreducible representation."""

    name: str
    matrices: FloatArray
    """(order, d, d)"""

    @property
    def dimension(self) -> int:
        """How often its levels repeat."""
        return self.matrices.shape[1]


@dataclass(frozen=True, eq=False)
class PointGroup:
    """Rotations and rotations with inversion that leave a particle as it is."""

    operations: FloatArray
    """(order, 3, 3); the first is the identity."""
    representations: tuple[Representation, ...]

    @property
    def order(self) -> int:
        """How many operations there are."""
        return len(self.operations)

    def representation(self, name: str) -> Representation:
        """Find a representation by its name."""
        return next(r for r in self.representations if r.name == name)


@cache
def cubic() -> PointGroup:
    """Give the group of the cube, 48 operations, axes along x, y, z."""
    signed = [
        np.diag(signs) @ np.eye(3)[list(order)]
        for order in permutations(range(3))
        for signs in product((1.0, -1.0), repeat=3)
    ]
    rotations = np.array([r for r in signed if np.linalg.det(r) > 0])
    e = _on_squares(rotations, SQUARES[:2])
    sign = np.linalg.det(e).round()[:, None, None]
    proper = {"A1": np.ones_like(sign), "A2": sign, "E": e, "T1": rotations, "T2": sign * rotations}
    return _with_inversion(rotations, proper)


@cache
def icosahedral() -> PointGroup:
    """Give the group of the icosahedron with vertices (0, +-1, +-golden), ..., 120 operations.

    Entries of its rotations are numbers a + b sqrt 5. Turning the sign of sqrt 5 gives the
    second three-dimensional representation. The four-dimensional one is how the five triples
    of perpendicular two-fold axes change places, the uniform combination left out.
    """
    axis = np.array([0, 1, GOLDEN]) / np.hypot(1, GOLDEN)
    across = np.cross(np.eye(3), axis)  # row a: the vector of axis a times the five-fold one
    angle = 2 * np.pi / 5
    fivefold = np.eye(3) * np.cos(angle) - across * np.sin(angle)
    fivefold += np.outer(axis, axis) * (1 - np.cos(angle))
    threefold = np.roll(np.eye(3), 1, axis=0)
    rotations, conjugate = _exact(_closure([threefold, fivefold, np.diag([1.0, -1.0, -1.0])]))
    proper = {
        "A": np.ones((len(rotations), 1, 1)), "T1": rotations, "T2": conjugate,
        "G": _on_frames(rotations), "H": _on_squares(rotations, SQUARES),
    }  # fmt: skip
    return _with_inversion(rotations, proper)


def _closure(generators: list[FloatArray]) -> FloatArray:
    """Multiply until nothing new comes."""
    found = {_key(np.eye(3)): np.eye(3)}
    fresh = list(found.values())
    while fresh:
        made = {_key(a @ g): a @ g for a in fresh for g in generators}
        fresh = [matrix for key, matrix in made.items() if key not in found]
        found.update(made)
    return np.array(list(found.values()))


def _key(matrix: FloatArray) -> tuple[float, ...]:
    return tuple((matrix.round(6) + 0.0).ravel().tolist())


def _exact(rotations: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Round entries to the numbers they are, and give the same with sqrt 5 turned."""
    values = np.array([0, 0.5, 1, GOLDEN / 2, 0.5 / GOLDEN])
    turned = np.array([0, 0.5, 1, -0.5 / GOLDEN, -GOLDEN / 2])
    place = np.abs(np.abs(rotations)[..., None] - values).argmin(axis=-1)
    sign = np.sign(rotations)
    return sign * values[place], sign * turned[place]


def _on_squares(rotations: FloatArray, basis: FloatArray) -> FloatArray:
    """How symmetric matrices turn, in an orthonormal basis of them."""
    return np.einsum("kab,gac,lcd,gbd->gkl", basis, rotations, basis, rotations, optimize=True)


def _on_frames(rotations: FloatArray) -> FloatArray:
    """How five triples of perpendicular axes change places, in a basis of four."""
    frames: list[FloatArray] = []
    for r in rotations:
        if not any(_same_axes(f, r) for f in frames):
            frames.append(r)
    places = np.array([[[_same_axes(f, r @ g) for g in frames] for f in frames] for r in rotations])
    basis = np.linalg.qr(np.column_stack([np.ones(5), np.eye(5)[:, :4]]))[0][:, 1:]
    return np.asarray(basis.T @ places.astype(float) @ basis)


def _same_axes(a: FloatArray, b: FloatArray) -> bool:
    cosines = np.abs(a.T @ b)
    return bool(np.allclose(cosines, cosines.round()))


def _with_inversion(rotations: FloatArray, proper: dict[str, FloatArray]) -> PointGroup:
    both = [
        Representation(name + parity, np.concatenate([matrices, sign * matrices]))
        for name, matrices in proper.items()
        for parity, sign in (("g", 1.0), ("u", -1.0))
    ]
    return PointGroup(np.concatenate([rotations, -rotations]), tuple(both))
