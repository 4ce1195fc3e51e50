"""Who asks, before anything else: every handler of a service stands behind this."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from tornado.web import Finish, HTTPError, RequestHandler

from sweep.problems import (
    InputError,
    MachineError,
    NoSweepError,
    RefusedError,
    StoreError,
    SweepError,
    UnreachableError,
)
from sweep.service.questions import NoParameters, Question
from sweep.service.security import Gate
from sweep.service.service import Service

THREADS = 8
"""That answer at once."""
MOST_PROBLEMS = 20
"""As many as a refusal names."""
STATUS_OF: tuple[tuple[type[SweepError], int], ...] = (
    (NoSweepError, 404), (RefusedError, 409), (StoreError, 409), (InputError, 422),
    (UnreachableError, 503), (MachineError, 507), (SweepError, 500),
)  # fmt: skip
"""The status of each kind of error; the first that fits."""


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

    def is_own_page(self) -> bool:
        """Say whether a page of ours asks, in a browser that has logged in.

        Browsers send the cookie with requests of our pages alone (SameSite), and with what
        changes something, where it comes from; whoever does not say so is no page.
        """
        looks = self.request.method in ("GET", "HEAD")
        return self.has_session() and (looks or self.request.headers.get("Origin") is not None)

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
        return checked(shape, given, "parameter")

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


def checked(shape: type[Question], given: Any, what: str) -> Question:
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
