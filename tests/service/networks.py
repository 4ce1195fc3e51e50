"""Hosts that can be cut off: a worker in a network of its own, or one that is held still."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
from typing import Protocol

from tests.faults.tools import Hosts

_NUMBERS = itertools.count()
LOOPBACK = "127.0.0.1"
FAR = "far"
"""Name of the worker there."""


class FarHost(Protocol):
    """Another host, with one worker."""

    near: str
    """The address of this host, as it sees it."""

    def start_worker(self, hosts: Hosts) -> subprocess.Popen[bytes]:
        """Start its worker."""

    def cut(self) -> None:
        """Cut it off."""

    def heal(self) -> None:
        """Undo the cut."""

    def close(self) -> None:
        """Remove it."""


class Namespace:
    """A network namespace at the end of a cable that can be pulled."""

    def __init__(self) -> None:
        number = next(_NUMBERS)
        self.name = f"sweep-{os.getpid()}-{number}"
        self._ends = [f"swp{os.getpid() % 10**7}{x}{number % 1000}" for x in "ab"]
        net = f"10.{os.getpid() // 250 % 250}.{os.getpid() % 250}"
        self.near, self.far = f"{net}.{4 * (number % 60) + 1}", f"{net}.{4 * (number % 60) + 2}"
        near, far = self._ends
        _ip("netns", "add", self.name)
        try:
            _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", self.name)
            _ip("address", "add", f"{self.near}/30", "dev", near)
            _ip("link", "set", near, "up")
            _ip("-n", self.name, "address", "add", f"{self.far}/30", "dev", far)
            self.heal()
        except BaseException:
            self.close()
            raise

    def start_worker(self, hosts: Hosts) -> subprocess.Popen[bytes]:
        """Start a worker beyond the cable."""
        before = ("ip", "netns", "exec", self.name)
        return hosts.start_worker("--host", self.far, "--name", FAR, before=before)

    def cut(self) -> None:
        """Pull the cable: nobody is told."""
        _ip("-n", self.name, "link", "set", self._ends[1], "down")

    def heal(self) -> None:
        """Put it in again."""
        _ip("-n", self.name, "link", "set", self._ends[1], "up")

    def close(self) -> None:
        """Remove it; the cable goes with it."""
        _ip("netns", "delete", self.name)


class Held:
    """Where no network can be made: a worker that is held still, and so hears and says nothing."""

    def __init__(self) -> None:
        self.near = LOOPBACK
        self._worker: subprocess.Popen[bytes] | None = None

    def start_worker(self, hosts: Hosts) -> subprocess.Popen[bytes]:
        """Start a worker."""
        self._worker = hosts.start_worker("--name", FAR)
        return self._worker

    def cut(self) -> None:
        """Hold it."""
        self._send(signal.SIGSTOP)

    def heal(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def close(self) -> None:
        """Leave nobody held."""
        self.heal()

    def _send(self, sign: signal.Signals) -> None:
        if self._worker is not None and self._worker.poll() is None:
            self._worker.send_signal(sign)


def far_host() -> FarHost:
    """Give another host: in a network of its own where that is permitted."""
    try:
        return Namespace()
    except (OSError, subprocess.CalledProcessError):
        return Held()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=60)
