"""Surface modes of a thick slab: those outside the projected bulk bands, at one wavevector.

Such a mode falls off from its face, so that it is first seen in the outer layers alone, the
rest clamped: a small dense problem. Its vector is then refined by inverse iteration with a
banded factor, in a window of outer layers that is doubled until what leaks out of it is
rounding; the level is then that of the whole slab. A mode that reaches the middle is refined
in the whole slab, both faces at once. Cost and memory are linear in the layers at worst.

Whether all were found is known from the number of modes between the edges of the gap
(`spectrum_count`); modes bound so weakly that the outer layers do not show them are then
sought from the edge of the gap by the Lanczos method.

Units: squared frequencies; bands: frequencies. Vectors are those of D, orthonormal.
Source: Wallis (1973), part 2B; inverse iteration with Rayleigh-Ritz: Parlett (1980).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.band_matrices import Numbers, beyond_edge, factored, product
from models.modes.banded import NORMAL_SIGN, LayerBlocks, band_of, lower_blocks, turned_over
from models.modes.bulk_bands import TOUCHING
from models.modes.spectrum_count import count_below
from models.protocol import ComplexArray, FloatArray

BoolArray: TypeAlias = NDArray[np.bool_]

THIN = 30
"""Outer layers in which surface modes are first sought (three times the reach, if more)."""
RESIDUAL = 1e-12
"""Largest |D e - w2 e| over the highest squared frequency at which a vector is accepted."""
ROUNDS = 12
"""Inverse iterations before a vector is given up; a good one needs two to four."""


@dataclass(frozen=True)
class SurfaceModes:
    """The modes outside the bulk bands at one wavevector."""

    squared: FloatArray
    """(modes,), ascending."""
    vectors: ComplexArray
    """(modes, 3 * layers), orthonormal; the members of a pair that is degenerate to rounding
    live on one face each, the top one first."""
    residual: FloatArray
    """(modes,), |D e - w2 e| over the highest squared frequency."""
    missing: int
    """Modes that are known to lie outside the bands and were not found; 0 unless one lies
    at the very edge."""


@dataclass(frozen=True)
class Gap:
    """An interval of squared frequencies without bulk modes."""

    low: float
    high: float

    def holds(self, squared: FloatArray) -> BoolArray:
        """Say which levels lie inside."""
        return np.asarray((squared > self.low) & (squared < self.high))

    def inwards(self, squared: float) -> float:
        """Direction away from the nearer band, 1 or -1."""
        return 1.0 if squared - self.low < self.high - squared else -1.0


def gaps_of(bands: FloatArray, places: tuple[str, ...] = ("below", "gap", "above")) -> list[Gap]:
    """Give the intervals outside the bands by more than the tolerance of `place_modes`.

    Parameters
    ----------
    bands : (bands, 2), frequencies, NaN behind the last, as `bulk_bands` gives them
    places : which of them
    """
    bands = bands[np.isfinite(bands[:, 0])]
    tolerance = TOUCHING * np.abs(bands).max()
    low = np.append(-np.inf, bands[:, 1] + tolerance)
    high = np.append(bands[:, 0] - tolerance, np.inf)
    kinds = ["below", *["gap"] * (len(bands) - 1), "above"]
    return [
        Gap(float(a * abs(a)), float(b * abs(b)))
        for a, b, kind in zip(low, high, kinds, strict=True)
        if kind in places and a < b
    ]


def surface_modes(
    blocks: LayerBlocks, gaps: list[Gap], two_fold: bool, symmetric: bool, counted: bool = True
) -> SurfaceModes:
    """Find the modes in the gaps of one wavevector.

    Parameters
    ----------
    gaps : ascending, as `gaps_of` gives them
    two_fold : the normal is a two-fold axis of the face
    symmetric : blocks are the same seen from both faces
    counted : make sure by their number that all modes were found
    """
    lower = lower_blocks(blocks, two_fold)
    slab = _Slab(lower, gaps, _scale(lower), two_fold, symmetric)
    missing = 0
    if blocks.layers <= 2 * slab.thin:
        squared, vectors = np.linalg.eigh(_dense(lower))
        found = _ritz(band_of(lower), vectors[:, _inside(squared, gaps)])
    else:
        found = _from_faces(slab)
        found = found.only(_inside(found.squared, gaps))
        if counted:
            found, missing = _completed(slab, found)
    vectors = found.vectors.astype(complex)
    if two_fold:
        vectors[2::3] *= 1j
    return SurfaceModes(found.squared, vectors.T, found.residual / slab.scale, missing)


def _scale(lower: Numbers) -> float:
    """The largest diagonal element, which the highest squared frequency is not under."""
    return float(np.abs(lower[0, :, range(3), range(3)]).max())


@dataclass(frozen=True)
class _Slab:
    """What the steps of one search share."""

    lower: Numbers
    gaps: list[Gap]
    scale: float
    turned: bool
    symmetric: bool

    @property
    def thin(self) -> int:
        """Outer layers that are looked at first."""
        return max(THIN, 3 * (len(self.lower) - 1))

    @property
    def layers(self) -> int:
        """Number of layers."""
        return self.lower.shape[1]

    def on_both_faces(
        self, search: Callable[[Numbers], tuple[_Levels, ...]]
    ) -> tuple[_Levels, ...]:
        """Search from each face, the slab as seen from there; give all on the whole slab.

        Where the faces are alike, the modes of one are mirror images of those of the other.
        """
        n = 3 * self.layers
        top = tuple(x.padded(n) for x in search(self.lower))
        if self.symmetric:
            bottom = tuple(_mirrored(x, self.turned) for x in top)
        else:
            seen = search(turned_over(self.lower))
            bottom = tuple(_reversed(x.padded(n)) for x in seen)
        return tuple(a.joined(b) for a, b in zip(top, bottom, strict=True))


@dataclass(frozen=True)
class _Levels:
    """Approximate or final modes in the form that is solved."""

    squared: FloatArray
    vectors: Numbers
    """(3 layers, modes)."""
    residual: FloatArray

    def only(self, kept: BoolArray) -> _Levels:
        """Keep some."""
        return _Levels(self.squared[kept], self.vectors[:, kept], self.residual[kept])

    def padded(self, n: int) -> _Levels:
        """The same in a slab of more layers."""
        full = np.zeros((n, len(self.squared)), dtype=self.vectors.dtype)
        full[: len(self.vectors)] = self.vectors
        return _Levels(self.squared, full, self.residual)

    def joined(self, other: _Levels) -> _Levels:
        """Both, ascending; of equal ones those of `self` first."""
        squared = np.concatenate([self.squared, other.squared])
        vectors = np.concatenate([self.vectors, other.vectors], axis=1)
        residual = np.concatenate([self.residual, other.residual])
        order = squared.argsort(kind="stable")
        return _Levels(squared[order], vectors[:, order], residual[order])


def _reversed(levels: _Levels) -> _Levels:
    n = len(levels.vectors)
    vectors = levels.vectors.reshape(n // 3, 3, -1)[::-1]
    return _Levels(levels.squared, vectors.reshape(n, -1), levels.residual)


def _mirrored(levels: _Levels, turned: bool) -> _Levels:
    """The same modes on the bottom face: by reflection, or by inversion."""
    other = _reversed(levels)
    if turned:
        sign = np.tile(NORMAL_SIGN, len(other.vectors) // 3)
        return _Levels(other.squared, other.vectors * sign[:, None], other.residual)
    return _Levels(other.squared, other.vectors.conj(), other.residual)


def _inside(squared: FloatArray, gaps: list[Gap]) -> BoolArray:
    inside = np.zeros(len(squared), dtype=bool)
    for gap in gaps:
        inside |= gap.holds(squared)
    return inside


def _dense(lower: Numbers) -> Numbers:
    """The lower triangle of the full matrix."""
    layers = lower.shape[1]
    full = np.zeros((layers, 3, layers, 3), dtype=lower.dtype)
    for depth in range(min(len(lower), layers)):
        upper = np.arange(layers - depth)
        full[upper + depth, :, upper, :] = lower[depth, : layers - depth]
    return full.reshape(3 * layers, 3 * layers)


def _from_faces(slab: _Slab) -> _Levels:
    """Find the modes that the outer layers show."""
    done, wide = slab.on_both_faces(lambda lower: _followed_inwards(slab, lower))
    if len(wide.squared):
        done = done.joined(_refined(slab, slab.lower, wide.vectors))
    return done


def _followed_inwards(slab: _Slab, lower: Numbers) -> tuple[_Levels, _Levels]:
    """Modes of the top face: those that end inside a window, and starts of those that do not."""
    window = slab.thin
    squared, vectors = np.linalg.eigh(_dense(lower[:, :window]))
    outer = (np.abs(vectors[: 3 * (window // 2)]) ** 2).sum(axis=0)
    going = _Levels(squared, vectors, np.zeros(len(squared)))
    done = going.only(outer < 0)
    going = going.only(_inside(squared, slab.gaps) & (outer >= 0.5))
    while len(going.squared) and 4 * window <= slab.layers:
        window *= 2
        going = _refined(slab, lower[:, :window], going.padded(3 * window).vectors)
        going = going.only(_inside(going.squared, slab.gaps))  # else a bulk wave, clamped
        ended, going = _ended(slab, lower, going)
        done = done.padded(3 * window).joined(ended)
    return done, going


def _ended(slab: _Slab, lower: Numbers, levels: _Levels) -> tuple[_Levels, _Levels]:
    """Split modes of a window by what D moves in the layers below it: rounding, or more."""
    window = len(levels.vectors) // 3
    x = levels.vectors.reshape(window, 3, -1)
    reach = len(lower) - 1
    pull = np.zeros((reach, *x.shape[1:]), dtype=x.dtype)
    for depth in range(1, reach + 1):
        pull[:depth] += lower[depth, window - depth : window] @ x[window - depth :]
    leak = np.sqrt((np.abs(pull) ** 2).sum(axis=(0, 1)))
    whole = _Levels(levels.squared, levels.vectors, np.hypot(levels.residual, leak))
    ended = whole.residual <= RESIDUAL * slab.scale
    return whole.only(ended), whole.only(~ended)


def _refined(slab: _Slab, lower: Numbers, start: Numbers) -> _Levels:
    """Refine vectors by inverse iteration; those that do not settle are left out.

    Each is shifted by its own residual away from the bands: members of a pair that the
    vectors do not tell apart yet are then amplified alike.
    """
    band = band_of(lower)
    levels = _ritz(band, start)
    for _ in range(ROUNDS):
        # half of what is accepted, which leaves room for what leaks out of a window
        unsettled = np.flatnonzero(levels.residual > 0.5 * RESIDUAL * slab.scale)
        if not len(unsettled):
            break
        vectors = levels.vectors.copy()
        for i in unsettled:
            level = float(levels.squared[i])
            inwards = next((g.inwards(level) for g in slab.gaps if g.low < level < g.high), 1.0)
            shift = level + inwards * float(levels.residual[i])
            solved = factored(band, shift)(vectors[:, i : i + 1])[:, 0]
            vectors[:, i] = solved / np.linalg.norm(solved)
        levels = _ritz(band, vectors)
    return levels.only(levels.residual <= RESIDUAL * slab.scale)


def _ritz(band: Numbers, vectors: Numbers) -> _Levels:
    """Best levels and orthonormal vectors in a space."""
    q, _ = np.linalg.qr(vectors)
    image = product(band, q)
    squared, turn = np.linalg.eigh(q.conj().T @ image)
    best = q @ turn
    residual = np.linalg.norm(image @ turn - best * squared, axis=0)
    return _Levels(squared, best, residual)


def _completed(slab: _Slab, found: _Levels) -> tuple[_Levels, int]:
    """Compare with the number of modes in each gap; seek those that are missing."""
    missing = 0
    for gap, expected in zip(slab.gaps, _numbers(slab.lower, slab.gaps), strict=True):
        inside = gap.holds(found.squared)
        if expected > inside.sum():
            more = _sought(slab, gap, expected)
            if len(more.squared) > inside.sum():
                found = found.only(~inside).joined(more)
        missing += expected - int(gap.holds(found.squared).sum())
    return found, missing


def _numbers(lower: Numbers, gaps: list[Gap]) -> list[int]:
    """How many modes lie in each gap."""
    edges = np.array([x for gap in gaps for x in (gap.low, gap.high) if np.isfinite(x)])
    below = dict(zip(edges.tolist(), count_below(lower, edges).tolist(), strict=True))
    below |= {-np.inf: 0, np.inf: 3 * lower.shape[1]}
    return [below[gap.high] - below[gap.low] for gap in gaps]


def _sought(slab: _Slab, gap: Gap, expected: int) -> _Levels:
    """Find all modes of a gap: in windows of more and more layers, at last in the slab."""

    def in_window(lower: Numbers) -> tuple[_Levels]:
        part = lower[:, :window]
        levels = _refined(slab, part, _from_edges(part, gap))
        return (_ended(slab, lower, levels.only(gap.holds(levels.squared)))[0],)

    window = 4 * slab.thin
    while 2 * window <= slab.layers:
        (found,) = slab.on_both_faces(in_window)
        if len(found.squared) == expected:
            return found
        window *= 2
    levels = _refined(slab, slab.lower, _from_edges(slab.lower, gap))
    return levels.only(gap.holds(levels.squared))


def _from_edges(lower: Numbers, gap: Gap) -> Numbers:
    """Find all modes of a gap, each half of it from its own edge, (n, modes).

    The modes of the far half, and the crowd of the band behind it, are then at least twice
    as far from the edge as those that are sought.
    """
    band, middle = band_of(lower), (gap.low + gap.high) / 2
    if not np.isfinite(middle):
        above = bool(np.isfinite(gap.low))
        (number,) = _numbers(lower, [gap])
        return beyond_edge(band, gap.low if above else gap.high, number, above)
    near_low, near_high = _numbers(lower, [Gap(gap.low, middle), Gap(middle, gap.high)])
    return np.concatenate(
        [beyond_edge(band, gap.low, near_low, True), beyond_edge(band, gap.high, near_high, False)],
        axis=1,
    )
