"""Spectra of the slab: norms, moments, three line shapes, meshes, references."""

import numpy as np
import pytest
from known import SLAB, known, slab
from plain_slab import FACES, SPRINGS, plain_matrices, whole_mesh

REFERENCE = known("shear_and_spectra")["spectral"]
NN = known("springs")["nn_spectral"]
GRID = {"grid_max": 4.0, "grid_points": 400, "grid_width": 0.03}
"""Springs: the highest frequency is sqrt 8 (masses of 1, no second neighbours)."""
STEP = 4.0 / 399
W = np.linspace(0, 4, 400)


def moment(density, power):
    """Integral over the grid of the last axis."""
    return (density * W**power).sum(axis=-1) * STEP


def thin(**more):
    return {"surface": "100", "layers": 3, "forces": "springs", "spring_nnn": 0.2, **GRID, **more}


# --- one wavevector ---


def test_the_reference_moments_and_weights_of_the_surface_layer():
    """Fcc (100) at X: moments of omega over |e|^2 of the outermost layer, to 1e-6."""
    entry = REFERENCE["fcc100_L21_X"]
    got = slab("frequency eigenvector", surface="100", layers=21, k_list=[tuple(entry["k_frac"])])
    w, share = got["frequency"][0], np.abs(got["eigenvector"][0, :, 0]) ** 2

    assert w[:4] == pytest.approx(entry["lowest4_omega"], rel=1e-6)
    assert w @ share == pytest.approx(entry["first_moment_omega_surface_xyz"], rel=1e-6)
    assert w**2 @ share == pytest.approx(entry["second_moment_omega2_surface_xyz"], rel=1e-6)
    pair = share[:2].sum(axis=0)
    names = [f"{a}_weight_surface_layer_lowest_pair" for a in ("xx", "yy", "zz")]
    assert pair == pytest.approx([entry[n] for n in names], abs=1e-6)


@pytest.mark.parametrize("case", sorted(NN))
def test_spectral_densities_of_springs_have_the_reference_moments(case):
    """First moments of the stored density itself; a Gaussian keeps them."""
    entry = NN[case]
    density = slab("spectral_density", surface="100", layers=entry["L"], forces="springs",
                   errors=False, k_list=[tuple(entry["k_frac"])], **GRID)  # fmt: skip
    found = moment(density[0, 0], 1)

    assert found == pytest.approx(entry["surface_first_moment_xyz"], rel=1e-6)


@pytest.mark.parametrize("shape", ["gaussian", "lorentzian"])
def test_a_spectral_density_is_the_sum_of_its_lines(shape):
    """Each mode of the plain matrix with its share of a coordinate."""
    p = {**thin(), "layer_masses": (2.0,)}
    f = [(0.31, 0.12), (0.5, 0.0)]
    got = slab("spectral_density layer_height", k_list=f, line_shape=shape, **p)
    density = got["spectral_density"]
    plain = plain_matrices(p, f, got["layer_height"], 1.0)
    for found, d in zip(density, plain, strict=True):
        w2, v = np.linalg.eigh(d)
        if shape == "gaussian":
            away = (W - np.sqrt(w2)[:, None]) / 0.03
            lines = np.exp(-(away**2) / 2) / (0.03 * np.sqrt(2 * np.pi))
        else:
            lines = -2 * W / np.pi * (1 / ((W + 0.03j) ** 2 - w2[:, None])).imag
        expected = np.abs(v) ** 2 @ lines
        assert found.reshape(9, -1) == pytest.approx(expected, abs=1e-9 * expected.max())


def test_every_component_has_one_mode_at_every_wavevector():
    """Norm 1 and second moment D_ll + width^2: moments of a Gaussian, exact on the grid."""
    p = thin(layer_masses=(2.0,))
    f = [(0.31, 0.12), (0.2, 0.2)]
    got = slab("spectral_density layer_height", k_list=f, **p)
    d = plain_matrices(p, f, got["layer_height"], 1.0).diagonal(axis1=1, axis2=2).real

    assert moment(got["spectral_density"], 0) == pytest.approx(np.ones((2, 3, 3)), abs=1e-9)
    second = moment(got["spectral_density"], 2).reshape(2, 9) - 0.03**2
    assert second == pytest.approx(d, abs=1e-9)


# --- the zone ---


@pytest.mark.parametrize("name", FACES)
def test_densities_have_the_moments_of_the_matrix(name):
    """Norm 3 an atom and 1 a component, sum over layers, second moment the mean of D_ll."""
    p = {**FACES[name], **SPRINGS, "layers": 3, "layer_masses": (0.8,), **GRID}
    got = slab("dos layer_dos layer_height", k_mesh=4, errors=False, **p)
    d = plain_matrices(p, whole_mesh(p, 4), got["layer_height"], 1.0)
    mean = d.diagonal(axis1=1, axis2=2).real.mean(axis=0).reshape(3, 3)

    assert got["layer_dos"].sum(axis=(0, 1)) / 3 == pytest.approx(got["dos"], abs=1e-12)
    assert moment(got["dos"], 0) == pytest.approx(3, abs=1e-6)
    assert moment(got["layer_dos"], 0) == pytest.approx(np.ones((3, 3)), abs=1e-6)
    assert moment(got["layer_dos"], 2) - 0.03**2 == pytest.approx(mean, abs=1e-5)


def test_line_shapes_agree_in_their_moments():
    """Linear: the exact integral of interpolated bands, off by the square of the mesh step.
    A Lorentzian leaves (4/pi) w/end = 1 % beyond the grid and as much of w in its moments."""
    gauss, lorentz, linear = (
        slab("layer_dos", k_mesh=12, errors=False, **thin(line_shape=s, grid_width=STEP * 1.001))
        for s in ("gaussian", "lorentzian", "linear")
    )

    assert moment(linear, 0) == pytest.approx(np.ones((3, 3)), abs=1e-12)
    assert moment(gauss, 0) == pytest.approx(np.ones((3, 3)), abs=1e-6)
    lost = 4 / np.pi * STEP / 4
    assert moment(lorentz, 0) == pytest.approx(np.full((3, 3), 1 - lost), abs=5e-3)
    finer = slab("layer_dos", k_mesh=24, errors=False, **thin(line_shape="linear"))
    for power in (1, 2):
        off, left = (np.abs(moment(x, power) / moment(gauss, power) - 1) for x in (linear, finer))
        assert off.max() < 5e-3
        assert left.max() < off.max() / 3
    assert moment(lorentz, 1) == pytest.approx(moment(gauss, 1), rel=1e-2)
    states = [d[..., W < 1.5].sum(axis=-1) * STEP for d in (gauss, lorentz, linear)]
    assert states[1] == pytest.approx(states[0], abs=3e-2)
    assert states[2] == pytest.approx(states[0], abs=3e-2)


RESOLUTION = 0.02


def density_of(n, shape):
    """A density of one resolution: the deviation of a Gaussian, or of an average over a step."""
    step = RESOLUTION * np.sqrt(12) if shape == "linear" else RESOLUTION
    grid = {"grid_points": round(4 / step) + 1, "grid_width": step * 1.01}
    return slab("dos", k_mesh=n, errors=False, **thin(line_shape=shape, **grid))


def test_interpolated_bands_converge_faster_with_the_mesh_than_lines():
    """Of a real slab, at one resolution: each shape against itself on a fine mesh. It takes
    less than half the mesh."""
    gauss, linear = (
        np.array([np.abs(density_of(n, s) - density_of(48, s)).mean() for n in (6, 12, 24)])
        for s in ("gaussian", "linear")
    )

    assert (linear < gauss / 2.5).all()
    assert linear[1] < gauss[2]
    assert (linear[1:] < linear[:-1] / 2).all()


@pytest.mark.parametrize("shape", ["gaussian", "linear", "lorentzian"])
def test_the_error_of_a_density_tells_how_far_the_next_mesh_moves_it(shape):
    """In the order of magnitude, on the mean: it also holds the change of the width."""
    p = thin(line_shape=shape, grid_points=100, grid_width=0.1)
    got = {n: slab("dos dos_error layer_dos layer_dos_error", k_mesh=n, **p) for n in (8, 16)}
    for name in ("dos", "layer_dos"):
        change = np.abs(got[16][name] - got[8][name])
        error = got[8][f"{name}_error"]
        assert change.mean() < error.mean()
        assert got[16][f"{name}_error"].mean() < error.mean()
    if shape == "linear":
        half = slab("layer_dos", k_mesh=4, errors=False, **p)
        expected = np.abs(got[8]["layer_dos"] - half)
        assert got[8]["layer_dos_error"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shape", ["gaussian", "linear"])
def test_rigid_shifts_and_unstable_modes_are_left_out(shape):
    """Three of 9 modes at one of nine points; of the bcc crystal those with w2 < 0."""
    p = thin(k_mesh=3, k_mesh_shift="gamma", errors=False, line_shape=shape)
    lost = 3 / 9 / 3
    assert moment(slab("dos", **p), 0) == pytest.approx(3 - lost, abs=1e-6)

    p = {"crystal": "bcc", "surface": "100", "layers": 3, "relaxed": False, "k_mesh": 3,
         "errors": False, "grid_max": 50.0, "grid_points": 400, "line_shape": shape,
         "grid_width": 0.2}  # fmt: skip
    got = slab("dos n_negative k_weight", **p)
    lost = got["k_weight"] @ got["n_negative"] / 3
    assert lost > 0
    # wide lines of soft modes also reach below zero, where the grid ends
    assert got["dos"].sum() * 50 / 399 == pytest.approx(3 - lost, abs=2e-2)


def test_a_gas_has_its_spectrum_per_thz():
    p = {"layers": 3, "cutoff": 2.3, "k_mesh": 3, "errors": False, "grid_points": 100}
    nu = 0.055447  # omega_0/2 pi of Kr in THz
    reduced = slab("dos", grid_max=30.0, grid_width=0.4, **p)
    gas = slab("dos", material="Kr", grid_max=30.0 * nu, grid_width=0.4 * nu, **p)

    assert gas * nu == pytest.approx(reduced, abs=1e-4 * reduced.max())


# --- grids that are settled ---


AUTO = {"layers": 4, "cutoff": 2.3, "k_mesh": 3, "errors": False}


def grid_of(p):
    return np.array(SLAB.dim("grid").coordinate(p))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"material": "Xe"},
        {"adlayer": "both sides", "adlayer_mass_ratio": 0.2},
        {"adlayer": "one side", "adlayer_bond_ratio": 3.0},
        {"layers": 20, "surface": "110"},
        {"crystal": "hcp", "surface": "0001"},
        {"superlattice_period": 1, "superlattice_mass_ratio": 0.1},
    ],
)
def test_a_grid_left_open_ends_above_the_highest_frequency(more):
    """1.05 times the highest of the point, and 200 widths long."""
    p = SLAB.parameters(**{**AUTO, **more})
    highest = slab("frequency", **{**AUTO, **more}).max()
    grid = grid_of(p)

    assert grid[-1] == pytest.approx(1.05 * highest, rel=1e-9)
    assert len(grid) == p.grid_points == 400
    assert SLAB.settle([p])["grid_width"] == pytest.approx(grid[-1] / 200)


def test_the_grid_of_a_thick_slab_reaches_over_the_band():
    """It lies above the slab's own top, by less than a step of the grid."""
    p = {**AUTO, "layers": 70, "surface": "100"}
    highest = slab("frequency", **p).max()
    end = grid_of(SLAB.parameters(**p))[-1] / 1.05

    assert highest <= end < highest * (1 + 1 / 400)


def test_one_grid_serves_all_points():
    points = [
        SLAB.parameters(
            **{**AUTO, "layers": n, "adlayer": "one side", "adlayer_mass_ratio": m}
        )
        for n in (3, 5) for m in (0.5, 2.0)
    ]  # fmt: skip
    found = SLAB.settle(points)

    assert found["grid_max"] == max(SLAB.settle([p])["grid_max"] for p in points)
    given = points[0].model_copy(update={"grid_max": 77.0})
    assert SLAB.settle([given]) == {"grid_width": 77.0 / 200}
    width = points[0].model_copy(update={"grid_width": 0.5})
    assert set(SLAB.settle([width])) == {"grid_max"}


def test_a_line_between_two_points_of_the_grid_is_missed_and_the_plan_says_so():
    """What a coarse grid holds is right all the same: the values of a fine one."""
    coarse, fine = (
        slab("dos", k_mesh=2, **thin(grid_width=STEP / 5, grid_points=n)) for n in (41, 401)
    )
    p = SLAB.parameters(k_mesh=2, **thin(grid_width=STEP / 5, grid_points=41))

    assert coarse == pytest.approx(fine[::10], abs=1e-11 * fine.max())
    assert any("may fall between its points" in text for text in SLAB.remarks(p))


def test_a_weight_in_the_spectrum_is_the_weight_of_the_modes():
    """What the density shows of the top layer below a gap is the `top_weight` of these modes."""
    p = thin(adlayer="one side", adlayer_mass_ratio=4.0)
    got = slab("spectral_density top_weight frequency", k_list=[(0.5, 0.5)], **p)
    w = got["frequency"][0]
    gap = np.diff(w).argmax()
    assert w[gap + 1] - w[gap] > 12 * 0.03
    shown = got["spectral_density"][0, 0, :, w[gap : gap + 2].mean() > W].sum() * STEP

    assert shown == pytest.approx(got["top_weight"][0, : gap + 1].sum(), abs=1e-6)
