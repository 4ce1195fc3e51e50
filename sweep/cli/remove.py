"""modesweep remove"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sweep.cli.changing import changing
from sweep.cli.common import SweepName
from sweep.cli.places import Server, TokenFile, Workspace, name_of
from sweep.problems import InputError
from sweep.words import counts_text


def command(
    sweep: SweepName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Cancel a sweep and move it to the trash of its workspace."""
    place, name = changing(server, token_file, workspace, sweep), name_of(sweep)
    status = place.status(name)
    if not yes:
        if not sys.stdin.isatty():
            msg = "remove asks first, and nobody is there to answer. Give --yes."
            raise InputError(msg)
        typer.confirm(f"Remove {name} ({counts_text(status.counts)})?", abort=True)
    trash = place.remove(name)
    print(f"{name} is removed" + (f"; it lies in {trash}" if trash else ""))
