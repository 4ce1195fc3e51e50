"""Close looks into a sweep: which points failed alike; parameters, failures and log of one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sweep.block_history import in_order_of_open
from sweep.explaining import index_of
from sweep.layout import DEFAULT_WORKSPACE
from sweep.ledger import Ledger
from sweep.locating import locate
from sweep.planning import Plan
from sweep.reading import FailedPoint, FailureGroup, failed_point, stored_plan
from sweep.service.reporting import LOG_FILE
from sweep.values import as_text, unit_of

TAIL_BYTES = 2**18
"""Of a log, that are read."""
_BLOCK = re.compile(r"(?P<region>.+)/(?P<block>\d+)")


@dataclass(frozen=True)
class LogLine:
    """A line of the log of a sweep."""

    time: str
    """UTC, as in ISO 8601."""
    level: str
    worker: str
    """Empty where it concerns none."""
    message: str


@dataclass(frozen=True)
class PointParameter:
    """A parameter of the model at a point."""

    name: str
    value: Any
    """A number, a truth value or words."""
    unit: str
    """Empty if it has none."""
    origin: Literal["axis", "fixed", "default"]
    """Where its value stands: on an axis, fixed in the sweep file, or in the model."""
    description: str


def parameters_at(
    sweep: str | Path, point: Mapping[str, Any], workspace: str | Path = DEFAULT_WORKSPACE
) -> list[PointParameter]:
    """List all parameters of a point: those of axes, those that are fixed, then defaults.

    Parameters
    ----------
    point : a value for each axis; axes of one value may be left out

    Raises
    ------
    InputError : a value that is not on its axis, or an axis without one
    StoreError : there is no such sweep
    """
    plan = stored_plan(locate(sweep, workspace))
    values = plan.sweep.point(index_of(plan, point))
    fields = plan.model.parameters.model_fields
    axes = list(plan.sweep.axes)
    fixed = [name for name in plan.sweep.document.get("fixed", {}) if name not in axes]
    rest = [name for name in fields if name not in axes and name not in fixed]
    origins: tuple[tuple[Literal["axis", "fixed", "default"], list[str]], ...] = (
        ("axis", axes), ("fixed", fixed), ("default", rest),
    )  # fmt: skip
    return [
        PointParameter(
            name, _plain(getattr(values, name)), unit_of(fields[name]) or "", origin,
            fields[name].description or "",
        )
        for origin, names in origins for name in names
    ]  # fmt: skip


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else as_text(value)


def failed_alike(
    sweep: str | Path, group: FailureGroup, workspace: str | Path = DEFAULT_WORKSPACE
) -> NDArray[np.bool_]:
    """Say which points failed with the words of a group, in the shape and order of `sweep.open`.

    Raises
    ------
    StoreError : there is no such sweep
    """
    folder = locate(sweep, workspace)
    plan = stored_plan(folder)
    found = np.zeros(plan.sweep.shape, dtype=bool)
    dims = plan.dims_of(plan.model.stage(group.stage))
    with Ledger(folder) as ledger:
        for error in ledger.errors((group.stage, group.kind, group.message)):
            at = dict(zip(dims, error.place, strict=True))
            found[tuple(at.get(d, slice(None)) for d in range(found.ndim))] = True
    return in_order_of_open(found, plan, folder)


def failures_at(
    sweep: str | Path, point: Mapping[str, Any], workspace: str | Path = DEFAULT_WORKSPACE
) -> list[FailedPoint]:
    """List what failed or was lost of a point, its shared stages included.

    Parameters
    ----------
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
        return [
            failed_point(folder, plan, error) for error in ledger.errors()
            if error.place == tuple(index[d] for d in plan.dims_of(plan.model.stage(error.stage)))
        ]  # fmt: skip


def log_lines(
    sweep: str | Path, point: Mapping[str, Any], workspace: str | Path = DEFAULT_WORKSPACE, *,
    most: int = 100,
) -> list[LogLine]:  # fmt: skip
    """Give what the log of a sweep has said lately of the blocks of a point, oldest first.

    Only a service writes a log; without one there are no lines.

    Parameters
    ----------
    point : a value for each axis; axes of one value may be left out
    most : lines, the last of them

    Raises
    ------
    InputError : a value that is not on its axis, or an axis without one
    StoreError : there is no such sweep
    """
    folder = locate(sweep, workspace)
    plan = stored_plan(folder)
    index = index_of(plan, point)
    records = [r for r in _tail(folder / LOG_FILE) if _concerns(plan, r.get("block"), index)]
    return [
        LogLine(*(str(r.get(name, "")) for name in ("time", "level", "worker", "message")))
        for r in records[-most:]
    ]


def _tail(path: Path) -> list[dict[str, Any]]:
    """Read the last lines of a log that another thread or process writes."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - TAIL_BYTES, 0))
            lines = file.read().split(b"\n")
    except OSError:  # not begun, or just now put aside for a new one
        return []
    records = []
    for line in lines[1 if size > TAIL_BYTES else 0 :]:
        try:
            record = json.loads(line)
        except ValueError:  # the last one may not be whole yet
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def _concerns(plan: Plan, block: object, index: tuple[int, ...]) -> bool:
    """Say whether a record is about a block that has the point."""
    match = _BLOCK.fullmatch(block) if isinstance(block, str) else None
    if match is None or match["region"] not in plan.regions:
        return False
    region, number = plan.regions[match["region"]], int(match["block"])
    if number >= region.blocks:
        return False
    place = [index[d] for d in region.dims]
    return all(s.start <= i < s.stop for s, i in zip(region.box(number), place, strict=True))
