"""How the points of a sweep fall into the cells of a map over two of its axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray
from numpy.typing import NDArray

from dashboards.progress import sweep_axes

MOST_CELLS = 64
"""Along each side, however many values the axis has."""
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a map: an axis of the sweep, cut into cells."""

    dim: str
    """Empty if no axis runs along this side."""
    label: str
    count: int
    """Values of the axis."""
    words: tuple[str, ...]
    """(cells,), the value of each, or the range of its values."""

    @property
    def starts(self) -> IntArray:
        """Give the first value of each cell, (cells,)."""
        return np.arange(len(self.words), dtype=np.int64) * self.count // len(self.words)

    @property
    def cells(self) -> IntArray:
        """Give the cell of each value, (count,)."""
        return np.searchsorted(self.starts, np.arange(self.count), side="right") - 1


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a map."""

    x: Side
    y: Side
    dims: tuple[str, ...]
    """Of the sweep, in its order."""
    fixed: Mapping[str, int]
    """Places of the axes that are held; those that are neither here nor at a side are summed."""

    @property
    def shape(self) -> tuple[int, int]:
        """Give the numbers of cells, along y and x."""
        return len(self.y.words), len(self.x.words)

    def spread(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Bring an array over the points of the sweep into (values of y, values of x, others)."""
        held = tuple(
            slice(self.fixed[d], self.fixed[d] + 1) if d in self.fixed else slice(None)
            for d in self.dims
        )
        sides = [self.dims.index(s.dim) for s in (self.y, self.x) if s.dim]
        others = [i for i in range(len(self.dims)) if i not in sides]
        part = values[held].transpose([*sides, *others])
        return part.reshape(self.y.count, self.x.count, -1)

    def reduced(self, by: np.ufunc, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Bring (values of y, values of x) to (cells of y, cells of x)."""
        rows = by.reduceat(values, self.y.starts, axis=0)
        return by.reduceat(rows, self.x.starts, axis=1)


def grid_of(dataset: xarray.Dataset, x: str, y: str, fixed: Mapping[str, int]) -> Grid:
    """Cut two axes into cells.

    Parameters
    ----------
    x, y : dims of the sweep; empty for none
    fixed : places of axes that are held
    """
    dims = tuple(sweep_axes.axes_of(dataset))
    held = {d: i for d, i in fixed.items() if d in dims and d not in (x, y)}
    return Grid(_side(dataset, x), _side(dataset, y), dims, held)


def _side(dataset: xarray.Dataset, dim: str) -> Side:
    if not dim:
        return Side("", "", 1, ("",))
    along = sweep_axes.words_along(dataset, dim)
    count, cells = len(along), min(len(along), MOST_CELLS)
    starts = [i * count // cells for i in range(cells + 1)]
    words = tuple(
        along[a] if b == a + 1 else f"{along[a]} – {along[b - 1]}"
        for a, b in zip(starts[:-1], starts[1:], strict=True)
    )
    return Side(dim, sweep_axes.label(dataset, dim), count, words)


def medians(grid: Grid, values: NDArray[np.generic]) -> tuple[FloatArray, IntArray]:
    """Give the median of the numbers in each cell and how many there are, each (ny, nx).

    Parameters
    ----------
    values : over the points of the sweep; NaN where there is none
    """
    spread = grid.spread(values).astype(np.float64)
    ny, nx = grid.shape
    cell = grid.y.cells[:, None, None] * nx + grid.x.cells[None, :, None]
    cell = np.broadcast_to(cell, spread.shape)
    there = np.isfinite(spread)
    number, where = spread[there], cell[there]
    number = number[np.lexsort((number, where))]
    count = np.bincount(where, minlength=ny * nx)
    first = np.cumsum(count) - count
    median = np.full(ny * nx, np.nan)
    some = count > 0
    low, high = first + (count - 1) // 2, first + count // 2
    median[some] = (number[low[some]] + number[high[some]]) / 2
    return median.reshape(ny, nx), count.reshape(ny, nx)
