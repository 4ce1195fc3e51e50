"""The ledger: which blocks are finished and which points failed, in one SQLite file.

Only the owner of a sweep writes it, after a block's chunks are on the disk. What it does
not name is not finished, whatever files exist. Losing the owner loses no row (synchronous
FULL), and a block that was written but not recorded is made again, to the same bytes.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.durable import write_files
from sweep.layout import generation_file, ledger_file, lock_file
from sweep.messages import PointError, Receipt
from sweep.problems import MachineError, RefusedError, StoreError

_SCHEMA = """
create table if not exists fact (name text primary key, value text not null);
create table if not exists block (
    region text not null, block integer not null, generation integer not null,
    status blob not null, attempts blob not null, seconds blob not null,
    files text not null, worker text not null, kernel text not null, finished real not null,
    primary key (region, block)
) without rowid;
create table if not exists error (
    stage text not null, place text not null, region text not null, block integer not null,
    kind text not null, message text not null, traceback text not null,
    attempts integer not null, primary key (stage, place)
) without rowid;
create table if not exists lost (
    region text not null, block integer not null, attempts integer not null,
    message text not null, primary key (region, block)
) without rowid;
"""


@dataclass(frozen=True)
class BlockRow:
    """A finished block as the ledger has it."""

    region: str
    block: int
    status: bytes
    attempts: bytes
    seconds: bytes
    files: dict[str, tuple[int, int]]


class Ledger:
    """An open ledger."""

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        path = ledger_file(folder)
        if not writable and not path.exists():
            msg = f"{folder} holds no sweep: it has no {path.name}. Give the name of a sweep."
            raise StoreError(msg)
        try:
            # a reader needs to be able to make the -shm file, so it opens for writing, too
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
            if writable:
                self._db.execute("pragma journal_mode = wal")
                self._db.execute("pragma synchronous = full")
                self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            msg = f"{path} cannot be opened: {error}. Check the disk and its permissions."
            raise MachineError(msg) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("begin immediate")
        try:
            yield self._db
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def record(self, receipts: Iterable[Receipt]) -> None:
        """Write down finished blocks, all or none."""
        now = time.time()
        with self._transaction() as db:
            for r in receipts:
                db.execute(
                    "insert or replace into block values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (r.region, r.block, r.generation, r.status, r.attempts, r.seconds,
                     json.dumps(r.files), r.worker, r.kernel, now),
                )  # fmt: skip
                db.execute("delete from lost where region = ? and block = ?", (r.region, r.block))
                for e in r.errors:
                    db.execute(
                        "insert or replace into error values (?, ?, ?, ?, ?, ?, ?, ?)",
                        (e.stage, json.dumps(e.place), r.region, r.block, e.kind, e.message,
                         e.traceback, e.attempts),
                    )  # fmt: skip

    def record_lost(self, region: str, block: int, attempts: int, message: str) -> None:
        """Write down a block that cost too many workers."""
        with self._transaction() as db:
            db.execute(
                "insert or replace into lost values (?, ?, ?, ?)",
                (region, block, attempts, message),
            )

    def forget_lost(self) -> None:
        """Let lost blocks be tried again."""
        with self._transaction() as db:
            db.execute("delete from lost")

    def blocks(self) -> Iterator[BlockRow]:
        """Go through the finished blocks."""
        query = "select region, block, status, attempts, seconds, files from block"
        for region, block, status, attempts, seconds, files in self._db.execute(query):
            sizes = {k: (v[0], v[1]) for k, v in json.loads(files).items()}
            yield BlockRow(region, block, status, attempts, seconds, sizes)

    def lost(self) -> list[tuple[str, int, int, str]]:
        """Give region, block, attempts and reason of the blocks that were lost."""
        return list(self._db.execute("select region, block, attempts, message from lost"))

    def errors(self) -> Iterator[PointError]:
        """Go through the failed instances."""
        query = "select stage, place, kind, message, traceback, attempts from error"
        for stage, place, kind, message, trace, attempts in self._db.execute(query):
            yield PointError(stage, tuple(json.loads(place)), kind, message, trace, attempts)

    def fact(self, name: str) -> Any:
        """Read a noted fact, or None."""
        row = self._db.execute("select value from fact where name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def note(self, name: str, value: Any) -> None:
        """Note a fact."""
        with self._transaction() as db:
            db.execute("insert or replace into fact values (?, ?)", (name, json.dumps(value)))


class Ownership:
    """The right to write a sweep, held for the life of a process.

    The lock frees itself when the process dies, however it dies. Each owner raises the
    generation, so that blocks ordered by an earlier one are dropped.
    """

    def __init__(self, folder: Path) -> None:
        self._file = lock_file(folder).open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            owner = self._file.read().strip() or "another process"
            self._file.close()
            msg = (
                f"{folder.name} is being run by {owner}. A sweep has one owner at a time. "
                "Wait for it, or stop it and run the same command again."
            )
            raise RefusedError(msg) from None
        self._file.seek(0)
        self._file.truncate()
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}")
        self._file.flush()
        self.generation = self._raise_generation(folder)

    def _raise_generation(self, folder: Path) -> int:
        path = generation_file(folder)
        generation = int(path.read_text()) + 1 if path.exists() else 1
        write_files({path: str(generation).encode()})
        return generation

    def release(self) -> None:
        """Give the sweep free."""
        self._file.close()


def is_owned(folder: Path) -> bool:
    """Say whether a living process holds a sweep."""
    path = lock_file(folder)
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
