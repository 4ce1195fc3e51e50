"""Packed ranges, and queries that leave out what the ranges exclude: same rows, fewer reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pandas.testing import assert_frame_equal

import sweep
from models.protocol import Variable
from sweep import beginning
from sweep.expressions.language import parse
from sweep.expressions.ranges import possible
from sweep.ledger import BlockRow, Ledger
from sweep.planning import Plan
from sweep.queries import querying
from sweep.queries.boxes import KnownRanges, Segments, boxes, slabs
from sweep.queries.range_index import RangeTable, packed_ranges, read_table, stored_tables
from sweep.regions import Array, Region
from sweep.store import BlockWriter
from sweep.sweep_file import read
from tests.effort import examples

NAN = math.nan


def region(shape: tuple[int, ...], chunk: tuple[int, ...], cut: int = 0, length: int = 1) -> Region:
    dims = tuple(range(len(shape)))
    name = "k" if cut else None
    return Region("r", ("r",), ("v",), dims, shape, chunk, name, length, cut, False, False, ())


def array(shape: tuple[int, ...], own: tuple[str, ...], dtype: str = "float64") -> Array:
    variable = Variable("v", own, "1", "", dtype=dtype)
    dims = (*"abc"[: len(shape) - len(own)], *own)
    return Array(variable, "r", dims, shape, shape, "1")


def packed(values: NDArray[Any], points: int, own: tuple[str, ...]) -> bytes:
    return packed_ranges({"v": values}, points, {"v": own})["v"]


def table_of(
    values: NDArray[Any], own: tuple[str, ...], now: tuple[int, ...] | None = None
) -> RangeTable:
    """Pack one block and read it, in a store that has grown to a shape since."""
    points = values.ndim - len(own)
    shape = now or values.shape
    room = region(shape[:points], shape[:points])
    table = read_table(
        array(shape, own, values.dtype.name),
        room,
        [((0,) * (points + 1), packed(values, points, own))],
    )
    assert table is not None
    return table


# --- packing --------------------------------------------------------------------------------


def test_each_mode_has_its_own_range() -> None:
    values = np.arange(2 * 8 * 4, dtype=float).reshape(2, 8, 4)

    table = table_of(values, ("k", "mode"))

    assert table.low[0, 0].tolist() == [0, 1, 2, 3]
    assert table.high[0, 0].tolist() == [60, 61, 62, 63]
    assert not table.missing.any()
    assert table.bin_length == 1


def test_bounds_are_rounded_outward() -> None:
    values = np.array([[0.1], [0.7], [1e300], [-1e300], [1e-320]] * 20)

    table = table_of(values, ("mode",))

    assert table.low.item() == -np.inf
    assert table.high.item() == np.inf
    for one in (0.1, 0.7, -0.1, 1e-320, 1e39, -1e39, 3.0, math.inf):
        table = table_of(np.full((20, 1), one), ("mode",))
        low, high = table.low.item(), table.high.item()
        assert low <= one <= high
        assert abs(one) > 1e38 or high - low <= max(abs(one) * 2e-7, 2e-45)


@pytest.mark.parametrize(
    ("dtype", "gap"), [("float64", NAN), ("int32", -1), ("uint8", 255)], ids=str
)
def test_missing_values_have_no_part_in_a_range(dtype: str, gap: Any) -> None:
    values = np.full((40, 3), 7, dtype)
    values[0] = 3
    values[1:, 1] = gap
    values[:, 2] = gap

    table = table_of(values, ("mode",))

    assert table.low[0, 0].tolist() == [3, 3, np.inf]
    assert table.high[0, 0].tolist() == [7, 3, -np.inf]
    assert table.missing[0, 0].tolist() == [False, True, True]


def test_many_neighbours_share_a_range() -> None:
    values = np.tile(np.arange(1000.0), (100, 1))

    blob = packed(values, 1, ("mode",))
    table = table_of(values, ("mode",))

    assert table.bin_length == 2
    assert table.low[0, 0, :3].tolist() == [0, 2, 4]
    assert table.high[0, 0, :3].tolist() == [1, 3, 5]
    assert len(blob) < values.nbytes / 100


def test_the_ranges_of_few_values_stay_small() -> None:
    values = np.random.default_rng(0).random((1, 1, 600))

    assert len(packed(values, 1, ("k", "mode"))) < values.nbytes / 8


def test_numbers_of_points_and_of_no_kind_are_told_apart() -> None:
    values = {
        "energy": np.array([1.0, 2.0]), "vector": np.zeros((2, 3), complex),
        "label": np.array(["a", "b"], object), "none": np.zeros((2, 0)),
        "seconds": np.zeros(2, np.float32),
    }  # fmt: skip
    own = {"energy": (), "vector": ("mode",), "label": (), "none": ("mode",), "seconds": ()}

    assert list(packed_ranges(values, 1, own)) == ["energy"]


# --- reading --------------------------------------------------------------------------------


def test_a_block_without_ranges_can_hold_anything() -> None:
    values = np.ones((2, 3))
    rows = [((1, 0), packed(values, 1, ("mode",)))]

    table = read_table(array((4, 3), ("mode",)), region((4,), (2,)), rows)

    assert table is not None
    assert table.low[:, 0, 0].tolist() == [-np.inf, 1]
    assert table.missing[:, 0, 0].tolist() == [True, False]


ONES = packed(np.ones((2, 3)), 1, ("mode",))
UNKNOWN = {
    "none": [],
    "empty": [((0, 0), b"")],
    "other version": [((0, 0), b"\x09" + ONES[1:])],
    "cut off": [((0, 0), ONES[:-1])],
    "no such block": [((7, 0), ONES)],
    "grown block": [((0, 0), packed(np.ones((1, 3)), 1, ("mode",)))],
}


@pytest.mark.parametrize("rows", UNKNOWN.values(), ids=UNKNOWN)
def test_ranges_that_do_not_fit_are_not_known(rows: Any) -> None:
    assert read_table(array((4, 3), ("mode",)), region((4,), (2,)), rows) is None


def test_longer_own_dims_have_no_values_there_yet() -> None:
    values = np.ones((2, 2, 5))

    longer = table_of(values, ("k", "mode"), (2, 2, 7))
    wider = table_of(values, ("k", "mode"), (2, 3, 5))

    assert longer.high[0, 0].tolist() == [1] * 5 + [-np.inf] * 2
    assert longer.missing[0, 0].tolist() == [False] * 5 + [True] * 2
    assert wider.high[0, 0].tolist() == [1] * 5
    assert wider.missing.all()


@given(
    st.integers(1, 90), st.integers(1, 40), st.integers(0, 20), st.sampled_from([1, 2, 3, 8, 512])
)
def test_bins_of_any_length_hold_what_they_cover(
    length: int, points: int, more: int, most: int
) -> None:
    values = np.random.default_rng(length).normal(size=(points, length))
    values[values > 1] = NAN
    now = np.full((points, length + more), NAN)
    now[:, :length] = values
    with pytest.MonkeyPatch.context() as patch:
        blob = packed(values, 1, ("mode",))
        patch.setattr("sweep.queries.range_index.MOST_BINS", most)
        table = read_table(
            array(now.shape, ("mode",)), region((points,), (points,)), [((0, 0), blob)]
        )

    assert table is not None
    low, high, missing = table.at({"a": np.array([[0]]), "mode": np.arange(length + more)[None]})
    gaps = np.isnan(now)
    assert (gaps | (low <= now)).all()
    assert (gaps | (high >= now)).all()
    assert (~gaps | missing).all()
    assert table.low.shape[-1] <= most


def test_a_cut_dim_has_its_own_blocks() -> None:
    values = np.arange(10.0)[None, :]
    rows = [((0, i), packed(values[:, 4 * i : 4 * i + 4], 1, ("k",))) for i in range(3)]

    table = read_table(array((1, 10), ("k",)), region((1,), (1,), cut=4, length=10), rows)

    assert table is not None
    assert table.edges("a", 1) == {0}
    low, high, _ = table.at({"a": np.array([[0]]), "k": np.arange(10)[None]})
    assert (low[0].tolist(), high[0].tolist()) == ([0] * 4 + [4] * 4 + [8] * 2,
                                                   [3] * 4 + [7] * 4 + [9] * 2)  # fmt: skip


def test_codes_without_words_are_numbers_and_codes_beyond_the_words_are_missing() -> None:
    values = np.array([[1, 255, 9]] * 40, np.uint8)
    table = table_of(values, ("mode",))
    places = {"a": np.array([[0]]), "mode": np.arange(3)[None]}

    plain = KnownRanges(table, "uint8", 1.0, ()).between(places, places)
    flag = KnownRanges(table, "uint8", 1.0, ("none", "one")).between(places, places)

    assert possible(parse("v > 200"), {"v": plain}).tolist() == [[False, True, False]]
    assert possible(parse("v == 'one'"), {"v": flag}).tolist() == [[True, False, False]]
    assert possible(parse("not v == 'one'"), {"v": flag}).tolist() == [[False, True, True]]
    assert possible(parse("not v != 'none'"), {"v": flag}).tolist() == [[False, True, True]]


# --- slabs and boxes ------------------------------------------------------------------------


@given(st.data())
def test_boxes_cover_each_marked_element_once(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    segments = {
        d: Segments.of(
            data.draw(st.lists(st.integers(0, 8), min_size=n, max_size=n)),
            data.draw(st.integers(1, 4)),
        )
        for d, n in zip("abc", sizes, strict=False)
    }
    cells = data.draw(st.integers(0, 2**32 - 1).map(
        lambda seed: np.random.default_rng(seed).random((9,) * len(sizes)) < 0.3))  # fmt: skip
    room = data.draw(st.integers(1, 100))
    seen = np.zeros(sizes, int)
    order: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sweep.queries.boxes.READ_ELEMENTS", 2)
        for slab in slabs(segments, room):
            whole = np.arange(seen.size).reshape(sizes)[tuple(slab.values())]
            assert whole.size <= room
            order.extend(whole.ravel().tolist())
            for box in boxes(segments, cells, slab):
                assert all(slab[d].start <= s.start < s.stop <= slab[d].stop
                           for d, s in box.items())  # fmt: skip
                seen[tuple(box.values())] += 1

    at = [np.repeat(s.cells, np.diff(s.edges)) for s in segments.values()]
    assert order == list(range(seen.size))
    assert seen.max() <= 1
    assert (seen >= cells[np.ix_(*at)]).all()


# --- queries --------------------------------------------------------------------------------

DOCUMENT = {
    "modesweep": 1, "name": "made", "model": "slab",
    "outputs": ["frequency", "surface_weight", "mode_kind", "bulk_band", "layer_height"],
    "where": "adlayer != 'none' or adlayer_mass_ratio == 2",
    "fixed": {"cutoff": 3.0, "k_points": 12},
    "axes": {"layers": [3, 5], "material": ["Xe", "Ar"], "adlayer": ["none", "one side"],
             "adlayer_mass_ratio": [0.1, 0.3, 2.0, 3.0, 4.0, 5.0, 6.0]},
}  # fmt: skip


def made_up(plan: Plan, name: str, block: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Make values that differ from block to block and from mode to mode, with gaps."""
    random = np.random.default_rng(block)
    dtype = plan.variables[name].dtype
    if dtype == "uint8":
        return random.choice([block % 5, (block + 1) % 5, 255], size=shape).astype(np.uint8)
    if dtype == "int32":
        return random.choice([block, block + 1, -1], size=shape).astype(np.int32)
    if dtype == "str":
        return np.full(shape, "M", object)
    values = block / 10 + np.arange(shape[-1] if shape else 1) / 50 + random.random(shape) / 20
    values[random.random(shape) < 0.02] = NAN
    return np.asarray(values)


def cut(points: tuple[int, ...], k: int) -> Plan:
    """Cut the sweep into small blocks, of other points than k for the bulk and the modes."""
    plan = Plan(read(DOCUMENT))
    frozen = plan.frozen()
    for part in frozen["regions"]:
        if part["name"] == "modes":
            part.update(chunk=points, cut_chunk=k)
        if part["name"] == "bulk":
            part.update(chunk=(1,), cut_chunk=5)
    frozen["own_chunk"]["mode"] = 8
    return Plan(plan.sweep, frozen)


CUTS = {
    "points": ((1, 2, 1, 2), 0, 0), "k": ((2, 1, 1, 7), 4, 0),
    "one point": ((1, 1, 1, 1), 0, 0), "some ranges": ((1, 2, 1, 2), 0, 3),
}  # fmt: skip


def write(folder: Path, points: tuple[int, ...], k: int, without: int) -> None:
    """Write a store with ranges of all blocks but every so many-th; leave one block out."""
    plan = cut(points, k)
    beginning.create(plan, folder)
    writer, ledger = BlockWriter(folder), Ledger(folder, writable=True)
    for part in plan.regions.values():
        for block in range(part.blocks):
            if part.blocks > 3 and block == 2:
                continue
            box = [s.stop - s.start for s in part.box(block)]
            start, stop = part.cut_range(block)
            values = {}
            for name in part.variables:
                own = [stop - start if d == part.cut else plan.lengths[d]
                       for d in plan.variables[name].dims]  # fmt: skip
                values[name] = made_up(plan, name, block, (*box, *own))
            writer.write(part, block, values, {}, lambda: True)
            own_dims = {n: plan.variables[n].dims for n in part.variables}
            ranges = packed_ranges(values, len(part.dims), own_dims)
            bare = without and block % without == 0
            none = np.zeros(box, np.uint8)
            ledger.record([BlockRow(part.name, part.cell(block), none, none,
                                    none.astype(np.float32), {},
                                    ranges={} if bare else ranges)])  # fmt: skip
    ledger.close()


@pytest.fixture(scope="module", params=CUTS)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranges") / "made"
    write(folder, *CUTS[request.param])
    return folder


class Reads:
    """Counts the elements that queries load from variables of many dims."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.elements = 0
        load = querying._Column.values

        def values(column: Any, dims: Any, slab: Mapping[str, slice]) -> Any:
            found = load(column, dims, slab)
            self.elements += found.size if column.array.ndim > 2 else 0
            return found

        patch.setattr(querying._Column, "values", values)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Ask the index whatever it costs, and read cell by cell."""
    monkeypatch.setattr(querying, "ASK_ELEMENTS", 0)
    monkeypatch.setattr("sweep.queries.boxes.READ_ELEMENTS", 1)
    return Reads(monkeypatch)


def both(
    store: Path, reads: Reads, patch: pytest.MonkeyPatch, condition: str, **options: Any
) -> tuple[int, int, int]:
    """Ask by index and without: elements read each way, and the number of rows."""
    counts, answers = [], []
    for start in (0.0, math.inf):
        patch.setattr(querying, "INDEX_FROM", start)
        reads.elements = 0
        answers.append(sweep.query(store, condition, **options))
        counts.append(reads.elements)
    assert_frame_equal(*answers)
    assert answers[0].attrs == answers[1].attrs
    return counts[0], counts[1], len(answers[0])


CONDITIONS = {
    "frequency between 1.1 and 1.15 and surface_weight > 0.5": (0.02, 0.6),
    "frequency between 0.2 and 0.22": (0.02, 0.7),
    "mode_kind == 'below' and frequency > 1": (0.02, 0.7),
    "not frequency < 3": (0.9, 1.0),
    "frequency < 99 or not surface_weight > 0": (0.9, 1.0),
    "frequency > 99": (0.0, 0.5),
    "layers == 5 and adlayer == 'one side' and frequency > 0": (0.1, 0.7),
    "frequency > bulk_band + 1 and edge == 'high'": (0.02, 1.0),
    "n_modes > 0 and frequency < 0.05": (0.02, 0.6),
    "mode > n_modes + 3 and surface_weight > 0": (0.0, 1.0),
    "frequency * 2 - surface_weight < 0.1": (0.02, 0.5),
    "layer_height > 0 and layer == 1": (0.0, 1.0),
    "status == 'ok' and frequency > 1": (0.0, 1.0),
    "k_label == 'M' and frequency < 0.1": (0.0, 0.6),
}


QUICK = (
    (500, "frequency between 0.2 and 0.22"), (500, "mode_kind == 'below' and frequency > 1"),
    *((2**21, c) for c in (
        "frequency between 1.1 and 1.15 and surface_weight > 0.5", "not frequency < 3",
        "frequency < 99 or not surface_weight > 0", "frequency > 99",
        "frequency > bulk_band + 1 and edge == 'high'", "mode > n_modes + 3 and surface_weight > 0",
        "frequency * 2 - surface_weight < 0.1", "k_label == 'M' and frequency < 0.1",
    )),
)  # fmt: skip
"""Slab by slab, and all at once."""


@pytest.mark.parametrize(
    ("elements", "condition"),
    [
        pytest.param(n, c, marks=[] if (n, c) in QUICK else pytest.mark.long)
        for n in (2**21, 500)
        for c in CONDITIONS
    ],
)
def test_the_index_changes_what_is_read_and_not_what_is_found(
    store: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch, condition: str, elements: int
) -> None:
    monkeypatch.setattr(querying, "SLAB_ELEMENTS", elements)
    monkeypatch.setattr("sweep.queries.boxes.UNITS", elements // 100)

    by_index, all_of_it, _ = both(store, reads, monkeypatch, condition,
                                  variables=["mode_kind", "n_zero"])  # fmt: skip

    least, most = CONDITIONS[condition]
    assert least * all_of_it <= by_index <= most * all_of_it


@pytest.mark.parametrize(
    "select",
    [pytest.param({"adlayer_mass_ratio": 3.0}, marks=pytest.mark.long),
     pytest.param({"layers": [5, 3]}, marks=pytest.mark.long), {"k": [3, 4], "mode": 2},
     {"adlayer_mass_ratio": [6.0, 0.1, 3.0], "material": "Xe"}],
    ids=str,
)  # fmt: skip
def test_the_index_holds_for_selected_places(
    store: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch, select: dict[str, Any]
) -> None:
    condition = "frequency between 0.2 and 0.45 and surface_weight > 0"

    by_index, all_of_it, rows = both(store, reads, monkeypatch, condition, select=select)

    assert rows
    assert by_index < all_of_it


@pytest.mark.parametrize("unit", ["cm-1", "meV"])
def test_ranges_are_brought_into_the_unit_of_the_question(
    store: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    factor = {"cm-1": 33.35641, "meV": 4.135667}[unit]
    condition = f"frequency between {0.9 * factor} and {1.0 * factor}"

    by_index, all_of_it, rows = both(store, reads, monkeypatch, condition, unit=unit)

    assert rows
    assert by_index < 0.6 * all_of_it


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None,
          max_examples=examples(10))  # fmt: skip
@given(
    st.sampled_from(["frequency", "surface_weight", "n_zero", "2 * frequency - surface_weight"]),
    st.sampled_from(["<", ">", "<=", ">=", "==", "!="]),
    st.floats(-0.5, 5).map(lambda x: round(x, 2)),
    st.sampled_from(["", "not "]),
    st.sampled_from(["mode_kind == 'gap'", "mode > 5", "material != 'Xe'", "bulk_band < 0.4"]),
    st.sampled_from(["and", "or"]),
)
def test_any_condition_finds_the_same(
    store: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch,
    name: str, symbol: str, limit: float, negation: str, other: str, word: str,
) -> None:  # fmt: skip
    both(store, reads, monkeypatch, f"{negation}{name} {symbol} {limit} {word} {other}")


def test_a_question_of_wrong_kinds_is_refused_even_if_nothing_is_read(
    store: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(querying, "INDEX_FROM", 0)

    with pytest.raises(sweep.InputError, match="compares text with a number"):
        sweep.query(store, "frequency > 99 and mode_kind > 1")

    assert reads.elements == 0


def test_a_store_without_a_plan_or_a_ledger_is_read_whole(
    tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "made", *CUTS["points"])
    (tmp_path / "made/ledger.sqlite").write_bytes(b"no ledger at all" * 100)
    damaged = both(tmp_path / "made", reads, monkeypatch, "frequency between 1.1 and 1.15")
    (tmp_path / "made/plan.json").unlink()
    planless = both(tmp_path / "made", reads, monkeypatch, "frequency between 1.1 and 1.15")

    assert damaged[0] == damaged[1] == planless[0] == planless[1]


def test_ranges_of_another_shape_are_left_alone(store: Path) -> None:
    array = sweep.open(store).frequency
    dims = tuple(map(str, array.dims))

    assert list(stored_tables(store, {"frequency": (dims, array.shape)})) == ["frequency"]
    assert stored_tables(store, {"frequency": (dims, (*array.shape[:-1], 99))}) == {}


def test_a_short_search_does_not_ask_the_index(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(querying, "stored_tables", None)

    assert len(sweep.query(store, "frequency > 1"))
