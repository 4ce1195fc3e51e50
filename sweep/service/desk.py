"""What may be wanted of the sweeps of a workspace: checked, and written down at once.

A service acts on it. Without one it is done by a command, and the next service finds it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sweep import beginning, extending
from sweep.durable import sync_folder
from sweep.layout import (
    NAME,
    SKIPPED,
    STATUS,
    TODO,
    no_sweep,
    not_begun,
    plan_file,
    trash_folder,
    wish_file,
)
from sweep.locating import complete
from sweep.overview import Status, status, statuses
from sweep.owning import is_owned
from sweep.planning import Plan
from sweep.problems import InputError, NoSweepError, RefusedError
from sweep.reading import stored_plan
from sweep.service.lock import ServiceLock
from sweep.spec import Sweep
from sweep.summary import check_budget
from sweep.sweep_file import read
from sweep.wishes import Wish, forget_wish, fresh_wish, read_wish, write_wish

LOWEST, HIGHEST = -1000, 1000
"""Priorities, as in the table [run] of a sweep file."""


class Desk:
    """Takes down what is wanted of sweeps; a workspace has one at a time."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self._lock = threading.RLock()

    def folder(self, name: str) -> Path:
        """Give the folder of a sweep of this workspace, and of no other place.

        Raises
        ------
        NoSweepError : there is no such sweep
        """
        folder = self.workspace / name
        if NAME.fullmatch(name) and not folder.is_symlink() and plan_file(folder).exists():
            return folder
        if NAME.fullmatch(name) and wish_file(self.workspace, name).exists():
            raise NoSweepError(not_begun(name))
        there = [s.name for s in self.statuses()]
        raise NoSweepError(no_sweep(name, self.workspace, there))

    def wish(self, name: str) -> Wish:
        """Give what is wanted of a sweep; of one that was run by a command, nothing more.

        Raises
        ------
        NoSweepError : there is no such sweep
        """
        wish = read_wish(self.workspace, name) if NAME.fullmatch(name) else None
        if wish is not None and not (self.workspace / name).exists():
            return wish
        folder = self.folder(name)
        return wish or fresh_wish(name, status(folder).model, 0)

    def submit(self, sweep: Sweep) -> bool:
        """Take a sweep in, to be run; say whether it is new.

        The same sweep may be submitted any number of times: it is there once.

        Raises
        ------
        RefusedError : another sweep has its name, or there is no room for it
        """
        folder = self.workspace / sweep.name
        known = read_wish(self.workspace, sweep.name)
        if folder.is_symlink():
            msg = f"{folder} is a link to another place. Give the sweep another `name`."
            raise RefusedError(msg)
        if beginning.exists(folder):
            complete(folder)
            beginning.found(sweep, folder)
            if known is None:
                write_wish(self.workspace, _wish_for(sweep))
            return False
        if known is not None and known.document is not None:
            waiting = read(known.document)
            if waiting.canonical_document() != sweep.canonical_document():
                raise RefusedError(beginning.other_sweep(sweep, waiting, folder))
            return False
        check_budget(Plan(sweep), self.workspace)
        write_wish(self.workspace, _wish_for(sweep, sweep.document))
        return True

    def pause(self, name: str, why: str = "") -> None:
        """Let what has begun finish, and begin nothing more."""
        self._change(name, lambda wish: wish.but(wanted="pause", note=why))

    def resume(self, name: str) -> None:
        """Go on with a sweep that was paused, cancelled, or run by a command."""
        self._change(name, lambda wish: wish.but(wanted="run", note=""))

    def cancel(self, name: str) -> None:
        """Stop at once; what is finished is kept."""
        self._change(name, lambda wish: wish.but(wanted="cancel", note=""))

    def retry(self, name: str) -> None:
        """Compute failed and lost points again."""
        folder = self.folder(name)
        beginning.check_revision(stored_plan(folder).sweep, folder)
        self._change(name, lambda wish: wish.after({"retry": True}))

    def extend(self, name: str, values: Mapping[str, Sequence[Any]]) -> None:
        """Add values to axes.

        Raises
        ------
        InputError : names that are no axes, values that the model does not take, or no room
        """
        folder = self.folder(name)
        complete(folder)
        before = stored_plan(folder)
        beginning.check_revision(before.sweep, folder)
        check_budget(extending.grown(before, values), self.workspace)
        more = {"extend": {axis: list(v) for axis, v in values.items()}}
        self._change(name, lambda wish: wish.after(more))

    def prioritize(self, name: str, priority: int) -> None:
        """Give a sweep another priority.

        Raises
        ------
        InputError : beyond the limits
        """
        if not LOWEST <= priority <= HIGHEST:
            msg = f"priority must be {LOWEST} to {HIGHEST}; it is {priority}."
            raise InputError(msg)
        self._change(name, lambda wish: wish.but(priority=priority))

    def remove(self, name: str) -> Path | None:
        """Move a sweep to the trash; give its place there.

        Raises
        ------
        RefusedError : it is being run
        """
        wish = self.wish(name)
        folder, place = self.workspace / name, None
        if folder.exists():
            if is_owned(folder):
                msg = f"{name} is being run. Cancel it first."
                raise RefusedError(msg)
            trash = trash_folder(self.workspace)
            trash.mkdir(exist_ok=True)
            place = trash / f"{name}-{time.strftime('%Y%m%dT%H%M%S')}-{os.urandom(2).hex()}"
            folder.replace(place)
            sync_folder(trash)
            sync_folder(self.workspace)
        forget_wish(self.workspace, wish.name)
        return place

    def note(self, name: str, text: str) -> None:
        """Note why a sweep waits; nothing, when it goes on."""
        self._change(name, lambda wish: wish.but(note=text))

    def begun(self, name: str) -> None:
        """Note that a sweep has its folder, which says what it is from now on."""
        self._change(name, lambda wish: wish.but(document=None, counts={}))

    def settled(self, name: str, count: int) -> None:
        """Note that the first of the pending things are done."""
        self._change(name, lambda wish: wish.but(pending=wish.pending[count:]))

    def status(self, name: str) -> Status:
        """Say how far a sweep is."""
        self.wish(name)
        return status(name, self.workspace)

    def statuses(self) -> list[Status]:
        """Say how far all sweeps are, but for links to other places."""
        return statuses(self.workspace, links=False)

    def _change(self, name: str, change: Callable[[Wish], Wish]) -> None:
        """Write down another wish for a sweep, if it is another."""
        with self._lock:
            wish = self.wish(name)
            if (changed := change(wish)) != read_wish(self.workspace, name):
                write_wish(self.workspace, changed)


def _wish_for(sweep: Sweep, document: dict[str, Any] | None = None) -> Wish:
    """Wish a sweep to run; with its document, until it has a folder."""
    counts = {}
    if document is not None:
        everywhere = [slice(None)] * len(sweep.dims)
        todo = int(np.count_nonzero(sweep.wanted(everywhere)))
        found = {STATUS[TODO]: todo, STATUS[SKIPPED]: sweep.size - todo}
        counts = {name: n for name, n in found.items() if n}
    return fresh_wish(sweep.name, sweep.model.name, sweep.run.priority, counts, document)


@contextmanager
def desk_of(workspace: Path) -> Iterator[Desk]:
    """Act on a workspace that has no service.

    Raises
    ------
    RefusedError : it has one
    """
    workspace.mkdir(parents=True, exist_ok=True)
    lock = ServiceLock(workspace)
    try:
        yield Desk(workspace)
    finally:
        lock.release()
