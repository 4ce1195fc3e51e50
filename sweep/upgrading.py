"""Sweeps written by earlier versions: read as they are, brought up to date by their owner.

Format 1 (0.1) numbered the blocks in the ledger along the grid, which an axis that grows
would change, and had a table of lost blocks. Its plan had no chunks of own dims, because
axes did not grow.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweep.layout import FORMAT, plan_file
from sweep.regions import region_of


def frozen_plan(folder: Path) -> dict[str, Any]:
    """Read the frozen plan of a sweep; format 1 is completed by `upgraded`."""
    frozen: dict[str, Any] = json.loads(plan_file(folder).read_text())
    if frozen["format"] == 1:
        for r in frozen["regions"]:
            if r["cut_chunk"] >= r["cut_length"]:
                r["cut_chunk"] = 0
    return frozen


def upgrade_ledger(db: sqlite3.Connection, folder: Path, *, writable: bool) -> sqlite3.Connection:
    """Give a ledger of today's format: the file itself for an owner, a copy for a reader."""
    (version,) = db.execute("pragma user_version").fetchone()
    (tables,) = db.execute("select count(*) from sqlite_master where name = 'block'").fetchone()
    if version >= FORMAT or not tables:
        return db
    if not writable:
        copy = sqlite3.connect(":memory:", isolation_level=None)
        db.backup(copy)
        db.close()
        db = copy
    db.execute("begin immediate")
    try:
        _upgrade(db, {r["name"]: r for r in frozen_plan(folder)["regions"]})
    except BaseException:
        db.execute("rollback")
        raise
    db.execute("commit")
    return db


def _upgrade(db: sqlite3.Connection, regions: Mapping[str, Mapping[str, Any]]) -> None:
    def place(name: str, block: int) -> tuple[str, str]:
        region = region_of(regions[name])
        box = [s.stop - s.start for s in region.box(block)]
        return "/".join(map(str, region.cell(block))), json.dumps(box)

    for table in ("block", "error"):
        db.execute(f"alter table {table} rename to old_{table}")
    for statement in _TABLES:
        db.execute(statement)
    for row in db.execute("select * from old_block").fetchall():
        cell, box = place(row[0], row[1])
        db.execute(
            "insert into block values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (row[0], cell, box, *row[2:]),
        )
    for row in db.execute("select * from old_error").fetchall():
        cell, _ = place(row[2], row[3])
        db.execute("insert into error values (?, ?, ?, ?, ?, ?, ?, ?)", (*row[:3], cell, *row[4:]))
    for table in ("old_block", "old_error", "lost"):
        db.execute(f"drop table {table}")
    db.execute(f"pragma user_version = {FORMAT}")


_TABLES = (
    """create table block (
        region text not null, cell text not null, box text not null, generation integer not null,
        status blob not null, attempts blob not null, seconds blob not null,
        files text not null, worker text not null, kernel text not null, finished real not null,
        primary key (region, cell)
    ) without rowid""",
    """create table error (
        stage text not null, place text not null, region text not null, cell text not null,
        kind text not null, message text not null, traceback text not null,
        attempts integer not null, primary key (stage, place)
    ) without rowid""",
    """create table range (
        variable text not null, region text not null, cell text not null, ranges blob not null,
        primary key (variable, region, cell)
    ) without rowid""",
)
