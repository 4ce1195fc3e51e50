"""A sweep cut into several, for clusters that know nothing of each other.

The parts are sweep files of their own. What a model leaves at "auto" for a whole sweep is settled
for the whole one first, so the parts agree, and their union has the bytes of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.documents import to_toml
from sweep.durable import write_files
from sweep.planning import Plan
from sweep.problems import InputError, RefusedError, nearest
from sweep.spec import Sweep, output_variables
from sweep.sweep_file import read
from sweep.values import plain


@dataclass(frozen=True)
class SweepPart:
    """One of the files that a sweep was cut into."""

    name: str
    file: Path
    points: int
    values: int
    """Values of the axis that was cut."""
    seconds: float
    """Predicted, of one core, nothing measured."""


def split(file: str | Path, by: str, into: int) -> list[SweepPart]:
    """Cut a sweep file along an axis into parts that should take equally long.

    The files are written beside the given one, as NAME-1.toml and so on. Axes that are zipped
    with the named one are cut with it.

    Parameters
    ----------
    by : an axis of the sweep
    into : how many parts, two or more; each gets one value of the axis at least

    Raises
    ------
    InputError : no such axis, too few values, or parts that are no sweeps
    RefusedError : another file has the name of a part
    """
    whole = read(file)
    if by not in whole.axes:
        msg = (
            f"{by!r} is no axis of {whole.name}.{nearest(by, whole.axes)} "
            f"Its axes: {', '.join(whole.axes) or 'none'}."
        )
        raise InputError(msg)
    dim = whole.axes[by]
    if not 2 <= into <= len(whole.dims[dim]):
        msg = (
            f"{whole.name} can be cut into 2 to {len(whole.dims[dim])} parts along {by}, one "
            f"value each at least; {into} were asked for. Choose another number or axis."
        )
        raise InputError(msg)
    costs = costs_along(Plan(whole), dim)
    edges = balanced(costs, into)
    parts, files = [], {}
    for i, (start, stop) in enumerate(zip(edges, edges[1:], strict=False), 1):
        document = _document(whole, dim, slice(start, stop), f"{whole.name}-{i}")
        path = Path(file).with_name(f"{document['name']}.toml")
        part = read(document)
        _check(whole, part)
        files[path] = to_toml(document).encode()
        points = int(part.wanted([slice(None)] * len(part.dims)).sum())
        seconds = Plan(part).seconds
        parts.append(SweepPart(part.name, path, points, stop - start, seconds))
    taken = [p for p, text in files.items() if p.exists() and p.read_bytes() != text]
    if taken:
        msg = f"{taken[0]} holds something else. Remove it, or give the sweep another `name`."
        raise RefusedError(msg)
    write_files(files)
    return parts


def costs_along(plan: Plan, dim: int) -> NDArray[np.float64]:
    """Predict the seconds of every value along a dim, without what all of them share."""
    total = np.zeros(plan.sweep.shape[dim])
    for region in plan.regions.values():
        if dim in region.dims:
            seconds = np.where(plan.wanted(region), plan.point_seconds(region), 0.0)
            own = region.dims.index(dim)
            total += seconds.sum(axis=tuple(i for i in range(seconds.ndim) if i != own))
    return total


def balanced(costs: NDArray[np.float64], into: int) -> list[int]:
    """Give the edges of runs of values that cost about the same; none is empty."""
    whole = np.concatenate([[0.0], np.cumsum(costs)])
    if whole[-1] <= 0:
        whole = np.arange(len(costs) + 1.0)
    edges = [0]
    for i in range(1, into):
        nearest_edge = int(np.abs(whole - whole[-1] * i / into).argmin())
        low, high = edges[-1] + 1, len(costs) - (into - i)
        edges.append(min(max(nearest_edge, low), high))
    return [*edges, len(costs)]


def _document(whole: Sweep, dim: int, along: slice, name: str) -> dict[str, Any]:
    cut = {
        axis: [plain(v) for v in values[along]] for axis, values in whole.dims[dim].values.items()
    }
    axes = {axis: cut.get(axis, given) for axis, given in whole.document["axes"].items()}
    return {**whole.document, "name": name, "axes": axes}


def _check(whole: Sweep, part: Sweep) -> None:
    """Refuse parts that could not be joined again."""
    missing = [n for n in output_variables(whole) if n not in output_variables(part)]
    if missing:
        msg = (
            f"No point of {part.name} would have {missing[0]}, which {whole.name} has elsewhere: "
            "the parts could not be joined. Cut along another axis, or into fewer parts."
        )
        raise InputError(msg)
