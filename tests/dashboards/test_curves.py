"""Curves along a dim: what is collected, where their peaks are, what is drawn."""

import dataclasses

import numpy as np
import pytest
import xarray
from bokeh.models import Legend, Plot, Whisker

from dashboards.figures.curves import Curve, Drawn, Key, Panel, collect_curve, draw_curves, y_range
from sweep import InputError

STATUS = "todo running ok failed unstable lost skipped"
HOT = np.array([3.0, 1.0, 2.0])


def sums(**changes: object) -> xarray.Dataset:
    """Two thicknesses, one of them in words, on meshes out of order; the second point failed."""
    value = np.arange(12.0).reshape(2, 3, 2)
    value[1, 1] = np.nan
    axes = ("layers", "k_mesh", "direction")
    arrays = {
        "displacement": (axes, value, {"units": "angstrom^2"}),
        "displacement_error": (axes, value / 10, {"units": "angstrom^2"}),
        "status": (("layers", "k_mesh"), np.array([[2, 2, 2], [2, 3, 2]], np.uint8),
                   {"flag_values": list(range(7)), "flag_meanings": STATUS}),
    }  # fmt: skip
    coords = {"layers": ["21", "infinite"], "k_mesh": HOT, "direction": ["x", "z"]}
    return xarray.Dataset(arrays, coords).assign(changes)  # type: ignore[arg-type]


def curve(x: np.ndarray, y: np.ndarray) -> Curve:
    return Curve(x, y, 0.1 * y, "K", "kB")


def test_a_curve_ascends_along_its_dim_with_its_error_and_units() -> None:
    c = collect_curve(sums(), "displacement", "k_mesh", layers=21, direction="z")

    np.testing.assert_array_equal(c.x, [1, 2, 3])
    np.testing.assert_array_equal(c.y, [3, 5, 1])
    np.testing.assert_allclose(c.error, c.y / 10)
    assert (c.x_unit, c.y_unit) == ("", "Å²")


def test_a_variable_without_an_error_has_a_curve_too() -> None:
    bare = sums().drop_vars("displacement_error")
    c = collect_curve(bare, "displacement", "k_mesh", layers="infinite", direction="x")

    assert np.isnan(c.error).all()
    assert np.isnan(c.y[0])  # the failed point lies first


@pytest.mark.parametrize(
    ("variable", "along", "selection", "words"),
    [
        ("velocity", "k_mesh", {}, "needs velocity, which the store does not have"),
        ("displacement", "branch", {}, "no dim 'branch' to follow. Its dims: layers, k_mesh"),
        ("displacement", "k_mesh", {"layers": 21}, r"Choose one value of: direction \(x, z\)"),
        ("displacement", "k_mesh", {"layers": 9}, r"no value 9. Values: 21, infinite"),
        ("displacement", "direction", {"layers": "infinite", "k_mesh": 1.0},
         "values of direction are words: x, z. A curve needs numbers"),
    ],
)  # fmt: skip
def test_a_wrong_curve_is_refused_in_words(variable, along, selection, words) -> None:
    with pytest.raises(InputError, match=words):
        collect_curve(sums(), variable, along, **selection)


def test_a_point_without_a_number_is_named_with_its_status() -> None:
    failed = sums().isel(k_mesh=[1]).assign(status=sums()["status"].isel(k_mesh=1))
    with pytest.raises(InputError, match="layers = infinite, direction = x has no displacement: "):
        collect_curve(failed, "displacement", "k_mesh", layers="infinite", direction="x")


def test_the_peak_of_a_parabola_is_exact() -> None:
    x = np.linspace(0, 5, 11)

    assert curve(x, 3 - (x - 2.2) ** 2).peak == pytest.approx((2.2, 3.0))


def test_a_curve_that_still_rises_has_no_peak() -> None:
    x = np.linspace(0, 5, 11)

    assert np.isnan(curve(x, x).peak).all()


def test_ranges_hold_the_bars_and_start_at_zero_unless_told() -> None:
    c = curve(np.array([1.0, 2.0]), np.array([10.0, 20.0]))
    panel = Panel("p", [Drawn(c, "#000000", bars=True)], "x", "y")
    low, high = y_range(dataclasses.replace(panel, from_zero=False))

    assert y_range(panel)[0] == 0
    assert y_range(panel)[1] > 22
    assert 0 < low < 9
    assert high > 22


def test_panels_have_titles_units_bars_and_one_legend() -> None:
    c = curve(np.linspace(1, 5, 9), 3 - (np.linspace(1, 5, 9) - 2) ** 2 / 9)
    drawn = Drawn(c, "#0072b2", bars=True, peak_at=0.5)
    panels = [Panel(t, [drawn], "temperature", "heat capacity") for t in ("(100)", "(111)")]
    layout = draw_curves(panels, keys=[Key("Ar", "#0072b2")], heading="<h>", one_scale=True)
    plots = [p for p in layout.select({"type": Plot}) if p.frame_height]

    assert {p.title.text for p in plots} == {"(100)", "(111)"}
    assert plots[0].xaxis[0].axis_label == "temperature (K)"
    assert len({(p.y_range.start, p.y_range.end) for p in plots}) == 1
    assert len(list(layout.select({"type": Legend}))) == 1
    assert len(list(layout.select({"type": Whisker}))) == 2
    assert layout.children[0].title.text == "<h>"
    (peak,) = [r for r in plots[0].renderers if r.name == "peak"]
    assert peak.data_source.data["x"][0] == pytest.approx(2.0)
