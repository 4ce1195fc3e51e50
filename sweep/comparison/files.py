"""Checking files of a sweep against its ledger: there, of the right size, of the right bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.arrays import ArrayPlace, arrays_of, of_file
from sweep.layout import DATA
from sweep.ledger import BlockRow, Ledger
from sweep.planning import Plan


@dataclass(frozen=True)
class DamagedFile:
    """A file that is not what its block wrote."""

    name: str
    """From the folder of the sweep."""
    what: str
    region: str
    cell: tuple[int, ...]
    """The block: its place in the grid of the region."""
    points: int
    """Points of the sweep that have this result."""

    @property
    def beside(self) -> bool:
        """It is a kept result of a shared stage, which is not read from the store."""
        return _is_beside(self.name)


@dataclass(frozen=True)
class FileCheck:
    """What became of the files that a ledger names."""

    files: int
    bytes: int
    damaged: tuple[DamagedFile, ...]
    pruned: int
    """Kept results of shared stages that are gone; they are made again when they are needed."""
    kernels: tuple[str, ...]
    """BLAS kernels that the blocks were computed with."""


def check_files(folder: Path, plan: Plan, ledger: Ledger, has: NDArray[np.bool_]) -> FileCheck:
    """Read every file that the ledger names and compare its size and CRC32.

    `has` says which points of the sweep have a result, in its shape.
    """
    place = arrays_of(folder)
    files = count = pruned = 0
    bad: list[tuple[str, BlockRow]] = []
    kernels: set[str] = set()
    for row in ledger.blocks():
        kernels.add(row.kernel)
        for name, what in _faults(place, folder, row):
            if what == "missing" and _is_beside(name):
                pruned += 1
            elif what:
                bad.append((name, row))
        files += len(row.files)
        count += sum(size for size, _ in row.files.values())
    damaged = tuple(_damaged(place, folder, plan, ledger, has, name, row) for name, row in bad)
    return FileCheck(
        files - pruned, count, tuple(d for d in damaged if d.what), pruned,
        tuple(sorted(kernels - {""})),
    )  # fmt: skip


def _is_beside(name: str) -> bool:
    """Say whether a file lies outside the sweep's folder: a kept result, which may be pruned."""
    return name.startswith("..")


def _faults(place: ArrayPlace, folder: Path, row: BlockRow) -> Iterator[tuple[str, str]]:
    for name, written in row.files.items():
        yield name, _fault(place, folder, name, written)


def _fault(place: ArrayPlace, folder: Path, name: str, written: tuple[int, int]) -> str:
    """Say what is wrong with a file; nothing is an empty string."""
    key = name.removeprefix(f"{DATA}/")
    try:
        found = of_file(folder / name) if key == name else place.size_and_checksum(key)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    if found is None:
        return "missing"
    if found[0] != written[0]:
        return f"{found[0]:,} bytes instead of {written[0]:,}"
    return "" if found == tuple(written) else "other bytes than were written"


def _damaged(
    place: ArrayPlace, folder: Path, plan: Plan, ledger: Ledger, has: NDArray[np.bool_], name: str,
    row: BlockRow,
) -> DamagedFile:  # fmt: skip
    """Look again: a sweep that runs may have written the block anew meanwhile."""
    now = ledger.block(row.region, row.cell) or row
    what = _fault(place, folder, name, now.files[name]) if name in now.files else ""
    return DamagedFile(name, what, row.region, row.cell, points_of(plan, has, row))


def points_of(plan: Plan, has: NDArray[np.bool_], row: BlockRow) -> int:
    """Count the points of the sweep that have the result of a block."""
    region = plan.regions[row.region]
    box = [slice(None)] * len(plan.sweep.dims)
    for dim, i, chunk in zip(region.dims, row.cell, region.chunk, strict=False):
        box[dim] = slice(i * chunk, (i + 1) * chunk)
    return int(has[tuple(box)].sum())
