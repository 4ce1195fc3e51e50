"""The plan covers every point once, shares no chunk, and says what will be there."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st

import sweep
from sweep import planning
from sweep.extending import grown
from sweep.planning import Plan
from sweep.problems import RefusedError
from sweep.spec import Sweep
from sweep.summary import check_budget
from sweep.sweep_file import read
from tests.effort import examples


def slabs(**tables: Any) -> dict[str, Any]:
    return {"modesweep": 1, "name": "slabs", "model": "slab", **tables}


def chains(points: int) -> Plan:
    axes = {"mass_ratio": {"linspace": [0.1, 5, points // 10]},
            "end_mass_ratio": {"linspace": [0.1, 5, 10]}}  # fmt: skip
    return Plan(read({"modesweep": 1, "name": "chains", "model": "chain",
                      "fixed": {"atoms": 10}, "axes": axes}))  # fmt: skip


SURFACES = st.lists(st.sampled_from(["100", "110", "111"]), min_size=1, max_size=3, unique=True)
LAYERS = st.lists(st.integers(3, 40), min_size=1, max_size=4, unique=True)
RATIOS = st.lists(st.integers(1, 50), min_size=1, max_size=12, unique=True)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    axes = {
        "surface": draw(SURFACES), "layers": draw(LAYERS),
        "adlayer_mass_ratio": [n / 10 for n in draw(RATIOS)],
        "material": draw(st.sampled_from([["Ar"], ["Ar", "Xe"]])),
    }  # fmt: skip
    kept = draw(st.lists(st.sampled_from(sorted(axes)), min_size=1, unique=True))
    fixed = {"adlayer": "one side", "k_points": draw(st.integers(10, 300))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "BLOCK_SECONDS", draw(st.sampled_from([1e-3, 0.05, 4.0])))
        patch.setattr(planning, "MOST_SECONDS", draw(st.sampled_from([1e-3, 0.1, 8.0])))
        patch.setattr(planning, "LEAST_SECONDS", draw(st.sampled_from([0.0, 0.3])))
        patch.setattr(planning, "KEEP_SECONDS", draw(st.sampled_from([0.0, 1.0, 1e9])))
        return Plan(read(slabs(fixed=fixed, axes={n: axes[n] for n in kept})))


@settings(max_examples=examples(60), derandomize=True, deadline=None)
@given(plans())
def test_every_element_belongs_to_exactly_one_block(plan: Plan) -> None:
    for region in plan.regions.values():
        count = np.zeros((*region.shape, region.cut_length), dtype=int)
        for block in range(region.blocks):
            count[(*region.box(block), slice(*region.cut_range(block)))] += 1

        assert (count == 1).all()


@settings(max_examples=examples(60), derandomize=True, deadline=None)
@given(plans())
def test_a_block_writes_whole_chunks_and_no_chunk_has_two_blocks(plan: Plan) -> None:
    for name, array in plan.arrays.items():
        region = plan.regions[array.region]
        chunks: set[tuple[int, ...]] = set()
        for block in range(region.blocks):
            box = [*region.box(block)]
            if region.cut in plan.variables[name].dims:
                box.append(slice(*region.cut_range(block)))
            for s, c, n in zip(box, array.chunk, array.shape, strict=False):
                assert s.start % c == 0
                assert s.stop % c == 0 or s.stop == n
            spans = [
                range(s.start // c, -(-s.stop // c)) for s, c in zip(box, array.chunk, strict=False)
            ]
            mine = set(itertools.product(*spans))
            assert not chunks & mine
            chunks |= mine


@settings(max_examples=examples(60), derandomize=True, deadline=None)
@given(plans())
def test_cuts_fall_between_whole_grains_of_every_point(plan: Plan) -> None:
    for region in plan.regions.values():
        if not region.divided:
            continue
        for _, p in plan.shapes():
            assert region.cut_chunk % plan.model.grain(region.cut, p) == 0


@settings(max_examples=examples(40), derandomize=True, deadline=None)
@given(plans())
def test_a_frozen_plan_is_the_plan(plan: Plan) -> None:
    frozen = json.loads(json.dumps(plan.frozen()))

    assert Plan(plan.sweep, frozen).regions == plan.regions


@settings(max_examples=examples(40), derandomize=True, deadline=None)
@given(plans())
def test_inputs_of_a_block_are_the_blocks_that_hold_its_points(plan: Plan) -> None:
    for region in plan.regions.values():
        for block in range(region.blocks):
            needs = plan.input_blocks(region, block)
            held = {
                (name, plan.regions[name].block_at([dict(zip(region.dims, place, strict=True))[d]
                                                    for d in plan.regions[name].dims]))
                for place, _ in plan.block_points(region, block)
                for name in region.inputs
            }  # fmt: skip
            assert held == needs


def test_a_variable_carries_only_the_axes_that_it_depends_on() -> None:
    axes = {"surface": ["100", "111"], "layers": [5, 7], "adlayer_mass_ratio": [1.0, 2.0]}
    plan = Plan(read(slabs(fixed={"adlayer": "one side"}, axes=axes)))

    dims = {name: a.dims for name, a in plan.arrays.items()}

    assert dims["frequency"] == ("surface", "layers", "adlayer_mass_ratio", "k", "mode")
    assert dims["bulk_band"] == ("surface", "k", "band", "edge")
    assert dims["layer_height"] == ("surface", "layers", "layer")
    assert dims["n_modes"] == ("layers",)
    assert dims["nearest_neighbour_distance"] == ()


def test_gases_are_diagonalised_once() -> None:
    plan = Plan(read(slabs(axes={"material": ["Ne", "Ar", "Kr", "Xe"], "layers": [5, 7]})))

    modes = next(r for r in plan.regions.values() if "modes" in r.stages)

    assert plan.calculations(modes) == 2
    assert modes.chunk[modes.dims.index(plan.sweep.axes["material"])] == 4
    assert {a.dims[0] for a in plan.arrays.values() if a.shape} >= {"material"}


def test_a_million_points_are_planned_without_listing_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    point = Sweep.point
    monkeypatch.setattr(Sweep, "point", lambda self, i: calls.append(i) or point(self, i))

    plan = chains(1_000_000)

    assert plan.sweep.size == 1_000_000
    assert plan.bytes == 1_000_000 * 8 * (10 + 10 + 3)
    assert plan.files <= 1_000_000 / 100
    assert len(calls) < 100


def test_heavy_points_get_blocks_of_their_own_and_long_ones_are_cut() -> None:
    plan = Plan(read(slabs(fixed={"layers": 401, "k_points": 100}, axes={"cutoff": [3, 4]})))

    modes = next(r for r in plan.regions.values() if "modes" in r.stages)

    assert modes.chunk == (1,)
    assert 1 < modes.grid[-1] <= 100


def test_what_would_not_fit_is_refused_before_anything_runs(tmp_path: Path) -> None:
    plan = Plan(read(slabs(fixed={"layers": 2001, "solver": "dense"}, run={"memory": "1GiB"})))

    with pytest.raises(RefusedError, match=r"needs up to .* GiB of memory, a worker has 1.0 GiB"):
        check_budget(plan, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_planned_bytes_and_files_are_what_is_written(tmp_path: Path, client: Client) -> None:
    content = slabs(
        where="adlayer != 'none' or adlayer_mass_ratio == 1",
        fixed={"layers": 4, "k_points": 9, "cutoff": 2.0},
        axes={"surface": ["100", "111"], "adlayer": ["none", "one side"],
              "adlayer_mass_ratio": [0.5, 1.0]},
    )  # fmt: skip
    planned = sweep.plan(content, workspace=tmp_path, pilots=False)

    result = sweep.run(content, workspace=tmp_path, scheduler=client)

    names = Plan(read(content)).arrays
    data = result.path / "data.zarr"
    files = [f for n in names for f in (data / n).rglob("*")
             if f.is_file() and f.name != "zarr.json"]  # fmt: skip
    assert len(files) == planned.files
    stored = result.open()
    sizes = {n: stored[n].size * planning.ITEM_BYTES[Plan(read(content)).variables[n].dtype]
             for n in names}  # fmt: skip
    assert sum(sizes.values()) == planned.bytes


# --- axes that grow -------------------------------------------------------------------------


@st.composite
def grown_plans(draw: st.DrawFn) -> tuple[Plan, Plan]:
    """A plan, and what it becomes with more values on some of its axes."""
    before = draw(plans())
    new = {
        "surface": draw(SURFACES), "layers": draw(LAYERS),
        "adlayer_mass_ratio": [n / 10 for n in draw(RATIOS)], "material": ["Kr", "Ne"],
    }  # fmt: skip
    axes = draw(st.lists(st.sampled_from(sorted(before.sweep.axes)), min_size=1, unique=True))
    after = grown(before, {n: new[n] for n in axes})
    again = draw(st.lists(st.sampled_from(sorted(before.sweep.axes)), unique=True))
    return before, grown(after, {n: draw(st.permutations(new[n])) for n in again})


def elements(plan: Plan, name: str) -> dict[tuple[int, ...], tuple[int, ...]]:
    """From each instance and piece of a region to the cell of its block."""
    region = plan.regions[name]
    found = {}
    for block in range(region.blocks):
        *_, piece = cell = region.cell(block)
        for place in itertools.product(*(range(s.start, s.stop) for s in region.box(block))):
            assert (*place, piece) not in found, "an instance is in two blocks"
            found[*place, piece] = cell
    return found


@settings(max_examples=examples(40), derandomize=True, deadline=None)
@given(grown_plans())
def test_a_grown_plan_covers_everything_once_and_moves_nothing(pair: tuple[Plan, Plan]) -> None:
    before, after = pair
    for name, region in after.regions.items():
        old, new = elements(before, name), elements(after, name)
        assert len(new) == region.instances * region.grid[-1]
        assert {place: new[place] for place in old} == old


@settings(max_examples=examples(40), derandomize=True, deadline=None)
@given(grown_plans())
def test_no_chunk_of_a_grown_plan_has_two_blocks(pair: tuple[Plan, Plan]) -> None:
    _, after = pair
    for name, array in after.arrays.items():
        region = after.regions[array.region]
        owner: dict[tuple[int, ...], int] = {}
        for block in range(region.blocks):
            box = [*region.box(block)]
            if region.divided and region.cut in after.variables[name].dims:
                box.append(slice(*region.cut_range(block)))
            own = array.shape[len(box) :]
            spans = [
                range(s.start // c, -(-s.stop // c))
                for s, c in zip([*box, *(slice(0, n) for n in own)], array.chunk, strict=True)
            ]
            for chunk in itertools.product(*spans):
                assert owner.setdefault(chunk, block) == block


@settings(max_examples=examples(40), derandomize=True, deadline=None)
@given(grown_plans())
def test_a_grown_plan_keeps_the_chunk_grid_and_has_room_for_all(pair: tuple[Plan, Plan]) -> None:
    before, after = pair
    for name, array in after.arrays.items():
        assert array.chunk == before.arrays[name].chunk
        assert all(n >= old for n, old in zip(array.shape, before.arrays[name].shape, strict=True))
    frozen = json.loads(json.dumps(after.frozen()))
    assert Plan(after.sweep, frozen).regions == after.regions
