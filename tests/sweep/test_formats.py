"""Workspaces of every format that was ever written are opened, and gone on with.

Format 1 was written by version 0.1: three sweeps, one of them interrupted.
"""

from __future__ import annotations

import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from distributed import Client

import sweep
from sweep import upgrading
from sweep.layout import FAILED, FORMAT, SKIPPED

STORES = Path(__file__).parents[1] / "references" / "stores"
COUNTS = {
    "chain-ends": {"ok": 5, "skipped": 1},
    "thin-slabs": {"ok": 4, "failed": 4},
    "interrupted": {"todo": 4},
}
LOOKS: dict[str, Callable[[Path], object]] = {
    "status": sweep.status,
    "errors": sweep.errors,
    "open": lambda path: sweep.open(path).load(),
    "query": lambda path: sweep.query(path, "status == 'ok'"),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    with tarfile.open(STORES / "format-1.tar.gz") as file:
        file.extractall(tmp_path, filter="data")
    return tmp_path / "format-1"


def contents(path: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}


def format_of(path: Path) -> int:
    db = sqlite3.connect(path / "ledger.sqlite")
    (version,) = db.execute("pragma user_version").fetchone()
    db.close()
    return int(version)


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = dict(sweep.read(path / "sweep.toml").document)
    return found


ROOTS = ("frequency", "bulk_band")


def check_same(path: Path, fresh: xarray.Dataset) -> None:
    """Compare values with those of a sweep of today; other machines round otherwise."""
    data = sweep.open(path)
    since = {n for n in fresh.variables if str(n).endswith("_error")}  # errors are newer
    assert set(data.variables) == set(fresh.variables) - since
    for name in set(data.data_vars) - {"seconds", "attempts", "surface_weight"}:
        now = fresh[name].sel({d: data[d] for d in data[name].dims if d in fresh.indexes})
        if data[name].dtype.kind == "f":
            old = data[name]
            if name in ROOTS:  # rounding is a share of the squares: zero modes move far
                old, now = old * abs(old), now * abs(now)
            np.testing.assert_allclose(old, now, rtol=1e-9, atol=1e-12, err_msg=str(name))
        else:
            np.testing.assert_array_equal(data[name], now, err_msg=str(name))


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", COUNTS)
def test_looking_at_an_old_sweep_changes_nothing(workspace: Path, name: str, look: str) -> None:
    before = contents(workspace)

    LOOKS[look](workspace / name)

    assert contents(workspace) == before


@pytest.mark.parametrize("name", COUNTS)
def test_an_old_sweep_is_as_far_as_it_was(workspace: Path, name: str) -> None:
    status = sweep.status(name, workspace)

    assert status.counts == COUNTS[name]
    assert not status.running
    assert sweep.errors(name, workspace) == [] or name == "thin-slabs"


def test_old_failures_keep_their_reasons(workspace: Path) -> None:
    found = sweep.errors("thin-slabs", workspace)

    assert {(e.point["layers"], e.point["material"]) for e in found} == {
        (3, "Ar"), (3, "Xe"), (5, "Ar"), (5, "Xe"),
    }  # fmt: skip
    for e in found:
        assert (e.point["surface_bond_ratio"], e.stage, e.kind) == (0.001, "structure", "exception")
        assert "did not come to rest" in e.message
        assert "relaxed_heights" in e.traceback
        assert e.attempts == 1


def test_old_results_are_right(workspace: Path, client: Client) -> None:
    path = workspace / "chain-ends"
    stored = sweep.open(path).load()

    fresh = sweep.run(document(path) | {"name": "fresh"}, workspace=workspace, scheduler=client)

    check_same(path, fresh.open())
    assert stored.status.sel(mass_ratio=2, end_mass_ratio=0.5).item() == SKIPPED
    assert sweep.verify("thin-slabs", workspace=workspace, sample="100%").ok
    rows = sweep.query("chain-ends", "frequency_squared > 3", workspace=workspace)
    expected = int((stored.frequency_squared > 3).sum())
    assert len(rows) == expected > 0


def test_an_interrupted_old_sweep_goes_on(workspace: Path, client: Client) -> None:
    path = workspace / "interrupted"
    before = contents(path / "data.zarr" / "frequency_squared")

    result = sweep.run(document(path), workspace=workspace, scheduler=client)

    assert result.counts == {"ok": 4}
    assert format_of(path) == FORMAT
    assert contents(path / "data.zarr" / "frequency_squared") == before
    fresh = sweep.run(document(path) | {"name": "fresh"}, workspace=workspace, scheduler=client)
    check_same(path, fresh.open())


def test_old_failures_are_tried_again(workspace: Path, client: Client) -> None:
    path = workspace / "thin-slabs"
    before = sweep.open(path).load()

    result = sweep.retry(path, scheduler=client)

    after = sweep.open(path).load()
    failed = before.status.values == FAILED
    assert result.counts == COUNTS["thin-slabs"]
    assert (after.attempts.values == np.where(failed, before.attempts.values + 1, 1)).all()
    assert len(sweep.errors(path)) == 4
    for name in ("frequency", "surface_weight", "mode_kind", "bulk_band"):
        np.testing.assert_array_equal(after[name], before[name])


@pytest.mark.parametrize(
    ("name", "values", "counts"),
    [
        ("chain-ends", {"mass_ratio": [1.5, 3.0]}, {"ok": 11, "skipped": 1}),
        pytest.param(
            "thin-slabs", {"layers": [4, 7]}, {"ok": 8, "failed": 8}, marks=pytest.mark.long
        ),
        ("interrupted", {"atoms": [3, 9]}, {"ok": 6}),
    ],
)
def test_an_old_sweep_grows(
    workspace: Path, client: Client, name: str, values: dict[str, list[Any]], counts: dict[str, int]
) -> None:
    path = workspace / name
    before = sweep.open(path).load()

    result = sweep.extend(path, values, scheduler=client)

    assert result.counts == counts
    after = sweep.open(path).load()
    for variable in before.data_vars:
        if name == "interrupted" or variable in ("seconds", "attempts"):
            continue
        old = after[variable].sel(
            {d: before[d] for d in before[variable].dims if d in after.indexes}
        )
        np.testing.assert_array_equal(old, before[variable])
    old_document = document(path)
    fresh = sweep.run(old_document | {"name": "fresh"}, workspace=workspace, scheduler=client)
    check_same(path, fresh.open())
    assert sweep.verify(path, sample="100%").ok
    # and what grew is of today's format
    again = sweep.extend(path, values, scheduler=client)
    assert again.counts == counts


def test_a_kill_in_the_middle_of_an_upgrade_leaves_the_old_ledger(
    workspace: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workspace / "interrupted"
    upgrade = upgrading._upgrade

    def half(*args: Any) -> None:
        upgrade(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(upgrading, "_upgrade", half)
    with pytest.raises(KeyboardInterrupt):
        sweep.run(document(path), workspace=workspace, scheduler=client)
    monkeypatch.setattr(upgrading, "_upgrade", upgrade)

    assert format_of(path) < FORMAT
    assert sweep.run(document(path), workspace=workspace, scheduler=client).counts == {"ok": 4}
