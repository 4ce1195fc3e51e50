"""Where the arrays of a sweep lie: in its folder, or in an object store.

A workspace with a file `arrays.toml` keeps the arrays of the sweeps that begin in it under the
place that stands there; everything else of a sweep stays in its folder, which then has an
`arrays.toml` of its own in place of `data.zarr`. Each sweep has a place that no other ever had,
so that what was removed, or begun twice at the same moment, harms nothing.
"""

from __future__ import annotations

import shutil
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from sweep import documents
from sweep.durable import write_files
from sweep.layout import ARRAYS, DATA
from sweep.objects import Objects
from sweep.problems import InputError

PIECE_BYTES = 2**20


class ArrayPlace(Protocol):
    """Holds metadata and chunks of arrays by key, as Zarr names them."""

    @property
    def where(self) -> str:
        """Path or URL, for people and for readers."""

    def read(self, key: str) -> bytes | None:
        """Read one of them; None if it is not there."""

    def size_and_checksum(self, key: str) -> tuple[int, int] | None:
        """Give the bytes and the CRC32 of one of them; None if it is not there."""

    def write(
        self, files: Mapping[str, bytes], beside: Mapping[Path, bytes],
        still_wanted: Callable[[], bool] = lambda: True,
    ) -> bool:  # fmt: skip
        """Write some of them, and files that belong to them; say whether it was wanted.

        Each is whole or not there. What is written lasts when this returns.
        """


class InFolder:
    """Arrays in the folder of their sweep."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / DATA

    @property
    def where(self) -> str:
        """The path."""
        return str(self.path)

    def read(self, key: str) -> bytes | None:
        """Read a file."""
        try:
            return (self.path / key).read_bytes()
        except FileNotFoundError:
            return None

    def size_and_checksum(self, key: str) -> tuple[int, int] | None:
        """Read a file piece by piece."""
        return of_file(self.path / key)

    def write(
        self, files: Mapping[str, bytes], beside: Mapping[Path, bytes],
        still_wanted: Callable[[], bool] = lambda: True,
    ) -> bool:  # fmt: skip
        """Write files, all under temporary names first."""
        own = {self.path / key: content for key, content in files.items()}
        return write_files({**own, **beside}, still_wanted)


class InObjects:
    """Arrays in an object store, where a put is whole or not there."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    @property
    def where(self) -> str:
        """The URL."""
        return self.objects.url

    def read(self, key: str) -> bytes | None:
        """Get an object."""
        return self.objects.read(key)

    def size_and_checksum(self, key: str) -> tuple[int, int] | None:
        """Get an object."""
        content = self.read(key)
        return None if content is None else (len(content), zlib.crc32(content))

    def write(
        self, files: Mapping[str, bytes], beside: Mapping[Path, bytes],
        still_wanted: Callable[[], bool] = lambda: True,
    ) -> bool:  # fmt: skip
        """Put objects one by one; a block that is cut short here is written again, to the same."""
        if not write_files(beside, still_wanted):
            return False
        for key, content in files.items():
            self.objects.put(key, content)
        return True


def of_file(path: Path) -> tuple[int, int] | None:
    """Give the bytes and the CRC32 of a file; None if it is not there."""
    size = crc = 0
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                size, crc = size + len(piece), zlib.crc32(piece, crc)
    except FileNotFoundError:
        return None
    return size, crc


def arrays_of(folder: Path) -> ArrayPlace:
    """Say where the arrays of a sweep lie."""
    objects = told(folder)
    return InFolder(folder) if objects is None else InObjects(objects)


def told(folder: Path) -> Objects | None:
    """Read the place in an object store that a workspace or a sweep names, if it names one.

    Raises
    ------
    InputError : the file cannot be used
    """
    path = folder / ARRAYS
    if not path.exists():
        return None
    try:
        return Objects.of(documents.load(path).content)
    except InputError as error:
        msg = f"{path}: {error}"
        raise InputError(msg) from None


def move_out(fresh: Path, workspace: Path, name: str) -> Objects | None:
    """Bring the arrays of a fresh sweep to where its workspace keeps arrays; give that place.

    None, and nothing is done, if they stay in its folder.
    """
    home = told(workspace)
    if home is None:
        return None
    place = home.below(f"{name}-{uuid.uuid4().hex[:8]}/{DATA}")
    InObjects(place).write({key: path.read_bytes() for key, path in prepared(fresh)}, {})
    shutil.rmtree(fresh / DATA)
    write_files({fresh / ARRAYS: documents.to_toml(place.told()).encode()})
    return place


def prepared(folder: Path) -> Iterator[tuple[str, Path]]:
    """List the files of arrays in a folder by their keys."""
    root = folder / DATA
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield path.relative_to(root).as_posix(), path
