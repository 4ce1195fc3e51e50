"""Group velocities of slab modes: v = e^H (dD/dk) e / (2 omega).

In a group of degenerate modes the derivative along k is diagonalised first, so that the
velocities are those of the branches that part there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.modes.matrix_forms import MatrixForm
from models.modes.phase_sums import Couplings, slopes_of_sums
from models.modes.slab_vectors import block_vectors, in_block_order
from models.protocol import Arrays, ComplexArray, FloatArray

EQUAL = 1e-9
"""Squared frequencies nearer than this share of the highest are one group."""
ZERO = 1e-11
"""|w2| below this share of the highest belongs to a zero mode, which has no velocity."""


def group_velocities(
    form: MatrixForm, couplings: Couplings, wavevectors: FloatArray, modes: Arrays
) -> FloatArray:
    """Give the velocities along x and y of every mode, (n_k, modes, 2).

    Parameters
    ----------
    wavevectors : (n_k, 2)
    modes : what `solve_grain` gave for them
    """
    along = slopes_of_sums(couplings, wavevectors)
    frequency = modes["frequency"]
    squared = np.sign(frequency) * frequency**2
    slope = np.empty((*frequency.shape, 2))
    highest = np.abs(squared).max(axis=1)
    by_block = in_block_order(modes, squared)
    start = 0
    for i, block in enumerate(form.blocks):
        v = block_vectors(form, modes, i)
        of = slice(start, start + v.shape[2])
        d = [form.matrices(sums, block) for sums in along]
        slope[:, of] = _slopes(v, d, by_block[:, of], wavevectors, highest)
        start = of.stop
    slope = np.take_along_axis(slope, modes["order"][..., None], axis=1)
    zero = np.abs(squared) <= ZERO * highest[:, None]
    slope /= np.where(zero, np.nan, 2 * np.abs(frequency))[..., None]
    return slope


def _slopes(
    v: NDArray[Any], d: list[FloatArray | ComplexArray], squared: FloatArray,
    wavevectors: FloatArray, highest: FloatArray,
) -> FloatArray:  # fmt: skip
    """Give d(omega^2)/dk of the modes of a block, (n_k, modes, 2)."""
    moved = [x @ v for x in d]
    slope = np.stack([(v.conj() * m).sum(axis=1).real for m in moved], axis=-1)
    for k in range(len(v)):
        direction = wavevectors[k] if np.abs(wavevectors[k]).max() > 0 else np.array([1.0, 0.0])
        order = squared[k].argsort(kind="stable")
        apart = np.flatnonzero(np.diff(squared[k][order]) > EQUAL * highest[k]) + 1
        for group in np.split(order, apart):
            if len(group) > 1:
                inside = [v[k][:, group].conj().T @ m[k][:, group] for m in moved]
                _, u = np.linalg.eigh(direction[0] * inside[0] + direction[1] * inside[1])
                for a, m in enumerate(inside):
                    slope[k, group, a] = (u.conj() * (m @ u)).sum(axis=0).real
    return slope
