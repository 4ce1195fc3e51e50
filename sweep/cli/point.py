"""modesweep point"""

from __future__ import annotations

import pdb
import time
import traceback
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from models.protocol import Arrays
from sweep.assignments import assignments
from sweep.cli.common import AsJson, Workspace, show_json, show_table
from sweep.cli.suggestions import sweeps_and_files
from sweep.layout import DEFAULT_WORKSPACE
from sweep.pointing import Point, prepared
from sweep.problems import InputError
from sweep.values import plain
from sweep.words import readable_seconds

FIRST_VALUES = 4


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_SWEEP",
            help="Sweep file, or a sweep by name or folder.",
            autocompletion=sweeps_and_files,
        ),
    ],
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="AXIS=VALUE...", help="A value for every axis; others, too."),
    ] = None,
    variables: Annotated[
        str, typer.Option("--vars", help="Compute these: a,b. Default: what the sweep stores.")
    ] = "",
    unit: Annotated[str | None, typer.Option(help="Unit of frequencies: THz, cm-1, meV.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the arrays to this .npz file.")] = None,
    debug: Annotated[
        bool, typer.Option("--pdb", help="Enter the debugger where the numerics fail.")
    ] = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Compute one point in this very process, so that a debugger can be used.

    There is no time or memory limit. Exit code 1 if the numerics fail.
    """
    point = prepared(
        source, assignments(values or [], "the value"), unit=unit, workspace=workspace,
        variables=[v.strip() for v in variables.split(",") if v.strip()],
    )  # fmt: skip
    started = time.perf_counter()
    arrays = _computed(point, debug=debug)
    seconds = time.perf_counter() - started
    if out is not None:
        _write(arrays, out)
    if as_json:
        show_json(_as_dict(point, arrays, seconds))
    else:
        _show(point, arrays, seconds)


def _computed(point: Point, *, debug: bool) -> Arrays:
    """Compute; show an error of the numerics as it is, which is no fault of this program."""
    try:
        return point.compute()
    except Exception as error:
        traceback.print_exc()
        if debug:
            pdb.post_mortem(error.__traceback__)
        raise typer.Exit(1) from None


def _write(arrays: Arrays, out: Path) -> None:
    try:
        with out.open("wb") as file:
            members: dict[str, Any] = arrays
            np.savez(file, **members)
    except OSError as error:
        msg = f"{out} cannot be written: {error}. Give a file in a folder that you can write."
        raise InputError(msg) from None


def _as_dict(point: Point, arrays: Arrays, seconds: float) -> dict[str, Any]:
    return {
        "name": point.sweep.name, "model": point.sweep.model.name, "seconds": seconds,
        "point": {n: plain(v) for n, v in point.sweep.fixed.items()},
        "variables": [
            {"name": name, "dims": list(point.variables[name].dims), "shape": list(array.shape),
             "unit": point.unit_of(name), "dtype": str(array.dtype), **_extremes(array)}
            for name, array in arrays.items()
        ],
    }  # fmt: skip


def _extremes(array: NDArray[Any]) -> dict[str, Any]:
    """Give the least and the greatest number, where there are any that have an order."""
    array = np.asarray(array)
    if array.dtype.kind not in "biuf" or not np.isfinite(array).any():
        return {"min": None, "max": None}
    numbers = array[np.isfinite(array)]
    return {"min": numbers.min().item(), "max": numbers.max().item()}


def _show(point: Point, arrays: Arrays, seconds: float) -> None:
    sweep = point.sweep
    print(f"{sweep.name}, one point of {sweep.model.name}: {readable_seconds(seconds)}")
    rows = []
    for name, array in arrays.items():
        variable, ends = point.variables[name], _extremes(array)
        shape = " x ".join(str(n) for n in np.shape(array))
        rows.append(
            (name, ", ".join(variable.dims) or "-", shape or "-", point.unit_of(name),
             _number(ends["min"]), _number(ends["max"]), _first(array, variable.flags))
        )  # fmt: skip
    show_table("", ["variable", "dims", "shape", "unit", "min", "max", "first values"], rows)


def _first(array: NDArray[Any], flags: tuple[str, ...]) -> str:
    values = np.asarray(array).ravel()
    first = [_flag(v, flags) if flags else _number(v) for v in values[:FIRST_VALUES].tolist()]
    return ", ".join([*first, "..."] if len(values) > FIRST_VALUES else first)


def _flag(value: int, flags: tuple[str, ...]) -> str:
    return flags[value] if value < len(flags) else "-"


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float | complex) else str(value)
