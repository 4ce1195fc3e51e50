"""Stored values by the place that the plan gives them, a few chunks at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.protocol import IntArray
from sweep.planning import Plan
from sweep.problems import StoreError
from sweep.queries.querying import open_dataset
from sweep.regions import Array
from sweep.values import as_text


class StoredValues:
    """The arrays of one sweep, by indices along the dims of its plan.

    A dataset may have the values of an axis in another order than the plan: they are found
    by their values.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan
        self.dataset = open_dataset(folder)
        self._order = [self._positions(i) for i in range(len(plan.sweep.dims))]

    def _positions(self, dim: int) -> IntArray:
        """From the plan's indices along a dim to those of the dataset."""
        sweep = self.plan.sweep
        axes = list(sweep.dims[dim].values)
        there = zip(*(self.dataset[a].values.tolist() for a in axes), strict=True)
        places = {values: i for i, values in enumerate(there)}
        wanted = zip(*(sweep.coordinates[a].tolist() for a in axes), strict=True)
        try:
            return np.array([places[values] for values in wanted], dtype=np.int64)
        except KeyError as error:
            msg = (
                f"{self.folder} has no value {error} of {', '.join(axes)} in its store, which its "
                "sweep file names. Run the sweep again; it completes what was begun."
            )
            raise StoreError(msg) from None

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes of the store."""
        return {str(k): v for k, v in self.dataset.attrs.items()}

    def unit(self, name: str) -> str:
        """Give the unit of a variable."""
        return str(self.dataset[name].attrs.get("units", ""))

    def row_bytes(self, name: str) -> int:
        """Bytes of a variable at one point."""
        array = self.plan.arrays[name]
        points = len(array.dims) - len(array.variable.dims)
        return int(np.prod(array.shape[points:], dtype=np.int64)) * 8

    def at(self, name: str, places: IntArray) -> NDArray[Any]:
        """Read a variable at some points.

        Parameters
        ----------
        name : variable that the plan stores
        places : (points, dims of its region)

        Returns
        -------
        (points, own dims...), missing values at the end of shorter ones

        Raises
        ------
        StoreError : a chunk is damaged
        """
        array = self.plan.arrays[name]
        found: NDArray[Any] | None = None
        for rows in _by_chunk(array, places):
            values = self._box(name, places[rows])
            if found is None:
                found = np.empty((len(places), *values.shape[1:]), values.dtype)
            found[rows] = values
        if found is None:
            msg = f"{name} was asked for at no point"
            raise ValueError(msg)
        return found

    def _box(self, name: str, places: IntArray) -> NDArray[Any]:
        """Read the box around places in one chunk, and pick them from it."""
        low, high = places.min(axis=0, initial=2**62), places.max(axis=0, initial=0) + 1
        dims = self.plan.regions[self.plan.arrays[name].region].dims
        ranges = {
            self.plan.sweep.dims[d].name: _as_slice(self._order[d][i:j])
            for d, i, j in zip(dims, low, high, strict=True)
        }
        try:
            values: NDArray[Any] = np.asarray(self.dataset[name].isel(ranges).values)
        except (ValueError, RuntimeError, OSError) as error:
            msg = (
                f"{name} in {self.folder} cannot be read: {str(error).rstrip('.')}. "
                "`modesweep verify` finds the damaged files"
            )
            raise StoreError(msg) from None
        if values.dtype.kind not in "biufc":
            values = values.astype(object)  # words of any length
        return values[tuple((places - low).T)] if len(dims) else values[None]

    def labels(self, dims: Sequence[int], place: Sequence[int]) -> dict[str, Any]:
        """Name a place along some dims of the sweep by the values of its axes."""
        return labels(self.plan, dims, place)

    def own_labels(self, name: str, place: Sequence[int]) -> dict[str, Any]:
        """Name a place along the own dims of a variable by their coordinates."""
        dims = self.plan.variables[name].dims
        return {d: _plain(self.dataset[d].values[i]) for d, i in zip(dims, place, strict=True)}


def labels(plan: Plan, dims: Sequence[int], place: Sequence[int]) -> dict[str, Any]:
    """Name a place along some dims of a sweep by the values of its axes."""
    found = {}
    for d, i in zip(dims, place, strict=True):
        for axis, values in plan.sweep.dims[d].values.items():
            found[axis] = plain_value(values[i])
    return found


def plain_value(value: Any) -> Any:
    """Give a value of a parameter as JSON has it: a number, true, false, null or a string."""
    return value if value is None or isinstance(value, int | float) else as_text(value)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _as_slice(positions: IntArray) -> slice | IntArray:
    """Read a run of neighbours as a slice, which is quicker."""
    if (np.diff(positions) == 1).all():
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return positions


def _by_chunk(array: Array, places: IntArray) -> Iterator[IntArray]:
    """Sort rows of places by the chunk that they lie in."""
    if places.shape[1] == 0:
        yield np.arange(len(places))
        return
    cells = places // np.array(array.chunk[: places.shape[1]])
    _, cell_of = np.unique(cells, axis=0, return_inverse=True)
    order = np.argsort(cell_of.ravel(), kind="stable")
    ends = np.flatnonzero(np.diff(cell_of.ravel()[order])) + 1
    yield from np.split(order, ends)
