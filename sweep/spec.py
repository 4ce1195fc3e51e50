"""The sweep: one file's worth of work, known by index; it lists no point.

Made by `sweep.sweep_file.read`, which checks a file whole before anything is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.protocol import Model, Parameters, Stage, Variable
from sweep.expressions.language import Expression
from sweep.values import as_text


@dataclass(frozen=True)
class RunSettings:
    """The [run] table."""

    retries: int = 2
    """How often a death (signal, memory, lost worker) is tried again; exceptions are final."""
    timeout: float = 600.0
    """Seconds for one part of one stage of a point."""
    memory: int = 2 * 2**30
    """Bytes that a worker may use."""
    priority: int = 0


@dataclass(frozen=True)
class Dimension:
    """A dim of the sweep: an axis, or several that move together."""

    name: str
    values: dict[str, tuple[Any, ...]]
    """From each axis to its values, as the model takes them."""

    def __len__(self) -> int:
        return len(self.values[self.name])

    def rows(self) -> list[tuple[str, ...]]:
        """Give the values of all axes as texts, one row for each place along the dim."""
        # as texts, since 1 and true are different values that Python calls equal
        return [tuple(map(as_text, row)) for row in zip(*self.values.values(), strict=True)]

    def coordinate(self, axis: str) -> NDArray[Any]:
        """Give the values as they are stored and selected: numbers, booleans or strings."""
        values = self.values[axis]
        if all(isinstance(v, bool) for v in values):
            return np.array(values, dtype=bool)
        if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
            return np.array(values, dtype=np.int64)
        if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            return np.array(values, dtype=np.float64)
        return np.array([as_text(v) for v in values])


@dataclass(frozen=True)
class Sweep:
    """A checked sweep."""

    name: str
    model: Model
    outputs: tuple[str, ...]
    fixed: dict[str, Any]
    """Every parameter that is not swept, defaults included, as the model takes them."""
    dims: tuple[Dimension, ...]
    where: Expression | None
    run: RunSettings
    document: dict[str, Any] = field(compare=False)
    """The file's content with canonical numbers."""
    settled: tuple[str, ...] = ()
    """Parameters whose "auto" was made a number when the file was read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the dims of the sweep."""
        return tuple(len(d) for d in self.dims)

    @property
    def size(self) -> int:
        """Number of points, skipped ones included."""
        return math.prod(self.shape)

    @cached_property
    def axes(self) -> dict[str, int]:
        """From each swept parameter to the place of its dim."""
        return {axis: i for i, d in enumerate(self.dims) for axis in d.values}

    @cached_property
    def coordinates(self) -> dict[str, NDArray[Any]]:
        """Stored values of every swept parameter."""
        return {axis: d.coordinate(axis) for d in self.dims for axis in d.values}

    def point(self, index: Sequence[int]) -> Parameters:
        """Give the parameters of one point; they were checked with the file."""
        values = dict(self.fixed)
        for dim, i in zip(self.dims, index, strict=True):
            for axis, along in dim.values.items():
                values[axis] = along[i]
        return self.model.parameters.model_construct(_fields_set=None, **values)

    def wanted(self, ranges: Sequence[slice]) -> NDArray[np.bool_]:
        """Say which points of a box are not skipped by `where`, in the shape of the box."""
        shape = tuple(len(range(*r.indices(n))) for r, n in zip(ranges, self.shape, strict=True))
        if self.where is None:
            return np.ones(shape, dtype=bool)
        values = {
            name: _along(self.coordinates[name][ranges[self.axes[name]]], self.axes[name], shape)
            for name in self.where.names()
        }
        return np.broadcast_to(self.where.evaluate_condition(values), shape)

    def canonical_document(self) -> dict[str, Any]:
        """Give what decides the results: the document without [run]."""
        return {k: v for k, v in self.document.items() if k != "run"}


def _along(values: NDArray[Any], place: int, shape: Sequence[int]) -> NDArray[Any]:
    return values.reshape([-1 if i == place else 1 for i in range(len(shape))])


def wanted_on(sweep: Sweep, dims: Sequence[int]) -> NDArray[np.bool_]:
    """Say which combinations along some dims belong to a wanted point, in their shape."""
    where = sweep.where.names() if sweep.where else ()
    seen = sorted({*dims, *(sweep.axes[n] for n in where)})
    # the dims that `where` does not name repeat the answer: look at their first value
    box = [slice(None) if i in seen else slice(0, 1) for i in range(len(sweep.dims))]
    answer = sweep.wanted(box)
    drop = tuple(i for i in range(len(sweep.dims)) if i not in dims)
    return np.asarray(answer.any(axis=drop))


def output_variables(sweep: Sweep) -> dict[str, Variable]:
    """Give every variable that a sweep stores: the outputs and what they need beside them."""
    model = sweep.model
    known = model.variables()
    names = dict.fromkeys(sweep.outputs)
    if sweep.fixed.get("errors", True):
        names |= dict.fromkeys(f"{n}_error" for n in sweep.outputs if f"{n}_error" in known)
    dims = {d for n in names for d in known[n][0].dims}
    for dim in model.dims:
        if dim.name in dims:
            names |= dict.fromkeys(dim.described_by)
    sources = {known[n][1].name: known[n][1] for n in names}
    for name in needed_stages(model, names):
        stage = model.stage(name)
        if not stage.bulky or _told_of(stage, sources.values()):
            names |= {v.name: None for v in stage.variables if v.always}
    return {n: v for n, (v, _) in known.items() if n in names}


def _told_of(stage: Stage, sources: Iterable[Stage]) -> bool:
    """Say whether variables come from a stage, or from one that reads it grain by grain.

    The verdict on a bulky stage is stored beside them only: else it would be computed once for
    the verdict, and again where its sums are made.
    """
    return any(s is stage or (stage.name in s.inputs and s.cut == stage.cut) for s in sources)


def needed_stages(
    model: Model, names: Iterable[str], inputs: Mapping[str, Iterable[str]] | None = None
) -> set[str]:
    """Give the stages that variables come from, and all stages before them.

    `inputs` says what each stage reads; without it, all that it may read counts.
    """
    known = model.variables()
    open_, found = [known[n][1].name for n in names], set()
    while open_:
        stage = open_.pop()
        if stage not in found:
            found.add(stage)
            open_ += model.stage(stage).inputs if inputs is None else inputs[stage]
    return found
