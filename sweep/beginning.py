"""The folder of a sweep: created in one rename, or found as it was created."""

from __future__ import annotations

import difflib
import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

from sweep import documents, store
from sweep.arrays import move_out
from sweep.child import blas
from sweep.durable import sync_folder, sync_tree, write_files
from sweep.layout import FORMAT, plan_file, sweep_file
from sweep.ledger import Ledger
from sweep.planning import Plan
from sweep.problems import RefusedError
from sweep.spec import Sweep
from sweep.sweep_file import read
from sweep.upgrading import frozen_plan
from sweep.versions import versions


def create(plan: Plan, folder: Path) -> Plan:
    """Create the folder of a sweep; give the plan of the one that is there.

    Two processes may create the same sweep at the same moment: the first rename makes it,
    and the other finds it.
    """
    fresh = folder.with_name(f".{folder.name}.creating-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    place = None
    try:
        store.create(fresh, plan, store.attributes(plan, versions(), blas()[0]))
        place = move_out(fresh, folder.parent, folder.name)
        write_files(frozen_files(fresh, plan))
        Ledger(fresh, writable=True).close()
        sync_tree(fresh)
        if folder.exists() and not plan_file(folder).exists():
            shutil.rmtree(folder)  # no sweep, whatever it is: the name was checked before
        fresh.replace(folder)
        sync_folder(folder.parent)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if place is not None:
            place.remove()
        return found(plan.sweep, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return plan


def frozen_files(folder: Path, plan: Plan) -> dict[Path, bytes]:
    """Give what says for good what a sweep is and how it is cut."""
    frozen = {
        "format": FORMAT, "model": plan.model.name, "revision": plan.model.revision,
        **plan.frozen(),
    }  # fmt: skip
    return {
        sweep_file(folder): documents.to_toml(plan.sweep.document).encode(),
        plan_file(folder): json.dumps(frozen, indent=1).encode(),
    }


def exists(folder: Path) -> bool:
    """Say whether a sweep of this name was created."""
    return plan_file(folder).exists()


def found(sweep: Sweep, folder: Path) -> Plan:
    """Give the frozen plan of a sweep that was created from the same file.

    Raises
    ------
    RefusedError : it is another sweep, or one of another revision of its model
    """
    stored = read(sweep_file(folder))
    plan = Plan(replace(stored, run=sweep.run), frozen_plan(folder))
    if not _goes_on(sweep, plan):
        raise RefusedError(other_sweep(sweep, stored, folder))
    check_revision(sweep, folder)
    return plan


def check_revision(sweep: Sweep, folder: Path) -> None:
    """Refuse to go on with another revision of the model than the one that began.

    Raises
    ------
    RefusedError : says which revisions
    """
    revision = frozen_plan(folder)["revision"]
    if revision != sweep.model.revision:
        msg = (
            f"{folder} was computed by revision {revision} of the model "
            f"{sweep.model.name!r}; this is revision {sweep.model.revision}, which gives other "
            "numbers. Give the sweep another `name`, or install the version that began it."
        )
        raise RefusedError(msg)


def _goes_on(given: Sweep, plan: Plan) -> bool:
    """Say whether a file is the stored one, or what that was while its axes grew."""
    stored = plan.sweep
    documents_given, documents_stored = given.canonical_document(), stored.canonical_document()
    for name in given.settled:  # what stands for "auto" was settled when the sweep began
        for document in (documents_given, documents_stored):
            document["fixed"] = {k: v for k, v in document["fixed"].items() if k != name}
    axes, there = documents_given.pop("axes", {}), documents_stored.pop("axes", {})
    if documents_given != documents_stored or list(axes) != list(there):
        return False
    for now, before in zip(given.dims, stored.dims, strict=True):
        if before.name not in plan.begun_with:
            if any(axes[a] != there[a] for a in before.values):
                return False
            continue
        rows, known = now.rows(), before.rows()
        first = known[: plan.begun_with[before.name]]
        if not set(first) <= set(rows) <= set(known):
            return False
    return True


def other_sweep(sweep: Sweep, stored: Sweep, folder: Path) -> str:
    """Say how a sweep differs from the one that has its name."""
    before, now = (documents.to_toml(s.canonical_document()).splitlines() for s in (stored, sweep))
    change = difflib.unified_diff(before, now, "stored", "given", lineterm="", n=0)
    return (
        f"{folder} holds another sweep of the name {sweep.name!r}:\n  "
        + "\n  ".join(change)
        + "\nWhat is stored is never overwritten. Give the new sweep another `name`, or use "
        f"another --workspace, or remove {folder} if you no longer want it. More values on an "
        f"axis: modesweep extend {folder} 'axis=[...]'."
    )
