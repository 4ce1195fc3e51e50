"""What all maps over two axes of a sweep look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import (
    Axis,
    ColumnDataSource,
    CustomJSHover,
    FixedTicker,
    HoverTool,
    Range1d,
    TapTool,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.progress.cells import Grid, Side

ROW_PIXELS, LEAST_PIXELS, MOST_PIXELS = 26, 46, 400
"""Of a frame: for each row of cells, and at least and at most."""
LEFT_PIXELS, BELOW_PIXELS, TOP_PIXELS = 96, 76, 14
"""What labels take beside the frame."""
X_LABELS, Y_LABELS = 70, 24
"""Pixels that a label needs."""
LONGEST = 14
"""Letters of a label; the whole of it shows under the mouse."""
GAPS_TO = 12
"""Pixels of a cell below which there is no rule around it."""


def places(grid: Grid) -> dict[str, NDArray[np.uint8]]:
    """Give the place of each cell along both sides, row by row from below."""
    ny, nx = grid.shape
    y, x = np.indices((ny, nx), dtype=np.uint8)
    return {"x": x.ravel(), "y": y.ravel()}


LETTER_PIXELS = 7
"""Of a label, on average."""


def open_map(grid: Grid, width: int, *, right: int = 0) -> figure:
    """Open an empty map: as many steps along each side as there are cells.

    Parameters
    ----------
    width : of the whole picture, in pixels
    right : of it, for what stands beside the map
    """
    ny, nx = grid.shape
    plot = theme.new_figure(
        title="", frame_width=max(width - LEFT_PIXELS - 24 - right, 120),
        frame_height=int(np.clip(ny * ROW_PIXELS, LEAST_PIXELS, MOST_PIXELS)),
        x_range=Range1d(-0.5, nx - 0.5), y_range=Range1d(-0.5, ny - 0.5),
    )  # fmt: skip
    plot.title.visible = False
    plot.toolbar_location = None  # it would lie over the upper cells
    plot.tools = []
    _name(plot.xaxis[0], grid.x, plot.frame_width // X_LABELS)
    _name(plot.yaxis[0], grid.y, plot.frame_height // Y_LABELS)
    if len(grid.y.label) * LETTER_PIXELS > plot.frame_height:  # no room for the unit
        plot.yaxis[0].axis_label = grid.y.label.partition(" (")[0]
    return plot


def _name(axis: Axis, side: Side, most: int) -> None:
    """Write values beside some of the cells."""
    axis.visible = bool(side.dim)
    axis.axis_label = side.label
    step = max(-(-len(side.words) // max(most, 1)), 1)
    some = range(0, len(side.words), step)
    axis.ticker = FixedTicker(ticks=[float(i) for i in some])
    axis.major_label_overrides = {float(i): _short(side.words[i]) for i in some}
    axis.major_tick_in, axis.major_tick_out = 0, 4


def _short(words: str) -> str:
    first = words.partition(" – ")[0]
    return first if len(first) <= LONGEST else f"{first[: LONGEST - 1]}…"


def add_cells(
    plot: figure, grid: Grid, source: ColumnDataSource, colour: dict[str, Any],
    told: Sequence[tuple[str, str]], formatters: Mapping[str, CustomJSHover] | None = None,
) -> None:  # fmt: skip
    """Draw the cells; one that is clicked leads to its point.

    Parameters
    ----------
    told : what is said under the mouse beside the values of the axes: words, template
    formatters : of the templates
    """
    ny, nx = grid.shape
    wide = min(plot.frame_width / nx, plot.frame_height / ny) >= GAPS_TO
    cells = plot.rect(
        "x", "y", width=1, height=1, source=source, fill_color=colour,
        line_color="white" if wide else None, line_width=1, hover_line_color=theme.INK,
        hover_fill_color=colour, hover_line_width=2,
    )  # fmt: skip
    cells.selection_glyph = cells.nonselection_glyph = cells.muted_glyph = None
    sides = [(s, c) for s, c in ((grid.x, "x"), (grid.y, "y")) if s.dim]
    plot.add_tools(
        TapTool(renderers=[cells]),
        HoverTool(
            renderers=[cells],
            tooltips=[*((s.label, f"@{c}{{custom}}") for s, c in sides), *told],
            formatters={
                f"@{c}": CustomJSHover(args={"words": list(s.words)}, code="return words[value]")
                for s, c in sides
            } | dict(formatters or {}),
        ),
    )  # fmt: skip
