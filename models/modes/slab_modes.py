"""Solve a grain of wavevectors of a slab, and measure where its modes live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.crystal.mirrors import Mirror, coordinate_signs
from models.modes.bulk_bands import signed_root
from models.modes.line_elements import PlaneElements, elements_on_line
from models.modes.matrix_forms import Block, MatrixForm, placed
from models.modes.phase_sums import Couplings, Some, regular, sum_phases
from models.protocol import Arrays, ComplexArray, FloatArray, IntArray

SAGITTAL, SHEAR, NO_PARITY = 0, 1, 2


@dataclass(frozen=True)
class Lines:
    """The mirror lines on which the wavevectors of a grain lie (`crystal.mirrors`)."""

    mirrors: tuple[Mirror, ...]
    line: IntArray
    """(n_k,), 2 * mirror, plus 1 if the signs of the layers alternate; -1: none."""
    sagittal: IntArray
    """(n_k,), 1 where even modes are sagittal and odd ones shear-horizontal."""
    planes: Mapping[int, PlaneElements]
    """By mirror."""

    @classmethod
    def none(cls, count: int) -> Lines:
        """No mirror line at all."""
        return cls((), np.full(count, -1), np.zeros(count, dtype=np.int64), {})

    def groups(self) -> Iterator[tuple[int, Some]]:
        """Give each line that occurs, with the wavevectors on it."""
        if len(self.line) and (self.line == self.line[0]).all():
            yield int(self.line[0]), slice(0, len(self.line))
            return
        for line in np.unique(self.line):
            yield int(line), regular(np.flatnonzero(self.line == line))


def solve_grain(
    form: MatrixForm, couplings: Couplings, wavevectors: FloatArray, lines: Lines,
    surface_depth: int, zero: float,
) -> Arrays:  # fmt: skip
    """Diagonalise the dynamical matrix at each wavevector of a grain.

    On a mirror line even and odd modes are solved apart.

    Parameters
    ----------
    wavevectors : (n_k, 2), in the inverse of the unit of the couplings
    surface_depth : layers counted as surface on each side
    zero : share of the highest squared frequency below which a mode counts as a zero mode;
        of `form.least` where all modes of a wavevector are zero modes (one layer at k = 0)

    Returns
    -------
    arrays (n_k, modes), modes ascending, and (n_k,) verdicts; from the others `vectors_of` and
    `block_vectors` make eigenvectors later
    """
    solved = _solve_lines(form, couplings, wavevectors, lines, surface_depth)
    w2, share, parity = solved.squared, solved.share, solved.parity
    order = w2.argsort(axis=1, kind="stable")
    if (order[:, 1:] < order[:, :-1]).any():
        flat = order + np.arange(w2.size, step=w2.shape[1])[:, None]
        w2, share, parity = w2.take(flat), share.reshape(SETS, -1)[:, flat], parity.take(flat)
    trace = solved.trace
    top = zero * np.maximum(np.abs(w2).max(axis=1, initial=0), form.least)
    vectors = {f"vectors_{i}": v for i, v in enumerate(solved.vectors)}
    return {
        "frequency": signed_root(w2),
        "surface_weight": share[0],
        "normal_weight": share[1],
        "top_weight": share[2],
        "mode_parity": np.where(lines.sagittal[:, None] == 1, parity, np.uint8(NO_PARITY)),
        "n_zero": (np.abs(w2) <= top[:, None]).sum(axis=1).astype(np.int32),
        "n_negative": (w2 < -top[:, None]).sum(axis=1).astype(np.int32),
        "sum_rule_residual": np.abs(w2.sum(axis=1) - trace) / np.maximum(np.abs(trace), form.least),
        "asymmetry": solved.asymmetry,
        "order": order,
        "angle": solved.angle,
        "alternates": solved.alternates,
        **vectors,
    }


@dataclass
class _Solved:
    """Results of a grain, filled line by line and block by block; modes as they come."""

    squared: FloatArray
    share: FloatArray
    """(sets, n_k, modes)."""
    parity: NDArray[np.uint8]
    trace: FloatArray
    asymmetry: FloatArray
    angle: FloatArray
    """(n_k,), of the mirror in whose axes the vectors are; not a number: in those of the face."""
    alternates: NDArray[np.bool_]
    """(n_k,), the signs of the layers under that mirror alternate."""
    vectors: list[NDArray[Any]]
    """One entry a block of the form: (n_k, n, n); on mirror lines its even part, then its odd
    one, each with its own rows and columns."""


def _solve_lines(
    form: MatrixForm, couplings: Couplings, wavevectors: FloatArray, lines: Lines,
    surface_depth: int,
) -> _Solved:  # fmt: skip
    n_k, modes = len(wavevectors), sum(len(b.row) for b in form.blocks)
    solved = _Solved(
        np.empty((n_k, modes)), np.empty((SETS, n_k, modes)),
        np.full((n_k, modes), NO_PARITY, dtype=np.uint8), np.zeros(n_k), np.zeros(n_k),
        np.full(n_k, np.nan), np.zeros(n_k, dtype=bool), [],
    )  # fmt: skip
    for line, of in lines.groups():
        k, split = wavevectors[of], None
        if line >= 0:
            split = form.split(coordinate_signs(form.layers, bool(line % 2)))
        if split is None:
            _solve_whole(form, sum_phases(couplings, k), surface_depth, solved, of)
        else:
            mirror = lines.mirrors[line // 2]
            elements = elements_on_line(form, couplings, lines.planes[line // 2], mirror, k)
            _solve_split(form, elements, surface_depth, solved, of, split)
            solved.angle[of], solved.alternates[of] = mirror.angle, bool(line % 2)
    return solved


def _solve_whole(
    form: MatrixForm, sums: FloatArray, surface_depth: int, solved: _Solved, of: Some
) -> None:
    """Solve wavevectors that lie on no mirror line."""
    at = 0
    for i, block in enumerate(form.blocks):
        elements = form.elements(sums, block)
        _check(form, block, elements, solved, of)
        v = _solve_block(form, block, elements, surface_depth, solved, of, at)
        at += len(block.row)
        if len(sums) == len(solved.squared):
            solved.vectors.append(v)
        else:
            _room(form, solved, i)[of] = v


def _solve_split(
    form: MatrixForm, elements: list[NDArray[Any]], surface_depth: int, solved: _Solved, of: Some,
    split: list[list[Block]],
) -> None:  # fmt: skip
    """Solve wavevectors on one mirror line, elements in its axes, even and odd modes apart."""
    at = 0
    for i, (whole, parts) in enumerate(zip(form.blocks, split, strict=True)):
        _check(form, whole, elements[i], solved, of)
        found = []
        for parity, block in enumerate(parts):
            end = at + len(block.row)
            found.append(_solve_block(form, block, elements[i], surface_depth, solved, of, at))
            solved.parity[of, at:end] = parity
            at = end
        room, column = _room(form, solved, i), 0
        for v in found:
            end = column + v.shape[2]
            room[of, column:end] = 0
            room[of, column:end, column:end] = v
            column = end


def _room(form: MatrixForm, solved: _Solved, i: int) -> NDArray[Any]:
    """Make room for the vectors of a block of a grain with several lines."""
    if len(solved.vectors) <= i:
        n = len(form.blocks[i].row)
        kind = complex if form.kind == "complex" else float
        solved.vectors.append(np.empty((len(solved.squared), n, n), kind))
    return solved.vectors[i]


def _check(
    form: MatrixForm, block: Block, elements: FloatArray | ComplexArray, solved: _Solved, of: Some
) -> None:
    """Compare the distinct elements of a block that should be equal.

    eigh reads one triangle only, so a matrix that is not Hermitian would give plausible
    frequencies and no error.
    """
    if block.facing.size:
        one, other = (elements.take(of_them, axis=1) for of_them in block.facing)
        apart = np.abs(one - other.conj()).max(axis=1) / form.least
        solved.asymmetry[of] = np.maximum(solved.asymmetry[of], apart)


def _solve_block(
    form: MatrixForm, block: Block, elements: FloatArray | ComplexArray, surface_depth: int,
    solved: _Solved, of: Some, at: int,
) -> NDArray[Any]:  # fmt: skip
    """Diagonalise a block at some wavevectors; gives its vectors, fills in the rest."""
    n = len(block.row)
    columns = slice(at, at + n)
    matrix = placed(elements, block)
    solved.trace[of] += matrix.reshape(len(matrix), -1)[:, :: n + 1].real.sum(axis=1)
    solved.squared[of, columns], v = np.linalg.eigh(matrix)
    del matrix  # the squares of the vectors can have its room
    solved.share[:, of, columns] = _shares(v, _rows_of_sets(form, block, surface_depth))
    return np.asarray(v)


SETS = 3
"""Sets of coordinates in which modes are weighed: surface layers, normal direction, top face."""


def _coordinate_sets(layers: int, surface_depth: int) -> FloatArray:
    """Mark the coordinates 3 * layer + direction of the sets, (SETS, 3 * layers)."""
    layer = np.repeat(np.arange(layers), 3)
    surface = np.minimum(layer, layers - 1 - layer) < surface_depth
    normal = np.arange(3 * layers) % 3 == 2
    return np.stack([surface, normal, layer == 0]).astype(float)


Counted: TypeAlias = tuple[tuple[tuple[slice, float], ...], ...]
"""For each set, the rows that count in it and how much."""


def _rows_of_sets(form: MatrixForm, block: Block, surface_depth: int) -> Counted:
    return _counted(form.layers, surface_depth, block.row.tobytes(), block.mirror.tobytes())


@lru_cache(maxsize=64)
def _counted(layers: int, surface_depth: int, row: bytes, mirror: bytes) -> Counted:
    """Say which rows of a block's vectors count in each set.

    Parameters
    ----------
    row, mirror : as in `Block`, int64
    """
    sets = _coordinate_sets(layers, surface_depth)
    one, other = (sets[:, np.frombuffer(x, dtype=np.int64)] for x in (row, mirror))
    return tuple(
        tuple((run, float(w)) for w in (0.5, 1.0) for run in _runs(np.flatnonzero(weights == w)))
        for weights in (one + other) / 2
    )


def _runs(index: IntArray) -> Iterator[slice]:
    """Cut ascending places into as few slices as their steps allow."""
    while len(index):
        steps = np.diff(index)
        count = 1 + int(np.argmin(np.append(steps, 0) == steps[0])) if len(steps) else 1
        run = regular(index[:count])
        assert isinstance(run, slice)
        yield run
        index = index[count:]


def _shares(vectors: FloatArray | ComplexArray, counted: Counted) -> FloatArray:
    """Weighted sums over the squared rows of vectors (n_k, n, modes): (sets, n_k, modes)."""
    n_k, _, modes = vectors.shape
    share = np.zeros((len(counted), n_k, modes))
    real_parts = (vectors.real, vectors.imag) if np.iscomplexobj(vectors) else (vectors,)
    for of_set, rows in zip(share, counted, strict=True):
        for run, weight in rows:
            for part in real_parts:
                # without the squares as an array: half the time
                of_set += weight * np.einsum("kij,kij->kj", part[:, run], part[:, run])
    return share
