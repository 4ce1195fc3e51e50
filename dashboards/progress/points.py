"""One point of a sweep: found by the values of its axes or by its place."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray
from numpy.typing import NDArray

from dashboards.progress import sweep_axes
from dashboards.views.view import axis_values, value_text
from sweep import InputError

MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class FoundPoint:
    """A point of a sweep."""

    index: tuple[int, ...]
    """Place along each dim."""
    flat: int
    """Place in the sweep."""
    values: Mapping[str, object]
    """Of each axis."""

    @property
    def address(self) -> dict[str, str]:
        """Give the values so that they are found again."""
        return sweep_axes.address_of(self.values)


def find_point(dataset: xarray.Dataset, asked: Mapping[str, str]) -> FoundPoint:
    """Find a point by the values of its axes, the first where none is given, or by its `place`.

    Raises
    ------
    InputError : a value that is not on its axis, with the nearest that is
    """
    dims = sweep_axes.axes_of(dataset)
    names = {n: d for d in dims for n in sweep_axes.coordinates_of(dataset, d)}
    given = {n: asked[n] for n in names if n in asked}
    if "place" in asked and not given:
        return point_at(dataset, sweep_axes.index_at(dataset, _place(dataset, asked["place"])))
    return point_at(dataset, tuple(_index(dataset, d, given) for d in dims))


def point_at(dataset: xarray.Dataset, index: tuple[int, ...]) -> FoundPoint:
    """Give the point at places along all dims."""
    shape = dataset["status"].shape
    flat = int(np.ravel_multi_index(index, shape)) if shape else 0
    return FoundPoint(index, flat, sweep_axes.values_at(dataset, index))


def _place(dataset: xarray.Dataset, text: str) -> int:
    size = int(dataset["status"].size)
    place = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
    if not 0 <= place < size:
        msg = f"There is no point {text[:40]!r}: the {size:,} points are counted from 0."
        raise InputError(msg)
    return place


def _index(dataset: xarray.Dataset, dim: str, given: Mapping[str, str]) -> int:
    """Find the place along a dim that has all values that are given of it."""
    fits = np.ones(dataset.sizes[dim], dtype=bool)
    for name in sweep_axes.coordinates_of(dataset, dim):
        if name not in given:
            continue
        values = axis_values(dataset, name)
        here = sweep_axes.place_of(values, given[name])
        if not here.any():
            raise InputError(_not_there(name, given[name], values))
        fits &= here
    if not fits.any():
        together = ", ".join(f"{n} {given[n]}" for n in given)
        msg = f"No point has {together}: these axes move together."
        raise InputError(msg)
    return int(fits.argmax())


def _not_there(name: str, text: str, values: NDArray[np.generic]) -> str:
    words = [value_text(v) for v in values]
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    near = _nearest(text, values, words)
    few = ", ".join(
        words if len(words) <= MOST_NAMED else [*words[: MOST_NAMED - 2], "…", words[-1]]
    )
    return f"{name} has no value {shown!r}. The nearest is {near}. Values: {few}."


def _nearest(text: str, values: NDArray[np.generic], words: list[str]) -> str:
    if values.dtype.kind in "iuf":
        try:
            wanted = float(text)
        except ValueError:
            return words[0]
        return (
            words[int(np.abs(values.astype(np.float64) - wanted).argmin())]
            if np.isfinite(wanted)
            else words[0]
        )
    close = difflib.get_close_matches(text[:200], words, 1, 0.0)
    return close[0] if close else words[0]
