"""modesweep report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.cli.common import SweepName, Workspace
from sweep.drawing import drawn_by
from sweep.layout import DEFAULT_WORKSPACE


def command(
    sweep: SweepName,
    out: Annotated[Path, typer.Argument(help="The file to write, such as report.html.")],
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> None:
    """Write all pictures of a sweep, with what it was and what failed, as one HTML file."""
    print(f"written: {drawn_by('report')(sweep, out, workspace)}")
