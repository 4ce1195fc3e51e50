"""The plan: what a sweep is cut into and what it will take, before a worker exists.

A *region* is a group of stages that share axes and cutting; it owns part of the store and
is cut into *blocks*, one Dask task each. Everything here is a function of an index: a sweep
of a hundred million points plans in the time of one of a hundred.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.protocol import WHOLE, Model, Part, Stage, Variable
from sweep.regions import ITEM_BYTES, Array, Region, fields_of, region_of
from sweep.spec import Sweep, needed_stages, output_variables, wanted_on

RATE = 1e10
"""Equivalent operations a second that `Cost.flops` counts on."""
BLOCK_SECONDS = 4.0
LEAST_SECONDS = 0.3
MOST_SECONDS = 8.0
"""An instance that takes longer is cut, if its stage can be."""
CHUNK_BYTES = 4 * 2**20
LEAST_BLOCKS = 16
"""A region is cut into this many blocks, as long as they take `LEAST_SECONDS`."""
KEEP_SECONDS = 1.0
"""A shared result is kept when making it again would take longer than this."""
KEEP_MOST_SECONDS = 120.0
"""What takes longer is no work for one block; sums are shared out, and so have no bound."""
STATUS_CHUNK = 2**20


@dataclass(frozen=True)
class Estimate:
    """What an instance of a stage takes, by shape."""

    seconds: NDArray[np.float64]
    """Over the region's dims, length 1 along those without influence."""
    peak_bytes: NDArray[np.float64]


class Plan:
    """Regions, arrays and costs of a sweep.

    `frozen` is the cutting of a sweep that was begun (see `Plan.frozen`). `rates` say by
    which factor a stage is slower on this machine than its cost model has it.
    """

    def __init__(
        self,
        sweep: Sweep,
        frozen: Mapping[str, Any] | None = None,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self.sweep = sweep
        self.model: Model = sweep.model
        self.variables = output_variables(sweep)
        self._rates = rates or {}
        self._stages = [s for s in self.model.stages if s.name in self._needed()]
        self._lengths = self._longest()
        if frozen is None:
            self.own_chunk = {dim: max(n, 1) for dim, n in self._lengths.items()}
            self.status_chunk = _status_chunk(sweep.shape)
            self.begun_with: dict[str, int] = {}
            self.regions = self._cut(self._groups())
        else:
            # format 1 has neither; its axes have not grown
            self.own_chunk = frozen.get("own_chunk") or {
                dim: max(n, 1) for dim, n in self._lengths.items()
            }
            self.status_chunk = tuple(frozen.get("status_chunk") or _status_chunk(sweep.shape))
            self.begun_with = dict(frozen.get("begun_with", {}))
            self.regions = {r["name"]: region_of(r) for r in frozen["regions"]}
            # a model may have got variables since: a sweep stores what it began with
            stored = {n for r in self.regions.values() for n in r.variables}
            self.variables = {n: v for n, v in self.variables.items() if n in stored}

    def frozen(self) -> dict[str, Any]:
        """Give the cutting as plain values, to be kept for the life of the sweep."""
        return {
            "regions": [fields_of(r) for r in self.regions.values()],
            "own_chunk": self.own_chunk,
            "status_chunk": self.status_chunk,
            "begun_with": self.begun_with,
        }

    def grown(self, sweep: Sweep) -> Plan:
        """Give the plan of this sweep with more values on its axes.

        The chunk grid stays, so that no block that is finished moves; it only goes on. New
        values may read shared results that none has read before: these come as new regions.
        """
        grown = Plan(sweep, self.frozen())
        read = {s.name for s in self._stages}
        kept = {n: r for n, r in Plan(sweep).regions.items() if r.kept and n not in read}
        own = [
            replace(
                r,
                shape=tuple(sweep.shape[i] for i in r.dims),
                cut_length=max(grown.lengths[r.cut], 1) if r.cut else 1,
                inputs=tuple(sorted({*r.inputs, *grown.kept_before(r, set(kept))})),
            )
            for r in self.regions.values()
        ]
        order = [s.name for s in self.model.stages]
        regions = sorted([*kept.values(), *own], key=lambda r: order.index(r.name))
        begun_with = {
            new.name: self.begun_with.get(new.name, len(old))
            for old, new in zip(self.sweep.dims, sweep.dims, strict=True)
            if len(new) > len(old) or new.name in self.begun_with
        }
        fields = {"regions": [fields_of(r) for r in regions], "begun_with": begun_with}
        return Plan(sweep, self.frozen() | fields)

    def _needed(self) -> set[str]:
        return needed_stages(self.model, self.variables, self._inputs)

    @cached_property
    def _inputs(self) -> dict[str, tuple[str, ...]]:
        """What each stage reads somewhere in the sweep."""
        read: dict[str, set[str]] = {s.name: set() for s in self.model.stages}
        for _, p in self.shapes():
            for stage in self.model.stages:
                read[stage.name].update(stage.reads(p))
        return {s.name: tuple(n for n in s.inputs if n in read[s.name]) for s in self.model.stages}

    # --- what depends on what -------------------------------------------------------

    def dims_of(self, stage: Stage) -> tuple[int, ...]:
        """Give the places of the sweep's dims that a stage's variables carry."""
        names = (*self._depends_on(stage), *self.model.output_depends_on)
        return tuple(sorted({self.sweep.axes[n] for n in names if n in self.sweep.axes}))

    def _depends_on(self, stage: Stage) -> tuple[str, ...]:
        """Give the parameters that a stage depends on anywhere in the sweep."""
        return self.model.depends_on(stage, self._values)

    def _values(self, name: str) -> Iterable[Any]:
        """Give the values that a parameter has in the sweep."""
        place = self.sweep.axes.get(name)
        if place is None:
            return (self.sweep.fixed[name],)
        return self.sweep.dims[place].values[name]

    @cached_property
    def shape_dims(self) -> tuple[int, ...]:
        """Give the places of the dims that decide lengths and costs."""
        names = self.model.shape_parameters
        return tuple(sorted({self.sweep.axes[n] for n in names if n in self.sweep.axes}))

    def shapes(self) -> Iterator[tuple[dict[int, int], Any]]:
        """Go through the wanted combinations along the shape dims, with a point of each."""
        wanted = wanted_on(self.sweep, self.shape_dims)
        for index in np.argwhere(wanted):
            at = dict(zip(self.shape_dims, map(int, index), strict=True))
            yield at, self.sweep.point([at.get(i, 0) for i in range(len(self.sweep.dims))])

    def _longest(self) -> dict[str, int]:
        longest: dict[str, int] = {}
        for _, p in self.shapes():
            for name, n in self.model.lengths(p).items():
                longest[name] = max(n, longest.get(name, 0))
        if not longest:
            longest = {d.name: 1 for d in self.model.dims}
        return longest

    @property
    def lengths(self) -> dict[str, int]:
        """Longest length of every own dim."""
        return self._lengths

    # --- what it costs ----------------------------------------------------------------

    def estimate(self, stage: Stage) -> Estimate:
        """Work out what whole instances of a stage take, over the sweep's dims."""
        shape = [n if i in self.shape_dims else 1 for i, n in enumerate(self.sweep.shape)]
        seconds, peak = np.zeros(shape), np.zeros(shape)
        for at, p in self.shapes():
            place = tuple(at.get(i, 0) for i in range(len(shape)))
            part = self._first_part(stage, p)
            cost = stage.cost(p, part)
            grains = math.ceil(self._elements(stage, p) / part.size)
            seconds[place] = cost.flops * grains / RATE * self._rates.get(stage.name, 1.0)
            peak[place] = cost.peak_bytes
        return Estimate(seconds, peak)

    def _first_part(self, stage: Stage, p: Any) -> Part:
        if stage.cut is None:
            return WHOLE
        size = self.model.grain(stage.cut, p)
        return Part(0, min(size, self.model.lengths(p)[stage.cut]), size)

    def _elements(self, stage: Stage, p: Any) -> int:
        return self.model.lengths(p)[stage.cut] if stage.cut else 1

    @cached_property
    def estimates(self) -> dict[str, Estimate]:
        """What instances of every stage take."""
        return {s.name: self.estimate(s) for s in self._stages}

    def block_seconds(self, region: Region) -> NDArray[np.float64]:
        """Predict the seconds of every block of a region, with what it makes on the way."""
        total = np.zeros(region.grid[:-1])
        once = math.prod(self.sweep.shape[i] for i in self.scale_dims(region))
        for name in region.stages:
            full = self.estimates[name].seconds / once
            here = np.broadcast_to(self._over(full, region), region.shape)
            total += _per_block(here, region.chunk)
        step = region.cut_chunk or region.cut_length
        share = np.diff([*range(0, region.cut_length, step), region.cut_length])
        seconds = total[..., None] * share / region.cut_length
        return np.asarray(seconds + self._seconds_on_the_way(region)[..., None]).ravel()

    def point_seconds(self, region: Region) -> NDArray[np.float64]:
        """Predict the seconds of every instance of a region, without what others make for it."""
        full = sum(self.estimates[name].seconds for name in region.stages)
        return np.array(np.broadcast_to(self._over(np.asarray(full), region), region.shape))

    def _seconds_on_the_way(self, region: Region) -> NDArray[np.float64]:
        """Predict the seconds of the inputs that a block makes for itself, once each."""
        total = np.zeros(region.grid[:-1])
        before = {n for s in region.stages for n in self.before(self.model.stage(s))}
        for name in before - {*region.stages, *region.inputs, *self._behind(region)}:
            here = np.broadcast_to(self._over(self.estimates[name].seconds, region), region.shape)
            own = self._heavy_dims([name])
            total += _per_block(here, region.chunk, [i in own for i in region.dims])
        return total

    def _behind(self, region: Region) -> set[str]:
        """Give the stages that only kept inputs of a region need."""
        open_ = [i for s in region.stages for i in self._inputs[s]]
        needed = set()
        while open_:
            name = open_.pop()
            if name not in region.inputs and name not in needed:
                needed.add(name)
                open_ += self._inputs[name]
        return {n for s in region.stages for n in self.before(self.model.stage(s))} - needed

    def _heavy_dims(self, stages: Iterable[str]) -> set[int]:
        """Give the dims along which stages compute something new."""
        names = {n for s in stages for n in self._depends_on(self.model.stage(s))}
        return {self.sweep.axes[n] for n in names if n in self.sweep.axes}

    def scale_dims(self, region: Region) -> tuple[int, ...]:
        """Give the dims along which results are only scaled: one calculation serves them all."""
        heavy = self._heavy_dims(region.stages)
        return tuple(i for i in region.dims if i not in heavy)

    def calculations(self, region: Region) -> int:
        """Count the distinct calculations of a region that some wanted point needs."""
        places = tuple(region.dims.index(i) for i in self.scale_dims(region))
        return int(self.wanted(region).any(axis=places).sum())

    def _over(self, full: NDArray[Any], region: Region) -> NDArray[Any]:
        """Bring an array over the sweep's dims to a region's: the dearest of the others."""
        drop = tuple(i for i in range(full.ndim) if i not in region.dims)
        return np.asarray(full.max(axis=drop)) if drop else full

    @property
    def seconds(self) -> float:
        """Predicted seconds of one core for the whole sweep."""
        return float(sum(self.block_seconds(r).sum() for r in self.regions.values()))

    @property
    def peak_bytes(self) -> float:
        """Bound on the memory of a worker: its dearest stage and the inputs made on the way."""
        return float(sum(e.peak_bytes.max() for e in self.estimates.values()))

    # --- how it is cut ----------------------------------------------------------------

    def _groups(self) -> list[list[Stage]]:
        """Join stored stages that share axes and cutting with the stages they read."""
        groups: list[list[Stage]] = []
        stored = {self.model.variables()[n][1].name for n in self.variables}
        for stage in self._stages:
            if stage.name not in stored:
                continue
            homes = [g for g in groups if self._together(g, stage)]
            others = [g for g in groups if g not in homes]
            groups = [*others, [*(s for g in homes for s in g), stage]]
        return groups

    @cached_property
    def _first(self) -> Any:
        return self.sweep.point([0] * len(self.sweep.dims))

    def _together(self, group: list[Stage], stage: Stage) -> bool:
        """Say whether a stage reads a group's result and can be made in the same block."""
        reads = any(g.name in self._inputs[stage.name] for g in group)
        like = group[0]
        return (
            reads and not stage.sums and not like.sums
            and (stage.cut, stage.batch_of(self._first)) == (like.cut, like.batch_of(self._first))
            and self.dims_of(stage) == self.dims_of(like)
        )  # fmt: skip

    def _cut(self, groups: list[list[Stage]]) -> dict[str, Region]:
        own = {g[0].name: self._region(g, kept=False) for g in groups}
        kept = self._worth_keeping(own)
        regions: dict[str, Region] = {}
        for stage in self._stages:
            if stage.name in kept:
                group = next((g for g in groups if g[0] is stage), [stage])
                regions[stage.name] = self._region(group, kept=True)
            elif stage.name in own:
                regions[stage.name] = own[stage.name]
        return {
            name: replace(region, inputs=self.kept_before(region, kept))
            for name, region in regions.items()
        }

    def _worth_keeping(self, own: dict[str, Region]) -> set[str]:
        """Find inputs that are heavy, or that blocks would make again at some cost."""
        kept = set()
        joined = {n for r in own.values() for n in r.stages[1:]}
        for stage in self._stages:
            users = [r for r in own.values() if self._reads(r, stage.name)]
            if not users or stage.name in joined:
                continue
            dims = self.dims_of(stage)
            seconds = float(self._seconds_of(stage).max())
            repeats = sum(self._repeats(r, dims) for r in users) - 1
            again = repeats * seconds * math.prod(self.sweep.shape[i] for i in dims)
            too_long = seconds > KEEP_MOST_SECONDS and not stage.sums
            if max(seconds, again) > KEEP_SECONDS and not too_long and not stage.bulky:
                kept.add(stage.name)
        return kept

    def _seconds_of(self, stage: Stage) -> NDArray[np.float64]:
        """Seconds of an instance, with the bulky results that it reads and makes itself."""
        seconds = self.estimates[stage.name].seconds
        if not stage.sums:
            return seconds
        bulky = [n for n in self._inputs[stage.name] if self.model.stage(n).bulky]
        return np.asarray(sum((self.estimates[n].seconds for n in bulky), seconds))

    def _repeats(self, region: Region, dims: Sequence[int]) -> int:
        """Count the blocks of a region that would make the same instance."""
        return math.prod(
            n for n, i in zip(region.grid[:-1], region.dims, strict=True) if i not in dims
        )

    def _reads(self, region: Region, name: str) -> bool:
        before = {n for s in region.stages for n in self.before(self.model.stage(s))}
        return name in before and name not in region.stages

    def before(self, stage: Stage) -> set[str]:
        """Give all stages that a stage reads, directly or through others."""
        found = set(self._inputs[stage.name])
        for name in self._inputs[stage.name]:
            found |= self.before(self.model.stage(name))
        return found

    def kept_before(self, region: Region, kept: set[str]) -> tuple[str, ...]:
        """Give those of some kept results that blocks of a region read."""
        return tuple(n for n in sorted(kept) if self._reads(region, n))

    def _region(self, group: list[Stage], *, kept: bool) -> Region:
        first = group[0]
        dims = self.dims_of(first)
        names = [s.name for s in group]
        known = self.model.variables()
        variables = tuple(n for n in self.variables if known[n][1].name in names)
        shape = tuple(self.sweep.shape[i] for i in dims)
        total = np.sum([self._seconds_of(s) for s in group], axis=0)
        seconds = max(float(total.max()), 1e-9)
        largest = max([self._bytes(known[n][0]) for n in variables], default=1)
        cut = first.cut
        length = max(self._lengths[cut], 1) if cut else 1
        tree = first.sums and seconds > MOST_SECONDS
        cut_chunk = 0
        if (
            cut
            and not first.sums
            and not kept
            and (seconds > MOST_SECONDS or largest > CHUNK_BYTES)
        ):
            pieces = max(seconds / BLOCK_SECONDS, largest / CHUNK_BYTES)
            cut_chunk = self._whole_grains(cut, length / pieces)
            cut_chunk = 0 if cut_chunk >= length else cut_chunk
        points = 1
        if not cut_chunk and not tree:
            points = self._points(math.prod(shape), seconds, largest)
        chunk = (1,) * len(dims) if tree else self._chunk(dims, shape, points)
        return Region(
            first.name, tuple(names), variables, dims, shape, chunk, cut, length, cut_chunk,
            kept, tree, (),
        )  # fmt: skip

    def _bytes(self, variable: Variable) -> int:
        return math.prod(self._lengths[d] for d in variable.dims) * ITEM_BYTES[variable.dtype]

    def _whole_grains(self, cut: str, elements: float) -> int:
        """Round to a length that holds whole grains of every shape of the sweep."""
        grain = math.lcm(*{self.model.grain(cut, p) for _, p in self.shapes()})
        return max(1, int(elements // grain)) * grain

    def _points(self, instances: int, seconds: float, largest: int) -> int:
        most = min(BLOCK_SECONDS / seconds, CHUNK_BYTES / largest)
        even = max(instances / LEAST_BLOCKS, LEAST_SECONDS / seconds)
        return max(1, int(min(most, even)))

    def _chunk(self, dims: Sequence[int], shape: Sequence[int], points: int) -> tuple[int, ...]:
        """Spread a number of points over the dims.

        Dims that only scale results come first, so that one block makes the heavy part of
        all of them once; then the last dims before the first.
        """
        scale = {self.sweep.axes[n] for n in self.model.output_depends_on if n in self.sweep.axes}
        chunk = [1] * len(dims)
        for i in sorted(range(len(dims)), key=lambda i: (dims[i] not in scale, -i)):
            take = shape[i] if dims[i] in scale else min(shape[i], max(points, 1))
            chunk[i] = take
            points //= max(take, 1)
        return tuple(chunk)

    # --- what lies in the store -------------------------------------------------------

    @cached_property
    def arrays(self) -> dict[str, Array]:
        """Every stored variable, with its place in the store."""
        found = {}
        for region in self.regions.values():
            for name in region.variables:
                variable = self.variables[name]
                found[name] = Array(
                    variable, region.name,
                    (*(self.sweep.dims[i].name for i in region.dims), *variable.dims),
                    (*region.shape, *(self._lengths[d] for d in variable.dims)),
                    (*region.chunk, *(
                        region.cut_chunk if region.divided and d == region.cut
                        else self.own_chunk[d] for d in variable.dims
                    )),
                    self.model.unit_of(variable.unit, self._first),
                )  # fmt: skip
        return found

    @property
    def bytes(self) -> int:
        """Bytes of all variables before compression."""
        return sum(a.bytes for a in self.arrays.values())

    @property
    def files(self) -> int:
        """Number of chunk files that a whole run writes for its variables."""
        return sum(
            int(self.wanted_blocks(r).sum()) * len(r.variables) for r in self.regions.values()
        )

    # --- points of a block ------------------------------------------------------------

    def wanted(self, region: Region) -> NDArray[np.bool_]:
        """Say which instances of a region belong to a point that is not skipped."""
        if region.name not in self._wanted:
            self._wanted[region.name] = wanted_on(self.sweep, region.dims)
        return self._wanted[region.name]

    @cached_property
    def _wanted(self) -> dict[str, NDArray[np.bool_]]:
        return {}

    def wanted_blocks(self, region: Region) -> NDArray[np.bool_]:
        """Say which blocks hold a wanted instance; the others are never run."""
        if self.sweep.where is None:
            return np.ones(region.blocks, dtype=bool)
        here = self.wanted(region)
        for axis, c in enumerate(region.chunk):
            here = np.logical_or.reduceat(here, range(0, here.shape[axis], c), axis=axis)
        return np.repeat(here.ravel(), region.grid[-1])

    def block_points(self, region: Region, block: int) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Go through the wanted instances of a block: place in the region, parameters."""
        box = region.box(block)
        wanted = self.wanted(region)[box]
        index = [0] * len(self.sweep.dims)
        for place in itertools.product(*(range(s.start, s.stop) for s in box)):
            if wanted[tuple(i - s.start for i, s in zip(place, box, strict=True))]:
                for dim, i in zip(region.dims, place, strict=True):
                    index[dim] = i
                yield place, self.sweep.point(index)

    def input_blocks(self, region: Region, block: int) -> set[tuple[str, int]]:
        """Give the blocks of other regions whose kept results a block reads."""
        box = dict(zip(region.dims, region.box(block), strict=True))
        found = set()
        for name in region.inputs:
            other = self.regions[name]
            ranges = [
                range(box[d].start, box[d].stop) if d in box else range(n)
                for d, n in zip(other.dims, other.shape, strict=True)
            ]
            cells = [
                range(r[0] // c, r[-1] // c + 1) for r, c in zip(ranges, other.chunk, strict=True)
            ]
            for cell in itertools.product(*cells):
                found.add((name, int(np.ravel_multi_index([*cell, 0], other.grid))))
        return found


def _status_chunk(shape: Sequence[int]) -> tuple[int, ...]:
    """Cut the status arrays into chunks of about a million points, the last dims whole."""
    chunk, room = [], STATUS_CHUNK
    for n in reversed(shape):
        chunk.append(max(1, min(n, room)))
        room //= chunk[-1]
    return tuple(reversed(chunk))


def _per_block(
    values: NDArray[np.float64], chunk: Sequence[int], sums: Sequence[bool] | None = None
) -> NDArray[np.float64]:
    """Add up over the points of every block; along dims that do not sum, the dearest counts."""
    for axis, c in enumerate(chunk):
        add = np.add if sums is None or sums[axis] else np.maximum
        values = add.reduceat(values, range(0, values.shape[axis], c), axis=axis)
    return values
