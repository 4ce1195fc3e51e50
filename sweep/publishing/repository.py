"""A store as an icechunk repository: one commit, one tag.

Only one process writes it, and only once: icechunk's commits are not safe between processes on
file systems. Readers need icechunk, and get what is tagged, whatever comes after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sweep.problems import InputError
from sweep.publishing.zarr_files import put_files

try:
    import icechunk
except ImportError:  # the extra `icechunk` is not installed
    icechunk = None

BRANCH = "main"


def check_installed() -> None:
    """Refuse where icechunk is missing.

    Raises
    ------
    InputError : it is
    """
    if icechunk is None:
        msg = (
            "--icechunk: repositories are written by icechunk, which is not installed. Install "
            "modesweep[icechunk], or leave --icechunk out for a plain Zarr store."
        )
        raise InputError(msg)


def write_repository(
    folder: Path, head: Path, chunks: Iterable[tuple[str, bytes]], message: str, tag: str,
    about: dict[str, Any],
) -> None:  # fmt: skip
    """Write a store into a new repository: the files of `head`, then chunks, all in one commit."""
    # it warns of commits by several processes, and here is only one
    icechunk.set_logs_filter("error")
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(folder)))
    session = repository.writable_session(BRANCH)
    put_files(session.store, _files(head))
    put_files(session.store, chunks)
    repository.create_tag(tag, session.commit(message, metadata=about))


def _files(head: Path) -> Iterator[tuple[str, bytes]]:
    """Give the files of a folder, those near its top first: a group before its arrays."""
    paths = [p for p in head.rglob("*") if p.is_file()]
    metadata_first = sorted(paths, key=lambda p: (p.name != "zarr.json", len(p.parts), p))
    for path in metadata_first:
        yield path.relative_to(head).as_posix(), path.read_bytes()
