"""Who may ask: a token for programs, signed sessions for browsers, known origins and hosts only.

The token is 32 random bytes in a file that its owner alone can read. It never appears in a log
or a page. A browser gets a session by a link that holds a code of its own, good for one use.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections import OrderedDict
from pathlib import Path
from urllib.parse import urlsplit

from sweep.durable import write_files
from sweep.layout import service_folder
from sweep.problems import InputError

TOKEN_BYTES = 32
TOKEN = re.compile(rb"[A-Za-z0-9_-]{32,200}")
"""One that was made otherwise must not be short enough to be guessed, or none at all."""
SESSION_SECONDS = 7 * 86400
CODE_SECONDS = 600
MOST_CODES = 100
RATE = 100.0
"""Requests a second that one address may make for long."""
BURST = 300.0
MOST_ADDRESSES = 10_000


def token_of(workspace: Path) -> str:
    """Read the token of a workspace; make one if there is none.

    Raises
    ------
    InputError : others can read the file, or it holds no token
    """
    path = service_folder(workspace) / "token"
    if not path.exists():
        token = secrets.token_urlsafe(TOKEN_BYTES)
        write_files({path: token.encode() + b"\n"}, private=True)
    if path.stat().st_mode & 0o077:
        msg = f"{path} can be read by others. Remove it (a new token is made) or chmod 600 it."
        raise InputError(msg)
    held = path.read_bytes().strip()
    if not TOKEN.fullmatch(held):
        msg = f"{path} holds no token. Remove it: a new one is made."
        raise InputError(msg)
    return held.decode()


class Gate:
    """Decides who comes in.

    Parameters
    ----------
    token : what programs show
    hosts : names by which the service is reached, each with its port
    """

    def __init__(self, token: str, hosts: frozenset[str], *, secure: bool) -> None:
        self._token = token
        self._hosts = hosts
        self._scheme = "https" if secure else "http"
        self._key = hmac.digest(token.encode(), b"modesweep session", hashlib.sha256)
        self._codes: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()
        self.rates = Rates()

    def knows_token(self, authorization: str) -> bool:
        """Say whether a header `Authorization: Bearer TOKEN` holds the token."""
        scheme, _, given = authorization.partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self._token.encode())
        return scheme.lower() == "bearer" and right

    def is_token(self, given: str) -> bool:
        """Say whether a text is the token."""
        return hmac.compare_digest(given.encode(), self._token.encode())

    def knows_host(self, host: str) -> bool:
        """Say whether a Host header names this service, not a name that was bent to it."""
        return host.lower() in self._hosts

    def knows_origin(self, origin: str | None) -> bool:
        """Say whether a request comes from this service's pages, or from no page at all."""
        if origin is None:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        # a proxy may speak https to browsers and http to us
        return parts.scheme in (self._scheme, "https") and parts.netloc.lower() in self._hosts

    # --- browsers ---------------------------------------------------------------------------

    def login_code(self) -> str:
        """Give a code that opens one session within ten minutes."""
        code = secrets.token_urlsafe(TOKEN_BYTES)
        with self._lock:
            self._codes[code] = time.monotonic() + CODE_SECONDS
            while len(self._codes) > MOST_CODES:
                self._codes.popitem(last=False)
        return code

    def takes_code(self, code: str) -> bool:
        """Use up a code; say whether it was good."""
        with self._lock:
            good_until = self._codes.pop(code, None)
        return good_until is not None and time.monotonic() <= good_until

    def session(self) -> str:
        """Sign a new session."""
        until = str(int(time.time()) + SESSION_SECONDS)
        return f"{until}.{self._signature(until)}"

    def knows_session(self, session: str) -> bool:
        """Say whether a session was signed here and has not expired."""
        until, _, signature = session.partition(".")
        right = hmac.compare_digest(signature.encode(), self._signature(until).encode())
        return right and until.isdigit() and time.time() < int(until)

    def _signature(self, until: str) -> str:
        digest = hmac.digest(self._key, until.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Rates:
    """Lets each address make a number of requests at once, and then so many a second."""

    def __init__(self, rate: float = RATE, burst: float = BURST) -> None:
        self._rate = rate
        self._burst = burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, address: str) -> bool:
        """Count a request; say whether it may be answered."""
        now = time.monotonic()
        left, then = self._left.pop(address, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        allowed = left >= 1
        self._left[address] = (left - 1 if allowed else left, now)
        while len(self._left) > MOST_ADDRESSES:
            self._left.popitem(last=False)
        return allowed


def private_folder(folder: Path) -> None:
    """See that a folder is its owner's alone."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)  # noqa: PTH101
