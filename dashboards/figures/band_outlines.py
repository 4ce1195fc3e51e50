"""Outlines of bands that are known at points along a path, and that split and merge between.

Between neighbouring points the gaps are followed. One that ends closes like a wedge at the
next point, so that a band that splits or merges is drawn without a hole or a spill.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

SLACK = 0.03
"""Share of the highest edge by which a gap may move from one point to the next and stay itself."""

Edges = tuple[float, float]
"""Low and high edge, of a band, of a gap, or of one end of a strip."""
Outline = tuple[list[float], list[float]]
"""x and y of a closed line."""
Pair = tuple[Edges | None, Edges | None]
"""A gap at two neighbouring points; None where it is not there."""


def band_outlines(distance: NDArray[np.float64], bands: NDArray[np.float64]) -> list[Outline]:
    """Outline bands, each as far as it can be followed.

    Parameters
    ----------
    distance : (n,), ascending
    bands : (n, bands, 2), low and high edge, ascending, NaN where there is none; a point
        without any band leaves a hole
    """
    known = [[(float(a), float(b)) for a, b in row if np.isfinite(a)] for row in bands]
    strips = [_strips(a, b) if a and b else [] for a, b in pairwise(known)]
    return _chained(distance.tolist(), strips)


def _strips(left: list[Edges], right: list[Edges]) -> list[tuple[Edges, Edges]]:
    """Cut what lies between two neighbouring points into strips: left and right edges of each."""
    slack = SLACK * max(abs(left[-1][1]), abs(right[-1][1]))
    pairs = _followed(_gaps(left), _gaps(right), slack)
    from_left = _between(left, [a for a, _ in pairs], [b for _, b in pairs])
    from_right = _between(right, [b for _, b in pairs], [a for a, _ in pairs])
    return list(zip(from_left, from_right, strict=True))


def _gaps(bands: list[Edges]) -> tuple[Edges, ...]:
    return tuple((a[1], b[0]) for a, b in pairwise(bands))


def _followed(left: tuple[Edges, ...], right: tuple[Edges, ...], slack: float) -> list[Pair]:
    """Pair the gaps of two neighbouring points in order, with the least movement of edges."""

    @cache
    def best(i: int, j: int) -> tuple[float, tuple[Pair, ...]]:
        ways: list[tuple[float, tuple[Pair, ...]]] = []
        if i < len(left):
            cost, rest = best(i + 1, j)
            ways.append((cost + left[i][1] - left[i][0] + slack, ((left[i], None), *rest)))
        if j < len(right):
            cost, rest = best(i, j + 1)
            ways.append((cost + right[j][1] - right[j][0] + slack, ((None, right[j]), *rest)))
        if i < len(left) and j < len(right):
            cost, rest = best(i + 1, j + 1)
            moved = abs(left[i][0] - right[j][0]) + abs(left[i][1] - right[j][1])
            ways.append((cost + moved, ((left[i], right[j]), *rest)))
        return min(ways, key=lambda way: way[0]) if ways else (0.0, ())

    return list(best(0, 0)[1])


def _between(
    bands: list[Edges], gaps: Sequence[Edges | None], beside: Sequence[Edges | None]
) -> list[Edges]:
    """Divide the bands of one point by its gaps, and at the tips of gaps only its neighbour has."""
    bottom, top = bands[0][0], bands[-1][1]
    cuts = [(bottom, bottom)]
    for n, (own, other) in enumerate(zip(gaps, beside, strict=True)):
        if own is not None:
            cuts.append(own)
        elif other is not None:
            roof = next((gap[0] for gap in gaps[n:] if gap is not None), top)
            tip = min(max((other[0] + other[1]) / 2, cuts[-1][1]), roof)
            cuts.append((tip, tip))
    cuts.append((top, top))
    return [(a[1], b[0]) for a, b in pairwise(cuts)]


def _chained(
    distance: Sequence[float], strips: Sequence[Sequence[tuple[Edges, Edges]]]
) -> list[Outline]:
    """Join strips that go on in the next step into one outline."""
    done: list[list[tuple[float, Edges]]] = []
    growing: dict[Edges, list[tuple[float, Edges]]] = {}
    for i, step in enumerate(strips):
        grown: dict[Edges, list[tuple[float, Edges]]] = {}
        for start, end in step:
            line = growing.pop(start, [(distance[i], start)])
            line.append((distance[i + 1], end))
            if end in grown:  # strips that shrink to the same point
                done.append(line)
            grown.setdefault(end, line)
        done += growing.values()
        growing = grown
    done += growing.values()
    return [_outline(line) for line in done]


def _outline(line: list[tuple[float, Edges]]) -> Outline:
    x = [at for at, _ in line]
    low, high = ([edges[side] for _, edges in line] for side in (0, 1))
    return x + x[::-1], low + high[::-1]
