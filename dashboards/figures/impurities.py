"""Impurities: spectra against mass as a map, and how two defects attract each other.

`collect_map` takes a spectrum along an axis out of the dataset of a sweep of the model impurity,
`draw_maps` draws several side by side, with curves over them. `collect_attraction` gives an
interaction energy over the distance along a row of the surface, for `draw_curves`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray
from bokeh.layouts import column, row
from bokeh.models import (
    ColorBar,
    FixedTicker,
    LayoutDOM,
    LogColorMapper,
    Range1d,
)
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from dashboards import theme
from dashboards.figures.curves import Curve, Drawn, Key
from dashboards.figures.selecting import (
    FloatArray,
    array_of,
    need,
    one_point,
    shown,
    status_of,
    unit_of,
    values_of,
)
from sweep import InputError

PANEL = (330, 330)
"""Width and height of the frame of a panel, in pixels."""
SPACING, AXIS, BAR = 16, 50, 100
"""Pixels between panels, of the numbers beside each, and of the colour bar."""
SURE = 0.1
"""Largest error over a value that is shown."""
EVEN = 1e-6
"""Relative spread of the steps of an even axis."""
Steps = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SpectralMap:
    """A spectrum for each value of an axis."""

    x: FloatArray
    """(n,), ascending, each the same factor from the last."""
    grid: FloatArray
    """(grid,), evenly spaced frequencies."""
    density: FloatArray
    """(n, grid)."""
    grid_unit: str
    density_unit: str


@dataclass(frozen=True, slots=True)
class MapPanel:
    """A map and the curves over it."""

    title: str
    map: SpectralMap
    curves: Sequence[Drawn] = field(default_factory=tuple)


# --- collecting ---------------------------------------------------------------------------


def collect_map(
    dataset: xarray.Dataset, variable: str, over: str, *, model: str = "impurity", **selection: Any
) -> SpectralMap:
    """Take a spectrum along an axis out of a dataset.

    Parameters
    ----------
    dataset : of `sweep.open`
    over : an axis of positive numbers, such as one made by `geomspace`
    selection : one value for each other dim that has several

    Raises
    ------
    InputError : the store does not have the variable, it is no spectrum over this axis, the axis
        is not geometric, or a point has no numbers
    """
    what = "A map"
    need(dataset, what, variable, model=model)
    dims = tuple(map(str, dataset[variable].dims))
    if not {over, "grid"} <= {*dims}:
        msg = f"{variable} has the dims {', '.join(dims)}, and a map needs {over} and grid."
        raise InputError(msg)
    point = one_point(dataset, what, [variable], (over, "grid"), selection)
    x, grid = array_of(point, over, (over,)), array_of(point, "grid", ("grid",))
    density = array_of(point, variable, (over, "grid"))
    order = np.argsort(x)
    x, density = x[order], density[order]
    if len(x) < 2 or x[0] <= 0 or np.ptp(np.diff(np.log(x))) > EVEN * np.log(x[-1] / x[0]):
        msg = (
            f"The values of {over} are no geometric row: {values_of(dataset, over)}. "
            f"Sweep {over} = {{ geomspace = [first, last, how many] }}."
        )
        raise InputError(msg)
    if not np.isfinite(density).all():
        missing = x[~np.isfinite(density).all(axis=1)]
        msg = (
            f"{variable} is missing at {over} = {missing[0]:g}"
            f"{' and elsewhere' if len(missing) > 1 else ''}. Run the sweep to its end, or leave "
            "these points out."
        )
        raise InputError(msg)
    return SpectralMap(x, grid, density, unit_of(point, "grid"), unit_of(point, variable))


def collect_attraction(
    dataset: xarray.Dataset, variable: str, along: Steps, step: float, **selection: Any
) -> Curve:
    """Take the attraction of two defects, minus their energy, over their distance along a row.

    Values are left out where their error is a tenth of them or more.

    Parameters
    ----------
    dataset : of `sweep.open`; needs `separation` as an axis
    variable : "interaction_energy" or "interaction_free_energy"
    along : the shortest separation of the row, such as (1, 1)
    step : its length
    selection : one value for each other dim that has several

    Raises
    ------
    InputError : something is not there, or there is no such separation
    """
    what = "An attraction"
    error = f"{variable}_error"
    need(dataset, what, variable, error, "separation", model="impurity")
    point = one_point(dataset, what, [variable], ("separation",), selection)
    separations = [_steps(text) for text in dataset["separation"].values]
    number = np.array([_multiple(s, along) for s in separations])
    energy = array_of(point, variable, ("separation",))
    spread = array_of(point, error, ("separation",))
    on_row = np.flatnonzero(number > 0)
    if not len(on_row) or not np.isfinite(energy[on_row]).any():
        msg = (
            f"The point {shown(point) or 'asked for'} has no {variable} along {list(along)}: its "
            f"status is {status_of(point)}, and separations are {values_of(dataset, 'separation')}."
        )
        raise InputError(msg)
    order = on_row[np.argsort(number[on_row])]
    y = np.where(spread < SURE * np.abs(energy), -energy, np.nan)
    return Curve(number[order] * step, y[order], spread[order], "", unit_of(point, variable))


def _steps(text: Any) -> Steps:
    """Read a separation as it is stored, "[1,0]"."""
    return tuple(int(n) for n in str(text).strip("[]").split(","))


def _multiple(steps: Steps, along: Steps) -> int:
    """How many times a separation is another one; 0 if it is none."""
    times = max(steps, key=abs) // max(along, key=abs)
    return times if steps == tuple(times * n for n in along) else 0


# --- drawing ------------------------------------------------------------------------------


def draw_maps(
    panels: Sequence[MapPanel],
    *,
    x: str,
    density: str,
    limits: tuple[float, float],
    ticks: Sequence[float],
    x_ticks: Sequence[float] = (),
    keys: Sequence[Key] = (),
    heading: str = "",
    note: str = "",
    size: tuple[int, int] = PANEL,
) -> LayoutDOM:
    """Draw maps side by side on one scale of colours, which is logarithmic as the axis is.

    Parameters
    ----------
    x, density : what the horizontal axis and the colours show; units are added
    limits, ticks : densities of the ends of the scale, and of its numbers
    keys : the legend
    heading, note : above the panels, in large and in small letters
    size : width and height of the frame of one panel, in pixels
    """
    colours = LogColorMapper(palette=Viridis256, low=limits[0], high=limits[1])
    plots = [_draw(p, size, colours) for p in panels]
    for plot in plots:
        plot.xaxis.axis_label = x
        if x_ticks:
            plot.xaxis.ticker = FixedTicker(ticks=list(x_ticks))
            plot.xaxis.major_label_overrides = {t: f"{t:g}" for t in x_ticks}
    for plot in plots[1:]:
        plot.yaxis.axis_label = None
    title = theme.with_unit(density, panels[0].map.density_unit)
    plots[-1].add_layout(_colour_bar(colours, title, ticks), "right")
    width = maps_width(len(panels), size)
    head = theme.headline(heading, note, width)
    return column(*head, row(*plots, spacing=SPACING), *_legend(keys, width))


def maps_width(count: int, size: tuple[int, int] = PANEL) -> int:
    """Give the width of so many panels with the axis and the colour bar, in pixels."""
    return count * (size[0] + SPACING + AXIS) + BAR


def edges(m: SpectralMap) -> tuple[float, float, float, float]:
    """Give the outer edges of the cells of a map: left, right, bottom, top."""
    half = np.sqrt(m.x[1] / m.x[0])
    step = (m.grid[1] - m.grid[0]) / 2
    left, right = m.x[0] / half, m.x[-1] * half
    return float(left), float(right), float(m.grid[0] - step), float(m.grid[-1] + step)


def _draw(panel: MapPanel, size: tuple[int, int], colours: LogColorMapper) -> figure:
    m = panel.map
    left, right, bottom, top = edges(m)
    plot = theme.new_figure(
        title=panel.title, frame_width=size[0], frame_height=size[1], x_axis_type="log",
        x_range=Range1d(float(m.x[0]), float(m.x[-1])),
        y_range=Range1d(max(bottom, 0.0), float(m.grid[-1])),
    )  # fmt: skip
    plot.yaxis.axis_label = theme.with_unit("frequency", m.grid_unit)
    lowest = np.maximum(m.density, colours.low)  # errors may be below zero
    # an image is stretched evenly over the axis as it is drawn, so cells of equal factors fit
    plot.image(
        image=[lowest.T], x=left, y=bottom, dw=right - left, dh=top - bottom,
        color_mapper=colours, name="map",
    )  # fmt: skip
    for drawn in panel.curves:
        plot.line(
            drawn.curve.x, drawn.curve.y, name="curve", color=drawn.colour, line_dash=drawn.dash,
            line_width=drawn.width,
        )  # fmt: skip
    for axis in plot.axis:
        axis.major_tick_line_color = axis.minor_tick_line_color = "white"
    return plot


def _colour_bar(colours: LogColorMapper, title: str, ticks: Sequence[float]) -> ColorBar:
    return ColorBar(
        color_mapper=colours, ticker=FixedTicker(ticks=list(ticks), minor_ticks=[]), width=14,
        padding=4, margin=22, major_label_overrides={t: f"{t:g}" for t in ticks}, title=title,
        title_standoff=6, major_label_text_font=theme.FONT, major_label_text_font_size="12px",
        major_label_text_color=theme.INK, title_text_font=theme.FONT,
        title_text_font_size="13px", title_text_font_style="normal",
        title_text_color=theme.INK,
    )  # fmt: skip


def _legend(keys: Sequence[Key], width: int) -> list[figure]:
    if not keys:
        return []
    strip = theme.legend_strip(width)
    items = [theme.key(strip, k.label, k.colour, line=k.width, dash=k.dash) for k in keys]
    legend = theme.new_legend(items)
    legend.click_policy = "none"
    strip.add_layout(legend, "center")
    return [strip]
