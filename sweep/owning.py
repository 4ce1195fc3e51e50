"""Who may write a sweep: one process at a time, and how others know that it lives."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from sweep.durable import write_files
from sweep.layout import generation_file, lock_file
from sweep.problems import OwnedError
from sweep.versions import versions

HEARTBEAT_SECONDS = 10.0
LOOKS = 10
"""A lock is tried this often: whoever asks whether a sweep is owned holds it for a moment."""
LOOK_SECONDS = 0.02
SILENT_SECONDS = 60.0
"""A lock whose owner was not heard of for so long may be taken over."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Ownership:
    """The right to write a sweep, held for the life of a process.

    The lock frees itself when the process dies, however it dies. Where a file system keeps
    the lock of a host that is gone, `take_over` replaces it once the owner is silent. Each
    owner raises the generation, so that blocks ordered by an earlier one are dropped.
    """

    def __init__(self, folder: Path, *, take_over: bool = False) -> None:
        self._folder = folder
        self._file = self._locked(folder, take_over=take_over)
        self.generation = _raise_generation(folder)
        self._introduce()
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
        self._heart.start()

    def _locked(self, folder: Path, *, take_over: bool) -> TextIO:
        path = lock_file(folder)
        file = _try_lock(path)
        if file is None and take_over and silent_seconds(path) > SILENT_SECONDS:
            path.unlink(missing_ok=True)  # the lock of the silent owner goes with its file
            file = _try_lock(path)
        if file is None:
            raise OwnedError(_held(folder))
        return file

    def _introduce(self) -> None:
        """Say who owns the sweep, for people and for the workers' check."""
        self._file.seek(0)
        self._file.truncate()
        json.dump(
            {
                "host": socket.gethostname(), "pid": os.getpid(), "boot": boot_id(),
                "generation": self.generation, "versions": versions(),
            },
            self._file,
        )  # fmt: skip
        self._file.flush()

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            try:
                os.utime(self._file.fileno())
            except OSError:
                return  # the file system is gone; the run finds out by itself

    @property
    def in_charge(self) -> bool:
        """Say whether nobody has taken over."""
        return generation_of(self._folder) == self.generation

    def dismiss(self) -> None:
        """Have all blocks dropped that were ordered so far; workers at them stop by themselves."""
        if self.in_charge:
            with suppress(OSError):  # a full disk: they end by themselves, and are dropped then
                self.generation = _raise_generation(self._folder)
                self._introduce()

    def release(self) -> None:
        """Give the sweep free."""
        self._over.set()
        self._heart.join()
        self._file.close()


def _try_lock(path: Path) -> TextIO | None:
    file = path.open("a+")
    for _ in range(LOOKS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(LOOK_SECONDS)
        else:
            return file
    file.close()
    return None


def _raise_generation(folder: Path) -> int:
    generation = generation_of(folder) + 1
    write_files({generation_file(folder): str(generation).encode()})
    return generation


def generation_of(folder: Path) -> int:
    """Give the number of the owner in charge; 0 before the first."""
    try:
        return int(generation_file(folder).read_text())
    except (OSError, ValueError):
        return 0


def owner_of(folder: Path) -> dict[str, Any]:
    """Tell who holds a sweep, or held it last: host, pid, boot, generation."""
    try:
        told = json.loads(lock_file(folder).read_text())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def boot_id() -> str:
    """Name this boot of the machine, as far as the system tells."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def silent_seconds(lock: Path) -> float:
    """Say how long the owner was not heard of."""
    try:
        return time.time() - lock.stat().st_mtime
    except OSError:
        return 0.0


def _held(folder: Path) -> str:
    owner = owner_of(folder)
    who = f"process {owner['pid']} on {owner['host']}" if owner else "another process"
    text = (
        f"{folder.name} is being run by {who}. A sweep has one owner at a time. "
        "Wait for it, or stop it and give the same command again."
    )
    silent = silent_seconds(lock_file(folder))
    if silent > SILENT_SECONDS:
        text += (
            f" It was not heard of for {silent:.0f} s: if its host is gone for good, "
            "add --take-over."
        )
    return text


def is_owned(folder: Path) -> bool:
    """Say whether a living process holds a sweep."""
    return is_locked(lock_file(folder))


def is_locked(path: Path) -> bool:
    """Say whether a living process holds a lock."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
