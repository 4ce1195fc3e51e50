"""What a plan says to people: counts, costs, sizes, and whether it fits the machine."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sweep.arrays import told
from sweep.calibration import Rates, pilot, rates_of
from sweep.documents import Document
from sweep.layout import DEFAULT_WORKSPACE
from sweep.planning import Plan
from sweep.problems import RefusedError
from sweep.process import slot
from sweep.regions import PARTS, Region
from sweep.sweep_file import read
from sweep.words import readable_bytes


@dataclass(frozen=True)
class StageSummary:
    """One region in the plan."""

    stages: str
    axes: tuple[str, ...]
    variables: tuple[str, ...]
    instances: int
    """Distinct calculations."""
    serves: float
    """Points that share one of them."""
    blocks: int
    chunk: tuple[int, ...]
    kept: bool
    seconds: float
    """One core."""
    longest_seconds: float
    """The dearest of its calculations."""
    inputs: tuple[str, ...]
    """Stages whose kept results it reads."""


@dataclass(frozen=True)
class Summary:
    """A plan in numbers."""

    name: str
    model: str
    points: int
    skipped: int
    stages: tuple[StageSummary, ...]
    blocks: int
    arrays: int
    bytes: int
    """Before compression."""
    files: int
    peak_bytes: int
    memory: int
    """Allowed for a worker."""
    seconds: float
    """One core."""
    seconds_low: float
    seconds_high: float
    calibrated: bool
    longest_seconds: float
    """The dearest calculation."""
    critical_seconds: float
    """However many workers there are, it takes so long."""
    useful_workers: int
    """More than these do not make it faster."""

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return asdict(self)


def plan(
    file: str | Path | Mapping[str, Any] | Document,
    *,
    workspace: str | Path = DEFAULT_WORKSPACE,
    pilots: bool = True,
) -> Summary:
    """Say what a sweep would do and cost; compute nothing but pilots.

    Raises
    ------
    InputError : the file cannot be run, or needs more than there is
    """
    nominal = Plan(read(file))
    check_budget(nominal, Path(workspace))
    rates = Rates()
    if pilots:
        rates = rates_of(nominal, Path(workspace), pilot)
        slot().close()
    return summarize(rates.of(nominal), rates)


def summarize(plan: Plan, rates: Rates) -> Summary:
    """Count and predict."""
    sweep = plan.sweep
    wanted = int(sweep.wanted([slice(None)] * len(sweep.dims)).sum())
    stages = tuple(_stage(plan, name, wanted) for name in plan.regions)
    seconds = sum(s.seconds for s in stages)
    path = max(critical_seconds(plan, r) for r in plan.regions.values())
    return Summary(
        sweep.name, plan.model.name, sweep.size, sweep.size - wanted, stages,
        sum(s.blocks for s in stages), len(plan.arrays), plan.bytes, plan.files,
        int(plan.peak_bytes), sweep.run.memory, seconds,
        seconds / rates.spread, seconds * rates.spread, rates.calibrated,
        max(s.longest_seconds for s in stages), path, useful_workers(plan, seconds, path),
    )  # fmt: skip


def _stage(plan: Plan, name: str, points: int) -> StageSummary:
    region = plan.regions[name]
    share = float(plan.wanted(region).mean())
    calculations = plan.calculations(region)
    return StageSummary(
        " + ".join(region.stages), tuple(plan.sweep.dims[i].name for i in region.dims),
        region.variables, calculations, points / max(calculations, 1),
        int(plan.wanted_blocks(region).sum()),
        region.chunk, region.kept,
        float(plan.block_seconds(region).sum()) * share,
        float(np.sum([plan.estimates[n].seconds for n in region.stages], axis=0).max()),
        region.inputs,
    )  # fmt: skip


def critical_seconds(plan: Plan, region: Region) -> float:
    """Give the seconds that a region takes, however many workers there are."""
    longest = float(plan.block_seconds(region).max())
    if region.tree:  # its parts run side by side
        longest /= PARTS
    before = [critical_seconds(plan, plan.regions[n]) for n in region.inputs]
    return longest + max(before, default=0.0)


def useful_workers(plan: Plan, seconds: float, path: float) -> int:
    """Give the number of workers beyond which a sweep gets no faster."""
    most = max(
        int(plan.wanted_blocks(r).sum()) * (PARTS if r.tree else 1) for r in plan.regions.values()
    )
    return max(1, min(most, math.ceil(seconds / max(path, 1e-9))))


def check_budget(plan: Plan, workspace: Path) -> None:
    """Refuse a sweep that cannot fit the workers' memory or the disk.

    Raises
    ------
    RefusedError : says what is needed, what there is, and what to change
    """
    problems = []
    memory = plan.sweep.run.memory
    if plan.peak_bytes > memory:
        problems.append(
            f"A point needs up to {readable_bytes(plan.peak_bytes)} of memory, a worker has "
            f"{readable_bytes(memory)} (`memory` under [run]). Lower what makes matrices large, "
            "or raise `memory` on machines that have it."
        )
    room = shutil.disk_usage(_existing(workspace)).free
    if told(workspace) is None and plan.bytes > room:
        problems.append(
            f"The results take {readable_bytes(plan.bytes)} before compression, the disk of "
            f"{workspace} has {readable_bytes(room)} free. Ask for fewer outputs or points, or "
            "use another --workspace."
        )
    if problems:
        raise RefusedError(f"{plan.sweep.name} is refused:\n  " + "\n  ".join(problems))


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    while not folder.exists():
        folder = folder.parent
    return folder
