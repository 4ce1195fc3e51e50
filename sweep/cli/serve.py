"""modesweep serve"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.cli.common import Scheduler, Workers, Workspace
from sweep.layout import DEFAULT_WORKSPACE
from sweep.problems import InputError
from sweep.service.reporting import log_to_stderr
from sweep.service.service import Service
from sweep.service.serving import Address, serve

LEVELS = ("debug", "info", "warning", "error")


def command(
    workspace: Workspace = DEFAULT_WORKSPACE,
    scheduler: Scheduler = None,
    workers: Workers = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 5006,
    prefix: Annotated[str, typer.Option(help="Path before all others, behind a proxy.")] = "",
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further name by which it is reached.")
    ] = None,
    log_level: Annotated[str, typer.Option(help=", ".join(LEVELS))] = "info",
    log_json: Annotated[bool, typer.Option("--log-json", help="Log as JSON lines.")] = False,
) -> None:
    """Serve a workspace: run what is submitted, answer over HTTP, show the pages.

    It listens on loopback and needs a token, which clients on this machine find by themselves.
    Stop it as you like: what is finished is safe, and the next one goes on.
    """
    if log_level not in LEVELS:
        msg = f"--log-level {log_level!r} is not known. Levels: {', '.join(LEVELS)}."
        raise InputError(msg)
    address = Address(host, port, prefix.rstrip("/"), tls_cert, tls_key, tuple(allow_host or ()))
    address.check()
    log_to_stderr(log_level, as_json=log_json)
    serve(Service(workspace, scheduler, workers), address)
