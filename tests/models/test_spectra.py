"""Broadened lines and zone integration against closed forms, sum rules and plain sums."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.crystal.faces import FACES, point_group
from models.crystal.k_points import mesh_map, on_mesh
from models.errors import ModelInputError
from models.spectra import triangles
from models.spectra.lines import INTERVAL, NODES, broaden, broaden_each
from models.spectra.triangles import Triangles, integrate, zone_triangles

GRID = np.linspace(0, 2, 201)
STEP = 0.01
FEW, MANY = 3, 3000
"""Wavevectors with so few lines that each is evaluated, or so many that they are collected."""


def lines(n, modes=4, sets=3, seed=1, low=0.3, high=1.7):
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, (n, modes)), rng.standard_normal((n, sets, modes))


def plain_lines(frequency, grid, width, shape):
    """Lines by their definitions, shape (n, modes, g)."""
    away = grid - frequency[..., None]
    if shape == "gaussian":
        return np.exp(-(away**2) / (2 * width**2)) / (width * np.sqrt(2 * np.pi))
    z = (grid + 1j * width) ** 2
    return -2 * grid / np.pi * (1 / (z - frequency[..., None] ** 2)).imag


@pytest.mark.parametrize("shape", NODES)
@pytest.mark.parametrize("n", [FEW, MANY])
@pytest.mark.parametrize("width", [STEP, 0.033, 0.4])
def test_spectra_are_sums_of_the_lines_as_defined(n, width, shape):
    """Also with lines outside of the grid, whose flanks reach into it."""
    frequency, weight = lines(n, low=-0.2, high=2.2)
    every = plain_lines(frequency, GRID, width, shape)
    expected = np.einsum("nsm,nmg->sg", weight, every)
    highest = np.abs(weight).sum() * every.max()

    assert broaden(frequency, weight, GRID, width, shape) == pytest.approx(
        expected, rel=0, abs=1e-14 * highest
    )


@pytest.mark.parametrize("shape", NODES)
def test_every_line_alone_is_exact_when_lines_are_collected(shape):
    """Lines at one frequency cannot hide an error behind others."""
    width = 0.05
    count = 1 + int((2 + 18 * width) / (INTERVAL * width)) * NODES[shape]
    for at in (0.5, 1.01234, 1.02499999, 1.025):
        frequency = np.full((count, 1), at)
        found = broaden(frequency, np.full((count, 1, 1), 1 / count), GRID, width, shape)
        expected = plain_lines(np.array([[at]]), GRID, width, shape)[0]

        assert found == pytest.approx(expected, rel=0, abs=1e-12 * expected.max())


@pytest.mark.parametrize("n", [FEW, MANY])
@pytest.mark.parametrize("width", [1.2 * STEP, 0.035])
def test_gaussian_spectra_have_the_moments_of_their_lines(n, width):
    """Norm, mean and mean square; a Gaussian adds width^2 to the last."""
    frequency, weight = lines(n)
    spectrum = broaden(frequency, weight, GRID, width)
    for power, spread in ((0, 0.0), (1, 0.0), (2, width**2)):
        expected = np.einsum("nsm,nm->s", weight, frequency**power + spread)

        found = STEP * spectrum @ GRID**power
        assert found == pytest.approx(expected, rel=0, abs=1e-11 * np.abs(weight).sum())


def test_a_width_of_one_step_costs_the_trapezoid_sum_its_known_error():
    """Poisson: the sum over points of a line on one of them is 1 + 2 exp(-2 pi^2 w^2/h^2)."""
    line = broaden(np.array([[1.0]]), np.ones((1, 1, 1)), GRID, STEP)

    assert line.sum() * STEP - 1 == pytest.approx(2 * np.exp(-2 * np.pi**2), rel=1e-5)


def test_a_lorentzian_loses_more_between_the_points():
    """Its poles lie one width off the axis: the sum is coth(pi w/h)."""
    line = broaden(np.array([[100.0]]), np.ones((1, 1, 1)), GRID + 99, STEP, "lorentzian")
    beyond = 2 * STEP / np.pi / 1.005  # both flanks, from half a step after the last point

    assert line.sum() * STEP - 1 + beyond == pytest.approx(1 / np.tanh(np.pi) - 1, rel=1e-4)


def test_a_line_at_an_end_of_the_grid_loses_the_half_beyond():
    frequency, weight = np.array([[0.0]]), np.ones((1, 1, 1))
    line = broaden(frequency, weight, GRID, 0.05)[0]

    assert np.trapezoid(line, GRID) == pytest.approx(0.5, rel=1e-12)


def test_a_lorentzian_has_its_weight_and_half_width():
    """Over omega > 0 the weight is 1; beyond the grid lies (4 w/pi)/omega_end of it."""
    width, at, end = 0.05, 1.0, 400.0
    grid = np.linspace(0, end, 40001)
    line = broaden(np.array([[at]]), np.ones((1, 1, 1)), grid, width, "lorentzian")[0]

    assert np.trapezoid(line, grid) + 4 * width / np.pi / end == pytest.approx(1, abs=1e-6)
    assert line[95] == pytest.approx(line[100] / 2, rel=0.06)
    assert line[105] == pytest.approx(line[100] / 2, rel=0.06)


@pytest.mark.parametrize("shape", NODES)
def test_spectra_of_wavevectors_add_up_to_the_spectrum(shape):
    frequency, weight = lines(1500)
    each = broaden_each(frequency, weight, GRID, 0.03, shape)
    plain = np.einsum("sm,mg->sg", weight[7], plain_lines(frequency[7], GRID, 0.03, shape))

    assert each[7] == pytest.approx(plain, rel=0, abs=1e-14 * np.abs(plain).max())
    assert each.sum(axis=0) == pytest.approx(
        broaden(frequency, weight, GRID, 0.03, shape), rel=0, abs=1e-11 * np.abs(each).max()
    )


@pytest.mark.parametrize("n", [FEW, MANY])
def test_lines_without_weight_leave_no_trace(n):
    frequency, weight = lines(n, low=-0.5)
    weight *= frequency[:, None, :] > 0.5
    without = np.where(frequency > 0.5, frequency, 7.0)

    assert broaden(frequency, weight, GRID, 0.03) == pytest.approx(
        broaden(without, weight, GRID, 0.03), rel=0, abs=1e-12 * np.abs(weight).sum()
    )


@pytest.mark.parametrize("function", [broaden, broaden_each])
@pytest.mark.parametrize("width", [0.0, -1.0, np.nan])
def test_a_width_that_is_not_above_zero_is_refused(function, width):
    with pytest.raises(ModelInputError, match="is not above zero"):
        function(np.ones((1, 1)), np.ones((1, 1, 1)), GRID, width)


@pytest.mark.parametrize("function", [broaden, broaden_each])
@pytest.mark.parametrize("shape", ["gaussian", "lorentzian"])
def test_a_coarse_grid_holds_the_values_of_a_fine_one(function, shape):
    """Lines far narrower than its step may fall between points; what it has is right."""
    frequency, weight = lines(FEW)
    fine = function(frequency, weight, GRID, 0.004, shape)

    coarse = function(frequency, weight, GRID[::20], 0.004, shape)

    assert coarse == pytest.approx(fine[..., ::20], rel=0, abs=1e-12 * fine.max())


@pytest.mark.parametrize("function", [broaden, broaden_each])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_frequency_that_is_not_finite_is_refused(function, value):
    with pytest.raises(ModelInputError, match="A frequency is not a finite number"):
        function(np.array([[1.0, value]]), np.ones((1, 1, 2)), GRID, 0.05)


# Triangles

ONE = Triangles(np.array([[0, 1, 2]]), np.array([1.0]))
FINE = np.linspace(0, 1, 101)


def one_triangle(frequency, weight=(1.0, 1.0, 1.0), grid=FINE):
    return integrate(
        np.array(frequency)[:, None], np.array(weight)[:, None, None], ONE, grid
    )[0]  # fmt: skip


def triangle_density(e, x):
    """Density of states of a triangle: it rises from e1 to 2/(e3 - e1) at e2, and falls."""
    return np.interp(x, e, [0, 2 / (e[2] - e[0]), 0])


@pytest.mark.parametrize("e", [(0.105, 0.305, 0.905), (0.105, 0.105, 0.905), (0.105, 0.905, 0.905)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_a_linear_band_over_a_triangle_has_the_closed_form(e, order):
    """Kinks lie between steps, so the mean over a step is the value at its middle."""
    inside = np.abs(FINE[:, None] - np.array(e)).min(axis=1) > 0.006
    found = one_triangle([e[i] for i in order])

    assert found[inside] == pytest.approx(triangle_density(e, FINE)[inside], rel=1e-11, abs=1e-12)
    assert found.sum() * 0.01 == pytest.approx(1, rel=1e-14)


def test_the_weight_is_linear_inside_a_triangle():
    """Weight = frequency: x g(x) on a step is its middle value and h^2/12 times the slope of g."""
    e, x = (0.105, 0.305, 0.905), FINE
    inside = np.abs(x[:, None] - np.array(e)).min(axis=1) > 0.006
    slope = np.select([x < e[0], x < e[1], x < e[2]], [0, 2 / 0.8 / 0.2, -2 / 0.8 / 0.6], 0)
    expected = x * triangle_density(e, x) + slope * 0.01**2 / 12

    assert one_triangle(e, e)[inside] == pytest.approx(expected[inside], rel=1e-11, abs=1e-12)


corner = st.floats(0.0, 1.0)
triple = st.tuples(corner, corner, corner)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(e=triple, w=triple)
def test_a_triangle_is_the_sum_of_its_four_quarters(e, w):
    """Halving the sides changes neither frequency nor weight anywhere in the triangle."""
    assume(np.ptp(e) > 1e-6)  # a flat one may fall to either side of the border of a step

    def with_middles(x):
        return np.array([*x, (x[0] + x[1]) / 2, (x[1] + x[2]) / 2, (x[2] + x[0]) / 2])

    quarters = Triangles(
        np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5]]), np.full(4, 0.25)
    )  # fmt: skip
    found = integrate(
        with_middles(e)[:, None], with_middles(w)[:, None, None], quarters, FINE
    )[0]  # fmt: skip

    assert np.cumsum(one_triangle(e, w) - found) == pytest.approx(0, abs=1e-8)


def test_a_flat_band_lies_in_one_step():
    expected = np.where(np.arange(101) == 37, 100.0, 0.0)

    assert one_triangle((0.37, 0.37, 0.37)) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(n=st.integers(1, 7), seed=st.integers(0, 10**6))
def test_no_state_is_lost_on_a_grid_that_spans_the_bands(n, seed):
    """The sum over the grid is the sum of the weights: exactly, also on a coarse mesh."""
    rng = np.random.default_rng(seed)
    frequency = np.sort(rng.choice([0.0, 1.0, 0.25, rng.random()], (n * n, 4)), axis=1)
    weight = rng.standard_normal((n * n, 2, 4))
    net = zone_triangles(np.arange(n * n).reshape(n, n), np.eye(2))
    spectrum = integrate(frequency, weight, net, FINE)

    expected = weight.sum(axis=(0, 2)) / n**2
    assert spectrum.sum(axis=1) * 0.01 == pytest.approx(expected, rel=0, abs=1e-13 * 4 * n)


def test_a_grid_that_is_too_short_shows_its_part_of_the_spectrum():
    rng = np.random.default_rng(6)
    frequency, weight = np.sort(rng.random((25, 3)), axis=1), rng.random((25, 2, 3))
    net = zone_triangles(np.arange(25).reshape(5, 5), np.eye(2))
    whole = integrate(frequency, weight, net, FINE)

    assert integrate(frequency, weight, net, FINE[40:60]) == pytest.approx(
        whole[:, 40:60], rel=1e-11, abs=1e-12
    )


def test_the_pieces_of_a_long_sum_add_up(monkeypatch):
    rng = np.random.default_rng(7)
    frequency, weight = np.sort(rng.random((25, 7)), axis=1), rng.random((25, 2, 7))
    net = zone_triangles(np.arange(25).reshape(5, 5), np.eye(2))
    whole = integrate(frequency, weight, net, FINE)
    monkeypatch.setattr(triangles, "STATES", 25 * 103 * 2)  # two modes at a time
    monkeypatch.setattr(triangles, "ELEMENTS", 40)

    assert integrate(frequency, weight, net, FINE) == pytest.approx(whole, rel=1e-11)


def square_net(n, shift):
    """The band omega^2 = 2 (2 - cos kx - cos ky) on a mesh."""
    k = 2 * np.pi * (np.arange(n) + shift) / n
    return np.sqrt(2 * (2 - np.cos(k)[:, None] - np.cos(k))).reshape(-1, 1)


def square_net_states(x):
    """States of that band below x: one integral by hand, the other a fine sum."""
    c = np.cos((np.arange(200_000) + 0.5) * np.pi / 200_000)
    return np.array([np.arccos(np.clip(2 - y * abs(y) / 2 - c, -1, 1)).mean() / np.pi for y in x])


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_triangles_converge_with_the_square_of_the_mesh_and_beyond_gaussians(shift):
    grid = np.linspace(0, 3, 61)
    step = grid[1]
    edges = np.append(grid - step / 2, grid[-1] + step / 2)
    exact = np.diff(square_net_states(edges))

    def errors(n):
        frequency, weight = square_net(n, shift), np.ones((n * n, 1, 1))
        net = zone_triangles(np.arange(n * n).reshape(n, n), np.eye(2))
        cut = integrate(frequency, weight, net, grid)[0] * step
        broad = broaden(frequency, weight / n**2, grid, step)[0] * step
        return np.abs(cut - exact).sum(), np.abs(broad - exact).sum()

    (coarse, _), (middle, broad_middle), (fine, broad_fine) = errors(12), errors(24), errors(48)
    assert coarse / middle > 3
    assert middle / fine > 3
    assert middle < broad_middle / 5
    assert middle < broad_fine / 2
    assert fine < 3e-3


def test_moments_of_a_weighted_spectrum_are_sums_over_the_zone():
    """Weight cos kx: the norm is its mean over the zone, 0, and omega^2 has the moment -1."""
    n, shift = 64, 0.5
    k = 2 * np.pi * (np.arange(n) + shift) / n
    weight = np.broadcast_to(np.cos(k)[:, None], (n, n)).reshape(-1, 1, 1)
    grid = np.linspace(0, 3, 601)
    net = zone_triangles(np.arange(n * n).reshape(n, n), np.eye(2))
    spectrum = integrate(square_net(n, shift), weight, net, grid)[0] * grid[1]

    assert spectrum.sum() == pytest.approx(0, abs=1e-13)
    assert spectrum @ grid**2 == pytest.approx(-1, rel=5e-3)


def symmetric_band(face, fraction):
    """A function of k with the symmetry of the face and time reversal, in two bands."""
    star = [sign * w.T @ np.array(step) for w in point_group(face) for sign in (1, -1)
            for step in ((1, 0), (0, 1), (1, 1))]  # fmt: skip
    wave = np.cos(2 * np.pi * fraction @ np.array(star).T).mean(axis=-1)
    return np.stack([1 - wave / 2, 1.5 + wave / 3], axis=-1)


@pytest.mark.parametrize("face", FACES.values(), ids=lambda f: f"{f.crystal}{f.surface}")
@pytest.mark.parametrize("shift", ["auto", "gamma"])
@pytest.mark.parametrize("n", [1, 2, 7, 12])
def test_irreducible_points_stand_for_the_mesh(face, shift, n):
    """Spectra of the irreducible points with their map, and of all points, are the same."""
    s = {"gamma": (0, 0), "auto": (1 / 3, 2 / 3) if face.hexagonal else (0.5, 0.5)}[shift]
    steps = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1)
    every = symmetric_band(face, (steps.reshape(-1, 2) + s) / n)
    k, mesh = on_mesh(face, n, shift), mesh_map(face, n, shift)
    few = symmetric_band(face, k.fraction)

    assert every == pytest.approx(few[mesh.ravel()], abs=1e-12)
    assert np.bincount(mesh.ravel()) == pytest.approx(k.weight * n**2)

    grid = np.linspace(0, 2, 38)
    b = face.reciprocal
    whole = integrate(
        every, every[:, None, :], zone_triangles(np.arange(n * n).reshape(n, n), b), grid
    )
    net = zone_triangles(mesh, b)
    short = integrate(few, few[:, None, :], net, grid)
    assert len({tuple(sorted(c)) for c in net.corners}) == len(net.corners)
    # rounding may move a flat triangle over a border, with its share of the zone
    assert np.cumsum(short - whole) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("face", FACES.values(), ids=lambda f: f"{f.crystal}{f.surface}")
def test_cells_are_cut_along_the_short_diagonal(face):
    """No side of a triangle is longer than it must be; squares and rectangles are cut twice."""
    n, b = 5, face.reciprocal
    net = zone_triangles(np.arange(n * n).reshape(n, n), b)
    at = np.stack(np.divmod(net.corners, n), axis=-1)
    side = at - np.roll(at, 1, axis=1)
    side = (side + n // 2) % n - n // 2  # the shortest image of a side
    length = np.linalg.norm(side @ b, axis=-1)
    diagonals = np.linalg.norm([b[0] + b[1], b[0] - b[1]], axis=1)
    equal = abs(diagonals[0] - diagonals[1]) < 1e-9

    assert length.max() == pytest.approx(max(diagonals.min(), *np.linalg.norm(b, axis=1)))
    assert len(net.share) == n * n * (4 if equal else 2)
    assert net.share.sum() == pytest.approx(1)
    if face.hexagonal:
        assert length == pytest.approx(np.full_like(length, length[0, 0]))
