"""Commands that change what is wanted of a sweep: through a service, or for the next one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sweep.cli.common import AsJson, SweepName, show_json
from sweep.cli.following import state_text
from sweep.cli.places import Server, TokenFile, Workspace, name_of, served
from sweep.layout import DEFAULT_WORKSPACE
from sweep.overview import Status
from sweep.service.desk import desk_of
from sweep.sweep_file import read
from sweep.words import counts_text


class Changing(Protocol):
    """Where something can be wanted of sweeps."""

    def status(self, name: str) -> Status:
        """Say how far a sweep is."""

    def submit(self, file: Path) -> tuple[Status, bool]:
        """Submit a sweep file."""

    def pause(self, name: str) -> Status:
        """Let what has begun finish, and begin nothing more."""

    def resume(self, name: str) -> Status:
        """Go on with a sweep."""

    def cancel(self, name: str) -> Status:
        """Stop a sweep at once."""

    def prioritize(self, name: str, priority: int) -> Status:
        """Give a sweep another priority."""

    def remove(self, name: str) -> Path | None:
        """Move a sweep to the trash."""


class Unserved:
    """A workspace without a service: what is wanted waits for the next one."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace

    def status(self, name: str) -> Status:
        """Say how far a sweep is."""
        with desk_of(self.workspace) as desk:
            return desk.status(name)

    def submit(self, file: Path) -> tuple[Status, bool]:
        """Put a sweep into the queue."""
        sweep = read(file)
        with desk_of(self.workspace) as desk:
            new = desk.submit(sweep)
            return desk.status(sweep.name), new

    def pause(self, name: str) -> Status:
        """Have a sweep not begin."""
        with desk_of(self.workspace) as desk:
            desk.pause(name)
            return desk.status(name)

    def resume(self, name: str) -> Status:
        """Have a sweep go on."""
        with desk_of(self.workspace) as desk:
            desk.resume(name)
            return desk.status(name)

    def cancel(self, name: str) -> Status:
        """Have a sweep not begin, for good."""
        with desk_of(self.workspace) as desk:
            desk.cancel(name)
            return desk.status(name)

    def prioritize(self, name: str, priority: int) -> Status:
        """Give a sweep another priority."""
        with desk_of(self.workspace) as desk:
            desk.prioritize(name, priority)
            return desk.status(name)

    def remove(self, name: str) -> Path | None:
        """Move a sweep to the trash."""
        with desk_of(self.workspace) as desk:
            return desk.remove(name)


def changing(
    server: str | None, token_file: Path | None, workspace: Path | None, sweep: str | None = None
) -> Changing:
    """Give the place of a command that changes something."""
    there = served(server, token_file, workspace, sweep)
    if there is not None:
        return there
    if sweep is not None and "/" in sweep:
        workspace = Path(sweep).parent
    return Unserved(workspace or DEFAULT_WORKSPACE)


def asking(ask: Callable[[Changing, str], Status], what: str) -> Callable[..., None]:
    """Make a command that asks one thing of a sweep; `what` is its help."""

    def command(
        sweep: SweepName,
        workspace: Workspace = None,
        server: Server = None,
        token_file: TokenFile = None,
        as_json: AsJson = False,
    ) -> None:
        place = changing(server, token_file, workspace, sweep)
        show_asked(place, ask(place, name_of(sweep)), as_json=as_json)

    command.__doc__ = what
    return command


def show_asked(place: Changing, status: Status, *, as_json: bool) -> None:
    """Say what a sweep is now, after something was asked."""
    if as_json:
        show_json(status.as_dict())
        return
    print(f"{status.name}: {state_text(status)}; {counts_text(status.counts)}")
    if status.note:
        print(f"  {status.note}")
    if isinstance(place, Unserved) and status.state == "queued":
        print(f"It begins with `modesweep serve --workspace {place.workspace}`.")
