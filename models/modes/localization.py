"""Where the modes of a slab live: depth, layer of largest weight, participation.

Axes: `weights` (..., layers, modes), |e|^2 summed over the directions of each layer, with sum
1 over the layers of each mode. Depths are counted in layers from the nearest face.
"""

from __future__ import annotations

import numpy as np

from models.protocol import ComplexArray, FloatArray, IntArray


def layer_weights(vectors: FloatArray | ComplexArray) -> FloatArray:
    """Sum |e|^2 over the directions of each layer.

    Parameters
    ----------
    vectors : (..., 3 * layers, modes)

    Returns
    -------
    (..., layers, modes)
    """
    square = vectors.real**2 + vectors.imag**2
    *outer, n, modes = square.shape
    return np.asarray(square.reshape(*outer, n // 3, 3, modes).sum(axis=-2))


def face_depth(layers: int) -> IntArray:
    """Layers between each layer and the nearest face, (layers,): 0, 1, .., 1, 0."""
    layer = np.arange(layers)
    return np.minimum(layer, layers - 1 - layer)


def penetration_depth(weights: FloatArray) -> FloatArray:
    """Mean depth of a mode below the nearest face, in layers, (..., modes).

    sum_l w_l d_l / sum_l w_l with d_l = 0 for the outermost layer. A wave whose amplitude
    falls as exp(-kappa d) has 1/(exp(2 kappa) - 1), so that kappa = ln(1 + 1/depth)/2; a mode
    spread over the whole slab has about a quarter of the layers. It is defined for every mode:
    the slope of an envelope is not, since most surface waves oscillate as they fall, or are
    sums of waves that fall at different rates. The two members of a face pair have the same
    depth, whatever their mixture.
    """
    depth = face_depth(weights.shape[-2])
    return np.asarray(np.einsum("...lm,l->...m", weights, depth) / weights.sum(axis=-2))


ALIKE = 1e-6
"""Weights this near to the largest one count as equal to it; the outermost layer wins."""


def layer_of_largest_weight(weights: FloatArray) -> IntArray:
    """The layer that carries most of a mode, counted from the nearest face, (..., modes).

    1 is the outermost layer. The weights of a layer and its mirror are added first: they tell
    the same of the two members of a face pair. (Elsewhere layers count from 0 at the top.)
    """
    layers = weights.shape[-2]
    folded = weights + weights[..., ::-1, :]
    upper = folded[..., : (layers + 1) // 2, :].copy()
    if layers % 2:
        upper[..., -1, :] /= 2  # the middle layer is its own mirror
    near = upper >= (1 - ALIKE) * upper.max(axis=-2, keepdims=True)
    return np.asarray(near.argmax(axis=-2) + 1)


def participation_ratio(weights: FloatArray) -> FloatArray:
    """Share of the atoms that take part in a mode, (..., modes).

    (sum |e_l|^2)^2 / (N sum |e_l|^4) over the N atoms of the cell, one for each layer: 1 when
    all move alike, 1/N when one moves alone. Source: Bell and Dean, Discuss. Faraday Soc. 50,
    55 (1970).
    """
    total = weights.sum(axis=-2)
    return np.asarray(total**2 / (weights.shape[-2] * (weights**2).sum(axis=-2)))
