"""Map of the density of states of a defect along an axis, with its resonance over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LayoutDOM,
    LegendItem,
    LinearColorMapper,
    LogColorMapper,
    Range1d,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.views.impurity_lines import (
    Along,
    Lines,
    along,
    collect_lines,
    fewer,
    lines_moved,
    nothing,
    numbers,
    sample,
    short,
    taken,
    thin,
)
from dashboards.views.view import (
    Asked,
    Control,
    FloatArray,
    Frame,
    Results,
    Table,
    View,
    axis_control,
    dims_beside,
    point_controls,
)

DOS, FREQUENCY, WIDTH = "impurity_dos", "resonance_frequency", "resonance_width"
MOST_CELLS = 150
"""Of the map, along each side."""
MOST_POINTS = 400
"""Of the resonance."""
DECADES = 2.5
"""Of the logarithmic scale of colours, at most."""
OVER = "white"
"""Lines over the map; on a dark page large values are light, and the lines dark."""
BAR = 175
"""Pixels of the colour bar and the numbers beside the frame."""
STRIP = 50
"""Pixels of the legend under the frame."""


@dataclass(frozen=True, slots=True)
class Resonances:
    """A spectrum for each value of an axis, and the resonance."""

    density: FloatArray
    """(n, grid), NaN where there is none."""
    grid: FloatArray
    """(grid,) frequencies, ascending."""
    grid_unit: str
    resonance: Lines
    """One line of one kind; all NaN if none is stored."""
    width: FloatArray
    """(n,), NaN where the resonance is wider than its definition allows."""
    unit: str
    upright: bool
    """The frequency runs along y."""
    log: bool
    """Of the colours."""


class ResonanceMap(View[Resonances]):
    """A map of the density of states of a defect."""

    name = "resonances"
    title = "resonances"

    def fits(self, results: Results) -> bool:
        """Fit a store with spectra of a defect along an axis."""
        return results.has(DOS, "grid") and bool(_axes(results))

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer what runs beside the frequency, the polarization, and all other dims."""
        data, axes = results.dataset, _axes(results)
        x = Control.of("x", "against", [(d, d.replace("_", " ")) for d in axes], asked)
        found = [x]
        if data.sizes.get("polarization", 1) > 1:
            found.append(axis_control(data, "polarization", asked))
        own = ["grid", "polarization", x.value]
        return [
            *found, *point_controls(results, [DOS], own, asked),
            Control.of("colours", "colours", [("log", "logarithmic"), ("even", "even")], asked),
            Control.of("frequency", "frequency", [("y", "along y"), ("x", "along x")], asked),
        ]  # fmt: skip

    def collect(self, results: Results, chosen: Asked) -> Resonances:
        """Take the spectra and the resonance out of the store."""
        data = results.dataset
        at_one = {k: v for k, v in chosen.items() if k != "line"}
        name = FREQUENCY if FREQUENCY in data else DOS
        resonance = collect_lines(results, name, at_one, kind="")
        grid = along(data, "grid")
        density = taken(data[DOS], (resonance.x, grid), resonance.place)
        if not np.isfinite(density).any():
            raise nothing(results, "density of states of the defect", resonance.place)
        width = np.full(len(density), np.nan)
        if WIDTH in data:
            width = taken(data[WIDTH], (resonance.x,), resonance.place)
        if name == DOS:
            resonance.y[:] = np.nan
        unit = theme.unit_text(str(data[DOS].attrs.get("units", "1")))
        grid_unit = theme.unit_text(str(data["grid"].attrs.get("units", "1")))
        return Resonances(
            density, grid.values, grid_unit, resonance, width, unit,
            chosen.get("frequency", "y") == "y", chosen.get("colours", "log") == "log",
        )  # fmt: skip

    def draw(self, collected: Resonances, frame: Frame) -> LayoutDOM:
        """Draw the map, white lines over it, the colour bar, and a legend below."""
        c = collected
        plot = _open(c, frame)
        _add_map(plot, c)
        items = _add_resonance(plot, c) if c.resonance.finite() else []
        if items:
            legend = theme.new_legend(items)
            legend.click_policy = "none"
            legend.glyph_width = 26
            legend.background_fill_alpha = 0
            plot.add_layout(legend, "below")
        return plot

    def table(self, collected: Resonances) -> Table:
        """Give a row for each value of the axis and each frequency."""
        c, shape = collected, collected.density.shape
        x = c.resonance.x

        def repeated(values: FloatArray) -> FloatArray:
            return np.broadcast_to(values[:, None], shape).ravel()

        columns = {
            x.label: np.repeat(x.column(), shape[1]),
            "frequency": np.tile(c.grid, shape[0]),
            DOS: c.density.ravel(), FREQUENCY: repeated(c.resonance.y[0, 0]),
            WIDTH: repeated(c.width),
        }  # fmt: skip
        unit = dict.fromkeys(("frequency", FREQUENCY, WIDTH), c.grid_unit)
        return Table(columns, unit | {DOS: c.unit})

    def moved(self, collected: Resonances, results: Results, finished: FloatArray) -> float | None:
        """Look at the frequency of the resonance along an axis of numbers."""
        return lines_moved(collected.resonance, results, finished)


def _axes(results: Results) -> list[str]:
    """Give the dims beside the frequency, those of numbers first."""
    data = results.dataset
    dims = dims_beside(results, [DOS], ["grid", "polarization"])
    return sorted(dims, key=lambda d: (d != "mass_ratio", not numbers(data, d), -data.sizes[d]))


# --- drawing ------------------------------------------------------------------------------


def _open(c: Resonances, frame: Frame) -> figure:
    """Open a figure with the axis on one side and the frequency on the other."""
    x = c.resonance.x
    _, low, high = cells(x)
    step = (c.grid[-1] - c.grid[0]) / max(len(c.grid) - 1, 1) or 1.0
    ends = Range1d(low, high), Range1d(max(c.grid[0] - step / 2, 0.0), c.grid[-1] + step / 2)
    scales, labels = ["log" if geometric(x) else "linear", "linear"], [
        x.label, theme.with_unit("frequency", c.grid_unit)
    ]  # fmt: skip
    if not c.upright:
        ends, scales, labels = ends[::-1], scales[::-1], labels[::-1]
    size = frame.width - BAR, frame.height - 90 - STRIP
    plot = theme.new_figure(
        title=short(f"density of states of the defect{c.resonance.at}", max(size[0] // 8, 20)),
        frame_width=size[0], frame_height=size[1], x_range=ends[0], y_range=ends[1],
        x_axis_type=scales[0], y_axis_type=scales[1],
    )  # fmt: skip
    plot.xaxis.axis_label, plot.yaxis.axis_label = labels
    own = plot.xaxis if c.upright else plot.yaxis
    if x.words:
        own.ticker = FixedTicker(ticks=x.values.tolist())
        own.major_label_overrides = {v: x.text(i) for i, v in enumerate(x.values.tolist())}
    elif geometric(x):
        ticks = round_ticks(low, high)
        own.ticker = FixedTicker(ticks=ticks)
        own.major_label_overrides = {t: f"{t:g}" for t in ticks}
    return plot


def geometric(x: Along) -> bool:
    """Say whether an axis is nearer to equal factors than to equal steps."""
    if x.words or len(x.values) < 3 or x.values[0] <= 0 or x.values[-1] < 3 * x.values[0]:
        return False
    factors, steps = np.diff(np.log(x.values)), np.diff(x.values)
    return bool(np.ptp(factors) / factors.mean() < np.ptp(steps) / steps.mean())


def round_ticks(low: float, high: float) -> list[float]:
    """Give round numbers in a range of a logarithmic axis."""
    every = [
        m * 10.0**e for e in range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        for m in (1, 1.5, 2, 3, 5, 7)
    ]  # fmt: skip
    found = [t for t in every if low <= t <= high]
    return found if len(found) <= 16 else found[::3]


def cells(x: Along) -> tuple[NDArray[np.intp], float, float]:
    """Divide an axis into cells of equal width as it is drawn.

    Returns
    -------
    places of the values in the cells, (cells,); left and right edge
    """
    drawn = np.log(x.values) if geometric(x) else x.values
    if len(drawn) == 1:
        return np.zeros(1, dtype=np.intp), float(drawn[0] - 0.5), float(drawn[0] + 0.5)
    steps = np.diff(drawn)
    even = len(drawn) <= MOST_CELLS and np.ptp(steps) < 1e-6 * steps.max()
    low, high = drawn[0] - steps[0] / 2, drawn[-1] + steps[-1] / 2
    count = len(drawn) if even else MOST_CELLS
    middle = low + (np.arange(count) + 0.5) * (high - low) / count
    place = np.searchsorted((drawn[1:] + drawn[:-1]) / 2, middle)
    low, high = (float(np.exp(e)) if geometric(x) else float(e) for e in (low, high))
    return place, low, high


def averaged(density: FloatArray) -> FloatArray:
    """Average neighbouring frequencies, so that they are few enough."""
    count = density.shape[1]
    step = -(-count // MOST_CELLS)
    starts = np.arange(0, count, step)
    return np.add.reduceat(density, starts, axis=1) / np.diff([*starts, count])


def _add_map(plot: figure, c: Resonances) -> None:
    """Draw the map and its colour bar."""
    place, *_ = cells(c.resonance.x)
    density = averaged(c.density[place])
    high = float(np.nanmax(density))
    high = high if high > 0 else 1.0
    options = {"palette": list(theme.WEIGHTS), "high": high, "nan_color": theme.NOTHING}
    if c.log:
        positive = density[density > 0]
        least = float(positive.min()) if len(positive) else high / 2
        low = min(max(least, high / 10**DECADES), high / 2)
        mapper = LogColorMapper(low=low, **options)
        density = np.maximum(density, low)
    else:
        mapper = LinearColorMapper(low=0.0, **options)
    xs, ys = plot.x_range, plot.y_range
    drawn = plot.image(
        image=[thin(density.T if c.upright else density)], x=xs.start, y=ys.start,
        dw=xs.end - xs.start, dh=ys.end - ys.start, color_mapper=mapper, name="map",
    )  # fmt: skip
    tips = [(c.resonance.x.label, "$x" if c.upright else "$y"),
            ("frequency", f"{'$y' if c.upright else '$x'} {c.grid_unit}"),
            ("density of states", f"@image {c.unit}")]  # fmt: skip
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=tips[bool(c.resonance.x.words) :]))
    bar = theme.new_colour_bar(mapper, theme.with_unit("states", c.unit))
    if c.log:
        ticks = round_ticks(mapper.low, mapper.high)
        bar.ticker = FixedTicker(ticks=ticks)
        bar.major_label_overrides = {t: f"{t:g}" for t in ticks}
    plot.add_layout(bar, "right")


def _add_resonance(plot: figure, c: Resonances) -> list[LegendItem]:
    """Draw the resonance: solid and with its width where that is defined, else dotted."""
    r = c.resonance
    part = fewer(r.y[0, 0], MOST_POINTS)
    x, y, width = r.x.values[part], r.y[0, 0][part], c.width[part]
    sharp = np.where(np.isfinite(width), y, np.nan)
    looks = [("resonance", y, "dotted", 1.8), ("sharp", sharp, "solid", 2.6),
             ("width", sharp - width / 2, "solid", 0.9),
             ("width", sharp + width / 2, "solid", 0.9)]  # fmt: skip
    for name, values, dash, line in looks:
        ends = ("x", "y") if c.upright else ("y", "x")
        source = ColumnDataSource({"x": thin(x), "y": thin(values)})
        if r.x.words or len(x) == 1:
            plot.scatter(*ends, source=source, size=8 if line > 1 else 4, color=OVER, name=name)
        else:
            plot.line(*ends, source=source, color=OVER, line_dash=dash, line_width=line, name=name)
    keys = [("resonance", "solid", 2.6)] if np.isfinite(sharp).any() else []
    keys += [("its width", "solid", 0.9)] if keys else []
    if (np.isfinite(y) & ~np.isfinite(sharp)).any():
        keys.append(("wider than 0.3 of its frequency", "dotted", 1.8))
    return [sample(plot, label, theme.RULE, dash=dash, width=line) for label, dash, line in keys]
