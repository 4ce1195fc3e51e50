"""Phase sums between the layers of a slab: all that the dynamical matrix is made of.

D_ab(l, l'; k) = -sum_R K_ab(R) exp(i k.R) for each pair of layers, R being the true
in-plane vector. Pairs of layers at the same depth, spacing and strength share their sums,
so an unrelaxed slab needs one sum per depth and a thick relaxed one few more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.crystal.faces import Pairs
from models.forces.pair_forces import PairForces, blocks
from models.protocol import Arrays, FloatArray, IntArray

SAME_SPACING = 1e-12
"""Pairs of layers whose spacings differ by less than this (in sigma) share their sums."""


@dataclass(frozen=True)
class Couplings:
    """Real-space couplings between layers, ready to be summed over phases.

    Columns of the sums are counted through: first 6 for each layer with itself, self term
    included, then 6 cosine and 6 sine sums for each distinct pair of layers, then the
    negatives of all, then a column of zeros.
    """

    vectors: tuple[FloatArray, ...]
    """One entry a depth: (n, 2), half of the in-plane vectors where +R and -R both occur."""
    cosine: tuple[FloatArray, ...]
    """One entry a depth: (n, 6 * distinct pairs), coefficients of cos k.R."""
    sine: tuple[FloatArray, ...]
    self_terms: FloatArray
    """(layers, 6), Phi(l, l) by the sum rule of the slab."""
    column: IntArray
    """(layers, layers): first column of the cosine sums of the pair (upper, lower)."""
    sine_offset: IntArray
    """(layers, layers): from there to the first column of the sine sums."""

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.self_terms)

    @property
    def width(self) -> int:
        """Columns before their negatives."""
        return 6 * self.layers + 2 * sum(c.shape[1] for c in self.cosine[1:])

    def as_arrays(self) -> Arrays:
        """Flatten into named arrays, as stages hand them on."""
        arrays = {
            "self_terms": self.self_terms, "column": self.column, "sine_offset": self.sine_offset,
        }  # fmt: skip
        for depth, entries in enumerate(zip(self.vectors, self.cosine, self.sine, strict=True)):
            arrays |= dict(zip(_names(depth), entries, strict=True))
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Couplings:
        """Undo `as_arrays`."""
        depths = range(sum(name.startswith("vectors_") for name in arrays))
        vectors, cosine, sine = zip(*[[arrays[n] for n in _names(d)] for d in depths], strict=True)
        return cls(
            vectors, cosine, sine, arrays["self_terms"], arrays["column"], arrays["sine_offset"]
        )


def _names(depth: int) -> list[str]:
    return [f"{kind}_{depth}" for kind in ("vectors", "cosine", "sine")]


def find_couplings(
    forces: PairForces, pairs: Pairs, distance: float, heights: FloatArray, strength: FloatArray
) -> Couplings:
    """Collect the force constants of a slab by depth and distinct pair of layers.

    Parameters
    ----------
    distance : nearest neighbours
    heights : (layers,), top first
    strength : (layers, layers), factor on the pairs between two layers
    """
    layers = len(heights)
    column = np.zeros((layers, layers), dtype=np.int64)
    sine_offset = np.zeros((layers, layers), dtype=np.int64)
    self_terms = np.zeros((layers, 6))
    depths = []
    next_column = 6 * layers
    for depth in range(min(layers - 1, int(pairs.depth[-1])) + 1):
        upper = np.arange(layers - depth)
        lower = upper + depth
        dz = heights[lower] - heights[upper]
        one, which = _distinct(dz, strength[upper, lower])
        depths.append(_depth(forces, pairs, distance, depth, dz[one], strength[upper, lower][one]))
        total = depths[-1].total[which]
        np.add.at(self_terms, upper, total)
        if depth:
            np.add.at(self_terms, lower, total)
        column[upper, lower] = (next_column + 6 * which) if depth else 6 * upper
        sine_offset[upper, lower] = 6 * len(one)
        next_column += 12 * len(one) if depth else 0
    return Couplings(
        tuple(d.vectors for d in depths), tuple(d.cosine for d in depths),
        tuple(d.sine for d in depths), self_terms, column, sine_offset,
    )  # fmt: skip


def crystal_couplings(
    forces: PairForces, pairs: Pairs, distance: float, spacing: float
) -> Couplings:
    """Collect the force constants of the ideal crystal: one layer and all below it.

    `self_terms[0]` is the self term of the bulk; the columns have no meaning.
    """
    one = np.ones(1)
    depths = [
        _depth(forces, pairs, distance, depth, -one * depth * spacing * distance, one)
        for depth in range(int(pairs.depth[-1]) + 1)
    ]
    self_term = depths[0].total + 2 * sum(d.total for d in depths[1:])
    none = np.zeros((1, 1), dtype=np.int64)
    return Couplings(
        tuple(d.vectors for d in depths), tuple(d.cosine for d in depths),
        tuple(d.sine for d in depths), self_term, none, none,
    )  # fmt: skip


@dataclass(frozen=True)
class _Depth:
    """The couplings of one depth: as in `Couplings`, and their sums without phases."""

    vectors: FloatArray
    cosine: FloatArray
    sine: FloatArray
    total: FloatArray
    """(distinct, 6)."""


def _distinct(dz: FloatArray, strength: FloatArray) -> tuple[IntArray, IntArray]:
    """Find the distinct pairs of layers: an index of each, and which one each pair is."""
    kinds = np.stack([np.rint(dz / SAME_SPACING), strength], axis=1)
    _, one, which = np.unique(kinds, axis=0, return_index=True, return_inverse=True)
    return one, which.ravel()


def _depth(
    forces: PairForces, pairs: Pairs, distance: float, depth: int, dz: FloatArray,
    strength: FloatArray,
) -> _Depth:  # fmt: skip
    of = pairs.depth == depth
    xy = pairs.in_plane[of] * distance
    k = _pair_blocks(forces, pairs.squared[of], xy, dz, strength)
    half, even, odd = _fold(xy, k)
    return _Depth(half, -even, -odd, k.sum(axis=0).reshape(-1, 6))


def _pair_blocks(
    forces: PairForces,
    ideal: FloatArray,
    xy: FloatArray,
    dz: FloatArray,
    strength: FloatArray,
) -> FloatArray:
    """Blocks of all vectors of one depth for each distinct pair, (vectors, 6 * distinct)."""
    separation = np.empty((len(xy), len(dz), 3))
    separation[..., :2] = xy[:, None]
    separation[..., 2] = dz
    k = blocks(forces, separation, np.broadcast_to(ideal[:, None], separation.shape[:2]))
    return (k * strength[:, None]).reshape(len(xy), -1)


def _fold(xy: FloatArray, k: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Join +R and -R: half the vectors, coefficients of cos k.R and of sin k.R."""
    place = {tuple(v): i for i, v in enumerate(np.rint(xy * 1e8).astype(np.int64).tolist())}
    opposite = np.array([place.get((-x, -y), -1) for x, y in place])
    keep = np.flatnonzero((opposite < 0) | (np.arange(len(xy)) <= opposite))
    partner = opposite[keep]
    paired = ((partner >= 0) & (partner != keep))[:, None]
    other = np.where(paired, k[partner], 0.0)
    return xy[keep], k[keep] + other, k[keep] - other


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
    own = np.cos(wavevectors @ couplings.vectors[0].T) @ couplings.cosine[0]
    np.add(own[:, None, :], couplings.self_terms, out=sums[:, : 6 * layers].reshape(n, layers, 6))
    at = 6 * layers
    for r, even, odd in zip(
        couplings.vectors[1:], couplings.cosine[1:], couplings.sine[1:], strict=True
    ):
        phase = wavevectors @ r.T
        size = even.shape[1]
        sums[:, at : at + size] = np.cos(phase) @ even
        sums[:, at + size : at + 2 * size] = np.sin(phase) @ odd
        at += 2 * size
    np.negative(sums[:, :width], out=sums[:, width:-1])
    sums[:, -1] = 0
    return sums
