"""The numerics process: one for each worker slot, killed when it must be.

A hang, a crash or a memory hog costs the point in hand and nothing else, because the worker
that watches survives. It gets requests over a pipe and streams back one message a unit
(a batch of points, or one part of a point), announcing each unit before it starts.

Started with a pipe, the number of its parent, and a file for the name of the stage in hand.
BLAS has one thread: the environment says so before numpy is loaded, and the first message
proves it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from models import evaluate, protocol, registry
from models.evaluate import Evaluator, add_tree, content_key
from models.protocol import Arrays, Model, Part, Stage
from sweep.in_hand import InHand

OUR_FRAMES = (Path(__file__), Path(evaluate.__file__), Path(protocol.__file__))
"""Files whose frames say nothing about what a model did wrong."""
ABOUT = "about.json"
"""The member of a kept result that says what it is; no array can have this name."""
STAGE_BYTES = 64
"""Length of the note that names the stage in hand."""
PARENT_DEATH_SIGNAL = 1
"""prctl's PR_SET_PDEATHSIG."""


@dataclass(frozen=True)
class Unit:
    """What one message answers for: points of equal shape, one part of the cut dim."""

    points: tuple[int, ...]
    """Places in the request."""
    part: Part | None
    """None: whole instances."""


@dataclass(frozen=True)
class Request:
    """Work for the child: stages of a model at some points."""

    model: str
    stages: tuple[str, ...]
    wanted: tuple[str, ...]
    """Variables to send back, as they are stored."""
    kept: bool
    """Send back the whole raw result of the first stage, too, packed for the workspace."""
    points: tuple[dict[str, Any], ...]
    units: tuple[Unit, ...]
    stage_folder: str | None
    """Where kept results of shared stages lie."""
    kept_stages: tuple[str, ...]
    memory: int
    partial: bool = False
    """Send back partial sums of a summed stage instead of variables."""
    sweep: str = ""
    """Its name, which kept results carry."""
    note: tuple[str, str] | None = None
    """The note of the block, and its order: it is told what is about to be computed."""


@dataclass(frozen=True)
class Answer:
    """The result of one unit."""

    unit: int
    seconds: float
    values: Arrays
    """As stored, with the points first; partial sums by name."""
    unstable: NDArray[np.bool_]
    kept: dict[str, bytes]
    """Packed results by key."""
    work: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Seconds and counted operations by stage, inputs that were made on the way included."""


@dataclass(frozen=True)
class Failure:
    """Why a unit has no result."""

    unit: int
    kind: str
    """"exception" or "memory" here; "signal" and "timeout" are seen from outside."""
    message: str
    traceback: str
    stage: str = ""
    """The stage that raised it; empty where that cannot be known."""


def environment() -> dict[str, str]:
    """Give the environment that a child is started with."""
    # fresh pages for every temporary cost a fifth of a small slab's time, so freed memory
    # is kept instead of being handed back to the system
    keep = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**30)}
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1"
    )
    return {**os.environ, **threads, **keep}


def blas() -> tuple[str, int]:
    """Name the kernel of numpy's BLAS, and give the most threads that any BLAS uses.

    scipy brings a BLAS of its own at its first use. It takes its kernel from the same machine
    and environment; naming it, too, would make the note hang on what was computed before.
    """
    pools = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
    own = [p for p in pools if Path(p["filepath"]).parent.name != "scipy.libs"]
    names = sorted({f"{p['internal_api']} {p.get('version')} {p.get('architecture', '')}".strip()
                    for p in own})  # fmt: skip
    return "; ".join(names) or "unknown", max((p["num_threads"] for p in pools), default=1)


class StageFiles:
    """Reads kept results of shared stages."""

    def __init__(self, folder: str | None, stages: Sequence[str]) -> None:
        self._folder = Path(folder) if folder else None
        self._stages = stages

    def __call__(self, stage: Stage, key: str) -> Arrays | None:
        """Read a result; a missing or torn file is made again, which gives the same bytes."""
        if self._folder is None or stage.name not in self._stages:
            return None
        try:
            path = self._folder / key[:2] / f"{key}.npz"
            with path.open("rb") as file, np.load(file) as packed:
                return {n: packed[n][None] for n in packed.files if n != ABOUT}
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None


def packed(arrays: Arrays, about: Mapping[str, Any] | None = None) -> bytes:
    """Pack one point's result for the workspace, and beside it what it is."""
    buffer = BytesIO()
    members = {name: array[0] for name, array in arrays.items()}
    if about is not None:
        members[ABOUT] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    np.savez(buffer, **members)
    return buffer.getvalue()


def about_result(model: Model, stage: Stage, p: Any, sweep: str) -> dict[str, Any]:
    """Say what a kept result is; when it was made is the time of its file.

    Nothing here differs from one run of a sweep to the next, so that its bytes do not, either.
    """
    values = p.canonical().model_dump(include=set(model.depends_at(stage, p)))
    return {
        "model": model.name, "revision": model.revision, "stage": stage.name,
        "values": values, "sweep": sweep,
    }  # fmt: skip


class Numerics:
    """Answers requests; keeps an evaluator for each model, and so its recent results."""

    def __init__(self, announce: Callable[[str], None] | None = None) -> None:
        self._announce = announce
        self._evaluators: dict[tuple[Any, ...], Evaluator] = {}

    def evaluator(self, request: Request) -> Evaluator:
        """Give the evaluator of a request's model and kept stages."""
        key = (request.model, request.stage_folder, request.kept_stages)
        if key not in self._evaluators:
            files = StageFiles(request.stage_folder, request.kept_stages)
            model = registry.get(request.model)
            self._evaluators = {key: Evaluator(model, files, self._announce)}
        return self._evaluators[key]

    def answer(self, request: Request, number: int) -> Answer:
        """Compute one unit."""
        evaluator = self.evaluator(request)
        model = evaluator.model
        unit = request.units[number]
        points = [model.parameters.model_construct(None, **request.points[i]) for i in unit.points]
        started = time.perf_counter()
        evaluator.work = {}
        stages = [model.stage(name) for name in request.stages]
        kept = {}
        if request.partial and unit.part is not None:
            values = self._partial(evaluator, stages[0], points[0], unit.part)
            unstable = np.zeros(1, dtype=bool)
        elif unit.part is not None:
            values, unstable = self._parts(evaluator, stages, points, request, unit.part)
        else:
            values, unstable = self._whole(evaluator, stages, points, request)
            if request.kept:
                kept = self._to_keep(evaluator, stages[0], points, request.sweep)
        seconds = time.perf_counter() - started
        return Answer(number, seconds, values, unstable, kept, evaluator.work)

    def _to_keep(
        self, evaluator: Evaluator, stage: Stage, points: Sequence[Any], sweep: str
    ) -> dict[str, bytes]:
        """Pack the results that the workspace does not have yet."""
        model = evaluator.model
        keys = {content_key(model, stage, p): p for p in points}
        files = evaluator.kept
        return {
            key: packed(evaluator.whole(stage, p), about_result(model, stage, p, sweep))
            for key, p in keys.items()
            if files is None or files(stage, key) is None
        }

    def _partial(self, evaluator: Evaluator, stage: Stage, p: Any, run: Part) -> Arrays:
        """Add an aligned run of grains of a summed stage."""
        parts = [q for q in evaluator.model.parts(stage, p) if run.start <= q.start < run.stop]
        return add_tree([evaluator.partial(stage, p, q) for q in parts])

    def _parts(
        self, evaluator: Evaluator, stages: list[Stage], points: list[Any], request: Request,
        run: Part,
    ) -> tuple[Arrays, NDArray[np.bool_]]:  # fmt: skip
        """Compute a run of elements of one point, by the grains that they lie in."""
        pieces: list[Arrays] = []
        unstable = np.zeros(len(points), dtype=bool)
        for part in evaluator.model.parts(stages[0], points[0]):
            if part.stop <= run.start or run.stop <= part.start:
                continue
            inside = slice(max(run.start - part.start, 0), min(run.stop, part.stop) - part.start)
            piece: Arrays = {}
            for stage in stages:
                grain = evaluator.grain(stage, points, part)
                result = {name: array[:, inside] for name, array in grain.items()}
                unstable |= stage.unstable(result)
                piece |= _stored(evaluator.model, stage, result, points, request.wanted)
            pieces.append(piece)
        joined = {n: np.concatenate([p[n] for p in pieces], axis=1) for n in pieces[0]}
        return joined, unstable

    def _whole(
        self, evaluator: Evaluator, stages: list[Stage], points: list[Any], request: Request
    ) -> tuple[Arrays, NDArray[np.bool_]]:
        """Compute whole instances: a cut stage grain by grain, so that little is held at once."""
        if stages[0].cut is not None and not stages[0].sums:
            rows = [
                self._parts(evaluator, stages, [p], request, _all_of(evaluator.model, stages[0], p))
                for p in points
            ]
            joined = {n: np.concatenate([r[n] for r, _ in rows]) for n in rows[0][0]}
            return joined, np.concatenate([u for _, u in rows])
        values: Arrays = {}
        unstable = np.zeros(len(points), dtype=bool)
        for stage in stages:
            if stage.sums:
                wholes = [evaluator.whole(stage, p) for p in points]
                result = {n: np.concatenate([r[n] for r in wholes]) for n in wholes[0]}
            else:
                result = evaluator.grain(stage, points)
            unstable |= stage.unstable(result)
            values |= _stored(evaluator.model, stage, result, points, request.wanted)
        return values, unstable


def _all_of(model: Model, stage: Stage, p: Any) -> Part:
    parts = model.parts(stage, p)
    return Part(0, parts[-1].stop, parts[-1].stop)


def _stored(
    model: Model, stage: Stage, result: Arrays, points: Sequence[Any], wanted: Sequence[str]
) -> Arrays:
    """Pick the variables that are stored, in the unit they are stored in."""
    names = [v.name for v in stage.variables if v.name in wanted]
    if not model.output_depends_on:
        return {n: result[n] for n in names}
    return {
        n: np.stack([model.present(n, row, p) for row, p in zip(result[n], points, strict=True)])
        for n in names
    }


def failure_of(number: int, error: BaseException, stage: str) -> Failure:
    """Describe an exception of the numerics, by the frames of the model that raised it."""
    kind = "memory" if isinstance(error, MemoryError) else "exception"
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename) not in OUR_FRAMES] or frames
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(own)]
    text = "".join([*lines, *traceback.format_exception_only(error)])
    return Failure(number, kind, f"{type(error).__name__}: {error}", text[-20_000:], stage)


def address_space() -> int:
    """Give the bytes of address space in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def limit_memory(limit: int) -> None:
    """Let this process take so many bytes at most; beyond, numpy raises MemoryError."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its worker is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def noted(file: int) -> Callable[[str], None]:
    """Write the stage in hand to a file that the worker can read after a crash."""

    def announce(stage: str) -> None:
        os.pwrite(file, stage.encode()[:STAGE_BYTES].ljust(STAGE_BYTES), 0)

    return announce


def serve(pipe: Connection, announce: Callable[[str], None] | None = None) -> None:
    """Answer requests until the pipe closes."""
    numerics = Numerics(announce)
    pipe.send(blas())
    empty = address_space() if sys.platform == "linux" else 0
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        limit_memory(empty + request.memory)
        note = InHand(Path(request.note[0]), request.note[1]) if request.note else None
        for number, unit in enumerate(request.units):
            if note is not None:
                note.at(unit.points)
            pipe.send(number)
            try:
                reply: Answer | Failure = numerics.answer(request, number)
            except Exception as error:
                reply = failure_of(number, error, numerics.evaluator(request).in_hand)
            pipe.send(reply)
        if note is not None:
            note.close()
        pipe.send(None)


def main() -> None:
    """Run as a child process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(int(sys.argv[2]))
    np.seterr(all="warn")
    serve(Connection(int(sys.argv[1])), noted(int(sys.argv[3])))
