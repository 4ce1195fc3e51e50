"""What a bundle is made of: the finished sweep, its data, its check, its figures."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.arrays import arrays_of
from sweep.comparison.stored import labels
from sweep.comparison.verifying import Told, Verification, verify
from sweep.drawing import drawn_by
from sweep.layout import DATA, FAILED, LOST, STATUS, plan_file
from sweep.ledger import Ledger
from sweep.locating import locate
from sweep.overview import Status, status
from sweep.planning import Plan
from sweep.problems import DeviationError, InputError, MachineError, ObjectsError, RefusedError
from sweep.publishing.zarr_files import arrays_but
from sweep.reading import stored_plan
from sweep.state import SweepState
from sweep.store import STATUS_ARRAYS, StatusWriter, create, stored_attributes
from sweep.versions import versions

PNG = ".png"
ANY = "explorer"
"""The view of any variable, drawn where nothing better fits."""
SAME = 1e-9


@dataclass(frozen=True)
class Source:
    """A sweep that has ended, as its ledger has it."""

    folder: Path
    plan: Plan
    counts: dict[str, int]
    """Points by status."""
    attributes: dict[str, Any]
    """Of its store."""
    kernels: tuple[str, ...]
    """BLAS kernels that computed it."""
    arrays: dict[str, NDArray[np.generic]]
    """Status, attempts and seconds of every point."""
    mark: tuple[Any, bytes]
    """Tells this state of the sweep from any later one."""

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self.plan.sweep.name

    @property
    def failed(self) -> int:
        """Points without a result that should have one."""
        return sum(self.counts.get(STATUS[s], 0) for s in (FAILED, LOST))

    @property
    def results(self) -> int:
        """Points that have a result."""
        return self.counts.get("ok", 0) + self.counts.get("unstable", 0)

    @property
    def grown(self) -> tuple[str, ...]:
        """Dims whose values may not stand in order, since the sweep was extended."""
        return tuple(self.attributes.get("begun_with", {}))

    def check_unchanged(self) -> None:
        """Refuse a sweep that has gone on since it was read.

        Raises
        ------
        RefusedError : it has
        """
        if _mark(self.folder) != self.mark:
            msg = (
                f"{self.name} was changed while it was being published. Wait until it has ended, "
                "then give the same command again."
            )
            raise RefusedError(msg)


def source_of(sweep: str | Path, workspace: str | Path, *, incomplete: bool) -> Source:
    """Read a sweep that has ended.

    Raises
    ------
    StoreError : there is no such sweep
    RefusedError : it has not ended, or some points failed and `incomplete` is not set
    """
    found = status(sweep, workspace)
    _check_ended(found, incomplete=incomplete)
    folder = locate(found.path, workspace)
    plan, mark = stored_plan(folder), _mark(folder)
    with Ledger(folder) as ledger:
        state = SweepState.of(plan, ledger)
        attributes = stored_attributes(folder)
        kernels = {row.kernel for row in ledger.blocks()} - {""}
    return Source(
        folder, plan, found.counts, attributes,
        tuple(sorted(kernels)) or (str(attributes["blas"]),), state.arrays(), mark,
    )  # fmt: skip


def _mark(folder: Path) -> tuple[Any, bytes]:
    with Ledger(folder) as ledger:
        return ledger.fact("commits"), plan_file(folder).read_bytes()


def _check_ended(found: Status, *, incomplete: bool) -> None:
    counts = ", ".join(f"{n:,} {word}" for word, n in found.counts.items())
    if not found.ended:
        msg = (
            f"{found.name} has not ended: it is {found.state} ({counts or 'nothing is begun'}). "
            "Only what will not change is published. `modesweep run` or `modesweep resume` goes "
            "on with it, `modesweep watch` waits for it."
        )
        raise RefusedError(msg)
    if found.state == "ended" and not incomplete:
        msg = (
            f"{found.name} has points without a result ({counts}). `modesweep errors` shows why, "
            "and `modesweep retry` computes them again. --incomplete publishes it as it is, and "
            "says so in its README."
        )
        raise RefusedError(msg)
    if not {"ok", "unstable"} & set(found.counts):
        msg = (
            f"{found.name} has no point with a result ({counts}), so there is nothing to publish. "
            "`modesweep errors` shows what failed."
        )
        raise RefusedError(msg)


# --- its check ------------------------------------------------------------------------------


def verified(
    source: Source, sample: str | int, workers: int | None, told: Told | None
) -> Verification:
    """Check all files, and compute a sample again.

    Raises
    ------
    InputError : a sample that is none
    DeviationError : something is damaged or deviates
    """
    found = verify(source.folder, sample=sample, workers=workers, told=told)
    if found.ok:
        return found
    faults = []
    if count := len(found.check.damaged):
        first = found.check.damaged[0]
        faults.append(f"{count:,} of its files damaged, as {first.name} ({first.what})")
    if found.deviating:
        faults.append(
            "computed again, values deviate: "
            + ", ".join(
                f"{c.variable.name} by {c.relative:.1e} (allowed {c.tolerance:.1e})"
                for c in found.deviating
            )
        )
    if found.not_compared:
        left = found.not_compared[0]
        faults.append(
            f"{len(found.not_compared):,} calculations could not be compared, as "
            f"{' + '.join(left.stages)} ({left.kind}: {left.message})"
        )
    msg = (
        f"{source.name} is not published: {'; '.join(faults)}. `modesweep verify {source.name} "
        f"--sample {sample}` shows all; with --repair, and `modesweep retry` after it, damaged "
        "blocks are computed again."
    )
    raise DeviationError(msg)


def verification_of(source: Source, found: Verification) -> dict[str, Any]:
    """Say what was verified: which points, within what tolerance, with what result."""
    told = found.as_dict()
    del told["path"]
    plan = source.plan
    dims = range(len(plan.sweep.dims))
    points = [labels(plan, tuple(dims), tuple(place)) for place in found.drawn.tolist()]
    return {**told, "drawn": points}


def versions_of(source: Source, published_with: Sequence[str] = ()) -> dict[str, Any]:
    """Say what computed the sweep, and what made the bundle of it."""
    model, attributes = source.plan.model, source.attributes
    return {
        "modesweep_format": attributes["modesweep_format"],
        "model": {
            "name": model.name, "title": model.title, "revision": attributes["revision"],
            "source": attributes["source"],
        },
        "computed": {
            "begun": attributes["created"], "versions": attributes["versions"],
            "blas": list(source.kernels),
        },
        "published": {"versions": versions(published_with)},
    }  # fmt: skip


# --- its data -------------------------------------------------------------------------------


def write_head(source: Source, room: Path) -> Path:
    """Write what the ledger has no checksums of into `room`: metadata, coordinates, status.

    Coordinates are compared with the sweep file, and the status is written from the ledger.

    Raises
    ------
    DeviationError : a coordinate is not what it should be
    """
    head = room / DATA
    chunked = {*source.plan.arrays, *STATUS_ARRAYS}
    wanted = _coordinates(source, room, chunked)
    names = ["zarr.json", *(f"{n}/zarr.json" for n in (*chunked, *wanted))]
    names += [f"{n}/c/0" for n in wanted]  # each is one chunk
    for name in names:
        (head / name).parent.mkdir(parents=True, exist_ok=True)
        (head / name).write_bytes(_stored(source, name))
    found = arrays_but(head, chunked)
    if bad := [n for n, values in wanted.items() if not _same(found[n], values)]:
        msg = (
            f"{source.name} is not published: {', '.join(bad)} in its store is not what its sweep "
            f"file says. Restore {DATA}/{bad[0]} from a copy, or run the sweep file again under "
            "another name."
        )
        raise DeviationError(msg)
    StatusWriter(room).write(source.arrays)
    return head


def _coordinates(source: Source, room: Path, left_out: Collection[str]) -> dict[str, NDArray[Any]]:
    """Make the coordinates of the store anew."""
    fresh = room / "fresh"
    create(fresh, source.plan, source.attributes)
    values = arrays_but(fresh / DATA, left_out)
    shutil.rmtree(fresh)
    return values


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "fc" and b.dtype.kind in "fc":
        return bool(np.allclose(a, b, rtol=SAME, atol=0, equal_nan=True))
    return bool((a == b).all())


def chunks(source: Source) -> Iterator[tuple[str, bytes]]:
    """Give each chunk that the ledger names, from `data.zarr`, its bytes checked.

    Raises
    ------
    DeviationError : a chunk is not what its block wrote
    """
    with Ledger(source.folder) as ledger:
        for row in ledger.blocks():
            for name, (size, checksum) in row.files.items():
                if name.startswith(f"{DATA}/"):
                    key = name.removeprefix(f"{DATA}/")
                    yield key, _checked(source, key, size, checksum)


def _checked(source: Source, key: str, size: int, checksum: int) -> bytes:
    content = _stored(source, key)
    if (len(content), zlib.crc32(content)) != (size, checksum):
        msg = (
            f"{source.name} is not published: {DATA}/{key} has other bytes than its block wrote. "
            f"`modesweep verify {source.name} --repair` forgets the block, and `modesweep retry` "
            "computes it again."
        )
        raise DeviationError(msg)
    return content


def _stored(source: Source, key: str) -> bytes:
    """Read a file of the store."""
    try:
        content = arrays_of(source.folder).read(key)
    except ObjectsError:
        raise
    except OSError as error:
        raise DeviationError(_unread(source, key, error.strerror or str(error))) from error
    if content is None:
        raise DeviationError(_unread(source, key, "it is not there"))
    return content


def _unread(source: Source, key: str, why: str) -> str:
    return (
        f"{source.name} is not published: {DATA}/{key} cannot be read: {why}. "
        "`modesweep verify` finds all such files."
    )


# --- its figures ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """A view of the results, drawn."""

    title: str
    shows: str
    """What was chosen in it; or why there is nothing to see."""
    picture: str = ""
    """File, a PNG or a page; empty: there is nothing to see."""
    table: str = ""
    """File with its numbers."""


def draw(source: Source, room: Path) -> list[Figure]:
    """Draw every view: a picture, or a page where no browser is found, and its numbers."""
    views = [(v, c) for v, c in drawn_by("views")(source.folder) if v.name != ANY]
    return [_drawn(source, room, *v) for v in views or drawn_by("views")(source.folder)]


def _drawn(source: Source, room: Path, view: Any, controls: Sequence[Any]) -> Figure:
    plot = drawn_by("plot")
    shows = ", ".join(
        f"{c.label}: {dict(c.options).get(c.value, c.value)}" for c in controls if c.value
    )
    try:
        table = plot(source.folder, room / f"{view.name}.csv", kind=view.name)
        try:
            picture = plot(source.folder, room / f"{view.name}{PNG}", kind=view.name)
        except MachineError:  # no browser, or one that gives no picture
            picture = plot(source.folder, room / f"{view.name}.html", kind=view.name)
    except InputError as error:
        return Figure(view.title, str(error))
    return Figure(view.title, shows, picture.name, table.name)


def write_report(source: Source, room: Path) -> Path:
    """Write the report, which can be passed on."""
    written: Path = drawn_by("report")(source.folder, room / "report.html", portable=True)
    return written
