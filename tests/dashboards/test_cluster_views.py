"""Views of particles: numbers as in the store, what is seen in space, pictures that stay small."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray
from bokeh.embed import json_item
from bokeh.models import ColorBar, Legend, Plot, Widget

from dashboards import theme
from dashboards.views.cluster_modes import ParticleModes, levels
from dashboards.views.cluster_particle import HALF, STICKS, ParticleView, neighbours, seen, turned
from dashboards.views.cluster_spectra import DisplacementsBySite, SiteSpectraView
from dashboards.views.cluster_views import VIEWS
from dashboards.views.view import Frame, Results, chosen_of
from sweep import InputError

WORDS = ("todo", "running", "ok", "failed", "unstable", "lost", "skipped")
FLAGS = {"flag_values": list(range(7)), "flag_meanings": " ".join(WORDS)}
CLASSES = np.array([3.0, 5.0, 8.0, 12.0])
TEMPERATURES = np.array([0.0, 5.0, 20.0])
UNITS = {
    "position": "sigma", "frequency": "sqrt(epsilon/m)/sigma", "temperature": "hbar*omega_0/k_B",
    "mean_square_displacement": "hbar/(m*omega_0)", "grid": "sqrt(epsilon/m)/sigma",
    "site_dos": "sigma*sqrt(m/epsilon)",
}  # fmt: skip


def cube(cells: int) -> np.ndarray:
    """Sites of a cube of fcc cells with complete faces, its middle at the origin."""
    steps = np.arange(2 * cells + 1)
    sites = np.array(np.meshgrid(steps, steps, steps, indexing="ij")).reshape(3, -1).T
    return (sites[sites.sum(axis=1) % 2 == 0] - cells) / np.sqrt(2.0)


def made(
    axes: dict[str, Any], *, cells: int = 2, status: str = "ok", grid: int = 30,
    without: tuple[str, ...] = (),
) -> Results:  # fmt: skip
    """Make a sweep of cubes, the smaller ones padded; values tell where they stand."""
    shape = [len(v) for v in axes.values()]
    place = cube(cells)
    number = np.bincount(neighbours(place).ravel())
    padded = np.concatenate([place, np.full((7, 3), np.nan)])
    numbers = np.concatenate([number, np.full(7, -1)])

    def own(values: np.ndarray, dims: tuple[str, ...]) -> tuple[tuple[str, ...], np.ndarray]:
        factor = 1 + np.arange(np.prod(shape)).reshape(*shape, *[1] * values.ndim) / 64
        found = factor * values if values.dtype == float else values + 0 * factor.astype(int)
        found = (
            np.full_like(found, np.nan) if status == "failed" and found.dtype == float else found
        )
        return (*axes, *dims), found

    modes = np.sqrt(np.repeat([-1e-9, 4.0, 9.0, 25.0], [1, 3, 5, 2]).clip(0))
    arrays: dict[str, Any] = {
        "position": own(padded, ("atom", "direction")),
        "coordination_number": own(numbers, ("atom",)),
        "mean_square_displacement": own(
            (1 + TEMPERATURES[:, None]) / CLASSES, ("temperature", "site_class")
        ),
        "site_dos": own(1.0 + np.arange(4 * grid).reshape(4, grid) / grid, ("site_class", "grid")),
        "site_first_moment": own(CLASSES + 1, ("site_class",)),
        "site_count": own(np.array([8, 24, 30, 1]), ("site_class",)),
        "frequency": own(np.append(modes - 0.5, np.nan), ("mode",)),
        "status": (tuple(axes), np.full(shape, WORDS.index(status), np.uint8), FLAGS),
    }  # fmt: skip
    for name in without:
        del arrays[name]
    coords = {**axes, "site_class": CLASSES, "temperature": TEMPERATURES,
              "grid": np.linspace(0, 30, grid), "direction": list("xyz")}  # fmt: skip
    data = xarray.Dataset(arrays)
    data = data.assign_coords({d: v for d, v in coords.items() if d in data.dims})
    for name, unit in UNITS.items():
        if name in data.variables:
            data[name].attrs["units"] = unit
    fixed = '{"fixed": {"shape": "cube"}}'
    return Results(data.assign_attrs(name="s", model="cluster", sweep=fixed))


SHELLS = {"shells": [2, 3, 4]}


def collected(view: Any, results: Results, **asked: str) -> Any:
    """Collect what is chosen if this is asked for."""
    return view.collect(results, dict(asked) | chosen_of(view.controls(results, asked)))


def weight(content: Any) -> int:
    """Letters that a browser gets."""
    return len(json.dumps(json_item(content)))


def named(content: Any, name: str) -> list[Any]:
    """Renderers of a name."""
    return [r for p in content.select({"type": Plot}) for r in p.renderers if r.name == name]


# --- the particle in space ------------------------------------------------------------------


def test_atoms_have_the_displacement_of_their_class() -> None:
    results = made(SHELLS)
    p = collected(ParticleView(), results, shells="3", temperature="20")

    assert len(p.position) == 63
    stored = results.dataset["mean_square_displacement"].isel(shells=1, temperature=2)
    for number, name in ((3, "corner"), (5, "edge"), (8, "face"), (12, "core")):
        mine = p.number == number
        assert {*np.array(p.names)[mine]} == {name}
        np.testing.assert_array_equal(p.motion[mine], float(stored.sel(site_class=number)))
    table = ParticleView().table(p)
    np.testing.assert_array_equal(np.transpose([table.columns[c] for c in "xyz"]), p.position)
    np.testing.assert_array_equal(table.columns["mean_square_displacement"], p.motion)


def test_a_cube_has_the_coordination_of_fcc() -> None:
    number = np.bincount(neighbours(cube(3)).ravel())

    assert np.unique(number, return_counts=True)[1].tolist() == [8, 12 * 2, 6 * 13, 62]
    p = collected(ParticleView(), made(SHELLS, without=("coordination_number",)))
    np.testing.assert_array_equal(p.number, np.bincount(neighbours(cube(2)).ravel()))


def test_turning_keeps_lengths_and_turns_right_handed() -> None:
    place = np.eye(3)

    np.testing.assert_allclose(turned(place, 0, 0), [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-15)
    np.testing.assert_allclose(turned(place, 0, 90)[2], [0, 0, 1], atol=1e-15)
    for turn, tilt in ((30, 45), (210, -75)):
        found = turned(place, turn, tilt)
        np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-14)
        assert np.linalg.det(found) == pytest.approx(1)


def test_near_atoms_are_drawn_over_far_ones_and_larger() -> None:
    p = collected(ParticleView(), made(SHELLS), turn="45", tilt="-30")
    view = seen(p)

    depth = turned(p.position - p.position.mean(axis=0), p.turn, p.tilt)[view.atom, 2]
    assert (np.diff(depth) >= 0).all()
    assert (np.diff(view.radius) >= -1e-12).all()


def test_half_a_particle_shows_its_core() -> None:
    whole, half = (seen(collected(ParticleView(), made(SHELLS, cells=3), part=part, turn="0",
                                  tilt="0")) for part in ("whole", HALF))  # fmt: skip

    assert len(half.atom) < len(whole.atom)
    place = cube(3)
    assert (place[half.atom, 1] > -0.2).all()
    assert {*np.flatnonzero(np.abs(place[:, 1]) < 0.1)} <= {*half.atom.tolist()}


def test_balls_have_the_colours_of_the_bar_and_the_pointer_tells_of_the_nearest() -> None:
    results = made(SHELLS)
    view = ParticleView()
    p = collected(view, results)
    drawn = view.draw(p, Frame())
    order = seen(p).atom

    (balls,), (atoms,) = named(drawn, "balls"), named(drawn, "atoms")
    base = np.array(balls.data_source.data["colour"]).reshape(len(order), -1)[:, 1]
    corner = p.number[order] == 3
    assert {*base[corner]} == {theme.WEIGHTS[-1]}
    assert {*base[p.number[order] == 12]} == {theme.WEIGHTS[0]}
    np.testing.assert_array_equal(atoms.data_source.data["number"], p.number[order[::-1]])
    assert drawn.select_one({"type": ColorBar}).title == "mean square displacement (ħ/(m*ω₀))"


def test_without_displacements_colours_are_coordination_numbers() -> None:
    view = ParticleView()
    results = made(SHELLS, without=("mean_square_displacement",))
    assert "temperature" not in {c.name for c in view.controls(results, {})}
    drawn = view.draw(collected(view, results), Frame())

    bar = drawn.select_one({"type": ColorBar})
    assert bar.title == "coordination number"
    assert (bar.color_mapper.low, bar.color_mapper.high) == (3, 12)


def test_small_atoms_have_bonds() -> None:
    view = ParticleView()
    drawn = view.draw(collected(view, made(SHELLS), style=STICKS), Frame())

    assert len(named(drawn, "bonds")[0].data_source.data["x0"]) == len(neighbours(cube(2)))


@pytest.mark.parametrize("asked", [{}, {"style": STICKS}, {"part": HALF}])
def test_pictures_of_large_particles_stay_small(asked: dict[str, str]) -> None:
    view = ParticleView()
    p = collected(view, made({"shells": [9]}, cells=9), **asked)

    assert len(p.position) == 3430
    assert weight(view.draw(p, Frame(1800))) < 300_000


# --- spectra, displacements, modes ----------------------------------------------------------


def test_spectra_stand_side_by_side_and_failed_particles_are_left_out() -> None:
    results = made(SHELLS)
    results.dataset["site_dos"][1] = np.nan
    view = SiteSpectraView()
    c = collected(view, results, beside="shells")

    assert c.which == ("2", "4")
    np.testing.assert_array_equal(c.particles[1].spectrum, results.dataset["site_dos"][2])
    assert c.particles[0].names == ("corner", "edge", "face", "core")
    table = view.table(c)
    np.testing.assert_array_equal(
        table.columns["site_dos"], results.dataset["site_dos"].values[[0, 2]].ravel()
    )
    assert table.columns["shells"].tolist() == ["2"] * 120 + ["4"] * 120
    (one,) = collected(view, results, beside="none", shells="4").particles
    np.testing.assert_array_equal(one.spectrum, results.dataset["site_dos"][2])


def test_displacements_have_a_line_for_each_site() -> None:
    results = made(SHELLS)
    results.dataset["mean_square_displacement"][0, :, 1] = np.nan
    view = DisplacementsBySite()
    c = collected(view, results)

    stored = results.dataset["mean_square_displacement"].values[0]
    np.testing.assert_array_equal(c.y[:, 0], stored[:, [0, 2, 3]].T)
    np.testing.assert_array_equal(c.x.values, TEMPERATURES)
    drawn = view.draw(c, Frame())
    assert drawn.xaxis.axis_label == "temperature (ħ*ω₀/kB)"
    labels = [i.label.value for i in drawn.select_one({"type": Legend}).items]
    assert labels == ["corner, 3", "face, 8", "core, 12"]
    table = view.table(c)
    np.testing.assert_array_equal(table.columns["mean_square_displacement"], c.y.ravel())


def test_levels_are_gathered_with_their_degeneracy() -> None:
    results = made(SHELLS)
    view = ParticleModes()
    m = collected(view, results)

    level, count = levels(m.frequency)
    np.testing.assert_allclose(level, [-0.5, 1.5, 2.5, 4.5])
    np.testing.assert_array_equal(count, [1, 3, 5, 2])
    drawn = view.draw(m, Frame())
    assert [named(drawn, f"degeneracy {n}")[0].data_source.data["count"].tolist()
            for n in (1, 2, 3, 5)] == [[1], [2], [3], [5]]  # fmt: skip
    labels = [i.label.value for i in drawn.select_one({"type": Legend}).items]
    assert labels[-1] == "left of 0: 1 unstable"
    np.testing.assert_array_equal(view.table(m).columns["degeneracy"], count)


def test_a_histogram_counts_every_mode() -> None:
    view = ParticleModes()
    drawn = view.draw(collected(view, made(SHELLS), kind="counts"), Frame())

    assert named(drawn, "counts")[0].data_source.data["top"].sum() == 11


def test_many_levels_are_gathered_for_the_picture() -> None:
    results = made(SHELLS)
    many = np.sort(np.random.default_rng(2).random((3, 20_000)), axis=1)
    data = results.dataset.drop_vars("frequency").assign(frequency=(("shells", "mode"), many))
    view = ParticleModes()
    m = collected(view, Results(data))

    assert weight(view.draw(m, Frame(1800))) < 300_000
    assert view.table(m).columns["degeneracy"].sum() == 20_000


# --- any store ----------------------------------------------------------------------------


def test_views_stand_in_their_order() -> None:
    assert [v.name for v in VIEWS] == ["site-spectra", "particle", "displacements-by-site",
                                       "particle-modes"]  # fmt: skip


def test_a_store_without_the_variables_has_no_view() -> None:
    names = ("position", "site_dos", "mean_square_displacement", "frequency")

    assert not [v for v in VIEWS if v.fits(made(SHELLS, without=names))]


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.name)
def test_nothing_is_said_in_words(view: Any) -> None:
    with pytest.raises(InputError, match=r"There is no .* Status of the points?: .* failed"):
        collected(view, made(SHELLS, status="failed"))


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.name)
@pytest.mark.parametrize(
    "axes",
    [{}, {"shells": [2]},
     {"shape": ["cube", "icosahedron"], "shells": [2, 3], "impurity_mass_ratio": [0.5, 1.0],
      "material": ["Ar", "Xe"], "a": [1, 2], "b": [1, 2]}],
    ids=["no axis", "one point", "six axes"],
)  # fmt: skip
def test_any_axes_are_drawn_on_white_and_on_dark(view: Any, axes: dict[str, Any]) -> None:
    c = collected(view, made(axes, grid=3000 if len(axes) < 2 else 30))
    drawn = view.draw(c, Frame(1160))

    assert not list(drawn.select({"type": Widget}))  # the pages of the service have none
    assert weight(theme.dark(view.draw(c, Frame(1160)))) < 300_000
    assert len({len(column) for column in view.table(c).columns.values()}) == 1
