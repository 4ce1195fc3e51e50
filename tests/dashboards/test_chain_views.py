"""Views of chains: modes of the store, end modes, bands, and what is refused."""

import json
from typing import Any

import numpy as np
import pytest
import xarray
from bokeh.embed import json_item

import sweep
from dashboards import theme
from dashboards.views.chain_views import ChainModesView, EndWeightsView, band_edges
from dashboards.views.moving import moved
from dashboards.views.view import Frame, Results, View, chosen_of
from sweep import InputError

STATUS = {
    "flag_values": list(range(7)),
    "flag_meanings": "todo running ok failed unstable lost skipped",
}
VIEWS: tuple[View[Any], ...] = (ChainModesView(), EndWeightsView())


MASSES = [0.25, 0.5, 1.0, 2.0, 4.0]


@pytest.fixture(scope="module")
def chains() -> Results:
    """Diatomic chains with light and heavy ends."""
    document = {
        "modesweep": 1, "name": "ends", "model": "chain", "outputs": ["end_weight"],
        "fixed": {"atoms": 20}, "axes": {"mass_ratio": [1, 2], "end_mass_ratio": MASSES},
    }  # fmt: skip
    own = {"frequency_squared": "mode", "end_weight": "mode", "end_mode_squared": "end_mode"}
    dims = ("mass_ratio", "end_mass_ratio")
    points = [
        [sweep.point(document, dict(zip(dims, (q, m), strict=True)), variables=list(own))
         for m in MASSES] for q in (1, 2)
    ]  # fmt: skip
    arrays = {n: ((*dims, d), np.array([[p[n] for p in row] for row in points]))
              for n, d in own.items()}  # fmt: skip
    status = {"status": (dims, np.full((2, 5), 2, np.uint8), STATUS)}
    coords = {"mass_ratio": [1, 2], "end_mass_ratio": MASSES}
    attrs = {"name": "ends", "model": "chain", "sweep": json.dumps(document)}
    return Results(xarray.Dataset(arrays | status, coords, attrs))


def looked(view: View[Any], results: Results, **asked: str) -> Any:
    return view.collect(results, asked | chosen_of(view.controls(results, asked)))


def size(view: View[Any], collected: Any) -> int:
    return len(json.dumps(json_item(theme.dark(view.draw(collected, Frame(1160, 480))))))


def made(shape: tuple[int, ...], atoms: int, status: int = 2) -> Results:
    """Make a store of chains along axes of words and numbers."""
    rng = np.random.default_rng(3)
    dims = ("kind", "mass_ratio", "end_mass_ratio")[: len(shape)]
    values = np.sort(rng.uniform(0, 4, (*shape, atoms)))
    if status != 2:
        values[:] = np.nan
    arrays = {
        "frequency_squared": ((*dims, "mode"), values, {"units": "spring/mass"}),
        "end_weight": ((*dims, "mode"), rng.random(values.shape) + 0 * values),
        "status": (dims, np.full(shape, status, np.uint8), STATUS),
    }
    coords = {"kind": ["a", "b", "c"][: shape[0]]} if shape else {}
    attrs = {"name": "made", "model": "chain", "sweep": "{}"}
    numbers = {d: 0.5 + np.arange(n) for d, n in zip(dims[1:], shape[1:], strict=True)}
    return Results(xarray.Dataset(arrays, coords | numbers, attrs))  # type: ignore[arg-type]


def test_modes_along_an_axis_are_those_of_the_store(chains: Results) -> None:
    view = ChainModesView()

    found = looked(view, chains, x="end_mass_ratio", mass_ratio="2")

    data = chains.dataset.sel(mass_ratio=2)
    assert np.array_equal(found.values, data["frequency_squared"].values)
    assert np.array_equal(found.weight, data["end_weight"].values)
    assert np.array_equal(found.ends, data["end_mode_squared"].values, equal_nan=True)
    table = view.table(found)
    ends = int(np.isfinite(found.ends).sum())
    assert len(table.columns["frequency_squared"]) == found.values.size + ends
    assert size(view, found) < 300_000


def test_frequencies_are_the_roots_of_their_squares(chains: Results) -> None:
    view = ChainModesView()

    squared, plain = (looked(view, chains, shown=s) for s in ("squared", "root"))

    assert plain.values**2 == pytest.approx(squared.values, abs=1e-12)
    assert plain.band**2 == pytest.approx(squared.band)


def test_one_chain_is_shown_over_the_number_of_the_mode(chains: Results) -> None:
    view = ChainModesView()

    found = looked(view, chains, x="mode", mass_ratio="2", end_mass_ratio="1")

    assert found.x.tolist() == list(range(20))
    assert found.values.shape == (20, 1)
    assert np.nanmin(found.ends) == pytest.approx(1.5)  # a light end: the middle of the gap
    assert size(view, found) < 300_000


def test_modes_in_no_band_are_end_modes(chains: Results) -> None:
    found = looked(ChainModesView(), chains, x="end_mass_ratio", mass_ratio="2")
    acoustic, low, high = found.band.T[..., None]
    outside = (found.values > high) | ((found.values > acoustic) & (found.values < low))

    assert outside.any()
    for modes, ends, out in zip(found.values, found.ends, outside, strict=True):
        for value in modes[out]:
            assert np.nanmin(np.abs(ends - value)) < 0.02


def test_bands_are_those_of_the_diatomic_chain() -> None:
    assert band_edges(np.array([1.0, 2.0, 0.5])).tolist() == [[2, 2, 4], [1, 2, 3], [2, 4, 6]]


def test_end_weights_are_those_of_the_store(chains: Results) -> None:
    view = EndWeightsView()

    found = looked(view, chains, line="end_mass_ratio", mass_ratio="2")

    stored = chains.dataset["end_weight"].sel(mass_ratio=2).values
    assert np.array_equal(found.values, stored)
    assert np.array_equal(view.table(found).columns["end_weight"], stored.ravel())


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.name)
@pytest.mark.parametrize("shape", [(), (3,), (2, 4, 5)])
def test_words_as_axes_no_axis_and_three(view: View[Any], shape: tuple[int, ...]) -> None:
    results = made(shape, 8)

    assert size(view, looked(view, results)) < 300_000


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.name)
def test_long_chains_stay_small(view: View[Any]) -> None:
    assert size(view, looked(view, made((1, 40, 3), 3000))) < 300_000


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.name)
def test_a_sweep_without_results_is_told_in_words(view: View[Any]) -> None:
    with pytest.raises(InputError, match="the point is not computed yet"):
        looked(view, made((2, 4), 8, status=0))


def test_the_highest_mode_says_how_far_the_curve_moved() -> None:
    view, results = ChainModesView(), made((1, 30), 8)
    found = looked(view, results)

    finished = np.arange(30.0)
    finished[[4, 9, 14]] += 100

    told = view.moved(found, results, finished.reshape(1, 30))

    assert told is not None
    assert told == moved(found.x, found.values.max(axis=1), finished)
    assert view.moved(looked(view, results, x="mode"), results, np.zeros((1, 30))) is None
