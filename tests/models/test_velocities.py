"""Group velocities against differences of frequencies, long waves and units."""

import numpy as np
import pytest
from known import SLAB, slab, squared
from plain_slab import FACES, SPRINGS

from models.crystal.faces import FACES as GEOMETRY
from models.evaluate import Evaluator

STEP = 1e-4
"""Of a wavevector in differences, in 1/nearest-neighbour distance: 1e-8 is left of it."""
SLABS = {
    **{name: {**p, "layers": 4} for name, p in FACES.items()},
    "complex": {"layers": 3, "adlayer": "one side", "adlayer_mass_ratio": 3.0},
    "two-fold": {"surface": "110", "layers": 3, "layer_masses": (2.0,)},
    "split, odd": {"surface": "100", "layers": 5},
    "superlattice": {
        "surface": "111", "layers": 4, "superlattice_period": 1, "superlattice_mass_ratio": 3.0,
    },
}  # fmt: skip


def face_of(p):
    return GEOMETRY[p.get("crystal", "fcc"), p.get("surface", "111")]


def near(p, f, direction, steps):
    """Fractions at steps of a Cartesian direction from f, nearest-neighbour distances."""
    away = np.outer(steps, direction) @ np.linalg.inv(face_of(p).reciprocal)
    return [tuple(x) for x in np.array(f) + away]


def distance_of(p):
    return float(slab("nearest_neighbour_distance", k_list=[(0.1, 0.2)], **p))


@pytest.mark.parametrize("name", SLABS)
def test_velocities_are_differences_of_frequencies(name):
    """Along x and along y, of all modes that do not mix with a neighbour within a step."""
    p, f = {"cutoff": 2.3, **SLABS[name]}, (0.19, 0.34)
    v, w = slab("group_velocity frequency", k_list=[f], **p).values()
    gap = np.diff(w[0], prepend=-np.inf, append=np.inf)
    apart = np.minimum(gap[1:], gap[:-1]) > 2e-3 * w.max()
    assert apart.mean() > 0.7
    for a in range(2):
        around = slab("frequency", k_list=near(p, f, np.eye(2)[a], [STEP, -STEP]), **p)
        slope = (around[0] - around[1]) / (2 * STEP) * distance_of(p)
        assert v[0, apart, a] == pytest.approx(slope[apart], abs=1e-5 * np.abs(v).max())


DEGENERATE = {  # at these some modes have the same frequency by symmetry
    "fcc 100": [(0.5, 0.5), (0.0, 0.0)],
    "fcc 110": [(0.5, 0.5)],
    "fcc 111": [(2 / 3, 1 / 3), (0.0, 0.0), (0.5, 0.0)],
    "hcp 0001": [(2 / 3, 1 / 3)],
    "sc 100": [(0.5, 0.5)],
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("layers", [4, 5])
def test_sets_of_equal_modes_part_along_k_with_their_velocities(name, layers):
    """One-sided slopes along k (at Gamma along x) are those of the set, in ascending order; at
    Gamma acoustic modes have none. Rounding: 1e-5 of the largest."""
    p = {"cutoff": 2.3, **FACES[name], "layers": layers}
    found_one = False
    for f in DEGENERATE[name]:
        k = np.array(f) @ face_of(p).reciprocal
        k = k / np.linalg.norm(k) if np.any(k) else np.array([1.0, 0.0])
        # steps of 1 and 2 take out the second order
        got = slab("group_velocity frequency", k_list=near(p, f, k, [0, STEP, 2 * STEP]), **p)
        w = got["frequency"]
        slope = (4 * w[1] - w[2] - 3 * w[0]) / (2 * STEP) * distance_of(p)
        v = got["group_velocity"][0] @ k
        for group in np.split(np.arange(3 * layers), np.flatnonzero(np.diff(w[0]) > 1e-6) + 1):
            if f == (0.0, 0.0) and w[0][group[0]] < 1e-3:
                assert np.isnan(v[group]).all()
                continue
            found_one |= len(group) > 1
            scale = np.nanmax(np.abs(got["group_velocity"]))
            assert np.sort(v[group]) == pytest.approx(slope[group], abs=1e-4 * scale)
    assert found_one or name in ("fcc 110", "hcp 0001")


def test_the_two_branches_of_a_cone_have_opposite_velocities():
    """K of (111) in a plane of springs: in-plane modes touch in a point."""
    p = {"surface": "111", "layers": 1, "forces": "springs"}
    got = slab("group_velocity frequency", k_list=[(2 / 3, 1 / 3)], **p)
    w, v = got["frequency"][0], got["group_velocity"][0]
    k = np.array([2 / 3, 1 / 3]) @ face_of(p).reciprocal
    pair = np.flatnonzero(np.abs(w - w[1]) < 1e-9)
    along = v[pair] @ (k / np.linalg.norm(k))

    assert len(pair) == 2
    assert along[0] == pytest.approx(-along[1], rel=1e-9)
    assert np.abs(along[0]) > 0.1


@pytest.mark.parametrize(("name", "f"), [("fcc 100", (2e-3, 0.0)), ("sc 100", (1e-3, 1e-3)),
                                         ("fcc 110", (0.0, 2e-3))])  # fmt: skip
def test_long_waves_of_a_plate_move_as_their_branch_bends(name, f):
    """Shear and stretching waves have w = c k, so v = w/k; bending ones w = b k^2, v = 2 w/k."""
    p = {**FACES[name], **SPRINGS, "layers": 5}
    got = slab("group_velocity frequency mode_parity", k_list=[f], **p)
    k = np.array(f) @ face_of(p).reciprocal
    along = got["group_velocity"][0, :3] @ (k / np.linalg.norm(k))
    phase = got["frequency"][0, :3] / np.linalg.norm(k)

    assert along / phase == pytest.approx([2, 1, 1], rel=1e-3)
    assert sorted(got["mode_parity"][0, :3]) == [0, 0, 1]


def test_velocities_reverse_with_k_and_turn_with_the_face():
    p = {"surface": "100", "layers": 4, "cutoff": 2.3}
    v = slab("group_velocity", k_list=[(0.2, 0.1), (-0.2, -0.1), (-0.1, 0.2), (1.2, -0.9)], **p)

    assert v[1] == pytest.approx(-v[0], abs=1e-8)
    assert v[2][:, 0] == pytest.approx(-v[0][:, 1], abs=1e-8)
    assert v[2][:, 1] == pytest.approx(v[0][:, 0], abs=1e-8)
    assert v[3] == pytest.approx(v[0], abs=1e-8)


def test_no_energy_flows_across_a_mirror_plane_on_it():
    v = slab("group_velocity", surface="110", layers=4, cutoff=2.3, k_list=[(0.23, 0.0)])[0]

    assert np.abs(v[:, 1]).max() < 1e-10
    assert np.abs(v[:, 0]).max() > 0.1


def test_velocities_of_a_gas_are_slopes_of_thz_over_inverse_angstroms():
    """v = 2 pi d(nu)/dk in angstrom/ps, k as it is stored."""
    p = {"layers": 3, "cutoff": 2.3, "material": "Kr"}
    f = (0.19, 0.34)
    around = near(p, f, [1.0, 0.0], [STEP, -STEP])
    got = slab("group_velocity frequency k_vector", k_list=[f, *around], **p)
    k, nu = got["k_vector"][:, 0], got["frequency"]
    slope = 2 * np.pi * (nu[1] - nu[2]) / (k[1] - k[2])

    assert got["group_velocity"][0, :, 0] == pytest.approx(slope, abs=1e-5 * np.abs(slope).max())


def test_unstable_modes_have_the_slope_of_their_root():
    """w2 = -kappa^2: what is stored is -kappa, and v = d(w2)/dk over twice its magnitude."""
    p = {"crystal": "bcc", "surface": "100", "layers": 3}
    f = (0.1, 0.13)
    v, w = slab("group_velocity frequency", k_list=[f], **p).values()
    assert w[0, 0] < -0.4
    around = squared(slab("frequency", k_list=near(p, f, [1.0, 0.0], [STEP, -STEP]), **p))
    slope = (around[0] - around[1]) / (2 * STEP) * distance_of(p) / (2 * np.abs(w[0]))

    assert v[0, :, 0] == pytest.approx(slope, abs=1e-5 * np.abs(v).max())
    stage = SLAB.stage("modes")
    point = SLAB.parameters(k_list=[f], **p)
    assert stage.unstable(Evaluator(SLAB).whole(stage, point)).tolist() == [True]
