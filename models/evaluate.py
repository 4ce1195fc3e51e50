"""Runs the stages of a model: grain by grain, each shared result once.

This is the only place that knows how stages, inputs, parts and batches fit together; a
sweep, a test and a notebook all compute through it, so they get the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from models.protocol import WHOLE, Arrays, Model, Parameters, Part, Stage

MEMORY_BYTES = 256 * 2**20
"""How much the results of shared stages may take before the oldest are forgotten."""
KEYS = 64
"""Points whose keys are remembered."""


def content_key(model: Model, stage: Stage, p: Parameters) -> str:
    """Name a stage's result by its content: model, revision, stage and what it depends on."""
    values = p.canonical().model_dump(include=set(model.depends_at(stage, p)))
    text = json.dumps([model.name, model.revision, stage.name, values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Evaluator:
    """Computes stages of one model and remembers recent results by their key.

    `kept` looks up a stage's whole result by its key, outside this process (the workspace).
    `announce` is told the name of each stage before it is called, so that whoever watches
    knows what to blame when this process dies.
    """

    def __init__(
        self,
        model: Model,
        kept: Callable[[Stage, str], Arrays | None] | None = None,
        announce: Callable[[str], None] | None = None,
    ) -> None:
        self.model = model
        self.kept = kept
        self._announce = announce
        self.work: dict[str, tuple[float, float]] | None = None
        """Seconds and counted operations of the calls, by stage; None counts nothing."""
        self._memory: OrderedDict[tuple[str, Part | None], Arrays] = OrderedDict()
        """By key and grain; None: all grains, which a grain of one element must not pass for."""
        self._bytes = 0
        self.in_hand = ""
        """The stage that was called last: the one to blame when a call raises."""
        self._batch: tuple[Sequence[Any], dict[tuple[str, Part], Arrays]] = ((), {})
        self._keys: dict[int, tuple[Any, dict[str, str]]] = {}
        """Keys of the stages of recent points, which every grain asks for, by identity."""

    def grain(self, stage: Stage, points: Sequence[Any], part: Part = WHOLE) -> Arrays:
        """Compute one grain of a batch of points: arrays with the points first.

        `points` holds 1 .. `stage.batch_of` points of equal shape. Along a cut dim the
        arrays have `part.size` entries, the last grain's padding included.
        """
        if stage.batch_of(points[0]) > 1:
            filled = self._filled(stage, points)
            return {n: array[: len(points)] for n, array in self._run(stage, filled, part).items()}
        rows = [self._single(stage, p, part) for p in points]
        if len(rows) == 1:
            return rows[0]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    def whole(self, stage: Stage, p: Any) -> Arrays:
        """Compute a stage of one point, all grains joined: arrays with the point first."""
        if self.kept is not None and (kept := self.kept(stage, self._key(stage, p))):
            return kept
        if stage.sums:
            partials = [self.partial(stage, p, part) for part in self.model.parts(stage, p)]
            return self.finish(stage, p, add_tree(partials))
        parts = self.model.parts(stage, p)
        if stage.cut is None:
            return self.grain(stage, [p])
        pieces = [trimmed(self.grain(stage, [p], part), part) for part in parts]
        return {name: np.concatenate([x[name] for x in pieces], axis=1) for name in pieces[0]}

    def partial(self, stage: Stage, p: Any, part: Part) -> Arrays:
        """Compute the partial sum that one grain of a summed stage gives."""
        return self.grain(stage, [p], part)

    def finish(self, stage: Stage, p: Any, total: Arrays) -> Arrays:
        """Turn a summed stage's total into its result, with the point first."""
        row = stage.gather(p, {name: array[0] for name, array in total.items()})
        return {name: np.asarray(array)[None] for name, array in row.items()}

    def _filled(self, stage: Stage, points: Sequence[Any]) -> Sequence[Any]:
        """Fill a batch by repeating its last point; the same points give the same batch."""
        filled = [*points, *[points[-1]] * (stage.batch_of(points[0]) - len(points))]
        if not _same(self._batch[0], filled):
            self._batch = (filled, {})
        return self._batch[0]

    def _run(self, stage: Stage, points: Sequence[Any], part: Part) -> Arrays:
        """Run a stage on a filled batch, its inputs on the same batch where they can."""
        if not _same(self._batch[0], points):  # an input of one point has used another batch
            self._batch = (points, {})
        done = self._batch[1]
        for old in [key for key in done if key[1] not in (WHOLE, part)]:
            del done[old]  # a stage reads its inputs at its own part only
        if (stage.name, part) not in done:
            reads = stage.reads(points[0])
            inputs = {n: self._batch_input(stage, n, points, part) for n in reads}
            done[stage.name, part] = self._call(stage, points, inputs, part)
        return done[stage.name, part]

    def _call(
        self, stage: Stage, points: Sequence[Any], inputs: dict[str, Arrays], part: Part
    ) -> Arrays:
        self.in_hand = stage.name
        if self._announce is not None:
            self._announce(stage.name)
        started = time.perf_counter()
        result = stage.run(points, inputs, part)
        if self.work is not None:
            seconds, flops = self.work.get(stage.name, (0.0, 0.0))
            seconds += time.perf_counter() - started
            flops += stage.cost(points[0], part).flops * len(points)
            self.work[stage.name] = seconds, flops
        return result

    def _batch_input(self, reader: Stage, name: str, points: Sequence[Any], part: Part) -> Arrays:
        stage = self.model.stage(name)
        if stage.batch_of(points[0]) == len(points) and _grain_by_grain(reader, stage):
            return self._run(stage, points, part if stage.cut is not None else WHOLE)
        rows = [self._input(reader, name, p, part) for p in points]
        return {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}

    def _input(self, reader: Stage, name: str, p: Any, part: Part) -> Arrays:
        stage = self.model.stage(name)
        if _grain_by_grain(reader, stage):
            return self._single(stage, p, part if stage.cut is not None else WHOLE)
        return self._remember((self._key(stage, p), None),
                              lambda: self.whole(stage, p))  # fmt: skip

    def _single(self, stage: Stage, p: Any, part: Part) -> Arrays:
        key = self._key(stage, p)
        return self._remember((key, part), lambda: self._compute(stage, p, part, key))

    def _compute(self, stage: Stage, p: Any, part: Part, key: str) -> Arrays:
        # what is kept of a summed stage is its total, which is no grain
        if self.kept is not None and not stage.sums and (kept := self.kept(stage, key)) is not None:
            if stage.cut is None:
                return kept
            return {name: array[:, part.indices] for name, array in kept.items()}
        if stage.batch_of(p) > 1:
            return self.grain(stage, [p], part)
        inputs = {name: self._input(stage, name, p, part) for name in stage.reads(p)}
        return self._call(stage, [p], inputs, part)

    def _key(self, stage: Stage, p: Any) -> str:
        point, keys = self._keys.get(id(p), (None, {}))
        if point is not p:
            if len(self._keys) >= KEYS:
                self._keys.clear()
            keys = {}
            self._keys[id(p)] = p, keys  # the point is held, so that its identity stays its own
        if stage.name not in keys:
            keys[stage.name] = content_key(self.model, stage, p)
        return keys[stage.name]

    def _remember(self, key: tuple[str, Part | None], compute: Callable[[], Arrays]) -> Arrays:
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        result = self._memory[key] = compute()
        self._bytes += size_of(result)
        while self._bytes > MEMORY_BYTES and len(self._memory) > 1:
            self._bytes -= size_of(self._memory.popitem(last=False)[1])
        return result


def _grain_by_grain(reader: Stage, stage: Stage) -> bool:
    """Say whether a stage is read at the reader's own part, or else whole."""
    return not stage.sums and stage.cut in (None, reader.cut)


def _same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def size_of(arrays: Arrays) -> int:
    """Give the bytes that named arrays hold."""
    return sum(array.nbytes for array in arrays.values())


def trimmed(grain: Arrays, part: Part) -> Arrays:
    """Cut the padding off a grain of a cut stage."""
    return {name: array[:, : part.stop - part.start] for name, array in grain.items()}


def add_tree(partials: Sequence[Arrays]) -> Arrays:
    """Add partial sums pairwise, level by level.

    The tree depends on the number of grains alone. Whoever adds aligned runs of 2**m
    neighbouring grains first and then the runs by the same rule gets the same bytes.
    """
    level = list(partials)
    while len(level) > 1:
        pairs = [add(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[2 * len(pairs):]  # fmt: skip
    return level[0]


def add(a: Arrays, b: Arrays) -> Arrays:
    """Add two partial sums, name by name; what only one of them has joins as it is."""
    both = {name: a[name] + b[name] for name in a if name in b}
    return a | b | both


def compute(model: Model, outputs: Iterable[str], p: Parameters) -> Arrays:
    """Compute variables of one point in this process, in the unit that a sweep stores.

    Example
    -------
    >>> from models.registry import get
    >>> chain = get("chain")
    >>> point = chain.parameters(atoms=2)
    >>> compute(chain, ["frequency_squared"], point)["frequency_squared"].round(12)
    array([0., 2.])
    """
    evaluator = Evaluator(model)
    found = model.variables()
    result: Arrays = {}
    for name in outputs:
        variable, stage = found[name]
        result[name] = model.present(name, evaluator.whole(stage, p)[name][0], p)
    return result
