"""Surface branches followed along a path by the overlap of their vectors.

Sorting by frequency joins the wrong halves where branches cross. A mode at the next
wavevector continues a branch when it holds more than half of the branch's vector: the shares
of orthonormal modes add up to one at most, so that no two can.

Modes that nearly coincide, above all the two members of a face pair, mix in a way that means
nothing. They are compared as one space, whether they part at the next wavevector or only meet
there; inside a space each branch keeps a vector of its own, by which it is found again.
"""

from __future__ import annotations

import numpy as np

from models.band_matrices import Numbers
from models.protocol import FloatArray, IntArray

OVERLAP = 0.5
"""Least share of a branch's vector that the next mode (or space of modes) must hold."""
NEAR = 1e-4
"""Modes closer than this share of the highest frequency are followed as one space."""


def follow_branches(
    frequency: FloatArray, vectors: Numbers, breaks: IntArray, most: int
) -> IntArray:
    """Join candidates at neighbouring wavevectors to branches.

    Parameters
    ----------
    frequency : (n_k, c), ascending, NaN behind the last candidate of a wavevector
    vectors : (n_k, c, n), orthonormal; n may leave out layers deep inside, where little moves:
        the vectors are then brought to unit length
    breaks : wavevectors at which an unconnected piece of the path begins
    most : branches to keep

    Returns
    -------
    (n_k, most), the candidate that each branch is at a wavevector, -1 where it is not there;
    branches in the order of their first wavevector, then of frequency
    """
    result = np.full((len(frequency), most), -1)
    length = np.sqrt((np.abs(vectors) ** 2).sum(axis=2, keepdims=True))
    vectors = vectors / np.where(length > 0, length, 1.0)
    highest, begun = float(np.nanmax(frequency, initial=0.0)), 0
    numbers = np.empty(0, dtype=np.int64)  # of the branches at the last wavevector
    held, groups = vectors[:0, 0], list[IntArray]()
    for k, row in enumerate(frequency):
        members = int(np.isfinite(row).sum())
        now, parts = vectors[k, :members], _groups(row[:members], highest)
        if k in breaks:
            numbers, held, groups = numbers[:0], held[:0], []
        came = _predecessors(held, groups, now, parts)
        last, numbers = numbers, np.full(members, -1)
        numbers[came >= 0] = last[came[came >= 0]]
        new = int((came < 0).sum())
        numbers[came < 0] = begun + np.arange(new)
        begun += new
        held, groups = _carried(held, came, now, parts), parts
        shown = numbers < most
        result[k, numbers[shown]] = np.flatnonzero(shown)
    return result


def _groups(frequency: FloatArray, highest: float) -> list[IntArray]:
    """Split ascending frequencies where neighbours are apart."""
    apart = np.flatnonzero(np.diff(frequency) > NEAR * highest) + 1
    return [g for g in np.split(np.arange(len(frequency)), apart) if len(g)]


def _predecessors(
    held: Numbers, before: list[IntArray], vectors: Numbers, now: list[IntArray]
) -> IntArray:
    """Say which mode at the last wavevector each mode continues, -1: none."""
    came = np.full(len(vectors), -1)
    share = np.abs(held.conj() @ vectors.T) ** 2
    for ours, theirs in _linked(share, before, now):
        amplitude = held[ours].conj() @ vectors[theirs].T
        number = int((np.linalg.svd(amplitude, compute_uv=False) ** 2 > OVERLAP).sum())
        best = np.argsort(-share[np.ix_(ours, theirs)].sum(axis=1).round(6), kind="stable")
        kept = np.sort(best[:number])
        came[theirs[_seats(np.abs(_nearest(amplitude[kept])[0]) ** 2)]] = ours[kept]
    return came


def _linked(
    share: FloatArray, before: list[IntArray], now: list[IntArray]
) -> list[tuple[IntArray, IntArray]]:
    """Join spaces at two wavevectors that hold most of each other, directly or by others."""
    links = np.array([
        [share[np.ix_(g, h)].sum() > OVERLAP * min(len(g), len(h)) for h in now] for g in before
    ]).reshape(len(before), len(now))  # fmt: skip
    found, left = [], set(range(len(before)))
    while left:
        ours = np.zeros(len(before), dtype=bool)
        ours[min(left)] = True
        for _ in range(len(before)):
            ours |= links[:, links[ours].any(axis=0)].any(axis=1)
        left -= set(np.flatnonzero(ours).tolist())
        theirs = links[ours].any(axis=0)
        if theirs.any():
            pick = (before, ours), (now, theirs)
            joined = [np.concatenate([g[i] for i in np.flatnonzero(of)]) for g, of in pick]
            found.append((joined[0], joined[1]))
    return found


def _nearest(amplitude: Numbers) -> tuple[Numbers, Numbers]:
    """Orthonormal rows nearest to the projections of vectors, and those that complete them.

    `amplitude` (m, c) holds <vector|mode>; gives (m, c) and (c - m, c), in terms of the modes.
    """
    left, _, right = np.linalg.svd(amplitude.conj(), full_matrices=True)
    return left @ right[: len(amplitude)], right[len(amplitude) :]


def _seats(share: FloatArray) -> IntArray:
    """Give each branch (row) a mode of its own: the one that it has most of, else the lowest."""
    seats = np.empty(len(share), dtype=np.int64)
    free = share.round(6)  # equal shares are told apart by their place, not by rounding
    for branch, row in enumerate(free):
        seats[branch] = row.argmax()
        free[:, seats[branch]] = -1.0
    return seats


def _carried(held: Numbers, came: IntArray, vectors: Numbers, now: list[IntArray]) -> Numbers:
    """Give the vectors that branches go on with: those of modes, turned inside a space."""
    result = vectors.copy()
    for group in now:
        old = group[came[group] >= 0]
        if len(group) > 1 and len(old):
            inside, rest = _nearest(held[came[old]].conj() @ vectors[group].T)
            result[old] = inside @ vectors[group]
            result[group[came[group] < 0]] = rest @ vectors[group]
    return result
