"""The file system that a folder lies on: its kind, and what it can do.

SQLite's write-ahead log and file locks work within one host; a network file system may
take both and keep neither. So its kind is looked up rather than tried.
"""

from __future__ import annotations

import fcntl
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from sweep.durable import write_files

MOUNTS = Path("/proc/self/mounts")
UNKNOWN = "unknown"
NETWORK = frozenset({
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "gfs", "gfs2", "glusterfs", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb3", "smbfs",
    "wekafs",
})  # fmt: skip
"""Kinds that several hosts write at once."""
LOCAL_FUSE = frozenset({
    "fuse.bindfs", "fuse.encfs", "fuse.exfat", "fuse.fuse-overlayfs", "fuse.gocryptfs",
    "fuse.mergerfs", "fuse.ntfs-3g", "fuse.overlayfs",
})  # fmt: skip
"""The other file systems in user space (sshfs, rclone, s3fs, ...) reach over a network."""
_ESCAPE = re.compile(r"\\([0-7]{3})")
_TRY_LOCK = """
import fcntl, sys
with open(sys.argv[1], "a") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("refused")
"""


def kind_of(path: Path) -> str:
    """Name the kind of file system that a path lies on, or would: ext4, nfs4, ...

    "unknown" where the system has no list of mounts.
    """
    try:
        listed = MOUNTS.read_text()
    except OSError:
        return UNKNOWN
    wanted = path.resolve().parts
    found, kind = -1, UNKNOWN
    for point, its_kind in _mounts(listed):
        # of several mounts at one place the last hides the others
        if wanted[: len(point)] == point and len(point) >= found:
            found, kind = len(point), its_kind
    return kind


@lru_cache(maxsize=2)
def _mounts(listed: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Read the list of mounts: parts of the path, and the kind; many sweeps ask for the same."""
    rows = [line.split(" ") for line in listed.splitlines()]
    return tuple(
        (Path(_ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), row[1])).parts, row[2])
        for row in rows
        if len(row) >= 3
    )


def is_network(path: Path) -> bool:
    """Say whether other hosts may write the file system of a path, too."""
    kind = kind_of(path)
    return kind in NETWORK or (kind.startswith("fuse.") and kind not in LOCAL_FUSE)


def write_seconds(folder: Path) -> float:
    """Write a small file as results are written (fsync, rename), read it back, remove it.

    Gives the seconds for one file.

    Raises
    ------
    OSError : it cannot be written, or is not what was written
    """
    path, content = folder / "probe", b"modesweep" * 1000
    started = time.perf_counter()
    write_files({path: content})
    taken = time.perf_counter() - started
    if path.read_bytes() != content:
        msg = "what was read back is not what was written"
        raise OSError(msg)
    path.unlink()
    return taken


def locks_hold(folder: Path) -> bool:
    """Say whether a second process is refused a lock that this one holds.

    Raises
    ------
    OSError : the file system has no locks
    """
    second = [sys.executable, "-I", "-S", "-c", _TRY_LOCK]
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        done = subprocess.run(
            [*second, file.name], capture_output=True, text=True, timeout=60, check=False
        )
    return done.stdout.strip() == "refused"


def wal_works(folder: Path) -> bool:
    """Say whether a second connection sees what one has written to a write-ahead log."""
    path = folder / "probe.sqlite"
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            (mode,) = writer.execute("pragma journal_mode = wal").fetchone()
            writer.execute("create table probe (n integer)")
            writer.execute("insert into probe values (1)")
            with closing(sqlite3.connect(path)) as reader:
                seen = reader.execute("select n from probe").fetchall()
        return mode == "wal" and seen == [(1,)]
    except sqlite3.Error:
        return False
