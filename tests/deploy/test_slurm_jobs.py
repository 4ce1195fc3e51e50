"""Workers that leave before their job ends, and the program that submits the jobs."""

import asyncio
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from distributed import Client, Worker

import sweep
from deploy.slurm import leaving
from sweep import planning
from tests.faults.tools import Hosts, Script, document, wait

ROOT = Path(__file__).parents[2]
AT = 3


@pytest.fixture
def hosts(tmp_path: Path, plugin: Path) -> Iterator[Hosts]:
    one = Hosts(tmp_path, env={"PYTHONPATH": os.pathsep.join([str(plugin), str(ROOT)])})
    yield one
    one.close()


def left_in_the_middle(folder: Path, hosts: Hosts, *, in_time: bool) -> sweep.Result:
    """Run a sweep of which a worker leaves while it is at a point; another takes over.

    It leaves as the preload has it, or as Dask does at the end of a lifetime.
    """
    gate, diary = folder / "gate", folder / "diary"
    content = document(
        "leaving", axes={"x": {"arange": [12]}}, run={"retries": 0},
        fixed={"at": float(AT), "gate": str(gate), "diary": str(diary)},
    )  # fmt: skip
    first = hosts.start_worker("--name", "first")
    address = hosts.wait_for(1)["first"]

    def leave(dask_worker: Worker) -> None:
        own = partial(leaving.leave, dask_worker)
        dask_worker.loop.add_callback(own if in_time else dask_worker.close_gracefully)

    def go() -> None:
        wait(lambda: f"{float(AT)}" in diary.read_text().split(), "the point that waits")
        with Client(hosts.address) as client:
            client.run(leave, workers=[address])
        hosts.start_worker("--name", "second")

        def passed_on() -> bool:
            with Client(hosts.address) as client:
                there = client.scheduler_info(n_workers=-1)["workers"].values()
                told = {w["name"]: w["status"] for w in there}
            return "second" in told and told.get("first") != "running"

        wait(passed_on, "the second worker")
        if in_time:
            gate.touch()
            assert first.wait(60) == 0

    script = Script(1, go)
    try:
        return sweep.run(content, workspace=folder, scheduler=hosts.address, progress=script)
    finally:
        assert script.acted
        gate.touch()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LEAST_SECONDS", 0.0)


@pytest.mark.long
def test_a_worker_that_leaves_in_time_finishes_its_block(tmp_path: Path, hosts: Hosts) -> None:
    result = left_in_the_middle(tmp_path, hosts, in_time=True)

    assert result.counts == {"ok": 11, "unstable": 1}
    assert (result.open().attempts.values == 1).all()


@pytest.mark.long
def test_a_worker_that_leaves_at_once_counts_as_one_that_died(tmp_path: Path, hosts: Hosts) -> None:
    """Why there is a preload: with retries the point would be begun again, here it is lost."""
    result = left_in_the_middle(tmp_path, hosts, in_time=False)

    assert result.counts == {"ok": 10, "unstable": 1, "lost": 1}
    assert np.flatnonzero(np.isnan(result.open().square.values)).tolist() == [AT]


@pytest.mark.parametrize(("grace", "after"), [("5m", 3300.0), ("2h", 0.0)])
def test_workers_begin_to_leave_before_their_lifetime_ends(grace: str, after: float) -> None:
    calls: list[Any] = []
    loop = SimpleNamespace(call_later=lambda *what: calls.append(what))
    worker = SimpleNamespace(lifetime=3600.0, loop=loop)

    leaving.dask_setup.callback(worker, grace)

    assert calls == [(after, leaving.leave, worker)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 600), ("01:30", 90), ("1:00:00", 3600), ("2-1", 176400), ("1-2:30", 95400),
     ("1-00:00:01", 86401)],
)  # fmt: skip
def test_walltimes_are_read_as_slurm_does(text: str, seconds: float) -> None:
    pytest.importorskip("dask_jobqueue")
    from deploy.slurm import cluster

    assert cluster.walltime(text) == seconds


def test_jobs_that_ended_before_their_worker_came_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else they would count as workers that are still to come, for ever."""
    pytest.importorskip("dask_jobqueue")
    from deploy.slurm import cluster

    closed: list[Any] = []

    async def scale_down(names: list[Any]) -> None:
        closed.extend(names)

    jobs = {i: SimpleNamespace(job_id=f"10{i}") for i in range(4)}
    came = {"tls://a": {"name": 0}, "tls://b": {"name": "1-0"}}
    one = SimpleNamespace(
        workers=jobs, job_name="modesweep-1", scheduler_info={"workers": came},
        scale_down=scale_down,
    )  # fmt: skip
    monkeypatch.setattr(cluster, "squeue", lambda name: {"102"})

    asyncio.run(cluster.forget_dead_jobs(one))

    assert closed == [3]


@pytest.mark.parametrize("command", ["false", "/nowhere/sbatch"])
def test_a_job_that_is_refused_stops_nothing_and_is_noted(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask_jobqueue")
    from deploy.slurm import cluster

    said: list[str] = []
    monkeypatch.setattr(cluster.log, "warning", lambda text, *words: said.append(text % words))
    monkeypatch.setattr(cluster.Job, "submit_command", command)
    job = cluster.Job("tls://head:8786", "0", cores=1, processes=1, memory="1GB")

    async def begin_and_end() -> None:
        await job
        await job.close()

    asyncio.run(begin_and_end())

    assert job.job_id is None
    assert job.status.name == "closed"
    assert len(said) == 1
    assert said[0].startswith("a job cannot be submitted")
