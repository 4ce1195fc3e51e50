"""The results of a sweep, in any of the views that fit it, filling while it runs."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup

from dashboards import theme
from dashboards.site import wording
from dashboards.site.pages import Content, File, Page, Request
from dashboards.site.parts import Figure, Part, Words, digest_of
from dashboards.site.watching import points_done, points_wanted
from dashboards.tables import csv_of
from dashboards.views.registry import views_of
from dashboards.views.view import Asked, Control, Frame, Results, Table, View, chosen_of
from sweep import InputError

LIVE_SECONDS, QUIET_SECONDS = 2.0, 15.0
HEIGHT = 480
NUMBERS = "numbers"
MOST_ROWS = 200
"""Of the numbers that a page shows."""


class ResultsPage(Page):
    """A view, what can be chosen in it, and downloads."""

    path = r"/sweep/(?P<sweep>[^/]+)/results"
    template = "results.html"

    def title(self, request: Request) -> str:
        """Name the page."""
        return f"{request.sweep}: results"

    def content(self, request: Request) -> Content:
        """Draw what is chosen."""
        status = request.watch.status(request.sweep)
        results = request.watch.results(request.sweep)
        view, controls = chosen_view(results, request.query)
        chosen = dict(request.query) | chosen_of(controls)
        offered = Words("controls", str(wording.controls(controls)))
        state = {c.name: c.value for c in controls}
        seconds = LIVE_SECONDS if status.running else QUIET_SECONDS
        try:
            collected = view.collect(results, chosen)
        except InputError as error:
            nothing = str(wording.paragraph(str(error), kind="empty"))
            parts: list[Part] = [
                Words("told", _told(request, None)), offered, Words("nothing", nothing),
                Words("downloads", ""),
            ]  # fmt: skip
            return Content(parts, state, seconds)
        frame = Frame(request.wide, HEIGHT)
        key = f"{view.name} {frame} {digest_of(collected)}"
        detail = self._detail(view, results, chosen)
        parts = [
            Words("told", _told(request, _moved(view, collected, results, request))), offered,
            Words("nothing", ""), Figure("picture", partial(view.draw, collected, frame), key),
            Words("downloads", _downloads(request, chosen)), *detail,
            Words("numbers", _numbers(view.table(collected)) if _wants_numbers(request) else ""),
        ]  # fmt: skip
        picked = {k: v for k, v in request.query.items() if k in (*view.picks, *view.picks_too)}
        numbers = {NUMBERS: "1"} if _wants_numbers(request) else {}
        return Content(parts, state | picked | numbers, seconds)

    def file(self, request: Request, name: str) -> File:
        """Give the numbers of the picture."""
        if name != "csv":
            return super().file(request, name)
        results = request.watch.results(request.sweep)
        view, controls = chosen_view(results, request.query)
        table = view.table(view.collect(results, dict(request.query) | chosen_of(controls)))
        return File(f"{request.sweep}-{view.name}.csv", csv_of(table).encode())

    def _detail(self, view: View[Any], results: Results, chosen: Asked) -> list[Part]:
        if not view.picks or not set(view.picks) <= set(chosen):
            hint = wording.paragraph(view.hint, kind="faint") if view.hint else ""
            return [Words("detail-words", str(hint))]
        try:
            drawn = view.detail(results, chosen)
        except InputError as error:
            return [Words("detail-words", str(wording.paragraph(str(error), kind="note")))]
        if drawn is None:
            return [Words("detail-words", "")]
        key = f"{view.name} {sorted(chosen.items())}"
        return [Words("detail-words", ""), Figure("detail", lambda: drawn, key)]


def chosen_view(results: Results, asked: Asked) -> tuple[View[Any], list[Control]]:
    """Give the view that is asked for, or the first that fits, with all that can be chosen."""
    views = views_of(results)
    offered = Control.of("view", "view", [(v.name, v.title) for v in views], asked)
    view = next(v for v in views if v.name == offered.value)
    return view, [offered, *view.controls(results, asked)]


def _moved(view: View[Any], collected: Any, results: Results, request: Request) -> float | None:
    return view.moved(collected, results, request.watch.history(request.sweep).point_finished)


def _told(request: Request, moved: float | None) -> str:
    status = request.watch.status(request.sweep)
    done, wanted = points_done(status), points_wanted(status)
    share = f"{100 * status.fraction:.3g} % complete, {done:,} of {wanted:,} points"
    if moved is not None:
        share += (
            f"; the last 10 % of the points moved the curve by {100 * moved:.2g} % of its height"
        )
    return str(Markup('{}<p class="faint">{}</p>').format(wording.bar(status.counts), share))


def _wants_numbers(request: Request) -> bool:
    return request.query.get(NUMBERS) == "1"


def _numbers(table: Table) -> str:
    """Write the first rows of the numbers that are drawn."""
    heads = [theme.with_unit(n.replace("_", " "), table.units.get(n, "")) for n in table.columns]
    columns = [column[:MOST_ROWS] for column in table.columns.values()]
    count = max((len(c) for c in table.columns.values()), default=0)
    head = Markup("").join(Markup("<th>{}</th>").format(h) for h in heads)
    rows = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<td>{}</td>").format(value_words(v)) for v in row)
        )
        for row in zip(*columns, strict=True)
    )
    more = f"The first {MOST_ROWS} of {count:,} rows; CSV has all." if count > MOST_ROWS else ""
    return str(Markup(
        '<h2>Numbers</h2><div class="scroll"><table><thead><tr>{}</tr></thead>'
        '<tbody>{}</tbody></table></div><p class="faint">{}</p>'
    ).format(head, rows, more))  # fmt: skip


def value_words(value: Any) -> str:
    """Write a number of a table; what is missing is left empty."""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.6g}"
    return str(value)


def _downloads(request: Request, chosen: Asked) -> str:
    state = {k: v for k, v in chosen.items() if isinstance(v, str)}
    csv = wording.link(request.base, f"/sweep/{request.sweep}/results", state | {"_file": "csv"})
    return str(Markup(
        '<div class="links"><span class="faint">Download</span>'
        '<a class="button" href="{}" download>CSV</a>'
        '<button type="button" data-save="png" data-figure="picture">PNG</button>'
        '<button type="button" data-save="svg" data-figure="picture">SVG</button>'
        '<button type="button" id="numbers-shown" data-set="{}={}">{} the numbers</button></div>'
    ).format(
        csv, NUMBERS, "" if _wants_numbers(request) else "1",
        "Hide" if _wants_numbers(request) else "Show",
    ))  # fmt: skip
