"""The nearest-neighbour distance of a vibrating crystal: references, least free energy, limits."""

from functools import cache

import numpy as np
import pytest
from known import known, slab
from slab_by_hand import bulk_matrix, lennard_jones, pair_list

from models.crystal.faces import FACES
from models.errors import NumericsError
from models.forces import quasi_harmonic
from models.slab import statics
from models.units import GASES

REFERENCE = known("thermodynamics")
AT = {"layers": 2, "relaxed": False, "k_list": [(0.1, 0.2)]}


def distance(nn_distance, gas, **more):
    """In sigma."""
    r = slab("nearest_neighbour_distance", nn_distance=nn_distance, material=gas, **AT, **more)
    sigma = GASES[gas].sigma_angstrom if isinstance(gas, str) else gas["sigma_angstrom"]
    return float(r) / sigma


def peak(t, c):
    """Place of the parabola through five points."""
    a, b, _ = np.polyfit(t - t[2], c, 2)
    return t[2] - b / (2 * a)


@pytest.mark.parametrize("case", sorted(REFERENCE["cv_peak_qha"]))
@pytest.mark.parametrize(
    ("kind", "nn_distance", "tolerance"),
    [
        ("static_r_nn", "static", 1e-6),
        ("qha_r_nn_0K", "as listed", 1e-6),
        ("qha_r_nn_0K", "zero-point", 3e-4),
    ],
)
def test_surface_heat_capacities_peak_where_the_reference_does(case, kind, nn_distance, tolerance):
    """Five temperatures 0.1 hbar omega_0/k_B apart. The zero-point distance of the reference
    comes from a finite mesh of the zone, 1e-5 from ours; frequencies, and the peak with them,
    move 10 to 20 times as much (3 gamma)."""
    _, gas, layers, mesh = case.split("_")
    entry = REFERENCE["cv_peak_qha"][case][kind]
    unit = GASES[gas].temperature_kelvin
    t = np.round(entry["peak_T_K"] / unit, 1) + 0.1 * np.arange(-2, 3)
    nn = entry["r_nn"] if nn_distance == "as listed" else nn_distance
    got = slab("surface_heat_capacity nearest_neighbour_distance", surface="100",
               layers=int(layers[1:]), k_mesh=int(mesh[1:]), material=gas, nn_distance=nn,
               relaxed=False, temperatures=tuple(t * unit), errors=False)  # fmt: skip
    r = got["nearest_neighbour_distance"] / GASES[gas].sigma_angstrom

    assert r == pytest.approx(entry["r_nn"], rel=min(tolerance, 1e-4))
    found = peak(t, got["surface_heat_capacity"]) * unit
    assert found == pytest.approx(entry["peak_T_K"], rel=tolerance)


@pytest.mark.parametrize(("name", "nn_distance"), [("Ar_0K", "zero-point"),
                                                   ("Ar_40K", {"temperature": 40.0})])  # fmt: skip
def test_distances_of_argon_are_the_reference_ones(name, nn_distance):
    """To 1e-4, its finite mesh."""
    found = distance(nn_distance, "Ar")

    assert found == pytest.approx(REFERENCE["qha_rnn"][name], rel=1e-4)


@cache
def mesh_of_fcc(n):
    """Half of a shifted n x n x n mesh of the zone, k and -k being one; cubic axes."""
    b = 2 * np.pi * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / np.sqrt(2)
    f = (np.stack(np.meshgrid(*[np.arange(n)] * 3), axis=-1).reshape(-1, 3) + 0.5) / n
    return (f @ b)[: len(f) // 2]


def free_energy(r, planck, t, cutoff):
    """U + F_vib an atom by hand; planck and t in units of epsilon."""
    squares = [pair_list("100", steps, cutoff)[1] for steps in range(-4, 5)]
    energy = lennard_jones(np.sqrt(np.concatenate(squares)) * r, None)[0].sum() / 2
    w2 = [np.linalg.eigvalsh(bulk_matrix(k / r, r, cutoff, lennard_jones))
          for k in mesh_of_fcc(4)]  # fmt: skip
    quantum = planck * np.sqrt(np.array(w2))
    each = quantum / 2 if t == 0 else t * np.log(2 * np.sinh(quantum / (2 * t)))
    return energy + 3 * each.mean()


@pytest.mark.parametrize(("gas", "kelvin"), [("Ne", 0.0), ("Xe", 0.0), ("Xe", 80.0)])
def test_the_distance_makes_the_free_energy_least(gas, kelvin):
    """By hand on a plain mesh of fcc, whose 4 x 4 x 4 points are right to 3e-5."""
    g = GASES[gas]
    planck, t = g.temperature_kelvin / g.epsilon_kelvin, kelvin / g.epsilon_kelvin
    nn = {"temperature": kelvin} if kelvin else "zero-point"
    found = distance(nn, gas, cutoff=2.3)
    step = 2e-3
    down, here, up = (free_energy(found + s, planck, t, 2.3) for s in (-step, 0, step))
    curvature = (up + down - 2 * here) / step**2
    # the third derivative moves a difference by step^2/6 f'''/f'' = 1e-5
    off = -(up - down) / (2 * step) / curvature

    assert curvature > 0
    assert off / found == pytest.approx(0, abs=5e-5)
    static = distance("static", gas, cutoff=2.3)
    assert abs(off) < (found - static) / 50


def test_warmer_and_lighter_crystals_are_wider():
    static = distance("static", "Ar", cutoff=2.3)
    cold, zero = (distance(x, "Ar", cutoff=2.3) for x in ({"temperature": 0.0}, "zero-point"))
    warm = [distance({"temperature": t}, "Ar", cutoff=2.3) for t in (20.0, 40.0, 60.0)]

    assert cold == zero
    assert static < zero < warm[0] < warm[1] < warm[2]
    gases = [distance("zero-point", g, cutoff=2.3) for g in ("Xe", "Kr", "Ar", "Ne")]
    assert (np.diff([static, *gases]) > 0).all()


def test_a_crystal_of_heavy_atoms_is_the_static_one():
    """Zero-point motion falls with the root of the mass: 1e12 u leaves 1e-7 of argon's 1 %."""
    heavy = {"epsilon_K": 120.0, "sigma_angstrom": 3.4, "mass_u": 1e12}
    static = distance("static", "Ar", cutoff=2.3)
    ratio = [
        distance("zero-point", {**heavy, "mass_u": m}, cutoff=2.3) / static - 1
        for m in (1e4, 4e4, 1e12)
    ]

    assert ratio[2] == pytest.approx(0, abs=1e-7)
    assert ratio[0] == pytest.approx(2 * ratio[1], rel=2e-2)


def test_hcp_and_fcc_expand_alike():
    """Neighbours further than the third shell tell them apart."""
    fcc, hcp = (
        [distance(x, "Kr", cutoff=3.1, crystal=c, surface=s) for x in ("static", "zero-point")]
        for c, s in (("fcc", "111"), ("hcp", "0001"))
    )

    assert hcp[1] / hcp[0] == pytest.approx(fcc[1] / fcc[0], rel=1e-4)
    assert hcp[1] > hcp[0] * 1.002


def test_the_mesh_and_the_nodes_have_converged(monkeypatch):
    """At 30 K, a third of the way to melting; at 0 K both are nearer, at 60 K ten times off."""

    def at():
        quasi_harmonic._frequencies.cache_clear()
        return distance({"temperature": 30.0}, "Ar", cutoff=2.3)

    found = at()
    monkeypatch.setattr(quasi_harmonic, "NODES", 16)
    nodes = at()
    monkeypatch.setattr(quasi_harmonic, "NODES", 12)
    monkeypatch.setattr(statics, "MESH", 24)
    mesh = at()
    quasi_harmonic._frequencies.cache_clear()

    assert nodes == pytest.approx(found, rel=1e-8)
    assert mesh == pytest.approx(found, rel=5e-7)
    assert mesh != found != nodes


def test_the_error_is_the_change_with_half_the_mesh(monkeypatch):
    """Stored beside the distance of a vibrating crystal; a static one depends on no mesh."""
    asked = "nearest_neighbour_distance nearest_neighbour_distance_error"
    warm = {"layers": 1, "k_points": 4, "relaxed": False, "cutoff": 2.3, "material": "Ar"}
    found, error = slab(asked, nn_distance="zero-point", **warm).values()
    monkeypatch.setattr(statics, "MESH", 8)
    coarse = slab(asked, nn_distance="zero-point", **warm)["nearest_neighbour_distance"]

    assert error == pytest.approx(abs(found - coarse), rel=1e-9)
    assert 0 < error < 1e-5 * found
    assert np.isnan(slab(asked, **warm)["nearest_neighbour_distance_error"])


@pytest.mark.parametrize("surface", ["100", "110"])
def test_the_face_that_is_cut_plays_no_part(surface):
    p = {"cutoff": 2.3}
    assert distance("zero-point", "Ar", surface=surface, **p) == distance("zero-point", "Ar", **p)
    assert FACES["fcc", surface].spacing != FACES["fcc", "111"].spacing


def test_a_stretched_slab_keeps_its_ideal_spacing():
    """All lengths follow the distance; there is a pull on its faces, and no elastic constant."""
    got = slab("nearest_neighbour_distance layer_height elastic_constant relaxation_force",
               nn_distance="zero-point", material="Ne", surface="100", layers=3, relaxed=False,
               k_list=[(0.1, 0.2)], cutoff=2.3)  # fmt: skip
    spacing = got["nearest_neighbour_distance"] * np.sqrt(0.5)

    assert got["layer_height"] == pytest.approx(spacing * np.array([1, 0, -1]))
    assert np.isnan(got["elastic_constant"]).all()
    assert got["relaxation_force"] > 0


def test_a_crystal_that_would_melt_is_an_error():
    with pytest.raises(NumericsError, match=r"no equilibrium between .* at 500.0 K.*lower temp"):
        distance({"temperature": 500.0}, "Ar", cutoff=2.3)


def test_an_unstable_crystal_has_no_quasi_harmonic_distance():
    with pytest.raises(NumericsError, match=r'bcc crystal has unstable modes.*"static"'):
        distance("zero-point", "Ar", crystal="bcc", surface="100", cutoff=2.3)
