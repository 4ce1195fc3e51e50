"""Answers to what is asked over HTTP; each runs in a thread, never on the loop."""

from __future__ import annotations

import json
import math
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sweep.assignments import assignments
from sweep.describing import describe, model_named, models_in_short
from sweep.explaining import explain
from sweep.exports.exporting import export_files
from sweep.layout import service_folder
from sweep.queries.querying import query
from sweep.reading import errors
from sweep.schema import file_schema
from sweep.service.metrics import exposition
from sweep.service.questions import Files, MoreValues, Point, Priority, Rows, Schema
from sweep.service.service import Service
from sweep.summary import plan
from sweep.versions import versions

ROWS_A_LINE = 2000
PIECE_BYTES = 2**18
EXPORT = "export-"
"""How folders of exports begin, in the folder of the service."""


@dataclass(frozen=True)
class Asked:
    """A request, checked."""

    service: Service
    name: str = ""
    """Of the sweep or the model in the path."""
    query: Any = None
    body: Any = None


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    content: Any = None
    """Plain values, sent as JSON; or text, or bytes piece by piece, of `kind`."""
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def health(asked: Asked) -> Answer:
    """Say that the service lives, and nothing else: no token is needed."""
    return Answer({"status": "ok"})


def about(asked: Asked) -> Answer:
    """Tell of the service: versions, cluster, workspace."""
    told = {"workspace": str(asked.service.workspace), "versions": versions()}
    return Answer(told | asdict(asked.service.health))


def metrics(asked: Asked) -> Answer:
    """Give numbers for Prometheus."""
    return Answer(exposition(asked.service), kind="text/plain; version=0.0.4; charset=utf-8")


def sweeps(asked: Asked) -> Answer:
    """List the sweeps."""
    return Answer([s.as_dict() for s in asked.service.statuses()])


def submit(asked: Asked) -> Answer:
    """Take in a sweep file; the same one again gives the sweep that is there."""
    status, new = asked.service.submit(asked.body)
    told = status.as_dict() | {"new": new}
    return Answer(told, 201 if new else 200, headers={"Location": f"sweeps/{status.name}"})


def planned(asked: Asked) -> Answer:
    """Check a sweep file and say what it would cost; nothing is computed or kept."""
    found = plan(asked.body, workspace=asked.service.workspace, pilots=False)
    return Answer(found.as_dict())


def show(asked: Asked) -> Answer:
    """Say how far a sweep is."""
    return Answer(asked.service.status(asked.name).as_dict())


def file(asked: Asked) -> Answer:
    """Give the sweep file, as a table of keys and values."""
    return Answer(asked.service.document(asked.name))


def pause(asked: Asked) -> Answer:
    """Let what has begun finish, and begin nothing more."""
    return Answer(asked.service.pause(asked.name).as_dict())


def resume(asked: Asked) -> Answer:
    """Go on with a sweep."""
    return Answer(asked.service.resume(asked.name).as_dict())


def cancel(asked: Asked) -> Answer:
    """Stop a sweep at once; what is finished is kept."""
    return Answer(asked.service.cancel(asked.name).as_dict())


def retry(asked: Asked) -> Answer:
    """Compute failed and lost points again."""
    return Answer(asked.service.retry(asked.name).as_dict())


def extend(asked: Asked) -> Answer:
    """Add values to axes and compute the new points."""
    body: MoreValues = asked.body
    return Answer(asked.service.extend(asked.name, body.values).as_dict())


def prioritize(asked: Asked) -> Answer:
    """Give a sweep another priority."""
    body: Priority = asked.body
    return Answer(asked.service.prioritize(asked.name, body.priority).as_dict())


def remove(asked: Asked) -> Answer:
    """Cancel a sweep and move it to the trash."""
    place = asked.service.remove(asked.name)
    return Answer({"name": asked.name, "trash": None if place is None else str(place)})


def failures(asked: Asked) -> Answer:
    """List the points that failed or were lost."""
    return Answer([e.as_dict() for e in errors(asked.service.folder(asked.name))])


def explanation(asked: Asked) -> Answer:
    """Say why a point is as it is."""
    question: Point = asked.query
    point = assignments(question.point, "The parameter `point`")
    return Answer(explain(asked.service.folder(asked.name), point).as_dict())


def rows(asked: Asked) -> Answer:
    """Find modes and points by a condition: a line of JSON with the columns, then lists of rows."""
    question: Rows = asked.query
    table = query(
        asked.service.folder(asked.name), question.where,
        select=assignments(question.select, "--select"), variables=question.vars,
        unit=question.unit, most=question.limit,
    )  # fmt: skip
    return Answer(_lines(table), kind="application/x-ndjson")


def _lines(table: Any) -> Iterator[bytes]:
    """Write a table as lines of JSON: its columns, then rows by the thousand."""
    head = {
        "columns": list(table.columns), "units": table.attrs["units"],
        "dtypes": [str(t) for t in table.dtypes], "rows": len(table), "more": table.attrs["more"],
    }  # fmt: skip
    yield json.dumps(head).encode() + b"\n"
    for start in range(0, len(table), ROWS_A_LINE):
        piece = table.iloc[start : start + ROWS_A_LINE]
        columns = [[_plain(x) for x in piece[c].tolist()] for c in piece.columns]
        yield json.dumps([list(row) for row in zip(*columns, strict=True)]).encode() + b"\n"


def _plain(value: Any) -> Any:
    """Give a value that JSON has: missing and infinite numbers as words, complex ones as pairs."""
    if isinstance(value, complex):
        return [_plain(value.real), _plain(value.imag)]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def files(asked: Asked) -> Answer:
    """Write results for other programs: a tar archive of the files."""
    question: Files = asked.query
    folder = Path(tempfile.mkdtemp(prefix=EXPORT, dir=service_folder(asked.service.workspace)))
    try:
        written = export_files(
            asked.service.folder(asked.name), folder / question.out, format=question.format,
            select=assignments(question.select, "--select"), variables=question.vars,
            unit=question.unit,
        )  # fmt: skip
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    holds = {f.path.relative_to(folder).as_posix(): f.holds for f in written}
    # an HTTP header takes no letters beyond ASCII, and JSON writes none
    return Answer(
        _archive(folder), kind="application/x-tar", headers={"Modesweep-Files": json.dumps(holds)}
    )


def _archive(folder: Path) -> Iterator[bytes]:
    """Pack a folder and remove it."""
    try:
        with tempfile.TemporaryFile(dir=folder.parent) as packed:
            with tarfile.open(fileobj=packed, mode="w") as archive:
                for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                    archive.add(path, path.relative_to(folder).as_posix())
            packed.seek(0)
            while piece := packed.read(PIECE_BYTES):
                yield piece
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_exports(workspace: Path) -> None:
    """Remove what a service that was killed has left of its exports."""
    for leftover in service_folder(workspace).glob(f"{EXPORT}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def models(asked: Asked) -> Answer:
    """List the models."""
    return Answer(models_in_short())


def model(asked: Asked) -> Answer:
    """Describe a model, with the JSON schema of its sweep files."""
    question: Schema = asked.query
    found = model_named(asked.name)
    schema = file_schema(found)
    return Answer(schema if question.schema_only else describe(found) | {"schema": schema})
