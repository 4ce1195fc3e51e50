"""Localised modes of defects against any axis, with their expansion and the critical mass."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from bokeh.models import ColumnDataSource, LayoutDOM, LegendItem, Range1d
from bokeh.plotting import figure

import sweep
from dashboards import theme
from dashboards.views.impurity_lines import (
    Along,
    Lines,
    add_legend,
    add_lines,
    along,
    collect_lines,
    colours_of,
    columns_of,
    fewer,
    frame_size,
    limits,
    lines_moved,
    most_points,
    nothing,
    open_plot,
    sample,
    scan_controls,
    shown_lines,
    taken,
    thin,
    value_at,
)
from dashboards.views.view import Asked, Control, FloatArray, Frame, Results, Table, View

MODE, MODES = "local_mode_squared", "local_modes_squared"
EXPANSION, CRITICAL = "local_mode_expansion", "critical_mass_ratio"
OWN = ("polarization", "local_mode")
MASS = "mass_ratio"
BAND_TOPS = {"sc-isotropic": 12.0, "fcc-springs": 8.0}
"""Highest squared frequencies of hosts with one spring constant, spring/mass."""
ROOTS = {"spring/mass": "sqrt(k/m)", "THz^2": "THz"}
"""Unit of a frequency by that of its square."""
MOST_DOTS = 4000
BOTH = "both"


@dataclass(frozen=True, slots=True)
class Localised:
    """Localised modes along an axis; squared frequencies or frequencies."""

    lines: Lines
    """Modes in which the impurity moves; NaN for pairs and groups."""
    expansion: FloatArray
    """(lines, kinds, nx), NaN where there is none."""
    every: FloatArray
    """(lines, modes, nx), all localised modes, NaN-padded."""
    critical: FloatArray
    """(lines, kinds), NaN if it is not finite or x is not the mass."""
    top: FloatArray
    """(lines,) top of the bands, NaN if not known."""


class LocalisedModes(View[Localised]):
    """The localised mode along an axis."""

    name = "localised"
    title = "localised modes"

    def fits(self, results: Results) -> bool:
        """Fit a store with localised modes."""
        return results.has(MODE) or results.has(MODES)

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer the quantity, its unit, polarizations, what runs along x and what has lines."""
        data, stored = results.dataset, _stored(results)
        unit = str(data[stored[0]].attrs.get("units", "1"))
        quantity = Control.of(
            "quantity", "quantity", [("squared", "squared frequency"), ("frequency", "frequency")],
            asked, "frequency" if unit.endswith("^2") else "squared",
        )  # fmt: skip
        found = [quantity]
        if quantity.value == "frequency" and ROOTS.get(unit) in sweep.FREQUENCY_UNITS:
            units = [(u, theme.unit_text(u)) for u in sweep.FREQUENCY_UNITS]
            found.append(Control.of("unit", "unit", units, asked))
        if MODE in stored and data.sizes.get("polarization", 1) > 1:
            kinds = [(w, w) for w in map(str, data["polarization"].values)]
            found.append(Control.of(
                "polarization", "polarization", [(BOTH, BOTH), *kinds], asked
            ))  # fmt: skip
        return [*found, *scan_controls(results, stored, OWN, asked, first=[MASS])]

    def collect(self, results: Results, chosen: Asked) -> Localised:
        """Take modes, their expansion, and the critical mass out of the store."""
        kinds = chosen.get("polarization", BOTH)
        chosen = {k: v for k, v in chosen.items() if k != "polarization"}
        data, main = results.dataset, _stored(results)[0]
        if main == MODE:
            lines = collect_lines(results, MODE, chosen)
        else:  # only the list of all modes is stored
            lines = collect_lines(results, MODES, chosen, kind="")
            lines = replace(lines, y=np.full_like(lines.y, np.nan))
        every = np.full((len(lines.y), 0, lines.y.shape[2]), np.nan)
        if MODES in data:
            modes = along(data, "local_mode")
            every = taken(data[MODES], (lines.line, modes, lines.x), lines.place)
        if not lines.finite():
            if not np.isfinite(every).any():
                raise nothing(results, "localised mode", lines.place)
            lines = replace(lines, y=lines.y[:, :1], error=lines.error[:, :1], kind=Along())
        dims = (lines.line, lines.kind, lines.x)
        expansion = np.full_like(lines.y, np.nan)
        if EXPANSION in data:
            expansion = taken(data[EXPANSION], dims, lines.place)
        found = Localised(lines, expansion, every, _critical(results, lines), _tops(results, lines))
        return _in_unit(_of_kind(found, kinds), str(data[main].attrs.get("units", "1")), chosen)

    def draw(self, collected: Localised, frame: Frame) -> LayoutDOM:
        """Draw lines, dotted expansions, the top of the bands, marks at the critical masses."""
        c = collected
        plot = open_plot(
            f"localised modes{c.lines.at}", c.lines.x,
            theme.with_unit(c.lines.quantity, c.lines.unit), frame_size(frame),
        )  # fmt: skip
        low, high = limits(c.lines.y, c.every, c.top)
        plot.y_range = Range1d(low, high)
        items = _add_tops(plot, c)
        items += _add_expansion(plot, c)
        items += _add_every(plot, c)
        items = add_lines(plot, c.lines) + items
        items += _add_critical(plot, c, low)
        add_legend(plot, items, c.lines)
        return plot

    def table(self, collected: Localised) -> Table:
        """Give a row for each line, polarization, and place along x."""
        c, shape = collected, collected.lines.y.shape
        unit, squares = c.lines.unit, c.lines.quantity
        found = columns_of(c.lines) | {squares: c.lines.y.ravel(), "error": c.lines.error.ravel()}
        if np.isfinite(c.expansion).any():
            found["expansion"] = c.expansion.ravel()
        if np.isfinite(c.critical).any():
            found["critical mass ratio"] = np.broadcast_to(c.critical[..., None], shape).ravel()
        if np.isfinite(c.top).any():
            found["top of the bands"] = np.broadcast_to(c.top[:, None, None], shape).ravel()
        for i in range(c.every.shape[1]):
            found[f"localised mode {i + 1}"] = np.broadcast_to(c.every[:, i, None], shape).ravel()
        unitless = {*columns_of(c.lines), "critical mass ratio"}
        return Table(found, {n: unit for n in found if n not in unitless})

    def moved(self, collected: Localised, results: Results, finished: FloatArray) -> float | None:
        """Look at the modes along an axis of numbers."""
        return lines_moved(collected.lines, results, finished)


def _stored(results: Results) -> list[str]:
    return [n for n in (MODE, MODES) if results.has(n)]


def _critical(results: Results, lines: Lines) -> FloatArray:
    """Give (lines, kinds) critical masses: they are the same at all masses that are finished."""
    data = results.dataset
    if CRITICAL not in data or lines.x.name != MASS:
        return np.full(lines.y.shape[:2], np.nan)
    along_x = taken(data[CRITICAL], (lines.line, lines.kind, lines.x), lines.place)
    known = np.isfinite(along_x)
    return np.where(
        known.any(axis=2), np.take_along_axis(along_x, known.argmax(axis=2)[..., None], 2)[..., 0],
        np.nan,
    )  # fmt: skip


def _tops(results: Results, lines: Lines) -> FloatArray:
    """Give (lines,) tops of the bands of hosts whose top has a closed form."""
    data = results.dataset
    if data[_stored(results)[0]].attrs.get("units") != "spring/mass" or lines.x.name == "host":
        return np.full(len(lines.y), np.nan)
    hosts = [
        value_at(results, "host", {**lines.place, lines.line.name: int(i)}, "sc-isotropic")
        for i in lines.line.order
    ]
    return np.array([BAND_TOPS.get(h, np.nan) for h in hosts])


def _of_kind(c: Localised, kind: str) -> Localised:
    """Keep one polarization."""
    if kind not in c.lines.kind.words:
        return c
    i = c.lines.kind.words.index(kind)
    lines = replace(
        c.lines, y=c.lines.y[:, [i]], error=c.lines.error[:, [i]],
        kind=Along("polarization", "polarization", np.zeros(1), (kind,), np.array([i])),
        at=f"{c.lines.at or ' at'}{',' if c.lines.at else ''} {kind}",
    )  # fmt: skip
    return replace(c, lines=lines, expansion=c.expansion[:, [i]], critical=c.critical[:, [i]])


def _in_unit(c: Localised, stored: str, chosen: Asked) -> Localised:
    """Give squared frequencies as they are, or their roots in the unit that is asked for."""
    if chosen["quantity"] == "squared":
        return replace(c, lines=replace(c.lines, quantity="squared frequency"))
    unit = ROOTS.get(stored, f"sqrt({stored})")
    factor, wanted = 1.0, chosen.get("unit", unit)
    if unit in sweep.FREQUENCY_UNITS and wanted in sweep.FREQUENCY_UNITS:
        factor, unit = sweep.FREQUENCY_UNITS[wanted] / sweep.FREQUENCY_UNITS[unit], wanted

    def root(squared: FloatArray) -> FloatArray:
        return factor * np.sqrt(np.where(squared >= 0, squared, np.nan))

    y = root(c.lines.y)
    lines = replace(
        c.lines, y=y, error=factor**2 * c.lines.error / (2 * np.where(y > 0, y, np.nan)),
        quantity="frequency", unit=theme.unit_text(unit),
    )  # fmt: skip
    return replace(
        c, lines=lines, expansion=root(c.expansion), every=root(c.every), top=root(c.top)
    )


# --- drawing ------------------------------------------------------------------------------


def _add_tops(plot: figure, c: Localised) -> list[LegendItem]:
    """Draw the top of the bands; of several hosts, in the colours of their lines."""
    places = shown_lines(c.lines)
    if not np.isfinite(c.top[places]).any():
        return []
    same = np.ptp(c.top[places]) == 0
    looks = [(c.top[0], theme.RULE)] if same else [
        (c.top[i], colours[0]) for i, colours in zip(places, colours_of(c.lines), strict=True)
        if np.isfinite(c.top[i])
    ]  # fmt: skip
    ends = [plot.x_range.start, plot.x_range.end]
    for top, colour in looks:
        plot.line(ends, [top, top], color=colour, line_width=1.2, name="top")
    return [sample(plot, "top of the bands", theme.RULE, width=1.2)]


def _add_expansion(plot: figure, c: Localised) -> list[LegendItem]:
    """Draw the expansions, dotted in the colours of their lines."""
    drawn = []
    for i, by_kind in zip(shown_lines(c.lines), colours_of(c.lines), strict=True):
        for k, colour in enumerate(by_kind):
            y = c.expansion[i, k]
            part = fewer(y, most_points(c.lines) // 2)
            if c.lines.x.words or np.isfinite(y).sum() < 2:
                continue
            source = ColumnDataSource({"x": thin(c.lines.x.values[part]), "y": thin(y[part])})
            drawn.append(plot.line("x", "y", source=source, color=colour, line_dash="dotted",
                                   line_width=1.4, name="expansion"))  # fmt: skip
    if not drawn:
        return []
    return [sample(plot, "expansion, three terms", theme.INK, dash="dotted", width=1.4)]


def _add_every(plot: figure, c: Localised) -> list[LegendItem]:
    """Draw all localised modes as dots in the colours of their lines."""
    if not np.isfinite(c.every).any():
        return []
    colours = [by_kind[0] for by_kind in colours_of(c.lines)]
    if len(colours) == 1 and c.lines.finite():
        colours = [theme.INK]
    most = MOST_DOTS // len(colours)
    for i, colour in zip(shown_lines(c.lines), colours, strict=True):
        places = np.argwhere(np.isfinite(c.every[i]))
        places = places[:: -(-len(places) // most) or 1]
        source = ColumnDataSource({
            "x": thin(c.lines.x.values[places[:, 1]]), "y": thin(c.every[i][tuple(places.T)])
        })  # fmt: skip
        plot.scatter("x", "y", source=source, size=6, color=colour, name="every")
    return [sample(plot, "every localised mode", theme.INK, marker="circle")]


def _add_critical(plot: figure, c: Localised, bottom: float) -> list[LegendItem]:
    """Mark the largest mass with a localised mode, at the top of the bands if that is known."""
    marks = [
        (float(c.critical[i, k]), float(np.nan_to_num(c.top[i], nan=bottom)), colour)
        for i, by_kind in zip(shown_lines(c.lines), colours_of(c.lines), strict=True)
        for k, colour in enumerate(by_kind)
        if plot.x_range.start <= c.critical[i, k] <= plot.x_range.end
    ]
    if not marks:
        return []
    x, y, colour = zip(*marks, strict=True)
    plot.scatter(list(x), list(y), marker="triangle", size=11, fill_color=list(colour),
                 line_color="white", name="critical")  # fmt: skip
    return [sample(plot, "critical mass ratio", theme.INK, marker="triangle")]
