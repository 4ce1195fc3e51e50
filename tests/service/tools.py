"""A service in a process of its own, as a user starts it, and requests to it without our client."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.faults.tools import COMMAND, wait

QUICK_BLOCKS = [
    sys.executable, "-P", "-c", "from sweep import planning; planning.LEAST_SECONDS = 0.0; "
    "from sweep.cli.main import main; main()",
]  # fmt: skip
"""The command, but quick points are not put together into large blocks."""

MANY_BLOCKS = [
    sys.executable, "-P", "-c", "from sweep import planning; planning.LEAST_SECONDS = 0.0; "
    "planning.LEAST_BLOCKS = 400; from sweep.cli.main import main; main()",
]  # fmt: skip
"""The command, but a sweep is cut into hundreds of blocks, however small they are."""


@dataclass
class Reply:
    """What a service has answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


@dataclass
class Served:
    """A running `modesweep serve`, and the way to ask it."""

    workspace: Path
    options: tuple[str, ...] = ("--workers", "1")
    command: list[str] = field(default_factory=lambda: list(COMMAND))
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Served:
        """Start it, and wait until it answers."""
        self.workspace.mkdir(parents=True, exist_ok=True)
        (self.workspace / "service.json").unlink(missing_ok=True)
        command = [*self.command, "serve", "--workspace", str(self.workspace), "--port", "0"]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*command, *self.options], stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, env={**os.environ, **self.env},
            )  # fmt: skip
        wait(self._has_come, "the service")
        return self

    def _has_come(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(self.said)
        return (self.workspace / "service.json").exists()

    @property
    def log(self) -> Path:
        """Where all that it writes goes."""
        return self.workspace.with_name(f"{self.workspace.name}.log")

    @property
    def said(self) -> str:
        """All that it wrote."""
        return self.log.read_text()

    @property
    def told(self) -> dict[str, Any]:
        """What it says of itself in its workspace."""
        found: dict[str, Any] = json.loads((self.workspace / "service.json").read_text())
        return found

    def ask(
        self, method: str, path: str, query: Any = None, body: Any = None,
        headers: dict[str, str] | None = None, token: str | None = "",
    ) -> Reply:  # fmt: skip
        """Ask something of /api/v1, with its token; `token` = None sends none."""
        url = urlsplit(self.told["url"])
        link = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token or self.told['token']}")
        content = body
        if body is not None and not isinstance(body, str | bytes):
            content = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        target = f"{url.path}/api/v1{path}" if path.startswith("/") else path
        target += f"?{urlencode(query, doseq=True)}" if query else ""
        try:
            link.request(method, target, content, sent)
            answer = link.getresponse()
            return Reply(answer.status, dict(answer.headers), answer.read())
        finally:
            link.close()

    def submit(self, content: dict[str, Any]) -> dict[str, Any]:
        """Submit a sweep."""
        reply = self.ask("POST", "/sweeps", body=content)
        assert reply.status in (200, 201), reply.body
        told: dict[str, Any] = reply.told
        return told

    def status(self, name: str) -> dict[str, Any]:
        """Ask for the status of a sweep."""
        reply = self.ask("GET", f"/sweeps/{name}")
        assert reply.status == 200, reply.body
        told: dict[str, Any] = reply.told
        return told

    def wait_for(self, name: str, *states: str) -> dict[str, Any]:
        """Wait until a sweep is in one of some states."""
        wait(lambda: self.status(name)["state"] in states, f"{name} to be {' or '.join(states)}")
        return self.status(name)

    def stop(self) -> str:
        """Stop it as a system does; give all that it said."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)
        return self.said

    def kill(self) -> None:
        """Kill it alone, at once; what it started is to die of that."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
