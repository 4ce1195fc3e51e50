"""Free particles against closed forms, the full problem without symmetry, and references."""

import itertools

import numpy as np
import pytest
from known import known
from scipy import linalg

from models.evaluate import compute
from models.particle.band_top import highest_frequency, masses_of, resting
from models.particle.chebyshev import ends_of
from models.particle.groups import cubic, icosahedral
from models.particle.levels import block_of, levels_of
from models.particle.pair_sums import energy_and_forces
from models.particle.shapes import atom_count, particle, sites
from models.particle.site_classes import CENTRE, SITE_CLASSES
from models.particle.sizes import sizes_of
from models.registry import get

CLUSTER = get("cluster")
REFERENCE = known("clusters")
SMALL = [("icosahedron", 1), ("icosahedron", 2), ("cuboctahedron", 1), ("cuboctahedron", 2),
         ("cube", 1), ("cube", 2)]  # fmt: skip
MEDIUM = [("icosahedron", 3), ("cuboctahedron", 3), ("cube", 3)]


def cluster(outputs, **parameters):
    names = outputs.split()
    found = compute(CLUSTER, names, CLUSTER.parameters(**parameters))
    return found[names[0]] if len(names) == 1 else found


def full_problem(shape, shells, impurity_mass_ratio=1.0):
    """D of the whole particle, pair by pair, with positions, masses and coordination."""
    rest = cluster("position coordination_number", shape=shape, shells=shells)
    x, n = rest["position"], len(rest["position"])
    away = x[None] - x[:, None]
    r2 = (away**2).sum(axis=-1) + np.eye(n)
    tension = (24 * r2**-4 - 48 * r2**-7) * (1 - np.eye(n))
    second = (624 * r2**-7 - 168 * r2**-4) * (1 - np.eye(n))
    k = ((second - tension) / r2)[..., None, None] * away[..., None] * away[..., None, :]
    k += tension[..., None, None] * np.eye(3)
    phi = -k
    phi[range(n), range(n)] = k.sum(axis=1)
    m = np.ones(n)
    m[0] = impurity_mass_ratio
    d = phi / np.sqrt(np.outer(m, m))[..., None, None]
    return d.transpose(0, 2, 1, 3).reshape(3 * n, 3 * n), x, m, rest["coordination_number"]


def rigid_motions(x, m):
    """Three translations and three rotations, mass-weighted and orthonormal, (3 n, 6)."""
    moves = [np.tile(e, (len(x), 1)) for e in np.eye(3)] + [np.cross(e, x) for e in np.eye(3)]
    vectors = [(np.sqrt(m)[:, None] * u).ravel() for u in moves]
    return np.linalg.qr(np.array(vectors).T)[0]


def of_function(d, rigid, f):
    """Diagonal of f(D) on the vibrations, three components of an atom in a row."""
    p = np.eye(len(d)) - rigid @ rigid.T
    lifted = linalg.funm(d + 100 * rigid @ rigid.T, np.vectorize(f))
    return (p @ lifted @ p).diagonal().real.reshape(-1, 3)


# --- groups and shapes ---


@pytest.mark.parametrize("group", [cubic(), icosahedral()], ids=["cube", "icosahedron"])
def test_representations_multiply_as_the_operations_do(group):
    place = {tuple((o.round(6) + 0.0).ravel()): i for i, o in enumerate(group.operations)}
    for a, b in itertools.product(range(0, group.order, 7), range(0, group.order, 5)):
        product = group.operations[a] @ group.operations[b]
        c = place[tuple((product.round(6) + 0.0).ravel())]
        for r in group.representations:
            assert np.abs(r.matrices[a] @ r.matrices[b] - r.matrices[c]).max() < 1e-14


@pytest.mark.parametrize("group", [cubic(), icosahedral()], ids=["cube", "icosahedron"])
def test_representations_are_all_there_are(group):
    """Characters are orthonormal, and the squares of the dimensions sum to the order."""
    chi = np.array([np.trace(r.matrices, axis1=1, axis2=2) for r in group.representations])

    assert chi @ chi.T / group.order == pytest.approx(np.eye(len(chi)), abs=1e-14)
    assert sum(r.dimension**2 for r in group.representations) == group.order


@pytest.mark.parametrize("shape", ["icosahedron", "cuboctahedron", "cube"])
@pytest.mark.parametrize("shells", [1, 2, 3, 4, 7])
def test_the_numbers_of_atoms_are_the_magic_ones(shape, shells):
    magic = {1: 13, 2: 55, 3: 147, 4: 309, 7: 1415}
    cubes = {1: 14, 2: 63, 3: 172, 4: 365, 7: 1688}
    whole = particle(shape, shells)

    assert whole.atoms == len(sites(shape, shells)) == atom_count(shape, shells)
    assert whole.atoms == (cubes if shape == "cube" else magic)[shells]
    assert (whole.stabiliser.sum(axis=1) * whole.size == whole.group.order).all()


@pytest.mark.parametrize(("shape", "shells"), MEDIUM)
def test_all_sites_come_back_from_one_of_each_set(shape, shells):
    whole = particle(shape, shells)
    back = whole.everywhere(whole.representative)
    every = sites(shape, shells)

    nearest = np.abs(back[:, None] - every[None]).max(axis=-1)
    assert nearest.min(axis=0).max() < 1e-12
    assert nearest.min(axis=1).max() < 1e-12


def test_the_cells_of_a_cube_decide_whether_it_has_a_centre():
    for shells in (1, 2, 3, 4):
        middle = np.abs(cluster("position", shape="cube", shells=shells)[0]).max() < 1e-12
        assert middle == (shells % 2 == 0)


@pytest.mark.parametrize(("shape", "shells", "classes"), [
    ("icosahedron", 1, {6: 12, 12: 1}),
    ("icosahedron", 4, {6: 12, 8: 90, 9: 60, 12: 147}),
    ("cuboctahedron", 1, {5: 12, 12: 1}),
    ("cuboctahedron", 4, {5: 12, 7: 72, 8: 54, 9: 24, 12: 147}),
    ("cube", 1, {3: 8, 8: 6}),
    ("cube", 3, {3: 8, 5: 24, 8: 78, 12: 62}),
])  # fmt: skip
def test_sites_are_corners_edges_faces_and_core(shape, shells, classes):
    found = cluster("site_count coordination_number", shape=shape, shells=shells)

    assert dict(zip(SITE_CLASSES, found["site_count"].tolist(), strict=True)) == {
        c: classes.get(c, 0) for c in SITE_CLASSES
    }
    assert {c: (found["coordination_number"] == c).sum() for c in classes} == classes


# --- at rest ---


@pytest.mark.parametrize("shells", [1, 2, 3])
def test_icosahedra_have_the_lowest_energies_that_are_known(shells):
    atoms = atom_count("icosahedron", shells)
    expected = REFERENCE["ground_states"][f"icosahedron_{atoms}"]

    assert cluster("energy", shells=shells) == pytest.approx(expected, abs=1e-6)


def test_thirteen_atoms_have_a_closed_form():
    """Icosahedron: one radius r. Pairs: 12 at r, 30 at a r, 30 at b r, 6 at 2 r.

    a = 1.0515 is the edge over the radius; b = a golden ratios. So r^6 = 2 A12/A6.
    """
    golden = (1 + 5**0.5) / 2
    a = 2 / np.hypot(1, golden)
    lengths = np.repeat([1, a, a * golden, 2], [12, 30, 30, 6])
    a6, a12 = (lengths**-6.0).sum(), (lengths**-12.0).sum()
    found = cluster("energy position", shells=1)

    assert found["energy"] == pytest.approx(-(a6**2) / a12, rel=1e-13)
    radius = np.linalg.norm(found["position"][1:], axis=1)
    assert radius == pytest.approx((2 * a12 / a6) ** (1 / 6), rel=1e-12)


@pytest.mark.parametrize(("shape", "shells"), SMALL + MEDIUM)
def test_no_atom_feels_a_force(shape, shells):
    """Atom by atom, without symmetry."""
    x = cluster("position", shape=shape, shells=shells)
    away = x[None] - x[:, None]
    r2 = (away**2).sum(axis=-1) + np.eye(len(x))
    tension = (24 * r2**-4 - 48 * r2**-7) * (1 - np.eye(len(x)))

    assert np.abs(np.einsum("ij,ija->ia", tension, away)).max() < 1e-10
    assert np.abs(x.mean(axis=0)).max() < 1e-13
    assert cluster("relaxation_force", shape=shape, shells=shells) < 1e-10


@pytest.mark.parametrize(("shape", "shells"), [("cube", 3), ("cuboctahedron", 3)])
def test_the_cubic_axes_are_alike(shape, shells):
    """Every permutation and reflection of the axes maps the particle on itself."""
    x = cluster("position", shape=shape, shells=shells)
    for order in itertools.permutations(range(3)):
        moved = x[:, order] * np.array([1, -1, 1])
        assert np.abs(moved[:, None] - x[None]).max(axis=-1).min(axis=1).max() < 1e-12


def test_forces_are_the_slope_of_the_energy():
    whole = particle("cube", 2)
    x = whole.representative * 0.8
    step = np.zeros_like(x)
    step[3] = 1e-5 * whole.stabiliser[3] @ (whole.group.operations @ x[3])  # keeps its symmetry
    rise = energy_and_forces(whole, x + step)[0] - energy_and_forces(whole, x - step)[0]
    force = energy_and_forces(whole, x)[1]

    assert rise / 2 == pytest.approx(-whole.size[3] * force[3] @ step[3], rel=1e-7)


# --- modes ---


@pytest.mark.parametrize(("shape", "shells"), SMALL + MEDIUM)
def test_the_blocks_have_the_modes_of_the_full_problem(shape, shells):
    d, x, m, _ = full_problem(shape, shells)
    rigid = rigid_motions(x, m)
    top = np.linalg.eigvalsh(d)[-1]

    assert np.abs(d @ rigid).max() < 1e-11 * top  # translations and rotations cost nothing
    lifted = np.linalg.eigvalsh(d + 2 * top * rigid @ rigid.T)[:-6]
    found = cluster("frequency n_zero n_negative", shape=shape, shells=shells)
    assert np.sign(found["frequency"]) * found["frequency"] ** 2 == pytest.approx(
        lifted, abs=1e-12 * top
    )
    assert found["n_zero"] == 6
    assert found["n_negative"] == (lifted < 0).sum()


@pytest.mark.parametrize("ratio", [0.2, 5.0])
def test_a_changed_centre_has_the_modes_of_the_full_problem(ratio):
    d, x, m, _ = full_problem("icosahedron", 2, ratio)
    found = cluster("frequency", shells=2, impurity_mass_ratio=ratio)

    assert found**2 == pytest.approx(np.linalg.eigvalsh(d)[6:], abs=1e-11 * found[-1] ** 2)


def test_only_three_fold_odd_levels_feel_the_centre():
    """The centre moves like a vector: every other level has a node there."""
    one = cluster("frequency", shells=2)
    other = cluster("frequency", shells=2, impurity_mass_ratio=0.1)

    moved = np.abs(np.subtract.outer(other, one)).min(axis=1) > 1e-7
    assert moved.sum() == 3 * (sizes_of("icosahedron", 2).rows[3] - 1)
    assert (other >= one - 1e-10).all()  # a lighter atom lowers no frequency


def test_a_light_centre_vibrates_alone():
    """m -> 0: the cage stands still, w^2 = trace of the centre's own constants / 3 m."""
    ratio = 1e-6
    top = cluster("frequency", shells=1, impurity_mass_ratio=ratio)[-3:]
    own = full_problem("icosahedron", 1)[0][:3, :3]

    assert own == pytest.approx(own[0, 0] * np.eye(3), abs=1e-10)
    assert top**2 * ratio == pytest.approx(own[0, 0], rel=1e-5)


@pytest.mark.parametrize(("shells", "soft"), [(1, 1), (2, 1), (3, 0)])
def test_small_cuboctahedra_rest_on_a_saddle(shells, soft):
    """One mode turns their triangles towards the icosahedron."""
    found = cluster(
        "n_negative frequency heat_capacity mean_square_displacement dos", shape="cuboctahedron",
        shells=shells, temperatures=[1.0],
    )  # fmt: skip
    stage = CLUSTER.stage("modes")

    assert found["n_negative"] == (found["frequency"] < 0).sum() == soft
    assert np.isnan(found["heat_capacity"]).all() == bool(soft)
    assert np.isnan(found["mean_square_displacement"]).all() == bool(soft)
    assert not np.isnan(found["dos"]).any()
    assert stage.unstable({"n_negative": found["n_negative"][None]}).tolist() == [bool(soft)]


@pytest.mark.parametrize(("shape", "shells"), MEDIUM)
def test_modes_keep_the_sum_rule_of_every_site(shape, shells):
    """sum of shares times w^2 is the trace of D over the atom."""
    d, _, _, sites = full_problem(shape, shells)
    own = d.diagonal().reshape(-1, 3).sum(axis=1)
    found = cluster("site_second_moment sum_rule_residual asymmetry", shape=shape, shells=shells)
    rigid = (rigid_motions(*full_problem(shape, shells)[1:3]) ** 2).sum(axis=1)
    norm = 3 - rigid.reshape(-1, 3).sum(axis=1)

    for place, c in enumerate(SITE_CLASSES):
        if (sites == c).any():
            expected = own[sites == c].sum() / norm[sites == c].sum()
            assert found["site_second_moment"][place] == pytest.approx(expected, rel=1e-12)
        else:
            assert np.isnan(found["site_second_moment"][place])
    assert found["sum_rule_residual"] < 1e-13
    assert found["asymmetry"] < 1e-13


# --- spectra ---


@pytest.mark.parametrize(("shape", "shells"), MEDIUM)
def test_spectra_of_sites_add_up_to_the_density_of_modes(shape, shells):
    found = cluster("site_dos dos site_count frequency", shape=shape, shells=shells)
    end = CLUSTER.settle([CLUSTER.parameters(shape=shape, shells=shells)])["grid_max"]
    grid = np.linspace(0, end, 400)
    atoms = found["site_count"].sum()
    width = end / 200
    lines = np.exp(-((grid - found["frequency"][:, None]) ** 2) / 2 / width**2)

    total = np.nansum(found["site_count"][:, None] * found["site_dos"], axis=0) / atoms
    assert total == pytest.approx(found["dos"], abs=1e-12)
    expected = lines.sum(axis=0) / width / np.sqrt(2 * np.pi) / atoms
    assert found["dos"] == pytest.approx(expected, abs=1e-10)
    assert np.trapezoid(found["dos"], grid) == pytest.approx(3 - 6 / atoms, rel=1e-7)


def test_errors_are_the_change_at_half_the_width():
    p = {"shells": 2, "grid_points": 401, "grid_max": 40.0}
    wide = cluster("site_dos site_dos_error", grid_width=0.4, **p)
    narrow = cluster("site_dos", grid_width=0.2, **p)

    assert wide["site_dos_error"][2] == pytest.approx(
        np.abs(wide["site_dos"] - narrow)[2], abs=1e-12
    )
    off = cluster("site_dos_error mean_square_velocity_error", shells=2, errors=False,
                  temperatures=[1.0])  # fmt: skip
    assert all(np.isnan(x).all() for x in off.values())
    assert (cluster("heat_capacity_error", shells=2, temperatures=[1.0]) == 0).all()


def test_the_grid_of_a_sweep_ends_above_its_highest_frequency():
    points = [
        CLUSTER.parameters(shape=shape, shells=2, impurity_mass_ratio=ratio)
        for shape in ("icosahedron", "cuboctahedron") for ratio in (1.0, 0.3)
    ]  # fmt: skip
    highest = max(cluster("frequency", **p.model_dump())[-1] for p in points)

    settled = CLUSTER.settle(points)
    assert settled["grid_max"] == pytest.approx(1.05 * highest, rel=1e-8)
    assert settled["grid_width"] == settled["grid_max"] / 200
    given = CLUSTER.parameters(grid_max=10.0)
    assert CLUSTER.settle([given]) == {"grid_width": 0.05}
    assert CLUSTER.settle([CLUSTER.parameters(grid_max=10.0, grid_width=0.1)]) == {}


@pytest.mark.parametrize(("shape", "shells"), MEDIUM)
def test_the_highest_frequency_is_found_without_the_others(shape, shells):
    expected = cluster("frequency", shape=shape, shells=shells)[-1]

    assert highest_frequency(shape, shells, 1.0) == pytest.approx(expected, rel=1e-10)


# --- Chebyshev moments ---


NAMES = [
    "site_dos", "centre_dos", "dos", "site_first_moment", "mean_square_displacement",
    "mean_square_velocity", "heat_capacity", "internal_energy", "free_energy", "entropy",
]  # fmt: skip
LARGE = {"shape": "cuboctahedron", "shells": 4, "impurity_mass_ratio": 0.5,
         "temperatures": [0.0, 1.0, 50.0]}  # fmt: skip


def differences(**parameters):
    """Largest difference from all modes, and stated error, over the largest value."""
    errors = [f"{n}_error" for n in NAMES]
    exact = cluster(" ".join(NAMES), **LARGE)
    found = cluster(" ".join([*NAMES, *errors]), solver="chebyshev", **LARGE, **parameters)
    scale = {n: np.nanmax(np.abs(exact[n])) for n in NAMES}
    return {
        n: (np.nanmax(np.abs(found[n] - exact[n])) / scale[n],
            np.nanmax(found[f"{n}_error"]) / scale[n])
        for n in NAMES
    }  # fmt: skip


def test_moments_of_all_vectors_give_what_all_modes_give():
    """309 atoms; a number of start vectors above the rows of a block makes all kinds exact."""
    found = differences(start_vectors=100)

    smooth = [n for n in NAMES if not n.endswith("dos")]
    assert max(off for off, _ in found.values()) < 1e-8
    assert max(found[n][0] for n in smooth) < 1e-12
    assert max(found[n][1] for n in smooth) < 1e-10


def test_few_moments_say_that_they_are_few():
    found = differences(start_vectors=100, moments=64)

    for name in ("site_first_moment", "mean_square_displacement", "entropy"):
        off, stated = found[name]
        assert 1e-12 < off < stated


def test_start_vectors_by_chance_are_near_and_say_so():
    found = differences(start_vectors=16)

    for name in ("site_first_moment", "mean_square_velocity", "heat_capacity"):
        off, stated = found[name]
        assert 1e-5 < off < 0.01
        assert 0.3 < stated / off < 10


def test_moments_give_no_frequencies_and_say_why():
    p = CLUSTER.parameters(shells=2, solver="chebyshev", moments=64)

    assert np.isnan(compute(CLUSTER, ["frequency"], p)["frequency"]).all()
    assert "Use `solver`" in CLUSTER.missing("frequency", p)
    assert CLUSTER.missing("dos", p) is None


def test_moments_leave_unstable_blocks_to_the_solver():
    p = {"shape": "cuboctahedron", "shells": 2}
    assert cluster("n_negative", solver="chebyshev", **p) == 1


@pytest.mark.parametrize(("shape", "shells"), [("icosahedron", 3), ("cuboctahedron", 4)])
@pytest.mark.parametrize("representation", ["T1u", "T1g"])
def test_the_ends_of_a_block_leave_the_rigid_motion_out(shape, shells, representation):
    """With more steps than rows, rounding brings the rigid motion back again and again."""
    whole, rest = particle(shape, shells), resting(shape, shells)
    masses = masses_of(shape, shells, 1.0)
    block = block_of(whole, rest.representative, masses, representation)
    kinds = np.zeros((CENTRE + 1, len(masses)))

    found = levels_of(block, kinds).squared
    assert ends_of(block.matrix, block.rigid, 120) == pytest.approx((found[0], found[-1]))


# --- averages ---


@pytest.mark.parametrize("temperature", [0.0, 2.0])
@pytest.mark.parametrize("ratio", [1.0, 0.3])
def test_mean_squares_are_matrix_functions(temperature, ratio):
    """<u^2> = [D^-1/2 coth(D^1/2/2T)]/2m, <v^2> = [D^1/2 coth(D^1/2/2T)]/2m."""
    d, x, m, sites = full_problem("icosahedron", 2, ratio)
    rigid = rigid_motions(x, m)

    def coth(y):
        return 1.0 if temperature == 0 else 1 / np.tanh(y / (2 * temperature))

    u2 = of_function(d, rigid, lambda y: coth(y**0.5) * y**-0.5).mean(axis=1) / (2 * m)
    v2 = of_function(d, rigid, lambda y: coth(y**0.5) * y**0.5).mean(axis=1) / (2 * m)
    found = cluster(
        "mean_square_displacement mean_square_velocity centre_mean_square_displacement "
        "centre_mean_square_velocity", shells=2, impurity_mass_ratio=ratio,
        temperatures=[temperature],
    )  # fmt: skip

    for place, c in enumerate(SITE_CLASSES):
        if (sites == c).any():
            for name, expected in (("displacement", u2), ("velocity", v2)):
                mean = found[f"mean_square_{name}"][0, place]
                assert mean == pytest.approx(expected[sites == c].mean(), rel=1e-9)
    assert found["centre_mean_square_displacement"][0] == pytest.approx(u2[0], rel=1e-9)
    assert found["centre_mean_square_velocity"][0] == pytest.approx(v2[0], rel=1e-9)


def test_hot_particles_have_equipartition():
    """C = 3 N - 6 and, without rigid motions, sum over components of m <v^2> = T norm."""
    found = cluster(
        "heat_capacity internal_energy mean_square_velocity site_count n_atoms", shells=3,
        temperatures=[3000.0],
    )  # fmt: skip
    modes = 3 * found["n_atoms"] - 6

    assert found["heat_capacity"][0] == pytest.approx(modes, rel=1e-4)
    assert found["internal_energy"][0] == pytest.approx(3000 * modes, rel=1e-4)
    total = 3 * np.nansum(found["mean_square_velocity"][0] * found["site_count"])
    assert total == pytest.approx(3000 * modes, rel=1e-4)


def test_thermal_functions_hang_together():
    t = np.linspace(2.0, 2.002, 3)
    found = cluster("internal_energy free_energy entropy heat_capacity", shells=2,
                    temperatures=t.tolist())  # fmt: skip
    energy, free = found["internal_energy"], found["free_energy"]

    assert energy - t * found["entropy"] == pytest.approx(free, rel=1e-12)
    slope = (energy[2] - energy[0]) / (t[2] - t[0])
    assert slope == pytest.approx(found["heat_capacity"][1], rel=1e-5)
    assert -(free[2] - free[0]) / (t[2] - t[0]) == pytest.approx(found["entropy"][1], rel=1e-5)


@pytest.mark.parametrize("shape", ["icosahedron", "cuboctahedron"])
def test_particles_of_147_atoms_are_the_reference_ones(shape):
    expected = REFERENCE["clusters"][f"{shape}_147"]
    hot = 1e6
    found = cluster(
        "energy frequency position site_count site_first_moment site_second_moment site_dos "
        "mean_square_displacement mean_square_velocity",
        shape=shape, temperatures=[0.0, hot],
    )  # fmt: skip
    step = highest_frequency(shape, 3, 1.0) * 1.05 / 399

    assert found["energy"] == pytest.approx(expected["energy"], rel=1e-11)
    assert found["frequency"][[0, -1]] == pytest.approx(
        [expected["omega_min"], expected["omega_max"]], rel=1e-10
    )
    radius = np.linalg.norm(found["position"], axis=1).max()
    assert radius == pytest.approx(expected["radius_outermost"], rel=1e-11)
    for name, site in expected["sites"].items():
        c = SITE_CLASSES.index(int(name.removeprefix("coordination_")))
        assert found["site_count"][c] == site["count"]
        got = {
            "norm": found["site_dos"][c].sum() * step,
            "first_moment_omega": found["site_first_moment"][c],
            "second_moment_omega2": found["site_second_moment"][c],
            "u2_high_T_per_component_over_T": found["mean_square_displacement"][1, c] / hot,
            "u2_T0_per_component_over_hbar": found["mean_square_displacement"][0, c],
            "v2_T0_per_component_over_hbar": found["mean_square_velocity"][0, c],
        }
        assert got == pytest.approx({n: site[n] for n in got}, rel=1e-9)


# --- what is refused, and what is said ---


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"shells": 0}, "greater than or equal to 1"),
        ({"shape": "sphere"}, "'icosahedron', 'cuboctahedron' or 'cube'"),
        ({"impurity_mass_ratio": 0.0}, "greater than 0"),
        ({"shape": "cube", "shells": 3, "impurity_mass_ratio": 2.0}, "no atom at its centre"),
        ({"temperatures": [1.0, 0.5]}, "`temperatures` must ascend without repeats"),
        ({"grid_max": "automatic"}, "'auto'"),
        ({"moments": 8}, "greater than or equal to 64"),
    ],
)
def test_a_particle_that_makes_no_sense_is_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        CLUSTER.parameters(**parameters)


def test_auto_solves_all_modes_of_particles_of_reasonable_size():
    def method(**p):
        return CLUSTER.parameters(**p).method

    assert method(shells=20) == method(shape="cube", shells=14) == "dense"
    assert method(shape="cube", shells=20) == "chebyshev"
    assert method(shells=2, solver="chebyshev") == "chebyshev"


def test_what_symmetry_saved_is_said():
    (remark,) = CLUSTER.remarks(CLUSTER.parameters(shells=3))

    assert remark.startswith("147 atoms are solved in 10 blocks of up to 21 rows")


def test_cubes_without_a_centre_say_so():
    p = CLUSTER.parameters(shape="cube", shells=3, temperatures=[1.0])
    found = compute(CLUSTER, ["centre_dos", "centre_mean_square_velocity"], p)

    assert all(np.isnan(x).all() for x in found.values())
    assert "even number of `shells`" in CLUSTER.missing("centre_dos", p)


@pytest.mark.long
def test_ten_thousand_atoms_keep_the_sum_rule():
    found = cluster("n_atoms n_zero n_negative sum_rule_residual frequency energy", shells=14)

    assert found["n_atoms"] == 10179
    assert (found["n_zero"], found["n_negative"]) == (6, 0)
    assert len(found["frequency"]) == 3 * 10179 - 6
    assert found["sum_rule_residual"] < 1e-12
