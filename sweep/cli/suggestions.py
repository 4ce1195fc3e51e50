"""What a shell may put for an argument: sweeps of the workspace, sweep files, models.

Where a list here is empty the shell completes paths by itself.
"""

from __future__ import annotations

from pathlib import Path

import typer

from models import registry
from sweep.layout import DEFAULT_WORKSPACE, sweeps_in

ENDINGS = (".toml", ".yaml", ".yml", ".json")


def sweeps(ctx: typer.Context, incomplete: str) -> list[str]:
    """Name the sweeps of the workspace that the line gives before this argument."""
    workspace = Path(ctx.params.get("workspace") or DEFAULT_WORKSPACE)
    return _starting(incomplete, [folder.name for folder in sweeps_in(workspace)])


def sweep_files(incomplete: str) -> list[str]:
    """List the sweep files of the folder that is typed so far."""
    folder = incomplete[: incomplete.rfind("/") + 1]
    try:
        files = sorted(p.name for p in Path(folder or ".").iterdir() if p.suffix in ENDINGS)
    except OSError:
        return []
    return _starting(incomplete, [folder + name for name in files])


def sweeps_and_files(ctx: typer.Context, incomplete: str) -> list[str]:
    """List what may be given where a sweep or its file is wanted."""
    return [*sweeps(ctx, incomplete), *sweep_files(incomplete)]


def models(incomplete: str) -> list[str]:
    """Name the models."""
    return _starting(incomplete, registry.names())


def _starting(incomplete: str, words: list[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
