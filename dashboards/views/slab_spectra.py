"""Spectra of a slab by layer: lines over the frequency, or a map over wavevector and frequency."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bokeh.layouts import row
from bokeh.models import (
    ColorMapper,
    ColumnDataSource,
    CustomJSHover,
    FixedTicker,
    HoverTool,
    LayoutDOM,
    LinearColorMapper,
    LogColorMapper,
    Range1d,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.figures.dispersion import path_labels
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
    FREQUENCY_UNITS,
    frequency_unit,
    nothing,
    place_of,
    single,
    unit_controls,
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
    index_of,
)

LINES, MAP = ("layer_dos", "dos"), "spectral_density"
SHOWN = {
    "layer_dos": "density of modes by layer", "dos": "density of modes of the slab",
    MAP: "spectral density by wavevector",
}  # fmt: skip
SOME = {"3": "3 outermost", "5": "5 outermost", "10": "10 outermost", "all": "all"}
"""Layers that have a line, counted from the top face; the middle one always has."""
ALL_LINES = 20
MOST_CELLS = (240, 200)
"""Of a map, along the wavevector and the frequency."""
DECADES, FAINT = 1e-3, 1e-2
"""Lowest value of a logarithmic and of a linear map that has a colour, over the highest."""
AROUND, SIDE = 100, 200


@dataclass(frozen=True, slots=True)
class Map:
    """Spectral density of one component of a layer."""

    title: str
    grid: FloatArray
    """(grid,), ascending."""
    grid_unit: str
    values: FloatArray
    """(k, grid)."""
    unit: str
    labels: tuple[tuple[float, str], ...]
    """Place among the wavevectors and name of points of high symmetry."""
    log: bool


class SpectraView(View[Family | Map]):
    """Spectra over the frequency."""

    name = "spectra"
    title = "spectra by layer"

    def fits(self, results: Results) -> bool:
        """Fit if a spectrum is stored."""
        return results.model == "slab" and any(results.has(n, "grid") for n in SHOWN)

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer a spectrum, what there is a line for each of, layers, a unit."""
        known = [(n, w) for n, w in SHOWN.items() if results.has(n)]
        shown = Control.of("shown", "shown", known, asked)
        unit = unit_controls(results, "grid", asked)
        if shown.value == MAP:
            scales = [("linear", "linear"), ("log", "logarithmic")]
            return [
                shown, *place_controls(results, MAP, ("k", "grid"), asked),
                Control.of("scales", "colours", scales, asked), *unit,
            ]  # fmt: skip
        lines = line_control(results, shown.value, "grid", asked, ("layer",))
        found = [shown, lines]
        if lines.value == "layer":
            found.append(Control.of("some", "layers", list(SOME.items()), asked))
        drawn = ("grid", lines.value)
        return [*found, *place_controls(results, shown.value, drawn, asked), *unit]

    def collect(self, results: Results, chosen: Asked) -> Family | Map:
        """Take spectra out of the store."""
        if chosen["shown"] == MAP:
            return _map(results, chosen)
        places = _layers(results, chosen) if chosen["line"] == "layer" else None
        found = family(results, chosen, chosen["shown"], "grid", chosen["line"], places)
        scale, unit = frequency_unit(results, "grid", chosen)
        if unit != theme.unit_text(str(results.dataset["grid"].attrs.get("units", ""))):
            found = replace(found, x=found.x * scale, values=found.values / scale,
                            errors=found.errors / scale, unit=_inverse(unit))  # fmt: skip
        return replace(found, x_label=theme.with_unit("frequency", unit))

    def draw(self, collected: Family | Map, frame: Frame) -> LayoutDOM:
        """Draw lines or a map."""
        if isinstance(collected, Map):
            return _draw_map(collected, frame)
        return draw_family(collected, frame)

    def table(self, collected: Family | Map) -> Table:
        """Give a row for each number."""
        if isinstance(collected, Family):
            return family_table(collected)
        m = collected
        k, at = np.nonzero(np.isfinite(m.values))
        columns: dict[str, NDArray[Any]] = {"k": k, "frequency": m.grid[at], MAP: m.values[k, at]}
        return Table(columns, {"frequency": m.grid_unit, MAP: m.unit})

    def moved(
        self, collected: Family | Map, results: Results, finished: FloatArray
    ) -> float | None:
        """Spectra run along no axis of a sweep."""
        return family_moved(collected, results, finished) if isinstance(collected, Family) else None


def _layers(results: Results, chosen: Asked) -> list[int]:
    """Choose layers: so many from the top face, and the middle one, which is most like bulk."""
    data = results.dataset
    place = place_of(results, chosen, ["layer_dos"])
    part = data["layer_dos"].isel(place).transpose("layer", ...)
    there = np.flatnonzero(np.isfinite(part.values.reshape(part.sizes["layer"], -1)).any(axis=1))
    count = int(there.max()) + 1 if len(there) else 1
    some = chosen.get("some", "3")
    most = int(some) if some.isdecimal() else ALL_LINES
    return sorted({*range(min(most, count)), count // 2})


def _map(results: Results, chosen: Asked) -> Map:
    data = results.dataset
    place = place_of(results, chosen, [MAP])
    own = {d: index_of(data, d, chosen.get(d, "")) for d in ("layer", "direction")}
    values = data[MAP].isel(place | own).transpose("k", "grid").values.astype(np.float64)
    if not np.isfinite(values).any():
        raise nothing(results, place, "spectral density")
    there: NDArray[np.bool_] = np.atleast_1d(np.isfinite(values).any(axis=1))
    scale, unit = frequency_unit(results, "grid", chosen)
    stored = str(data[MAP].attrs.get("units", ""))
    same = str(data["grid"].attrs.get("units", "")) not in FREQUENCY_UNITS
    at = [words_at(data, place), f"layer {own['layer']}",
          f"direction {data['direction'].values[own['direction']]}"]  # fmt: skip
    point = data.isel(place)
    return Map(
        f"spectral density at {', '.join(t for t in at if t)}",
        data["grid"].values.astype(np.float64) * scale, unit, values[there] / scale,
        theme.unit_text(stored) if same else _inverse(unit),
        path_labels(point, np.arange(len(there), dtype=np.float64)),
        chosen.get("scales") == "log",
    )  # fmt: skip


def _inverse(unit: str) -> str:
    return "cm" if unit == "cm⁻¹" else f"1/{unit}"


# --- drawing ------------------------------------------------------------------------------


def cells(m: Map) -> FloatArray:
    """Give the cells of a map, (grid, k), the highest of those that share one."""
    n_k, n_grid = MOST_CELLS
    values = np.where(np.isfinite(m.values), m.values, 0.0)
    for axis, most in ((0, n_k), (1, n_grid)):
        count = values.shape[axis]
        if count > most:
            cuts = np.linspace(0, count, most + 1).astype(int)[:-1]
            values = np.maximum.reduceat(values, cuts, axis=axis)
    return np.ascontiguousarray(values.T)


def _draw_map(m: Map, frame: Frame) -> LayoutDOM:
    count, half = len(m.values), (m.grid[1] - m.grid[0]) / 2 if len(m.grid) > 1 else 0.5
    low, high = float(m.grid[0] - half), float(m.grid[-1] + half)
    plot = theme.new_figure(
        title=m.title, frame_width=frame.width - SIDE, frame_height=frame.height - AROUND,
        x_range=Range1d(-0.5, count - 0.5), y_range=Range1d(max(low, 0.0), high),
    )  # fmt: skip
    _name_axes(plot, m)
    drawn = cells(m)
    mapper = _mapper(drawn, log=m.log)
    picture = plot.image(
        "image", x=-0.5, y=low, dw=count, dh=high - low, color_mapper=mapper, name="map",
        source=ColumnDataSource({"image": [single(drawn)]}),
    )  # fmt: skip
    nearest = CustomJSHover(code="return Math.round(value).toFixed(0)")
    plot.add_tools(HoverTool(renderers=[picture], formatters={"$x": nearest}, tooltips=[
        ("wavevector", "$x{custom}"), ("frequency", f"$y{{0.000}} {m.grid_unit}"),
        ("spectral density", f"@image{{0.0000}} {m.unit}"),
    ]))  # fmt: skip
    for at, _ in m.labels[1:-1]:
        plot.vspan(x=[at], line_color=theme.RULE, line_width=1)
    title = theme.with_unit(words(MAP), m.unit)
    plot.add_layout(theme.new_colour_bar(mapper, title), "right")
    return row(plot)


def _name_axes(plot: figure, m: Map) -> None:
    plot.yaxis.axis_label = theme.with_unit("frequency", m.grid_unit)
    plot.xaxis.axis_label = "in-plane wavevector" if m.labels else "wavevector, as counted"
    if m.labels:
        plot.xaxis.ticker = FixedTicker(ticks=[at for at, _ in m.labels])
        plot.xaxis.major_label_overrides = dict(m.labels)
        plot.xaxis.major_label_text_font_size = "15px"


def _mapper(drawn: FloatArray, *, log: bool) -> ColorMapper:
    """Colour cells; a few sharp peaks do not leave the rest without a colour."""
    positive = drawn[drawn > 0]
    top = float(np.quantile(positive, 0.995)) if len(positive) else 1.0
    kind, least = (LogColorMapper, DECADES) if log else (LinearColorMapper, FAINT)
    return kind(palette=list(theme.WEIGHTS), low=least * top, high=top, low_color=theme.NOTHING)
