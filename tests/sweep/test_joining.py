"""The union of sweeps holds what they hold, and leaves the rest to be computed."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from distributed import Client

import sweep
from sweep.layout import sweep_file
from sweep.ledger import Ledger
from tests.faults.tools import results

BASE: dict[str, Any] = {
    "modesweep": 1, "model": "slab",
    "outputs": ["frequency", "surface_weight", "layer_height", "k_label"],
    "fixed": {"k_points": 5, "cutoff": 2.0},
}  # fmt: skip


def document(name: str, axes: dict[str, Any], **fixed: Any) -> dict[str, Any]:
    return {**BASE, "name": name, "fixed": {**BASE["fixed"], **fixed}, "axes": axes}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, client: Client) -> list[Path]:
    """Two surfaces, one of them with other axes in another order; tests only read them."""
    folder = tmp_path_factory.mktemp("parts")
    first = document("first", {"layers": [7, 3], "adlayer": ["none", "one side"]}, surface="111")
    second = document(
        "second", {"adlayer": ["one side", "none"], "adlayer_mass_ratio": [1.0, 2.0]},
        surface="100", layers=5,
    )  # fmt: skip
    return [sweep.run(d, workspace=folder, scheduler=client).path for d in (first, second)]


def test_a_union_that_was_completed_has_the_bytes_of_one_sweep(
    parts: list[Path], tmp_path: Path, client: Client
) -> None:
    joined = sweep.union(parts, "all", workspace=tmp_path)
    computed = sweep.run(sweep_file(joined.path), workspace=tmp_path, scheduler=client)
    plain = tomllib.loads(sweep_file(joined.path).read_text())
    one = sweep.run({**plain, "name": "one"}, workspace=tmp_path, scheduler=client)

    assert joined.counts == {"ok": 8, "todo": 16}
    assert computed.counts == {"ok": 24}
    assert results(joined.path) == results(one.path)


def test_axes_get_the_values_of_all_and_differing_constants_become_axes(
    parts: list[Path], tmp_path: Path
) -> None:
    data = sweep.union(parts, "all", workspace=tmp_path).open()

    assert data.layers.values.tolist() == [3, 5, 7]
    assert set(data.surface.values) == {"100", "111"}
    assert data.adlayer_mass_ratio.values.tolist() == [1.0, 2.0]
    theirs = sweep.open(parts[0]).frequency.sel(layers=7, adlayer="one side").values
    ours = data.frequency.sel(layers=7, adlayer="one side", surface="111", adlayer_mass_ratio=1.0)
    np.testing.assert_array_equal(ours.values, theirs)


def test_a_sweep_in_two_halves_is_whole_again_without_computing(
    tmp_path: Path, client: Client
) -> None:
    whole = {"mass_ratio": [1.0, 2.0, 3.0, 4.0], "end_mass_ratio": [0.5, 1.0]}
    chain = {"modesweep": 1, "model": "chain", "fixed": {"atoms": 6}}
    halves = [
        sweep.run(
            {**chain, "name": f"half-{i}", "axes": {**whole, "mass_ratio": values}},
            workspace=tmp_path, scheduler=client,
        ).path
        for i, values in enumerate(([1.0, 2.0], [3.0, 4.0]))
    ]  # fmt: skip
    one = sweep.run({**chain, "name": "one", "axes": whole}, workspace=tmp_path, scheduler=client)

    joined = sweep.union(halves, "both", workspace=tmp_path)

    assert joined.complete
    assert results(joined.path) == results(one.path)
    assert sweep.verify(joined.path, sample="100%").ok


def test_a_union_cut_short_is_completed_by_the_same_call(
    parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = results(sweep.union(parts, "whole", workspace=tmp_path).path)
    record = Ledger.record
    calls = []

    def stops(self: Any, rows: Any) -> Any:
        calls.append(1)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return record(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "record", stops)
        with pytest.raises(KeyboardInterrupt):
            sweep.union(parts, "short", workspace=tmp_path)

    assert results(sweep.union(parts, "short", workspace=tmp_path).path) == whole


def test_sweeps_that_disagree_are_not_joined(
    parts: list[Path], tmp_path: Path, client: Client
) -> None:
    other = document("other", {"layers": [7], "adlayer": ["none"]}, surface="111")
    path = sweep.run(other, workspace=tmp_path, scheduler=client).path
    group = zarr.open_group(path / "data.zarr", mode="r+")
    group["frequency"][...] = np.asarray(group["frequency"][...]) * 1.01

    with pytest.raises(sweep.StoreError, match="disagrees with another.*frequency"):
        sweep.union([parts[0], path], "both", workspace=tmp_path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"outputs": ["frequency"]}, "has other outputs"),
        ({"where": "layers > 0"}, "another `where`"),
        ({"model": "chain", "outputs": ["frequency_squared"], "fixed": {},
          "axes": {"atoms": [4]}}, "is of the model 'chain'"),
    ],
)  # fmt: skip
def test_sweeps_that_do_not_go_together_are_refused(
    parts: list[Path], tmp_path: Path, client: Client, change: dict[str, Any], text: str
) -> None:
    other = {**document("other", {"layers": [4]}), **change}
    path = sweep.run(other, workspace=tmp_path, scheduler=client).path

    with pytest.raises(sweep.InputError, match=text):
        sweep.union([parts[0], path], "both", workspace=tmp_path)
    assert not (tmp_path / "both").exists()


def test_a_name_that_is_taken_is_not_overwritten(parts: list[Path]) -> None:
    before = results(parts[0])

    with pytest.raises(sweep.RefusedError, match="another sweep of the name"):
        sweep.union(parts, "first", workspace=parts[0].parent)

    assert results(parts[0]) == before


def test_one_sweep_is_no_union(parts: list[Path], tmp_path: Path) -> None:
    with pytest.raises(sweep.InputError, match="two sweeps or more"):
        sweep.union(parts[:1], "alone", workspace=tmp_path)
