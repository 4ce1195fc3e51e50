"""To come."""

from __future__ import annotations

from dashboards.site.pages import Content, Page, Request


class PointPage(Page):
    """To come."""

    path = r"/sweep/(?P<sweep>[^/]+)/point"
    template = "point.html"

    def title(self, request: Request) -> str:
        """Name the page."""
        return f"{request.sweep}: a point"

    def content(self, request: Request) -> Content:
        """Give nothing yet."""
        return Content([])
