"""Who has computed what of a sweep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sweep import History


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """What a worker has done of a sweep."""

    name: str
    blocks: int
    share: float
    """Of the time of all workers."""
    seconds: float
    """Time of its calculations, on one core."""
    last_seen: float
    """When it finished its last block, in seconds since 1970."""


def collect_workers(history: History) -> list[WorkerShare]:
    """Sum up what each worker has done; the one that was seen last comes first."""
    if not history.worker:
        return []
    names, who = np.unique(np.array(history.worker), return_inverse=True)
    blocks = np.bincount(who, minlength=len(names))
    seconds = np.bincount(who, weights=history.seconds, minlength=len(names))
    last = np.zeros(len(names))
    np.maximum.at(last, who, history.finished)
    total = float(seconds.sum())
    share = seconds / total if total > 0 else blocks / blocks.sum()
    return [
        WorkerShare(str(names[i]), int(blocks[i]), float(share[i]), float(seconds[i]), last[i])
        for i in sorted(range(len(names)), key=lambda i: (-last[i], str(names[i])))
    ]
