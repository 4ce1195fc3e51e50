"""Curves of one variable: along one dim, a line for each place along another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bokeh.layouts import row
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LayoutDOM,
    Legend,
    LegendItem,
    LinearColorMapper,
    LogTickFormatter,
    Range1d,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.views.moving import moved
from dashboards.views.slab_parts import nothing, place_of, single, spread, stretches, words
from dashboards.views.view import (
    Asked,
    Control,
    FloatArray,
    Frame,
    Results,
    Table,
    axis_control,
    axis_values,
    dims_beside,
    index_of,
    label_of,
    value_text,
)

NOTHING = "none"
MOST_LINES = 20
MOST_LEGEND = 12
"""Lines that a legend names; more are told apart by a colour bar if they have numbers."""
MOST_POINTS = 8000
"""Points of all lines of a picture."""
MOST_BARS = 40
"""Points of a line with error bars; longer ones have a band."""
ROOM = 0.08
"""Share of the height of curves that is left free above them."""
AROUND, SIDE = 100, 190
"""Pixels above and below a frame, and of a legend beside it."""


@dataclass(frozen=True, slots=True)
class Family:
    """Curves."""

    variable: str
    title: str
    unit: str
    x_dim: str
    x: FloatArray
    """(n,)."""
    x_label: str
    line_dim: str
    """Empty: one line."""
    line_label: str
    line_words: tuple[str, ...]
    line_places: tuple[int, ...]
    """Along `line_dim`."""
    line_numbers: FloatArray
    """(lines,), NaN where they are words."""
    values: FloatArray
    """(lines, n)."""
    errors: FloatArray
    """(lines, n), NaN where not known."""
    place: Mapping[str, int]
    """Of the other dims."""
    log: str = ""
    """Axes that are logarithmic: x, y, xy."""


# --- choosing -------------------------------------------------------------------------------


def along_control(results: Results, variable: str, preferred: str, asked: Asked) -> Control:
    """Offer a dim of numbers along x: the preferred one, or an axis of the sweep."""
    data = results.dataset
    dims = dims_beside(results, [variable], ())
    options = [d for d in (preferred, *results.axes) if d in dims and _numbers(results, d)]
    shown = [(d, words(d)) for d in dict.fromkeys(options or [preferred])]
    longest = preferred if preferred in dims else max(options or [preferred], key=data.sizes.get)  # type: ignore[arg-type]
    return Control.of("x", "along x", shown, asked, longest)


def line_control(
    results: Results, variable: str, along: str, asked: Asked, preferred: Sequence[str] = ()
) -> Control:
    """Offer what there is a line for each of."""
    dims = [d for d in dims_beside(results, [variable], (along,))]
    options = [(NOTHING, "nothing"), *((d, words(d)) for d in dims)]
    default = next((d for d in preferred if d in dims), dims[0] if dims else NOTHING)
    return Control.of("line", "a line for each", options, asked, default)


def place_controls(
    results: Results, variable: str, drawn: Sequence[str], asked: Asked
) -> list[Control]:
    """Offer places along all other dims; at first those of the first point with numbers."""
    data = results.dataset
    dims = dims_beside(results, [variable], drawn)
    found = np.isfinite(np.asarray(data[variable].values, dtype=np.float64))
    spot = np.unravel_index(int(found.argmax()), found.shape) if found.ndim else ()
    first = dict(zip(map(str, data[variable].dims), map(int, spot), strict=True))
    return [axis_control(data, d, asked, value_text(axis_values(data, d)[first[d]])) for d in dims]


def _numbers(results: Results, dim: str) -> bool:
    data = results.dataset
    return dim in data.coords and data[dim].dtype.kind in "iuf"


# --- collecting -----------------------------------------------------------------------------


def family(
    results: Results, chosen: Asked, variable: str, along: str, lines: str,
    places: Sequence[int] | None = None, scale: float = 1.0,
) -> Family:  # fmt: skip
    """Take curves out of a store.

    Parameters
    ----------
    along, lines : dims of `variable`; `lines` may be "none"
    places : along `lines`; default: all, or some that are evenly spread
    scale : that values are multiplied by

    Raises
    ------
    InputError : there is no number to show
    """
    data = results.dataset
    line_dim = lines if lines in data[variable].dims else ""
    drawn = [d for d in (line_dim, along) if d]
    axes = place_of(results, chosen, [variable], drawn)
    own = {
        str(d): index_of(data, str(d), chosen.get(str(d), "")) for d in data[variable].dims
        if d not in drawn and d not in results.axes
    }  # fmt: skip
    place = axes | own
    inside = {d: i for d, i in place.items() if d in data[variable].dims}
    if places is None:
        places = spread(data.sizes[line_dim], MOST_LINES).tolist() if line_dim else [0]
    part = {line_dim: list(places)} if line_dim else {}
    values, errors = (
        _taken(results, name, inside | part, drawn) * scale
        for name in (variable, f"{variable}_error")
    )
    if not np.isfinite(values).any():
        raise nothing(results, axes, words(variable))
    x = axis_values(data, along).astype(np.float64)
    order = np.argsort(x, kind="stable")
    named = [_name(results, line_dim, i) for i in places] if line_dim else [""]
    numbers = _line_numbers(results, line_dim, places)
    return Family(
        variable, _title(results, variable, place), theme.unit_text(_unit(results, variable)),
        along, x[order], label_of(data, along), line_dim, words(line_dim), tuple(named),
        tuple(places), numbers, values[:, order], errors[:, order], place,
    )  # fmt: skip


def _taken(
    results: Results, name: str, part: Mapping[str, Any], drawn: Sequence[str]
) -> FloatArray:
    if name not in results.dataset:
        name = name.removesuffix("_error")
        return np.full_like(_taken(results, name, part, drawn), np.nan)
    values = results.dataset[name].isel(part).transpose(*drawn).values
    return np.atleast_2d(np.asarray(values, dtype=np.float64))


def _unit(results: Results, variable: str) -> str:
    return str(results.dataset[variable].attrs.get("units", "1"))


def _name(results: Results, dim: str, place: int) -> str:
    """Name a line, with the values of axes that move along with its dim."""
    data = results.dataset
    beside = [str(n) for n, c in data.coords.items() if c.dims == (dim,) and n != dim]
    values = [axis_values(data, n)[place] for n in (dim, *beside)]
    return ", ".join(f"{v:.5g}" if isinstance(v, float) else str(v) for v in values)


def _line_numbers(results: Results, dim: str, places: Sequence[int]) -> FloatArray:
    if not dim or not _numbers(results, dim):
        return np.full(len(places), np.nan)
    return axis_values(results.dataset, dim)[list(places)].astype(np.float64)


def _title(results: Results, variable: str, place: Mapping[str, int]) -> str:
    """Name what is drawn, and where."""
    data = results.dataset
    told = [f"{words(d)} {_name(results, d, i)}{_space(data, d)}" for d, i in place.items()
            if data.sizes[d] > 1]  # fmt: skip
    return f"{words(variable)}{' at ' if told else ''}{', '.join(told)}"


def _space(data: Any, dim: str) -> str:
    """Give the unit of a dim, where it is a short one."""
    unit = theme.unit_text(str(data[dim].attrs.get("units", "1"))) if dim in data.coords else ""
    return f" {unit}" if unit and " " not in unit else ""


def family_table(f: Family) -> Table:
    """Give a row for each number that there is."""
    line, at = np.nonzero(np.isfinite(f.values))
    columns: dict[str, NDArray[Any]] = {}
    if f.line_dim:
        columns[f.line_dim] = np.array(f.line_words)[line]
    columns |= {f.x_dim: f.x[at], f.variable: f.values[line, at]}
    if np.isfinite(f.errors).any():
        columns[f"{f.variable}_error"] = f.errors[line, at]
    unit = {n: f.unit for n in (f.variable, f"{f.variable}_error")}
    label = f.x_label.partition(" (")[2].removesuffix(")")
    return Table(columns, unit | ({f.x_dim: theme.unit_text(label)} if label else {}))


def family_moved(f: Family, results: Results, finished: FloatArray) -> float | None:
    """Say how far curves along an axis of the sweep have moved; the one that moves most counts."""
    if f.x_dim not in results.axes or finished.ndim == 0:
        return None
    order = np.argsort(axis_values(results.dataset, f.x_dim).astype(np.float64), kind="stable")
    found = []
    for line, spot in zip(f.values, f.line_places, strict=True):
        place = {**f.place, f.line_dim: spot}
        index = tuple(slice(None) if d == f.x_dim else place.get(d, slice(None))
                      for d in results.axes)  # fmt: skip
        left = [d for d in results.axes if d == f.x_dim or d not in place]
        when = np.moveaxis(finished[index], left.index(f.x_dim), 0).reshape(len(f.x), -1)
        latest = np.where(np.isfinite(when), when, -np.inf).max(axis=1)
        latest[np.isinf(latest)] = np.nan
        found.append(moved(f.x, line, latest[order]))
    known = [m for m in found if m is not None]
    return max(known) if known else None


# --- drawing ------------------------------------------------------------------------------


def draw_family(f: Family, frame: Frame) -> LayoutDOM:
    """Draw curves with their errors, and a legend beside them."""
    several = len(f.values) > 1
    bar = len(f.values) > MOST_LEGEND and bool(np.isfinite(f.line_numbers).all())
    side = (110 if bar else SIDE) if several else 20
    plot = _open(f, frame, side)
    colours = line_colours(f)
    f = replace(f, values=np.where(f.values > 0, f.values, np.nan)) if "y" in f.log else f
    most = max(MOST_POINTS // len(f.values), 20)
    items = []
    few = len(f.values) <= len(theme.SERIES)
    for i in range(len(f.values)):
        # x and y may coincide: dashes let the line below be seen
        dash = "dashed" if few and i % 2 and np.isnan(f.line_numbers[i]) else "solid"
        drawn = _draw_line(plot, f, i, colours[i], dash, most)
        items.append(LegendItem(label=f.line_words[i], renderers=drawn))
    hovered = [r for item in items for r in item.renderers if r.name != "error"]
    error = [("error", "@error{0.0e+0}")] if np.isfinite(f.errors).any() else []
    plot.add_tools(HoverTool(renderers=hovered, tooltips=[
        *([(f.line_label, "$name")] if several else []), (f.x_label, "@x{0.0000}"),
        (words(f.variable), f"@y{{0.000000}} {f.unit}"), *error,
    ]))  # fmt: skip
    if several:
        _tell_lines(plot, f, items, bar=bar)
    return row(plot)


def _open(f: Family, frame: Frame, side: int) -> figure:
    plot = theme.new_figure(
        title=f.title, frame_width=frame.width - 90 - side, frame_height=frame.height - AROUND,
        x_axis_type="log" if "x" in f.log else "linear",
        y_axis_type="log" if "y" in f.log else "linear",
    )  # fmt: skip
    if "y" in f.log:
        plot.yaxis.formatter = LogTickFormatter()
    elif len(f.x) > MOST_BARS:  # lines fill the frame, however wide their error is
        low, high = float(np.nanmin(f.values)), float(np.nanmax(f.values))
        room = ROOM * (high - low or abs(high) or 1.0)
        plot.y_range = Range1d(low - room if low else 0.0, high + room)
    plot.xaxis.axis_label = theme.unit_text(f.x_label)
    plot.yaxis.axis_label = theme.with_unit(words(f.variable), f.unit)
    if "x" in f.log and len(f.x) <= 12:
        plot.xaxis.ticker = FixedTicker(ticks=f.x.tolist())
        plot.xaxis.major_label_overrides = {x: f"{x:.3g}" for x in f.x.tolist()}
    return plot


def line_colours(f: Family) -> list[str]:
    """Give the colour of each line: in an order for numbers, apart for words."""
    words_few = len(f.values) <= len(theme.SERIES) and not np.isfinite(f.line_numbers).all()
    if words_few or len(f.values) == 1:
        return list(theme.SERIES[: len(f.values)])
    return list(theme.in_order(len(f.values)))


def _draw_line(
    plot: figure, f: Family, number: int, colour: str, dash: str, most: int
) -> list[Any]:
    """Draw a line, dots where there are few, and its error as bars or as a band."""
    line, error, word = f.values[number], f.errors[number], f.line_words[number]
    there = np.flatnonzero(np.isfinite(line) | (len(f.x) > MOST_BARS))
    kept = there[stretches(f.x[there], line[there], most)]
    x, y, e = f.x[kept], line[kept], error[kept]
    source = ColumnDataSource({"x": single(x), "y": single(y), "error": single(e)})
    drawn = []
    if np.isfinite(e).any():
        both = ColumnDataSource({"x": single(x), "low": single(y - e), "high": single(y + e)})
        if len(x) <= MOST_BARS:  # glyphs, so that the axis makes room for them
            drawn.append(plot.segment("x", "low", "x", "high", source=both, color=colour,
                                      name="error"))  # fmt: skip
            drawn += [plot.scatter("x", end, source=both, marker="dash", size=9, color=colour,
                                   name="error") for end in ("low", "high")]  # fmt: skip
        else:
            drawn.append(plot.varea("x", "low", "high", source=both, fill_color=colour,
                                    fill_alpha=0.18, name="error"))  # fmt: skip
    drawn.append(plot.line("x", "y", source=source, color=colour, line_width=1.8, name=word,
                           line_dash=dash))  # fmt: skip
    if len(x) <= MOST_BARS:
        drawn.append(plot.scatter("x", "y", source=source, color=colour, size=5, name=word))
    return drawn


def _tell_lines(plot: figure, f: Family, items: list[LegendItem], *, bar: bool) -> None:
    """Tell lines apart by a legend, or by a colour bar where there are many numbers."""
    if bar:
        mapper = LinearColorMapper(
            palette=list(theme.in_order(64)), low=float(f.line_numbers.min()),
            high=float(f.line_numbers.max()),
        )  # fmt: skip
        plot.add_layout(theme.new_colour_bar(mapper, f.line_label), "right")
        return
    legend = Legend(
        items=items, title=f.line_label, border_line_color=None, location="center",
        click_policy="hide", label_text_font=theme.FONT, label_text_color=theme.INK,
        title_text_color=theme.INK, title_text_font=theme.FONT, title_text_font_style="normal",
        background_fill_alpha=0, label_text_font_size="12px", spacing=1, padding=4,
    )  # fmt: skip
    plot.add_layout(legend, "right")
