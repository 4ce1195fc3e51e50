"""The same sweep gives the same bytes for any cutting and any number of workers."""

from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster

import sweep
from sweep import planning
from tests.faults.tools import results

CUTTINGS = {
    "as planned": {},
    "many small blocks": {"LEAST_SECONDS": 0.0, "LEAST_BLOCKS": 1000},
    "one large block": {"LEAST_BLOCKS": 1, "BLOCK_SECONDS": 1e9, "CHUNK_BYTES": 1e12,
                        "MOST_SECONDS": 1e9},
    "cut along k": {"MOST_SECONDS": 1e-9, "BLOCK_SECONDS": 1e-9},
    "nothing kept": {"KEEP_SECONDS": 1e9},
    "all inputs kept": {"KEEP_SECONDS": 0.0},
}  # fmt: skip
QUICK = [
    ("slabs", "many small blocks"), ("slabs", "cut along k"), ("slabs", "all inputs kept"),
    ("chains", "one large block"),
]  # fmt: skip
SLABS = {
    "modesweep": 1, "name": "slabs", "model": "slab",
    "where": "adlayer != 'none' or adlayer_mass_ratio == 1",
    "fixed": {"layers": 6, "k_points": 70, "cutoff": 3.0},
    "axes": {"surface": ["100", "111"], "material": ["Ar", "Xe"],
             "adlayer": ["none", "one side"], "adlayer_mass_ratio": [1.0, 2.0]},
}  # fmt: skip
CHAINS = {
    "modesweep": 1, "name": "chains", "model": "chain", "fixed": {"temperatures": [0.0, 1.0]},
    "axes": {"atoms": [5, 9], "mass_ratio": {"linspace": [0.5, 2.0, 40]}},
}  # fmt: skip

SUMS = {
    "modesweep": 1, "name": "sums", "model": "slab",
    "outputs": ["frequency", "heat_capacity", "surface_entropy", "mean_square_displacement",
                "layer_dos", "spectral_density", "surface_branch"],
    "fixed": {"surface": "100", "k_mesh": 4, "temperatures": [0.0, 20.0], "cutoff": 2.2,
              "surface_depth": 2, "grid_points": 30, "grid_max": 2.2, "grid_width": 0.2},
    "axes": {"layers": [5, "infinite"], "material": ["Ne", "Ar", "Kr", "Xe"]},
}  # fmt: skip
"""Thermal functions, spectra and half spaces: sums over the zone in the unit of four gases."""
TREES = {"MOST_SECONDS": 1e-9, "KEEP_SECONDS": 0.0}
"""Every sum over the zone is kept, and one part a task."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("plain")
    return {s["name"]: results(sweep.run(s, workspace=folder, workers=1).path)
            for s in (SLABS, CHAINS, SUMS)}  # fmt: skip


@pytest.mark.parametrize(
    ("content", "cutting"),
    [
        pytest.param(
            content, cutting, id=f"{content['name']}-{cutting}",
            marks=[] if (content["name"], cutting) in QUICK else pytest.mark.long,
        )
        for content in (SLABS, CHAINS)
        for cutting in CUTTINGS
    ],
)  # fmt: skip
def test_cutting_does_not_change_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: dict[str, dict[str, bytes]],
    content: dict[str, Any], cutting: str, client: Client,
) -> None:  # fmt: skip
    for name, value in CUTTINGS[cutting].items():
        monkeypatch.setattr(planning, name, value)

    result = sweep.run(content, workspace=tmp_path, scheduler=client)

    assert result.complete
    assert results(result.path) == plain[content["name"]]


@pytest.mark.parametrize(
    "constants",
    [
        TREES,
        pytest.param(CUTTINGS["many small blocks"] | {"KEEP_SECONDS": 1e9}, marks=pytest.mark.long),
        pytest.param(CUTTINGS["cut along k"], marks=pytest.mark.long),
        pytest.param(CUTTINGS["all inputs kept"], marks=pytest.mark.long),
    ],
    ids=["trees", "many small blocks", "cut along k", "all inputs kept"],
)
def test_cutting_does_not_change_a_byte_of_sums_and_half_spaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: dict[str, dict[str, bytes]],
    constants: dict[str, float], client: Client,
) -> None:  # fmt: skip
    for name, value in constants.items():
        monkeypatch.setattr(planning, name, value)

    result = sweep.run(SUMS, workspace=tmp_path, scheduler=client)

    assert result.counts == {"ok": 8}
    now = results(result.path)
    assert now.keys() == plain["sums"].keys()
    assert [n for n, content in now.items() if content != plain["sums"][n]] == []


def test_a_tree_of_parts_has_one_point_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gases that share a calculation as well: a tree adds the parts of one point."""
    for name, value in TREES.items():
        monkeypatch.setattr(planning, name, value)
    regions = planning.Plan(sweep.read(SUMS)).regions

    trees = {name: region for name, region in regions.items() if region.tree}
    assert {"thermal_sums", "spectral_sums", "cyclic_sums"} <= set(trees)
    for region in trees.values():
        assert set(region.chunk) == {1}
        assert region.blocks == 2 * (4 if len(region.dims) == 2 else 1)
    assert any(len(region.dims) == 2 for region in trees.values())


@pytest.mark.long
def test_the_slots_of_one_worker_do_not_mix_up_their_blocks(
    tmp_path: Path, plain: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share the store that the worker has open."""
    monkeypatch.setattr(planning, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(planning, "LEAST_BLOCKS", 80)
    with (
        LocalCluster(n_workers=1, threads_per_worker=4, processes=False, protocol="tcp",
                     host="127.0.0.1", dashboard_address="127.0.0.1:0",
                     worker_dashboard_address="127.0.0.1:0") as one,
        Client(one) as client,
    ):  # fmt: skip
        result = sweep.run(CHAINS, workspace=tmp_path, scheduler=client)

    assert results(result.path) == plain["chains"]
    assert sweep.verify(result.path, sample=1).ok


def test_the_cuttings_really_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above could not fail."""
    plans = set()
    for constants in CUTTINGS.values():
        with monkeypatch.context() as patch:
            for name, value in constants.items():
                patch.setattr(planning, name, value)
            regions = planning.Plan(sweep.read(SLABS)).regions.values()
            plans.add(tuple((r.chunk, r.cut_chunk, r.kept) for r in regions))

    assert len(plans) >= 5
