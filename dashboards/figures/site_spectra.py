"""Spectra of the sites of a particle, one row for each class of sites.

`collect_site_spectra` takes one particle out of the dataset of a sweep of the model cluster,
`draw_site_spectra` draws several side by side, rows one above the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, FixedTicker, LayoutDOM, LegendItem, Range1d
from bokeh.plotting import figure

from dashboards import theme
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

WHAT = "A picture of site spectra"
NEEDED = ("site_dos", "site_first_moment", "site_count")
OWN_DIMS = ("site_class", "grid")
PANEL = (250, 330)
"""Width and height of the frame of a panel, in pixels."""
SPACING, AXIS = 16, 92
"""Pixels between panels, and of the names of the rows beside each."""
OVERLAP = 1.7
"""Highest row over the distance between rows."""
SITES = {
    "icosahedron": {6: "vertex", 8: "edge", 9: "face", 12: "core"},
    "cuboctahedron": {5: "vertex", 7: "edge", 8: "(100) face", 9: "(111) face", 12: "core"},
    "cube": {3: "corner", 5: "edge", 8: "face", 12: "core"},
}
"""Names of the sites of each shape by their coordination number."""
COLOURS = {
    "vertex": theme.SERIES[1], "corner": theme.SERIES[1], "edge": theme.SERIES[3],
    "face": theme.SERIES[0], "(100) face": theme.SERIES[0], "(111) face": theme.SERIES[2],
    "core": theme.RULE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SiteSpectra:
    """What a picture of one particle needs; rows ascend in their coordination number."""

    grid: FloatArray
    """(grid,)."""
    spectrum: FloatArray
    """(rows, grid), norm 3."""
    mean: FloatArray
    """(rows,), mean frequency."""
    names: tuple[str, ...]
    coordination: tuple[int, ...]
    unit: str
    title: str


# --- collecting ---------------------------------------------------------------------------


def collect_site_spectra(dataset: xarray.Dataset, **selection: Any) -> SiteSpectra:
    """Take one particle out of a dataset.

    Parameters
    ----------
    dataset : of `sweep.open`; needs `site_dos`, `site_first_moment` and `site_count`
    selection : one value for each axis that has several, such as shape="cube"

    Raises
    ------
    InputError : something is not there, or more or less than one point is selected
    """
    need(dataset, WHAT, *NEEDED, model="cluster")
    point = one_point(dataset, WHAT, NEEDED, OWN_DIMS, selection)
    spectrum = array_of(point, "site_dos", ("site_class", "grid"))
    count = array_of(point, "site_count", ("site_class",))
    there = np.isfinite(spectrum).all(axis=1) & (count > 0)
    if not there.any():
        msg = (
            f"The point {shown(point) or 'asked for'} has no spectra: its status is "
            f"{status_of(point)}. Choose a point that is ok or unstable."
        )
        raise InputError(msg)
    shape = str(point["shape"].values) if "shape" in point.coords else ""
    numbers = tuple(int(n) for n in array_of(point, "site_class", ("site_class",))[there])
    known = SITES.get(shape, {})
    atoms = int(count[there].sum())
    return SiteSpectra(
        array_of(point, "grid", ("grid",)), spectrum[there],
        array_of(point, "site_first_moment", ("site_class",))[there],
        tuple(known.get(n, "site") for n in numbers), numbers, unit_of(point, "grid"),
        f"{shape or 'particle'}, {atoms} atoms",
    )  # fmt: skip


# --- drawing ------------------------------------------------------------------------------


def draw_site_spectra(
    particles: Sequence[SiteSpectra],
    *,
    heading: str = "",
    note: str = "",
    size: tuple[int, int] = PANEL,
) -> LayoutDOM:
    """Draw the spectra of particles side by side, all rows on one scale.

    Parameters
    ----------
    heading, note : above the panels, in large and in small letters
    size : width and height of the frame of one panel, in pixels
    """
    step = max(float(p.spectrum.max()) for p in particles) / OVERLAP
    rows = max(len(p.names) for p in particles)
    plots = [_draw(p, step, rows, size) for p in particles]
    width = spectra_width(len(plots), size)
    head = theme.headline(heading, note, width)
    return column(*head, row(*plots, spacing=SPACING), _legend(width))


def spectra_width(count: int, size: tuple[int, int] = PANEL) -> int:
    """Give the width of so many panels with the names of their rows, in pixels."""
    return count * (size[0] + SPACING + AXIS)


def _draw(p: SiteSpectra, step: float, rows: int, size: tuple[int, int]) -> figure:
    """Draw one particle, the lowest coordination number at the top."""
    plot = theme.new_figure(
        title=p.title, frame_width=size[0], frame_height=size[1],
        x_range=Range1d(float(p.grid[0]), float(p.grid[-1])),
        y_range=Range1d(-0.12 * step, (rows + 0.2) * step),
    )  # fmt: skip
    plot.xaxis.axis_label = theme.with_unit("frequency", p.unit)
    base = step * np.arange(len(p.names) - 1, -1, -1)
    for name, spectrum, zero in zip(p.names, p.spectrum, base, strict=True):
        colour = COLOURS.get(name, theme.RULE)
        source = ColumnDataSource({"x": p.grid, "low": np.full_like(p.grid, zero),
                                   "high": zero + spectrum})  # fmt: skip
        plot.varea("x", "low", "high", source=source, fill_color=colour, fill_alpha=0.45)
        plot.line("x", "high", source=source, name=name, line_color=colour, line_width=1.2)
    plot.scatter(
        p.mean.tolist(), base.tolist(), name="mean", marker="triangle", size=9,
        fill_color=theme.INK, line_color="white", line_width=0.6,
    )  # fmt: skip
    words = [f"{n}, {z}" for n, z in zip(p.names, p.coordination, strict=True)]
    plot.yaxis.ticker = FixedTicker(ticks=base.tolist())
    plot.yaxis.major_label_overrides = dict(zip(base.tolist(), words, strict=True))
    plot.yaxis.minor_tick_line_color = None
    return plot


def _legend(width: int) -> figure:
    strip = theme.legend_strip(width)
    sample = strip.scatter([2], [2], marker="triangle", size=9, color=theme.INK)
    legend = theme.new_legend([LegendItem(label="mean frequency", renderers=[sample])])
    legend.click_policy = "none"
    strip.add_layout(legend, "center")
    return strip
