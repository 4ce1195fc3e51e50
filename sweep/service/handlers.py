"""Tornado's side: checks who asks and what, has it answered in a thread, sends the pieces."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import Finish, HTTPError, RequestHandler

from sweep.documents import Document, parse
from sweep.problems import InputError, SweepError
from sweep.service.answers import Answer, Asked
from sweep.service.guarding import Guarded, House, checked
from sweep.service.pages import Assets, Login, Pages, Site
from sweep.service.questions import Question
from sweep.service.routes import BASE, LOGIN, NAME, OPENAPI, Route, openapi, paths

log = logging.getLogger("modesweep.service")
MOST_STREAMS = 200
"""Clients that follow sweeps at once."""
LOOK_SECONDS = 1.0
QUIET_SECONDS = 15.0
"""A stream without news says that it lives, this often."""
TYPES = {"application/json": "json", "application/toml": "toml", "application/yaml": "yaml"}
END: Any = object()
PAGES = r"cluster|sweep/[^/]+(?:/[a-z]+)?"
"""Paths of pages; whoever draws them knows which of them there are."""


class Api(Guarded):
    """Answers what the table of routes has."""

    def initialize(self, house: House, methods: dict[str, Route]) -> None:  # type: ignore[override]
        """Take what can be asked at this path."""
        super().initialize(house)
        self.methods = methods

    def may_enter(self) -> bool:
        """Let everybody ask what is open."""
        route = self.methods.get(self.request.method or "")
        return (route is not None and route.open) or super().may_enter() or self.is_own_page()

    async def get(self, name: str = "") -> None:
        """Answer."""
        await self._answer(name)

    async def post(self, name: str = "") -> None:
        """Answer."""
        await self._answer(name)

    async def delete(self, name: str = "") -> None:
        """Answer."""
        await self._answer(name)

    head = put = patch = options = get  # so that they, too, are refused to strangers first

    async def _answer(self, name: str) -> None:
        route = self.methods.get(self.request.method or "")
        if route is None:
            self.set_header("Allow", ", ".join(self.methods))
            self.refuse(405, f"Only {', '.join(self.methods)} can be asked here.")
            return
        try:
            query = self.query(route.query)
            body = await self._body(route, query)
            answer = await self.in_thread(
                route.answer, Asked(self.house.service, name, query, body)
            )
            await self._send(answer)
        except SweepError as error:
            self.refuse_for(error)
        except StreamClosedError:
            return  # the client has seen enough
        except (Finish, HTTPError):
            raise
        except Exception:
            log.exception("a request failed: %s %s", self.request.method, self.request.path)
            text = "A fault of modesweep. The log of the service has the traceback."
            self.refuse(500, text, "Fault", 70)

    async def _body(self, route: Route, query: Any) -> Question | Document | None:
        if route.body is None:
            self.no_body()
            return None
        kind = self._kind()
        try:
            text = self.request.body.decode()
        except UnicodeDecodeError:
            msg = "The body is not text in UTF-8. Send it in that encoding."
            raise InputError(msg) from None
        if isinstance(route.body, str):
            document: Document = await self.in_thread(parse, query.file, kind, text)
            return document
        if kind != "json":
            self.refuse(415, "The body must be JSON: Content-Type: application/json.")
        body = await self.in_thread(parse, "The body", kind, text)
        return checked(route.body, body.content, "key")

    def _kind(self) -> str:
        given = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if given not in TYPES:
            self.refuse(415, f"Content-Type is {given!r}. It must be one of {', '.join(TYPES)}.")
        return TYPES[given]

    async def _send(self, answer: Answer) -> None:
        self.set_status(answer.status)
        self.set_header("Content-Type", answer.kind)
        for key, value in answer.headers.items():
            self.set_header(key, value)
        if isinstance(answer.content, Iterator):
            try:
                while (piece := await self.in_thread(next, answer.content, END)) is not END:
                    self.write(piece)
                    await self.flush()
            finally:
                await self.in_thread(_close, answer.content)
        elif isinstance(answer.content, str):
            self.write(answer.content)
        else:
            self.write(json.dumps(answer.content, default=str))


def _close(pieces: Any) -> None:
    pieces.close()


class OpenApi(Guarded):
    """Gives the OpenAPI description."""

    async def get(self) -> None:
        """Answer."""
        self.no_parameters()
        described = await self.in_thread(openapi)
        described["servers"] = [{"url": f"{self.house.prefix}{BASE}"}]
        self.write(described)


class Events(Guarded):
    """Sends the status of a sweep whenever it changes, as server-sent events."""

    _gone = False

    def on_connection_close(self) -> None:
        """Give the place of a client that has gone to another."""
        self._gone = True

    async def get(self, name: str) -> None:
        """Follow the sweep until the client goes."""
        house = self.house
        self.no_parameters()
        try:
            status = await self.in_thread(house.service.status, name)
        except SweepError as error:
            self.refuse_for(error)
            return
        if house.streams >= MOST_STREAMS:
            self.refuse(429, "Too many clients follow sweeps. Ask for the status now and then.")
        house.streams += 1
        self.set_header("Content-Type", "text/event-stream")
        try:
            await self._follow(name, status.as_dict())
        except (StreamClosedError, SweepError):
            return  # the client is gone, or the sweep is
        finally:
            house.streams -= 1

    async def _follow(self, name: str, told: dict[str, Any]) -> None:
        quiet = 0.0
        await self._tell(told)
        while not self._gone:
            await asyncio.sleep(LOOK_SECONDS)
            now = (await self.in_thread(self.house.service.status, name)).as_dict()
            if now != told:
                told, quiet = now, 0.0
                await self._tell(told)
            elif (quiet := quiet + LOOK_SECONDS) >= QUIET_SECONDS:
                quiet = 0.0
                self.write(": nothing new\n\n")
                await self.flush()

    async def _tell(self, told: dict[str, Any]) -> None:
        self.write(f"event: status\ndata: {json.dumps(told)}\n\n")
        await self.flush()


class LoginLinks(Guarded):
    """Makes a link that opens one browser session."""

    def post(self) -> None:
        """Answer with the part of the link that follows the address of the service."""
        self.no_parameters()
        self.write({"path": f"{self.house.prefix}/login?code={self.house.gate.login_code()}"})


class Nothing(Guarded):
    """Whatever is not there."""

    def prepare(self) -> None:
        """Say so, once whoever asks may know."""
        super().prepare()
        self.refuse(404, "There is nothing at this path. /api/v1/openapi.json lists what there is.")


def rules(house: House, site: Site) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Give Tornado's table; `site` draws the pages."""
    base = re.escape(f"{house.prefix}{BASE}")
    prefix = re.escape(house.prefix)
    shared = {"house": house}
    found: list[tuple[str, type[RequestHandler], dict[str, Any]]] = [
        (base + path.replace("{name}", f"({NAME})"), Api, shared | {"methods": methods})
        for path, methods in paths().items()
    ]
    health = {"methods": paths()["/health"]}
    return [
        *found,
        (f"{base}/sweeps/({NAME})/events", Events, shared),
        (f"{base}{re.escape(OPENAPI)}", OpenApi, shared),
        (f"{base}{LOGIN}", LoginLinks, shared),
        (f"{prefix}/health", Api, shared | health),
        (f"{prefix}/login", Login, shared | {"site": site}),
        (f"{prefix}/assets/[0-9a-f]+/([A-Za-z0-9._-]+)", Assets, shared | {"site": site}),
        (f"{prefix}(/(?:{PAGES})?)", Pages, shared | {"site": site}),
    ]
