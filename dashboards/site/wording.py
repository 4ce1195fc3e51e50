"""Words and small pieces of HTML that several pages share; everything from outside is escaped."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from markupsafe import Markup, escape

from dashboards.views.view import Control
from sweep import Status

STATES = ("ok", "unstable", "running", "failed", "lost", "skipped", "todo")
"""Statuses of points, in the order in which bars show them."""
STATE_WORDS = {
    "ok": "ok", "unstable": "unstable", "running": "running", "failed": "failed",
    "lost": "lost with a worker", "skipped": "left out", "todo": "to do",
}  # fmt: skip


def duration(seconds: float | None) -> str:
    """Write a time."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def time_left(status: Status) -> str:
    """Write the range of the time that is left."""
    if status.seconds_left is None:
        return "–"
    low, high = status.seconds_left
    return f"{duration(low)} – {duration(high)}"


def ago(moment: float | None) -> str:
    """Write how long ago something was."""
    return "–" if moment is None else f"{duration(max(time.time() - moment, 0.0))} ago"


def clock(moment: float) -> str:
    """Write a moment."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def size(count: int | None) -> str:
    """Write a number of bytes."""
    if count is None:
        return "…"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def rate(points_per_second: float | None) -> str:
    """Write a speed."""
    if points_per_second is None:
        return "–"
    if points_per_second >= 1000:
        return f"{points_per_second:,.0f} /s"
    if points_per_second >= 1 or points_per_second == 0:
        return f"{points_per_second:.3g} /s"
    return f"{points_per_second * 60:.3g} /min"


def bar(counts: Mapping[str, int], *, large: bool = False) -> Markup:
    """Draw the shares of statuses; the words tell them to whoever does not see colours."""
    total = sum(counts.values()) or 1
    words = ", ".join(f"{counts[s]:,} {STATE_WORDS[s]}" for s in STATES if counts.get(s))
    pieces = Markup("").join(
        Markup('<span class="is-{}" style="width:{}%"></span>').format(s, f"{100 * n / total:.3f}")
        for s in STATES if (n := counts.get(s))
    )  # fmt: skip
    return Markup('<div class="bar{}" role="img" aria-label="{}" title="{}">{}</div>').format(
        " large" if large else "", words, words, pieces
    )


def key(counts: Mapping[str, int]) -> Markup:
    """Name the statuses that there are, with their colours and counts."""
    items = Markup("").join(
        Markup('<li><i class="is-{}"></i>{} {}</li>').format(s, f"{n:,}", STATE_WORDS[s])
        for s in STATES if (n := counts.get(s))
    )  # fmt: skip
    return Markup('<ul class="key">{}</ul>').format(items)


def state_badge(status: Status) -> Markup:
    """Write the state of a sweep."""
    return Markup('<span class="state" data-state="{}">{}</span>').format(
        status.state, status.state
    )


VERBS: Mapping[str, tuple[str, str]] = {
    "pause": ("Pause", ""),
    "resume": ("Resume", ""),
    "retry": ("Retry", "Compute the failed and lost points of {} again?"),
    "cancel": ("Cancel", "Stop {} at once? What is finished is kept."),
    "remove": ("Remove", "Move {} to the trash?"),
}
"""What a button says, and what it asks before it does it."""


def verbs_for(status: Status) -> list[str]:
    """Give what can sensibly be done with a sweep."""
    active = status.state in ("queued", "running", "waiting")
    verbs = ["pause", "cancel"] if active else []
    if status.state in ("paused", "pausing", "cancelled", "stopped"):
        verbs.append("resume")
    if {"failed", "lost"} & set(status.counts):
        verbs.append("retry")
    return verbs if active or status.state == "cancelling" else [*verbs, "remove"]


def buttons(status: Status, verbs: Sequence[str] | None = None) -> Markup:
    """Give a button for each thing that can be done."""
    return Markup("").join(
        Markup(
            '<button type="button" id="{}-{}" data-verb="{}" data-name="{}" data-question="{}" '
            'aria-label="{} {}">{}</button>'
        ).format(
            v, status.name, v, status.name, VERBS[v][1].format(status.name), VERBS[v][0],
            status.name, VERBS[v][0],
        )
        for v in (verbs_for(status) if verbs is None else verbs)
    )  # fmt: skip


def controls(chosen: Sequence[Control], *, id: str = "controls") -> Markup:
    """Write a form of controls: menus, and sliders over values in an order."""
    return Markup('<form class="controls" data-controls id="{}-form">{}</form>').format(
        id, Markup("").join(_control(c) for c in chosen)
    )


def _control(c: Control) -> Markup:
    if c.kind == "slider" and len(c.options) > 1:
        return _slider(c)
    options = Markup("").join(
        Markup('<option value="{}"{}>{}</option>').format(
            value, Markup(" selected") if value == c.value else "", words
        )
        for value, words in c.options
    )
    return Markup('<label>{}<select name="{}">{}</select></label>').format(c.label, c.name, options)


def _slider(c: Control) -> Markup:
    places = [value for value, _ in c.options]
    at = places.index(c.value) if c.value in places else 0
    listed = json.dumps([{"value": value, "words": words} for value, words in c.options])
    return Markup(
        '<label>{}<span class="slide"><input type="range" name="{}" min="0" max="{}" value="{}" '
        'data-values="{}"><output>{}</output></span></label>'
    ).format(c.label, c.name, len(places) - 1, at, listed, c.options[at][1])


def link(base: str, path: str, state: Mapping[str, str] | None = None) -> str:
    """Give the address of a page."""
    return f"{base}{path}" + (f"?{urlencode(state)}" if state else "")


def sorter(name: str, words: str, state: Mapping[str, str], *, number: bool = False) -> Markup:
    """Write the head of a column that sorts by it."""
    mine = state.get("sort") == name
    down = mine and state.get("down") == "1"
    sorted_ = Markup(' aria-sort="{}"').format("descending" if down else "ascending")
    head = Markup('<th{}{}><button type="button" id="sort-{}" data-set="{}">{}</button></th>')
    return head.format(
        Markup(' class="number"') if number else "", sorted_ if mine else "", name,
        urlencode({"sort": name, "down": "0" if down or not mine else "1", "page": "1"}), words,
    )  # fmt: skip


def clipped(text: str, *, kind: str = "clip") -> Markup:
    """Write a text that may be too long for its place; the whole of it shows under the mouse."""
    return Markup('<div class="{}" title="{}">{}</div>').format(kind, text, text)


def paragraph(text: str, *, kind: str = "") -> Markup:
    """Write a paragraph."""
    return Markup('<p class="{}">{}</p>').format(kind, escape(text))
