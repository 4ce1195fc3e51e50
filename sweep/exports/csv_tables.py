"""A store as long tables: one row a place, one table for each set of dims.

Columns have the names of the store, as in queries; their units and meanings stand in
`columns.csv` beside the tables. Flags are words, missing values empty cells, complex
variables two columns. Numbers have all their digits.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sweep.exports.exportable import Exportable, Field
from sweep.exports.out_files import OutFile
from sweep.layout import fill_of
from sweep.problems import InputError

COLUMNS = "columns.csv"
ONE_ROW = "values"
"""Name of the table of variables without dims."""
DESCRIPTION = ("file", "column", "unit", "meaning")


@dataclass(frozen=True)
class Table:
    """Variables of the same dims."""

    path: Path
    coordinates: list[Field]
    fields: list[Field]

    def write(self, path: Path) -> None:
        """Write the rows slab by slab."""
        with path.open("w", encoding="utf-8", newline="") as file:
            for i, piece in enumerate(self.pieces()):
                piece.to_csv(file, index=False, header=i == 0, lineterminator="\n")

    def pieces(self) -> Iterator[pd.DataFrame]:
        """Give the rows of each slab, the last dim the fastest."""
        for slab in self.fields[0].slabs():
            shape = [s.stop - s.start for s in slab.values()]
            columns: dict[str, Any] = {}
            for c in self.coordinates:
                place = list(slab).index(c.dims[0])
                along = c.values(slab).reshape([-1 if i == place else 1 for i in range(len(shape))])
                columns[c.name] = np.broadcast_to(along, shape).ravel()
            for field in self.fields:
                columns |= _cells(field, field.values(slab).ravel())
            yield pd.DataFrame(columns)

    def description(self) -> Iterator[tuple[str, str, str, str]]:
        """Give file, column, unit and meaning of each column."""
        for field in [*self.coordinates, *self.fields]:
            meaning = str(field.array.attrs.get("long_name", ""))
            unit = "" if field.unit == "1" else field.unit
            for column in _columns(field):
                yield self.path.name, column, unit, meaning


def csv_files(source: Exportable, out: Path) -> list[OutFile]:
    """Plan the tables: one file if `out` ends in .csv, or else a folder with one for each dims.

    Raises
    ------
    InputError : one file for variables of several dims, or no folder where one is needed
    """
    groups: dict[tuple[str, ...], list[Field]] = {}
    for field in map(source.field, source.names):
        groups.setdefault(field.dims, []).append(field)
    single = out.suffix == ".csv" and not out.is_dir()
    if single and len(groups) > 1:
        raise InputError(_too_many(groups, out))
    if not single and out.exists() and not out.is_dir():
        msg = (
            f"{out} is a file, but the tables need a folder: one for each set of dims. "
            "Give a folder, or a name that ends in .csv with --vars of the same dims."
        )
        raise InputError(msg)
    tables = [
        Table(out if single else out / f"{'-'.join(dims) or ONE_ROW}.csv",
              source.coordinates(dims), fields)
        for dims, fields in groups.items()
    ]  # fmt: skip
    described = out.with_suffix(f".{COLUMNS}") if single else out / COLUMNS
    return [
        *[OutFile(t.path, ", ".join(f.name for f in t.fields), t.write) for t in tables],
        OutFile(described, "units and meanings of the columns", lambda p: _describe(tables, p)),
    ]


def _too_many(groups: Mapping[tuple[str, ...], Sequence[Field]], out: Path) -> str:
    sets = "; ".join(
        f"{', '.join(f.name for f in fields)} ({', '.join(dims) or 'no dims'})"
        for dims, fields in groups.items()
    )
    return (
        f"{out} is one file, but the variables have {len(groups)} different sets of dims: {sets}. "
        "Give a folder, which gets a table for each, or --vars of the same dims."
    )


def _describe(tables: Sequence[Table], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(DESCRIPTION)
        for table in tables:
            writer.writerows(table.description())


def _columns(field: Field) -> list[str]:
    if field.array.dtype.kind == "c":
        return [f"{field.name}_real", f"{field.name}_imag"]
    return [field.name]


def _cells(field: Field, values: NDArray[Any]) -> dict[str, Any]:
    """Give the columns of a variable, (rows,) each, with what is missing left empty."""
    if values.dtype.kind == "c":
        return dict(zip(_columns(field), (values.real, values.imag), strict=True))
    if words := field.words:
        codes: NDArray[np.int64] = np.where(values < len(words), values.astype(np.int64), -1)
        return {field.name: pd.Categorical.from_codes(codes, categories=pd.Index(words))}
    if values.dtype == np.int32:
        return {field.name: pd.arrays.IntegerArray(values, values == fill_of("int32"))}
    return {field.name: values}
