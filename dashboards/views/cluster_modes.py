"""Frequencies of a particle: levels with their degeneracy, or how many in each interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, LayoutDOM, LegendItem, Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.views.impurity_lines import (
    Along,
    at_text,
    nothing,
    place_in,
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
    point_controls,
)

SAME = 1e-6
"""Distance of degenerate levels over the highest frequency, at most."""
LEVELS, COUNTS = "levels", "counts"
MOST_LEVELS = 2000
"""That are drawn; beyond, neighbours are counted together."""
INTERVALS = 60
COLOURS = (theme.THIN, *theme.SERIES)
"""Of levels by degeneracy: 1, 2, 3, 4, and 5 or more."""


@dataclass(frozen=True, slots=True)
class Modes:
    """The frequencies of one particle."""

    frequency: FloatArray
    """(modes,), ascending; negative if unstable."""
    unit: str
    kind: str
    """levels, counts"""
    at: str


class ParticleModes(View[Modes]):
    """The frequencies of a particle."""

    name = "particle-modes"
    title = "modes of a particle"

    def fits(self, results: Results) -> bool:
        """Fit a store with the frequencies of particles."""
        return results.model == "cluster" and results.has("frequency") and (
            "mode" in results.dataset["frequency"].dims
        )  # fmt: skip

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer levels or a histogram, and the point."""
        kinds = [(LEVELS, "levels with degeneracy"), (COUNTS, "histogram")]
        return [Control.of("kind", "shown as", kinds, asked),
                *point_controls(results, ["frequency"], ["mode"], asked)]  # fmt: skip

    def collect(self, results: Results, chosen: Asked) -> Modes:
        """Take the frequencies of a particle out of the store."""
        data = results.dataset
        array = data["frequency"]
        place = {str(d): i for d in array.dims
                 if (i := place_in(data, str(d), chosen.get(str(d)))) is not None}  # fmt: skip
        places = np.arange(data.sizes["mode"])
        found = taken(array, (Along("mode", "mode", places.astype(float), (), places),), place)
        found = np.sort(found[np.isfinite(found)])
        if not len(found):
            raise nothing(results, "frequency", place)
        unit = theme.unit_text(str(array.attrs.get("units", "1")))
        return Modes(found, unit, chosen["kind"], at_text(data, place).replace(" at ", ": ", 1))

    def draw(self, collected: Modes, frame: Frame) -> LayoutDOM:
        """Draw levels as high as their degeneracy, or bars of a histogram."""
        return (_levels if collected.kind == LEVELS else _counts)(collected, frame)

    def table(self, collected: Modes) -> Table:
        """Give a row for each level."""
        level, degeneracy = levels(collected.frequency)
        columns = {"frequency": level, "degeneracy": degeneracy}
        return Table(columns, {"frequency": collected.unit})


def levels(frequency: FloatArray, same: float = SAME) -> tuple[FloatArray, NDArray[np.int64]]:
    """Gather degenerate frequencies: (levels,) means and (levels,) degeneracies.

    Parameters
    ----------
    frequency : (modes,), ascending
    same : distance of neighbours in one level over the highest frequency, at most
    """
    apart = np.diff(frequency) > same * np.abs(frequency).max()
    starts = np.concatenate([[0], np.flatnonzero(apart) + 1])
    count = np.diff([*starts, len(frequency)])
    return np.add.reduceat(frequency, starts) / count, count


# --- drawing ------------------------------------------------------------------------------


def _open(m: Modes, frame: Frame, y_label: str, highest: float) -> figure:
    low, high = float(m.frequency[0]), float(m.frequency[-1])
    room = 0.02 * (high - min(low, 0.0)) or 0.5
    size = frame.width - 80, frame.height - 130
    words = f"{len(m.frequency)} modes{m.at}"
    plot = theme.new_figure(
        title=short(words, max(size[0] // 8, 20)), frame_width=size[0], frame_height=size[1],
        x_range=Range1d(min(low - room, 0.0), high + room), y_range=Range1d(0, 1.12 * highest),
    )  # fmt: skip
    plot.xaxis.axis_label, plot.yaxis.axis_label = theme.with_unit("frequency", m.unit), y_label
    if low < 0:
        plot.line([0, 0], [0, 1.12 * highest], color=theme.RULE, line_width=1, name="zero")
    return plot


def _levels(m: Modes, frame: Frame) -> LayoutDOM:
    """Draw a line for each level, as high as its degeneracy and in its colour."""
    level, count = levels(m.frequency)
    if len(level) > MOST_LEVELS:
        level, count = levels(m.frequency, 1 / MOST_LEVELS)
    plot = _open(m, frame, "degeneracy", float(count.max()))
    items = []
    for number in range(1, len(COLOURS) + 1):
        last = number == len(COLOURS)
        mine = (count >= number) if last else (count == number)
        if not mine.any():
            continue
        source = ColumnDataSource({"x": thin(level[mine]), "count": count[mine].astype(np.int32)})
        drawn = plot.segment("x", 0, "x", "count", source=source, line_width=1.6,
                             color=COLOURS[number - 1], name=f"degeneracy {number}")  # fmt: skip
        plot.add_tools(HoverTool(renderers=[drawn], tooltips=[
            ("frequency", f"@x{{0.0000}} {m.unit}"), ("degeneracy", "@count")
        ]))  # fmt: skip
        words = f"{number} or more" if last and count.max() > number else f"{number}"
        items.append(sample(plot, f"degeneracy {words}: {int(mine.sum())} levels",
                            COLOURS[number - 1]))  # fmt: skip
    return _finished(plot, m, items)


def _counts(m: Modes, frame: Frame) -> LayoutDOM:
    """Draw how many modes lie in each interval."""
    count, edges = np.histogram(m.frequency, bins=INTERVALS)
    plot = _open(m, frame, "modes in an interval", float(count.max()))
    source = ColumnDataSource({
        "left": thin(edges[:-1]), "right": thin(edges[1:]), "top": count.astype(np.int32),
    })  # fmt: skip
    drawn = plot.quad("left", "right", "top", 0, source=source, fill_color=theme.SERIES[0],
                      fill_alpha=0.75, line_color="white", name="counts")  # fmt: skip
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=[
        ("from", f"@left{{0.000}} {m.unit}"), ("to", f"@right{{0.000}} {m.unit}"),
        ("modes", "@top"),
    ]))  # fmt: skip
    return _finished(plot, m, [])


def _finished(plot: figure, m: Modes, items: list[LegendItem]) -> figure:
    """Name what is drawn below the frame; unstable modes are counted there."""
    unstable = int((m.frequency < 0).sum())
    if unstable:
        items.append(sample(plot, f"left of 0: {unstable} unstable", theme.RULE))
    if items:
        legend = theme.new_legend(items)
        legend.click_policy = "none"
        plot.add_layout(legend, "below")
    return plot
