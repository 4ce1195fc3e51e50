"""Densities of states and resonances of defects."""

import numpy as np
import pytest
from defect_hosts import (
    SC_SHELLS,
    TOP,
    Supercell,
    bonds,
    semicircle,
    semicircle_above,
    semicircle_host,
    tied,
)

from models.defects.local_modes import find_local_modes
from models.defects.perturbation import adatoms, group, substitution
from models.defects.spectra import (
    dos_change,
    extrapolate,
    find_determinants,
    find_peaks,
    find_resonances,
    host_dos,
    impurity_dos,
    line_weights,
    states_change,
)

OMEGA = np.linspace(0, np.sqrt(TOP), 4001)
"""The grid ends at the top of the band."""
ETAS = np.array([0.02, 0.03, 0.045, 0.07, 0.1])


def integral(values, omega=OMEGA):
    return np.trapezoid(values, omega, axis=0)


def test_the_density_of_the_host_has_norm_one():
    dos = host_dos(semicircle_host(OMEGA**2), OMEGA)

    assert dos.shape == (len(OMEGA), 1, 3)
    np.testing.assert_allclose(integral(dos), 1.0, atol=1e-5)


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.6, 2.0, 8.0])
def test_density_and_localised_mode_of_an_impurity_have_norm_one(ratio):
    defect = substitution(bonds(), 0, ratio, 1.0)

    dos = impurity_dos(defect, semicircle_host(OMEGA**2), OMEGA)
    modes = find_local_modes(semicircle_above(), defect)

    g = semicircle(OMEGA**2)
    closed_form = -2 * OMEGA / np.pi * ratio * (g / (1 - (1 - ratio) * OMEGA**2 * g)).imag
    np.testing.assert_allclose(dos[:, 0, 1], closed_form, atol=1e-10)
    assert len(modes.squared) == (3 if ratio < 0.75 else 0)
    weight = modes.weight[0] if len(modes.weight) else 0.0
    np.testing.assert_allclose(integral(dos), 1 - weight, atol=2e-5)


@pytest.mark.parametrize("ratio", [0.1, 0.3, 2.0, 8.0, 100.0])
def test_a_band_loses_the_states_that_localised_modes_win(ratio):
    defect = substitution(bonds(), 0, ratio, 1.0)
    modes = len(find_local_modes(semicircle_above(), defect).squared)

    found = find_determinants(defect, semicircle_host(OMEGA**2), OMEGA)
    states = states_change(found)

    assert states[0] == pytest.approx(0, abs=1e-12)
    assert states[-1] == pytest.approx(-modes, abs=1e-6)
    assert integral(dos_change(OMEGA, states)) == pytest.approx(-modes, abs=0.02)


@pytest.mark.parametrize(("mass", "spring"), [(0.1, 1.0), (1.0, 1.0), (5.0, 0.3), (0.5, 0.02)])
def test_an_atom_on_the_surface_adds_its_three_states(mass, spring):
    defect = tied(mass, spring)
    modes = len(find_local_modes(semicircle_above(), defect).squared)

    found = find_determinants(defect, semicircle_host(OMEGA**2), OMEGA)
    states = states_change(found)

    assert states[0] == pytest.approx(0, abs=1e-12)
    assert states[-1] == pytest.approx(3 - modes, abs=1e-6)
    np.testing.assert_allclose(states[(OMEGA < 0.05)], 0, atol=1e-2)


def test_nothing_is_counted_above_the_band():
    defect = substitution(bonds(), 0, 0.1, 1.0)
    omega = np.linspace(0, 8, 801)
    g = extrapolate(semicircle_host(omega**2)[None], np.array([1.0]), omega, TOP)[0]
    above = omega**2 > TOP

    states = states_change(find_determinants(defect, g, omega), TOP, -3)

    assert not impurity_dos(defect, g, omega)[above].any()
    np.testing.assert_array_equal(states[above], -3)
    far = omega > np.sqrt(TOP) + 0.05
    np.testing.assert_allclose(dos_change(omega, states)[far], 0, atol=1e-12)


def test_lines_are_extrapolated_as_polynomials():
    weights = line_weights(ETAS)

    for power in range(4):
        np.testing.assert_allclose(weights @ ETAS**power, float(power == 0), atol=1e-13)
    assert weights[1, 0] == 0


def test_the_error_of_the_extrapolation_is_not_understated():
    z = (OMEGA + 1j * ETAS[:, None]) ** 2
    lines = np.array([semicircle_host(row) for row in z])
    defect = substitution(bonds(), 0, 3.0, 1.0)

    both = extrapolate(lines, ETAS, OMEGA, TOP)

    dos, rough = (impurity_dos(defect, g, OMEGA)[:, 0, 0] for g in both)
    exact = impurity_dos(defect, semicircle_host(OMEGA**2), OMEGA)[:, 0, 0]
    inside = (OMEGA > 0.3) & (OMEGA < 3.2)
    error = np.abs(dos - exact)[inside]
    assert error.max() < 1e-4
    assert (error < np.abs(dos - rough)[inside] + 1e-8).all()


@pytest.mark.parametrize("ratio", [4.0, 10.0, 30.0])
def test_a_resonance_is_where_the_closed_form_has_it(ratio):
    defect = substitution(bonds(), 0, ratio, 1.0)
    omega = np.linspace(0, 3.6, 400)
    g = semicircle_host(omega**2)

    found = find_resonances(defect, find_determinants(defect, g, omega))

    def determinant(w):
        return 1 - (1 - ratio) * w**2 * semicircle(w**2)

    at = found.frequency[0]
    assert determinant(at).real == pytest.approx(0, abs=1e-6)
    slope = (determinant(at + 1e-5) - determinant(at - 1e-5)).real / 2e-5
    width = 2 * abs(determinant(at).imag / slope)
    if width < 0.3 * at:
        assert found.width[0] == pytest.approx(width, rel=1e-4)
    else:
        assert np.isnan(found.width[0])
    assert found.frequency[1] == pytest.approx(at, rel=1e-12)


def test_peaks_lie_between_the_points_of_the_grid():
    omega = np.linspace(0, 3, 301)
    centres = np.array([1.234, 2.017])
    dos = 1 / ((omega[:, None] - centres) ** 2 + 0.1**2)

    np.testing.assert_allclose(find_peaks(omega, dos), centres, atol=1e-4)


def test_a_light_impurity_has_no_resonance():
    defect = substitution(bonds(), 0, 0.5, 1.0)
    found = find_resonances(defect, find_determinants(defect, semicircle_host(OMEGA**2), OMEGA))

    assert np.isnan(found.frequency).all()
    assert np.isnan(found.width).all()


def test_beside_the_axis_each_mode_of_a_supercell_is_a_line():
    cell, defect = Supercell(bonds(), 4, 3, "twisted"), substitution(bonds(), 0, 0.3, 1.5)
    squared, vectors, where, _ = cell.defect_modes(defect)
    omega, eta = np.linspace(0.5, 6, 50), 0.2

    dos = impurity_dos(defect, cell.green(defect, (omega + 1j * eta) ** 2), omega + 1j * eta)

    lines = -2 * omega[:, None] / np.pi * (1 / ((omega + 1j * eta)[:, None] ** 2 - squared)).imag
    for direction in range(3):
        share = vectors[where[direction]] ** 2
        np.testing.assert_allclose(dos[:, 0, direction], lines @ share, atol=1e-11)


@pytest.mark.parametrize(
    "defect",
    [
        substitution(bonds(), 1, 0.3, 1.5),
        group(bonds(), [((0, 0, 0), 3.0, 0.7), ((0, 1, 0), 3.0, 0.7)]),
        adatoms(bonds(), [(0, 0), (1, 0)], "top", SC_SHELLS, 0.4, joined=True),
    ],
)
def test_blocks_have_the_whole_determinant_of_a_supercell(defect):
    """det[1 - dL G] is the product of z - w'^2 over all modes by that of the host's."""
    cell = Supercell(bonds(), 5, 4)
    omega = np.linspace(0.4, 4, 7) + 0.3j
    z = omega**2

    found = find_determinants(defect, cell.green(defect, z), omega)
    whole = np.prod(found.values ** found.degeneracy[:, None], axis=0)

    squared = cell.defect_modes(defect)[0]
    logarithm = np.log(z[:, None] - squared).sum(axis=1)
    logarithm -= np.log(z[:, None] - cell.squared).sum(axis=1)
    expected = np.exp(logarithm) * np.prod(defect.masses) * (-1) ** defect.extra.sum()
    np.testing.assert_allclose(whole / expected, 1, atol=1e-9)


def test_blocks_of_changed_coordinates_leave_nothing_out():
    """The determinant and U of the equation as it is printed, on all touched coordinates."""
    defect = group(bonds(), [((0, 0, 0), 3.0, 0.7), ((1, 0, 1), 0.2, 1.3)])
    omega = np.linspace(0.4, 4, 5) + 0.2j
    g = Supercell(bonds(), 5, 4).green(defect, omega**2)
    w = np.eye(len(defect.change)) - defect.matrix(omega**2) @ g

    found = find_determinants(defect, g, omega)
    dos = impurity_dos(defect, g, omega)

    whole = np.prod(found.values ** found.degeneracy[:, None], axis=0)
    np.testing.assert_allclose(whole, np.linalg.det(w), rtol=1e-10)
    u = np.diagonal(g @ np.linalg.inv(w), axis1=1, axis2=2).imag[:, :6]
    expected = -2 * omega.real[:, None] / np.pi * defect.masses[:6] * u
    np.testing.assert_allclose(dos.reshape(5, 6), expected, atol=1e-12)
