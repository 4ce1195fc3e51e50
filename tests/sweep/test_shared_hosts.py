"""One host serves every defect: within a sweep, in its extensions, and in later sweeps."""

from pathlib import Path
from typing import Any

import pytest
from distributed import Client

import sweep
from sweep.ledger import Ledger
from sweep.reading import stored_plan
from sweep.stage_cache import list_kept
from tests.faults.tools import results

IMPURITIES: dict[str, Any] = {
    "modesweep": 1, "name": "impurities", "model": "impurity",
    "outputs": ["local_mode_squared", "critical_mass_ratio"],
    "axes": {"mass_ratio": [0.2, 0.3, 0.4], "depth": [1, 2], "bond_ratio": [0.9, 1.1]},
}  # fmt: skip


def kept(workspace: Path) -> dict[str, int]:
    """Give when each kept result was written, by its stage."""
    found = list_kept(workspace)
    assert len({k.stage for k in found}) == len(found)
    return {k.stage: k.path.stat().st_mtime_ns for k in found}


@pytest.mark.parametrize("deeper", [[], pytest.param([6], marks=pytest.mark.long)])
def test_a_host_is_computed_once_and_found_again(
    tmp_path: Path, client: Client, deeper: list[int]
) -> None:
    result = sweep.run(IMPURITIES, workspace=tmp_path, scheduler=client)

    first = kept(tmp_path)
    assert set(first) == {"host_local_4_3"}
    assert stored_plan(result.path).regions["host_local_4_3"].blocks == 1
    ledger = Ledger(result.path)
    computed = [row.region for row in ledger.blocks()]
    ledger.close()
    assert computed.count("host_local_4_3") == 1

    sweep.extend(result.path, {"bond_ratio": [1.2]}, scheduler=client)
    assert kept(tmp_path) == first

    if deeper:
        grown = sweep.extend(result.path, {"depth": deeper}, scheduler=client)
        assert grown.counts == {"ok": 27}
        assert kept(tmp_path) == first | {"host_local_8_3": kept(tmp_path)["host_local_8_3"]}

    other = {**IMPURITIES, "name": "heavy", "outputs": ["local_mode_weight"],
             "axes": {"mass_ratio": [0.1, 0.25], "depth": [1, *deeper]}}  # fmt: skip
    before = kept(tmp_path)
    sweep.run(other, workspace=tmp_path, scheduler=client)
    assert kept(tmp_path) == before

    axes = {"mass_ratio": [0.2, 0.3, 0.4], "depth": [1, 2, *deeper], "bond_ratio": [0.9, 1.1, 1.2]}
    quiet = sweep.run({**IMPURITIES, "axes": axes}, workspace=tmp_path / "quiet", scheduler=client)
    assert results(result.path) == results(quiet.path)
