"""Thermal functions against closed forms, limits and matrix functions; Debye temperatures."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, linalg, special

from models.thermal import oscillators
from models.thermal.debye import (
    SERIES_BELOW,
    debye_function,
    debye_temperature,
    mean_square,
)
from models.thermal.oscillators import (
    displacement,
    entropy,
    free_energy,
    heat_capacity,
    mean_energy,
    thermal_functions,
    velocity,
    weighted_sums,
    zone_sums,
)

REFERENCE = Path(__file__).parents[1] / "references" / "debye_temperatures.json"
SINGLE = {
    "internal_energy": mean_energy,
    "free_energy": free_energy,
    "entropy": entropy,
    "heat_capacity": heat_capacity,
}


def closed_forms(omega, t):
    """Wallis Eqs. 94-98 with hyperbolic functions, for omega/T that are neither small nor large."""
    x = omega[..., None, :] / (2 * t[:, None])
    energy = omega[..., None, :] / 2 / np.tanh(x)
    free = t[:, None] * np.log(2 * np.sinh(x))
    return {
        "internal_energy": energy,
        "free_energy": free,
        "entropy": (energy - free) / t[:, None],
        "heat_capacity": (x / np.sinh(x)) ** 2,
    }


@pytest.mark.parametrize("name", SINGLE)
def test_an_oscillator_has_the_closed_forms(name):
    omega = np.random.default_rng(1).uniform(0.3, 3, (2, 3, 5))
    t = np.array([0.2, 1.0, 4.0])
    expected = closed_forms(omega, t)[name]

    # the closed forms lose digits of S and F by cancellation
    assert getattr(thermal_functions(omega, t), name) == pytest.approx(expected, rel=0, abs=2e-14)
    assert SINGLE[name](omega, t) == pytest.approx(expected, rel=0, abs=2e-14)


oscillator = {"omega": st.floats(0.01, 100), "t": st.floats(0.1, 30)}


def slope(function, omega, t):
    """Derivative with respect to T, by differences of sixth order."""
    h = 0.01 * t
    steps = np.array([-3, -2, -1, 1, 2, 3])
    return function(np.array([omega]), t + h * steps)[:, 0] @ [-1, 9, -45, 45, -9, 1] / (60 * h)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(**oscillator)
def test_the_heat_capacity_is_the_slope_of_the_energy(omega, t):
    found = heat_capacity(np.array([omega]), np.array([t]))[0, 0]

    # omega/T to the power 6 comes with the sixth order; rounding of E is divided by h
    bound = 1e-10 * (1 + (omega / t) ** 6) * found + 1e-12 * omega / t
    assert abs(slope(mean_energy, omega, t) - found) < bound


@settings(max_examples=60, deadline=None, derandomize=True)
@given(**oscillator)
def test_the_entropy_is_minus_the_slope_of_the_free_energy(omega, t):
    found = entropy(np.array([omega]), np.array([t]))[0, 0]

    bound = 1e-10 * (1 + (omega / t) ** 6) * found + 1e-12 * (1 + omega / t)
    assert abs(slope(free_energy, omega, t) + found) < bound


@settings(max_examples=60, deadline=None, derandomize=True)
@given(omega=st.floats(1e-6, 1e6), t=st.floats(1e-6, 1e6))
def test_the_free_energy_is_the_energy_less_the_bound_part(omega, t):
    f = thermal_functions(np.array([omega]), np.array([t]))

    expected = f.internal_energy - t * f.entropy
    assert f.free_energy == pytest.approx(expected, rel=1e-13, abs=1e-13 * (t + omega))


def test_zero_point_values_are_exact():
    omega = np.array([1e-12, 1.0, 1e12])
    f = thermal_functions(omega, np.array([0.0]))

    assert (f.internal_energy == omega / 2).all()
    assert (f.free_energy == omega / 2).all()
    assert (f.entropy == 0).all()
    assert (f.heat_capacity == 0).all()


@pytest.mark.parametrize("x", [40.0, 300.0, 600.0])
def test_a_cold_oscillator_freezes_exponentially(x):
    """Third law with its rate: C = x^2 exp(-x), S = (1 + x) exp(-x), to the last digits."""
    omega, t = np.array([x]), np.array([1.0])
    f, total = thermal_functions(omega, t), weighted_sums(omega[None], np.ones(1), t)
    heat, disorder = x**2 * np.exp(-x), (1 + x) * np.exp(-x)

    for found in (f.heat_capacity, total.heat_capacity, heat_capacity(omega, t)):
        assert found.item() == pytest.approx(heat, rel=1e-13, abs=0)
    for found in (f.entropy, total.entropy, entropy(omega, t)):
        assert found.item() == pytest.approx(disorder, rel=1e-13, abs=0)


@pytest.mark.parametrize("x", [1e-1, 1e-2, 1e-3])
def test_a_hot_oscillator_obeys_dulong_and_petit(x):
    """1 - C = x^2/12 - x^4/240 + x^6/6048 and E/T - 1 = x^2/12 - x^4/720 + x^6/30240."""
    f = thermal_functions(np.array([x]), np.array([1.0]))
    deficit = x**2 / 12 - x**4 / 240 + x**6 / 6048
    rise = x**2 / 12 - x**4 / 720 + x**6 / 30240

    assert 1 - f.heat_capacity[0, 0] == pytest.approx(deficit, rel=1e-9, abs=4e-16)
    assert f.internal_energy[0, 0] - 1 == pytest.approx(rise, rel=1e-9, abs=4e-16)


@pytest.mark.parametrize("x", [1e-10, 1e-100, 1e-250])
def test_a_very_hot_oscillator_keeps_its_digits(x):
    """C = 1, E = T, S = 1 - ln x, F = T ln x."""
    f = thermal_functions(np.array([x]), np.array([1.0]))
    found = [f.heat_capacity, f.internal_energy, f.entropy, f.free_energy]

    assert np.ravel(found) == pytest.approx([1, 1, 1 - np.log(x), np.log(x)], rel=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1e9, 1e300])
def test_the_unit_of_frequency_does_not_matter(scale):
    omega, t = np.array([0.5, 1.0, 3.0]), np.array([0.0, 0.2, 1.5])
    here, there = thermal_functions(omega, t), thermal_functions(omega * scale, t * scale)

    for name in SINGLE:
        unit = scale if name.endswith("energy") else 1.0
        assert getattr(there, name) / unit == pytest.approx(getattr(here, name), rel=1e-12, abs=0)


def test_no_ratio_of_frequency_and_temperature_overflows():
    """Warnings are errors: dividing or exponentiating too far would raise."""
    omega = np.array([1e-200, 1e-20, 1.0, 1e20, 1e200])
    t = np.array([0.0, 5e-324, 1e-300, 1e-20, 1.0, 1e20, 1e200])
    f = thermal_functions(omega, t)

    assert all(np.isfinite(getattr(f, name)).all() for name in SINGLE)
    assert (f.internal_energy >= omega / 2).all()
    assert ((f.heat_capacity >= 0) & (f.heat_capacity <= 1)).all()


def test_modes_that_are_not_kept_count_as_nothing():
    omega = np.array([[0.0, 1.0, 2.0], [-0.5, 0.3, 4.0]])
    t = np.array([0.0, 0.7])
    f = thermal_functions(omega, t, keep=omega > 0)

    for name, single in SINGLE.items():
        found = getattr(f, name)
        assert (found[..., 0] == 0).all()
        assert found[..., 1:] == pytest.approx(single(omega[:, 1:], t), rel=1e-14, abs=0)


@pytest.mark.parametrize("masked", [False, True])
def test_sums_over_the_zone_are_sums_of_closed_forms(masked):
    rng = np.random.default_rng(2)
    omega, weight = rng.uniform(0.3, 3, (50, 40)), rng.random(50)
    t = np.linspace(0.2, 4, 30)
    keep = rng.random((50, 40)) > 0.1 if masked else np.ones((50, 40), dtype=bool)
    assert omega.size * len(t) > oscillators.CHUNK  # so that pieces are added

    f = weighted_sums(np.where(keep, omega, -1.0), weight, t, keep if masked else None)

    for name, values in closed_forms(omega, t).items():
        expected = np.einsum("k,ktm,km->t", weight, values, keep.astype(float))
        assert getattr(f, name) == pytest.approx(expected, rel=1e-12, abs=0)


def test_sums_at_absolute_zero_are_the_zero_point_energy():
    omega, weight = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.25, 0.75])
    f = weighted_sums(omega, weight, np.array([0.0]))

    assert f.internal_energy[0] == f.free_energy[0] == pytest.approx(0.25 * 1.5 + 0.75 * 3.5)
    assert f.entropy[0] == f.heat_capacity[0] == 0


# Averages of atoms: functions of the dynamical matrix


def crystal(n=7, seed=3):
    """A stiff random dynamical matrix, masses, and its modes as `displacement` takes them."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((n, n))
    d, m = a @ a.T + 0.5 * np.eye(n), rng.uniform(0.5, 3, n)
    squared, vectors = np.linalg.eigh(d)
    return d, m, np.sqrt(squared), vectors**2 / m[:, None]


@pytest.mark.parametrize("t", [0.3, 1.0, 5.0])
def test_displacements_are_the_sum_over_matsubara_frequencies(t):
    """m <u^2> = T sum_n [(D + nu_n^2)^-1]_ii, nu_n = 2 pi n T: no eigenvalue is needed."""
    d, m, omega, share = crystal()
    count = 400
    nu = 2 * np.pi * t * np.arange(1, count + 1)
    inverse = np.linalg.inv(d + nu[:, None, None] ** 2 * np.eye(len(d))).sum(axis=0)
    # the rest by powers of D/nu^2, sums of 1/n^2k from count + 1 on
    rest = sum(
        (-1) ** (k + 1)
        * np.linalg.matrix_power(d, k - 1)
        * special.zeta(2 * k, count + 1)
        / (2 * np.pi * t) ** (2 * k)
        for k in (1, 2, 3, 4)
    )
    expected = t * (np.linalg.inv(d) + 2 * (inverse + rest)).diagonal() / m

    assert displacement(omega, share, np.array([t]))[0] == pytest.approx(expected, rel=1e-12, abs=0)


def test_zero_point_averages_are_roots_of_the_matrix():
    """<u^2> = (D^-1/2)_ii/2m (232), <v^2> = (D^1/2)_ii/2m (246)."""
    d, m, omega, share = crystal()
    root = linalg.sqrtm(d)
    cold = np.array([0.0])

    assert displacement(omega, share, cold)[0] == pytest.approx(
        np.linalg.inv(root).diagonal() / (2 * m), rel=1e-10
    )
    assert velocity(omega, share, cold)[0] == pytest.approx(root.diagonal() / (2 * m), rel=1e-10)


def test_hot_velocities_have_equipartition_and_its_corrections():
    """m <v^2> = T + D_ii/12T - (D^2)_ii/720T^3 + (D^3)_ii/30240T^5 (245)."""
    d, m, omega, share = crystal()
    t = 3.0
    power = [np.linalg.matrix_power(d, k).diagonal() for k in range(6)]
    series = t + power[1] / (12 * t) - power[2] / (720 * t**3) + power[3] / (30240 * t**5)
    next_term = power[4] / (1209600 * t**7)
    found = m * velocity(omega, share, np.array([t]))[0]

    assert (np.abs(found - series) < 1.1 * next_term).all()
    assert (next_term < 1e-3 * power[1] / (12 * t)).all()


def test_weak_coupling_gives_the_expansion_of_masri_and_dobrzynski():
    """Eqs. 239-240 with equal diagonal: what is left over falls with the cube of R."""
    rng = np.random.default_rng(4)
    r = rng.standard_normal((6, 6))
    r = r + r.T
    np.fill_diagonal(r, 0)
    s, t = 3.0, 1.2
    alpha = s / (2 * t)
    coth, csch2 = 1 / np.tanh(alpha), 1 / np.sinh(alpha) ** 2
    second = 3 / 8 * coth / s**5 + 3 / 16 / t * csch2 / s**4 + 1 / 16 / t**2 * coth * csch2 / s**3

    def left_over(scale):
        squared, vectors = np.linalg.eigh(s**2 * np.eye(6) + scale * r)
        exact = displacement(np.sqrt(squared), vectors**2, np.array([t]))[0]
        expansion = 0.5 * (coth / s + second * scale**2 * (r @ r).diagonal())
        return np.abs(exact - expansion)

    assert left_over(0.02) / left_over(0.01) == pytest.approx(8.0, rel=0.1)
    assert (left_over(0.02) < 1e-6).all()


def test_averages_of_many_crystals_are_those_of_each():
    rng = np.random.default_rng(5)
    omega, share = rng.uniform(0.5, 2, (2, 3, 4)), rng.random((2, 3, 6, 4))
    t = np.array([0.0, 0.5, 2.0])

    for average, power in ((displacement, 2), (velocity, 0)):
        found = average(omega, share, t)
        assert found.shape == (2, 3, 3, 6)
        one = share[1, 2] @ (0.5 / np.tanh(omega[1, 2] / 4.0) * omega[1, 2] ** (1 - power))
        assert found[1, 2, 2] == pytest.approx(one, rel=1e-13, abs=0)


# Debye temperatures


@pytest.mark.parametrize("x", [1e-3, 0.3, SERIES_BELOW * (1 - 1e-9), SERIES_BELOW, 1.5, 7, 50, 500])
def test_the_debye_function_is_its_integral(x):
    whole, _ = integrate.quad(
        lambda t: t / np.expm1(t) if t else 1.0, 0, min(x, 40.0), epsabs=0, epsrel=2e-14
    )

    assert debye_function(np.array(x)) == pytest.approx(whole / x, rel=1e-14, abs=0)


def test_the_debye_function_has_its_limits():
    assert debye_function(np.array([0.0, 1e300])) == pytest.approx([1.0, np.pi**2 / 6e300])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    theta=st.floats(1e-3, 1e3), mass=st.floats(0.01, 100), t=st.floats(0, 1e4),
)  # fmt: skip
def test_a_debye_temperature_is_found_again(theta, mass, t):
    at = np.array([t])
    u2 = mean_square(np.array([[theta]]), np.array([mass]), at)

    assert debye_temperature(u2, np.array([mass]), at) == pytest.approx(theta, rel=1e-13, abs=0)


def test_debye_temperatures_at_absolute_zero_have_the_closed_form():
    u2, mass = np.array([[0.1, 0.2], [0.1, 0.2]]), np.array([1.0, 3.0])
    found = debye_temperature(u2, mass, np.array([0.0, 1e-300]))

    assert found == pytest.approx(3 / (4 * mass * u2), rel=1e-15, abs=0)


@pytest.mark.parametrize("x", [0.01, 0.1])
def test_hot_atoms_of_the_debye_model_move_as_classical_ones(x):
    """m <u^2> = (3 T/Theta^2) (1 + x^2/36 - x^4/3600)."""
    found = mean_square(np.array([[x]]), np.array(2.0), np.array([1.0]))

    assert found == pytest.approx(1.5 / x**2 * (1 + x**2 / 36 - x**4 / 3600), rel=1e-11)


@pytest.mark.parametrize("t", [0.0, 0.05, 0.4, 3.0])
def test_the_debye_model_is_a_sum_over_its_oscillators(t):
    """Modes with the density 3 omega^2/Theta^3, by Gauss-Legendre, in the sum of Eq. 230."""
    theta, mass = 1.7, 2.5
    node, weight = np.polynomial.legendre.leggauss(200)
    omega = theta * (node + 1) / 2
    share = (weight / 2 * 3 * (omega / theta) ** 2 / mass)[None]

    expected = displacement(omega, share, np.array([t]))
    assert mean_square(np.array([[theta]]), np.array(mass), np.array([t])) == pytest.approx(
        expected, rel=1e-12
    )


def test_masses_and_temperatures_meet_the_right_axes():
    theta = np.arange(1.0, 25).reshape(2, 3, 4)
    mass, t = np.arange(1.0, 5), np.array([0.3, 2.0])
    u2 = mean_square(theta, mass, t)

    one = mean_square(np.array([[theta[1, 2, 3]]]), np.array([mass[3]]), t[1:])
    assert u2[1, 2, 3] == pytest.approx(one[0, 0], rel=1e-15, abs=0)
    assert debye_temperature(u2, mass, t) == pytest.approx(theta, rel=1e-13, abs=0)


def test_what_is_no_displacement_has_no_debye_temperature():
    u2 = np.array([[np.nan, 0.0, -1.0, np.inf, 0.1]])
    found = debye_temperature(u2, np.ones(5), np.array([0.2]))

    assert np.isnan(found[0]).tolist() == [True, True, True, True, False]


@pytest.mark.parametrize("atom", json.loads(REFERENCE.read_text())["atoms"],
                         ids=lambda a: f"{a['gas']}-{a['temperature_K']:g}K")  # fmt: skip
def test_debye_temperatures_are_the_reference_ones(atom):
    unit = atom["epsilon_K"] * atom["hbar"]  # hbar omega_0/k_B
    u2 = np.array([atom["mean_square_displacement"]]) / atom["hbar"]
    found = debye_temperature(u2, np.ones(4), np.array([atom["temperature_K"] / unit]))

    assert found[0] * unit == pytest.approx(atom["debye_temperature_K"], rel=1e-9)


def test_sums_with_energies_are_the_weighted_sums():
    """And the energies are those of the modes, times the weight of their wavevector."""
    rng = np.random.default_rng(3)
    omega, weight = rng.uniform(0.1, 9, (5, 7)), rng.uniform(size=5)
    t, keep = np.array([0.0, 1e-3, 0.5, 40.0]), rng.uniform(size=(5, 7)) > 0.2

    functions, energy = zone_sums(omega, weight, t, keep)

    expected = weighted_sums(omega, weight, t, keep)
    for name in ("internal_energy", "free_energy", "entropy", "heat_capacity"):
        assert getattr(functions, name) == pytest.approx(getattr(expected, name), rel=1e-13)
    by_mode = mean_energy(omega, t) * weight[:, None, None] * keep[:, None]
    assert energy == pytest.approx(by_mode, rel=1e-13)
