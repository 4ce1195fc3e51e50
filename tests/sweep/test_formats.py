"""Workspaces of every format that was ever written are opened, and gone on with, for ever.

`tests/references/stores/format-N.tar.gz` was written by the version that made format N, and
is never made anew. Format 1 (0.1.0) holds three sweeps: `chain-ends`, complete, one point of
it skipped; `thin-slabs`, four points of which have failed; `interrupted`, whose region `end`
is not in the ledger.
"""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from distributed import Client

import sweep
from sweep.layout import sweep_file
from sweep.upgrading import FORMAT
from tests.faults.tools import results

STORES = Path(__file__).parents[1] / "references" / "stores"
FORMATS = [1]


def unpacked(number: int, folder: Path) -> Path:
    with tarfile.open(STORES / f"format-{number}.tar.gz") as packed:
        packed.extractall(folder, filter="data")
    return folder / f"format-{number}"


@pytest.fixture(params=FORMATS)
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return unpacked(request.param, tmp_path)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*") if p.is_file() and not p.name.endswith(("-wal", "-shm"))
    }  # fmt: skip


def fresh(name: str, workspace: Path, client: Client) -> dict[str, bytes]:
    """Compute the same sweep anew."""
    file = sweep_file(workspace / name)
    return results(sweep.run(file, workspace=workspace / "anew", scheduler=client).path)


def test_looking_reads_everything_and_changes_nothing(workspace: Path) -> None:
    before = content(workspace)

    counts = {p.name: sweep.status(p).counts for p in sorted(workspace.iterdir())}
    failed = sweep.errors("thin-slabs", workspace)
    rows = sweep.query("chain-ends", "frequency_squared > 3.5", workspace=workspace)
    told = sweep.explain("chain-ends", {"mass_ratio": 1, "end_mass_ratio": 0.5},
                         workspace=workspace)  # fmt: skip
    data = sweep.open("thin-slabs", workspace).load()

    assert counts == {
        "chain-ends": {"ok": 5, "skipped": 1},
        "interrupted": {"todo": 4},
        "thin-slabs": {"ok": 4, "failed": 4},
    }
    assert len(failed) == 4
    assert failed[0].kind == "exception"
    assert "did not come to rest" in failed[0].message
    assert len(rows) == 5
    assert told.status == "ok"
    assert np.isfinite(data.frequency.sel(surface_bond_ratio=1.0, layers=5)).all()
    assert np.isnan(data.frequency.sel(surface_bond_ratio=0.001)).all()
    assert content(workspace) == before


def test_stored_values_are_still_what_the_models_give(workspace: Path) -> None:
    for name in ("chain-ends", "thin-slabs"):
        found = sweep.verify(name, sample="100%", workspace=workspace)
        assert found.ok, found.as_dict()


def test_an_interrupted_sweep_is_completed(workspace: Path, client: Client) -> None:
    result = sweep.run(sweep_file(workspace / "interrupted"), workspace=workspace, scheduler=client)

    assert result.counts == {"ok": 4}
    assert results(result.path) == fresh("interrupted", workspace, client)


def test_failed_points_are_tried_again(workspace: Path, client: Client) -> None:
    result = sweep.retry("thin-slabs", workspace=workspace, scheduler=client)

    assert result.counts == {"ok": 4, "failed": 4}
    assert set(result.open().attempts.sel(surface_bond_ratio=0.001).values.flat) == {2}
    assert set(result.open().attempts.sel(surface_bond_ratio=1.0).values.flat) == {1}


def test_axes_grow(workspace: Path, client: Client) -> None:
    result = sweep.extend("thin-slabs", {"layers": [7, 4]}, workspace=workspace, scheduler=client)

    assert result.counts == {"ok": 8, "failed": 8}
    assert results(result.path) == fresh("thin-slabs", workspace, client)
    assert result.open().layers.values.tolist() == [3, 4, 5, 7]


def test_todays_format_is_the_next_one_to_be_kept() -> None:
    """A format that is not written any more must have its workspace here."""
    kept = sorted(int(p.name[len("format-") : -len(".tar.gz")]) for p in STORES.glob("format-*"))

    assert kept == FORMATS
    assert list(range(1, FORMAT)) == [n for n in kept if n < FORMAT]
