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
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sweep.layout import fill_of
from sweep.ledger import Ledger
from sweep.planning import Plan
from sweep.problems import SweepError
from sweep.reading import stored_plan
from sweep.regions import Array, Region

Float32Array: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
Bounds: TypeAlias = tuple[NDArray[Any], NDArray[Any], BoolArray]
"""Low, high, and whether some values are missing."""

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
    return max(0, math.ceil(math.log2(length / most)))


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

    The axes of `low`, `high` and `missing` are the region's dims in blocks, the cut dim in
    blocks (one if the region is not divided), and the bins of a block.
    """

    dtype: str
    low: Float32Array
    high: Float32Array
    missing: BoolArray
    steps: dict[str, int]
    """Length of a block along the dims of the points, and the cut dim if it is divided."""
    cut: str | None
    """The cut dim, if the variable has it and it is divided."""
    binned: str | None
    bin_length: int

    def edges(self, dim: str, size: int) -> set[int]:
        """Give the places along a dim where another range begins."""
        step = self.steps.get(dim, size)
        if dim != self.binned:
            return set(range(0, size, step))
        return {
            i for start in range(0, size, step)
            for i in range(start, min(start + step, size), self.bin_length)
        }  # fmt: skip

    def at(self, places: Mapping[str, IntArray]) -> Bounds:
        """Give the bounds at some places along each dim, arrays that broadcast."""
        points = [d for d in self.steps if d != self.cut]
        at: list[Any] = [places[d] // self.steps[d] for d in points]
        at.append(places[self.cut] // self.steps[self.cut] if self.cut else 0)
        inside = places[self.binned] if self.binned else 0
        if self.binned and self.binned == self.cut:
            inside = inside % self.steps[self.cut]
        at.append(inside // self.bin_length)
        place = tuple(at)
        return self.low[place], self.high[place], self.missing[place]


class RangeIndex:
    """The ranges that the ledger of a sweep has; opened when the first one is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._plan: Plan | None = None
        self._opened = False

    def table(self, name: str, dims: Sequence[str], shape: Sequence[int]) -> RangeTable | None:
        """Give the ranges of a variable; None if nothing useful is known.

        `dims` and `shape` are those of the array in the store: a plan that has another one is
        of another moment of a sweep that grows.
        """
        plan = self._read_plan()
        array = plan.arrays.get(name) if plan else None
        if plan is None or array is None or (*dims, *shape) != (*array.dims, *array.shape):
            return None
        try:
            with closing(Ledger(self._folder)) as ledger:
                return read_table(array, plan.regions[array.region], ledger.ranges(name))
        except (SweepError, sqlite3.Error):
            return None  # a damaged ledger is no obstacle: everything is read

    def _read_plan(self) -> Plan | None:
        if not self._opened:
            self._opened = True
            try:
                self._plan = stored_plan(self._folder)
            except SweepError:
                self._plan = None  # its model is gone, say: the data can be read without
        return self._plan


def read_table(
    array: Array, region: Region, rows: Iterable[tuple[tuple[int, ...], bytes]]
) -> RangeTable | None:
    """Unpack the ranges of a variable: cells of its region, and what was packed for each."""
    own = array.dims[len(region.dims) :]
    cells = math.prod(region.grid)
    if array.variable.dtype not in KINDS or cells > MOST_RANGES or not math.prod(array.shape):
        return None
    steps = dict(zip(array.dims, region.chunk, strict=False))
    divided = region.divided and region.cut in own
    if divided:
        steps[str(region.cut)] = region.cut_chunk
    binned = own[-1] if own else None
    length = array.shape[-1] if own else 1
    if divided and binned == region.cut:
        length = min(region.cut_chunk, length)
    exponent = _exponent(length, min(MOST_BINS, MOST_RANGES // cells))
    shape = (*region.grid, math.ceil(length / 2**exponent))
    table = RangeTable(
        array.variable.dtype,
        np.full(shape, -np.inf, np.float32), np.full(shape, np.inf, np.float32),
        np.ones(shape, bool), steps, region.cut if divided else None, binned, 2**exponent,
    )  # fmt: skip
    waiting = iter(rows)
    while batch := list(itertools.islice(waiting, _BATCH)):
        for header, cell_rows in _by_header(batch, region).items():
            _fill(table, array, region, length, header, cell_rows)
    return table


_Header: TypeAlias = tuple[int, int, int, int]
_Rows: TypeAlias = list[tuple[tuple[int, ...], bytes]]


def _by_header(batch: _Rows, region: Region) -> dict[_Header, _Rows]:
    """Sort packed ranges by their form; leave out what this version cannot read."""
    found: dict[_Header, _Rows] = {}
    for cell, packed in batch:
        if len(packed) < _HEADER.size or len(cell) != len(region.grid):
            continue
        version, *header = _HEADER.unpack_from(packed)
        exponent, length, points, others = header
        bins = -(-length // 2**exponent)
        whole = len(packed) == _HEADER.size + 8 * bins + -(-bins // 8)
        inside = all(i < n for i, n in zip(cell, region.grid, strict=True))
        if version == _VERSION and whole and inside:
            found.setdefault((exponent, length, points, others), []).append((cell, packed))
    return found


def _fill(
    table: RangeTable, array: Array, region: Region, length: int, header: _Header, rows: _Rows
) -> None:
    """Put ranges of one form into the table."""
    exponent, stored, points, others = header
    cells = np.array([cell for cell, _ in rows])
    # A block that has grown since has points that its ranges do not know: it is left open.
    known = _points(region, cells) == points
    bins = -(-stored // 2**exponent)
    body = np.frombuffer(b"".join(packed[_HEADER.size :] for _, packed in rows), np.uint8)
    body = body.reshape(len(rows), -1)[known]
    low, high = (np.ascontiguousarray(body[:, i * bins * 4 : (i + 1) * bins * 4]).view("<f4")
                 for i in (0, 1))  # fmt: skip
    missing = np.unpackbits(body[:, 8 * bins :], axis=1, count=bins).astype(bool)
    # So has one whose own dims are longer now, but there it has no values yet.
    missing |= _others(array, region, cells[known])[:, None] > others
    place = tuple(cells[known].T)
    for bound, values, ufunc, empty in (
        (table.low, low, np.minimum, np.inf), (table.high, high, np.maximum, -np.inf),
        (table.missing, missing, np.logical_or, True),
    ):  # fmt: skip
        bound[place] = _regrouped(
            values, ufunc, empty, exponent, table.bin_length, bound.shape[-1]
        )
    _open_ends(table, place, stored, length)


def _open_ends(
    table: RangeTable, place: tuple[NDArray[Any], ...], stored: int, length: int
) -> None:
    """Mark the bins that reach beyond what was stored: a shorter own dim, then."""
    reach = stored // table.bin_length
    if stored < length:
        table.missing[(*place, slice(reach, None))] = True
