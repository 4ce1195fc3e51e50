"""To come."""

from __future__ import annotations

from dashboards.site.pages import Content, Page, Request


class ErrorsPage(Page):
    """To come."""

    path = r"/sweep/(?P<sweep>[^/]+)/errors"
    template = "errors.html"

    def title(self, request: Request) -> str:
        """Name the page."""
        return f"{request.sweep}: errors"

    def content(self, request: Request) -> Content:
        """Give nothing yet."""
        return Content([])
