"""A service inside this process: handlers, desk and workspace, but no cluster."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from dashboards.site.site import Site
from sweep.service.guarding import House
from sweep.service.handlers import Nothing, rules
from sweep.service.security import Gate, Rates, private_folder, token_of
from sweep.service.service import Service
from sweep.service.serving import Address
from tests.service.tools import Served


class Inside(Served):
    """What answers requests; sweeps wait for a cluster that never comes."""

    def __init__(self, workspace: Path) -> None:
        super().__init__(workspace)
        self.service = Service(workspace, scheduler="tcp://127.0.0.1:9")
        private_folder(workspace / ".service")
        self._sockets = bind_sockets(0, "127.0.0.1")
        port = self._sockets[0].getsockname()[1]
        address = Address(port=port)
        self._told = {"url": address.url(port), "token": token_of(workspace)}
        self.gate = Gate(self._told["token"], address.hosts(port), secure=False)
        self.gate.rates = Rates(1e9, 1e9)
        self.threads = ThreadPoolExecutor(2)
        self.house = House(
            self.service, self.gate, "", self.threads, f"modesweep-{port}", secure=False
        )
        self.site = Site(self.service)
        self._application = Application(
            rules(self.house, self.site), default_handler_class=Nothing,
            default_handler_args={"house": self.house}, log_function=lambda handler: None,
        )  # fmt: skip
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()))

    def start(self) -> Inside:
        """Begin to answer."""
        self._thread.start()
        assert self._ready.wait(60)
        return self

    async def _listen(self) -> None:
        self._over, self._loop = asyncio.Event(), asyncio.get_running_loop()
        server = HTTPServer(self._application)
        server.add_sockets(self._sockets)
        self._ready.set()
        await self._over.wait()
        server.stop()
        await server.close_all_connections()

    @property
    def told(self) -> dict[str, Any]:
        """Where it is."""
        return self._told

    def stop(self) -> str:
        """Answer no more."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self.service.stop()
        self.threads.shutdown()
        return ""
