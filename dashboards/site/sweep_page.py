"""How far a sweep is: its points, rate and workers, live while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from dashboards.progress import rates, status_map, timing
from dashboards.progress.cells import Grid
from dashboards.progress.pacing import Pace
from dashboards.progress.workers import WorkerShare, collect_workers
from dashboards.site import wording
from dashboards.site.map_controls import chosen_grid, map_controls
from dashboards.site.pages import Content, Page, Request
from dashboards.site.parts import Figure, Part, Rows, Words
from dashboards.site.watched_points import (
    Points,
    grid_key,
    half,
    place_link,
    point_link,
    status_of,
)
from dashboards.site.watching import points_done, points_wanted
from dashboards.views.view import Control
from sweep import NoSweepError, Status, StoreError

LIVE_SECONDS, QUIET_SECONDS = 1.0, 10.0
MOST_WORKERS = 12
RATES_HEIGHT = 240
FAR_WORDS = "took over 3 times as long as predicted or under a third, relative to the median"
SHOWN = (("status", "status"), ("seconds", "time per point"), ("ratio", "time over cost model"))


class SweepPage(Page):
    """A sweep: how far it is, what it does, what took long."""

    path = r"/sweep/(?P<sweep>[^/]+)"
    template = "sweep.html"

    def __init__(self) -> None:
        self._pace = Pace()

    def title(self, request: Request) -> str:
        """Name the page."""
        return request.sweep

    def content(self, request: Request) -> Content:
        """Tell how far the sweep is; what is not there yet is told in words."""
        status = status_of(request)
        parts = _head(request, status)
        seconds = LIVE_SECONDS if status.running else QUIET_SECONDS
        try:
            points = Points(request, status, request.watch.results(request.sweep))
            further, controls = self._pictures(points)
        except (NoSweepError, StoreError):  # not begun, or damaged: its note says so
            return Content([*parts, *_nothing()], dict(request.query), min(seconds, 2.0))
        return Content([*parts, *further], {c.name: c.value for c in controls}, seconds)

    def _pictures(self, points: Points) -> tuple[list[Part], list[Control]]:
        offered = map_controls(points.dataset, points.request.query)
        show = Control.of("show", "colours", SHOWN, points.request.query)
        controls = [show, *offered]
        grid = chosen_grid(points.dataset, offered)
        draw = self._status if show.value == "status" else partial(self._times, show.value)
        return [
            Words("controls", str(wording.controls(controls))), *draw(points, grid),
            *self._rates(points), *_workers(collect_workers(points.history())),
            *_listed(points),
        ], controls  # fmt: skip

    def _status(self, points: Points, grid: Grid) -> list[Part]:
        fresh = status_map.columns_of(points.map(grid))
        key = ("status", *points.key, *grid_key(grid))
        columns = self._pace.shown(key, fresh) if points.status.running else fresh
        width, link = half(points.request), place_link(points.request)
        draw = partial(status_map.draw_status_map, grid, columns, width, link)
        hint = f"Colours as in the bar above; a cell that is partly done is paler. {_hint(grid)}"
        return [
            Figure("map", draw, f"{key} {width}", {status_map.SOURCE: columns}),
            Words("map-words", str(wording.paragraph(hint, kind="faint"))),
        ]

    def _times(self, shown: str, points: Points, grid: Grid) -> list[Part]:
        found, leads = points.timing(), points.map(grid).leads
        about_one = shown == "ratio"
        values = found.ratio if about_one else found.seconds
        fresh = points.request.watch.looks.at(
            (shown, *points.key, *grid_key(grid)),
            lambda: timing.columns_of(grid, values, leads), 2.0,
        )  # fmt: skip
        key = (shown, *points.key, *grid_key(grid))
        columns = self._pace.shown(key, fresh) if points.status.running else fresh
        span = timing.span_of(columns, about_one=about_one)
        width, link = half(points.request), place_link(points.request)
        draw = partial(timing.draw_times, grid, columns, span, width, link, about_one=about_one)
        words = (
            "Measured over predicted time, over the median of that for the whole sweep: 1 is "
            "as the cost model says." if about_one else
            "Median time of the points of each cell, without the stages that they share."
        )  # fmt: skip
        return [
            Figure("map", draw, f"{key} {span} {width}", {timing.SOURCE: columns}),
            Words("map-words", str(wording.paragraph(f"{words} {_hint(grid)}", kind="faint"))),
        ]

    def _rates(self, points: Points) -> list[Part]:
        found = points.rates()
        if found is None:
            return [Words("rates-words", str(wording.paragraph("No block is finished yet.")))]
        columns, width = rates.columns_of(found), half(points.request)
        draw = partial(rates.draw_rates, found, columns, width, RATES_HEIGHT)
        began = float(points.history().finished[0])
        key = f"{points.key} {began} {found.width} {len(found.per_second)} {width}"
        words = f"The first block was finished on {wording.clock(began)}."
        return [
            Figure("rates", draw, key, {rates.SOURCE: columns}),
            Words("rates-words", str(wording.paragraph(words, kind="faint"))),
        ]


def _hint(grid: Grid) -> str:
    points = 1
    for n in (grid.x.count, grid.y.count):
        points *= n
    ny, nx = grid.shape
    many = points > ny * nx or len(grid.dims) > 2 + len(grid.fixed)
    what = "first failed point, or its first" if many else "point"
    return f"A click on a cell leads to its {what}."


# --- words --------------------------------------------------------------------------------


def _head(request: Request, status: Status) -> list[Part]:
    """Tell what is known of any sweep, with or without a folder."""
    watch = request.watch
    error = watch.last_error(status)
    said = [
        wording.paragraph(status.note, kind="note words") if status.note else "",
        _queued(request, status),
        Markup('<p class="bad">{} <a href="{}">Errors</a></p>').format(
            wording.clipped(error, kind="words"),
            wording.link(request.base, f"/sweep/{request.sweep}/errors"),
        ) if error else "",
    ]  # fmt: skip
    counts = Markup("{}{}").format(
        wording.bar(status.counts, large=True), wording.key(status.counts)
    )
    model = Markup('{} <span class="faint">{}</span>').format(
        wording.state_badge(status), status.model
    )
    buttons = Markup('<div class="links">{}</div>').format(wording.buttons(status))
    return [
        Words("state", str(model)),
        Words("buttons", str(buttons)),
        Words("bar", str(counts) if status.counts else ""),
        Words("facts", _facts(request, status)),
        Words("note", str(Markup("").join(said))),
    ]  # fmt: skip


def _facts(request: Request, status: Status) -> str:
    facts = [
        ("points done", f"{points_done(status):,}", f"of {points_wanted(status):,}"),
        ("blocks done", f"{status.blocks_done:,}", f"of {status.blocks:,}"),
        ("points, rate now", wording.rate(request.watch.rate(status)), ""),
        ("time left", wording.time_left(status), ""),
        ("priority", f"{status.priority}", ""),
        ("submitted", wording.ago(request.watch.begun(status)), ""),
        ("on disk", wording.size(request.watch.size(status)), ""),
    ]
    cells = Markup("").join(
        Markup('<div><span class="label">{}</span><br><span class="value">{} <small>{}</small>'
               "</span></div>").format(label, value, unit if value != "–" else "")
        for label, value, unit in facts
    )  # fmt: skip
    return str(Markup('<div class="facts">{}</div>').format(cells))


def _queued(request: Request, status: Status) -> str:
    """Say which place a sweep has that has not begun."""
    if status.state != "queued":
        return ""
    line = [s for s in request.watch.statuses() if s.state == "queued"]
    line.sort(key=lambda s: (-s.priority, s.submitted or 0.0))
    names = [s.name for s in line]
    place = names.index(status.name) + 1 if status.name in names else len(names) + 1
    alone = "It is the next to begin." if place == 1 else f"{place - 1} queued before it."
    return str(wording.paragraph(f"The sweep waits in the queue at place {place}. {alone}"))


def _nothing() -> list[Part]:
    words = str(wording.paragraph("There are no points to show yet.", kind="empty"))
    return [
        Words("map-words", words), Words("rates-words", ""), Words("controls", ""),
        *_workers([]), Words("slowest", ""), Words("outliers", ""),
    ]  # fmt: skip


def _workers(found: list[WorkerShare]) -> list[Part]:
    rows = {w.name: str(_worker(w)) for w in found[:MOST_WORKERS]}
    head = Markup(
        '<tr><th>worker</th><th class="number">blocks</th><th class="number">share of the work</th>'
        '<th class="number">computed</th><th>last block</th></tr>'
    )
    words = "" if found else "No worker has finished a block yet."
    if len(found) > MOST_WORKERS:
        words = f"and {len(found) - MOST_WORKERS:,} more, which were seen earlier."
    return [
        Words("workers-head", str(head) if found else ""), Rows("workers", rows),
        Words("workers-words", str(wording.paragraph(words, kind="faint")) if words else ""),
    ]  # fmt: skip


def _worker(w: WorkerShare) -> Markup:
    return Markup(
        '<td>{}</td><td class="number">{}</td><td class="number">{} %</td>'
        '<td class="number">{}</td><td>{}</td>'
    ).format(
        wording.clipped(w.name), f"{w.blocks:,}", f"{100 * w.share:.3g}",
        wording.duration(w.seconds), wording.clock(w.last_seen),
    )  # fmt: skip


def _listed(points: Points) -> list[Part]:
    """List the points that took longest, and those that the cost model is wrong about."""
    found = points.timing()
    seconds, ratio = found.seconds.ravel(), found.ratio.ravel()
    slowest = [(int(i), wording.duration(float(seconds[i]))) for i in found.slowest]
    far = [
        (int(i), _times(float(ratio[i])), wording.duration(float(seconds[i])))
        for i in found.outliers
    ]
    off = wording.paragraph(f"{found.off:,} points {FAR_WORDS}.", kind="faint")
    table = Markup("{}{}").format(off, _table(points, ("over model", "time"), far))
    slow = _table(points, ("time",), slowest)
    unknown = wording.paragraph("No point has a result yet.", kind="faint")
    near = wording.paragraph(f"No point {FAR_WORDS}.", kind="faint")
    return [
        Words("slowest", str(slow if slowest else unknown)),
        Words("outliers", str(table if far else near if slowest else unknown)),
    ]


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} ×" if ratio >= 1000 else f"{ratio:.3g} ×"


def _table(points: Points, heads: tuple[str, ...], rows: Sequence[tuple[int | str, ...]]) -> Markup:
    """Write points with numbers beside them."""
    head = Markup("").join(Markup('<th class="number">{}</th>').format(h) for h in heads)
    body = Markup("").join(
        Markup("<tr><td>{}</td>{}</tr>").format(
            point_link(points, int(row[0])),
            Markup("").join(Markup('<td class="number">{}</td>').format(cell) for cell in row[1:]),
        )
        for row in rows
    )
    return Markup(
        '<table class="plain"><thead><tr><th>point</th>{}</tr></thead><tbody>{}</tbody></table>'
    ).format(head, body)
