"""Views of impurities: numbers as in the store, small pictures, words where there is nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray
from bokeh.embed import json_item
from bokeh.models import ColorBar, Legend, Plot, Widget

from dashboards import theme
from dashboards.views.impurity_energies import DefectEnergies
from dashboards.views.impurity_lines import fewer
from dashboards.views.impurity_localised import BAND_TOPS, LocalisedModes
from dashboards.views.impurity_resonances import ResonanceMap, averaged, cells, geometric
from dashboards.views.impurity_spectra import DefectSpectraView
from dashboards.views.impurity_views import VIEWS
from dashboards.views.view import Frame, Results, chosen_of
from models.registry import get
from sweep import InputError

WORDS = ("todo", "running", "ok", "failed", "unstable", "lost", "skipped")
FLAGS = {"flag_values": list(range(7)), "flag_meanings": " ".join(WORDS)}
POLARIZATIONS = ["perpendicular", "parallel"]
HOSTS = ['{"springs":[{"along":1.0,"across":0.5}],"crystal":"sc"}', "sc-isotropic"]
UNITS = {
    "local_mode_squared": "spring/mass", "local_mode_squared_error": "spring/mass",
    "local_mode_expansion": "spring/mass", "local_modes_squared": "spring/mass",
    "grid": "sqrt(k/m)", "impurity_dos": "1/sqrt(k/m)", "temperature": "hbar*sqrt(k/m)/k_B",
    "free_energy_change": "hbar*sqrt(k/m)",
}  # fmt: skip
OWN = {
    "local_mode_squared": ("polarization",), "local_mode_squared_error": ("polarization",),
    "local_mode_expansion": ("polarization",), "critical_mass_ratio": ("polarization",),
    "local_modes_squared": ("local_mode",), "impurity_dos": ("polarization", "grid"),
    "host_dos": ("polarization", "grid"), "neighbour_dos": ("grid",), "dos_change": ("grid",),
    "states_change": ("grid",), "resonance_frequency": ("polarization",),
    "resonance_width": ("polarization",), "free_energy_change": ("temperature",),
    "free_energy_change_error": ("temperature",), "zero_point_energy_change": (),
}  # fmt: skip


def made(
    axes: dict[str, Any], names: list[str], *, status: str = "ok",
    grid: int = 12, modes: int = 4, temperatures: int = 5,
) -> Results:  # fmt: skip
    """Make a sweep whose variables hold numbers that tell where they stand."""
    coords: dict[str, Any] = dict(axes) | {
        "polarization": POLARIZATIONS, "local_mode": np.arange(modes),
        "grid": np.linspace(0, 2.4, grid), "temperature": np.linspace(0, 2, temperatures),
    }  # fmt: skip
    sizes = {d: len(v) for d, v in coords.items()}
    arrays: dict[str, Any] = {}
    for k, name in enumerate(names):
        dims = (*axes, *OWN[name])
        shape = [sizes[d] for d in dims]
        values = 12 + k + np.arange(np.prod(shape)).reshape(shape) / (1 + np.prod(shape))
        arrays[name] = (dims, values if status == "ok" else np.full(shape, np.nan))
    shape = [sizes[d] for d in axes]
    arrays["status"] = (tuple(axes), np.full(shape, WORDS.index(status), np.uint8), FLAGS)
    used = {d for dims, *_ in arrays.values() for d in dims}
    data = xarray.Dataset(arrays, {d: v for d, v in coords.items() if d in used})
    for name, unit in UNITS.items():
        if name in data.variables:
            data[name].attrs["units"] = unit
    return Results(data.assign_attrs(name="s", model="impurity", sweep='{"fixed": {}}'))


MASSES = {"mass_ratio": np.array([0.4, 0.1, 0.2, 0.3, 0.5, 0.6])}
LOCAL = ["local_mode_squared", "local_mode_squared_error", "local_mode_expansion",
         "critical_mass_ratio"]  # fmt: skip
SPECTRA = ["impurity_dos", "host_dos", "neighbour_dos", "dos_change", "states_change",
           "resonance_frequency", "resonance_width"]  # fmt: skip
ENERGIES = ["free_energy_change", "free_energy_change_error", "zero_point_energy_change"]
EVERY = [*LOCAL, "local_modes_squared", *SPECTRA, *ENERGIES]


def collected(view: Any, results: Results, **asked: str) -> Any:
    """Collect what is chosen if this is asked for."""
    return view.collect(results, dict(asked) | chosen_of(view.controls(results, asked)))


def weight(content: Any) -> int:
    """Letters that a browser gets."""
    return len(json.dumps(json_item(content)))


def named(content: Any, name: str) -> list[Any]:
    """Renderers of a name."""
    return [r for p in content.select({"type": Plot}) for r in p.renderers if r.name == name]


# --- localised modes ----------------------------------------------------------------------


def test_localised_modes_ascend_along_the_mass_for_each_depth() -> None:
    results = made({"depth": [0, 1], **MASSES}, LOCAL)
    c = collected(LocalisedModes(), results)

    order = np.argsort(MASSES["mass_ratio"])
    stored = results.dataset["local_mode_squared"].values[:, order]
    np.testing.assert_array_equal(c.lines.x.values, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    np.testing.assert_array_equal(c.lines.y, stored.transpose(0, 2, 1))
    np.testing.assert_array_equal(
        c.expansion, results.dataset["local_mode_expansion"].values[:, order].transpose(0, 2, 1)
    )
    assert c.lines.line.name == "depth"
    np.testing.assert_array_equal(c.top, [12, 12])


def test_frequencies_are_roots_and_their_errors_follow() -> None:
    results = made(MASSES, LOCAL)
    squared = collected(LocalisedModes(), results)
    c = collected(LocalisedModes(), results, quantity="frequency")

    np.testing.assert_allclose(c.lines.y**2, squared.lines.y)
    np.testing.assert_allclose(c.lines.error, squared.lines.error / (2 * c.lines.y))
    np.testing.assert_allclose([c.top[0] ** 2, c.lines.unit == "√(k/m)"], [12, True])


def test_a_gas_begins_with_frequencies_in_any_unit() -> None:
    results = made(MASSES, LOCAL)
    for name in ("local_mode_squared", "local_mode_expansion"):
        results.dataset[name].attrs["units"] = "THz^2"
    view = LocalisedModes()
    chosen = chosen_of(view.controls(results, {"unit": "meV"}))

    assert (chosen["quantity"], chosen["unit"]) == ("frequency", "meV")
    c = view.collect(results, chosen)
    first = np.sqrt(results.dataset["local_mode_squared"].values[1, 0])
    assert c.lines.y[0, 0, 0] == pytest.approx(4.135667696923859 * first)
    assert c.lines.unit == "meV"
    assert np.isnan(c.top).all()


@pytest.mark.parametrize("host", BAND_TOPS)
def test_tops_of_the_bands_are_those_of_the_model(host: str) -> None:
    surface = {"surface": "100"}
    parameters = get("impurity").parameters(host=host, depth=0, **surface)

    assert parameters.rest.top == pytest.approx(BAND_TOPS[host], rel=1e-6)


def test_critical_masses_are_marked_where_x_is_the_mass() -> None:
    results = made({"bond_ratio": [0.5, 1.0, 2.0], **MASSES}, LOCAL)
    results.dataset["critical_mass_ratio"][:] = np.array([0.35, np.inf])
    view = LocalisedModes()
    c = collected(view, results)

    np.testing.assert_array_equal(c.critical[:, 0], [0.35] * 3)
    assert np.isnan(collected(view, results, x="bond_ratio").critical).all()
    (marks,) = named(view.draw(c, Frame()), "critical")
    assert marks.data_source.data["x"] == [0.35] * 3
    assert marks.data_source.data["y"] == [12.0] * 3


def test_one_polarization_can_be_looked_at() -> None:
    c = collected(LocalisedModes(), made(MASSES, LOCAL), polarization="parallel")

    assert c.lines.y.shape == (1, 1, 6)
    assert c.lines.at == " at parallel"


def test_modes_of_pairs_are_dots() -> None:
    results = made({"host": HOSTS, "separation": ["[1,0]", "[2,0]"], **MASSES},
                   ["local_mode_squared", "local_modes_squared"])  # fmt: skip
    results.dataset["local_mode_squared"][:] = np.nan
    view = LocalisedModes()
    c = collected(view, results, separation="[2,0]")
    order = np.argsort(MASSES["mass_ratio"])

    stored = results.dataset["local_modes_squared"].values[:, 1, order]
    np.testing.assert_array_equal(c.every, stored.transpose(0, 2, 1))
    np.testing.assert_array_equal(c.top, [np.nan, 12])
    drawn = view.draw(c, Frame())
    assert sum(len(r.data_source.data["x"]) for r in named(drawn, "every")) == 2 * 4 * 6
    labels = [i.label.value for i in drawn.select_one({"type": Legend}).items]
    assert labels[:2] == ["springs along 1.0,across …", "sc-isotropic"]
    assert view.table(c).columns["host"][0] == HOSTS[0]


def test_a_table_of_localised_modes_has_every_number() -> None:
    results = made({"depth": [0, 1], **MASSES}, LOCAL)
    view = LocalisedModes()
    table = view.table(collected(view, results))

    assert {len(c) for c in table.columns.values()} == {2 * 2 * 6}
    for row in zip(*table.columns.values(), strict=True):
        at = dict(zip(table.columns, row, strict=True))
        stored = results.dataset["local_mode_squared"].sel(
            depth=at["depth"], mass_ratio=at["mass ratio"], polarization=str(at["polarization"])
        )
        assert at["squared frequency"] == float(stored)
    assert table.units["squared frequency"] == "spring/mass"


def test_the_latest_points_move_the_curve() -> None:
    masses = {"mass_ratio": np.linspace(0.1, 1, 20)}
    results = made(masses, LOCAL)
    results.dataset["local_mode_squared"][10] += 3
    finished = np.arange(20.0)
    finished[10] = 99
    view = LocalisedModes()
    c = collected(view, results)

    assert view.moved(c, results, finished) > 0.5
    assert view.moved(c, results, np.full(20, np.nan)) is None


# --- resonances ---------------------------------------------------------------------------


def test_a_map_holds_the_spectra_and_the_resonance() -> None:
    axes = {"depth": [1, 2], "mass_ratio": [4.0, 1.0, 2.0]}
    results = made(axes, SPECTRA)
    results.dataset["resonance_width"][:, 1] = np.nan
    view = ResonanceMap()
    c = collected(view, results, depth="2", polarization="parallel")

    np.testing.assert_array_equal(
        c.density, results.dataset["impurity_dos"].values[1, [1, 2, 0], 1]
    )
    np.testing.assert_array_equal(
        c.resonance.y[0, 0], results.dataset["resonance_frequency"].values[1, [1, 2, 0], 1]
    )
    drawn = view.draw(c, Frame())
    (sharp,), (whole,) = named(drawn, "sharp"), named(drawn, "resonance")
    assert np.isnan(sharp.data_source.data["y"]).tolist() == [True, False, False]
    assert np.isfinite(whole.data_source.data["y"]).all()
    (image,) = named(drawn, "map")
    np.testing.assert_allclose(image.data_source.data["image"][0], c.density.T, rtol=1e-6)
    assert drawn.select_one({"type": ColorBar}).title == "states (1/√(k/m))"
    table = view.table(c)
    np.testing.assert_array_equal(table.columns["impurity_dos"], c.density.ravel())
    np.testing.assert_array_equal(table.columns["mass ratio"], np.repeat([1, 2, 4], 12))


def test_the_frequency_may_run_along_x() -> None:
    results = made({"mass_ratio": [1.0, 2.0, 4.0]}, SPECTRA)
    view = ResonanceMap()
    drawn = view.draw(collected(view, results, frequency="x", colours="even"), Frame())

    assert drawn.xaxis.axis_label == "frequency (√(k/m))"
    assert named(drawn, "map")[0].data_source.data["image"][0].shape == (3, 12)


def test_uneven_values_fill_the_cells_nearest_to_them() -> None:
    results = made({"mass_ratio": [0.0, 1.0, 4.0]}, SPECTRA)
    x = collected(ResonanceMap(), results).resonance.x
    place, left, right = cells(x)

    assert not geometric(x)
    assert (left, right) == (-0.5, 5.5)
    middle = left + (np.arange(len(place)) + 0.5) * (right - left) / len(place)
    np.testing.assert_array_equal(place, np.abs(middle[:, None] - x.values).argmin(axis=1))


def test_averages_keep_the_mean_of_a_fine_grid() -> None:
    density = np.random.default_rng(1).random((3, 1200))

    found = averaged(density)

    assert found.shape == (3, 150)
    np.testing.assert_allclose(found.mean(axis=1), density.mean(axis=1))


# --- spectra and energies -----------------------------------------------------------------


def test_spectra_of_a_point_are_those_of_the_store() -> None:
    results = made({"depth": [1, 2], **MASSES}, SPECTRA)
    results.dataset["neighbour_dos"][:] = np.nan
    view = DefectSpectraView()
    c = collected(view, results, depth="2", mass_ratio="0.1")

    found = {(s.variable, s.polarization): s.y for s in (*c.atoms, *c.crystal)}
    assert len(found) == 6
    point = results.dataset.isel(depth=1, mass_ratio=1)
    np.testing.assert_array_equal(found["impurity_dos", "parallel"], point["impurity_dos"][1])
    np.testing.assert_array_equal(found["host_dos", "perpendicular"], point["host_dos"][0])
    np.testing.assert_array_equal(found["states_change", ""], point["states_change"])
    table = view.table(c)
    np.testing.assert_array_equal(
        table.columns["impurity_dos parallel"], found["impurity_dos", "parallel"]
    )
    plots = [p for p in view.draw(c, Frame(1160)).select({"type": Plot}) if p.frame_height]
    assert len(plots) == 3
    assert sum(p.frame_width for p in plots) < 1160


def test_energies_run_along_temperatures_with_their_errors() -> None:
    results = made(MASSES, ENERGIES)
    view = DefectEnergies()
    c = collected(view, results, mass_ratio="0.3")

    stored = results.dataset["free_energy_change"].values[3]
    np.testing.assert_array_equal(c.y, stored[None, None])
    np.testing.assert_array_equal(
        c.error, results.dataset["free_energy_change_error"].values[3][None, None]
    )
    drawn = view.draw(c, Frame())
    assert drawn.xaxis.axis_label == "temperature (ħ√(k/m)/kB)"
    (bars,) = named(drawn, "error")
    np.testing.assert_allclose(bars.data_source.data["high"], stored + c.error[0, 0], rtol=1e-6)
    np.testing.assert_array_equal(view.table(c).columns["free_energy_change"], stored)


def test_energies_along_words_are_dots_with_names() -> None:
    results = made({"host": HOSTS}, ENERGIES)
    view = DefectEnergies()
    drawn = view.draw(collected(view, results, quantity="zero_point_energy_change"), Frame())

    assert not named(drawn, "line")
    assert drawn.xaxis.major_label_overrides[1.0] == "sc-isotropic"


# --- any store ----------------------------------------------------------------------------


def test_views_stand_in_their_order() -> None:
    assert [v.name for v in VIEWS] == ["localised", "resonances", "defect-spectra",
                                       "defect-energies"]  # fmt: skip


def test_a_store_without_the_variables_has_no_view() -> None:
    assert not [v for v in VIEWS if v.fits(made(MASSES, ["critical_mass_ratio"]))]


@pytest.mark.parametrize("status", ["todo", "failed"])
@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.name)
def test_nothing_is_said_in_words(view: Any, status: str) -> None:
    results = made({"depth": [1, 2], **MASSES}, EVERY, status=status)

    with pytest.raises(InputError, match=f"There is no .* Status of the points?: .* {status}"):
        collected(view, results)


def test_a_finished_sweep_without_localised_modes_says_so() -> None:
    results = made(MASSES, LOCAL)
    results.dataset["local_mode_squared"][:] = np.nan

    with pytest.raises(InputError, match="no localised mode. .*: 6 ok. These points are finished"):
        collected(LocalisedModes(), results)


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.name)
@pytest.mark.parametrize(
    "axes",
    [{}, {"mass_ratio": [0.5]}, {"mass_ratio": [0.5], "host": ["sc-isotropic"]},
     {"host": HOSTS, "depth": [0, 1], "surface": ["100", "110"], "mass_ratio": [1.0, 2.0, 5.0],
      "bond_ratio": [0.5, 1.0], "defect": ["adatom", "substitution"]}],
    ids=["no axis", "one point", "two axes of one value", "six axes"],
)  # fmt: skip
def test_any_axes_are_drawn_on_white_and_on_dark(view: Any, axes: dict[str, Any]) -> None:
    results = made(axes, EVERY)
    if not view.fits(results):
        assert view.name == "resonances"  # has nothing to lie beside the frequency
        return
    c = collected(view, results)
    drawn = view.draw(c, Frame(1160))

    assert not list(drawn.select({"type": Widget}))  # the pages of the service have none
    assert weight(theme.dark(view.draw(c, Frame(1800)))) < 300_000
    assert len({len(column) for column in view.table(c).columns.values()}) == 1


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.name)
@pytest.mark.parametrize(
    "asked",
    [{}, pytest.param({"line": "depth"}, marks=pytest.mark.long),
     pytest.param({"x": "depth", "line": "mass_ratio"}, marks=pytest.mark.long)],
)  # fmt: skip
def test_pictures_of_large_sweeps_stay_small(view: Any, asked: dict[str, str]) -> None:
    axes = {"depth": np.arange(40), "mass_ratio": np.linspace(0.1, 3, 60)}
    names = [
        n for n in EVERY if n in LOCAL or n == "local_modes_squared" or view.name != "localised"
    ]
    results = made(axes, names, grid=1500 if view.name != "localised" else 3, modes=6,
                   temperatures=700)  # fmt: skip

    assert weight(view.draw(collected(view, results, **asked), Frame(1800))) < 300_000


def test_a_long_axis_is_thinned_and_keeps_its_peaks() -> None:
    y = np.zeros(100_000)
    y[31_234], y[77_777] = 5, -7
    y[500:900] = np.nan

    part = fewer(y, 1000)

    assert len(part) <= 1000
    assert (np.nanmax(y[part]), np.nanmin(y[part])) == (5, -7)
