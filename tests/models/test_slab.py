"""The slab against an independent implementation, closed forms, limits and its own rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known import SLAB, SURFACES, known, slab, squared
from pydantic import ValidationError
from scipy import linalg

from models.crystal.faces import FACES, find_pairs
from models.evaluate import Evaluator

FREQUENCIES = known("slab_frequencies")
ADLAYERS = known("adlayers")
MODES = known("surface_modes")["surface_modes"]
SPRINGS = known("springs")
CRYSTAL = known("crystal")
KINDS = ("bulk", "below", "gap", "above", "resonance")
SPRING_SLAB = {"surface": "100", "forces": "springs"}


def fractions(points):
    """Reference points as a list of wavevectors; 0.3333.. and 0.6667.. are exact thirds."""
    return [tuple(round(3e6 * x) / 3e6 for x in p["k_frac"]) for p in points.values()]


@pytest.mark.parametrize("relaxed", [False, True])
@pytest.mark.parametrize("surface", SURFACES)
def test_frequencies_are_the_reference_frequencies(surface, relaxed):
    """To 1e-6, the digits that the cutoff convention fixes."""
    points = FREQUENCIES["slab_frequencies"][
        f"fcc{surface}_L21_{'relaxed' if relaxed else 'unrelaxed'}"
    ]
    w = slab("frequency", surface=surface, relaxed=relaxed, k_list=fractions(points))

    for row, (name, point) in zip(w, points.items(), strict=True):
        lowest = row[3:9] if name == "G" else row[:6]
        assert lowest == pytest.approx(point["lowest"], rel=1e-6), name
        assert row[:-4:-1] == pytest.approx(point["highest"], rel=1e-6), name


def test_the_lowest_frequency_half_way_from_m_to_k_is_the_known_one():
    """10.8204, which only the K that neighbours M gives."""
    entry = FREQUENCIES["path_point"]
    w = slab("frequency", k_list=[tuple(entry["k_frac"])])

    assert w[0, 0] == pytest.approx(entry["lowest"], abs=5e-5)


@pytest.mark.parametrize("surface", ["100", "111"])
def test_frequencies_approach_those_of_all_pairs_as_the_cutoff_grows(surface):
    """The reference keeps pairs out to 14.2 and the all-pair distance, hence 1e-3 at 24."""
    entry = known("relaxation")["all_pairs"][f"fcc{surface}_L21"]["frequencies_Rc2_200.5"]
    expected = next(iter(entry.values()))
    wrong = [
        np.abs(slab("frequency", surface=surface, cutoff=c, k_list=[(0.5, 0.0)])[0, :4] - expected)
        for c in (6.03, 12.03, 24.03)
    ]

    assert wrong[2].max() < wrong[1].max() / 2 < wrong[0].max() / 4
    assert wrong[2].max() < 1e-3


@pytest.mark.parametrize("case", sorted(ADLAYERS["adlayer"]))
def test_adlayers_have_the_reference_frequencies(case):
    points = ADLAYERS["adlayer"][case]
    side = "both sides" if "both" in case else "one side"
    mass = float(case.split("mass")[1].split("_")[0])
    bond = float(case.split("_fk")[1]) if "_fk" in case else 1.0
    got = slab("frequency mode_kind", adlayer=side, adlayer_mass_ratio=mass,
               adlayer_bond_ratio=bond, k_list=fractions(points))  # fmt: skip

    rows = zip(got["frequency"], got["mode_kind"], points.values(), strict=True)
    for row, kind, point in rows:
        assert row[:6] == pytest.approx(point["lowest"], rel=1e-6)
        assert row[:-4:-1] == pytest.approx(point["highest"], rel=1e-6)
        # the reference counts without a margin; here a mode this near to the band is bulk
        top = point["bulk_min_max"][1]
        clear_below = sum(w < point["bulk_min_max"][0] * (1 - 1e-4) for w in point["lowest"])
        assert (row[kind == KINDS.index("above")] > top).all()
        assert (kind == KINDS.index("below")).sum() == clear_below == point["n_below_bulk"]
        assert (kind == KINDS.index("above")).sum() == point["n_above_bulk"]


def test_a_superlattice_has_the_reference_frequencies():
    entry = ADLAYERS["superlattice"]
    w = slab("frequency", layers=entry["L"], layer_masses=entry["masses_layer0_to_top"],
             k_list=fractions(entry["points"]))  # fmt: skip

    for row, (name, point) in zip(w, entry["points"].items(), strict=True):
        lowest = row[3:9] if name == "G" else row[:6]
        assert lowest == pytest.approx(point["lowest"], rel=1e-6)
        assert row[:-4:-1] == pytest.approx(point["highest"], rel=1e-6)


@pytest.mark.parametrize("case", sorted(MODES))
def test_modes_outside_the_bands_are_the_reference_modes(case):
    """Frequency and kind of all; weights of pairs of faces, whose single vectors mix freely."""
    entry = MODES[case]
    got = slab("frequency mode_kind surface_weight normal_weight", surface=case[3:6],
               k_list=[tuple(entry["k_frac"])])  # fmt: skip
    outside = [i for i, kind in enumerate(got["mode_kind"][0]) if KINDS[kind] in KINDS[1:4]]
    expected = entry["modes_outside_bands"]
    clear = [m for m in expected if m["weight_outer_3_layers_both_sides"] > 0.5]

    assert {m["index"] for m in clear} <= set(outside)
    # the reference has another margin; what it does not list hugs a band deep inside the slab
    assert len(clear) == (got["surface_weight"][0, outside] > 0.5).sum()
    for m in expected:
        assert got["frequency"][0, m["index"]] == pytest.approx(m["omega"], rel=1e-6)
    for m in clear:
        assert KINDS[got["mode_kind"][0, m["index"]]] == m["where"]
    for name, key in (
        ("surface_weight", "weight_outer_3_layers_both_sides"),
        ("normal_weight", "z_weight"),
    ):
        for group in degenerate(clear):
            index = [m["index"] for m in group]
            assert got[name][0, index].sum() == pytest.approx(sum(m[key] for m in group), rel=1e-5)


def degenerate(modes):
    """Neighbours in frequency, which may mix."""
    groups = [[modes[0]]]
    for m in modes[1:]:
        if m["omega"] - groups[-1][-1]["omega"] < 1e-4:
            groups[-1].append(m)
        else:
            groups.append([m])
    return groups


@pytest.mark.parametrize(
    ("surface", "angle", "layers", "q", "tolerance"),
    [
        ("100", 45, 300, (0.1, 0.2), 5e-4),
        ("110", 90, 300, (0.1, 0.2), 5e-4),
        # these two penetrate 1/0.17 and 1/0.12 wavelengths/2 pi deep, so the faces still mix
        ("110", 0, 400, (0.2, 0.3), 3e-3),
        ("111", 0, 400, (0.2, 0.3), 3e-3),
    ],
)
def test_long_surface_waves_have_the_rayleigh_speed(surface, angle, layers, q, tolerance):
    """qLh from 16 to 100 keeps the faces apart; the mean over their pair of modes takes out
    the first order of what is left. The speed falls linearly with q (the surface layer is not
    the bulk), so it is extrapolated to q = 0; the error is of the second order in q.
    """
    entry = next(
        e for e in CRYSTAL["rayleigh"]
        if e["kind"] == f"fcc{surface}" and e["angle_from_x_deg"] == angle and "v_R" in e
    )  # fmt: skip
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    a = FACES["fcc", surface].vectors * CRYSTAL["bulk_static"]["r_nn"]
    k = np.outer(q, direction) @ a.T / (2 * np.pi)
    w2 = squared(slab("frequency", surface=surface, layers=layers, k_list=k.tolist()))
    speed = np.sqrt(w2[:, :2].mean(axis=1)) / q

    at_zero = speed[0] - q[0] * (speed[1] - speed[0]) / (q[1] - q[0])
    assert at_zero == pytest.approx(entry["v_R"], rel=tolerance)
    assert speed[1] < entry["v_R"] < entry["limiting_speed"]


# --- closed forms with springs ---


def test_the_surface_mode_of_springs_at_m_moves_the_surface_layer_along_the_normal():
    """fcc (100), nearest neighbours: w = sqrt(2k/m) exactly, once for each face."""
    got = slab("frequency surface_weight normal_weight mode_kind", layers=8, spring_nn=3.0,
               surface_depth=1, k_list=[(0.5, 0.5)], **SPRING_SLAB)  # fmt: skip

    assert got["frequency"][0, :2] == pytest.approx([np.sqrt(6)] * 2, rel=1e-12)
    assert got["surface_weight"][0, :2] == pytest.approx([1, 1], abs=1e-12)
    assert got["normal_weight"][0, :2] == pytest.approx([1, 1], abs=1e-12)
    assert [KINDS[i] for i in got["mode_kind"][0, :2]] == ["below"] * 2


@pytest.mark.parametrize("spring", [0.5, 1.0, 2.0])
def test_one_layer_of_a_square_lattice_has_sine_frequencies(spring):
    """(100), one layer: x and y uncoupled chains, w2 = 2k(1 - cos k.a); nothing along z."""
    f = [(0.1, 0.35), (0.5, 0.2)]
    w2 = squared(slab("frequency", layers=1, spring_nn=spring, k_list=f, **SPRING_SLAB))
    expected = [np.sort([0, *(2 * spring * (1 - np.cos(2 * np.pi * np.array(x))))]) for x in f]

    assert w2 == pytest.approx(np.array(expected), abs=1e-12)


def test_a_pair_of_layers_has_the_optical_modes_of_its_bonds():
    """(100), two layers at k = 0: 4 bonds at 45 degrees, w2 = 2 (2k) along z, 2k in plane."""
    w2 = squared(slab("frequency", layers=2, k_list=[(0.0, 0.0)], **SPRING_SLAB))

    assert w2[0] == pytest.approx([0, 0, 0, 2, 2, 4], abs=1e-12)


@pytest.mark.parametrize("ratio", ["1.0", "1.5"])
@pytest.mark.parametrize(
    ("point", "fraction"), [("3.14159,0", (0.5, 0.5)), ("1.5708,1.5708", (0.5, 0))]
)
def test_changed_surface_springs_give_the_reference_modes(ratio, point, fraction):
    """Musser and Rieder. Here both faces are changed, so each mode comes twice; 60 layers
    keep the faces apart where the reference has 20 and one changed face."""
    entry = SPRINGS["musser_rieder_fcc100"][f"k={point}/s={ratio}"]
    got = slab("frequency mode_kind", layers=60, surface_bond_ratio=float(ratio),
               k_list=[fraction], **SPRING_SLAB)  # fmt: skip
    w2, kind = squared(got["frequency"][0]), got["mode_kind"][0]

    below = np.repeat(entry["below"], 2)
    above = np.repeat(sorted(entry["above"]), 2)
    assert w2[kind == KINDS.index("below")] == pytest.approx(below, rel=1e-6)
    # 1e-4: splitting of the 20 layers of the reference
    assert w2[kind == KINDS.index("above")] == pytest.approx(above, rel=1e-4)


@pytest.mark.parametrize(("case", "fraction"), [("a", (0.25, 0.0)), ("b", (0.5, 0.5))])
def test_spring_slabs_have_the_reference_moments(case, fraction):
    """First moments by direction in the surface layer: sums over |e|^2 w."""
    entry = SPRINGS["nn_spectral"][case]
    got = slab("frequency eigenvector", layers=31, k_list=[fraction], **SPRING_SLAB)
    share = np.abs(got["eigenvector"][0, :, 0]) ** 2

    assert got["frequency"][0, :2] == pytest.approx(entry["lowest_pair"], rel=1e-6)
    assert got["frequency"][0] @ share == pytest.approx(entry["surface_first_moment_xyz"], rel=1e-6)


# --- sum rules and symmetry ---


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("relaxed", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 7])
def test_a_rigid_shift_costs_nothing(surface, relaxed, layers):
    got = slab("n_zero n_negative frequency", surface=surface, relaxed=relaxed, layers=layers,
               adlayer="none" if layers < 2 else "one side", adlayer_mass_ratio=2.0,
               k_list=[(0.0, 0.0)])  # fmt: skip

    assert got["n_zero"] == [3]
    assert got["n_negative"] == [0]
    # rounding of 1e-14 in w2 against pair sums of some hundred
    assert np.sort(np.abs(got["frequency"][0]))[:3] == pytest.approx([0] * 3, abs=1e-4)


def test_one_layer_of_lennard_jones_buckles():
    """Stretched by the bulk's spacing it would be stable; compressed beyond its own it is not."""
    got = slab("n_negative frequency", layers=1, k_list=[(0.2, 0.1), (0.0, 0.0)])

    assert got["n_negative"].tolist() == [1, 0]
    assert got["frequency"][0, 0] < -0.1
    point = SLAB.parameters(layers=1, k_list=[(0.2, 0.1)])
    stage = SLAB.stage("modes")
    assert stage.unstable(Evaluator(SLAB).whole(stage, point)).tolist() == [True]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    surface=st.sampled_from(SURFACES),
    layers=st.integers(1, 7),
    masses=st.lists(st.floats(0.05, 20), max_size=7),
    k=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_verdicts_hold_for_any_masses_and_wavevector(surface, layers, masses, k):
    got = slab("sum_rule_residual asymmetry n_modes surface_weight normal_weight top_weight "
               "frequency", surface=surface, layers=layers, cutoff=2.3, surface_depth=1,
               layer_masses=tuple(masses[:layers]), k_list=[k])  # fmt: skip

    assert got["sum_rule_residual"][0] < 1e-12
    assert got["asymmetry"][0] < 1e-12
    assert got["n_modes"] == 3 * layers == len(got["frequency"][0])
    # completeness: every coordinate is shared out once among the modes
    assert got["normal_weight"].sum() == pytest.approx(layers, rel=1e-11)
    assert got["top_weight"].sum() == pytest.approx(3, rel=1e-11)
    assert got["surface_weight"].sum() == pytest.approx(3 * min(layers, 2), rel=1e-11)
    assert (np.diff(squared(got["frequency"][0])) >= 0).all()


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    surface=st.sampled_from(SURFACES),
    masses=st.lists(st.floats(0.05, 20), min_size=1, max_size=5),
    k=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_a_slab_turned_over_has_the_same_spectrum(surface, masses, k):
    """Inversion turns a slab over and k into -k, and time reversal turns k back."""
    common = {"surface": surface, "layers": len(masses), "cutoff": 2.3, "k_list": [k]}
    one = squared(slab("frequency", layer_masses=tuple(masses), **common))
    other = squared(slab("frequency", layer_masses=tuple(masses[::-1]), **common))

    assert other == pytest.approx(one, abs=1e-11 * np.abs(one).max())


def test_a_heavier_layer_lowers_every_frequency():
    """Rayleigh's theorem, of squares: those of the zero modes at Gamma are rounding."""
    clean = squared(slab("frequency", layers=6, k_points=7))
    heavy = squared(slab("frequency", layers=6, k_points=7, layer_masses=(1.0, 1.0, 2.0)))

    assert (heavy <= clean + 1e-11 * clean.max()).all()
    assert (heavy < clean - 1).any()


def test_weights_of_the_two_faces_are_equal_in_a_clean_slab():
    got = slab(
        "surface_weight top_weight frequency", layers=9, surface_depth=1, k_list=[(0.2, 0.1)]
    )
    pairs = np.diff(got["frequency"][0]) > 1e-6  # modes of one frequency could mix

    assert pairs.all()
    assert 2 * got["top_weight"] == pytest.approx(got["surface_weight"], abs=1e-9)


def test_a_resonance_needs_a_slab_of_four_times_the_depth():
    """Layers 4 * surface_depth is the least for which the outer layers are a minor part."""
    common = {"k_list": [(0.5, 0.5)], **SPRING_SLAB, "surface_bond_ratio": 1.5}
    at = KINDS.index("resonance")
    thick = slab("mode_kind surface_weight", layers=12, surface_depth=3, **common)
    thin = slab("mode_kind", layers=11, surface_depth=3, **common)

    assert (thick["mode_kind"] == at).any()
    assert (thick["surface_weight"][thick["mode_kind"] == at] >= 0.5).all()
    assert not (thin == at).any()


# --- parameters ---


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"surface": "210"}, "'100', '110', '111' or '0001'"),
        ({"layers": 0}, "greater than or equal to 1"),
        ({"layers": 20_001}, "less than or equal to 20000"),
        ({"cutoff": 0.9}, "greater than or equal to 1"),
        ({"adlayer_mass_ratio": 0.0}, "greater than 0"),
        ({"spring_nnn": -0.1}, "greater than or equal to 0"),
        ({"temprature": 3.0}, "Extra inputs are not permitted"),
        ({"k_mesh": 4, "k_list": [(0.1, 0.1)]}, "`k_mesh`, `k_list` exclude each other"),
        ({"k_path": "G-M", "k_mesh": 4}, "`k_path`, `k_mesh` exclude each other"),
        ({"k_list": []}, "at least 1 item"),
        ({"k_path": "G-X"}, r"names 'X', which fcc \(111\) does not have"),
        ({"surface": "110", "k_points": 4}, "`k_points` = 4 is too few"),
        ({"layers": 1, "adlayer": "one side"}, "leaves no substrate.*at least 2 layers"),
        ({"layers": 2, "adlayer": "both sides"}, "leaves no substrate.*at least 3 layers"),
        ({"layers": 2, "layer_masses": [1.0] * 3}, "names 3 masses for 2 layers"),
        ({"layer_masses": [2.0], "adlayer": "one side"}, "both set the mass of the outermost"),
        ({"nn_distance": 1.1}, "interior would not be in equilibrium. Set `relaxed` = false"),
        ({"nn_distance": 1.1, "forces": "springs"}, "`nn_distance` has no meaning for springs"),
        ({"nn_distance": 2.0, "relaxed": False}, "less than or equal to 1.3"),
        ({"material": "Ar", "forces": "springs"}, '`material` .* leave it at "reduced"'),
        ({"material": "He"}, "'reduced', 'Ne', 'Ar', 'Kr' or 'Xe'"),
        ({"crystal": "hcp"}, '"111" is no face of `crystal` = "hcp". Faces of hcp: 0001'),
        ({"surface": "0001"}, "Faces of fcc: 100, 110, 111"),
        ({"crystal": "sc", "surface": "110"}, "Faces of sc: 100"),
        ({"layers": "endless"}, "'infinite'"),
        ({"layers": "infinite", "adlayer": "both sides"}, 'has one side. Use "one side"'),
        ({"layers": "infinite", "solver": "banded"}, 'no list of modes.*Leave it at "auto"'),
        ({"k_mesh": 2, "temperatures": [2.0, 1.0]}, "`temperatures` must ascend"),
        ({"k_mesh": 2, "temperatures": [1.0, 1.0]}, "without repeats"),
        ({"k_mesh": 2, "temperatures": [-1.0]}, "greater than or equal to 0"),
        ({"temperatures": [1.0]}, "sums over the surface zone.*Give `k_mesh`"),
        ({"superlattice_period": 2, "layer_masses": [2.0]}, "Give one of them"),
        ({"superlattice_period": -1}, "greater than or equal to 0"),
        ({"superlattice_mass_ratio": 0.0}, "greater than 0"),
        ({"line_shape": "linear"}, "interpolates between wavevectors of a mesh"),
        ({"line_shape": "linear", "k_list": [(0.1, 0.2)]}, "Give `k_mesh`"),
        ({"nn_distance": "zero-point", "relaxed": False}, 'Give `material` = "Ne"'),
        ({"nn_distance": {"temperature": 9.0}, "relaxed": False}, "{temperature = 9.0}"),
        ({"nn_distance": "zero-point", "material": "Ar"}, '"zero-point" with `relaxed` = true'),
        ({"nn_distance": {"temperature": -1.0}}, "greater than or equal to 0"),
        ({"scattering_vector": (1.0, 2.0)}, "(?i)field required|at least 3|should have"),
        ({"grid_max": 0.0}, "greater than 0"),
        ({"grid_width": "wide"}, "'auto'"),
        ({"grid_points": 1}, "greater than or equal to 2"),
        ({"material": {"epsilon_K": 1.0, "sigma_angstrom": 0.0, "mass_u": 1.0}}, "greater than 0"),
    ],
)
def test_a_slab_that_makes_no_sense_is_refused(parameters, match):
    with pytest.raises(ValidationError, match=match):
        SLAB.parameters(**parameters)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"forces": "springs", "cutoff": 3.0}, {"forces": "springs", "relaxed": False}),
        ({"spring_nn": 2.0}, {"spring_nnn": 0.5}),
        ({"adlayer_mass_ratio": 3.0, "adlayer_bond_ratio": 2.0}, {}),
        ({"adlayer": "both sides"}, {"adlayer": "one side"}),
        ({"layers": 1, "surface_bond_ratio": 2.0}, {"layers": 1}),
        ({"k_path": "G-M-K-G"}, {}),
        ({"k_mesh": 4, "k_points": 7}, {"k_mesh": 4}),
        ({"k_mesh_shift": "gamma"}, {}),
        ({"superlattice_period": 3}, {}),
        ({"superlattice_mass_ratio": 3.0}, {}),
        ({"layer_masses": (2.0, 1.0)}, {"layer_masses": (2.0,)}),
    ],
)
def test_parameters_without_effect_are_one_point(one, other):
    assert SLAB.parameters(**one).canonical() == SLAB.parameters(**other).canonical()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"adlayer": "one side", "adlayer_mass_ratio": 2.0}, {}),
        ({"adlayer": "one side", "adlayer_bond_ratio": 2.0}, {}),
        ({"forces": "springs", "spring_nnn": 0.5}, {"forces": "springs"}),
        ({"surface_bond_ratio": 2.0}, {}),
        ({"k_mesh": 4, "k_mesh_shift": "gamma"}, {"k_mesh": 4}),
        ({"k_points": 7}, {}),
        ({"superlattice_period": 3, "superlattice_mass_ratio": 3.0}, {}),
        # an adlayer of mass 1 on a superlattice takes the place of its mass
        (
            {"superlattice_period": 3, "superlattice_mass_ratio": 3.0, "adlayer": "both sides"},
            {"superlattice_period": 3, "superlattice_mass_ratio": 3.0},
        ),
    ],
)
def test_parameters_with_an_effect_stay_apart(one, other):
    assert SLAB.parameters(**one).canonical() != SLAB.parameters(**other).canonical()


def test_bond_ratios_multiply_and_both_faces_have_them():
    p = SLAB.parameters(layers=4, adlayer="one side", adlayer_bond_ratio=3.0,
                        surface_bond_ratio=2.0)  # fmt: skip

    assert p.strengths().tolist() == [[1, 1, 1, 1], [6, 1, 2, 1], [3, 1, 1, 1], [3, 1, 1, 1]]


def test_two_adlayers_keep_the_host_strength_between_each_other():
    p = SLAB.parameters(layers=3, adlayer="both sides", adlayer_bond_ratio=3.0)

    assert p.strengths().tolist() == [[1, 1, 1], [3, 3, 1], [1, 1, 1]]


def test_the_top_layer_carries_a_one_sided_adlayer():
    p = SLAB.parameters(layers=3, adlayer="one side", adlayer_mass_ratio=5.0)

    assert p.masses().tolist() == [5, 1, 1]
    # the heavy face has the low mode
    top = slab("top_weight", layers=6, adlayer="one side", adlayer_mass_ratio=50.0,
               cutoff=2.3, k_list=[(0.5, 0.0)])  # fmt: skip
    assert top[0, 0] > 0.99


@pytest.mark.parametrize("cutoff", [2.3, 8.03])
@pytest.mark.parametrize("surface", SURFACES)
def test_the_cost_covers_the_list_of_pairs_that_the_process_then_keeps(surface, cutoff):
    """The contract measures calls that find the list there; the first one makes it."""
    import tracemalloc

    p = SLAB.parameters(surface=surface, layers=2, cutoff=cutoff, k_points=5)
    stage = SLAB.stage("structure")
    evaluator = Evaluator(SLAB)
    evaluator.whole(SLAB.stage("crystal"), p)
    find_pairs.cache_clear()
    tracemalloc.start()
    evaluator.whole(stage, p)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < stage.cost(p, SLAB.parts(stage, p)[0]).peak_bytes


def test_the_vectors_give_back_the_spectral_weight_of_the_matrix():
    """Sum over modes of e e* f(w2) is a function of D; here the projector on modes below."""
    got = slab("frequency eigenvector", layers=4, cutoff=2.3, k_list=[(0.3, 0.1)])
    e = got["eigenvector"][0].reshape(12, 12)
    d = np.einsum("mi,m,mj->ij", e, squared(got["frequency"][0]), e.conj())

    assert linalg.ishermitian(d, atol=1e-10)
    assert np.linalg.eigvalsh(d) == pytest.approx(squared(got["frequency"][0]), abs=1e-9)
