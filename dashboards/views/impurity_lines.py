"""Variables along one dim of a sweep, a line for each value of another: taken out and drawn.

The views of impurities and particles that show lines share this: which dims can be chosen, the
numbers, their looks, the legend beside the picture, and the table.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    GlyphRenderer,
    HoverTool,
    Legend,
    LegendItem,
    Range1d,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.figures.selecting import words_of
from dashboards.views.moving import moved
from dashboards.views.view import (
    Asked,
    Control,
    FloatArray,
    Frame,
    Results,
    axis_values,
    dims_beside,
    label_of,
    point_controls,
    value_text,
)
from sweep import InputError

NONE = "none"
MOST_LINES = 12
"""Drawn; of more, some that are evenly spread. The table has all."""
MOST_POINTS = 4000
"""Of all lines together, and of one at most `LONGEST`."""
LONGEST = 1000
SIDE = 185
"""Pixels of a legend beside a frame."""
SHORT = 26
"""Letters of a value in words."""
LONG = 120
"""Letters of a title."""
DASHES = ("solid", "dashed", "dotdash")
"""Of the polarizations, or of what else tells the kinds of one line apart."""
DOTS_UP_TO = 120
"""Points of a line that are marked."""
VISIBLE = 0.004
"""Share of the height of a picture from which on errors are drawn."""
ROOM = 0.06
"""Share of the height that is left free above and below."""


@dataclass(frozen=True, slots=True)
class Along:
    """A dim that something runs along; one place without a name if there is none."""

    name: str = ""
    label: str = ""
    values: FloatArray = field(default_factory=lambda: np.zeros(1))
    """(n,), ascending; places where they are words."""
    words: tuple[str, ...] = ()
    """Empty for numbers."""
    order: NDArray[np.intp] = field(default_factory=lambda: np.zeros(1, dtype=np.intp))
    """(n,) places in the store."""

    def text(self, place: int) -> str:
        """Write a value, not too long."""
        return short(self.words[place]) if self.words else f"{self.values[place]:.6g}"

    def column(self) -> NDArray[np.generic]:
        """Give the values for a table."""
        return np.array(self.words) if self.words else self.values


@dataclass(frozen=True, slots=True)
class Lines:
    """A variable along x, for each value of another dim and for each kind."""

    variable: str
    quantity: str
    """For a reader."""
    unit: str
    x: Along
    line: Along
    kind: Along
    y: FloatArray
    """(lines, kinds, nx)."""
    error: FloatArray
    """The same, NaN where not known."""
    place: Mapping[str, int]
    """Where the other dims are."""
    at: str
    """The same for a reader."""

    def finite(self) -> bool:
        """Say whether there is a number."""
        return bool(np.isfinite(self.y).any())


# --- choosing -----------------------------------------------------------------------------


def scan_controls(
    results: Results, variables: Sequence[str], own: Sequence[str], asked: Asked,
    *, first: Sequence[str] = (),
) -> list[Control]:  # fmt: skip
    """Offer what runs along x, what has a line for each value, and values of all other dims.

    Parameters
    ----------
    own : dims of the variables that are not offered
    first : dims that run along x rather than others
    """
    data, dims = results.dataset, dims_beside(results, variables, own)
    if not dims:
        return []
    options = sorted(dims, key=lambda d: (d not in first, not numbers(data, d), -data.sizes[d]))
    x = Control.of("x", "along x", [(d, d.replace("_", " ")) for d in options], asked)
    found, others = [x], [d for d in dims if d != x.value]
    if others:
        few = [d for d in others if data.sizes[d] <= len(theme.SERIES)]
        found.append(Control.of(
            "line", "a line for each", [(NONE, "nothing")] + [(d, d.replace("_", " ")) for d in
                                                              others],
            asked, few[0] if few else NONE,
        ))  # fmt: skip
    drawn = [c.value for c in found]
    return [*found, *point_controls(results, variables, [*own, *drawn], asked)]


def numbers(data: xarray.Dataset, dim: str) -> bool:
    """Say whether the values of a dim are numbers."""
    return dim in data.coords and data[dim].dtype.kind in "iuf"


def along(data: xarray.Dataset, name: str) -> Along:
    """Give a dim to run along; words keep their order, numbers ascend."""
    if name not in data.sizes:
        return Along()
    values, label = axis_values(data, name), label_of(data, name)
    if values.dtype.kind in "iuf":
        order = np.argsort(values, kind="stable")
        return Along(name, label, values[order].astype(np.float64), (), order)
    words = tuple(value_text(v) for v in values)
    place = np.arange(len(values))
    return Along(name, label, place.astype(np.float64), words, place)


def short(text: str, most: int = SHORT) -> str:
    """Cut a text that is too long; a table of a sweep file is told without its brackets."""
    if text.startswith("{"):
        text = text.translate(str.maketrans(":", " ", '{}[]"'))
    return text if len(text) <= most else f"{text[: most - 1]}…"


# --- collecting ---------------------------------------------------------------------------


def taken(array: xarray.DataArray, dims: Sequence[Along], place: Mapping[str, int]) -> FloatArray:
    """Take numbers out of a variable.

    Parameters
    ----------
    dims : those of the result; what the variable does not have is repeated
    place : where its other dims are; a dim that is not named stays at its first place

    Returns
    -------
    (len(dims[0].values), len(dims[1].values), ...)
    """
    names = [d.name for d in dims]
    rest = {str(d): place.get(str(d), 0) for d in array.dims if str(d) not in names}
    part = array.isel(rest | {d.name: d.order for d in dims if d.name in array.dims})
    part = part.transpose(*[n for n in names if n in array.dims])
    shape = tuple(len(d.values) for d in dims)
    own = tuple(n if d.name in array.dims else 1 for d, n in zip(dims, shape, strict=True))
    values = np.asarray(part.values, dtype=np.float64).reshape(own)
    return np.broadcast_to(values, shape).copy()


def place_of(results: Results, chosen: Asked, variables: Sequence[str]) -> dict[str, int]:
    """Give the places of all dims that are not drawn, by what is chosen."""
    from_words = [str(d) for n in variables for d in results.dataset[n].dims]
    return {
        d: found for d in dict.fromkeys(from_words)
        if d not in (chosen.get("x"), chosen.get("line"))
        and (found := place_in(results.dataset, d, chosen.get(d))) is not None
    }  # fmt: skip


def place_in(data: xarray.Dataset, dim: str, text: str | None) -> int | None:
    """Find a value of a dim by its text; None if it is not chosen."""
    if text is None:
        return None
    known = [value_text(v) for v in axis_values(data, dim)]
    return known.index(text) if text in known else 0


def collect_lines(
    results: Results, variable: str, chosen: Asked, *, kind: str = "polarization"
) -> Lines:
    """Take a variable along a dim, with its error if one is stored.

    Parameters
    ----------
    kind : a dim that tells curves of one line apart, if the variable has it and it is not drawn
    """
    data = results.dataset
    array, drawn = data[variable], (chosen.get("x", ""), chosen.get("line", NONE))
    x, line = (along(data, d) if d in array.dims else Along() for d in drawn)
    kinds = along(data, kind) if kind in array.dims and kind not in drawn else Along()
    place = place_of(results, chosen, [variable])
    dims = (line, kinds, x)
    y = taken(array, dims, place)
    name = f"{variable}_error"
    error = taken(data[name], dims, place) if name in data else np.full_like(y, np.nan)
    unit = theme.unit_text(str(array.attrs.get("units", "1"))).replace("^2", "²")
    quantity = variable.replace("_", " ")
    return Lines(variable, quantity, unit, x, line, kinds, y, error, place, at_text(data, place))


def value_at(results: Results, name: str, place: Mapping[str, int], default: str) -> str:
    """Give the value of a parameter at a place: of its axis, or as the sweep file fixes it."""
    data = results.dataset
    if name in data.coords:
        at = {str(d): place.get(str(d), 0) for d in data[name].dims}
        return str(np.atleast_1d(data[name].isel(at).values)[0])
    return str(json.loads(str(data.attrs.get("sweep", "{}"))).get("fixed", {}).get(name, default))


def at_text(data: xarray.Dataset, place: Mapping[str, int]) -> str:
    """Write where dims are, as the end of a title."""
    told = [f"{d.replace('_', ' ')} {short(words(data, d, i))}" for d, i in place.items()]
    return f" at {', '.join(told)}" if told else ""


def words(data: xarray.Dataset, dim: str, place: int) -> str:
    """Write one value of a dim."""
    value = axis_values(data, dim)[place]
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def nothing(results: Results, what: str, place: Mapping[str, int]) -> InputError:
    """Say that there is no number, and what has become of the points."""
    data = results.dataset
    status = data["status"].isel({d: i for d, i in place.items() if d in data["status"].dims})
    found, counts = np.unique(words_of(status), return_counts=True)
    told = ", ".join(f"{n} {w or 'of unknown status'}" for w, n in zip(found, counts, strict=True))
    advice = (
        "These points are finished and have none: choose other values."
        if {*found} <= {"ok", "unstable"}
        else "Choose other values, or wait until more points are finished."
    )
    points = "point" if status.size == 1 else "points"
    msg = f"There is no {what}{at_text(data, place)}. Status of the {points}: {told}. {advice}"
    return InputError(msg)


def lines_moved(lines: Lines, results: Results, finished: FloatArray) -> float | None:
    """Say how far the latest points have moved the lines, if they run along an axis of numbers."""
    if lines.x.name not in results.axes or lines.x.words or not finished.ndim:
        return None
    when = taken(xarray.DataArray(finished, dims=results.axes), (lines.line, lines.x), lines.place)
    found = [
        m for by_kind, at in zip(lines.y, when, strict=True) for y in by_kind
        if (m := moved(lines.x.values, y, at)) is not None
    ]  # fmt: skip
    return max(found) if found else None


def columns_of(lines: Lines) -> dict[str, NDArray[np.generic]]:
    """Give the dims of all values, row by row: lines, kinds, x."""
    shape = lines.y.shape
    found: dict[str, NDArray[np.generic]] = {}
    for i, dim in enumerate((lines.line, lines.kind, lines.x)):
        if dim.name:
            aligned = dim.column().reshape([-1 if i == k else 1 for k in range(3)])
            found[dim.label] = np.broadcast_to(aligned, shape).ravel()
    return found


# --- drawing ------------------------------------------------------------------------------


def open_plot(title: str, x: Along, y_label: str, size: tuple[int, int]) -> figure:
    """Open a figure whose x axis is a dim.

    Parameters
    ----------
    size : width and height of the frame, in pixels
    """
    low, high = float(x.values[0]), float(x.values[-1])
    room = 0.5 if x.words or high == low else 0.01 * (high - low)
    if not x.words and high == low:
        room = 0.5 * abs(high) or 0.5
    plot = theme.new_figure(
        title=short(title, max(size[0] // 8, 20)), frame_width=size[0], frame_height=size[1],
        x_range=Range1d(low - room, high + room),
    )  # fmt: skip
    plot.xaxis.axis_label, plot.yaxis.axis_label = x.label, y_label
    if x.words:
        plot.xaxis.ticker = FixedTicker(ticks=x.values.tolist())
        plot.xaxis.major_label_overrides = {v: x.text(i) for i, v in enumerate(x.values.tolist())}
    elif not x.name:
        plot.xaxis.visible = False
    return plot


def limits(*values: FloatArray) -> tuple[float, float]:
    """Give the ends of an axis around numbers; NaN does not count."""
    every = np.concatenate([np.ravel(v) for v in values])
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    room = ROOM * (high - low) or 0.1 * abs(high) or 0.5
    return low - room, high + room


def shown_lines(lines: Lines) -> NDArray[np.intp]:
    """Choose the lines that are drawn, evenly spread."""
    count = len(lines.y)
    return np.unique(np.linspace(0, count - 1, min(count, MOST_LINES)).round().astype(np.intp))


def colours_of(lines: Lines) -> list[list[str]]:
    """Give the colour of each drawn line and kind: kinds have colours if there is one line."""
    count, kinds = len(shown_lines(lines)), lines.y.shape[1]
    if count == 1:
        return [list(theme.SERIES[:kinds])]
    few = theme.SERIES if count <= len(theme.SERIES) else theme.in_order(count)
    return [[colour] * kinds for colour in few[:count]]


def most_points(lines: Lines) -> int:
    """Say how many points each curve may have."""
    return min(max(MOST_POINTS // (len(shown_lines(lines)) * lines.y.shape[1]), 40), LONGEST)


def fewer(y: FloatArray, most: int) -> NDArray[np.intp]:
    """Choose places along a curve: of each stretch its lowest and its highest point."""
    if len(y) <= most:
        return np.arange(len(y))
    stretches = np.array_split(np.arange(len(y)), most // 2)
    filled = np.nan_to_num(y)
    ends = [s[[filled[s].argmin(), filled[s].argmax()]] for s in stretches]
    return np.unique(np.concatenate(ends))


def add_lines(plot: figure, lines: Lines, *, dots: bool = True) -> list[LegendItem]:
    """Draw all curves with their errors; give the items of the legend."""
    chosen, colours = shown_lines(lines), colours_of(lines)
    height = plot.y_range.end - plot.y_range.start
    drawn: list[list[GlyphRenderer]] = []
    for i, by_kind in zip(chosen, colours, strict=True):
        mine: list[GlyphRenderer] = []
        for k, colour in enumerate(by_kind):
            mine += _add_curve(plot, lines, (int(i), k), colour, dots=dots, height=height)
        drawn.append(mine)
    _add_hover(plot, lines, [r for mine in drawn for r in mine if r.name != "error"])
    return _items(plot, lines, drawn, colours)


def _add_curve(
    plot: figure, lines: Lines, where: tuple[int, int], colour: str, *, dots: bool, height: float
) -> list[GlyphRenderer]:
    """Draw one curve: a line along numbers, dots at the points, bars of the error."""
    i, k = where
    y, error = lines.y[i, k], lines.error[i, k]
    part = fewer(y, most_points(lines))
    source = curve_source(lines, where, part)
    found = []
    several = len(lines.kind.values) > 1
    if not lines.x.words and len(y) > 1:
        found.append(plot.line("x", "y", source=source, color=colour, line_width=2, name="line",
                               line_dash=DASHES[k % 3] if several else "solid"))  # fmt: skip
    if (dots and len(part) <= DOTS_UP_TO) or not found or lonely(y):
        found.append(plot.scatter(
            "x", "y", source=source, size=5 if found else 8, line_color=colour, name="dots",
            fill_color=colour if k == 0 else "white",
        ))  # fmt: skip
    if np.nanmax(np.nan_to_num(error)) > VISIBLE * height:
        found.append(plot.segment("x", "low", "x", "high", source=source, line_color=colour,
                                  line_width=1.2, line_alpha=0.7, name="error"))  # fmt: skip
    return found


def lonely(y: FloatArray) -> bool:
    """Say whether some point has no neighbour, so that a line would not show it."""
    known = np.pad(np.isfinite(y), 1)
    return bool((known[1:-1] & ~known[:-2] & ~known[2:]).any())


def curve_source(lines: Lines, where: tuple[int, int], part: NDArray[np.intp]) -> ColumnDataSource:
    """Give the columns of one curve."""
    i, k = where
    y, error = lines.y[i, k][part], lines.error[i, k][part]
    columns: dict[str, object] = {"x": thin(lines.x.values[part]), "y": thin(y)}
    if np.isfinite(error).any():
        columns |= {"error": thin(error), "low": thin(y - error), "high": thin(y + error)}
    if lines.x.words:
        columns["word"] = [lines.x.text(n) for n in part]
    tags = [lines.line.text(i) if lines.line.name else "",
            lines.kind.text(k) if lines.kind.name else ""]  # fmt: skip
    columns["which"] = [", ".join(filter(None, tags))] * len(part)
    return ColumnDataSource(columns)


def thin(values: FloatArray) -> NDArray[np.float32]:
    """Give numbers as they are drawn."""
    return values.astype(np.float32)


def _add_hover(plot: figure, lines: Lines, renderers: list[GlyphRenderer]) -> None:
    tips = [(", ".join(filter(None, (d.label for d in (lines.line, lines.kind)))), "@which")]
    tips = tips if tips[0][0] else []
    if lines.x.name:
        tips.append((lines.x.label, "@word" if lines.x.words else "@x{0.[00000]}"))
    tips.append((lines.quantity, f"@y{{0.000000}} {lines.unit}"))
    if np.isfinite(lines.error).any():
        tips.append(("error", "@error{0.0e+0}"))
    plot.add_tools(HoverTool(renderers=renderers, tooltips=tips))


def _items(
    plot: figure, lines: Lines, drawn: list[list[GlyphRenderer]], colours: list[list[str]]
) -> list[LegendItem]:
    """Name the lines by their colours, and the kinds by their dashes."""
    found = []
    if len(colours) > 1:
        found = [
            LegendItem(label=lines.line.text(int(i)), renderers=mine)
            for i, mine in zip(shown_lines(lines), drawn, strict=True)
        ]
    for k in range(len(lines.kind.values) if len(lines.kind.values) > 1 else 0):
        colour = theme.INK if len(colours) > 1 else colours[0][k]
        found.append(sample(plot, lines.kind.text(k), colour, dash=DASHES[k % 3]))
    return found


def sample(
    plot: figure, label: str, colour: str, *, dash: str = "solid", width: float = 2,
    marker: str = "",
) -> LegendItem:  # fmt: skip
    """Make an item of a legend that stands for a look; its sample is out of sight."""
    if marker:
        shown = plot.scatter([math.nan], [math.nan], marker=marker, size=8, color=colour)
    else:
        shown = plot.line([math.nan] * 2, [math.nan] * 2, color=colour, line_dash=dash,
                          line_width=width)  # fmt: skip
    return LegendItem(label=label, renderers=[shown])


def add_legend(plot: figure, items: list[LegendItem], lines: Lines) -> None:
    """Put a legend beside the frame; it says so if only some lines are drawn."""
    if not items:
        return
    shown, every = len(shown_lines(lines)), len(lines.y)
    title = lines.line.label if shown > 1 else ""
    if shown < every:
        title += f", {shown} of {every}"
    plot.add_layout(Legend(
        items=items, title=title, border_line_color=None, location="center", click_policy="hide",
        label_text_font=theme.FONT, label_text_font_size="12px", label_text_color=theme.INK,
        title_text_font=theme.FONT, title_text_font_style="normal", title_text_font_size="13px",
        title_text_color=theme.INK, background_fill_alpha=0, glyph_width=26, spacing=2,
    ), "right")  # fmt: skip


def frame_size(frame: Frame, *, legend: bool = True) -> tuple[int, int]:
    """Give the room for the frame of a plot with its axes and a legend beside it."""
    return frame.width - 90 - (SIDE if legend else 20), frame.height - 90
