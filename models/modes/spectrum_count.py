"""Count the modes of a thick slab below given squared frequencies, without finding any.

A - s has as many negative eigenvalues as the pivots of its elimination (Sylvester). Layers
are eliminated in blocks that feel only the next one; of the like blocks of the interior every
second one goes at a time, so that a slab of any thickness takes a few dozen steps. The
difference of two counts says how many modes lie between, which tells a search when it has
found them all.

Units: squared frequencies. Axes: (shifts, block order, block order).
"""

from __future__ import annotations

import numpy as np

from models.band_matrices import Numbers
from models.protocol import FloatArray, IntArray

ALIKE = 1e-13
"""Blocks of layers that differ by less than this share of the largest element are alike."""


def count_below(lower: Numbers, shifts: FloatArray) -> IntArray:
    """Count the eigenvalues below each shift, (shifts,).

    Parameters
    ----------
    lower : (depths, layers, 3, 3), blocks D(l + d, l), as `banded.lower_blocks` gives them
    shifts : (shifts,), none of them an eigenvalue to rounding
    """
    size = max(2, len(lower) // 2 * 2)  # even: stackings may alternate from layer to layer
    blocks = -(-lower.shape[1] // size)
    own, down = _tiles(lower, size, blocks)
    shift = shifts[:, None, None] * np.eye(3 * size)
    first, last = _alike(own, down)
    pivot = own[0] - shift
    count = np.zeros(len(shifts), dtype=np.int64)
    block = 0
    while True:
        if block == first and last - first > 2:
            more, pivot = _eliminate_alike(pivot, own[block] - shift, down[block], last - first)
            count += more
            block = last
        count += _negative(pivot)
        if block == blocks - 1:
            return count
        pivot = own[block + 1] - shift - _through(down[block], pivot)
        block += 1


def _tiles(lower: Numbers, size: int, blocks: int) -> tuple[Numbers, Numbers]:
    """Blocks of `size` layers: each with itself and with the next, (blocks, n, n)."""
    depths, layers = lower.shape[:2]
    padded = np.zeros((size + 1, blocks * size, 3, 3), dtype=lower.dtype)
    padded[:depths, :layers] = lower
    # layers that are not there are free and stand far above every shift
    padded[0, layers:] = 1e6 * max(float(np.abs(lower).max()), 1.0) * np.eye(3)
    tiles = padded.reshape(size + 1, blocks, size, 3, 3)
    own, down = np.zeros((2, blocks, size, 3, size, 3), dtype=lower.dtype)
    for p in range(size):
        for q in range(size):
            if p >= q:
                own[:, p, :, q] = tiles[p - q, :, q]
                own[:, q, :, p] = tiles[p - q, :, q].conj().transpose(0, 2, 1)
            if p <= q:
                down[:, p, :, q] = tiles[size + p - q, :, q]
    shape = (blocks, 3 * size, 3 * size)
    return own.reshape(shape), down.reshape(shape)


def _alike(own: Numbers, down: Numbers) -> tuple[int, int]:
    """First and last of the blocks around the middle one that are like it."""
    middle = len(own) // 2
    far = np.maximum(
        np.abs(own - own[middle]).max(axis=(1, 2)), np.abs(down - down[middle]).max(axis=(1, 2))
    )
    other = np.flatnonzero(far > ALIKE * np.abs(own[middle]).max())
    above, below = other[other < middle], other[other > middle]
    return (
        int(above[-1]) + 1 if len(above) else 0,
        int(below[0]) - 1 if len(below) else len(own) - 1,
    )


def _negative(pivot: Numbers) -> IntArray:
    return np.asarray((np.linalg.eigvalsh(pivot) < 0).sum(axis=1))


def _through(down: Numbers, pivot: Numbers) -> Numbers:
    """What the elimination of a block takes from the next one."""
    product = down @ np.linalg.solve(pivot, _adjoint(np.broadcast_to(down, pivot.shape)))
    return (product + _adjoint(product)) / 2


def _adjoint(matrix: Numbers) -> Numbers:
    return matrix.conj().swapaxes(-1, -2)


def _eliminate_alike(
    first: Numbers, own: Numbers,
    down: Numbers, steps: int,
) -> tuple[IntArray, Numbers]:  # fmt: skip
    """Eliminate all but the last of `steps + 1` like blocks; gives its pivot.

    `first` is the first block after what lies above it is eliminated. Where the number of
    blocks is odd, every second one goes; else the first goes alone.
    """
    count = np.zeros(len(own), dtype=np.int64)
    last = own
    down = np.broadcast_to(down, own.shape)
    while steps:
        if steps % 2:
            count += _negative(first)
            steps -= 1
            first = (own if steps else last) - _through(down, first)
            continue
        count += steps // 2 * _negative(own)
        up = _adjoint(down)
        from_above, from_below = _through(down, own), _through(up, own)
        down = -down @ np.linalg.solve(own, down)
        first, last = first - from_below, last - from_above
        own = own - from_above - from_below
        steps //= 2
    return count, first
