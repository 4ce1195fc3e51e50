"""Geometry of the faces: cells, stacking, pairs, point groups."""

import numpy as np
import pytest
from known import SURFACES, known
from slab_by_hand import FACES as BY_HAND

from models.crystal.faces import FACES, find_pairs, point_group


@pytest.mark.parametrize("surface", SURFACES)
def test_cells_and_stacking_are_those_of_the_table(surface):
    face = FACES["fcc", surface]
    a1, a2, offset, spacing = BY_HAND[surface]

    assert np.array([*face.cell, face.offset]) == pytest.approx(np.array([a1, a2, offset]))
    assert face.spacing == pytest.approx(spacing)


@pytest.mark.parametrize("surface", SURFACES)
def test_every_face_has_the_density_of_fcc(surface):
    face = FACES["fcc", surface]

    assert face.area * face.spacing == pytest.approx(1 / np.sqrt(2), rel=1e-14)


@pytest.mark.parametrize("surface", SURFACES)
def test_reciprocal_vectors_are_dual_to_the_cell(surface):
    face = FACES["fcc", surface]

    assert face.reciprocal @ face.vectors.T == pytest.approx(2 * np.pi * np.eye(2), abs=1e-14)


@pytest.mark.parametrize("surface", SURFACES)
def test_pairs_fill_the_shells_of_fcc(surface):
    pairs = find_pairs("fcc", surface, np.sqrt(12.5))
    shell = np.rint(pairs.squared).astype(int)
    counts = [pairs.weight[shell == n].sum() for n in range(1, 13)]

    assert pairs.squared == pytest.approx(shell, abs=1e-12)
    assert counts == known("crystal")["bulk_static"]["shell_counts_n1_to_12"]


@pytest.mark.parametrize("surface", SURFACES)
def test_the_default_cutoff_holds_64_shells(surface):
    total = find_pairs("fcc", surface, 8.03).weight.sum()

    assert total == known("crystal")["bulk_static"]["neighbours_total_n_le_64"]


@pytest.mark.parametrize("surface", SURFACES)
def test_a_cutoff_on_a_shell_includes_the_shell(surface):
    """sqrt 2 in floating point lies beside the second shell; the margin is 1e-9."""
    for cutoff in (np.nextafter(np.sqrt(2), 0), np.nextafter(np.sqrt(2), 2)):
        assert find_pairs("fcc", surface, cutoff).weight.sum() == 12 + 6
    assert find_pairs("fcc", surface, np.sqrt(2) * (1 - 2e-9)).weight.sum() == 12


@pytest.mark.parametrize(("surface", "order"), [("100", 8), ("110", 4), ("111", 6)])
def test_point_groups_have_the_order_of_4mm_2mm_3m(surface, order):
    operations = point_group(FACES["fcc", surface])

    assert len({tuple(w.ravel()) for w in operations}) == len(operations) == order


@pytest.mark.parametrize("surface", SURFACES)
def test_point_groups_are_groups_of_isometries(surface):
    face = FACES["fcc", surface]
    operations = point_group(face)
    known_ones = {tuple(w.ravel()) for w in operations}
    metric = face.reciprocal @ face.reciprocal.T

    for w in operations:
        assert w.T @ metric @ w == pytest.approx(metric, abs=1e-12)
        for v in operations:
            assert tuple((w @ v).ravel()) in known_ones


@pytest.mark.parametrize("surface", SURFACES)
def test_a_two_fold_normal_is_declared_where_the_group_has_it(surface):
    face = FACES["fcc", surface]
    has_it = any((w == -np.eye(2)).all() for w in point_group(face))

    assert face.two_fold == has_it


def test_k_is_a_neighbour_of_m_in_one_zone():
    """|M-K| = |G-K|/2 for (2/3, 1/3); for its equivalent (1/3, 2/3) it is not."""
    face = FACES["fcc", "111"]
    m, k = (np.array(face.labels[x]) @ face.reciprocal for x in "MK")

    assert np.linalg.norm(m - k) == pytest.approx(np.linalg.norm(k) / 2, rel=1e-14)


@pytest.mark.parametrize(("surface", "labels"), [("100", "GXM"), ("110", "GXYS"), ("111", "GMK")])
def test_every_face_names_the_corners_of_its_zone(surface, labels):
    face = FACES["fcc", surface]

    assert set(face.labels) == set(labels)
    assert set(face.path.split("-")) == set(labels)
