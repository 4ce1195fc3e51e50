"""Reading stores: lazy datasets, and queries that stream through the spectra."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray
from numpy.typing import NDArray

from models import registry
from models.errors import ModelInputError
from models.units import FREQUENCY_UNITS
from sweep.expressions.language import Expression, ExpressionError, check_names, parse
from sweep.layout import DEFAULT_WORKSPACE, fill_of
from sweep.locating import locate
from sweep.problems import InputError, StoreError, nearest, shown
from sweep.queries.boxes import (
    Box,
    Known,
    KnownRanges,
    Rows,
    Segments,
    boxes,
    joined,
    known_coordinate,
    possible_cells,
    reading_cost,
    slabs,
)
from sweep.queries.range_index import KINDS, BoolArray, RangeTable, stored_tables
from sweep.store import readable

SLAB_ELEMENTS = 2**21
"""Elements of a variable that are looked at in one go."""
INDEX_FROM = 2**24
"""Elements to read, or as good as, from which on it pays to ask the index what to leave out."""
ASK_ELEMENTS = 2**14
"""What the ranges of one block cost, as if so many elements were read."""
MOST_CELLS = 2**26
SAME = 1e-9
"""Relative distance within which a number selects a value of an axis."""
REDUCED_FREQUENCIES = ("sqrt(epsilon/m)/sigma", "sqrt(k/m)")
"""Units of a frequency in a store without a scale."""


def open_dataset(
    sweep: str | Path, workspace: str | Path = DEFAULT_WORKSPACE, *, live: bool = False
) -> xarray.Dataset:
    """Open the results of a sweep, finished or running, as a lazy dataset.

    Axes that were extended are sorted, if they were in order when the sweep began. In the
    store their new values stand after the old ones.

    Parameters
    ----------
    live : read values anew each time they are asked for, as it takes while the sweep runs
    """
    dataset = stored_dataset(sweep, workspace, live=live)
    order = sorting(dataset)
    return dataset.isel(order) if order else dataset


def stored_dataset(
    sweep: str | Path, workspace: str | Path = DEFAULT_WORKSPACE, *, live: bool = False
) -> xarray.Dataset:
    """Open the results of a sweep with all values in the order in which they are stored."""
    folder = locate(sweep, workspace)
    dataset = xarray.open_dataset(
        readable(folder), engine="zarr", consolidated=False, chunks=None, cache=not live
    )
    return dataset[_as_listed(dataset)]


def _as_listed(dataset: xarray.Dataset) -> list[str]:
    """Name the variables as their model lists them, then what the ledger knows of points.

    Zarr lists the arrays of a group in the order in which they happen to answer.
    """
    try:
        listed = list(registry.get(dataset.attrs["model"]).variables())
    except (ModelInputError, ImportError):  # results are read without their model, too
        listed = []
    place = {name: i for i, name in enumerate(listed)}
    return sorted(map(str, dataset.data_vars), key=lambda n: (place.get(n, len(place)), n))


def sorting(dataset: xarray.Dataset) -> dict[str, NDArray[np.intp]]:
    """Give the places that sort the axes of a store that were extended, by dim."""
    found = {}
    for dim, begun in dataset.attrs.get("begun_with", {}).items():
        values = dataset[dim].values
        if values.dtype.kind in "iuf":
            steps = np.diff(values[:begun])
            if (steps > 0).all():
                found[dim] = np.argsort(values)
            elif (steps < 0).all():
                found[dim] = np.argsort(-values)
    return found


def query(
    sweep: str | Path,
    expression: str,
    *,
    select: Mapping[str, Any] | None = None,
    variables: Sequence[str] = (),
    unit: str | None = None,
    workspace: str | Path = DEFAULT_WORKSPACE,
    most: int | None = None,
) -> pd.DataFrame:
    """Find the places of a store where a condition holds.

    Parameters
    ----------
    sweep : name in the workspace, or folder
    expression : such as "frequency > 12 and surface_weight > 0.6"; over variables, axes and
        own dims; words stand for flags, as in 'mode_kind == "below"'
    select : values of axes or own dims, a value or a list of values each
    variables : further variables for the table
    unit : THz, cm-1, meV: unit of frequencies in the expression and in the table
    most : rows after which the search ends

    Returns
    -------
    one row a place: axes, own dims, variables; units in `.attrs["units"]`, and in
    `.attrs["more"]` whether there are more than `most`

    Raises
    ------
    InputError : unknown names, words or units, or an expression that is none
    """
    folder = locate(sweep, workspace)
    dataset = stored_dataset(folder)
    found = _pieces(dataset, folder, expression, select or {}, variables, unit)
    pieces = list(_first(found, math.inf if most is None else most + 1))
    full = [p for p in pieces if len(p)] or pieces[:1]
    table = pd.concat(full, ignore_index=True) if len(full) > 1 else full[0]
    more = most is not None and len(table) > most
    table = table.iloc[:most]
    table.attrs = pieces[0].attrs | {"more": more}
    return _in_order(table, dataset)


def _first(pieces: Iterator[pd.DataFrame], rows: float) -> Iterator[pd.DataFrame]:
    """Give pieces until there are so many rows."""
    for piece in pieces:
        yield piece
        rows -= len(piece)
        if rows <= 0:
            return


def _in_order(table: pd.DataFrame, dataset: xarray.Dataset) -> pd.DataFrame:
    """Bring rows into the order of `open_dataset`; they come in that of the store."""
    order = sorting(dataset)
    dims = [d for d in table.columns if d in dataset.dims]
    if not set(order) & set(dims):
        return table
    ranks = []
    for d in dims:
        places = pd.Index(dataset[d].values).get_indexer(pd.Index(table[d]))
        ranks.append(np.argsort(order[d])[places] if d in order else places)
    attrs = table.attrs
    table = table.iloc[np.lexsort(ranks[::-1])].reset_index(drop=True)
    table.attrs = attrs
    return table


def stream(
    sweep: str | Path,
    expression: str,
    *,
    select: Mapping[str, Any] | None = None,
    variables: Sequence[str] = (),
    unit: str | None = None,
    workspace: str | Path = DEFAULT_WORKSPACE,
) -> Iterator[pd.DataFrame]:
    """Give the table of `query` piece by piece; if nothing is found, one empty piece."""
    folder = locate(sweep, workspace)
    yield from _pieces(stored_dataset(folder), folder, expression, select or {}, variables, unit)


def _pieces(
    dataset: xarray.Dataset, folder: Path, expression: str, select: Mapping[str, Any],
    variables: Sequence[str], unit: str | None,
) -> Iterator[pd.DataFrame]:  # fmt: skip
    chosen = _chosen(dataset, select)
    try:
        search = _Search(dataset, chosen, parse(expression), variables, unit)
        yield from search.pieces(search.cells(folder))
    except ExpressionError as error:
        msg = f"The query cannot be answered: {error}"
        raise InputError(msg) from None


def selected(dataset: xarray.Dataset, select: Mapping[str, Any]) -> xarray.Dataset:
    """Pick values of axes or own dims; numbers match up to rounding.

    Raises
    ------
    InputError : an axis or a value that is not there
    """
    return dataset.isel(_chosen(dataset, select))


def _chosen(dataset: xarray.Dataset, select: Mapping[str, Any]) -> dict[str, list[int]]:
    chosen: dict[str, list[int]] = {}
    for name, wanted in select.items():
        if name not in dataset.coords or dataset[name].ndim != 1:
            axes = sorted(str(n) for n, c in dataset.coords.items() if c.ndim == 1)
            msg = (f"--select names {name!r}, which is no axis or dim.{nearest(name, axes)} "
                   f"Known: {', '.join(axes)}.")  # fmt: skip
            raise InputError(msg)
        values = wanted if isinstance(wanted, list | tuple) else [wanted]
        places = [_place(dataset[name], name, v) for v in values]
        dim = str(dataset[name].dims[0])  # zipped axes share one: both must fit
        chosen[dim] = [i for i in chosen.get(dim, places) if i in places]
    return chosen


def _place(coordinate: xarray.DataArray, name: str, value: Any) -> int:
    known = coordinate.values
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if known.dtype.kind in "iuf" and number and abs(value) <= sys.float_info.max:
        away = np.abs(known - float(value))
        if away.size and away.min() <= SAME * max(abs(value), 1e-300):
            return int(away.argmin())
    else:
        same = [i for i, k in enumerate(known) if str(k) == str(value)]
        if same:
            return same[0]
    listed = [k.item() if hasattr(k, "item") else k for k in known[:20]]
    msg = (
        f"{name} has no value {shown(value)}.{nearest(str(value), listed)} "
        f"Values: {shown(listed, 300)}."
    )
    raise InputError(msg)


@dataclass
class _Column:
    """A column of the table, and how to look at it slab by slab."""

    name: str
    array: xarray.DataArray
    factor: float
    words: tuple[str, ...]
    unit: str

    @property
    def counts(self) -> bool:
        """Whole numbers, with a missing value that NaN stands for while searching."""
        return self.array.dtype == np.int32

    def nothing(self) -> NDArray[Any]:
        """Give no values, of the kind that values have."""
        return np.empty(0, dtype="U1" if self.words else self.array.dtype)

    def values(self, dims: Sequence[str], slab: Mapping[str, slice]) -> NDArray[Any]:
        """Load a slab, with a length of one along the dims that the array does not have."""
        own = {str(d): slab[str(d)] for d in self.array.dims if str(d) in slab}
        loaded = self._loaded(own)
        if self.factor != 1:
            loaded = loaded * self.factor
        if self.words:
            there: NDArray[Any] = loaded < len(self.words)
            table = np.array([*self.words, *[""] * (256 - len(self.words))])
            loaded = table[loaded]
            if not there.all():
                loaded = np.where(there, loaded.astype(object), None)
        elif self.counts:
            missing = loaded == fill_of("int32")
            loaded = np.where(missing, np.nan, loaded)
        shape = [slab[d].stop - slab[d].start if d in self.array.dims else 1 for d in dims]
        return np.reshape(loaded, shape)

    def _loaded(self, box: Mapping[str, slice]) -> Any:
        try:
            return self.array.isel(box).values
        except (ValueError, RuntimeError) as error:  # what the codecs raise
            where = ", ".join(f"{d} {s.start} to {s.stop - 1}" for d, s in box.items())
            msg = (
                f"A chunk of {self.name} is damaged, at {where or 'its only place'}: {error}. "
                "`modesweep verify` names the file, and with --repair has it computed again."
            )
            raise StoreError(msg) from None

    @property
    def sample(self) -> NDArray[Any]:
        """Give no values, of the kind that a condition meets."""
        texts = self.words or self.array.dtype.kind in "OUT"
        return np.empty(0, dtype="U1" if texts else self.array.dtype)

    def known(self, whole: xarray.DataArray, table: RangeTable | None) -> Known | None:
        """Give what is known of the values before they are read, over the whole dims."""
        if table is not None:
            plain = whole.dtype == np.float64 and not self.words
            if not plain and (self.factor != 1 or (self.words and whole.dtype != np.uint8)):
                return None
            return KnownRanges(table, whole.dtype.name, self.factor, self.words)
        if self.name not in whole.coords or whole.ndim != 1 or self.words or self.counts:
            return None
        return known_coordinate(str(whole.dims[0]), whole.values, self.factor)


class _Search:
    """One query on one dataset, or on some places of it."""

    def __init__(
        self, whole: xarray.Dataset, chosen: Mapping[str, list[int]], condition: Expression,
        variables: Sequence[str], unit: str | None,
    ) -> None:  # fmt: skip
        dataset = whole.isel(chosen)
        self._whole = whole
        known = sorted(str(n) for n in dataset.variables)
        unknown = check_names(condition, known, "variable or axis or dim", "the query")
        unknown += [
            f"--vars names {n!r}, which is not in the store.{nearest(n, known)} "
            f"Known: {', '.join(known)}."
            for n in variables if n not in known
        ]  # fmt: skip
        if unknown:
            raise InputError(" ".join(unknown))
        self._check_unit(unit)
        self.condition = condition
        asked = [*condition.names(), *variables]
        # a number that hangs on a mesh or a width is shown with its error
        used = dict.fromkeys(m for n in asked for m in (n, f"{n}_error") if m in known)
        # axes in the order of the sweep, then own dims in that of the variables: a store lists
        # its arrays in any order
        most_dims = sorted(used, key=lambda n: -dataset[n].ndim)
        dims = [*dict.fromkeys(str(d) for n in most_dims for d in dataset[n].dims)]
        axes = [str(d) for d in dataset["status"].dims]
        self.dims = [*[a for a in axes if a in dims], *[d for d in dims if d not in axes]]
        beside = sorted(
            (str(n) for n, c in dataset.coords.items() if c.ndim and set(c.dims) <= set(dims)),
            key=lambda n: (n not in dims, n),
        )
        shown_first = [n for d in self.dims for n in beside if dataset[n].dims[0] == d]
        names = dict.fromkeys([*shown_first, *used])
        self.columns = {n: self._column(dataset, n, unit) for n in names}
        self.sizes = {d: dataset.sizes[d] for d in self.dims}
        self._check_words()
        condition.evaluate_condition({n: self.columns[n].sample for n in condition.names()})
        chunks = self._chunks()
        self.steps = {d: (whole.sizes[d], max(chunks.get(d, whole.sizes[d]), 1))
                      for d in self.dims}  # fmt: skip
        self.segments = {d: Segments.of(chosen.get(d, range(n)), step)
                         for d, (n, step) in self.steps.items()}  # fmt: skip

    def _check_unit(self, unit: str | None) -> None:
        if unit is not None and unit not in (*FREQUENCY_UNITS, "reduced"):
            legal = [*FREQUENCY_UNITS, "reduced"]
            msg = f"--unit {unit!r} is not known.{nearest(unit, legal)} Units: {', '.join(legal)}."
            raise InputError(msg)

    def _column(self, dataset: xarray.Dataset, name: str, unit: str | None) -> _Column:
        array = dataset[name]
        stored = str(array.attrs.get("units", ""))
        factor = 1.0
        if unit in FREQUENCY_UNITS and stored in FREQUENCY_UNITS:
            factor, stored = FREQUENCY_UNITS[unit] / FREQUENCY_UNITS[stored], unit
        elif unit in FREQUENCY_UNITS and stored in REDUCED_FREQUENCIES:
            msg = (
                f"{name} is stored in {stored}, which --unit {unit} cannot express: a sweep in "
                "reduced units has no scale. Run it with a `material`, or leave --unit out."
            )
            raise InputError(msg)
        elif unit == "reduced" and stored in FREQUENCY_UNITS:
            msg = (
                f"{name} is stored in {stored}, which --unit reduced cannot express: a query "
                "does not take the scale of a `material` out again. "
                f"Use {', '.join(FREQUENCY_UNITS)}, or leave --unit out."
            )
            raise InputError(msg)
        words = tuple(str(array.attrs.get("flag_meanings", "")).split())
        return _Column(name, array, factor, words, "" if stored == "1" else stored)

    def _check_words(self) -> None:
        for name, words in self.condition.strings_compared_with().items():
            column = self.columns[name]
            known: list[str] = list(column.words)
            if not known and column.array.ndim == 1 and column.array.dtype.kind in "OUT":
                known = sorted({str(x) for x in column.array.values})
            for word in words:
                if known and word not in known:
                    msg = (f'The query compares {name} with "{word}", which it never is.'
                           f"{nearest(word, known)} Values: {', '.join(known)}.")  # fmt: skip
                    raise InputError(msg)

    def _chunks(self) -> dict[str, int]:
        """Give the chunks of what the condition names; those of the most dims come first."""
        arrays = [self._whole[n] for n in self.condition.names() if n in self._whole.data_vars]
        chunks: dict[str, int] = {}
        for array in sorted(arrays, key=lambda a: a.ndim):
            chunks |= array.encoding.get("preferred_chunks", {})
        return chunks

    def cells(self, folder: Path) -> BoolArray | None:
        """Say in which cells there may be rows; None if it is not known, or not worth asking."""
        names = self.condition.names()
        cells = math.prod(-(-n // step) for n, step in self.steps.values())
        work = len(names) * reading_cost(self.segments)
        if work < INDEX_FROM or cells > MOST_CELLS:
            return None
        arrays = {n: self._whole[n] for n in names}
        ranged = {
            n: (tuple(map(str, a.dims)), a.shape)
            for n, a in arrays.items()
            if n in self._whole.data_vars and a.ndim and a.dtype.name in KINDS
        }
        # with little selected, its chunks are read before all the ranges are
        enough = cells * ASK_ELEMENTS * len(ranged) <= work
        found = stored_tables(folder, ranged) if ranged and enough else {}
        known = {n: k for n, a in arrays.items() if (k := self.columns[n].known(a, found.get(n)))}
        return possible_cells(self.condition, self.steps, known)

    def pieces(self, cells: BoolArray | None) -> Iterator[pd.DataFrame]:
        """Give the rows slab by slab; an empty table if there are none."""
        empty = True
        for slab in slabs(self.segments, SLAB_ELEMENTS):
            parts = [slab] if cells is None else boxes(self.segments, cells, slab)
            rows = joined([rows for box in parts if (rows := self._rows(box, slab))])
            if rows is not None:
                empty = False
                yield self._framed(rows)
        if empty:
            yield self._framed({n: c.nothing() for n, c in self.columns.items()})

    def _rows(self, box: Box, slab: Box) -> Rows | None:
        """Give the columns of a box, and the place of each row in its slab."""
        loaded = {n: self.columns[n].values(self.dims, box) for n in self.condition.names()}
        shape = [s.stop - s.start for s in box.values()] or [1]
        mask = np.broadcast_to(self.condition.evaluate_condition(loaded), shape)
        places = np.nonzero(mask)
        if not len(places[0]):
            return None
        rows = {}
        for name, column in self.columns.items():
            values = loaded.get(name)
            if values is None:
                values = column.values(self.dims, box)
            rows[name] = np.broadcast_to(values, shape)[places]
        inside = [p + box[d].start - slab[d].start for p, d in zip(places, box, strict=False)]
        sizes = [s.stop - s.start for s in slab.values()]
        return rows, np.ravel_multi_index(inside, sizes) if sizes else places[0]

    def _framed(self, rows: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
        whole = {
            n: a.astype(np.int32) if self.columns[n].counts and not np.isnan(a).any() else a
            for n, a in rows.items()
        }
        table = pd.DataFrame(whole)
        table.attrs["units"] = {n: c.unit for n, c in self.columns.items() if c.unit}
        return table
