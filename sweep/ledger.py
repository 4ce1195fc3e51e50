"""The ledger: which blocks are finished and which points failed, in one SQLite file.

Only the owner of a sweep writes it, after a block's chunks are on the disk. What it does
not name is not finished, whatever files exist. Losing the owner loses no row (synchronous
FULL), and a block that was written but not recorded is made again, to the same bytes.

A row names its block by region and cell, which stay when axes grow. It holds a status for
each point of the box that the block had then; points of status `todo` are still to be done.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.layout import FAILED, FORMAT, LOST, TODO
from sweep.ledger_file import LedgerFile
from sweep.messages import PointError
from sweep.upgrading import upgrade_ledger

_SCHEMA = f"""
create table if not exists fact (name text primary key, value text not null);
create table if not exists block (
    region text not null, cell text not null, box text not null, generation integer not null,
    status blob not null, attempts blob not null, seconds blob not null,
    files text not null, worker text not null, kernel text not null, finished real not null,
    primary key (region, cell)
) without rowid;
create table if not exists error (
    stage text not null, place text not null, region text not null, cell text not null,
    kind text not null, message text not null, traceback text not null,
    attempts integer not null, primary key (stage, place)
) without rowid;
create table if not exists range (
    variable text not null, region text not null, cell text not null, ranges blob not null,
    primary key (variable, region, cell)
) without rowid;
pragma user_version = {FORMAT};
"""
_COLUMNS = "region, cell, box, status, attempts, seconds, files, worker, kernel, finished"


@dataclass(frozen=True)
class BlockRow:
    """A block as the ledger has it; its arrays have the shape of the box."""

    region: str
    cell: tuple[int, ...]
    status: NDArray[np.uint8]
    attempts: NDArray[np.uint8]
    seconds: NDArray[np.float32]
    files: dict[str, tuple[int, int]]
    worker: str = ""
    kernel: str = ""
    finished: float = 0.0
    generation: int = 0
    errors: tuple[PointError, ...] = field(default=(), compare=False)
    ranges: dict[str, bytes] = field(default_factory=dict, compare=False)


class Ledger(LedgerFile):
    """An open ledger."""

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        super().__init__(folder, new=writable)
        with self._errors_in_words():
            if writable:
                # a network file system has no shared memory, which WAL needs
                journal = "delete" if self.slow else "wal"
                self._db.execute(f"pragma journal_mode = {journal}")
                self._db.execute("pragma synchronous = full")
            self._db = upgrade_ledger(self._db, folder, writable=writable)
            if writable:
                self._db.executescript(_SCHEMA)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors_in_words():
            self._db.execute("begin immediate")
            try:
                yield self._db
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:  # a disk that is full ends it by itself
                    self._db.execute("rollback")
                raise

    # --- blocks -------------------------------------------------------------------------

    def record(self, rows: Iterable[BlockRow]) -> list[BlockRow]:
        """Write down blocks, all or none; give them with what was known of them before.

        Points of status `todo` in a row keep what the ledger says of them.
        """
        written = []
        with self._transaction() as db:
            for new in rows:
                old = self._row(new.region, new.cell)
                row = new if old is None else _merged(old, new)
                self._put(db, row)
                for e in row.errors:
                    db.execute(
                        "insert or replace into error values (?, ?, ?, ?, ?, ?, ?, ?)",
                        (e.stage, json.dumps(e.place), row.region, cell_text(row.cell), e.kind,
                         e.message, e.traceback, e.attempts),
                    )  # fmt: skip
                for variable, packed in row.ranges.items():
                    db.execute(
                        "insert or replace into range values (?, ?, ?, ?)",
                        (variable, row.region, cell_text(row.cell), packed),
                    )
                written.append(row)
            _count_commit(db)
        return written

    def _put(self, db: sqlite3.Connection, row: BlockRow) -> None:
        db.execute(
            "insert or replace into block values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (row.region, cell_text(row.cell), json.dumps(row.status.shape), row.generation,
             row.status.tobytes(), row.attempts.tobytes(), row.seconds.tobytes(),
             json.dumps(row.files), row.worker, row.kernel, row.finished or time.time()),
        )  # fmt: skip

    def blocks(self) -> Iterator[BlockRow]:
        """Go through the blocks."""
        with self._errors_in_words():
            for values in self._db.execute(f"select {_COLUMNS} from block"):
                yield _row(*values)

    def block(self, region: str, cell: Sequence[int]) -> BlockRow | None:
        """Give one block, or None if the ledger does not have it."""
        return self._row(region, cell)

    def _row(self, region: str, cell: Sequence[int]) -> BlockRow | None:
        query = f"select {_COLUMNS} from block where region = ? and cell = ?"
        with self._errors_in_words():
            found = self._db.execute(query, (region, cell_text(cell))).fetchone()
            return None if found is None else _row(*found)

    def try_again(self) -> int:
        """Make failed and lost points points that are still to be done; give how many."""
        count = 0
        query = (
            f"select {_COLUMNS} from block "
            f"where instr(status, x'{FAILED:02x}') or instr(status, x'{LOST:02x}')"
        )
        with self._transaction() as db:
            for values in db.execute(query).fetchall():
                row = _row(*values)
                bad = (row.status == FAILED) | (row.status == LOST)
                row.status[bad] = TODO
                row.seconds[bad] = np.nan
                count += int(bad.sum())
                self._put(db, row)
                # a kill may leave new values in the chunk that this row knows nothing of
                db.execute(
                    "delete from range where region = ? and cell = ?",
                    (row.region, cell_text(row.cell)),
                )
            db.execute("delete from error")
            _count_commit(db)
        return count

    def forget(self, cells: Iterable[tuple[str, Sequence[int]]]) -> None:
        """Forget blocks, so that they are computed again."""
        with self._transaction() as db:
            for region, cell in cells:
                for table in ("block", "error", "range"):
                    db.execute(
                        f"delete from {table} where region = ? and cell = ?",
                        (region, cell_text(cell)),
                    )
            _count_commit(db)

    # --- what else is known ---------------------------------------------------------------

    def ranges(self, variable: str) -> Iterator[tuple[tuple[int, ...], bytes]]:
        """Go through the packed ranges of a variable: the cell of a block, its ranges."""
        query = "select cell, ranges from range where variable = ?"
        with self._errors_in_words():
            for cell, packed in self._db.execute(query, (variable,)):
                yield cell_of(cell), packed

    def errors(
        self, like: tuple[str, str, str] | None = None, most: int = -1
    ) -> Iterator[PointError]:
        """Go through the failed instances; `like`, those of a stage, kind and message."""
        query = "select stage, place, kind, message, traceback, attempts from error"
        if like is not None:
            query += " where stage = ? and kind = ? and message = ?"
        query += " limit ?"
        with self._errors_in_words():
            for stage, place, kind, message, trace, attempts in self._db.execute(
                query, (*(like or ()), most)
            ):
                yield PointError(stage, tuple(json.loads(place)), kind, message, trace, attempts)

    def error_groups(self, most: int) -> list[tuple[str, str, str, int]]:
        """Give stage, kind, message and count of the commonest errors."""
        query = (
            "select stage, kind, message, count(*) from error group by stage, kind, message "
            "order by count(*) desc, message limit ?"
        )
        with self._errors_in_words():
            return list(self._db.execute(query, (most,)))

    def summarize(self, summary: dict[str, Any]) -> None:
        """Leave a summary of the blocks, which holds until one more is recorded."""
        self.note("summary", summary | {"of": self._moment()})

    def note(self, name: str, value: Any) -> None:
        """Note a fact."""
        with self._transaction() as db:
            db.execute("insert or replace into fact values (?, ?)", (name, json.dumps(value)))


def _count_commit(db: sqlite3.Connection) -> None:
    """Count a change of the blocks, as a part of it."""
    db.execute(
        "insert into fact values ('commits', '1') on conflict (name) do update "
        "set value = cast(value as integer) + 1"
    )


def cell_text(cell: Sequence[int]) -> str:
    """Write a cell as Zarr writes it in the name of a chunk."""
    return "/".join(map(str, cell))


def cell_of(text: str) -> tuple[int, ...]:
    """Read a cell."""
    return tuple(map(int, text.split("/")))


def _row(
    region: str, cell: str, box: str, status: bytes, attempts: bytes, seconds: bytes, files: str,
    worker: str, kernel: str, finished: float,
) -> BlockRow:  # fmt: skip
    shape = json.loads(box)
    if not math.prod(shape) == len(status) == len(attempts) == len(seconds) // 4:
        msg = f"the row of block {cell} of {region} does not fit its box"
        raise sqlite3.DatabaseError(msg)
    return BlockRow(
        region, cell_of(cell),
        np.frombuffer(status, np.uint8).reshape(shape).copy(),
        np.frombuffer(attempts, np.uint8).reshape(shape).copy(),
        np.frombuffer(seconds, np.float32).reshape(shape).copy(),
        {k: (v[0], v[1]) for k, v in json.loads(files).items()}, worker, kernel, finished,
    )  # fmt: skip


def _merged(old: BlockRow, new: BlockRow) -> BlockRow:
    """Add to a row what was computed since; its box may have grown meanwhile."""
    inside = tuple(slice(n) for n in old.status.shape)
    before = {n: np.zeros_like(getattr(new, n)) for n in ("status", "attempts", "seconds")}
    before["seconds"][...] = np.nan
    for name, array in before.items():
        array[inside] = getattr(old, name)
    fresh = new.status != TODO
    starts = np.minimum(before["attempts"].astype(int) + new.attempts, 255).astype(np.uint8)
    return BlockRow(
        new.region, new.cell,
        np.where(fresh, new.status, before["status"]),
        np.where(fresh, starts, before["attempts"]),
        np.where(fresh, new.seconds, before["seconds"]),
        {**old.files, **new.files}, new.worker, new.kernel, new.finished, new.generation,
        new.errors, new.ranges,
    )  # fmt: skip
