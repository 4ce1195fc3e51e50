"""Read the vectors that a solved grain of a slab keeps (`slab_modes.solve_grain`)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.crystal.mirrors import coordinate_signs
from models.modes.matrix_forms import Block, MatrixForm
from models.modes.phase_sums import Some, regular
from models.protocol import Arrays, ComplexArray, FloatArray, IntArray


def block_vectors(form: MatrixForm, modes: Arrays, i: int) -> NDArray[Any]:
    """Give the vectors of block i, (n_k, n, n), in the axes of the face at every wavevector.

    Those on mirror lines are kept in the axes of the mirror, for not all are asked for.
    """
    kept, angle, alternates = modes[f"vectors_{i}"], modes["angle"], modes["alternates"]
    turned = ~np.isnan(angle)
    if not turned.any():
        return kept
    found = kept.copy()
    for mirror, alternate in set(zip(angle[turned], alternates[turned], strict=True)):
        of = np.flatnonzero((angle == mirror) & (alternates == alternate))
        split = form.split(coordinate_signs(form.layers, alternate))
        assert split is not None  # as it was split
        found[of] = _in_axes_of_face(kept[of], form.blocks[i], split[i], mirror)
    return found


def _in_axes_of_face(
    kept: NDArray[Any], whole: Block, parts: list[Block], angle: float
) -> NDArray[Any]:
    """Turn even and odd vectors of a block, each with its own rows and columns, into all rows."""
    found, column = np.empty_like(kept), 0
    for part in parts:
        own = slice(column, column + len(part.row))
        _turn_back(found[:, :, own], kept[:, own, own], whole, part, angle)
        column = own.stop
    return found


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


def vectors_of(form: MatrixForm, modes: Arrays) -> ComplexArray:
    """Give the eigenvectors of D, (n_k, 3 * layers, modes), in the order of the modes."""
    full = np.concatenate(
        [form.vectors(b, block_vectors(form, modes, i)) for i, b in enumerate(form.blocks)],
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
        row, mirror, half = folded_squares(form, block, block_vectors(form, modes, i))
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
