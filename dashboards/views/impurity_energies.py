"""What a defect changes in energies and heat capacity, how it moves, how two attract each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from bokeh.models import LayoutDOM, Range1d

from dashboards import theme
from dashboards.views.impurity_lines import (
    Lines,
    add_legend,
    add_lines,
    collect_lines,
    columns_of,
    frame_size,
    limits,
    lines_moved,
    nothing,
    open_plot,
    scan_controls,
)
from dashboards.views.view import Asked, Control, FloatArray, Frame, Results, Table, View

QUANTITIES = {
    "free_energy_change": "change of the free energy",
    "zero_point_energy_change": "change of the zero-point energy",
    "heat_capacity_change": "change of the heat capacity",
    "interaction_energy": "interaction energy",
    "interaction_free_energy": "interaction free energy",
    "impurity_mean_square_displacement": "mean square displacement of the defect",
    "impurity_mean_square_velocity": "mean square velocity of the defect",
}


class DefectEnergies(View[Lines]):
    """Energies of a defect along any dim."""

    name = "defect-energies"
    title = "energies and motion of a defect"

    def fits(self, results: Results) -> bool:
        """Fit a store with any of the quantities."""
        return bool(_stored(results))

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer the quantity, what runs along x, what has a line for each value, and the rest."""
        quantity = Control.of(
            "quantity", "quantity", [(n, QUANTITIES[n]) for n in _stored(results)], asked
        )
        return [quantity, *scan_controls(
            results, [quantity.value], ["polarization"], asked, first=["temperature"]
        )]  # fmt: skip

    def collect(self, results: Results, chosen: Asked) -> Lines:
        """Take a quantity and its error out of the store."""
        name = chosen["quantity"]
        lines = collect_lines(results, name, chosen)
        if not lines.finite():
            raise nothing(results, QUANTITIES[name], lines.place)
        return replace(lines, quantity=QUANTITIES[name])

    def draw(self, collected: Lines, frame: Frame) -> LayoutDOM:
        """Draw lines with bars of their errors."""
        return draw_lines(collected, frame)

    def table(self, collected: Lines) -> Table:
        """Give a row for each value."""
        return lines_table(collected)

    def moved(self, collected: Lines, results: Results, finished: FloatArray) -> float | None:
        """Look at the lines along an axis of numbers."""
        return lines_moved(collected, results, finished)


def _stored(results: Results) -> list[str]:
    return [n for n in QUANTITIES if results.has(n)]


def draw_lines(lines: Lines, frame: Frame) -> LayoutDOM:
    """Draw lines, a rule at zero if that is among the values, and a legend."""
    label = theme.with_unit(lines.quantity, lines.unit)
    several = lines.y.shape[0] > 1 or lines.y.shape[1] > 1
    plot = open_plot(
        f"{lines.quantity}{lines.at}", lines.x, label, frame_size(frame, legend=several)
    )
    error = np.nan_to_num(lines.error)
    low, high = limits(lines.y, lines.y - error, lines.y + error)
    plot.y_range = Range1d(low, high)
    if low < 0 < high:
        plot.line([plot.x_range.start, plot.x_range.end], [0, 0], color=theme.RULE, line_width=1)
    add_legend(plot, add_lines(plot, lines), lines)
    return plot


def lines_table(lines: Lines) -> Table:
    """Give a row for each value of lines, with its error."""
    columns = columns_of(lines) | {lines.variable: lines.y.ravel(), "error": lines.error.ravel()}
    return Table(columns, {lines.variable: lines.unit, "error": lines.unit})
