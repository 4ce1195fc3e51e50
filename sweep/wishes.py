"""What is wanted of the sweeps of a workspace: to run, to pause, to be cancelled; in what order.

One small file for each sweep, in `<workspace>/.queue`. It is all that a service needs beside
the sweeps themselves, so whoever finds the workspace can go on. While a service runs, it alone
writes them; without one, a command does, and the next service finds them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from sweep.durable import sync_folder, write_files
from sweep.layout import QUEUE, wish_file
from sweep.problems import StoreError

Wanted: TypeAlias = Literal["run", "pause", "cancel"]


@dataclass(frozen=True)
class Wish:
    """What is wanted of one sweep."""

    name: str
    model: str
    wanted: Wanted = "run"
    priority: int = 0
    submitted: float = 0.0
    """Seconds since 1970."""
    counts: dict[str, int] = field(default_factory=dict)
    """Points by status when it was submitted."""
    document: dict[str, Any] | None = None
    """The sweep file, until the sweep has its folder."""
    pending: tuple[dict[str, Any], ...] = ()
    """What is to be done before it goes on: {"retry": true} or {"extend": {axis: values}}."""
    note: str = ""
    """What a service last had to say of it: why it waits."""

    def but(self, **changes: Any) -> Wish:
        """Give a copy with some changes."""
        return replace(self, **changes)

    def after(self, what: dict[str, Any]) -> Wish:
        """Give the wish to run, once something else is done."""
        pending = self.pending if what in self.pending else (*self.pending, what)
        return self.but(wanted="run", note="", pending=pending)


def read_wish(workspace: Path, name: str) -> Wish | None:
    """Read what is wanted of a sweep; None if nobody has said.

    Raises
    ------
    StoreError : the file is damaged
    """
    path = wish_file(workspace, name)
    try:
        told = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(_damaged(path, error)) from error
    try:
        return Wish(**{**told, "pending": tuple(told.get("pending", ()))})
    except TypeError as error:
        raise StoreError(_damaged(path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"{path} cannot be read: {error}. Remove it and submit the sweep file again: "
        "what is computed is kept."
    )


def write_wish(workspace: Path, wish: Wish) -> None:
    """Write down what is wanted of a sweep."""
    content = json.dumps(asdict(wish), indent=1).encode()
    write_files({wish_file(workspace, wish.name): content})


def forget_wish(workspace: Path, name: str) -> None:
    """Remove what was wanted of a sweep."""
    wish_file(workspace, name).unlink(missing_ok=True)
    if (workspace / QUEUE).is_dir():
        sync_folder(workspace / QUEUE)


def wished(workspace: Path) -> list[str]:
    """Name the sweeps of which something is wanted, sorted."""
    return sorted(p.stem for p in (workspace / QUEUE).glob("*.json"))


def fresh_wish(
    name: str, model: str, priority: int, counts: Mapping[str, int] | None = None,
    document: dict[str, Any] | None = None,
) -> Wish:  # fmt: skip
    """Give a wish for a sweep to run from now on."""
    return Wish(
        name, model, priority=priority, submitted=time.time(), counts=dict(counts or {}),
        document=document,
    )  # fmt: skip
