"""What the pages of one sweep read of its points; many open pages share each look."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import xarray
from markupsafe import Markup
from numpy.typing import NDArray

import sweep
from dashboards.progress import status_map, sweep_axes, timing
from dashboards.progress.cells import Grid
from dashboards.progress.rates import Rates, collect_rates
from dashboards.site import wording
from dashboards.site.pages import Request
from dashboards.views.view import Results
from sweep import FailureGroup, History, NoSweepError, Status, StoreError

TIMES_SECONDS = 4.0
FAILURES_SECONDS = 2.0
TWO_COLUMNS = 1120
"""Pixels of a page from which on pictures stand side by side."""
GAP = 32


def status_of(request: Request) -> Status:
    """Say how far a sweep is; of one that cannot be read, what the list of sweeps says of it."""
    try:
        return request.watch.status(request.sweep)
    except NoSweepError:
        raise
    except StoreError:
        for status in request.watch.statuses():
            if status.name == request.sweep:
                return status
        raise


@dataclass(frozen=True)
class Points:
    """The points of a sweep."""

    request: Request
    status: Status
    results: Results

    @property
    def dataset(self) -> xarray.Dataset:
        """Give the results; its arrays are read anew each time."""
        return self.results.dataset

    @property
    def key(self) -> tuple[object, ...]:
        """Tell this state of the sweep's axes from others."""
        return (self.results.folder, self.dataset["status"].shape, self.status.running)

    def states(self) -> xarray.Dataset:
        """Read the status of all points; what a dead owner was at is to be done."""

        def look() -> xarray.Dataset:
            array = self.dataset["status"].load()
            if not self.status.running:
                values = np.where(
                    array.values == status_map.RUNNING, status_map.TODO, array.values
                ).astype(np.uint8)
                array = array.copy(data=values)
            return self.dataset[[]].assign(status=array)

        return self.request.watch.looks.at(("states", *self.key), look)

    def map(self, grid: Grid) -> status_map.StatusMap:
        """Count the points in cells."""
        key = ("map", *self.key, *grid_key(grid))
        return self.request.watch.looks.at(
            key,
            lambda: status_map.collect_status_map(
                self.states(), grid.x.dim, grid.y.dim, grid.fixed
            ),
        )

    def history(self) -> History:
        """Give when and where its blocks were finished."""
        return self.request.watch.history(self.request.sweep)

    def rates(self) -> Rates | None:
        """Count points over time; until now while it runs."""
        history = self.history()
        last = float(history.finished[-1]) if history.finished.size else 0.0
        return collect_rates(
            history, time.time() if self.status.running else last, live=self.status.running
        )

    def timing(self) -> timing.Timing:
        """Compare times with those predicted."""

        def look() -> timing.Timing:
            seconds, states = self.dataset["seconds"].values, self.states()["status"].values
            predicted = self.history().point_predicted
            if predicted.shape != seconds.shape:  # it is being extended just now
                predicted = np.full(seconds.shape, np.nan)
            good = np.isin(states, (status_map.OK, status_map.UNSTABLE))
            return timing.collect_timing(seconds, predicted, good)

        return self.request.watch.looks.at(("timing", *self.key), look, TIMES_SECONDS)

    def failures(self) -> list[FailureGroup]:
        """Group the points that failed by what was said of them."""
        return self.request.watch.looks.at(
            ("failures", self.results.folder), lambda: sweep.failures(self.results.folder),
            FAILURES_SECONDS,
        )  # fmt: skip

    def failed_alike(self, group: FailureGroup) -> NDArray[np.bool_]:
        """Say which points failed with the words of a group."""
        key = ("alike", *self.key, group.stage, group.kind, group.message)
        return self.request.watch.looks.at(
            key, lambda: sweep.failed_alike(self.results.folder, group), FAILURES_SECONDS
        )


def grid_key(grid: Grid) -> tuple[object, ...]:
    """Tell one cutting into cells from another."""
    return (grid.x, grid.y, tuple(sorted(grid.fixed.items())))


def point_link(points: Points, flat: int) -> Markup:
    """Write a point, as a link to its page."""
    dataset = points.dataset
    values = sweep_axes.values_at(dataset, sweep_axes.index_at(dataset, flat))
    telling = {n: v for n, v in values.items() if dataset[n].size > 1}
    words = ", ".join(f"{n.replace('_', ' ')} {sweep_axes.shown(v)}" for n, v in telling.items())
    request = points.request
    address = wording.link(
        request.base, f"/sweep/{request.sweep}/point", sweep_axes.address_of(values)
    )
    return Markup('<div class="clip wide"><a href="{}" title="{}">{}</a></div>').format(
        address, words, words or "the only point"
    )


def place_link(request: Request) -> str:
    """Give the address of a point, to which its place in the sweep is to be added."""
    return wording.link(request.base, f"/sweep/{request.sweep}/point") + "?place="


def half(request: Request) -> int:
    """Give the pixels of a column."""
    return request.wide if request.wide < TWO_COLUMNS else (request.wide - GAP) // 2
