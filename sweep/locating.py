"""From the name of a sweep to its folder, in a state that can be used.

An extension is decided by one rename (see `sweep.extending`). Whoever comes to the sweep
after that, for whatever purpose, first puts the files of the extension in place.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from sweep.arrays import arrays_of, prepared
from sweep.durable import PARTIAL, sync_folder
from sweep.layout import DATA, DEFAULT_WORKSPACE, extension_folder, find
from sweep.owning import Ownership
from sweep.problems import OwnedError

WAIT_SECONDS = 10.0


def locate(sweep: str | Path, workspace: str | Path = DEFAULT_WORKSPACE) -> Path:
    """Find the folder of a sweep; complete what a killed owner had decided.

    Raises
    ------
    StoreError : there is no such sweep
    """
    folder = find(sweep, workspace)
    complete(folder)
    return folder


def put_in_place(folder: Path) -> None:
    """Bring the files of a decided extension to where they belong; may be repeated."""
    decided = extension_folder(folder)
    arrays = dict(prepared(decided))
    inside = set(arrays.values())
    beside = {
        folder / path.relative_to(decided): path
        for path in decided.rglob("*")
        if path.is_file() and path not in inside
    }
    # an owner that was killed here before may have left temporary ones
    for path in (*(folder / DATA / key for key in arrays), *beside):
        for leftover in path.parent.glob(f"{path.name}.*{PARTIAL}"):
            leftover.unlink()
    arrays_of(folder).write(
        {key: path.read_bytes() for key, path in arrays.items()},
        {path: fresh.read_bytes() for path, fresh in beside.items()},
    )
    done = decided.with_name(f"{decided.name}-{os.getpid()}")
    decided.replace(done)
    sync_folder(folder)
    shutil.rmtree(done)


def complete(folder: Path) -> None:
    """Complete an extension that was decided when its owner died, if there is one.

    Raises
    ------
    OwnedError : a living owner is at it for longer than it should take
    """
    give_up = time.monotonic() + WAIT_SECONDS
    while extension_folder(folder).exists():
        try:
            owner = Ownership(folder)
        except OwnedError:
            if time.monotonic() > give_up:
                msg = f"{folder.name} is being extended by another process. Try again in a while."
                raise OwnedError(msg) from None
            time.sleep(0.05)
            continue
        try:
            complete_own(folder)
        finally:
            owner.release()


def complete_own(folder: Path) -> None:
    """Complete an extension of a sweep that the caller owns."""
    if extension_folder(folder).exists():
        put_in_place(folder)
