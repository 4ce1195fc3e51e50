"""Depth, layer of largest weight and participation of known shapes."""

import numpy as np
import pytest

from models.modes.localization import (
    face_depth,
    layer_of_largest_weight,
    layer_weights,
    participation_ratio,
    penetration_depth,
)


def wave(layers, kappa, mirrored=0.0):
    """Weights of exp(-kappa d) from the top face, and a share of the same from the bottom."""
    w = np.exp(-2 * kappa * np.arange(layers))
    w = (1 - mirrored) * w + mirrored * w[::-1]
    return (w / w.sum())[:, None]


@pytest.mark.parametrize("kappa", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("mirrored", [0.0, 0.5, 1.0])
def test_an_exponential_has_the_depth_of_its_decay(kappa, mirrored):
    depth = penetration_depth(wave(1001, kappa, mirrored))

    assert depth == pytest.approx([1 / np.expm1(2 * kappa)], rel=1e-9)


@pytest.mark.parametrize("layers", [4, 5, 400])
def test_a_mode_spread_over_the_slab_has_a_quarter_of_it_as_depth(layers):
    even = np.full((layers, 1), 1 / layers)

    assert penetration_depth(even) == pytest.approx([face_depth(layers).mean()])
    assert penetration_depth(even) == pytest.approx([layers / 4], abs=0.6)


def test_depth_counts_from_the_nearest_face():
    assert face_depth(5).tolist() == [0, 1, 2, 1, 0]
    assert face_depth(4).tolist() == [0, 1, 1, 0]
    assert face_depth(1).tolist() == [0]


@pytest.mark.parametrize("layers", [6, 7])
def test_the_outermost_layer_is_the_first_seen_from_either_face(layers):
    modes = np.eye(layers)

    found = layer_of_largest_weight(modes)
    assert found.tolist() == (face_depth(layers) + 1).tolist()


def test_any_mixture_of_a_pair_has_the_same_layer_of_largest_weight():
    rng = np.random.default_rng(1)
    top = np.zeros((20, 1))
    top[:4, 0] = [0.1, 0.2, 0.5, 0.2]
    for share in rng.random(10):
        mixed = share * top + (1 - share) * top[::-1]
        assert layer_of_largest_weight(mixed) == [3]


def test_the_middle_layer_is_not_counted_twice():
    weights = np.array([[0.1], [0.2], [0.4], [0.2], [0.1]])

    assert layer_of_largest_weight(weights) == [2]  # 0.2 and 0.2 against 0.4: outermost of equals


def test_participation_is_one_over_the_layers_that_move():
    rows = [np.full(8, 1 / 8), np.eye(8)[3], np.repeat([0.25, 0.0], 4)]

    assert participation_ratio(np.array(rows).T) == pytest.approx([1, 1 / 8, 1 / 2])


def test_layer_weights_sum_over_directions():
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((2, 12, 5)) + 1j * rng.standard_normal((2, 12, 5))

    weights = layer_weights(vectors)
    assert weights.shape == (2, 4, 5)
    assert weights[1, 2, 3] == pytest.approx((np.abs(vectors[1, 6:9, 3]) ** 2).sum())
