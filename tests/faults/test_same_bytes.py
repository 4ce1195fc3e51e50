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


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("plain")
    return {s["name"]: results(sweep.run(s, workspace=folder, workers=1).path)
            for s in (SLABS, CHAINS)}  # fmt: skip


@pytest.mark.parametrize("cutting", CUTTINGS)
@pytest.mark.parametrize("content", [SLABS, CHAINS], ids=["slabs", "chains"])
def test_cutting_does_not_change_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: dict[str, dict[str, bytes]],
    content: dict[str, Any], cutting: str, client: Client,
) -> None:  # fmt: skip
    for name, value in CUTTINGS[cutting].items():
        monkeypatch.setattr(planning, name, value)

    result = sweep.run(content, workspace=tmp_path, scheduler=client)

    assert result.complete
    assert results(result.path) == plain[content["name"]]


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
