"""Requests to a service, and answers in the same errors as at home."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from sweep import problems
from sweep.problems import InputError, RefusedError, SweepError, UnreachableError

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 600.0
TRIES = 5
"""How often a request is made again that was refused for being one too many."""
KINDS: dict[str, type[SweepError]] = {
    kind.__name__: kind for kind in vars(problems).values()
    if isinstance(kind, type) and issubclass(kind, SweepError)
}  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """An answer whose body is read piece by piece."""

    headers: Mapping[str, str]
    stream: http.client.HTTPResponse

    def lines(self) -> Iterator[bytes]:
        """Give the body line by line."""
        while line := self.stream.readline():
            yield line

    def pieces(self) -> Iterator[bytes]:
        """Give the body piece by piece."""
        while piece := self.stream.read(2**18):
            yield piece


class Connection:
    """The way to a service.

    Parameters
    ----------
    url : such as http://127.0.0.1:5006, with its prefix
    token : what it wants to see
    authority : PEM file of the authority that has signed its certificate; None: the system's

    Raises
    ------
    InputError : the address is none
    """

    def __init__(self, url: str, token: str, authority: Path | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            msg = f"{url!r} is no address of a service. Write for instance http://127.0.0.1:5006."
            raise InputError(msg)
        self.url = url.rstrip("/")
        self._parts = parts
        self._token = token
        self._tls = None
        if parts.scheme == "https":
            self._tls = ssl.create_default_context(cafile=authority)
            if authority is not None:  # may hold the service's own certificate without its CA
                self._tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN

    def ask(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None
    ) -> Any:
        """Ask something that is answered in JSON.

        Raises
        ------
        UnreachableError : the service does not answer
        SweepError : what the service says, of the kind that it would be at home
        """
        content = None if body is None else json.dumps(body).encode()
        with self.reply(method, path, query, content, "application/json") as reply:
            return json.loads(reply.stream.read())

    @contextmanager
    def reply(
        self, method: str, path: str, query: Mapping[str, Any] | None = None,
        body: bytes | None = None, kind: str = "",
    ) -> Iterator[Reply]:  # fmt: skip
        """Ask something, and read the answer piece by piece."""
        given = {k: v for k, v in (query or {}).items() if v not in (None, [], ())}
        target = f"{self._parts.path.rstrip('/')}/api/v1{quote(path)}"
        target += f"?{urlencode(given, doseq=True)}" if given else ""
        for _ in range(TRIES):
            with closing(self._link()) as link, self._errors_in_words():
                link.request(method, target, body, self._headers(kind if body else ""))
                answer = link.getresponse()
                if answer.status == 429:
                    time.sleep(float(answer.headers.get("Retry-After", "1")))
                    continue
                if answer.status >= 300:
                    raise _problem(answer)
                yield Reply(dict(answer.headers), answer)
                return
        msg = f"{self.url} takes no more requests. Try again in a while."
        raise RefusedError(msg)

    def _headers(self, kind: str) -> dict[str, str]:
        told = {"Authorization": f"Bearer {self._token}", "Accept": "*/*"}
        return told | ({"Content-Type": kind} if kind else {})

    def _link(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._tls is not None:
            return http.client.HTTPSConnection(
                host, port, timeout=CONNECT_SECONDS, context=self._tls
            )
        return http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        try:
            yield
        except SweepError:
            raise
        except (OSError, http.client.HTTPException) as error:
            msg = (
                f"The service at {self.url} does not answer ({error or type(error).__name__}). "
                "Check the address, and that `modesweep serve` runs there."
            )
            raise UnreachableError(msg) from None


def _problem(answer: http.client.HTTPResponse) -> SweepError:
    """Turn a problem into the error that it would be at home."""
    text = answer.read().decode(errors="replace")
    try:
        told = json.loads(text)
        kind, detail = told["type"].rpartition(":")[2], told["detail"]
    except (ValueError, KeyError, TypeError, AttributeError):
        msg = f"The address does not lead to a service of modesweep: {answer.status} {text[:200]}"
        return UnreachableError(msg)
    if kind == "Refused":  # by who asks or how, before anything was looked at
        return RefusedError(detail)
    return KINDS.get(kind, SweepError)(detail)
