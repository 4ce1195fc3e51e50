"""The points of a sweep that have failed, by what was said of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from markupsafe import Markup

from dashboards.progress import status_map, sweep_axes
from dashboards.progress.status_map import FAILED, LOST
from dashboards.site import wording
from dashboards.site.map_controls import chosen_grid, map_controls
from dashboards.site.pages import Content, Page, Request
from dashboards.site.parts import Figure, Part, Rows, Words, digest
from dashboards.site.watched_points import Points, grid_key, half, place_link, status_of
from sweep import FailedPoint, FailureGroup, NoSweepError, Status, StoreError

LIVE_SECONDS, QUIET_SECONDS = 2.0, 10.0
MOST_POINTS = 200
"""That are listed."""
ALL = "all"
OTHERS = ("others", *status_map.WORDS[1:])


class ErrorsPage(Page):
    """Groups of failed points, the traceback of one, where they are, how to repeat one."""

    path = r"/sweep/(?P<sweep>[^/]+)/errors"
    template = "errors.html"

    def title(self, request: Request) -> str:
        """Name the page."""
        return f"{request.sweep}: errors"

    def content(self, request: Request) -> Content:
        """Group what has failed."""
        status = status_of(request)
        seconds = LIVE_SECONDS if status.running else QUIET_SECONDS
        try:
            points = Points(request, status, request.watch.results(request.sweep))
            groups = points.failures()
        except (NoSweepError, StoreError):  # not begun, or damaged
            return Content(_nothing(status), dict(request.query), min(seconds, 2.0))
        if not groups:
            return Content(_nothing(status), dict(request.query), seconds)
        by_id = {_id(g): g for g in groups}
        asked = request.query.get("group", "")
        group = asked if asked in by_id or asked == ALL else next(iter(by_id))
        parts, state = _shown(points, by_id, group)
        return Content(parts, {"group": group, **state}, seconds)


def _id(group: FailureGroup) -> str:
    return digest(f"{group.stage}\n{group.kind}\n{group.message}")


def _shown(
    points: Points, by_id: dict[str, FailureGroup], chosen: str
) -> tuple[list[Part], dict[str, str]]:
    here = list(by_id.values()) if chosen == ALL else [by_id[chosen]]
    offered = map_controls(points.dataset, points.request.query)
    parts = [
        _told(points.status, len(by_id)), *_groups(by_id, chosen),
        Words("group", "" if chosen == ALL else str(_group(chosen, by_id[chosen]))),
        Words("map-title", "<h2>Where they are</h2>"),
        Words("controls", str(wording.controls(offered)) if offered else ""),
        *_map(points, here if chosen != ALL and len(by_id) > 1 else None),
        *_points(points, here),
    ]  # fmt: skip
    return parts, {c.name: c.value for c in offered}


def _told(status: Status, groups: int) -> Words:
    failed, lost = (status.counts.get(s, 0) for s in ("failed", "lost"))
    count = failed + lost
    alike = f" with {groups:,} different messages" if groups > 1 else ""
    also = f", {lost:,} of them lost with a worker" if lost else ""
    return Words("told", str(Markup(
        '<div class="links"><span><b>{}</b>{}{}.</span>{}<span class="faint">Retry computes all of '
        "them again, whatever their message.</span></div>"
    ).format(
        f"{count:,} point{'s have' if count != 1 else ' has'} failed", also, alike,
        wording.buttons(status, ["retry"]),
    )))  # fmt: skip


# --- groups -------------------------------------------------------------------------------


def _groups(by_id: dict[str, FailureGroup], chosen: str) -> list[Part]:
    head = Markup(
        '<tr><th class="number">failures</th><th>stage</th><th>kind</th><th>message</th><th>{}</th>'
        "</tr>"
    ).format(_choice(ALL, "All groups", chosen) if len(by_id) > 1 else "")
    rows = {id: str(_row(id, group, chosen)) for id, group in by_id.items()}
    return [Words("groups-head", str(head)), Rows("groups", rows)]


def _choice(id: str, words: str, chosen: str) -> Markup:
    pressed = "true" if id == chosen else "false"
    return Markup(
        '<button type="button" id="choose-{}" data-set="group={}" aria-pressed="{}"{}>{}</button>'
    ).format(id, id, pressed, Markup(' class="strong"') if id == chosen else "", words)


def _row(id: str, group: FailureGroup, chosen: str) -> Markup:
    return Markup(
        '<td class="number">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>'
    ).format(
        f"{group.count:,}", wording.clipped(group.stage), group.kind,
        wording.clipped(group.message, kind="clip wide"),
        _choice(id, "Shown" if id == chosen else "Show", chosen),
    )  # fmt: skip


def _group(id: str, group: FailureGroup) -> Markup:
    """Write a message in full, the first traceback, and the line that repeats it."""
    first = group.points[0] if group.points else None
    heading = Markup('<h2>{} in stage {}</h2><p class="bad words">{}</p>').format(
        group.kind, group.stage, group.message
    )
    return Markup("{}{}{}").format(
        heading, traceback_of(first, id) if first else "",
        copied("Repeats the first of them in a shell:", first.command) if first else "",
    )  # fmt: skip


def traceback_of(point: FailedPoint, id: str, words: str = "First traceback") -> Markup:
    """Write a traceback that can be opened."""
    if not point.traceback:
        return wording.paragraph("There is no traceback: the process died.", kind="faint")
    return Markup(
        '<details id="traceback-{}"><summary>{}</summary><pre tabindex="0">{}</pre></details>'
    ).format(id, words, point.traceback)


def copied(words: str, line: str) -> Markup:
    """Write a line that can be copied."""
    return Markup(
        '<p class="faint">{}</p><div class="line"><pre>{}</pre>'
        '<button type="button" id="copy-{}" data-copy="{}">Copy</button></div>'
    ).format(words, line, digest(line), line)


# --- points -------------------------------------------------------------------------------


def _map(points: Points, groups: Sequence[FailureGroup] | None) -> list[Part]:
    """Draw where failed points are, those of some groups or all."""
    grid = chosen_grid(points.dataset, map_controls(points.dataset, points.request.query))
    names = sorted(map(_id, groups or ()))

    def look() -> status_map.StatusMap:
        states = points.states()
        status = states["status"]
        wanted = np.ones(status.shape, dtype=bool)
        if groups is not None:
            wanted = np.any([points.failed_alike(g) for g in groups], axis=0)
        kept = status.copy(data=status_map.only(status.values, wanted))
        return status_map.collect_status_map(
            states.assign(status=kept), grid.x.dim, grid.y.dim, grid.fixed
        )

    key = ("failed-map", *names, *points.key, *grid_key(grid))
    found = points.request.watch.looks.at(key, look, LIVE_SECONDS)
    columns, width = status_map.columns_of(found), half(points.request)
    draw = partial(
        status_map.draw_status_map, grid, columns, width, place_link(points.request), OTHERS
    )
    counts = {
        "failed": int(found.counts[FAILED].sum()), "lost": int(found.counts[LOST].sum()),
    }  # fmt: skip
    return [
        Figure("map", draw, f"{key} {width}", {status_map.SOURCE: columns}),
        Words("map-words", str(wording.key(counts))),
    ]


def _points(points: Points, groups: Sequence[FailureGroup]) -> list[Part]:
    """List failed points, with links."""
    listed = sorted([p for g in groups for p in g.points][:MOST_POINTS], key=_in_order)
    total = sum(g.count for g in groups)
    several = len(groups) > 1
    head = Markup('<tr><th>point</th><th class="number">starts</th>{}</tr>').format(
        Markup("<th>message</th>") if several else ""
    )
    rows = {
        digest(f"{p.stage} {sorted(p.point.items())}"): str(_listed(points, p, several=several))
        for p in listed
    }
    more = (
        f"{len(listed):,} of {total:,} are listed; the map has all." if total > len(listed) else ""
    )
    return [
        Words("points-title", "<h2>Points</h2>"), Words("points-head", str(head)),
        Rows("points", rows),
        Words("points-words", str(wording.paragraph(more, kind="faint")) if more else ""),
    ]  # fmt: skip


def _in_order(failed: FailedPoint) -> list[tuple[bool, float, str]]:
    """Sort by the values of the axes, numbers before words."""
    return [
        (False, float(v), "") if isinstance(v, int | float) else (True, 0.0, str(v))
        for v in failed.point.values()
    ]


def _listed(points: Points, failed: FailedPoint, *, several: bool) -> Markup:
    axes = [
        name
        for dim in sweep_axes.axes_of(points.dataset)
        for name in sweep_axes.coordinates_of(points.dataset, dim)
    ]
    words = ", ".join(
        f"{name.replace('_', ' ')} {sweep_axes.shown(failed.point[name])}"
        if name in failed.point else f"any {name.replace('_', ' ')}"
        for name in axes
    )  # fmt: skip
    request = points.request
    address = wording.link(
        request.base, f"/sweep/{request.sweep}/point", sweep_axes.address_of(failed.point)
    )
    return Markup(
        '<td><div class="clip wide"><a href="{}" title="{}">{}</a></div></td>'
        '<td class="number">{}</td>{}'
    ).format(
        address, words, words or "the only point", failed.attempts,
        Markup("<td>{}</td>").format(wording.clipped(failed.message)) if several else "",
    )  # fmt: skip


def _nothing(status: Status) -> list[Part]:
    more = (
        "Points that fail are listed here while the sweep goes on." if not status.ended
        else "Every point that was wanted has a result."
    )  # fmt: skip
    words = Markup(
        '<section class="empty"><h2>No point has failed</h2><p>{}</p><p class="note">{}</p>'
        "</section>"
    ).format(more, status.note)
    others = ("groups-head", "group", "map-title", "controls", "map-words", "points-title",
              "points-head", "points-words")  # fmt: skip
    return [
        Words("told", str(words)), Rows("groups", {}), Rows("points", {}), Words("map", ""),
        *(Words(id, "") for id in others),
    ]  # fmt: skip
