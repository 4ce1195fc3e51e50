"""Slabs of hundreds to thousands of layers, at rest and vibrating: the limits they approach."""

import numpy as np
import pytest
from known import SLAB, slab
from thick import thick

from models.crystal.faces import find_pairs
from models.evaluate import Evaluator
from models.forces.static import DENSE, relaxed_shifts
from models.modes.bulk_bands import signed_root

LONG = pytest.mark.long


@pytest.mark.parametrize("surface", ["100", "110", "111"])
def test_a_thick_slab_relaxes_like_a_thinner_one(surface):
    """Beyond the cutoff no face feels the other: full and band Newton steps end alike."""
    thin, thick_ = (
        slab("layer_shift relaxation_force surface_energy", surface=surface, layers=layers)
        for layers in (DENSE, 2001)
    )

    assert thick_["relaxation_force"] < 1e-11
    assert thick_["layer_shift"][:70] == pytest.approx(thin["layer_shift"][:70], abs=1e-11)
    assert thick_["surface_energy"] == pytest.approx(thin["surface_energy"], rel=1e-10)


@pytest.mark.parametrize("layers", [DENSE, DENSE + 1])
def test_both_ways_to_solve_a_newton_step_end_where_no_force_is_left(layers):
    """A slab that differs from face to face, whose layers move by different amounts."""
    parameters = {"surface": "110", "cutoff": 3.0, "adlayer": "one side",
                  "adlayer_bond_ratio": 0.7}  # fmt: skip
    changed = slab("spacing_change", layers=layers, **parameters)
    reference = slab("spacing_change", layers=60, **parameters)

    assert changed[:30] == pytest.approx(reference[:30], abs=1e-12)
    assert changed[-30:-1] == pytest.approx(reference[-30:-1], abs=1e-12)
    assert slab("relaxation_force", layers=layers, **parameters) < 1e-11


def test_a_step_into_an_unstable_place_is_still_solved():
    """Far apart, layers attract with a falling force: the matrix of the step is indefinite."""
    pairs = find_pairs("fcc", "100", 1.1)
    strength = np.ones((2, DENSE + 1))

    moved = relaxed_shifts(pairs, 1.12, 0.8, strength)
    assert np.ptp(np.diff(moved)[5:-5]) < 1e-9


@pytest.mark.parametrize("layers", [301, pytest.param(10001, marks=LONG)])
def test_the_interior_of_a_relaxed_slab_shares_its_sums(layers):
    """As many distinct pairs of layers as in a slab that just holds both relaxed faces."""
    point = {"surface": "111", "k_list": [(0.1, 0.2)]}
    columns = [
        sum(
            a.shape[2] // 6
            for name, a in Evaluator(SLAB).whole(
                SLAB.stage("couplings"), SLAB.parameters(layers=n, **point)
            ).items()
            if name.startswith("cosine_")
        )
        for n in (201, layers)
    ]  # fmt: skip

    assert columns[1] == columns[0]


@pytest.mark.parametrize("case", [
    {"crystal": "hcp", "surface": "0001", "layers": 90},
    {"crystal": "hcp", "surface": "0001", "layers": 91},
    {"crystal": "bcc", "surface": "110", "layers": 90, "forces": "springs", "spring_nnn": 0.6},
    {"crystal": "sc", "surface": "100", "layers": 91, "forces": "springs", "spring_nnn": 0.4},
    {"surface": "100", "layers": 91, "superlattice_period": 3, "superlattice_mass_ratio": 4.0},
    {"surface": "111", "layers": 96, "superlattice_period": 2, "superlattice_mass_ratio": 0.5,
     "adlayer": "one side", "adlayer_mass_ratio": 0.3},
], ids=lambda case: " ".join(str(x) for x in case.values()))  # fmt: skip
@pytest.mark.parametrize("fraction", [(0.21, 0.37), (0.5, 0.0)])
def test_every_crystal_and_mass_sequence_has_the_dense_spectrum(case, fraction):
    point = thick([fraction], cutoff=3.0, **case)
    expected = np.linalg.eigvalsh(point.dense())
    found, scale = point.surface(), expected[-1]

    assert point.squared()[0] == pytest.approx(expected, abs=1e-12 * scale)
    inside = np.zeros(len(expected), dtype=bool)
    for gap in point.gaps():
        inside |= gap.holds(expected)
    assert found.missing == 0
    assert found.squared == pytest.approx(expected[inside], abs=1e-12 * scale)


@pytest.mark.parametrize("layers", [801, pytest.param(10001, marks=LONG)])
def test_relaxed_surface_modes_of_a_thick_slab_are_those_of_a_thin_one(layers):
    """The pair of a well-bound mode is its mean level to rounding, at any thickness."""
    point = {"surface": "111", "cutoff": 6.0}
    thin, thick_ = (thick([(0.31, 0.12)], layers=n, **point).surface() for n in (151, layers))

    assert thick_.missing == 0
    assert thick_.residual.max() <= 1e-12
    assert signed_root(thick_.squared) == pytest.approx(signed_root(thin.squared), rel=1e-10)
