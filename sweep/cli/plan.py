"""modesweep plan"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.cli.common import AsJson, SweepFile, Workspace, show_json, show_table
from sweep.layout import DEFAULT_WORKSPACE
from sweep.summary import StageSummary, Summary, plan
from sweep.words import readable_bytes, readable_seconds


def command(
    file: SweepFile,
    workspace: Workspace = DEFAULT_WORKSPACE,
    pilots: Annotated[bool, typer.Option(help="Measure a few points, for better seconds.")] = True,
    as_json: AsJson = False,
) -> None:
    """Say what a sweep would do and cost; compute nothing but pilots.

    Refuses what would not fit: memory, disk, number of points.
    """
    summary = plan(Path(file), workspace=workspace, pilots=pilots)
    if as_json:
        show_json(summary.as_dict())
    else:
        _show(summary)


def _remark(r: StageSummary) -> str:
    if r.inputs:
        return f"reads {', '.join(r.inputs)}"
    return "kept for later" if r.kept else ""


def _show(s: Summary) -> None:
    skipped = f", {s.skipped:,} of them skipped by `where`" if s.skipped else ""
    print(f"{s.name}: {s.points:,} points of {s.model}{skipped}")
    rows = [
        (r.stages, ", ".join(r.axes) or "-", f"{r.instances:,}",
         f"{r.serves:,.4g}" if r.serves > 1 else "", r.blocks,
         readable_seconds(r.seconds), readable_seconds(r.longest_seconds), _remark(r))
        for r in s.stages
    ]  # fmt: skip
    columns = ["stages", "axes", "calculations", "points each", "blocks", "one core", "longest", ""]
    show_table("", columns, rows)
    how = "measured on a few points" if s.calibrated else "not measured (pilots off)"
    low, high = readable_seconds(s.seconds_low), readable_seconds(s.seconds_high)
    print(f"time    {readable_seconds(s.seconds)} on one core ({low} to {high}, {how})")
    print(f"        at least {readable_seconds(s.critical_seconds)} with many workers; "
          f"more than {s.useful_workers:,} do not help")  # fmt: skip
    print(f"memory  up to {readable_bytes(s.peak_bytes)} of {readable_bytes(s.memory)} a worker")
    print(f"disk    {readable_bytes(s.bytes)} before compression in {s.arrays} arrays, "
          f"{s.files:,} chunk files")  # fmt: skip
