"""Axes of a sweep in words: names, values, and the address of a point."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray
from numpy.typing import NDArray

from dashboards import theme
from dashboards.views.view import axis_values, value_text

NEAR = 1e-9
"""Relative distance within which a number is a value of an axis."""


def axes_of(dataset: xarray.Dataset) -> list[str]:
    """Give the dims of the sweep, in its order."""
    return [str(d) for d in dataset["status"].dims]


def coordinates_of(dataset: xarray.Dataset, dim: str) -> list[str]:
    """Give the parameters that run along a dim; several move together."""
    along = [str(n) for n, c in dataset.coords.items() if c.dims == (dim,)]
    return sorted(along, key=lambda n: n != dim) or [dim]


def label(dataset: xarray.Dataset, dim: str) -> str:
    """Name what runs along a dim, with units."""
    return ", ".join(
        theme.with_unit(name.replace("_", " "), unit(dataset, name))
        for name in coordinates_of(dataset, dim)
    )


def unit(dataset: xarray.Dataset, name: str) -> str:
    """Give the unit of a parameter, as it is written for a reader; empty if it has none."""
    if name not in dataset.coords:
        return ""
    return theme.unit_text(str(dataset[name].attrs.get("units", "1")))


def words_along(dataset: xarray.Dataset, dim: str) -> list[str]:
    """Write the values along a dim; those of several parameters together."""
    columns = [
        [shown(v) for v in axis_values(dataset, name)] for name in coordinates_of(dataset, dim)
    ]
    return [", ".join(row) for row in zip(*columns, strict=True)]


def shown(value: object) -> str:
    """Write a value for a reader."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def index_at(dataset: xarray.Dataset, flat: int) -> tuple[int, ...]:
    """Give the place along each dim of a point that is counted through the sweep."""
    shape = dataset["status"].shape
    return tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()


def values_at(dataset: xarray.Dataset, index: tuple[int, ...]) -> dict[str, object]:
    """Give the values of all axes at a point, as plain numbers, truth values and words."""
    return {
        name: _plain(axis_values(dataset, name)[i])
        for dim, i in zip(axes_of(dataset), index, strict=True)
        for name in coordinates_of(dataset, dim)
    }


def address_of(values: Mapping[str, object]) -> dict[str, str]:
    """Write the values of a point so that they are found again."""
    return {name: value_text(value) for name, value in values.items()}


def place_of(values: NDArray[np.generic], text: str) -> NDArray[np.bool_]:
    """Say where an axis has a value, up to rounding if it is a number."""
    same = np.array([value_text(v) == text for v in values], dtype=bool)
    if same.any() or values.dtype.kind not in "iuf":
        return same
    try:
        return np.isclose(values.astype(np.float64), float(text), rtol=NEAR, atol=0.0)
    except (ValueError, OverflowError):
        return same


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
