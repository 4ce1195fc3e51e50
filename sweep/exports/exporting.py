"""Export: a store, or a part of it, as files that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweep.exports.csv_tables import csv_files
from sweep.exports.exportable import Exportable
from sweep.exports.netcdf import netcdf_files
from sweep.exports.out_files import OutFile, write_whole
from sweep.exports.phonopy import phonopy_files
from sweep.layout import DEFAULT_WORKSPACE
from sweep.problems import InputError, nearest

FORMATS: dict[str, Callable[[Exportable, Path], list[OutFile]]] = {
    "netcdf": netcdf_files, "csv": csv_files, "phonopy": phonopy_files,
}  # fmt: skip


def export(
    sweep: str | Path,
    out: str | Path,
    *,
    format: str,
    select: Mapping[str, Any] | None = None,
    variables: Sequence[str] = (),
    unit: str | None = None,
    workspace: str | Path = DEFAULT_WORKSPACE,
    force: bool = False,
) -> list[Path]:
    """Write the results of a sweep, finished or running, for other programs.

    Parameters
    ----------
    sweep : name in the workspace, or folder
    out : netcdf: a file. csv: a folder, which gets a table for each set of dims, or a name that
        ends in .csv for variables of the same dims. phonopy: a folder, which gets band.yaml or
        mesh.hdf5, or the name of that file
    format : netcdf, csv or phonopy; a phonopy file holds one point
    select : values of axes or own dims, a value or a list of values each
    variables : what to write; default: everything
    unit : THz, cm-1, meV: unit of frequencies; default: the stored one
    force : replace files that are there

    Returns
    -------
    the files that were written

    Raises
    ------
    InputError : unknown names or units, a file that is there, something that is not installed
    MachineError : no space left
    """
    files = export_files(
        sweep, out, format=format, select=select, variables=variables, unit=unit,
        workspace=workspace, force=force,
    )  # fmt: skip
    return [f.path for f in files]


def export_files(
    sweep: str | Path,
    out: str | Path,
    *,
    format: str,
    select: Mapping[str, Any] | None = None,
    variables: Sequence[str] = (),
    unit: str | None = None,
    workspace: str | Path = DEFAULT_WORKSPACE,
    force: bool = False,
) -> list[OutFile]:
    """Do what `export` does, and say what each file holds."""
    if format not in FORMATS:
        msg = (
            f"--format {format!r} is not known.{nearest(format, FORMATS)} "
            f"Formats: {', '.join(FORMATS)}."
        )
        raise InputError(msg)
    source = Exportable(sweep, workspace, select or {}, variables, unit)
    files = FORMATS[format](source, Path(out))
    write_whole(files, force)
    return files
