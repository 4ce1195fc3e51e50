"""Modes of an adsorbed layer against its mass, at one wavevector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LayoutDOM,
    LinearColorMapper,
    Range1d,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.views.moving import moved
from dashboards.views.slab_parts import (
    frequency_unit,
    is_geometric,
    nothing,
    place_of,
    single,
    spread,
    unit_controls,
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
    axis_control,
    axis_values,
    dims_beside,
    value_text,
)

MASS = "adlayer_mass_ratio"
OWN_DIMS = (MASS, "k", "mode", "band", "edge")
WEIGHTS = {"top_weight": "share in the top face", "surface_weight": "share in the outer layers"}
LEAST = {"0.3": "over 0.3", "0.1": "over 0.1", "0.5": "over 0.5", "0": "all modes"}
MOST_DOTS = 6000
AXIS, BAR, AROUND = 70, 100, 122


@dataclass(frozen=True, slots=True)
class AdlayerModes:
    """Modes at one wavevector for each mass."""

    title: str
    mass: FloatArray
    """(masses,), ascending."""
    frequency: FloatArray
    """(masses, mode)."""
    weight: FloatArray
    """(masses, mode)."""
    weighed: str
    """Variable that the weight is."""
    least: float
    """Weight from which a mode is drawn."""
    band: FloatArray
    """(band, 2), NaN where bands have merged."""
    unit: str


class AdlayerView(View[AdlayerModes]):
    """Modes against the mass of the adlayer."""

    name = "adlayer"
    title = "modes against the adlayer's mass"

    def fits(self, results: Results) -> bool:
        """Fit frequencies with weights along an axis of masses."""
        data = results.dataset
        weighed = any(results.has(n) for n in WEIGHTS)
        return weighed and results.has("frequency") and data.sizes.get(MASS, 1) > 1 and (
            data[MASS].dims == (MASS,) and MASS in data["frequency"].dims)  # fmt: skip

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer the other axes, a wavevector, the weight and the least of it."""
        data = results.dataset
        known = [(n, w) for n, w in WEIGHTS.items() if results.has(n)]
        first = _fullest(results)
        dims = dims_beside(results, ["frequency"], OWN_DIMS)
        points = [
            axis_control(data, d, asked, value_text(axis_values(data, d)[first[d]])) for d in dims
        ]
        place = place_of(results, {c.name: c.value for c in points}, ["frequency"], (MASS,))
        named = _wavevectors(results, place)
        return [
            *points, Control.of("at", "wavevector", named, asked, _second(named)),
            Control.of("weight", "weight", known, asked),
            Control.of("least", "modes shown", list(LEAST.items()), asked),
            *unit_controls(results, "frequency", asked),
        ]  # fmt: skip

    def collect(self, results: Results, chosen: Asked) -> AdlayerModes:
        """Take the modes of one wavevector out of the store."""
        data = results.dataset
        place = place_of(results, chosen, ["frequency"], (MASS,))
        k, weighed = int(chosen["at"]), chosen["weight"]
        scale, unit = frequency_unit(results, "frequency", chosen)
        inside = {d: i for d, i in place.items() if d in data["frequency"].dims} | {"k": k}
        frequency, weight = (
            data[n].isel(inside).transpose(MASS, "mode").values.astype(np.float64)
            for n in ("frequency", weighed)
        )
        if not np.isfinite(frequency).any():
            raise nothing(results, place, "mode")
        mass = axis_values(data, MASS).astype(np.float64)
        order = np.argsort(mass)
        name = dict(_wavevectors(results, place)).get(str(k), str(k))
        at = words_at(data, place)
        return AdlayerModes(
            f"modes at {name}{', ' if at else ''}{at}", mass[order], scale * frequency[order],
            weight[order], weighed, float(chosen["least"]), scale * _band(results, place, k), unit,
        )  # fmt: skip

    def draw(self, collected: AdlayerModes, frame: Frame) -> LayoutDOM:
        """Draw a dot for each mode."""
        return _draw(collected, frame)

    def table(self, collected: AdlayerModes) -> Table:
        """Give a row for each mode that is drawn."""
        at, mode = _shown(collected)
        columns: dict[str, NDArray[Any]] = {
            MASS: collected.mass[at], "mode": mode, "frequency": collected.frequency[at, mode],
            collected.weighed: collected.weight[at, mode],
        }  # fmt: skip
        return Table(columns, {MASS: "host mass", "frequency": collected.unit})

    def moved(
        self, collected: AdlayerModes, results: Results, finished: FloatArray
    ) -> float | None:
        """Look at the lowest mode that is shown for every mass; the masses were done in turns."""
        a = collected
        if MASS not in results.axes:
            return None
        others = tuple(i for i, d in enumerate(results.axes) if d != MASS)
        when = np.where(np.isfinite(finished), finished, -np.inf).max(axis=others)
        when = when[np.argsort(axis_values(results.dataset, MASS).astype(float))]
        lowest = np.where(a.weight >= a.least, a.frequency, np.inf)
        lowest[np.isnan(lowest)] = np.inf
        curve = lowest.min(axis=1)
        curve[~np.isfinite(curve)] = np.nan
        return moved(a.mass, curve, np.where(np.isfinite(when), when, np.nan))


def _fullest(results: Results) -> dict[str, int]:
    """Find the place, beside the masses, where most masses have a result."""
    frequency = results.dataset["frequency"]
    beside = [d for d in frequency.dims if d not in OWN_DIMS]
    first = frequency.isel({d: 0 for d in ("k", "mode") if d in frequency.dims})
    there = np.isfinite(first.transpose(*beside, MASS).values)
    count = there.sum(axis=-1)
    spot = np.unravel_index(int(count.argmax()), count.shape) if count.ndim else ()
    return dict(zip(map(str, beside), map(int, spot), strict=True))


def _wavevectors(results: Results, place: dict[str, int]) -> list[tuple[str, str]]:
    """Offer wavevectors with a name; without any, some that are evenly spread."""
    data = results.dataset
    if "k_label" in data:
        inside = {d: i for d, i in place.items() if d in data["k_label"].dims}
        labels = data["k_label"].isel(inside)
        if labels.dims == ("k",):
            found: dict[str, str] = {}
            for i, label in enumerate(labels.values):
                if str(label):
                    found.setdefault(theme.point_text(str(label)), str(i))
            if found:
                return [(i, label) for label, i in found.items()]
    return [(str(i), f"wavevector {i}") for i in spread(data.sizes["k"], 60)]


def _second(named: list[tuple[str, str]]) -> str:
    """Prefer a point at the border of the zone to its middle, where bands reach down to zero."""
    return next((i for i, label in named if label != "Γ"), named[0][0])


def _band(results: Results, place: dict[str, int], k: int) -> FloatArray:
    """Give the bulk bands; where they hang on the mass, those of the first that has some."""
    data = results.dataset
    if "bulk_band" not in data:
        return np.empty((0, 2))
    array = data["bulk_band"]
    inside = {d: i for d, i in place.items() if d in array.dims} | {"k": k}
    band = array.isel(inside).transpose(..., "band", "edge").values.astype(np.float64)
    band = band.reshape(-1, *band.shape[-2:])
    there = np.isfinite(band).any(axis=(1, 2))
    return band[int(there.argmax())]


# --- drawing ------------------------------------------------------------------------------


def _shown(a: AdlayerModes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Choose the modes with enough weight."""
    known = np.isfinite(a.frequency)
    at, mode = np.nonzero(known & (np.nan_to_num(a.weight, nan=1.0) >= a.least))
    return at, mode


def _draw(a: AdlayerModes, frame: Frame) -> LayoutDOM:
    log = is_geometric(a.mass)
    values = np.concatenate([a.frequency.ravel(), a.band.ravel(), [0.0]])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 1.08 if log else 0.03 * float(np.ptp(a.mass))
    ends = (a.mass[0] / room, a.mass[-1] * room) if log else (a.mass[0] - room, a.mass[-1] + room)
    plot = theme.new_figure(
        title=a.title, frame_width=frame.width - AXIS - BAR, frame_height=frame.height - AROUND,
        x_axis_type="log" if log else "linear", x_range=Range1d(*map(float, ends)),
        y_range=Range1d(1.05 * low, 1.04 * high),
    )  # fmt: skip
    plot.xaxis.axis_label = "mass of an adlayer atom over that of the host"
    plot.yaxis.axis_label = theme.with_unit("frequency", a.unit)
    if len(a.mass) <= 12:
        plot.xaxis.ticker = FixedTicker(ticks=a.mass.tolist())
        plot.xaxis.major_label_overrides = {m: f"{m:.3g}" for m in a.mass.tolist()}
    bands = a.band[np.isfinite(a.band).all(axis=1)]
    if len(bands):
        plot.hstrip(y0=bands[:, 0], y1=bands[:, 1], fill_color=theme.BAND, line_color=None,
                    hatch_pattern=None, name="bulk bands")  # fmt: skip
    _draw_dots(plot, a)
    return column(plot, _legend(frame.width, banded=len(bands) > 0, least=a.least))


def _draw_dots(plot: figure, a: AdlayerModes) -> None:
    at, mode = _shown(a)
    if len(at) > MOST_DOTS:  # the heaviest stay
        kept = np.sort(np.argsort(-np.nan_to_num(a.weight[at, mode]))[:MOST_DOTS])
        at, mode = at[kept], mode[kept]
    weight = a.weight[at, mode]
    order = np.argsort(np.nan_to_num(weight), kind="stable")
    at, mode, weight = at[order], mode[order], weight[order]
    source = ColumnDataSource({
        "x": single(a.mass[at]), "y": single(a.frequency[at, mode]), "weight": single(weight),
        "mode": mode.astype(np.uint16), "size": (4 + 6 * np.nan_to_num(weight)).astype(np.uint8),
    })  # fmt: skip
    mapper = LinearColorMapper(palette=list(theme.WEIGHTS), low=0, high=1)
    dots = plot.scatter(
        "x", "y", source=source, size="size", name="modes", line_color=None,
        fill_color={"field": "weight", "transform": mapper},
    )  # fmt: skip
    plot.add_tools(HoverTool(renderers=[dots], tooltips=[
        ("mass ratio", "@x{0.000}"), ("frequency", f"@y{{0.0000}} {a.unit}"),
        (WEIGHTS[a.weighed], "@weight{0.000}"), ("mode", "@mode"),
    ]))  # fmt: skip
    plot.add_layout(theme.new_colour_bar(mapper, WEIGHTS[a.weighed]), "right")


def _legend(width: int, *, banded: bool, least: float) -> figure:
    strip = theme.legend_strip(width)
    items = [theme.key(strip, "bulk bands", theme.BAND, patch=True)] if banded else []
    told = f"modes with a weight {LEAST[f'{least:g}']}" if least else "all modes"
    items.append(theme.key(strip, told, theme.WEIGHTS[-60], dot=8))
    legend = theme.new_legend(items)
    legend.click_policy = "none"
    strip.add_layout(legend, "center")
    return strip
