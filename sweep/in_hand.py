"""What a worker notes of the block that it is at, so that its death tells something.

Dask gives a block whose worker died to the next worker, and that one too would die of it.
So a worker first looks whether the same order was begun before. If so, it does not try, but
reports the points that were in hand: one death of a worker is enough to know the suspects.
The numerics process itself writes what it starts, since a point that kills the worker may do so
before the worker hears of it.
The note also fences off a worker that is late: one that finds another order's note, or none,
drops its block. The note is no promise: it is not fsynced, and without it blocks are halved.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


class InHand:
    """The note of one order, in a file of its block."""

    def __init__(self, path: Path, order: str) -> None:
        self._path = path
        self._order = order
        self._handle = -1

    @property
    def told(self) -> tuple[str, str]:
        """What the numerics process needs to know to go on with the note."""
        return str(self._path), self._order

    def earlier(self) -> tuple[int, ...] | None:
        """Give the points that were in hand when this order was begun before, or None."""
        words = self._words()
        return tuple(map(int, words[1:])) if words[:1] == [self._order] else None

    def begin(self) -> None:
        """Note the order; the note of an earlier one is no longer valid."""
        self._path.parent.mkdir(exist_ok=True)
        self._path.write_text(f"{self._order}\n")

    def at(self, points: Sequence[int]) -> None:
        """Note the points that are about to be computed, unless another order has come since."""
        order = self._order.encode()
        with suppress(OSError):
            if self._handle < 0:
                self._handle = os.open(self._path, os.O_RDWR)
            if os.pread(self._handle, len(order) + 1, 0).split() == [order]:
                text = " ".join([self._order, *map(str, points)]).encode() + b"\n"
                os.pwrite(self._handle, text, 0)

    def is_mine(self) -> bool:
        """Say whether no other order has come since."""
        return self._words()[:1] == [self._order]

    def end(self) -> None:
        """Remove the note, unless it is another order's by now."""
        self.close()
        if self.is_mine():
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file and leave the note as it is."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _words(self) -> list[str]:
        try:
            return self._path.read_text().partition("\n")[0].split()
        except OSError:
            return []
