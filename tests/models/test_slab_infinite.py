"""The semi-infinite crystal as a user gets it: against slabs that thicken, limits, sum rules."""

import numpy as np
import pytest
from known import SLAB, known, slab

import sweep
from models.crystal.faces import FACES
from models.errors import NumericsError
from models.evaluate import Evaluator, compute
from models.slab import half_spaces
from models.slab.model import _HALF_SPACE

SHORT = {"cutoff": 2.2}
ADLAYER = {"adlayer": "one side", "adlayer_mass_ratio": 2.5, "adlayer_bond_ratio": 0.7}
FACES_AND_FORMS = {
    "100": {"surface": "100"},
    "110": {"surface": "110"},
    "111": {"surface": "111"},
    "hcp": {"crystal": "hcp", "surface": "0001"},
    "bcc springs": {"crystal": "bcc", "surface": "100", "forces": "springs", "spring_nnn": 0.6},
    "adlayer": {"surface": "111", **ADLAYER},
    "superlattice": {"surface": "100", "superlattice_period": 2, "superlattice_mass_ratio": 3.0},
    "masses": {"surface": "100", "layer_masses": (2.0, 0.5), "surface_bond_ratio": 1.3},
    "xenon": {"surface": "100", "material": "Xe"},
}
WAVE = (0.21, 0.37)
SPRINGS = {"surface": "100", "forces": "springs"}


def deviation(found, expected):
    return float(np.abs(found / expected - 1).max())


# --- displacements ---


@pytest.mark.parametrize("case", FACES_AND_FORMS)
def test_displacements_are_those_of_a_slab_as_it_thickens(case):
    """On one mesh nothing but the echo of the lower face differs, and it falls exponentially."""
    names = "mean_square_displacement mean_square_velocity debye_temperature"
    point = {"k_mesh": 3, "temperatures": (0.0, 5.0), "surface_depth": 3, "errors": False,
             **SHORT, **FACES_AND_FORMS[case]}  # fmt: skip
    infinite = slab(names, layers="infinite", **point)
    wrong = {n: [] for n in names.split()}
    for layers in (8, 12, 24):
        finite = slab(names, layers=layers, **point)
        for name in wrong:
            wrong[name].append(deviation(finite[name][:, :3], infinite[name]))

    for name, (thin, thicker, thick) in wrong.items():
        assert thin > 2 * thicker > 4 * thick, name
        assert thick < 1e-6, name


def test_the_error_is_the_change_from_half_the_mesh():
    point = {"layers": "infinite", "temperatures": (2.0,), "surface": "100", **SHORT}
    for name in ("mean_square_displacement", "mean_square_velocity", "debye_temperature"):
        fine = slab(f"{name} {name}_error", k_mesh=6, **point)
        half = slab(name, k_mesh=3, **point)
        change = np.abs(fine[name] - half)
        assert fine[f"{name}_error"] == pytest.approx(change, rel=1e-6)
        assert change.max() > 0


def test_a_mesh_with_gamma_leaves_gamma_out():
    """There the surface floats: its displacement has no bound."""
    name, point = "mean_square_displacement", {"layers": "infinite", "surface": "100", **SHORT}
    point |= {"temperatures": (0.0, 3.0), "errors": False}
    others = [(0.5, 0.0), (0.0, 0.5), (0.5, 0.5)]
    mesh = slab(name, k_mesh=2, k_mesh_shift="gamma", **point)
    plain = slab(name, k_list=others, **point)

    assert mesh == pytest.approx(slab(name, k_list=[(0.0, 0.0), *others], **point), rel=1e-12)
    assert mesh == pytest.approx(0.75 * plain, rel=1e-12)


def test_a_gas_has_the_displacements_of_reduced_units_in_its_own():
    kelvin, angstrom = SLAB.parameters(material="Xe").gas.temperature_kelvin, "angstrom^2"
    point = {"layers": "infinite", "surface": "100", "k_mesh": 3, "errors": False, **SHORT}
    reduced = slab("mean_square_displacement debye_temperature", temperatures=(2.0,), **point)
    gas = slab("mean_square_displacement debye_temperature", material="Xe",
               temperatures=(2.0 * kelvin,), **point)  # fmt: skip
    # hbar/(m omega_0) = hbar^2/(m k_B) / (hbar omega_0/k_B); 48.508755 u K angstrom^2
    scale = 48.508755 / (131.293 * kelvin)

    assert SLAB.unit_of("displacement", SLAB.parameters(material="Xe")) == angstrom
    assert gas["mean_square_displacement"] == pytest.approx(
        reduced["mean_square_displacement"] * scale, rel=1e-6
    )
    assert gas["debye_temperature"] == pytest.approx(
        reduced["debye_temperature"] * kelvin, rel=1e-9
    )


# --- spectra ---


def test_densities_have_norm_one_and_the_second_moment_of_the_matrix():
    """Over 0 .. W a Lorentzian line of w2 = x has the norm 1 - 4w/(pi W) and the second moment
    4wW/pi + x (1 - 8w/(pi W)) - 3w^2, to the next order in 1/W."""
    end, width = 400.0, 1.0
    point = {"surface": "111", "k_list": [WAVE], **ADLAYER, **SHORT}
    spectrum = slab("spectral_density layer_dos", layers="infinite", grid_points=801,
                    grid_max=end, grid_width=width, errors=False, **point)  # fmt: skip
    density, grid = spectrum["spectral_density"][0], np.linspace(0, end, 801)
    modes = slab("frequency eigenvector", layers=12, **point)
    share = np.abs(modes["eigenvector"][0, :, :3]) ** 2
    diagonal = np.tensordot(modes["frequency"][0] ** 2, share, 1)

    norm = np.trapezoid(density, grid, axis=-1)
    second = np.trapezoid(density * grid**2, grid, axis=-1)
    assert norm + 4 * width / (np.pi * end) == pytest.approx(np.ones((3, 3)), abs=1e-4)
    moment = (second - 4 * width * end / np.pi + 3 * width**2) / (1 - 8 * width / (np.pi * end))
    assert moment == pytest.approx(diagonal, rel=2e-3)
    assert spectrum["layer_dos"] == pytest.approx(density, rel=1e-12)


@pytest.mark.parametrize("case", ["100", "110", "111", "hcp", "adlayer", "superlattice"])
def test_both_ways_to_spectra_are_that_of_a_lorentzian_slab(case, monkeypatch):
    """A slab as thick as the error law asks, and decimation; and a slab that a user takes."""
    point = {"grid_points": 90, "grid_max": 44.0, "grid_width": 1.0, "errors": False,
             "surface_depth": 2, "k_list": [WAVE], **SHORT, **FACES_AND_FORMS[case]}  # fmt: skip
    choose, found = half_spaces.cheaper_solver, {}
    for way in ("slab", "decimation"):
        monkeypatch.setattr(half_spaces, "cheaper_solver", lambda *a, way=way: (way, choose(*a)[1]))
        found[way] = slab("spectral_density", layers="infinite", **point)
    user = slab("spectral_density", layers=96, line_shape="lorentzian", **point)[:, :2]

    size = np.sqrt((user**2).mean())
    assert np.sqrt(((found["slab"] - found["decimation"]) ** 2).mean()) < 1e-4 * size
    assert np.sqrt(((user - found["decimation"]) ** 2).mean()) < 1e-5 * size


@pytest.mark.parametrize(("accuracy", "least"), [(1e-1, 1e-7), (1e-5, 0.0)])
def test_the_slab_of_a_half_space_is_as_thick_as_the_accuracy_asks(accuracy, least, monkeypatch):
    monkeypatch.setattr(half_spaces, "THICKNESS", 2)
    point = {"grid_points": 90, "grid_max": 44.0, "grid_width": 1.0, "errors": False,
             "accuracy": accuracy, "surface_depth": 2, "k_list": [WAVE], **SHORT}  # fmt: skip
    exact = slab("spectral_density", layers="infinite", **point | {"accuracy": 1e-9})
    choose = half_spaces.cheaper_solver
    monkeypatch.setattr(half_spaces, "cheaper_solver", lambda *a: ("slab", choose(*a)[1]))
    found = slab("spectral_density", layers="infinite", **point)

    assert least < np.sqrt(((found - exact) ** 2).mean() / (exact**2).mean()) < accuracy


@pytest.mark.parametrize(("width", "slabs"), [(4.0, 1), (0.05, 0)])
def test_wide_lines_take_a_slab_and_narrow_ones_decimation(width, slabs, monkeypatch):
    taken, modes = [], half_spaces._slab_modes
    monkeypatch.setattr(half_spaces, "_slab_modes", lambda *a: (taken.append(a), modes(*a))[1])
    slab("spectral_density", layers="infinite", surface="100", k_list=[WAVE], errors=False,
         grid_points=60, grid_max=44.0, grid_width=width, **SHORT)  # fmt: skip

    assert len(taken) == slabs


def test_the_error_of_a_spectrum_is_the_change_from_lines_half_as_wide():
    point = {"layers": "infinite", "surface": "100", "k_list": [WAVE], "grid_points": 30,
             "grid_max": 44.0, **SHORT}  # fmt: skip
    names = "spectral_density spectral_density_error layer_dos layer_dos_error"
    wide = slab(names, grid_width=2.0, **point)
    narrow = slab("spectral_density", grid_width=1.0, **point)

    change = np.abs(wide["spectral_density"] - narrow)
    assert wide["spectral_density_error"] == pytest.approx(change, abs=1e-6 * change.max())
    assert wide["layer_dos_error"] == pytest.approx(change[0], abs=1e-6 * change.max())


# --- surface modes ---

BRANCH = ("surface_branch surface_branch_top_weight surface_branch_surface_weight "
          "surface_branch_normal_weight surface_branch_depth")  # fmt: skip
MODES = known("surface_modes")["surface_modes"]


def present(found):
    """Branches of the first wavevector, ascending: by name."""
    there = np.flatnonzero(np.isfinite(found["surface_branch"][0]))
    order = there[np.argsort(found["surface_branch"][0, there])]
    return {name: a[0, order] for name, a in found.items()}


@pytest.mark.parametrize("case", sorted(MODES))
def test_poles_are_the_mean_of_the_pairs_of_the_reference(case):
    """Of relaxed faces at the usual cutoff: Rayleigh waves, deeper ones and gap modes."""
    entry = MODES[case]
    fraction = tuple(round(3e6 * x) / 3e6 for x in entry["k_frac"])
    found = present(slab(BRANCH, layers="infinite", surface=case[3:6], k_list=[fraction]))
    modes = [m for m in entry["modes_outside_bands"]
             if m["weight_outer_3_layers_both_sides"] > 0.95]  # fmt: skip

    assert len(modes) >= 2
    for one, other in zip(modes[::2], modes[1::2], strict=True):
        mean, apart = (one["omega"] + other["omega"]) / 2, other["omega"] - one["omega"]
        at = np.abs(found["surface_branch"] - mean).argmin()
        assert found["surface_branch"][at] == pytest.approx(mean, abs=1e-6 + 0.1 * apart)
        for name, key in (("surface_weight", "weight_outer_3_layers_both_sides"),
                          ("normal_weight", "z_weight")):  # fmt: skip
            # the members of a pair differ in the first order of their splitting, their mean less
            weight = (one[key] + other[key]) / 2
            assert found[f"surface_branch_{name}"][at] == pytest.approx(weight, abs=1e-3)


@pytest.mark.parametrize("case", ["100", "111", "hcp", "adlayer", "superlattice", "masses"])
@pytest.mark.parametrize("fraction", [(0.31, 0.12), (0.0, 0.0)], ids=["wave", "Gamma"])
def test_branches_are_those_of_a_thick_slab(case, fraction):
    """Frequency, weights and depth; of two equal faces each mode comes twice, half on each."""
    point = {"k_list": [fraction], **SHORT, **FACES_AND_FORMS[case]}
    infinite = present(slab(BRANCH, layers="infinite", **point))
    thick = present(slab(BRANCH, layers=96, **point))
    bound = infinite["surface_branch_depth"] < 4
    assert bound.sum() >= (0 if fraction == (0.0, 0.0) else 1)
    for i in np.flatnonzero(bound):
        near, alike = (
            np.abs(x["surface_branch"] - infinite["surface_branch"][i]) < 1e-6
            for x in (thick, infinite)
        )  # at Gamma two waves of one frequency mix
        top = [
            x["surface_branch_top_weight"][of].sum() for x, of in ((thick, near), (infinite, alike))
        ]
        assert top[0] == pytest.approx(top[1], abs=1e-5)
        for name in ("surface_weight", "normal_weight", "depth"):
            mean = thick[f"surface_branch_{name}"][near].mean()
            expected = infinite[f"surface_branch_{name}"][alike].mean()
            assert mean == pytest.approx(expected, abs=1e-5), name


def test_a_light_adlayer_has_its_mode_above_the_band_at_gamma_too():
    """The band begins at zero there, which is no reason to look at none of the others."""
    point = {"adlayer": "one side", "adlayer_mass_ratio": 0.3, "k_list": [(0.0, 0.0)], **SHORT}
    infinite = present(slab(BRANCH, layers="infinite", **point))["surface_branch"]
    modes = slab("frequency mode_kind", layers=60, **point)

    assert len(infinite) == 1
    assert infinite == pytest.approx(modes["frequency"][modes["mode_kind"] == 3], rel=1e-9)


def test_the_surface_mode_of_springs_at_m_is_the_closed_form():
    found = present(slab(BRANCH, layers="infinite", k_list=[(0.5, 0.5)], **SPRINGS))

    assert found["surface_branch"][0] == pytest.approx(np.sqrt(2), rel=1e-12)
    for name in ("top_weight", "surface_weight", "normal_weight"):
        assert found[f"surface_branch_{name}"][0] == pytest.approx(1, abs=1e-12)
    assert found["surface_branch_depth"][0] == pytest.approx(0, abs=1e-12)


def test_the_lowest_mode_of_300_layers_is_the_pole():
    point = {"surface": "100", "k_list": [(0.3, 0.3)], **SHORT}
    w = slab("frequency", layers=301, **point)[0]

    pole = present(slab(BRANCH, layers="infinite", **point))["surface_branch"][0]
    assert w[:2] == pytest.approx([pole] * 2, rel=1e-10)


@pytest.mark.parametrize(
    ("surface", "angle", "q", "tolerance"),
    [
        ("100", 45, (0.05, 0.1), 2e-4),
        pytest.param("110", 90, (0.05, 0.1), 2e-4, marks=pytest.mark.long),
        pytest.param("111", 0, (0.05, 0.1), 2e-4, marks=pytest.mark.long),
    ],
)
def test_long_waves_have_the_rayleigh_speed(surface, angle, q, tolerance):
    """Extrapolated to q = 0, where the surface layer counts no more."""
    entry = next(
        e for e in known("crystal")["rayleigh"]
        if e["kind"] == f"fcc{surface}" and e["angle_from_x_deg"] == angle
    )  # fmt: skip
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    a = FACES["fcc", surface].vectors * known("crystal")["bulk_static"]["r_nn"]
    k = np.outer(q, direction) @ a.T / (2 * np.pi)
    branch = slab("surface_branch", layers="infinite", surface=surface, k_list=k.tolist())
    speed = np.nanmin(branch, axis=1) / q

    at_zero = speed[0] - q[0] * (speed[1] - speed[0]) / (q[1] - q[0])
    assert at_zero == pytest.approx(entry["v_R"], rel=tolerance)


# --- what it has, what it has not, and what is unstable ---

EVERYTHING = {"k_mesh": 2, "temperatures": (1.0,), "scattering_vector": (1.0, 0.0, 0.0),
              "grid_points": 12, "grid_max": 44.0, "grid_width": 9.0, "surface_depth": 2,
              **SHORT}  # fmt: skip


def test_every_variable_is_there_or_refused_and_then_missing():
    p = SLAB.parameters(layers="infinite", crystal="hcp", surface="0001", **EVERYTHING)
    names = [n for n, (v, _) in SLAB.variables().items() if not v.error_of]
    found = compute(SLAB, names, p)

    for name, values in found.items():
        reason = SLAB.missing(name, p)
        assert (reason is None) == (name in _HALF_SPACE)
        if reason is not None:
            assert f"{name} belongs to a slab" in reason
            gone = values == (-1 if values.dtype.kind == "i" else 255)
            assert np.isnan(values).all() if values.dtype.kind in "fc" else gone.all(), name
        elif values.dtype.kind == "f" and name not in ("elastic_constant", "k_distance"):
            assert np.isfinite(values).any(), name
    assert found["n_modes"] == 0


@pytest.mark.parametrize(
    "case",
    [
        {"crystal": "bcc", "surface": "100"},
        {"nn_distance": 1.25, "relaxed": False},
        {"adlayer": "one side", "adlayer_bond_ratio": 1e-3},
    ],
    ids=["bulk", "stretched", "surface"],
)
@pytest.mark.filterwarnings("error")
def test_an_unstable_half_space_is_missing_and_said_to_be_unstable(case):
    p = SLAB.parameters(layers="infinite", **EVERYTHING | {"k_mesh": 4, **case})
    names = ("mean_square_displacement", "mean_square_velocity", "debye_temperature", "layer_dos")
    found = compute(SLAB, names, p)
    density = compute(SLAB, ["spectral_density"], p)["spectral_density"]

    for name in names:
        assert np.isnan(found[name]).all(), name
    whole = np.isnan(density).all(axis=(1, 2, 3))
    assert whole.any()
    assert np.isfinite(density[~whole]).all()
    for stage in ("thermal", "spectra", "spectral_density", "branches"):
        assert status_of(stage, p) == [True], stage


def status_of(stage, p):
    return SLAB.stage(stage).unstable(Evaluator(SLAB).whole(SLAB.stage(stage), p)).tolist()


def test_a_stable_half_space_is_not_said_to_be_unstable():
    p = SLAB.parameters(layers="infinite", **EVERYTHING | {"k_mesh": 4, "k_mesh_shift": "gamma"})

    for stage in ("thermal", "spectra", "spectral_density", "branches"):
        assert status_of(stage, p) == [False], stage


def test_surface_branches_of_an_unstable_slab_say_so():
    """With this solver nothing else would."""
    p = SLAB.parameters(crystal="bcc", surface="100", layers=24, solver="surface", relaxed=False,
                        k_list=[(0.3, 0.1)], **SHORT)  # fmt: skip

    assert status_of("branches", p) == [True]
    assert np.nanmin(compute(SLAB, ["surface_branch"], p)["surface_branch"]) < 0


def test_a_surface_that_does_not_come_to_rest_is_refused_in_words():
    with pytest.raises(NumericsError, match="did not come to rest"):
        slab("surface_branch", layers="infinite", surface_bond_ratio=1e-3, **SHORT)


@pytest.mark.parametrize("surface", ["100", "110", "111"])
@pytest.mark.parametrize("cutoff", [1.5, 2.2, 3.0])
def test_short_forces_have_a_half_space_too(surface, cutoff):
    """Shifts of (110) fall by 0.4 from layer to layer only, and a lower face has some as well."""
    point = {"surface": surface, "cutoff": cutoff, "k_mesh": 2, "temperatures": (0.0,),
             "surface_depth": 9, "adlayer": "one side", "adlayer_bond_ratio": 3.0,
             "errors": False}  # fmt: skip
    found = slab("mean_square_displacement", layers="infinite", **point)
    thick = slab("mean_square_displacement", layers=40, **point)[:, :9]

    assert found == pytest.approx(thick, rel=1e-8)


# --- in a sweep ---


def test_slabs_and_half_spaces_lie_on_one_axis(tmp_path, client):
    fixed = {"surface": "100", "k_mesh": 3, "temperatures": [0.0, 5.0], "surface_depth": 2,
             "adlayer": "one side", "grid_points": 90, "grid_max": 44.0, "grid_width": 1.0,
             "errors": False, **SHORT}  # fmt: skip
    outputs = ["frequency", "surface_branch", "mean_square_displacement", "layer_dos",
               "surface_heat_capacity", "layer_shift"]  # fmt: skip
    result = sweep.run(
        {"modesweep": 1, "name": "mixed", "model": "slab", "outputs": outputs, "fixed": fixed,
         "axes": {"layers": [9, "infinite"], "adlayer_mass_ratio": [1.0, 2.0]},
         "where": "adlayer_mass_ratio == 1 or layers != 'infinite'"},
        workspace=tmp_path, scheduler=client,
    )  # fmt: skip
    data = result.open()
    half = data.sel(layers="infinite", adlayer_mass_ratio=1.0)
    nine = data.sel(layers="9", adlayer_mass_ratio=1.0)

    assert result.counts == {"ok": 3, "skipped": 1}
    assert data.layers.values.tolist() == ["9", "infinite"]
    assert data.frequency.dims == ("layers", "adlayer_mass_ratio", "k", "mode")
    assert (data.sizes["layer"], data.sizes["mode"]) == (9, 27)
    for name in ("frequency", "surface_heat_capacity", "layer_shift"):
        assert np.isnan(half[name]).all()
        assert np.isfinite(nine[name]).all()
    for name in ("mean_square_displacement", "layer_dos"):
        assert np.isnan(half[name].isel(layer=slice(2, None))).all()
        assert np.isfinite(nine[name]).all()
        alone = slab(name, layers="infinite", **fixed)
        assert half[name].isel(layer=slice(2)).values == pytest.approx(alone, rel=1e-10)
    alone = slab("surface_branch", layers="infinite", **fixed)
    assert half.surface_branch.values == pytest.approx(alone, rel=1e-10, nan_ok=True)


def test_an_unstable_half_space_is_told_by_the_status_of_its_point(tmp_path, client):
    fixed = {"layers": "infinite", "adlayer": "one side", "adlayer_mass_ratio": 2.0, "k_mesh": 3,
             "temperatures": [1.0], "errors": False, **SHORT}  # fmt: skip
    content = {"modesweep": 1, "name": "loose", "model": "slab", "fixed": fixed,
               "outputs": ["mean_square_displacement"],
               "axes": {"adlayer_bond_ratio": [1.0, 1e-3]}}  # fmt: skip
    result = sweep.run(content, workspace=tmp_path, scheduler=client)

    assert result.counts == {"ok": 1, "unstable": 1}
    assert np.isnan(result.open().mean_square_displacement.values[1]).all()
