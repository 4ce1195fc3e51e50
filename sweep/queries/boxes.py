"""Which parts of a store a query has to read: slabs in the order of the rows, boxes in slabs.

A *cell* is a chunk of the variables that a condition names. What is known of their values
(ranges of stored variables, whole coordinates) says in which cells the condition can be true.
A *slab* is what is looked at in one go; if only a part of its cells matters, that part is
read box by box.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sweep.expressions.language import Expression
from sweep.expressions.ranges import (
    NumberRange,
    Range,
    TextRange,
    TruthRange,
    exact_numbers,
    possible,
)
from sweep.layout import fill_of
from sweep.queries.range_index import BoolArray, IntArray, RangeTable

Box: TypeAlias = dict[str, slice]
Places: TypeAlias = Mapping[str, IntArray]
"""Places along each dim, arrays that broadcast against each other."""
Rows: TypeAlias = tuple[dict[str, NDArray[Any]], NDArray[np.intp]]
"""Columns, and the place of each row among the elements of a slab."""

READ_ELEMENTS = 2**16
"""What one more read costs: the time in which so many elements are read and compared."""
UNITS = 2**20
"""Ranges that are compared in one go."""


# --- what is known ------------------------------------------------------------------------


class Known(Protocol):
    """What is known of the values of a name."""

    def edges(self, dim: str, size: int) -> set[int]:
        """Give the places along a dim where something else is known."""

    def between(self, starts: Places, stops: Places) -> Range:
        """Give what is known from one place to the next along each dim."""


@dataclass(frozen=True)
class KnownRanges:
    """A stored variable, by its ranges in the index."""

    table: RangeTable
    dtype: str
    factor: float
    """From the unit in the store to that of the condition."""
    words: tuple[str, ...]
    """Meanings of 0, 1, 2, ..., if the variable is a flag."""

    def edges(self, dim: str, size: int) -> set[int]:
        """Give the places along a dim where another range begins."""
        return self.table.edges(dim, size)

    def between(self, starts: Places, stops: Places) -> Range:
        """Give the ranges; none begins between the places."""
        low, high, missing = self.table.at(starts)
        if self.words:  # a code without a word counts as missing, too
            return TextRange(low, high, missing | (high >= len(self.words)), self.words)
        low, high = low.astype(np.float64), high.astype(np.float64)
        if self.dtype == "uint8":  # without words every code is a number
            code = float(str(fill_of("uint8")))
            low, high = np.where(missing, np.minimum(low, code), low), np.where(missing, code, high)
            missing = np.zeros_like(missing)
        return NumberRange(low * self.factor, high * self.factor, missing)


@dataclass(frozen=True)
class KnownCoordinate:
    """A coordinate, by its values."""

    dim: str
    values: NDArray[Any]
    """Numbers, booleans or texts."""

    def edges(self, dim: str, size: int) -> set[int]:
        """Give no places: values are taken together over the cells of others."""
        return {0}

    def between(self, starts: Places, stops: Places) -> Range:
        """Take the values together from each place to the next."""
        first, last = starts[self.dim], stops[self.dim].max()

        def over(ufunc: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(ufunc.reduceat(values[:last], first.ravel()).reshape(first.shape))

        if self.values.dtype.kind == "b":
            either = np.logical_or
            return TruthRange(over(either, self.values), over(either, ~self.values))
        if self.values.dtype.kind in "iuf":
            exact = exact_numbers(self.values)
            low, high = over(np.minimum, exact.low), over(np.maximum, exact.high)
            return NumberRange(low, high, over(np.logical_or, exact.missing), exact.tolerance)
        words, codes = self._coded
        low, high = over(np.minimum, codes), over(np.maximum, codes)
        return TextRange(low, high, np.zeros(first.shape, bool), words)

    @cached_property
    def _coded(self) -> tuple[tuple[str, ...], IntArray]:
        words, codes = np.unique([str(text) for text in self.values], return_inverse=True)
        return tuple(words.tolist()), codes


def known_coordinate(dim: str, values: NDArray[Any], factor: float) -> KnownCoordinate | None:
    """Say what a coordinate tells, brought to the unit of the condition; None: nothing."""
    texts = values.dtype.kind in "OUT" and all(isinstance(x, str) for x in values)
    if not texts and values.dtype.kind not in "iufb":
        return None
    return KnownCoordinate(dim, values if factor == 1 else values * factor)


# --- cells and slabs ------------------------------------------------------------------------


@dataclass(frozen=True)
class Segments:
    """A dim, or what is selected of it, cut into runs of one cell each."""

    edges: IntArray
    """Where the runs begin, and the end of the last."""
    cells: IntArray
    """The cell of each run."""

    @classmethod
    def of(cls, places: Sequence[int] | IntArray, step: int) -> Segments:
        """Cut places of a dim whose cells have a length of `step`."""
        cells = np.asarray(places, dtype=np.int64) // step
        new = np.flatnonzero(np.diff(cells)) + 1
        starts = np.concatenate([np.zeros(min(len(cells), 1), np.int64), new])
        return cls(np.append(starts, len(cells)), cells[starts])

    @property
    def size(self) -> int:
        """Give the number of places."""
        return int(self.edges[-1])

    def within(self, part: slice) -> slice:
        """Give the runs that a slice of the places meets."""
        first = int(np.searchsorted(self.edges, part.start, "right")) - 1
        return slice(first, int(np.searchsorted(self.edges, part.stop, "left")))

    def cuts(self, room: int) -> list[slice]:
        """Cut the places into slices of whole runs, and runs only where one has no room."""
        found, start = [], 0
        while start < self.size:
            fitting = int(np.searchsorted(self.edges, start + room, "right")) - 1
            stop = int(self.edges[fitting])
            stop = stop if stop > start else min(start + room, self.size)
            found.append(slice(start, stop))
            start = stop
        return found


def slabs(segments: Mapping[str, Segments], room: int) -> Iterator[Box]:
    """Cut dims into slabs of at most `room` elements, in the order of the elements.

    The first dims are cut the finest, so that each slab ends where the next one begins.
    """
    cuts: dict[str, list[slice]] = {}
    for dim in reversed([*segments]):
        cuts[dim] = segments[dim].cuts(room)
        room = max(room // max(segments[dim].size, 1), 1)
    for corner in itertools.product(*(cuts[dim] for dim in segments)):
        yield dict(zip(segments, corner, strict=True))


def reading_cost(segments: Mapping[str, Segments]) -> int:
    """Say what it costs to read all places of one variable, in elements."""
    reads = math.prod(len(runs.cells) for runs in segments.values())
    return math.prod(runs.size for runs in segments.values()) + reads * READ_ELEMENTS


def possible_cells(
    condition: Expression, steps: Mapping[str, tuple[int, int]], known: Mapping[str, Known]
) -> BoolArray:
    """Say in which cells a condition can be true.

    Parameters
    ----------
    steps : size of each dim, and length of a cell along it
    known : what is known of the values, by name; names without can be anything

    Returns
    -------
    bool over the dims of `steps`, in cells
    """
    found = np.zeros([-(-size // step) for size, step in steps.values()], bool)
    edges, runs = {}, {}
    for dim, (size, step) in steps.items():
        places = set(range(0, size, step)).union(*(k.edges(dim, size) for k in known.values()))
        edges[dim] = np.array([*sorted(places), size])
        runs[dim] = Segments.of(edges[dim][:-1], step)
    for slab in slabs(runs, UNITS):
        starts = _open_mesh([edges[d][:-1][s] for d, s in slab.items()], steps)
        stops = _open_mesh([edges[d][1:][s] for d, s in slab.items()], steps)
        mask = possible(condition, {n: k.between(starts, stops) for n, k in known.items()})
        mask = np.broadcast_to(mask, [s.stop - s.start for s in slab.values()])
        cells = {d: runs[d].within(s) for d, s in slab.items()}
        for axis, (d, s) in enumerate(slab.items()):
            first = np.maximum(runs[d].edges[cells[d]] - s.start, 0)
            mask = np.logical_or.reduceat(mask, first, axis=axis)
        found[tuple(cells.values())] |= mask
    return found


def _open_mesh(places: Sequence[IntArray], dims: Mapping[str, object]) -> dict[str, IntArray]:
    return dict(zip(dims, np.ix_(*places), strict=True))


# --- boxes ----------------------------------------------------------------------------------


def boxes(segments: Mapping[str, Segments], cells: BoolArray, slab: Box) -> list[Box]:
    """Cover the marked cells of a slab with boxes that are quickest to read."""
    runs = {d: segments[d].within(s) for d, s in slab.items()}
    mask = cells[np.ix_(*(segments[d].cells[r] for d, r in runs.items()))]
    if mask.all():
        return [slab]
    edges = [
        np.clip(segments[d].edges[r.start : r.stop + 1], slab[d].start, slab[d].stop)
        for d, r in runs.items()
    ]
    covering, _ = _covering(mask, edges)
    return [dict(zip(slab, box, strict=True)) for box in covering]


def _covering(mask: BoolArray, edges: Sequence[IntArray]) -> tuple[list[tuple[slice, ...]], int]:
    """Give boxes around all that is marked, and what it costs to read them, in elements."""
    if not mask.any():
        return [], 0
    mask, edges = _trimmed(mask, edges)
    whole = [tuple(slice(int(e[0]), int(e[-1])) for e in edges)]
    cost = math.prod(int(e[-1] - e[0]) for e in edges)
    if mask.all() or cost <= READ_ELEMENTS:
        return whole, cost + READ_ELEMENTS
    axis = int(np.argmax(mask.shape))
    half = mask.shape[axis] // 2
    ahead, ahead_cost = _covering(*_part(mask, edges, axis, slice(0, half)))
    behind, behind_cost = _covering(*_part(mask, edges, axis, slice(half, mask.shape[axis])))
    if ahead_cost + behind_cost < cost + READ_ELEMENTS:
        return ahead + behind, ahead_cost + behind_cost
    return whole, cost + READ_ELEMENTS


def _trimmed(mask: BoolArray, edges: Sequence[IntArray]) -> tuple[BoolArray, list[IntArray]]:
    for axis in range(mask.ndim):
        others = tuple(i for i in range(mask.ndim) if i != axis)
        marked = np.flatnonzero(mask.any(axis=others))
        mask, edges = _part(mask, edges, axis, slice(int(marked[0]), int(marked[-1]) + 1))
    return mask, list(edges)


def _part(
    mask: BoolArray, edges: Sequence[IntArray], axis: int, part: slice
) -> tuple[BoolArray, list[IntArray]]:
    place = (*[slice(None)] * axis, part)
    cut = [*edges]
    cut[axis] = edges[axis][part.start : part.stop + 1]
    return mask[place], cut


def joined(parts: Sequence[Rows]) -> dict[str, NDArray[Any]] | None:
    """Put the rows of several boxes into the order of their slab."""
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0][0]
    order = np.argsort(np.concatenate([places for _, places in parts]))
    return {n: np.concatenate([rows[n] for rows, _ in parts])[order] for n in parts[0][0]}
