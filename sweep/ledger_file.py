"""The file of a ledger, and what it notes of a sweep as a whole: enough to say how far it is.

Apart from the rows of the ledger, since those need numpy, for which a command that only
looks would wait.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from sweep.filesystem import is_network
from sweep.layout import ledger_file, plan_file
from sweep.problems import MachineError, StoreError


class LedgerFile:
    """An open file.

    Parameters
    ----------
    new : it is made if it is not there

    Raises
    ------
    StoreError : the folder holds no sweep
    MachineError : the file cannot be used
    """

    def __init__(self, folder: Path, *, new: bool = False) -> None:
        path = ledger_file(folder)
        if not new and not path.exists():
            msg = f"{folder} holds no sweep: it has no {path.name}. Give the name of a sweep."
            raise StoreError(msg)
        self._path = path
        self._slow = is_network(path.parent)
        with self._errors_in_words():
            self._db = _connection(path)

    @property
    def slow(self) -> bool:
        """Say whether a commit travels over a network."""
        return self._slow

    @property
    def format(self) -> int:
        """The version of its tables."""
        with self._errors_in_words():
            return int(self._db.execute("pragma user_version").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def fact(self, name: str) -> Any:
        """Read a noted fact, or None."""
        with self._errors_in_words():
            row = self._db.execute("select value from fact where name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def summary(self, *, newest: bool = True) -> dict[str, Any] | None:
        """Give the summary; with `newest`, unless something was recorded or extended since."""
        told = self.fact("summary")
        holds = isinstance(told, dict) and (not newest or told.get("of") == self._moment())
        return told if holds else None

    def _moment(self) -> dict[str, Any]:
        """Tell one state of the sweep from another."""
        return {"commits": self.fact("commits") or 0, "plan": _file_state(self._path.parent)}

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise MachineError(_trouble(self._path, error)) from error


def _file_state(folder: Path) -> list[int]:
    """Tell one state of a sweep's cutting from another: an extension replaces its file."""
    state = plan_file(folder).stat()
    return [state.st_mtime_ns, state.st_size]


def _connection(path: Path) -> sqlite3.Connection:
    """Open the file; where nothing can be written, as it is."""
    if os.access(path.parent, os.W_OK):
        # a reader, too, needs to be able to make the -shm file
        return sqlite3.connect(path, isolation_level=None, timeout=30)
    journal = path.with_name(f"{path.name}-wal")
    how = "mode=ro" if journal.exists() else "immutable=1"
    address = f"file:{quote(str(path.resolve()))}?{how}"
    return sqlite3.connect(address, isolation_level=None, timeout=30, uri=True)


def _trouble(path: Path, error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        remedy = "What is finished is safe. Free some space, then give the same command again."
    elif name in ("SQLITE_CORRUPT", "SQLITE_NOTADB") or not name:
        remedy = (
            f"The file is damaged. Restore it, or move away all files {path.name}*: the sweep is "
            "then computed again."
        )
    else:
        remedy = "Check the disk and its permissions, then give the same command again."
    return f"{path} cannot be used: {error}. {remedy}"
