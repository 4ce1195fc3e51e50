"""Points taken out of the dataset of a sweep, by the values of its axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

from dashboards import theme
from sweep import InputError

FloatArray = NDArray[np.float64]

SAME = 1e-9
"""Relative distance within which a number selects a value of an axis."""


def need(dataset: xarray.Dataset, what: str, *names: str, model: str = "slab") -> None:
    """Refuse a dataset without what a picture shows.

    Parameters
    ----------
    what : the picture, as the subject of a sentence: "A dispersion"
    """
    missing = [n for n in names if n not in dataset.variables]
    if missing:
        msg = (
            f"{what} needs {' and '.join(missing)}, which the store does not have. "
            f"Run a sweep of the model {model} with it among the `outputs`."
        )
        raise InputError(msg)


def one_point(
    dataset: xarray.Dataset,
    what: str,
    drawn: Sequence[str],
    own_dims: Sequence[str],
    selection: Mapping[str, Any],
) -> xarray.Dataset:
    """Take one point out of a dataset.

    Parameters
    ----------
    drawn : variables that a picture shows; their dims but for `own_dims` are axes
    selection : one value for each axis that has several

    Raises
    ------
    InputError : there is no such axis or value, or there is more than one point
    """
    for name, value in selection.items():
        dataset = _selected(dataset, drawn, own_dims, name, value)
    left = _axis_dims(dataset, drawn, own_dims)
    several = [f"{d} ({values_of(dataset, d)})" for d in left if dataset.sizes[d] > 1]
    if several:
        msg = f"{what} shows one point. Choose one value of: {'; '.join(several)}."
        raise InputError(msg)
    return dataset.isel(dict.fromkeys(left, 0))


def _axis_dims(
    dataset: xarray.Dataset, variables: Sequence[str], own_dims: Sequence[str]
) -> list[str]:
    dims = [str(d) for n in variables if n in dataset for d in dataset[n].dims]
    return [d for d in dict.fromkeys(dims) if d not in own_dims]


def _selected(
    dataset: xarray.Dataset, drawn: Sequence[str], own_dims: Sequence[str], name: str, value: Any
) -> xarray.Dataset:
    dims = {*_axis_dims(dataset, ("status", *drawn), own_dims)}
    axes = [str(n) for n, c in dataset.coords.items() if c.ndim < 2 and dims >= {*c.dims}]
    if name not in axes:
        msg = f"There is no axis {name!r} to choose from. Axes: {', '.join(axes)}."
        raise InputError(msg)
    known = dataset[name]
    places = [i for i, k in enumerate(np.atleast_1d(known.values)) if _same(k, value)]
    if not places:
        msg = f"{name} has no value {value!r}. Values: {values_of(dataset, name)}."
        raise InputError(msg)
    return dataset.isel({known.dims[0]: places[0]}) if known.ndim else dataset


def _same(known: Any, value: Any) -> bool:
    number = isinstance(known, int | float | np.number) and not isinstance(value, str)
    if number and isinstance(value, int | float):
        return abs(float(known) - value) <= SAME * max(abs(value), 1e-300)
    return str(known) == str(value)


def values_of(dataset: xarray.Dataset, name: str) -> str:
    """Write the values of an axis."""
    if name not in dataset.coords:
        return f"{dataset.sizes[name]} values"
    return ", ".join(text_of(v) for v in np.atleast_1d(dataset[name].values))


def text_of(value: Any) -> str:
    """Write a value of an axis."""
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def array_of(point: xarray.Dataset, name: str, dims: tuple[str, ...]) -> FloatArray:
    """Give the numbers of a variable, axes as asked for."""
    return np.asarray(point[name].transpose(*dims).values, dtype=np.float64)


def unit_of(dataset: xarray.Dataset, name: str) -> str:
    """Give the unit of a variable or coordinate, for a reader."""
    return theme.unit_text(str(dataset[name].attrs.get("units", "")))


def words_of(flags: xarray.DataArray) -> NDArray[np.str_]:
    """Turn flags into their words; a value without a word is empty."""
    words = str(flags.attrs["flag_meanings"]).split()
    numbers = flags.attrs.get("flag_values", range(len(words)))
    result = np.full(flags.shape, "", dtype="U16")
    for number, word in zip(numbers, words, strict=True):
        result[flags.values == number] = word
    return result


def status_of(point: xarray.Dataset) -> str:
    """Give the status of a point in a word."""
    if "status" not in point or point["status"].ndim:
        return "not known"
    return str(words_of(point["status"])) or "not known"


def shown(point: xarray.Dataset) -> str:
    """Name a point by the values of its axes."""
    return ", ".join(
        f"{n} = {text_of(c.values.item())}" for n, c in point.coords.items() if c.ndim == 0
    )
