"""Kept results of shared stages: what a workspace has, and which of it may go.

A kept result saves time and nothing else. A block that finds none makes it again, to the
same bytes, so removing one never harms a sweep. It would cost a running one time, though:
while any sweep of the workspace runs, kept results stay.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from models import registry
from models.errors import ModelInputError
from sweep.child import ABOUT
from sweep.durable import PARTIAL
from sweep.layout import DEFAULT_WORKSPACE, STAGES, sweeps_in
from sweep.owning import is_owned
from sweep.problems import InputError, MachineError, nearest

UNKNOWN = "unknown"
LEFT_SECONDS = 3600.0
"""Temporary files older than this belong to a writer that was killed."""


@dataclass(frozen=True)
class Kept:
    """A kept result."""

    path: Path
    size: int
    """Bytes."""
    age: float
    """Seconds since it was written."""
    model: str = UNKNOWN
    """Unknown where the file does not tell: it is of an older kind, or torn."""
    stage: str = UNKNOWN
    revision: int | None = None
    values: dict[str, Any] = field(default_factory=dict)
    """What the result depends on."""
    sweep: str = UNKNOWN
    """The sweep that made it; any other may read it."""
    stale: bool = False
    """Made by another revision of the model than the one installed: no sweep reads it."""

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return asdict(self) | {"path": str(self.path)}


@dataclass(frozen=True)
class Pruned:
    """What `prune` has done, or would do."""

    removed: tuple[Kept, ...]
    leftovers: int
    """Temporary files of killed writers that were removed."""
    running: tuple[str, ...]
    """Sweeps that run; not empty: kept results were left alone."""
    dry_run: bool

    @property
    def size(self) -> int:
        """Bytes of what was removed."""
        return sum(k.size for k in self.removed)

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return {
            "removed": [k.as_dict() for k in self.removed], "size": self.size,
            "leftovers": self.leftovers, "running": list(self.running), "dry_run": self.dry_run,
        }  # fmt: skip


def list_kept(workspace: str | Path = DEFAULT_WORKSPACE) -> list[Kept]:
    """List the kept results of a workspace, sorted by model, stage and age."""
    now = time.time()
    found = [k for path in _files(Path(workspace), "*.npz") for k in _looked_at(path, now)]
    return sorted(found, key=lambda k: (k.model, k.stage, k.age))


def prune(
    workspace: str | Path = DEFAULT_WORKSPACE,
    *,
    stale: bool = False,
    older: float | None = None,
    model: str | None = None,
    everything: bool = False,
    dry_run: bool = False,
) -> Pruned:
    """Remove kept results to which all of the given conditions apply.

    Parameters
    ----------
    stale : made by another revision of the model than the one installed
    older : seconds since it was written
    model : name of the model
    everything : no other condition
    dry_run : only say what would be removed

    Raises
    ------
    InputError : no condition, or `everything` beside another; a model that nothing is kept of
    MachineError : a file cannot be removed
    """
    _check_conditions(everything, stale=stale, older=older, model=model)
    kept = list_kept(workspace)
    if model is not None:
        _check_model(model, kept)
    wanted = [
        k for k in kept
        if (k.stale or not stale) and (older is None or k.age > older)
        and (model is None or k.model == model)
    ]  # fmt: skip
    running = tuple(f.name for f in sweeps_in(Path(workspace)) if is_owned(f))
    removed = [] if running and not dry_run else wanted
    leftovers = _leftovers(Path(workspace))
    if not dry_run:
        _remove([*leftovers, *[k.path for k in removed]])
    return Pruned(tuple(removed), len(leftovers), running, dry_run)


def _check_conditions(everything: bool, **others: Any) -> None:
    given = [f"--{name}" for name, value in others.items() if value]
    if everything and given:
        msg = f"--all leaves no choice to {', '.join(given)}. Give it alone, or leave it out."
        raise InputError(msg)
    if not everything and not given:
        msg = (
            "Nothing says which kept results are to be removed. "
            "Give one or more of --stale, --older and --model, or --all."
        )
        raise InputError(msg)


def _check_model(name: str, kept: Sequence[Kept]) -> None:
    known = sorted({k.model for k in kept})
    if name not in known:
        msg = (
            f"Nothing is kept of a model {name!r}.{nearest(name, known)} "
            f"Kept are results of: {', '.join(known) or 'none'}."
        )
        raise InputError(msg)


def _files(workspace: Path, pattern: str) -> Iterator[Path]:
    yield from sorted((workspace / STAGES).glob(f"[0-9a-f][0-9a-f]/{pattern}"))


def _looked_at(path: Path, now: float) -> Iterator[Kept]:
    """Read what a file tells about itself; nothing if it is gone by now."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return
    size, age = stat.st_size, max(now - stat.st_mtime, 0.0)
    try:
        with path.open("rb") as file, np.load(file) as packed:
            about = json.loads(packed[ABOUT].tobytes())
        yield Kept(path, size, age, **about, stale=_stale(about["model"], about["revision"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
        yield Kept(path, size, age)


def _stale(model: str, revision: int) -> bool:
    try:
        return registry.get(model).revision != revision
    except ModelInputError:  # not installed: it may come back as it was
        return False


def _leftovers(workspace: Path) -> list[Path]:
    oldest = time.time() - LEFT_SECONDS
    return [p for p in _files(workspace, f"*{PARTIAL}") if _written(p) < oldest]


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # its writer has just given it its name
        return time.time()


def _remove(paths: Sequence[Path]) -> None:
    try:
        for path in paths:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in paths}:
            if not any(folder.iterdir()):
                folder.rmdir()
    except OSError as error:
        msg = f"A kept result cannot be removed: {error}. What was removed before stays removed."
        raise MachineError(msg) from error
