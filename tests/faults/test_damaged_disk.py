"""Disks that are full, read-only or damaged: said in words, and what was readable is kept."""

import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

import sweep
from sweep import planning
from sweep.comparison.verifying import repair
from sweep.documents import to_toml
from sweep.ledger import BlockRow, Ledger
from tests.commands import run_here
from tests.faults.test_killed_owner import killed
from tests.faults.tools import COMMAND, SMALL_BLOCKS, document, may_mount, results

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
    """SQLite takes no more pages, as on a full disk, and the rows need some."""
    record = Ledger.record

    def full(self: Ledger, rows: Any) -> Any:
        if len(list(self.blocks())) >= 5:
            (pages,) = self._db.execute("pragma page_count").fetchone()
            self._db.execute(f"pragma max_page_count = {pages}")
            rows = [replace(row, worker="long" * 2**14) for row in rows]
        return record(self, rows)

    monkeypatch.setattr(Ledger, "record", full)
    with pytest.raises(sweep.MachineError, match=r"full\. What is finished is safe\. Free some"):
        sweep.run(DISK, workspace=tmp_path, scheduler=client)
    monkeypatch.setattr(Ledger, "record", record)

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


READ_ONLY = """
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99
shift
"$@"
"""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["status", "{}"], 0, "39 ok, 1 unstable"),
        pytest.param(["errors", "{}"], 0, "No point has failed", marks=pytest.mark.long),
        pytest.param(["query", "{}", "square > 1000"], 0, "1521", marks=pytest.mark.long),
        pytest.param(["verify", "{}"], 0, "no file is damaged", marks=pytest.mark.long),
        (["extend", "{}", "x=[40]"], 5, "cannot be written: Read-only file system.*is safe"),
        pytest.param(["retry", "{}"], 5, "Read-only file system", marks=pytest.mark.long),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_read_only_sweep_can_be_looked_at_and_no_more(
    disk: Path, words: list[str], code: int, said: str
) -> None:
    before = {p: p.read_bytes() for p in disk.rglob("*") if p.is_file()}
    command = [*COMMAND, *(w.format(disk) for w in words)]
    shell = ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", str(disk)] if may_mount() else []
    if not shell:
        for path in (disk, *disk.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)

    run = subprocess.run([*shell, *command], capture_output=True, text=True, check=False)

    out = run.stdout + run.stderr
    assert run.returncode == code, out
    assert re.search(said if shell else said.replace("Read-only file system", ".* denied"), out)
    assert "Traceback" not in out
    assert {p: p.read_bytes() for p in disk.rglob("*") if p.is_file()} == before


def test_temporary_files_of_killed_writers_go_once_they_are_old(
    tmp_path: Path, client: Client, torn: Path, quiet: dict[str, bytes]
) -> None:
    path = Path(shutil.copytree(torn, tmp_path / "disk"))
    left, young = (path / "data.zarr" / "square" / "c" / f"9.{n}.partial" for n in ("old", "new"))
    for file in (left, young):
        file.write_bytes(b"torn")
    prepared = path / ".extension-1"
    prepared.mkdir()
    os.utime(left, (1, 1))

    result = sweep.run(DISK, workspace=tmp_path, scheduler=client)

    assert results(path) == quiet
    assert result.complete
    assert [left.exists(), young.exists(), prepared.exists()] == [False, True, False]


# --- a torn ledger --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep whose owner was killed with most of its rows still in the journal."""
    folder = tmp_path_factory.mktemp("torn")
    killed(folder, "rows are committed", "after", 12, DISK)
    assert (folder / "disk" / "ledger.sqlite-wal").stat().st_size > 50_000
    return folder / "disk"


def cut_short(journal: Path, draw: random.Random) -> None:
    os.truncate(journal, draw.randrange(journal.stat().st_size))


def overwritten(journal: Path, draw: random.Random) -> None:
    content = bytearray(journal.read_bytes())
    at = draw.randrange(len(content))
    content[at : at + 64] = draw.randbytes(len(content[at : at + 64]))
    journal.write_bytes(content)


def one_bit(journal: Path, draw: random.Random) -> None:
    content = bytearray(journal.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    journal.write_bytes(content)


def with_a_tail(journal: Path, draw: random.Random) -> None:
    with journal.open("ab") as file:
        file.write(draw.randbytes(draw.randrange(1, 9000)))


def gone(journal: Path, draw: random.Random) -> None:
    journal.unlink()


SEEDS = [pytest.param(s, marks=[] if s == 1 else pytest.mark.long) for s in range(1, 9)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "damage",
    [
        cut_short, one_bit,
        *(pytest.param(d, marks=pytest.mark.long) for d in (overwritten, with_a_tail, gone)),
    ],
)  # fmt: skip
def test_what_is_readable_of_a_torn_journal_is_kept_and_the_rest_computed_again(
    tmp_path: Path, client: Client, torn: Path, quiet: dict[str, bytes],
    damage: Callable[[Path, random.Random], None], seed: int,
) -> None:  # fmt: skip
    draw = random.Random(f"{damage.__name__} {seed}")
    path = Path(shutil.copytree(torn, tmp_path / "disk"))
    damage(path / "ledger.sqlite-wal", draw)
    if draw.random() < 0.5:
        (path / "ledger.sqlite-shm").unlink()

    before = sweep.status(path)
    after = sweep.run(DISK, workspace=tmp_path, scheduler=client)

    assert before.blocks_done <= 12
    assert before.blocks_done == 12 or damage is not with_a_tail
    assert sum(before.counts.values()) == POINTS
    assert after.counts == COUNTS
    assert results(path) == quiet
    assert sweep.verify(path, sample=1).ok


def test_a_damaged_ledger_is_named_and_the_remedy_that_is_told_helps(
    disk: Path, client: Client, quiet: dict[str, bytes]
) -> None:
    with (disk / "ledger.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 3)

    told = run_here("retry", disk)
    out = told.stdout + told.stderr
    assert (told.returncode, "Traceback" in out) == (5, False), out
    for look in (sweep.status, sweep.retry):
        with pytest.raises(sweep.MachineError, match=r"move away all files ledger\.sqlite\*"):
            look(disk)

    for path in disk.glob("ledger.sqlite*"):
        path.unlink()
    result = sweep.run(DISK, workspace=disk.parent, scheduler=client)
    assert result.counts == COUNTS
    assert results(disk) == quiet


# --- a damaged chunk ------------------------------------------------------------------------


def emptied(chunk: Path, draw: random.Random) -> None:
    chunk.write_bytes(b"")


CHUNKS = {"one bit": one_bit, "cut short": cut_short, "emptied": emptied}


@pytest.mark.parametrize("seed", SEEDS[:4])
@pytest.mark.parametrize("damage", CHUNKS)
def test_a_damaged_chunk_is_found_on_reading(disk: Path, damage: str, seed: int) -> None:
    CHUNKS[damage](disk / "data.zarr" / "powers" / "c" / "7" / "0", random.Random(seed))

    with pytest.raises(ValueError, match=r"(?i)checksum|crc32c|chunk|buffer"):
        sweep.open(disk)["powers"].to_numpy()
    with pytest.raises(sweep.StoreError, match=r"chunk of powers is damaged.*--repair"):
        sweep.query(disk, "powers > 3")
    assert (sweep.open(disk)["square"].to_numpy() == np.arange(POINTS) ** 2.0).all()
    (found,) = sweep.verify(disk, sample=1).check.damaged
    assert found.name == "data.zarr/powers/c/7/0"
    assert found.cell == (7, 0)


def test_a_query_names_a_damaged_chunk_in_words(disk: Path) -> None:
    one_bit(disk / "data.zarr" / "square" / "c" / "3", random.Random(1))

    told = run_here("query", disk, "square > 100")

    out = told.stdout + told.stderr
    assert told.returncode == 2
    assert "Traceback" not in out
    assert "chunk of square is damaged" in out
    assert "--repair" in out


def test_a_damaged_chunk_is_not_filled_up_and_repair_helps(tmp_path: Path, client: Client) -> None:
    content = document("grows", axes={"x": {"arange": [33]}})
    path = sweep.run(content, workspace=tmp_path, scheduler=client).path
    whole = Path(shutil.copytree(path, tmp_path / "whole"))
    (last,) = (row.cell for row in rows(path) if row.cell[0] == 16)
    chunk = path / "data.zarr" / "square" / "c" / "16"
    one_bit(chunk, random.Random(1))
    damaged = chunk.read_bytes()

    with pytest.raises(sweep.StoreError, match=r"\(16, 0\) of square.*damaged.*--repair"):
        sweep.extend(path, {"x": [33.0, 34.0]}, scheduler=client)

    assert chunk.read_bytes() == damaged
    assert last == (16, 0)
    found = sweep.verify(path, sample=1)
    assert repair(found) == 1
    result = sweep.extend(path, {"x": [33.0, 34.0]}, scheduler=client)
    assert result.counts == {"ok": 34, "unstable": 1}
    assert results(path) == results(sweep.extend(whole, {"x": [33.0, 34.0]}, scheduler=client).path)


def rows(path: Path) -> list[BlockRow]:
    ledger = Ledger(path)
    try:
        return list(ledger.blocks())
    finally:
        ledger.close()
