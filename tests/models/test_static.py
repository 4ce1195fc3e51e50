"""Static crystals and slabs: equilibrium, elastic constants, relaxation."""

import numpy as np
import pytest
from known import SURFACES, known, slab
from slab_by_hand import bulk_matrix, dynamical_matrix, lennard_jones, springs, static_energy
from thick import full_of

from models.crystal.faces import FACES, find_pairs
from models.crystal.lattices import neighbours
from models.errors import NumericsError
from models.forces.crystals import Scale, crystal_energy, elastic_constants, static_distance
from models.forces.pair_forces import ELEMENT, LennardJones, Springs, blocks
from models.forces.static import ideal_heights, layer_sums

REFERENCE = known("crystal")["bulk_static"]
RELAXED = known("relaxation")["relaxation"]
ALL_PAIRS = known("relaxation")["all_pairs"]
SPACING = {"100": np.sqrt(0.5), "110": 0.5, "111": np.sqrt(2 / 3)}


def test_the_crystal_is_the_reference_crystal():
    got = slab("nearest_neighbour_distance elastic_constant", layers=1, k_points=4)
    c11, c12, c44 = (REFERENCE[name] for name in ("C11", "C12", "C44"))

    assert got["nearest_neighbour_distance"] == pytest.approx(REFERENCE["r_nn"], rel=1e-10)
    assert got["elastic_constant"] == pytest.approx([c11, c12, c12, c11, c44], rel=1e-6)


def test_the_crystal_energy_is_the_reference_energy():
    vectors = neighbours("fcc", 8.03)
    scale = Scale(static_distance(vectors))

    assert crystal_energy(LennardJones(), vectors, scale) == pytest.approx(
        REFERENCE["energy_per_atom"], rel=1e-10
    )


def test_the_static_distance_makes_the_energy_least():
    vectors = neighbours("fcc", 3.0)
    best = static_distance(vectors)
    at = [crystal_energy(LennardJones(), vectors, Scale(best * x)) for x in (0.999, 1.0, 1.001)]

    assert at[1] < min(at[0], at[2])
    # a shift of 1e-4 of the distance would move the parabola's vertex by 10 % of a step
    assert abs(at[2] - at[0]) < 0.01 * (at[0] + at[2] - 2 * at[1])


def test_the_all_pair_crystal_is_approached_as_the_cutoff_cubed():
    """Tail of the r^-6 sum beyond R: its share falls as R^-3."""
    away = {
        cutoff: static_distance(neighbours("fcc", cutoff)) / REFERENCE["r_nn_all"] - 1
        for cutoff in (8.03, 16.03)
    }

    assert 0 < away[16.03] < away[8.03] / 7
    assert away[16.03] * 16.03**3 == pytest.approx(away[8.03] * 8.03**3, rel=0.05)


def test_elastic_constants_are_the_slopes_of_the_acoustic_branches():
    """Along [100]: rho v^2 = c11, c44; along [110]: (c11 - c12)/2 (second-order in q)."""
    r, rho = REFERENCE["r_nn"], np.sqrt(2) / REFERENCE["r_nn"] ** 3
    c11, c12, _, _, c44 = elastic_constants(
        "fcc", LennardJones(), neighbours("fcc", 8.03), Scale(r)
    )
    q = 1e-3

    along_100 = np.linalg.eigvalsh(bulk_matrix(np.array([q, 0, 0]), r, 8.03, lennard_jones))
    u = np.array([q, q, 0]) / np.sqrt(2)
    along_110 = np.linalg.eigvalsh(bulk_matrix(u, r, 8.03, lennard_jones))

    assert rho * along_100 / q**2 == pytest.approx([c44, c44, c11], rel=1e-5)
    slow_fast = [(c11 - c12) / 2, c44, (c11 + c12 + 2 * c44) / 2]
    assert rho * along_110 / q**2 == pytest.approx(slow_fast, rel=1e-5)


def test_nearest_neighbour_springs_have_c11_twice_c12():
    """fcc, springs k: c11 = sqrt 2 k/d, c12 = c44 = half of it."""
    c11, c12, c13, c33, c44 = slab("elastic_constant", forces="springs", layers=1, k_points=4)

    assert [c11, c33] == pytest.approx([np.sqrt(2)] * 2)
    assert [c12, c13, c44] == pytest.approx([np.sqrt(0.5)] * 3)


def test_a_stretched_crystal_has_no_elastic_constants():
    """Its stress is not zero, so the numbers would have no one meaning."""
    got = slab("elastic_constant nearest_neighbour_distance surface_energy", layers=2,
               nn_distance=1.1, relaxed=False, cutoff=2.3, k_points=4)  # fmt: skip

    assert np.isnan(got["elastic_constant"]).all()
    assert got["nearest_neighbour_distance"] == 1.1
    assert got["surface_energy"] > 0


@pytest.mark.parametrize("surface", SURFACES)
def test_relaxation_is_the_reference_relaxation(surface):
    entry = RELAXED[f"fcc{surface}_L21"]
    names = "layer_shift spacing_change surface_energy relaxation_force layer_height"
    got = slab(names, surface=surface, k_points=5)

    shift = np.array(entry["displacement_over_h_percent"]) / 100
    change = np.array(entry["spacing_change_percent"]) / 100
    assert got["layer_shift"][:5] == pytest.approx(shift, rel=1e-6)
    assert got["spacing_change"][:5] == pytest.approx(change, rel=1e-6)
    assert np.isnan(got["spacing_change"][-1])
    assert got["surface_energy"] == pytest.approx(
        entry["surface_energy_relaxed_eps_per_cell"], rel=1e-6
    )
    assert got["relaxation_force"] < 1e-10
    assert got["layer_height"].mean() == pytest.approx(0, abs=1e-13)


@pytest.mark.parametrize("surface", SURFACES)
def test_unrelaxed_slabs_have_the_reference_surface_energy(surface):
    got = slab("surface_energy layer_shift relaxation_force", surface=surface, relaxed=False,
               k_points=5)  # fmt: skip

    expected = RELAXED[f"fcc{surface}_L21"]["surface_energy_unrelaxed_eps_per_cell"]
    assert got["surface_energy"] == pytest.approx(expected, rel=1e-6)
    assert np.abs(got["layer_shift"]).max() == 0
    assert got["relaxation_force"] > 0.1


@pytest.mark.parametrize("surface", ["100", "111"])
def test_relaxation_approaches_that_of_all_pairs_as_the_cutoff_grows(surface):
    """Doubling the cutoff more than halves every error; at 24 the tail leaves 1e-4 sigma."""
    entry = ALL_PAIRS[f"fcc{surface}_L21"]
    wrong = []
    for cutoff in (6.03, 12.03, 24.03):
        got = slab("layer_shift spacing_change surface_energy nearest_neighbour_distance",
                   surface=surface, cutoff=cutoff, k_points=5)  # fmt: skip
        spacing = SPACING[surface] * got["nearest_neighbour_distance"]
        wrong.append([
            np.abs(got["layer_shift"][:5] * spacing - entry["displacement_sigma"]).max(),
            np.abs(100 * got["spacing_change"][:5] - entry["spacing_change_percent"]).max(),
            abs(got["surface_energy"] - entry["surface_energy_relaxed_eps_per_cell"]),
        ])  # fmt: skip

    assert (np.array(wrong[1]) < np.array(wrong[0]) / 2).all()
    assert (np.array(wrong[2]) < np.array(wrong[1]) / 2).all()
    assert (np.array(wrong[2]) < [1e-4, 3e-3, 5e-3]).all()


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("layers", [2, 5, 6])
def test_equal_faces_relax_to_the_same_bytes(surface, layers):
    z = slab("layer_height", surface=surface, layers=layers, cutoff=3.0, k_points=5)

    assert (z == -z[::-1]).all()


@pytest.mark.parametrize("surface", SURFACES)
def test_both_faces_move_outwards_alike(surface):
    """A shift counts away from the middle: heights grow at the top and sink at the bottom."""
    got = slab("layer_shift layer_height nearest_neighbour_distance", surface=surface, layers=6,
               cutoff=3.0, k_points=5)  # fmt: skip
    spacing = SPACING[surface] * got["nearest_neighbour_distance"]
    moved = got["layer_height"] - spacing * (2.5 - np.arange(6))

    assert got["layer_shift"][[0, -1]].min() > 0.001
    assert got["layer_shift"] == pytest.approx(got["layer_shift"][::-1], abs=1e-14)
    assert moved == pytest.approx(got["layer_shift"] * spacing * [1, 1, 1, -1, -1, -1], abs=1e-13)


def test_a_weakly_bound_adlayer_keeps_its_distance():
    """Energy of one pair of layers scales with the bond, so the adlayer itself hardly moves;
    the substrate below relaxes outwards less than under a full bond."""
    weak = slab("spacing_change", adlayer="one side", adlayer_bond_ratio=0.1, cutoff=3.0,
                layers=8, k_points=4)  # fmt: skip
    clean = slab("spacing_change", cutoff=3.0, layers=7, k_points=4)

    # the second spacing is nearly the outermost one of the slab without the adlayer
    assert weak[1] == pytest.approx(clean[0], rel=0.15)


def by_depth(strength, pairs):
    """Factors on the pairs of layer l with layer l + d, from those of all pairs of layers."""
    layers = len(strength)
    depths = min(layers - 1, int(pairs.depth[-1])) + 1
    return np.array([np.append(np.diagonal(strength, d), [1.0] * d) for d in range(depths)])


@pytest.mark.parametrize("surface", SURFACES)
def test_forces_and_hessian_are_the_derivatives_of_the_energy(surface):
    """Central differences of the model's energy, and that energy against a plain pair sum."""
    layers, cutoff, distance, step = 4, 2.3, 1.1, 1e-4
    pairs, forces = find_pairs("fcc", surface, cutoff), LennardJones()
    face = FACES["fcc", surface]
    spacing, moved = face.spacing * distance, np.array([0.02, -0.01, 0.0, 0.03])
    z = ideal_heights(spacing, layers) + moved
    strength = np.ones((layers, layers))
    strength[0, 1] = strength[1, 0] = 1.7

    def energy(*moves):
        heights = z.copy()
        for layer, by in moves:
            heights[layer] += by
        return static_energy(surface, heights, strength, distance, cutoff, lennard_jones)

    sums = layer_sums(forces, pairs, distance, spacing, moved, by_depth(strength, pairs))
    h, every = step, range(layers)
    force = [-(energy((i, h)) - energy((i, -h))) / (2 * h) for i in every]
    hessian = [
        [(energy((i, h), (j, h)) - energy((i, h), (j, -h)) - energy((i, -h), (j, h))
          + energy((i, -h), (j, -h))) / (4 * h * h) for j in every]
        for i in every
    ]  # fmt: skip

    assert sums.energy == pytest.approx(energy(), rel=1e-12)
    # truncation h^2 and rounding 1e-16/h^2 leave 1e-6 of the largest element
    assert sums.force == pytest.approx(force, abs=1e-5 * np.abs(force).max())
    assert full_of(sums.hessian) == pytest.approx(
        np.array(hessian), abs=1e-5 * np.abs(hessian).max()
    )


@pytest.mark.parametrize("surface", SURFACES)
def test_the_hessian_is_the_normal_block_at_k_zero(surface):
    layers, cutoff, distance = 5, 2.3, 1.1
    spacing, pairs = FACES["fcc", surface].spacing * distance, find_pairs("fcc", surface, cutoff)
    z, one = ideal_heights(spacing, layers), np.ones((layers, layers))
    still, bonds = np.zeros(layers), by_depth(one, pairs)
    sums = layer_sums(LennardJones(), pairs, distance, spacing, still, bonds)
    d = dynamical_matrix(surface, z, np.ones(layers), one, np.zeros(2), distance, cutoff,
                         lennard_jones)  # fmt: skip

    hessian = full_of(sums.hessian)
    assert hessian == pytest.approx(d[2::3, 2::3].real, abs=1e-10 * np.abs(d).max())
    assert hessian.sum(axis=0) == pytest.approx(np.zeros(layers), abs=1e-11)


@pytest.mark.parametrize(
    ("forces", "by_hand"),
    [(LennardJones(), lennard_jones), (Springs(2.0, 0.3), springs(2.0, 0.3))],
)
def test_the_parts_of_a_force_are_its_derivatives(forces, by_hand):
    r, ideal = np.array([0.98, 1.12, 1.5, 2.9]), np.array([1.0, 1.0, 2.0, 2.0])
    phi, first, second = by_hand(r, ideal)

    assert forces.energy(r**2) == pytest.approx(phi)
    assert forces.tension(r**2) == pytest.approx(first / r)
    assert forces.stiffness(r**2, ideal) == pytest.approx(second)


def test_blocks_are_second_differences_of_the_pair_energy():
    r, h = np.array([0.7, -0.5, 0.9]), 1e-4
    steps = np.eye(3) * h

    def energy(at):
        return float(lennard_jones(np.linalg.norm(at), 1.0)[0])

    second = [
        [(energy(r + a + b) - energy(r + a - b) - energy(r - a + b) + energy(r - a - b))
         / (4 * h * h) for b in steps]
        for a in steps
    ]  # fmt: skip

    got = blocks(LennardJones(), r, np.array(1.0))[ELEMENT]
    assert got == pytest.approx(np.array(second), abs=1e-5 * np.abs(second).max())


def test_layers_that_cannot_come_to_rest_are_an_error():
    """Hardly bound to the second layer, the outermost one is pulled into it from below."""
    with pytest.raises(NumericsError, match=r"did not come to rest: .* bond ratios nearer to 1"):
        slab("layer_height", surface_bond_ratio=1e-3, cutoff=3.0, layers=4, k_points=4)
