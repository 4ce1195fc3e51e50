"""modesweep query"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from sweep.assignments import assignments
from sweep.cli.common import SweepName, show_table
from sweep.cli.places import Server, TokenFile, Workspace, looking
from sweep.client.tables import table_of
from sweep.client.verbs import Verbs
from sweep.layout import DEFAULT_WORKSPACE
from sweep.problems import InputError
from sweep.queries.querying import query

MOST_ROWS = 60


def command(
    sweep: SweepName,
    expression: Annotated[
        str, typer.Argument(help='Such as "frequency > 12 and surface_weight > 0.6".')
    ],
    select: Annotated[
        list[str] | None, typer.Option(help="axis=value; may be given several times.")
    ] = None,
    variables: Annotated[str, typer.Option("--vars", help="Further variables to show: a,b")] = "",
    unit: Annotated[str | None, typer.Option(help="Unit of frequencies: THz, cm-1, meV.")] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write a CSV file; - is standard output.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write JSON; - is standard output.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(help="Write Parquet; - is standard output.")
    ] = None,
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Find modes and points by a condition; print a table, or write a file."""
    place = looking(server, token_file, workspace, sweep)
    chosen = assignments(select or [], "--select")
    more = [v.strip() for v in variables.split(",") if v.strip()]
    if isinstance(place, Verbs):
        table = table_of(*place.rows(sweep, expression, chosen, more, unit))
    else:
        table = query(
            sweep, expression, select=chosen, variables=more, unit=unit,
            workspace=workspace or DEFAULT_WORKSPACE,
        )  # fmt: skip
    try:
        if csv is not None:
            table.to_csv(sys.stdout if str(csv) == "-" else csv, index=False)
        if json_file is not None:
            _write_json(table, json_file)
        if parquet is not None:
            _write_parquet(table, parquet)
    except BrokenPipeError:
        raise
    except OSError as error:
        msg = f"The table cannot be written: {error}. Give a file in a folder that you can write."
        raise InputError(msg) from None
    if csv is None and json_file is None and parquet is None:
        _show(table)


def _write_json(table: pd.DataFrame, out: Path) -> None:
    plain = table.astype(object).replace([math.inf, -math.inf], None)
    rows = plain.where(plain.notna(), None).to_dict(orient="records")
    text = json.dumps({"units": table.attrs["units"], "rows": rows}, indent=1, default=str)
    if str(out) == "-":
        print(text)
    else:
        out.write_text(text + "\n")


def _write_parquet(table: pd.DataFrame, out: Path) -> None:
    if wrong := [c for c in table.columns if table[c].dtype.kind == "c"]:
        msg = f"Parquet has no complex numbers, as {wrong[0]} holds. Write --csv or --json."
        raise InputError(msg)
    try:
        content = table.to_parquet(None, index=False)
    except ImportError:
        msg = "--parquet needs pyarrow, which is not installed. Install modesweep[parquet]."
        raise InputError(msg) from None
    if str(out) == "-":
        sys.stdout.buffer.write(content)
    else:
        out.write_bytes(content)


def _show(table: pd.DataFrame) -> None:
    units = table.attrs["units"]
    names = [f"{c} / {units[c]}" if c in units else c for c in table.columns]
    rows = [[_cell(x) for x in row] for row in table.head(MOST_ROWS).itertuples(index=False)]
    show_table("", names, rows)
    more = len(table) - MOST_ROWS
    if more > 0:
        print(f"... and {more:,} more rows; --csv, --json or --parquet write all of them")
    else:
        print(f"{len(table)} rows")


def _cell(value: object) -> str:
    return f"{value:.8g}" if isinstance(value, float) else str(value)
