"""The Zarr store of a sweep: allocated whole, written chunk by chunk, read by anyone.

`data.zarr`, wherever it lies (see `sweep.arrays`), is a Zarr v3 group that stock xarray opens
while the sweep runs. Every array has its full shape from the start; unwritten chunks are missing
values. A block writes its own whole chunks and no other block's, so no lock is needed.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import zlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore, ObjectStore, WrapperStore

from sweep.arrays import ArrayPlace, InFolder, InObjects, arrays_of
from sweep.layout import DATA, FORMAT, STATUS, fill_of
from sweep.objects import Objects
from sweep.planning import Plan
from sweep.problems import StoreError
from sweep.regions import Array, Region
from sweep.values import unit_of

MISSING_FLAG = 255
STATUS_ARRAYS = ("status", "attempts", "seconds")
# the checksum comes last, so that every reader finds a damaged byte before it unpacks one
_CODECS = (BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"), Crc32cCodec())
_TEXT_CODECS = (ZstdCodec(level=3), Crc32cCodec())
_PACKING = threading.Lock()
"""The slots of a worker share open stores; computing takes far longer than packing."""


class _Remote(ObjectStore[Any]):
    """An object store that is asked in threads, and whose refusals are failures of the machine.

    obstore's own tasks may end after the interpreter, and abort it.
    """

    def __init__(self, objects: Objects, *, read_only: bool) -> None:
        super().__init__(objects.store, read_only=read_only)
        self.objects = objects

    def with_read_only(self, read_only: bool = False) -> _Remote:
        """Open it once more."""
        return _Remote(self.objects, read_only=read_only)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Get a chunk or metadata, or a piece of it."""
        content = await asyncio.to_thread(self.objects.read, key)
        if content is None:
            return None
        start, stop = _piece(byte_range, len(content))
        return prototype.buffer.from_bytes(content[start:stop])

    async def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        return await asyncio.to_thread(self.objects.read, key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Put a chunk or metadata."""
        await asyncio.to_thread(self.objects.put, key, value.to_bytes())

    async def list_dir(self, prefix: str) -> AsyncGenerator[str, None]:
        """List the names under a prefix."""
        for name in await asyncio.to_thread(self.objects.names, prefix):
            yield name


def _piece(wanted: ByteRequest | None, size: int) -> tuple[int, int]:
    """Give where a piece of an object begins and ends; modesweep's chunks are always read whole."""
    match wanted:
        case RangeByteRequest():
            return wanted.start, wanted.end
        case OffsetByteRequest():
            return wanted.offset, size
        case SuffixByteRequest():
            return max(size - wanted.suffix, 0), size
    return 0, size


class _Capture(WrapperStore[Store]):
    """Reads a store, but keeps what is written in memory until it is committed."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.written: dict[str, bytes] = {}

    async def set(self, key: str, value: Buffer) -> None:
        """Keep a chunk."""
        self.written[key] = value.to_bytes()

    async def delete(self, key: str) -> None:
        """Ignore: empty chunks are written, never removed."""


def _store_of(place: ArrayPlace, *, read_only: bool) -> Store:
    """Open the arrays of a sweep wherever they lie."""
    if isinstance(place, InObjects):
        return _Remote(place.objects, read_only=read_only)
    return LocalStore(place.where, read_only=read_only)


def readable(folder: Path) -> Any:
    """Give the arrays of a sweep as xarray opens them."""
    place = arrays_of(folder)
    return place.path if isinstance(place, InFolder) else _store_of(place, read_only=True)


def create(folder: Path, plan: Plan, attributes: Mapping[str, Any]) -> None:
    """Allocate every array of a sweep, with its coordinates, status arrays and attributes.

    Nothing but metadata and coordinates is written: put over the store of a sweep with fewer
    values on its axes, it is that store with room for more.
    """
    group = zarr.open_group(LocalStore(folder / DATA), mode="w", zarr_format=3)
    sweep = plan.sweep
    beside = [axis for d in sweep.dims for axis in d.values if axis != d.name]
    group.attrs.update({**attributes, **({"coordinates": " ".join(beside)} if beside else {})})
    _create_coordinates(group, plan)
    for name, array in plan.arrays.items():
        _create_array(group, name, array, plan.model.source)
    _create_status(group, plan)


def _create_coordinates(group: zarr.Group, plan: Plan) -> None:
    sweep = plan.sweep
    fields = plan.model.parameters.model_fields
    for swept in sweep.dims:
        for axis in swept.values:
            note: dict[str, Any] = {
                "units": unit_of(fields[axis]) or "1",
                "long_name": fields[axis].description or axis,
            }
            _put(group, axis, sweep.coordinates[axis], (swept.name,), note)
    used = {d for a in plan.arrays.values() for d in a.variable.dims}
    first = sweep.point([0] * len(sweep.dims))
    for dim in plan.model.dims:
        if dim.name not in used:
            continue
        values = dim.coordinate(first) if dim.coordinate else range(plan.lengths[dim.name])
        if len(values) != plan.lengths[dim.name]:
            continue  # no point is wanted: every dim has one place, and nothing ever lies there
        unit = plan.model.unit_of(dim.unit, first)
        note = {"long_name": dim.long_name, "units": unit}
        _put(group, dim.name, np.array(values), (dim.name,), note)


def _put(
    group: zarr.Group, name: str, values: NDArray[Any], dims: Sequence[str], attrs: dict[str, Any]
) -> None:
    text = values.dtype.kind in "US"
    array = group.create_array(
        name, shape=values.shape, dtype="str" if text else values.dtype, chunks=values.shape,
        dimension_names=dims, attributes=attrs, fill_value="" if text else 0,
    )  # fmt: skip
    array[...] = values.astype(object) if text else values


def _create_array(group: zarr.Group, name: str, array: Array, source: str) -> None:
    v = array.variable
    attrs: dict[str, Any] = {
        "units": array.unit, "long_name": v.long_name, "source": v.source or source,
    }  # fmt: skip
    if v.error_of:
        attrs["error_of"] = v.error_of
    if v.flags:
        attrs |= {
            "flag_values": list(range(len(v.flags))), "flag_meanings": " ".join(v.flags),
            "comment": f"{MISSING_FLAG}: not there",
        }  # fmt: skip
    group.create_array(
        name, shape=array.shape, chunks=array.chunk, dtype=v.dtype, fill_value=fill_of(v.dtype),
        dimension_names=array.dims, attributes=attrs,
        compressors=_TEXT_CODECS if v.dtype == "str" else _CODECS,
    )  # fmt: skip


def _create_status(group: zarr.Group, plan: Plan) -> None:
    flags = {"flag_values": list(range(len(STATUS))), "flag_meanings": " ".join(STATUS)}
    _status_array(group, plan, "status", "uint8", "state of the point", "1", flags)
    _status_array(group, plan, "attempts", "uint8", "starts of the point's own last stage", "1")
    _status_array(group, plan, "seconds", "float32", "time of the point without shared stages", "s")


def _status_array(
    group: zarr.Group, plan: Plan, name: str, dtype: str, long_name: str, unit: str,
    flags: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    group.create_array(
        name, shape=plan.sweep.shape, chunks=plan.status_chunk, dtype=dtype,
        fill_value=np.nan if dtype == "float32" else 0,
        dimension_names=[d.name for d in plan.sweep.dims],
        attributes={
            "units": unit, "long_name": long_name, "source": "ledger of the sweep", **(flags or {}),
        },
        compressors=_CODECS,
    )  # fmt: skip


def attributes(plan: Plan, versions: Mapping[str, str], kernel: str) -> dict[str, Any]:
    """Give the attributes that make a store describe itself."""
    return {
        "modesweep_format": FORMAT,
        "name": plan.sweep.name,
        "model": plan.model.name,
        "revision": plan.model.revision,
        "sweep": json.dumps(plan.sweep.document),
        "versions": dict(versions),
        "blas": kernel,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "Conventions": "CF-1.11",
        "title": plan.model.title,
        "source": plan.model.source,
        **({"begun_with": plan.begun_with} if plan.begun_with else {}),
    }


def keep_codecs(fresh: Path, stored: Path, plan: Plan) -> None:
    """Let arrays that were allocated anew be packed as the chunks that are there already."""
    place = arrays_of(stored)
    for name in (*plan.arrays, *STATUS_ARRAYS):
        path = fresh / DATA / name / "zarr.json"
        new = json.loads(path.read_text())
        old = json.loads(place.read(f"{name}/zarr.json") or b"")
        path.write_text(json.dumps({**new, "codecs": old["codecs"]}, indent=1))


def stored_attributes(folder: Path) -> dict[str, Any]:
    """Read the attributes of a store."""
    return dict(_group(arrays_of(folder), "r").attrs)


def _group(place: ArrayPlace, mode: Literal["r", "r+"]) -> zarr.Group:
    return zarr.open_group(_store_of(place, read_only=mode == "r"), mode=mode, zarr_format=3)


class BlockWriter:
    """Writes blocks into an open store, from any process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place = arrays_of(folder)
        self._store = _Capture(_store_of(self._place, read_only=False))
        self._group = zarr.open_group(self._store, mode="r+", zarr_format=3)
        self._arrays: dict[str, zarr.Array[Any]] = {}

    def write(
        self,
        region: Region,
        block: int,
        values: Mapping[str, NDArray[Any]],
        beside: Mapping[Path, bytes],
        still_wanted: Callable[[], bool],
    ) -> dict[str, tuple[int, int]] | None:
        """Write the chunks of a block, and other files that belong to it.

        Gives the size and checksum of each file by its name, or None when the block is no
        longer wanted; then nothing was changed.
        """
        with _PACKING:
            self._store.written.clear()
            for name, array in values.items():
                self._array(name)[self._selection(region, block, array.ndim)] = array
            files = dict(self._store.written)
        named = {f"{DATA}/{key}": content for key, content in files.items()}
        named |= {self._name(path): content for path, content in beside.items()}
        sizes = {name: (len(c), zlib.crc32(c)) for name, c in named.items()}
        return sizes if self._place.write(files, beside, still_wanted) else None

    def points(
        self, name: str, index: Sequence[NDArray[np.int64]], own: Sequence[slice]
    ) -> NDArray[Any]:
        """Read a variable at the product of indices along its axes."""
        array = self._array(name)
        stored: Any = array.oindex[(*index, *own)] if index else array[tuple(own)]
        return np.asarray(stored)

    def read(self, region: Region, block: int) -> dict[str, NDArray[Any]]:
        """Read what is stored of a block.

        Raises
        ------
        StoreError : a chunk is damaged
        """
        values = {}
        for name in region.variables:
            array = self._array(name)
            selection = self._selection(region, block, array.ndim)
            try:
                stored: Any = array[selection]
            except (ValueError, RuntimeError) as error:
                msg = (
                    f"The stored block {region.cell(block)} of {name} in {self._place.where} is "
                    f"damaged: {error}. `modesweep verify --repair` has it computed again."
                )
                raise StoreError(msg) from None
            text = array.dtype.kind in "OUT"
            values[name] = np.asarray(stored, dtype=object) if text else np.asarray(stored)
        return values

    def _array(self, name: str) -> zarr.Array[Any]:
        if name not in self._arrays:
            array: Any = self._group[name]
            self._arrays[name] = array.with_config({"write_empty_chunks": True})
        return self._arrays[name]

    def _name(self, path: Path) -> str:
        """Name a file from the sweep's folder, so that a workspace can be moved."""
        return os.path.relpath(path, self._folder)

    def _selection(self, region: Region, block: int, ndim: int) -> tuple[slice, ...]:
        selection = list(region.box(block))
        own = ndim - len(selection)
        if region.divided and own:
            selection.append(slice(*region.cut_range(block)))
            own -= 1
        return (*selection, *[slice(None)] * own)


class StatusWriter:
    """Writes the status arrays; only the owner of a sweep has one."""

    def __init__(self, folder: Path) -> None:
        group = _group(arrays_of(folder), "r+")
        self._arrays = {name: group[name] for name in STATUS_ARRAYS}

    def write(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Bring the arrays up to date."""
        for name, array in values.items():
            self._arrays[name][...] = array  # type: ignore[index]
