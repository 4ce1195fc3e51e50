"""A server that speaks S3 on loopback, for checks and tests; what it holds ends with it.

    python -m deploy.objects.s3 [PORT]

It is moto's, with a switch: after `PUT /-/refuse/503` every request is answered so, until
`PUT /-/heal`. Its address is the first line that it prints.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "modes"
KEYS = {
    "AWS_ACCESS_KEY_ID": "check", "AWS_SECRET_ACCESS_KEY": "check",
    "AWS_DEFAULT_REGION": "us-east-1",
}  # fmt: skip
"""What clients of the server need in their environment."""
Start = Callable[..., Any]


class Refusing:
    """An application that can be told to refuse everything."""

    def __init__(self, application: Callable[[dict[str, Any], Start], Iterable[bytes]]) -> None:
        self._application = application
        self._status = ""

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer one request."""
        words = environ["PATH_INFO"].strip("/").split("/")
        if words[0] == "-":
            self._status = words[2] if words[1] == "refuse" else ""
            start("200 OK", [])
            return [b""]
        if self._status:
            start(f"{self._status} Refused", [("Content-Type", "application/xml")])
            return [b"<Error><Code>Refused</Code><Message>It is told to refuse.</Message></Error>"]
        return self._application(environ, start)


class S3:
    """A running server, as a test or a check holds it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def put(self, path: str) -> None:
        """Make a bucket, or turn the switch."""
        request = urllib.request.Request(f"{self.url}/{path}", method="PUT")
        urllib.request.urlopen(request, timeout=60).close()

    def refuse(self, status: int) -> None:
        """Answer every request with a status."""
        self.put(f"-/refuse/{status}")

    def heal(self) -> None:
        """Answer again."""
        self.put("-/heal")

    def settings(self, prefix: str) -> Mapping[str, str]:
        """Give what `arrays.toml` says of a place in it."""
        return {"url": f"s3://{BUCKET}/{prefix}", "endpoint": self.url}


@contextmanager
def served() -> Iterator[S3]:
    """Run the server in a process of its own, with one bucket."""
    command = [sys.executable, "-m", "deploy.objects.s3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            server = S3(process.stdout.readline().strip())
            server.put(BUCKET)
            yield server
        finally:
            process.kill()


def main() -> None:
    """Serve until killed."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    application = Refusing(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", port, application, threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
