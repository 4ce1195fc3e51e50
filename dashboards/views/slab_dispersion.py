"""Dispersion of a slab along a path: one point of a sweep, or two side by side.

Of slabs with very many modes the picture keeps the bulk bands, the surface modes and some of
the lines, so that a browser is never sent more than it can draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bokeh.layouts import column, row
from bokeh.models import (
    ColumnDataSource,
    GlyphRenderer,
    HoverTool,
    LayoutDOM,
    LegendItem,
    LinearColorMapper,
    LinearInterpolator,
    Range1d,
    TapTool,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.figures.dispersion import (
    Dispersion,
    bulk_outlines,
    collect_dispersion,
    draw_path_marks,
    frequency_range,
    name_path_axes,
)
from dashboards.figures.selecting import words_of
from dashboards.views.slab_parts import (
    fixed_of,
    frequency_unit,
    nothing,
    place_of,
    single,
    spread,
    unit_controls,
    words_at,
)
from dashboards.views.slab_pattern import draw_pattern, pattern_of
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
    chosen_of,
    dims_beside,
    index_of,
    point_controls,
    value_text,
)

OWN_DIMS = ("k", "mode", "band", "edge")
DRAWN = ("frequency", "mode_kind", "surface_weight", "bulk_band", "normal_weight", "mode_parity")
PATH = ("k_distance", "k_label")
OTHER = "other_"
"""Before the name of an axis: its value at the second point."""
COLOURS = {
    "kind": ("kind of surface mode", "mode_kind"),
    "weight": ("surface weight", "surface_weight"),
    "normal": ("share of motion along the normal", "normal_weight"),
    "parity": ("polarisation on mirror lines", "mode_parity"),
}
"""What dots are coloured by: words, and the variable that it takes."""
PARITIES = {"sagittal": theme.SERIES[0], "shear": theme.SERIES[1], "none": theme.RULE}
PARITY_WORDS = {
    "sagittal": "sagittal: in the plane of k and the normal", "shear": "shear: across that plane",
    "none": "mixed",
}  # fmt: skip
SURFACE = 0.5
"""Surface weight from which a mode counts as one of the surface where its kind is not known."""
MOST_DOTS, MOST_LINE_POINTS, MOST_EDGES, MOST_ROWS = 7600, 7800, 1200, 400
"""Dots, points of lines, edges of bands, and wavevectors of a picture."""
SMALLEST, LARGEST = 2.0, 7.0
"""Diameters of dots, for surface weight 0 and 1, in pixels."""
AXIS, BAR, SPACING, AROUND = 70, 90, 20, 122
"""Pixels of the frequency axis, of a colour bar, between panels, and above and below a frame."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Modes of one point."""

    d: Dispersion
    k: NDArray[np.intp]
    """(k,), places of the wavevectors in the store."""
    colour: FloatArray
    """(k, mode), a share from 0 to 1; NaN where not known."""
    parity: NDArray[np.str_]
    """(k, mode); empty where not known."""
    at: str
    """Where it is, in words."""


@dataclass(frozen=True, slots=True)
class Modes:
    """Modes of one point or two."""

    panels: tuple[Panel, ...]
    by: str
    """kind, weight, normal, parity; empty: nothing to colour by"""


class DispersionView(View[Modes]):
    """All modes along a path, over the projected bulk bands."""

    name = "dispersion"
    title = "dispersion"
    picks = ("k", "mode")
    picks_too = ("panel",)
    hint = "Click a mode to see how its layers move."

    def fits(self, results: Results) -> bool:
        """Fit frequencies along a path or a list."""
        on_mesh = "k_mesh" in fixed_of(results) or "k_mesh" in results.dataset.coords
        return results.has("frequency", "k_distance") and not on_mesh

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer a point, colours, a unit, and another point beside it."""
        points = point_controls(results, (*DRAWN, *PATH), OWN_DIMS, asked)
        known = [(n, w) for n, (w, variable) in COLOURS.items() if results.has(variable)]
        found = [*points]
        if known:
            found.append(Control.of("colour", "colour", known, asked))
        found += unit_controls(results, "frequency", asked)
        if points:
            yes_no = [("no", "nothing"), ("yes", "another point")]
            compare = Control.of("compare", "compare with", yes_no, asked)
            found.append(compare)
            if compare.value == "yes":
                found += _other_controls(results, points, asked)
        return found

    def collect(self, results: Results, chosen: Asked) -> Modes:
        """Take the modes of one point or two."""
        by = chosen.get("colour", "")
        panels = [_panel(results, chosen, by)]
        if chosen.get("compare") == "yes":
            panels.append(_panel(results, other_point(results, chosen), by))
        return Modes(tuple(panels), by)

    def draw(self, collected: Modes, frame: Frame) -> LayoutDOM:
        """Draw one panel, or two on one frequency scale."""
        return _draw(collected, frame)

    def table(self, collected: Modes) -> Table:
        """Give a row for each mode at each wavevector."""
        parts = [_rows(p, collected.by) for p in collected.panels]
        columns = {n: np.concatenate([p[n] for p in parts]) for n in parts[0]}
        d = collected.panels[0].d
        return Table(columns, {"frequency": d.unit, "k_distance": d.distance_unit})

    def detail(self, results: Results, chosen: Asked) -> LayoutDOM | None:
        """Draw how the layers move in the mode that was picked."""
        second = chosen.get("panel") == "1" and chosen.get("compare") == "yes"
        here = other_point(results, chosen) if second else chosen
        place = place_of(results, here, (*DRAWN, *PATH))
        return draw_pattern(pattern_of(results, place, chosen))


def other_point(results: Results, chosen: Asked) -> dict[str, str]:
    """Give the choice with the axes of the second point."""
    dims = dims_beside(results, (*DRAWN, *PATH), OWN_DIMS)
    return dict(chosen) | {d: chosen.get(OTHER + d, chosen.get(d, "")) for d in dims}


def _other_controls(results: Results, points: Sequence[Control], asked: Asked) -> list[Control]:
    data = results.dataset
    chosen = _neighbour(results, chosen_of(points))
    found = []
    for point in points:
        plain = {point.name: asked[OTHER + point.name]} if OTHER + point.name in asked else {}
        control = axis_control(data, point.name, plain, chosen[point.name])
        label = f"other {control.label}"
        found.append(replace(control, name=OTHER + point.name, label=label))
    return found


def _neighbour(results: Results, chosen: dict[str, str]) -> dict[str, str]:
    """Find a point that has a result and differs along one axis."""
    status = results.dataset["status"]
    good = np.isin(words_of(status), ["ok", "unstable"])
    place = {d: index_of(results.dataset, d, v) for d, v in chosen.items()}
    for dim in [d for d in chosen if d in status.dims]:
        values = axis_values(results.dataset, dim)
        for i in [*range(place[dim] + 1, len(values)), *range(place[dim])]:
            there = place | {dim: i}
            if good[tuple(there.get(str(d), 0) for d in status.dims)]:
                return chosen | {dim: value_text(values[i])}
    return chosen


def _panel(results: Results, chosen: Asked, by: str) -> Panel:
    data = results.dataset
    place = place_of(results, chosen, (*DRAWN, *PATH))
    point = data.isel(place)
    shape = ("k", "mode")
    if not np.isfinite(point["frequency"].values).any():
        raise nothing(results, place, "dispersion")
    d = collect_dispersion(point)
    k = np.flatnonzero(np.isfinite(point["k_distance"].values))
    scale, unit = frequency_unit(results, "frequency", chosen)
    d = replace(d, frequency=d.frequency * scale, bulk_band=d.bulk_band * scale, unit=unit)
    colour, parity = np.full(d.frequency.shape, np.nan), np.full(d.frequency.shape, "", "U16")
    if by == "weight":
        colour = d.surface_weight
    elif by == "normal":
        colour = point["normal_weight"].transpose(*shape).values[k].astype(np.float64)
    if "mode_parity" in point:
        parity = words_of(point["mode_parity"].transpose(*shape))[k]
    return Panel(d, k, colour, parity, words_at(data, place))


def _rows(panel: Panel, by: str) -> dict[str, NDArray[Any]]:
    """Give all modes of a panel, one after the other."""
    d = panel.d
    at, mode = np.nonzero(np.isfinite(d.frequency))
    columns: dict[str, NDArray[Any]] = {
        "point": np.full(len(at), panel.at or d.title), "k": panel.k[at], "k_distance":
        d.distance[at], "mode": mode, "frequency": d.frequency[at, mode],
        "surface_weight": d.surface_weight[at, mode], "mode_kind": d.mode_kind[at, mode],
        "mode_parity": panel.parity[at, mode],
    }  # fmt: skip
    if by in ("weight", "normal"):
        columns[COLOURS[by][1]] = panel.colour[at, mode]
    return columns


# --- what is drawn of many ------------------------------------------------------------------


def rows_drawn(d: Dispersion, most: int) -> NDArray[np.intp]:
    """Choose wavevectors: evenly, and those with names and at breaks of the path."""
    ends = [i for p in d.pieces for i in (p.start, p.stop - 1)]
    named = [int(np.argmin(np.abs(d.distance - at))) for at, _ in d.labels]
    kept = spread(len(d.distance), most)
    return np.unique(np.concatenate([kept, ends, named]).astype(np.intp))


def lines_drawn(d: Dispersion, count: int) -> int:
    """Say how many modes have lines in one of `count` panels."""
    return max(MOST_LINE_POINTS // count // len(rows_drawn(d, MOST_ROWS // count)), 2)


def line_columns(d: Dispersion, rows: NDArray[np.intp], modes: NDArray[np.intp]) -> dict[str, Any]:
    """Write lines as one, with a hole after each piece of each mode."""
    x, y = [], []
    hole = np.full((1, len(modes)), np.nan)
    for piece in d.pieces:
        here = rows[(rows >= piece.start) & (rows < piece.stop)]
        x.append(np.append(d.distance[here], np.nan))
        y.append(np.concatenate([d.frequency[np.ix_(here, modes)], hole]))
    along = np.concatenate(x)
    return {
        "x": single(np.tile(along, len(modes))), "y": single(np.concatenate(y).T.ravel()),
    }  # fmt: skip


def dots_drawn(
    d: Dispersion, rows: NDArray[np.intp], modes: NDArray[np.intp], most: int
) -> NDArray[np.bool_]:
    """Choose modes for dots, (k, mode): all, or surface modes and some of those on lines."""
    known = np.isfinite(d.frequency)
    if known.sum() <= most:
        return known
    if d.mode_kind.any():
        surface = known & np.isin(d.mode_kind, list(theme.KIND_COLOURS))
    else:
        surface = known & (np.nan_to_num(d.surface_weight) >= SURFACE)
    chosen = _every(surface, most)
    beside = np.zeros_like(known)
    beside[np.ix_(rows, modes)] = True
    beside &= known & ~surface
    left = most - int(chosen.sum())
    return chosen | _every(beside, left) if left > len(rows) else chosen


def _every(chosen: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Keep every so many wavevectors, until no more than `most` dots are left."""
    step = max(-(-int(chosen.sum()) // max(most, 1)), 1)
    kept = chosen.copy()
    while kept.sum() > most and step <= len(chosen):
        kept = np.zeros_like(chosen)
        kept[::step] = chosen[::step]
        step += 1
    return kept if kept.sum() <= most else np.zeros_like(chosen)


# --- drawing ------------------------------------------------------------------------------


def _draw(modes: Modes, frame: Frame) -> LayoutDOM:
    count = len(modes.panels)
    shares = modes.by in ("weight", "normal")
    room = frame.width - AXIS - (BAR if shares else 0) - SPACING * (count - 1)
    limits = frequency_range([p.d for p in modes.panels])
    mapper = LinearColorMapper(palette=list(theme.WEIGHTS), low=0, high=100)
    plots = [
        _draw_panel(p, i, modes.by, (room // count, frame.height - AROUND), limits, mapper, count)
        for i, p in enumerate(modes.panels)
    ]
    for plot in plots[1:]:
        plot.yaxis.axis_label = None
        plot.yaxis.major_label_text_font_size = "0px"
        plot.y_range = plots[0].y_range
    if shares:
        title = f"{COLOURS[modes.by][0]} (%)"
        plots[-1].add_layout(theme.new_colour_bar(mapper, title), "right")
    return column(row(*plots, spacing=SPACING), _legend(modes, frame.width))


def _draw_panel(
    panel: Panel, number: int, by: str, size: tuple[int, int], limits: tuple[float, float],
    mapper: LinearColorMapper, count: int,
) -> figure:  # fmt: skip
    """Draw one point, with a share `1/count` of the dots and lines of a picture."""
    d = panel.d
    start, end = float(d.distance[0]), float(d.distance[-1])
    plot = theme.new_figure(
        title=d.title, frame_width=size[0], frame_height=size[1], y_range=Range1d(*limits),
        x_range=Range1d(start, end if end > start else start + 1),
    )  # fmt: skip
    name_path_axes(plot, d, unstable=limits[0] < 0)
    draw_bands(plot, d, MOST_EDGES // count)
    rows = rows_drawn(d, MOST_ROWS // count)
    there = np.flatnonzero(np.isfinite(d.frequency).any(axis=0))
    lines = there[spread(len(there), lines_drawn(d, count))]
    plot.line(
        "x", "y", source=ColumnDataSource(line_columns(d, rows, lines)), name="modes",
        line_color=theme.THIN if d.bulk_band.size else theme.RULE, line_width=0.5,
    )  # fmt: skip
    draw_path_marks(plot, d, zero=limits[0] < 0)
    dots = dots_drawn(d, rows, lines, MOST_DOTS // count)
    _draw_dots(plot, panel, dots, by, mapper, number)
    return plot


def draw_bands(plot: figure, d: Dispersion, most: int = MOST_EDGES) -> GlyphRenderer | None:
    """Shade the bulk bands, with at most so many bands in all along the path."""
    count = d.bulk_band.shape[1]
    if not count or not np.isfinite(d.bulk_band).any():
        return None
    rows = rows_drawn(d, most // count)
    outlines = bulk_outlines(replace(d, distance=d.distance[rows], bulk_band=d.bulk_band[rows]))
    source = ColumnDataSource({
        "x": [single(np.array(x)) for x, _ in outlines],
        "y": [single(np.array(y)) for _, y in outlines],
    })  # fmt: skip
    return plot.patches("x", "y", source=source, name="bulk bands", fill_color=theme.BAND,
                        line_color=theme.BAND, line_width=0.5)  # fmt: skip


def _draw_dots(
    plot: figure, panel: Panel, dots: NDArray[np.bool_], by: str, mapper: LinearColorMapper,
    number: int,
) -> None:  # fmt: skip
    """Draw dots kind by kind, so that the mouse tells the kind; bulk modes first."""
    d, found = panel.d, []
    share = {"field": "colour", "transform": mapper}
    for kind in ("", "bulk", *theme.KIND_COLOURS):
        chosen = dots & (d.mode_kind == kind)
        if by == "parity":
            for parity, colour in PARITIES.items():
                some = chosen & (panel.parity == parity)
                found.append(_scatter(plot, panel, some, kind, colour, number))
        elif by in ("weight", "normal"):
            found.append(_scatter(plot, panel, chosen, kind, share, number))
        else:
            colour = theme.KIND_COLOURS.get(kind, theme.INK)
            seen = kind in theme.KIND_COLOURS
            found.append(_scatter(plot, panel, chosen, kind, colour, number, visible=seen))
    renderers = [r for r in found if r is not None]
    plot.add_tools(HoverTool(renderers=renderers, tooltips=_tooltips(panel, by)),
                   TapTool(renderers=renderers))  # fmt: skip


def _tooltips(panel: Panel, by: str) -> list[tuple[str, str]]:
    told = [("frequency", f"@y{{0.0000}} {panel.d.unit}")]
    if np.isfinite(panel.d.surface_weight).any():
        told.append(("surface weight", "@weight %"))
    if by == "normal":
        told.append(("along the normal", "@colour %"))
    if panel.d.mode_kind.any():
        told.append(("kind", "$name"))
    return [*told, ("mode", "@choose_mode at wavevector @choose_k")]


def _scatter(
    plot: figure, panel: Panel, chosen: NDArray[np.bool_], kind: str,
    colour: str | Mapping[str, Any], number: int, *, visible: bool = True,
) -> GlyphRenderer | None:  # fmt: skip
    if not chosen.any():
        return None
    d = panel.d
    at, mode = np.nonzero(chosen)
    weight = d.surface_weight[at, mode]
    columns: dict[str, Any] = {
        "x": single(d.distance[at]), "y": single(d.frequency[at, mode]),
        "choose_k": _short(panel.k[at]), "choose_mode": _short(mode),
        "choose_panel": np.full(len(at), number, np.uint8),  # each dot in as few bytes as it takes
    }  # fmt: skip
    size: Any = (SMALLEST + LARGEST) / 2
    if np.isfinite(weight).any():
        columns["weight"] = _percent(weight)
        size = {"field": "weight", "transform": LinearInterpolator(
            x=[0, 100], y=[SMALLEST, LARGEST], clip=False)}  # fmt: skip
    if isinstance(colour, Mapping):
        columns["colour"] = _percent(panel.colour[at, mode])
    alpha = 1.0 if visible else 0.0
    return plot.scatter(
        "x", "y", source=ColumnDataSource(columns), size=size, name=kind or "mode",
        fill_color=colour, line_color=None, fill_alpha=alpha, hover_fill_color=colour,
        hover_fill_alpha=1.0, hover_line_color=theme.INK, nonselection_fill_color=colour,
        nonselection_fill_alpha=alpha, nonselection_line_color=None,
        selection_fill_color=colour, selection_fill_alpha=1.0, selection_line_color=theme.INK,
        selection_line_width=2,
    )  # fmt: skip


def _short(places: NDArray[np.intp]) -> NDArray[Any]:
    return places.astype(np.min_scalar_type(int(places.max())))


def _percent(shares: FloatArray) -> NDArray[np.uint8]:
    return np.nan_to_num(100 * shares).round().astype(np.uint8)


def _legend(modes: Modes, width: int) -> figure:
    """Draw the legend below all panels."""
    strip = theme.legend_strip(width)
    items: list[LegendItem] = []
    if any(np.isfinite(p.d.bulk_band).any() for p in modes.panels):
        items.append(theme.key(strip, "bulk bands", theme.BAND, patch=True))
    some = any(lines_drawn(p.d, len(modes.panels)) < p.d.frequency.shape[1] for p in modes.panels)
    told = "some of the modes of the slab" if some else "modes of the slab"
    items.append(theme.key(strip, told, theme.THIN, line=1.5))
    if modes.by == "parity":
        there = {str(w) for p in modes.panels for w in np.unique(p.parity)}
        items += [theme.key(strip, PARITY_WORDS[w], c, dot=7) for w, c in PARITIES.items()
                  if w in there]  # fmt: skip
    elif modes.by == "kind":
        there = {str(w) for p in modes.panels for w in np.unique(p.d.mode_kind)}
        kinds = [k for k in theme.KIND_COLOURS if k in there]
        items += [theme.key(strip, text, theme.KIND_COLOURS[kind], dot=7)
                  for kind, text in theme.kind_words(kinds).items()]  # fmt: skip
    if any(np.isfinite(p.d.surface_weight).any() for p in modes.panels):
        items.append(theme.key(strip, "larger: more surface weight", theme.INK, dot=7))
    legend = theme.new_legend(items)
    legend.click_policy = "none"
    strip.add_layout(legend, "center")
    return strip
