"""Views of slabs: what they take out of a store, how much they send, and what they refuse."""

import json
from typing import Any

import numpy as np
import pytest
import xarray
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, LayoutDOM

import sweep
from dashboards import theme
from dashboards.tables import csv_of
from dashboards.views.moving import moved
from dashboards.views.slab_dispersion import DispersionView, Modes, dots_drawn, rows_drawn
from dashboards.views.slab_lines import Family
from dashboards.views.slab_pattern import atoms_of, draw_pattern, pattern_of
from dashboards.views.slab_spectra import Map, SpectraView, cells
from dashboards.views.slab_views import VIEWS
from dashboards.views.view import Frame, Results, View, chosen_of
from sweep import FREQUENCY_UNITS, InputError

KINDS = "bulk below gap above resonance"
STATUS = "todo running ok failed unstable lost skipped"
MOST_BYTES = 300_000
NAMED = {view.name: view for view in VIEWS}
AXES = {
    "surface": np.array(["100", "111"]), "adlayer": np.array(["none", "one side"]),
    "adlayer_mass_ratio": np.array([0.25, 1.0, 4.0]), "relaxed": np.array([True, False]),
    "material": np.array(["Ar", "Xe"]), "cutoff": np.array([3.0, 5.0]),
}  # fmt: skip


def store(
    axes: dict[str, Any], layers: int = 3, k: int = 7, status: int = 2, *, spectra: bool = True
) -> Results:
    """Make a store with every variable that the views show, each number another one."""
    shape, dims = tuple(len(v) for v in axes.values()), tuple(axes)
    modes, grid, rng = 3 * layers, 50, np.random.default_rng(1)

    def array(own: dict[str, int], low: float = 0.0, high: float = 1.0) -> tuple[Any, ...]:
        values = rng.uniform(low, high, (*shape, *own.values()))
        return (*dims, *own), values if status == 2 else np.full_like(values, np.nan)

    at = {"k": k, "mode": modes}
    layer = {"layer": layers}
    frequency = np.sort(array(at, 0.1, 2.0)[1], axis=-1)
    band = np.sort(array({"k": k, "band": 2, "edge": 2}, 0.5, 1.9)[1].reshape(*shape, k, 4))
    labels = np.array([""] * k, dtype=object)
    labels[[0, k // 2, k - 1]] = "G", "M", "K"
    kind = rng.integers(0, 5, (*shape, k, modes)).astype(np.uint8)
    flags = {"flag_values": list(range(5)), "flag_meanings": KINDS}
    thermal = {"temperature": 4}
    profile = {**thermal, **layer, "direction": 3}
    spectrum = {**layer, "direction": 3, "grid": grid if spectra else 0}
    thz, per = {"units": "THz"}, {"units": "1/THz"}
    arrays: dict[str, Any] = {
        "frequency": ((*dims, *at), frequency, thz),
        "mode_kind": ((*dims, *at), kind, flags),
        "surface_weight": array(at), "normal_weight": array(at), "top_weight": array(at),
        "mode_parity": ((*dims, *at), kind % 3, {"flag_values": [0, 1, 2],
                        "flag_meanings": "none sagittal shear"}),
        "bulk_band": ((*dims, "k", "band", "edge"), band.reshape(*shape, k, 2, 2), thz),
        "k_distance": (("k",), np.linspace(0, 1, k), {"units": "1/angstrom"}),
        "k_label": (("k",), labels.astype(str)),
        "surface_branch": (*array({"k": k, "branch": 2}), thz),
        "surface_branch_top_weight": array({"k": k, "branch": 2}),
        "dos": (*array({"grid": grid}), per), "dos_error": (*array({"grid": grid}), per),
        "layer_dos": (*array(spectrum), per),
        "spectral_density": (*array({"k": k, **spectrum}), per),
        "heat_capacity": (*array(thermal), {"units": "k_B"}),
        "heat_capacity_error": (*array(thermal), {"units": "k_B"}),
        "surface_entropy": (*array(thermal), {"units": "k_B"}),
        "mean_square_displacement": (*array(profile), {"units": "angstrom^2"}),
        "spacing_change": array(layer),
        "status": (dims, np.full(shape, status, np.uint8),
                   {"flag_values": list(range(7)), "flag_meanings": STATUS}),
    }  # fmt: skip
    coords = {
        **axes, "direction": ["x", "y", "z"], "layer": range(layers), "k": range(k),
        "grid": ("grid", np.linspace(0, 2, grid), thz),
        "temperature": ("temperature", [0.0, 10.0, 20.0, 40.0], {"units": "K"}),
    }  # fmt: skip
    if not spectra:
        arrays = {n: a for n, a in arrays.items() if "grid" not in a[0]}
    document = json.dumps({"fixed": {"layers": layers}})
    attrs = {"name": "made", "model": "slab", "sweep": document}
    return Results(xarray.Dataset(arrays, coords, attrs))


def looked(view: View[Any], results: Results, **asked: str) -> tuple[dict[str, str], Any]:
    chosen = asked | chosen_of(view.controls(results, asked))
    return chosen, view.collect(results, chosen)


def size(drawn: LayoutDOM) -> int:
    return len(json.dumps(json_item(drawn)))


def column(drawn: LayoutDOM, name: str) -> np.ndarray:
    (found,) = [s.data[name] for s in drawn.references()
                if isinstance(s, ColumnDataSource) and name in s.data]  # fmt: skip
    return np.asarray(found)


# --- every view -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("axes", [{}, {"adlayer_mass_ratio": AXES["adlayer_mass_ratio"]}, AXES])
def test_every_view_shows_no_axis_one_or_six(name: str, axes: dict[str, Any]) -> None:
    view, results = NAMED[name], store(axes)
    if not view.fits(results):
        assert (name, axes) == ("adlayer", {})
        return
    _, collected = looked(view, results)

    drawn = view.draw(collected, Frame(1160, 480))
    table = view.table(collected)

    assert size(theme.dark(drawn)) < MOST_BYTES
    assert len({len(c) for c in table.columns.values()}) == 1
    assert csv_of(table).count("\n") > 1


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize(("status", "said"), [(0, "is not computed yet"), (3, "failed")])
def test_a_sweep_without_results_is_told_in_words(name: str, status: int, said: str) -> None:
    view, results = NAMED[name], store({"adlayer_mass_ratio": [0.5, 2.0]}, status=status)

    with pytest.raises(InputError, match=said):
        looked(view, results)


@pytest.mark.parametrize("name", NAMED)
def test_a_store_without_the_variables_does_not_fit(name: str) -> None:
    data = store({}).dataset[["status"]].assign_attrs(store({}).dataset.attrs)

    assert not NAMED[name].fits(Results(data))


def test_control_names_are_no_axes_of_a_slab() -> None:
    results = store(AXES)
    own = {"k", "mode", "branch", "grid", "band"}
    for view in VIEWS:
        names = [c.name for c in view.controls(results, {"compare": "yes", "shown": "layer_dos"})]
        assert len(set(names)) == len(names)
        assert not own & set(names)


# --- dispersion -----------------------------------------------------------------------------


def test_dispersion_shows_the_chosen_point_in_the_chosen_unit() -> None:
    results = store(AXES)
    place = {"surface": 1, "adlayer": 1, "adlayer_mass_ratio": 2, "relaxed": 1, "material": 0,
             "cutoff": 1}  # fmt: skip
    chosen = {"surface": "111", "adlayer": "one side", "adlayer_mass_ratio": "4",
              "relaxed": "False", "material": "Ar", "cutoff": "5", "unit": "meV"}  # fmt: skip
    view = DispersionView()

    _, modes = looked(view, results, colour="normal", **chosen)

    point = results.dataset.isel(place)
    (panel,) = modes.panels
    expected = point["frequency"].values * FREQUENCY_UNITS["meV"]
    assert np.allclose(panel.d.frequency, expected)
    assert np.array_equal(panel.colour, point["normal_weight"].values)
    table = view.table(modes)
    assert np.allclose(table.columns["frequency"], expected.ravel())
    assert np.array_equal(table.columns["normal_weight"], point["normal_weight"].values.ravel())
    assert table.units["frequency"] == "meV"


def test_two_points_are_compared_and_the_other_is_another_one() -> None:
    results = store({"surface": AXES["surface"]})
    view = DispersionView()

    chosen, modes = looked(view, results, compare="yes", surface="111")

    assert chosen["other_surface"] == "100"
    assert np.array_equal(modes.panels[1].d.frequency, results.dataset["frequency"].values[0])
    assert set(view.table(modes).columns["point"]) == {"surface 100", "surface 111"}
    drawn = view.draw(modes, Frame())
    panels = [s.data["choose_panel"] for s in drawn.references()
              if isinstance(s, ColumnDataSource) and "choose_panel" in s.data]  # fmt: skip
    assert set(np.concatenate(panels)) == {0, 1}


@pytest.fixture(scope="module")
def thick() -> Results:
    """Two slabs of 1000 layers along a path of 120 wavevectors."""
    return store({"surface": AXES["surface"]}, layers=1000, k=120, spectra=False)


@pytest.mark.parametrize(
    ("colour", "compare"),
    [("weight", "yes"),
     *(pytest.param(c, "no", marks=pytest.mark.long) for c in ("kind", "normal", "parity"))],
)  # fmt: skip
def test_pictures_of_very_thick_slabs_stay_small(thick: Results, colour: str, compare: str) -> None:
    view = DispersionView()
    _, modes = looked(view, thick, colour=colour, compare=compare)

    assert size(view.draw(modes, Frame(1800, 480))) < MOST_BYTES


def test_tables_hold_what_pictures_leave_out(thick: Results) -> None:
    view = DispersionView()

    assert len(view.table(looked(view, thick)[1]).columns["mode"]) == 360_000


def test_of_many_modes_those_of_the_surface_stay() -> None:
    results = store({}, layers=100, k=60)
    kind = results.dataset["mode_kind"].values
    kind[:] = 0
    kind[:, :5] = 1
    _, modes = looked(DispersionView(), results)
    d = modes.panels[0].d

    dots = dots_drawn(d, rows_drawn(d, 400), np.arange(0, 300, 10), 4000)

    assert dots[:, :5].all()
    assert dots.sum() <= 4000


def test_a_mesh_of_wavevectors_has_no_dispersion() -> None:
    results = store({})
    results.dataset.attrs["sweep"] = json.dumps({"fixed": {"k_mesh": 4}})

    assert not DispersionView().fits(results)


# --- how a mode moves -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def slab() -> Results:
    """Two thin slabs with an adlayer, with their eigenvectors."""
    document = {
        "modesweep": 1, "name": "thin", "model": "slab", "outputs": ["frequency"],
        "fixed": {"layers": 5, "cutoff": 1.6, "k_points": 7, "adlayer": "one side"},
        "axes": {"adlayer_mass_ratio": [0.5, 3.0]},
    }  # fmt: skip
    at, own = ("k", "mode"), ("k", "mode", "layer", "direction")
    dims = {"frequency": at, "surface_weight": at, "eigenvector": own,
            "k_fraction": ("k", "fraction"), "k_vector": ("k", "component"),
            "k_distance": ("k",), "k_label": ("k",)}  # fmt: skip
    points = [sweep.point(document, {"adlayer_mass_ratio": m}, variables=list(dims))
              for m in (0.5, 3.0)]  # fmt: skip
    arrays = {n: (("adlayer_mass_ratio", *d), np.stack([p[n] for p in points]))
              for n, d in dims.items()}  # fmt: skip
    flags = {"flag_values": list(range(7)), "flag_meanings": STATUS}
    status = {"status": (("adlayer_mass_ratio",), np.full(2, 2, np.uint8), flags)}
    attrs = {"name": "thin", "model": "slab", "sweep": json.dumps(document)}
    return Results(xarray.Dataset(arrays | status, {"adlayer_mass_ratio": [0.5, 3.0]}, attrs))


PICKED = {"k": "3", "mode": "0"}


def test_computed_vectors_are_those_of_the_store(slab: Results) -> None:
    without = Results(slab.dataset.drop_vars("eigenvector"))
    for mode in ("0", "7"):
        stored, computed = (
            pattern_of(r, {"adlayer_mass_ratio": 1}, {"k": "2", "mode": mode})
            for r in (slab, without)
        )
        assert computed.amplitude == pytest.approx(stored.amplitude, abs=1e-6)


def test_displacements_are_eigenvectors_over_the_root_of_the_mass(slab: Results) -> None:
    place = {"adlayer_mass_ratio": 1}

    p = pattern_of(slab, place, PICKED)

    vector = slab.dataset["eigenvector"].isel(place | {"k": 3, "mode": 0}).values
    expected = np.linalg.norm(vector, axis=1) / np.sqrt([3.0, 1, 1, 1, 1])
    assert np.linalg.norm(p.amplitude, axis=1) == pytest.approx(expected / expected.max())


def test_atoms_a_cell_vector_apart_move_with_the_phase_of_the_wavevector(slab: Results) -> None:
    p = pattern_of(slab, {"adlayer_mass_ratio": 0}, PICKED)
    c = atoms_of(p).columns
    k = (
        np.linalg.norm(slab.dataset["k_vector"].isel(adlayer_mass_ratio=0, k=3).values)
        * p.crystal.neighbour
    )
    top = c["layer"] == 0
    motion = (c["ay"] + 1j * c["by"])[top]  # y = Re((ay + i by) e^(-it)), up to the sign of time

    expected = np.exp(1j * k * (c["x0"][top] - c["x0"][top][0]))

    assert motion / motion[0] == pytest.approx(expected, abs=1e-9)


def test_a_picked_mode_is_drawn_with_columns_that_move(slab: Results) -> None:
    view = DispersionView()
    chosen, _ = looked(view, slab, **PICKED)

    drawn = view.detail(slab, chosen)

    assert drawn is not None
    (moving,) = [s for s in drawn.references() if str(s.name).startswith("animation")]
    assert {"x", "y", "x0", "y0", "ax", "ay", "bx", "by"} <= set(moving.data)
    assert np.allclose(moving.data["x"], moving.data["x0"] + moving.data["ax"])
    assert size(theme.dark(drawn)) < MOST_BYTES


def test_motion_across_the_wavevector_is_seen_from_above(slab: Results) -> None:
    patterns = [pattern_of(slab, {"adlayer_mass_ratio": 0}, {"k": "2", "mode": str(m)})
                for m in range(15)]  # fmt: skip
    for p in patterns:
        share = (p.amplitude**2).sum(axis=0)
        above = atoms_of(p).seen.startswith("from above")
        assert above == (share[1] > share.sum() / 2)
    shear = max(patterns, key=lambda p: float((p.amplitude[:, 1] ** 2).sum()))
    assert len(draw_pattern(shear).children) == 3


@pytest.mark.parametrize(("k", "mode"), [("99", "0"), ("0", "-1"), ("x", "0"), ("0", "400")])
def test_a_mode_that_there_is_not_is_refused(slab: Results, k: str, mode: str) -> None:
    with pytest.raises(InputError, match="choose one from 0 to"):
        pattern_of(slab, {"adlayer_mass_ratio": 0}, {"k": k, "mode": mode})


def test_thick_slabs_are_not_diagonalised_for_a_look(slab: Results) -> None:
    data = slab.dataset.drop_vars("eigenvector").copy()
    document = json.loads(data.attrs["sweep"])
    document["fixed"]["layers"] = 401
    data.attrs["sweep"] = json.dumps(document)

    with pytest.raises(InputError, match="`eigenvector` among the outputs"):
        pattern_of(Results(data), {"adlayer_mass_ratio": 0}, PICKED)


# --- the others -----------------------------------------------------------------------------


def test_branches_are_those_of_the_store() -> None:
    results = store({"surface": AXES["surface"]})
    view = NAMED["branches"]

    _, found = looked(view, results, surface="111")

    assert np.array_equal(found.branch, results.dataset["surface_branch"].values[1])
    columns = view.table(found).columns
    assert np.array_equal(columns["surface_branch"], found.branch.ravel())
    assert len(column(view.draw(found, Frame()), "x1")) == 6 * 2


def test_branches_stay_small_along_long_paths() -> None:
    data = store({}, k=2000).dataset
    rng = np.random.default_rng(2)
    many = {n: (("k", "branch"), rng.random((2000, 24))) for n in
            ("surface_branch", "surface_branch_top_weight")}  # fmt: skip
    data = data.drop_vars(many).assign(many)
    view = NAMED["branches"]

    assert size(view.draw(looked(view, Results(data))[1], Frame())) < MOST_BYTES


def test_a_spectrum_keeps_its_integral_in_another_unit() -> None:
    results = store({"surface": AXES["surface"]})
    view = SpectraView()

    (_, thz), (_, wave) = (
        looked(view, results, shown="layer_dos", line="layer", surface="111", direction="y",
               unit=u)
        for u in ("THz", "cm-1")
    )  # fmt: skip

    assert isinstance(thz, Family)
    assert isinstance(wave, Family)
    assert np.array_equal(thz.values, results.dataset["layer_dos"].values[1, :, 1])
    assert np.trapezoid(wave.values, wave.x) == pytest.approx(np.trapezoid(thz.values, thz.x))
    assert wave.unit == "cm"


def test_spectra_of_thick_slabs_show_the_outermost_layers_and_the_middle() -> None:
    view = SpectraView()

    _, found = looked(view, store({}, layers=40), line="layer")

    assert isinstance(found, Family)
    assert found.line_words == ("0", "1", "2", "20")
    assert found.line_places == (0, 1, 2, 20)


def test_a_map_keeps_the_highest_of_cells_that_it_joins() -> None:
    values = np.zeros((700, 900))
    values[333, 444] = 5.0
    m = Map("", np.linspace(0, 1, 900), "THz", values, "1/THz", (), log=False)

    found = cells(m)

    assert found.max() == 5.0
    assert size(SpectraView().draw(m, Frame(1800, 480))) < MOST_BYTES


def test_thermal_functions_come_with_their_errors() -> None:
    results = store({"surface": AXES["surface"]})
    view = NAMED["thermal"]

    _, found = looked(view, results, shown="heat_capacity", line="surface")

    assert np.array_equal(found.values, results.dataset["heat_capacity"].values)
    assert np.array_equal(found.errors, results.dataset["heat_capacity_error"].values)
    assert view.table(found).columns["heat_capacity_error"].shape == (8,)


def test_logarithmic_axes_leave_out_zero_temperature() -> None:
    view = NAMED["thermal"]

    _, found = looked(view, store({}), scales="log")

    assert found.x.tolist() == [10, 20, 40]
    assert found.log == "xy"
    view.draw(found, Frame())


def test_relaxation_is_shown_in_percent() -> None:
    results = store({"surface": AXES["surface"]})

    _, found = looked(NAMED["displacements"], results, shown="spacing_change", line="surface")

    assert found.values == pytest.approx(100 * results.dataset["spacing_change"].values)
    assert found.unit == "% of the ideal spacing"


def test_displacements_follow_the_chosen_temperature_in_lines_for_directions() -> None:
    results = store({"surface": AXES["surface"]})
    view = NAMED["displacements"]

    _, found = looked(view, results, temperature="20", surface="111", line="direction")

    stored = results.dataset["mean_square_displacement"].values[1, 2]
    assert np.array_equal(found.values, stored.T)
    assert found.line_words == ("x", "y", "z")


def test_curves_along_an_axis_say_how_far_they_moved() -> None:
    masses = np.linspace(1, 2, 21)
    results = store({"adlayer_mass_ratio": masses})
    view = NAMED["thermal"]
    _, found = looked(view, results, x="adlayer_mass_ratio", line="none", temperature="10")
    finished = np.arange(21.0)
    finished[[4, 9, 14]] += 100

    curve = results.dataset["surface_entropy"].values[:, 1]
    assert view.moved(found, results, finished) == moved(masses, curve, finished)
    assert view.moved(found, results, finished) is not None
    _, along_temperature = looked(view, results)
    assert view.moved(along_temperature, results, finished) is None


def test_adlayer_modes_are_those_at_the_named_wavevector() -> None:
    results = store({"adlayer_mass_ratio": np.array([4.0, 0.25, 1.0])})
    view = NAMED["adlayer"]

    chosen, found = looked(view, results, least="0.5", weight="surface_weight")

    assert chosen["at"] == "3"  # M, the first that is not Gamma
    stored = results.dataset.isel(k=3)
    assert found.mass.tolist() == [0.25, 1, 4]
    assert np.array_equal(found.frequency, stored["frequency"].values[[1, 2, 0]])
    heavy = stored["surface_weight"].values >= 0.5
    assert len(view.table(found).columns["mode"]) == heavy.sum()
    assert len(column(view.draw(found, Frame()), "mode")) == heavy.sum()


def test_unstable_modes_are_drawn_below_zero() -> None:
    results = store({})
    results.dataset["frequency"].values[:, 0] = -0.3
    results.dataset["status"].values[...] = 4
    view = DispersionView()

    _, modes = looked(view, results)

    assert isinstance(modes, Modes)
    assert view.draw(modes, Frame()).children[0].children[0].y_range.start < -0.3


def test_a_missing_sweep_document_is_no_trouble() -> None:
    results = store({})
    del results.dataset.attrs["sweep"]

    assert DispersionView().fits(results)
    assert looked(DispersionView(), results)[1].panels
