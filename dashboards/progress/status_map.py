"""A map of how far a sweep is, over two of its axes.

`collect_status_map` counts the points of each cell by status, `draw_status_map` draws the cells;
what changes while a sweep runs stands in the few columns of `columns_of`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray
from bokeh.models import ColumnDataSource, CustomJSHover, CustomJSTransform
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards.progress.cells import Grid, IntArray, grid_of
from dashboards.progress.drawing_cells import add_cells, open_map, places

STATUS = ("todo", "running", "ok", "failed", "unstable", "lost", "skipped")
"""As the numbers in the store count."""
TODO, RUNNING, OK, FAILED, UNSTABLE, LOST, SKIPPED = range(7)
SHADES: Mapping[str, str] = {
    "todo": "#e1e5ec", "ok": "#00825f", "unstable": "#e69f00", "running": "#56b4e9",
    "failed": "#d1495b", "lost": "#7b3e8f", "skipped": "#b9c0cc",
}  # fmt: skip
"""Colours by what a cell says, on white; a page has its own under the same names."""
_SHADE = {name: i for i, name in enumerate(SHADES)}
BEGUN, NEARLY = 0.15, 0.85
"""Shades, from to do at 0 to ok at 1, of a cell with few and with nearly all points done."""
WORDS = ("to do", "running", "ok", "failed", "unstable", "lost with a worker", "left out")
"""Of statuses, for readers."""
SOURCE = "cells"

_COLOURED = """
const page = getComputedStyle(document.documentElement)
const hex = names.map((name, i) => page.getPropertyValue(`--${name}`).trim() || own[i])
const part = (colour, i) => parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16)
const mixed = (a, b, t) => "#" + [0, 1, 2].map((i) =>
  Math.round(part(a, i) * (1 - t) + part(b, i) * t).toString(16).padStart(2, "0")).join("")
return Array.from(xs, (shade) => shade > 1 ? hex[shade] : mixed(hex[0], hex[1], shade))
"""
"""Between 0 and 1 from to do to ok, from 1 on one colour each."""

_IN_WORDS = """
const there = value.split("/").map((n, i) => [n, words[i]]).filter(([n]) => n)
if (there.length === 1 && there[0][0] === "1") return there[0][1]
return there.map(([n, word]) => `${Number(n).toLocaleString("en")} ${word}`).join(", ")
"""


@dataclass(frozen=True, slots=True)
class StatusMap:
    """Points by status, in cells over two axes."""

    grid: Grid
    counts: IntArray
    """(7, ny, nx), in the order of `STATUS`."""
    leads: IntArray
    """(ny, nx), the point that each cell leads to: its place in the sweep."""

    @property
    def shades(self) -> NDArray[np.float64]:
        """Give the most telling thing of each cell, (ny, nx): a place in `SHADES`, or a share."""
        done = self.counts[OK] + self.counts[UNSTABLE]
        wanted = self.counts.sum(axis=0) - self.counts[SKIPPED]
        share = done / np.maximum(wanted, 1)
        begun = np.round(BEGUN + (NEARLY - BEGUN) * share, 2)
        whole = np.where(2 * self.counts[UNSTABLE] > done, _SHADE["unstable"], _SHADE["ok"])
        said = [
            (wanted == 0, _SHADE["skipped"]), (self.counts[FAILED] > 0, _SHADE["failed"]),
            (self.counts[LOST] > 0, _SHADE["lost"]), (self.counts[RUNNING] > 0, _SHADE["running"]),
            (done == 0, _SHADE["todo"]), (done < wanted, begun),
        ]  # fmt: skip
        return np.select([where for where, _ in said], [what for _, what in said], whole).astype(
            np.float64
        )

    @property
    def told(self) -> list[str]:
        """Give the counts of each cell with strokes between, row by row from below."""
        flat = self.counts.reshape(len(STATUS), -1).astype(str)
        flat[flat == "0"] = ""
        return ["/".join(cell).rstrip("/") for cell in flat.T.tolist()]


def collect_status_map(
    dataset: xarray.Dataset, x: str, y: str, others: Mapping[str, int] | None = None
) -> StatusMap:
    """Count the points of a sweep by status, in cells over two axes.

    Parameters
    ----------
    dataset : with `status` over the axes of the sweep
    x, y : dims along the sides; empty for none
    others : places of axes that are held; all others are summed over
    """
    grid = grid_of(dataset, x, y, others or {})
    status = np.asarray(dataset["status"].values)
    spread = grid.spread(status)
    counts = np.stack([
        grid.reduced(np.add, (spread == s).sum(axis=2, dtype=np.int64)) for s in range(len(STATUS))
    ])  # fmt: skip
    return StatusMap(grid, counts, _leads(grid, status))


def _leads(grid: Grid, status: NDArray[np.generic]) -> IntArray:
    """Find the first failed point of each cell, else the first that is not left out."""
    size = status.size
    ahead = np.array([1, 1, 1, 0, 1, 0, 2], dtype=np.int64)[status]  # failed and lost come first
    rank = ahead * size + np.arange(size, dtype=np.int64).reshape(status.shape)
    first = grid.reduced(np.minimum, grid.spread(rank).min(axis=2))
    return np.asarray(first % size, dtype=np.int64)


def columns_of(status_map: StatusMap) -> dict[str, object]:
    """Give the columns that change while a sweep runs, by cell, row by row from below."""
    return {
        "shade": status_map.shades.ravel(), "told": status_map.told,
        "place": status_map.leads.ravel(),
    }  # fmt: skip


def only(status: NDArray[np.generic], wanted: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Keep the failed and lost points among those wanted; all others are as if to do."""
    failed = np.isin(status, (FAILED, LOST)) & wanted
    return np.where(failed, status, TODO).astype(np.uint8)


def draw_status_map(
    grid: Grid, columns: Mapping[str, object], width: int, link: str, words: Sequence[str] = WORDS
) -> figure:
    """Draw cells in the colours of statuses.

    Parameters
    ----------
    columns : of `columns_of`
    width : pixels
    link : address of a point, to which its place is added when its cell is clicked
    words : for the statuses
    """
    plot = open_map(grid, width)
    source = ColumnDataSource({**places(grid), **columns}, name=SOURCE, tags=[link])
    coloured = CustomJSTransform(
        args={"names": list(SHADES), "own": list(SHADES.values())}, v_func=_COLOURED
    )
    told = CustomJSHover(args={"words": list(words)}, code=_IN_WORDS)
    add_cells(
        plot, grid, source, {"field": "shade", "transform": coloured},
        [("points", "@told{custom}")], {"@told": told},
    )  # fmt: skip
    return plot
