"""How far sweeps are: one small read of each.

Whoever looks at sweeps waits for nothing else. Where the summary of a ledger is no longer
true, and only then, all its rows are folded, for which numpy and the models are loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeAlias

from sweep.layout import (
    DEFAULT_WORKSPACE,
    FORMAT,
    NAME,
    STATUS,
    extension_folder,
    find,
    plan_file,
    sweeps_in,
)
from sweep.ledger_file import LedgerFile
from sweep.owning import is_owned
from sweep.problems import MachineError, StoreError, UnreachableError
from sweep.wishes import Wish, read_wish, wished

ETA_SPREAD = 1.3
"""The time left is said as a range: this factor either way."""
FOLLOW_SECONDS = 1.0
PATIENCE_SECONDS = 30.0
"""How long a service may be away while it is followed."""

State: TypeAlias = Literal[
    "queued", "running", "waiting", "pausing", "paused", "cancelling", "cancelled", "stopped",
    "ended", "complete", "damaged",
]  # fmt: skip


@dataclass(frozen=True)
class Status:
    """How far a sweep is."""

    name: str
    path: Path
    model: str
    counts: dict[str, int]
    """Points by status."""
    blocks_done: int
    blocks: int
    running: bool
    """A living process owns it."""
    seconds_left: tuple[float, float] | None
    """Range, while it runs."""
    state: State
    """What happens to it, in one word."""
    priority: int = 0
    """Its weight among the sweeps of a service: each step doubles its share."""
    submitted: float | None = None
    """When it was submitted to a service, in seconds since 1970."""
    note: str = ""
    """Why it waits, or cannot be read."""

    @property
    def complete(self) -> bool:
        """Every point has a result, or is skipped."""
        open_ = {"todo", "running", "failed", "lost"} & set(self.counts)
        return bool(self.counts) and not open_

    @property
    def ended(self) -> bool:
        """Nothing more is to be computed, whatever became of it."""
        return self.state in ("complete", "ended")

    @property
    def fraction(self) -> float:
        """Share of the wanted points that need no more work."""
        return fractions(self.counts) if self.counts else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return {
            "name": self.name, "path": str(self.path), "model": self.model,
            "counts": self.counts, "blocks_done": self.blocks_done, "blocks": self.blocks,
            "running": self.running, "complete": self.complete,
            "seconds_left": self.seconds_left, "state": self.state, "priority": self.priority,
            "submitted": self.submitted, "note": self.note,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Status:
        """Read what `as_dict` gives."""
        left = told["seconds_left"]
        known = {f.name: told[f.name] for f in fields(cls)}
        return cls(**{
            **known, "path": Path(told["path"]),
            "seconds_left": None if left is None else (left[0], left[1]),
        })  # fmt: skip


def _state(counts: Mapping[str, int], wish: Wish | None, *, running: bool) -> State:
    """Say in one word what happens to a sweep."""
    more = wish is not None and wish.wanted == "run" and wish.pending
    if not {"todo", "running"} & set(counts) and not more:
        return "ended" if {"failed", "lost"} & set(counts) else "complete"
    if wish is None:
        return "running" if running else "stopped"
    if wish.wanted == "cancel":
        return "cancelling" if running else "cancelled"
    if wish.wanted == "pause":
        return "pausing" if running else "paused"
    if wish.note:
        return "waiting"
    return "running" if running else "queued"


def _status(
    name: str, folder: Path, model: str, counts: dict[str, int], blocks: tuple[int, int],
    wish: Wish | None, *, running: bool = False, left: tuple[float, float] | None = None,
) -> Status:  # fmt: skip
    state = _state(counts, wish, running=running)
    status = Status(name, folder, model, counts, *blocks, running, left, state)
    if wish is None:
        return status
    return replace(status, priority=wish.priority, submitted=wish.submitted, note=wish.note)


def status(sweep: str | Path, workspace: str | Path = DEFAULT_WORKSPACE) -> Status:
    """Say how far a sweep is, from its ledger.

    Raises
    ------
    StoreError : there is no such sweep
    """
    if (waiting := _not_begun(sweep, Path(workspace))) is not None:
        return waiting
    folder = find(sweep, workspace)
    if extension_folder(folder).exists():
        import_module("sweep.locating").complete(folder)
    running = is_owned(folder)
    # while it runs, the summary is a second old at most
    told, began = _at_a_glance(folder, newest=not running) or _from_all_rows(folder)
    done, blocks = told["blocks_done"], told["blocks"]
    left = _seconds_left(told["predicted"], began) if running and began and done < blocks else None
    counts = told["counts"] if running else _at_rest(told["counts"])
    wish = read_wish(folder.parent, folder.name)
    return _status(
        told["name"], folder, told["model"], counts, (done, blocks), wish, running=running,
        left=left,
    )  # fmt: skip


def _at_a_glance(folder: Path, *, newest: bool) -> tuple[dict[str, Any], Any] | None:
    """Read the summary of a ledger, and what is noted of the run, if that tells the truth."""
    with LedgerFile(folder) as ledger:
        if ledger.format < FORMAT:
            return None
        told = ledger.summary(newest=newest)
        return None if told is None else (told, ledger.fact("run"))


def _from_all_rows(folder: Path) -> tuple[dict[str, Any], Any]:
    found: tuple[dict[str, Any], Any] = import_module("sweep.reading").folded(folder)
    return found


def statuses(workspace: Path, *, links: bool = True) -> list[Status]:
    """Say how far all sweeps of a workspace are, those that wait to begin too.

    Without `links`, those in other places are left alone.
    """
    there = [folder.name for folder in sweeps_in(workspace) if links or not folder.is_symlink()]
    names = {*there, *wished(workspace)}
    return [_whatever_it_is(name, workspace) for name in sorted(names)]


def _whatever_it_is(name: str, workspace: Path) -> Status:
    """Give the status of a sweep; one that is damaged does not hide the others."""
    try:
        return status(name, workspace)
    except (StoreError, MachineError) as error:
        return Status(name, workspace / name, "", {}, 0, 0, False, None, "damaged", note=str(error))


def _not_begun(sweep: str | Path, workspace: Path) -> Status | None:
    """Give the status of a sweep that was submitted and has no folder yet."""
    name = str(sweep)
    if not NAME.fullmatch(name) or plan_file(workspace / name).exists():
        return None
    wish = read_wish(workspace, name)
    if wish is None or wish.document is None:
        return None
    return _status(name, workspace / name, wish.model, wish.counts, (0, 0), wish)


def _at_rest(counts: Mapping[str, int]) -> dict[str, int]:
    """Count what was running when the owner died as still to be done."""
    found = {name: counts.get(name, 0) for name in STATUS}
    found["todo"] += found.pop("running")
    return {name: n for name, n in found.items() if n}


def _seconds_left(
    predicted: Sequence[float], began: Mapping[str, float]
) -> tuple[float, float] | None:
    """Predict from the speed of the run so far."""
    finished, todo = predicted
    done, elapsed = finished - began["predicted_done"], time.time() - began["started"]
    if done <= 0 or elapsed <= 0:  # a clock that was set back
        return None
    left = todo / done * elapsed
    return left / ETA_SPREAD, left * ETA_SPREAD


def follow(
    status: Callable[[], Status], seconds: float | None, patience: float = PATIENCE_SECONDS
) -> Iterator[Status]:
    """Give the status of a sweep again and again until it ends, or for so many seconds.

    Raises
    ------
    UnreachableError : the service was away for longer than `patience`
    """
    give_up = None if seconds is None else time.monotonic() + seconds
    away_since = None
    while True:
        try:
            now = status()
        except UnreachableError:
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > patience:
                raise
        else:
            away_since = None
            yield now
            if now.ended or now.state in ("cancelled", "damaged"):
                return
        if give_up is not None and time.monotonic() >= give_up:
            return
        time.sleep(FOLLOW_SECONDS)


def fractions(counts: Mapping[str, int]) -> float:
    """Give the share of the wanted points that need no more work."""
    open_ = counts.get("todo", 0) + counts.get("running", 0)
    total = sum(counts.values()) - counts.get("skipped", 0)
    return 1.0 if total == 0 else 1 - open_ / total
