"""The dynamical matrix of a thick slab, never written out in full.

Layers further apart than the cutoff do not feel each other, so in a good order of the
coordinates all elements lie near the diagonal. The forms are those of `matrix_forms`:

* "two-fold": the turned matrix, real; layers in order, half width 3 reach + 2;
* "split": its two parity halves, each of half the order, of the same half width;
* "inversion": Re D + P Im D, real; layers ordered 0, L-1, 1, L-2, ..., so that a layer and
  its mirror are neighbours; half width 6 reach + 5;
* "complex": the Hermitian matrix itself; layers in order, half width 3 reach + 2.

Units: squared frequencies. Axes: depth d = 0 .. reach, layer l from the top face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.band_matrices import Numbers, eigenvalues
from models.forces.pair_forces import ELEMENT
from models.modes.phase_sums import Couplings
from models.protocol import FloatArray, IntArray

NORMAL_SIGN = np.array([1.0, 1.0, -1.0])
"""How x, y, z turn under the reflection in the middle plane, after u_z -> i u_z."""
KEPT = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
"""Elements (a, b) whose real part the turned matrix holds."""
TURNED = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, -1.0], [1.0, 1.0, 0.0]])
"""Elements of which it holds the imaginary part s, and its sign: i D_xz = i (i s) = -s."""


@dataclass(frozen=True)
class LayerBlocks:
    """The mass-weighted blocks D(l, l + d) of one wavevector, six elements each."""

    real: FloatArray
    """(depths, layers, 6), in the order of `pair_forces`; zero where l + d is no layer."""
    imaginary: FloatArray
    """The same of the imaginary part; zero at depth 0."""

    @property
    def layers(self) -> int:
        """Number of layers."""
        return self.real.shape[1]

    @property
    def reach(self) -> int:
        """Depth of the furthest layer that a layer feels."""
        return len(self.real) - 1


def kind_of(two_fold: bool, symmetric: bool, layers: int) -> str:
    """Name the cheapest form, as `matrix_forms.choose_form` does."""
    if two_fold:
        return "split" if symmetric and layers > 1 else "two-fold"
    return "inversion" if symmetric else "complex"


def layer_blocks(couplings: Couplings, sums: FloatArray, masses: FloatArray) -> LayerBlocks:
    """Read the blocks of one wavevector out of its phase sums.

    Parameters
    ----------
    sums : (columns,), one row of `sum_phases`
    masses : (layers,)
    """
    layers, depths = couplings.layers, len(couplings.cosine)
    weight = 1 / np.sqrt(masses)
    real, imaginary = np.zeros((2, depths, layers, 6))
    six = np.arange(6)
    for depth in range(depths):
        upper = np.arange(layers - depth)
        lower = upper + depth
        column = couplings.column[depth, upper]
        scale = (weight[upper] * weight[lower])[:, None]
        real[depth, upper] = sums[column[:, None] + six] * scale
        if depth:
            sine = column + couplings.sine_offset[depth]
            imaginary[depth, upper] = sums[sine[:, None] + six] * scale
    return LayerBlocks(real, imaginary)


def lower_blocks(blocks: LayerBlocks, turned: bool) -> Numbers:
    """Give D(l + d, l), (depths, layers, 3, 3): real of the turned matrix, else complex.

    It is the adjoint of D(l, l + d), whose real and imaginary parts are symmetric.
    """
    real, imaginary = blocks.real[..., ELEMENT], blocks.imaginary[..., ELEMENT]
    if turned:
        return np.asarray(real * KEPT - imaginary * TURNED)
    return np.asarray(real - 1j * imaginary)


def turned_over(lower: Numbers) -> Numbers:
    """Give the blocks of the slab seen from its bottom face: layer l is L - 1 - l."""
    depths, layers = lower.shape[:2]
    result = np.zeros_like(lower)
    for depth in range(depths):
        seen = lower[depth, : layers - depth][::-1]
        result[depth, : layers - depth] = seen.conj().transpose(0, 2, 1)
    return result


def band_of(lower: Numbers) -> Numbers:
    """Write blocks D(l + d, l) as a band matrix, layers in order, (3 depths, 3 layers)."""
    depths, layers = lower.shape[:2]
    band = np.zeros((3 * depths, 3 * layers), dtype=lower.dtype, order="F")
    for depth in range(depths):
        for a in range(3):
            for b in range(3):
                if (i := 3 * depth + a - b) >= 0:
                    ends = 3 * (layers - depth)
                    band[i, b:ends:3] = lower[depth, : layers - depth, a, b]
    return band


def bands_of(blocks: LayerBlocks, kind: str) -> tuple[Numbers, ...]:
    """Write the dynamical matrix in one of the forms, as one band matrix or as two halves."""
    if kind == "inversion":
        return (_inversion(blocks),)
    if kind == "split":
        return _sector(blocks, 1.0), _sector(blocks, -1.0)
    return (band_of(lower_blocks(blocks, kind == "two-fold")),)


def squared_frequencies(
    couplings: Couplings, sums: FloatArray, masses: FloatArray, kind: str
) -> FloatArray:
    """Give all squared frequencies at each wavevector, ascending, (n_k, 3 layers).

    Parameters
    ----------
    sums : (n_k, columns), of `sum_phases`
    masses : (layers,)
    kind : as `kind_of` names it
    """
    squared = np.empty((len(sums), 3 * couplings.layers))
    for row, of in zip(squared, sums, strict=True):
        row[:] = squares_of(layer_blocks(couplings, of, masses), kind)
    return squared


def squares_of(blocks: LayerBlocks, kind: str) -> FloatArray:
    """Give all squared frequencies of one wavevector, ascending, (3 layers,)."""
    return np.sort(np.concatenate([eigenvalues(band) for band in bands_of(blocks, kind)]))


@dataclass(frozen=True)
class _Pairs:
    """All ordered pairs of layers that feel each other, (n,), and the six elements of each."""

    row: IntArray
    column: IntArray
    real: FloatArray
    """(n, 3, 3)."""
    imaginary: FloatArray


def _pairs(blocks: LayerBlocks) -> _Pairs:
    depths, layers = blocks.reach + 1, blocks.layers
    depth, upper = np.nonzero(np.arange(depths)[:, None] + np.arange(layers) < layers)
    real = blocks.real[depth, upper][:, ELEMENT]
    imaginary = blocks.imaginary[depth, upper][:, ELEMENT]
    twice = depth > 0
    lower = upper + depth
    return _Pairs(
        np.concatenate([upper, lower[twice]]), np.concatenate([lower, upper[twice]]),
        np.concatenate([real, real[twice]]), np.concatenate([imaginary, -imaginary[twice]]),
    )  # fmt: skip


def _add(
    band: FloatArray, row: IntArray, column: IntArray, values: FloatArray, place: IntArray
) -> None:
    """Add elements to the lower triangle of a band.

    Parameters
    ----------
    row, column : (n,), layers; each pair of them occurs once
    values : (n, 3, 3)
    place : (layers, 3), where the coordinates of a layer stand; negative: nowhere
    """
    for a in range(3):
        for b in range(3):
            i, j = place[row, a], place[column, b]
            kept = (i >= j) & (j >= 0)
            i, j = i[kept], j[kept]
            band[i - j, j] += values[kept, a, b]


def _inversion(blocks: LayerBlocks) -> FloatArray:
    """Re D + P Im D, a layer and its mirror next to each other."""
    layers = blocks.layers
    mirror = layers - 1 - np.arange(layers)
    order = np.where(np.arange(layers) <= mirror, 2 * np.arange(layers), 2 * mirror + 1)
    place = 3 * order[:, None] + np.arange(3)
    half = min(6 * blocks.reach + 5, 3 * layers - 1)
    band = np.zeros((half + 1, 3 * layers), order="F")
    pairs = _pairs(blocks)
    _add(band, pairs.row, pairs.column, pairs.real, place)
    _add(band, mirror[pairs.row], pairs.column, pairs.imaginary, place)
    return band


def _sector(blocks: LayerBlocks, sector: float) -> FloatArray:
    """One parity half: (|l a> + sector * sign_a |mirror l a>)/sqrt 2 for the upper layers.

    In the middle layer only the coordinates with sector * sign_a = 1 exist.
    """
    layers = blocks.layers
    mirror = layers - 1 - np.arange(layers)
    middle = np.arange(layers) == mirror
    sign = sector * NORMAL_SIGN
    exists = (np.arange(layers) < mirror)[:, None] | (middle[:, None] & (sign > 0))
    place = np.where(exists, (exists.cumsum() - 1).reshape(layers, 3), -1)
    n = int(exists.sum())
    band = np.zeros((min(3 * blocks.reach + 3, n), n), order="F")
    pairs = _pairs(blocks)
    row, column = pairs.row, pairs.column
    values = pairs.real * KEPT + pairs.imaginary * TURNED
    alone = np.where(middle[row] ^ middle[column], np.sqrt(2), 1.0)[:, None, None]
    _add(band, row, column, values * alone, place)
    two = ~(middle[row] | middle[column])
    _add(band, row[two], mirror[column[two]], values[two] * sign, place)
    return band
