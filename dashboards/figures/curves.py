"""Curves: one variable of a sweep along one of its dims, with its error.

`collect_curve` takes it out of a dataset, `draw_curves` draws panels of several.

    c = collect_curve(sweep.open("results/xenon"), "surface_heat_capacity", "temperature",
                      surface="111")
    panel = Panel("(111)", (Drawn(c, colour="#0072b2"),), x="temperature", y="heat capacity")
    write_page(draw_curves([panel]), "curves.html", "heat capacity")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray
from bokeh.layouts import column, row
from bokeh.models import (
    ColumnDataSource,
    CustomJSTickFormatter,
    FixedTicker,
    HoverTool,
    LayoutDOM,
    LogTickFormatter,
    Range1d,
    Whisker,
)
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
    values_of,
)
from sweep import InputError

PANEL = (260, 280)
"""Width and height of the frame of a panel, in pixels."""
AXIS = 64
"""Pixels that the numbers and the label of an axis take beside a frame."""
ROOM = 0.06
"""Share of the axis that is left free above the highest point."""
AROUND_PEAK = 2
"""Points on each side of the highest one through which a parabola finds the peak."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A variable along a dim."""

    x: FloatArray
    y: FloatArray
    error: FloatArray
    """NaN where not known."""
    x_unit: str
    y_unit: str

    @property
    def peak(self) -> tuple[float, float]:
        """Place and height of the maximum, by a parabola; NaN at the end of the curve."""
        top = int(np.nanargmax(self.y))
        near = slice(top - AROUND_PEAK, top + AROUND_PEAK + 1)
        if top < AROUND_PEAK or top + AROUND_PEAK >= len(self.y):
            return np.nan, np.nan
        x0 = self.x[top]
        a, b, c = np.polyfit(self.x[near] - x0, self.y[near], 2)
        return float(x0 - b / (2 * a)), float(c - b**2 / (4 * a))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A curve and its looks."""

    curve: Curve
    colour: str
    dash: str = "solid"
    width: float = 1.8
    dot: float = 0
    """Diameter of the dots at its points, in pixels."""
    bars: bool = False
    """Draw errors as bars."""
    peak_at: float | None = None
    """Height at which the place of its peak is marked."""
    hollow: bool = False
    """The mark of the peak is an open one."""


@dataclass(frozen=True, slots=True)
class Key:
    """One item of the legend."""

    label: str
    colour: str
    dash: str = "solid"
    width: float = 2
    dot: float = 0


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves on two axes."""

    title: str
    curves: Sequence[Drawn]
    x: str
    """What the horizontal axis shows; the unit is added."""
    y: str
    x_log: bool = False
    y_log: bool = False
    x_ticks: Sequence[float] = field(default_factory=tuple)
    y_range: tuple[float, float] | None = None
    """Default: all points, and zero if the axis is not logarithmic."""
    from_zero: bool = True
    x_range: tuple[float, float] | None = None
    """Default: all points."""


# --- collecting ---------------------------------------------------------------------------


def collect_curve(
    dataset: xarray.Dataset, variable: str, along: str, *, model: str = "slab", **selection: Any
) -> Curve:
    """Take a variable along one of its dims out of a dataset, with its error if it has one.

    Parameters
    ----------
    dataset : of `sweep.open`
    along : the dim, an axis of numbers or an own dim
    selection : one value for each other dim that has several

    Raises
    ------
    InputError : the store does not have the variable, it has no such dim or one of words, more
        or less than one value of another dim is selected, or there is no number to show
    """
    need(dataset, "A curve", variable, model=model)
    if along not in dataset[variable].dims:
        dims = ", ".join(map(str, dataset[variable].dims))
        msg = f"{variable} has no dim {along!r} to follow. Its dims: {dims}."
        raise InputError(msg)
    if dataset[along].dtype.kind not in "iuf":
        msg = (
            f"The values of {along} are words: {values_of(dataset, along)}. A curve needs numbers. "
            "Follow another dim."
        )
        raise InputError(msg)
    names = [variable, f"{variable}_error"]
    names = [n for n in names if n in dataset]
    point = one_point(dataset, "A curve", names, (along,), selection)
    x, y = (array_of(point, n, (along,)) for n in (along, variable))
    if not np.isfinite(y).any():
        msg = (
            f"The point {shown(point) or 'asked for'} has no {variable}: its status is "
            f"{status_of(point)}. Choose a point that is ok."
        )
        raise InputError(msg)
    error = array_of(point, names[-1], (along,)) if len(names) > 1 else np.full_like(y, np.nan)
    order = np.argsort(x)
    x_unit, y_unit = unit_of(point, along), unit_of(point, variable)
    return Curve(x[order], y[order], error[order], x_unit, y_unit)


# --- drawing ------------------------------------------------------------------------------


def draw_curves(
    panels: Sequence[Panel],
    *,
    keys: Sequence[Key] = (),
    heading: str = "",
    note: str = "",
    columns: int = 0,
    one_scale: bool = False,
    size: tuple[int, int] = PANEL,
) -> LayoutDOM:
    """Draw panels side by side, with one legend.

    Parameters
    ----------
    heading, note : above the panels, in large and in small letters
    columns : panels in a row; default: all
    one_scale : all panels have the same vertical range, and only the first of a row has its
        numbers
    size : width and height of the frame of one panel, in pixels
    """
    columns = columns or len(panels)
    ranges = [y_range(p) for p in panels]
    if one_scale:
        low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
        ranges = [(low, high)] * len(panels)
    plots = [_draw(p, r, size) for p, r in zip(panels, ranges, strict=True)]
    if one_scale:
        for i, plot in enumerate(plots):
            if i % columns:
                plot.yaxis.axis_label = None
                plot.yaxis.formatter = CustomJSTickFormatter(code="return ''")
    width = curves_width(columns, size, one_scale=one_scale)
    rows = [row(*plots[i : i + columns], spacing=16) for i in range(0, len(plots), columns)]
    return column(*theme.headline(heading, note, width), *rows, *_legend(keys, width))


def curves_width(columns: int, size: tuple[int, int] = PANEL, *, one_scale: bool = False) -> int:
    """Give the width of so many panels side by side with their axes, in pixels."""
    return columns * (size[0] + 16) + AXIS * (1 if one_scale else columns)


def y_range(panel: Panel) -> tuple[float, float]:
    """Give the range that holds all points of a panel and their errors."""
    if panel.y_range:
        return panel.y_range
    low, high = [], []
    for drawn in panel.curves:
        error = np.nan_to_num(drawn.curve.error) if drawn.bars else 0.0
        low.append(float(np.nanmin(drawn.curve.y - error)))
        high.append(float(np.nanmax(drawn.curve.y + error)))
    if panel.y_log:
        positive = [float(np.nanmin(d.curve.y[d.curve.y > 0])) for d in panel.curves]
        return min(positive) / 1.5, max(high) * 1.5
    bottom, top = min(low), max(high)
    if panel.from_zero:
        bottom = min(bottom, 0.0)
    room = ROOM * (top - bottom)
    return bottom - (room if bottom else 0.0), top + room


def _draw(panel: Panel, limits: tuple[float, float], size: tuple[int, int]) -> figure:
    x = np.concatenate([d.curve.x[np.isfinite(d.curve.y)] for d in panel.curves])
    low, high = panel.x_range or (float(x.min()), float(x.max()))
    if panel.x_log and not panel.x_range:
        low, high = low / 1.15, high * 1.15
    plot = theme.new_figure(
        title=panel.title, frame_width=size[0], frame_height=size[1],
        x_axis_type="log" if panel.x_log else "linear",
        y_axis_type="log" if panel.y_log else "linear",
        x_range=Range1d(low, high), y_range=Range1d(*limits),
    )  # fmt: skip
    if panel.y_log:
        plot.yaxis.formatter = LogTickFormatter()
    first = panel.curves[0].curve
    plot.xaxis.axis_label = theme.with_unit(panel.x, first.x_unit)
    plot.yaxis.axis_label = theme.with_unit(panel.y, first.y_unit)
    if panel.x_ticks:
        plot.xaxis.ticker = FixedTicker(ticks=list(panel.x_ticks))
        plot.xaxis.major_label_overrides = {t: f"{t:g}" for t in panel.x_ticks}
    for drawn in panel.curves:
        _add(plot, drawn)
    return plot


def _add(plot: figure, drawn: Drawn) -> None:
    """Draw one curve, with its dots, bars and peak."""
    c = drawn.curve
    source = ColumnDataSource({
        "x": c.x, "y": c.y, "error": c.error, "low": c.y - c.error, "high": c.y + c.error,
    })  # fmt: skip
    if drawn.width:
        plot.line(
            "x", "y", source=source, name="curve", color=drawn.colour, line_dash=drawn.dash,
            line_width=drawn.width,
        )  # fmt: skip
    if drawn.bars:
        bars = Whisker(
            base="x", lower="low", upper="high", source=source, line_color=drawn.colour,
            line_width=1.2,
        )  # fmt: skip
        bars.upper_head.size = bars.lower_head.size = 5
        bars.upper_head.line_color = bars.lower_head.line_color = drawn.colour
        plot.add_layout(bars)
    dots = plot.scatter(
        "x", "y", source=source, name="points", size=drawn.dot or 6, fill_color=drawn.colour,
        line_color=None, fill_alpha=1.0 if drawn.dot else 0.0,
    )  # fmt: skip
    plot.add_tools(HoverTool(renderers=[dots], tooltips=[
        ("x", f"@x{{0.0000}} {c.x_unit}"), ("y", f"@y{{0.000000}} {c.y_unit}"),
        ("error", "@error{0.0e+0}"),
    ]))  # fmt: skip
    if drawn.peak_at is not None:
        plot.scatter(
            [c.peak[0]], [drawn.peak_at], name="peak", size=7, line_color=drawn.colour,
            fill_color="white" if drawn.hollow else drawn.colour, line_width=1.6,
        )  # fmt: skip


def _legend(keys: Sequence[Key], width: int) -> list[figure]:
    if not keys:
        return []
    strip = theme.legend_strip(width)
    items = [
        theme.key(strip, k.label, k.colour, line=k.width, dash=k.dash, dot=k.dot) for k in keys
    ]
    legend = theme.new_legend(items)
    legend.click_policy = "none"
    legend.glyph_width = 24
    strip.add_layout(legend, "center")
    return [strip]
