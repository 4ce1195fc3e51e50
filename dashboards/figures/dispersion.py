"""Dispersion of a slab: all modes along a path, over the bulk bands projected on the face.

`collect_dispersion` takes one point of a slab sweep out of its dataset, `draw_dispersion`
draws it, `draw_panels` draws several side by side on one frequency scale.

    d = collect_dispersion(sweep.open("results/xenon"), surface="111", adlayer="none")
    write_page(draw_dispersion(d), "dispersion.html", d.title)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import xarray
from bokeh.layouts import column, row
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    GlyphRenderer,
    HoverTool,
    LayoutDOM,
    LegendItem,
    Range1d,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.figures.band_outlines import Outline, band_outlines
from dashboards.figures.selecting import (
    FloatArray,
    array_of,
    need,
    one_point,
    shown,
    status_of,
    text_of,
    unit_of,
    words_of,
)
from sweep import InputError

WHAT = "A dispersion"
OWN_DIMS = ("k", "mode", "band", "edge")
DRAWN = ("frequency", "mode_kind", "surface_weight", "bulk_band", "k_distance", "k_label")
STANDSTILL = 1e-9
"""Step along the path, as a share of its length, at which one piece ends and another begins."""
UNSTABLE = 1e-5
"""Frequencies below minus this share of the highest are drawn as unstable, not as zero."""
SMALLEST, LARGEST, LARGEST_IN_PANEL = 1.5, 6.5, 5.0
"""Diameters of dots, for surface weight 0 and 1, in pixels."""
PANEL = (200, 280)
"""Width and height of the frame of a panel, in pixels."""

SPACING = 16
"""Pixels between panels."""
AXIS = 50
"""Pixels that the numbers and the label of a frequency axis take."""


@dataclass(frozen=True, slots=True)
class Dispersion:
    """What a picture of one slab needs."""

    distance: FloatArray
    """(k,), along the path."""
    frequency: FloatArray
    """(k, mode), ascending, NaN where a slab has fewer modes."""
    mode_kind: NDArray[np.str_]
    """(k, mode): bulk, below, gap, above, resonance; empty where not known."""
    surface_weight: FloatArray
    """(k, mode), NaN where not known."""
    bulk_band: FloatArray
    """(k, band, 2): low and high edge, NaN where bands have merged; no bands if not known."""
    labels: tuple[tuple[float, str], ...]
    """Place on the path and name of each point of high symmetry."""
    unit: str
    distance_unit: str
    title: str

    @property
    def pieces(self) -> list[slice]:
        """Runs of k that belong together: the path breaks where it does not advance."""
        still = np.diff(self.distance) <= STANDSTILL * np.ptp(self.distance)
        ends = [0, *(np.flatnonzero(still) + 1), len(self.distance)]
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]


# --- collecting ---------------------------------------------------------------------------


def collect_dispersion(dataset: xarray.Dataset, **selection: Any) -> Dispersion:
    """Take one point of a slab sweep out of its dataset.

    Parameters
    ----------
    dataset : of `sweep.open`; needs `frequency`, shows what it finds of `mode_kind`,
        `surface_weight` and `bulk_band`
    selection : one value for each axis that has several, such as surface="111"

    Raises
    ------
    InputError : more or less than one point is selected, it has no result, or its
        wavevectors lie on no path
    """
    need(dataset, WHAT, "frequency", "k_distance")
    point = one_point(dataset, WHAT, DRAWN, OWN_DIMS, selection)
    distance = _path(point)
    along = np.isfinite(distance)
    frequency = array_of(point, "frequency", ("k", "mode"))[along]
    if not np.isfinite(frequency).any():
        msg = (
            f"The point {shown(point) or 'asked for'} has no frequencies: its status is "
            f"{status_of(point)}. Choose a point that is ok or unstable."
        )
        raise InputError(msg)
    kind, weight, band = _beside(point, along, frequency.shape)
    return Dispersion(
        distance[along], frequency, kind, weight, band, path_labels(point, distance),
        unit_of(point, "frequency"), unit_of(point, "k_distance"),
        point_title(dataset, point),
    )  # fmt: skip


def _path(point: xarray.Dataset) -> FloatArray:
    distance = array_of(point, "k_distance", ("k",))
    if not np.isfinite(distance).any():
        msg = (
            "The wavevectors of this point lie on no path (k_distance is empty, as it is for "
            "`k_mesh`). Run the sweep with `k_path` or `k_list` for a dispersion."
        )
        raise InputError(msg)
    return distance


def _beside(
    point: xarray.Dataset, along: NDArray[np.bool_], shape: tuple[int, ...]
) -> tuple[NDArray[np.str_], FloatArray, FloatArray]:
    """Collect what a sweep may have left out of its outputs."""
    kind = np.full(shape, "", dtype="U16")
    if "mode_kind" in point:
        kind = words_of(point["mode_kind"].transpose("k", "mode"))[along]
    weight = np.full(shape, np.nan)
    if "surface_weight" in point:
        weight = array_of(point, "surface_weight", ("k", "mode"))[along]
    band = np.empty((shape[0], 0, 2))
    if "bulk_band" in point:
        band = array_of(point, "bulk_band", ("k", "band", "edge"))[along]
    return kind, weight, band


def path_labels(point: xarray.Dataset, distance: FloatArray) -> tuple[tuple[float, str], ...]:
    """Place the names; two at one place, where the path breaks, share it."""
    if "k_label" not in point:
        return ()
    found: dict[float, list[str]] = {}
    for at, name in zip(distance, point["k_label"].values, strict=True):
        if np.isfinite(at) and str(name):
            names = found.setdefault(round(float(at), 9), [])
            if theme.point_text(str(name)) not in names[-1:]:
                names.append(theme.point_text(str(name)))
    return tuple((at, "|".join(names)) for at, names in found.items())


def point_title(dataset: xarray.Dataset, point: xarray.Dataset) -> str:
    """Name the slab by its settings: "Xe (111), 21 layers, clean"."""
    fixed = json.loads(dataset.attrs.get("sweep", "{}")).get("fixed", {})
    chosen = {str(n): c.values.item() for n, c in point.coords.items() if c.ndim == 0}
    known = {**fixed, **chosen}
    own = [known.get("crystal", "fcc")] if "surface" in known else []
    own += [known["material"]] if known.get("material", "reduced") != "reduced" else []
    own += [f"({known['surface']})"] if "surface" in known else []
    words = [" ".join(str(w) for w in own)] if own else []
    words += [f"{known['layers']} layers"] if "layers" in known else []
    words += ["springs"] if known.get("forces") == "springs" else []
    words += [_adlayer(known)] if "adlayer" in known else []
    said = ("material", "crystal", "surface", "layers", "forces", "adlayer", "adlayer_mass_ratio")
    words += [f"{n} = {text_of(v)}" for n, v in chosen.items() if n not in (*said, *OWN_DIMS)]
    return ", ".join(words)


def _adlayer(known: Mapping[str, Any]) -> str:
    if known["adlayer"] == "none":
        return "clean"
    mass = f", mass ratio {text_of(known['adlayer_mass_ratio'])}" * ("adlayer_mass_ratio" in known)
    return f"adlayer on {known['adlayer']}{mass}"


# --- drawing ------------------------------------------------------------------------------


def draw_dispersion(
    d: Dispersion,
    *,
    width: int = 600,
    height: int = 460,
    frequencies: tuple[float, float] | None = None,
    largest_dot: float = LARGEST,
    legend: bool = True,
) -> figure:
    """Draw bulk bands, all modes, and the surface modes as dots sized by surface weight.

    Parameters
    ----------
    width, height : of the frame, in pixels
    frequencies : range of the axis; default: all modes and bands
    largest_dot : diameter for a mode that lies in the surface alone, in pixels
    """
    low, high = frequencies or frequency_range([d])
    x = (float(d.distance[0]), float(d.distance[-1]))
    plot = theme.new_figure(
        title=d.title, frame_width=width, frame_height=height, y_range=Range1d(low, high),
        x_range=Range1d(x[0], x[1] if x[1] > x[0] else x[0] + 1),
    )  # fmt: skip
    name_path_axes(plot, d, unstable=low < 0)
    items = _draw_bands(plot, d) + _draw_lines(plot, d)
    draw_path_marks(plot, d, zero=low < 0)
    items += _draw_dots(plot, d, largest_dot)
    if legend:
        plot.add_layout(theme.new_legend(items), "below")
    return plot


def draw_panels(
    dispersions: Sequence[Dispersion],
    *,
    heading: str = "",
    note: str = "",
    width: int = PANEL[0],
    height: int = PANEL[1],
) -> LayoutDOM:
    """Draw several slabs side by side on one frequency scale, with one legend.

    Parameters
    ----------
    heading, note : above the panels, in large and in small letters
    width, height : of the frame of one panel, in pixels
    """
    both = frequency_range(dispersions)
    panels = [
        draw_dispersion(
            d, width=width, height=height, frequencies=both, largest_dot=LARGEST_IN_PANEL,
            legend=False,
        )
        for d in dispersions
    ]  # fmt: skip
    for panel in panels[1:]:
        panel.yaxis.axis_label = None
        panel.yaxis.major_label_text_font_size = "0px"
        panel.y_range = panels[0].y_range
    total = panels_width(len(panels), width)
    head = theme.headline(heading, note, total)
    return column(*head, row(*panels, spacing=SPACING), _legend_strip(dispersions, total))


def panels_width(count: int, width: int = PANEL[0]) -> int:
    """Give the width of so many panels, with the axis of the first, in pixels."""
    return count * (width + SPACING) + AXIS


def frequency_range(dispersions: Sequence[Dispersion]) -> tuple[float, float]:
    """Give a range that holds everything: from zero, or from the lowest unstable mode."""
    values = np.concatenate(
        [a.ravel() for d in dispersions for a in (d.frequency, d.bulk_band)] + [np.zeros(1)]
    )
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    high = high if high > 0 else 1.0
    return (1.05 * low if low < -UNSTABLE * high else 0.0), 1.04 * high


def name_path_axes(plot: figure, d: Dispersion, *, unstable: bool) -> None:
    """Write what the axes show, and the names of the points of high symmetry."""
    plot.yaxis.axis_label = theme.with_unit("frequency", d.unit)
    if unstable:
        plot.yaxis.axis_label += ", imaginary ones negative"
    if len(d.labels) > 1:
        plot.xaxis.axis_label = "in-plane wavevector"
        plot.xaxis.ticker = FixedTicker(ticks=[at for at, _ in d.labels])
        plot.xaxis.major_label_overrides = dict(d.labels)
        plot.xaxis.major_label_text_font_size = "15px"
    else:
        plot.xaxis.axis_label = theme.with_unit("length along the path", d.distance_unit)


def bulk_outlines(d: Dispersion) -> list[Outline]:
    """Outline the bulk bands, piece by piece of the path."""
    return [o for p in d.pieces for o in band_outlines(d.distance[p], d.bulk_band[p])]


def _draw_bands(plot: figure, d: Dispersion) -> list[LegendItem]:
    outlines = bulk_outlines(d)
    if not outlines:
        return []
    source = ColumnDataSource({"x": [x for x, _ in outlines], "y": [y for _, y in outlines]})
    bands = plot.patches(
        "x", "y", source=source, name="bulk bands", fill_color=theme.BAND,
        line_color=theme.BAND, line_width=0.5,
    )  # fmt: skip
    return [LegendItem(label="bulk bands", renderers=[bands])]


def _draw_lines(plot: figure, d: Dispersion) -> list[LegendItem]:
    """Draw every mode as a thin line, in pieces where the path has breaks."""
    modes = np.flatnonzero(np.isfinite(d.frequency).any(axis=0))
    pieces = [(p, m) for p in d.pieces for m in modes]
    source = ColumnDataSource({
        "x": [d.distance[p] for p, _ in pieces], "y": [d.frequency[p, m] for p, m in pieces],
    })  # fmt: skip
    colour = theme.THIN if d.bulk_band.size else theme.RULE  # alone, lines may be stronger
    lines = plot.multi_line(
        "x", "y", source=source, name="modes", line_color=colour, line_width=0.5
    )
    return [LegendItem(label="slab modes", renderers=[lines])]


def _draw_dots(plot: figure, d: Dispersion, largest: float) -> list[LegendItem]:
    """Draw each kind of surface mode with its dots; those of bulk modes show under the mouse."""
    known = np.isfinite(d.frequency)
    thin = known & ~np.isin(d.mode_kind, list(theme.KIND_COLOURS))
    dots = [_scatter(plot, d, thin, "bulk", theme.INK, largest, visible=False)]
    items = []
    for kind, words in theme.kind_words(_kinds([d])).items():
        chosen = known & (d.mode_kind == kind)
        dots.append(_scatter(plot, d, chosen, kind, theme.KIND_COLOURS[kind], largest))
        items.append(LegendItem(label=words, renderers=[dots[-1]]))
    plot.add_tools(HoverTool(renderers=dots, tooltips=[
        ("mode", "@mode at k @k"), ("frequency", f"@frequency{{0.0000}} {d.unit}"),
        ("surface weight", "@surface_weight{0.000}"), ("kind", "$name"),
    ]))  # fmt: skip
    return items


def _kinds(dispersions: Sequence[Dispersion]) -> list[str]:
    """List the kinds of surface modes that there are, in the order of the legend."""
    there = {str(kind) for d in dispersions for kind in np.unique(d.mode_kind)}
    return [kind for kind in theme.KIND_COLOURS if kind in there]


def _scatter(
    plot: figure, d: Dispersion, chosen: NDArray[np.bool_], name: str, colour: str,
    largest: float, *, visible: bool = True,
) -> GlyphRenderer:  # fmt: skip
    k, mode = np.nonzero(chosen)
    weight = d.surface_weight[k, mode]
    source = ColumnDataSource({
        "distance": d.distance[k], "frequency": d.frequency[k, mode], "k": k, "mode": mode,
        "surface_weight": weight,
        "size": SMALLEST + (largest - SMALLEST) * np.nan_to_num(weight, nan=0.5),
    })  # fmt: skip
    return plot.scatter(
        "distance", "frequency", source=source, name=name, size="size", line_color=None,
        fill_color=colour, fill_alpha=1.0 if visible else 0.0,
        hover_fill_color=colour, hover_fill_alpha=1.0, hover_line_color=theme.INK,
    )  # fmt: skip


def draw_path_marks(plot: figure, d: Dispersion, *, zero: bool) -> None:
    """Draw a line at each point of high symmetry, and at zero when modes lie below it."""
    plot.vspan(x=[at for at, _ in d.labels], name="labels", line_color=theme.RULE, line_width=1)
    if zero:
        plot.hspan(y=[0.0], name="zero", line_color=theme.INK, line_width=1)


def _legend_strip(dispersions: Sequence[Dispersion], width: int) -> figure:
    """Draw a legend alone, as wide as the panels above it."""
    strip = theme.legend_strip(width)
    banded = any(d.bulk_band.size for d in dispersions)
    items = [theme.key(strip, "bulk bands", theme.BAND, patch=True)] if banded else []
    items.append(theme.key(strip, "slab modes", theme.THIN, line=1))
    for kind, words in theme.kind_words(_kinds(dispersions)).items():
        items.append(theme.key(strip, words, theme.KIND_COLOURS[kind], dot=7))
    legend = theme.new_legend(items)
    legend.click_policy = "none"
    strip.add_layout(legend, "center")
    return strip
