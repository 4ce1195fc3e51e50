"""Any variable of any model: as lines, as a heat map, or as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray
from bokeh.layouts import row
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LayoutDOM,
    Legend,
    LegendItem,
    LinearColorMapper,
    Range1d,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

import sweep
from dashboards import theme
from dashboards.views.moving import moved
from dashboards.views.view import (
    Asked,
    Control,
    FloatArray,
    Frame,
    Results,
    Table,
    View,
    axis_control,
    axis_values,
    first_ok,
    index_of,
    label_of,
    value_text,
)
from sweep import InputError

NOT_SHOWN = ("status", "attempts")
MOST_LINES = 40
MOST_POINTS = 1000
"""Of a line; of more, the lowest and the highest of each stretch are kept."""
MOST_CELLS = 160
"""Of a heat map, along each side."""
MOST_LEGEND = 10
"""Lines that a legend names; more are told apart by a colour bar."""
NONE = "none"
FREQUENCY_UNITS = sweep.FREQUENCY_UNITS


@dataclass(frozen=True, slots=True)
class Explored:
    """A variable over one dim or two."""

    kind: str
    """lines, heat"""
    variable: str
    label: str
    unit: str
    x: FloatArray
    """(nx,); places where the values are words."""
    x_label: str
    x_words: tuple[str, ...]
    """Empty for numbers."""
    y: FloatArray
    """(lines,) values of the second dim; places where they are words."""
    y_label: str
    y_words: tuple[str, ...]
    values: FloatArray
    """(lines, nx)."""
    flags: tuple[str, ...]
    """What the values mean, where they stand for words."""
    at: str
    """Where the other dims are."""


class Explorer(View[Explored]):
    """Any variable over its dims."""

    name = "explorer"
    title = "any variable"

    def fits(self, results: Results) -> bool:
        """Fit whatever has numbers."""
        return bool(_variables(results))

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer variables, what runs along each axis, values of all other dims, a unit."""
        data = results.dataset
        names = _variables(results)
        words = [(n, str(data[n].attrs.get("long_name", "")) or n) for n in names]
        variable = Control.of(
            "variable", "variable", [(n, f"{n}: {w}" if w != n else n) for n, w in words], asked,
            _likely(results, names),
        )  # fmt: skip
        array = data[variable.value]
        dims = [str(d) for d in array.dims]
        long = [d for d in dims if array.sizes[d] > 1] or dims
        found = [variable]
        kinds = [("lines", "lines"), ("heat", "heat map")]
        kind = Control.of("kind", "shown as", kinds if len(long) > 1 else kinds[:1], asked)
        found.append(kind)
        if long:
            own = [d for d in long if d not in results.axes]
            x = Control.of(
                "x", "along x", [(d, d.replace("_", " ")) for d in long], asked,
                _best_x(results, long, own),
            )  # fmt: skip
            found.append(x)
            others = [d for d in long if d != x.value]
            if others:
                options = [(d, d.replace("_", " ")) for d in others]
                if kind.value == "lines":
                    options.insert(0, (NONE, "nothing"))
                found.append(Control.of(
                    "y", "along y" if kind.value == "heat" else "a line for each", options, asked,
                    others[0],
                ))  # fmt: skip
            drawn = {x.value, found[-1].value}
            first = first_ok(results, long)
            found += [
                axis_control(data, d, asked, value_text(axis_values(data, d)[first[d]]))
                for d in long if d not in drawn
            ]  # fmt: skip
        if str(array.attrs.get("units")) in FREQUENCY_UNITS:
            stored = str(array.attrs["units"])
            found.append(Control.of(
                "unit", "unit", [(u, theme.unit_text(u)) for u in FREQUENCY_UNITS], asked, stored
            ))  # fmt: skip
        return found

    def collect(self, results: Results, chosen: Asked) -> Explored:
        """Take a variable over one dim or two out of the store."""
        data, name = results.dataset, chosen["variable"]
        array = data[name]
        x, y = chosen.get("x", ""), chosen.get("y", NONE)
        drawn = [d for d in (y, x) if d in array.dims]
        place = {
            str(d): index_of(data, str(d), chosen.get(str(d), "")) for d in array.dims
            if d not in drawn
        }  # fmt: skip
        thinned = {d: _some(array.sizes[d], chosen["kind"], d == x) for d in drawn}
        part = array.isel(place | thinned).transpose(*drawn)
        flags = tuple(str(array.attrs.get("flag_meanings", "")).split())
        values = _numbers(part.values, flags=bool(flags))
        values = values.reshape((-1, values.shape[-1]) if values.ndim else (1, 1))
        if not np.isfinite(values).any():
            msg = f"There is no {name} yet where this is looked at{_at(data, place)}."
            raise InputError(msg)
        unit = str(array.attrs.get("units", "1"))
        wanted = chosen.get("unit", unit)
        if unit in FREQUENCY_UNITS and wanted in FREQUENCY_UNITS:
            values, unit = values * (FREQUENCY_UNITS[wanted] / FREQUENCY_UNITS[unit]), wanted
        along = [_axis(results, d, thinned.get(d, slice(None))) for d in (x, y)]
        (x_values, x_words), (y_values, y_words) = along
        order = np.argsort(x_values) if not x_words else np.arange(len(x_values))
        return Explored(
            chosen["kind"], name, str(array.attrs.get("long_name", name)), theme.unit_text(unit),
            x_values[order], _label(data, x), x_words, y_values, _label(data, y), y_words,
            values[:, order], flags, _at(data, place),
        )  # fmt: skip

    def draw(self, collected: Explored, frame: Frame) -> LayoutDOM:
        """Draw lines or a heat map."""
        return (_heat if collected.kind == "heat" else _lines)(collected, frame)

    def table(self, collected: Explored) -> Table:
        """Give a row for each value."""
        e = collected
        x = np.array(e.x_words) if e.x_words else e.x
        columns: dict[str, NDArray[np.generic]] = {}
        if e.y_label:
            y = np.array(e.y_words) if e.y_words else e.y
            columns[e.y_label] = np.repeat(y, len(e.x))
        if e.x_label:
            columns[e.x_label] = np.tile(x, len(e.values))
        return Table(columns | {e.variable: e.values.ravel()}, {e.variable: e.unit})

    def moved(self, collected: Explored, results: Results, finished: FloatArray) -> float | None:
        """Look at curves along an axis of numbers; the one that moves most counts."""
        e = collected
        axis = next((d for d in results.axes if _label(results.dataset, d) == e.x_label), None)
        if e.kind != "lines" or axis is None or e.x_words or not finished.ndim:
            return None
        others = tuple(i for i, d in enumerate(results.axes) if d != axis)
        when = np.full(finished.shape[results.axes.index(axis)], np.nan)
        seen = np.isfinite(finished).any(axis=others)
        if seen.any():
            when[seen] = np.nanmax(np.where(np.isfinite(finished), finished, -np.inf), axis=others)[
                seen
            ]
        values = axis_values(results.dataset, axis).astype(float)
        at = np.interp(e.x, np.sort(values), when[np.argsort(values)])
        found = [m for line in e.values if (m := moved(e.x, line, at)) is not None]
        return max(found) if found else None


def _variables(results: Results) -> list[str]:
    """Give what has numbers."""
    data = results.dataset
    return [str(n) for n in data.data_vars
            if str(n) not in NOT_SHOWN and data[n].dtype.kind in "iufc"]  # fmt: skip


def _likely(results: Results, names: Sequence[str]) -> str:
    """Choose what a newcomer wants to see first: numbers of the model over axes of the sweep."""
    data = results.dataset
    own = [n for n in names if n != "seconds" and not n.endswith("_error")]
    over_axes = [n for n in own if set(map(str, data[n].dims)) & set(results.axes)]
    fewest = sorted(over_axes or own or names, key=lambda n: data[n].ndim)
    return fewest[0]


def _best_x(results: Results, long: Sequence[str], own: Sequence[str]) -> str:
    """Choose the longest axis of numbers."""
    data = results.dataset

    def worth(d: str) -> tuple[bool, int]:
        return d in data.coords and data[d].dtype.kind in "iuf", data.sizes[d]

    return max(long, key=worth)


def _some(count: int, kind: str, along_x: bool) -> slice:
    """Thin a dim that has more places than a picture shows."""
    most = MOST_CELLS if kind == "heat" else MOST_POINTS if along_x else MOST_LINES
    return slice(0, count, max(-(-count // most), 1))


def _numbers(values: NDArray[np.generic], *, flags: bool) -> FloatArray:
    """Give numbers; missing ones are NaN, complex ones their size."""
    if values.dtype.kind == "c":
        return np.abs(values).astype(np.float64)
    found = values.astype(np.float64)
    if flags:
        found[values == 255] = np.nan
    elif values.dtype.kind in "iu":
        found[values == -1] = np.nan
    return found


def _axis(results: Results, dim: str, part: slice) -> tuple[FloatArray, tuple[str, ...]]:
    """Give the values along a dim, and their words if they are words."""
    if dim not in results.dataset.sizes:
        return np.zeros(1), ()
    values = axis_values(results.dataset, dim)[part]
    if values.dtype.kind in "iuf":
        return values.astype(np.float64), ()
    return np.arange(len(values), dtype=np.float64), tuple(value_text(v) for v in values)


def _label(data: xarray.Dataset, dim: str) -> str:
    return "" if dim in ("", NONE) else label_of(data, dim)


def _at(data: xarray.Dataset, place: dict[str, int]) -> str:
    told = [f"{d.replace('_', ' ')} {value_text(axis_values(data, d)[i])}"
            for d, i in place.items()]  # fmt: skip
    return f" at {', '.join(told)}" if told else ""


# --- drawing ------------------------------------------------------------------------------


def _open(e: Explored, frame: Frame, y_label: str, side: int) -> figure:
    plot = theme.new_figure(
        title=f"{e.label}{e.at}", frame_width=frame.width - 90 - side,
        frame_height=frame.height - 90,
    )  # fmt: skip
    plot.xaxis.axis_label, plot.yaxis.axis_label = e.x_label, y_label
    _name(plot.xaxis, e.x, e.x_words)
    return plot


def _name(axis: object, places: FloatArray, words: Sequence[str]) -> None:
    if words:
        axis.ticker = FixedTicker(ticks=places.tolist())  # type: ignore[attr-defined]
        axis.major_label_overrides = dict(zip(places.tolist(), words, strict=True))  # type: ignore[attr-defined]


def _lines(e: Explored, frame: Frame) -> LayoutDOM:
    named = len(e.values) <= MOST_LEGEND
    side = 190 if len(e.values) > 1 else 20
    plot = _open(e, frame, theme.with_unit(e.variable.replace("_", " "), e.unit), side)
    if e.flags:
        _name(plot.yaxis, np.arange(len(e.flags), dtype=float), e.flags)
    colours = theme.in_order(len(e.values)) if len(e.values) > len(theme.SERIES) else theme.SERIES
    items = []
    for i, line in enumerate(e.values):
        word = e.y_words[i] if e.y_words else f"{e.y[i]:.6g}"
        source = ColumnDataSource({"x": e.x, "y": line})
        drawn = [plot.line("x", "y", source=source, color=colours[i], line_width=1.8, name=word)]
        if len(e.x) <= 200:
            drawn.append(plot.scatter("x", "y", source=source, color=colours[i], size=5, name=word))
        items.append(LegendItem(label=word, renderers=drawn))
    plot.add_tools(HoverTool(tooltips=[
        (e.y_label or e.variable, "$name"), (e.x_label or "x", "@x"), (e.variable, f"@y {e.unit}"),
    ]))  # fmt: skip
    if len(e.values) > 1 and named:
        legend = Legend(items=items, title=e.y_label, border_line_color=None, location="center",
                        click_policy="hide", label_text_font=theme.FONT,
                        label_text_color=theme.INK, title_text_color=theme.INK,
                        background_fill_alpha=0)  # fmt: skip
        plot.add_layout(legend, "right")
    elif len(e.values) > 1:
        mapper = LinearColorMapper(palette=list(theme.in_order(64)), low=float(e.y.min()),
                                   high=float(e.y.max()))  # fmt: skip
        plot.add_layout(theme.new_colour_bar(mapper, e.y_label), "right")
    return row(plot)


def _heat(e: Explored, frame: Frame) -> LayoutDOM:
    plot = _open(e, frame, e.y_label, 130)
    _name(plot.yaxis, e.y, e.y_words)
    x_edges, y_edges = _edges(e.x), _edges(e.y)
    left, bottom = np.meshgrid(x_edges[:-1], y_edges[:-1])
    right, top = np.meshgrid(x_edges[1:], y_edges[1:])
    x, y = np.meshgrid(e.x, e.y)
    source = ColumnDataSource({
        name: a.ravel().astype(np.float32) for name, a in
        {"left": left, "right": right, "bottom": bottom, "top": top, "x": x, "y": y,
         "value": e.values}.items()
    })  # fmt: skip
    low, high = float(np.nanmin(e.values)), float(np.nanmax(e.values))
    mapper = LinearColorMapper(
        palette=list(theme.in_order(256)), low=low, high=high if high > low else low + 1,
        nan_color=theme.NOTHING,
    )  # fmt: skip
    cells = plot.quad(
        "left", "right", "top", "bottom", source=source, line_color=None,
        fill_color={"field": "value", "transform": mapper},
    )  # fmt: skip
    plot.x_range, plot.y_range = Range1d(x_edges[0], x_edges[-1]), Range1d(y_edges[0], y_edges[-1])
    plot.add_tools(HoverTool(renderers=[cells], tooltips=[
        (e.x_label, "@x"), (e.y_label, "@y"), (e.variable, f"@value {e.unit}"),
    ]))  # fmt: skip
    title = theme.with_unit(e.variable.replace("_", " "), e.unit)
    plot.add_layout(theme.new_colour_bar(mapper, title), "right")
    return row(plot)


def _edges(places: FloatArray) -> FloatArray:
    """Give the borders half way between places."""
    if len(places) == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    middle = (places[1:] + places[:-1]) / 2
    return np.concatenate([[2 * places[0] - middle[0]], middle, [2 * places[-1] - middle[-1]]])
