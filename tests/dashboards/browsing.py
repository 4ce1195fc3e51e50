"""A Chromium that looks at the pages of a service as a user does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from dashboards.files import find_browser
from tests.service.tools import Served

WAIT = 60_000
"""Milliseconds for whatever a busy machine takes its time with."""
EXPECTED = re.compile(r"Failed to load resource: .*(401|404|409|422|ERR_CONNECTION_REFUSED)")
"""Browsers count answers that are refusals among errors."""


@dataclass
class Visitor:
    """One window of a browser that has logged in; complaints are kept."""

    service: Served
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    def visit(self, path: str) -> Page:
        """Go to a page and wait until it has been brought up to date once."""
        with self.page.expect_response(lambda reply: "parts=1" in reply.url):
            self.page.goto(self.service.told["url"] + path)
        return self.page

    def drawn(self, part: str) -> Any:
        """Wait for a picture."""
        picture = self.page.locator(f"#{part} .bk-Figure, #{part} .bk-Row, #{part} .bk-Column")
        expect(picture.first).to_be_visible()
        return picture.first

    def state(self) -> dict[str, str]:
        """Give the state that the address holds."""
        found: dict[str, str] = self.page.evaluate(
            "Object.fromEntries(new URLSearchParams(location.search))"
        )
        return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser of this machine, without a window."""
    found = find_browser()
    if found is None:
        pytest.skip("pages are looked at in a Chromium, which this machine lacks (see README)")
    expect.set_options(timeout=WAIT)
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@contextmanager
def visitor(browser: Browser, service: Served, **options: Any) -> Iterator[Visitor]:
    """Open a window and log in by a link; complaints of the browser fail the test."""
    context = browser.new_context(
        **{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | options
    )
    context.set_default_timeout(WAIT)
    page = context.new_page()
    one = Visitor(service, context, page)
    page.on("console", lambda said: _note(one, said.type, said.text))
    page.on("pageerror", lambda error: one.complaints.append(str(error)))
    link = service.ask("POST", "/login-links").told["path"]
    base = service.told["url"]
    page.goto(base.removesuffix(_prefix(base)) + link)
    page.wait_for_url(f"{base}/")
    yield one
    context.close()
    assert one.complaints == []


def _prefix(url: str) -> str:
    return "/" + url.split("/", 3)[3] if url.count("/") > 2 else ""


def _note(one: Visitor, kind: str, text: str) -> None:
    if kind in ("error", "warning") and not EXPECTED.match(text):
        one.complaints.append(text)
