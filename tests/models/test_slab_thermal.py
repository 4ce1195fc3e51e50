"""Thermal variables of the slab: references, functions of the whole matrix, limits, symmetry."""

from functools import partial

import numpy as np
import pytest
from known import SLAB, known, slab
from plain_slab import FACES, SPRINGS, masses_of, of_matrix, plain_matrices, whole_mesh
from slab_by_hand import bulk_matrix, lennard_jones, wavevector
from test_bulk_bands import AXES

from models.evaluate import Evaluator
from models.slab.modes import endless_crystal
from models.thermal.oscillators import displacement
from models.units import GASES

REFERENCE = known("displacements")
THERMO = known("thermodynamics")
FUNCTIONS = ("internal_energy", "free_energy", "entropy", "heat_capacity")
BOTH = "mean_square_displacement mean_square_velocity"
HOT = 1e5
"""So hot that quantum corrections, (28/T)^2/12, are under 1e-8."""


def thermal(names, temperatures, **parameters):
    return slab(names, temperatures=tuple(temperatures), errors=False, **parameters)


# --- references, to 1e-5 ---

MSD = [(face, kind) for face, entry in REFERENCE["msd"].items() for kind in entry
       if isinstance(entry[kind], dict)]  # fmt: skip


@pytest.mark.parametrize(("face", "kind"), MSD)
def test_displacements_and_velocities_are_the_reference_ones(face, kind):
    entry = REFERENCE["msd"][face]
    expected, scale, speed, warm = entry[kind], 1.0, 1.0, {"material": "reduced"}
    if kind.startswith("high_T"):
        t, scale = HOT, HOT
    elif kind.startswith("T0"):
        t = 0.0
    else:
        name, t = kind[:2], float(kind[3:-1])
        gas, warm = GASES[name], {"material": name}
        scale = gas.sigma_angstrom**2
        speed = (gas.angular_frequency * gas.sigma_angstrom * 1e-12) ** 2
    got = thermal(f"{BOTH} debye_temperature", [t], surface=face[3:6], layers=entry["L"],
                  k_mesh=entry["mesh_N"], relaxed=entry["relaxed"], **warm)  # fmt: skip
    u2 = got["mean_square_displacement"][0] / scale

    assert u2[:5] == pytest.approx(np.array(expected["u2_layers_xyz"]), rel=1e-6)
    assert u2[entry["L"] // 2] == pytest.approx(expected["u2_mid_xyz"], rel=1e-6)
    if "v2_layers_xyz" in expected:
        v2 = got["mean_square_velocity"][0, :2] / speed
        assert v2 == pytest.approx(np.array(expected["v2_layers_xyz"]), rel=1e-6)
    if "debye_temperature_K_surface_xyz" in expected:
        theta = got["debye_temperature"][0, 0]
        assert theta == pytest.approx(expected["debye_temperature_K_surface_xyz"], rel=1e-6)


@pytest.mark.parametrize("face", ["fcc100", "fcc111"])
def test_the_endless_crystal_has_the_reference_displacements(face):
    """The cyclic crystal of 21 layers that surface excess is counted from."""
    entry = REFERENCE["msd"][face]
    p = SLAB.parameters(surface=face[3:], layers=entry["L"], k_mesh=entry["mesh_N"])
    crystal = {n: v[0] for n, v in Evaluator(SLAB).whole(SLAB.stage("crystal"), p).items()}
    f = np.array(whole_mesh({"surface": face[3:]}, entry["mesh_N"]))
    k = f @ p.face.reciprocal / crystal["nearest_neighbour_distance"]
    angle = np.tile(2 * np.pi * np.arange(21) / 21, (len(k), 1))
    w = np.sqrt(endless_crystal(p, crystal, k).squared(angle)).reshape(1, -1)
    u2 = displacement(w, np.full((1, w.size), 1 / w.size), np.array([0.0, HOT]))[0, :, 0]

    zero = entry["T0_per_hbar"]["u2_bulk_cyclic_mean"]
    hot = entry["high_T_limit_u2_over_T"]["u2_bulk_cyclic_mean"]
    assert u2 / [1, HOT] == pytest.approx([zero, hot], rel=1e-7)


def test_springs_have_the_reference_displacements():
    """u2 k/T in the classical limit, which the spring does not change."""
    entry = REFERENCE["nn_high_T"]
    u2 = thermal("mean_square_displacement", [HOT], surface="100", forces="springs",
                 layers=entry["L"], k_mesh=entry["mesh_N"])[0] / HOT  # fmt: skip

    for layer, name in ((0, "surface_xyz"), (1, "second_xyz"), (10, "mid_xyz")):
        assert u2[layer] == pytest.approx(entry[name], rel=1e-6)


def test_the_table_of_springs_on_110_is_reached_without_its_rigid_shifts():
    """Gamma-centred 10 x 10 mesh of 20 layers, the zero modes at Gamma left out; what was
    printed has two digits."""
    entry = REFERENCE["nn_table3"]
    u2 = thermal("mean_square_displacement", [HOT], surface="110", forces="springs", layers=20,
                 k_mesh=10, k_mesh_shift="gamma")[0] / HOT  # fmt: skip
    names = ("surface_[1-10]", "surface_[001]", "surface_[110]_normal")

    assert u2[0] == pytest.approx([entry[n] for n in names], rel=1e-6)
    assert u2[9].mean() == pytest.approx(entry["mid_layer_mean"], rel=1e-6)
    printed = entry["printed_table3"]
    assert u2[0] == pytest.approx(
        [printed["[1-10]"], printed["[001]"], printed["normal"]], abs=5.1e-3
    )


@pytest.mark.parametrize("case", sorted(REFERENCE["adlayer_stat"]))
def test_adlayers_have_the_reference_statistics(case):
    entry = REFERENCE["adlayer_stat"][case]
    common = {"layers": entry["L"], "k_mesh": entry["mesh_N"]}
    got = thermal(f"{BOTH} adlayer_free_energy_change adlayer_heat_capacity_change", [0, 3, 20],
                  adlayer="both sides", adlayer_mass_ratio=entry["mass_ratio"],
                  **common)  # fmt: skip
    clean = thermal("mean_square_displacement", [0, 3, 20], **common)

    for i, t in enumerate(("t=0", "t=3", "t=20")):
        e, u2 = entry[t], got["mean_square_displacement"][i]
        assert u2[:2] == pytest.approx(np.array(e["u2_xyz"]), rel=1e-6)
        ratio = u2[:2] / clean[i, :2]
        assert ratio == pytest.approx(np.array(e["u2_over_clean_xyz"]), rel=1e-6)
        assert got["mean_square_velocity"][i, :2] == pytest.approx(np.array(e["v2_xyz"]), rel=1e-6)
        change = got["adlayer_free_energy_change"][i]
        assert change == pytest.approx(e.get("dF_per_adatom", entry["dF_zero_point_over_hbar"]))
        if "dC_kB_per_adatom" in e:
            heat = got["adlayer_heat_capacity_change"][i]
            assert heat == pytest.approx(e["dC_kB_per_adatom"], rel=1e-6)


THICK = {"surface": "100", "layers": 21, "k_mesh": 12}


@pytest.mark.parametrize("gas", ["Ar", "Ne"])
def test_surface_excess_of_gases_is_the_reference_one(gas):
    entry = THERMO["thermo"]["fcc100"][gas]
    got = thermal("surface_heat_capacity surface_free_energy", entry["T_K"], material=gas, **THICK)
    energy = got["surface_free_energy"] / GASES[gas].energy_mev

    assert got["surface_heat_capacity"] == pytest.approx(entry["cs_kB_per_cell"], rel=1e-6)
    assert energy == pytest.approx(entry["fs_eps_per_cell"], rel=1e-6)


def peak(t, c):
    """Place and height of the parabola through five points."""
    a, b, c0 = np.polyfit(t - t[2], c, 2)
    return t[2] - b / (2 * a), c0 - b**2 / (4 * a)


def test_surface_excess_has_the_reference_limits_and_peak():
    entry = THERMO["thermo"]["fcc100"]
    t = np.array([4.2, 4.3, 4.4, 4.5, 4.6])
    got = thermal("surface_internal_energy surface_free_energy surface_heat_capacity",
                  [0.0, *t, 1e3, 1e5], **THICK)  # fmt: skip
    place, height = peak(t, got["surface_heat_capacity"][1:6])
    hot = got["surface_heat_capacity"][-2]

    zero = entry["zero_point_surface_energy_per_cell_over_hbar"]
    assert got["surface_internal_energy"][0] == pytest.approx(zero, rel=1e-6)
    assert got["surface_free_energy"][-1] / 1e5 == pytest.approx(
        entry["high_T_surface_free_energy_slope_per_cell"], rel=1e-6
    )
    assert place == pytest.approx(entry["cv_peak_reduced_t"], rel=1e-6)
    assert height == pytest.approx(entry["cv_peak_height_kB_per_cell"], rel=1e-6)
    # C = 1 - (w/T)^2/12 + (w/T)^4/240, so that the next term is (28/1000)^2/20
    excess = -hot * 12 * 1e6
    assert excess == pytest.approx(entry["sum_omega2_excess_per_cell"], rel=1e-4)


def test_masri_and_dobrzynski_reach_the_exact_displacement_of_the_surface():
    """The diagonal of the real-space matrix alone, then its off-diagonal part R to second
    order with d alike for all atoms, and all orders. Eq. 239-240 for the surface normal."""
    entry = REFERENCE["masri_dobrzynski"]
    p = {"surface": "100", "layers": entry["L"], "k_mesh": entry["mesh_N"]}
    exact = thermal("mean_square_displacement", [entry["T"]], **p)[0, 0]
    at_rest = slab("layer_height nearest_neighbour_distance", k_list=[(0.1, 0.2)],
                   **{n: v for n, v in p.items() if n != "k_mesh"})  # fmt: skip
    d = plain_matrices(p, quadrant(8), at_rest["layer_height"],
                       float(at_rest["nearest_neighbour_distance"]))  # fmt: skip
    own, squares = surface_elements(d)
    direction = int(np.abs(own - entry["d_ii"]).argmin())
    own, squares = own[direction], squares[direction]
    t, s = entry["T"], np.sqrt(own)
    a = s / (2 * t)
    coth, csch2 = 1 / np.tanh(a), 1 / np.sinh(a) ** 2
    second = 3 / 8 * coth / s**5 + 3 / 16 / t * csch2 / s**4 + coth * csch2 / (16 * t**2 * s**3)

    assert own == pytest.approx(entry["d_ii"], rel=1e-8)
    assert squares == pytest.approx(entry["R2_ii"], rel=1e-8)
    assert coth / s / 2 == pytest.approx(entry["order0"], rel=1e-8)
    assert (coth / s + second * squares) / 2 == pytest.approx(entry["order2_same_d"], rel=1e-8)
    assert exact[direction] == pytest.approx(entry["exact"], rel=1e-8)
    assert coth / s / 2 < exact[direction] < (coth / s + second * squares) / 2


def quadrant(n):
    """A quarter of the mesh of (100): mirrors give the others with the same diagonal."""
    return [((i + 0.5) / n, (j + 0.5) / n) for i in range(n // 2) for j in range(n // 2)]


def surface_elements(d):
    """Means over the zone of D_aa and of (D - d)^2_aa in the first layer, each (3,).

    R is the matrix in real space less its diagonal d, the same at every wavevector.
    """
    diagonal = d.diagonal(axis1=1, axis2=2).real.mean(axis=0)
    r = d - np.diag(diagonal)
    # x and y of the mesh mix: its mean is the same for both
    squares = (np.abs(r) ** 2).sum(axis=2).mean(axis=0)
    return diagonal[:3], squares[:3]


# --- functions of the whole matrix ---

BRUTE = {
    "fcc 111, heavy adlayer": {
        **FACES["fcc 111"], "layers": 4, "adlayer": "one side", "adlayer_mass_ratio": 3.0,
        "adlayer_bond_ratio": 1.2,
    },
    "fcc 110, masses": {**FACES["fcc 110"], "layers": 4, "layer_masses": (0.5, 2.0)},
    "fcc 100": {**FACES["fcc 100"], "layers": 5},
    "hcp 0001, odd": {**FACES["hcp 0001"], "layers": 3},
    "bcc 110": {**FACES["bcc 110"], "layers": 4},
    "superlattice": {
        **FACES["fcc 111"], "layers": 4, "superlattice_period": 2, "superlattice_mass_ratio": 3.0,
    },
}  # fmt: skip
WARM = (0.0, 0.7, 30.0)


def averaged(p, n, names, shift="auto"):
    """Variables on a mesh, and D at all its points by hand."""
    got = thermal(f"{names} layer_height nearest_neighbour_distance", WARM, k_mesh=n,
                  k_mesh_shift=shift, **p)  # fmt: skip
    d = plain_matrices(p, whole_mesh(p, n, shift), got["layer_height"],
                       float(got["nearest_neighbour_distance"]))  # fmt: skip
    return got, d


def mean_energy(w2, t):
    """(w/2) coth(w/2T)."""
    w = np.sqrt(w2)
    return w / 2 if t == 0 else w / 2 / np.tanh(w / (2 * t))


def spectral_energy(w2, power, t):
    return w2**power * mean_energy(w2, t)


@pytest.mark.parametrize("name", BRUTE)
def test_displacements_and_velocities_are_functions_of_the_whole_matrix(name):
    """u_a(l) u_b(l): f(D) of the plain matrix, averaged over the whole mesh. The tensors are
    diagonal, and x and y are equal where the face has a three- or four-fold axis."""
    p = {"cutoff": 2.3, **BRUTE[name]}
    got, d = averaged(p, 3, BOTH)
    layers, masses = p["layers"], masses_of(p)

    for i, t in enumerate(WARM):
        for variable, power in (("displacement", -1.0), ("velocity", 0.0)):
            full = of_matrix(d, partial(spectral_energy, power=power, t=t)).mean(axis=0)
            own = full.reshape(layers, 3, layers, 3)[range(layers), :, range(layers)]
            own = own / masses[:, None, None]
            found = got[f"mean_square_{variable}"][i]
            assert found == pytest.approx(own.diagonal(axis1=1, axis2=2).real, rel=1e-9)
            # (110) faces and 3m keep x and y apart by a mirror, the others by a turn
            rest = own.real - np.eye(3) * own.real
            assert np.abs(rest).max() < 1e-9 * np.abs(own).max()
            if "110" not in name:
                assert found[:, 0] == pytest.approx(found[:, 1], rel=1e-12)
            elif t == 0:
                assert np.abs(found[:, 0] / found[:, 1] - 1).max() > 1e-3


@pytest.mark.parametrize("name", BRUTE)
def test_thermal_functions_are_sums_over_the_eigenvalues_of_the_whole_mesh(name):
    p = {"cutoff": 2.3, **BRUTE[name]}
    got, d = averaged(p, 3, " ".join(FUNCTIONS))
    w = np.sqrt(np.linalg.eigvalsh(d))

    for i, t in enumerate(WARM):
        energy = mean_energy(w**2, t)
        free = w / 2 if t == 0 else t * np.log(2 * np.sinh(w / (2 * t)))
        heat = 0 * w if t == 0 else (w / (2 * t) / np.sinh(w / (2 * t))) ** 2
        entropy = 0 * w if t == 0 else (energy - free) / t
        for variable, each in zip(FUNCTIONS, (energy, free, entropy, heat), strict=True):
            expected = each.sum() / len(d)
            assert got[variable][i] == pytest.approx(expected, rel=1e-9, abs=1e-10), variable


@pytest.mark.parametrize(("surface", "layers"), [("111", 4), ("110", 5), ("100", 3)])
def test_surface_excess_is_the_slab_less_a_ring_of_layers_by_hand(surface, layers):
    """True k_z = 2 pi n/(L h) at every point of the whole mesh, in cubic axes."""
    p = {"surface": surface, "layers": layers, "cutoff": 2.3}
    got, d = averaged(p, 3, " ".join(f"surface_{n}" for n in FUNCTIONS))
    distance = float(got["nearest_neighbour_distance"])
    axes = np.array([np.array(v) / np.linalg.norm(v) for v in AXES[surface]])
    h = {"100": np.sqrt(0.5), "110": 0.5, "111": np.sqrt(2 / 3)}[surface] * distance
    ring = [
        np.linalg.eigvalsh(
            bulk_matrix(
                wavevector(surface, f, distance) @ axes[:2]
                + 2 * np.pi * n / (layers * h) * axes[2],
                distance, 2.3, lennard_jones,
            )
        )
        for f in whole_mesh(p, 3) for n in range(layers)
    ]  # fmt: skip
    every = [np.sqrt(np.linalg.eigvalsh(d)).ravel(), np.sqrt(np.array(ring)).ravel()]

    for i, t in enumerate(WARM):
        energy = [mean_energy(w**2, t).sum() / 9 for w in every]
        excess = (energy[0] - energy[1]) / 2
        assert got["surface_internal_energy"][i] == pytest.approx(excess, rel=1e-8)
        free = [(w / 2 if t == 0 else t * np.log(2 * np.sinh(w / 2 / t))).sum() / 9 for w in every]
        excess = (free[0] - free[1]) / 2
        assert got["surface_free_energy"][i] == pytest.approx(excess, rel=1e-8, abs=1e-8)


# --- symmetry ---

MESHES = [(name, 4, "auto") for name in FACES] + [(name, 3, "gamma") for name in FACES]


@pytest.mark.parametrize(("name", "n", "shift"), MESHES)
def test_irreducible_points_give_the_sums_of_the_whole_mesh(name, n, shift):
    """With k_list every point counts for itself, at its own k_z in the cyclic crystal."""
    p = {**FACES[name], **SPRINGS, "layers": 4, "temperatures": (0.0, 0.5, 3.0), "errors": False}
    names = [f"{kind}{f}" for kind in ("", "surface_") for f in FUNCTIONS]
    names = " ".join([*names, "mean_square_displacement", "mean_square_velocity",
                      "debye_temperature", "dos", "layer_dos"])  # fmt: skip
    p |= {"grid_max": 4.0, "grid_width": 0.1, "grid_points": 60}
    irreducible = slab(names, k_mesh=n, k_mesh_shift=shift, **p)
    whole = slab(names, k_list=whole_mesh(p, n, shift), **p)

    for variable in names.split():
        scale = np.abs(whole[variable]).max()
        assert scale > 1e-3, variable
        assert irreducible[variable] == pytest.approx(whole[variable], abs=1e-9 * scale), variable


@pytest.mark.parametrize("layers", [3, 4])
def test_a_ring_of_hcp_layers_needs_an_even_number(layers):
    got = thermal("surface_heat_capacity heat_capacity", [2.0], **FACES["hcp 0001"], layers=layers,
                  cutoff=2.3, k_mesh=3)  # fmt: skip

    assert np.isfinite(got["heat_capacity"]).all()
    assert np.isfinite(got["surface_heat_capacity"]).all() == (layers % 2 == 0)


@pytest.mark.parametrize(("layers", "whole"), [(8, True), (6, False), (4, True), (2, False)])
def test_a_ring_of_a_superlattice_needs_whole_periods(layers, whole):
    got = thermal("surface_entropy", [2.0], layers=layers, cutoff=2.3, k_mesh=2,
                  superlattice_period=2, superlattice_mass_ratio=3.0)  # fmt: skip

    assert np.isfinite(got).all() == whole


def test_a_superlattice_is_compared_with_its_own_ring():
    """Hot, C_s = -excess of sum w2/(24 T^2): the masses are the same on both sides, so the
    excess is what the faces lose, sum over layers of the loss of each over its mass."""
    t = 1e3
    p = {"surface": "100", "layers": 4, "forces": "springs", "superlattice_period": 1,
         "superlattice_mass_ratio": 4.0, "k_mesh": 2}  # fmt: skip
    got = thermal("surface_heat_capacity", [t], **p)[0]
    # each face misses four of twelve bonds, tr k d d = 1 each: layer 0 of mass 1, 3 of mass 4
    missing = 4 * (1 + 1 / 4) / 2

    assert got == pytest.approx(missing / (12 * t**2), rel=1e-5)


# --- thermodynamics ---

SMALL = {"layers": 4, "cutoff": 2.3, "k_mesh": 3, "adlayer": "one side", "adlayer_mass_ratio": 2.0}
KINDS = ("{}", "surface_{}", "adlayer_{}_change")


@pytest.mark.parametrize("kind", KINDS)
def test_heat_capacity_and_entropy_are_slopes(kind):
    """C = dE/dT, S = -dF/dT, F = E - TS. Central differences of the fourth order."""
    t, step = np.array([1.5, 6.0, 40.0]), 0.02
    points = np.sort((t[:, None] + step * np.arange(-2, 3)).ravel())
    names = [kind.format(f) for f in FUNCTIONS]
    got = thermal(" ".join(names), points, **SMALL)
    energy, free, entropy, heat = (got[n].reshape(3, 5) for n in names)

    def slope(x):
        return (8 * (x[:, 3] - x[:, 1]) - (x[:, 4] - x[:, 0])) / (12 * step)

    assert slope(energy) == pytest.approx(heat[:, 2], rel=1e-6)
    assert -slope(free) == pytest.approx(entropy[:, 2], rel=1e-6)
    assert energy[:, 2] - t * entropy[:, 2] == pytest.approx(free[:, 2], rel=1e-9)


def test_hot_slabs_obey_equipartition():
    """C -> 3 a layer, E -> 3 T a layer, m v2 -> T, and the excess vanishes. The corrections are
    (w/T)^2/12 = 1e-6."""
    t = 1e4
    got = thermal(f"{' '.join(FUNCTIONS)} {BOTH} surface_heat_capacity surface_internal_energy "
                  "adlayer_heat_capacity_change", [t, 2 * t], **SMALL)  # fmt: skip
    masses = masses_of(SMALL)[:, None]

    assert got["heat_capacity"] == pytest.approx([12, 12], rel=1e-6)
    assert got["internal_energy"] == pytest.approx([12 * t, 24 * t], rel=1e-6)
    assert got["mean_square_velocity"][0] * masses == pytest.approx(np.full((4, 3), t), rel=1e-6)
    for name in ("surface_heat_capacity", "adlayer_heat_capacity_change"):
        assert got[name] == pytest.approx([0, 0], abs=1e-5)
    assert got["surface_internal_energy"] / t == pytest.approx([0, 0], abs=1e-5)
    u2 = got["mean_square_displacement"]
    assert u2[1] == pytest.approx(2 * u2[0], rel=1e-6)


def test_cold_slabs_have_the_zero_point_values():
    """E = F = half the sum of frequencies, S = C = 0, and nothing is left of T at 0.01."""
    zero = thermal(f"{' '.join(FUNCTIONS)} {BOTH} debye_temperature frequency k_weight surface_"
                   f"entropy", [0.0, 0.01], **SMALL)  # fmt: skip
    half = zero["k_weight"] @ zero["frequency"].sum(axis=1) / 2

    assert zero["internal_energy"] == pytest.approx([half, half], rel=1e-12)
    assert zero["free_energy"] == pytest.approx([half, half], rel=1e-12)
    for name in ("entropy", "heat_capacity", "surface_entropy"):
        assert zero[name][0] == 0
        assert zero[name][1] == pytest.approx(0, abs=1e-12)
    for name in ("mean_square_displacement", "mean_square_velocity"):
        assert zero[name][1] == pytest.approx(zero[name][0], rel=1e-12)
    # T = 0: <u2> = 3/(4 m Theta), with the mass of the layer itself
    theta = 3 / (4 * masses_of(SMALL)[:, None] * zero["mean_square_displacement"][0])
    assert zero["debye_temperature"][0] == pytest.approx(theta, rel=1e-12)


@pytest.mark.parametrize("q", [(0.0, 0.0, 2.5), (1.0, -2.0, 0.5)])
def test_the_debye_waller_exponent_is_half_the_mean_square_along_q(q):
    """In angstrom for a gas; along the normal it is that of z alone."""
    got = thermal("debye_waller_exponent mean_square_displacement", [0.0, 30.0], layers=3,
                  cutoff=2.3, k_mesh=3, material="Ar", scattering_vector=q)  # fmt: skip
    u2 = got["mean_square_displacement"]
    expected = (u2[..., 0] * q[0] ** 2 + u2[..., 1] * q[1] ** 2 + u2[..., 2] * q[2] ** 2) / 2

    assert got["debye_waller_exponent"] == pytest.approx(expected, rel=1e-12)
    assert got["debye_waller_exponent"].shape == (2, 3)


HBAR, KB, U, E = 1.054571817e-34, 1.380649e-23, 1.66053906660e-27, 1.602176634e-19
"""SI, written down anew."""
SCALES = {
    "internal_energy": lambda w, m: HBAR * w / E * 1e3,
    "free_energy": lambda w, m: HBAR * w / E * 1e3,
    "surface_free_energy": lambda w, m: HBAR * w / E * 1e3,
    "adlayer_internal_energy_change": lambda w, m: HBAR * w / E * 1e3,
    "entropy": lambda w, m: 1.0,
    "heat_capacity": lambda w, m: 1.0,
    "mean_square_displacement": lambda w, m: HBAR / (m * w) * 1e20,
    "mean_square_velocity": lambda w, m: HBAR * w / m * 1e-4,
    "debye_temperature": lambda w, m: HBAR * w / KB,
    "frequency": lambda w, m: w / (2 * np.pi) * 1e-12,
}
"""From reduced units to meV, k_B, angstrom^2, (angstrom/ps)^2, K and THz."""


@pytest.mark.parametrize("gas", ["Ne", "Xe"])
def test_a_gas_in_kelvin_is_the_reduced_crystal_rescaled(gas):
    epsilon, sigma, mass = {"Ne": (36.2148526, 2.74, 20.1797),
                            "Xe": (231.775057, 3.98, 131.293)}[gas]  # fmt: skip
    omega = np.sqrt(epsilon * KB / (mass * U)) / (sigma * 1e-10)
    unit = HBAR * omega / KB
    reduced = thermal(" ".join(SCALES), [0.0, 2.0, 11.0], **SMALL)
    got = thermal(" ".join(SCALES), [0.0, 2.0 * unit, 11.0 * unit], material=gas, **SMALL)

    assert unit == pytest.approx({"Ne": 3.40522, "Xe": 2.32509}[gas], rel=2e-6)
    for name, scale in SCALES.items():
        expected = reduced[name] * scale(omega, mass * U)
        assert got[name] == pytest.approx(expected, rel=1e-8), name


# --- adlayers ---


@pytest.mark.parametrize("side", ["one side", "both sides"])
@pytest.mark.parametrize("ratio", [0.3, 4.0])
def test_hot_adatoms_of_another_mass_change_the_free_energy_by_their_mass(side, ratio):
    """-3/2 ln q T per adsorbed atom, whatever the bonds: frequencies scale by det D."""
    t = 1e5
    got = thermal("adlayer_free_energy_change adlayer_entropy_change adlayer_heat_capacity_change",
                  [t], adlayer=side, adlayer_mass_ratio=ratio, layers=4, cutoff=2.3, k_mesh=3,
                  surface="100")  # fmt: skip

    assert got["adlayer_free_energy_change"] / t == pytest.approx(-1.5 * np.log(ratio), rel=1e-6)
    assert got["adlayer_entropy_change"] == pytest.approx(1.5 * np.log(ratio), rel=1e-6)
    assert got["adlayer_heat_capacity_change"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("surface", ["100", "111"])
def test_an_adlayer_like_its_substrate_changes_nothing(surface):
    names = " ".join(f"adlayer_{n}_change" for n in FUNCTIONS)
    got = thermal(names, [0.0, 5.0], adlayer="both sides", layers=4, cutoff=2.3, k_mesh=2,
                  surface=surface)  # fmt: skip
    bound = thermal(names, [0.0, 5.0], adlayer="both sides", layers=4, cutoff=2.3, k_mesh=2,
                    surface=surface, adlayer_bond_ratio=2.0)  # fmt: skip

    for name in names.split():
        assert (got[name] == 0).all()
        assert np.abs(bound[name]).max() > 1e-2


def test_the_change_of_an_adlayer_is_that_of_two_slabs():
    common = {"layers": 4, "cutoff": 2.3, "k_mesh": 3}
    ad = {"adlayer": "both sides", "adlayer_mass_ratio": 0.5, "adlayer_bond_ratio": 1.5}
    got = thermal("adlayer_internal_energy_change internal_energy", [0.0, 9.0], **common, **ad)
    clean = thermal("internal_energy", [0.0, 9.0], **common)

    expected = (got["internal_energy"] - clean) / 2
    assert got["adlayer_internal_energy_change"] == pytest.approx(expected, rel=1e-10)


# --- errors ---


def test_errors_are_the_change_from_half_the_mesh():
    names = ("heat_capacity", "surface_free_energy", "mean_square_displacement",
             "debye_temperature")  # fmt: skip
    p = {"layers": 3, "cutoff": 2.3, "temperatures": (0.0, 4.0)}
    wanted = " ".join(n for name in names for n in (name, f"{name}_error"))
    fine, coarse = slab(wanted, k_mesh=6, **p), slab(wanted, k_mesh=3, **p)

    for name in names:
        difference = np.abs(fine[name] - coarse[name])
        assert fine[f"{name}_error"] == pytest.approx(difference, abs=1e-12), name


def test_errors_can_be_left_out():
    names = [f"{n}_error" for n in ("heat_capacity", "surface_entropy",
                                    "mean_square_velocity", "dos", "bulk_band")]  # fmt: skip
    p = {"layers": 2, "cutoff": 2.3, "temperatures": (0.0, 4.0), "k_mesh": 4, "adlayer": "one side"}
    off = slab(" ".join(names), errors=False, **p)
    on = slab(" ".join(names), **p)

    for name in names:
        assert np.isnan(off[name]).all(), name
        assert np.isfinite(on[name]).any(), name


def test_zero_modes_that_are_no_rigid_shift_have_no_displacement():
    """A plane of square springs moves freely along its normal; in it, only at Gamma."""
    got = thermal(f"{BOTH} heat_capacity", [1.0], **{**FACES["sc 100"], "spring_nnn": 0.0},
                  layers=1, k_mesh=4)  # fmt: skip

    assert np.isnan(got["mean_square_displacement"]).all()
    assert np.isfinite(got["heat_capacity"]).all()
    rigid = thermal("mean_square_displacement", [1.0], **FACES["sc 100"], layers=3, k_mesh=3,
                    k_mesh_shift="gamma")  # fmt: skip
    assert np.isfinite(rigid).all()
