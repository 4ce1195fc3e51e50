"""Wavevectors of a surface zone: paths with labels, meshes with weights, lists.

Fractions (f1, f2) with k = f1 b1 + f2 b2; lengths and wavevectors in units of the
nearest-neighbour distance.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.crystal.faces import Face, operations
from models.errors import ModelInputError
from models.protocol import FloatArray, IntArray

SIXTHS = 6
"""A reciprocal vector of a face turns the phase from layer to layer by sixths of a turn."""


@dataclass(frozen=True)
class KPoints:
    """Wavevectors of one zone, (n, 2) fractions, with what a plot or a sum needs."""

    fraction: FloatArray
    weight: FloatArray
    """(n,), sums to 1."""
    label: tuple[str, ...]
    """Empty where a point has no name."""
    distance: FloatArray
    """(n,), length along the path in 1/nearest-neighbour distance; breaks have none."""
    breaks: tuple[int, ...] = ()
    """Points at which an unconnected piece of a path begins."""
    gains: FloatArray | None = None
    """(n, SIXTHS), for a mesh: the share of each star whose points, taken into 0 <= f < 1, have
    moved by a G that turns the phase from layer to layer by so many sixths (see `on_mesh`)."""
    mixing: FloatArray = field(default_factory=lambda: np.eye(2))
    """(2, 2), the mean over the operations of a mesh of their squared elements: what x and y
    are of a diagonal tensor, averaged over the stars, from its sums over irreducible points."""

    def vectors(self, face: Face) -> FloatArray:
        """Cartesian wavevectors, (n, 2)."""
        return self.fraction @ face.reciprocal


def parse_path(face: Face, path: str) -> list[list[str]]:
    """Split "G-M-K-G" into labels; a comma separates unconnected pieces.

    Raises
    ------
    ModelInputError : a label that the face does not have, or a piece of one point
    """
    pieces = [[label.strip() for label in piece.split("-")] for piece in path.split(",")]
    wrong = sorted({x for piece in pieces for x in piece if x not in face.labels})
    if wrong:
        msg = (
            f"`k_path` names {', '.join(map(repr, wrong))}, which {face.crystal} "
            f"({face.surface}) does not have. Its points are {', '.join(face.labels)}."
        )
        raise ModelInputError(msg)
    if any(len(piece) < 2 for piece in pieces):
        msg = f"`k_path` = {path!r} has a piece of one point. Join two or more labels by '-'."
        raise ModelInputError(msg)
    return pieces


def along_path(face: Face, path: str, count: int) -> KPoints:
    """Share `count` points along a path by length, so that every label is hit once.

    Raises
    ------
    ModelInputError : too few points for the labels of the path
    """
    pieces = parse_path(face, path)
    corners = [np.array([face.labels[x] for x in piece]) for piece in pieces]
    lengths = np.concatenate(
        [np.linalg.norm(np.diff(c, axis=0) @ face.reciprocal, axis=1) for c in corners]
    )
    if (lengths < 1e-12).any():
        msg = f"`k_path` = {path!r} names the same point twice in a row. Leave one out."
        raise ModelInputError(msg)
    spare = count - len(pieces) - len(lengths)
    if spare < 0:
        msg = (
            f"`k_points` = {count} is too few for `k_path` = {path!r}, which has "
            f"{len(pieces) + len(lengths)} named points. Give at least as many."
        )
        raise ModelInputError(msg)
    return _walk(face, pieces, corners, lengths, 1 + _shares(lengths, spare))


def _shares(lengths: FloatArray, spare: int) -> IntArray:
    """Divide `spare` extra steps among segments by length, largest remainder first."""
    exact = lengths / lengths.sum() * (spare + len(lengths)) - 1
    exact = np.maximum(exact, 0)
    exact *= spare / exact.sum() if exact.sum() else 0
    steps = np.floor(exact + 1e-9).astype(int)
    for i in np.argsort(-(exact - steps), kind="stable")[: spare - steps.sum()]:
        steps[i] += 1
    return steps


def _walk(
    face: Face,
    pieces: list[list[str]],
    corners: list[FloatArray],
    lengths: FloatArray,
    steps: IntArray,
) -> KPoints:
    fractions, distances = [], []
    labels: list[str] = []
    done, segment, breaks = 0.0, 0, []
    for piece, corner in zip(pieces, corners, strict=True):
        breaks.append(len(labels))
        fractions.append(corner[:1])
        labels.append(piece[0])
        distances.append(np.array([done]))
        for i in range(len(piece) - 1):
            n = int(steps[segment])
            along = np.arange(1, n + 1)[:, None] / n
            fractions.append(corner[i] + along * (corner[i + 1] - corner[i]))
            labels += [""] * (n - 1) + [piece[i + 1]]
            distances.append(done + along[:, 0] * lengths[segment])
            done += lengths[segment]
            segment += 1
    fraction = np.concatenate(fractions)
    weight = np.full(len(fraction), 1 / len(fraction))
    return KPoints(fraction, weight, tuple(labels), np.concatenate(distances), tuple(breaks[1:]))


def listed(face: Face, fractions: tuple[tuple[float, float], ...]) -> KPoints:
    """Take wavevectors as they are listed, in their order."""
    fraction = np.array(fractions, dtype=float)
    return KPoints(
        fraction,
        np.full(len(fraction), 1 / len(fraction)),
        _names(face, fraction),
        _distances(face, fraction),
    )


def mesh_shift(face: Face, shift: str) -> tuple[float, float]:
    """Give the shift of a mesh in steps: "auto" avoids Gamma and keeps the symmetry."""
    if shift == "gamma":
        return 0.0, 0.0
    return (1 / 3, 2 / 3) if face.hexagonal else (0.5, 0.5)


def on_mesh(face: Face, n: int, shift: str) -> KPoints:
    """Give the irreducible points of an n x n mesh, each with its share of the zone.

    Used: the point group of the face and time reversal (k and -k), as far as they keep
    the mesh. They hold for slabs with two different faces too. A point stands for its
    star by the first of them in the order of the mesh.

    The endless crystal at (k + G, k_z) is that at (k, k_z + G.t/h), t being the offset from
    layer to layer. So points of a star that are equal for a slab are not for a crystal with a
    few values of k_z; `gains` tells them apart.
    """
    stars = _stars(face, n, shift)
    kept, which, counts = np.unique(stars.first, return_inverse=True, return_counts=True)
    fraction = stars.points[kept] / n
    gains = np.zeros((len(kept), SIXTHS))
    np.add.at(gains, (which, stars.gain), 1 / counts[which])
    return KPoints(
        fraction, counts / (n * n), _names(face, fraction), np.full(len(kept), np.nan), (), gains,
        stars.mixing,
    )  # fmt: skip


def mesh_map(face: Face, n: int, shift: str) -> IntArray:
    """Give the irreducible point, as counted by `on_mesh`, of each point of a mesh, (n, n)."""
    first = _stars(face, n, shift).first
    return np.unique(first, return_inverse=True)[1].reshape(n, n)


@dataclass(frozen=True)
class _Stars:
    points: FloatArray
    """(n * n, 2), in steps of 1/n."""
    first: IntArray
    """(n * n,), the first point of the star of each."""
    gain: IntArray
    """(n * n,), sixths of a turn, as in `KPoints.gains`."""
    mixing: FloatArray


def _stars(face: Face, n: int, shift: str) -> _Stars:
    s = np.array(mesh_shift(face, shift))
    steps = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1)
    points = steps.reshape(-1, 2) + s
    offset = np.linalg.solve(face.vectors.T, np.array(face.offset)) * (not face.alternating)
    first, gain, squares = np.arange(n * n), np.zeros(n * n, dtype=np.int64), []
    for q, w in operations(face):
        for sign in (1, -1):
            image = sign * points @ w.T - s
            whole = np.rint(image)
            if np.abs(image - whole).max() > 1e-6:
                continue  # this operation does not keep the mesh
            turns = -(whole.astype(int) // n)  # what is added to come back to 0 <= f < 1
            index = whole.astype(int) % n @ [n, 1]
            own = np.arange(n * n)
            nearer = own < first[index]
            first[index[nearer]] = own[nearer]
            sixths = np.rint(SIXTHS * sign * turns @ offset).astype(int) % SIXTHS
            gain[index[nearer]] = sixths[nearer]
            squares.append(q**2)
    return _Stars(points, first, gain, np.mean(squares, axis=0))


def _names(face: Face, fraction: FloatArray) -> tuple[str, ...]:
    """Name the points that are a labelled point up to a reciprocal lattice vector."""
    names = [""] * len(fraction)
    for label, corner in face.labels.items():
        away = fraction - np.array(corner)
        same = np.abs(away - np.rint(away)).max(axis=1) < 1e-9
        for i in np.flatnonzero(same):
            names[i] = names[i] or label
    return tuple(names)


def _distances(face: Face, fraction: FloatArray) -> FloatArray:
    steps = np.linalg.norm(np.diff(fraction, axis=0) @ face.reciprocal, axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])
