"""Solve a grain of wavevectors of a slab, and measure where its modes live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.crystal.mirrors import Mirror, coordinate_signs
from models.modes.bulk_bands import signed_root
from models.modes.matrix_forms import Block, MatrixForm, placed
from models.modes.phase_sums import Some, regular, turned_sums
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

    @classmethod
    def none(cls, count: int) -> Lines:
        """No mirror line at all."""
        return cls((), np.full(count, -1), np.zeros(count, dtype=np.int64))

    def groups(self) -> Iterator[tuple[int, Some]]:
        """Give each line that occurs, with the wavevectors on it."""
        alike = len(self.line) and (self.line == self.line[0]).all()
        for line in self.line[:1] if alike else np.unique(self.line):
            yield int(line), regular(np.flatnonzero(self.line == line))


def solve_grain(
    form: MatrixForm, sums: FloatArray, lines: Lines, surface_depth: int, zero: float
) -> Arrays:
    """Diagonalise the dynamical matrix at each wavevector of a grain.

    On a mirror line even and odd modes are solved apart.

    Parameters
    ----------
    sums : (n_k, columns), phase sums
    surface_depth : layers counted as surface on each side
    zero : share of the highest squared frequency below which a mode counts as a zero mode;
        of `form.least` where all modes of a wavevector are zero modes (one layer at k = 0)

    Returns
    -------
    arrays (n_k, modes), modes ascending, and (n_k,) verdicts; `vectors_i`, `order` let
    `vectors_of` give eigenvectors later
    """
    solved = _solve_lines(form, sums, lines, surface_depth)
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
    vectors: list[NDArray[Any]]
    """One entry a block of the form: (n_k, n, n)."""


def _solve_lines(form: MatrixForm, sums: FloatArray, lines: Lines, surface_depth: int) -> _Solved:
    n_k, modes = len(sums), sum(len(b.row) for b in form.blocks)
    solved = _Solved(
        np.empty((n_k, modes)), np.empty((SETS, n_k, modes)),
        np.full((n_k, modes), NO_PARITY, dtype=np.uint8), np.zeros(n_k), np.zeros(n_k), [],
    )  # fmt: skip
    for line, of in lines.groups():
        split = None
        if line >= 0:
            split = form.split(coordinate_signs(form.layers, bool(line % 2)))
        if split is not None:
            angle = lines.mirrors[line // 2].angle
            _solve_split(
                form, turned_sums(sums[of], angle), surface_depth, solved, of, split, angle
            )
        else:
            _solve_whole(form, sums[of], surface_depth, solved, of)
    return solved


def _solve_whole(
    form: MatrixForm, sums: FloatArray, surface_depth: int, solved: _Solved, of: Some
) -> None:
    """Solve wavevectors that lie on no mirror line."""
    at = 0
    for i, block in enumerate(form.blocks):
        elements = _checked(form, block, sums, solved, of)
        v = _solve_block(form, block, elements, surface_depth, solved, of, at)
        at += len(block.row)
        if len(sums) == len(solved.squared):
            solved.vectors.append(v)
        else:
            _room(form, solved, i)[of] = v


def _solve_split(
    form: MatrixForm, sums: FloatArray, surface_depth: int, solved: _Solved, of: Some,
    split: list[list[Block]], angle: float,
) -> None:  # fmt: skip
    """Solve wavevectors on one mirror line, their sums in its axes, even and odd modes apart."""
    at = 0
    for i, (whole, parts) in enumerate(zip(form.blocks, split, strict=True)):
        elements = _checked(form, whole, sums, solved, of)
        found = []
        for parity, block in enumerate(parts):
            end = at + len(block.row)
            found.append(_solve_block(form, block, elements, surface_depth, solved, of, at))
            solved.parity[of, at:end] = parity
            at = end
        del elements
        room, column = _room(form, solved, i), 0
        vectors = room[of] if isinstance(of, slice) else np.empty_like(room[: len(sums)])
        for v, block in zip(found, parts, strict=True):
            end = column + len(block.row)
            _turn_back(vectors[:, :, column:end], v, whole, block, angle)
            column = end
        if not isinstance(of, slice):
            room[of] = vectors


def _room(form: MatrixForm, solved: _Solved, i: int) -> NDArray[Any]:
    """Make room for the vectors of a block of a grain with several lines."""
    if len(solved.vectors) <= i:
        n = len(form.blocks[i].row)
        kind = complex if form.kind == "complex" else float
        solved.vectors.append(np.empty((len(solved.squared), n, n), kind))
    return solved.vectors[i]


def _checked(
    form: MatrixForm, block: Block, sums: FloatArray, solved: _Solved, of: Some
) -> FloatArray | ComplexArray:
    """Sum the distinct elements of a block, and compare those that should be equal.

    eigh reads one triangle only, so a matrix that is not Hermitian would give plausible
    frequencies and no error.
    """
    elements = form.elements(sums, block)
    if block.facing.size:
        one, other = (elements.take(of_them, axis=1) for of_them in block.facing)
        apart = np.abs(one - other.conj()).max(axis=1) / form.least
        solved.asymmetry[of] = np.maximum(solved.asymmetry[of], apart)
    return elements


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


def _turn_back(
    vectors: NDArray[Any], v: NDArray[Any], whole: Block, block: Block, angle: float
) -> None:
    """Write vectors in the axes of a mirror, along and across it, into those of the face.

    An even or odd mode has just one of the two in a layer, so nothing is added up.
    """
    moves, still = _moves(whole.row.tobytes(), block.row.tobytes(), angle)
    for come, go, share in moves:
        if isinstance(come, slice) and isinstance(go, slice):
            np.multiply(v[:, come], share, out=vectors[:, go])
        else:
            vectors[:, go] = v[:, come] * share
    vectors[:, still] = 0


@lru_cache(maxsize=64)
def _moves(
    whole: bytes, part: bytes, angle: float
) -> tuple[tuple[tuple[Some, Some, float], ...], Some]:
    """Say which rows of vectors in a mirror's axes go where, times what, and what stays zero.

    Parameters
    ----------
    whole, part : the coordinates of a block and of its even or odd part, int64
    """
    row, kept = np.frombuffer(whole, dtype=np.int64), np.frombuffer(part, dtype=np.int64)
    c, s = np.cos(angle), np.sin(angle)
    place = np.full(row.max() + 1, -1)
    place[row] = np.arange(len(row))
    moves, still = [], np.ones(len(row), dtype=bool)
    for a, axis, share in ((0, 0, c), (0, 1, s), (1, 0, -s), (1, 1, c), (2, 2, 1.0)):
        come = np.flatnonzero(kept % 3 == a)
        go = place[kept[come] - a + axis]
        still[go] = False
        if len(come):
            moves.append((regular(come), regular(go), float(share)))
    return tuple(moves), regular(np.flatnonzero(still))


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


def vectors_of(form: MatrixForm, modes: Arrays) -> ComplexArray:
    """Give the eigenvectors of D, (n_k, 3 * layers, modes), in the order of the modes."""
    full = np.concatenate(
        [form.vectors(block, modes[f"vectors_{i}"]) for i, block in enumerate(form.blocks)],
        axis=2,
    )
    return np.take_along_axis(full, modes["order"][:, None], axis=2)


def folded_squares(
    form: MatrixForm, block: Block, v: NDArray[Any]
) -> tuple[IntArray, IntArray, FloatArray]:
    """Square vectors of a block (n_k, n, modes) and add rows that stand for the same two places.

    Returns
    -------
    row, mirror : (kept,), the coordinates of which each has half of a row
    squares : (n_k, kept, modes)
    """
    if form.kind != "inversion":
        return block.row, block.mirror, _squared(v)
    by_layer = v.reshape(len(v), form.layers, 3, -1)
    upper = (form.layers + 1) // 2  # the middle layer is its own mirror image
    squares = _squared(by_layer[:, :upper])
    squares[:, : form.layers - upper] += _squared(by_layer[:, : upper - 1 : -1])
    kept = 3 * upper
    return block.row[:kept], block.mirror[:kept], squares.reshape(len(v), kept, -1)


def _squared(v: NDArray[Any]) -> FloatArray:
    return v.real**2 + v.imag**2 if np.iscomplexobj(v) else np.square(v)


def coordinate_shares(form: MatrixForm, modes: Arrays) -> FloatArray:
    """Give |e|^2 of every coordinate, (n_k, 3 * layers, modes), modes as the blocks have them.

    Where the two faces are alike, each of a pair of coordinates has the mean of both: so it is
    in every mode up to the mixing of degenerate ones.
    """
    n_k = len(modes["frequency"])
    shares = np.zeros((n_k, 3 * form.layers, modes["frequency"].shape[1]))
    at = 0
    for i, block in enumerate(form.blocks):
        row, mirror, half = folded_squares(form, block, modes[f"vectors_{i}"])
        half /= 2
        columns = slice(at, at + half.shape[2])
        shares[:, row, columns] += half
        shares[:, mirror, columns] += half
        at = columns.stop
    return shares


def folded_shares(form: MatrixForm, modes: Arrays) -> FloatArray:
    """Give `coordinate_shares` with the modes in ascending order."""
    return np.take_along_axis(coordinate_shares(form, modes), modes["order"][:, None], axis=2)


def in_block_order(modes: Arrays, values: FloatArray) -> FloatArray:
    """Bring values of ascending modes (n_k, ..., modes) into the order of the blocks' modes."""
    if (modes["order"] == np.arange(values.shape[-1])).all():  # one block: they are
        return values
    order = modes["order"].reshape(len(values), *[1] * (values.ndim - 2), -1)
    found = np.empty_like(values)
    np.put_along_axis(found, np.broadcast_to(order, values.shape), values, axis=-1)
    return found
