"""What a large sweep must not do: fill the scheduler, or go through its points one by one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import SchedulerPlugin

import sweep
from sweep import beginning, driving, planning
from sweep.calibration import Rates
from sweep.driving import STATUS_SECONDS, STATUS_SHARE, Driver
from sweep.graph import WINDOW, Queue
from sweep.layout import OK, TODO
from sweep.ledger import BlockRow, Ledger
from sweep.owning import Ownership
from sweep.planning import Plan
from sweep.progress import Silent
from sweep.spec import Sweep
from sweep.state import SweepState
from sweep.summary import summarize
from sweep.sweep_file import read

WORKERS = 2
FEW = 200
"""Looks at points that a plan may take, whatever the number of points."""


def chains(rows: int, columns: int, **tables: Any) -> dict[str, Any]:
    return {
        "modesweep": 1, "name": "chains", "model": "chain", "outputs": ["frequency_squared"],
        "fixed": {"atoms": 10},
        "axes": {"mass_ratio": {"linspace": [0.2, 5.0, rows]},
                 "end_mass_ratio": {"linspace": [0.3, 3.0, columns]}},
        **tables,
    }  # fmt: skip


class Looks:
    """Counts the points that are made, one by one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        point = Sweep.point

        def counted(sweep: Sweep, index: Any) -> Any:
            self.count += 1
            return point(sweep, index)

        monkeypatch.setattr(Sweep, "point", counted)


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """Count all calls of Python and C functions: a loop over points makes as many as points."""
    calls = [0]

    def count(frame: FrameType, event: str, argument: object) -> None:
        calls[0] += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


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


# --- the scheduler --------------------------------------------------------------------------


class Tasks(SchedulerPlugin):
    """What a scheduler has known: the most at once, and how many in all."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.most = 0
        self.all: set[str] = set()
        self._scheduler = cluster.scheduler
        self._scheduler.add_plugin(self, name="tasks")

    def transition(self, key: Any, *_: Any, **__: Any) -> None:
        known = [k for k in self._scheduler.tasks if str(k).endswith("-block")]
        self.most = max(self.most, len(known))
        self.all.add(str(key))


def test_the_scheduler_never_knows_more_than_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "CHUNK_BYTES", 400)
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, processes=False, protocol="tcp",
                     host="127.0.0.1", dashboard_address="127.0.0.1:0",
                     worker_dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        tasks = Tasks(cluster)
        result = sweep.run(chains(20, 50), workspace=tmp_path, scheduler=client)

    blocks = sweep.status(result.path).blocks
    assert result.complete
    assert blocks == 200
    assert len(tasks.all) >= blocks
    assert WORKERS < tasks.most <= WINDOW * WORKERS
