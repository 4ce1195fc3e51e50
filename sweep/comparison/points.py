"""Which points of two sweeps of one model are the same, by the values of their axes.

A parameter that is an axis in one sweep and fixed in the other is an axis of one value there.
Zipped axes match whatever the other sweep makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.protocol import IntArray
from sweep.spec import Sweep
from sweep.values import as_text

SAME = 1e-12
"""Relative distance of numbers that are one value: linspace differs so much between versions."""


@dataclass(frozen=True)
class AxisMatch:
    """The values of one parameter in two sweeps, at least in one of them an axis."""

    name: str
    a: tuple[Any, ...]
    """Distinct values, in the order of the sweep; one where it is fixed."""
    b: tuple[Any, ...]
    partner: IntArray
    """(values of a,): place of the same value in b, -1 where there is none."""
    swept: tuple[bool, bool]
    """It is an axis there."""

    @property
    def both(self) -> int:
        """Number of values on both sides."""
        return int((self.partner >= 0).sum())

    @property
    def only_a(self) -> list[Any]:
        """Values that b does not have."""
        return [v for v, i in zip(self.a, self.partner, strict=True) if i < 0]

    @property
    def only_b(self) -> list[Any]:
        """Values that a does not have."""
        return [v for i, v in enumerate(self.b) if i not in self.partner]


class Matching:
    """From points of one sweep to the same points of another."""

    def __init__(self, a: Sweep, b: Sweep) -> None:
        self._a = a
        names = [n for n in a.model.parameters.model_fields if n in a.axes or n in b.axes]
        self.axes = {n: _match(n, a, b) for n in names}
        # from the index along a dim of a sweep to the number of the value of an axis
        self._number_a = {n: _numbers(n, a, m.a) for n, m in self.axes.items()}
        number_b = {n: _numbers(n, b, m.b) for n, m in self.axes.items()}
        self._dims_b = [list(d.values) for d in b.dims]
        self._tables = [
            _table([number_b[n] for n in axes], [len(self.axes[n].b) for n in axes])
            for axes in self._dims_b
        ]
        self._fixed_b = [n for n in names if n not in b.axes]

    def partners(self, places: IntArray) -> tuple[IntArray, NDArray[np.bool_]]:
        """Find the same points in b.

        Parameters
        ----------
        places : (points, dims of a)

        Returns
        -------
        places in b (points, dims of b), of use only where there is one; and (points,), whether
        there is one
        """
        found = np.zeros((len(places), len(self._dims_b)), dtype=np.int64)
        there = np.ones(len(places), dtype=bool)
        partner = {n: self._partner(n, places) for n in self.axes}
        for name in self._fixed_b:
            there &= partner[name] >= 0
        for dim, (axes, (keys, index)) in enumerate(zip(self._dims_b, self._tables, strict=True)):
            numbers = [partner[n] for n in axes]
            wanted = _keys(numbers, [len(self.axes[n].b) for n in axes])
            at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            there &= (keys[at] == wanted) & np.all([n >= 0 for n in numbers], axis=0)
            found[:, dim] = index[at]
        return found, there

    def _partner(self, name: str, places: IntArray) -> IntArray:
        match = self.axes[name]
        if name not in self._a.axes:
            return np.full(len(places), match.partner[0])
        numbers = self._number_a[name][places[:, self._a.axes[name]]]
        return np.asarray(match.partner[numbers])


def _values(name: str, sweep: Sweep) -> tuple[Any, ...]:
    if name not in sweep.axes:
        return (sweep.fixed[name],)
    return sweep.dims[sweep.axes[name]].values[name]


def _match(name: str, a: Sweep, b: Sweep) -> AxisMatch:
    distinct = [tuple({_key(v): v for v in _values(name, s)}.values()) for s in (a, b)]
    return AxisMatch(
        name, distinct[0], distinct[1], match_values(*distinct), (name in a.axes, name in b.axes)
    )


def match_values(a: Sequence[Any], b: Sequence[Any]) -> IntArray:
    """Give the place in b of every value of a, up to rounding of numbers; -1: there is none."""
    words = {_key(v): i for i, v in enumerate(b) if not _is_number(v)}
    numbers = [(float(v), i) for i, v in enumerate(b) if _is_number(v)]
    sorted_b = np.array(sorted(numbers), dtype=np.float64).reshape(-1, 2)
    return np.array(
        [_nearest(float(v), sorted_b) if _is_number(v) else words.get(_key(v), -1) for v in a],
        dtype=np.int64,
    )


def same_value(a: Any, b: Any) -> bool:
    """Say whether two values of a parameter are the same, up to rounding."""
    return bool(match_values([a], [b])[0] == 0)


def _nearest(value: float, known: NDArray[np.float64]) -> int:
    at = int(np.searchsorted(known[:, 0], value))
    for i in (at - 1, at):
        if 0 <= i < len(known) and math.isclose(known[i, 0], value, rel_tol=SAME, abs_tol=0.0):
            return int(known[i, 1])
    return -1


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _key(value: Any) -> Any:
    return value if _is_number(value) else as_text(value)


def _numbers(name: str, sweep: Sweep, distinct: Sequence[Any]) -> IntArray:
    """From the index along the dim of an axis to the number of its value."""
    number: Mapping[Any, int] = {_key(v): i for i, v in enumerate(distinct)}
    return np.array([number[_key(v)] for v in _values(name, sweep)], dtype=np.int64)


def _keys(numbers: Sequence[IntArray], sizes: Sequence[int]) -> IntArray:
    """Number the combinations of the values of the axes of one dim."""
    key = np.zeros(len(numbers[0]), dtype=np.int64)
    for number, size in zip(numbers, sizes, strict=True):
        key = key * size + number
    return key


def _table(numbers: Sequence[IntArray], sizes: Sequence[int]) -> tuple[IntArray, IntArray]:
    """Give the combinations of a dim in ascending order, and their indices."""
    keys = _keys(numbers, sizes)
    order = np.argsort(keys, kind="stable")
    return keys[order], order
