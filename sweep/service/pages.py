"""Pages for browsers: the way in, and whatever draws them (see `sweep.drawing`)."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from tornado.web import Finish

from sweep.service.guarding import Guarded, House
from sweep.service.security import SESSION_SECONDS

LEAST_ZIPPED = 1000
"""Bytes from which on an answer is packed."""
CONTENT_RULES = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'"
)
"""What a browser may load: nothing from elsewhere, and no script that stands in a page. Figures
carry small functions of ours, for labels of axes, which count as eval."""


def packed(content: bytes) -> bytes:
    """Pack an answer."""
    return gzip.compress(content, 5)


packed_once = lru_cache(maxsize=64)(packed)
"""For what every page loads."""


class Reply(Protocol):
    """What a browser gets."""

    content: bytes
    kind: str
    status: int
    headers: Mapping[str, str]


class Site(Protocol):
    """What draws pages."""

    def answer(self, path: str, query: Mapping[str, Sequence[str]]) -> Reply:
        """Give a page, the parts of one that have changed, or a file."""

    def asset(self, name: str) -> Reply | None:
        """Give a script, a style sheet or a picture."""

    def login_page(self, title: str, text: str, forward: str = "") -> bytes:
        """Say how to log in, or that it has worked."""


class Browsed(Guarded):
    """Answers browsers."""

    def initialize(self, house: House, site: Site) -> None:  # type: ignore[override]
        """Take what all handlers share, and what draws."""
        super().initialize(house)
        self.site = site

    def set_default_headers(self) -> None:
        """Let scripts of ours run."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", CONTENT_RULES)

    async def send(
        self, content: bytes, kind: str, pack: Callable[[bytes], bytes] = packed
    ) -> None:
        """Send something, packed if the browser unpacks it."""
        self.set_header("Content-Type", kind)
        self.set_header("Vary", "Accept-Encoding")
        if len(content) >= LEAST_ZIPPED and "gzip" in self.request.headers.get(
            "Accept-Encoding", ""
        ):
            self.set_header("Content-Encoding", "gzip")
            content = await self.in_thread(pack, content)
        self.write(content)


class Login(Browsed):
    """Opens a session for a browser that has a link."""

    def may_enter(self) -> bool:
        """Let everybody try."""
        return True

    def get(self) -> None:
        """Take a code, and lead to the pages."""
        if not self.house.gate.takes_code(self.get_query_argument("code", "")):
            self.set_status(401)
            text = "This link was used before, or is older than ten minutes."
            self.write(self.site.login_page("Not logged in", text))
            return
        self.set_cookie(
            self.house.cookie, self.house.gate.session(), httponly=True, samesite="Strict",
            secure=self.house.secure, path=self.house.prefix or "/",
            max_age=SESSION_SECONDS,
        )  # fmt: skip
        # a redirect would come from another site, whose browser keeps a strict cookie back
        forward = f"{self.house.prefix}/"
        self.write(self.site.login_page("Logged in", "This browser may come in.", forward))


class Pages(Browsed):
    """Gives pages to browsers that have logged in."""

    def may_enter(self) -> bool:
        """Let sessions in, and tell others where to get one."""
        if self.has_session():
            return True
        self.set_status(401)
        self.finish(self.site.login_page("Not logged in", "These pages are for who has a link."))
        raise Finish

    async def get(self, path: str) -> None:
        """Give a page, the parts of one that have changed, or a file."""
        query = {
            key: self.get_query_arguments(key, strip=False) for key in self.request.query_arguments
        }
        reply = await self.in_thread(self.site.answer, path, query)
        self.set_status(reply.status)
        for name, value in reply.headers.items():
            self.set_header(name, value)
        await self.send(reply.content, reply.kind)


class Assets(Browsed):
    """Gives scripts, style sheets and pictures, which hold nothing that is secret."""

    def may_enter(self) -> bool:
        """Let everybody in: the way in looks like the pages."""
        return True

    async def get(self, name: str) -> None:
        """Give one; its path changes with its content."""
        reply = self.site.asset(name)
        if reply is None:
            self.refuse(404, "There is no such file.")
            return
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        await self.send(reply.content, reply.kind, packed_once)
