"""Solve a grain of wavevectors of a slab, and measure where its modes live."""

from __future__ import annotations

import numpy as np

from models.modes.bulk_bands import signed_root
from models.modes.matrix_forms import MatrixForm
from models.protocol import Arrays, ComplexArray, FloatArray


def solve_grain(form: MatrixForm, sums: FloatArray, surface_depth: int, zero: float) -> Arrays:
    """Diagonalise the dynamical matrix at each wavevector of a grain.

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
    sets = coordinate_sets(form.layers, surface_depth)
    squared, shares, traces, asymmetries, vectors = [], [], [], [], {}
    for i, block in enumerate(form.blocks):
        matrix = form.matrices(sums, block)
        traces.append(np.trace(matrix, axis1=1, axis2=2).real)
        asymmetries.append(_asymmetry(matrix, form.least))
        w2, v = np.linalg.eigh(matrix)
        squared.append(w2)
        shares.append(_shares(v, form.shares(block, sets)))
        vectors[f"vectors_{i}"] = v
    w2, share = np.concatenate(squared, axis=1), np.concatenate(shares, axis=2)
    order = w2.argsort(axis=1, kind="stable")
    if len(form.blocks) > 1:
        w2 = np.take_along_axis(w2, order, axis=1)
        share = np.take_along_axis(share, order[:, None], axis=2)
    trace = np.sum(traces, axis=0)
    top = zero * np.maximum(np.abs(w2).max(axis=1), form.least)
    return {
        "frequency": signed_root(w2),
        "surface_weight": share[:, 0],
        "normal_weight": share[:, 1],
        "top_weight": share[:, 2],
        "n_zero": (np.abs(w2) <= top[:, None]).sum(axis=1).astype(np.int32),
        "n_negative": (w2 < -top[:, None]).sum(axis=1).astype(np.int32),
        "sum_rule_residual": np.abs(w2.sum(axis=1) - trace) / np.maximum(np.abs(trace), form.least),
        "asymmetry": np.max(asymmetries, axis=0),
        "order": order,
        **vectors,
    }


def coordinate_sets(layers: int, surface_depth: int) -> FloatArray:
    """Mark the coordinates 3 * layer + direction of three sets, (3, 3 * layers).

    Sets: the surface layers of both faces, the normal direction, the top face.
    """
    layer = np.repeat(np.arange(layers), 3)
    surface = np.minimum(layer, layers - 1 - layer) < surface_depth
    normal = np.arange(3 * layers) % 3 == 2
    return np.stack([surface, normal, layer == 0]).astype(float)


def _shares(vectors: FloatArray | ComplexArray, weights: FloatArray) -> FloatArray:
    """Weighted sums over the squared rows of vectors (n_k, n, modes): (n_k, sets, modes)."""
    counted = np.flatnonzero(weights.any(axis=0))  # few rows: skip the others
    of = vectors.take(counted, axis=1)
    square = of.real**2 + of.imag**2 if np.iscomplexobj(of) else np.square(of, out=of)
    share: FloatArray = weights[:, counted] @ square
    return share


def _asymmetry(matrix: FloatArray | ComplexArray, least: float) -> FloatArray:
    """Distance of matrices from their adjoints on a probe vector, relative, (n_k,).

    eigh reads one triangle only, so a matrix that is not Hermitian would give plausible
    frequencies and no error. A probe costs n^2 against the solver's n^3.
    """
    probe = np.cos(np.arange(1.0, matrix.shape[1] + 1))
    right = matrix @ probe
    left = (probe @ matrix).conj()
    scale: FloatArray = np.maximum(np.abs(right).max(axis=1), least)
    return np.abs(right - left).max(axis=1) / scale


def vectors_of(form: MatrixForm, modes: Arrays) -> ComplexArray:
    """Give the eigenvectors of D, (n_k, 3 * layers, modes), in the order of the modes."""
    full = np.concatenate(
        [form.vectors(block, modes[f"vectors_{i}"]) for i, block in enumerate(form.blocks)],
        axis=2,
    )
    return np.take_along_axis(full, modes["order"][:, None], axis=2)
