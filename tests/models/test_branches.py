"""Branches on model bands whose crossings are known."""

import numpy as np
import pytest

from models.modes.branches import follow_branches

K = np.linspace(0, 1, 21)
NONE = np.empty(0, dtype=int)


def crossing(slopes, starts, k=K):
    """Straight bands of fixed vectors, given sorted by frequency: (frequency, vectors, which)."""
    bands = np.array(starts) + np.outer(k, slopes)
    order = bands.argsort(axis=1, kind="stable")
    vectors = np.eye(len(slopes))[order]
    return np.take_along_axis(bands, order, axis=1), vectors, order


def test_branches_cross_where_sorted_frequencies_would_swap():
    frequency, vectors, which = crossing([1.0, -1.0, 0.0], [1.0, 1.73, 3.0])
    found = follow_branches(frequency, vectors, NONE, 3)

    assert (np.take_along_axis(which, found, axis=1) == [0, 1, 2]).all()
    assert not (found == [0, 1, 2]).all()


def test_vectors_may_turn_and_change_their_phase():
    rng = np.random.default_rng(5)
    frequency, vectors, which = crossing([1.0, -1.0], [1.0, 1.73])
    turn = np.array([[np.cos(K), np.sin(K)], [-np.sin(K), np.cos(K)]]).transpose(2, 0, 1)
    phase = np.exp(2j * np.pi * rng.random((len(K), 2, 1)))
    found = follow_branches(frequency, vectors @ turn * phase, NONE, 2)

    assert (np.take_along_axis(which, found, axis=1) == [0, 1]).all()


def test_the_members_of_a_pair_may_mix_at_will():
    """Two pairs cross; inside each pair the solver's basis is random at every wavevector."""
    rng = np.random.default_rng(6)
    frequency, vectors, which = crossing([1.0, 1.0, -1.0, -1.0], [1.0, 1.0, 1.73, 1.73])
    for row, of in zip(vectors, which, strict=True):
        for pair in (of < 2, of >= 2):
            turn = np.linalg.qr(rng.standard_normal((2, 2)))[0]
            row[pair] = turn @ row[pair]
    found = follow_branches(frequency, vectors, NONE, 4)

    followed = np.take_along_axis(which, found, axis=1) // 2
    assert (followed == [0, 0, 1, 1]).all()
    assert all(len(set(row)) == 4 for row in found.tolist())


def test_pairs_keep_apart_through_a_wavevector_where_all_coincide():
    """At the crossing four modes span one space; each branch is found again behind it."""
    k = np.linspace(0, 1, 21)
    frequency, vectors, which = crossing([1.0, 1.0, -1.0, -1.0], [1.0, 1.0, 2.0, 2.0], k)
    assert np.ptp(frequency[10]) < 1e-12
    vectors[10] = np.linalg.qr(np.random.default_rng(7).standard_normal((4, 4)))[0] @ vectors[10]
    found = follow_branches(frequency, vectors, NONE, 4)

    followed = np.take_along_axis(which, found, axis=1) // 2
    assert (np.delete(followed, 10, axis=0) == [0, 0, 1, 1]).all()
    assert sorted(found[10]) == [0, 1, 2, 3]


def test_a_branch_ends_in_the_band_and_another_begins():
    """A candidate is missing for a while: what comes back is a new branch."""
    frequency = np.array([[1.0, 2.0], [1.1, 2.0], [2.0, np.nan], [2.0, np.nan], [1.4, 2.0]])
    one, two = np.eye(2)
    vectors = np.array([[one, two], [one, two], [two, one], [two, one], [one, two]])
    found = follow_branches(frequency, vectors, NONE, 4)

    assert found.tolist() == [
        [0, 1, -1, -1], [0, 1, -1, -1], [-1, 0, -1, -1], [-1, 0, -1, -1], [-1, 1, 0, -1],
    ]  # fmt: skip


def test_a_wavevector_without_candidates_ends_all():
    frequency = np.array([[1.0], [np.nan], [1.0]])
    vectors = np.ones((3, 1, 1))

    assert follow_branches(frequency, vectors, NONE, 2).tolist() == [[0, -1], [-1, -1], [-1, 0]]


def test_a_vector_that_turns_too_far_begins_a_new_branch():
    angle = np.array([0.0, 0.2, 1.2])
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None]

    found = follow_branches(np.ones((3, 1)), vectors, NONE, 2)
    assert found.tolist() == [[0, -1], [0, -1], [-1, 0]]


def test_a_break_of_the_path_ends_all_branches():
    frequency, vectors, _ = crossing([0.0, 0.0], [1.0, 2.0])
    found = follow_branches(frequency, vectors, np.array([5]), 4)

    assert (found[:5] == [0, 1, -1, -1]).all()
    assert (found[5:] == [-1, -1, 0, 1]).all()


@pytest.mark.parametrize("most", [1, 2])
def test_the_first_branches_are_kept(most):
    frequency, vectors, which = crossing([1.0, -1.0, 0.0], [1.0, 1.73, 3.0])
    found = follow_branches(frequency, vectors, NONE, most)

    assert found.shape == (len(K), most)
    assert (np.take_along_axis(which, found, axis=1) == np.arange(most)).all()


@pytest.mark.parametrize("back", [False, True])
def test_a_pair_is_followed_where_it_parts_into_even_and_odd(back):
    """Top and bottom, given apart while they coincide, become even and odd further on."""
    k = np.linspace(0, 1, 11)
    split = np.where(k > 0.45, 0.02 * k, 0.0)
    frequency = np.stack([1 + k, 1 + k + split, np.full(11, 3.0)], axis=1)
    pair = np.eye(3)[:2]
    mixed = np.array([[1, 1, 0], [1, -1, 0]]) / np.sqrt(2)
    vectors = np.array([[*(mixed if s else pair), np.eye(3)[2]] for s in split])
    if back:
        frequency, vectors = frequency[::-1], vectors[::-1]

    assert (follow_branches(frequency, vectors, NONE, 4) == [0, 1, 2, -1]).all()


def test_one_member_of_a_pair_goes_on_where_the_other_ends():
    even = np.array([1.0, 1.0]) / np.sqrt(2)
    frequency = np.array([[1.0, 1.0], [1.1, np.nan]])
    vectors = np.array([np.eye(2), [even, [0, 0]]])

    assert follow_branches(frequency, vectors, NONE, 3).tolist() == [[0, 1, -1], [0, -1, -1]]


def test_a_mode_that_joins_a_space_is_told_apart_from_the_one_that_was_there():
    """The newcomer gets what is left of the space, and is followed by it when they part."""
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])
    frequency = np.array([[1.0, np.nan], [1.0, 1.0], [1.0, 1.1]])
    vectors = np.array([[[1.0, 0], [0, 0]], turn, [[0, 1.0], [1.0, 0]]])

    assert follow_branches(frequency, vectors, NONE, 2).tolist() == [[0, -1], [0, 1], [1, 0]]
