"""What the views of slabs and chains share: one point of a sweep, words for it, units, sizes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

import sweep
from dashboards import theme
from dashboards.figures.selecting import words_of
from dashboards.views.view import (
    Asked,
    Control,
    FloatArray,
    Results,
    at_point,
    axis_values,
    dims_beside,
    value_text,
)
from sweep import InputError

FREQUENCY_UNITS: Mapping[str, float] = sweep.FREQUENCY_UNITS
_STATES = {
    "todo": "is not computed yet",
    "running": "is being computed",
    "failed": "failed",
    "lost": "was lost with its worker",
    "skipped": "is left out by the sweep's `where`",
    "ok": "is ok, but has none",
    "unstable": "is unstable and has none",
}


def place_of(
    results: Results, chosen: Asked, variables: Sequence[str], free: Collection[str] = ()
) -> dict[str, int]:
    """Give the place of what is chosen along the axes that variables have, but for free ones."""
    data = results.dataset
    own = {str(d) for n in variables if n in data for d in data[n].dims}
    return {
        d: i for d, i in at_point(results, chosen, results.axes).items()
        if d not in free and (d in own or data.sizes[d] == 1)
    }  # fmt: skip


def words_at(dataset: xarray.Dataset, place: Mapping[str, int]) -> str:
    """Name a place by the values of axes that have several."""
    told = []
    for dim, i in place.items():
        if dataset.sizes[dim] > 1:
            for name in _moving_with(dataset, dim):
                told.append(f"{name.replace('_', ' ')} {value_text(axis_values(dataset, name)[i])}")
    return ", ".join(told)


def _moving_with(dataset: xarray.Dataset, dim: str) -> list[str]:
    """Give the axes that move along a dim; the dim itself comes first."""
    beside = [str(n) for n, c in dataset.coords.items() if c.dims == (dim,) and n != dim]
    return [dim, *beside]


def nothing(results: Results, place: Mapping[str, int], what: str) -> InputError:
    """Say that a point has nothing to show, and why."""
    status = results.dataset["status"]
    there = status.isel({d: i for d, i in place.items() if d in status.dims})
    words = sorted({w for w in np.unique(words_of(there)) if w})
    said = " or ".join(_STATES.get(w, w) for w in words) or "is not known"
    at = words_at(results.dataset, place)
    return InputError(f"There is no {what}{' at ' if at else ''}{at} to show: the point {said}.")


def fixed_of(results: Results) -> dict[str, Any]:
    """Give the fixed parameters that the sweep names."""
    document = json.loads(str(results.dataset.attrs.get("sweep", "{}")))
    fixed: dict[str, Any] = document.get("fixed", {})
    return fixed


# --- units ------------------------------------------------------------------------------------


def unit_controls(results: Results, variable: str, asked: Asked) -> list[Control]:
    """Offer units of frequency where the stored one has a scale."""
    stored = str(results.dataset[variable].attrs.get("units", ""))
    if stored not in FREQUENCY_UNITS:
        return []
    options = [(u, theme.unit_text(u)) for u in FREQUENCY_UNITS]
    return [Control.of("unit", "unit", options, asked, stored)]


def frequency_unit(results: Results, variable: str, chosen: Asked) -> tuple[float, str]:
    """Give what frequencies are multiplied by, and their unit for a reader."""
    stored = str(results.dataset[variable].attrs.get("units", ""))
    wanted = chosen.get("unit", stored)
    if stored in FREQUENCY_UNITS and wanted in FREQUENCY_UNITS:
        return FREQUENCY_UNITS[wanted] / FREQUENCY_UNITS[stored], theme.unit_text(wanted)
    return 1.0, theme.unit_text(stored)


# --- axes ---------------------------------------------------------------------------------


def numeric_axes(results: Results, variables: Sequence[str]) -> list[str]:
    """Give the axes of numbers with several values that variables have."""
    data = results.dataset
    there = dims_beside(results, variables, ())
    return [d for d in there if d in results.axes and d in data.coords
            and data[d].dtype.kind in "iuf"]  # fmt: skip


def words(name: str) -> str:
    """Write a name for a reader."""
    return name.replace("_", " ")


def is_geometric(values: FloatArray) -> bool:
    """Say whether positive values are spread more evenly by their logarithms, over a decade."""
    known = np.unique(values[np.isfinite(values)])
    if len(known) < 3 or known[0] <= 0 or known[-1] < 8 * known[0]:
        return False
    uneven = [float(np.std(np.diff(v)) / np.mean(np.diff(v))) for v in (known, np.log(known))]
    return uneven[1] < uneven[0]


# --- sizes --------------------------------------------------------------------------------


def spread(count: int, most: int) -> NDArray[np.intp]:
    """Give at most so many places, evenly spread, the first and the last among them."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, max(most, 2)).round().astype(np.intp))


def stretches(x: FloatArray, y: FloatArray, most: int) -> NDArray[np.intp]:
    """Thin a curve: of each stretch the lowest and the highest point stay."""
    if len(x) <= most:
        return np.arange(len(x))
    cuts = np.unique(np.linspace(0, len(x), most // 2 + 1).astype(np.intp))
    kept: set[int] = {0, len(x) - 1}
    for start, end in zip(cuts[:-1], cuts[1:], strict=True):
        part = y[start:end]
        if np.isfinite(part).any():
            kept |= {int(start + np.nanargmin(part)), int(start + np.nanargmax(part))}
    return np.array(sorted(kept), dtype=np.intp)


def single(values: FloatArray) -> NDArray[np.float32]:
    """Give numbers in half their size, for a browser."""
    return np.asarray(values, dtype=np.float32)
