"""Surface modes of thick slabs: against dense spectra, references and limits."""

import numpy as np
import pytest
from known import known
from thick import thick

from models.modes.bulk_bands import place_modes, signed_root
from models.modes.localization import layer_of_largest_weight, layer_weights, penetration_depth
from models.modes.surface_solver import RESIDUAL

MODES = known("surface_modes")["surface_modes"]
ALL_PAIRS = (2 * 12.1318802 / 14.4539210) ** (1 / 6)
"""Nearest-neighbour distance at rest when all pairs count."""
K = (2 / 3, 1 / 3)
CASES = {
    "generic": ({"surface": "111"}, (0.31, 0.12)),
    "zone corner": ({"surface": "111"}, K),
    "many modes peeled off": ({"surface": "100"}, (0.5, 0.0)),
    "long face": ({"surface": "110"}, (0.0, 0.5)),
    "ideal positions": ({"surface": "111", "relaxed": False}, (0.5, 0.0)),
    "long wave": ({"surface": "100"}, (0.05, 0.0)),
    "longer wave": ({"surface": "111"}, (0.05, 0.01)),
    "light adlayers": (
        {"surface": "111", "adlayer": "both sides", "adlayer_mass_ratio": 0.2}, (0.31, 0.12),
    ),
    "one light adlayer": (
        {"surface": "111", "adlayer": "one side", "adlayer_mass_ratio": 0.2}, (0.31, 0.12),
    ),
    "one heavy adlayer": (
        {"surface": "100", "adlayer": "one side", "adlayer_mass_ratio": 5.0}, (0.4, 0.1),
    ),
    "masses deep inside": (
        {"surface": "110", "layer_masses": (1.0,) * 20 + (0.3,)}, (0.25, 0.25),
    ),
}  # fmt: skip


def outside(slab, squared):
    inside = np.zeros(squared.shape, dtype=bool)
    for gap in slab.gaps():
        inside |= gap.holds(squared)
    return squared[inside]


@pytest.mark.parametrize("layers", [50, 61, 122, 241])
@pytest.mark.parametrize("case", CASES)
def test_all_modes_outside_the_bands_are_found(case, layers):
    parameters, fraction = CASES[case]
    slab = thick([fraction], layers=layers, cutoff=3.0, **parameters)
    expected, found = slab.squared()[0], slab.surface()

    assert found.missing == 0
    scale = expected.max()
    assert found.squared == pytest.approx(outside(slab, expected), abs=1e-12 * scale)
    matrix, vectors = slab.dense(), found.vectors.T
    assert np.abs(matrix @ vectors - vectors * found.squared).max() <= RESIDUAL * scale
    unit = np.eye(len(found.squared))
    assert vectors.conj().T @ vectors == pytest.approx(unit, abs=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_what_is_outside_agrees_with_the_kinds_of_modes(case):
    parameters, fraction = CASES[case]
    slab = thick([fraction], layers=50, cutoff=3.0, **parameters)
    frequency = signed_root(slab.squared())

    kinds = place_modes(frequency, slab.bands[:1])[0]
    assert len(outside(slab, slab.squared()[0])) == (kinds > 0).sum()


@pytest.mark.parametrize("case", sorted(MODES))
def test_the_lists_of_surface_modes_are_the_reference_lists(case):
    entry = MODES[case]
    slab = thick([entry["k_frac"]], surface=case[3:6], layers=21)
    found = slab.surface()
    weights = layer_weights(found.vectors.T)
    frequency = signed_root(found.squared)
    deepest = layer_of_largest_weight(weights)
    surface = weights[:3].sum(axis=0) + weights[-3:].sum(axis=0)

    bands = slab.bands[0]
    near = 2 * 4e-5 * np.nanmax(bands)  # the reference counts what lies nearer to a band
    listed = [m for m in entry["modes_outside_bands"]
              if np.nanmin(np.abs(bands - m["omega"])) > near]  # fmt: skip
    assert len(frequency) >= len(listed)
    for mode in listed:
        same = np.flatnonzero(np.abs(frequency - mode["omega"]) < 1e-6 * mode["omega"])
        assert len(same)
        alike = np.abs(surface[same] - mode["weight_outer_3_layers_both_sides"]) < 1e-4
        assert alike.any()
        assert mode["layer_of_largest_weight"] in deepest[same][alike]


@pytest.mark.parametrize(
    "layers", [101, 301, 1001, pytest.param(3001, marks=pytest.mark.long),
               pytest.param(10001, marks=pytest.mark.long)],
)  # fmt: skip
def test_the_rayleigh_level_is_that_of_the_half_space(layers):
    """61.6406104584 at a generic wavevector, from an independent slab of 10,001 layers."""
    slab = thick([(0.31, 0.12)], surface="111", layers=layers, cutoff=6.0, relaxed=False,
                 nn_distance=ALL_PAIRS)  # fmt: skip
    found = slab.surface(0, "below")

    assert found.missing == 0
    assert found.squared == pytest.approx([61.6406104584] * 2, rel=1e-10)


@pytest.mark.parametrize(("relaxed", "binding", "kappa"), [
    (False, 0.257418458732, 0.0541705485975), (True, 0.614170845865, 0.0836611809503),
])  # fmt: skip
def test_the_shear_horizontal_wave_along_the_close_packed_row_is_the_known_one(
    relaxed, binding, kappa
):
    """Reference: q = 0.6/sigma, 241 layers, distance below the band in w2, fall per layer."""
    q, distance = 0.6, 1.090317306
    slab = thick([(q * distance / (2 * np.pi), 0.0)], surface="100", layers=241, relaxed=relaxed)
    found = slab.surface(0, "below")
    edge = slab.bands[0, 0, 0] ** 2
    share = np.abs(found.vectors[0].reshape(-1, 3)) ** 2

    assert edge - found.squared[0] == pytest.approx(binding, rel=1e-7)
    assert share.sum(axis=0) == pytest.approx([0, 1, 0], abs=1e-9)
    depth = penetration_depth(layer_weights(found.vectors.T))[0]
    assert np.log1p(1 / depth) / 2 == pytest.approx(kappa, rel=0.01)


def test_the_members_of_a_pair_too_close_to_tell_live_on_one_face_each():
    slab = thick([(0.31, 0.12)], surface="111", layers=301, cutoff=3.0)
    found = slab.surface(0, "below")
    top = layer_weights(found.vectors.T)[:150].sum(axis=0)

    assert found.squared[1] - found.squared[0] <= 1e-12 * slab.squared()[0].max()
    assert top == pytest.approx([1, 0], abs=1e-12)


def test_without_the_count_a_weakly_bound_mode_may_be_missed():
    """The long wave of (100) reaches hundreds of layers: the outer 30 do not show it."""
    parameters, fraction = CASES["long wave"]
    slab = thick([fraction], layers=241, cutoff=3.0, **parameters)

    assert len(slab.surface(counted=False).squared) == 0
    assert len(slab.surface().squared) == 2


def test_places_choose_among_the_gaps():
    slab = thick([K], surface="111", layers=101, cutoff=3.0)
    every = slab.surface().squared
    below, gap = slab.surface(0, "below").squared, slab.surface(0, "gap").squared

    low = np.nanmin(slab.bands) ** 2
    assert below == pytest.approx(every[every < low])
    assert gap == pytest.approx(every[every > low])
    assert len(below)
    assert len(gap)
