"""modesweep verify"""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.cli.common import AsJson, SweepName, Workspace, show_json, show_table
from sweep.cli.comparisons import COLUMNS, place_of, recomputing_bar, row_of, show_notes
from sweep.comparison.verifying import Verification, repair, verify
from sweep.layout import DEFAULT_WORKSPACE
from sweep.words import readable_bytes

MOST_ROWS = 20


def command(
    sweep: SweepName,
    sample: Annotated[
        str, typer.Option(help="Share of the points that have a result (1%), or their number.")
    ] = "1%",
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of the sample.")] = 0,
    tolerance: Annotated[
        float | None,
        typer.Option(help="Relative, for all variables; default: what each of them declares."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Numerics processes; default: one a core.")
    ] = None,
    mend: Annotated[
        bool, typer.Option("--repair", help="Have blocks with damaged files computed again.")
    ] = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Check all files of a sweep, and compute a random sample of its points again.

    Ends with exit code 1 if a file is damaged or a value deviates by more than rounding.
    """
    with recomputing_bar() as told:
        found = verify(
            sweep, sample=sample, seed=seed, tolerance=tolerance, workers=workers,
            workspace=workspace, told=told,
        )  # fmt: skip
    if as_json:
        show_json(found.as_dict())
    else:
        _show(found)
    if mend and found.damaged:
        blocks = _counted(repair(found), "block")
        print(f"{blocks} forgotten: `modesweep retry {found.path}` computes what they held")
    if not found.ok:
        raise typer.Exit(1)


def _show(v: Verification) -> None:
    stored, installed = v.revisions
    print(f"{v.name}: {_counted(v.points, 'point')} of {v.model} with a result, {v.sampled:,} "
          f"drawn (seed {v.seed}), {_counted(v.instances, 'calculation')}")  # fmt: skip
    _show_files(v)
    print(f"model     revision {stored} stored, {installed} installed")
    kernels = ", ".join(v.kernels[0])
    same = v.kernels[0] == (v.kernels[1],)
    print(f"BLAS      {kernels}" + ("" if same else f"; here {v.kernels[1]}"))
    changed = [f"{k} {a} (here {b})" for k, (a, b) in v.versions.items() if a != b]
    print(f"versions  {', '.join(changed) or 'those that are installed here'}")
    if v.sampled:
        print()
        show_table("", COLUMNS, [row_of(c) for c in v.variables])
        show_notes(v.variables)
        _show_left_out(v)
    print()
    print(_verdict(v))


def _show_files(v: Verification) -> None:
    check = v.check
    pruned = f", {check.pruned:,} kept results pruned since" if check.pruned else ""
    good = "all as they were written" if not check.damaged else (
        f"{len(check.damaged):,} DAMAGED, in {_counted(len(v.damaged), 'block')}"
    )  # fmt: skip
    print(f"files     {check.files:,}, {readable_bytes(check.bytes)}: {good}{pruned}")
    if check.damaged:
        rows = [
            (d.name, d.what, d.region, ",".join(map(str, d.cell)), f"{d.points:,}")
            for d in check.damaged[:MOST_ROWS]
        ]
        show_table("", ["file", "is", "region", "block", "points"], rows)
        _more(len(check.damaged))


def _show_left_out(v: Verification) -> None:
    if not v.not_compared:
        return
    print()
    rows = [
        (" + ".join(n.stages), place_of(n.at), n.kind, n.message)
        for n in v.not_compared[:MOST_ROWS]
    ]
    show_table("Drawn, but not compared", ["stages", "at", "", "why"], rows)
    _more(len(v.not_compared))


def _more(count: int) -> None:
    if count > MOST_ROWS:
        print(f"... and {count - MOST_ROWS:,} more (--json lists all)")


def _verdict(v: Verification) -> str:
    if v.ok and not v.sampled:
        return "ok: no file is damaged; no point has a result yet that could be computed again"
    if v.ok:
        same = sum(c.identical == c.points for c in v.variables)
        return (
            f"ok: no file is damaged, no value deviates by more than rounding; {same} of "
            f"{len(v.variables)} variables agree byte for byte"
        )
    faults = []
    if v.check.damaged:
        faults.append(_counted(len(v.check.damaged), "damaged file"))
    if v.deviating:
        faults.append("deviations of " + ", ".join(c.variable.name for c in v.deviating))
    if v.not_compared:
        faults.append(_counted(len(v.not_compared), "calculation") + " not compared")
    return "NOT ok: " + "; ".join(faults)


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")
