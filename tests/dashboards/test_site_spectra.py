"""Spectra by site on a particle made by hand: what is collected and drawn."""

import numpy as np
import pytest
import xarray
from bokeh.models import Plot

from dashboards.figures.site_spectra import collect_site_spectra, draw_site_spectra
from sweep import InputError

NAN = np.nan
CUBE = np.array([[1.0, 2.0, 0.0], [NAN, NAN, NAN], [0.0, 1.0, 3.0]])


def particles() -> xarray.Dataset:
    """A cube with corners and a core, and a particle that failed."""
    axes = ("shape", "site_class", "grid")
    arrays = {
        "site_dos": (axes, np.stack([CUBE, np.full_like(CUBE, NAN)])),
        "site_first_moment": (axes[:2], np.array([[5.0, NAN, 15.0], [NAN] * 3])),
        "site_count": (axes[:2], np.array([[8, 0, 20], [0, 0, 0]])),
    }
    coords = {
        "shape": ["cube", "icosahedron"], "site_class": [3.0, 6.0, 12.0],
        "grid": ("grid", [0.0, 10.0, 20.0], {"units": "sqrt(epsilon/m)/sigma"}),
    }  # fmt: skip
    return xarray.Dataset(arrays, coords)


def test_classes_that_the_shape_has_are_collected_by_name() -> None:
    s = collect_site_spectra(particles(), shape="cube")

    assert s.names == ("corner", "core")
    assert s.coordination == (3, 12)
    assert s.title == "cube, 28 atoms"
    assert s.unit == "√(ε/m)/σ"
    np.testing.assert_array_equal(s.spectrum, CUBE[[0, 2]])
    np.testing.assert_array_equal(s.mean, [5, 15])


@pytest.mark.parametrize(
    ("selection", "words"),
    [({}, r"Choose one value of: shape \(cube, icosahedron\)"),
     ({"shape": "icosahedron"}, "shape = icosahedron has no spectra")],
)  # fmt: skip
def test_a_wrong_selection_is_refused_in_words(selection, words) -> None:
    with pytest.raises(InputError, match=words):
        collect_site_spectra(particles(), **selection)


def test_rows_stand_above_their_names_on_one_scale() -> None:
    s = collect_site_spectra(particles(), shape="cube")
    layout = draw_site_spectra([s, s], heading="h")
    plots = [p for p in layout.select({"type": Plot}) if p.frame_height]

    assert len({p.y_range.end for p in plots}) == 1
    names = plots[0].yaxis[0].major_label_overrides
    top, bottom = max(names), min(names)
    assert (names[top], names[bottom]) == ("corner, 3", "core, 12")
    (corner,) = [r for r in plots[0].renderers if r.name == "corner"]
    np.testing.assert_allclose(corner.data_source.data["high"], top + CUBE[0])
