"""How much the points that came last have moved a curve."""

from __future__ import annotations

import numpy as np
import pytest

from dashboards.views.moving import moved


def test_a_straight_line_is_not_moved_by_more_points() -> None:
    x = np.linspace(0, 1, 50)

    assert moved(x, 2 * x, -np.abs(x - 0.5)) == pytest.approx(0, abs=1e-12)


def test_the_last_tenth_is_compared_with_the_curve_before() -> None:
    x = np.arange(20.0)
    y = np.zeros(20)
    y[7] = 3.0
    finished = np.arange(20.0)
    finished[7] = 100.0

    assert moved(x, y, finished) == 1.0  # all of the height came last
    finished[7], finished[3] = -1.0, 100.0
    assert moved(x, y, finished) == 0.0


def test_half_way_between_two_points_is_known_before_it_comes() -> None:
    x = np.array([0.0, 1, 2, 3, 4, 2.5])
    y = np.array([0.0, 1, 4, 9, 16, 6.25])

    assert moved(x, y, np.arange(6.0)) == pytest.approx(0.25 / 16)  # chord of a parabola


def test_too_few_points_say_nothing() -> None:
    x = np.arange(10.0)
    y = np.where(x < 4, x, np.nan)

    assert moved(x, y, x) is None
    assert moved(x, x, np.full(10, np.nan)) is None


def test_a_flat_curve_does_not_move() -> None:
    assert moved(np.arange(9.0), np.ones(9), -np.abs(np.arange(9.0) - 4)) == 0.0


def test_a_curve_that_only_grew_longer_has_not_moved() -> None:
    assert moved(np.arange(30.0), np.arange(30.0) ** 2, np.arange(30.0)) is None
