"""Impurities: which numbers are collected, where the cells of a map lie, what is drawn."""

import numpy as np
import pytest
import xarray
from bokeh.models import ColorBar, Legend, Plot

from dashboards.figures.curves import Curve, Drawn, Key
from dashboards.figures.impurities import (
    MapPanel,
    SpectralMap,
    collect_attraction,
    collect_map,
    draw_maps,
    edges,
)
from sweep import InputError

STATUS = {"flag_values": list(range(7)),
          "flag_meanings": "todo running ok failed unstable lost skipped"}  # fmt: skip


def spectra(ratios: tuple[float, ...] = (4.0, 1.0, 2.0)) -> xarray.Dataset:
    """Three masses out of order, two polarizations."""
    value = np.arange(24.0).reshape(3, 2, 4)
    axes = ("mass_ratio", "polarization", "grid")
    arrays = {
        "impurity_dos": (axes, value, {"units": "1/sqrt(k/m)"}),
        "status": (("mass_ratio",), np.full(3, 2, np.uint8), STATUS),
    }  # fmt: skip
    coords = {
        "mass_ratio": list(ratios), "polarization": ["perpendicular", "parallel"],
        "grid": ("grid", [0.0, 1.0, 2.0, 3.0], {"units": "sqrt(k/m)"}),
    }  # fmt: skip
    return xarray.Dataset(arrays, coords)


def pairs() -> xarray.Dataset:
    """Separations of two rows; the value of [3,0] is all error."""
    arrays = {
        "interaction_energy": (
            ("separation",), [-1e-3, -8e-6, -1e-4, -2e-7, -4e-4], {"units": "hbar*sqrt(k/m)"},
        ),
        "interaction_energy_error": (("separation",), [1e-9, 1e-9, 1e-9, 1e-7, 1e-9]),
        "status": (("separation",), np.full(5, 2, np.uint8), STATUS),
    }  # fmt: skip
    separations = ["[1,0]", "[2,2]", "[2,0]", "[3,0]", "[1,1]"]
    return xarray.Dataset(arrays, {"separation": separations})


def test_a_map_ascends_along_its_axis() -> None:
    m = collect_map(spectra(), "impurity_dos", "mass_ratio", polarization="parallel")

    np.testing.assert_array_equal(m.x, [1, 2, 4])
    np.testing.assert_array_equal(m.density[:, 0], [12, 20, 4])
    assert (m.grid_unit, m.density_unit) == ("√(k/m)", "1/√(k/m)")


def test_cells_of_a_map_lie_around_their_values() -> None:
    m = collect_map(spectra(), "impurity_dos", "mass_ratio", polarization="parallel")

    assert edges(m) == pytest.approx((1 / np.sqrt(2), 4 * np.sqrt(2), -0.5, 3.5))


def test_an_uneven_axis_has_no_map() -> None:
    with pytest.raises(InputError, match=r"no geometric row: 3, 1, 2. Sweep mass_ratio = \{ geo"):
        collect_map(spectra((3.0, 1.0, 2.0)), "impurity_dos", "mass_ratio", polarization="parallel")


def test_a_map_without_a_choice_or_a_variable_is_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"Choose one value of: polarization \(perpendicular, par"):
        collect_map(spectra(), "impurity_dos", "mass_ratio")
    with pytest.raises(InputError, match=r"dims mass_ratio, and a map needs mass_ratio and grid"):
        collect_map(spectra(), "status", "mass_ratio")
    with pytest.raises(InputError, match="needs host_dos, which the store does not have"):
        collect_map(spectra(), "host_dos", "mass_ratio")


def test_a_point_that_is_missing_is_named() -> None:
    dataset = spectra()
    dataset["impurity_dos"][0] = np.nan

    with pytest.raises(InputError, match=r"impurity_dos is missing at mass_ratio = 4\. Run"):
        collect_map(dataset, "impurity_dos", "mass_ratio", polarization="parallel")


def test_an_attraction_runs_along_one_row_and_leaves_out_what_is_all_error() -> None:
    row = collect_attraction(pairs(), "interaction_energy", (1, 0), 1.0)
    diagonal = collect_attraction(pairs(), "interaction_energy", (1, 1), np.sqrt(2))

    np.testing.assert_array_equal(row.x, [1, 2, 3])
    np.testing.assert_array_equal(row.y, [1e-3, 1e-4, np.nan])
    np.testing.assert_allclose(diagonal.x, np.sqrt(2) * np.array([1, 2]))
    np.testing.assert_array_equal(diagonal.y, [4e-4, 8e-6])
    assert row.y_unit == "ħ√(k/m)"


def test_a_row_that_was_not_swept_is_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"no interaction_energy along \[1, 2\]: its status is "):
        collect_attraction(pairs(), "interaction_energy", (1, 2), 1.0)


def test_maps_share_one_scale_and_carry_their_curves() -> None:
    m = SpectralMap(np.array([1.0, 2.0]), np.array([0.0, 1.0]), np.ones((2, 2)), "Hz", "1/Hz")
    line = Curve(m.x, np.array([0.2, 0.4]), np.full(2, np.nan), "", "Hz")
    panels = [MapPanel(t, m, [Drawn(line, "white")]) for t in ("left", "right")]

    layout = draw_maps(
        panels, x="mass", density="states", limits=(0.1, 10), ticks=(0.1, 1, 10),
        keys=[Key("line", "#000000")],
    )  # fmt: skip

    plots = [p for p in layout.select({"type": Plot}) if p.frame_height]
    plots.sort(key=lambda p: p.title.text)
    assert [p.title.text for p in plots] == ["left", "right"]
    assert [p.yaxis[0].axis_label for p in plots] == ["frequency (Hz)", None]
    assert [r.name for r in plots[0].renderers] == ["map", "curve"]
    (bar,) = layout.select({"type": ColorBar})
    assert bar.title == "states (1/Hz)"
    assert len({id(p.select_one({"name": "map"}).glyph.color_mapper) for p in plots}) == 1
    assert len(list(layout.select({"type": Legend}))) == 1
