"""More values on an axis: stored results stay where and what they are."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
import zarr
from distributed import Client

import sweep
from sweep import planning
from sweep.extending import decide, grown
from sweep.ledger import Ledger
from sweep.owning import Ownership
from sweep.reading import stored_plan
from tests.faults.tools import results

SLABS: dict[str, Any] = {
    "modesweep": 1, "name": "slabs", "model": "slab",
    "outputs": ["frequency", "mode_kind", "layer_height", "k_label"],
    "fixed": {"k_points": 5, "cutoff": 2.0},
    "axes": {"layers": [3, 7], "adlayer": ["none", "one side"], "material": ["Ar", "Xe"]},
}  # fmt: skip
CHAINS: dict[str, Any] = {
    "modesweep": 1, "name": "chains", "model": "chain", "fixed": {"atoms": 5},
    "zip": [["mass_ratio", "end_mass_ratio"]],
    "axes": {"mass_ratio": [1, 2], "end_mass_ratio": [0.5, 0.25],
             "end_spring_ratio": {"linspace": [1, 2, 3]}},
}  # fmt: skip


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Give what changes when a file is written again."""
    data = folder / "data.zarr"
    return {
        str(p.relative_to(data)): (p.stat().st_ino, p.stat().st_mtime_ns)
        for p in data.rglob("c/**/*") if p.is_file()
    }  # fmt: skip


def fresh(document: dict[str, Any], folder: Path, client: Client) -> dict[str, bytes]:
    """Run the same points as a sweep of its own."""
    document = {**document, "name": "fresh"}
    return results(sweep.run(document, workspace=folder, scheduler=client).path)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    return sweep.run(SLABS, workspace=tmp_path_factory.mktemp("begun"), scheduler=client).path


@pytest.fixture
def slabs(begun: Path, tmp_path: Path) -> Path:
    """A copy of a finished sweep, and of what was kept of it, that a test may extend."""
    return Path(shutil.copytree(begun.parent, tmp_path, dirs_exist_ok=True)) / begun.name


def test_an_extended_sweep_has_the_bytes_of_one_that_began_so(
    slabs: Path, tmp_path: Path, client: Client
) -> None:
    sweep.extend(slabs, {"layers": [5, 9]}, scheduler=client)
    result = sweep.extend(slabs, {"material": ["Kr"]}, scheduler=client)

    axes = {"layers": [3, 7, 5, 9], "adlayer": ["none", "one side"],
            "material": ["Ar", "Xe", "Kr"]}  # fmt: skip
    assert result.counts == {"ok": 24}
    assert results(slabs) == fresh({**SLABS, "axes": axes}, tmp_path, client)


def test_nothing_stored_is_computed_or_written_again(
    slabs: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordered: list[tuple[str, int]] = []
    submit = sweep.graph.Window.submit

    def noted(self: Any, order: Any, place: float) -> None:
        box = self._plan.regions[order.region].box(order.block)
        shape = [s.stop - s.start for s in box]
        points = (
            np.ones(shape, bool) if order.only is None
            else np.frombuffer(order.only, bool).reshape(shape)
        )  # fmt: skip
        layers = self._plan.sweep.axes["layers"]
        dims = self._plan.regions[order.region].dims
        if layers in dims:
            axis = dims.index(layers)
            ordered.extend(
                (order.region, int(i[axis]) + box[axis].start) for i in np.argwhere(points)
            )
        submit(self, order, place)

    monkeypatch.setattr(sweep.graph.Window, "submit", noted)
    sweep.extend(slabs, {"layers": [5]}, scheduler=client)

    assert {place for _, place in ordered} == {2}, "only the new value is at the third place"


def test_whole_old_chunks_are_not_touched(tmp_path: Path, client: Client) -> None:
    many = {**CHAINS, "axes": {**CHAINS["axes"], "end_spring_ratio": [1.0, 2.0]}}
    path = sweep.run(many, workspace=tmp_path, scheduler=client).path
    plan = stored_plan(path)
    before = files(path)

    sweep.extend(path, {"mass_ratio": [3], "end_mass_ratio": [0.1]}, scheduler=client)

    region = next(r for r in plan.regions.values() if r.name == "modes")
    whole = region.shape[0] % region.chunk[0] == 0
    after = files(path)
    kept = {f for f in before if after[f] == before[f]}
    assert before.keys() <= after.keys()
    assert whole, "the axis ends with a whole chunk in this test"
    assert {f for f in before if f.startswith("frequency_squared")} <= kept


def test_values_may_be_added_at_any_position_and_open_sorts(slabs: Path, client: Client) -> None:
    sweep.extend(slabs, {"layers": [5, 2, 9]}, scheduler=client)

    stored = xarray.open_zarr(slabs / "data.zarr", consolidated=False)
    shown = sweep.open(slabs)
    assert stored.layers.values.tolist() == [3, 7, 5, 2, 9]
    assert shown.layers.values.tolist() == [2, 3, 5, 7, 9]
    for n in shown.layers.values:
        xarray.testing.assert_identical(
            shown.frequency.sel(layers=n).load(), stored.frequency.sel(layers=n).load()
        )
    rows = sweep.query(slabs, "frequency > 0.3", select={"material": "Ar"})
    assert rows.layers.is_monotonic_increasing
    assert set(rows.layers) == {2, 3, 5, 7, 9}
    within = rows[rows.layers == 5]
    assert (within[["k", "mode"]].diff().dropna().abs().sum(axis=1) > 0).all()


def test_falling_axes_stay_falling_and_unsorted_ones_as_they_are(
    tmp_path: Path, client: Client
) -> None:
    axes = {"end_mass_ratio": [3.0, 2.0, 1.0], "end_spring_ratio": [2.0, 1.0, 3.0]}
    document = {**CHAINS, "zip": [], "axes": axes}
    path = sweep.run(document, workspace=tmp_path, scheduler=client).path

    sweep.extend(path, {"end_mass_ratio": [2.5], "end_spring_ratio": [1.5]}, scheduler=client)

    shown = sweep.open(path)
    assert shown.end_mass_ratio.values.tolist() == [3.0, 2.5, 2.0, 1.0]
    assert shown.end_spring_ratio.values.tolist() == [2.0, 1.0, 3.0, 1.5]


def test_axes_that_move_together_grow_together(tmp_path: Path, client: Client) -> None:
    path = sweep.run(CHAINS, workspace=tmp_path, scheduler=client).path

    sweep.extend(path, {"mass_ratio": [3], "end_mass_ratio": [0.1]}, scheduler=client)

    data = sweep.open(path)
    assert data.mass_ratio.values.tolist() == [1, 2, 3]
    assert data.end_mass_ratio.values.tolist() == [0.5, 0.25, 0.1]
    axes = {"mass_ratio": [1, 2, 3], "end_mass_ratio": [0.5, 0.25, 0.1],
            "end_spring_ratio": {"linspace": [1, 2, 3]}}  # fmt: skip
    assert results(path) == fresh({**CHAINS, "axes": axes}, tmp_path, client)


def test_the_same_extension_again_changes_nothing(slabs: Path, client: Client) -> None:
    sweep.extend(slabs, {"layers": [5]}, scheduler=client)
    once = results(slabs), files(slabs), (slabs / "plan.json").read_bytes()

    result = sweep.extend(slabs, {"layers": [5, 3]}, scheduler=client)

    assert result.complete
    assert (results(slabs), (slabs / "plan.json").read_bytes()) == (once[0], once[2])


def test_the_file_that_began_a_sweep_and_the_full_one_both_go_on_with_it(
    slabs: Path, tmp_path: Path, client: Client
) -> None:
    sweep.extend(slabs, {"layers": [5]}, scheduler=client, compute=False)
    begun = SLABS
    full = {**SLABS, "axes": {**SLABS["axes"], "layers": [3, 5, 7]}}
    other = {**SLABS, "axes": {**SLABS["axes"], "layers": [3, 5, 8]}}

    assert sweep.run(begun, workspace=tmp_path, scheduler=client).counts == {"ok": 12}
    assert sweep.run(full, workspace=tmp_path, scheduler=client).counts == {"ok": 12}
    with pytest.raises(sweep.RefusedError, match="another sweep of the name"):
        sweep.run(other, workspace=tmp_path, scheduler=client)


def test_whole_numbers_may_become_fractions(tmp_path: Path, client: Client) -> None:
    document = {**CHAINS, "zip": [], "axes": {"mass_ratio": [1, 2]}}
    path = sweep.run(document, workspace=tmp_path, scheduler=client).path

    sweep.extend(path, {"mass_ratio": [1.5]}, scheduler=client)

    assert sweep.open(path).mass_ratio.values.tolist() == [1.0, 1.5, 2.0]
    assert sweep.query(path, "mass_ratio == 1.5 and frequency_squared > 0").shape[0] == 4


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"layer": [5]}, 'is no axis. Did you mean "layers"'),
        ({"cutoff": [3.0]}, "cutoff is fixed in this sweep.*modesweep union"),
        ({"layers": [0]}, "axes.layers.*at least 1"),
        ({"material": ["reduced"]}, "unit"),
    ],
)
def test_what_cannot_be_added_is_refused_and_harms_nothing(
    slabs: Path, client: Client, values: dict[str, list[Any]], text: str
) -> None:
    before = results(slabs), files(slabs)

    with pytest.raises(sweep.InputError, match=f"(?s){text}"):
        sweep.extend(slabs, values, scheduler=client)

    assert (results(slabs), files(slabs)) == before
    assert not list(slabs.glob(".extension*"))


def test_one_of_two_zipped_axes_alone_is_refused(tmp_path: Path, client: Client) -> None:
    path = sweep.run(CHAINS, workspace=tmp_path, scheduler=client).path

    with pytest.raises(sweep.InputError, match="moves together with end_mass_ratio: give both"):
        sweep.extend(path, {"mass_ratio": [3]}, scheduler=client)


def decided(path: Path) -> None:
    """Leave an extension as an owner leaves it that dies right after deciding."""
    owner = Ownership(path)
    decide(path, grown(stored_plan(path), {"layers": [5]}))
    owner.release()


LOOKS = {
    "status": lambda path: sweep.status(path),
    "open": lambda path: sweep.open(path),
    "query": lambda path: sweep.query(path, "frequency > 1"),
    "errors": lambda path: sweep.errors(path),
    "explain": lambda path: sweep.explain(path, {"layers": 3, "adlayer": "none", "material": "Ar"}),
    "verify": lambda path: sweep.verify(path, sample=1),
}


@pytest.mark.parametrize("look", LOOKS)
def test_whatever_comes_next_completes_an_extension_that_was_decided(
    slabs: Path, look: str
) -> None:
    decided(slabs)

    LOOKS[look](slabs)

    assert not list(slabs.glob(".extension*"))
    assert sweep.open(slabs).layers.values.tolist() == [3, 5, 7]
    assert sweep.status(slabs).counts == {"ok": 8, "todo": 4}


def test_half_of_an_extension_in_place_is_completed_to_the_same_bytes(
    slabs: Path, tmp_path: Path, client: Client
) -> None:
    decided(slabs)
    moved = sorted(p for p in (slabs / ".extension").rglob("*") if p.is_file())
    for path in moved[::2]:
        target = slabs / path.relative_to(slabs / ".extension")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())

    result = sweep.retry(slabs, scheduler=client)

    axes = {**SLABS["axes"], "layers": [3, 7, 5]}
    assert result.counts == {"ok": 12}
    assert results(slabs) == fresh({**SLABS, "axes": axes}, tmp_path, client)


def boxes(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    ledger = Ledger(path)
    for row in ledger.blocks():
        yield row.region, row.cell
    ledger.close()


def test_every_chunk_belongs_to_the_block_of_its_cell(slabs: Path, client: Client) -> None:
    before = set(boxes(slabs))

    sweep.extend(slabs, {"layers": [5, 9], "material": ["Kr"]}, scheduler=client)

    assert before <= set(boxes(slabs))
    group = zarr.open_group(slabs / "data.zarr", mode="r")
    plan = stored_plan(slabs)
    for name, array in plan.arrays.items():
        region = plan.regions[array.region]
        cells = {c for r, c in boxes(slabs) if r == region.name}
        grid = group[name].cdata_shape[: len(region.dims)]
        assert {c[:-1] for c in cells} == set(itertools.product(*map(range, grid)))


@pytest.mark.parametrize(
    ("layers", "wavevectors", "seconds"),
    [(40, [20, 25, 45, 10], 0.01),
     *(pytest.param(70, [40, 50, 90, 20], s, marks=pytest.mark.long) for s in (1e-3, 0.05))],
)  # fmt: skip
def test_a_sweep_that_is_cut_along_k_grows_in_both(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch,
    layers: int, wavevectors: list[int], seconds: float,
) -> None:  # fmt: skip
    """New points may have more wavevectors, and longer grains than the cutting was made for."""
    for name in ("MOST_SECONDS", "BLOCK_SECONDS"):
        monkeypatch.setattr(planning, name, seconds)
    monkeypatch.setattr(planning, "LEAST_SECONDS", 0.0)
    document: dict[str, Any] = {
        "modesweep": 1, "name": "cut", "model": "slab", "outputs": ["frequency", "surface_weight"],
        "fixed": {"cutoff": 2.0, "relaxed": False},
        "axes": {"layers": [layers], "k_points": wavevectors[:2]},
    }  # fmt: skip
    path = sweep.run(document, workspace=tmp_path, scheduler=client).path
    region = stored_plan(path).regions["modes"]
    assert 0 < region.cut_chunk < 32, "grains of thin slabs are longer than a block"

    sweep.extend(path, {"layers": [5], "k_points": wavevectors[2:]}, scheduler=client)

    axes = {"layers": [layers, 5], "k_points": wavevectors}
    assert sweep.status(path).complete
    assert results(path) == fresh({**document, "axes": axes}, tmp_path, client)
