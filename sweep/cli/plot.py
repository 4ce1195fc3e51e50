"""modesweep plot"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.assignments import assignments
from sweep.cli.common import SweepName, Workspace, show_table
from sweep.drawing import drawn_by
from sweep.layout import DEFAULT_WORKSPACE

FEW = 6
"""Values that the list of choices names."""


def command(
    sweep: SweepName,
    kind: Annotated[str, typer.Option(help="The view; default: the first that fits.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="File .png, .svg, .html or .csv; without it, a list.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="choice=value; may be given several times.")
    ] = None,
    width: Annotated[int, typer.Option(min=300, max=4000, help="Pixels.")] = 1000,
    height: Annotated[int, typer.Option(min=200, max=4000, help="Pixels.")] = 460,
    dark: Annotated[bool, typer.Option("--dark", help="On a dark ground.")] = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> None:
    """Draw a view of the results into a file; without --out, list the views and their choices."""
    choices = assignments(set_ or [], "--set")
    if out is not None:
        written = drawn_by("plot")(
            sweep, out, kind=kind, choices=choices, workspace=workspace, width=width,
            height=height, dark=dark,
        )  # fmt: skip
        print(f"written: {written}")
        return
    rows = []
    for view, controls in drawn_by("views")(sweep, workspace):
        if kind in ("", view.name):
            rows.append([view.name, view.title, ""])
            rows += [["", c.name, _values(c)] for c in controls]
    show_table("", ["--kind", "shows; --set", "values"], rows)


def _values(control: object) -> str:
    values = [value for value, _ in control.options]  # type: ignore[attr-defined]
    few = values if len(values) <= FEW else [*values[: FEW - 2], "...", values[-1]]
    return f"{', '.join(few)} (default {control.value})"  # type: ignore[attr-defined]
