"""All sweeps of a workspace, and the way to submit one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from dashboards.site import wording
from dashboards.site.pages import Content, Page, Request
from dashboards.site.parts import Rows, Words
from dashboards.site.watching import Watch, points_done, points_wanted
from sweep import Status

ROWS = 100
"""Of a page."""
LIVE_SECONDS, QUIET_SECONDS = 1.5, 5.0
COLUMNS: tuple[tuple[str, str, bool], ...] = (
    ("name", "sweep", False), ("model", "model", False), ("state", "state", False),
    ("progress", "points", False), ("rate", "rate", True), ("left", "time left", True),
    ("priority", "priority", True), ("age", "submitted", True), ("size", "on disk", True),
    ("note", "last error or note", False),
)  # fmt: skip
"""Key, words, whether it holds numbers."""


class SweepsPage(Page):
    """All sweeps: how far they are, and buttons."""

    path = "/"
    template = "sweeps.html"

    def title(self, request: Request) -> str:
        """Name the page."""
        return "Sweeps"

    def content(self, request: Request) -> Content:
        """List the sweeps, sorted and searched as the state says."""
        watch, state = request.watch, _state(request)
        found = watch.statuses()
        shown = _sorted([s for s in found if _fits(s, state["q"])], watch, state)
        pages = max(-(-len(shown) // ROWS), 1)
        page = min(int(state["page"]), pages)
        here = shown[(page - 1) * ROWS : page * ROWS]
        rows = {s.name: str(_row(s, watch, request.base)) for s in here}
        parts = [
            Words("summary", _summary(found, shown)),
            Words("search", _search(state["q"], len(found))),
            Words("head", _head(state)),
            Rows("sweeps", rows),
            Words("empty", _empty(found, shown)),
            Words("turn", _turn(page, pages)),
        ]
        plain = {k: v for k, v in state.items() if v != DEFAULTS[k]}
        live = any(s.running for s in here)
        return Content(parts, plain, LIVE_SECONDS if live else QUIET_SECONDS)


DEFAULTS = {"q": "", "sort": "age", "down": "1", "page": "1"}


def _state(request: Request) -> dict[str, str]:
    state = {k: request.query.get(k, default) for k, default in DEFAULTS.items()}
    if state["sort"] not in {name for name, _, _ in COLUMNS}:
        state["sort"] = DEFAULTS["sort"]
    if not (state["page"].isascii() and state["page"].isdigit() and len(state["page"]) < 7):
        state["page"] = "1"
    state["page"] = str(max(int(state["page"]), 1))
    return state


def _fits(status: Status, words: str) -> bool:
    """Say whether a sweep holds all words that are searched for."""
    told = f"{status.name} {status.model} {status.state} {status.note}".lower()
    return all(word in told for word in words.lower().split())


def _sorted(found: list[Status], watch: Watch, state: dict[str, str]) -> list[Status]:
    keys: dict[str, Callable[[Status], Any]] = {
        "name": lambda s: s.name, "model": lambda s: s.model, "state": lambda s: s.state,
        "progress": lambda s: s.fraction, "rate": lambda s: watch.rate(s) or 0.0,
        "left": lambda s: s.seconds_left or (0.0, 0.0), "priority": lambda s: s.priority,
        "age": lambda s: watch.begun(s) or 0.0, "size": lambda s: watch.size(s) or 0,
        "note": lambda s: s.note,
    }  # fmt: skip
    by_name = sorted(found, key=lambda s: s.name)
    return sorted(by_name, key=keys[state["sort"]], reverse=state["down"] == "1")


def _row(status: Status, watch: Watch, base: str) -> Markup:
    error = status.note or watch.last_error(status) or ""
    link = wording.link(base, f"/sweep/{status.name}")
    return Markup(
        '<td><div class="name"><a href="{link}" title="{name}">{name}</a></div></td>'
        "<td>{model}</td><td>{state}</td>"
        "<td>{bar}<small>{done} of {total}</small></td>"
        '<td class="number">{rate}</td><td class="number">{left}</td>'
        '<td class="number">{priority}</td><td class="number">{age}</td>'
        '<td class="number">{size}</td><td>{error}</td>'
        '<td><div class="actions">{buttons}</div></td>'
    ).format(
        link=link, name=status.name, model=status.model, state=wording.state_badge(status),
        bar=wording.bar(status.counts),
        done=f"{points_done(status):,}", total=f"{points_wanted(status):,}",
        rate=wording.rate(watch.rate(status)), left=wording.time_left(status),
        priority=status.priority, age=wording.ago(watch.begun(status)),
        size=wording.size(watch.size(status)), error=wording.clipped(error),
        buttons=wording.buttons(status),
    )  # fmt: skip


def _head(state: dict[str, str]) -> str:
    cells = [wording.sorter(name, words, state, number=number) for name, words, number in COLUMNS]
    return str(Markup("<tr>{}<th></th></tr>").format(Markup("").join(cells)))


def _summary(found: list[Status], shown: list[Status]) -> str:
    if not found:
        return ""
    running = sum(s.running for s in found)
    few = "" if len(shown) == len(found) else f"{len(shown):,} of "
    count = f"{len(found):,} sweep{'s' if len(found) > 1 else ''}"
    return str(Markup("<p>{}{}, {} running</p>").format(few, count, f"{running:,}"))


def _search(words: str, count: int) -> str:
    if not count:
        return ""
    return str(Markup(
        '<form class="controls" data-controls role="search"><label>Search'
        '<input type="search" name="q" id="q" value="{}" placeholder="name, model, state"></label>'
        "</form>"
    ).format(words))  # fmt: skip


def _empty(found: list[Status], shown: list[Status]) -> str:
    if not found:
        return str(Markup(
            '<section class="empty"><h2>No sweeps yet</h2><p>Submit a sweep file below, or from a '
            "shell: <code>modesweep submit FILE.toml</code></p></section>"
        ))  # fmt: skip
    return "" if shown else str(wording.paragraph("No sweep fits the search.", kind="empty"))


def _turn(page: int, pages: int) -> str:
    if pages == 1:
        return ""
    back = Markup('<button type="button" data-set="page={}"{}>Back</button>').format(
        page - 1, Markup(" disabled") if page == 1 else ""
    )
    on = Markup('<button type="button" data-set="page={}"{}>On</button>').format(
        page + 1, Markup(" disabled") if page == pages else ""
    )
    return str(Markup('<div class="links">{} page {} of {} {}</div>').format(back, page, pages, on))
