"""How long points take, the slowest of them, and those that the cost model is wrong about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, LogColorMapper, PrintfTickFormatter
from bokeh.palettes import PuOr11
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.progress.cells import FloatArray, Grid, IntArray, medians
from dashboards.progress.drawing_cells import add_cells, open_map, places

MOST_LISTED = 10
FAR = 3.0
"""Times the median ratio of measured to predicted time, either way."""
BAR_PIXELS = 90
SOURCE = "times"


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of the points of a sweep that have a result."""

    seconds: FloatArray
    """Over the points of the sweep; NaN where there is none."""
    ratio: FloatArray
    """Measured over predicted time, over its median; NaN where one of them is not known."""
    slowest: IntArray
    """(at most 10,), places in the sweep, the slowest first."""
    outliers: IntArray
    """(at most 10,), places in the sweep, the furthest off first."""
    off: int
    """Points that are as far off as outliers are."""


def collect_timing(
    seconds: NDArray[np.generic], predicted: FloatArray, good: NDArray[np.bool_]
) -> Timing:
    """Compare times with what the cost model said.

    Parameters
    ----------
    seconds, predicted : over the points of the sweep, NaN where not known
    good : points with a result
    """
    known = np.where(good, seconds, np.nan).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((known > 0) & (predicted > 0), known / predicted, np.nan)
        ratio = ratio / _median(ratio)
        away = np.abs(np.log(ratio))
    off = away > np.log(FAR)
    return Timing(
        known, ratio, _largest(known), _largest(np.where(off, away, np.nan)), int(off.sum())
    )


def _median(values: FloatArray) -> float:
    there = values[np.isfinite(values)]
    return float(np.median(there)) if there.size else np.nan


def _largest(values: FloatArray) -> IntArray:
    """Give the places of the largest numbers, the largest first."""
    flat = np.where(np.isfinite(values), values, -np.inf).ravel()
    count = min(MOST_LISTED, int(np.isfinite(values).sum()))
    some = np.argpartition(-flat, count - 1)[:count] if count else np.empty(0, np.intp)
    return some[np.lexsort((some, -flat[some]))].astype(np.int64)


def columns_of(grid: Grid, values: FloatArray, leads: IntArray) -> dict[str, object]:
    """Give the columns that change while a sweep runs: the median of each cell and its points.

    Parameters
    ----------
    values : over the points of the sweep, NaN where not known
    leads : (ny, nx), the point that each cell leads to
    """
    median, count = medians(grid, values)
    shorter = [float(f"{v:.3g}") for v in median.ravel()]
    return {"value": shorter, "count": count.ravel(), "place": leads.ravel()}


def span_of(columns: Mapping[str, object], *, about_one: bool) -> tuple[float, float]:
    """Give a range that holds all values and seldom moves, as wide below 1 as above if wanted."""
    values = np.array(columns["value"], dtype=np.float64)
    values = values[np.isfinite(values) & (values > 0)]
    if not values.size:
        return (0.5, 2.0) if about_one else (1.0, 10.0)
    low, high = float(values.min()), float(values.max())
    if about_one:
        most = _step(max(high, 1 / low, 2.0), up=True)
        return 1 / most, most
    low, high = _step(low, up=False), _step(high, up=True)
    return low, high if high > low else 2 * low


def _step(value: float, *, up: bool) -> float:
    """Round to 1, 2 or 5 of a decade."""
    steps = np.array([1.0, 2.0, 5.0, 10.0]) * 10.0 ** np.floor(np.log10(value))
    kept = steps[steps >= value * (1 - 1e-9)] if up else steps[steps <= value * (1 + 1e-9)]
    return float(f"{kept[0] if up else kept[-1]:.3g}")


def draw_times(
    grid: Grid, columns: Mapping[str, object], span: tuple[float, float], width: int, link: str,
    *, about_one: bool,
) -> figure:  # fmt: skip
    """Draw cells in the colours of times, or of how far they are from those predicted.

    Parameters
    ----------
    columns : of `columns_of`
    span : values at the ends of the scale
    width : pixels
    link : address of a point, to which its place is added when its cell is clicked
    about_one : the values are ratios
    """
    plot = open_map(grid, width, right=BAR_PIXELS)
    source = ColumnDataSource({**places(grid), **columns}, name=SOURCE, tags=[link])
    palette = list(PuOr11[::-1]) if about_one else list(theme.in_order(64))
    mapper = LogColorMapper(palette=palette, low=span[0], high=span[1], nan_color=theme.NOTHING)
    unit = "" if about_one else " s"
    words = "measured / predicted" if about_one else "median time"
    add_cells(plot, grid, source, {"field": "value", "transform": mapper}, [
        (words, f"@value{unit}"), ("points with a result", "@count"),
    ])  # fmt: skip
    title = "measured / predicted" if about_one else "seconds"
    bar = theme.new_colour_bar(mapper, title)
    bar.ticker = FixedTicker(ticks=_ticks(*span))
    bar.formatter = PrintfTickFormatter(format="%g")
    plot.add_layout(bar, "right")
    return plot


def _ticks(low: float, high: float) -> list[float]:
    """Give a few numbers that stand beside a scale of decades."""
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    few = (1.0,) if len(decades) > 4 else (1.0, 2.0, 5.0)
    found = [float(f"{m * 10.0**d:.3g}") for d in decades for m in few]
    return [t for t in found if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
