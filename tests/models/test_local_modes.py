"""Localised modes of defects."""

import numpy as np
import pytest
from defect_hosts import (
    SC_SHELLS,
    TOP,
    Supercell,
    bonds,
    perpendicular_adatoms,
    rosenstock_newell,
    semicircle,
    semicircle_above,
    semicircle_host,
    tied,
)
from known import known

from models.defects.interpolation import (
    ENDLESS_HOST,
    FINITE_HOST,
    AboveBand,
    AxisSeries,
    OnAxis,
    axis_nodes,
    chebyshev_nodes,
    derivative_matrix,
    edge_nodes,
    lagrange,
    squared_at,
)
from models.defects.local_modes import critical_mass_ratios, find_local_modes, own_modes
from models.defects.perturbation import adatoms, group, substitution
from models.errors import NumericsError

KNOWN = known("defects")
EDGE = 1 + 1e-6


def above(cell, defect):
    g = cell.green(defect, squared_at(edge_nodes(FINITE_HOST), cell.top))
    return AboveBand.from_green(cell.top, FINITE_HOST, g)


def named(name):
    """The supercell and the impurity of a stored result."""
    n, layers, layer, ratio, factor = (part.split("=")[-1] for part in name.split("/"))
    cell = Supercell(bonds(), int(n), int(layers))
    return cell, substitution(bonds(), int(layer[5:]) - 1, float(ratio), float(factor))


@pytest.mark.parametrize("name", KNOWN["supercell_exact"])
def test_modes_of_a_supercell_are_the_known_ones(name):
    cell, defect = named(name)
    expected = np.array(KNOWN["supercell_exact"][name]["top3"])

    found = find_local_modes(above(cell, defect), defect).squared

    above_top = expected[expected > cell.top * EDGE]
    np.testing.assert_allclose(found[len(found) - len(above_top) :], above_top, rtol=1e-9)


DEFECTS = {
    "light": substitution(bonds(), 0, 0.2, 1.0),
    "very light": substitution(bonds(), 1, 0.01, 1.0),
    "stiff": substitution(bonds(), 1, 0.3, 1.5),
    "stiff and heavy": substitution(bonds(), 1, 2.0, 4.0),
    "heavy": substitution(bonds(), 0, 3.0, 1.0),
    "pair": group(bonds(), [((0, 0, 0), 0.2, 1.5), ((0, 0, 1), 0.2, 1.5)]),
    "unequal pair": group(bonds(), [((0, 0, 0), 0.2, 1.5), ((1, 0, 1), 0.4, 0.8)]),
    "adatom": adatoms(bonds(), [(0, 0)], "top", SC_SHELLS, 0.1),
    "joined adatoms": adatoms(bonds(), [(0, 0), (1, 0)], "top", SC_SHELLS, 0.1, joined=True),
}


@pytest.mark.parametrize("border", ["periodic", "twisted"])
@pytest.mark.parametrize("name", DEFECTS)
def test_modes_and_weights_are_those_of_the_whole_crystal(name, border):
    cell, defect = Supercell(bonds(), 5, 4, border), DEFECTS[name]
    squared, vectors, where, _ = cell.defect_modes(defect)
    outside = squared > cell.top * EDGE
    own = where[defect.impurity_coordinates.ravel()]

    found = find_local_modes(above(cell, defect), defect)

    np.testing.assert_allclose(found.squared, squared[outside], rtol=1e-12)
    expected = (vectors[own][:, outside] ** 2).sum(axis=0)
    for level in np.unique(np.rint(found.squared * 1e6)):  # shares of a degenerate level
        of = np.rint(found.squared * 1e6) == level
        np.testing.assert_allclose(found.weight[of].sum(), expected[of].sum(), atol=1e-9)


def test_the_modes_of_an_impurity_are_sorted_by_direction():
    cell, defect = Supercell(bonds(), 5, 4), DEFECTS["light"]
    squared, vectors, where, _ = cell.defect_modes(defect)

    found = own_modes(find_local_modes(above(cell, defect), defect), defect)

    z, x = squared[-3], squared[-1]
    np.testing.assert_allclose(found.squared, [z, x], rtol=1e-12)
    weights = [vectors[where[2], -3] ** 2, (vectors[where[0], -2:] ** 2).sum()]
    np.testing.assert_allclose(found.weight, weights, rtol=1e-9)


def test_without_a_localised_mode_there_is_no_number():
    cell, defect = Supercell(bonds(), 4, 3, "twisted"), DEFECTS["heavy"]

    modes = find_local_modes(above(cell, defect), defect)
    found = own_modes(modes, defect)

    assert len(modes.squared) == 0
    assert np.isnan(found.squared).all()
    assert np.isnan(found.weight).all()


@pytest.mark.parametrize("ratio", [0.01, 0.2, 0.5, 0.7, 0.7499])
def test_an_endless_host_gives_the_closed_form_up_to_its_edge(ratio):
    """1 = (1 - r) x g(x) with the semicircle's g, a quadratic equation for x."""
    defect = substitution(bonds(), 0, ratio, 1.0)
    # g = 1/((1 - r) x) solves 9 g^2 - (x - 6) g + 1 = 0
    e = 1 - ratio
    roots = np.roots([e**2 - e, 6 * e, 9])
    closed_form = max(x.real for x in roots)

    found = find_local_modes(semicircle_above(), defect).squared

    assert 1 / (e * closed_form) == pytest.approx(semicircle(closed_form).real)
    np.testing.assert_allclose(found, closed_form, rtol=1e-11)


def test_the_critical_ratio_of_an_endless_host_is_exact():
    for ratio in (0.2, 1.0, 5.0):
        defect = substitution(bonds(), 0, ratio, 1.0)
        found = critical_mass_ratios(semicircle_above(), defect)
        np.testing.assert_allclose(found, 1 - 1 / (TOP * semicircle(TOP).real), rtol=1e-12)


@pytest.mark.parametrize("mass", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("spring", [0.1, 1.0, 2.0, 2.5])
def test_a_mode_vanishes_at_the_critical_ratio(mass, spring):
    """One below, none above, for ratios on both sides of 1, whatever mass it is asked for."""
    host = semicircle_above()
    critical = critical_mass_ratios(host, tied(mass, spring))[0]

    assert critical == pytest.approx(critical_mass_ratios(host, tied(1.0, spring))[1])
    assert len(find_local_modes(host, tied(critical * 0.99, spring)).squared) == 3
    assert len(find_local_modes(host, tied(critical * 1.01, spring)).squared) == 0


def test_a_stiff_bond_has_a_mode_at_every_mass():
    """The atom below swings against an adatom that stands still."""
    host = semicircle_above()

    assert np.isinf(critical_mass_ratios(host, tied(1.0, 3.5))).all()
    assert len(find_local_modes(host, tied(1e6, 3.5)).squared) == 3


@pytest.mark.parametrize("name", KNOWN["grimley_adatom"])
def test_adatoms_on_a_simple_host_have_the_known_modes(name):
    tau, spring, mass = (float(part.split("=")[1]) for part in name.split("/"))
    expected = KNOWN["grimley_adatom"][name]
    top = expected["bulk_top"]
    x = squared_at(edge_nodes(ENDLESS_HOST), top)
    for key, cells in {"single": [], "pair_R=1,0": [(1, 0)], "pair_R=3,0": [(3, 0)]}.items():
        defect = perpendicular_adatoms([(0, 0), *cells], spring, mass)
        g = rosenstock_newell(tau, 64, defect.sites, x)

        found = find_local_modes(AboveBand.from_green(top, ENDLESS_HOST, g), defect).squared

        modes = expected[key]
        modes = modes if key == "single" else sorted(modes["sym"] + modes["anti"])
        np.testing.assert_allclose(found, modes, rtol=1e-9)


def test_a_mode_without_end_is_refused():
    defect = substitution(bonds(), 0, 1e-13, 1.0)

    with pytest.raises(NumericsError, match="do not end below"):
        find_local_modes(semicircle_above(), defect)


def test_interpolation_is_exact_for_polynomials():
    nodes = chebyshev_nodes(12, -0.5, 2.0)
    points = np.array([-0.5, 0.123, nodes[3], 2.0])

    np.testing.assert_allclose(lagrange(points, nodes) @ nodes**9, points**9, atol=1e-11)
    np.testing.assert_allclose(derivative_matrix(nodes) @ nodes**9, 9 * nodes**8, atol=1e-9)


@pytest.mark.parametrize("panels", [ENDLESS_HOST, FINITE_HOST])
def test_values_above_the_band_and_their_slopes_come_from_the_nodes(panels):
    host = AboveBand.from_green(
        TOP, panels, semicircle_host(squared_at(edge_nodes(panels), TOP)).real
    )

    def exact(s):
        x = squared_at(np.array([s]), TOP)
        return float((x * semicircle(x).real)[0])

    for s in (0.02, 0.3, 0.9, 0.999):
        value, slope = host.at(s)
        assert value[1, 1] == pytest.approx(exact(s), rel=1e-10)
        assert value[0, 1] == 0
        difference = (exact(s + 1e-5) - exact(s - 1e-5)) / 2e-5
        assert slope[0, 0] == pytest.approx(difference, rel=1e-6)


def test_an_endless_host_is_known_at_its_very_edge():
    value, _ = semicircle_above().at(0.0)

    assert value[0, 0] == pytest.approx(TOP / 3, rel=1e-12)


def test_values_on_the_imaginary_axis_come_from_the_nodes():
    y = np.array([0.0, 1e-3, 0.2, 1.0, 5.0, 300.0])
    host = OnAxis.from_green(3.0, semicircle_host(-(axis_nodes(3.0) ** 2)).real)

    np.testing.assert_allclose(host.at(y)[:, 1, 1], semicircle(-(y**2)).real, rtol=1e-9)


def test_series_on_the_axis_are_evaluated_differentiated_and_integrated():
    """f = 1/(y^2 + 4): y f' = -2 y^2 f^2, integral from a: (pi/2 - arctan(a/2))/2."""
    y = axis_nodes(3.0, 64)
    series = AxisSeries.from_values(3.0, 1 / (y**2 + 4))
    at = np.array([0.0, 0.3, 2.0, 50.0])

    np.testing.assert_allclose(series.at(at), 1 / (at**2 + 4), atol=1e-14)
    slope = AxisSeries(3.0, series.logarithmic_slope, series.decay)
    np.testing.assert_allclose(slope.at(at), -2 * at**2 / (at**2 + 4) ** 2, atol=1e-12)
    exact = (np.pi / 2 - np.arctan(at / 2)) / 2
    np.testing.assert_allclose(series.integral(at), exact, atol=1e-12)
