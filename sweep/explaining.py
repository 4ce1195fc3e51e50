"""Why a point is as it is: computed where, shared with what, reused from where, or why not."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluate import content_key
from sweep.child import ABOUT
from sweep.layout import DEFAULT_WORKSPACE, STATUS, TODO, in_hand_file, stage_file
from sweep.ledger import BlockRow, Ledger
from sweep.locating import locate
from sweep.planning import Plan
from sweep.problems import InputError, nearest, shown
from sweep.reading import stored_plan
from sweep.regions import Region
from sweep.state import SweepState
from sweep.upgrading import frozen_plan
from sweep.values import as_text, canonical
from sweep.words import readable_seconds


@dataclass(frozen=True)
class Account:
    """What is to be said of one calculation that a point needs."""

    stages: tuple[str, ...]
    variables: tuple[str, ...]
    status: str
    lines: tuple[str, ...]
    """What was done, and what it is shared with or equal to."""


@dataclass(frozen=True)
class Explanation:
    """Why a point is as it is."""

    sweep: str
    point: dict[str, Any]
    status: str
    remarks: tuple[str, ...]
    """What concerns the point as a whole."""
    accounts: tuple[Account, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return asdict(self)


def explain(
    sweep: str | Path, point: Mapping[str, Any], *, workspace: str | Path = DEFAULT_WORKSPACE
) -> Explanation:
    """Say of a point what was computed, reused, shared, skipped or has failed, and why.

    Parameters
    ----------
    sweep : name in the workspace, or folder
    point : a value for each axis; axes of one value may be left out

    Raises
    ------
    InputError : a value that is not on its axis, or an axis without one
    StoreError : there is no such sweep
    """
    folder = locate(sweep, workspace)
    plan = stored_plan(folder)
    index = index_of(plan, point)
    with Ledger(folder) as ledger:
        teller = _Teller(plan, folder, ledger, index)
        return teller.explanation()


def index_of(plan: Plan, point: Mapping[str, Any]) -> tuple[int, ...]:
    """Find a point by the values of its axes, which match up to rounding.

    Raises
    ------
    InputError : lists every axis that is unknown, missing, or does not have the value
    """
    axes = plan.sweep.axes
    problems = [
        f"{name!r} is no axis of this sweep.{nearest(name, axes)}"
        for name in point if name not in axes
    ]  # fmt: skip
    index = []
    for dim in plan.sweep.dims:
        given = {a: as_text(canonical(v)) for a, v in point.items() if a in dim.values}
        places = [
            i for i in range(len(dim))
            if all(_same(dim.values[a][i], text) for a, text in given.items())
        ]  # fmt: skip
        if len(places) == 1:
            index.append(places[0])
        elif places:
            problems.append(
                f"{dim.name} has {len(dim)} values: say which, {_listed(plan, dim.name)}."
            )
        else:
            axis = next(iter(given))
            problems.append(
                f"{axis} has no value {shown(point[axis])}; it has {_listed(plan, axis)}."
            )
    if problems:
        raise InputError(" ".join(problems))
    return tuple(index)


def _same(value: Any, text: str) -> bool:
    if as_text(value) == text:
        return True
    try:
        return isinstance(value, int | float) and float(value) == float(text)
    except ValueError:
        return False


def _listed(plan: Plan, axis: str) -> str:
    values = [as_text(v) for v in plan.sweep.dims[plan.sweep.axes[axis]].values[axis]]
    return ", ".join(values if len(values) <= 8 else [*values[:6], "...", values[-1]])


class _Teller:
    """Tells of one point."""

    def __init__(self, plan: Plan, folder: Path, ledger: Ledger, index: tuple[int, ...]) -> None:
        self._plan = plan
        self._folder = folder
        self._ledger = ledger
        self._index = index
        self._point = plan.sweep.point(index)
        self._kernels: set[str] = set()
        self._errors = {(e.stage, e.place): e for e in ledger.errors()}

    def explanation(self) -> Explanation:
        """Tell everything."""
        sweep = self._plan.sweep
        status = SweepState.of(self._plan, self._ledger).arrays()["status"][self._index]
        wanted = bool(sweep.wanted([slice(i, i + 1) for i in self._index]).all())
        remarks = [] if wanted else [f"`where` leaves it out: {sweep.where and sweep.where.text}"]
        remarks += [*self._stale(), *self._without_effect(), *self._plan.model.remarks(self._point)]
        accounts = [self._account(r) for r in self._plan.regions.values()] if wanted else []
        remarks += [f"computed with {kernel}" for kernel in sorted(self._kernels)]
        return Explanation(
            sweep.name, self._values(), STATUS[int(status)], tuple(remarks), tuple(accounts)
        )

    def _values(self) -> dict[str, Any]:
        return {
            axis: v if isinstance(v := along[i], int | float) else as_text(v)
            for dim, i in zip(self._plan.sweep.dims, self._index, strict=True)
            for axis, along in dim.values.items()
        }

    def _stale(self) -> Iterator[str]:
        then, now = frozen_plan(self._folder)["revision"], self._plan.model.revision
        if then != now:
            yield (
                f"stale: computed by revision {then} of the model; revision {now} is installed "
                "and gives other numbers"
            )

    def _without_effect(self) -> Iterator[str]:
        """Name parameters that change nothing here, and the point that is the same."""
        same = self._point.canonical()
        for name in type(self._point).model_fields:
            here, there = getattr(self._point, name), getattr(same, name)
            if as_text(here) != as_text(there) and name in self._plan.sweep.axes:
                yield (
                    f"{name} has no effect here: the results are those of "
                    f"{name}={as_text(there)}, and computed once"
                )

    def _account(self, region: Region) -> Account:
        place = [self._index[d] for d in region.dims]
        rows = self._rows(region, place)
        status = [STATUS[int(_at(row, region, place))] if row else "todo" for _, row in rows]
        worst = next((s for s in ("failed", "lost", "todo", "unstable") if s in status), "ok")
        lines = [*self._done(region, rows, worst), *self._shared(region)]
        return Account(region.stages, region.variables, worst, tuple(lines))

    def _rows(
        self, region: Region, place: list[int]
    ) -> list[tuple[tuple[int, ...], BlockRow | None]]:
        cell = [i // c for i, c in zip(place, region.chunk, strict=True)]
        cells = [(*cell, cut) for cut in range(region.grid[-1])]
        return [(c, self._ledger.block(region.name, c)) for c in cells]

    def _done(
        self, region: Region, rows: list[tuple[tuple[int, ...], BlockRow | None]], status: str
    ) -> Iterator[str]:
        there = [row for _, row in rows if row is not None]
        if status == "todo":
            yield self._open(region, rows)
        elif status in ("failed", "lost"):
            yield from self._failure(region)
        elif made_by := self._made_by(region):
            yield f"reused: {made_by}"
        if there and status in ("ok", "unstable"):
            last = max(there, key=lambda row: row.finished)
            when = datetime.fromtimestamp(last.finished, UTC).isoformat(" ", "seconds")
            place = [self._index[d] for d in region.dims]
            seconds = float(np.nansum([_at(row, region, place, "seconds") for row in there]))
            took = f" in {readable_seconds(seconds)}" if seconds > 0 else ""
            where = f" on {last.worker}" if last.worker else ""
            self._kernels |= {row.kernel for row in there if row.kernel}
            cells = f"block {'/'.join(map(str, last.cell))}" if len(rows) == 1 else (
                f"{len(there)} of {len(rows)} blocks"
            )  # fmt: skip
            yield f"computed{took}{where}, {cells}, stored {when}"

    def _open(self, region: Region, rows: list[tuple[tuple[int, ...], BlockRow | None]]) -> str:
        if any(in_hand_file(self._folder, region.name, c).exists() for c, _ in rows):
            return "a worker is at its block, or died at it"
        waits = [
            n for n in region.inputs
            if any(r is None for _, r in self._rows(
                self._plan.regions[n], [self._index[d] for d in self._plan.regions[n].dims]
            ))
        ]  # fmt: skip
        return f"not computed yet; waits for {', '.join(waits)}" if waits else "not computed yet"

    def _failure(self, region: Region) -> Iterator[str]:
        names = {
            *region.stages,
            *(b for s in region.stages for b in self._plan.before(self._plan.model.stage(s))),
        }
        for (stage, place), error in self._errors.items():
            dims = self._plan.dims_of(self._plan.model.stage(stage))
            if stage in names and place == tuple(self._index[d] for d in dims):
                yield f"{error.kind} in stage {stage}, {error.attempts} starts: {error.message}"

    def _made_by(self, region: Region) -> str:
        """Name the sweep that made a kept result, if it was another one."""
        if not region.kept:
            return ""
        key = content_key(self._plan.model, self._plan.model.stage(region.stages[0]), self._point)
        try:
            with (
                zipfile.ZipFile(stage_file(self._folder, key)) as packed,
                packed.open(f"{ABOUT}.npy") as member,
            ):
                about = json.loads(np.lib.format.read_array(member).tobytes())
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return ""
        other = about["sweep"]
        return f"from sweep {other}, kept under {key}" if other != self._plan.sweep.name else ""

    def _shared(self, region: Region) -> Iterator[str]:
        """Say which points have the same calculation."""
        sweep = self._plan.sweep
        scale = self._plan.scale_dims(region)
        if scale:
            axes = ", ".join(a for d in scale for a in sweep.dims[d].values)
            yield f"one calculation for all values of {axes}, brought to its units by scaling"
        others = [
            d for d in range(len(sweep.dims)) if d not in region.dims and len(sweep.dims[d]) > 1
        ]
        if others:
            axes = ", ".join(a for d in others for a in sweep.dims[d].values)
            yield f"does not depend on {axes}: stored once for all of their values"
        if region.inputs:
            yield f"reads the kept results of {', '.join(region.inputs)}"


def _at(row: BlockRow, region: Region, place: list[int], what: str = "status") -> Any:
    """Read what a row says of a point; nothing if its box has grown since."""
    inside = tuple(i % c for i, c in zip(place, region.chunk, strict=True))
    array = getattr(row, what)
    if any(i >= n for i, n in zip(inside, array.shape, strict=True)):
        return TODO if what == "status" else np.nan
    return array[inside]
