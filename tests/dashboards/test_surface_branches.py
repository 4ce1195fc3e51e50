"""Surface branches on a half space made by hand: what is collected and drawn."""

import numpy as np
import pytest
import xarray
from bokeh.models import ColorBar, Plot

from dashboards.figures.dispersion import Dispersion
from dashboards.figures.surface_branches import (
    Branches,
    collect_branches,
    collect_lowest,
    draw_branches,
    lone_points,
    segments,
)
from sweep import InputError

NAN = np.nan
FREQUENCY = np.array([[1.0, NAN, 9.0], [2.0, 5.0, NAN], [NAN, NAN, NAN], [3.0, NAN, 8.0]])


def half_space(**changes: object) -> xarray.Dataset:
    """Two mass ratios, the second without results; the path breaks before its last point."""
    frequency = np.stack([FREQUENCY, np.full_like(FREQUENCY, NAN)])
    axes = ("ratio", "k", "branch")
    vector = np.array([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0], [0.5, 0.0]])
    arrays = {
        "surface_branch": (axes, frequency, {"units": "sqrt(epsilon/m)/sigma"}),
        "surface_branch_surface_weight": (axes, frequency / 10, {}),
        "k_distance": (("k",), np.array([0.0, 1.0, 2.0, 2.0]), {"units": "1/sigma"}),
        "k_vector": (("k", "component"), vector, {"units": "1/sigma"}),
    }  # fmt: skip
    coords = {"ratio": [1.0, 5.0], "component": ["x", "y"]}
    return xarray.Dataset(arrays, coords).assign(changes)  # type: ignore[arg-type]


def slab() -> Dispersion:
    frequency = np.array([[1.1, 6.0], [2.1, 6.0], [3.0, 6.0], [3.1, 6.0]])
    kind = np.array([["below", "bulk"]] * 4)
    band = np.array([[[5.0, 7.0]]] * 4)
    labels = ((0.0, "Γ"), (2.0, "M"))
    return Dispersion(
        np.array([0.0, 1.0, 2.0, 2.0]), frequency, kind, np.ones((4, 2)), band, labels,
        "1", "σ⁻¹", "slab",
    )  # fmt: skip


def test_branches_of_one_point_are_collected() -> None:
    b = collect_branches(half_space(), ratio=1.0)

    np.testing.assert_array_equal(b.frequency, FREQUENCY)
    np.testing.assert_array_equal(b.weight, FREQUENCY / 10)


def test_the_lowest_branch_is_a_curve_over_the_length_of_the_wavevector() -> None:
    c = collect_lowest(half_space(), ratio=1.0)

    np.testing.assert_allclose(c.x, [5.0, 2.0, 0.5])  # the third wavevector has none
    np.testing.assert_allclose(c.y, [1.0, 2.0, 3.0])
    assert c.x_unit == "σ⁻¹"


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ({}, r"Choose one value of: ratio \(1, 5\)"),
        ({"ratio": 5.0}, "ratio = 5 has no surface branches: its status is not known"),
    ],
)
def test_a_wrong_selection_is_refused_in_words(selection, words) -> None:
    with pytest.raises(InputError, match=words):
        collect_branches(half_space(), **selection)


def test_steps_join_neighbours_of_one_piece_with_their_mean_weight() -> None:
    b = collect_branches(half_space(), ratio=1.0)
    steps = segments(b, [slice(0, 3), slice(3, 4)])

    assert steps == {"x": [[0.0, 1.0]], "y": [[1.0, 2.0]], "weight": [pytest.approx(0.15)]}


def test_a_mode_without_neighbours_is_a_point() -> None:
    b = Branches(np.arange(4.0), FREQUENCY, FREQUENCY / 10)

    assert lone_points(b)["y"] == [9.0, 5.0, 3.0, 8.0]


def test_the_picture_has_branches_dots_of_the_slab_and_one_colour_bar() -> None:
    layout = draw_branches([(slab(), collect_branches(half_space(), ratio=1.0))], heading="h")
    (plot,) = [p for p in layout.select({"type": Plot}) if p.frame_height]
    drawn = {r.name: r.data_source.data for r in plot.renderers if r.visible}

    assert drawn["branches"]["weight"] == [pytest.approx(0.15)]
    assert len(drawn["slab surface modes"]["x"]) == 2  # every third wavevector
    assert "below" not in drawn
    assert len(list(layout.select({"type": ColorBar}))) == 1
