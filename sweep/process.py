"""The worker's side of a numerics process: start it, time it, tell how it died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from sweep.child import STAGE_BYTES, Answer, Failure, Request, environment
from sweep.problems import UnreachableError

START_SECONDS = 60.0
LOG_BYTES = 2000
LOOK_SECONDS = 1.0
"""How often it is asked whether the answers are still wanted."""


class UnwantedError(Exception):
    """Nobody waits for the answers any more; the process was ended."""


class _Watch:
    """Asks now and then whether something is still wanted."""

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted
        self._due = time.monotonic() + LOOK_SECONDS

    def wanted(self) -> bool:
        """Ask, unless that was done a moment ago."""
        now = time.monotonic()
        if now < self._due:
            return True
        self._due = now + LOOK_SECONDS
        return self._wanted()


class NumericsProcess:
    """One child process, replaced when it dies."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._note = tempfile.TemporaryFile()  # noqa: SIM115
        self._for: object = None
        self.kernel = ""

    def renew_for(self, what: object) -> None:
        """Start afresh for another owner: a model's code may have been mended meanwhile."""
        if self._for != what:
            self.close()
            self._for = what

    def answers(
        self, request: Request, timeout: float, wanted: Callable[[], bool] = lambda: True
    ) -> Iterator[Answer | Failure]:
        """Send a request and give what comes back, unit by unit, as it comes.

        A unit that takes longer than `timeout` seconds, or that takes the process with it,
        ends the answers with a Failure that names it; the units after it were not done.

        Raises
        ------
        UnwantedError : `wanted`, which is asked about once a second, has said no
        """
        pipe = self._started()
        pipe.send(request)
        number = -1
        watch = _Watch(wanted)
        while True:
            try:
                if not self._comes(pipe, timeout, watch):
                    yield self._killed(number, timeout)
                    return
                message = pipe.recv()
            except (EOFError, ConnectionError):
                yield self._died(number)
                return
            if message is None:
                return
            if isinstance(message, int):
                number = message
            else:
                if isinstance(message, Failure):
                    message = replace(message, traceback=message.traceback + self._said())
                yield message

    def _comes(self, pipe: Connection, timeout: float, watch: _Watch) -> bool:
        """Wait for a message; say whether one has come in time."""
        give_up = time.monotonic() + timeout
        while True:
            if not watch.wanted():
                self.close()
                raise UnwantedError
            left = give_up - time.monotonic()
            if pipe.poll(max(0.0, min(LOOK_SECONDS, left))):
                return True
            if left <= 0:
                return False

    def close(self) -> None:
        """Kill the process; the next request starts a new one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def __del__(self) -> None:
        self.close()  # a worker's thread has ended, and its slot with it
        self._log.close()
        self._note.close()

    def _started(self) -> Connection:
        if self._pipe is not None:
            return self._pipe
        ours, theirs = Pipe()
        # -P keeps the working folder off the path: a user's own sweep.py is not ours
        start = "from sweep.child import main; main()"
        command = [sys.executable, "-P", "-c", start, str(theirs.fileno()), str(os.getpid()),
                   str(self._note.fileno())]  # fmt: skip
        for file in (self._log, self._note):
            file.seek(0)
            file.truncate()
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno(), self._note.fileno()], env=environment(),
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        theirs.close()
        self._pipe = ours
        try:
            alive = ours.poll(START_SECONDS)
            self.kernel, threads = ours.recv() if alive else ("", 0)
        except EOFError:
            threads = 0
        if threads != 1:
            self.close()
            msg = (
                f"The numerics process did not start with one BLAS thread (it has {threads}). "
                "Several threads on one core slow each other down tenfold. "
                f"Its last words: {self._said() or 'none'}"
            )
            raise UnreachableError(msg)
        return ours

    def _killed(self, number: int, timeout: float) -> Failure:
        self.close()
        message = f"took longer than {timeout:g} s, the `timeout` of the sweep, and was stopped"
        return Failure(number, "timeout", message, self._said(), self._stage())

    def _died(self, number: int) -> Failure:
        process = self._process
        code = process.wait() if process is not None else 0
        said = self._said()
        self.close()
        try:
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        except ValueError:
            name = f"signal {-code}"
        return Failure(number, "signal", f"the numerics process died: {name}", said, self._stage())

    def _stage(self) -> str:
        """Name the stage that was in hand."""
        return os.pread(self._note.fileno(), STAGE_BYTES, 0).decode().strip()

    def _said(self) -> str:
        """Give the last lines that the process wrote."""
        end = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, end - LOG_BYTES))
        return self._log.read().decode(errors="replace").strip()


_slots = threading.local()


def slot() -> NumericsProcess:
    """Give the process of the calling worker thread, one for each slot."""
    if not hasattr(_slots, "process"):
        _slots.process = NumericsProcess()
    process: NumericsProcess = _slots.process
    return process
