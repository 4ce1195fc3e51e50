"""Spectra of one point of a sweep of defects: the defect against its host, and the change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, HoverTool, LayoutDOM, Range1d
from bokeh.plotting import figure

from dashboards import theme
from dashboards.views.impurity_lines import (
    Along,
    along,
    at_text,
    fewer,
    limits,
    nothing,
    place_in,
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
    point_controls,
)

OF_ATOMS = {
    "impurity_dos": ("defect", "solid", 2.2),
    "host_dos": ("host", "dashed", 1.6),
    "neighbour_dos": ("atoms beside it", "dotted", 1.8),
}
"""Words and looks of what is shown of single atoms."""
OF_CRYSTAL = {
    "dos_change": "change of the density of states",
    "states_change": "change of the states below",
}
"""Words of what is shown of the whole crystal, a panel each."""
POINTS = 700
"""Of each curve."""
SPACING, AXIS, ABOVE = 16, 64, 130
"""Pixels between panels, of the numbers beside each, and of all that is not the frame."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """One curve over the frequency."""

    variable: str
    polarization: str
    """Empty if it is a mean or a sum."""
    y: FloatArray
    """(grid,)."""
    error: FloatArray
    """(grid,), NaN where not known."""
    unit: str


@dataclass(frozen=True, slots=True)
class DefectSpectra:
    """All curves of one point."""

    grid: FloatArray
    grid_unit: str
    atoms: tuple[Spectrum, ...]
    crystal: tuple[Spectrum, ...]
    at: str


class DefectSpectraView(View[DefectSpectra]):
    """Spectra of one point."""

    name = "defect-spectra"
    title = "spectra of a defect"

    def fits(self, results: Results) -> bool:
        """Fit a store with spectra of a defect or their change."""
        return results.has("grid") and bool({"impurity_dos", "dos_change"} & {*_stored(results)})

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer the point."""
        return point_controls(results, _stored(results), ["grid", "polarization"], asked)

    def collect(self, results: Results, chosen: Asked) -> DefectSpectra:
        """Take all spectra of a point out of the store."""
        data, stored = results.dataset, _stored(results)
        dims = dict.fromkeys(str(d) for n in stored for d in data[n].dims)
        own = ("grid", "polarization")
        place = {
            d: i for d in dims
            if d not in own and (i := place_in(data, d, chosen.get(d))) is not None
        }  # fmt: skip
        grid = along(data, "grid")
        found = [s for n in stored for s in _spectra(results, n, grid, place)]
        if not found:
            raise nothing(results, "spectrum", place)
        return DefectSpectra(
            grid.values, theme.unit_text(str(data["grid"].attrs.get("units", "1"))),
            tuple(s for s in found if s.variable in OF_ATOMS),
            tuple(s for s in found if s.variable in OF_CRYSTAL), at_text(data, place),
        )  # fmt: skip

    def draw(self, collected: DefectSpectra, frame: Frame) -> LayoutDOM:
        """Draw the atoms in one panel, each change of the crystal in another."""
        c = collected
        panels = [c.atoms] if c.atoms else []
        panels += [(s,) for s in c.crystal]
        wide = (frame.width - SPACING * (len(panels) - 1)) // len(panels) - AXIS
        plots = [_panel(c, p, (wide, frame.height - ABOVE)) for p in panels]
        for plot in plots[1:]:
            plot.x_range = plots[0].x_range
        head = theme.headline("", f"spectra{c.at}" if c.at else "", frame.width)
        return column(*head, row(*plots, spacing=SPACING), *_legend(c, frame.width))

    def table(self, collected: DefectSpectra) -> Table:
        """Give a row for each frequency."""
        columns, units = {"frequency": collected.grid}, {"frequency": collected.grid_unit}
        for s in (*collected.atoms, *collected.crystal):
            name = f"{s.variable} {s.polarization}".strip()
            columns[name], units[name] = s.y, s.unit
            if np.isfinite(s.error).any():
                columns[f"{name} error"], units[f"{name} error"] = s.error, s.unit
        return Table(columns, units)


def _stored(results: Results) -> list[str]:
    return [n for n in (*OF_ATOMS, *OF_CRYSTAL) if results.has(n)]


def _spectra(results: Results, variable: str, grid: Along, place: dict[str, int]) -> list[Spectrum]:
    """Take the curves of one variable that have numbers."""
    data = results.dataset
    array, name = data[variable], f"{variable}_error"
    kinds = along(data, "polarization") if "polarization" in array.dims else Along()
    y = taken(array, (kinds, grid), place)
    error = taken(data[name], (kinds, grid), place) if name in data else np.full_like(y, np.nan)
    unit = theme.unit_text(str(array.attrs.get("units", "1")))
    return [
        Spectrum(variable, kinds.text(k) if kinds.name else "", y[k], error[k], unit)
        for k in range(len(y)) if np.isfinite(y[k]).any()
        and (variable in OF_CRYSTAL or np.nan_to_num(y[k]).any())
    ]  # fmt: skip


# --- drawing ------------------------------------------------------------------------------


def _panel(c: DefectSpectra, spectra: tuple[Spectrum, ...], size: tuple[int, int]) -> figure:
    """Draw curves on one scale, with their legend above."""
    first = spectra[0]
    single = first.variable in OF_CRYSTAL
    words = OF_CRYSTAL.get(first.variable, "states of one component")
    low, high = limits(*(s.y for s in spectra), np.zeros(1))
    plot = theme.new_figure(
        title="whole crystal" if single else "single atoms", frame_width=size[0],
        frame_height=size[1], x_range=Range1d(float(c.grid[0]), float(c.grid[-1])),
        y_range=Range1d(low if low < 0 and single else 0.0, high),
    )  # fmt: skip
    plot.xaxis.axis_label = theme.with_unit("frequency", c.grid_unit)
    plot.yaxis.axis_label = short(theme.with_unit(words, first.unit), size[1] // 7)
    if single:
        ends = [float(c.grid[0]), float(c.grid[-1])]
        plot.line(ends, [0, 0], color=theme.RULE, line_width=1)
    for s in spectra:
        _add(plot, c, s)
    return plot


def _looks(c: DefectSpectra, s: Spectrum) -> tuple[str, str, str, float]:
    """Give words, colour, dash and width of a curve."""
    if s.variable in OF_CRYSTAL:
        return OF_CRYSTAL[s.variable], theme.INK, "solid", 2.2
    words, dash, width = OF_ATOMS[s.variable]
    order = [p for p in dict.fromkeys(a.polarization for a in c.atoms) if p]
    colour = theme.SERIES[order.index(s.polarization) % 4] if s.polarization else theme.INK
    return ", ".join(filter(None, (words, s.polarization))), colour, dash, width


def _add(plot: figure, c: DefectSpectra, s: Spectrum) -> None:
    """Draw one curve in its error."""
    words, colour, dash, width = _looks(c, s)
    part = fewer(s.y, POINTS)
    y, error = np.nan_to_num(s.y[part]), np.nan_to_num(s.error[part])
    source = ColumnDataSource({
        "x": thin(c.grid[part]), "y": thin(s.y[part]), "low": thin(y - error),
        "high": thin(y + error),
    })  # fmt: skip
    plot.varea("x", "low", "high", source=source, fill_color=colour, fill_alpha=0.15, name="error")
    line = plot.line("x", "y", source=source, color=colour, line_dash=dash, line_width=width,
                     name=s.variable)  # fmt: skip
    plot.add_tools(HoverTool(renderers=[line], tooltips=[
        ("", words), ("frequency", f"@x{{0.0000}} {c.grid_unit}"),
        (s.variable, f"@y{{0.0000}} {s.unit}"),
    ]))  # fmt: skip


def _legend(c: DefectSpectra, width: int) -> list[figure]:
    """Name the curves of the atoms in a strip below all panels."""
    if not c.atoms:
        return []
    strip = theme.legend_strip(width)
    looks = [_looks(c, s) for s in c.atoms]
    items = [theme.key(strip, words, colour, line=line, dash=dash)
             for words, colour, dash, line in looks]  # fmt: skip
    items.append(theme.key(strip, "shaded: the error", theme.BAND, patch=True))
    legend = theme.new_legend(items)
    legend.click_policy, legend.glyph_width = "none", 26
    strip.add_layout(legend, "center")
    return [strip]
