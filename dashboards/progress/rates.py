"""How many points a sweep has finished over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from sweep import History

MOST_BINS = 120
STEP_BINS = 20
"""The picture grows by so many bins at once, so that it is seldom drawn anew."""
WIDTHS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 43200, 86400)
"""Seconds of a bin."""
UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
SOURCE = "rates"


@dataclass(frozen=True, slots=True)
class Rates:
    """Points a second, bin by bin from when the first block was finished."""

    width: float
    """Seconds of a bin."""
    per_second: NDArray[np.float64]
    """(bins,), NaN in what is still to come."""

    @property
    def unit(self) -> tuple[float, str]:
        """Give the unit of time of the picture: its seconds, its sign."""
        span = self.width * len(self.per_second)
        return next((size, sign) for size, sign in UNITS if span >= 2 * size or size == 1)


def collect_rates(history: History, now: float, *, live: bool) -> Rates | None:
    """Count the points that were finished in each stretch of time; None if there is none yet.

    Parameters
    ----------
    now : where the last bin ends, in seconds since 1970
    live : leave room for more bins
    """
    if not history.finished.size:
        return None
    began = float(history.finished[0])
    span = max(now - began, float(history.finished[-1]) - began)
    width = float(
        next((w for w in WIDTHS if span < w * MOST_BINS and w >= _least(history)),
             _whole_days(span))
    )  # fmt: skip
    bins = int(span // width) + 1
    shown = min(-(-bins // STEP_BINS) * STEP_BINS, MOST_BINS) if live else bins
    place = np.minimum((history.finished - began) // width, shown - 1).astype(np.int64)
    points = np.bincount(place, weights=history.points, minlength=shown)
    lasted = np.full(shown, width)
    lasted[bins - 1] = np.clip(span - (bins - 1) * width, min(width, 1.0), width)
    rate = points / lasted
    rate[bins:] = np.nan
    return Rates(width, rate)


def _least(history: History) -> float:
    """Give the width of bins below which most of them would hold one block or none."""
    blocks = len(history.finished)
    return 2 * float(history.finished[-1] - history.finished[0]) / blocks


def _whole_days(span: float) -> float:
    return 86400.0 * (span // (86400.0 * MOST_BINS) + 1)


def columns_of(rates: Rates) -> dict[str, object]:
    """Give the column that changes while a sweep runs."""
    return {"rate": [float(f"{r:.3g}") for r in rates.per_second]}


def draw_rates(rates: Rates, columns: Mapping[str, object], width: int, height: int) -> figure:
    """Draw a bar for each stretch of time."""
    size, sign = rates.unit
    edges = np.arange(len(rates.per_second) + 1) * rates.width / size
    plot = theme.new_figure(
        title="", frame_width=max(width - 100, 120), frame_height=height - 70,
        x_range=Range1d(0, float(edges[-1])),
    )  # fmt: skip
    plot.title.visible = False
    source = ColumnDataSource({"left": edges[:-1], "right": edges[1:], **columns}, name=SOURCE)
    bars = plot.quad(
        "left", "right", "rate", 0, source=source, fill_color=theme.SERIES[0], line_color="white",
        line_width=0.5,
    )  # fmt: skip
    plot.y_range.start = 0
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[000]a")
    plot.xaxis.axis_label = f"time since the first block ({sign})"
    plot.yaxis.axis_label = "points per second"
    plot.add_tools(HoverTool(renderers=[bars], mode="vline", tooltips=[
        ("time", f"@left{{0.[00]}} – @right{{0.[00]}} {sign}"), ("points", "@rate per second"),
    ]))  # fmt: skip
    return plot
