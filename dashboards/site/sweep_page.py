"""To come."""

from __future__ import annotations

from dashboards.site.pages import Content, Page, Request


class SweepPage(Page):
    """To come."""

    path = r"/sweep/(?P<sweep>[^/]+)"
    template = "sweep.html"

    def title(self, request: Request) -> str:
        """Name the page."""
        return request.sweep

    def content(self, request: Request) -> Content:
        """Give nothing yet."""
        return Content([])
