"""Pairs of atoms near a surface, and Green's functions between them as sums over the zone.

G(l, l'; R) = sum_k w_k exp(-i k.R) G_ll'(k), R being the true in-plane vector from the atom in
layer l to that in l'. It is summed over an irreducible part of the zone and then averaged over
the operations of the face,

    G(l, l'; R) = 1/|S| sum_S S A(l, l'; S^-1 R) S^T,

A being the sum over the irreducible part, and over time reversal, which turns G(l, l'; R) into
the transpose of A(l', l; -R). That serves every pair at once, and any irreducible points.

A cell (n1, n2) of an atom counts in its own layer, whose origin is `Face.shifts`. Lengths in
nearest-neighbour distances. Axes: rows are pairs; (n_z, rows, 3, 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from models.crystal.faces import FACES, Face, operations
from models.green.half_space import Matrices
from models.protocol import FloatArray, IntArray

SLACK = 1e-9
_SIGN = np.array([[1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [1.0, 1.0, 1.0]])
"""Of the sines of x-z and y-z, and of z-x and z-y."""
_MIXED = np.array([[False, False, True], [False, False, True], [True, True, False]])
"""Elements that mix the normal and the plane."""


@dataclass(frozen=True)
class PairTable:
    """All pairs of atoms in the first layers whose in-plane distance is within a radius."""

    crystal: str
    surface: str
    layers: int
    """Layers from the outermost one; of the endless crystal, distances 0 .. layers - 1."""
    radius: float
    endless: bool

    @property
    def face(self) -> Face:
        """The face."""
        return FACES[self.crystal, self.surface]

    @cached_property
    def layer_pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs (l, l') of layers, l <= l' first; then those with l > l' where needed.

        A two-fold axis makes time reversal an operation of the face: it needs no l > l'.
        """
        if self.endless:
            upper = [(0, d) for d in range(self.layers)]
        else:
            upper = [(i, j) for i in range(self.layers) for j in range(i, self.layers)]
        return (*upper, *([] if self.face.two_fold else [(j, i) for i, j in upper if i != j]))

    @cached_property
    def _rows(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Number of the layer pair, cell and in-plane vector of every row."""
        face, pair, cells, vectors = self.face, [], [], []
        reach = 2 + int(self.radius * np.linalg.norm(np.linalg.inv(face.vectors), axis=0).max())
        steps = np.arange(-reach, reach + 1)
        grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
        for number, (i, j) in enumerate(self.layer_pairs):
            shift = np.subtract(*face.shifts(np.array([j, i])))
            centre = np.rint(np.linalg.solve(face.vectors.T, -shift)).astype(np.int64)
            cell = grid + centre
            vector = cell @ face.vectors + shift
            near = (vector**2).sum(axis=1) <= self.radius**2 + SLACK
            pair.append(np.full(near.sum(), number))
            cells.append(cell[near])
            vectors.append(vector[near])
        return np.concatenate(pair), np.concatenate(cells), np.concatenate(vectors)

    @property
    def vectors(self) -> FloatArray:
        """(rows, 2), from the first atom of each pair to the second."""
        return self._rows[2]

    @cached_property
    def upper(self) -> int:
        """Number of rows with l <= l': the others only serve to sum."""
        count = sum(i <= j for i, j in self.layer_pairs)
        return int((self._rows[0] < count).sum())

    @cached_property
    def _place(self) -> dict[tuple[int, int, int, int], int]:
        """From (l, l', n1, n2) to the row."""
        pair, cell, _ = self._rows
        layers = np.array(self.layer_pairs)[pair]
        keys = np.concatenate([layers, cell], axis=1).tolist()
        return {(a, b, c, d): row for row, (a, b, c, d) in enumerate(keys)}

    @cached_property
    def _alike(self) -> list[tuple[IntArray, IntArray, FloatArray]]:
        """Layer pairs with the same in-plane vectors: (pairs,), their rows, the vectors."""
        pair, _, vectors = self._rows
        groups: dict[bytes, list[IntArray]] = {}
        for number in range(len(self.layer_pairs)):
            rows = np.flatnonzero(pair == number)
            groups.setdefault(np.rint(vectors[rows] * 1e6).tobytes(), []).append(rows)
        stacked = [np.array(rows) for rows in groups.values()]
        return [(pair[rows[:, 0]], rows, vectors[rows[0]]) for rows in stacked]

    def sums(self, functions: Matrices, k: FloatArray, weight: FloatArray) -> Matrices:
        """Sum over some wavevectors of an irreducible part, (n_z, rows, 3, 3).

        Parameters
        ----------
        functions : (layer pairs, 3, 3, n_z, n_k), G in the basis in which D is real where the
            face has a two-fold axis (u_z -> i u_z), else the true one
        k : (n_k, 2), in the inverse of the unit of `vectors`
        """
        turned = self.face.two_fold
        kind = functions.dtype if turned else np.dtype(complex)
        found = np.empty((functions.shape[3], len(self.vectors), 3, 3), kind)
        for pairs, rows, vectors in self._alike:
            angle = k @ vectors.T
            cosine, sine = (f(angle) * weight[:, None] for f in (np.cos, np.sin))
            g = functions[pairs]
            if turned:
                total = np.empty((*g.shape[:4], len(vectors)), kind)
                # the two-fold axis leaves cosines where z stands not at all or twice, and sines
                # of the elements x-z, which u_z -> i u_z has multiplied by -i or i
                total[:, ~_MIXED] = _times(g, ~_MIXED, cosine)
                total[:, _MIXED] = _SIGN[_MIXED][:, None, None] * _times(g, _MIXED, sine)
            else:
                total = g @ (cosine - 1j * sine)
            found[:, rows] = total.transpose(3, 0, 4, 1, 2)
        return found

    @cached_property
    def _images(self) -> list[tuple[FloatArray, IntArray, bool]]:
        """Operations as (matrix, row of the image of each upper row, transposed)."""
        pair, _, vectors = self._rows
        upper = slice(0, self.upper)
        lookup = {
            (p, *np.rint(v * 1e6).astype(int).tolist()): row
            for row, (p, v) in enumerate(zip(pair.tolist(), vectors, strict=True))
        }
        flipped = {p: self.layer_pairs.index((j, i)) for p, (i, j) in enumerate(self.layer_pairs)
                   if (j, i) in self.layer_pairs}  # fmt: skip
        found = []
        for q, _ in operations(self.face):
            s = np.eye(3)
            s[:2, :2] = q
            for reverse in (False,) if self.face.two_fold else (False, True):
                image = vectors[upper] @ q * (-1 if reverse else 1)  # S^-1 R = q^T R
                numbers = [flipped[p] if reverse else p for p in pair[upper].tolist()]
                keys = np.rint(image * 1e6).astype(int).tolist()
                rows = np.array([lookup[(p, *v)] for p, v in zip(numbers, keys, strict=True)])
                found.append((s, rows, reverse))
        return found

    def averaged(self, sums: Matrices) -> Matrices:
        """Average total sums over the operations: G of every upper row, (n_z, upper, 3, 3)."""
        total: Matrices = np.zeros((), sums.dtype)
        for s, rows, reverse in self._images:
            one = s @ sums[:, rows] @ s.T
            total = total + (one.swapaxes(-1, -2) if reverse else one)
        return total / len(self._images)

    def between(self, g: Matrices, sites: IntArray) -> Matrices:
        """Give G between sites (n, 3), each (layer, n1, n2): (n_z, 3n, 3n).

        Raises
        ------
        KeyError : a pair is not in the table
        """
        n = len(sites)
        rows, flip = np.empty((n, n), dtype=np.int64), np.zeros((n, n), dtype=bool)
        for i, one in enumerate(sites.tolist()):
            for j, other in enumerate(sites.tolist()):
                rows[i, j], flip[i, j] = self._row_of(one, other)
        blocks = g[:, rows]
        blocks[:, flip] = blocks[:, flip].swapaxes(-1, -2)
        return np.asarray(blocks.transpose(0, 1, 3, 2, 4).reshape(len(g), 3 * n, 3 * n))

    def _row_of(self, one: list[int], other: list[int]) -> tuple[int, bool]:
        """Find the row of a pair, and whether it is that of the pair turned round."""
        flip = one[0] > other[0]
        (i, a, b), (j, c, d) = (other, one) if flip else (one, other)
        if self.endless:
            i, j = 0, j - i
        return self._place[i, j, c - a, d - b], flip


def _times(g: Matrices, of: NDArray[np.bool_], waves: FloatArray) -> Matrices:
    """Multiply some elements of (pairs, 3, 3, n_z, n_k) by real waves (n_k, vectors).

    As products of real matrices: picking the elements of a part copies it in one piece.
    """
    parts = (g,) if np.isrealobj(g) else (g.real, g.imag)
    first, *second = (part[:, of].reshape(-1, g.shape[-1]) @ waves for part in parts)
    total = first + 1j * second[0] if second else first
    return np.asarray(total.reshape(len(g), -1, g.shape[3], waves.shape[1]))


@cache
def pair_table(crystal: str, surface: str, layers: int, radius: float, endless: bool) -> PairTable:
    """Make a table once."""
    return PairTable(crystal, surface, layers, radius, endless)
