"""Slabs of hundreds to thousands of layers, at rest and vibrating: the limits they approach."""

import numpy as np
import pytest
from known import SLAB, slab
from thick import thick

from models.crystal.faces import find_pairs
from models.evaluate import Evaluator
from models.forces.static import DENSE, relaxed_shifts
from models.modes.branches import follow_branches
from models.modes.bulk_bands import place_modes, signed_root
from models.modes.thick_slabs import FOLLOWED, solve_frequencies, solve_surface

LONG = pytest.mark.long


@pytest.mark.parametrize("surface", ["100", "110", "111"])
def test_a_thick_slab_relaxes_like_a_thinner_one(surface):
    """Beyond the cutoff no face feels the other: full and band Newton steps end alike."""
    thin, thick_ = (
        slab("layer_shift relaxation_force surface_energy", surface=surface, layers=layers)
        for layers in (DENSE, 2001)
    )

    assert thick_["relaxation_force"] < 1e-11
    assert thick_["layer_shift"][:70] == pytest.approx(thin["layer_shift"][:70], abs=1e-11)
    assert thick_["surface_energy"] == pytest.approx(thin["surface_energy"], rel=1e-10)


@pytest.mark.parametrize("layers", [DENSE, DENSE + 1])
def test_both_ways_to_solve_a_newton_step_end_where_no_force_is_left(layers):
    """A slab that differs from face to face, whose layers move by different amounts."""
    parameters = {"surface": "110", "cutoff": 3.0, "adlayer": "one side",
                  "adlayer_bond_ratio": 0.7}  # fmt: skip
    changed = slab("spacing_change", layers=layers, **parameters)
    reference = slab("spacing_change", layers=60, **parameters)

    assert changed[:30] == pytest.approx(reference[:30], abs=1e-12)
    assert changed[-30:-1] == pytest.approx(reference[-30:-1], abs=1e-12)
    assert slab("relaxation_force", layers=layers, **parameters) < 1e-11


def test_a_step_into_an_unstable_place_is_still_solved():
    """Far apart, layers attract with a falling force: the matrix of the step is indefinite."""
    pairs = find_pairs("fcc", "100", 1.1)
    strength = np.ones((2, DENSE + 1))

    moved = relaxed_shifts(pairs, 1.12, 0.8, strength)
    assert np.ptp(np.diff(moved)[5:-5]) < 1e-9


@pytest.mark.parametrize("layers", [301, pytest.param(10001, marks=LONG)])
def test_the_interior_of_a_relaxed_slab_shares_its_sums(layers):
    """As many distinct pairs of layers as in a slab that just holds both relaxed faces."""
    point = {"surface": "111", "k_list": [(0.1, 0.2)]}
    columns = [
        sum(
            a.shape[2] // 6
            for name, a in Evaluator(SLAB).whole(
                SLAB.stage("couplings"), SLAB.parameters(layers=n, **point)
            ).items()
            if name.startswith("cosine_")
        )
        for n in (201, layers)
    ]  # fmt: skip

    assert columns[1] == columns[0]


@pytest.mark.parametrize("case", [
    {"crystal": "hcp", "surface": "0001", "layers": 90},
    {"crystal": "hcp", "surface": "0001", "layers": 91},
    {"crystal": "bcc", "surface": "110", "layers": 90, "forces": "springs", "spring_nnn": 0.6},
    {"crystal": "sc", "surface": "100", "layers": 91, "forces": "springs", "spring_nnn": 0.4},
    {"surface": "100", "layers": 91, "superlattice_period": 3, "superlattice_mass_ratio": 4.0},
    {"surface": "111", "layers": 96, "superlattice_period": 2, "superlattice_mass_ratio": 0.5,
     "adlayer": "one side", "adlayer_mass_ratio": 0.3},
], ids=lambda case: " ".join(str(x) for x in case.values()))  # fmt: skip
def test_every_crystal_and_mass_sequence_has_the_dense_spectrum(case):
    point = thick([(0.21, 0.37)], cutoff=3.0, **case)
    expected = np.linalg.eigvalsh(point.dense())
    found, scale = point.surface(), expected[-1]

    assert point.squared()[0] == pytest.approx(expected, abs=1e-12 * scale)
    inside = np.zeros(len(expected), dtype=bool)
    for gap in point.gaps():
        inside |= gap.holds(expected)
    assert found.missing == 0
    assert found.squared == pytest.approx(expected[inside], abs=1e-12 * scale)


@pytest.mark.parametrize("layers", [801, pytest.param(10001, marks=LONG)])
def test_relaxed_surface_modes_of_a_thick_slab_are_those_of_a_thin_one(layers):
    """The pair of a well-bound mode is its mean level to rounding, at any thickness."""
    point = {"surface": "111", "cutoff": 6.0}
    thin, thick_ = (thick([(0.31, 0.12)], layers=n, **point).surface() for n in (151, layers))

    assert thick_.missing == 0
    assert thick_.residual.max() <= 1e-12
    assert signed_root(thick_.squared) == pytest.approx(signed_root(thin.squared), rel=1e-10)


def between(start, end, points):
    return [tuple(np.array(start) + t * np.subtract(end, start)) for t in np.linspace(0, 1, points)]


def surface_of(point, depth=3, most=24):
    return solve_surface(point.couplings, point.sums, point.masses, point.two_fold,
                         point.symmetric, point.bands, depth, most)  # fmt: skip


@pytest.mark.parametrize("parameters", [
    {"surface": "111", "layers": 61},
    {"surface": "100", "layers": 62},
    {"surface": "110", "layers": 60, "adlayer": "one side", "adlayer_mass_ratio": 3.0},
    {"crystal": "hcp", "surface": "0001", "layers": 61},
], ids=lambda p: " ".join(str(x) for x in p.values()))  # fmt: skip
@pytest.mark.parametrize("fraction", [(0.0, 0.0), (0.21, 0.37), (0.5, 0.0)])
def test_frequencies_and_verdicts_are_those_of_all_modes(parameters, fraction):
    point = thick([fraction], cutoff=3.0, **parameters)
    found = solve_frequencies(point.couplings, point.sums, point.masses, point.two_fold,
                              point.symmetric, 1e-11)  # fmt: skip
    names = "frequency n_zero n_negative sum_rule_residual asymmetry"
    dense = slab(names, cutoff=3.0, k_list=[fraction], **parameters)

    top = np.abs(dense["frequency"]).max() ** 2
    assert found["frequency"] ** 2 == pytest.approx(dense["frequency"] ** 2, abs=1e-12 * top)
    for name in ("n_zero", "n_negative"):
        assert found[name] == dense[name]
    for name in ("sum_rule_residual", "asymmetry"):
        assert found[name] < 1e-12


@pytest.mark.parametrize("surface", ["100", "111"])
def test_faces_that_differ_but_are_said_to_be_alike_are_found_out(surface):
    point = thick([(0.21, 0.37)], surface=surface, layers=20, cutoff=3.0, adlayer="one side",
                  adlayer_mass_ratio=1.001)  # fmt: skip
    found = solve_frequencies(
        point.couplings, point.sums, point.masses, point.two_fold, True, 1e-11
    )

    assert found["asymmetry"][0] > 1e-5


@pytest.mark.parametrize("parameters", [
    {"surface": "111", "layers": 121, "adlayer": "one side", "adlayer_mass_ratio": 0.3},
    {"surface": "100", "layers": 121},
], ids=lambda p: " ".join(str(x) for x in p.values()))  # fmt: skip
def test_surface_modes_carry_the_weights_of_all_modes(parameters):
    """Frequencies and weights of the modes outside the bands, pair by pair."""
    fraction = (0.31, 0.12)
    names = "frequency surface_weight normal_weight top_weight"
    dense = slab(names, cutoff=3.0, k_list=[fraction], **parameters)
    found = surface_of(thick([fraction], cutoff=3.0, **parameters))
    count = int(np.isfinite(found["frequency"]).sum())
    outside = place_modes(dense["frequency"], thick([fraction], cutoff=3.0, **parameters).bands)

    expected = {name: a[outside > 0] for name, a in dense.items()}
    assert count == (outside > 0).sum() > 1
    assert found["frequency"][0, :count] == pytest.approx(expected["frequency"], rel=1e-10)
    for name in ("surface_weight", "normal_weight", "top_weight"):
        assert found[name][0, :count] == pytest.approx(expected[name], abs=1e-5), name
    assert np.isnan(found["frequency"][0, count:]).all()
    assert (found["layer_of_largest_weight"][0, count:] == -1).all()
    assert (found["penetration_depth"][0, :count] < 30).all()


def test_only_the_modes_nearest_to_the_surface_are_kept_where_room_is_scarce():
    point = thick([(0.5, 0.0)], surface="100", layers=121, cutoff=3.0)
    every, few = surface_of(point), surface_of(point, most=4)

    count = int(np.isfinite(every["frequency"]).sum())
    best = np.sort(np.argsort(-every["surface_weight"][0, :count], kind="stable")[:4])
    assert few["frequency"][0] == pytest.approx(every["frequency"][0, best])
    assert few["vectors"].shape == (1, 4, 3 * 2 * FOLLOWED)


def test_a_narrow_gap_between_crowded_bands_is_searched_to_its_end():
    """M-K of (111): modes at both edges of gaps a few per cent wide, weakly bound."""
    path = between((0.5, 0.0), (2 / 3, 1 / 3), 41)[33:]
    found = surface_of(thick(path, surface="111", layers=301, cutoff=6.0))

    assert (found["missing"] == 0).all()
    assert np.nanmax(found["residual"]) <= 1e-12
    assert np.isfinite(found["frequency"]).sum(axis=1).tolist() == [6, 9, 10, 10, 9, 7, 7, 10]


def test_branches_of_a_face_keep_their_character_along_a_path():
    """G-X of (100): shear-horizontal waves have no normal part, sagittal ones much of it."""
    path = between((0.1, 0.0), (0.5, 0.0), 41)
    found = surface_of(thick(path, surface="100", layers=101, cutoff=3.0))
    branch = follow_branches(found["frequency"], found["vectors"], np.empty(0, dtype=int), 10)

    assert (branch[:, :2] >= 0).all()  # the pair of shear-horizontal waves, from end to end
    every = np.arange(len(path))
    for b in range(10):
        on = every[branch[:, b] >= 0]
        assert (np.diff(on) == 1).all()
        frequency = found["frequency"][on, branch[on, b]]
        normal = found["normal_weight"][on, branch[on, b]]
        assert np.ptp(normal) < 0.1
        assert np.abs(np.diff(frequency, 2)).max(initial=0) < 0.05
