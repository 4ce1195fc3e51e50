"""What is exported, whatever the format: variables in a unit, slab by slab.

A store may be larger than the memory, so nothing here loads a variable at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray
from numpy.typing import NDArray

from models.units import FREQUENCY_UNITS
from sweep.locating import locate
from sweep.problems import InputError, nearest
from sweep.queries.querying import REDUCED_FREQUENCIES, open_dataset, selected

SLAB_ELEMENTS = 2**20
"""Elements of a variable that are loaded in one go, if a chunk of the store has not more."""
STATUS_ARRAYS = ("status", "attempts", "seconds")


@dataclass(frozen=True)
class Field:
    """A variable or coordinate as it is written: in its unit, loaded slab by slab."""

    name: str
    array: xarray.DataArray
    factor: float
    unit: str

    @property
    def words(self) -> tuple[str, ...]:
        """Meanings of 0, 1, 2, ... of a flag."""
        return tuple(str(self.array.attrs.get("flag_meanings", "")).split())

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dims."""
        return tuple(str(d) for d in self.array.dims)

    @property
    def chunk(self) -> tuple[int, ...]:
        """Shape of a chunk of the store, (ndim,)."""
        stored = self.array.encoding.get("chunks") or self.array.shape
        return tuple(max(1, min(c, n)) for c, n in zip(stored, self.array.shape, strict=True))

    def values(self, slab: Mapping[str, slice]) -> NDArray[Any]:
        """Load a slab."""
        own = {d: s for d, s in slab.items() if d in self.dims}
        loaded: NDArray[Any] = self.array.isel(own).values
        return loaded * self.factor if self.factor != 1 else loaded

    def slabs(self) -> Iterator[dict[str, slice]]:
        """Cut the variable into slabs of whole chunks, the first dims the finest."""
        sizes, steps = self.array.shape, list(self.chunk)
        room = max(1, SLAB_ELEMENTS // math.prod(steps))
        for i in reversed(range(len(sizes))):
            grown = min(room, -(-sizes[i] // steps[i]))
            steps[i] *= grown
            room //= grown
        starts = [range(0, n, step) for n, step in zip(sizes, steps, strict=True)]
        for corner in itertools.product(*starts):
            yield {
                d: slice(i, min(i + step, n))
                for d, i, step, n in zip(self.dims, corner, steps, sizes, strict=True)
            }


class Exportable:
    """The chosen part of a store."""

    def __init__(
        self, sweep: str | Path, workspace: str | Path, select: Mapping[str, Any],
        variables: Sequence[str], unit: str | None,
    ) -> None:  # fmt: skip
        self.dataset = selected(open_dataset(sweep, workspace), select)
        self.folder = locate(sweep, workspace)
        self.select = select
        if not all(self.dataset.sizes.values()):
            msg = (
                "--select leaves no point: axes that move together are given values of "
                "different points. Select by one of them."
            )
            raise InputError(msg)
        self._check(variables, unit)
        self.asked = tuple(dict.fromkeys(variables))
        self.unit = unit

    def _check(self, variables: Sequence[str], unit: str | None) -> None:
        known = sorted(str(n) for n in self.dataset.data_vars)
        wrong = [
            f"--vars names {n!r}, which is no variable of the store.{nearest(n, known)} "
            f"Known: {', '.join(known)}."
            for n in variables if n not in known
        ]  # fmt: skip
        if unit is not None and unit not in FREQUENCY_UNITS:
            wrong.append(f"--unit {unit!r} is not known.{nearest(unit, FREQUENCY_UNITS)} "
                         f"Units: {', '.join(FREQUENCY_UNITS)}.")  # fmt: skip
        if wrong:
            raise InputError(" ".join(wrong))

    @property
    def names(self) -> list[str]:
        """The variables: those asked for with their errors, or else all, sorted."""
        there = self.dataset.data_vars
        if not self.asked:
            return [*sorted(str(n) for n in there if n not in STATUS_ARRAYS), *STATUS_ARRAYS]
        pairs = [(n, f"{n}_error") for n in self.asked]
        return list(dict.fromkeys(n for pair in pairs for n in pair if n in there))

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """Dims of the sweep itself."""
        return tuple(str(d) for d in self.dataset["status"].dims)

    def coordinates(self, dims: Sequence[str]) -> list[Field]:
        """Give the axes and own dims that name the places along some dims, in their order.

        An axis that moves together with another stands behind the one that names the dim.
        """
        one = [str(n) for n, c in self.dataset.coords.items() if c.ndim == 1]
        along = [
            n for d in dims
            for n in sorted(one, key=lambda n: (n != d, n)) if self.dataset[n].dims == (d,)
        ]  # fmt: skip
        return [Field(n, self.dataset[n], 1.0, _unit(self.dataset[n])) for n in along]

    def field(self, name: str) -> Field:
        """Give a variable in the unit that was asked for.

        Raises
        ------
        InputError : a frequency in reduced units has no other unit
        """
        array = self.dataset[name]
        stored = _unit(array)
        if self.unit is not None and stored in REDUCED_FREQUENCIES:
            msg = (
                f"{name} is stored in {stored}, which --unit {self.unit} cannot express: a sweep "
                "in reduced units has no scale. Run it with a `material`, or leave --unit out."
            )
            raise InputError(msg)
        if self.unit is None or stored not in FREQUENCY_UNITS:
            return Field(name, array, 1.0, stored)
        return Field(name, array, FREQUENCY_UNITS[self.unit] / FREQUENCY_UNITS[stored], self.unit)


def _unit(array: xarray.DataArray) -> str:
    return str(array.attrs.get("units", "1"))
