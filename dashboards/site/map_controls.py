"""What can be chosen in a map of points: its sides, and values of the other axes."""

from __future__ import annotations

import xarray

from dashboards.progress import sweep_axes
from dashboards.progress.cells import Grid, grid_of
from dashboards.site.pages import Query
from dashboards.views.view import Control, axis_options, index_of

ALL = "all"
HELD = "at_"
"""Before the name of an axis: an axis may be called as one of our own controls."""
Drawn = dict[str, str]


def map_controls(dataset: xarray.Dataset, asked: Query) -> list[Control]:
    """Offer axes for the sides, and the values of all others, at first all of them."""
    long = [d for d in sweep_axes.axes_of(dataset) if dataset.sizes[d] > 1]
    if len(long) < 2:
        return []
    by_length = sorted(long, key=lambda d: -dataset.sizes[d])
    named = [(d, ", ".join(_plain(n) for n in sweep_axes.coordinates_of(dataset, d))) for d in long]
    x = Control.of("x", "along x", named, asked, by_length[0])
    rest = [(d, words) for d, words in named if d != x.value]
    first = next(d for d in by_length if d != x.value)
    y = Control.of("y", "along y", rest, asked, first)
    others = [d for d in long if d not in (x.value, y.value)]
    return [x, y, *(_held(dataset, d, asked) for d in others)]


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _held(dataset: xarray.Dataset, dim: str, asked: Query) -> Control:
    words = dict(enumerate(sweep_axes.words_along(dataset, dim)))
    options = [
        (value, words[index_of(dataset, dim, value)])
        for value, _ in dict(axis_options(dataset, dim)).items()
    ]
    numbers = dim in dataset.coords and dataset[dim].dtype.kind in "iuf"
    return Control.of(
        f"{HELD}{dim}", sweep_axes.label(dataset, dim), [(ALL, ALL), *options], asked, ALL,
        "slider" if numbers else "menu",
    )  # fmt: skip


def chosen_grid(dataset: xarray.Dataset, controls: list[Control]) -> Grid:
    """Cut the chosen axes into cells."""
    chosen = {c.name: c.value for c in controls}
    axes = sweep_axes.axes_of(dataset)
    long = [d for d in axes if dataset.sizes[d] > 1] or axes
    x = chosen.get("x", long[0] if long else "")
    held = {
        d: index_of(dataset, d, chosen[HELD + d]) for d in axes
        if chosen.get(HELD + d, ALL) != ALL
    }  # fmt: skip
    return grid_of(dataset, x, chosen.get("y", ""), held)
