"""A store as one netCDF-4 file, which xarray reads as it reads the store.

What netCDF does not have is written in the usual other way: a complex variable as
`<name>_real` and `<name>_imag`, booleans as 0 and 1 with the attribute dtype = "bool",
which xarray turns back, and tables among the attributes as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sweep.exports.exportable import STATUS_ARRAYS, Exportable, Field
from sweep.exports.out_files import OutFile
from sweep.problems import InputError

try:
    import h5netcdf
    import h5py
except ImportError:  # the extra `export` is not installed
    h5netcdf = h5py = None

_Part: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]


def netcdf_files(source: Exportable, out: Path) -> list[OutFile]:
    """Plan the one file of a netCDF export; the status arrays always belong to it.

    Raises
    ------
    InputError : h5netcdf is not installed, or `out` is a folder
    """
    if h5netcdf is None:
        msg = (
            "netCDF files are written by h5netcdf, which is not installed. "
            "Install modesweep[export]."
        )
        raise InputError(msg)
    if out.is_dir():
        msg = f"{out} is a folder, but a netCDF export is one file. Give --out {out / 'sweep.nc'}."
        raise InputError(msg)
    names = dict.fromkeys([*source.names, *STATUS_ARRAYS])
    fields = [source.field(n) for n in names]
    dims = [*source.axes, *sorted({d for f in fields for d in f.dims} - {*source.axes})]
    fields = [*source.coordinates(dims), *fields]

    def write(path: Path) -> None:
        with h5netcdf.File(path, "w") as file:
            file.dimensions = {d: source.dataset.sizes[d] for d in dims}
            file.attrs.update(_attributes(source.dataset.attrs))
            beside = {f.name: f.dims for f in fields if f.name in source.dataset.coords}
            for field in fields:
                _write(file, field, {n: d for n, d in beside.items() if n not in dims})

    return [OutFile(out, f"{len(names)} variables", write)]


def _write(file: Any, field: Field, beside: Mapping[str, tuple[str, ...]]) -> None:
    attrs = _attributes({**field.array.attrs, "units": field.unit})
    along = [n for n, dims in beside.items() if {*dims} <= {*field.dims} and n != field.name]
    if along:
        attrs["coordinates"] = " ".join(along)
    kind = field.array.dtype.kind
    if kind == "c":
        for part, take in (("real", np.real), ("imag", np.imag)):
            comment = f"{part} part of {field.name}"
            _fill(file, f"{field.name}_{part}", field, np.dtype(np.float64), take,
                  {**attrs, "comment": comment})  # fmt: skip
    elif kind == "b":
        _fill(file, field.name, field, np.dtype(np.int8), _same, {**attrs, "dtype": "bool"})
    elif kind in "OUT":
        _fill(file, field.name, field, h5py.string_dtype(), lambda x: x.astype(object), attrs)
    else:
        if "flag_values" in attrs:  # CF wants them in the type of the variable
            attrs["flag_values"] = np.asarray(attrs["flag_values"], dtype=field.array.dtype)
        _fill(file, field.name, field, field.array.dtype, _same, attrs)


def _fill(
    file: Any, name: str, field: Field, dtype: Any, part: _Part, attrs: Mapping[str, Any]
) -> None:
    # whole numbers get no _FillValue: readers would turn them into floats
    floats = dtype.kind == "f"
    packed = {"compression": "gzip", "shuffle": True} if dtype.kind != "O" else {}
    shaped = {"chunks": field.chunk, **packed} if field.dims else {}
    variable = file.create_variable(
        name, field.dims, dtype=dtype, fillvalue=dtype.type(np.nan) if floats else None, **shaped
    )
    variable.attrs.update(attrs)
    for slab in field.slabs():
        variable[tuple(slab.values()) or ...] = part(field.values(slab))


def _same(values: NDArray[Any]) -> NDArray[Any]:
    return values


def _attributes(given: Mapping[Any, Any]) -> dict[str, Any]:
    """Turn what netCDF cannot hold into JSON."""
    return {
        str(name): value if _held(value) else json.dumps(value) for name, value in given.items()
    }


def _held(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(_is_number(x) for x in value)
    return isinstance(value, str | np.ndarray | np.generic) or _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
