"""What others have to say about a sweep that is being driven: pause, stop, share the cluster.

Several sweeps share a cluster by start-time fair queueing: every order of a sweep gets a place
in one line, which is behind the sweep's own earlier work by its predicted seconds over the
sweep's weight. Dask starts the tasks with the earliest place first. So a sweep that comes late
begins where the line is now, and needs no place to become free in front of it.
"""

from __future__ import annotations

import threading

WINDOW = 4
"""Outstanding blocks for each slot."""
LEAST_WINDOW = 2
"""Outstanding blocks that each slot must have to be busy: the one it is at, and the next."""
MOST_OUTSTANDING = 1000
"""Blocks that a scheduler is given at most, of all sweeps together, if its slots need no more."""
LARGEST_STEPS = 20
"""Steps of priority beyond which a share grows no more; each doubles it."""
LEAST_SECONDS = 0.01


class Steering:
    """Tells a drive from another thread how to go on."""

    def __init__(self) -> None:
        self._pausing = threading.Event()
        self._stopping = threading.Event()

    def pause(self) -> None:
        """Begin nothing more; return when what has begun is finished."""
        self._pausing.set()

    def stop(self) -> None:
        """Return at once; blocks that are being computed are dropped."""
        self._stopping.set()
        self._pausing.set()

    @property
    def paused(self) -> bool:
        """Nothing more is to begin."""
        return self._pausing.is_set()

    @property
    def stopped(self) -> bool:
        """Nothing is to be waited for."""
        return self._stopping.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, unless a pause or stop comes; say whether one has come."""
        return self._pausing.wait(seconds)


class Line:
    """The line in which the orders of all sweeps of a cluster stand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shares: set[Share] = set()
        self._now = 0.0

    def join(self, priority: int) -> Share:
        """Let a sweep join; it stands where the line is now."""
        with self._lock:
            share = Share(self, priority, self._now)
            self._shares.add(share)
        return share

    def leave(self, share: Share) -> None:
        """Let a sweep leave."""
        with self._lock:
            self._shares.discard(share)

    def place(self, share: Share, seconds: float) -> float:
        """Give the next order of a sweep its place."""
        with self._lock:
            place = max(share.behind, self._now)
            share.behind = place + max(seconds, LEAST_SECONDS) / share.weight
        return place

    def served(self, place: float) -> None:
        """Move the line on: an order of this place has been done."""
        with self._lock:
            self._now = max(self._now, place)

    def most(self, slots: int) -> int:
        """Give how many orders each sweep may have outstanding."""
        with self._lock:
            room = max(MOST_OUTSTANDING, LEAST_WINDOW * slots)
            return max(1, min(WINDOW * slots, room // max(len(self._shares), 1)))


class Share:
    """One sweep in the line."""

    def __init__(self, line: Line, priority: int, behind: float) -> None:
        self.line = line
        self.behind = behind
        """Where the place of its next order is, unless the line has moved beyond."""
        self.priority = priority

    @property
    def weight(self) -> float:
        """Its share of the cluster, relative to that of priority 0."""
        steps = max(-LARGEST_STEPS, min(LARGEST_STEPS, self.priority))
        return float(2.0**steps)

    def place(self, seconds: float) -> float:
        """Give the next order its place, by the seconds that it is predicted to take."""
        return self.line.place(self, seconds)

    def served(self, place: float) -> None:
        """An order of this place has been done."""
        self.line.served(place)

    def most(self, slots: int) -> int:
        """Give how many orders may be outstanding."""
        return self.line.most(slots)

    def leave(self) -> None:
        """Give up the place in the line."""
        self.line.leave(self)
