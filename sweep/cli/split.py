"""modesweep split"""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.cli.common import SweepFile, show_table
from sweep.splitting import split
from sweep.sweep_file import read
from sweep.words import readable_seconds


def command(
    file: SweepFile,
    by: Annotated[str, typer.Option(help="The axis to cut along.")],
    into: Annotated[int, typer.Option(help="How many parts.")],
) -> None:
    """Cut a sweep file into parts for several clusters; nothing is computed.

    The files NAME-1.toml and so on stand beside the given one. Settings that are "auto" for a
    whole sweep are numbers in them. The parts should take equally long, as the models' costs
    say. `union` joins their results, which are those of the whole sweep.
    """
    parts = split(file, by, into)
    rows = [(p.file, f"{p.points:,}", p.values, readable_seconds(p.seconds)) for p in parts]
    show_table("", ["file", "points", f"values of {by}", "one core"], rows)
    names = " ".join(p.name for p in parts)
    print(f"when they are complete: modesweep union {names} --name {read(file).name}")
