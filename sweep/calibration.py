"""Pilots: a few points measured here, so that predicted seconds are those of this machine."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sweep.child import Answer, Request, Unit
from sweep.planning import Plan, Region
from sweep.process import NumericsProcess

PILOT_SECONDS = 1.5
"""Points predicted to take longer are not tried."""
PILOTS = 3
TIMEOUT = 60.0
UNMEASURED_SPREAD = 3.0
MEASURED_SPREAD = 1.5


@dataclass(frozen=True)
class Rates:
    """How this machine compares with the cost model, by region."""

    factors: dict[str, float] = field(default_factory=dict)
    """Measured over predicted seconds."""

    @property
    def calibrated(self) -> bool:
        """Pilots were run."""
        return bool(self.factors)

    @property
    def spread(self) -> float:
        """The prediction may be off by this factor either way."""
        return MEASURED_SPREAD if self.calibrated else UNMEASURED_SPREAD

    def factor(self, region: str) -> float:
        """Give the factor of a region; of the others where it was not measured."""
        if region in self.factors:
            return self.factors[region]
        return float(np.median(list(self.factors.values()))) if self.factors else 1.0


def measure(plan: Plan) -> Rates:
    """Run a few cheap points of every region in a numerics process."""
    process = NumericsProcess()
    try:
        factors = {name: _factor(plan, r, process) for name, r in plan.regions.items()}
    finally:
        process.close()
    return Rates({n: f for n, f in factors.items() if f is not None})


def _factor(plan: Plan, region: Region, process: NumericsProcess) -> float | None:
    """Measure points spread over a region."""
    blocks = np.unique(np.linspace(0, region.blocks - 1, PILOTS).astype(int))
    predicted, measured = 0.0, 0.0
    for block in blocks.tolist():
        found = next(plan.block_points(region, block), None)
        if found is None:
            continue
        place, point = found
        seconds = _instance_seconds(plan, region, place)
        stage = plan.model.stage(region.stages[0])
        parts = plan.model.parts(stage, point)
        cut = stage.cut is not None and not stage.sums
        part = parts[0] if cut else None
        share = (part.stop - part.start) / parts[-1].stop if part else 1.0
        if seconds * share > PILOT_SECONDS:
            continue
        points = tuple(dict(point) for _ in range(1 if cut else stage.batch_of(point)))
        request = Request(
            plan.model.name, region.stages, region.variables, False, points,
            (Unit(tuple(range(len(points))), part),), None, (), plan.sweep.run.memory,
        )  # fmt: skip
        for answer in process.answers(request, TIMEOUT):
            if isinstance(answer, Answer):
                measured += answer.seconds
                predicted += seconds * share * len(points)
    return measured / predicted if predicted > 0 else None


def _instance_seconds(plan: Plan, region: Region, place: tuple[int, ...]) -> float:
    at = dict(zip(region.dims, place, strict=True))
    total = 0.0
    for name in region.stages:
        table = plan.estimates[name].seconds
        total += float(
            table[tuple(at.get(i, 0) if n > 1 else 0 for i, n in enumerate(table.shape))]
        )
    return total
