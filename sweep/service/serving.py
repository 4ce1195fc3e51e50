"""The process of a service: sockets, TLS, signals, and the file that says where it is."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import re
import signal
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback
from tornado.netutil import bind_sockets
from tornado.web import Application

from sweep.drawing import drawn_by
from sweep.durable import write_files
from sweep.layout import service_file, service_folder
from sweep.owning import boot_id
from sweep.problems import InputError
from sweep.service.answers import remove_exports
from sweep.service.guarding import THREADS, House
from sweep.service.handlers import Nothing, rules
from sweep.service.limits import LARGEST_BODY
from sweep.service.memory import TIDY_SECONDS, Memory
from sweep.service.security import Gate, private_folder, token_of
from sweep.service.service import Service

LARGEST_HEADERS = 2**16
SLOW_SECONDS = 30.0
IDLE_SECONDS = 120.0
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
PLAIN_PORTS = {"http": 80, "https": 443}
"""Ports that clients leave out of the Host header."""
PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True)
class Address:
    """Where a service listens.

    Parameters
    ----------
    host, port : to listen at; port 0 takes a free one
    prefix : path before all others, for a proxy that passes it on
    certificate, key : PEM files; both or neither
    names : further names by which clients reach it
    """

    host: str = "127.0.0.1"
    port: int = 5006
    prefix: str = ""
    certificate: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()

    def check(self) -> None:
        """See that it can be listened at, and safely.

        Raises
        ------
        InputError : lists everything that is wrong
        """
        problems = []
        if not PREFIX.fullmatch(self.prefix):
            problems.append(f"--prefix {self.prefix!r} is no path such as /modesweep.")
        if (self.certificate is None) != (self.key is None):
            problems.append("--tls-cert and --tls-key belong together: give both.")
        problems += [
            f"{path} is no file that can be read."
            for path in (self.certificate, self.key)
            if path is not None and not os.access(path, os.R_OK)
        ]
        if not _is_loopback(self.host) and self.certificate is None:
            problems.append(
                f"--host {self.host} is reached from other machines, where anybody on the way "
                "would read the token. Give --tls-cert and --tls-key, or listen on 127.0.0.1 and "
                "use an ssh tunnel (ssh -L 5006:127.0.0.1:5006 HOST)."
            )
        if problems:
            msg = f"The service does not start: {' '.join(problems)}"
            raise InputError(msg)

    @property
    def scheme(self) -> str:
        """How it is spoken to."""
        return "http" if self.certificate is None else "https"

    def hosts(self, port: int) -> frozenset[str]:
        """Give what a Host header may say."""
        others = [] if _is_loopback(self.host) else [socket.gethostname()]
        own = {_in_url(self.host), *LOOPBACK, *others}
        with_port = {f"{name}:{port}" for name in own | set(self.names)}
        plain = own if port == PLAIN_PORTS[self.scheme] else set()
        return frozenset(n.lower() for n in with_port | plain | set(self.names))

    def url(self, port: int) -> str:
        """Give the address that clients use."""
        host = _in_url(self.host)
        if host in ("0.0.0.0", "[::]"):  # noqa: S104 - any address is no address to go to
            host = socket.gethostname()
        return f"{self.scheme}://{host}:{port}{self.prefix}"

    def tls(self) -> ssl.SSLContext | None:
        """Load the certificate."""
        if self.certificate is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
        except OSError as error:  # of which those of ssl are some
            msg = f"{self.certificate} and {self.key} cannot be used: {error}. Give PEM files."
            raise InputError(msg) from None
        return context


def _in_url(host: str) -> str:
    """Write an address as it stands in URLs."""
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(service: Service, address: Address) -> None:
    """Serve a workspace until SIGTERM or Ctrl-C.

    Raises
    ------
    InputError : the address cannot be listened at, or not safely
    UnreachableError : the embedded cluster does not start
    """
    address.check()
    tls = address.tls()
    private_folder(service_folder(service.workspace))
    remove_exports(service.workspace)
    token = token_of(service.workspace)
    if address.certificate is not None:  # clients of this workspace trust it
        own = service_folder(service.workspace) / "certificate.pem"
        write_files({own: address.certificate.read_bytes()}, private=True)
    sockets = _sockets(address)
    port = sockets[0].getsockname()[1]
    gate = Gate(token, address.hosts(port), secure=tls is not None)
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="answer")
    house = House(
        service, gate, address.prefix, threads, f"modesweep-{port}", secure=tls is not None
    )
    try:
        service.start()
        asyncio.run(_listen(house, sockets, tls, address.url(port), token))
    finally:
        service.stop()
        threads.shutdown(wait=False, cancel_futures=True)


def _sockets(address: Address) -> list[socket.socket]:
    try:
        return bind_sockets(address.port, address.host)
    except OSError as error:
        msg = (
            f"{address.host}:{address.port} cannot be listened at: {error.strerror or error}. "
            "Choose another --port, or --host."
        )
        raise InputError(msg) from None


async def _listen(
    house: House, sockets: list[socket.socket], tls: ssl.SSLContext | None, url: str, token: str
) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, over.set)
    site = drawn_by("pages")(house.service, house.prefix)
    memory = Memory()
    application = Application(
        rules(house, site), default_handler_class=Nothing, default_handler_args={"house": house},
        log_function=lambda handler: memory.answered(),
    )  # fmt: skip
    server = HTTPServer(
        application, ssl_options=tls, max_body_size=LARGEST_BODY, max_buffer_size=LARGEST_BODY,
        max_header_size=LARGEST_HEADERS, body_timeout=SLOW_SECONDS,
        idle_connection_timeout=IDLE_SECONDS,
    )  # fmt: skip
    server.add_sockets(sockets)
    tidying = PeriodicCallback(
        lambda: loop.run_in_executor(house.threads, memory.give_back), 1000 * TIDY_SECONDS
    )
    tidying.start()
    where = service_file(house.service.workspace)
    told = {"url": url, "token": token, "pid": os.getpid(), "host": socket.gethostname(),
            "boot": boot_id()}  # fmt: skip
    write_files({where: json.dumps(told, indent=1).encode()}, private=True)
    print(f"modesweep serves {house.service.workspace} at {url}", flush=True)
    print(f"pages:  {url}/login?code={house.gate.login_code()}  (good once, for ten minutes)")
    print(
        "token:  in .service/token of the workspace; clients with --workspace find it", flush=True
    )
    try:
        await over.wait()
    finally:
        print("stopping; what is finished is safe, and the next `modesweep serve` goes on",
              flush=True)  # fmt: skip
        where.unlink(missing_ok=True)
        tidying.stop()
        server.stop()
        await server.close_all_connections()
