"""Sweeps as runs leave them, made without computing anything: the chunks are missing."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from sweep import beginning
from sweep.layout import OK, ledger_file, sweep_file
from sweep.ledger import BlockRow, Ledger
from sweep.planning import Plan
from sweep.state import SweepState
from sweep.sweep_file import read


def chains(name: str, rows: int, columns: int) -> dict[str, Any]:
    """Make a sweep of so many short chains."""
    return {
        "modesweep": 1, "name": name, "model": "chain", "outputs": ["frequency_squared"],
        "fixed": {"atoms": 4},
        "axes": {"mass_ratio": {"linspace": [0.2, 5.0, rows]},
                 "end_mass_ratio": {"linspace": [0.3, 3.0, columns]}},
    }  # fmt: skip


def finish(plan: Plan, folder: Path) -> None:
    """Write the ledger that a finished run leaves."""
    ledger = Ledger(folder, writable=True)
    for region in plan.regions.values():
        for block in range(region.blocks):
            shape = [s.stop - s.start for s in region.box(block)]
            row = BlockRow(
                region.name, region.cell(block), np.full(shape, OK, np.uint8),
                np.ones(shape, np.uint8), np.full(shape, 0.5, np.float32), {},
            )  # fmt: skip
            ledger.record([row])
    ledger.close()


def finished(workspace: Path, content: dict[str, Any]) -> Path:
    """Write what the run of a sweep leaves beside its chunks; give its folder."""
    plan = Plan(read(content))
    folder = workspace / plan.sweep.name
    beginning.create(plan, folder)
    finish(plan, folder)
    ledger = Ledger(folder, writable=True)
    ledger.summarize(SweepState.of(plan, ledger).summary())
    ledger.close()
    return folder


def copied(folder: Path, name: str) -> Path:
    """Copy such a sweep under another name, which takes a tenth of the time."""
    copy = folder.with_name(name)
    shutil.copytree(folder, copy, copy_function=shutil.copy2)  # with the times of its files
    text = sweep_file(copy).read_text()
    sweep_file(copy).write_text(text.replace(json.dumps(folder.name), json.dumps(name)))
    with sqlite3.connect(ledger_file(copy)) as db:
        (told,) = db.execute("select value from fact where name = 'summary'").fetchone()
        summary = json.dumps(json.loads(told) | {"name": name})
        db.execute("update fact set value = ? where name = 'summary'", (summary,))
    db.close()
    return copy
