"""One point of a sweep: its parameters, what became of it and why, its picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup

import sweep
from dashboards import theme
from dashboards.progress import sweep_axes
from dashboards.progress.points import FoundPoint, find_point, point_at
from dashboards.site import wording
from dashboards.site.errors_page import copied, traceback_of
from dashboards.site.pages import Content, Page, Request
from dashboards.site.parts import Figure, Part, Words, digest, digest_of
from dashboards.site.results_page import chosen_view
from dashboards.site.watched_points import Points, status_of
from dashboards.views.view import Frame, axis_values, chosen_of
from sweep import Explanation, InputError, PointParameter

LIVE_SECONDS, QUIET_SECONDS = 2.0, 30.0
LOOK_SECONDS = 2.0
HEIGHT = 440
MOST_LINES = 100
PARTS = ("head", "wrong", "parameters", "timing", "verdict", "errors", "reproduce",
         "picture-title", "picture-words", "log")  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A point that is looked at."""

    points: Points
    point: FoundPoint
    explained: Explanation

    @property
    def request(self) -> Request:
        """Give what was asked for."""
        return self.points.request


class PointPage(Page):
    """A point."""

    path = r"/sweep/(?P<sweep>[^/]+)/point"
    template = "point.html"

    def title(self, request: Request) -> str:
        """Name the page."""
        return f"{request.sweep}: a point"

    def content(self, request: Request) -> Content:
        """Tell everything of a point."""
        status = status_of(request)
        points = Points(request, status, request.watch.results(request.sweep))
        seconds = LIVE_SECONDS if status.running else QUIET_SECONDS
        try:
            point = find_point(points.dataset, request.query)
        except InputError as error:
            return Content(_wrong(request, str(error)), dict(request.query), QUIET_SECONDS)
        seen = Seen(points, point, _explained(points, point))
        parts = [
            Words("head", str(_head(seen))), Words("wrong", ""),
            Words("parameters", str(_parameters(seen))), Words("timing", str(_timing(seen))),
            Words("verdict", str(_verdict(seen.explained))), Words("errors", str(_errors(seen))),
            Words("reproduce", str(_reproduce(seen))), *_picture(seen),
            Words("log", str(_log(seen))),
        ]  # fmt: skip
        return Content(parts, point.address, seconds)


def _explained(points: Points, point: FoundPoint) -> Explanation:
    folder = points.results.folder
    return points.request.watch.looks.at(
        ("explained", folder, point.flat, points.status.running),
        lambda: sweep.explain(folder, point.values), LOOK_SECONDS,
    )  # fmt: skip


def _wrong(request: Request, message: str) -> list[Part]:
    """Say which value there is not."""
    first = wording.link(request.base, f"/sweep/{request.sweep}/point")
    words = Markup(
        '<section class="empty"><h2>There is no such point</h2><p class="words">{}</p>'
        '<p><a href="{}">The first point</a> · <a href="{}">All points</a></p></section>'
    ).format(message, first, wording.link(request.base, f"/sweep/{request.sweep}"))
    parts: list[Part] = [Words(id, str(words) if id == "wrong" else "") for id in PARTS]
    return [*parts, Words("picture", "")]


# --- words --------------------------------------------------------------------------------


def _said(point: FoundPoint) -> str:
    words = [f"{n.replace('_', ' ')} {sweep_axes.shown(v)}" for n, v in point.values.items()]
    return ", ".join(words) or "the only point"


def _head(seen: Seen) -> Markup:
    """Name the point and its status, with the ways to its neighbours."""
    status = seen.explained.status
    words = wording.STATE_WORDS[status]
    return Markup(
        '<h2 class="clip wide" title="{}">{}</h2>'
        '<ul class="key"><li><i class="is-{}"></i>{}</li></ul>{}'
    ).format(_said(seen.point), _said(seen.point), status, words, _neighbours(seen))


def _neighbours(seen: Seen) -> Markup:
    dataset = seen.points.dataset
    rows = [
        Markup('<span class="links"><span class="faint">{}</span>{}{}</span>').format(
            sweep_axes.label(dataset, dim),
            _neighbour(seen, place, -1, "previous"), _neighbour(seen, place, 1, "next"),
        )
        for place, dim in enumerate(sweep_axes.axes_of(dataset)) if dataset.sizes[dim] > 1
    ]  # fmt: skip
    return Markup('<nav class="neighbours" aria-label="Neighbours">{}</nav>').format(
        Markup("").join(rows)
    ) if rows else Markup("")  # fmt: skip


def _neighbour(seen: Seen, place: int, step: int, words: str) -> Markup:
    dataset, index = seen.points.dataset, list(seen.point.index)
    dim = sweep_axes.axes_of(dataset)[place]
    index[place] += step
    arrow = "←" if step < 0 else "→"
    if not 0 <= index[place] < dataset.sizes[dim]:
        return Markup('<span class="faint" aria-hidden="true">{}</span>').format(arrow)
    there = point_at(dataset, tuple(index))
    value = ", ".join(
        sweep_axes.shown(there.values[n]) for n in sweep_axes.coordinates_of(dataset, dim)
    )
    request = seen.request
    address = wording.link(request.base, f"/sweep/{request.sweep}/point", there.address)
    inside = (arrow, value) if step < 0 else (value, arrow)
    return Markup('<a class="button" href="{}" aria-label="{} {}: {}">{} {}</a>').format(
        address, words, dim, value, *inside
    )


def _parameters(seen: Seen) -> Markup:
    """List all parameters of the model, those of axes first; defaults can be opened."""
    folder = seen.points.results.folder
    found = seen.request.watch.looks.at(
        ("parameters", folder, seen.point.flat),
        lambda: sweep.parameters_at(folder, seen.point.values), 30.0,
    )  # fmt: skip
    table = Markup('<table class="plain"><tbody>{}</tbody></table>')
    named = Markup("").join(_parameter(p) for p in found if p.origin != "default")
    rest = Markup("").join(_parameter(p) for p in found if p.origin == "default")
    more = Markup('<details id="defaults"><summary>Defaults of the model</summary>{}</details>')
    return Markup("<h2>Parameters</h2>{}{}").format(
        table.format(named) if named else "", more.format(table.format(rest)) if rest else ""
    )


def _parameter(p: PointParameter) -> Markup:
    return Markup(
        '<tr><th scope="row"><div class="clip" title="{}">{}</div></th><td>{}</td><td>{}</td>'
        '<td class="faint">{}</td></tr>'
    ).format(
        p.description, p.name.replace("_", " "), wording.clipped(sweep_axes.shown(p.value)),
        theme.unit_text(p.unit), p.origin,
    )  # fmt: skip


def _timing(seen: Seen) -> Markup:
    """Say when, where and for how long the point was computed."""
    dataset, history = seen.points.dataset, seen.points.history()
    index = seen.point.index
    seconds = float(dataset["seconds"].isel(_at(seen)).values)
    attempts = int(dataset["attempts"].isel(_at(seen)).values)
    known = history.point_finished.shape == dataset["status"].shape  # unless it is being extended
    finished = float(history.point_finished[index]) if known else np.nan
    predicted = float(history.point_predicted[index]) if known else np.nan
    blocks = np.flatnonzero(history.finished == finished)
    facts = [
        ("time", wording.duration(seconds)), ("predicted", wording.duration(predicted)),
        ("starts", f"{attempts}"),
        ("finished", wording.clock(finished) if np.isfinite(finished) else "–"),
        ("worker", history.worker[blocks[-1]] if blocks.size else "–"),
    ]  # fmt: skip
    rows = Markup("").join(
        Markup('<tr><th scope="row">{}</th><td>{}</td></tr>').format(k, wording.clipped(v))
        for k, v in facts
    )
    return Markup('<h2>Computed</h2><table class="plain"><tbody>{}</tbody></table>').format(rows)


def _at(seen: Seen) -> dict[str, int]:
    return dict(zip(sweep_axes.axes_of(seen.points.dataset), seen.point.index, strict=True))


def _verdict(explained: Explanation) -> Markup:
    """Say why the point is as it is."""
    accounts = Markup("").join(
        Markup("<li><b>{}</b>{}: {}{}</li>").format(
            ", ".join(a.stages),
            Markup(' <span class="faint">{}</span>').format(", ".join(a.variables)),
            wording.STATE_WORDS[a.status], _list(a.lines),
        )
        for a in explained.accounts
    )  # fmt: skip
    return Markup("<h2>Why it is so</h2>{}<ul>{}</ul>").format(_list(explained.remarks), accounts)


def _list(lines: tuple[str, ...]) -> Markup:
    if not lines:
        return Markup("")
    inside = Markup("").join(Markup('<li class="words">{}</li>').format(line) for line in lines)
    return Markup("<ul>{}</ul>").format(inside)


def _errors(seen: Seen) -> Markup:
    """Tell what failed, with its tracebacks."""
    if seen.explained.status not in ("failed", "lost"):
        return Markup("")
    folder = seen.points.results.folder
    found = seen.request.watch.looks.at(
        ("failures at", folder, seen.point.flat),
        lambda: sweep.failures_at(folder, seen.point.values), LOOK_SECONDS,
    )  # fmt: skip
    told = Markup("").join(
        Markup('<p>{} in stage {}, {} start{}</p><p class="bad words">{}</p>{}').format(
            f.kind,
            f.stage,
            f.attempts,
            "s" if f.attempts != 1 else "",
            f.message,
            traceback_of(f, digest(f.stage), "Traceback"),
        )
        for f in found
    )
    return Markup("<section><h2>Error</h2>{}</section>").format(told) if found else Markup("")


def _reproduce(seen: Seen) -> Markup:
    line = sweep.command_line(seen.points.results.folder, seen.point.values)
    return copied("Computes this point in a shell, and changes nothing that is stored:", line)


# --- picture and log ----------------------------------------------------------------------


def _picture(seen: Seen) -> list[Part]:
    """Draw the first view of the model at the point."""
    results, request = seen.points.results, seen.request
    asked = {
        **{d: _text(seen, d, i) for d, i in _at(seen).items()},
        **seen.point.address,
    }  # fmt: skip
    view, controls = chosen_view(results, asked)
    chosen = asked | chosen_of(controls)
    state = {c.name: c.value for c in controls}
    title = Markup("<h2>{}</h2>").format(view.title[:1].upper() + view.title[1:])
    link = Markup('<div class="links"><a class="button" href="{}">See it in the results</a></div>')
    words = link.format(wording.link(request.base, f"/sweep/{request.sweep}/results", state))
    try:
        collected: Any = request.watch.looks.at(
            ("picture", view.name, results.folder, tuple(sorted(chosen.items()))),
            lambda: view.collect(results, chosen), LOOK_SECONDS,
        )  # fmt: skip
    except InputError as error:
        nothing = wording.paragraph(str(error), kind="empty")
        return [
            Words("picture-title", str(title)), Words("picture", ""),
            Words("picture-words", str(Markup("{}{}").format(nothing, words))),
        ]  # fmt: skip
    frame = Frame(request.wide, HEIGHT)
    key = f"{view.name} {frame} {digest_of(collected)}"
    return [
        Words("picture-title", str(title)),
        Figure("picture", partial(view.draw, collected, frame), key),
        Words("picture-words", str(words)),
    ]  # fmt: skip


def _text(seen: Seen, dim: str, place: int) -> str:
    """Write a place along a dim as views know it."""
    return sweep_axes.address_of({dim: axis_values(seen.points.dataset, dim)[place]})[dim]


def _log(seen: Seen) -> Markup:
    """Give what the log has said lately of the blocks of the point."""
    folder = seen.points.results.folder
    lines = seen.request.watch.looks.at(
        ("log", folder, seen.point.flat),
        lambda: sweep.log_lines(folder, seen.point.values, most=MOST_LINES), LOOK_SECONDS,
    )  # fmt: skip
    if not lines:
        return Markup('<h2>Log</h2><p class="faint">The log says nothing of its block.</p>')
    text = "\n".join(f"{n.time} {n.level:7} {n.worker} {n.message}" for n in lines)
    return Markup('<h2>Log of its block</h2><pre tabindex="0">{}</pre>').format(text)
