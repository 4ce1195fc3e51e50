"""The union of sweeps: what several have computed, in one, without computing it again.

Sweeps of one model, one revision and the same outputs are joined. Each axis gets the values
of all; a parameter that is fixed to different values becomes an axis. Points that none of
them has are left to be computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep import beginning
from sweep.comparison.values import compare
from sweep.driving import Driver
from sweep.filling import Board
from sweep.layout import DEFAULT_WORKSPACE, OK, TODO, UNSTABLE
from sweep.ledger import BlockRow, Ledger
from sweep.locating import locate
from sweep.owning import Ownership
from sweep.planning import Plan
from sweep.problems import InputError, StoreError
from sweep.progress import Silent
from sweep.queries.range_index import packed_ranges
from sweep.reading import stored_plan
from sweep.regions import Region
from sweep.result import Result
from sweep.state import SweepState
from sweep.store import BlockWriter
from sweep.summary import check_budget
from sweep.sweep_file import read
from sweep.upgrading import frozen_plan
from sweep.values import as_text, plain


def union(
    sweeps: Sequence[str | Path], name: str, *, workspace: str | Path = DEFAULT_WORKSPACE
) -> Result:
    """Join sweeps of one model into a new one; nothing is computed.

    Where two have a point, the first that has a result counts. The same call may be repeated
    after an accident. `run` on the new sweep's file computes what none of them has.

    Parameters
    ----------
    sweeps : two or more names in the workspace, or folders
    name : name of the new sweep

    Raises
    ------
    InputError : sweeps that do not go together, or a name that is taken by another sweep
    StoreError : a chunk is damaged, or two sweeps disagree on a point
    """
    folders = [locate(s, workspace) for s in sweeps]
    sources = [_Source(folder) for folder in folders]
    _check(sources)
    joined = read(_document([s.plan for s in sources], name))
    folder = Path(workspace) / name
    if beginning.exists(folder):
        plan = beginning.found(joined, folder)
    else:
        check_budget(Plan(joined), folder.parent)
        plan = beginning.create(Plan(joined), folder)
    owner = Ownership(folder)
    try:
        with Ledger(folder, writable=True) as ledger:
            driver = Driver(plan, folder, ledger, owner, Silent())
            _Union(driver, sources).fill()
            driver.stop()
            return Result(name, folder, joined.outputs, driver.state.counts())
    finally:
        owner.release()


class _Source:
    """A sweep that is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = stored_plan(folder)
        self.revision = frozen_plan(folder)["revision"]
        self.store = BlockWriter(folder)
        with Ledger(folder) as ledger:
            self.state = SweepState.of(self.plan, ledger)

    def done(self, region: Region) -> NDArray[np.bool_]:
        """Say which instances have a result in all of their pieces."""
        status = self.state.regions[region.name].status
        return np.asarray(((status == OK) | (status == UNSTABLE)).all(axis=-1))

    def unstable(self, region: Region) -> NDArray[np.bool_]:
        """Say which instances are results of an unstable crystal."""
        return np.asarray((self.state.regions[region.name].status == UNSTABLE).any(axis=-1))


# --- the new sweep ---------------------------------------------------------------------------


def _check(sources: Sequence[_Source]) -> None:
    first = sources[0]
    if len(sources) < 2:
        msg = "A union is of two sweeps or more. Name the others, too."
        raise InputError(msg)
    problems = []
    for other in sources[1:]:
        name = other.plan.sweep.name
        if other.plan.model is not first.plan.model:
            problems.append(f"{name} is of the model {other.plan.model.name!r}.")
        elif other.revision != first.revision:
            problems.append(f"{name} was computed by revision {other.revision} of the model.")
        elif set(other.plan.variables) != set(first.plan.variables):
            problems.append(f"{name} has other outputs.")
        elif _wheres(other) != _wheres(first) or _groups(other) != _groups(first):
            problems.append(f"{name} has another `where` or `zip`.")
    if first.revision != first.plan.model.revision:
        problems.append(f"Revision {first.plan.model.revision} of the model is installed.")
    if problems:
        msg = (
            f"These sweeps cannot be joined with {first.plan.sweep.name} (model "
            f"{first.plan.model.name!r}, revision {first.revision}): {' '.join(problems)}"
        )
        raise InputError(msg)


def _wheres(source: _Source) -> str:
    where = source.plan.sweep.where
    return where.text if where else ""


def _groups(source: _Source) -> list[list[str]]:
    return [list(d.values) for d in source.plan.sweep.dims if len(d.values) > 1]


def _document(plans: Sequence[Plan], name: str) -> dict[str, Any]:
    """Write the file of the union: all values of all axes."""
    first = plans[0].sweep
    swept = dict.fromkeys(axis for p in plans for axis in p.sweep.axes)
    swept |= dict.fromkeys(n for n in first.fixed if n not in swept and _varies(plans, n))
    zipped = {axis for d in first.dims if len(d.values) > 1 for axis in d.values}
    axes: dict[str, list[Any]] = {n: _values(plans, [n])[n] for n in swept if n not in zipped}
    for dim in first.dims:
        if len(dim.values) > 1:
            axes |= _values(plans, list(dim.values))
    fixed = first.document.get("fixed", {})
    return {
        **first.document,
        "name": name,
        "fixed": {n: v for n, v in fixed.items() if n not in axes},
        "axes": {n: axes[n] for n in swept},
    }


def _varies(plans: Sequence[Plan], name: str) -> bool:
    return len({as_text(p.sweep.fixed[name]) for p in plans if name in p.sweep.fixed}) > 1


def _values(plans: Sequence[Plan], names: Sequence[str]) -> dict[str, list[Any]]:
    """Give the values of axes that move together, each row once, numbers in order."""
    rows: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for plan in plans:
        columns = [_along(plan, n) for n in names]
        for row in zip(*columns, strict=True):
            rows.setdefault(tuple(map(as_text, row)), row)
    listed = list(rows.values())
    if all(isinstance(row[0], int | float) and not isinstance(row[0], bool) for row in listed):
        listed.sort(key=lambda row: row[0])
    return {n: [plain(row[i]) for row in listed] for i, n in enumerate(names)}


def _along(plan: Plan, name: str) -> Sequence[Any]:
    if name in plan.sweep.axes:
        return plan.sweep.dims[plan.sweep.axes[name]].values[name]
    return (plan.sweep.fixed[name],)


# --- filling it ------------------------------------------------------------------------------


class _Union:
    """Copies block by block, so that no more than a block is held at once."""

    def __init__(self, driver: Driver, sources: Sequence[_Source]) -> None:
        self._driver = driver
        self._plan = driver.plan
        self._sources = sources
        self._writer = BlockWriter(driver.folder)

    def fill(self) -> None:
        """Fill every block that is not there yet, as far as the sources go."""
        for region in self._plan.regions.values():
            if region.variables:
                for block in range(region.blocks):
                    if not self._driver.state.begun(region.name, block):
                        self._fill_block(region, block)

    def _fill_block(self, region: Region, block: int) -> None:
        board = Board(self._plan, region, block)
        for source in self._sources:
            self._copy(board, _Cutout(self._plan, source, region, block))
        if not board.status.any():
            return
        files = self._writer.write(region, block, board.values, {}, lambda: True)
        dims = {n: self._plan.variables[n].dims for n in region.variables}
        row = BlockRow(
            region.name, region.cell(block), board.status, board.attempts, board.seconds,
            files or {}, "union", generation=self._driver.owner.generation,
            ranges=packed_ranges(board.values, len(region.dims), dims),
        )  # fmt: skip
        self._driver.state.add(*self._driver.ledger.record([row]))

    def _copy(self, board: Board, cutout: _Cutout) -> None:
        """Copy the points of a block for which a source has every variable."""
        if not cutout.holds_any:
            return
        wanted = self._plan.wanted(cutout.region)[cutout.box][cutout.here]
        have = wanted & cutout.done()
        before = board.status[cutout.here]
        for name in cutout.region.variables:
            values = cutout.values(name)
            target = board.values[name][cutout.here]
            self._check_same(name, target, values, have & (before != TODO), cutout.source)
            inside: tuple[Any, ...] = (have & (before == TODO), *(slice(n) for n in (
                values.shape[have.ndim:])))  # fmt: skip
            target[inside] = values[have & (before == TODO)]
            board.values[name][cutout.here] = target
        after = np.where(cutout.unstable(), UNSTABLE, OK)
        fresh = have & (before == TODO)
        board.status[cutout.here] = np.where(fresh, after, before)
        board.attempts[cutout.here] = np.where(fresh, 1, board.attempts[cutout.here])

    def _check_same(
        self, name: str, a: NDArray[Any], b: NDArray[Any], both: NDArray[np.bool_],
        source: _Source,
    ) -> None:  # fmt: skip
        """Refuse what another sweep has otherwise; of eigenvectors only their frequencies."""
        variable = self._plan.variables[name]
        if variable.degenerate or not both.any():
            return
        kept: tuple[Any, ...] = (both, *(slice(n) for n in b.shape[both.ndim :]))
        found = compare(variable, np.asarray(a[kept]), np.asarray(b[both]))
        if found.differing.any():
            msg = (
                f"{source.folder} disagrees with another of these sweeps on {name} of points that "
                "both have. `modesweep diff` shows where. Join sweeps that agree."
            )
            raise StoreError(msg)


class _Cutout:
    """The part of a block that a source has the axis values of."""

    def __init__(self, plan: Plan, source: _Source, region: Region, block: int) -> None:
        self.source = source
        self.region = region
        self.box = region.box(block)
        self._sweep = plan.sweep
        self._cut = region.cut_range(block)
        places = [self._places(d, s) for d, s in zip(region.dims, self.box, strict=True)]
        self._there = {d: p[p >= 0] for d, p in zip(region.dims, places, strict=True)}
        self.here: tuple[Any, ...] = np.ix_(*[np.flatnonzero(p >= 0) for p in places])
        """Selects it inside the box."""
        self.holds_any = all((p >= 0).any() for p in places)

    def _places(self, dim: int, values: slice) -> NDArray[np.int64]:
        """Find values of a dim in the source; -1 for those it does not have."""
        ours = self._sweep.dims[dim]
        columns = [[as_text(v) for v in _along(self.source.plan, n)] for n in ours.values]
        known = {row: i for i, row in enumerate(zip(*columns, strict=True))}
        return np.array([known.get(row, -1) for row in ours.rows()[values]], dtype=np.int64)

    def done(self) -> NDArray[np.bool_]:
        """Say which points have a result in the source, for every variable of the block."""
        return np.logical_and.reduce([self._spread(self.source.done(r), r) for r in self._regions])

    def unstable(self) -> NDArray[np.bool_]:
        """Say which points are unstable crystals."""
        every = [self._spread(self.source.unstable(r), r) for r in self._regions]
        return np.logical_or.reduce(every)

    @property
    def _regions(self) -> list[Region]:
        plan = self.source.plan
        return [plan.regions[plan.arrays[n].region] for n in self.region.variables]

    def values(self, name: str) -> NDArray[Any]:
        """Read a variable, with the dims of the union's region first."""
        theirs = self.source.plan.regions[self.source.plan.arrays[name].region]
        variable = self.source.plan.variables[name]
        own: list[slice] = [slice(None)] * len(variable.dims)
        if self.region.divided and own:
            own[0] = slice(*self._cut)
        stored = self.source.store.points(name, self._index(theirs), own)
        return self._ordered(stored, theirs)

    def _spread(self, of_points: NDArray[np.bool_], theirs: Region) -> NDArray[np.bool_]:
        found = of_points[np.ix_(*self._index(theirs))] if theirs.dims else of_points
        shape = [len(self._there[d]) for d in self.region.dims]
        return np.broadcast_to(self._ordered(np.asarray(found), theirs), shape)

    def _ours(self, theirs: Region) -> list[int]:
        """Give the union's dims that the dims of a source's region are."""
        names = [self.source.plan.sweep.dims[d].name for d in theirs.dims]
        return [self._sweep.axes[n] for n in names]

    def _index(self, theirs: Region) -> list[NDArray[np.int64]]:
        return [self._there[d] for d in self._ours(theirs)]

    def _ordered(self, values: NDArray[Any], theirs: Region) -> NDArray[Any]:
        """Bring the dims of a source into the order of the union; fixed ones have length 1."""
        ours = self._ours(theirs)
        order = np.argsort([self.region.dims.index(d) for d in ours]).astype(int)
        own = range(len(ours), values.ndim)
        moved = values.transpose([*order.tolist(), *own])
        missing = tuple(i for i, d in enumerate(self.region.dims) if d not in ours)
        return np.asarray(np.expand_dims(moved, missing))
