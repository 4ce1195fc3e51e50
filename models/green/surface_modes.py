"""Surface modes of a semi-infinite crystal: poles of its Green's function outside the bands.

With everything below the explicit region in the self-energy Sigma(x), modes are the x at which
F(x) = x - D - Sigma(x) has an eigenvalue zero. Outside the bulk bands F is Hermitian and each
of its eigenvalues rises with x, F' = 1 + C g^2 C+ > 0, except at the poles of Sigma: modes
of the bulk cut open with the self terms it has inside. Such a cut makes no modes below or above
all bands, for its matrix is a part of the matrix of the infinite crystal; in a gap it may.
Wherever it does, one eigenvalue of the infinite crystal's own Green's function block,
which has no poles in a gap and falls with x, passes zero. So the poles are found first,
they divide the gaps, and between them the number of modes is the number of negative
eigenvalues that F loses from one end to the other. None is found twice or missed, unless it
lies just at such a pole (`AWAY`).

Inside the bulk a mode falls by T = g H+ from one principal layer to the next, which gives its
norm and depth to the last layer.

Units: squared frequency. Axes: (modes, 3 * layers), ascending squared frequency.
Source: Wallis (1973), part 2B; T. Lee, J. Joannopoulos, Phys. Rev. B 23, 4988 (1981).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.errors import ModelInputError, NumericsError
from models.green.decimation import chain_self_energies, inverse, resolvent
from models.green.half_space import HalfSpace, Matrices
from models.green.surface_spectra import surface_resolvents
from models.modes.bulk_bands import TOUCHING
from models.protocol import FloatArray, IntArray

EDGE = 1e-6
"""Modes nearer than this share of the highest squared frequency to a band are not looked for,
nor those nearer than `TOUCHING` in frequency, which is less below the bands of long waves."""
SHARP = 1e-14
"""Width at which a bracket is narrow enough, as a share of the highest squared frequency."""
AWAY = 1e-6
"""Distance kept from poles of Sigma, as a share of the highest squared frequency. Nearer, the
finite part of Sigma drowns in the rounding of the pole, and a mode that lies there is lost."""
ASIDE = 1e-13
"""Step away from an x at which decimation meets a singular matrix, as such a share."""
TURNS = 120
"""Steps of the root search before it gives up; bisection alone needs 47."""
FAR = 60
"""Doublings of the depth over which a mode is followed: 2^60 principal layers."""


@dataclass(frozen=True)
class SurfaceModes:
    """Modes outside the bulk bands at one wavevector, ascending."""

    squared: FloatArray
    """(modes,)."""
    place: IntArray
    """(modes,), number of the bands below the mode: 0 lies below all bands."""
    vectors: Matrices
    """(modes, 3 * explicit layers), e of the explicit layers; what is missing to 1 lies deeper."""
    normal_weight: FloatArray
    """(modes,), share of the motion along the normal, in all layers."""
    penetration_depth: FloatArray
    """(modes,), mean depth in layers, 0 being the top layer."""

    @property
    def shares(self) -> FloatArray:
        """|e|^2 of the explicit layers, (modes, explicit layers, 3)."""
        modes, n = self.vectors.shape
        return np.asarray(np.abs(self.vectors.reshape(modes, n // 3, 3)) ** 2)

    @property
    def top_weight(self) -> FloatArray:
        """Share of each mode in the top layer, (modes,)."""
        return self.shares[:, 0].sum(axis=-1)


def find_surface_modes(half: HalfSpace, k: int, bands: FloatArray) -> SurfaceModes:
    """Find all modes of a half space below, between and above its projected bulk bands.

    Parameters
    ----------
    k : index of the wavevector
    bands : (bands, 2), squared frequencies of the edges, ascending; rows of NaN are skipped

    Raises
    ------
    ModelInputError : the bands overlap or are not ascending
    NumericsError : a band was left out, or its edges are wrong
    """
    bands = bands[~np.isnan(bands).any(axis=1)]
    if not len(bands) or (np.diff(bands.ravel()) < 0).any():
        msg = (
            f"The bulk bands {bands.tolist()} are not ascending intervals. The gaps between them "
            "are where surface modes are. Merge bands that overlap, and sort them."
        )
        raise ModelInputError(msg)
    scale = _bound(half, k)
    edges = np.concatenate([[-scale], bands.ravel(), [scale]]).reshape(-1, 2)
    levels = Levels(half, k, scale)
    found = []
    for place, (low, high) in enumerate(edges):
        a = low + EDGE * scale if place else low
        b = high - _distance(high, scale) if place < len(bands) else high
        if b <= a:
            continue
        inner = 0 < place < len(bands)
        ends = [a, *(_cut_modes(levels, a, b) if inner else []), b]
        for i, (left, right) in enumerate(zip(ends[:-1], ends[1:], strict=True)):
            left += AWAY * scale if i else 0
            right -= AWAY * scale if i < len(ends) - 2 else 0
            if left < right:
                roots = find_roots(levels.surface, left, right, SHARP * scale)
                found += [(place, x, j) for x, j in roots]
    return _describe(levels, sorted(found, key=lambda mode: mode[1]))


def _distance(edge: float, scale: float) -> float:
    """Distance kept from the low edge of a band."""
    if edge <= 0:
        return EDGE * scale
    below = max(np.sqrt(edge) - TOUCHING * np.sqrt(scale), 0.0)
    return float(min(EDGE * scale, edge - below**2))


def _bound(half: HalfSpace, k: int) -> float:
    """A bound on all squared frequencies of the half space: the largest sum over a row."""
    top = np.abs(half.surface[k]).sum(axis=1) + np.abs(half.surface_to_bulk[k]).sum(axis=1)
    hop = np.abs(half.hop[k])
    above = np.maximum(hop.sum(axis=0), np.abs(half.surface_to_bulk[k]).sum(axis=0))
    inside = np.abs(half.onsite[k]).sum(axis=1) + hop.sum(axis=1) + above
    return 1.01 * float(max(top.max(), inside.max()))


@dataclass(frozen=True)
class Levels:
    """Rising eigenvalues at one wavevector, whose zeros are modes."""

    half: HalfSpace
    k: int
    scale: float
    """A bound on all squared frequencies."""

    def matrices(self, x: FloatArray) -> Matrices:
        """F(x) on all explicit layers, (n, s, s)."""
        return (
            self.off_singular(lambda z: surface_resolvents(self.half, self.k, z, layers), x)
            if (layers := self.half.layers)
            else x
        )

    def surface(self, x: FloatArray) -> FloatArray:
        """Eigenvalues of F, ascending, (n, s)."""
        return np.linalg.eigvalsh(self.matrices(x))

    def cut(self, x: FloatArray) -> FloatArray:
        """Eigenvalues of -G in a principal layer of the infinite crystal, ascending, (n, q)."""
        onsite, hop = self.half.onsite[self.k], self.half.hop[self.k]

        def resolvents(z: FloatArray) -> Matrices:
            both = chain_self_energies(onsite, hop, z), chain_self_energies(onsite, hop.conj().T, z)
            return resolvent(z, onsite) - both[0] - both[1]

        return np.linalg.eigvalsh(-inverse(self.off_singular(resolvents, x), x))

    def off_singular(self, matrices: Callable[[FloatArray], Matrices], x: FloatArray) -> Matrices:
        """Step aside where a layer removed on the way has a mode at just one of the x."""
        try:
            return matrices(x)
        except NumericsError:
            return matrices(x + ASIDE * self.scale)


def _cut_modes(levels: Levels, low: float, high: float) -> list[float]:
    """Squared frequencies in a gap at which Sigma has a pole, or the half space above has."""
    roots = find_roots(levels.cut, low, high, AWAY / 100 * levels.scale)
    return sorted({x for x, _ in roots})


def find_roots(
    levels: Callable[[FloatArray], FloatArray], low: float, high: float, width: float
) -> list[tuple[float, int]]:
    """Find where rising eigenvalues pass zero between two points, with the number of each.

    Secant steps with a third of bisections, for all eigenvalues side by side.

    Parameters
    ----------
    levels : from points (n,) to eigenvalues (n, m), ascending in m and rising with the point
    width : how narrow a bracket must become
    """
    at_low, at_high = levels(np.array([low, high]))
    which = np.arange((at_high < 0).sum(), (at_low < 0).sum())
    a, b = np.full(len(which), low), np.full(len(which), high)
    f_a, f_b = at_low[which], at_high[which]
    last = np.zeros(len(which))
    for turn in range(TURNS):
        open_ = np.flatnonzero(b - a > width)
        if not len(open_):
            break
        x = b - f_b * (b - a) / np.where(f_b > f_a, f_b - f_a, 1)
        x = np.where((turn % 3 == 2) | (f_b <= f_a), (a + b) / 2, x)
        x = np.clip(x, a + 0.4 * width, b - 0.4 * width)[open_]
        f = np.take_along_axis(levels(x), which[open_, None], axis=1)[:, 0]
        below = f < 0
        lower, upper = open_[below], open_[~below]
        a[lower], f_a[lower], b[upper], f_b[upper] = x[below], f[below], x[~below], f[~below]
        # an end that stays twice counts half: else it would stay for ever (Illinois)
        f_b[lower] /= np.where(last[lower] < 0, 2, 1)
        f_a[upper] /= np.where(last[upper] > 0, 2, 1)
        last[lower], last[upper] = -1, 1
    return [(float(x), int(j)) for x, j in zip((a + b) / 2, which, strict=True)]


def _describe(levels: Levels, found: list[tuple[int, float, int]]) -> SurfaceModes:
    """Follow each mode through the explicit region and down the bulk."""
    half, k = levels.half, levels.k
    squared = np.array([x for _, x, _ in found])
    vectors = np.zeros((len(found), 3 * half.layers), half.surface.dtype)
    deeper = np.zeros((len(found), 3))
    onsite, hop = half.onsite[k], half.hop[k]
    if found:
        every = np.linalg.eigh(levels.matrices(squared))[1]
        sigma = levels.off_singular(lambda z: chain_self_energies(onsite, hop, z), squared)
        g = inverse(resolvent(squared, onsite) - sigma, squared)
        for i, (_, _, j) in enumerate(found):
            v = vectors[i] = every[i, :, j]
            first = g[i] @ (half.surface_to_bulk[k].conj().T @ v)
            deeper[i] = _sums_below(first, g[i] @ hop.conj().T, half.layers)
    norm = 1 + deeper[:, 0]
    shares = np.abs(vectors.reshape(len(found), half.layers, 3)) ** 2
    depth = shares.sum(axis=2) @ np.arange(half.layers) + deeper[:, 2]
    normal = shares[:, :, 2].sum(axis=1) + deeper[:, 1]
    place = np.array([p for p, _, _ in found], dtype=np.int64)
    return SurfaceModes(
        squared, place, vectors / np.sqrt(norm)[:, None], normal / norm, depth / norm
    )


def _sums_below(first: Matrices, step: Matrices, above: int) -> FloatArray:
    """Sum |e|^2, its normal part and its depth in layers over all principal layers, (3,).

    first : (q,), the mode in the uppermost principal layer
    step : (q, q), from one principal layer to the next
    above : number of explicit layers
    """
    coordinate = np.arange(len(first))
    weights = np.stack([np.ones(len(first)), coordinate % 3 == 2, coordinate // 3])
    sums = weights[:, None] * np.eye(len(first)) + 0 * step
    steps = np.zeros_like(sums[0])  # weighted by the number of principal layers above
    count = 1.0
    for _ in range(FAR):
        adjoint = step.conj().T
        steps = steps + adjoint @ (steps + count * sums[0]) @ step
        sums = sums + adjoint @ sums @ step
        step, count = step @ step, 2 * count
        if count * np.abs(step).max() ** 2 < 1e-20:
            break
    all_, normal, inside = (float((first.conj() @ m @ first).real) for m in sums)
    jumps = float((first.conj() @ steps @ first).real)
    return np.array([all_, normal, above * all_ + inside + len(first) // 3 * jumps])
