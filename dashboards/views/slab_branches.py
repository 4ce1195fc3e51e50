"""Surface branches along a path, coloured by where or how they move, over the bulk bands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray
from bokeh.layouts import column
from bokeh.models import (
    ColumnDataSource,
    HoverTool,
    LayoutDOM,
    LinearColorMapper,
    Range1d,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.figures.dispersion import (
    Dispersion,
    draw_path_marks,
    frequency_range,
    name_path_axes,
    path_labels,
    point_title,
)
from dashboards.figures.selecting import unit_of
from dashboards.views.slab_dispersion import draw_bands, line_columns, rows_drawn
from dashboards.views.slab_parts import frequency_unit, nothing, place_of, single, unit_controls
from dashboards.views.slab_parts import spread as evenly
from dashboards.views.view import (
    Asked,
    Control,
    FloatArray,
    Frame,
    Results,
    Table,
    View,
    point_controls,
)

BRANCH = "surface_branch"
OWN_DIMS = ("k", "branch", "mode", "band", "edge")
DRAWN = (BRANCH, "frequency", "bulk_band", "k_distance", "k_label")
COLOURS = {
    "surface_branch_surface_weight": "share in the outer layers",
    "surface_branch_top_weight": "share in the top face",
    "surface_branch_normal_weight": "share of motion along the normal",
    "surface_branch_depth": "mean depth (layers)",
}
PLAIN = "none"
MOST_SEGMENTS, MOST_LINE_POINTS, MOST_ROWS = 4500, 6000, 300
DEEPEST = 0.9
"""Share of the branches whose depths have colours of their own; near the bulk they diverge."""
AXIS, BAR, AROUND = 70, 100, 122


@dataclass(frozen=True, slots=True)
class Followed:
    """Surface branches of one point."""

    d: Dispersion
    """Path, bulk bands, and the modes of a slab where they are stored."""
    branch: FloatArray
    """(k, branch), NaN where a branch is not."""
    colour: FloatArray
    """(k, branch), NaN where not known."""
    by: str
    """Variable that colours; "none"."""


class BranchesView(View[Followed]):
    """Surface branches over the bulk bands."""

    name = "branches"
    title = "surface branches"

    def fits(self, results: Results) -> bool:
        """Fit branches along a path."""
        return results.has(BRANCH, "k_distance")

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer a point, colours and a unit."""
        known = [(n, w) for n, w in COLOURS.items() if results.has(n)]
        colours = [Control.of("colour", "colour", known, asked)] if known else []
        return [
            *point_controls(results, DRAWN, OWN_DIMS, asked), *colours,
            *unit_controls(results, BRANCH, asked),
        ]  # fmt: skip

    def collect(self, results: Results, chosen: Asked) -> Followed:
        """Take the branches of one point out of the store."""
        place = place_of(results, chosen, DRAWN)
        point = results.dataset.isel(place)
        scale, unit = frequency_unit(results, BRANCH, chosen)
        branch = scale * _array(point, BRANCH, "branch")
        if not np.isfinite(branch).any():
            raise nothing(results, place, "surface branch")
        by = chosen.get("colour", PLAIN)
        colour = _array(point, by, "branch") if by in point else np.full_like(branch, np.nan)
        d = _path_of(results.dataset, point, scale, unit)
        kept = np.isfinite(point["k_distance"].values)
        return Followed(d, branch[kept], colour[kept], by)

    def draw(self, collected: Followed, frame: Frame) -> LayoutDOM:
        """Draw branches as lines that change their colour."""
        return _draw(collected, frame)

    def table(self, collected: Followed) -> Table:
        """Give a row for each branch at each wavevector."""
        d = collected.d
        k, branch = np.nonzero(np.isfinite(collected.branch))
        columns: dict[str, NDArray[Any]] = {
            "k": k, "k_distance": d.distance[k], "branch": branch,
            BRANCH: collected.branch[k, branch],
        }  # fmt: skip
        if collected.by != PLAIN:
            columns[collected.by] = collected.colour[k, branch]
        return Table(columns, {BRANCH: d.unit, "k_distance": d.distance_unit})


def _array(point: xarray.Dataset, name: str, dim: str) -> FloatArray:
    return np.asarray(point[name].transpose("k", dim).values, dtype=np.float64)


def _path_of(whole: xarray.Dataset, point: xarray.Dataset, scale: float, unit: str) -> Dispersion:
    """Give the path with what is stored of bulk bands and modes."""
    distance = np.asarray(point["k_distance"].values, dtype=np.float64)
    kept = np.isfinite(distance)
    count = int(kept.sum())
    frequency, band = np.empty((count, 0)), np.empty((count, 0, 2))
    if "frequency" in point:
        frequency = scale * _array(point, "frequency", "mode")[kept]
    if "bulk_band" in point:
        band = scale * point["bulk_band"].transpose("k", "band", "edge").values[kept]
    return Dispersion(
        distance[kept], frequency, np.full(frequency.shape, ""), np.full(frequency.shape, np.nan),
        band, path_labels(point, distance), unit, unit_of(point, "k_distance"),
        point_title(whole, point),
    )  # fmt: skip


# --- drawing ------------------------------------------------------------------------------


def segments(f: Followed) -> dict[str, Any]:
    """Cut branches into steps to the next wavevector, each with its mean colour."""
    rows = rows_drawn(f.d, MOST_ROWS)
    found: dict[str, list[FloatArray]] = {n: [] for n in ("x0", "y0", "x1", "y1", "colour")}
    for piece in f.d.pieces:
        here = rows[(rows >= piece.start) & (rows < piece.stop)]
        y, c = f.branch[here], f.colour[here]
        step, branch = np.nonzero(np.isfinite(y[:-1]) & np.isfinite(y[1:]))
        x = f.d.distance[here]
        parts = (x[step], y[step, branch], x[step + 1], y[step + 1, branch],
                 (c[step, branch] + c[step + 1, branch]) / 2)  # fmt: skip
        for name, part in zip(found, parts, strict=True):
            found[name].append(part)
    whole = {n: np.concatenate(parts) for n, parts in found.items()}
    kept = evenly(len(whole["x0"]), MOST_SEGMENTS)
    return {n: single(v[kept]) for n, v in whole.items()}


def _draw(f: Followed, frame: Frame) -> LayoutDOM:
    coloured = bool(np.isfinite(f.colour).any())
    both = replace(f.d, frequency=np.concatenate([f.d.frequency, f.branch], axis=1))
    low, high = frequency_range([both])
    start, end = float(f.d.distance[0]), float(f.d.distance[-1])
    plot = theme.new_figure(
        title=f"surface branches: {f.d.title}" if f.d.title else "surface branches",
        frame_width=frame.width - AXIS - (BAR if coloured else 20),
        frame_height=frame.height - AROUND, y_range=Range1d(low, high),
        x_range=Range1d(start, end if end > start else start + 1),
    )  # fmt: skip
    name_path_axes(plot, f.d, unstable=low < 0)
    banded = draw_bands(plot, f.d) is not None
    lined = _draw_modes(plot, f.d)
    draw_path_marks(plot, f.d, zero=low < 0)
    deep = coloured and f.by.endswith("depth")
    top = float(np.nanquantile(f.colour, DEEPEST)) if deep else 1.0
    palette = theme.WEIGHTS[::-1] if f.by.endswith("depth") else theme.WEIGHTS
    mapper = LinearColorMapper(palette=list(palette), low=0, high=top or 1.0)
    _draw_branches(plot, f, mapper, coloured=coloured)
    if coloured:
        plot.add_layout(theme.new_colour_bar(mapper, COLOURS[f.by]), "right")
    return column(plot, _legend(frame.width, banded=banded, lined=lined))


def _draw_modes(plot: figure, d: Dispersion) -> bool:
    there = np.flatnonzero(np.isfinite(d.frequency).any(axis=0))
    rows = rows_drawn(d, MOST_ROWS)
    modes = there[evenly(len(there), max(MOST_LINE_POINTS // len(rows), 2))]
    if len(modes):
        plot.line("x", "y", source=ColumnDataSource(line_columns(d, rows, modes)), name="modes",
                  line_color=theme.THIN, line_width=0.5)  # fmt: skip
    return bool(len(modes))


def _draw_branches(plot: figure, f: Followed, mapper: LinearColorMapper, *, coloured: bool) -> None:
    """Draw steps; dots under them hold what stands alone, and what the mouse tells."""
    colour: Any = {"field": "colour", "transform": mapper} if coloured else theme.SERIES[0]
    plot.segment("x0", "y0", "x1", "y1", source=ColumnDataSource(segments(f)), name="branches",
                 line_width=3.5, line_cap="round", line_color=colour)  # fmt: skip
    k, branch = np.nonzero(np.isfinite(f.branch))
    kept = evenly(len(k), MOST_SEGMENTS)
    k, branch = k[kept], branch[kept]
    source = ColumnDataSource({
        "x": single(f.d.distance[k]), "y": single(f.branch[k, branch]),
        "colour": single(f.colour[k, branch]), "branch": branch.astype(np.uint8),
    })  # fmt: skip
    dots = plot.scatter("x", "y", source=source, name="points", size=3.5, line_color=None,
                        fill_color=colour)  # fmt: skip
    told = [(COLOURS[f.by], "@colour{0.000}")] if coloured else []
    plot.add_tools(HoverTool(renderers=[dots], tooltips=[
        ("branch", "@branch"), ("frequency", f"@y{{0.0000}} {f.d.unit}"), *told,
    ]))  # fmt: skip


def _legend(width: int, *, banded: bool, lined: bool) -> figure:
    strip = theme.legend_strip(width)
    items = [theme.key(strip, "bulk bands", theme.BAND, patch=True)] if banded else []
    if lined:
        items.append(theme.key(strip, "modes of the slab", theme.THIN, line=1.5))
    items.append(theme.key(strip, "surface branches", theme.SERIES[0], line=3.5))
    legend = theme.new_legend(items)
    legend.click_policy = "none"
    strip.add_layout(legend, "center")
    return strip
