"""Surface branches followed along a path by the overlap of their vectors.

Sorting by frequency joins the wrong halves where branches cross. A mode at the next
wavevector continues a branch when it holds more than half of the branch's vector: the shares
of orthonormal modes add up to one at most, so that no two can. Modes that nearly coincide,
above all the two members of a face pair, mix in a way that means nothing; they are followed
as one space, and the branches in it are told apart by their own vectors.
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
    vectors : (n_k, c, n), orthonormal; n may leave out coordinates where nothing moves
    breaks : wavevectors at which an unconnected piece of the path begins
    most : branches to keep

    Returns
    -------
    (n_k, most), the candidate that each branch is at a wavevector, -1 where it is not there;
    branches in the order of their first wavevector, then of frequency
    """
    result = np.full((len(frequency), most), -1)
    branches = np.empty(0, dtype=np.int64)  # number and vector of those that go on
    held = vectors[:0, 0]
    begun = 0
    for k, row in enumerate(frequency):
        members = int(np.isfinite(row).sum())
        if k in breaks:
            branches, held = branches[:0], held[:0]
        groups = _groups(row[:members], float(np.nanmax(frequency, initial=0.0)))
        of, kept, aligned = _continued(held, vectors[k, :members], groups)
        free = np.setdiff1d(np.arange(members), of)
        branches = np.append(branches[kept], begun + np.arange(len(free)))
        begun += len(free)
        held = np.concatenate([aligned, vectors[k, free]])
        at = np.append(of, free)
        shown = branches < most
        result[k, branches[shown]] = at[shown]
    return result


def _groups(frequency: FloatArray, highest: float) -> list[IntArray]:
    """Split ascending frequencies where neighbours are apart."""
    apart = np.flatnonzero(np.diff(frequency) > NEAR * highest) + 1
    return [g for g in np.split(np.arange(len(frequency)), apart) if len(g)]


def _continued(
    held: Numbers, vectors: Numbers, groups: list[IntArray]
) -> tuple[IntArray, IntArray, Numbers]:  # fmt: skip
    """Find the branches that go on: their candidates, which they are, their new vectors."""
    candidates, kept, aligned = [], [], [held[:0]]
    overlap = held.conj() @ vectors.T  # (branches, candidates)
    for group in groups:
        amplitude = overlap[:, group]
        share = (np.abs(amplitude) ** 2).sum(axis=1)
        # the nearest ones first; a space has room for as many as it has modes
        mine = np.argsort(-share, kind="stable")[: len(group)]
        mine = np.sort(mine[share[mine] > OVERLAP])
        if not len(mine):
            continue
        left, _, right = np.linalg.svd(amplitude[mine].conj(), full_matrices=False)
        inside = left @ right  # the orthonormal vectors nearest to those of the branches
        candidates.append(group[_seats(np.abs(inside) ** 2)])
        kept.append(mine)
        aligned.append(inside @ vectors[group])
    none = [np.empty(0, dtype=np.int64)]
    return (
        np.concatenate(none + candidates), np.concatenate(none + kept), np.concatenate(aligned),
    )  # fmt: skip


def _seats(share: FloatArray) -> IntArray:
    """Give each branch (row) a mode of the space of its own: the one that it has most of."""
    seats = np.empty(len(share), dtype=np.int64)
    free = share.copy()
    for branch, row in enumerate(free):
        seats[branch] = row.argmax()
        free[:, seats[branch]] = -1.0
    return seats
