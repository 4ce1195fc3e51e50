"""The lock of a service: a workspace has one at a time."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TextIO

from sweep.layout import service_folder
from sweep.owning import is_locked
from sweep.problems import RefusedError


class ServiceLock:
    """The right to act on what is wanted in a workspace, held for the life of a process."""

    def __init__(self, workspace: Path) -> None:
        folder = service_folder(workspace)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file: TextIO = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise RefusedError(_served(workspace)) from None

    def release(self) -> None:
        """Let another have it."""
        self._file.close()


def _served(workspace: Path) -> str:
    return (
        f"{workspace} has a service already. A workspace has one at a time: use it "
        "(`modesweep ls --workspace` finds it), or stop it first."
    )


def is_served(workspace: Path) -> bool:
    """Say whether a service of this host holds a workspace."""
    return is_locked(service_folder(workspace) / "lock")
