"""To come."""

from __future__ import annotations

from dashboards.site.pages import Content, Page, Request


class ClusterPage(Page):
    """To come."""

    path = "/cluster"
    template = "cluster.html"

    def title(self, request: Request) -> str:
        """Name the page."""
        return "Cluster"

    def content(self, request: Request) -> Content:
        """Give nothing yet."""
        return Content([])
