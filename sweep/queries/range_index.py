"""The range index: between which bounds the values of a block lie, so that queries can skip it.

A worker packs the ranges of what it stores, the ledger keeps them, and a query unpacks them.
A variable has a range for each index along its last own dim (for spectra: for each mode),
over everything else in the block; neighbours share one where there are many. Bounds are
float32, rounded outward. What is not known is never guessed: it may be anything.
"""

from __future__ import annotations

import itertools
import math
import sqlite3
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sweep.layout import fill_of
from sweep.ledger import Ledger
from sweep.problems import SweepError
from sweep.reading import stored_plan
from sweep.regions import Array, Region

Float32Array: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
Bounds: TypeAlias = tuple[NDArray[Any], NDArray[Any], BoolArray]
"""Low, high, and whether some values are missing. Bounds of no values at all cross."""
Row: TypeAlias = tuple[tuple[int, ...], bytes]
"""A cell of a region, and the packed ranges of its block."""
Shape: TypeAlias = tuple[tuple[str, ...], tuple[int, ...]]
"""Dims and shape of an array in the store."""
Form: TypeAlias = tuple[int, int, int, int]
"""Exponent of the bins' length, elements along the binned dim, points, other elements."""

KINDS = ("float64", "int32", "uint8")
MOST_BINS = 512
LEAST_VALUES = 16
"""A bin holds at least so many values: the index stays small beside the data."""
MOST_RANGES = 2**23
"""Ranges of one variable that a query holds; larger stores get wider bins."""
_HEADER = struct.Struct("<BBxxIII")
_VERSION = 1
_BATCH = 4096
_FOLDED = 1024


# --- writing ------------------------------------------------------------------------------


def packed_ranges(
    values: Mapping[str, NDArray[Any]], point_dims: int, own_dims: Mapping[str, tuple[str, ...]]
) -> dict[str, bytes]:
    """Pack the ranges of the variables of a block.

    Parameters
    ----------
    values : whole arrays of the block, by variable: `point_dims` axes of points, then its own dims
    point_dims : number of leading axes that count points
    own_dims : names of the own dims, by variable

    Returns
    -------
    what the ledger keeps for each variable of real numbers; the others have no ranges
    """
    return {
        name: _packed(array, point_dims, bool(own_dims[name]))
        for name, array in values.items()
        if array.dtype.name in KINDS and array.size
    }


def _packed(array: NDArray[Any], point_dims: int, has_own: bool) -> bytes:
    length = array.shape[-1] if has_own else 1
    points = math.prod(array.shape[:point_dims])
    exponent = _exponent(length, min(MOST_BINS, max(1, array.size // LEAST_VALUES)))
    low, high, missing = _extremes(array.reshape(-1, length))
    starts = range(0, length, 2**exponent)
    low, high = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
    head = _HEADER.pack(_VERSION, exponent, length, points, array.size // (length * points))
    gaps = np.packbits(np.logical_or.reduceat(missing, starts))
    return b"".join((head, _rounded(low, -np.inf), _rounded(high, np.inf), gaps.tobytes()))


def _exponent(length: int, most: int) -> int:
    """Group by powers of two, so that wider bins hold whole narrower ones."""
    return (-(-length // most) - 1).bit_length()


def _extremes(rows: NDArray[Any]) -> Bounds:
    """Give the bounds of every column; those of a column without values cross."""
    if rows.dtype == np.float64:
        gaps = np.isnan(rows)
        low, high = _reduced(np.fmin, rows), _reduced(np.fmax, rows)
    else:
        info = np.iinfo(rows.dtype)
        gaps = rows == fill_of(rows.dtype.name)
        low = _reduced(np.minimum, np.where(gaps, info.max, rows)).astype(np.float64)
        high = _reduced(np.maximum, np.where(gaps, info.min, rows)).astype(np.float64)
    nothing = _reduced(np.logical_and, gaps)
    low, high = np.where(nothing, np.inf, low), np.where(nothing, -np.inf, high)
    return low, high, _reduced(np.logical_or, gaps)


def _reduced(ufunc: np.ufunc, rows: NDArray[Any]) -> NDArray[Any]:
    """Reduce along the rows. Several narrow rows are taken as one: numpy likes them wide."""
    count, width = rows.shape
    fold = max(1, _FOLDED // width)
    even = count // fold * fold
    found = [ufunc.reduce(rows[even:], axis=0, keepdims=True)] if even < count else []
    if even:
        wide = ufunc.reduce(rows[:even].reshape(-1, fold * width), axis=0)
        found.append(wide.reshape(fold, width))
    return np.asarray(ufunc.reduce(np.concatenate(found), axis=0))


def _rounded(bounds: NDArray[np.float64], outward: float) -> bytes:
    with np.errstate(over="ignore", under="ignore"):
        near = bounds.astype("<f4")
        inside = near > bounds if outward < 0 else near < bounds
        return np.where(inside, np.nextafter(near, np.float32(outward)), near).tobytes()


# --- reading ------------------------------------------------------------------------------


@dataclass(frozen=True)
class RangeTable:
    """The ranges of one variable over its region.

    The axes of `low`, `high` and `missing` are the dims of the points in blocks, the cut dim
    in blocks (one if the variable is not divided), and the bins of a block.
    """

    low: Float32Array
    high: Float32Array
    missing: BoolArray
    steps: dict[str, int]
    """Length of a block along the dims of the points, then along the cut dim if divided."""
    cut: str | None
    """The cut dim of a variable that is divided."""
    binned: str | None
    bin_length: int

    def edges(self, dim: str, size: int) -> set[int]:
        """Give the places along a dim where another range begins."""
        step = self.steps.get(dim, size)
        inside = self.bin_length if dim == self.binned else step
        blocks = ((start, min(start + step, size)) for start in range(0, size, step))
        return {i for start, stop in blocks for i in range(start, stop, inside)}

    def at(self, places: Mapping[str, IntArray]) -> Bounds:
        """Give the bounds at some places along each dim, arrays that broadcast."""
        blocks: list[Any] = [places[dim] // step for dim, step in self.steps.items()]
        inside: Any = places[self.binned] if self.binned else 0
        if self.cut is None:
            blocks.append(0)
        elif self.binned == self.cut:
            inside = inside % self.steps[self.cut]
        place = (*blocks, inside // self.bin_length)
        return self.low[place], self.high[place], self.missing[place]


def stored_tables(folder: Path, wanted: Mapping[str, Shape]) -> dict[str, RangeTable]:
    """Read the ranges of variables from the ledger of a sweep.

    Parameters
    ----------
    folder : of the sweep
    wanted : dims and shape of the array in the store, by variable; a plan that has others is
        of another moment of a sweep that grows

    Returns
    -------
    what is known; nothing where a sweep is damaged or its model gone: its data can be read
    without
    """
    found = {}
    try:
        plan = stored_plan(folder)
        with Ledger(folder) as ledger:
            for name, array in plan.arrays.items():
                if wanted.get(name) == (array.dims, array.shape):
                    region = plan.regions[array.region]
                    found[name] = read_table(array, region, ledger.ranges(name))
    except (SweepError, sqlite3.Error):
        return {}
    return {name: table for name, table in found.items() if table is not None}


def read_table(array: Array, region: Region, rows: Iterable[Row]) -> RangeTable | None:
    """Unpack the ranges of a variable; None if nothing is known of any block."""
    blocks = math.prod(region.grid)
    if array.variable.dtype not in KINDS or not 0 < blocks <= MOST_RANGES or not array.bytes:
        return None
    shapes = _Shapes(array, region)
    if region.divided and not shapes.cut:
        return None  # several blocks hold it, or the same part of it
    bin_length = 2 ** _exponent(shapes.most, min(MOST_BINS, MOST_RANGES // blocks))
    shape = (*region.grid, -(-shapes.most // bin_length))
    table = RangeTable(
        np.full(shape, -np.inf, np.float32), np.full(shape, np.inf, np.float32),
        np.ones(shape, bool), shapes.steps, shapes.cut, shapes.binned, bin_length,
    )  # fmt: skip
    waiting, known = iter(rows), 0
    while batch := list(itertools.islice(waiting, _BATCH)):
        for form, alike in _by_form(batch, region.grid).items():
            known += _fill(table, shapes, form, alike)
    return table if known else None


class _Shapes:
    """The shapes of the blocks of one array."""

    def __init__(self, array: Array, region: Region) -> None:
        points = len(region.dims)
        own = array.dims[points:]
        self._points = range(points)
        self._sizes = dict(zip(array.dims, array.shape, strict=True))
        self.steps = dict(zip(array.dims, region.chunk, strict=False))
        self.cut = region.cut if region.divided and region.cut in own else None
        if self.cut:
            self.steps[self.cut] = region.cut_chunk
        self.binned = own[-1] if own else None
        self._others = own[:-1]
        self.most = 1
        """Most elements of a block along the binned dim."""
        if self.binned:
            self.most = min(self._sizes[self.binned], self.steps.get(self.binned, 2**31))

    def of(self, cells: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Count points, elements along the binned dim, and others, in the blocks of cells."""
        lengths = {d: np.full(len(cells), n) for d, n in self._sizes.items()}
        for column, (dim, step) in zip(cells.T, self.steps.items(), strict=False):
            lengths[dim] = np.minimum(step, self._sizes[dim] - column * step)
        by_place = list(lengths.values())
        one = np.ones(len(cells), np.int64)
        points = math.prod((by_place[i] for i in self._points), start=one)
        others = math.prod((lengths[d] for d in self._others), start=one)
        return points, lengths[self.binned] if self.binned else one, others


def _by_form(batch: Sequence[Row], grid: tuple[int, ...]) -> dict[Form, list[Row]]:
    """Sort packed ranges by their form; leave out what this version cannot read."""
    found: dict[Form, list[Row]] = {}
    for cell, packed in batch:
        if len(packed) < _HEADER.size or len(cell) != len(grid):
            continue
        version, exponent, length, points, others = _HEADER.unpack_from(packed)
        bins = -(-length // 2**exponent)
        whole = len(packed) == _HEADER.size + 8 * bins + -(-bins // 8)
        inside = all(0 <= i < n for i, n in zip(cell, grid, strict=True))
        if version == _VERSION and whole and inside:
            found.setdefault((exponent, length, points, others), []).append((cell, packed))
    return found


def _fill(table: RangeTable, shapes: _Shapes, form: Form, rows: Sequence[Row]) -> int:
    """Put ranges of one form into the table; give for how many blocks they hold."""
    exponent, length, points, others = form
    cells = np.array([cell for cell, _ in rows])
    points_now, length_now, others_now = shapes.of(cells)
    # A block with more points than its ranges speak of has grown: it is left open.
    known = (points_now == points) & (length_now >= length) & (others_now >= others)
    place, size = tuple(cells[known].T), table.bin_length
    width = min(-(-length // size), table.low.shape[-1])
    bounds = _unpacked([packed for _, packed in rows], -(-length // 2**exponent))
    for target, values, ufunc, nothing in zip(
        (table.low, table.high, table.missing), bounds,
        (np.minimum, np.maximum, np.logical_or), (np.inf, -np.inf, True), strict=True,
    ):  # fmt: skip
        target[place] = nothing  # own dims that are longer by now have no values there yet
        target[(*place, slice(width))] = _regrouped(values[known], ufunc, 2**exponent, size)[
            :, :width
        ]
    if length % size:
        table.missing[(*place, length // size)] |= (length_now > length)[known]
    table.missing[place] |= (others_now > others)[known, None]
    return int(known.sum())


def _unpacked(packed: Sequence[bytes], bins: int) -> Bounds:
    """Read packed ranges of one form, one below the other."""
    body = np.frombuffer(b"".join(packed), np.uint8).reshape(len(packed), -1)[:, _HEADER.size :]
    low = np.ascontiguousarray(body[:, : 4 * bins]).view("<f4")
    high = np.ascontiguousarray(body[:, 4 * bins : 8 * bins]).view("<f4")
    return low, high, np.unpackbits(body[:, 8 * bins :], axis=1, count=bins).astype(bool)


def _regrouped(values: NDArray[Any], ufunc: np.ufunc, given: int, wanted: int) -> NDArray[Any]:
    """Turn bins of one length into bins of another; both are powers of two."""
    if given > wanted:
        return np.repeat(values, given // wanted, axis=1)
    if given == wanted:
        return values
    return np.asarray(ufunc.reduceat(values, range(0, values.shape[1], wanted // given), axis=1))
