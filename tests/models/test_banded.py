"""Band forms of the dynamical matrix against the dense forms, and the count of levels."""

import numpy as np
import pytest
from known import SURFACES
from test_matrix_forms import FORMS, K
from thick import full_of, thick

from models.band_matrices import eigenvalues, factored, product, solve_symmetric
from models.modes.banded import band_of, bands_of, lower_blocks, turned_over
from models.modes.spectrum_count import count_below

ROUNDING = 1e-12
"""Of the highest squared frequency."""


@pytest.mark.parametrize("case", FORMS)
def test_bands_hold_the_elements_of_the_dense_forms(case):
    slab = thick(K, with_form=True, cutoff=2.3, **FORMS[case][1])
    form, layers = slab.form, len(slab.masses)
    bands = bands_of(slab.blocks(2), slab.kind)

    assert (slab.kind, len(bands)) == (form.kind, len(form.blocks))
    for band, block in zip(bands, form.blocks, strict=True):
        expected = form.matrices(slab.sums[2:3], block)[0]
        if slab.kind == "inversion":  # layers stand in the order 0, L-1, 1, L-2, ...
            order = np.array([i // 2 if i % 2 == 0 else layers - 1 - i // 2 for i in range(layers)])
            at = (3 * order[:, None] + np.arange(3)).ravel()
            expected = expected[np.ix_(at, at)]
        assert full_of(band) == pytest.approx(expected, abs=ROUNDING * form.least)


@pytest.mark.parametrize("case", FORMS)
def test_band_frequencies_are_those_of_the_dense_forms(case):
    slab = thick(K, with_form=True, cutoff=2.3, **FORMS[case][1])
    form = slab.form
    parts = [np.linalg.eigvalsh(form.matrices(slab.sums, block)) for block in form.blocks]
    expected = np.sort(np.concatenate(parts, axis=1), axis=1)

    scale = max(form.least, np.abs(expected).max())
    assert slab.squared() == pytest.approx(expected, abs=ROUNDING * scale)


@pytest.mark.parametrize(
    ("parameters", "half_width"),
    [
        ({"surface": "100"}, 3 * 4 + 2),
        ({"surface": "100", "adlayer": "one side", "adlayer_mass_ratio": 2.0}, 3 * 4 + 2),
        ({"surface": "111"}, 6 * 3 + 5),
        ({"surface": "111", "adlayer": "one side", "adlayer_mass_ratio": 2.0}, 3 * 3 + 2),
    ],
)
@pytest.mark.parametrize("layers", [60, 61])
def test_a_thicker_slab_has_no_wider_band(parameters, half_width, layers):
    """3 pairs of nearest-neighbour distances reach 4 layers of (100), 3 of (111)."""
    slab = thick([(0.21, -0.37)], layers=layers, cutoff=3.0, **parameters)

    for band in bands_of(slab.blocks(), slab.kind):
        assert len(band) == half_width + 1
    expected = np.linalg.eigvalsh(slab.dense())
    assert slab.squared()[0] == pytest.approx(expected, abs=ROUNDING * expected.max())


@pytest.mark.parametrize("surface", SURFACES)
def test_a_slab_turned_over_is_the_same_band_from_the_other_end(surface):
    slab = thick([(0.21, -0.37)], surface=surface, layers=7, cutoff=2.3, adlayer="one side",
                 adlayer_mass_ratio=0.3, adlayer_bond_ratio=1.4)  # fmt: skip
    lower = lower_blocks(slab.blocks(), turned=False)
    one, other = full_of(band_of(lower)), full_of(band_of(turned_over(lower)))
    at = (3 * np.arange(7)[::-1, None] + np.arange(3)).ravel()

    assert (other == one[np.ix_(at, at)]).all()


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("layers", [1, 2, 3, 30, 203])
def test_the_count_below_a_level_is_its_place_in_the_spectrum(surface, layers):
    slab = thick([(0.21, -0.37)], surface=surface, layers=layers, cutoff=2.3, relaxed=layers < 100)
    squared = slab.squared()[0]
    places = np.unique(np.linspace(0, len(squared) - 2, 9).astype(int))
    between = [i for i in places if squared[i + 1] - squared[i] > 1e-9 * squared.max()]
    shifts = np.array([squared[0] - 1, *[(squared[i] + squared[i + 1]) / 2 for i in between],
                       squared[-1] + 1])  # fmt: skip

    for turned in {False, slab.two_fold}:
        counted = count_below(lower_blocks(slab.blocks(), turned), shifts)
        assert counted.tolist() == [0, *[i + 1 for i in between], len(squared)]


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize(("n", "half"), [(1, 0), (2, 1), (3, 2), (40, 5)])
def test_band_routines_are_those_of_the_full_matrix(complex_, n, half):
    rng = np.random.default_rng(3)
    band = rng.standard_normal((half + 1, n)) + 1j * complex_ * rng.standard_normal((half + 1, n))
    band[0] = band[0].real
    band = band if complex_ else band.real
    full, x = full_of(band), rng.standard_normal((n, 2)).astype(band.dtype)

    assert eigenvalues(band) == pytest.approx(np.linalg.eigvalsh(full), abs=1e-12)
    assert product(band, x) == pytest.approx(full @ x, abs=1e-12)
    assert factored(band, 0.37)(full @ x - 0.37 * x) == pytest.approx(x, abs=1e-9)


def test_a_factor_at_an_eigenvalue_gives_its_vector():
    band = np.array([[2.0, 2.0, 2.0], [-1.0, -1.0, 0.0]])
    x = factored(band, 2.0)(np.array([[1.0], [0.5], [0.2]]))[:, 0]

    assert x / x[0] == pytest.approx([1, 0, -1], abs=1e-12)


@pytest.mark.parametrize("lowered", [0.0, 2.5])
def test_symmetric_systems_need_not_be_positive_definite(lowered):
    band = np.array([[2.0 - lowered] * 3, [-1.0, -1.0, 0.0]])
    right = np.array([1.0, 2.0, 3.0])

    assert full_of(band) @ solve_symmetric(band, right) == pytest.approx(right)
