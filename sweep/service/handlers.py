"""Tornado's side: checks who asks and what, has it answered in a thread, sends the pieces."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import html
import json
import logging
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from tornado.iostream import StreamClosedError
from tornado.web import Finish, HTTPError, RequestHandler

from sweep.documents import Document, parse
from sweep.problems import (
    InputError,
    MachineError,
    NoSweepError,
    RefusedError,
    StoreError,
    SweepError,
    UnreachableError,
)
from sweep.service.answers import Answer, Asked
from sweep.service.questions import NoParameters, Question
from sweep.service.routes import BASE, LOGIN, NAME, OPENAPI, Route, openapi, paths
from sweep.service.security import SESSION_SECONDS, Gate
from sweep.service.service import Service

log = logging.getLogger("modesweep.service")
THREADS = 8
MOST_STREAMS = 200
"""Clients that follow sweeps at once."""
MOST_PROBLEMS = 20
"""As many as a refusal names."""
LOOK_SECONDS = 1.0
QUIET_SECONDS = 15.0
"""A stream without news says that it lives, this often."""
STATUS_OF: tuple[tuple[type[SweepError], int], ...] = (
    (NoSweepError, 404), (RefusedError, 409), (StoreError, 409), (InputError, 422),
    (UnreachableError, 503), (MachineError, 507), (SweepError, 500),
)  # fmt: skip
"""The status of each kind of error; the first that fits."""
TYPES = {"application/json": "json", "application/toml": "toml", "application/yaml": "yaml"}
END: Any = object()


@dataclass
class House:
    """What all handlers share."""

    service: Service
    gate: Gate
    prefix: str
    threads: ThreadPoolExecutor
    cookie: str
    secure: bool
    streams: int = 0


class Guarded(RequestHandler):
    """A handler that looks at who asks before anything else."""

    def initialize(self, house: House) -> None:
        """Take what all handlers share."""
        self.house = house

    def prepare(self) -> None:
        """Refuse strangers."""
        gate = self.house.gate
        if not gate.rates.allow(self.request.remote_ip or ""):
            self.set_header("Retry-After", "1")
            self.refuse(429, "Too many requests. Wait a second.")
        if not gate.knows_host(self.request.host):
            self.refuse(403, "This service is not reached by that name (--allow-host adds one).")
        if not gate.knows_origin(self.request.headers.get("Origin")):
            self.refuse(403, "Requests from the pages of another site are refused.")
        if not self.may_enter():
            self.set_header("WWW-Authenticate", "Bearer")
            self.refuse(401, "The token is missing or wrong: `Authorization: Bearer TOKEN`.")

    def may_enter(self) -> bool:
        """Say whether whoever asks may."""
        return self.house.gate.knows_token(self.request.headers.get("Authorization", ""))

    def has_session(self) -> bool:
        """Say whether a browser has logged in."""
        return self.house.gate.knows_session(self.get_cookie(self.house.cookie) or "")

    def set_default_headers(self) -> None:
        """Tell browsers to keep nothing, frame nothing and guess nothing."""
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Content-Security-Policy", "default-src 'self'; style-src 'unsafe-inline'")

    def refuse(self, status: int, detail: str, kind: str = "Refused", exit_code: int = 2) -> None:
        """Answer with a problem, and with nothing else."""
        self.set_status(status)
        self.set_header("Content-Type", "application/problem+json")
        title = kind.removesuffix("Error")
        self.finish(json.dumps({
            "type": f"urn:modesweep:{kind}", "title": title, "status": status,
            "detail": detail, "exit_code": exit_code,
        }))  # fmt: skip
        raise Finish

    def refuse_for(self, error: SweepError) -> None:
        """Answer in the words that the command line has for an error."""
        status = next(s for kind, s in STATUS_OF if isinstance(error, kind))
        self.refuse(status, str(error), type(error).__name__, error.exit_code)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what Tornado itself has refused."""
        error = kwargs.get("exc_info", (None, None))[1]
        detail = (error.log_message if isinstance(error, HTTPError) else None) or self._reason
        with contextlib.suppress(Finish):
            self.refuse(status_code, str(detail))

    def no_parameters(self) -> None:
        """Refuse parameters and bodies, where none are known."""
        try:
            self.query(NoParameters)
            self.no_body()
        except InputError as error:
            self.refuse(422, str(error), "InputError")

    def query(self, shape: type[Question]) -> Question:
        """Read the query string.

        Raises
        ------
        InputError : it is not of this shape
        """
        given: dict[str, Any] = {}
        for key in self.request.query_arguments:
            values = self.get_query_arguments(key, strip=False)
            field = shape.model_fields.get(key)
            listed = field is not None and isinstance(field.default, list)
            if not listed and len(values) > 1:
                msg = f"The parameter {key} is given {len(values)} times. Give it once."
                raise InputError(msg)
            given[key] = values if listed else values[0]
        return _checked(shape, given, "parameter")

    def no_body(self) -> None:
        """Refuse a body: whoever sends one takes it to mean something.

        Raises
        ------
        InputError : there is one
        """
        if self.request.body:
            msg = (
                "The request cannot be answered: it has a body, and nothing is read from one here."
            )
            raise InputError(msg)

    async def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run something that takes its time."""
        loop = asyncio.get_running_loop()
        call = functools.partial(function, *arguments)
        return await loop.run_in_executor(self.house.threads, call)


class Api(Guarded):
    """Answers what the table of routes has."""

    def initialize(self, house: House, methods: dict[str, Route]) -> None:  # type: ignore[override]
        """Take what can be asked at this path."""
        super().initialize(house)
        self.methods = methods

    def may_enter(self) -> bool:
        """Let everybody ask what is open."""
        route = self.methods.get(self.request.method or "")
        return (route is not None and route.open) or super().may_enter()

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
        return _checked(route.body, body.content, "key")

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


def _checked(shape: type[Question], given: Any, what: str) -> Question:
    """Check parameters or a body; problems are named all at once."""
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        known = ", ".join(shape.model_fields) or "none"
        found = error.errors(include_url=False, include_input=False, include_context=False)
        rows = [
            f"{what} {'.'.join(str(p) for p in e['loc']) or '(whole)'}: {e['msg']}."
            for e in found[:MOST_PROBLEMS]
        ]
        if len(found) > MOST_PROBLEMS:
            rows.append(f"And {len(found) - MOST_PROBLEMS} more.")
        msg = f"The request cannot be answered: {' '.join(rows)} Known: {known}."
        raise InputError(msg) from None


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


class Nothing(Guarded):
    """Whatever is not there."""

    def prepare(self) -> None:
        """Say so, once whoever asks may know."""
        super().prepare()
        self.refuse(404, "There is nothing at this path. /api/v1/openapi.json lists what there is.")


def rules(house: House) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Give Tornado's table."""
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
        (f"{prefix}/login", Login, shared),
        (f"{prefix}/", Page, shared),
    ]
