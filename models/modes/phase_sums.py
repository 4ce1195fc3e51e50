"""Phase sums between the layers of a slab: all that the dynamical matrix is made of.

D_ab(l, l'; k) = -sum_R K_ab(R) exp(i k.R) for each pair of layers, R being the true
in-plane vector. Pairs of layers at the same depth, spacing and strength share their sums,
so an unrelaxed slab needs one sum per depth and a thick relaxed one few more. All depths
share their phases: the layers of a crystal stack in a few ways only, so the same in-plane
vectors, or their opposites, come back again and again, and all lie on few lines along x and
y. A phase is the product of those of its two lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile
from typing import TypeAlias

import numpy as np

from models.crystal.faces import Pairs
from models.forces.pair_forces import PairForces, blocks
from models.protocol import Arrays, FloatArray, IntArray

SAME_SPACING = 1e-12
"""Pairs of layers whose spacings differ by less than this (in sigma) share their sums."""
Some: TypeAlias = slice | IntArray
"""Some entries of an axis: a slice where they are regular, which needs no copies."""


def regular(index: IntArray) -> Some:
    """Give ascending places as a slice where their steps are equal."""
    step = int(index[1] - index[0]) if len(index) > 1 else 1
    if len(index) and (np.diff(index) == step).all():
        return slice(int(index[0]), int(index[-1]) + 1, step)
    return index


@dataclass(frozen=True)
class Couplings:
    """Real-space couplings between layers, ready to be summed over phases.

    Columns of the sums are counted through: first 6 for each layer with itself, self term
    included, then 6 cosine and 6 sine sums for each distinct pair of layers, then the
    negatives of all, then a column of zeros.
    """

    x: FloatArray
    """(lines,), the values of x that occur."""
    y: FloatArray
    vectors: IntArray
    """(2, vectors), places in x and y of the in-plane vectors, one of R and -R."""
    used: tuple[IntArray, ...]
    """One entry a depth: (n,), the vectors that occur there."""
    cosine: tuple[FloatArray, ...]
    """One entry a depth: (n, 6 * distinct pairs), coefficients of cos k.R."""
    sine: tuple[FloatArray, ...]
    self_terms: FloatArray
    """(layers, 6), Phi(l, l) by the sum rule of the slab."""
    column: IntArray
    """(depths, layers): first column of the cosine sums of each layer with the one that lies
    so deep below it."""
    sine_offset: IntArray
    """(depths,): from there to the first column of the sine sums."""

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.self_terms)

    @property
    def width(self) -> int:
        """Columns before their negatives."""
        return int(6 * self.layers + 2 * sum(c.shape[1] for c in self.cosine[1:]))

    def as_arrays(self) -> Arrays:
        """Flatten into named arrays, as stages hand them on."""
        arrays = {
            "x": self.x, "y": self.y, "vectors": self.vectors, "self_terms": self.self_terms,
            "column": self.column, "sine_offset": self.sine_offset,
        }  # fmt: skip
        for depth, entries in enumerate(zip(self.used, self.cosine, self.sine, strict=True)):
            arrays |= dict(zip(_names(depth), entries, strict=True))
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Couplings:
        """Undo `as_arrays`."""
        depths = takewhile(lambda depth: f"used_{depth}" in arrays, count())
        used, cosine, sine = zip(*[[arrays[n] for n in _names(d)] for d in depths], strict=True)
        return cls(
            arrays["x"], arrays["y"], arrays["vectors"], used, cosine, sine,
            arrays["self_terms"], arrays["column"], arrays["sine_offset"],
        )  # fmt: skip


def _names(depth: int) -> list[str]:
    return [f"{kind}_{depth}" for kind in ("used", "cosine", "sine")]


def find_couplings(
    forces: PairForces, pairs: Pairs, distance: float, spacing: float, moved: FloatArray,
    strength: FloatArray, turns: FloatArray,
) -> Couplings:  # fmt: skip
    """Collect the force constants of a slab by depth and distinct pair of layers.

    Parameters
    ----------
    distance : nearest neighbours
    spacing : of the layers in the endless crystal
    moved : (layers,), how far each layer has moved from there along the normal, top first
    strength : (depths, layers), factor on the pairs of layer l with layer l + d
    turns : (layers,), -1 for layers whose neighbours are those of `pairs` turned (hcp)
    """
    layers = len(moved)
    deepest = min(layers - 1, int(pairs.depth[-1]))
    vectors = _vectors(pairs, deepest)
    column = np.zeros((deepest + 1, layers), dtype=np.int64)
    sine_offset = np.zeros(deepest + 1, dtype=np.int64)
    self_terms = np.zeros((layers, 6))
    depths = []
    next_column = 6 * layers
    for depth in range(deepest + 1):
        upper = np.arange(layers - depth)
        lower = upper + depth
        # not from heights: those of a thick slab are large, and would blur the differences
        dz = moved[lower] - moved[upper] - depth * spacing
        # two layers apart, and in its own plane, an atom sees the same turned or not
        turn = turns[upper] if depth % 2 else np.ones(len(upper))
        kinds = _Kinds(dz, strength[depth, upper], turn)
        one, which = kinds.distinct()
        depths.append(_depth(vectors, depth, forces, pairs, distance, kinds.of(one)))
        total = depths[-1].total[which]
        np.add.at(self_terms, upper, total)
        if depth:
            np.add.at(self_terms, lower, total)
        column[depth, upper] = (next_column + 6 * which) if depth else 6 * upper
        sine_offset[depth] = 6 * len(one)
        next_column += 12 * len(one) if depth else 0
    return Couplings(
        vectors.x * distance, vectors.y * distance, vectors.place,
        tuple(d.used for d in depths), tuple(d.cosine for d in depths),
        tuple(d.sine for d in depths), self_terms, column, sine_offset,
    )  # fmt: skip


def crystal_couplings(
    forces: PairForces, pairs: Pairs, distance: float, spacing: float, alternating: bool = False
) -> Couplings:
    """Collect the force constants of the endless crystal: a layer and all below it.

    Where layers alternate, each depth has two kinds of pairs: those of the first layer, then
    those of the second. `self_terms` has one row for each; the columns have no meaning.

    Parameters
    ----------
    distance : nearest neighbours in the layer
    spacing : of the layers, in the same unit
    """
    turns = np.array([1.0, -1.0] if alternating else [1.0])
    vectors = _vectors(pairs, int(pairs.depth[-1]))
    depths = []
    for depth in range(int(pairs.depth[-1]) + 1):
        turn = turns if depth else turns[:1]
        one = np.ones(len(turn))
        kinds = _Kinds(-depth * spacing * one, one, turn)
        depths.append(_depth(vectors, depth, forces, pairs, distance, kinds))
    # what lies above is opposite to what lies below, or its mirror image: the same sums, for
    # no face has any between the normal and a direction in the plane
    self_terms = depths[0].total + 2 * sum(d.total for d in depths[1:])
    none = np.zeros((0, 0), dtype=np.int64)
    return Couplings(
        vectors.x * distance, vectors.y * distance, vectors.place,
        tuple(d.used for d in depths), tuple(d.cosine for d in depths),
        tuple(d.sine for d in depths), self_terms, none, none.ravel(),
    )  # fmt: skip


@dataclass(frozen=True)
class _Vectors:
    """The in-plane vectors of all pairs down to some depth, as in `Couplings`."""

    x: FloatArray
    """Nearest neighbours."""
    y: FloatArray
    place: IntArray
    number: tuple[IntArray, ...]
    """One entry a depth: (n,), which of the vectors each pair has."""
    sign: tuple[FloatArray, ...]
    """One entry a depth: (n,), -1 where a pair has the opposite."""


def _vectors(pairs: Pairs, deepest: int) -> _Vectors:
    depth = pairs.depth[pairs.depth <= deepest]
    xy = pairs.in_plane[: len(depth)]
    steps = np.rint(xy * 1e8)
    sign = np.where((steps[:, 0] > 0) | ((steps[:, 0] == 0) & (steps[:, 1] >= 0)), 1.0, -1.0)
    (x, column), (y, row) = (distinct_values(v) for v in (xy * sign[:, None]).T)
    crossing, number = np.unique(column * len(y) + row, return_inverse=True)
    crossing, number = _nested(crossing, number, depth)
    each = [depth == d for d in range(deepest + 1)]
    return _Vectors(
        x, y, np.stack(np.divmod(crossing, len(y))),
        tuple(number[of] for of in each), tuple(sign[of] for of in each),
    )  # fmt: skip


def _nested(crossing: IntArray, number: IntArray, depth: IntArray) -> tuple[IntArray, IntArray]:
    """Sort the vectors so that those of one depth follow each other, where stacking allows it.

    Deeper layers of one place in the stacking have fewer of the same vectors: the first ones.
    """
    first, last = np.full(len(crossing), depth.max()), np.zeros(len(crossing), dtype=np.int64)
    np.minimum.at(first, number, depth)
    np.maximum.at(last, number, depth)
    order = np.lexsort((-last, first))
    return crossing[order], order.argsort()[number]


def distinct_values(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Find the distinct values, and which one each is."""
    _, first, which = np.unique(np.rint(values * 1e8), return_index=True, return_inverse=True)
    return values[first], which


@dataclass(frozen=True)
class _Depth:
    """The couplings of one depth: as in `Couplings`, and their sums without phases."""

    used: IntArray
    cosine: FloatArray
    sine: FloatArray
    total: FloatArray
    """(distinct, 6)."""


@dataclass(frozen=True)
class _Kinds:
    """Pairs of layers at one depth, told apart by all that decides their force constants."""

    dz: FloatArray
    """(n,), height of the lower layer above the upper one."""
    strength: FloatArray
    turn: FloatArray

    def distinct(self) -> tuple[IntArray, IntArray]:
        """Find the distinct ones: an index of each, and which one each pair is."""
        rows = np.stack([np.rint(self.dz / SAME_SPACING), self.strength, self.turn], axis=1)
        _, one, which = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        return one, which.ravel()

    def of(self, index: IntArray) -> _Kinds:
        """Pick some."""
        return _Kinds(self.dz[index], self.strength[index], self.turn[index])


def _depth(
    vectors: _Vectors, depth: int, forces: PairForces, pairs: Pairs, distance: float, kinds: _Kinds
) -> _Depth:
    """Join the blocks of +R and -R of one depth, for each kind of pair of layers."""
    k = _pair_blocks(forces, pairs, distance, depth, kinds)
    used, place = np.unique(vectors.number[depth], return_inverse=True)
    even, odd = np.zeros((2, len(used), *k.shape[1:]))
    for sign in (1, -1):  # a vector occurs once with each
        of = vectors.sign[depth] == sign
        even[place[of]] += k[of]
        odd[place[of]] += sign * kinds.turn[:, None] * k[of]
    flat = (len(used), 6 * k.shape[1])  # no atom of bcc has a nearest neighbour in its layer
    return _Depth(used, -even.reshape(flat), -odd.reshape(flat), k.sum(axis=0))


def _pair_blocks(
    forces: PairForces, pairs: Pairs, distance: float, depth: int, kinds: _Kinds
) -> FloatArray:
    """Blocks of all pairs of one depth for each kind of pair of layers, (n, kinds, 6)."""
    of = pairs.depth == depth
    separation = np.empty((of.sum(), len(kinds.dz), 3))
    separation[..., :2] = pairs.in_plane[of, None] * distance * kinds.turn[:, None]
    separation[..., 2] = kinds.dz
    k = blocks(forces, separation, np.broadcast_to(pairs.squared[of, None], separation.shape[:2]))
    k *= kinds.strength[:, None]
    return k


def _phases(
    couplings: Couplings, wavevectors: FloatArray
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Give cos k.R and sin k.R of the vectors of one depth after the other, (n_k, n)."""
    column, row = couplings.vectors
    along_x = np.exp(1j * wavevectors[:, :1] * couplings.x)
    along_y = np.exp(1j * wavevectors[:, 1:] * couplings.y)
    phase = along_x.take(column, axis=1)
    phase *= along_y.take(row, axis=1)
    cosine, sine = phase.real.copy(), phase.imag.copy()
    for used in couplings.used:
        # a slice needs no copies
        follow = len(used) > 0 and used[-1] - used[0] == len(used) - 1
        of = slice(used[0], used[-1] + 1) if follow else used
        yield cosine[:, of], sine[:, of]


def depth_sums(
    couplings: Couplings, wavevectors: FloatArray
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Give the cosine and sine sums of one depth after the other, (n_k, 6 * distinct pairs).

    Parameters
    ----------
    wavevectors : (n_k, 2), in the inverse of the unit of the couplings
    """
    phases = _phases(couplings, wavevectors)
    for (cosine, sine), even, odd in zip(phases, couplings.cosine, couplings.sine, strict=True):
        yield cosine @ even, sine @ odd


def sum_phases(couplings: Couplings, wavevectors: FloatArray) -> FloatArray:
    """Sum all couplings over the phases of a grain of wavevectors.

    Parameters
    ----------
    wavevectors : (n, 2), in the inverse of the unit of the couplings

    Returns
    -------
    (n, 2 * width + 1): the sums, their negatives, a zero
    """
    n, width, layers = len(wavevectors), couplings.width, couplings.layers
    sums = np.empty((n, 2 * width + 1))
    at = 6 * layers
    for depth, (cosine, sine) in enumerate(_phases(couplings, wavevectors)):
        even, odd = couplings.cosine[depth], couplings.sine[depth]
        if depth == 0:
            own = (cosine @ even)[:, None, :] + couplings.self_terms
            sums[:, :at] = own.reshape(n, at)
            continue
        for phase, coefficients in ((cosine, even), (sine, odd)):
            end = at + even.shape[1]
            np.matmul(phase, coefficients, out=sums[:, at:end])
            at = end
    np.negative(sums[:, :width], out=sums[:, width:-1])
    sums[:, -1] = 0
    return sums


def slopes_of_sums(couplings: Couplings, wavevectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Differentiate the phase sums along x and along y, each as `sum_phases` gives them."""
    column, row = couplings.vectors
    phase = wavevectors[:, :1] * couplings.x[column] + wavevectors[:, 1:] * couplings.y[row]
    cosine, sine = np.cos(phase), np.sin(phase)
    width, layers = couplings.width, couplings.layers
    found = []
    for length in (couplings.x[column], couplings.y[row]):
        sums = np.zeros((len(wavevectors), 2 * width + 1))
        at = 0
        for i, used in enumerate(couplings.used):
            even = (-sine[:, used] * length[used]) @ couplings.cosine[i]
            odd = (cosine[:, used] * length[used]) @ couplings.sine[i]
            if i == 0:
                sums[:, : 6 * layers] = np.tile(even, layers)
                at = 6 * layers
                continue
            size = even.shape[1]
            sums[:, at : at + size] = even
            sums[:, at + size : at + 2 * size] = odd
            at += 2 * size
        np.negative(sums[:, :width], out=sums[:, width:-1])
        found.append(sums)
    return found[0], found[1]
