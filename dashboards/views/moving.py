"""How much curves still move while points come in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LATEST = 0.1
"""Share of the points whose influence is looked at."""
FEWEST = 4
"""Points that a curve must have had before."""


def moved(
    x: NDArray[np.float64], y: NDArray[np.float64], finished: NDArray[np.float64]
) -> float | None:
    """Say how far the points that came last lie from the curve through those before.

    The curve of the earlier points is a broken line; the distance is the largest one, as a
    share of the height of the whole curve. None while there are too few points to tell, or where
    the last ones have only made the curve longer.

    Parameters
    ----------
    x, y, finished : (n,), NaN in `y` or `finished` where there is nothing yet
    """
    there = np.isfinite(y) & np.isfinite(finished) & np.isfinite(x)
    x, y, finished = x[there], y[there], finished[there]
    late = max(int(np.ceil(LATEST * len(x))), 1)
    if len(x) - late < FEWEST:
        return None
    order = np.argsort(finished, kind="stable")
    before, last = order[:-late], order[-late:]
    before = before[np.argsort(x[before])]
    last = last[(x[last] >= x[before[0]]) & (x[last] <= x[before[-1]])]
    height = float(np.ptp(y))
    if not len(last):
        return None
    if height == 0:
        return 0.0
    away = np.abs(y[last] - np.interp(x[last], x[before], y[before]))
    return float(away.max() / height)
