"""What a large sweep must not do: fill the scheduler, or go through its points one by one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import SchedulerPlugin

import sweep
from sweep import beginning, driving, planning
from sweep.calibration import Rates
from sweep.driving import STATUS_SHARE, Driver
from sweep.graph import Window
from sweep.layout import OK
from sweep.ledger import Ledger
from sweep.messages import Order
from sweep.owning import Ownership
from sweep.planning import Plan
from sweep.progress import Silent
from sweep.spec import Sweep
from sweep.state import SweepState
from sweep.steering import WINDOW
from sweep.summary import summarize
from sweep.sweep_file import read
from tests.service.stores import finish

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


# --- the scheduler --------------------------------------------------------------------------


class Tasks(SchedulerPlugin):
    """What a scheduler has known: the most at once, and all in all."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.most = 0
        self.all: set[str] = set()
        self._scheduler = cluster.scheduler
        self._scheduler.add_plugin(self, name="tasks")

    def transition(self, key: Any, *_: Any, **__: Any) -> None:
        self.most = max(self.most, len(self._scheduler.tasks))
        self.all.add(str(key))


def test_the_scheduler_knows_a_window_of_many_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "CHUNK_BYTES", 400)
    outstanding = []
    submit = Window.submit

    def counted(window: Window, order: Order, place: float) -> None:
        submit(window, order, place)
        outstanding.append(window.outstanding)

    monkeypatch.setattr(Window, "submit", counted)
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, processes=False, protocol="tcp",
                     host="127.0.0.1", dashboard_address="127.0.0.1:0",
                     worker_dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        tasks = Tasks(cluster)
        result = sweep.run(chains(10, 20), workspace=tmp_path, scheduler=client)

    assert result.complete
    assert len(outstanding) == len(tasks.all) == 40
    assert max(outstanding) == WINDOW * WORKERS
    # the scheduler may hear of a settled order's end a moment after the order that follows it
    assert WORKERS < tasks.most <= 2 * WINDOW * WORKERS


# --- the plan and the owner -----------------------------------------------------------------


def test_a_hundred_million_points_are_planned_by_looking_at_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = Looks(monkeypatch)

    summary = summarize(Plan(read(chains(10_000, 10_000))), Rates())

    assert summary.points == 100_000_000
    assert summary.files <= summary.points / 100
    assert looks.count < FEW


def test_spectra_of_200_gigabytes_are_planned_by_looking_at_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = Looks(monkeypatch)
    axes = {"layers": [21, 61, 101], "surface": ["100", "110", "111"],
            "adlayer_bond_ratio": {"linspace": [0.5, 2.0, 30]},
            "adlayer_mass_ratio": {"geomspace": [0.1, 10.0, 1300]}}  # fmt: skip
    content = {"modesweep": 1, "name": "spectra", "model": "slab",
               "outputs": ["frequency", "surface_weight"],
               "fixed": {"adlayer": "one side"}, "axes": axes}  # fmt: skip

    summary = summarize(Plan(read(content)), Rates())

    assert summary.bytes > 200e9
    assert looks.count < FEW


def test_the_status_of_a_million_points_is_made_without_a_loop_over_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(read(chains(1000, 1000)))
    beginning.create(plan, tmp_path / "chains")
    finish(plan, tmp_path / "chains")
    looks = Looks(monkeypatch)

    with counted_calls() as calls:
        status = sweep.status(tmp_path / "chains")
        ledger = Ledger(tmp_path / "chains")
        arrays = SweepState.of(plan, ledger).arrays()
        ledger.close()

    assert status.counts == {"ok": 1_000_000}
    assert arrays["status"].shape == (1000, 1000)
    assert (arrays["status"] == OK).all()
    assert (arrays["attempts"] == 1).all()
    assert (arrays["seconds"] == 0.5).all()
    assert looks.count < FEW
    assert calls[0] < 100_000


def test_the_status_of_all_sweeps_loads_nothing_that_reads_a_store(tmp_path: Path) -> None:
    for i in range(5):
        plan = Plan(read(chains(10, 10, name=f"chains-{i}")))
        beginning.create(plan, tmp_path / f"chains-{i}")
        finish(plan, tmp_path / f"chains-{i}")

    script = (
        "import sys; from sweep.cli.main import dispatch; dispatch(sys.argv[1:]); "
        "print(*sorted({'zarr', 'xarray', 'dask', 'distributed', 'scipy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-P", "-c", script, "status", "--workspace", str(tmp_path)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    *rows, loaded = out.splitlines()
    assert sum("100 ok" in row and "complete" in row for row in rows) == 5
    assert loaded == ""


# --- what the owner repeats while a sweep runs ----------------------------------------------


def test_status_arrays_that_take_long_are_written_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, takes = [100.0], 3.0
    written = []

    def write(_: object, arrays: object) -> None:
        written.append(now[0])
        now[0] += takes

    monkeypatch.setattr(driving, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(driving.store.StatusWriter, "write", write)
    plan = Plan(read(chains(10, 10)))
    beginning.create(plan, tmp_path / "chains")
    owner, ledger = Ownership(tmp_path / "chains"), Ledger(tmp_path / "chains", writable=True)
    driver = Driver(plan, tmp_path / "chains", ledger, owner, Silent())
    try:
        while now[0] < 1000:
            driver.write_status()
            now[0] += 0.5
        before = len(written)
        driver.write_status(final=True)
    finally:
        ledger.close()
        owner.release()

    assert 1 < before * takes <= STATUS_SHARE * 900 + takes
    assert len(written) == before + 1
