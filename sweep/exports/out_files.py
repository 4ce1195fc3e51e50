"""Files of an export: all of them whole, or none there."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sweep.durable import PARTIAL, sync_folder
from sweep.problems import InputError, MachineError, RefusedError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


@dataclass(frozen=True)
class OutFile:
    """A file that is to be written."""

    path: Path
    holds: str
    """What is in it, in a few words."""
    write: Callable[[Path], None]
    """Writes the content under the path that it is given."""


def write_whole(files: Sequence[OutFile], force: bool) -> None:
    """Write files under temporary names, and rename them when all are whole.

    Raises
    ------
    RefusedError : a file is there already, and `force` is not set
    InputError : a folder that cannot be written
    MachineError : no space left, or the disk failed
    """
    there = [str(f.path) for f in files if f.path.exists()]
    if there and not force:
        msg = (
            f"{', '.join(there)} is there already. An export replaces nothing by itself. "
            "Give another --out, or --force."
        )
        raise RefusedError(msg)
    suffix = f".{uuid.uuid4().hex}{PARTIAL}"
    temporary = {f.path: f.path.with_name(f.path.name + suffix) for f in files}
    try:
        for file in files:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            file.write(temporary[file.path])
            _sync(temporary[file.path])
        for path in temporary:
            temporary[path].replace(path)
        for folder in {path.parent for path in temporary}:
            sync_folder(folder)
    except OSError as error:
        raise _in_words(error) from error
    finally:
        for path in temporary.values():
            with suppress(OSError):  # the folder may not be one
                path.unlink()


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _in_words(error: OSError) -> InputError | MachineError:
    if error.errno in FULL:
        msg = (
            f"The export cannot be written: {error}. Nothing is left of it. "
            "Free some space, or choose less with --select and --vars."
        )
        return MachineError(msg)
    msg = f"The export cannot be written: {error}. Give an --out that you can write."
    return InputError(msg)
