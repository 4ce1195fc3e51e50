"""The dynamical matrix of a slab in the cheapest form that its symmetry allows.

Three forms, in the order of preference (Wallis part 2B; "axial-inversion symmetry"):

* two-fold axis along the normal: with u_z -> i u_z the matrix is real symmetric at every
  k, whatever the masses; if both faces are alike too, the reflection in the middle plane
  (with z -> -z) splits it into two halves;
* inversion centre: Re D + P Im D, P reversing the layers, is real symmetric and has D's
  spectrum; D's vectors are (w + i P w)/sqrt 2;
* neither: the complex Hermitian matrix itself.

Every element is a signed sum of at most two columns of the phase sums, times a mass
factor. Few elements are distinct (most are zero, and pairs of layers come back), so these are
summed first and one gather of them builds a grain of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from models.forces.pair_forces import COLUMNS, ELEMENT, ROWS
from models.modes.phase_sums import Couplings
from models.protocol import Arrays, ComplexArray, FloatArray, IntArray

NORMAL_SIGN = np.array([1.0, 1.0, -1.0])
"""How x, y, z turn under the reflection in the middle plane, after u_z -> i u_z."""


@dataclass(frozen=True)
class Block:
    """A real symmetric (or complex Hermitian) block of order n of the dynamical matrix."""

    element: IntArray
    """(n * n,), which of the distinct elements stands there."""
    first: IntArray
    """(elements,), column of the phase sums."""
    second: IntArray | None
    """(elements,), column added to it (or times i, in the complex form)."""
    scale: FloatArray
    """(elements,), mass factors."""
    facing: IntArray
    """(2, pairs), elements that face each other across the diagonal and are not the same."""
    row: IntArray
    """(n,), the coordinate 3 * layer + direction that a row of a vector belongs to."""
    mirror: IntArray
    """(n,), the coordinate that carries the other half of it, or the same one."""
    sector: float = 1.0
    """Parity of the block under the reflection, where it has one."""

    def part(self, kept: IntArray, places: IntArray) -> Block:
        """Keep some of the rows and their columns, which stand at some places of `element`."""
        element = self.element.take(places)
        return replace(self, element=element, row=self.row[kept], mirror=self.mirror[kept])


@dataclass(frozen=True)
class MatrixForm:
    """How to build and read the dynamical matrix of one slab."""

    kind: str
    """"two-fold", "split", "inversion" or "complex"."""
    layers: int
    least: float
    """Squared frequency that some mode of the slab reaches."""
    blocks: tuple[Block, ...]

    def as_arrays(self) -> Arrays:
        """Flatten into named arrays, as stages hand them on."""
        arrays: Arrays = {
            "kind": np.array(self.kind), "layers": np.array(self.layers),
            "least": np.array(self.least),
        }  # fmt: skip
        for i, b in enumerate(self.blocks):
            arrays |= {
                f"element_{i}": b.element, f"first_{i}": b.first, f"scale_{i}": b.scale,
                f"facing_{i}": b.facing, f"row_{i}": b.row, f"mirror_{i}": b.mirror,
                f"sector_{i}": np.array(b.sector),
            }  # fmt: skip
            if b.second is not None:
                arrays[f"second_{i}"] = b.second
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> MatrixForm:
        """Undo `as_arrays`."""
        count = 1 + ("first_1" in arrays)
        blocks = tuple(
            Block(
                arrays[f"element_{i}"], arrays[f"first_{i}"], arrays.get(f"second_{i}"),
                arrays[f"scale_{i}"], arrays[f"facing_{i}"], arrays[f"row_{i}"],
                arrays[f"mirror_{i}"], float(arrays[f"sector_{i}"]),
            )
            for i in range(count)
        )  # fmt: skip
        return cls(str(arrays["kind"]), int(arrays["layers"]), float(arrays["least"]), blocks)

    def split(self, sign: FloatArray) -> list[list[Block]] | None:
        """Split every block into coordinates that are even and odd under a mirror.

        Parameters
        ----------
        sign : (3 * layers,), the sign that each coordinate takes

        Returns
        -------
        for each block its two parts; None where the form mixes even and odd coordinates
        """
        found = []
        for block in self.blocks:
            parts = _parities(block.row.tobytes(), block.mirror.tobytes(), sign.tobytes())
            if parts is None:
                return None
            found.append([block.part(*part) for part in parts])
        return found

    def elements(self, sums: FloatArray, block: Block) -> FloatArray | ComplexArray:
        """Sum the distinct elements of a block for a grain of wavevectors, (n_k, elements)."""
        # "clip" clips nothing here: it saves the test of every index, a third of the time
        found = sums.take(block.first, axis=1, mode="clip")
        if block.second is not None:
            second = sums.take(block.second, axis=1, mode="clip")
            if self.kind == "complex":
                found = found + 1j * second
            else:
                found += second
        if not (block.scale == 1).all():
            found *= block.scale
        return found

    def matrices(self, sums: FloatArray, block: Block) -> FloatArray | ComplexArray:
        """Build a block for a grain of wavevectors, (n_k, n, n)."""
        return placed(self.elements(sums, block), block)

    def vectors(self, block: Block, w: FloatArray | ComplexArray) -> ComplexArray:
        """Turn a block's vectors (n_k, n, modes) into D's, (n_k, 3 * layers, modes)."""
        full = np.zeros((len(w), 3 * self.layers, w.shape[2]), dtype=complex)
        if self.kind == "complex":
            return w.astype(complex)
        if self.kind == "inversion":
            return (w + 1j * w[:, block.mirror]) / np.sqrt(2)
        if self.kind == "two-fold":
            full[:, block.row] = w
        else:
            alone = block.row == block.mirror
            half = np.where(alone, 1.0, np.sqrt(0.5))[:, None]
            sign = (block.sector * NORMAL_SIGN[block.row % 3])[:, None]
            full[:, block.mirror] = sign * half * w
            full[:, block.row] = half * w
        full[:, 2::3] *= 1j
        return full


@lru_cache(maxsize=4)  # the two halves of one slab, on two kinds of lines
def _parities(row: bytes, mirror: bytes, sign: bytes) -> list[tuple[IntArray, IntArray]] | None:
    """Find the rows of a block that are even and odd, and the places of their elements.

    Parameters
    ----------
    row, mirror : as in `Block`, int64; None where the two have different parities
    sign : as in `MatrixForm.split`, float64
    """
    signs = np.frombuffer(sign)
    one, other = (signs[np.frombuffer(x, dtype=np.int64)] for x in (row, mirror))
    if (one != other).any():
        return None
    kept = [np.flatnonzero(one == parity) for parity in (1, -1)]
    return [(k, np.add.outer(k * len(one), k).ravel()) for k in kept]


def placed(elements: FloatArray | ComplexArray, block: Block) -> FloatArray | ComplexArray:
    """Put distinct elements (n_k, elements) where they stand in a block, (n_k, n, n)."""
    n = len(block.row)
    return elements.take(block.element, axis=1, mode="clip").reshape(len(elements), n, n)


def choose_form(
    couplings: Couplings, masses: FloatArray, two_fold: bool, symmetric: bool
) -> MatrixForm:
    """Choose the cheapest form and work out where its elements come from.

    Parameters
    ----------
    masses : (layers,)
    two_fold : the normal is a two-fold axis of the face
    symmetric : couplings and masses are the same seen from both faces, and so is the stacking
    """
    layers = len(masses)
    coordinate = np.arange(3 * layers)
    reverse = 3 * (layers - 1 - coordinate // 3) + coordinate % 3
    weight = np.repeat(1 / np.sqrt(masses), 3)
    scale = np.outer(weight, weight)
    # the mean of a diagonal element over the zone: some mode is as high
    least = float((np.abs(couplings.self_terms[:, ROWS == COLUMNS]) / masses[:, None]).max())
    real, imaginary = _columns(couplings)
    zero = 2 * couplings.width
    if two_fold:
        turned = _turn_normal(real, imaginary, couplings.width, zero)
        if not symmetric or layers == 1:
            block = _block(turned, None, scale, zero, coordinate, coordinate)
            return MatrixForm("two-fold", layers, least, (block,))
        sectors = (1.0, -1.0)
        blocks = tuple(_sector(turned, scale, reverse, s, couplings.width) for s in sectors)
        return MatrixForm("split", layers, least, blocks)
    if symmetric:
        block = _block(real, imaginary[reverse], scale, zero, coordinate, reverse)
        return MatrixForm("inversion", layers, least, (block,))
    block = _block(real, imaginary, scale, zero, coordinate, coordinate)
    return MatrixForm("complex", layers, least, (block,))


def _block(
    first: IntArray, second: IntArray | None, scale: FloatArray, zero: int, row: IntArray,
    mirror: IntArray, sector: float = 1.0,
) -> Block:  # fmt: skip
    """Find the distinct elements of a block, the first of which is zero.

    Parameters
    ----------
    first, second, scale : (n, n), as in `Block`, for every place
    zero : the column of the phase sums that is zero
    """
    second_or_zero = np.full_like(first, zero) if second is None else second
    filled = np.flatnonzero((first != zero) | (second_or_zero != zero))
    _, factor = np.unique(scale.ravel()[filled], return_inverse=True)
    key = first.ravel()[filled] * (zero + 1) + second_or_zero.ravel()[filled]
    key = key * (factor.max(initial=0) + 1) + factor
    _, one, which = np.unique(key, return_index=True, return_inverse=True)
    element = np.zeros(first.size, dtype=np.int64)
    element[filled] = 1 + which
    one = filled[one]
    return Block(
        element, np.append(zero, first.ravel()[one]),
        None if second is None else np.append(zero, second.ravel()[one]),
        np.append(1.0, scale.ravel()[one]), _facing(element.reshape(first.shape)), row, mirror,
        sector,
    )  # fmt: skip


def _facing(element: IntArray) -> IntArray:
    """Find the distinct pairs of different elements that face each other, (2, pairs)."""
    row, column = np.nonzero(element != element.T)
    of = element[row, column], element[column, row]
    count = element.max(initial=0) + 1
    return np.stack(np.divmod(np.unique(np.minimum(*of) * count + np.maximum(*of)), count))


def _columns(couplings: Couplings) -> tuple[IntArray, IntArray]:
    """Columns of Re D and Im D for every element, each (3 layers, 3 layers)."""
    layers, width = couplings.layers, couplings.width
    zero = 2 * width
    row, column = np.meshgrid(np.arange(layers), np.arange(layers), indexing="ij")
    upper, depth = np.minimum(row, column), np.abs(row - column)
    coupled = depth < len(couplings.column)
    depth = np.where(coupled, depth, 0)
    start = couplings.column[depth, upper]
    real = np.where(coupled[..., None, None], start[..., None, None] + ELEMENT, zero)
    sine = (start + couplings.sine_offset[depth])[..., None, None] + ELEMENT
    # D(l', l) is the adjoint of D(l, l'), so the sine sums change sign below the diagonal
    sine = np.where((row > column)[..., None, None], sine + width, sine)
    imaginary = np.where((coupled & (row != column))[..., None, None], sine, zero)
    shape = (3 * layers, 3 * layers)
    return (
        real.transpose(0, 2, 1, 3).reshape(shape),
        imaginary.transpose(0, 2, 1, 3).reshape(shape),
    )


def _turn_normal(real: IntArray, imaginary: IntArray, width: int, zero: int) -> IntArray:
    """Columns of U^H D U with U = (1, 1, i): x-z elements are real then."""
    direction = np.arange(len(real)) % 3
    normal = direction == 2
    turned = real.copy()
    # i D_xz = i (i s) = -s and -i D_zx = s, with s the sine sum
    xz = ~normal[:, None] & normal[None, :]
    zx = normal[:, None] & ~normal[None, :]
    turned[xz] = _negative(imaginary, width, zero)[xz]
    turned[zx] = imaginary[zx]
    return turned


def _negative(column: IntArray, width: int, zero: int) -> IntArray:
    """Columns of the negatives."""
    return np.where(column == zero, zero, np.where(column >= width, column - width, column + width))


def _sector(
    turned: IntArray, scale: FloatArray, reverse: IntArray, sector: float, width: int
) -> Block:
    """One parity block: (|l a> + sector * sign_a |mirror l a>)/sqrt 2 for the upper half.

    In the middle layer only the coordinates with sector * sign_a = 1 exist.
    """
    zero = 2 * width
    coordinate = np.arange(len(reverse))
    sign = sector * NORMAL_SIGN[coordinate % 3]
    row = coordinate[(coordinate < reverse) | ((coordinate == reverse) & (sign > 0))]
    mirror = reverse[row]
    alone = row == mirror
    first = turned[np.ix_(row, row)]
    second = turned[np.ix_(row, mirror)]
    second = np.where(sign[row][None, :] > 0, second, _negative(second, width, zero))
    second = np.where(alone[None, :] | alone[:, None], zero, second)
    factor = scale[np.ix_(row, row)] * np.where(alone[:, None] ^ alone[None, :], np.sqrt(2), 1.0)
    return _block(first, second, factor, zero, row, mirror, sector)
