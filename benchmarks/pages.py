"""Pages in a browser, with a million points and a hundred sweeps: first paint, bytes, memory.

    python -m benchmarks.pages
    python -m benchmarks.pages --quick

Scheduler, workers, service and a headless Chromium are processes of their own. First paint is
what the browser says of itself (first contentful paint), the median of several visits with the
scripts in its cache. Bytes are those that travel, packed, without scripts and style sheets; while
live, on average over the time that a page is watched of a sweep that runs. Memory is resident
memory of the service before and after sessions that each open all pages, half a minute after the
last one, when what they left has been given back. The scheduler's CPU
time is compared in rounds with a page open and without.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

from benchmarks.scale import COMMAND, Row, chains
from benchmarks.service import (
    SMALL_BLOCKS,
    SWEEPS,
    Served,
    cluster,
    cpu_of,
    fill,
    served,
    summarize,
)
from benchmarks.timing import machine, print_table, settle, verdict
from dashboards.files import find_browser
from sweep.service.memory import TIDY_SECONDS

PAGES = ("/", "/sweep/large", "/sweep/large/results", "/sweep/large/errors", "/cluster")
VISITS = 5
GOALS = {"paint": 1.0, "load": 300.0, "live": 10.0, "growth": 5.0, "cpu": 10.0}
"""Seconds; kB; kB/s; % of memory; ms of CPU a second, which is one percent."""


class Window:
    """A window of a browser that has logged in, and the bytes that it was sent."""

    def __init__(self, browser: Browser, service: Served) -> None:
        self._service = service
        self.context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 900})
        self.page: Page = self.context.new_page()
        self.bytes = 0
        self.page.on("response", self._count)
        self.page.goto(service.url + json.loads(service.ask("POST", "/login-links"))["path"])
        self.page.wait_for_url(f"{service.url}/")

    def _count(self, response: Response) -> None:
        if "/assets/" not in response.url:
            self.bytes += int(response.headers.get("content-length", 0))

    def visit(self, path: str) -> None:
        """Open a page and wait for its pictures."""
        self.page.goto(self._service.url + path, wait_until="load")
        self.page.wait_for_load_state("networkidle")

    @property
    def first_paint(self) -> float:
        """Seconds from the click to the first words on the page."""
        told = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        return float(self.page.evaluate(told)) / 1e3


def loading(browser: Browser, service: Served) -> Iterable[Row]:
    """Measure the first paint of all pages, and what they are sent until they are whole."""
    window = Window(browser, service)
    for path in PAGES:
        paints, sizes = [], []
        for _ in range(VISITS):
            window.bytes = 0
            window.visit(path)
            paints.append(window.first_paint)
            sizes.append(window.bytes / 1e3)
        slowest = f"slowest {max(paints):.2f}"
        yield f"first paint of {path}, s", statistics.median(paints), GOALS["paint"], slowest
        yield f"load of {path}, kB", max(sizes), GOALS["load"], "packed, without scripts"
    window.context.close()


def sessions(browser: Browser, service: Served, count: int) -> Iterable[Row]:
    """Open and close windows; see what they leave in the memory of the service.

    It goes up and down by what was answered last, so halves are compared, not two moments.
    """
    marks = []
    for i in range(count + count // 5):
        window = Window(browser, service)
        for path in PAGES:
            window.page.goto(service.url + path, wait_until="load")
        window.context.close()
        if (i + 1) % (count // 5) == 0:
            time.sleep(2 * TIDY_SECONDS)
            marks.append(service.megabytes)
    half = len(marks) // 2
    growth = (statistics.mean(marks[half:]) / statistics.mean(marks[:half]) - 1) * 100
    beside = ", ".join(f"{mark:.0f}" for mark in marks) + " MB"
    yield f"memory that {count} sessions add, %", growth, GOALS["growth"], beside


def living(browser: Browser, service: Served, seconds: float) -> Iterable[Row]:
    """Count the bytes that pages of a running sweep are sent."""
    service.ask("POST", "/sweeps", chains(200_000, "running"))
    window = Window(browser, service)
    for path in ("/", "/sweep/running", "/sweep/running/results"):
        window.page.goto(service.url + path)
        window.page.wait_for_timeout(5000)  # the load is over
        window.bytes, began = 0, time.perf_counter()
        window.page.wait_for_timeout(1000 * seconds)
        rate = window.bytes / 1e3 / (time.perf_counter() - began)
        told = json.loads(service.ask("GET", "/sweeps/running"))
        yield f"live {path}, kB/s", rate, GOALS["live"], f"{told['state']}, packed"
    window.context.close()


def scheduling(browser: Browser, service: Served, host: object, seconds: float) -> Iterable[Row]:
    """Compare what the scheduler does with a page open and without."""
    alone, watched = [], []
    for path in ("/sweep/large", "/cluster", "/"):
        alone.append(cpu_of(host, seconds))  # type: ignore[arg-type]
        window = Window(browser, service)
        window.page.goto(service.url + path)
        watched.append(cpu_of(host, seconds))  # type: ignore[arg-type]
        window.context.close()
    more = max(w - a for w, a in zip(watched, alone, strict=True))
    beside = f"without {max(alone):.1f}, with {max(watched):.1f}"
    yield "scheduler's CPU for an open page, ms a second", more, GOALS["cpu"], beside


def measured(points: int, seconds: float, count: int, folder: Path) -> Iterable[Row]:
    """Measure everything."""
    workspace = folder / "results"
    fill(workspace, points)
    for sweep in workspace.glob("[!.]*/plan.json"):
        summarize(sweep.parent)
    with sync_playwright() as play, cluster(folder) as hosts:
        browser = play.chromium.launch(
            executable_path=find_browser(), args=["--no-sandbox", "--disable-gpu"]
        )
        with served(workspace, hosts.address, list(COMMAND)) as service:
            yield from loading(browser, service)
            yield from sessions(browser, service, count)
            yield from scheduling(browser, service, hosts.scheduler, seconds)
        with served(workspace, hosts.address, SMALL_BLOCKS) as service:
            yield from living(browser, service, seconds)
        browser.close()


def main() -> None:
    """Print what everything takes, and the goals."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--points", type=int, default=10**6)
    parser.add_argument("--quick", action="store_true", help="100,000 points, few sessions")
    options = parser.parse_args()
    print(machine())
    points = 100_000 if options.quick else options.points
    with tempfile.TemporaryDirectory() as name:
        seconds, count = (5.0, 20) if options.quick else (20.0, 100)
        rows = []
        for row in measured(points, seconds, count, Path(name)):
            print(".", end="", flush=True, file=sys.stderr)
            rows.append(row)
    print_table(
        (f"{points:,} points, {SWEEPS + 1} sweeps", "measured", "goal", "", "beside"),
        [(what, much, f"<= {goal:g}", verdict(much <= goal), beside)
         for what, much, goal, beside in rows],
    )  # fmt: skip


if __name__ == "__main__":
    settle()
    main()
