"""Blocks of the coordinates of defects by their symmetry."""

import numpy as np
import pytest
from defect_hosts import SC_SHELLS, bonds

from models.defects.perturbation import adatoms, group, substitution
from models.defects.symmetry import blocks_along, find_operations, symmetry_blocks


def single(crystal="sc", surface="100", layer=0, endless=False):
    return substitution(bonds(crystal, surface, endless), layer, 0.3, 1.5)


def pinwheel():
    """Four impurities with an axis of four-fold turns and no mirror."""
    sites = [(0, 0, 0), (0, 3, 1), (0, 2, 4), (0, -1, 3)]
    return group(bonds(), [(site, 0.3, 1.5) for site in sites])


DEFECTS = {
    "sc 100": single(),
    "sc endless": single(endless=True),
    "fcc 100 second layer": single("fcc", "100", 1),
    "fcc 110": single("fcc", "110"),
    "fcc 111": single("fcc", "111"),
    "fcc 111 endless": single("fcc", "111", endless=True),
    "pair": group(bonds(), [((0, 0, 0), 0.3, 1.5), ((0, 1, 0), 0.3, 1.5)]),
    "unequal pair": group(bonds(), [((0, 0, 0), 0.3, 1.5), ((0, 1, 0), 0.3, 1.2)]),
    "pair across layers": group(
        bonds("fcc", "111", True), [((0, 0, 0), 0.3, 1.5), ((1, 0, 0), 0.3, 1.5)]
    ),
    "pinwheel": pinwheel(),
    "adatom": adatoms(bonds(), [(0, 0)], "top", SC_SHELLS, 0.1),
    "adatom in a hollow": adatoms(bonds("fcc", "111"), [(0, 0)], "hollow", [(1.0, 1.0)], 0.1),
    "three impurities without symmetry": group(
        bonds(), [((0, 0, 0), 0.3, 1.5), ((0, 1, 0), 0.3, 1.2), ((1, 0, 2), 1.0, 1.1)]
    ),
}
GROUPS = {
    "sc 100": 8, "sc endless": 16, "fcc 100 second layer": 8, "fcc 110": 4, "fcc 111": 6,
    "fcc 111 endless": 12, "pair": 4, "unequal pair": 2, "pair across layers": 4, "pinwheel": 4,
    "adatom": 8, "adatom in a hollow": 6, "three impurities without symmetry": 1,
}  # fmt: skip


def matrices(defect):
    return find_operations(defect.face, defect.endless, defect.places, defect.kinds)


@pytest.mark.parametrize("name", DEFECTS)
def test_the_operations_are_a_group_and_keep_the_changed_bonds(name):
    defect = DEFECTS[name]
    found = matrices(defect)

    assert len(found) == GROUPS[name]
    flat = np.array(found).reshape(len(found), -1)
    for one in found:
        np.testing.assert_allclose(one @ one.T, np.eye(len(one)), atol=1e-14)
        np.testing.assert_allclose(one @ defect.change @ one.T, defect.change, atol=1e-14)
        np.testing.assert_allclose(one @ defect.masses, one.sum(axis=1) * defect.masses, atol=1e-14)
        products = np.array([one @ other for other in found]).reshape(len(found), -1)
        assert (np.abs(products[:, None] - flat).max(axis=2).min(axis=1) < 1e-12).all()


@pytest.mark.parametrize("name", DEFECTS)
def test_blocks_have_all_levels_of_any_matrix_with_the_symmetry(name):
    defect = DEFECTS[name]
    found, size = matrices(defect), len(defect.change)
    blocks = symmetry_blocks(defect)
    random = np.random.default_rng(5)

    for _ in range(3):
        m = random.standard_normal((size, size))
        m = sum(o @ (m + m.T) @ o.T for o in found) / len(found)
        levels = []
        for i, block in enumerate(blocks):
            inside = block.basis.T @ m @ block.basis
            levels.append(np.repeat(np.linalg.eigvalsh(inside), block.degeneracy))
            # nothing leads out of a block
            out = m @ block.basis - block.basis @ inside
            np.testing.assert_allclose(out, 0, atol=1e-12)
            for other in blocks[:i]:
                np.testing.assert_allclose(other.basis.T @ block.basis, 0, atol=1e-12)
        np.testing.assert_allclose(
            np.sort(np.concatenate(levels)), np.linalg.eigvalsh(m), atol=1e-12
        )


def test_an_impurity_in_a_square_lattice_has_five_representations():
    sizes = sorted((b.degeneracy, b.basis.shape[1]) for b in symmetry_blocks(single()))

    assert sizes == [(1, 3), (1, 4), (1, 5), (1, 8), (2, 11)]


@pytest.mark.parametrize("name", ["sc 100", "sc endless", "fcc 111", "adatom"])
def test_own_displacements_lie_in_one_block_each(name):
    defect = DEFECTS[name]
    blocks = symmetry_blocks(defect)
    x, y, z = (blocks_along(defect, blocks, i) for i in range(3))

    assert len(z) == len(x) == 1
    assert x == y != z
    assert blocks[x[0]].degeneracy == 2
    own = blocks[z[0]].basis[defect.impurity_coordinates[0, 2]]
    assert own @ own == pytest.approx(1.0, abs=1e-13)
    own = blocks[x[0]].basis[defect.impurity_coordinates[0, :2]]
    assert np.linalg.norm(own) == pytest.approx(1.0, abs=1e-13)


def test_directions_of_a_face_without_a_fourfold_axis_have_their_own_blocks():
    defect = DEFECTS["fcc 110"]
    found = [blocks_along(defect, symmetry_blocks(defect), i) for i in range(3)]

    assert len(set(found)) == 3


def test_rows_of_a_complex_representation_stay_together():
    """Turns alone: partners of the two-fold levels cannot be told apart by real vectors."""
    blocks = symmetry_blocks(DEFECTS["pinwheel"])

    assert {b.degeneracy for b in blocks} == {1}
    assert len(blocks) == 3
    assert max(b.basis.shape[1] for b in blocks) == len(DEFECTS["pinwheel"].change) // 2


def test_ratios_do_not_change_the_blocks():
    assert symmetry_blocks(single()) is symmetry_blocks(substitution(bonds(), 0, 0.7, 2.0))
