"""Where a bundle goes: a folder, or a place in an object store.

A bundle has its name only when it is whole. In a folder it is written beside its place and
renamed at the end. An object store knows no rename: there `checksums.sha256` comes last, and a
bundle without it is incomplete. Publishing the same sweep again begins an incomplete one anew.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sweep.durable import sync_folder, sync_tree
from sweep.problems import InputError, MachineError, OwnedError, RefusedError, nearest

try:
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import from_url
except ImportError:  # the extra `objects` is not installed
    obstore = None

CHECKSUMS = "checksums.sha256"
SWEEP = "sweep.toml"
"""Is written first, so that a bundle that was begun can be told from anything else."""
SCHEMES = ("s3", "gs", "az", "file", "memory")
CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION or AWS_ENDPOINT",
    "gs": "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
}
"""Environment variables that a store is entered with."""
_MEMORY: dict[str, Any] = {}
"""Stores that live as long as this process, for trials."""
PARTS = (
    "data.zarr/", "data.icechunk/", "figures/", "sweep.toml", "versions.json", "report.html",
    "verification.json", "CITATION.cff", "README.md", "LICENSE", CHECKSUMS,
)  # fmt: skip
"""Names that a bundle may have."""


class Place(ABC):
    """A bundle on its way; files are given one by one, and counted."""

    room: Path
    """A folder for what is made on the way."""

    def __init__(self, to: str) -> None:
        self.to = to
        self.bytes = 0
        self._sums: dict[str, str] = {}

    def put(self, name: str, content: bytes) -> None:
        """Write a file of the bundle."""
        self._write(name, content)
        self._sums[name] = hashlib.sha256(content).hexdigest()
        self.bytes += len(content)

    def put_folder(self, name: str, folder: Path) -> None:
        """Write all files of a folder under a name, those near its top first."""
        files = [p for p in folder.rglob("*") if p.is_file()]
        for path in sorted(files, key=lambda p: (len(p.parts), p)):
            self.put(f"{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    @property
    def files(self) -> int:
        """Number of files so far."""
        return len(self._sums)

    def finish(self) -> None:
        """Write the checksums of all files, and give the bundle its name."""
        lines = [f"{found}  {name}\n" for name, found in sorted(self._sums.items())]
        self._write(CHECKSUMS, "".join(lines).encode())
        self._complete()

    @abstractmethod
    def _write(self, name: str, content: bytes) -> None: ...

    @abstractmethod
    def _complete(self) -> None: ...


@contextmanager
def place_of(to: str | Path, sweep_folder: Path) -> Iterator[Place]:
    """Open the place of a bundle; unless it is finished, nothing is left under its name.

    Raises
    ------
    InputError : no such kind of place, or something that is not installed
    RefusedError : something else is there
    """
    with ExitStack() as stack:
        if "://" in str(to):
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="modesweep-publish-"))
            yield _Objects(str(to), Path(scratch), (sweep_folder / SWEEP).read_bytes())
        else:
            folder = _Folder(Path(to), sweep_folder)
            stack.callback(folder.clear)
            yield folder


# --- a folder -------------------------------------------------------------------------------


class _Folder(Place):
    def __init__(self, target: Path, sweep_folder: Path) -> None:
        super().__init__(str(target))
        self._target = target
        _check_target(target, sweep_folder)
        whole = target.resolve()
        self._beside = whole.with_name(f".{whole.name}.publishing")
        try:
            self._lock = self._locked()
            for left in self._beside.iterdir():  # by one that was killed
                if left.is_dir():
                    shutil.rmtree(left)
            self._bundle, self.room = self._beside / "bundle", self._beside / "room"
            self._bundle.mkdir()
            self.room.mkdir()
        except OSError as error:
            raise _in_words(self.to, error) from error

    def _locked(self) -> int:
        self._beside.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._beside / "lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_nlink:  # else the one before has just finished
                return handle
        except OSError:
            pass
        os.close(handle)
        msg = f"Another process is publishing to {self.to}. Wait for it, or give another --to."
        raise OwnedError(msg)

    def _write(self, name: str, content: bytes) -> None:
        path = self._bundle / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise _in_words(self.to, error) from error

    def _complete(self) -> None:
        try:
            sync_tree(self._bundle)
            self._bundle.replace(self._target.resolve())
            sync_folder(self._target.resolve().parent)
        except OSError as error:
            raise _in_words(self.to, error) from error

    def clear(self) -> None:
        """Remove what is not part of the bundle."""
        with suppress(OSError):
            shutil.rmtree(self._beside)
        os.close(self._lock)


def _check_target(target: Path, sweep_folder: Path) -> None:
    whole, own = target.resolve(), sweep_folder.resolve()
    if own in (whole, *whole.parents) or whole in own.parents:
        msg = (
            f"--to {target} lies in the folder of the sweep, or holds it. That folder is only "
            "read. Give a folder elsewhere, such as published/" + own.name + "."
        )
        raise RefusedError(msg)
    if whole.parent == own.parent and not whole.name.startswith("."):
        msg = (
            f"--to {target} lies among the sweeps of the workspace, where a bundle would be taken "
            f"for one of them. Give a folder elsewhere, such as published/{own.name}."
        )
        raise RefusedError(msg)
    if not whole.exists():
        return
    if not whole.is_dir():
        msg = f"--to {target} is a file. Give a folder that does not exist yet."
        raise InputError(msg)
    if any(whole.iterdir()):
        held = "a bundle" if (whole / CHECKSUMS).exists() else "something"
        msg = (
            f"--to {target} holds {held} already. A bundle is never changed: what is cited must "
            "stay. Give a folder that is empty or does not exist yet."
        )
        raise RefusedError(msg)


def _in_words(to: str, error: OSError) -> InputError | MachineError:
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        msg = f"--to {to} was filled by something else meanwhile. Give another folder."
        return RefusedError(msg)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        msg = f"The bundle cannot be written to {to}: {error.strerror}. Nothing is left of it."
        return MachineError(f"{msg} Free some space, or give another --to.")
    msg = f"The bundle cannot be written to {to}: {error.strerror}. Give a --to that you can write."
    return InputError(msg)


# --- an object store ------------------------------------------------------------------------


class _Objects(Place):
    def __init__(self, url: str, room: Path, sweep_file: bytes) -> None:
        super().__init__(url)
        self.room = room
        self._store = _store_of(url)
        self._check(sweep_file)

    def _check(self, sweep_file: bytes) -> None:
        """Take away an incomplete bundle of the same sweep; refuse anything else."""
        try:
            there = [str(m["path"]) for some in obstore.list(self._store) for m in some]
        except BaseError as error:
            raise InputError(_unusable(self.to, error)) from error
        foreign = [n for n in there if not n.startswith(PARTS)]
        if CHECKSUMS in there:
            msg = (
                f"--to {self.to} holds a bundle already. A bundle is never changed: what is cited "
                "must stay. Give a place that is empty."
            )
            raise RefusedError(msg)
        if foreign or (there and not self._is_ours(there, sweep_file)):
            msg = (
                f"--to {self.to} holds {(foreign or there)[0]}, which is no part of a bundle of "
                "this sweep. Give a place that is empty."
            )
            raise RefusedError(msg)
        if there:
            self._asked(lambda: obstore.delete(self._store, there))

    def _is_ours(self, there: list[str], sweep_file: bytes) -> bool:
        if SWEEP not in there:
            return False
        found = self._asked(lambda: obstore.get(self._store, SWEEP).bytes())
        return bytes(found) == sweep_file

    def _write(self, name: str, content: bytes) -> None:
        self._asked(lambda: obstore.put(self._store, name, content))

    def _complete(self) -> None:
        """The checksums are written, so it is complete."""

    def _asked(self, ask: Any) -> Any:
        try:
            return ask()
        except (BaseError, OSError) as error:
            msg = (
                f"{self.to} cannot be used any more: {_first_line(error)}. The bundle there is "
                f"incomplete, as it has no {CHECKSUMS}. The same command begins it anew."
            )
            raise MachineError(msg) from error


def _store_of(url: str) -> Any:
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        msg = (
            f"--to {url}: there is no kind of place {parts.scheme!r}."
            f"{nearest(parts.scheme, SCHEMES)} Give a folder, or an address that begins with "
            f"{', '.join(f'{s}://' for s in SCHEMES)}."
        )
        raise InputError(msg)
    if parts.query or parts.fragment or "@" in parts.netloc:
        msg = (
            f"--to {parts.scheme}://...: an address has no user, password or query in it. Put "
            "credentials into the environment: "
            f"{CREDENTIALS.get(parts.scheme, 'this kind needs none')}."
        )
        raise InputError(msg)
    if parts.scheme in CREDENTIALS and not parts.netloc:
        msg = f"--to {url} names no bucket. Give one such as {parts.scheme}://bucket/folder."
        raise InputError(msg)
    if obstore is None:
        msg = (
            f"--to {url}: object stores are written by obstore, which is not installed. "
            "Install modesweep[objects], or give a folder."
        )
        raise InputError(msg)
    if parts.scheme == "memory":
        return _MEMORY.setdefault(url, from_url("memory:///"))
    try:
        return from_url(url, **({"mkdir": True} if parts.scheme == "file" else {}))
    except (BaseError, ValueError, OSError) as error:
        raise InputError(_unusable(url, error)) from error


def _unusable(url: str, error: Exception) -> str:
    scheme = urlsplit(url).scheme
    entered = f" {CREDENTIALS[scheme]} in the environment say who asks." * (scheme in CREDENTIALS)
    return f"--to {url} cannot be used: {_first_line(error)}. Check the address.{entered}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
