"""Bonds of hosts, and what defects change of them."""

import numpy as np
import pytest
from defect_hosts import SC_SHELLS, Supercell, bonds, relaxed
from known import known

from models.crystal.faces import FACES, find_pairs
from models.defects.expansion import expansion_coefficients, expansion_terms
from models.defects.host_bonds import HostBonds, positions, site_numbers
from models.defects.perturbation import adatoms, group, substitution
from models.errors import ModelInputError
from models.forces.pair_forces import LennardJones
from models.modes.phase_sums import find_couplings, sum_phases

KNOWN = known("defects")


def dynamical_matrix(host, layers, k):
    """D of a slab at one wavevector from its bonds, e^(ik.R) with the true places."""
    d = np.zeros((layers, 3, layers, 3), complex)
    for layer in range(layers):
        here = positions(host.face, np.array([[layer, 0, 0]]))
        for partner, block in zip(*host.of((layer, 0, 0)), strict=True):
            if partner[0] < layers:
                step = positions(host.face, partner[None]) - here
                phase = np.exp(1j * host.distance * step[0, :2] @ k)
                d[layer, :, layer] += block
                d[layer, :, partner[0]] -= phase * block
    return d


@pytest.mark.parametrize(("crystal", "surface"), [k for k in FACES if k[0] != "hcp"])
def test_bonds_give_the_force_constants_of_a_relaxed_slab(crystal, surface):
    """Phase sums of `models.modes` and bonds share the pair blocks only."""
    layers, moved, k = 6, np.array([0.03, -0.01, 0.0, 0.0, 0.0, 0.0]), np.array([0.4, 0.7])
    face, pairs = FACES[crystal, surface], find_pairs(crystal, surface, 1.5)
    host = HostBonds(LennardJones(), pairs, face, 1.1, 1.1 * face.spacing, moved[:2])
    strength = np.ones((int(pairs.depth[-1]) + 1, layers))
    couplings = find_couplings(
        LennardJones(), pairs, 1.1, 1.1 * face.spacing, moved, strength, face.turns(layers)
    )
    sums = sum_phases(couplings, k[None])[0]

    d = dynamical_matrix(host, layers, k)

    own = sums[: 6 * layers].reshape(layers, 6)
    for layer in range(layers):
        found = d[layer, :, layer][np.triu_indices(3)]
        np.testing.assert_allclose(found, own[layer], atol=1e-10)
    for depth in range(1, len(couplings.column)):
        for upper in range(layers - depth):
            c = couplings.column[depth, upper]
            s = c + couplings.sine_offset[depth]
            expected = sums[c : c + 6] + 1j * sums[s : s + 6]
            found = d[upper, :, upper + depth][np.triu_indices(3)]
            np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("host", [bonds(), bonds(endless=True), bonds("fcc", "111"), relaxed()])
@pytest.mark.parametrize("layer", [0, 1, 4])
def test_each_bond_is_seen_alike_from_both_ends(host, layer):
    site = np.array([layer, 2, -1])

    for partner, k in zip(*host.of(site), strict=True):
        back, k_back = host.of(partner)
        found = k_back[(back == site).all(axis=1)]

        assert found.shape == (1, 3, 3)
        np.testing.assert_array_equal(found[0], k)


def test_an_endless_crystal_of_alternating_layers_has_twelve_neighbours_in_each():
    face, pairs = FACES["hcp", "0001"], find_pairs("hcp", "0001", 1.0)
    host = HostBonds(LennardJones(), pairs, face, 1.0, face.spacing, endless=True)

    for layer in (-3, 0, 2, 5):
        site = np.array([layer, 1, 1])
        partners = host.of(site)[0]
        steps = positions(face, partners) - positions(face, site[None])
        assert len(partners) == 12
        np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 1.0)


def test_site_numbers_undo_positions():
    sites = np.random.default_rng(3).integers(-4, 5, (20, 3))

    for face in FACES.values():
        np.testing.assert_allclose(site_numbers(face, positions(face, sites)), sites, atol=1e-12)


@pytest.mark.parametrize("name", KNOWN["recursion_coefficients"])
def test_the_chain_of_force_constants_is_the_known_one(name):
    """Lanczos in real space, without a box: every bond of the way counts."""
    where, layer, direction = name.split("/")
    endless = layer == "bulk"
    host = bonds("sc" if where == "ashkin" else "fcc", "100", endless=endless)
    start = 0 if endless else int(layer[5:]) - 1
    expected = KNOWN["recursion_coefficients"][name]

    a, b2 = recursion(host, (start, 0, 0), 2 if direction == "perp" else 0, 6)

    np.testing.assert_allclose(a, expected["a"][:6], rtol=1e-8)
    np.testing.assert_allclose(b2, expected["b2"][:6], rtol=1e-8)


def recursion(host, start, direction, steps):
    """Lanczos on vectors kept as {site: displacement}."""
    unit = np.zeros(3)
    unit[direction] = 1.0
    v, before, b, a, b2 = {start: unit}, {}, 0.0, [], []
    for _ in range(steps):
        w = {}
        for site, u in v.items():
            for partner, k in zip(*host.of(site), strict=True):
                force = k @ u
                key = tuple(partner.tolist())
                w[site] = w.get(site, 0) + force
                w[key] = w.get(key, 0) - force
        a.append(sum(u @ w[site] for site, u in v.items()))
        for site, u in v.items():
            w[site] = w[site] - a[-1] * u
        for site, u in before.items():
            w[site] = w[site] - b * u
        b2.append(sum(u @ u for u in w.values()))
        b = np.sqrt(b2[-1])
        v, before = {site: u / b for site, u in w.items()}, v
    return a, b2


def test_changed_bonds_leave_translations_free():
    for defect in (
        substitution(bonds(), 1, 0.3, 1.7),
        group(bonds(endless=True), [((0, 0, 0), 0.2, 1.5), ((1, 0, 1), 2.0, 0.6)]),
        adatoms(bonds("fcc", "111"), [(0, 0), (1, 0)], "hollow", [(1.0, 1.0)], joined=True),
    ):
        push = defect.change @ np.tile(np.eye(3), (len(defect.places), 1))
        np.testing.assert_allclose(push, 0, atol=1e-14)
        np.testing.assert_array_equal(defect.change, defect.change.T)


def test_without_changed_bonds_only_the_impurity_is_touched():
    defect = substitution(bonds(), 1, 0.3, 1.0)

    assert defect.sites.tolist() == [[1, 0, 0]]
    assert not defect.change.any()


def test_all_bonds_of_an_impurity_are_multiplied_and_the_shared_one_by_the_mean():
    host = bonds()
    one, other = (0, 0, 0), (0, 1, 0)
    defect = group(host, [(one, 1.0, 4.0), (other, 1.0, 9.0)])

    changed = host.force_constants(defect.sites) + defect.change
    plain = host.force_constants(defect.sites)

    shared = plain[:3, 3:6]
    np.testing.assert_allclose(changed[:3, 3:6], 6 * shared)
    np.testing.assert_allclose(changed[:3, :3], 4 * plain[:3, :3] - 2 * shared)
    np.testing.assert_allclose(changed[3:6, 3:6], 9 * plain[3:6, 3:6] + 3 * shared)


def test_bonds_multiplied_by_hand_give_the_same_crystal():
    host, factor = bonds(), 1.5
    cell = Supercell(host, 4, 3)
    defect = substitution(host, 1, 1.0, factor)
    squared = cell.defect_modes(defect)[0]
    phi = cell.phi.copy()
    own = 3 * cell.number((1, 2, 2))[0] + np.arange(3)
    for site, k in zip(*host.of((1, 2, 2)), strict=True):
        other = 3 * cell.number(site)[0] + np.arange(3)
        for i, j, sign in ((own, own, 1), (other, other, 1), (own, other, -1), (other, own, -1)):
            phi[np.ix_(i, j)] += sign * (factor - 1) * k

    np.testing.assert_allclose(squared, np.linalg.eigvalsh(phi), atol=1e-12)


@pytest.mark.parametrize(
    ("crystal", "surface", "kind", "height", "bonds_of_it"),
    [
        ("sc", "100", "top", 1.0, 5),
        ("sc", "100", "hollow", np.sqrt(0.5), 4),
        ("fcc", "100", "top", 1.0, 1),
        ("fcc", "100", "hollow", np.sqrt(0.5), 4),
        ("fcc", "111", "top", 1.0, 1),
        ("fcc", "111", "hollow", np.sqrt(2 / 3), 3),
    ],
)
def test_an_adatom_is_bound_to_its_nearest_atoms(crystal, surface, kind, height, bonds_of_it):
    shells = SC_SHELLS if crystal == "sc" else [(1.0, 1.0)]

    defect = adatoms(bonds(crystal, surface), [(0, 0)], kind, shells, 0.1, 2.0)

    assert defect.places[-1, 2] == pytest.approx(height)
    assert len(defect.sites) == bonds_of_it
    assert np.trace(defect.change[-3:, -3:]) == pytest.approx(2.0 * bonds_of_it)


@pytest.mark.parametrize("surface", ["100", "111"])
def test_an_adatom_in_a_hollow_stands_where_the_crystal_would_go_on(surface):
    """The bonds of an atom of the first layer to the second are those of the adatom."""
    host = bonds("fcc", surface)
    defect = adatoms(host, [(0, 0)], "hollow", [(1.0, 1.0)])
    partners, k = host.of((0, 0, 0))

    np.testing.assert_allclose(
        defect.change[-3:, -3:], k[partners[:, 0] == 1].sum(axis=0), atol=1e-14
    )


def test_atoms_on_the_surface_are_joined_on_request():
    def own_block(joined):
        d = adatoms(bonds(), [(0, 0), (1, 0)], "top", SC_SHELLS, joined=joined)
        return d.change[-6:, -6:]

    along_x = np.diag([1.0, 0, 0])
    expected = np.block([[along_x, -along_x], [-along_x, along_x]])
    np.testing.assert_allclose(own_block(True) - own_block(False), expected, atol=1e-15)


def test_impossible_defects_are_refused():
    with pytest.raises(ModelInputError, match="different atoms of the crystal"):
        substitution(bonds(), -1, 0.5, 1.0)
    with pytest.raises(ModelInputError, match="different atoms of the crystal"):
        group(bonds(), [((0, 0, 0), 0.5, 1.0), ((0, 0, 0), 0.2, 1.0)])
    with pytest.raises(ModelInputError, match="must be positive"):
        substitution(bonds(), 0, 0.0, 1.0)
    with pytest.raises(ModelInputError, match="cannot be atoms"):
        adatoms(bonds(endless=True), [(0, 0)], "top", SC_SHELLS)


@pytest.mark.parametrize("name", KNOWN["expansion_a1_a2_a3"])
def test_the_terms_of_the_expansion_are_the_known_ones(name):
    layer, direction = name.split("/")
    host = bonds(endless=layer == "bulk")
    depth = 0 if layer == "bulk" else int(layer.removeprefix("surface_")[5:]) - 1

    coefficients = expansion_coefficients(host, depth, 1.0)[2 if direction == "perp" else 0]

    np.testing.assert_allclose(coefficients, KNOWN["expansion_a1_a2_a3"][name], rtol=1e-13)
    squared = KNOWN["expansion_squared"][f"{name}/lambda=0.2"]
    assert expansion_terms(coefficients, 0.2).sum() == pytest.approx(squared, rel=1e-9)


def test_the_expansion_misses_a_term_of_second_order_only():
    """With changed bonds, against the highest mode of a cluster whose atoms are all near."""
    host, factor = bonds(), 1.5
    cell = Supercell(host, 5, 3)
    errors = []
    for ratio in (0.02, 0.01):
        exact = cell.defect_modes(substitution(host, 0, ratio, factor))[0][-1]
        coefficients = expansion_coefficients(host, 0, factor)[0]
        errors.append(abs(expansion_terms(coefficients, ratio).sum() - exact))

    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)
