"""Rates: how much slower or faster this machine is than the cost model has it, by stage.

Every block reports the seconds and the counted operations of the stages it called, so a
finished run is the best pilot of the next. Before there is one, a few points are tried on
the workers. What is known is kept in the workspace, by model and revision.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from sweep.child import Answer, Request, Unit
from sweep.durable import write_files
from sweep.filling import units_of
from sweep.layout import rates_file
from sweep.planning import RATE, Plan
from sweep.process import slot
from sweep.regions import Region

WORTH_SECONDS = 20.0
"""A run that is predicted to take less is cut without pilots."""
PILOT_SECONDS = 1.5
"""Points predicted to take longer are not tried, unless the sweep takes a hundred times that."""
PILOTS = 3
TIMEOUT = 120.0
LEAST_WORK = 0.5
"""Seconds that a stage must have run for to teach anything about its rate."""
UNMEASURED_SPREAD = 3.0
MEASURED_SPREAD = 1.5
Work: TypeAlias = dict[str, tuple[float, float]]
"""Seconds and counted operations by stage."""
Ask: TypeAlias = Callable[[Request], Work]
"""Has a request computed somewhere; gives the work."""


@dataclass(frozen=True)
class Rates:
    """Measured over predicted seconds, by stage."""

    factors: dict[str, float] = field(default_factory=dict)

    @property
    def calibrated(self) -> bool:
        """Something was measured."""
        return bool(self.factors)

    @property
    def spread(self) -> float:
        """The prediction may be off by this factor either way."""
        return MEASURED_SPREAD if self.calibrated else UNMEASURED_SPREAD

    def of(self, plan: Plan) -> Plan:
        """Give the plan with seconds of this machine; the others go by the median.

        A long sweep is also cut by them, so that its blocks are of the right length.
        """
        if not self.factors:
            return plan
        cutting = None if plan.seconds >= WORTH_SECONDS else plan.frozen()
        other = float(np.median(list(self.factors.values())))
        stages = {s.name: self.factors.get(s.name, other) for s in plan.model.stages}
        return Plan(plan.sweep, cutting, stages)


def rates_of(plan: Plan, workspace: Path, ask: Ask) -> Rates:
    """Give what the workspace knows of the stages that count, or else try a few points."""
    known = Rates(_stored(workspace).get(_name(plan), {}))
    if _that_count(plan) <= set(known.factors):
        return known
    tried = measure(plan, ask)
    _keep(plan, workspace, tried.factors | known.factors)
    return Rates(tried.factors | known.factors)


def measure(plan: Plan, ask: Ask) -> Rates:
    """Try a few points of every region."""
    ratios: dict[str, list[float]] = {}
    for request in _pilots(plan):
        for stage, (seconds, flops) in ask(request).items():
            if flops > 0:
                ratios.setdefault(stage, []).append(seconds * RATE / flops)
    return Rates({stage: float(np.median(r)) for stage, r in ratios.items()})


def measured(plan: Plan, workspace: Path, ask: Ask) -> Plan:
    """Give a new plan that is cut by what points take here, where that matters."""
    if plan.seconds < WORTH_SECONDS:
        return plan
    return rates_of(plan, workspace, ask).of(plan)


def learn(plan: Plan, workspace: Path, work: Mapping[str, tuple[float, float]]) -> None:
    """Keep the rates of stages that ran for long enough."""
    _keep(plan, workspace, {
        stage: seconds * RATE / flops
        for stage, (seconds, flops) in work.items()
        if seconds >= LEAST_WORK and flops > 0
    })  # fmt: skip


def _that_count(plan: Plan) -> set[str]:
    """Name the stages that take a good share of the sweep's time."""
    seconds = {s: float(plan.estimates[s].seconds.sum()) for s in plan.estimates}
    most = max(seconds.values())
    return {s for s, t in seconds.items() if t > most / 10}


def _keep(plan: Plan, workspace: Path, factors: Mapping[str, float]) -> None:
    """Keep rates in a workspace that is there; losing them loses nothing."""
    if not factors or not workspace.is_dir():
        return
    everything = _stored(workspace)
    everything.setdefault(_name(plan), {}).update(factors)
    with contextlib.suppress(OSError):
        write_files({rates_file(workspace): json.dumps(everything, indent=1).encode()})


def _name(plan: Plan) -> str:
    return f"{plan.model.name} {plan.model.revision}"


def _stored(workspace: Path) -> dict[str, dict[str, float]]:
    try:
        found = json.loads(rates_file(workspace).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def pilot(request: Request) -> Work:
    """Compute a request here and give what it took; the results are thrown away."""
    process = slot()
    total: Work = {}
    for answer in process.answers(request, TIMEOUT):
        if isinstance(answer, Answer):
            total = added(total, answer.work)
    return total


def added(a: Mapping[str, tuple[float, float]], b: Mapping[str, tuple[float, float]]) -> Work:
    """Add work, stage by stage."""
    none = (0.0, 0.0)
    return {
        n: (a.get(n, none)[0] + b.get(n, none)[0], a.get(n, none)[1] + b.get(n, none)[1])
        for n in {**a, **b}
    }


def _pilots(plan: Plan) -> Iterator[Request]:
    """Choose units spread over every region, none of them long."""
    most = max(PILOT_SECONDS, plan.seconds / 100)
    for region in plan.regions.values():
        if _on_the_way(plan, region) > most:
            continue  # a pilot has no kept results: it would make them for itself
        blocks = np.unique(np.linspace(0, region.blocks - 1, PILOTS).astype(int))
        chosen = [u for b in blocks.tolist() if (u := _unit(plan, region, b, most))]
        if not chosen and (u := _cheapest(plan, region)):
            chosen = [u]
        yield from chosen


def _unit(plan: Plan, region: Region, block: int, most: float) -> Request | None:
    """Ask for the first batch or grain of a block."""
    found = next(plan.block_points(region, block), None)
    if found is None:
        return None
    place, point = found
    stage = plan.model.stage(region.stages[0])
    parts = plan.model.parts(stage, point)
    cut = stage.cut is not None
    share = (parts[0].stop - parts[0].start) / parts[-1].stop if cut else 1.0
    points = [point] * (1 if cut else stage.batch_of(point))
    if _seconds(plan, region, place) * share * len(points) > most:
        return None
    unit = Unit((0,), parts[0]) if cut else Unit(tuple(range(len(points))), None)
    return replace(_request(plan, region, points, unit), partial=cut and stage.sums)


def _on_the_way(plan: Plan, region: Region) -> float:
    """Predict the seconds of the kept results that a block reads, the dearest of each."""
    before = {n for s in region.stages for n in plan.before(plan.model.stage(s))}
    read = before.intersection(region.inputs)
    return float(sum(plan.estimates[n].seconds.max() for n in read))


def _cheapest(plan: Plan, region: Region) -> Request | None:
    """Ask for the cheapest block's first point where every point takes long."""
    block = int(plan.block_seconds(region).argmin())
    found = next(plan.block_points(region, block), None)
    if found is None or _seconds(plan, region, found[0]) > TIMEOUT / 4:
        return None
    points = [found[1]]
    unit = units_of(plan, region, block, points)
    return _request(plan, region, points, unit[0]) if unit else None


def _request(plan: Plan, region: Region, points: list[object], unit: Unit) -> Request:
    return Request(
        plan.model.name, region.stages, region.variables, False,
        tuple(dict(p) for p in points), (unit,), None, (), plan.sweep.run.memory,  # type: ignore[call-overload]
    )  # fmt: skip


def _seconds(plan: Plan, region: Region, place: tuple[int, ...]) -> float:
    """Predict the seconds of one instance of a region."""
    at = dict(zip(region.dims, place, strict=True))
    total = 0.0
    for name in region.stages:
        table = plan.estimates[name].seconds
        total += float(
            table[tuple(at.get(i, 0) if n > 1 else 0 for i, n in enumerate(table.shape))]
        )
    return total
