"""More values on an axis: nothing stored is computed again, moved or renumbered.

New values stand after the old ones, whatever they are, so that every place and every block
stays where it is; `sweep.open` sorts. The chunk grid goes on, and a chunk that was partly
filled is filled up.

An extension is prepared beside the store and decided by one rename. From then on it is
complete but for putting its files in place, which whoever comes next does, too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sweep import store
from sweep.beginning import frozen_files
from sweep.durable import sync_folder, sync_tree, write_files
from sweep.layout import extension_folder
from sweep.planning import Plan
from sweep.problems import InputError, nearest
from sweep.spec import Dimension
from sweep.sweep_file import read

KEPT_ATTRIBUTES = ("created", "versions", "blas")
"""What a store says of how it was begun."""


def grown(plan: Plan, values: Mapping[str, Sequence[Any]]) -> Plan:
    """Give the plan with more values on its axes; values that are there already count once.

    Raises
    ------
    InputError : names that are no axes, or values that the model does not take
    """
    _check_axes(plan, values)
    document = plan.sweep.document
    axes = {axis: list(v) for axis, v in values.items()}
    fresh = read({**document, "axes": {**document["axes"], **axes}})
    full = dict(document["axes"])
    for known, asked in zip(plan.sweep.dims, fresh.dims, strict=True):
        if known.name in axes:
            there = set(known.rows())
            new = [i for i, row in enumerate(asked.rows()) if row not in there]
            for axis in known.values:
                full[axis] = [*_listed(document["axes"][axis], known, axis),
                              *(axes[axis][i] for i in new)]  # fmt: skip
    return plan.grown(read({**document, "axes": full}))


def _check_axes(plan: Plan, values: Mapping[str, Sequence[Any]]) -> None:
    problems = []
    for axis in values:
        if axis in plan.sweep.axes:
            with_it = plan.sweep.dims[plan.sweep.axes[axis]].values
            if missing := [a for a in with_it if a not in values]:
                problems.append(f"{axis} moves together with {', '.join(missing)}: give both.")
        elif axis in plan.sweep.fixed:
            problems.append(
                f"{axis} is fixed in this sweep. Run a sweep with another value under another "
                "`name`, and join the two with `modesweep union`."
            )
        else:
            problems.append(f"{axis!r} is no axis.{nearest(axis, plan.sweep.axes)}")
    if problems:
        known = ", ".join(plan.sweep.axes) or "none"
        msg = f"{plan.sweep.name} cannot be extended: {' '.join(problems)} Its axes: {known}."
        raise InputError(msg)


def _listed(given: Any, known: Dimension, axis: str) -> list[Any]:
    """Write the values of an axis one by one, as the file would."""
    return list(given) if isinstance(given, list) else list(known.values[axis])


def decide(folder: Path, plan: Plan) -> None:
    """Prepare an extension and decide it; the caller owns the sweep."""
    fresh = folder / f"{extension_folder(folder).name}-{os.getpid()}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    before = store.stored_attributes(folder)
    attributes = store.attributes(plan, before["versions"], before["blas"])
    store.create(fresh, plan, attributes | {n: before[n] for n in KEPT_ATTRIBUTES})
    store.keep_codecs(fresh, folder, plan)
    write_files(frozen_files(fresh, plan))
    sync_tree(fresh)
    fresh.replace(extension_folder(folder))
    sync_folder(folder)
