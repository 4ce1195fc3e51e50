"""Projected bulk bands against an independent matrix of the infinite crystal."""

import numpy as np
import pytest
from known import SURFACES, known, slab
from slab_by_hand import bulk_matrix, lennard_jones, springs, wavevector

from models.modes.bulk_bands import merged, place_modes, signed_root

REFERENCE = known("crystal")
R_NN = REFERENCE["bulk_static"]["r_nn"]
SPECIAL = {  # in units of 2 pi/a
    "X": (1, 0, 0),
    "L": (0.5, 0.5, 0.5),
    "W": (1, 0.5, 0),
    "K": (0.75, 0.75, 0),
}
AXES = {  # rows x, y, z of each face in cubic axes
    "100": ((1, -1, 0), (1, 1, 0), (0, 0, 1)),
    "110": ((1, -1, 0), (0, 0, 1), (1, 1, 0)),
    "111": ((1, -1, 0), (1, 1, -2), (1, 1, 1)),
}


def bulk_frequencies(q, force=lennard_jones, cutoff=8.03, distance=R_NN):
    return np.sqrt(np.abs(np.linalg.eigvalsh(bulk_matrix(np.array(q), distance, cutoff, force))))


@pytest.mark.parametrize("name", SPECIAL)
def test_the_independent_bulk_has_the_known_frequencies(name):
    q = 2 * np.pi / (R_NN * np.sqrt(2)) * np.array(SPECIAL[name])

    assert bulk_frequencies(q) == pytest.approx(REFERENCE["bulk_phonons"][name], rel=1e-6)


@pytest.mark.parametrize(
    ("surface", "fraction", "low", "high"),
    [
        ("111", (0.5, 0.0), ("L", 0), ("X", 2)),  # M-bar is the projection of L and X
        ("100", (0.5, 0.5), ("W", 0), ("X", 2)),  # M-bar is that of X and W
        ("110", (0.0, 0.5), ("L", 0), ("L", 2)),  # Y-bar is that of L
    ],
)
def test_band_edges_reach_the_special_points_of_the_bulk(surface, fraction, low, high):
    bands = slab("bulk_band", surface=surface, layers=2, k_list=[fraction])[0]
    first, last = (REFERENCE["bulk_phonons"][name][i] for name, i in (low, high))

    assert np.nanmin(bands) == pytest.approx(first, rel=1e-6)
    assert np.nanmax(bands) == pytest.approx(last, rel=1e-6)


def test_the_highest_frequency_is_the_longitudinal_x_point():
    bands = slab("bulk_band", surface="100", layers=2, k_list=[(0.0, 0.0)])

    assert np.nanmax(bands) == pytest.approx(REFERENCE["bulk_static"]["omega_max"], rel=1e-6)


@pytest.mark.parametrize("case", sorted(known("surface_modes")["surface_modes"]))
def test_bands_are_the_reference_bands(case):
    """To 5e-6: the reference scans a plain grid of k_z, which misses extrema by 4e-6."""
    entry = known("surface_modes")["surface_modes"][case]
    bands = slab("bulk_band", surface=case[3:6], layers=2, k_list=[tuple(entry["k_frac"])])[0]
    expected = merged_by_hand(entry["bulk_bands"])

    assert bands[~np.isnan(bands[:, 0])] == pytest.approx(np.array(expected), rel=5e-6)


def merged_by_hand(bands):
    """Bands that touch count as one."""
    result = [list(bands[0])]
    for low, high in bands[1:]:
        if low - result[-1][1] < 1e-3:
            result[-1][1] = high
        else:
            result.append([low, high])
    return result


@pytest.mark.parametrize(
    ("forces", "surface"),
    [("lennard-jones", "111"), *(("springs", s) for s in SURFACES)]
    + [pytest.param("lennard-jones", s, marks=pytest.mark.long) for s in ("100", "110")],
)
def test_bands_are_just_filled_by_the_frequencies_of_the_bulk(surface, forces):
    """2000 k_z of the independent crystal: none outside, every edge reached.

    The scan misses an extremum by a share of about (pi/2000)^2 of the bandwidth.
    """
    fraction = (0.31, 0.12)
    lj = forces == "lennard-jones"
    own = {"cutoff": 2.3} if lj else {"forces": "springs", "spring_nn": 1.0, "spring_nnn": 0.2}
    got = slab("bulk_band nearest_neighbour_distance", surface=surface, layers=2,
               k_list=[fraction], **own)  # fmt: skip
    distance = float(got["nearest_neighbour_distance"])
    axes = np.array([np.array(v) / np.linalg.norm(v) for v in AXES[surface]])
    in_plane = wavevector(surface, fraction, distance) @ axes[:2]
    # one period of k_z is 2 pi over the spacing of the layers
    spacing = {"100": np.sqrt(0.5), "110": 0.5, "111": np.sqrt(2 / 3)}[surface] * distance
    force, cutoff = (lennard_jones, 2.3) if lj else (springs(1.0, 0.2), 1.5)
    k_z = np.linspace(0, 2 * np.pi / spacing, 2000, endpoint=False)
    found = np.array([
        bulk_frequencies(in_plane + k * axes[2], force, cutoff, distance) for k in k_z
    ])  # fmt: skip
    bands = got["bulk_band"][0]
    bands = bands[~np.isnan(bands[:, 0])]
    tolerance = 1e-5 * found.max()
    inside = [(found > low - 1e-9) & (found < high + 1e-9) for low, high in bands]

    assert np.any(inside, axis=0).all()
    for edge in bands.ravel():
        assert np.abs(found - edge).min() < tolerance


@pytest.mark.parametrize(("fraction", "low", "high"), [((0.5, 0.5), 4, 8), ((0.5, 0.0), 2, 8)])
def test_nearest_neighbour_springs_have_closed_band_edges(fraction, low, high):
    """fcc (100), springs k = m = 1: w2 from 4 to 8 at M, from 2 to 8 at X."""
    bands = slab("bulk_band", surface="100", layers=2, forces="springs", k_list=[fraction])[0]

    assert np.nanmin(bands) ** 2 == pytest.approx(low, abs=1e-8)
    assert np.nanmax(bands) ** 2 == pytest.approx(high, abs=1e-8)


def test_bands_that_overlap_or_touch_are_joined():
    edges = np.array(
        [[[1.0, 2.0], [1.5, 3.0], [4.0, 5.0]], [[1.0, 2.0], [2.00001, 3.0], [2.5, 2.6]]]
    )

    assert merged(edges) == pytest.approx(
        np.array([[[1, 3], [4, 5], [np.nan] * 2], [[1, 3], [np.nan] * 2, [np.nan] * 2]]),
        nan_ok=True,
    )


def test_bands_that_are_apart_are_sorted():
    edges = np.array([[[4.0, 5.0], [1.0, 2.0], [2.5, 3.0]]])

    assert merged(edges) == pytest.approx(np.array([[[1, 2], [2.5, 3], [4, 5]]]))


def test_modes_are_placed_against_the_bands():
    bands = np.array([[[1.0, 2.0], [3.0, 4.0], [np.nan, np.nan]]])
    frequency = np.array([[-0.5, 0.9, 1.0 - 1e-5, 1.5, 2.5, 4.0 + 1e-5, 4.1]])

    assert place_modes(frequency, bands).tolist() == [[1, 1, 0, 0, 2, 0, 3]]


def test_an_unstable_mode_has_a_negative_frequency():
    assert signed_root(np.array([-4.0, 0.0, 9.0])).tolist() == [-2, 0, 3]
