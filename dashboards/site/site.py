"""Answers the browser: paths and queries in, pages, parts and files out."""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import bokeh
import jinja2
from markupsafe import Markup

from dashboards.site.cluster_page import ClusterPage
from dashboards.site.errors_page import ErrorsPage
from dashboards.site.pages import File, Page, Request, Service
from dashboards.site.parts import Figure, Memory, Part, Rows, Words, digest_of
from dashboards.site.point_page import PointPage
from dashboards.site.results_page import ResultsPage
from dashboards.site.sweep_page import SweepPage
from dashboards.site.sweeps_page import SweepsPage
from dashboards.site.watching import Watch
from sweep import NoSweepError, SweepError

HERE = Path(__file__).parent
BOKEH_JS = Path(bokeh.__file__).parent / "server" / "static" / "js" / "bokeh.min.js"
"""Without its widgets: controls are HTML, which keyboards and screen readers know."""
PAGES: tuple[Page, ...] = (
    SweepsPage(), SweepPage(), ResultsPage(), ErrorsPage(), PointPage(), ClusterPage(),
)  # fmt: skip
RESERVED = ("_parts", "_have", "_dark", "_wide", "_file")
"""Parts of a query that are no state of a page; no axis begins so."""
AGAIN_SECONDS = 5
"""After which a page that has nothing to show yet looks again."""
NARROWEST, WIDEST = 480, 2000
"""Pixels of a picture."""
templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True,
    undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """What is sent back."""

    content: bytes
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Site:
    """All pages of a service.

    Parameters
    ----------
    service : what is looked at; its methods are called in the thread of whoever asks
    base : path before all others
    """

    def __init__(self, service: Service, base: str = "") -> None:
        self._watch = Watch(service)
        self._base = base
        self._memory = Memory()
        self._assets = _assets()
        self._stamp = digest_of([asset.content for asset in self._assets.values()])

    def answer(self, path: str, query: Mapping[str, Sequence[str]]) -> Reply:
        """Answer a browser that has logged in.

        Parameters
        ----------
        path : without the base
        """
        state = {k: v[-1] for k, v in query.items() if k not in RESERVED and v}
        asked = {k: query[k][-1] for k in RESERVED if query.get(k)}
        for page in PAGES:
            if (match := re.fullmatch(page.path, path)) is not None:
                request = Request(
                    self._watch, state, match.groupdict().get("sweep", ""), self._base,
                    _width(asked.get("_wide", "")),
                )  # fmt: skip
                return self._answer(page, request, asked)
        return self._message("Nothing here", "There is no page at this address.", 404)

    def asset(self, name: str) -> Reply | None:
        """Give a script, a style sheet or a picture."""
        return self._assets.get(name)

    def login_page(self, title: str, text: str, forward: str = "") -> bytes:
        """Say how to log in, or that it has worked."""
        return self._render("login.html", title=title, text=text, forward=forward)

    def _answer(self, page: Page, request: Request, asked: Mapping[str, str]) -> Reply:
        try:
            if "_file" in asked:
                return _download(page.file(request, asked["_file"]))
            content = page.content(request)
        except SweepError as error:
            status = 404 if isinstance(error, NoSweepError) else 409
            if "_parts" in asked:
                return _json({"error": str(error)}, status)
            return self._message("This cannot be shown", str(error), status, again=AGAIN_SECONDS)
        if "_parts" in asked:
            return _json(self._parts(content.parts, asked) | {
                "state": content.state, "seconds": content.seconds,
            })  # fmt: skip
        there = {part.id: part for part in content.parts}
        return Reply(self._render(
            page.template, title=page.title(request), part=partial(_placed, there),
            sweep=request.sweep, here=page.template.removesuffix(".html"),
            seconds=content.seconds,
        ))  # fmt: skip

    def _parts(self, parts: Sequence[Part], asked: Mapping[str, str]) -> dict[str, Any]:
        have = dict(p.split(":", 1) for p in asked.get("_have", "").split(",") if ":" in p)
        dark = asked.get("_dark") == "1"
        told = [self._memory.answer(p, have.get(p.id), dark=dark) for p in parts]
        return {"parts": [t for t in told if t is not None]}

    def _message(self, title: str, text: str, status: int, again: int = 0) -> Reply:
        page = self._render("message.html", title=title, text=text, again=again)
        return Reply(page, status=status)

    def _render(self, template: str, **values: Any) -> bytes:
        defaults = {"sweep": "", "here": "", "seconds": 0}
        shared = {"base": self._base, "stamp": self._stamp}
        return templates.get_template(template).render(**defaults | shared | values).encode()


def _placed(there: Mapping[str, Part], id: str, tag: str = "div") -> Markup:
    """Write a part into its place; pictures come later, and so does what is not there yet."""
    part = there.get(id)
    inside, version = "", ""
    if isinstance(part, Words):
        inside, version = part.html, part.version
    elif isinstance(part, Rows):
        inside = "".join(f'<tr data-key="{key}">{row}</tr>' for key, row in part.rows.items())
        version = part.version
    kind = "figure" if isinstance(part, Figure) else "words"
    return Markup(  # noqa: S704 - parts are escaped where they are made
        f'<{tag} id="{id}" data-part="{kind}" data-version="{version}">{inside}</{tag}>'
    )


def _download(file: File) -> Reply:
    disposition = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Reply(file.content, file.kind, headers=disposition)


def _json(told: Mapping[str, Any], status: int = 200) -> Reply:
    text = json.dumps(told, default=str, allow_nan=False)
    return Reply(text.encode(), "application/json", status)


def _width(text: str) -> int:
    wide = int(text) if text.isdigit() and len(text) < 6 else 1160
    return min(max(wide, NARROWEST), WIDEST) // 20 * 20


def _assets() -> dict[str, Reply]:
    """Load what all pages need."""
    files = [*sorted((HERE / "static").iterdir()), BOKEH_JS]
    return {
        path.name: Reply(
            path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        )
        for path in files if path.is_file()
    }  # fmt: skip
