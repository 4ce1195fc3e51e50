"""The scheduler and its workers, by what they last said of themselves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

import sweep
from dashboards.site import wording
from dashboards.site.pages import Content, Page, Request
from dashboards.site.parts import Rows, Words

SECONDS = 2.0
WORKERS_PER_SECOND = 20
"""That are brought up to date; of many, each is more seldom."""
MOST_WORKERS = 200
LATELY = 10.0
"""Seconds since a worker was seen that are not worth to be told."""
FULL = 0.9
"""Of a worker's memory."""
Worker = Mapping[str, Any]


class ClusterPage(Page):
    """The cluster."""

    path = r"/cluster"
    template = "cluster.html"

    def title(self, request: Request) -> str:
        """Name the page."""
        return "Cluster"

    def content(self, request: Request) -> Content:
        """Tell of the scheduler and the workers."""
        told = request.watch.looks.at("cluster", request.watch.service.cluster, SECONDS)
        workers = sorted(told["workers"], key=lambda w: (w["name"], w["address"]))
        rows = {w["address"]: str(_row(w)) for w in workers[:MOST_WORKERS]}
        parts = [
            Words("fault", str(_fault(told["fault"]))), Words("facts", str(_facts(told, workers))),
            Words("workers-head", str(_head()) if rows else ""), Rows("workers", rows),
            Words("workers-words", str(_rest(workers))),
            Words("carried", str(_carried(told["carried"], request.base))),
            Words("versions", str(_versions())),
        ]  # fmt: skip
        return Content(parts, {}, max(SECONDS, len(rows) / WORKERS_PER_SECOND))


def _fault(fault: str) -> Markup:
    if not fault:
        return Markup("")
    return Markup(
        '<section class="empty"><h2 class="bad">No cluster</h2><p class="words">{}</p>'
        "<p>Sweeps wait until it is back; nothing that is finished is lost.</p></section>"
    ).format(fault)


def _facts(told: Mapping[str, Any], workers: Sequence[Worker]) -> Markup:
    memory = sum(w["memory"] for w in workers)
    facts = [
        ("workers", f"{len(workers):,}"), ("threads", f"{sum(w['threads'] for w in workers):,}"),
        ("memory used", wording.size(memory)),
        ("tasks", f"{sum(w['executing'] for w in workers):,} running, "
                  f"{sum(w['ready'] for w in workers):,} ready"),
    ]  # fmt: skip
    cells = Markup("").join(
        Markup('<div><span class="label">{}</span>{}</div>').format(
            label, wording.clipped(value, kind="value clip")
        )
        for label, value in facts
    )  # fmt: skip
    where = Markup("<p>Scheduler: {} <code>{}</code></p>").format(
        told["scheduler"], told["address"] if told["address"] != told["scheduler"] else ""
    )
    link = Markup('<p><a href="{}">The dashboard of Dask</a></p>').format(told["dashboard"])
    safe = str(told["dashboard"]).startswith(("http://", "https://"))
    return Markup('{}<div class="facts">{}</div>{}').format(where, cells, link if safe else "")


def _head() -> Markup:
    heads = (
        ("worker", ""), ("address", ""), ("threads", "number"), ("memory", ""), ("cpu", "number"),
        ("running", "number"), ("ready", "number"), ("last seen", "number"), ("state", ""),
    )  # fmt: skip
    cells = Markup("").join(Markup('<th class="{}">{}</th>').format(k, h) for h, k in heads)
    return Markup("<tr>{}</tr>").format(cells)


def _row(worker: Worker) -> Markup:
    return Markup(
        '<td>{}</td><td>{}</td><td class="number">{}</td><td>{}</td><td class="number">{} %</td>'
        '<td class="number">{}</td><td class="number">{}</td><td class="number">{}</td><td>{}</td>'
    ).format(
        wording.clipped(worker["name"]), wording.clipped(worker["address"]), worker["threads"],
        _memory(worker["memory"], worker["memory_limit"]), f"{worker['cpu']:.0f}",
        worker["executing"], worker["ready"], _seen(worker["last_seen"]),
        worker["status"],
    )  # fmt: skip


def _seen(moment: float) -> str:
    """Write when a worker was seen, in words that do not change with every look."""
    lately = moment and time.time() - moment < LATELY
    return "just now" if lately else wording.ago(moment or None)


def _memory(used: int, limit: int) -> Markup:
    """Draw how much of its memory a worker uses."""
    if not limit:
        return Markup("<small>{}</small>").format(wording.size(used))
    share = min(used / limit, 1.0)
    return Markup(
        '<div class="meter"><span data-full="{}" style="width:{}%"></span></div>'
        "<small>{} of {}</small>"
    ).format(int(share > FULL), f"{100 * share:.1f}", wording.size(used), wording.size(limit))


def _rest(workers: Sequence[Worker]) -> Markup:
    if not workers:
        return wording.paragraph("There are no workers.", kind="faint")
    if len(workers) <= MOST_WORKERS:
        return Markup("")
    words = f"The first {MOST_WORKERS} of {len(workers):,} workers, by name."
    return wording.paragraph(words, kind="faint")


def _carried(names: Sequence[str], base: str) -> Markup:
    if not names:
        return wording.paragraph("None at the moment.", kind="faint")
    items = Markup("").join(
        Markup('<li><a class="clip wide" href="{}" title="{}">{}</a></li>').format(
            wording.link(base, f"/sweep/{name}"), name, name
        )
        for name in names
    )
    return Markup("<ul>{}</ul>").format(items)


def _versions() -> Markup:
    rows = Markup("").join(
        Markup('<tr><th scope="row">{}</th><td>{}</td></tr>').format(name, version)
        for name, version in sweep.installed_versions().items()
    )
    return Markup('<table class="plain"><tbody>{}</tbody></table>').format(rows)
