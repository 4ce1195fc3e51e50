"""Disks that are full, read-only or damaged: said in words, and what was readable is kept."""

import os
import random
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

import sweep
from sweep import planning
from sweep.documents import to_toml
from sweep.ledger import Ledger
from sweep.layout import OK
from sweep.owning import Ownership
from sweep.reading import stored_plan
from tests.faults.test_killed_owner import killed
from tests.faults.tools import COMMAND, SMALL_BLOCKS, document, may_mount, modesweep, results

pytestmark = pytest.mark.usefixtures("plugin")

POINTS = 40
DISK = document("disk", axes={"x": {"arange": [POINTS]}})
COUNTS = {"ok": 39, "unstable": 1}
MORE = {"x": [40.0, 41.0, 42.0]}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LEAST_SECONDS", 0.0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    """A finished sweep of twenty blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "LEAST_SECONDS", 0.0)
        folder = tmp_path_factory.mktemp("finished")
        return sweep.run(DISK, workspace=folder, scheduler=client).path


@pytest.fixture(scope="module")
def quiet(finished: Path) -> dict[str, bytes]:
    return results(finished)


@pytest.fixture
def disk(finished: Path, tmp_path: Path) -> Path:
    """A copy of it that may be damaged."""
    return Path(shutil.copytree(finished, tmp_path / "disk"))


# --- full and read-only ---------------------------------------------------------------------


def test_a_disk_that_is_full_when_rows_are_committed_loses_nothing(
    tmp_path: Path, client: Client, quiet: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite takes no more pages, as on a full disk, until there is room again."""
    begin = Ledger.record

    def full(self: Ledger, rows: Any) -> Any:
        if len(list(self.blocks())) >= 5:
            (pages,) = self._db.execute("pragma page_count").fetchone()
            self._db.execute(f"pragma max_page_count = {pages}")
        return begin(self, [*rows])

    monkeypatch.setattr(Ledger, "record", full)
    with pytest.raises(sweep.MachineError, match=r"full\. What is finished is safe\. Free some"):
        sweep.run(DISK, workspace=tmp_path, scheduler=client)
    monkeypatch.setattr(Ledger, "record", begin)

    before = sweep.status("disk", tmp_path)
    after = sweep.run(DISK, workspace=tmp_path, scheduler=client)
    assert 5 <= before.blocks_done < before.blocks
    assert after.counts == COUNTS
    assert results(after.path) == quiet


SMALL_DISK = """
mount -t tmpfs -o size=$1k none "$2" || exit 99
disk=$2; copy=$3; shift 3
"$@"; echo "first: $?"
mount -o remount,size=100M "$disk"
"$@"; echo "then: $?"
cp -r "$disk/disk" "$copy"
"""
SMALL_FILES = """
limit=$1; disk=$2; copy=$3; shift 3
(ulimit -f "$limit"; "$@"; echo "first: $?")
"$@"; echo "then: $?"
cp -r "$disk/disk" "$copy"
"""
"""Where nothing can be mounted, files that may not grow stand for a disk that is full."""


@pytest.mark.long
@pytest.mark.parametrize("kilobytes", [60, 120, 200, 260])
def test_a_small_disk_fills_up_and_is_given_room(
    tmp_path: Path, quiet: dict[str, bytes], kilobytes: int
) -> None:
    file, workspace = tmp_path / "disk.toml", tmp_path / "small"
    file.write_text(to_toml(DISK))
    workspace.mkdir()
    shell = ["unshare", "-m", "sh", "-c", SMALL_DISK] if may_mount() else ["sh", "-c", SMALL_FILES]
    command = [*SMALL_BLOCKS, "run", str(file), "--workspace", str(workspace), "--workers", "1"]

    run = subprocess.run(
        [*shell, "sh", str(kilobytes), str(workspace), str(tmp_path / "copy"), *command],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    said = run.stdout + run.stderr
    assert "first: 5" in said, said
    assert "Traceback" not in said, said
    assert "then: 0" in said, said
    assert results(tmp_path / "copy") == quiet
    assert sweep.status(tmp_path / "copy").counts == COUNTS
