"""Files that are whole or not there: temporary name, fsync, a last check, rename.

A rename is atomic, but not a promise: without fsync a power cut may leave an empty file
under the final name. Whoever returns from here has the bytes on the disk.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

PARTIAL = ".partial"


def write_files(
    files: Mapping[Path, bytes], still_wanted: Callable[[], bool] = lambda: True, *,
    private: bool = False,
) -> bool:  # fmt: skip
    """Write files so that each is whole or not there, together as far as a disk can.

    All bytes are on the disk under temporary names before the first final name appears.
    `still_wanted` is asked just before that; if it says no, nothing has changed. `private`
    files can be read by their owner alone, at any moment.
    """
    suffix = f".{uuid.uuid4().hex}{PARTIAL}"
    temporary = {path: path.with_name(path.name + suffix) for path in files}
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_synced(temporary[path], content, 0o600 if private else 0o666)
        if not still_wanted():
            return False
        for path in files:
            temporary[path].replace(path)
        for folder in {path.parent for path in files}:
            sync_folder(folder)
        return True
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)


def _write_synced(path: Path, content: bytes, mode: int) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:  # noqa: PTH123
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    _sync(folder)


def sync_tree(folder: Path) -> None:
    """Bring a folder to the disk with all files and names in it, before it gets its own name."""
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
