"""A look at this machine and a workspace: what a sweep needs, whether it is there, what to mend."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, distribution, entry_points, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

import models
from models import registry
from sweep.arrays import told
from sweep.child import Request
from sweep.durable import PARTIAL
from sweep.filesystem import is_network, kind_of, locks_hold, wal_works, write_seconds
from sweep.layout import ARRAYS, DATA, DEFAULT_WORKSPACE, ledger_file, plan_file, sweep_file
from sweep.machine import core_quota, cores, memory_bytes
from sweep.problems import InputError, ObjectsError, UnreachableError
from sweep.process import NumericsProcess
from sweep.spec import RunSettings
from sweep.stage_cache import LEFT_SECONDS
from sweep.versions import versions
from sweep.words import readable_bytes, readable_seconds

OK, WARNING, PROBLEM = "ok", "warning", "problem"
VERDICTS = (OK, WARNING, PROBLEM)
LITTLE_SPACE, NO_SPACE = 2**30, 100 * 2**20
"""Free bytes below which a sweep may not fit, or surely does not."""
FEW_FILES = 10_000
PROBE = b"modesweep"
SLOW_WRITE = 0.1
"""Seconds for one small file; a block writes a handful."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    value: str
    verdict: str = OK
    """ok, warning or problem."""
    remedy: str = ""
    """What to do, where it is not ok."""


@dataclass(frozen=True)
class Report:
    """Everything that was looked at."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """The worst of all: ok, warning or problem."""
        return max((f.verdict for f in self.findings), key=VERDICTS.index, default=OK)

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return {"verdict": self.verdict, "findings": [asdict(f) for f in self.findings]}


def doctor(workspace: str | Path = DEFAULT_WORKSPACE) -> Report:
    """Look at the installation, this machine and a workspace; leaves nothing behind."""
    folder = Path(workspace)
    return Report((
        *_installation(), _blas(), *_models(), _cores(), _memory(),
        *_workspace(folder), *_sweeps(folder), *_leftovers(folder),
    ))  # fmt: skip


# --- the installation -----------------------------------------------------------------------


def _installation() -> Iterator[Finding]:
    text = ", ".join(f"{name} {number}" for name, number in versions().items())
    unmet = list(_unmet())
    yield Finding(
        "versions", "; ".join([text, *unmet]), PROBLEM if unmet else OK,
        "Install modesweep again, which brings the versions it needs." if unmet else "",
    )  # fmt: skip
    ours, physics = Path(__file__).parent, Path(str(models.__file__)).parent
    same = ours.parent == physics.parent
    yield Finding(
        "packages", f"{ours}, {physics}", OK if same else PROBLEM,
        "" if same else "A folder of that name hides the installed one. Rename it.",
    )  # fmt: skip


def _unmet() -> Iterator[str]:
    """Name what is installed in a version that the metadata does not allow."""
    try:
        lines = distribution("modesweep").requires or []
    except PackageNotFoundError:
        yield "modesweep itself is not installed"
        return
    for need in map(Requirement, lines):
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(need.name)
        except PackageNotFoundError:
            yield f"{need.name} is missing (needs {need.specifier})"
            continue
        if not need.specifier.contains(found, prereleases=True):
            yield f"{need.name} {found} does not do (needs {need.specifier})"


def _blas() -> Finding:
    """Start a numerics process, which refuses more than one thread."""
    process = NumericsProcess()
    nothing = Request("", (), (), False, (), (), None, (), RunSettings().memory)
    try:
        list(process.answers(nothing, 60.0))
        kernel = process.kernel
    except (UnreachableError, OSError) as error:
        return Finding("BLAS", str(error), PROBLEM, "Reinstall numpy; unset *_NUM_THREADS.")
    finally:
        process.close()
    if kernel == "unknown":
        remedy = "Results are the same bytes on one BLAS only. Use numpy with OpenBLAS or MKL."
        return Finding("BLAS", "unknown", WARNING, remedy)
    return Finding("BLAS", f"{kernel}, one thread in a numerics process")


def _models() -> Iterator[Finding]:
    """Load each model by itself, so that a broken one does not hide the others."""
    taken = list(registry.BUILT_IN)
    broken = []
    for entry in entry_points(group=registry.ENTRY_POINT_GROUP):
        package = entry.dist.name if entry.dist is not None else entry.value
        try:
            if entry.name in taken:
                broken.append((entry.name, package, "the name is taken"))
                continue
            entry.load()()
            taken.append(entry.name)
        except Exception as error:  # a plug-in may raise anything
            broken.append((entry.name, package, f"{type(error).__name__}: {error}"))
    yield Finding("models", ", ".join(sorted(taken)))
    for name, package, why in broken:
        remedy = f"Mend or uninstall the package {package}: until then its model cannot be used."
        yield Finding(f"model {name}", f"cannot be loaded ({why})", PROBLEM, remedy)


# --- the machine ------------------------------------------------------------------------------


def _cores() -> Finding:
    count, quota = cores(), core_quota()
    if quota is None or quota >= count:
        return Finding("cores", str(count))
    remedy = f"Workers would wait for each other. Run with --workers {max(1, int(quota))}."
    value = f"{count}, of which a limit allows the time of {quota:g}"
    return Finding("cores", value, WARNING, remedy)


def _memory() -> Finding:
    have, each = memory_bytes(), RunSettings().memory
    value = f"{readable_bytes(have)}, {readable_bytes(have / cores())} a core"
    if have >= each * cores():
        return Finding("memory", value)
    remedy = (
        f"A worker may take {readable_bytes(each)} unless [run] `memory` says less. Lower it, "
        f"or run with --workers {max(1, have // each)}."
    )
    return Finding("memory", value, WARNING, remedy)


# --- the workspace ----------------------------------------------------------------------------


def _workspace(folder: Path) -> Iterator[Finding]:
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        why = "is no folder" if not place.is_dir() else "cannot be written"
        remedy = "Give a --workspace in a folder that you can write."
        yield Finding("workspace", f"{folder}: {place} {why}", PROBLEM, remedy)
        return
    there = "is there" if folder.is_dir() else "is not there yet, and can be made"
    yield Finding("workspace", f"{folder} {there}")
    yield _file_system(place)
    yield _space(place)
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=place) as inside:
            yield from _probes(Path(inside), network=is_network(place))
    except OSError as error:
        remedy = "Free space or mend the permissions, or give another --workspace."
        yield Finding("write", str(error), PROBLEM, remedy)
    yield from _object_store(folder)


def _object_store(folder: Path) -> Iterator[Finding]:
    """Look at the place of arrays that do not lie in the workspace."""
    try:
        place = told(folder)
        if place is None:
            return
        probe, begun = f".doctor-{uuid.uuid4().hex[:8]}", time.perf_counter()
        place.put(probe, PROBE)
        same = place.read(probe) == PROBE
        seconds = time.perf_counter() - begun
        place.drop(probe)
    except (InputError, ObjectsError) as error:
        yield Finding("arrays", str(error), PROBLEM, f"Mend it, or {folder / ARRAYS}.")
        return
    value = f"{place.url}, {readable_seconds(seconds)} to put and get a small object"
    remedy = "It gave back other bytes than were put: use another store."
    yield Finding("arrays", value, OK if same else PROBLEM, "" if same else remedy)


def _file_system(place: Path) -> Finding:
    kind = kind_of(place)
    if not is_network(place):
        return Finding("file system", kind)
    remedy = (
        "It works, without SQLite's write-ahead log and with one commit a second. "
        "A local disk is faster."
    )
    return Finding("file system", f"{kind}, over a network", WARNING, remedy)


def _space(place: Path) -> Finding:
    free, files = shutil.disk_usage(place).free, os.statvfs(place)
    value, remedy = readable_bytes(free), "Free some, or give another --workspace."
    if files.f_files and files.f_favail < FEW_FILES:
        return Finding("free space", f"{value}, {files.f_favail} more files", WARNING, remedy)
    verdict = PROBLEM if free < NO_SPACE else WARNING if free < LITTLE_SPACE else OK
    return Finding("free space", value, verdict, "" if verdict == OK else remedy)


def _probes(inside: Path, *, network: bool) -> Iterator[Finding]:
    seconds = write_seconds(inside)
    slow = seconds > SLOW_WRITE
    yield Finding(
        "write", f"{readable_seconds(seconds)} for a small file (write, fsync, rename, read back)",
        WARNING if slow else OK,
        "Use a local disk, or larger blocks by fewer points at once." if slow else "",
    )  # fmt: skip
    yield _tried(
        "file locks", lambda: locks_hold(inside), "a second process is refused",
        "Two runs of one sweep would not notice each other. Mount it with locks, or move.",
    )  # fmt: skip
    if not network:
        yield _tried(
            "SQLite", lambda: wal_works(inside), "write-ahead log works",
            "The ledger cannot be kept there. Give a --workspace on another disk.",
        )  # fmt: skip


def _tried(what: str, works: Callable[[], bool], good: str, remedy: str) -> Finding:
    try:
        return Finding(what, good) if works() else Finding(what, "no effect", PROBLEM, remedy)
    except OSError as error:
        return Finding(what, str(error), PROBLEM, remedy)


def _sweeps(workspace: Path) -> Iterator[Finding]:
    folders = [p for p in sorted(workspace.glob("[!.]*")) if p.is_dir()]
    missing = {p: _missing(p) for p in folders}
    sweeps = [p for p, names in missing.items() if len(names) < len(_parts(p))]
    if sweeps:
        yield Finding("sweeps", str(len(sweeps)))
    for folder in sweeps:
        if missing[folder]:
            remedy = (
                f"Bring {folder} back from a copy, or move it away and run its sweep file again."
            )
            names = ", ".join(missing[folder])
            yield Finding(f"sweep {folder.name}", f"lacks {names}", PROBLEM, remedy)


def _parts(folder: Path) -> tuple[Path, ...]:
    store = folder / (ARRAYS if (folder / ARRAYS).exists() else f"{DATA}/zarr.json")
    return (sweep_file(folder), plan_file(folder), ledger_file(folder), store)


def _missing(folder: Path) -> list[str]:
    """Name the parts of a sweep that a folder does not have, or that are empty."""
    # a ledger that nobody has written to yet has no bytes
    return [
        str(p.relative_to(folder)) for p in _parts(folder)
        if not p.is_file() or (p != ledger_file(folder) and not p.stat().st_size)
    ]  # fmt: skip


def _leftovers(workspace: Path) -> Iterator[Finding]:
    """Look for what killed writers left behind."""
    oldest = time.time() - LEFT_SECONDS
    count, size = 0, 0
    for folder, folders, files in os.walk(workspace):
        for name in [*[f for f in files if f.endswith(PARTIAL)],
                     *[f for f in folders if ".creating" in f]]:  # fmt: skip
            try:
                stat = Path(folder, name).stat()
            except OSError:  # its writer is alive and has just renamed it
                continue
            if stat.st_mtime < oldest:
                count, size = count + 1, size + stat.st_size
    if count:
        remedy = "The next run of their sweep removes them; `modesweep cache prune` those it keeps."
        yield Finding("leftovers", f"{count} ({readable_bytes(size)})", WARNING, remedy)
