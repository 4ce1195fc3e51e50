"""What a service says of its sweeps: lines for people, records with ids for programs.

Every record that concerns a sweep carries its name (and its block, if it is about one) and goes
to standard error and to `log.jsonl` in the folder of the sweep, one JSON object a line.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from sweep.messages import Receipt
from sweep.progress import Finished, Started
from sweep.state import SweepState
from sweep.words import counts_text

LOG_FILE = "log.jsonl"
LOG_BYTES = 5 * 2**20
OLD_LOGS = 2
IDS = ("sweep", "block", "worker")
log = logging.getLogger("modesweep.service")


class AsJson(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record with its ids."""
        told: dict[str, Any] = {"time": _moment(record), "level": record.levelname.lower()}
        told |= {name: getattr(record, name) for name in IDS if hasattr(record, name)}
        told["message"] = record.getMessage()
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told)


class AsText(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record with its ids."""
        ids = " ".join(f"{n}={getattr(record, n)}" for n in IDS if hasattr(record, n))
        line = f"{_moment(record)} {record.levelname.lower():7} {ids} {record.getMessage()}"
        return line + (f"\n{self.formatException(record.exc_info)}" if record.exc_info else "")


def _moment(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))


def log_to_stderr(level: str, *, as_json: bool) -> None:
    """Set up the log of a service."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AsJson() if as_json else AsText())
    log.handlers[:] = [handler]
    log.setLevel(level.upper())
    log.propagate = False


class Reporter:
    """Follows a sweep of a service: into the logs, and into the note that clients see."""

    def __init__(self, name: str, folder: Path, note: Callable[[str], None]) -> None:
        self._name = name
        self._note = note
        self._noted = False
        self._handler = RotatingFileHandler(
            folder / LOG_FILE, maxBytes=LOG_BYTES, backupCount=OLD_LOGS, delay=True
        )
        self._handler.setFormatter(AsJson())
        self._handler.addFilter(lambda record: getattr(record, "sweep", None) == name)
        log.addHandler(self._handler)

    def say(self, text: str, level: int = logging.INFO, **ids: Any) -> None:
        """Write a line to the logs."""
        log.log(level, text, extra={"sweep": self._name, **ids})

    def start(self, event: Started) -> None:
        """The sweep is owned."""
        self.say(f"begins: {counts_text(event.counts)}; {event.done} of {event.blocks} blocks")

    def cluster(self, slots: int, dashboard: str | None) -> None:
        """Workers are there."""
        self.say(f"{slots} slots")
        self._note("")

    def update(self, state: SweepState, receipt: Receipt | None) -> None:
        """A block has ended."""
        if self._noted:
            self._noted = False
            self._note("")
        if receipt is not None:
            block = f"{receipt.region}/{receipt.block}"
            level = logging.WARNING if receipt.errors else logging.DEBUG
            text = "; ".join(f"{e.kind}: {e.message}" for e in receipt.errors[:3]) or "stored"
            self.say(text, level, block=block, worker=receipt.worker)

    def note(self, text: str) -> None:
        """Something has happened that the user should know of."""
        self._noted = True
        self._note(text)
        self.say(text, logging.WARNING)

    def stop(self, event: Finished) -> None:
        """The sweep is given free."""
        self.say(f"leaves: {counts_text(event.counts)}")

    def close(self) -> None:
        """Close the log file."""
        log.removeHandler(self._handler)
        self._handler.close()
