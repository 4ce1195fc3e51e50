"""Surface branches of a slab or of a half space: along a path, or the lowest one by itself.

`collect_branches` takes those of one point out of its dataset, `draw_branches` draws them over
the bulk bands and the modes of a slab. `collect_lowest` gives the lowest branch as a curve over
the length of the wavevector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray
from bokeh.layouts import column, row
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    FixedTicker,
    LayoutDOM,
    LegendItem,
    LinearColorMapper,
)
from bokeh.plotting import figure

from dashboards import theme
from dashboards.figures.curves import Curve
from dashboards.figures.dispersion import Dispersion, draw_dispersion, frequency_range
from dashboards.figures.selecting import (
    FloatArray,
    array_of,
    need,
    one_point,
    shown,
    status_of,
    unit_of,
)
from sweep import InputError

WHAT = "A picture of surface branches"
BRANCH, WEIGHT = "surface_branch", "surface_branch_surface_weight"
OWN_DIMS = ("k", "branch", "component", "fraction")
PANEL = (250, 360)
"""Width and height of the frame of a panel, in pixels."""
SPACING, AXIS, BAR = 16, 50, 62
"""Pixels between panels, of the numbers beside each, and of the colour bar."""
EVERY = 3
"""Of so many wavevectors one shows the surface modes of the slab as dots."""


@dataclass(frozen=True, slots=True)
class Branches:
    """Surface branches along a path."""

    distance: FloatArray
    """(k,)."""
    frequency: FloatArray
    """(k, branch), NaN where a branch is not."""
    weight: FloatArray
    """(k, branch), share in the outer layers."""


def collect_branches(dataset: xarray.Dataset, **selection: Any) -> Branches:
    """Take the surface branches of one point out of its dataset.

    Parameters
    ----------
    dataset : of `sweep.open`; needs `surface_branch` and `surface_branch_surface_weight`
    selection : one value for each axis that has several

    Raises
    ------
    InputError : something is not there, or more or less than one point is selected
    """
    point = _point(dataset, selection, BRANCH, WEIGHT, "k_distance")
    frequency = array_of(point, BRANCH, ("k", "branch"))
    if not np.isfinite(frequency).any():
        msg = (
            f"The point {shown(point) or 'asked for'} has no surface branches: its status is "
            f"{status_of(point)}. Choose a point that is ok."
        )
        raise InputError(msg)
    distance = array_of(point, "k_distance", ("k",))
    return Branches(distance, frequency, array_of(point, WEIGHT, ("k", "branch")))


def collect_lowest(dataset: xarray.Dataset, **selection: Any) -> Curve:
    """Take the lowest surface branch over the length of the wavevector; as `collect_branches`."""
    point = _point(dataset, selection, BRANCH, "k_vector")
    k = np.linalg.norm(array_of(point, "k_vector", ("k", "component")), axis=1)
    branch = array_of(point, BRANCH, ("k", "branch"))
    lowest = np.min(np.where(np.isnan(branch), np.inf, branch), axis=1)
    there = np.isfinite(lowest)
    nothing = np.full(int(there.sum()), np.nan)
    units = unit_of(point, "k_vector"), unit_of(point, BRANCH)
    return Curve(k[there], lowest[there], nothing, *units)


def _point(dataset: xarray.Dataset, selection: dict[str, Any], *names: str) -> xarray.Dataset:
    need(dataset, WHAT, *names)
    return one_point(dataset, WHAT, names, OWN_DIMS, selection)


# --- drawing ------------------------------------------------------------------------------


def draw_branches(
    panels: Sequence[tuple[Dispersion, Branches]],
    *,
    heading: str = "",
    note: str = "",
    size: tuple[int, int] = PANEL,
) -> LayoutDOM:
    """Draw branches over slab modes and bulk bands, panels side by side.

    Branches are coloured by their share in the outer layers; dots are the modes of the slab
    outside the bands.

    Parameters
    ----------
    heading, note : above the panels, in large and in small letters
    size : width and height of the frame of one panel, in pixels
    """
    colours = LinearColorMapper(palette=list(theme.WEIGHTS), low=0, high=1)
    plots = [_draw(d, b, size, colours) for d, b in panels]
    for plot in plots[1:]:
        plot.yaxis.axis_label = None
    plots[-1].add_layout(_colour_bar(colours), "right")
    width = branches_width(len(panels), size)
    return column(
        *theme.headline(heading, note, width), row(*plots, spacing=SPACING), _legend(width)
    )


def branches_width(count: int, size: tuple[int, int] = PANEL) -> int:
    """Give the width of so many panels with the axis and the colour bar, in pixels."""
    return count * (size[0] + SPACING + AXIS) + BAR


def segments(d: Branches, pieces: Sequence[slice]) -> dict[str, list[Any]]:
    """Cut branches into steps from one wavevector to the next, each with its mean weight."""
    found: dict[str, list[Any]] = {"x": [], "y": [], "weight": []}
    for piece in pieces:
        x, y, w = d.distance[piece], d.frequency[piece], d.weight[piece]
        for step, branch in np.argwhere(np.isfinite(y[:-1]) & np.isfinite(y[1:])):
            both = slice(step, step + 2)
            found["x"].append(x[both].tolist())
            found["y"].append(y[both, branch].tolist())
            found["weight"].append(float(w[both, branch].mean()))
    return found


def lone_points(b: Branches) -> dict[str, list[float]]:
    """List branches that are there at one wavevector and at neither of its neighbours."""
    there = np.pad(np.isfinite(b.frequency), ((1, 1), (0, 0)))
    k, branch = np.nonzero(there[1:-1] & ~there[:-2] & ~there[2:])
    return {
        "x": b.distance[k].tolist(), "y": b.frequency[k, branch].tolist(),
        "weight": b.weight[k, branch].tolist(),
    }  # fmt: skip


def _draw(d: Dispersion, b: Branches, size: tuple[int, int], colours: LinearColorMapper) -> figure:
    """Draw one panel: the dispersion without its own dots, then branches, then dots of modes."""
    plot = draw_dispersion(
        d, width=size[0], height=size[1], frequencies=frequency_range([d]), largest_dot=0,
        legend=False,
    )  # fmt: skip
    for renderer in plot.renderers:
        renderer.visible = renderer.name in ("bulk bands", "modes", "labels", "zero")
    plot.multi_line(
        "x", "y", source=ColumnDataSource(segments(b, d.pieces)), name="branches", line_width=3.5,
        line_cap="round", line_color={"field": "weight", "transform": colours},
    )  # fmt: skip
    plot.scatter(
        "x", "y", source=ColumnDataSource(lone_points(b)), name="lone points", size=3.5,
        line_color=None, fill_color={"field": "weight", "transform": colours},
    )  # fmt: skip
    outside = np.isin(d.mode_kind, ["below", "gap", "above"])
    outside[np.arange(len(outside)) % EVERY > 0] = False
    k, mode = np.nonzero(outside)
    dots = ColumnDataSource({"x": d.distance[k], "y": d.frequency[k, mode]})
    plot.scatter(
        "x", "y", source=dots, name="slab surface modes", size=4, fill_color="white",
        line_color=theme.INK, line_width=0.9,
    )  # fmt: skip
    return plot


def _colour_bar(colours: LinearColorMapper) -> ColorBar:
    return ColorBar(
        color_mapper=colours, ticker=FixedTicker(ticks=[0, 0.5, 1]), width=14, padding=4,
        major_label_text_font=theme.FONT, major_label_text_font_size="12px",
        major_label_text_color=theme.INK, major_label_overrides={0: "0", 0.5: "0.5", 1: "1"},
    )  # fmt: skip


def _legend(width: int) -> figure:
    strip = theme.legend_strip(width)
    items = [
        theme.key(strip, "bulk bands", theme.BAND, patch=True),
        theme.key(strip, "modes of the slab", theme.THIN, line=1),
        LegendItem(
            label="those outside the bands",
            renderers=[strip.scatter([2], [2], size=5, fill_color="white", line_color=theme.INK)],
        ),
        theme.key(strip, "branches of the semi-infinite crystal", theme.WEIGHTS[-40], line=3.5),
    ]
    legend = theme.new_legend(items)
    legend.click_policy = "none"
    strip.add_layout(legend, "center")
    return strip
