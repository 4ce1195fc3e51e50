"""Elements of the dynamical matrix on a mirror line, in axes along, across and normal.

Where a wavevector lies in the mirror plane itself, in-plane vectors with the same component
along the plane share their phase. There are few such components, so that one product of their
phases with coefficients, known once for a slab, gives all distinct elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.crystal.mirrors import Mirror
from models.forces.pair_forces import COLUMNS, ROWS
from models.modes.matrix_forms import MatrixForm
from models.modes.phase_sums import Couplings, distinct_values, sum_phases
from models.protocol import Arrays, FloatArray

ACROSS = 1e-8
"""A wavevector with a smaller component across a mirror plane (in 1/sigma) lies in it."""


@dataclass(frozen=True)
class PlaneElements:
    """How to build the distinct elements at wavevectors in one mirror plane."""

    x: FloatArray
    """(lines,), components of the in-plane vectors along the plane."""
    coefficients: tuple[NDArray[Any], ...]
    """One entry a block of the form: (1 + 2 lines, elements), of 1, cos k x and sin k x."""

    def as_arrays(self, mirror: int) -> Arrays:
        """Flatten into named arrays, as stages hand them on; each mirror has its number."""
        blocks = {f"plane_{mirror}_{i}": c for i, c in enumerate(self.coefficients)}
        return {f"plane_{mirror}_x": self.x, **blocks}

    @classmethod
    def from_arrays(cls, arrays: Arrays, mirror: int, blocks: int) -> PlaneElements:
        """Undo `as_arrays`."""
        coefficients = tuple(arrays[f"plane_{mirror}_{i}"] for i in range(blocks))
        return cls(arrays[f"plane_{mirror}_x"], coefficients)


def plane_elements(form: MatrixForm, couplings: Couplings, mirror: Mirror) -> PlaneElements:
    """Collect what each phase in a mirror plane adds to each element."""
    column, row = couplings.vectors
    trace, _ = _axes(mirror)
    along = trace[0] * couplings.x[column] + trace[1] * couplings.y[row]
    x, place = distinct_values(np.abs(along))
    # the phase sums for one phase at a time: the elements are linear in them
    width, own = couplings.width, 6 * couplings.layers
    sums = np.zeros((1 + 2 * len(x), 2 * width + 1))
    sums[0, :own] = couplings.self_terms.ravel()
    cosines, sines, at = sums[1 : 1 + len(x)], sums[1 + len(x) :], own
    for depth, used in enumerate(couplings.used):
        gather = (place[used] == np.arange(len(x))[:, None]).astype(float)
        even = gather @ couplings.cosine[depth]
        if depth == 0:
            cosines[:, :own] = np.tile(even, couplings.layers)
            continue
        end, last = at + even.shape[1], at + 2 * even.shape[1]
        cosines[:, at:end] = even
        sines[:, end:last] = gather * np.sign(along[used]) @ couplings.sine[depth]
        at = last
    np.negative(sums[:, :width], out=sums[:, width:-1])
    sums = _turned(sums, mirror)
    return PlaneElements(x, tuple(form.elements(sums, block) for block in form.blocks))


def elements_on_line(
    form: MatrixForm, couplings: Couplings, plane: PlaneElements, mirror: Mirror,
    wavevectors: FloatArray,
) -> list[NDArray[Any]]:  # fmt: skip
    """Give the distinct elements of each block at wavevectors (n, 2) on one mirror line."""
    trace, normal = _axes(mirror)
    if np.abs(wavevectors @ normal).max() > ACROSS:  # kept by the mirror up to some G only
        sums = _turned(sum_phases(couplings, wavevectors), mirror)
        return [form.elements(sums, block) for block in form.blocks]
    phase = np.multiply.outer(wavevectors @ trace, plane.x)
    phases = np.concatenate([np.ones((len(phase), 1)), np.cos(phase), np.sin(phase)], axis=1)
    return [phases @ coefficients for coefficients in plane.coefficients]


def _axes(mirror: Mirror) -> tuple[FloatArray, FloatArray]:
    """Give the directions along the trace of a mirror and across it, each (2,)."""
    c, s = np.cos(mirror.angle), np.sin(mirror.angle)
    return np.array([c, s]), np.array([-s, c])


def _turned(sums: FloatArray, mirror: Mirror) -> FloatArray:
    """Turn phase sums, as `sum_phases` gives them, into the axes of a mirror.

    Every six columns in a row are the elements of a symmetric 3 x 3 matrix, but for the zero.
    """
    turn = np.eye(3)
    turn[:2, :2] = _axes(mirror)
    pairs = turn[ROWS][:, ROWS] * turn[COLUMNS][:, COLUMNS]
    swapped = turn[ROWS][:, COLUMNS] * turn[COLUMNS][:, ROWS]
    on_six = pairs + np.where(ROWS == COLUMNS, 0.0, swapped)
    turned, width = np.empty_like(sums), sums.shape[1] // 2
    shape = (len(sums), width // 6, 6)
    np.matmul(sums[:, :width].reshape(shape), on_six.T, out=turned[:, :width].reshape(shape))
    np.negative(turned[:, :width], out=turned[:, width:-1])
    turned[:, -1] = 0
    return turned
