"""Maps of the points of a sweep: counts by cell, what a cell says, where it leads, its size."""

import itertools
import json
import time

import numpy as np
import pytest
import xarray
from bokeh.models import LayoutDOM

from dashboards.progress import rates, status_map, timing
from dashboards.progress.cells import grid_of, medians
from dashboards.progress.pacing import Pace
from dashboards.progress.rates import collect_rates, draw_rates
from dashboards.progress.status_map import SHADES, collect_status_map
from dashboards.progress.workers import collect_workers
from dashboards.site.parts import Figure
from sweep import History

MEANINGS = "todo running ok failed unstable lost skipped"
TODO, RUNNING, OK, FAILED, UNSTABLE, LOST, SKIPPED = range(7)
SHADE = {name: i for i, name in enumerate(SHADES)}


def points(shape: tuple[int, ...], seed: int = 1, **coords: object) -> xarray.Dataset:
    """A sweep with a status drawn for each point, and axes a, b, c, ... of numbers."""
    names = "abcdefgh"[: len(shape)]
    status = np.random.default_rng(seed).integers(0, 7, shape).astype(np.uint8)
    along = {n: np.arange(size) * 0.5 for n, size in zip(names, shape, strict=True)}
    array = (tuple(names), status, {"flag_meanings": MEANINGS})
    return xarray.Dataset({"status": array}, {**along, **coords})


def cell_of(place: int, count: int, cells: int) -> int:
    return max(c for c in range(cells) if c * count // cells <= place)


def counted(dataset: xarray.Dataset, x: str, y: str, held: dict[str, int]) -> np.ndarray:
    """Count the points of all cells, one after the other."""
    sizes, dims = dataset.sizes, list(dataset["status"].dims)
    nx, ny = (min(sizes[d], 64) if d else 1 for d in (x, y))
    found = np.zeros((7, ny, nx), dtype=int)
    for place in itertools.product(*(range(sizes[d]) for d in dims)):
        at = dict(zip(dims, place, strict=True))
        if any(at[d] != i for d, i in held.items()):
            continue
        i = cell_of(at[y], sizes[y], ny) if y else 0
        j = cell_of(at[x], sizes[x], nx) if x else 0
        found[dataset["status"].values[place], i, j] += 1
    return found


@pytest.mark.parametrize(
    ("shape", "x", "y", "held"),
    [
        ((), "", "", {}),
        ((5,), "a", "", {}),
        ((1,), "a", "", {}),
        ((3, 4), "b", "a", {}),
        ((3, 4), "a", "b", {}),
        ((150, 4), "a", "b", {}),
        ((7, 65), "b", "a", {}),
        ((4, 3, 5), "c", "a", {}),
        ((4, 3, 5), "c", "a", {"b": 2}),
        ((4, 3, 5), "a", "", {"b": 1}),
        ((2, 3, 2, 3, 2, 4), "d", "f", {"a": 1, "c": 0}),
        ((2, 3, 2, 3, 2, 4), "f", "b", {}),
    ],
)
def test_cells_count_what_is_in_the_store(
    shape: tuple[int, ...], x: str, y: str, held: dict[str, int]
) -> None:
    dataset = points(shape)

    found = collect_status_map(dataset, x, y, held)

    np.testing.assert_array_equal(found.counts, counted(dataset, x, y, held))
    assert max(found.grid.shape) <= 64


def test_a_cell_leads_to_its_first_failed_point_else_to_its_first() -> None:
    status = np.array([[SKIPPED, OK, FAILED, LOST], [OK, UNSTABLE, TODO, SKIPPED]], np.uint8)
    dataset = points((2, 4)).assign(status=(("a", "b"), status))

    assert collect_status_map(dataset, "", "a").leads.ravel().tolist() == [2, 4]
    assert collect_status_map(dataset, "b", "a").leads.ravel().tolist() == list(range(8))
    assert collect_status_map(dataset, "b", "").leads.ravel().tolist() == [4, 1, 2, 3]


@pytest.mark.parametrize(
    ("states", "shade"),
    [
        ([OK, OK, RUNNING, FAILED], SHADE["failed"]),
        ([OK, LOST, RUNNING], SHADE["lost"]),
        ([OK, RUNNING, TODO], SHADE["running"]),
        ([TODO, TODO, SKIPPED], SHADE["todo"]),
        ([SKIPPED], SHADE["skipped"]),
        ([OK, OK, UNSTABLE, SKIPPED], SHADE["ok"]),
        ([UNSTABLE, UNSTABLE, OK], SHADE["unstable"]),
        ([OK, TODO], 0.5),
        ([OK, TODO, TODO, SKIPPED], 0.38),
    ],
)
def test_a_cell_says_the_most_telling_thing(states: list[int], shade: float) -> None:
    dataset = points((len(states),)).assign(status=("a", np.array(states, np.uint8)))

    assert collect_status_map(dataset, "", "").shades.item() == shade


def test_a_cell_tells_its_counts() -> None:
    dataset = points((3,)).assign(status=("a", np.array([OK, LOST, OK], np.uint8)))

    assert collect_status_map(dataset, "", "").told == ["//2///1"]
    assert collect_status_map(dataset, "a", "").told == ["//1", "/////1", "//1"]


def test_sides_show_words_ranges_and_axes_that_move_together() -> None:
    dataset = points((100, 3), b=["none", "one side", "both sides"])
    both = dataset.assign_coords(atoms=("b", [1, 2, 3], {"units": "angstrom"}))

    grid = grid_of(dataset, "a", "b", {})

    assert grid.y.words == ("none", "one side", "both sides")
    assert grid.x.words[:2] == ("0", "0.5 – 1")
    assert grid.x.words[-1] == "49 – 49.5"
    assert grid_of(both, "a", "b", {}).y.words[0] == "none, 1"
    assert grid_of(both, "a", "b", {}).y.label == "b, atoms (Å)"


def test_medians_are_those_of_each_cell() -> None:
    dataset = points((6, 130))
    values = np.random.default_rng(2).random((6, 130))
    values[0, :4] = np.nan
    values[1, 60:] = np.nan
    grid = grid_of(dataset, "b", "a", {})

    median, count = medians(grid, values)

    for i, j in itertools.product(range(6), range(64)):
        here = values[i, [b for b in range(130) if cell_of(b, 130, 64) == j]]
        here = here[np.isfinite(here)]
        assert count[i, j] == len(here)
        assert (
            median[i, j] == pytest.approx(np.median(here)) if len(here) else np.isnan(median[i, j])
        )


def figure_of(found: status_map.StatusMap) -> Figure:
    columns = status_map.columns_of(found)

    def draw() -> LayoutDOM:
        return status_map.draw_status_map(found.grid, columns, 580, "/sweep/a/point?place=")

    return Figure("map", draw, "key", {status_map.SOURCE: columns})


def test_a_patch_holds_only_the_cells_that_have_changed() -> None:
    before = points((64, 64))
    status = before["status"].values.copy()
    status[3, 5] = (status[3, 5] + 1) % 7
    old = figure_of(collect_status_map(before, "a", "b"))
    new = figure_of(collect_status_map(before.assign(status=(("a", "b"), status)), "a", "b"))

    told = new.since(old, dark=False)

    assert told["changes"]["cells"]["columns"] == {}
    assert all(len(p) <= 1 for p in told["changes"]["cells"]["patches"].values())
    assert len(json.dumps(told)) < 300


def test_a_million_points_fit_in_a_page_and_are_counted_at_once() -> None:
    dataset = points((50, 20, 1000))
    began = time.perf_counter()
    found = collect_status_map(dataset, "c", "a")
    took = time.perf_counter() - began

    assert found.grid.shape == (50, 64)
    assert found.counts.sum() == 10**6
    assert took < 2
    assert len(json.dumps(figure_of(found).whole(dark=True))) < 250_000


@pytest.mark.parametrize("about_one", [False, True])
def test_times_of_a_million_points_fit_in_a_page(about_one: bool) -> None:
    grid = grid_of(points((50, 20, 1000)), "c", "a", {})
    seconds = np.random.default_rng(3).lognormal(size=(50, 20, 1000))
    found = timing.collect_timing(seconds, np.ones_like(seconds), seconds < 100)
    leads = np.zeros(grid.shape, dtype=np.int64)

    columns = timing.columns_of(grid, found.ratio if about_one else found.seconds, leads)
    span = timing.span_of(columns, about_one=about_one)

    drawn = Figure(
        "map",
        lambda: timing.draw_times(grid, columns, span, 580, "/?place=", about_one=about_one),
        "key", {timing.SOURCE: columns},
    )  # fmt: skip
    assert len(json.dumps(drawn.whole(dark=True))) < 250_000


def test_cells_are_drawn_in_the_colours_of_the_page() -> None:
    style = (status_map.__file__.rpartition("/progress/")[0]) + "/site/static/modesweep.css"
    with open(style) as file:  # noqa: PTH123
        light = file.read().partition("}")[0]

    for name, colour in SHADES.items():
        assert f"--{name}: {colour};" in light


def test_a_drawn_source_has_the_columns_that_patches_name() -> None:
    found = collect_status_map(points((4, 5)), "a", "b")
    figure = figure_of(found)

    source = figure.draw().select_one({"name": status_map.SOURCE})

    assert set(figure.sources[status_map.SOURCE]) <= set(source.data)
    assert source.tags == ["/sweep/a/point?place="]
    assert len(source.data["x"]) == len(source.data["shade"]) == 20


def test_outliers_are_far_from_the_median_ratio() -> None:
    seconds = np.full((4, 5), 2.0)
    seconds[0, 0], seconds[1, 1], seconds[2, 2], seconds[3, 3] = 20.0, 0.2, 5.9, np.nan
    predicted = np.full((4, 5), 0.5)
    good = np.ones((4, 5), dtype=bool)
    good[3, 4] = False

    found = timing.collect_timing(seconds, predicted, good)

    assert found.outliers.tolist() == [0, 6]
    assert found.off == 2
    assert found.slowest[:2].tolist() == [0, 12]
    assert len(found.slowest) == 10
    assert 19 not in found.slowest
    assert found.ratio[0, 0] == pytest.approx(10)


def test_without_times_there_is_nothing_to_list() -> None:
    nothing = np.full((2, 2), np.nan)

    found = timing.collect_timing(nothing, nothing, np.zeros((2, 2), dtype=bool))

    assert found.slowest.size == found.outliers.size == found.off == 0
    assert timing.span_of({"value": [np.nan]}, about_one=True) == (0.5, 2.0)


@pytest.mark.parametrize("about_one", [False, True])
def test_the_scale_of_times_holds_all_values(about_one: bool) -> None:
    grid = grid_of(points((3, 3)), "a", "b", {})
    values = np.array([[0.003, 0.04, 1.0], [np.nan] * 3, [2.0, 7.0, 0.5]])
    columns = timing.columns_of(grid, values, np.zeros((3, 3), dtype=np.int64))

    low, high = timing.span_of(columns, about_one=about_one)

    assert low <= 0.003
    assert high >= 7
    assert not about_one or low * high == pytest.approx(1)
    assert timing.draw_times(grid, columns, (low, high), 500, "/p?place=", about_one=about_one)


def history_of(finished: list[float], counts: list[int], worker: list[str]) -> History:
    none = np.zeros(())
    return History(
        np.array(finished), np.array(counts, dtype=np.int64), np.arange(1.0, len(finished) + 1),
        tuple(worker), none, none,
    )  # fmt: skip


def test_rates_are_points_over_time() -> None:
    history = history_of([100.0, 100.5, 103.2, 109.9], [4, 2, 10, 6], ["a"] * 4)

    found = collect_rates(history, 109.9, live=False)

    assert found is not None
    assert found.width == 5
    np.testing.assert_allclose(found.per_second, [16 / 5, 6 / 4.9])
    assert draw_rates(found, rates.columns_of(found), 500, 240)


def test_rates_of_a_running_sweep_have_room_for_what_is_to_come() -> None:
    history = history_of([100.0, 101.5], [4, 2], ["a", "a"])

    found = collect_rates(history, 104.5, live=True)

    assert found is not None
    np.testing.assert_allclose(found.per_second[:3], [3, 0, 0])
    assert np.isnan(found.per_second[3:]).all()
    assert len(found.per_second) == 20


@pytest.mark.parametrize("span", [0.0, 0.3, 119.9, 120.0, 5e3, 1e6, 1e9])
def test_there_are_at_most_so_many_bins_and_no_point_is_left_out(span: float) -> None:
    history = history_of([100.0, 100.0 + span], [3, 5], ["a", "a"])

    found = collect_rates(history, 100.0 + span, live=False)

    assert found is not None
    assert len(found.per_second) <= 120
    lasted = np.full(len(found.per_second), found.width)
    lasted[-1] = max(span - found.width * (len(lasted) - 1), 1.0)
    assert (found.per_second * lasted).sum() == pytest.approx(8)


def test_without_blocks_there_are_no_rates_and_no_workers() -> None:
    assert collect_rates(history_of([], [], []), 100.0, live=True) is None
    assert collect_workers(history_of([], [], [])) == []


def test_workers_come_with_their_share_the_latest_first() -> None:
    found = collect_workers(history_of([1.0, 2.0, 5.0], [1, 1, 1], ["a", "b", "a"]))

    assert [(w.name, w.blocks, w.last_seen) for w in found] == [("a", 2, 5.0), ("b", 1, 2.0)]
    assert [w.share for w in found] == pytest.approx([4 / 6, 2 / 6])


def test_a_live_picture_waits_until_its_changes_may_be_sent() -> None:
    pace, first = Pace(), {"shade": np.zeros(4096), "told": [""] * 4096}
    much = {"shade": np.ones(4096), "told": ["//12/3"] * 4096}
    little = {**much, "told": ["//13/3", *much["told"][1:]]}

    assert pace.shown("a", first, 0.0) is first
    assert pace.shown("a", much, 1.0) is much
    assert pace.shown("a", little, 2.0) is much
    assert pace.shown("a", little, 60.0) is little
    assert pace.shown("a", first, 61.0) is first
    assert pace.shown("b", little, 2.0) is little
