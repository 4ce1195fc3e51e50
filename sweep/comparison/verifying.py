"""Verifying a sweep: its files against the ledger, a sample of its points against the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.protocol import IntArray, Variable
from sweep.child import blas
from sweep.comparison.files import DamagedFile, FileCheck, check_files
from sweep.comparison.recomputing import Again, Instance, recomputed
from sweep.comparison.stored import StoredValues, labels
from sweep.comparison.values import Comparison, Deviations, compare, comparison_of, group_starts
from sweep.layout import DEFAULT_WORKSPACE, OK, UNSTABLE, fill_of
from sweep.ledger import Ledger
from sweep.locating import locate
from sweep.machine import cores
from sweep.owning import Ownership
from sweep.planning import Plan
from sweep.problems import InputError, StoreError
from sweep.reading import stored_plan
from sweep.state import SweepState
from sweep.versions import versions

Told = Callable[[int, int], None]
"""Is told how many instances are done, of how many."""


@dataclass(frozen=True)
class NotCompared:
    """A sampled instance without a comparison."""

    stages: tuple[str, ...]
    at: dict[str, Any]
    kind: str
    """"damaged": its stored values; else why it could not be computed again."""
    message: str


@dataclass(frozen=True)
class Verification:
    """What was found in a sweep."""

    name: str
    path: Path
    model: str
    points: int
    """Points that have a result."""
    sampled: int
    """Points of them that were drawn."""
    instances: int
    """Calculations that these share, each made once."""
    seed: int
    check: FileCheck
    variables: tuple[Comparison, ...]
    not_compared: tuple[NotCompared, ...]
    versions: dict[str, tuple[str, str]]
    """By package: when the sweep began, and now."""
    kernels: tuple[tuple[str, ...], str]
    """BLAS kernels that computed the sweep, and the one here."""
    revisions: tuple[int, int]
    """Of the model: stored and installed."""
    drawn: IntArray = field(repr=False, compare=False)
    """Places of the points that were drawn along the dims of the sweep, (points, dims)."""

    @property
    def damaged(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Blocks with a damaged or missing file: region, and cell in its grid."""
        return tuple(dict.fromkeys((d.region, d.cell) for d in self.check.damaged))

    @property
    def deviating(self) -> tuple[Comparison, ...]:
        """Variables with a value beyond the tolerance."""
        return tuple(v for v in self.variables if v.disagreeing)

    @property
    def ok(self) -> bool:
        """No file is damaged, no value deviates, nothing was left out."""
        return not (self.check.damaged or self.deviating or self.not_compared)

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return {
            "name": self.name, "path": str(self.path), "model": self.model, "ok": self.ok,
            "points": self.points, "sampled": self.sampled, "instances": self.instances,
            "seed": self.seed, **asdict(self.check),
            "variables": [v.as_dict() for v in self.variables],
            "not_compared": [asdict(n) for n in self.not_compared],
            "versions": {k: {"stored": a, "now": b} for k, (a, b) in self.versions.items()},
            "kernels": {"stored": self.kernels[0], "now": self.kernels[1]},
            "revision": {"stored": self.revisions[0], "installed": self.revisions[1]},
        }  # fmt: skip


def verify(
    sweep: str | Path,
    *,
    sample: str | int = "1%",
    seed: int = 0,
    tolerance: float | None = None,
    workers: int | None = None,
    workspace: str | Path = DEFAULT_WORKSPACE,
    told: Told | None = None,
) -> Verification:
    """Check every file of a sweep, and compute a random sample of its points again.

    Nothing that the workspace keeps is read for it. Values agree within the tolerance of
    their variable (`models.protocol.Variable`): relative to its largest magnitude at the
    point, of squared frequencies, and as sums or spanned spaces where modes are degenerate.
    Counts, flags and words must be equal; a flag that differs within a group of degenerate
    modes is counted, but no deviation. One that differs because its mode sits just at the
    edge of a band is a deviation: under another BLAS kernel look at the place.

    Parameters
    ----------
    sweep : name in the workspace, or folder
    sample : share of the points that have a result ("1%"), or their number; at least one
    seed : of the draw; equal seeds draw equal points
    tolerance : relative, for all variables instead of their own
    workers : numerics processes; default: one for each core

    Raises
    ------
    InputError : a sample or a tolerance that is none
    StoreError : there is no such sweep
    """
    if tolerance is not None and not 0 <= tolerance < math.inf:
        msg = f"A tolerance of {tolerance} compares nothing. Give a number such as 1e-9."
        raise InputError(msg)
    folder = locate(sweep, workspace)
    plan = stored_plan(folder)
    with Ledger(folder) as ledger:
        status = SweepState.of(plan, ledger).arrays()["status"]
        has = np.isin(status, (OK, UNSTABLE))
        places = _drawn(has, sample, seed)
        check = check_files(folder, plan, ledger, has)
    work = _Work(folder, plan, check, tolerance)
    work.run(places, cores() if workers is None else workers, told)
    attributes = work.stored.attributes
    return Verification(
        plan.sweep.name, folder, plan.model.name, int(has.sum()), len(places), work.instances,
        seed, check, tuple(work.comparisons.values()), tuple(work.not_compared),
        _versions(attributes), (_kernels(check, attributes), work.kernel or blas()[0]),
        (int(attributes["revision"]), plan.model.revision), places,
    )  # fmt: skip


def _versions(attributes: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    now = versions()
    return {k: (str(v), now.get(k, "")) for k, v in dict(attributes["versions"]).items()}


def _kernels(check: FileCheck, attributes: Mapping[str, Any]) -> tuple[str, ...]:
    return check.kernels or (str(attributes["blas"]),)


def repair(found: Verification) -> int:
    """Forget blocks with damaged files, so that they are computed again; give how many.

    Raises
    ------
    RefusedError : the sweep is being run
    """
    owner = Ownership(found.path)
    try:
        for damaged in found.check.damaged:
            if damaged.beside:  # a kept result is made again when it is not there
                (found.path / damaged.name).unlink(missing_ok=True)
        with Ledger(found.path, writable=True) as ledger:
            ledger.forget(found.damaged)
    finally:
        owner.release()
    return len(found.damaged)


def _drawn(has: NDArray[np.bool_], sample: str | int, seed: int) -> IntArray:
    """Draw points, (points, dims), in the order of the sweep."""
    there = np.flatnonzero(has)
    count = _count(sample, len(there))
    drawn = np.sort(np.random.default_rng(seed).choice(there, count, replace=False))
    if not has.ndim:
        return np.zeros((len(drawn), 0), dtype=np.int64)
    return np.stack(np.unravel_index(drawn, has.shape), axis=1)


def _count(sample: str | int, there: int) -> int:
    text = str(sample).strip()
    try:
        share = text.endswith("%")
        wanted = float(text.rstrip("%")) * there / 100 if share else float(int(text))
        if not 0 < wanted < math.inf and not (share and there == 0):
            raise ValueError
        if share and wanted > there:
            raise ValueError
    except ValueError:
        msg = (
            f"A sample of {sample!r} draws nothing. Give a share such as 1% or 100%, or a "
            "number of points such as 20."
        )
        raise InputError(msg) from None
    return min(there, max(1, math.ceil(wanted)))


@dataclass
class _Work:
    """A sample on its way: what was compared so far."""

    folder: Path
    plan: Plan
    check: FileCheck
    tolerance: float | None
    stored: StoredValues = field(init=False)
    comparisons: dict[str, Comparison] = field(init=False)
    not_compared: list[NotCompared] = field(default_factory=list)
    instances: int = 0
    kernel: str = ""

    def __post_init__(self) -> None:
        self.stored = StoredValues(self.folder, self.plan)
        self.comparisons = {
            n: comparison_of(v, self.plan.arrays[n].unit, self.tolerance)
            for n, v in self.plan.variables.items()
        }

    def run(self, places: IntArray, threads: int, told: Told | None) -> None:
        """Compute instances again and compare them."""
        todo = list(self._readable(self._instances(places)))
        with recomputed(self.plan, todo, threads) as found:
            for i, again in enumerate(found):
                self.kernel = self.kernel or again.kernel
                if again.failure is not None:
                    self._leave_out(again.instance, again.failure.kind, again.failure.message)
                else:
                    self._compare(again)
                if told is not None:
                    told(i + 1, len(todo))

    def _instances(self, places: IntArray) -> Iterator[Instance]:
        """Give each distinct calculation of the sampled points once."""
        for region in self.plan.regions.values():
            if region.variables:
                for place in dict.fromkeys(map(tuple, places[:, list(region.dims)].tolist())):
                    self.instances += 1
                    yield Instance(region, place)

    def _readable(self, instances: Iterator[Instance]) -> Iterator[Instance]:
        """Leave out what lies in damaged blocks."""
        damaged: dict[tuple[str, tuple[int, ...]], DamagedFile] = {
            (d.region, d.cell[:-1]): d for d in self.check.damaged if not d.beside
        }
        for instance in instances:
            cell = tuple(i // c for i, c in zip(instance.place, instance.region.chunk, strict=True))
            found = damaged.get((instance.region.name, cell))
            if found is None:
                yield instance
            else:
                self._leave_out(instance, "damaged", f"{found.name}: {found.what}")

    def _leave_out(self, instance: Instance, kind: str, message: str) -> None:
        at = labels(self.plan, instance.region.dims, instance.place)
        self.not_compared.append(NotCompared(instance.region.stages, at, kind, message))

    def _compare(self, again: Again) -> None:
        region = again.instance.region
        places = np.array([again.instance.place], dtype=np.int64).reshape(1, -1)
        for name in region.variables:
            try:
                found = self._deviations(name, again, places)
            except StoreError as error:
                self._leave_out(again.instance, "unreadable", str(error))
                return
            self.comparisons[name], worst = self.comparisons[name].added(found)
            if worst is not None:
                at = labels(self.plan, region.dims, again.instance.place)
                at |= self.stored.own_labels(name, worst[1])
                self.comparisons[name] = self.comparisons[name].located(at)

    def _deviations(self, name: str, again: Again, places: IntArray) -> Deviations:
        variable = self.plan.variables[name]
        stored = self.stored.at(name, places)
        starts = None
        if variable.degenerate:
            known, _ = self.plan.model.variables()[variable.degenerate]
            now = _padded(known, again.values[known.name], stored.shape[1 : 1 + len(known.dims)])
            starts = group_starts(known, self._stored_eigenvalues(known, again, now), now)
        now = _padded(variable, again.values[name], stored.shape[1:])
        return compare(variable, stored, now, starts=starts, tolerance=self.tolerance)

    def _stored_eigenvalues(self, known: Variable, again: Again, now: NDArray[Any]) -> NDArray[Any]:
        """Read the eigenvalues of an instance, or take those of now where none are stored."""
        if known.name not in self.plan.variables:
            return now
        at = dict(zip(again.instance.region.dims, again.instance.place, strict=True))
        dims = self.plan.regions[self.plan.arrays[known.name].region].dims
        return self.stored.at(known.name, np.array([[at[d] for d in dims]], dtype=np.int64))


def _padded(variable: Variable, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Bring the values of one point to the shape that is stored, (1, own dims...)."""
    if values.ndim != len(shape) or any(n > m for n, m in zip(values.shape, shape, strict=True)):
        msg = (
            f"{variable.name} is of shape {values.shape} when it is computed now, its place in "
            f"the store is of shape {shape}: the model has changed. Give it a new revision."
        )
        raise StoreError(msg)
    dtype = object if variable.dtype == "str" else variable.dtype
    padded: NDArray[Any] = np.full((1, *shape), fill_of(variable.dtype), dtype=dtype)
    inside: tuple[Any, ...] = (0, *(slice(n) for n in values.shape))
    padded[inside] = values
    return padded
