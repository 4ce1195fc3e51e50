"""Clusters that are there already, that are not there, and disks that are full."""

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

import sweep
from sweep import cluster, durable, planning
from tests.faults.tools import document, finish, results, start, wait

pytestmark = pytest.mark.usefixtures("plugin")

SQUARES = document("squares", axes={"x": {"arange": [30]}})


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start a scheduler as a user would, on loopback; give its file."""
    folder = tmp_path_factory.mktemp("scheduler")
    file = folder / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
               "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]  # fmt: skip
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    wait(file.exists, "the scheduler")
    yield file
    process.kill()
    process.wait()


def address(file: Path) -> str:
    client = Client(scheduler_file=str(file))
    found: str = client.scheduler.address
    client.close()
    return found


def test_a_scheduler_without_workers_is_named_in_words(
    scheduler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "WAIT_SECONDS", 1)

    with pytest.raises(sweep.UnreachableError, match="no workers after 1 s"):
        sweep.run(SQUARES, workspace=tmp_path, scheduler=address(scheduler))


def test_a_cluster_that_starts_workers_on_demand_is_asked_for_one(
    on_demand: LocalCluster, tmp_path: Path
) -> None:
    on_demand.adapt(minimum=0, maximum=1, interval="50ms", wait_count=40)

    result = sweep.run(SQUARES, workspace=tmp_path, scheduler=on_demand.scheduler_address)

    assert result.complete
    wait(lambda: not on_demand.scheduler.workers, "the end of idle workers")
    assert not on_demand.scheduler.tasks


def test_what_asked_for_a_worker_stays_when_nobody_waits_and_is_gone_when_one_comes(
    on_demand: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "WAIT_SECONDS", 0.1)
    for _ in range(2):
        with pytest.raises(sweep.UnreachableError, match="those that it starts on demand"):
            sweep.run(SQUARES, workspace=tmp_path, scheduler=on_demand.scheduler_address)

    assert len(on_demand.scheduler.tasks) == 1
    on_demand.scale(1)
    wait(lambda: bool(on_demand.scheduler.workers), "the worker")
    wait(lambda: not on_demand.scheduler.tasks, "the end of the task")


def test_an_existing_cluster_gives_the_same_bytes_as_an_embedded_one(
    scheduler: Path, tmp_path: Path, client: Client
) -> None:
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file",
               str(scheduler), "--nthreads", "1", "--no-dashboard",
               "--host", "127.0.0.1"]  # fmt: skip
    worker = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        process = start(SQUARES, tmp_path, "--scheduler", address(scheduler))
        code, out = finish(process)
    finally:
        worker.terminate()
        worker.wait()

    assert code == 0, out
    quiet = sweep.run(SQUARES, workspace=tmp_path / "quiet", scheduler=client)
    assert results(tmp_path / "results" / "squares") == results(quiet.path)


def test_nobody_at_the_address_is_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "WAIT_SECONDS", 1)

    with pytest.raises(sweep.UnreachableError, match="does not answer within 1 s") as caught:
        sweep.run(SQUARES, workspace=tmp_path, scheduler="tcp://127.0.0.1:9")

    assert caught.value.exit_code == 3


LISTENERS = """
import psutil
from sweep.cluster import connect

if __name__ == "__main__":
    with connect(None, 1, dashboard=True):
        for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
            for socket in process.net_connections("inet"):
                if socket.status == psutil.CONN_LISTEN:
                    print(socket.laddr.ip)
"""


def test_the_embedded_cluster_listens_on_loopback_only(tmp_path: Path) -> None:
    script = tmp_path / "listeners.py"
    script.write_text(LISTENERS)

    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)

    assert set(run.stdout.split()) == {"127.0.0.1"}


@pytest.fixture
def client_in_process() -> Iterator[Client]:
    """A cluster in this process, where a fault can be scripted."""
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, protocol="tcp",
                     host="127.0.0.1", dashboard_address="127.0.0.1:0",
                     worker_dashboard_address="127.0.0.1:0") as one,
        Client(one) as client,
    ):  # fmt: skip
        yield client


def test_a_full_disk_stops_the_run_and_loses_nothing(
    tmp_path: Path, client_in_process: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = durable._write_synced, []

    def full(path: Path, content: bytes, mode: int) -> None:
        calls.append(path)
        if "square" in path.parts and len(calls) > 12:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content, mode)

    monkeypatch.setattr(durable, "_write_synced", full)
    monkeypatch.setattr(planning, "LEAST_SECONDS", 0.0)
    content = document("full", axes={"x": {"arange": [40]}})

    with pytest.raises(sweep.MachineError, match=r"No space left.*finished is safe.*Free some"):
        sweep.run(content, workspace=tmp_path, scheduler=client_in_process)

    monkeypatch.setattr(durable, "_write_synced", write)
    before = sweep.status("full", tmp_path)
    after = sweep.run(content, workspace=tmp_path, scheduler=client_in_process)
    assert 0 < before.blocks_done < before.blocks
    assert after.complete
    assert not list(tmp_path.rglob("*.partial"))


def test_a_workspace_that_cannot_be_written_is_exit_code_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    def refuse(self: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)

    with pytest.raises(sweep.MachineError, match="Check the disk and its permissions") as caught:
        sweep.run(SQUARES, workspace=tmp_path / "locked", scheduler=client)

    assert caught.value.exit_code == 5
