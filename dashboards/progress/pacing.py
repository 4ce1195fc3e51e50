"""Keeps what a live picture sends within what a page may receive."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np

BYTES_PER_SECOND = 6000
"""For one picture; the words beside it take the rest of 10 kB."""
PLACE_BYTES = 10
"""Of a change, for its place and brackets."""
MOST_KEPT = 256

Columns = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Shown:
    columns: Columns
    until: float
    """Before which the next columns would be too much."""


class Pace:
    """Shows columns as soon as sending their changes is within bounds."""

    def __init__(self) -> None:
        self._shown: OrderedDict[Hashable, _Shown] = OrderedDict()
        self._lock = threading.Lock()

    def shown(self, key: Hashable, fresh: Columns, now: float | None = None) -> Columns:
        """Give the fresh columns, or for a while those that were given before.

        Parameters
        ----------
        key : of a picture whose columns have one length
        now : seconds of any clock that nobody sets
        """
        moment = time.monotonic() if now is None else now
        with self._lock:
            last = self._shown.get(key)
            if last is not None and moment < last.until:
                return last.columns
            cost = 0 if last is None else _changed_bytes(last.columns, fresh)
            self._shown[key] = _Shown(fresh, moment + cost / BYTES_PER_SECOND)
            self._shown.move_to_end(key)
            while len(self._shown) > MOST_KEPT:
                self._shown.popitem(last=False)
        return fresh


def _changed_bytes(old: Columns, new: Columns) -> int:
    """Estimate what telling the changes takes."""
    total = 0
    for name, column in new.items():
        before, after = np.asarray(old[name]), np.asarray(column)
        if before.shape != after.shape:
            return len(json.dumps([np.asarray(c).tolist() for c in new.values()]))
        same = before == after
        if before.dtype.kind == "f":
            same |= np.isnan(before) & np.isnan(after)
        fresh = after[~same]
        total += len(json.dumps(fresh.tolist())) + PLACE_BYTES * len(fresh)
    return total
