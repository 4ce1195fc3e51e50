"""Pages for browsers: the way in, and a list of the sweeps."""

from __future__ import annotations

import html

from tornado.web import Finish

from sweep.service.guarding import Guarded
from sweep.service.security import SESSION_SECONDS


class Login(Guarded):
    """Opens a session for a browser that has a link."""

    def may_enter(self) -> bool:
        """Let everybody try."""
        return True

    def get(self) -> None:
        """Take a code, and lead to the pages."""
        if not self.house.gate.takes_code(self.get_query_argument("code", "")):
            self.set_status(401)
            self.write(_page("Not logged in", [
                "This link was used before, or is older than ten minutes.",
                "Make another: <code>modesweep login</code>",
            ]))  # fmt: skip
            return
        self.set_cookie(
            self.house.cookie, self.house.gate.session(), httponly=True, samesite="Strict",
            secure=self.house.secure, path=self.house.prefix or "/",
            max_age=SESSION_SECONDS,
        )  # fmt: skip
        # a redirect would come from another site, whose browser keeps a strict cookie back
        self.write(_page("Logged in", [f'<a href="{self.house.prefix}/">The sweeps</a>'],
                         forward=f"{self.house.prefix}/"))  # fmt: skip


class Page(Guarded):
    """A page for browsers that have logged in."""

    def may_enter(self) -> bool:
        """Let sessions in, and tell others where to get one."""
        if self.has_session():
            return True
        self.set_status(401)
        self.finish(_page("Not logged in", ["<code>modesweep login</code> makes a link."]))
        raise Finish

    async def get(self) -> None:
        """List the sweeps."""
        statuses = await self.in_thread(self.house.service.statuses)
        rows = [
            f"<tr><td>{html.escape(s.name)}</td><td>{html.escape(s.model)}</td>"
            f"<td>{s.state}</td><td>{s.blocks_done} of {s.blocks}</td>"
            f"<td>{html.escape(s.note)}</td></tr>"
            for s in statuses
        ]
        head = "<tr><th>sweep<th>model<th>state<th>blocks<th>note</tr>"
        table = f"<table>{head}{''.join(rows)}</table>"
        none = "There are no sweeps yet. <code>modesweep submit FILE</code> brings one."
        self.write(_page("Sweeps", [table if rows else none]))


def _page(title: str, paragraphs: list[str], forward: str = "") -> str:
    refresh = f'<meta http-equiv="refresh" content="0; url={forward}">' if forward else ""
    body = "".join(f"<p>{text}</p>" for text in paragraphs)
    style = (
        "body{font:16px system-ui;margin:3rem auto;max-width:60rem;color:#222;background:#fff}"
        "td,th{padding:.3rem 1rem;text-align:left;border-bottom:1px solid #ccc}"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{refresh}'
        f"<title>{title} - modesweep</title><style>{style}</style></head>"
        f"<body><h1>{title}</h1>{body}</body></html>"
    )
