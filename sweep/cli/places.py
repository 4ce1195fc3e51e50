"""Where a command finds its sweeps: a workspace here, or a service there.

A command given --server, or that finds one in the environment or the configuration, asks that.
Otherwise it looks at a workspace: what is only looked at is read here, and what changes
something goes through the service of the workspace, if one runs (see `changing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeAlias

import typer

import sweep as modesweep
from sweep.client.connection import Connection
from sweep.client.finding import of_workspace, settings, to_server
from sweep.layout import DEFAULT_WORKSPACE
from sweep.overview import Status, status, statuses
from sweep.problems import InputError

Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace", help=f"Folder that holds the sweeps; default: {DEFAULT_WORKSPACE}."
    ),
]
Server = Annotated[str | None, typer.Option("--server", help="Address of a service to ask.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="Holds the token of --server.")
]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="On a service: return at once instead of following it.")
]


if TYPE_CHECKING:  # a command that only looks at a workspace does not wait for them
    from sweep.client.verbs import ServedFailure, Verbs
    from sweep.explaining import Explanation
    from sweep.reading import FailedPoint

Failure: TypeAlias = "FailedPoint | ServedFailure"


class Looking(Protocol):
    """Where sweeps can be looked at."""

    def statuses(self) -> list[Status]:
        """Say how far all sweeps are."""

    def status(self, name: str) -> Status:
        """Say how far a sweep is."""

    def errors(self, name: str) -> Sequence[Failure]:
        """List the points that failed or were lost."""

    def explain(self, name: str, point: Mapping[str, Any]) -> Explanation:
        """Say why a point is as it is."""


class Here:
    """A workspace of this machine, read as it lies there."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace

    def statuses(self) -> list[Status]:
        """Say how far all sweeps are."""
        return statuses(self.workspace)

    def status(self, name: str) -> Status:
        """Say how far a sweep is."""
        return status(name, self.workspace)

    def errors(self, name: str) -> Sequence[Failure]:
        """List the points that failed or were lost."""
        return modesweep.errors(name, self.workspace)

    def explain(self, name: str, point: Mapping[str, Any]) -> Explanation:
        """Say why a point is as it is."""
        return modesweep.explain(name, point, workspace=self.workspace)


def looking(
    server: str | None, token_file: Path | None, workspace: Path | None, sweep: str | None = None
) -> Looking:
    """Give the place of a command that only looks.

    Parameters
    ----------
    sweep : as it was given; the path of a folder is always here
    """
    there = _server(server, token_file, workspace, sweep)
    return Here(workspace or DEFAULT_WORKSPACE) if there is None else there


def served(
    server: str | None, token_file: Path | None, workspace: Path | None, sweep: str | None = None
) -> Verbs | None:
    """Give the service that a command goes through, if there is one."""
    if (there := _server(server, token_file, workspace, sweep)) is not None:
        return there
    if sweep is not None and _is_path(sweep):
        workspace = Path(sweep).parent
    own = of_workspace(workspace or DEFAULT_WORKSPACE)
    return None if own is None else _verbs(own)


def name_of(sweep: str) -> str:
    """Give the name of a sweep that is given by its name or folder."""
    return Path(sweep).name if _is_path(sweep) else sweep


def _server(
    server: str | None, token_file: Path | None, workspace: Path | None, sweep: str | None
) -> Verbs | None:
    if server is not None and workspace is not None:
        msg = "--server and --workspace exclude each other: a service has a workspace of its own."
        raise InputError(msg)
    if server is None and (workspace is not None or (sweep is not None and _is_path(sweep))):
        return None
    url = server or settings().server
    return None if url is None else _verbs(to_server(url, token_file))


def _verbs(connection: Connection) -> Verbs:
    there: Verbs = import_module("sweep.client.verbs").Verbs(connection)
    return there


def _is_path(sweep: str) -> bool:
    return "/" in sweep
