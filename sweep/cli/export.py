"""modesweep export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.assignments import assignments
from sweep.cli.common import AsJson, SweepName, show_json
from sweep.cli.places import Server, TokenFile, Workspace, looking
from sweep.client.verbs import Verbs
from sweep.exports.exporting import export_files
from sweep.layout import DEFAULT_WORKSPACE


def command(
    sweep: SweepName,
    format_: Annotated[str, typer.Option("--format", help="netcdf, csv or phonopy.")],
    out: Annotated[
        Path,
        typer.Option(
            help="File; csv: a folder, or a name that ends in .csv; phonopy: a folder or file."
        ),
    ],
    select: Annotated[
        list[str] | None, typer.Option(help="axis=value; may be given several times.")
    ] = None,
    variables: Annotated[
        str, typer.Option("--vars", help="Variables to write: a,b; default: all.")
    ] = "",
    unit: Annotated[str | None, typer.Option(help="Unit of frequencies: THz, cm-1, meV.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Write results for other programs: netCDF, CSV tables, phonopy files."""
    place = looking(server, token_file, workspace, sweep)
    chosen = assignments(select or [], "--select")
    names = [v.strip() for v in variables.split(",") if v.strip()]
    if isinstance(place, Verbs):
        files = place.export(
            sweep, out, format=format_, select=chosen, variables=names, unit=unit, force=force
        )
    else:
        files = export_files(
            sweep, out, format=format_, select=chosen, variables=names, unit=unit,
            workspace=workspace or DEFAULT_WORKSPACE, force=force,
        )  # fmt: skip
    if as_json:
        show_json([{"path": str(f.path), "holds": f.holds} for f in files])
    else:
        for f in files:
            print(f"wrote {f.path}  ({f.holds})")
