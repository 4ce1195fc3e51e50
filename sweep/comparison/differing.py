"""What differs between two sweeps of one model: parameters, axes, status, stored values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.protocol import IntArray
from sweep.comparison.points import AxisMatch, Matching, same_value
from sweep.comparison.stored import StoredValues, labels, plain_value
from sweep.comparison.values import BoolArray, Comparison, compare, comparison_of, group_starts
from sweep.layout import DEFAULT_WORKSPACE, OK, STATUS, UNSTABLE
from sweep.ledger import Ledger
from sweep.locating import locate
from sweep.planning import Plan
from sweep.problems import InputError, RefusedError, StoreError
from sweep.reading import stored_plan
from sweep.state import SweepState
from sweep.values import unit_of

SLAB_POINTS = 2**16
"""Points that are looked at in one go."""
BATCH_BYTES = 32 * 2**20
"""Values of a variable that are held at once, on each side; more only if one point has more."""


@dataclass(frozen=True)
class ParameterDifference:
    """Something that holds for a whole sweep, and is not the same in both."""

    name: str
    a: Any
    b: Any
    unit: str = ""


@dataclass(frozen=True)
class AxisDifference:
    """A parameter that is an axis in at least one of the sweeps."""

    name: str
    unit: str
    both: int
    """Number of values that both have."""
    only_a: list[Any]
    only_b: list[Any]
    swept: tuple[bool, bool]
    """It is an axis in a, in b; where it is not, its fixed value is its only one."""


@dataclass(frozen=True)
class StatusDifference:
    """Points of one status in a and another one in b."""

    a: str
    b: str
    points: int
    at: dict[str, Any]
    """The first of them."""


@dataclass(frozen=True)
class Difference:
    """What differs between two sweeps."""

    a: Path
    b: Path
    model: str
    parameters: tuple[ParameterDifference, ...]
    axes: tuple[AxisDifference, ...]
    points: tuple[int, int]
    """In a and in b, without those that `where` skips."""
    both: int
    """Points that both sweeps have, skipped in none."""
    compared: int
    """Points of them that have a result in both."""
    status: tuple[StatusDifference, ...]
    variables: tuple[Comparison, ...]
    only_a: tuple[str, ...]
    """Variables that b does not store."""
    only_b: tuple[str, ...]

    @property
    def agree(self) -> bool:
        """No value that both have deviates, and no status of a point."""
        return not self.status and not any(v.disagreeing for v in self.variables)

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        plain: dict[str, Any] = {
            "a": str(self.a), "b": str(self.b), "model": self.model, "agree": self.agree,
            "parameters": [vars(p) for p in self.parameters],
            "axes": [vars(x) for x in self.axes],
            "points": {"a": self.points[0], "b": self.points[1], "both": self.both,
                       "compared": self.compared},
            "status": [vars(s) for s in self.status],
            "variables": [v.as_dict() for v in self.variables],
            "variables_only_a": list(self.only_a), "variables_only_b": list(self.only_b),
        }  # fmt: skip
        return plain


def diff(
    a: str | Path,
    b: str | Path,
    *,
    tolerance: float | None = None,
    workspace: str | Path = DEFAULT_WORKSPACE,
) -> Difference:
    """Compare two sweeps of one model: what they were told, and what they found.

    Points are matched by the values of their axes, up to rounding; a parameter that is fixed
    in one sweep is an axis of one value there. Parameters that are fixed in both may differ:
    what that does to the values is then the answer. Values are compared as by `verify`.

    Parameters
    ----------
    a, b : names in the workspace, or folders
    tolerance : relative, for all variables instead of their own

    Raises
    ------
    RefusedError : the sweeps are of different models
    StoreError : there is no such sweep
    """
    if tolerance is not None and not 0 <= tolerance < math.inf:
        msg = f"A tolerance of {tolerance} compares nothing. Give a number such as 1e-9."
        raise InputError(msg)
    sides = [_Side(locate(sweep, workspace)) for sweep in (a, b)]
    first, second = sides
    if first.plan.model.name != second.plan.model.name:
        msg = (
            f"{first.folder} is a sweep of the model {first.plan.model.name!r}, {second.folder} "
            f"one of {second.plan.model.name!r}: they have no variable in common. "
            "Name two sweeps of one model."
        )
        raise RefusedError(msg)
    work = _Work(first, second, tolerance)
    work.run()
    only_a, only_b = (
        tuple(n for n in x.plan.variables if n not in y.plan.variables)
        for x, y in (sides, sides[::-1])
    )
    return Difference(
        first.folder, second.folder, first.plan.model.name, tuple(_parameters(first, second)),
        tuple(_axis(first.plan, m) for m in work.matching.axes.values()),
        (first.wanted, second.wanted), work.both, work.compared,
        tuple(work.status.values()), tuple(work.comparisons.values()), only_a, only_b,
    )  # fmt: skip


class _Side:
    """One of the two sweeps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = stored_plan(folder)
        self.stored = StoredValues(folder, self.plan)
        with Ledger(folder) as ledger:
            self.state = SweepState.of(self.plan, ledger)
        self.status = self.state.arrays()["status"]
        self.wanted = int((self.status != STATUS.index("skipped")).sum())

    def status_at(self, places: IntArray) -> NDArray[np.uint8]:
        """Give the status of points, (points,)."""
        return np.asarray(self.status[tuple(places.T)]).reshape(len(places)).astype(np.uint8)

    def dims_of(self, name: str) -> list[int]:
        """Give the dims of the sweep that a variable has."""
        return list(self.plan.regions[self.plan.arrays[name].region].dims)


def _parameters(a: _Side, b: _Side) -> Iterator[ParameterDifference]:
    """Give what holds for a whole sweep and differs, the model's parameters first."""
    x, y = a.plan.sweep, b.plan.sweep
    for name, info in x.model.parameters.model_fields.items():
        if name in x.axes or name in y.axes:
            continue
        if not same_value(x.fixed[name], y.fixed[name]):
            of_a, of_b = plain_value(x.fixed[name]), plain_value(y.fixed[name])
            yield ParameterDifference(name, of_a, of_b, unit_of(info))
    told = [
        ("outputs", list(x.outputs), list(y.outputs)),
        ("where", x.document.get("where"), y.document.get("where")),
        ("revision", a.stored.attributes.get("revision"), b.stored.attributes.get("revision")),
    ]
    for name, of_a, of_b in told:
        if of_a != of_b:
            yield ParameterDifference(name, of_a, of_b)


def _axis(plan: Plan, match: AxisMatch) -> AxisDifference:
    unit = unit_of(plan.model.parameters.model_fields[match.name])
    only_a, only_b = ([plain_value(v) for v in side] for side in (match.only_a, match.only_b))
    return AxisDifference(match.name, unit, match.both, only_a, only_b, match.swept)


@dataclass
class _Work:
    """A comparison on its way: what was seen so far."""

    a: _Side
    b: _Side
    tolerance: float | None
    matching: Matching = field(init=False)
    comparisons: dict[str, Comparison] = field(init=False)
    status: dict[int, StatusDifference] = field(default_factory=dict)
    both: int = 0
    compared: int = 0
    _seen: dict[str, BoolArray] = field(default_factory=dict)
    _lengths: dict[tuple[int, ...], dict[str, tuple[int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.matching = Matching(self.a.plan.sweep, self.b.plan.sweep)
        self.comparisons = {
            n: comparison_of(v, self.a.stored.unit(n), self.tolerance)
            for n, v in self.a.plan.variables.items() if n in self.b.plan.variables
        }  # fmt: skip

    def run(self) -> None:
        """Go through the points of a, slab by slab."""
        region = self.a.state.main_region
        for places in _slabs(self.a.plan, dict(zip(region.dims, region.chunk, strict=True))):
            partners, there = self.matching.partners(places)
            self._slab(places[there], partners[there])

    def _slab(self, a: IntArray, b: IntArray) -> None:
        status_a, status_b = self.a.status_at(a), self.b.status_at(b)
        skipped = STATUS.index("skipped")
        self.both += int(((status_a != skipped) & (status_b != skipped)).sum())
        self._count_status(a, status_a, status_b)
        good = np.isin(status_a, (OK, UNSTABLE)) & np.isin(status_b, (OK, UNSTABLE))
        self.compared += int(good.sum())
        fresh = {}
        for name in self.comparisons:
            region = self.a.plan.arrays[name].region
            if region not in fresh:
                fresh[region] = self._fresh(region, a[good])
            rows = fresh[region]
            if len(rows):
                self._variable(name, a[good][rows], b[good][rows])

    def _count_status(
        self, a: IntArray, status_a: NDArray[np.uint8], status_b: NDArray[np.uint8]
    ) -> None:
        pairs = status_a.astype(np.int64) * len(STATUS) + status_b
        found, first, count = np.unique(pairs, return_index=True, return_counts=True)
        for pair, i, n in zip(found.tolist(), first, count.tolist(), strict=True):
            of_a, of_b = divmod(pair, len(STATUS))
            if of_a == of_b:
                continue
            if pair not in self.status:
                at = labels(self.a.plan, range(a.shape[1]), a[i])
                self.status[pair] = StatusDifference(STATUS[of_a], STATUS[of_b], 0, at)
            old = self.status[pair]
            self.status[pair] = replace(old, points=old.points + n)

    def _fresh(self, name: str, places: IntArray) -> IntArray:
        """Give a row for each instance of a region that was not compared before."""
        region = self.a.plan.regions[name]
        flat = np.zeros(len(places), dtype=np.int64)
        for dim, n in zip(region.dims, region.shape, strict=True):
            flat = flat * n + places[:, dim]
        seen = self._seen.setdefault(name, np.zeros(region.instances, dtype=bool))
        new, rows = np.unique(flat, return_index=True)
        rows = rows[~seen[new]]
        seen[new] = True
        return rows

    # --- values -------------------------------------------------------------------------

    def _variable(self, name: str, a: IntArray, b: IntArray) -> None:
        """Compare a variable at points, as many at once as memory allows."""
        if reason := self._unlike(name):
            self.comparisons[name] = self.comparisons[name].without(len(a), reason)
            return
        alike, reason = self._alike(name, a, b)
        if reason:
            gone = int((~alike).sum())
            self.comparisons[name] = self.comparisons[name].without(gone, reason)
            a, b = a[alike], b[alike]
        step = max(1, BATCH_BYTES // self.a.stored.row_bytes(name))
        for i in range(0, len(a), step):
            try:
                self._batch(name, a[i : i + step], b[i : i + step])
            except StoreError as error:
                n = len(a[i : i + step])
                self.comparisons[name] = self.comparisons[name].without(n, str(error))

    def _unlike(self, name: str) -> str:
        """Say why a variable cannot be compared at all; empty if it can."""
        x, y = self.a.stored, self.b.stored
        if x.unit(name) != y.unit(name):
            return f"in {x.unit(name)} in a, in {y.unit(name)} in b"
        for dim in self.a.plan.variables[name].dims:
            if self.a.plan.model.dim(dim).coordinate is None:
                continue
            of_a, of_b = (s.dataset[dim].values for s in (x, y))
            if of_a.shape != of_b.shape or not (of_a == of_b).all():
                return f"{dim} has other values in b"
        return ""

    def _alike(self, name: str, a: IntArray, b: IntArray) -> tuple[BoolArray, str]:
        """Say at which points a variable has the same lengths in both, and why at others not."""
        alike, reason = np.ones(len(a), dtype=bool), ""
        if self._same_shapes:
            return alike, reason
        dims_a, dims_b = self.a.plan.shape_dims, self.b.plan.shape_dims
        shapes = np.concatenate([a[:, list(dims_a)], b[:, list(dims_b)]], axis=1)
        for i, shape in enumerate(map(tuple, shapes.tolist())):
            if shape not in self._lengths:
                self._lengths[shape] = self._both_lengths(a[i], b[i])
            for dim in self.a.plan.variables[name].dims:
                of_a, of_b = self._lengths[shape][dim]
                if of_a != of_b:
                    alike[i] = False
                    reason = reason or f"{dim} has {of_a} entries in a, {of_b} in b"
        return alike, reason

    @cached_property
    def _same_shapes(self) -> bool:
        """Points that match have equal lengths: what decides them is fixed alike or matched."""
        x, y = self.a.plan.sweep, self.b.plan.sweep
        return all(
            n in self.matching.axes or same_value(x.fixed[n], y.fixed[n])
            for n in x.model.shape_parameters
        )

    def _both_lengths(self, a: IntArray, b: IntArray) -> dict[str, tuple[int, int]]:
        of_a, of_b = (
            side.plan.model.lengths(side.plan.sweep.point(place.tolist()))
            for side, place in ((self.a, a), (self.b, b))
        )
        return {dim: (n, of_b[dim]) for dim, n in of_a.items()}

    def _batch(self, name: str, a: IntArray, b: IntArray) -> None:
        variable = self.a.plan.variables[name]
        x, y = self._values(name, a, b)
        starts = None
        known = variable.degenerate
        if known in self.comparisons and not self._unlike(known):
            starts = group_starts(self.a.plan.variables[known], *self._values(known, a, b))
        elif known:
            note = f"{known} is not stored in both: modes are compared one by one"
            self.comparisons[name] = self.comparisons[name].without(0, note)
        found = compare(variable, x, y, starts=starts, tolerance=self.tolerance)
        self.comparisons[name], worst = self.comparisons[name].added(found)
        if worst is not None:
            dims = self.a.dims_of(name)
            at = labels(self.a.plan, dims, a[worst[0]][dims])
            at |= self.a.stored.own_labels(name, worst[1])
            self.comparisons[name] = self.comparisons[name].located(at)

    def _values(self, name: str, a: IntArray, b: IntArray) -> list[NDArray[Any]]:
        """Read a variable on both sides, without the padding that only one of them has."""
        values = [s.stored.at(name, p[:, s.dims_of(name)]) for s, p in ((self.a, a), (self.b, b))]
        shape = np.minimum(values[0].shape, values[1].shape)
        return [v[tuple(slice(n) for n in shape)] for v in values]


def _slabs(plan: Plan, chunk: Mapping[int, int]) -> Iterator[IntArray]:
    """Go through the points of a sweep, a block at a time: (points, dims)."""
    room = max(1, SLAB_POINTS // math.prod(chunk.values()))
    steps = []
    for dim, n in reversed(list(enumerate(plan.sweep.shape))):
        steps.append(chunk.get(dim) or max(1, min(n, room)))
        room = room if dim in chunk else max(1, room // steps[-1])
    starts = [range(0, n, s) for n, s in zip(plan.sweep.shape, reversed(steps), strict=True)]
    for corner in itertools.product(*starts):
        ranges = [
            np.arange(i, min(i + s, n))
            for i, s, n in zip(corner, reversed(steps), plan.sweep.shape, strict=True)
        ]
        grid = np.meshgrid(*ranges, indexing="ij")
        yield np.stack([g.ravel() for g in grid], axis=1) if grid else np.zeros((1, 0), np.int64)
