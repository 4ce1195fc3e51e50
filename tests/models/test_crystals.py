"""Crystals beside fcc, and superlattices: references, brute force, elasticity, equilibrium."""

from dataclasses import replace

import numpy as np
import pytest
from known import SLAB, known, slab, squared
from plain_slab import FACES, SPRINGS, key_of, masses_of, plain_matrices
from slab_by_hand import lennard_jones, pair_list, static_energy

from models.crystal.lattices import VOLUME
from models.evaluate import Evaluator
from models.modes.bulk_bands import bulk_bands, place_modes
from models.slab.modes import endless_crystal

OTHERS = known("other_crystals")
SUPERLATTICE = known("adlayers")["superlattice"]
HCP = FACES["hcp 0001"]
AT_REST = "layer_height nearest_neighbour_distance"
K = [(0.0, 0.0), (0.5, 0.0), (0.21, -0.37), (0.5, 0.5), (1 / 3, 2 / 3)]


def assert_extremes(w, points, skip=0):
    """Lowest six and highest three of the reference, to 1e-6."""
    for row, (name, point) in zip(w, points.items(), strict=True):
        lowest = row[3:9] if name == "G" else row[:6]
        assert lowest == pytest.approx(point["lowest"], rel=1e-6), name
        assert row[:-4:-1] == pytest.approx(point["highest"], rel=1e-6), name


# --- references ---


def test_hcp_has_the_reference_crystal_relaxation_and_frequencies():
    entry = OTHERS["hcp0001"]
    p = {**HCP, "layers": entry["L"], "k_list": [(0.5, 0.0)], "relaxed": True}
    got = slab("nearest_neighbour_distance c_over_a layer_shift frequency", **p)
    crystal = Evaluator(SLAB).whole(SLAB.stage("crystal"), SLAB.parameters(**p))
    spacing = entry["a"] * entry["c_over_a"] / 2

    assert got["nearest_neighbour_distance"] == pytest.approx(entry["a"], rel=1e-9)
    assert got["c_over_a"] == pytest.approx(entry["c_over_a"], rel=1e-9)
    assert crystal["energy"][0] == pytest.approx(entry["energy_per_atom"], rel=1e-9)
    # outward shifts of a few hundredths, from heights that are exact to 1e-11
    assert got["layer_shift"][:4] * spacing == pytest.approx(entry["displacement_sigma"], rel=1e-6)
    assert_extremes(got["frequency"], entry["points"])


def test_bcc_with_springs_has_the_reference_frequencies():
    entry = OTHERS["bcc"]
    w = slab("frequency", crystal="bcc", surface="100", layers=entry["L"], forces="springs",
             spring_nn=entry["k1"], spring_nnn=entry["k2"],
             k_list=[tuple(p["k_frac"]) for p in entry["points"].values()])  # fmt: skip

    assert_extremes(w, entry["points"])


def test_a_superlattice_is_named_by_its_period():
    """The reference lists masses; three layers of mass 1, three of mass 3, and so on."""
    points = SUPERLATTICE["points"]
    w = slab("frequency", layers=SUPERLATTICE["L"], superlattice_period=3,
             superlattice_mass_ratio=3.0,
             k_list=[tuple(p["k_frac"]) for p in points.values()])  # fmt: skip

    assert_extremes(w, points)


# --- brute force ---

SLABS = {
    **{f"{name}, {n} layers": {**p, "layers": n} for name, p in FACES.items() for n in (4, 5)},
    "hcp, one layer": {**HCP, "layers": 1},
    "hcp, two layers": {**HCP, "layers": 2},
    "hcp, springs": {**HCP, "layers": 5, **SPRINGS},
    "hcp, adlayer on an even slab": {
        **HCP, "layers": 4, "adlayer": "one side", "adlayer_mass_ratio": 3.0,
        "adlayer_bond_ratio": 1.3,
    },
    "hcp, adlayers": {**HCP, "layers": 5, "adlayer": "both sides", "adlayer_mass_ratio": 0.2},
    "hcp, superlattice": {
        **HCP, "layers": 6, "superlattice_period": 1, "superlattice_mass_ratio": 2.0,
    },
    "bcc 110, masses": {**FACES["bcc 110"], "layers": 4, "layer_masses": (2.0, 1.0, 0.5)},
    "bcc, Lennard-Jones": {"crystal": "bcc", "surface": "100", "layers": 4},
    "sc, adlayer": {
        **FACES["sc 100"], "layers": 4, "adlayer": "one side", "adlayer_mass_ratio": 0.3,
    },
    "fcc 110, superlattice": {
        "surface": "110", "layers": 7, "superlattice_period": 2, "superlattice_mass_ratio": 3.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SLABS)
def test_every_crystal_has_the_spectrum_of_the_plain_matrix(name):
    """Frequencies, and vectors that are orthonormal and solve it. 1e-11 is rounding."""
    p = {"cutoff": 2.3, **SLABS[name]}
    got = slab(f"frequency eigenvector {AT_REST}", k_list=K, **p)
    distance = float(got["nearest_neighbour_distance"])
    plain = plain_matrices(p, K, got["layer_height"], distance)
    scale = np.abs(plain).max()

    for d, w, e in zip(plain, got["frequency"], got["eigenvector"], strict=True):
        e = e.reshape(len(d), -1)
        assert squared(w) == pytest.approx(np.linalg.eigvalsh(d), abs=1e-11 * scale)
        assert e.conj() @ e.T == pytest.approx(np.eye(len(d)), abs=1e-11)
        assert np.abs(d @ e.T - e.T * squared(w)).max() < 1e-11 * scale


@pytest.mark.parametrize("layers", [4, 5])
def test_a_relaxed_hcp_slab_has_the_least_energy_by_hand(layers):
    """Even slabs have an inversion centre, odd ones a mirror; each layer may move alone."""
    p = {**HCP, "layers": layers, "cutoff": 2.3}
    got = slab(f"surface_energy relaxation_force {AT_REST}", k_list=[(0.1, 0.2)], **p)
    crystal = Evaluator(SLAB).whole(SLAB.stage("crystal"), SLAB.parameters(**p))
    distance, heights = float(got["nearest_neighbour_distance"]), got["layer_height"]

    def energy(z):
        return static_energy("hcp 0001", z, np.ones((layers,) * 2), distance, 2.3, lennard_jones)

    least = energy(heights)
    assert (least - layers * crystal["energy"][0]) / 2 == pytest.approx(got["surface_energy"])
    for layer in range(layers):
        step = 2e-5 * (np.arange(layers) == layer)
        up, down = energy(heights + step), energy(heights - step)
        assert (up - down) / 4e-5 == pytest.approx(0, abs=1e-6)  # of the square of the step
        assert up + down > 2 * least


# --- the endless crystal ---


def hcp_energy(a, c):
    """Energy of an atom of hcp by hand, the pairs of ideal spheres out to 2.3."""
    energy = 0.0
    for steps in range(-3, 4):
        xy, _ = pair_list("hcp 0001", steps, 2.3)
        r = np.hypot(np.linalg.norm(xy, axis=1) * a, steps * c / 2)
        energy += lennard_jones(r, None)[0].sum() / 2
    return energy


def test_hcp_is_free_of_stress_along_a_and_along_c():
    got = slab("nearest_neighbour_distance c_over_a", cutoff=2.3, k_list=[(0.1, 0.2)], **HCP)
    a = float(got["nearest_neighbour_distance"])
    c = a * float(got["c_over_a"])
    least, step = hcp_energy(a, c), 2e-5

    assert got["c_over_a"] != pytest.approx(np.sqrt(8 / 3), abs=1e-6)
    for da, dc in ((step, 0.0), (0.0, step), (step, -step), (step, step)):
        up, down = hcp_energy(a + da, c + dc), hcp_energy(a - da, c - dc)
        assert (up - down) / (2 * step) == pytest.approx(0, abs=1e-6)  # of the square of the step
        assert up + down > 2 * least


ELASTIC = {
    "hcp": {**HCP, "cutoff": 3.1},
    "hcp, springs": {**HCP, **SPRINGS},
    "bcc": FACES["bcc 100"],
    "sc": FACES["sc 100"],
}


@pytest.mark.parametrize("name", ELASTIC)
@pytest.mark.parametrize(
    "direction", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.6, 0, 0.8), (0.5, 0.7, 0.51)]
)
def test_elastic_constants_are_the_slopes_of_acoustic_waves(name, direction):
    """rho v^2 is an eigenvalue of Christoffel's matrix. Waves of q = 1/1000 and twice that: the
    rest is of the order q^4 = 1e-11 after extrapolation, and rounding of w2 gives 1e-7."""
    p = SLAB.parameters(layers=2, k_list=[(0.1, 0.2)], **ELASTIC[name])
    crystal = {k: v[0] for k, v in Evaluator(SLAB).whole(SLAB.stage("crystal"), p).items()}
    distance, stretch = float(crystal["nearest_neighbour_distance"]), float(crystal["stretch"])
    spacing = p.face.spacing * distance * stretch
    density = 1 / (VOLUME[p.crystal] * distance**3 * stretch)
    n = np.array(direction) / np.linalg.norm(direction)

    def w2_over_q2(q):
        k = q * n
        endless = endless_crystal(p, crystal, k[None, :2])
        return endless.squared(np.array([[k[2] * spacing]]))[0, 0, :3] / q**2

    speeds = (4 * w2_over_q2(1e-3) - w2_over_q2(2e-3)) / 3
    expected = np.linalg.eigvalsh(christoffel(*crystal["elastic_constant"], n, p.crystal == "hcp"))

    assert density * speeds == pytest.approx(expected, rel=1e-6)


def christoffel(c11, c12, c13, c33, c44, n, hexagonal):
    """C_ijkl n_j n_l of a hexagonal crystal, z along c, or of a cubic one."""
    c66 = (c11 - c12) / 2 if hexagonal else c44
    x, y, z = n
    return np.array([
        [c11 * x * x + c66 * y * y + c44 * z * z, (c12 + c66) * x * y, (c13 + c44) * x * z],
        [(c12 + c66) * x * y, c66 * x * x + c11 * y * y + c44 * z * z, (c13 + c44) * y * z],
        [(c13 + c44) * x * z, (c13 + c44) * y * z, c44 * (x * x + y * y) + c33 * z * z],
    ])  # fmt: skip


@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_springs_have_the_elastic_constants_of_their_bonds(ratio):
    """bcc: 8 bonds along [111] and 6 along [100] of 4/3 the squared length, volume 4/sqrt 27."""
    c = slab("elastic_constant", crystal="bcc", surface="100", forces="springs", spring_nnn=ratio,
             layers=2, k_list=[(0.1, 0.2)])  # fmt: skip
    volume = 4 / np.sqrt(27)
    nearest, second = 8 / 9 / (2 * volume), 2 * ratio * 4 / 3 / (2 * volume)

    expected = [nearest + second, nearest, nearest, nearest + second, nearest]
    assert c == pytest.approx(expected, rel=1e-12)


def endless_of(p, k):
    """The endless crystal of a point at in-plane wavevectors (n, 2)."""
    point = SLAB.parameters(**p)
    crystal = Evaluator(SLAB).whole(SLAB.stage("crystal"), point)
    return endless_crystal(point, {n: v[0] for n, v in crystal.items()}, np.array(k))


def folded(p, masses, angle, k):
    """Squared frequencies of the endless crystal with these masses, at angles k_z h."""
    endless = replace(endless_of(p, [k]), masses=np.array(masses))
    return endless.squared(np.array([angle]))[0]


@pytest.mark.parametrize("name", ["fcc 111", "hcp 0001", "bcc 110"])
def test_a_longer_cell_of_equal_masses_folds_the_bands(name):
    """At k_z h = angle a cell of four layers has the modes of angle + pi/2 times 0 .. 3."""
    p = {**FACES[name], "layers": 4, "cutoff": 2.3, "k_list": [(0.1, 0.2)]}
    period = 2 if name == "hcp 0001" else 1
    steps = 2 * np.pi / 4 * np.arange(4 // period)
    short = folded(p, np.ones(period), 0.3 + steps, (0.4, 0.7))
    long = folded(p, np.ones(4), np.array([0.3]), (0.4, 0.7))

    assert long[0] == pytest.approx(np.sort(short.ravel()), rel=1e-12)


def test_the_cell_of_a_superlattice_has_the_moments_of_its_matrix():
    """The mean over k_z of sum w2 is the trace of the self terms over the masses, and the
    modes at -k_z are those at k_z."""
    p = {"layers": 4, "cutoff": 2.3, "k_list": [(0.1, 0.2)], "surface": "110"}
    angle = 2 * np.pi * (np.arange(24) + 0.3) / 24
    masses = np.array([1.0, 1.0, 3.0, 3.0])
    one = folded(p, [1.0], angle, (0.4, 0.7))
    two = folded(p, masses, angle, (0.4, 0.7))

    assert two.sum(axis=1).mean() == pytest.approx((1 / masses).sum() * one.sum(axis=1).mean())
    assert folded(p, masses, -angle, (0.4, 0.7)) == pytest.approx(two, rel=1e-10)


# --- unstable crystals ---


@pytest.mark.parametrize("surface", ["100", "110"])
def test_a_bcc_crystal_of_lennard_jones_atoms_is_unstable(surface):
    """C11 < C12: long shear waves along [110] grow. It is told, and nothing thermal is given."""
    got = slab("frequency n_negative elastic_constant heat_capacity surface_free_energy "
               "mean_square_displacement debye_temperature", crystal="bcc", surface=surface,
               layers=6, relaxed=False, k_mesh=4, temperatures=(1.0,))  # fmt: skip
    c11, c12 = got["elastic_constant"][:2]

    assert c11 - c12 == pytest.approx(-13.8, abs=0.5)  # -13.8 for all pairs
    assert (got["frequency"] < -1).any()
    assert ((got["frequency"] < -1e-3).sum(axis=1) == got["n_negative"]).all()
    for name in ("heat_capacity", "surface_free_energy", "mean_square_displacement",
                 "debye_temperature"):  # fmt: skip
        assert np.isnan(got[name]).all(), name
    point = SLAB.parameters(crystal="bcc", surface=surface, layers=6, relaxed=False, k_mesh=4,
                            temperatures=(1.0,))  # fmt: skip
    stage = SLAB.stage("thermal")
    assert stage.unstable(Evaluator(SLAB).whole(stage, point)).tolist() == [True]


# --- superlattices ---

PERIODIC = {"surface": "100", "forces": "springs", "spring_nnn": 0.3,
            "superlattice_mass_ratio": 3.0, "k_list": [(0.31, 0.12), (0.5, 0.5)]}  # fmt: skip


def bands_of(p, scan=400):
    """Bands at the wavevectors of a point alone: a stage pads them to a grain of 32."""
    point = SLAB.parameters(**p)
    return bulk_bands(endless_of(p, point.k_set.vectors(point.face)), scan)


@pytest.mark.parametrize("period", [1, 2])
def test_bands_of_a_superlattice_hold_all_but_a_few_modes_of_a_thick_slab(period):
    """What lies outside is at the two faces, so that twice the layers add none."""
    bands = bands_of({**PERIODIC, "layers": 4, "superlattice_period": period})
    outside = []
    for layers in (16 * period, 32 * period):
        w = slab("frequency", layers=layers, superlattice_period=period, **PERIODIC)
        outside.append((place_modes(w, bands) > 0).sum(axis=1))

    assert bands.shape == (2, 6 * period, 2)
    assert outside[0] == pytest.approx(outside[1], abs=1)
    assert (outside[1] < 12 * period).all()
    assert (outside[1] > 0).any()


@pytest.mark.parametrize("period", [1, 2])
def test_bands_of_a_superlattice_are_filled_by_a_plain_scan(period):
    """It reaches the edges to the square of its step; half of the scan of 400 finds the same."""
    p = {**PERIODIC, "layers": 4, "superlattice_period": period}
    point = SLAB.parameters(**p)
    endless = endless_of(p, point.k_set.vectors(point.face))
    found = np.sqrt(endless.squared(np.tile(np.linspace(0, 2 * np.pi, 500), (2, 1))))
    bands = bulk_bands(endless)

    assert bulk_bands(endless, 200) == pytest.approx(bands, abs=1e-8, nan_ok=True)
    for here, w in zip(bands, found.reshape(2, -1), strict=True):
        here = here[~np.isnan(here[:, 0])]
        inside = [(w > low - 1e-6) & (w < high + 1e-6) for low, high in here]
        assert np.any(inside, axis=0).all()
        for edge in here.ravel():
            assert np.abs(w - edge).min() < 1e-4
        assert len(here) > 1  # the masses open gaps


def test_the_stored_bands_of_a_superlattice_are_those_of_its_own_crystal():
    p = {**PERIODIC, "layers": 4, "superlattice_period": 1}
    got = slab("bulk_band bulk_band_error frequency", **p)

    assert got["bulk_band"] == pytest.approx(bands_of(p), abs=1e-12, nan_ok=True)
    assert np.nanmax(got["bulk_band_error"]) < 1e-8 * got["frequency"].max()


@pytest.mark.parametrize("name", ["fcc 111", "hcp 0001"])
def test_a_superlattice_of_equal_masses_is_the_clean_crystal(name):
    """As one point, and through the longer cell too."""
    common = {**FACES[name], "layers": 4, "cutoff": 2.3}
    p = SLAB.parameters(superlattice_period=2, superlattice_mass_ratio=1.0, **common)
    assert p.canonical() == SLAB.parameters(**common).canonical()
    near = {"superlattice_period": 2, "superlattice_mass_ratio": 1 + 1e-12}
    names = "frequency surface_heat_capacity"
    where = {"k_mesh": 2, "temperatures": (2.0,), "errors": False}
    clean, long = (slab(names, **common, **where, **more) for more in ({}, near))

    assert long["frequency"] == pytest.approx(clean["frequency"], rel=1e-9)
    assert long["surface_heat_capacity"] == pytest.approx(clean["surface_heat_capacity"], rel=1e-8)
    bands = [bands_of({**common, **more, "k_list": [(0.31, 0.12)]})[0] for more in ({}, near)]
    edges = [b[~np.isnan(b[:, 0])] for b in bands]
    assert edges[1] == pytest.approx(edges[0], rel=1e-7)


def test_masses_of_a_superlattice_are_those_of_a_list():
    p = {"layers": 7, "superlattice_period": 2, "superlattice_mass_ratio": 3.0}

    assert SLAB.parameters(**p).masses().tolist() == [1, 1, 3, 3, 1, 1, 3]
    assert masses_of(p).tolist() == [1, 1, 3, 3, 1, 1, 3]
    assert key_of(HCP) == "hcp 0001"
    ends = SLAB.parameters(adlayer="both sides", adlayer_mass_ratio=5.0, **p).masses()
    assert ends.tolist() == [5, 1, 3, 3, 1, 1, 5]
