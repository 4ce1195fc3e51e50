"""Views of chains: modes against what is changed at the end, and where modes are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, HoverTool, LayoutDOM, LinearColorMapper, Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.views.moving import moved
from dashboards.views.slab_lines import (
    Family,
    draw_family,
    family,
    family_moved,
    family_table,
    line_control,
    place_controls,
)
from dashboards.views.slab_parts import (
    fixed_of,
    is_geometric,
    nothing,
    numeric_axes,
    place_of,
    single,
    words,
    words_at,
)
from dashboards.views.view import (
    Asked,
    Control,
    FloatArray,
    Frame,
    Results,
    Table,
    View,
    axis_values,
    label_of,
)

SQUARED, WEIGHT, END = "frequency_squared", "end_weight", "end_mode_squared"
MODES = "mode"
MOST_DOTS = 7000
MOST_ENDS = 4000
AXIS, BAR, AROUND = 70, 100, 122


@dataclass(frozen=True, slots=True)
class ChainModes:
    """Modes along an axis, or of one chain in their order."""

    title: str
    x_dim: str
    """An axis of the sweep, or "mode"."""
    x: FloatArray
    """(n,), ascending."""
    x_label: str
    values: FloatArray
    """(n, modes); of one chain (modes, 1)."""
    weight: FloatArray
    """Like `values`, NaN where not known."""
    ends: FloatArray
    """(n, end modes) of the semi-infinite chain, NaN where there is none; one row for one chain."""
    band: FloatArray
    """(n, 3): tops of the lower, bottom and top of the upper band; one row for one chain."""
    root: bool
    """Frequencies are shown, not their squares."""
    unit: str


class ChainModesView(View[ChainModes]):
    """Squared frequencies against an axis of numbers."""

    name = "chain-modes"
    title = "modes of the chain"

    def fits(self, results: Results) -> bool:
        """Fit squared frequencies of chains."""
        return results.has(SQUARED) and MODES in results.dataset[SQUARED].dims

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer what runs along x, the other axes, and the frequency or its square."""
        axes = numeric_axes(results, [SQUARED])
        longest = max(axes, key=lambda d: results.dataset.sizes[d]) if axes else MODES
        options = [(d, words(d)) for d in [*axes, MODES]]
        along = Control.of("x", "along x", options, asked, longest)
        kinds = [("squared", "squared frequency"), ("root", "frequency")]
        return [
            along, *place_controls(results, SQUARED, (along.value, MODES), asked),
            Control.of("shown", "shown", kinds, asked),
        ]  # fmt: skip

    def collect(self, results: Results, chosen: Asked) -> ChainModes:
        """Take modes, their weights and the modes of an endless end out of the store."""
        along = chosen["x"]
        free = () if along == MODES else (along,)
        place = place_of(results, chosen, [SQUARED], free)
        drawn = [*free, MODES]
        values, weight = (_taken(results, n, place, drawn) for n in (SQUARED, WEIGHT))
        if not np.isfinite(values).any():
            raise nothing(results, place, "mode")
        x = axis_values(results.dataset, along).astype(np.float64)
        order = np.argsort(x, kind="stable")
        ends = _taken(results, END, place, [*free, "end_mode"])
        if along == MODES:  # a row for each mode, one for the end
            values, weight = values.T, weight.T
        else:
            ends = ends[order]
        at = words_at(results.dataset, place)
        ratio = _mass_ratio(results, place, along, x[order])
        found = ChainModes(
            f"modes of the chain{' at ' if at else ''}{at}", along, x[order],
            _x_label(results, along), values[order], weight[order], ends, band_edges(ratio),
            root=False, unit="spring/mass",
        )  # fmt: skip
        return _rooted(found) if chosen.get("shown") == "root" else found

    def draw(self, collected: ChainModes, frame: Frame) -> LayoutDOM:
        """Draw a dot for each mode, over the bands."""
        return _draw(collected, frame)

    def table(self, collected: ChainModes) -> Table:
        """Give a row for each mode and each end mode."""
        return _table(collected)

    def moved(self, collected: ChainModes, results: Results, finished: FloatArray) -> float | None:
        """Look at the highest mode along an axis: it is the one that leaves the bands."""
        c = collected
        if c.x_dim not in results.axes:
            return None
        place = results.axes.index(c.x_dim)
        others = tuple(i for i in range(finished.ndim) if i != place)
        when = np.where(np.isfinite(finished), finished, -np.inf).max(axis=others)
        when = when[np.argsort(axis_values(results.dataset, c.x_dim).astype(float), kind="stable")]
        highest = np.where(np.isfinite(c.values), c.values, -np.inf).max(axis=1)
        highest[np.isinf(highest)] = np.nan
        return moved(c.x, highest, np.where(np.isfinite(when), when, np.nan))


class EndWeightsView(View[Family]):
    """Share of each mode at the changed end."""

    name = "end-weights"
    title = "weight at the end of the chain"

    def fits(self, results: Results) -> bool:
        """Fit end weights."""
        return results.has(WEIGHT)

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer an axis with a line for each value, and places along the others."""
        lines = line_control(results, WEIGHT, MODES, asked)
        return [lines, *place_controls(results, WEIGHT, (MODES, lines.value), asked)]

    def collect(self, results: Results, chosen: Asked) -> Family:
        """Take the weights out of the store."""
        found = family(results, chosen, WEIGHT, MODES, chosen["line"])
        return replace(found, x_label="mode, counted from the lowest frequency",
                       unit="share in three atoms")  # fmt: skip

    def draw(self, collected: Family, frame: Frame) -> LayoutDOM:
        """Draw a line for each chain."""
        return draw_family(collected, frame)

    def table(self, collected: Family) -> Table:
        """Give a row for each mode."""
        return family_table(collected)

    def moved(self, collected: Family, results: Results, finished: FloatArray) -> float | None:
        """Weights run along the modes, not along an axis."""
        return family_moved(collected, results, finished)


VIEWS: tuple[View[Any], ...] = (ChainModesView(), EndWeightsView())
"""In the order in which they are offered."""


# --- collecting -----------------------------------------------------------------------------


def band_edges(ratio: FloatArray) -> FloatArray:
    """Give the edges of the bands of squared frequencies for each mass ratio, (n, 3).

    Wallis Eqs. 53-54: the lower band ends at 2 over the larger mass, the upper one runs from 2
    over the smaller mass to 2 (1 + 1/q).
    """
    return np.stack([2 / np.maximum(ratio, 1), 2 / np.minimum(ratio, 1), 2 + 2 / ratio], axis=-1)


def _taken(results: Results, name: str, place: dict[str, int], drawn: list[str]) -> FloatArray:
    """Give a variable over an axis and its own dim, or over its own dim in one row."""
    data = results.dataset
    if name not in data:
        shape = tuple(data.sizes.get(d, 1) for d in drawn)
        return np.atleast_2d(np.full(shape, np.nan))
    array = data[name].isel({d: i for d, i in place.items() if d in data[name].dims})
    for dim in drawn:
        if dim not in array.dims:  # what does not hang on an axis is the same all along it
            array = array.expand_dims({dim: data.sizes[dim]})
    return np.atleast_2d(array.transpose(*drawn).values.astype(np.float64))


def _mass_ratio(results: Results, place: dict[str, int], along: str, x: FloatArray) -> FloatArray:
    """Find the mass ratio all along x, or of one chain."""
    count = 1 if along == MODES else len(x)
    if along == "mass_ratio":
        return x
    data = results.dataset
    if "mass_ratio" in data.coords:
        coordinate = data["mass_ratio"]
        inside = {d: i for d, i in place.items() if d in coordinate.dims}
        value = np.asarray(coordinate.isel(inside).values, dtype=np.float64)
        return np.broadcast_to(value, (count,)) if value.ndim == 0 else value
    return np.full(count, float(fixed_of(results).get("mass_ratio", 1.0)))


def _x_label(results: Results, along: str) -> str:
    if along == MODES:
        return "mode, counted from the lowest frequency"
    return label_of(results.dataset, along)


def _rooted(c: ChainModes) -> ChainModes:
    """Show frequencies; rounding may leave the square of a standstill below zero."""
    values, ends, band = (np.sqrt(np.maximum(a, 0)) for a in (c.values, c.ends, c.band))
    return replace(c, values=values, ends=ends, band=band, root=True, unit="√(spring/mass)")


def _table(c: ChainModes) -> Table:
    what = "frequency" if c.root else SQUARED
    at, number = np.nonzero(np.isfinite(c.values))
    mode = at if c.x_dim == MODES else number
    end_at, end = np.nonzero(np.isfinite(c.ends))
    x = c.x[at] if c.x_dim != MODES else at.astype(np.float64)
    end_x = c.x[end_at] if c.x_dim != MODES else np.full(len(end_at), np.nan)
    kind = np.array(["chain"] * len(at) + ["end mode of the semi-infinite chain"] * len(end_at))
    columns: dict[str, NDArray[Any]] = {"kind": kind}
    if c.x_dim != MODES:
        columns[c.x_dim] = np.concatenate([x, end_x])
    columns |= {
        "number": np.concatenate([mode, end]),
        what: np.concatenate([c.values[at, number], c.ends[end_at, end]]),
        WEIGHT: np.concatenate([c.weight[at, number], np.full(len(end), np.nan)]),
    }
    return Table(columns, {what: c.unit})


# --- drawing ------------------------------------------------------------------------------


def _draw(c: ChainModes, frame: Frame) -> LayoutDOM:
    log = c.x_dim != MODES and is_geometric(c.x)
    weighed = bool(np.isfinite(c.weight).any())
    everything = np.concatenate([c.values.ravel(), c.ends.ravel(), c.band.ravel()])
    low, high = float(c.x[0]), float(c.x[-1])
    room = (high / low) ** 0.02 if log else 0.02 * (high - low or 1.0)
    ends = (low / room, high * room) if log else (low - room, high + room)
    plot = theme.new_figure(
        title=c.title, frame_width=frame.width - AXIS - (BAR if weighed else 20),
        frame_height=frame.height - AROUND, x_axis_type="log" if log else "linear",
        x_range=Range1d(*ends), y_range=Range1d(0, 1.05 * float(np.nanmax(everything))),
    )  # fmt: skip
    plot.xaxis.axis_label = c.x_label
    plot.yaxis.axis_label = theme.with_unit("frequency" if c.root else "squared frequency", c.unit)
    _draw_bands(plot, c, ends)
    _draw_dots(plot, c, weighed=weighed)
    ended = _draw_ends(plot, c, ends)
    return column(plot, _legend(frame.width, weighed=weighed, ended=ended))


def _draw_bands(plot: figure, c: ChainModes, ends: tuple[float, float]) -> None:
    """Shade the bands of the endless chain."""
    x = np.array(ends) if len(c.band) == 1 else c.x
    band = np.repeat(c.band, 2, axis=0) if len(c.band) == 1 else c.band
    kept = np.linspace(0, len(x) - 1, min(len(x), 400)).astype(int)
    x, band = x[kept], band[kept]
    for bottom, top in ((np.zeros(len(x)), band[:, 0]), (band[:, 1], band[:, 2])):
        source = ColumnDataSource({"x": single(x), "low": single(bottom), "high": single(top)})
        plot.varea("x", "low", "high", source=source, fill_color=theme.BAND, name="bands")


def _draw_dots(plot: figure, c: ChainModes, *, weighed: bool) -> None:
    at, number = np.nonzero(np.isfinite(c.values))
    weight = c.weight[at, number]
    if len(at) > MOST_DOTS:  # the modes at the end stay, of the others an even share
        heavy = np.argsort(-np.nan_to_num(weight), kind="stable")
        rest = heavy[MOST_DOTS // 2 :]
        step = -(-len(rest) // (MOST_DOTS // 2))
        kept = np.sort(np.concatenate([heavy[: MOST_DOTS // 2], np.sort(rest)[::step]]))
        at, number, weight = at[kept], number[kept], weight[kept]
    order = np.argsort(np.nan_to_num(weight), kind="stable")  # the heaviest on top
    at, number, weight = at[order], number[order], weight[order]
    mapper = LinearColorMapper(palette=list(theme.WEIGHTS), low=0, high=1)
    colour: Any = {"field": "weight", "transform": mapper} if weighed else theme.SERIES[0]
    source = ColumnDataSource({
        "x": single(c.x[at]), "y": single(c.values[at, number]), "weight": single(weight),
        "mode": (at if c.x_dim == MODES else number).astype(np.uint16),
        "size": (4 + 5 * np.nan_to_num(weight)).astype(np.uint8),
    })  # fmt: skip
    dots = plot.scatter("x", "y", source=source, size="size" if weighed else 5, name="modes",
                        line_color=None, fill_color=colour)  # fmt: skip
    told = [("end weight", "@weight{0.000}")] if weighed else []
    beside = [(words(c.x_dim), "@x{0.0000}")] if c.x_dim != MODES else []
    plot.add_tools(HoverTool(renderers=[dots], tooltips=[
        ("mode", "@mode"), *beside, (plot.yaxis.axis_label[0], "@y{0.000000}"), *told,
    ]))  # fmt: skip
    if weighed:
        bar = theme.new_colour_bar(mapper, "share in the three atoms at the end")
        plot.add_layout(bar, "right")


def _draw_ends(plot: figure, c: ChainModes, ends: tuple[float, float]) -> bool:
    """Mark the end modes of the semi-infinite chain: rings along an axis, or lines across."""
    at, number = np.nonzero(np.isfinite(c.ends))
    if not len(at):
        return False
    if c.x_dim == MODES:
        y = c.ends[at, number]
        plot.segment(np.full(len(y), ends[0]), y, np.full(len(y), ends[1]), y, name="ends",
                     color=theme.INK, line_width=1.2, line_dash="dashed")  # fmt: skip
        return True
    step = -(-len(at) // MOST_ENDS)
    at, number = at[::step], number[::step]
    plot.scatter(single(c.x[at]), single(c.ends[at, number]), name="ends", size=10,
                 fill_color=None, line_color=theme.INK, line_width=1.1)  # fmt: skip
    return True


def _legend(width: int, *, weighed: bool, ended: bool) -> figure:
    strip = theme.legend_strip(width)
    dot = theme.WEIGHTS[-60] if weighed else theme.SERIES[0]
    items = [
        theme.key(strip, "bands of the endless chain", theme.BAND, patch=True),
        theme.key(strip, "modes of the chain", dot, dot=7),
    ]
    if ended:
        ring = strip.scatter([2], [2], size=9, fill_color=None, line_color=theme.INK)
        item = theme.key(strip, "end mode of the semi-infinite chain", theme.INK)
        item.renderers = [ring]
        items.append(item)
    legend = theme.new_legend(items)
    legend.click_policy = "none"
    strip.add_layout(legend, "center")
    return strip
