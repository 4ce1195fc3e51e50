"""Thermal changes by defects, from the imaginary axis."""

import numpy as np
import pytest
from defect_hosts import (
    SC_SHELLS,
    Supercell,
    bonds,
    perpendicular_adatoms,
    rosenstock_newell,
    semicircle,
    semicircle_host,
    tied,
)
from known import known

from models.defects.interpolation import AxisSeries, OnAxis, axis_nodes
from models.defects.perturbation import adatoms, group, impurity_response, substitution
from models.defects.thermodynamics import (
    LogDeterminant,
    displacement_series,
    free_energy,
    heat_capacity,
    log_determinant,
    log_values,
    mean_squares,
    velocity_series,
    zero_point_energy,
)
from models.thermal.oscillators import thermal_functions

KNOWN = known("defects")
SCALE = 3.0
TEMPERATURES = np.array([0.0, 1e-3, 0.03, 0.3, 1.0, 30.0])
DEFECTS = {
    "light": substitution(bonds(), 0, 0.2, 1.0),
    "stiff": substitution(bonds(), 1, 0.3, 1.5),
    "heavy and loose": substitution(bonds(), 0, 10.0, 0.5),
    "pair": group(bonds(), [((0, 0, 0), 0.2, 1.5), ((0, 0, 1), 0.2, 1.2)]),
    "adatom": adatoms(bonds(), [(0, 0)], "top", SC_SHELLS, 0.1),
    "joined adatoms": adatoms(bonds(), [(0, 0), (1, 0)], "hollow", SC_SHELLS, 2.0, joined=True),
}


def logarithm(cell, defect, count=64):
    """L from sums over the modes of a supercell at the nodes, without any interpolation."""
    y = axis_nodes(SCALE, count)
    values = log_values(defect, cell.green(defect, -(y**2)), y, SCALE)
    return LogDeterminant(AxisSeries.from_values(SCALE, values), int(defect.extra.sum()))


def functions(squared, border):
    """Sums over all modes but the rigid motions."""
    modes = np.sqrt(squared[3 if border == "periodic" else 0 :])
    found = thermal_functions(modes, TEMPERATURES)
    return found.free_energy.sum(axis=1), found.heat_capacity.sum(axis=1)


@pytest.mark.parametrize("border", ["periodic", "twisted"])
@pytest.mark.parametrize("name", DEFECTS)
def test_changes_are_those_of_all_modes_of_the_crystal(name, border):
    cell, defect = Supercell(bonds(), 5, 3, border), DEFECTS[name]
    energies, capacities = functions(cell.defect_modes(defect)[0], border)
    host_energies, host_capacities = functions(cell.squared, border)

    change = logarithm(cell, defect)

    expected = energies - host_energies
    assert zero_point_energy(change) == pytest.approx(expected[0], rel=1e-9)
    np.testing.assert_allclose(free_energy(change, TEMPERATURES), expected, rtol=1e-9, atol=1e-9)
    expected = capacities - host_capacities
    np.testing.assert_allclose(heat_capacity(change, TEMPERATURES), expected, atol=3e-9)


@pytest.mark.parametrize("name", KNOWN["supercell_exact"])
def test_the_zero_point_energy_of_a_supercell_is_the_known_one(name):
    n, layers, layer, ratio, factor = (part.split("=")[-1] for part in name.split("/"))
    cell = Supercell(bonds(), int(n), int(layers))
    defect = substitution(bonds(), int(layer[5:]) - 1, float(ratio), float(factor))

    change = 2 * zero_point_energy(logarithm(cell, defect))

    # the known sum has the roots of the rounding of six zero modes in it
    assert change == pytest.approx(KNOWN["supercell_exact"][name]["sum_omega_shift"], abs=3e-7)


def lanczos(matrix, start, steps):
    """Tridiagonal matrix whose first element of (z - T)^-1 is that of the whole."""
    v, before, b = np.eye(len(matrix))[start], 0.0, 0.0
    diagonal, beside = [], []
    for _ in range(steps):
        w = matrix @ v
        diagonal.append(v @ w)
        w -= diagonal[-1] * v + b * before
        b = np.linalg.norm(w)
        beside.append(b)
        v, before = w / b, v
    return np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)


def test_impurities_in_a_free_particle_have_the_known_functions():
    """9 x 9 x 8 atoms, the impurity in the middle of a face, G by recursion."""
    cell = Supercell(bonds(), 9, 8, "free")
    y, one = axis_nodes(SCALE, 64), np.ones(1)
    middle = 3 * cell.number(np.array([0, 4, 4]))[0]
    g = np.zeros((len(y), 3, 3))
    for direction in (0, 2):
        levels, vectors = np.linalg.eigh(lanczos(cell.phi, middle + direction, 120))
        own = (vectors[0] ** 2 / (-(y[:, None] ** 2) - levels)).sum(axis=1)
        g[:, direction, direction] = own
    g[:, 1, 1] = g[:, 0, 0]
    for name, expected in KNOWN["finite_cluster_9x9x8"].items():
        defect = substitution(bonds(), 0, float(name.split("=")[1]), 1.0)

        series = AxisSeries.from_values(SCALE, log_values(defect, g, y, SCALE))
        change = LogDeterminant(series, 0)

        assert zero_point_energy(change) == pytest.approx(expected["dE0"], rel=1e-5)
        assert free_energy(change, one)[0] == pytest.approx(expected["dF_T1"], rel=1e-5)
        assert heat_capacity(change, one)[0] == pytest.approx(expected["dCv_T1"], rel=1e-4)


@pytest.mark.parametrize("name", DEFECTS)
def test_an_impurity_moves_as_in_the_whole_crystal(name):
    cell, defect = Supercell(bonds(), 4, 3, "twisted"), DEFECTS[name]
    squared, vectors, where, _ = cell.defect_modes(defect)
    own = where[defect.impurity_coordinates]
    energy = thermal_functions(np.sqrt(squared), TEMPERATURES).internal_energy
    share = vectors[own] ** 2 / defect.masses[defect.impurity_coordinates][..., None]
    y = axis_nodes(SCALE, 96)

    u = impurity_response(defect, cell.green(defect, -(y**2)), -(y**2)).reshape(len(y), -1, 3)
    inverse_mass = 1 / defect.masses[defect.impurity_coordinates]
    displacement = mean_squares(AxisSeries.from_values(SCALE, -u), TEMPERATURES)
    velocity = AxisSeries.from_values(SCALE, inverse_mass + y[:, None, None] ** 2 * u)

    expected = np.einsum("idm,tm->tid", share, energy / squared)
    np.testing.assert_allclose(displacement, expected, rtol=1e-9)
    expected = np.einsum("idm,tm->tid", share, energy)
    np.testing.assert_allclose(mean_squares(velocity, TEMPERATURES), expected, rtol=1e-9)


def endless(sites=1):
    g = semicircle_host(-(axis_nodes(SCALE) ** 2)).real
    return OnAxis.from_green(SCALE, np.kron(np.eye(sites), g))


def moments(defect_g, temperature, mass):
    """<u^2> and <v^2> by an integral over the band and the closed form of its spectrum."""
    omega = (np.arange(200_000) + 0.5) / 200_000 * np.sqrt(12)
    dos = -2 * omega / np.pi * mass * defect_g(omega**2).imag
    half_coth = 0.5 / np.tanh(omega / (2 * temperature)) if temperature else 0.5
    step = omega[1] - omega[0]
    return (dos / omega * half_coth).sum() * step / mass, (
        dos * omega * half_coth
    ).sum() * step / mass


@pytest.mark.parametrize("ratio", [1.0, 3.0])
def test_mean_squares_of_an_endless_host_are_integrals_over_its_band(ratio):
    defect = substitution(bonds(), 0, ratio, 1.0)

    def response(x):
        return semicircle(x) / (1 - (1 - ratio) * x * semicircle(x))

    temperatures = np.array([0.0, 0.1, 2.0])
    displacement = mean_squares(displacement_series(defect, endless()), temperatures)
    velocity = mean_squares(velocity_series(defect, endless()), temperatures)

    for i, temperature in enumerate(temperatures):
        u2, v2 = moments(response, temperature, ratio)
        np.testing.assert_allclose(displacement[i, 0], u2, rtol=1e-6)
        np.testing.assert_allclose(velocity[i, 0], v2, rtol=1e-6)


@pytest.mark.parametrize("defect", [substitution(bonds(), 0, 0.01, 1.0), tied(0.1, 1.0)])
def test_the_heat_capacity_is_the_bend_of_the_free_energy(defect):
    change = log_determinant(defect, endless())
    for temperature in (0.05, 0.4, 3.0):
        step = temperature / 50
        f = free_energy(change, temperature + step * np.arange(-2, 3))
        bend = (-f[0] + 16 * f[1] - 30 * f[2] + 16 * f[3] - f[4]) / (12 * step**2)

        capacity = heat_capacity(change, np.array([temperature]))[0]

        assert capacity == pytest.approx(-temperature * bend, abs=2e-5)


def test_nodes_suffice_for_a_very_light_impurity():
    """Its mode lies thirty times higher than the scale of the axis."""
    defect = substitution(bonds(), 0, 1e-3, 1.0)

    energy = zero_point_energy(log_determinant(defect, endless()))

    y = axis_nodes(SCALE, 1000)
    exact = log_values(defect, semicircle_host(-(y**2)).real, y, SCALE)
    series = AxisSeries.from_values(SCALE, exact)
    assert energy == pytest.approx(zero_point_energy(LogDeterminant(series, 0)), rel=1e-7)


def test_a_free_atom_contributes_nothing():
    """Bonds so weak that three slow oscillators, of frequency 0.01, are all that is left."""
    change = log_determinant(tied(1.0, 1e-4), endless())

    assert zero_point_energy(change) == pytest.approx(1.5 * 1e-2, rel=1e-2)
    hot = heat_capacity(change, np.array([1.0]))[0]
    assert hot == pytest.approx(3.0, abs=1e-4)


@pytest.mark.parametrize("pair", ["pair_R=1,0", "pair_R=1,1", "pair_R=2,0", "pair_R=3,0"])
@pytest.mark.parametrize("name", KNOWN["grimley_adatom"])
def test_adatoms_on_a_simple_host_attract_each_other_as_known(name, pair):
    tau, spring, mass = (float(part.split("=")[1]) for part in name.split("/"))
    cell = tuple(int(n) for n in pair.split("=")[1].split(","))
    one, two = (perpendicular_adatoms(c, spring, mass) for c in ([(0, 0)], [(0, 0), cell]))
    g = rosenstock_newell(tau, 96, two.sites, -(axis_nodes(SCALE) ** 2))

    both = log_determinant(two, OnAxis.from_green(SCALE, g), 64)
    single = log_determinant(one, OnAxis.from_green(SCALE, g[:, :3, :3]), 64)
    interaction = both.minus(single, single)

    expected = KNOWN["grimley_adatom"][name][pair]["zero_point_interaction"]
    assert zero_point_energy(interaction) == pytest.approx(expected, rel=1e-4)


def test_defects_that_share_nothing_do_not_interact():
    one = substitution(bonds(), 0, 0.2, 1.0)
    two = group(bonds(), [((0, 0, 0), 0.2, 1.0), ((0, 9, 0), 0.2, 1.0)])

    both, single = (log_determinant(d, endless(n), 64) for d, n in ((two, 2), (one, 1)))

    assert abs(zero_point_energy(both.minus(single, single))) < 1e-11


@pytest.mark.parametrize("layer", [0, 1])
def test_a_vacancy_takes_the_modes_of_an_atom_away(layer):
    """The atom that leaves stays as a free one, whose three modes at zero count nothing."""
    cell, defect = Supercell(bonds(), 5, 3, "twisted"), group(bonds(), [((layer, 0, 0), 5.0, 0.0)])
    squared = cell.defect_modes(defect)[0]
    assert np.abs(squared[:3]).max() < 1e-12
    energies, capacities = functions(squared[3:], "twisted")
    host_energies, host_capacities = functions(cell.squared, "twisted")
    y = axis_nodes(SCALE, 64)
    series = AxisSeries.from_values(
        SCALE, log_values(defect, cell.green(defect, -(y**2)), y, SCALE)
    )

    change = LogDeterminant(series, -3)

    expected = energies - host_energies
    assert zero_point_energy(change) == pytest.approx(expected[0], rel=1e-9)
    np.testing.assert_allclose(free_energy(change, TEMPERATURES), expected, rtol=1e-8, atol=1e-6)
    expected = capacities - host_capacities
    np.testing.assert_allclose(heat_capacity(change, TEMPERATURES), expected, atol=1e-7)
