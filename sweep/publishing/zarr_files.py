"""Zarr stores at rest, which nobody writes any more: their metadata, their coordinates."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import LocalStore


def consolidate(store: Path) -> None:
    """Write the metadata of all arrays into that of their group."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "not part of the specification yet"
        zarr.consolidate_metadata(LocalStore(store), zarr_format=3)


def arrays_but(store: Path, left_out: Collection[str]) -> dict[str, NDArray[Any]]:
    """Read all arrays of a store but some."""
    group = zarr.open_group(LocalStore(store), mode="r", zarr_format=3)
    found: dict[str, Any] = {n: a for n, a in group.arrays() if n not in left_out}
    return {name: np.asarray(array[...]) for name, array in found.items()}


def put_files(store: Store, files: Iterable[tuple[str, bytes]]) -> None:
    """Put the files of a store into one of another kind, as they are."""
    make = default_buffer_prototype().buffer.from_bytes
    for key, content in files:
        sync(store.set(key, make(content)))
