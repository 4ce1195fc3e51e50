"""Impurities against an independent implementation, exact identities, sum rules, symmetry."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from models.evaluate import Evaluator
from models.registry import get
from tests.models.known import known

MODEL = get("impurity")
EVALUATOR = Evaluator(MODEL)
"""One for all tests: hosts are computed once."""
KNOWN = known("impurities")
DEPTH = {"surface_layer1": 1, "layer1": 1, "layer2": 2, "layer3": 3, "layer4": 4, "bulk": 0}
POLARIZATION = {"perp": 0, "par": 1}
MESH = {"k_mesh": 208, "grid_points": 64}
"""Coarser than the default, for tests."""


def impurity(name: str, **parameters: Any) -> Any:
    """Compute one variable of a point."""
    stage = MODEL.variables()[name][1]
    p = MODEL.parameters.model_validate(parameters)
    return EVALUATOR.whole(stage, p)[name][0]


def place(key: str) -> tuple[dict[str, Any], int]:
    """Read "surface_layer1/perp/lambda=0.2": parameters of an impurity, and the polarization."""
    site, polarization, ratio = key.split("/")
    parameters = {"depth": DEPTH[site], "mass_ratio": float(ratio.split("=")[1])}
    return parameters, POLARIZATION[polarization]


def present(modes: Any) -> Any:
    """Leave out the modes that are not there."""
    return modes[~np.isnan(modes)]


@pytest.mark.parametrize("key", KNOWN["ashkin_localised"])
def test_localised_modes_of_ashkins_crystal(key: str) -> None:
    expected = KNOWN["ashkin_localised"][key]
    parameters, polarization = place(key)

    mode = impurity("local_mode_squared", **parameters)[polarization]

    if expected["omega2_exact"] is None:
        assert np.isnan(mode)
    else:
        assert_allclose(mode, expected["omega2_exact"], rtol=5e-8)
        error = impurity("local_mode_squared_error", **parameters)[polarization]
        assert abs(mode - expected["omega2_exact"]) <= error + 1e-9 * mode
    expansion = impurity("local_mode_expansion", **parameters)[polarization]
    assert_allclose(expansion, expected["omega2_eq73"], atol=1e-8)


@pytest.mark.parametrize("key", KNOWN["ashkin_critical_mass_ratio"])
def test_critical_mass_ratios(key: str) -> None:
    site, polarization = key.split("/")
    at = POLARIZATION[polarization]

    ratio = impurity("critical_mass_ratio", depth=DEPTH[site])[at]

    assert_allclose(ratio, KNOWN["ashkin_critical_mass_ratio"][key]["lambda_c"], atol=1e-6)
    below, above = (
        impurity("local_mode_squared", depth=DEPTH[site], mass_ratio=ratio * x)[at]
        for x in (0.99, 1.01)
    )
    assert below > 12
    assert np.isnan(above)


def test_the_surface_lowers_the_mode_by_what_the_text_gives_to_first_order() -> None:
    """Wallis's 29 and 9 per cent at a mass ratio of 0.2 are the leading term of Eq. 73."""
    surface, bulk = (
        np.sqrt(impurity("local_mode_squared", depth=depth, mass_ratio=0.2)) for depth in (1, 0)
    )
    first = np.sqrt(impurity("expansion_term", depth=1, mass_ratio=0.2)[:, 0])
    bulk_first = np.sqrt(impurity("expansion_term", depth=0, mass_ratio=0.2)[:, 0])

    below = 100 * (1 - surface / bulk)

    known_values = KNOWN["ashkin_percent_below_bulk"]
    for name, at in (("perp", 0), ("par", 1)):
        assert_allclose(below[at], known_values[f"{name}/lambda=0.2"]["exact"], atol=1e-3)
        leading = 100 * (1 - first[at] / bulk_first[at])
        assert_allclose(leading, known_values[f"{name}/lambda=0.2"]["eq73_first_term"], atol=1e-3)
    assert_allclose(below, [27.18, 8.36], atol=0.005)


@pytest.mark.parametrize("key", KNOWN["ashkin_mass_force_sweep"])
def test_every_mode_of_changed_bonds_with_its_degeneracy(key: str) -> None:
    site, ratio, factor = key.split("/")
    mass, bond = (float(x.split("=")[1]) for x in (ratio, factor))

    modes = impurity("local_modes_squared", depth=DEPTH[site], mass_ratio=mass, bond_ratio=bond)

    expected = KNOWN["ashkin_mass_force_sweep"][key]
    found = present(modes)[present(modes) > 12.05]
    assert_allclose(found, expected, rtol=5e-6)
    far = np.array(expected) > 13
    assert_allclose(found[far], np.array(expected)[far], rtol=1e-7)


@pytest.mark.parametrize("key", KNOWN["ashkin_pair"])
def test_modes_of_pairs(key: str) -> None:
    site, separation, ratio = key.split("/")
    steps = [int(n) for n in separation[2:].split(",")]
    parameters = {
        "defect": "pair", "depth": 0 if site == "bulk" else 1,
        "mass_ratio": float(ratio.split("=")[1]), "separation": steps,
    }  # fmt: skip

    modes = impurity("local_modes_squared", **parameters)

    assert_allclose(present(modes), KNOWN["ashkin_pair"][key], rtol=1e-7)
    assert impurity("n_local_modes", **parameters) == 6
    assert np.isnan(impurity("local_mode_squared", **parameters)).all()


@pytest.mark.parametrize(
    "key",
    [pytest.param(k, marks=pytest.mark.long if k.startswith("slab7_") else ())
     for k in KNOWN["fcc_impurity"]],
)  # fmt: skip
def test_modes_in_fcc(key: str) -> None:
    face, *rest = key.split("/")
    slab = face.startswith("slab7_")
    parameters, polarization = place("/".join(rest))
    host = {"host": "fcc-springs", "surface": face[-3:]} | ({"host_layers": 7} if slab else {})

    mode = impurity("local_mode_squared", **host, **parameters)[polarization]

    expected = KNOWN["fcc_impurity"][key]
    if expected is None:
        assert not mode > 8.016
    else:
        assert_allclose(mode, expected, rtol=1e-6)


@pytest.mark.parametrize("key", KNOWN["grimley_adatom"])
def test_grimleys_adatoms(key: str) -> None:
    """A scalar problem for perpendicular motion: symmetric and antisymmetric modes of pairs."""
    expected = KNOWN["grimley_adatom"][key]
    across = float(key.split("/")[0].split("=")[1])
    host = {"springs": [{"along": 1.0, "across": across}]}

    single = impurity("local_modes_squared", host=host, defect="adatom", mass_ratio=0.1)

    assert_allclose(present(single), expected["single"], rtol=1e-8)
    for name in (n for n in expected if n.startswith("pair_R=")):
        steps = [int(n) for n in name.split("=")[1].split(",")]
        pair = {"host": host, "defect": "pair", "site": "top", "separation": steps,
                "mass_ratio": 0.1}  # fmt: skip
        modes = sorted(expected[name]["sym"] + expected[name]["anti"])
        assert_allclose(present(impurity("local_modes_squared", **pair)), modes, rtol=1e-8)
        energy = impurity("interaction_energy", **pair)
        assert_allclose(energy, expected[name]["zero_point_interaction"], rtol=1e-3)
        assert impurity("interaction_energy_error", **pair) < 1e-3 * abs(energy)


@pytest.mark.parametrize("key", KNOWN["ashkin_host_adatom"])
def test_adatoms_on_ashkins_crystal(key: str) -> None:
    expected = np.array(KNOWN["ashkin_host_adatom"][key])
    parameters: dict[str, Any] = {"defect": "adatom"}
    if key.startswith("pair"):
        steps = [int(n) for n in key.split("R=")[1].split("/")[0].split(",")]
        parameters = {"defect": "pair", "site": "top", "separation": steps}

    modes = present(impurity("local_modes_squared", mass_ratio=0.1, **parameters))

    far = expected > 13
    assert_allclose(modes[modes > 13], expected[far], rtol=1e-7)


@pytest.mark.parametrize("key", KNOWN["ashkin_impurity_thermo"])
def test_energies(key: str) -> None:
    site, ratio = key.split("/")
    expected = KNOWN["ashkin_impurity_thermo"][key]
    point = {
        "depth": DEPTH[site], "mass_ratio": float(ratio.split("=")[1]), "temperatures": (0.3, 1.0),
    }  # fmt: skip

    assert_allclose(impurity("zero_point_energy_change", **point), expected["dE0_total"], rtol=1e-5)
    free = [expected["dF_T0.3"], expected["dF_T1.0"]]
    assert_allclose(impurity("free_energy_change", **point), free, rtol=1e-5)
    capacity = [expected["dCv_T0.3"], expected["dCv_T1.0"]]
    assert_allclose(impurity("heat_capacity_change", **point), capacity, atol=1e-4)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_displacements_of_host_atoms_are_those_of_an_impurity_like_them(depth: int) -> None:
    layer = {0: "bulk", 1: "layer1", 2: "layer2"}[depth]
    temperatures = {"zeroT": 0.0, "T=0.5": 0.5, "T=1.0": 1.0}
    point = {"depth": depth, "temperatures": (0.0, 0.5, 1.0)}
    u2, v2 = (impurity(f"impurity_mean_square_{n}", **point) for n in ("displacement", "velocity"))

    for i, name in enumerate(temperatures):
        expected = KNOWN["ashkin_msd_msv"].get(f"{name}/{layer}")
        if expected is not None:
            assert_allclose(u2[i], [expected["u2_perp"], expected["u2_par"]], rtol=1e-5)
            # a sum over the bulk zone has 1.2242286 at T = 0.5, where this value says 1.22421
            assert_allclose(v2[i], [expected["v2_perp"], expected["v2_par"]], rtol=3e-5)


def test_motion_in_the_bulk_is_that_of_a_sum_over_its_zone() -> None:
    k = (np.arange(20) + 0.5) * np.pi / 20
    zone = np.stack(np.meshgrid(k, k, k, indexing="ij"), axis=-1).reshape(-1, 3)
    springs = [(1, 0, 0), (0, 1, 0), (0, 0, 1), *((1, s, 0) for s in (1, -1)),
               *((1, 0, s) for s in (1, -1)), *((0, 1, s) for s in (1, -1))]  # fmt: skip
    d = np.zeros((len(zone), 3, 3))
    for v in np.array(springs, float):
        d += np.outer(v, v) / (v @ v) * (2 - 2 * np.cos(zone @ v))[:, None, None]
    omega = np.sqrt(np.linalg.eigvalsh(d))
    temperatures = (0.0, 0.5)

    found = impurity("impurity_mean_square_velocity", depth=0, temperatures=temperatures)

    warm = (omega / 2 / np.tanh(omega / 2 / 0.5)).mean()
    assert_allclose(found[:, 0], [(omega / 2).mean(), warm], rtol=1e-6)
    assert_allclose(found[:, 0], found[:, 1], rtol=1e-8)


def test_warm_displacements_are_those_of_the_static_response() -> None:
    """u^2 = T (Phi^-1) + 1/(12 T), Eq. 232 and its first correction."""
    expected = KNOWN["ashkin_msd_msv"]["highT/layer1"]
    warm = impurity("impurity_mean_square_displacement", temperatures=(50.0,))[0]

    response = (warm - 1 / (12 * 50)) / 50

    assert_allclose(response, [expected["u2_perp"], expected["u2_par"]], rtol=1e-5)


@pytest.mark.parametrize("key", KNOWN["supercell_exact"])
def test_a_mesh_with_gamma_is_a_supercell(key: str) -> None:
    """n x n wavevectors and L layers are a crystal of n x n x L atoms: no approximation."""
    n, layers, site, ratio, factor = key.split("/")
    mass, bond = (float(x.split("=")[1]) for x in (ratio, factor))
    expected = KNOWN["supercell_exact"][key]["top3"]

    modes = present(impurity(
        "local_modes_squared", depth=DEPTH[site], mass_ratio=mass, bond_ratio=bond,
        k_mesh=int(n[2:]), k_mesh_shift="gamma", host_layers=int(layers[2:]),
    ))  # fmt: skip

    top = sorted(x for x in expected if x > 12.0001)
    assert_allclose(modes[len(modes) - len(top) :], top, rtol=1e-9)


@pytest.mark.long
@pytest.mark.parametrize("key", [k for k in KNOWN["ashkin_resonance"] if "lambda=3" in k])
def test_resonances_of_a_heavy_impurity(key: str) -> None:
    expected = KNOWN["ashkin_resonance"][key]
    parameters, at = place(key)
    point = {**parameters, **MESH}

    found = impurity("resonance_frequency", **point)[at]

    rtol = 5e-3 if expected["sharp"] else 1e-2
    assert_allclose(found, expected["omega_res_ReD0"], rtol=rtol)
    width = impurity("resonance_width", **point)[at]
    assert np.isfinite(width) == (width <= 0.3 * found)
    if expected["sharp"]:
        peak = impurity("resonance_peak", **point)[at]
        assert_allclose(peak, expected["omega_peak_LDOS"], rtol=1e-2)
        assert_allclose(width, expected["fwhm_estimate"], rtol=0.1)


@pytest.mark.parametrize(
    "site", [pytest.param("surface_layer1", marks=pytest.mark.long), "layer2", "bulk"]
)
@pytest.mark.parametrize("ratio", [0.2, 3.0])
def test_states_move_out_of_the_bands_into_localised_modes(site: str, ratio: float) -> None:
    point = {"depth": DEPTH[site], "mass_ratio": ratio, **MESH}
    states, error = (impurity(f"states_change{n}", **point) for n in ("", "_error"))
    grid = np.array(MODEL.dim("grid").coordinate(MODEL.parameters.model_validate(point)))  # type: ignore[misc]
    perp, par = (
        KNOWN["ashkin_integrated_deltaN"][f"{site}/{name}/lambda={ratio}"] for name in POLARIZATION
    )

    for omega, allowed in ((0.6, 5e-3), (1.0, 5e-3), (1.5, 1e-2), (3.0, 5e-2)):
        expected = perp[f"omega={omega}"] + 2 * par[f"omega={omega}"]
        assert abs(np.interp(omega, grid, states) - expected) < allowed
    assert states[-1] == -impurity("n_local_modes", **point)
    assert (error < 0.2).all()


def test_densities_have_the_norms_that_localised_modes_leave() -> None:
    point = {"mass_ratio": 0.2, "bond_ratio": 1.2, **MESH}
    grid = np.array(MODEL.dim("grid").coordinate(MODEL.parameters.model_validate(point)))  # type: ignore[misc]

    host, own = (np.trapezoid(impurity(n, **point), grid) for n in ("host_dos", "impurity_dos"))

    assert_allclose(host, 1, atol=2e-2)
    assert_allclose(own, 1 - impurity("local_mode_weight", **point), atol=1e-2)
    near = np.trapezoid(impurity("neighbour_dos", **point), grid)
    assert 0.9 < near < 1.0


def test_an_impurity_like_its_host_changes_nothing() -> None:
    point = {**MESH, "temperatures": (0.0, 1.0)}
    assert impurity("n_local_modes", **point) == 0
    for name in ("dos_change", "states_change", "zero_point_energy_change", "free_energy_change",
                 "heat_capacity_change"):  # fmt: skip
        assert_allclose(impurity(name, **point), 0, atol=1e-9)
    assert_allclose(impurity("impurity_dos", **point), impurity("host_dos", **point), atol=1e-12)


@pytest.mark.parametrize(("steps", "turned"), [((2, 1), (1, 2)), ((2, 1), (-1, 2))])
def test_pairs_that_a_mirror_or_a_turn_brings_together_are_alike(
    steps: tuple[int, int], turned: tuple[int, int]
) -> None:
    one, other = (
        impurity("local_modes_squared", defect="pair", mass_ratio=0.2, bond_ratio=0.9,
                 separation=way)
        for way in (steps, turned)
    )  # fmt: skip
    assert_allclose(present(one), present(other), rtol=1e-11)


def test_a_group_of_one_is_a_substitution() -> None:
    ratios = {"mass_ratio": 0.3, "bond_ratio": 1.3}
    single = impurity("local_modes_squared", depth=2, **ratios)
    group = impurity("local_modes_squared", defect="group", sites=[{"layer": 2, **ratios}])

    assert_allclose(present(group), present(single), rtol=1e-13)


@pytest.mark.parametrize("depth", [0, 1])
def test_a_vacancy_takes_three_states_out_of_the_bands(depth: int) -> None:
    point = {"depth": depth, "bond_ratio": 0.0, **MESH}

    states = impurity("states_change", **point)

    assert abs(states[1]) < 1e-3
    assert states[-1] == -3
    assert abs(states[-4] + 3) < 0.1
    assert impurity("n_local_modes", **point) == 0
    assert impurity("zero_point_energy_change", **point) < 0
    for name in ("local_mode_squared", "local_mode_expansion", "critical_mass_ratio",
                 "resonance_frequency", "impurity_dos"):  # fmt: skip
        assert np.isnan(impurity(name, **point)).all()
    assert_allclose(impurity("states_change", **point | {"mass_ratio": 5.0}), states, rtol=0)


@pytest.mark.long
def test_a_pair_far_apart_is_two_impurities() -> None:
    pair = impurity("local_modes_squared", defect="pair", separation=(12, 0), mass_ratio=0.2)
    single = present(impurity("local_modes_squared", mass_ratio=0.2))

    assert_allclose(present(pair), np.repeat(single, 2), rtol=1e-9)


@cache
def argon(*, relaxed: bool, depth: int) -> Any:
    """Layers feel the next but one, else a face cut from a crystal at rest would not relax."""
    host = {"model": "slab", "cutoff": 1.8, "relaxed": relaxed}
    return impurity("local_mode_squared", host=host, surface="111", depth=depth, mass_ratio=0.2,
                    k_mesh=6)  # fmt: skip


def test_a_lennard_jones_surface_softens_the_mode_of_a_light_impurity() -> None:
    """Outward relaxation weakens the bonds of the outermost layer; the bulk does not feel it."""
    assert (argon(relaxed=True, depth=1) < argon(relaxed=False, depth=1)).all()
    assert_allclose(argon(relaxed=True, depth=0), argon(relaxed=False, depth=0), rtol=1e-12)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"surface": "111"}, "no face of a sc host"),
        ({"defect": "adatom", "depth": 2}, "sits on the surface"),
        ({"defect": "pair", "separation": (0, 0)}, "Part them"),
        ({"defect": "pair", "separation": (0, 0, -1)}, "leads to layer 0"),
        ({"defect": "group"}, "Give both or neither"),
        ({"sites": [{"layer": 1}]}, "Give both or neither"),
        ({"defect": "group", "sites": [{}, {"cell": (18, 0)}]}, "up to 20.8 distances"),
        (
            {"defect": "pair", "separation": (12, 12), "host": "fcc-springs", "surface": "111"},
            "up to 22.8 distances",
        ),
        ({"host": {"model": "slab", "cutoff": 4.5}, "depth": 12}, "lead to layer 18"),
        ({"site": "top"}, "where an adatom sits"),
        ({"host": {"model": "slab"}, "surface": "111", "defect": "adatom"}, "find its place first"),
        ({"depth": 0, "host_layers": 5}, "excludes `host_layers`"),
        ({"host": {"springs": [0.0, {"along": 0.0}]}}, "strength 0 only"),
        ({"host": {"springs": [1.0]}}, "has waves of frequency 0"),
        ({"host": {"crystal": "bcc", "springs": [1.0]}}, "has waves of frequency 0"),
        ({"defect": "adatom", "bond_ratio": 0.0}, "leaves an adatom free"),
    ],
)
def test_what_is_no_defect_is_refused_in_words(parameters: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        MODEL.parameters.model_validate(parameters)
