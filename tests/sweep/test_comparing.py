"""What counts as agreement: rounding, degenerate modes, missing values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from models.protocol import Variable
from sweep.comparison.values import Deviations, compare, comparison_of, group_starts

RNG = np.random.default_rng(7)
FREQUENCY = Variable("frequency", ("k", "mode"), "THz", "frequency", root=True, tolerance=1e-11)
SQUARED = Variable("squared", ("k", "mode"), "1", "squared frequency")
ENERGY = Variable("energy", ("k",), "meV", "energy")
WEIGHT = Variable(
    "weight", ("k", "mode"), "1", "weight", tolerance=1e-6, degenerate="frequency"
)  # fmt: skip
VECTOR = Variable(
    "vector", ("k", "mode", "layer", "direction"), "1", "eigenvector", dtype="complex128",
    tolerance=1e-6, degenerate="frequency", within_group="projector",
)  # fmt: skip
KIND = Variable(
    "kind", ("k", "mode"), "1", "kind", dtype="uint8", flags=("bulk", "gap"),
    degenerate="frequency",
)  # fmt: skip
COUNT = Variable("count", ("k",), "1", "count", dtype="int32")
LABEL = Variable("label", ("k",), "1", "label", dtype="str")


def unitary(n: int) -> np.ndarray[Any, Any]:
    """Draw a random unitary matrix."""
    q, _ = np.linalg.qr(RNG.normal(size=(n, n)) + 1j * RNG.normal(size=(n, n)))
    return q


def one(found: Deviations) -> dict[str, Any]:
    """Give the numbers of a comparison of one point."""
    return {
        "differing": int(found.differing[0]), "relative": float(found.relative[0]),
        "place": found.place[0].tolist(), "undecided": int(found.undecided[0]),
    }  # fmt: skip


# --- plain values ---------------------------------------------------------------------------


def test_equal_bytes_are_identical_with_missing_values_too() -> None:
    a = np.array([[1.0, np.nan, -3.0]])

    found = compare(ENERGY, a, a.copy())

    assert found.identical.tolist() == [True]
    assert found.values.tolist() == [2]  # the missing one does not count
    assert found.differing.tolist() == [0]


def test_zeros_of_different_sign_agree_but_are_not_the_same_bytes() -> None:
    found = compare(ENERGY, np.array([[0.0]]), np.array([[-0.0]]))

    assert not found.identical[0]
    assert found.relative[0] == 0


def test_deviations_are_relative_to_the_largest_magnitude_of_their_own_point() -> None:
    a = np.array([[1.0, 1e3], [1.0, 1.0]])
    b = a + np.array([[1e-7, 0.0], [1e-7, 0.0]])

    found = compare(ENERGY, a, b)

    assert found.relative == pytest.approx([1e-10, 1e-7], rel=1e-6)
    assert found.absolute == pytest.approx([1e-7, 1e-7], rel=1e-6)
    assert found.differing.tolist() == [0, 1]
    assert found.place.tolist() == [[0], [0]]


def test_a_tolerance_of_the_caller_stands_for_that_of_the_variable() -> None:
    a, b = np.array([[1.0]]), np.array([[1.0 + 1e-10]])

    assert compare(ENERGY, a, b).differing[0] == 0
    assert compare(ENERGY, a, b, tolerance=1e-12).differing[0] == 1
    assert compare(ENERGY, a, b, tolerance=0.0).differing[0] == 1


def test_a_value_that_one_side_misses_deviates_without_bound() -> None:
    found = compare(ENERGY, np.array([[1.0, np.nan]]), np.array([[1.0, 2.0]]))

    assert found.relative[0] == math.inf
    assert found.place.tolist() == [[1]]


def test_residuals_are_measured_against_their_scale() -> None:
    residual = Variable("residual", (), "1", "residual", scale=1.0)
    a, b = np.array([3e-16]), np.array([1e-16])

    assert compare(residual, a, b).relative[0] == pytest.approx(2e-16)
    assert compare(ENERGY, a[:, None], b[:, None]).relative[0] == pytest.approx(2 / 3)


def test_a_zero_mode_may_move_as_far_as_rounding_of_the_squares_goes() -> None:
    """sqrt of 1e-14 of the top is 1e-7 of it: no relative tolerance of frequencies fits both."""
    a = np.array([[[1e-7, 1.0, 10.0]]])
    zero, top = a.copy(), a.copy()
    zero[0, 0, 0] = -2e-6
    top[0, 0, 2] += 2e-9

    assert compare(FREQUENCY, a, zero).differing[0] == 0
    assert compare(FREQUENCY, a, zero).absolute[0] == pytest.approx(2.1e-6)
    assert compare(FREQUENCY, a, top).differing[0] == 1
    assert one(compare(FREQUENCY, a, top))["place"] == [0, 2]


@pytest.mark.parametrize("shape", [(3, 0), (3,)])
def test_points_without_a_dim_or_without_entries_compare(shape: tuple[int, ...]) -> None:
    variable = Variable("x", ("t",)[: len(shape) - 1], "1", "x")

    found = compare(variable, np.ones(shape), np.ones(shape))

    assert found.identical.all()
    assert found.relative.tolist() == [0, 0, 0]
    assert found.place.shape == (3, len(shape) - 1)


def test_all_zeros_agree() -> None:
    found = compare(ENERGY, np.zeros((1, 3)), np.zeros((1, 3)))

    assert found.relative[0] == 0


# --- values that must be equal ----------------------------------------------------------------


def test_counts_flags_and_words_must_be_equal() -> None:
    count = compare(COUNT, np.array([[3, 4, -1]], np.int32), np.array([[3, 6, -1]], np.int32))
    flag = compare(KIND, np.array([[[0, 1]]], np.uint8), np.array([[[0, 0]]], np.uint8))
    words = np.array([["G", "", "K"]], dtype=object), np.array([["G", "", "M"]], dtype="U8")
    word = compare(LABEL, *words)

    assert one(count) == {"differing": 1, "relative": 2.0, "place": [1], "undecided": 0}
    assert one(flag) == {"differing": 1, "relative": 1.0, "place": [0, 1], "undecided": 0}
    assert one(word) == {"differing": 1, "relative": 1.0, "place": [2], "undecided": 0}
    assert (count.values[0], flag.values[0], word.values[0]) == (2, 2, 2)
    assert not count.identical[0]


def test_no_tolerance_softens_what_must_be_equal() -> None:
    found = compare(COUNT, np.array([[3]], np.int32), np.array([[4]], np.int32), tolerance=10.0)

    assert found.differing[0] == 1


# --- degenerate modes -----------------------------------------------------------------------


def test_groups_are_of_equal_eigenvalues_on_either_side() -> None:
    a = np.array([[[1.0, 1.0 + 1e-8, 2.0, 3.0, np.nan]]])
    b = np.array([[[1.0, 1.5, 2.0, 2.0, np.nan]]])

    assert group_starts(SQUARED, a, a)[0, 0].tolist() == [True, False, True, True, True]
    assert group_starts(SQUARED, a, b)[0, 0].tolist() == [True, False, True, False, True]


def test_zero_modes_are_one_group_whatever_rounding_makes_of_their_roots() -> None:
    w = np.array([[[-2e-7, 1e-8, 5e-7, 0.1, 1.0]]])

    assert group_starts(FREQUENCY, w, w)[0, 0].tolist() == [True, False, False, True, True]
    assert group_starts(SQUARED, w, w)[0, 0].tolist() == [True, False, False, True, True]


def test_weights_of_a_group_compare_by_their_sum() -> None:
    w = np.array([[[1.0, 2.0, 2.0, 3.0]]])
    starts = group_starts(FREQUENCY, w, w)
    a = np.array([[[0.1, 0.2, 0.6, 0.3]]])
    shifted = np.array([[[0.1, 0.5, 0.3, 0.3]]])
    lost = np.array([[[0.1, 0.5, 0.2, 0.3]]])
    across = np.array([[[0.2, 0.2, 0.6, 0.2]]])

    assert compare(WEIGHT, a, shifted, starts=starts).differing[0] == 0
    assert compare(WEIGHT, a, lost, starts=starts).differing[0] == 2
    assert one(compare(WEIGHT, a, lost, starts=starts))["place"] == [0, 1]
    assert compare(WEIGHT, a, across, starts=starts).differing[0] == 2
    assert compare(WEIGHT, a, shifted).differing[0] == 2  # without groups


def test_groups_do_not_reach_over_the_end_of_a_wavevector() -> None:
    w = np.array([[[1.0, 2.0], [2.0, 3.0]]])
    starts = group_starts(FREQUENCY, w, w)
    a = np.array([[[0.0, 0.2], [0.6, 0.0]]])

    assert starts.all()
    assert compare(WEIGHT, a, a[:, :, ::-1], starts=starts).differing[0] == 4


def eigenvectors() -> tuple[Any, Any]:
    """Vectors (1, k, mode, layer, direction) and frequencies with a group of three at k = 0."""
    w = np.array([[[1.0, 2.0, 2.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0, 5.0, 5.0]]])
    e = np.stack([unitary(6).T, unitary(6).T]).reshape(1, 2, 6, 2, 3)
    return w, e


def test_a_random_unitary_inside_a_group_is_no_deviation() -> None:
    w, e = eigenvectors()
    mixed = e.copy()
    mixed[0, 0, 1:4] = np.tensordot(unitary(3), e[0, 0, 1:4], axes=1)
    mixed[0, 1, 4:6] = np.tensordot(unitary(2), e[0, 1, 4:6], axes=1)
    mixed[0, 1, 0] *= np.exp(1.3j)  # one mode: its phase
    starts = group_starts(FREQUENCY, w, w)

    found = compare(VECTOR, e, mixed, starts=starts)

    assert found.relative[0] < 1e-14
    assert not found.identical[0]
    assert compare(VECTOR, e, mixed).differing[0] > 0
    for layer in range(2):  # and so are weights that are made of them
        a, b = ((abs(x[:, :, :, layer]) ** 2).sum(axis=-1) for x in (e, mixed))
        assert compare(WEIGHT, a, b, starts=starts).relative[0] < 1e-14
        assert compare(WEIGHT, a, b).differing[0] > 0


@pytest.mark.parametrize("angle", [1e-5, 0.1, math.pi / 2])
def test_mixing_modes_of_different_frequency_is_a_deviation(angle: float) -> None:
    w, e = eigenvectors()
    mixed = e.copy()
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    mixed[0, 0, 3:5] = np.tensordot(turn, e[0, 0, 3:5], axes=1)

    found = compare(VECTOR, e, mixed, starts=group_starts(FREQUENCY, w, w))

    assert found.differing[0] > 0
    assert found.place[0][0] == 0
    assert found.place[0][1] in (1, 2, 3, 4)
    assert found.absolute[0] == pytest.approx(math.sin(angle), rel=0.75)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.001, np.nan])
def test_vectors_of_another_length_deviate(factor: float) -> None:
    w, e = eigenvectors()
    for i in (0, 2):  # alone, and inside a group
        longer = e.copy()
        longer[0, 0, i] *= factor
        starts = group_starts(FREQUENCY, w, w)

        assert compare(VECTOR, e, longer, starts=starts).differing[0] > 0
        assert compare(VECTOR, longer, e, starts=starts).differing[0] > 0


def test_flags_inside_a_group_decide_nothing() -> None:
    w = np.array([[[1.0, 2.0, 2.0, 3.0]]])
    starts = group_starts(FREQUENCY, w, w)
    a = np.array([[[0, 1, 0, 1]]], np.uint8)
    inside = np.array([[[0, 0, 1, 1]]], np.uint8)
    outside = np.array([[[1, 0, 1, 1]]], np.uint8)

    assert one(compare(KIND, a, inside, starts=starts)) == {
        "differing": 0, "relative": 0.0, "place": [0, 0], "undecided": 2,
    }  # fmt: skip
    assert one(compare(KIND, a, outside, starts=starts)) == {
        "differing": 1, "relative": 1.0, "place": [0, 0], "undecided": 2,
    }  # fmt: skip
    assert compare(KIND, a, inside).differing[0] == 2


# --- sums of comparisons ----------------------------------------------------------------------


def test_a_comparison_counts_points_and_remembers_the_worst() -> None:
    total = comparison_of(ENERGY, "meV", None)
    a = np.ones((3, 2))
    b = a + np.array([[0, 0], [0, 1e-3], [1e-6, 0]])

    total, worst = total.added(compare(ENERGY, a, b))
    again, no_worse = total.added(compare(ENERGY, a, a + 1e-5))

    assert worst == (1, (1,))
    assert no_worse is None
    assert (total.points, total.disagreeing, total.identical) == (3, 2, 1)
    assert (total.values, total.differing) == (6, 2)
    assert again.points == 6
    assert again.absolute == total.absolute == pytest.approx(1e-3)


def test_a_comparison_is_plain_values() -> None:
    total, _ = comparison_of(ENERGY, "meV", None).added(
        compare(ENERGY, np.array([[1.0]]), np.array([[np.nan]]))
    )
    plain = total.without(2, "because").as_dict()

    assert plain["largest_relative"] is None
    assert plain["disagreeing"] == 1
    assert plain["left_out"] == 2
    assert plain["note"] == "because"
    assert comparison_of(COUNT, "1", 0.1).as_dict()["tolerance"] is None
    assert comparison_of(ENERGY, "1", 0.1).as_dict()["tolerance"] == 0.1
