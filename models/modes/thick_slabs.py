"""Solve a grain of wavevectors of a thick slab: all frequencies, or the surface modes alone.

Where the two faces are alike, weights are the mean of both, as those of all modes are
(`slab_modes`): the members of a face pair mix freely.
"""

from __future__ import annotations

import numpy as np

from models.band_matrices import Numbers
from models.forces.pair_forces import COLUMNS, ROWS
from models.modes.banded import (
    NORMAL_SIGN,
    LayerBlocks,
    kind_of,
    layer_blocks,
    lower_blocks,
    squares_of,
    turned_over,
)
from models.modes.bulk_bands import signed_root
from models.modes.localization import layer_of_largest_weight, layer_weights, penetration_depth
from models.modes.phase_sums import Couplings
from models.modes.surface_solver import SurfaceModes, gaps_of, surface_modes
from models.protocol import Arrays, ComplexArray, FloatArray

FOLLOWED = 60
"""Outer layers of each face whose motion tells surface branches apart."""


def solve_frequencies(
    couplings: Couplings, sums: FloatArray, masses: FloatArray, two_fold: bool, symmetric: bool,
    zero: float,
) -> Arrays:  # fmt: skip
    """Find all frequencies at each wavevector of a grain, and the verdicts on them.

    Parameters
    ----------
    sums : (n_k, columns), phase sums
    masses : (layers,)
    two_fold : the normal is a two-fold axis of the face
    symmetric : couplings, masses and stacking are the same seen from both faces
    zero : share of the highest squared frequency below which a mode counts as a zero mode

    Returns
    -------
    `frequency` (n_k, 3 layers), ascending; `n_zero`, `n_negative`, `sum_rule_residual`,
    `asymmetry` (n_k,), as of `slab_modes.solve_grain`
    """
    kind = kind_of(two_fold, symmetric, len(masses))
    n_k = len(sums)
    w2, trace, asymmetry = np.empty((n_k, 3 * len(masses))), np.empty(n_k), np.empty(n_k)
    least = float((np.abs(couplings.self_terms[:, ROWS == COLUMNS]) / masses[:, None]).max())
    for k, row in enumerate(sums):
        blocks = layer_blocks(couplings, row, masses)
        w2[k] = squares_of(blocks, kind)
        trace[k] = blocks.real[0][:, ROWS == COLUMNS].sum()
        asymmetry[k] = _asymmetry(blocks, kind) / least
    top = zero * np.maximum(np.abs(w2).max(axis=1), least)
    return {
        "frequency": signed_root(w2),
        "n_zero": (np.abs(w2) <= top[:, None]).sum(axis=1).astype(np.int32),
        "n_negative": (w2 < -top[:, None]).sum(axis=1).astype(np.int32),
        "sum_rule_residual": np.abs(w2.sum(axis=1) - trace) / np.maximum(np.abs(trace), least),
        "asymmetry": asymmetry,
    }


def _asymmetry(blocks: LayerBlocks, kind: str) -> float:
    """Largest difference of the matrix from what the symmetry of its form makes of it.

    A band holds one triangle, and the halves of a slab read one face: a slab whose faces
    differ would give plausible frequencies and no error.
    """
    if kind not in ("split", "inversion"):
        return 0.0  # Hermitian as it is put together
    lower = lower_blocks(blocks, kind == "split")
    over = turned_over(lower)
    image: Numbers = over * np.outer(NORMAL_SIGN, NORMAL_SIGN) if kind == "split" else over.conj()
    return float(np.abs(image - lower).max())


def solve_surface(
    couplings: Couplings, sums: FloatArray, masses: FloatArray, two_fold: bool, symmetric: bool,
    bands: FloatArray, surface_depth: int, most: int,
) -> Arrays:  # fmt: skip
    """Find the surface modes at each wavevector of a grain.

    Parameters
    ----------
    sums : (n_k, columns), phase sums
    masses : (layers,)
    two_fold : the normal is a two-fold axis of the face
    symmetric : couplings, masses and stacking are the same seen from both faces
    bands : (n_k, bands, 2), projected bulk bands, frequencies, NaN behind the last
    surface_depth : layers counted as surface on each side
    most : modes kept at a wavevector: those with the largest weight in the surface

    Returns
    -------
    arrays (n_k, most), ascending, NaN (layers: -1) behind the last mode: `frequency`,
    `surface_weight`, `normal_weight`, `top_weight`, `penetration_depth`,
    `layer_of_largest_weight`, `residual`; `vectors` (n_k, most, 3 * outer layers) for
    `branches.follow_branches`; `missing` (n_k,), modes that were counted and not found
    """
    rows = []
    for row, edges in zip(sums, bands, strict=True):
        blocks = layer_blocks(couplings, row, masses)
        found = surface_modes(blocks, gaps_of(edges), two_fold, symmetric)
        rows.append(_measured(found, symmetric, surface_depth, most))
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _measured(found: SurfaceModes, symmetric: bool, surface_depth: int, most: int) -> Arrays:
    """Measure the modes of one wavevector, and keep the most of them that have room."""
    weights = layer_weights(found.vectors.T)
    normal = (np.abs(found.vectors[:, 2::3]) ** 2).sum(axis=1)
    if symmetric:
        weights = (weights + weights[::-1]) / 2
    layer = np.arange(len(weights))
    outer = np.minimum(layer, layer[::-1]) < surface_depth
    surface = weights[outer].sum(axis=0)
    kept = np.sort(np.argsort(-surface, kind="stable")[:most])
    room = (0, most - len(kept))
    measured: dict[str, FloatArray] = {
        "frequency": signed_root(found.squared),
        "surface_weight": surface,
        "normal_weight": normal,
        "top_weight": weights[0],
        "penetration_depth": penetration_depth(weights),
        "residual": found.residual,
    }
    deepest = layer_of_largest_weight(weights)[kept].astype(np.int32)
    return {
        **{n: np.pad(a[kept], room, constant_values=np.nan) for n, a in measured.items()},
        "layer_of_largest_weight": np.pad(deepest, room, constant_values=-1),
        "vectors": np.pad(_outer_layers(found.vectors[kept]), (room, (0, 0))),
        "missing": np.array(found.missing, dtype=np.int32),
    }


def _outer_layers(vectors: ComplexArray) -> ComplexArray:
    """Keep the layers near the faces, (modes, n)."""
    ends = 3 * FOLLOWED
    if vectors.shape[1] <= 2 * ends:
        return vectors
    return np.concatenate([vectors[:, :ends], vectors[:, -ends:]], axis=1)
