"""Two sets of values of a variable, compared as far as rounding lets them agree.

Another BLAS kernel, another numpy or another machine rounds otherwise. What that moves is
declared with each variable (`models.protocol.Variable`): a tolerance relative to the largest
magnitude at the point; squares instead of frequencies; and sums or spanned spaces where the
eigenvectors of equal eigenvalues are an arbitrary basis. Nothing here knows of files.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.protocol import FloatArray, IntArray, Variable
from sweep.layout import fill_of

BoolArray: TypeAlias = NDArray[np.bool_]
DEGENERATE = 1e-6
"""Eigenvalues nearer than this share of the largest one belong to one group. Rounding turns
two eigenvectors into each other by about 1e-13 (a matrix of order 1000) over their gap."""


@dataclass(frozen=True)
class Deviations:
    """How two sets of values of a variable differ: one entry for each point."""

    values: IntArray
    """Values compared, those left out that are missing on both sides."""
    differing: IntArray
    """Values beyond the tolerance; unequal ones where values must be equal."""
    undecided: IntArray
    """Flags that differ inside a group of equal eigenvalues, which says nothing."""
    absolute: FloatArray
    """At `place`, in the unit of the variable; inf where one side is missing."""
    relative: FloatArray
    """The largest one, in terms of the tolerance: over the largest magnitude, of squares for
    square roots. Counts: their difference; flags and words: 1."""
    place: IntArray
    """Where it is, (points, own dims)."""
    identical: BoolArray
    """Byte for byte."""


@dataclass(frozen=True)
class Comparison:
    """What is known of one variable after some points."""

    variable: Variable
    unit: str
    tolerance: float
    points: int = 0
    """Points compared; points that differ only along axes without influence count once."""
    disagreeing: int = 0
    """Points with a value beyond the tolerance."""
    identical: int = 0
    """Points that agree byte for byte."""
    values: int = 0
    differing: int = 0
    undecided: int = 0
    absolute: float = 0.0
    relative: float = 0.0
    at: dict[str, Any] = field(default_factory=dict)
    """Where the largest deviation is: axes, then own dims."""
    left_out: int = 0
    """Points that could not be compared."""
    note: str = ""
    """Why."""

    @property
    def exact(self) -> bool:
        """Values must be equal."""
        return is_exact(self.variable)

    def added(self, found: Deviations) -> tuple[Comparison, tuple[int, tuple[int, ...]] | None]:
        """Count more points; give the point and the place where a new largest deviation is."""
        worst = int(np.argmax(found.relative))
        new = float(found.relative[worst]) > self.relative
        total = replace(
            self, points=self.points + len(found.values),
            disagreeing=self.disagreeing + int((found.differing > 0).sum()),
            identical=self.identical + int(found.identical.sum()),
            values=self.values + int(found.values.sum()),
            differing=self.differing + int(found.differing.sum()),
            undecided=self.undecided + int(found.undecided.sum()),
            absolute=float(found.absolute[worst]) if new else self.absolute,
            relative=float(found.relative[worst]) if new else self.relative,
        )  # fmt: skip
        place = tuple(map(int, found.place[worst]))
        return total, (worst, place) if new else None

    def located(self, at: dict[str, Any]) -> Comparison:
        """Say where the largest deviation is."""
        return replace(self, at=at)

    def without(self, points: int, note: str) -> Comparison:
        """Count points that could not be compared."""
        return replace(self, left_out=self.left_out + points, note=self.note or note)

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON; a deviation without bound is None."""
        return {
            "variable": self.variable.name, "unit": self.unit, "exact": self.exact,
            "tolerance": None if self.exact else self.tolerance,
            "points": self.points, "disagreeing": self.disagreeing, "identical": self.identical,
            "values": self.values, "differing": self.differing, "undecided": self.undecided,
            "largest_absolute": self.absolute if np.isfinite(self.absolute) else None,
            "largest_relative": self.relative if np.isfinite(self.relative) else None,
            "at": self.at, "left_out": self.left_out, "note": self.note,
        }  # fmt: skip


def comparison_of(variable: Variable, unit: str, tolerance: float | None) -> Comparison:
    """Begin with no points; `tolerance` replaces that of the variable."""
    if is_exact(variable):
        return Comparison(variable, unit, 0.0)
    return Comparison(variable, unit, variable.tolerance if tolerance is None else tolerance)


def is_exact(variable: Variable) -> bool:
    """Say whether values must be equal: counts, flags and words."""
    return variable.dtype not in ("float64", "complex128")


def group_starts(eigenvalues: Variable, a: NDArray[Any], b: NDArray[Any]) -> BoolArray:
    """Say which modes begin a group of equal eigenvalues, on either side.

    Parameters
    ----------
    eigenvalues : their declaration
    a, b : (points, ..., modes), ascending along the modes; NaN where there is none

    Returns
    -------
    (points, ..., modes): true for the first mode of every group
    """
    starts = np.ones(a.shape, dtype=bool)
    starts[..., 1:] = ~(_near(eigenvalues, a) | _near(eigenvalues, b))
    return starts


def _near(eigenvalues: Variable, values: NDArray[Any]) -> BoolArray:
    x = _measured(eigenvalues, values)
    top = _largest(x).reshape(-1, *[1] * (x.ndim - 1))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(np.diff(x, axis=-1)) <= DEGENERATE * top)


def compare(
    variable: Variable,
    a: NDArray[Any],
    b: NDArray[Any],
    *,
    starts: BoolArray | None = None,
    tolerance: float | None = None,
) -> Deviations:
    """Compare two sets of values of a variable at some points, at least one.

    Parameters
    ----------
    variable : its declaration
    a, b : (points, own dims...), equal shapes, in the stored unit
    starts : from `group_starts`; None compares mode by mode
    tolerance : instead of the variable's own

    Flags compare one by one; those that differ inside a group of several modes are counted
    as undecided, since what a mode of a group is called hangs on the basis. A flag that
    flips because its mode sits at the edge of a band is counted as differing: whoever reads
    the place decides.
    """
    limit = variable.tolerance if tolerance is None else tolerance
    there = _there(variable, a) | _there(variable, b)
    undecided = np.zeros(there.shape, dtype=bool)
    identical = _identical(a, b)
    if is_exact(variable):
        absolute = relative = _unequal(variable, a, b)
        if variable.flags and starts is not None:
            undecided = (relative > 0) & _in_company(starts, relative.shape)
        beyond = (relative > 0) & ~undecided
        relative = np.where(undecided, 0.0, relative)
    else:
        absolute, relative = _distances(variable, a, b, starts)
        # spans of equal vectors differ by rounding, sums of equal values do not
        absolute[identical], relative[identical] = 0.0, 0.0
        beyond = relative > limit
    flat = relative.reshape(len(a), -1)
    worst = flat.argmax(axis=1) if flat.shape[1] else np.zeros(len(a), dtype=np.int64)
    return Deviations(
        _count(there), _count(beyond), _count(undecided),
        _at(absolute, worst), _at(relative, worst),
        np.stack(np.unravel_index(worst, a.shape[1:]), axis=1)
        if flat.shape[1] and a.ndim > 1 else np.zeros((len(a), a.ndim - 1), dtype=np.int64),
        identical,
    )  # fmt: skip


def _count(what: BoolArray) -> IntArray:
    return what.reshape(len(what), -1).sum(axis=1).astype(np.int64)


def _at(values: FloatArray, worst: IntArray) -> FloatArray:
    flat = values.reshape(len(values), -1)
    return flat[np.arange(len(flat)), worst] if flat.shape[1] else np.zeros(len(flat))


def _there(variable: Variable, values: NDArray[Any]) -> BoolArray:
    fill: Any = fill_of(variable.dtype)
    return np.asarray(values != fill) if is_exact(variable) else ~np.isnan(values)


def _identical(a: NDArray[Any], b: NDArray[Any]) -> BoolArray:
    """Say which points have the same bytes on both sides, (points,)."""
    if a.dtype.kind in "biufc" and a.dtype == b.dtype:
        kind = np.dtype((np.void, a.dtype.itemsize))
        a, b = (np.ascontiguousarray(x).reshape(len(x), -1).view(kind) for x in (a, b))
    return np.asarray((a == b).reshape(len(a), -1).all(axis=1))


def _unequal(variable: Variable, a: NDArray[Any], b: NDArray[Any]) -> FloatArray:
    """Difference of counts; 1 where flags or words differ."""
    if variable.flags or variable.dtype == "str":
        return np.asarray(a != b).astype(np.float64)
    return np.abs(a.astype(np.float64) - b.astype(np.float64))


def _in_company(starts: BoolArray, shape: tuple[int, ...]) -> BoolArray:
    """Say which modes share their group with another, for every entry of an array."""
    ends = np.append(starts.reshape(-1)[1:], True).reshape(starts.shape)
    alone = starts & ends
    return np.broadcast_to(~alone.reshape(*alone.shape, *[1] * (len(shape) - alone.ndim)), shape)


def _measured(variable: Variable, values: NDArray[Any]) -> NDArray[Any]:
    """Give what rounding moves evenly: eigenvalues instead of their signed roots."""
    return values * np.abs(values) if variable.root else values


def _largest(values: NDArray[Any]) -> FloatArray:
    """Largest finite magnitude of every point, (points,)."""
    size = np.abs(values).reshape(len(values), -1)
    return np.where(np.isfinite(size), size, 0.0).max(axis=1, initial=0.0)


def _distances(
    variable: Variable, a: NDArray[Any], b: NDArray[Any], starts: BoolArray | None
) -> tuple[FloatArray, FloatArray]:
    """Absolute and relative distance of every entry, in the shape of the arrays."""
    x, y = _measured(variable, a), _measured(variable, b)
    least = variable.scale**2 if variable.root else variable.scale
    scale = np.maximum(np.maximum(_largest(x), _largest(y)), least)
    if starts is None:
        away = _away(x, y)
        absolute = _away(a, b) if variable.root else away
    elif variable.within_group == "projector":
        absolute = away = _off_span(a, b, starts)
    else:
        absolute = away = _away(_group_sums(x, starts), _group_sums(y, starts))
    shaped = scale.reshape(-1, *[1] * (away.ndim - 1))
    relative = np.divide(away, shaped, out=np.zeros(away.shape), where=shaped > 0)
    return absolute, relative


def _away(a: NDArray[Any], b: NDArray[Any]) -> FloatArray:
    """Distance of two arrays; none where both are missing, inf where one is."""
    with np.errstate(invalid="ignore"):
        away = np.abs(a - b)
    away[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    away[np.isnan(away)] = np.inf
    return away


def _group_sums(values: NDArray[Any], starts: BoolArray) -> NDArray[Any]:
    """Sum over the group of every mode, at every mode of it."""
    rows = values.reshape(starts.size, -1)
    first = np.flatnonzero(starts)
    sums = np.add.reduceat(rows, first, axis=0)
    return np.repeat(sums, np.diff(first, append=starts.size), axis=0).reshape(values.shape)


def _off_span(a: NDArray[Any], b: NDArray[Any], starts: BoolArray) -> FloatArray:
    """What of each side's vectors lies outside the span of the other's group.

    Both vanish together only if the projectors on the two spans are equal. Unlike the
    difference of the projectors they take no matrix of the order of the vectors, and
    unlike its norm from traces they lose no digits.
    """
    first = np.flatnonzero(starts)
    count = np.diff(first, append=starts.size)
    rows_a, rows_b = (x.reshape(starts.size, -1) for x in (a, b))
    away = np.zeros(rows_a.shape)
    alone = first[count == 1]
    away[alone] = _outside(rows_a[alone, None], rows_b[alone, None])[:, 0]
    for i, n in zip(first[count > 1], count[count > 1], strict=True):
        group = slice(i, i + n)
        away[group] = _outside(rows_a[None, group], rows_b[None, group])[0]
    return away.reshape(a.shape)


def _outside(a: NDArray[Any], b: NDArray[Any]) -> FloatArray:
    """Compare groups of vectors (groups, members, length), entry by entry."""
    missing = np.isnan(a) & np.isnan(b)
    a, b = np.where(missing, 0, a), np.where(missing, 0, b)
    overlap = a.conj() @ b.swapaxes(-1, -2)
    rest_b = np.abs(b - overlap.swapaxes(-1, -2) @ a)
    rest_a = np.abs(a - overlap.conj() @ b)
    away = np.maximum(rest_a, rest_b)
    return np.where(np.isnan(away), np.inf, away)
