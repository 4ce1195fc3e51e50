"""Everything that can be asked of a service, by the name of a sweep."""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from models.evaluate import Evaluator
from sweep import documents
from sweep.client.connection import Connection
from sweep.explaining import Account, Explanation, index_of
from sweep.exports.out_files import OutFile, write_whole
from sweep.overview import Status
from sweep.planning import Plan
from sweep.problems import InputError
from sweep.reading import TOLD_OF_FAILURES
from sweep.service.limits import LARGEST_BODY, MOST_ROWS
from sweep.sweep_file import read

NO_NAME = re.compile(r"[^A-Za-z0-9_ .-]")
"""What the name of a file may not hold in messages of a service."""


@dataclass(frozen=True)
class ServedFailure:
    """A point that failed on a service. See `sweep.FailedPoint`."""

    sweep: str
    model: str
    stage: str
    point: dict[str, Any]
    kind: str
    message: str
    attempts: int
    points: int
    command: str
    traceback: str = field(repr=False)
    _document: Callable[[], dict[str, Any]] = field(repr=False, compare=False)

    def reproduce(self) -> None:
        """Compute the point in this process, which raises what it raised."""
        plan = Plan(read(self._document()))
        first = {a: v[0] for dim in plan.sweep.dims for a, v in dim.values.items()}
        index = index_of(plan, first | self.point)
        Evaluator(plan.model).whole(plan.model.stage(self.stage), plan.sweep.point(index))

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return {name: getattr(self, name) for name in TOLD_OF_FAILURES}


class Verbs:
    """Asks a service. Errors are those of the same call on a workspace."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def about(self) -> dict[str, Any]:
        """Tell of the service: versions, cluster, workspace."""
        told: dict[str, Any] = self.connection.ask("GET", "/about")
        return told

    def models(self) -> list[dict[str, Any]]:
        """Name its models."""
        told: list[dict[str, Any]] = self.connection.ask("GET", "/models")
        return told

    def model(self, name: str) -> dict[str, Any]:
        """Describe one of its models, with the JSON schema of its sweep files."""
        told: dict[str, Any] = self.connection.ask("GET", f"/models/{name}")
        return told

    def login_link(self) -> str:
        """Make a link that opens its pages in a browser, once."""
        path = self.connection.ask("POST", "/login-links")["path"]
        base = self.connection.url
        return base + path[path.index("/login") :]

    def submit(self, file: str | Path | Mapping[str, Any]) -> tuple[Status, bool]:
        """Submit a sweep file; give the status of the sweep, and whether it is new."""
        if isinstance(file, Mapping):
            name, kind, text = "sweep", "json", json.dumps(documents.load(file).content)
        else:
            name, kind, text = documents.text_of(Path(file))
        if len(text.encode()) > LARGEST_BODY:
            msg = (
                f"{name} is larger than {LARGEST_BODY // 2**20} MiB, which no service takes. "
                "Write long axes as ranges, or run it where the workspace lies."
            )
            raise InputError(msg)
        asked = {"file": NO_NAME.sub("_", name)[:200]}
        with self.connection.reply(
            "POST", "/sweeps", asked, text.encode(), f"application/{kind}"
        ) as reply:
            told = json.loads(reply.stream.read())
        return Status.from_dict(told), bool(told["new"])

    def statuses(self) -> list[Status]:
        """Say how far all sweeps are."""
        return [Status.from_dict(told) for told in self.connection.ask("GET", "/sweeps")]

    def status(self, name: str) -> Status:
        """Say how far a sweep is."""
        return Status.from_dict(self.connection.ask("GET", _path(name)))

    def document(self, name: str) -> dict[str, Any]:
        """Give a sweep file as plain values."""
        told: dict[str, Any] = self.connection.ask("GET", _path(name, "file"))
        return told

    def pause(self, name: str) -> Status:
        """Let what has begun finish, and begin nothing more."""
        return self._post(name, "pause")

    def resume(self, name: str) -> Status:
        """Go on with a sweep."""
        return self._post(name, "resume")

    def cancel(self, name: str) -> Status:
        """Stop a sweep at once; what is finished is kept."""
        return self._post(name, "cancel")

    def retry(self, name: str) -> Status:
        """Have failed and lost points computed again."""
        return self._post(name, "retry")

    def extend(self, name: str, values: Mapping[str, Sequence[Any]]) -> Status:
        """Add values to axes, and have the new points computed."""
        return self._post(name, "extend", {"values": {a: list(v) for a, v in values.items()}})

    def prioritize(self, name: str, priority: int) -> Status:
        """Give a sweep another priority."""
        return self._post(name, "priority", {"priority": priority})

    def remove(self, name: str) -> Path | None:
        """Cancel a sweep and move it to the trash of the service; give its place there."""
        place = self.connection.ask("DELETE", _path(name))["trash"]
        return None if place is None else Path(place)

    def errors(self, name: str) -> list[ServedFailure]:
        """List the points that failed or were lost."""
        told = self.connection.ask("GET", _path(name, "errors"))
        model = self.status(name).model if told else ""
        document = partial(self.document, name)
        return [ServedFailure(sweep=name, model=model, _document=document, **e) for e in told]

    def explain(self, name: str, point: Mapping[str, Any]) -> Explanation:
        """Say why a point is as it is."""
        told = self.connection.ask("GET", _path(name, "explain"), {"point": _pairs(point)})
        accounts = tuple(
            Account(tuple(a["stages"]), tuple(a["variables"]), a["status"], tuple(a["lines"]))
            for a in told["accounts"]
        )
        return Explanation(
            told["sweep"], told["point"], told["status"], tuple(told["remarks"]), accounts
        )

    def rows(
        self, name: str, expression: str, select: Mapping[str, Any], variables: Sequence[str],
        unit: str | None,
    ) -> tuple[dict[str, Any], list[list[Any]]]:  # fmt: skip
        """Find modes and points: what the columns are, and the rows.

        Raises
        ------
        InputError : more rows than a service sends
        """
        asked = {
            "where": expression, "select": _pairs(select), "vars": list(variables), "unit": unit,
            "limit": MOST_ROWS,
        }  # fmt: skip
        with self.connection.reply("GET", _path(name, "query"), asked) as reply:
            lines = reply.lines()
            head = json.loads(next(lines))
            rows = [row for line in lines for row in json.loads(line)]
        if head["more"]:
            msg = (
                f"The query finds more than {MOST_ROWS:,} rows, which a service does not send. "
                "Narrow it by --select or a sharper condition, or query where the store lies."
            )
            raise InputError(msg)
        return head, rows

    def export(
        self, name: str, out: Path, *, format: str, select: Mapping[str, Any],
        variables: Sequence[str], unit: str | None, force: bool,
    ) -> list[OutFile]:  # fmt: skip
        """Write results here for other programs; give the files."""
        asked = {
            "format": format, "out": out.name, "select": _pairs(select), "vars": list(variables),
            "unit": unit,
        }  # fmt: skip
        with (
            self.connection.reply("GET", _path(name, "export"), asked) as reply,
            tempfile.TemporaryFile() as packed,
        ):
            for piece in reply.pieces():
                packed.write(piece)
            packed.seek(0)
            holds = json.loads(reply.headers["Modesweep-Files"])
            with tarfile.open(fileobj=packed) as archive:
                files = [
                    OutFile(out.parent / place, text, partial(_unpack, archive, place))
                    for place, text in holds.items()
                    if not Path(place).is_absolute() and ".." not in Path(place).parts
                ]
                write_whole(files, force)
        return files

    def _post(self, name: str, verb: str, body: Any = None) -> Status:
        return Status.from_dict(self.connection.ask("POST", _path(name, verb), body=body))


def _path(name: str, *more: str) -> str:
    if "/" in name:
        msg = f"{name!r} is a path; on a service a sweep is known by its name. `modesweep ls`."
        raise InputError(msg)
    return "/".join(["/sweeps", name, *more])


def _pairs(values: Mapping[str, Any]) -> list[str]:
    """Write values as `axis=value`, a list as one pair for each."""
    return [
        f"{axis}={documents.to_value(v)}"
        for axis, given in values.items()
        for v in (given if isinstance(given, list | tuple) else [given])
    ]


def _unpack(archive: tarfile.TarFile, place: str, to: Path) -> None:
    member = archive.extractfile(place)
    assert member is not None  # the service lists what it packed
    with member, to.open("wb") as file:
        while piece := member.read(2**20):
            file.write(piece)
