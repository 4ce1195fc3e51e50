"""modesweep publish"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sweep.cli.common import AsJson, SweepName, Workspace, show_json
from sweep.cli.comparisons import recomputing_bar
from sweep.layout import DEFAULT_WORKSPACE
from sweep.publishing.places import CHECKSUMS
from sweep.publishing.publishing import Published, publish
from sweep.words import readable_bytes


def command(
    sweep: SweepName,
    to: Annotated[
        str,
        typer.Option(help="A folder that is empty or not there; or s3://, gs://, az://, file://."),
    ],
    author: Annotated[
        list[str] | None,
        typer.Option(help='"Given Family <mail>"; may be given several times.'),
    ] = None,
    title: Annotated[str, typer.Option(help="Default: the sweep, and what its model is.")] = "",
    version: Annotated[str, typer.Option(help="Of what is published.")] = "1.0",
    license_: Annotated[
        str, typer.Option("--license", help="SPDX identifier, such as CC-BY-4.0.")
    ] = "",
    sample: Annotated[
        str, typer.Option(help="Share of the points to compute again (1%), or their number.")
    ] = "1%",
    icechunk: Annotated[
        bool, typer.Option("--icechunk", help="An icechunk repository in place of plain Zarr.")
    ] = False,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Publish a sweep with failed points, too.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Numerics processes; default: one a core.")
    ] = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Publish a finished sweep: data, figures, checksums and citation, checked and in one place.

    Ends with exit code 1 if a file is damaged or the sample deviates; nothing is published then.
    """
    with recomputing_bar() as told:
        done = publish(
            sweep, to, authors=author or [], title=title, version=version, license=license_,
            sample=sample, icechunk=icechunk, incomplete=incomplete, workers=workers,
            workspace=workspace, told=told, stage=_say,
        )  # fmt: skip
    if as_json:
        show_json(done.as_dict())
    else:
        _show(done)


def _say(stage: str) -> None:
    """Tell somebody who watches what is done next."""
    if sys.stderr.isatty():
        print(f"{stage} ...", file=sys.stderr)


def _show(done: Published) -> None:
    found = done.verification
    same = sum(c.identical == c.points for c in found.variables)
    print(
        f"verified  {found.sampled:,} of {found.points:,} points computed again: {same} of "
        f"{len(found.variables)} variables agree byte for byte, the rest within their tolerance"
        if same < len(found.variables) else
        f"verified  {found.sampled:,} of {found.points:,} points computed again: all "
        f"{same} variables agree byte for byte"
    )  # fmt: skip
    print(f"written   {done.to}: {done.files:,} files, {readable_bytes(done.bytes)}")
    if "://" not in done.to:
        print(f"check it  cd {done.to} && sha256sum -c --quiet {CHECKSUMS}")
    for note in done.notes:
        print(f"note      {note}")
