"""Looks at sweeps that all open pages share, so that a page more costs next to nothing."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sweep
from dashboards.views.view import Results
from sweep import History, NoSweepError, Status, SweepError

if TYPE_CHECKING:
    from dashboards.site.pages import Service

LOOK_SECONDS = 1.0
SHARE = 0.1
"""Of the time, at most, that goes into looking at one thing."""
MOST_LOOKS = 512
"""Looks that are kept."""
SIZE_SECONDS = 60.0
RATE_SECONDS = 30.0
"""Over which the speed of a sweep is averaged."""
Seen = TypeVar("Seen")


@dataclass
class _Look:
    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = -1e9
    seen: Any = None
    asked: bool = False


class Looks:
    """What was seen lately, by what was looked at."""

    def __init__(self) -> None:
        self._looks: OrderedDict[Hashable, _Look] = OrderedDict()
        self._lock = threading.Lock()
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="look")

    def at(self, key: Hashable, take: Callable[[], Seen], seconds: float = LOOK_SECONDS) -> Seen:
        """Give what was seen lately, or look; others who ask meanwhile wait for it."""
        look = self._look(key)
        with look.lock:
            began = time.monotonic()
            if began >= look.until:
                look.seen = take()
                now = time.monotonic()
                look.until = now + max(seconds, (now - began) / SHARE)
            return look.seen

    def eventually(self, key: Hashable, take: Callable[[], Seen], seconds: float) -> Seen | None:
        """Give what was seen last, and have it looked at beside; None until that is done."""
        look = self._look(key)
        if time.monotonic() >= look.until and not look.asked:
            look.asked = True
            self._beside.submit(self._take, look, take, seconds)
        return look.seen

    def _take(self, look: _Look, take: Callable[[], Any], seconds: float) -> None:
        try:
            look.seen = take()
        except (OSError, SweepError):  # it may be gone meanwhile
            look.seen = None
        look.until = time.monotonic() + seconds
        look.asked = False

    def _look(self, key: Hashable) -> _Look:
        with self._lock:
            look = self._looks.setdefault(key, _Look())
            self._looks.move_to_end(key)
            while len(self._looks) > MOST_LOOKS:
                self._looks.popitem(last=False)
            return look


class Watch:
    """Looks at the sweeps of a service, for all pages."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.looks = Looks()
        self._done: dict[str, deque[tuple[float, int]]] = {}
        self._lock = threading.Lock()

    def statuses(self) -> list[Status]:
        """Say how far all sweeps are."""
        return self.looks.at("statuses", self._statuses)

    def _statuses(self) -> list[Status]:
        found = self.service.statuses()
        for status in found:
            self._note(status)
        return found

    def status(self, name: str) -> Status:
        """Say how far a sweep is."""
        return self.looks.at(("status", name), lambda: self._note(self.service.status(name)))

    def _note(self, status: Status) -> Status:
        """Remember how far a sweep was, for its speed."""
        now = time.monotonic()
        with self._lock:
            seen = self._done.setdefault(status.name, deque())
            seen.append((now, points_done(status)))
            while len(seen) > 2 and now - seen[1][0] > RATE_SECONDS:
                seen.popleft()
        return status

    def rate(self, status: Status) -> float | None:
        """Give points a second of late; None where it is not running or not known yet."""
        with self._lock:
            seen = list(self._done.get(status.name, ()))
        if not status.running or len(seen) < 2 or seen[-1][0] - seen[0][0] < 1.0:
            return None
        return max(seen[-1][1] - seen[0][1], 0) / (seen[-1][0] - seen[0][0])

    def size(self, status: Status) -> int | None:
        """Give the bytes that a sweep has on disk; None until they are counted."""
        return self.looks.eventually(
            ("size", status.name), lambda: sweep.stored_bytes(status.path), SIZE_SECONDS
        )

    def begun(self, status: Status) -> float | None:
        """Say when a sweep was submitted or, if a command runs it, when it began."""
        if status.submitted is not None:
            return status.submitted
        try:
            return (status.path / "sweep.toml").stat().st_mtime
        except OSError:
            return None

    def last_error(self, status: Status) -> str | None:
        """Give the commonest error of a sweep; None if there is none, or until it is known."""
        if not {"failed", "lost"} & set(status.counts):
            return None

        def look() -> str | None:
            found = sweep.failures(status.path, most_groups=1, most_points=0)
            return f"{found[0].count} × {found[0].kind}: {found[0].message}" if found else None

        return self.looks.eventually(("error", status.name), look, 5.0)

    def folder(self, name: str) -> Path:
        """Give the folder of a sweep.

        Raises
        ------
        NoSweepError : there is none
        """
        return self.service.folder(name)

    def results(self, name: str) -> Results:
        """Open the results of a sweep; its arrays are read anew each time."""
        folder = self.folder(name)
        try:
            grown = (folder / "plan.json").stat().st_mtime_ns
        except OSError as error:
            msg = f"{name} is gone: {error}."
            raise NoSweepError(msg) from None
        opened = self.looks.at(
            ("results", name, grown), lambda: sweep.open(folder, live=True), seconds=60.0
        )
        return Results(opened, str(folder))

    def history(self, name: str) -> History:
        """Give when and where its blocks were finished."""
        folder = self.folder(name)
        return self.looks.at(("history", name), lambda: sweep.history(folder))


def points_done(status: Status) -> int:
    """Count the points that need no more work, those left out aside."""
    return sum(n for kind, n in status.counts.items() if kind not in ("todo", "running", "skipped"))


def points_wanted(status: Status) -> int:
    """Count the points of a sweep, those left out aside."""
    return sum(status.counts.values()) - status.counts.get("skipped", 0)
