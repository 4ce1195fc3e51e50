"""Two owners, owners that come back from the dead, and clocks that go backwards."""

import fcntl
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import Client

import sweep
from sweep import planning, runner
from sweep.driving import Driver, _Session
from sweep.layout import lock_file
from sweep.ledger import Ledger
from sweep.owning import Ownership
from sweep.progress import Silent
from sweep.reading import stored_plan
from sweep.steering import Line, Steering
from tests.faults.test_killed_owner import killed
from tests.faults.tools import (
    SMALL_BLOCKS,
    Hosts,
    Script,
    document,
    finish,
    modesweep,
    results,
    start,
    wait,
    wait_for_blocks,
)

pytestmark = pytest.mark.usefixtures("plugin")

OWNED = document("owned", fixed={"slow": 0.02}, axes={"x": {"arange": [60]}})
COUNTS = {"ok": 59, "unstable": 1}
YEAR = 3e7


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LEAST_SECONDS", 0.0)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, client: Client) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("quiet")
    return results(sweep.run(OWNED, workspace=folder, scheduler=client).path)


@pytest.fixture(scope="module")
def two_blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep whose owner was killed."""
    folder = tmp_path_factory.mktemp("begun")
    killed(folder, "rows are committed", "after", 2, OWNED)
    return folder / "owned"


@pytest.fixture
def begun(two_blocks: Path, tmp_path: Path) -> Path:
    """A copy of it to go on with."""
    return Path(shutil.copytree(two_blocks, tmp_path / "owned"))


def age(path: Path, seconds: float) -> None:
    """Set the last heartbeat of an owner back."""
    then = time.time() - seconds
    os.utime(lock_file(path), (then, then))


def times(path: Path) -> dict[Path, int]:
    """Say when each file of a store was written."""
    return {p: p.stat().st_mtime_ns for p in (path / "data.zarr").rglob("*") if p.is_file()}


# --- two at once ----------------------------------------------------------------------------


def test_a_second_owner_is_refused_and_the_first_goes_on(
    tmp_path: Path, client: Client, quiet: dict[str, bytes]
) -> None:
    said: list[str] = []

    def second() -> None:
        code, out = modesweep("retry", "owned", "--workspace", tmp_path)
        assert (code, "Traceback" in out) == (2, False), out
        said.append(out)
        for act in (
            lambda: sweep.run(OWNED, workspace=tmp_path, scheduler=client),
            lambda: sweep.extend("owned", {"x": [99.0]}, workspace=tmp_path, scheduler=client),
        ):
            with pytest.raises(sweep.RefusedError) as caught:
                act()
            said.append(str(caught.value))

    result = sweep.run(OWNED, workspace=tmp_path, scheduler=client, progress=Script(2, second))

    assert len(said) == 3
    for out in said:
        assert f"being run by process {os.getpid()} on " in out
        assert "--take-over" not in out
    assert result.counts == COUNTS
    assert results(result.path) == quiet


@pytest.mark.long
def test_of_two_that_begin_the_same_sweep_at_once_one_runs_it(
    tmp_path: Path, quiet: dict[str, bytes]
) -> None:
    both = [start(OWNED, tmp_path, "--workers", "1", command=SMALL_BLOCKS) for _ in range(2)]
    ends = [finish(process) for process in both]

    assert sorted(code for code, _ in ends) in ([0, 0], [0, 2])
    for code, out in ends:
        assert ("one owner at a time" in out) == (code == 2), out
    assert results(tmp_path / "results" / "owned") == quiet


def test_looking_at_a_sweep_does_not_keep_an_owner_out(
    begun: Path, client: Client, quiet: dict[str, bytes]
) -> None:
    """Whoever asks whether a sweep is owned holds its lock for a moment."""
    with lock_file(begun).open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        end = threading.Timer(0.1, lambda: fcntl.flock(file, fcntl.LOCK_UN))
        end.start()
        try:
            result = sweep.run(OWNED, workspace=begun.parent, scheduler=client)
        finally:
            end.join()

    assert results(result.path) == quiet


COMMANDS: dict[str, Callable[[Path, Client], sweep.Result]] = {
    "extend": lambda path, client: sweep.extend(path, {"x": [200.0]}, scheduler=client),
    "retry": lambda path, client: sweep.retry(path, scheduler=client),
    "run": lambda path, client: sweep.run(OWNED, workspace=path.parent, scheduler=client),
}


@pytest.mark.parametrize(
    "command", ["extend", *(pytest.param(c, marks=pytest.mark.long) for c in ("retry", "run"))]
)
def test_an_extension_by_another_meanwhile_is_seen(
    begun: Path, client: Client, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """It comes after the command has read the sweep, and before it owns it."""
    owned, calls = runner.owned, []

    @contextmanager
    def owned_later(*args: Any, **kwargs: Any) -> Iterator[Any]:
        if not calls:
            calls.append(args)
            sweep.extend(begun, {"x": [100.0]}, compute=False)
        with owned(*args, **kwargs) as both:
            yield both

    monkeypatch.setattr(runner, "owned", owned_later)

    result = COMMANDS[command](begun, client)

    assert calls
    there = set(sweep.open(begun).x.values)
    assert there == {*range(60), 100.0, *([200.0] if command == "extend" else [])}
    assert result.counts == {"ok": len(there) - 1, "unstable": 1}
    assert sweep.verify(begun, sample="100%").ok


# --- taking over ----------------------------------------------------------------------------


def test_a_silent_owner_is_named_and_taken_over_only_on_demand(
    begun: Path, client: Client, quiet: dict[str, bytes]
) -> None:
    """Its lock may be one that a file system keeps for a host that is gone."""
    old, ledger = Ownership(begun), Ledger(begun, writable=True)
    driver = Driver(stored_plan(begun), begun, ledger, old, Silent())
    (row, *_) = ledger.blocks()
    with pytest.raises(sweep.RefusedError, match="one owner at a time") as fresh:
        sweep.run(OWNED, workspace=begun.parent, scheduler=client, take_over=True)
    age(begun, 3600)

    with pytest.raises(sweep.RefusedError, match=r"not heard of for 36.. s.*add --take-over"):
        sweep.run(OWNED, workspace=begun.parent, scheduler=client)
    result = sweep.run(OWNED, workspace=begun.parent, scheduler=client, take_over=True)

    assert "--take-over" not in str(fresh.value)
    assert result.counts == COUNTS
    assert not old.in_charge
    session = _Session(driver, client, 1, Steering(), Line().join(0))
    session._receipts.append((None, row))
    with pytest.raises(sweep.RefusedError, match="Another process has taken over owned"):
        session._commit(final=True)
    ledger.close()
    old.release()
    assert results(begun) == quiet
    assert sweep.run(OWNED, workspace=begun.parent, scheduler=client).complete


@pytest.mark.long
def test_an_owner_that_was_taken_over_stops_and_writes_no_more(
    tmp_path: Path, client: Client, quiet: dict[str, bytes]
) -> None:
    """As when a host that was thought to be gone comes back from a long sleep."""
    process = start(OWNED, tmp_path, "--workers", "1", command=SMALL_BLOCKS)
    path = tmp_path / "results" / "owned"
    wait_for_blocks(path, 2)
    process.send_signal(signal.SIGSTOP)
    assert not sweep.status(path).complete
    age(path, 3600)

    code, out = modesweep("retry", path, "--workers", "1")
    assert (code, "--take-over" in out) == (2, True), out
    result = sweep.retry(path, scheduler=client, take_over=True)
    before = times(path)
    rows = Ledger(path)
    known = {row.cell: row.finished for row in rows.blocks()}

    process.send_signal(signal.SIGCONT)
    code, out = finish(process)

    assert code == 2, out
    assert "Another process has taken over owned" in out
    assert "Traceback" not in out
    assert result.counts == COUNTS
    assert {row.cell: row.finished for row in rows.blocks()} == known
    rows.close()
    assert times(path) == before
    assert results(path) == quiet


# --- workers that are late ------------------------------------------------------------------


@pytest.mark.long
def test_a_worker_that_slept_through_an_extension_drops_its_block(
    tmp_path: Path, client: Client, plugin: Path
) -> None:
    code, gate, diary = tmp_path / "code", tmp_path / "gate", tmp_path / "diary"
    content = document(
        "slept", "mendable", fixed={"code": str(code), "diary": str(diary), "source": 3},
        axes={"x": {"arange": [33]}},
    )  # fmt: skip
    code.write_text(f"target 32 wait:{gate}\n")
    hosts = Hosts(tmp_path)
    try:
        worker = hosts.start_worker()
        hosts.wait_for(1)
        owner = start(content, tmp_path, "--scheduler", hosts.address, command=SMALL_BLOCKS)
        wait(lambda: diary.exists() and "target 32\n" in diary.read_text(), "the last block")
        worker.send_signal(signal.SIGSTOP)
        owner.kill()
        owner.communicate()
        code.write_text("")
        path = tmp_path / "results" / "slept"
        result = sweep.extend(path, {"x": [33.0, 34.0]}, scheduler=client)
        after = times(path)
        stored = results(path)

        gate.touch()
        worker.send_signal(signal.SIGCONT)
        with Client(hosts.address) as other:
            wait(lambda: idle(other), "the worker that slept")
    finally:
        hosts.close()

    assert result.counts == {"ok": 35}
    assert times(path) == after
    assert results(path) == stored
    whole = {**content, "name": "whole", "axes": {"x": {"arange": [35]}}}
    assert stored == results(sweep.run(whole, workspace=tmp_path, scheduler=client).path)


def idle(client: Client) -> bool:
    """Say whether a worker is there and has nothing in hand."""
    busy = client.run(lambda dask_worker: dask_worker.state.executing_count)
    return list(busy.values()) == [0]


@pytest.mark.long
def test_workers_that_come_and_go_every_second_cost_nothing_but_time(
    tmp_path: Path, client: Client
) -> None:
    draw = random.Random(5)
    content = document("busy", fixed={"slow": 0.05}, axes={"x": {"arange": [300]}})
    hosts = Hosts(tmp_path)
    kills = 0
    try:
        hosts.start_worker()
        hosts.wait_for(1)
        owner = start(content, tmp_path, "--scheduler", hosts.address, command=SMALL_BLOCKS)
        while owner.poll() is None:
            guest = hosts.start_worker()
            with suppress(subprocess.TimeoutExpired):
                owner.wait(timeout=draw.uniform(1.0, 4.0))
            guest.kill()
            kills += owner.returncode is None
        code, out = finish(owner)
    finally:
        hosts.close()

    assert code == 0, out
    assert kills >= 3
    quiet = sweep.run(content, workspace=tmp_path / "quiet", scheduler=client)
    assert quiet.counts == {"ok": 299, "unstable": 1}
    assert results(tmp_path / "results" / "busy") == results(quiet.path)
    assert sweep.status(tmp_path / "results" / "busy").counts == quiet.counts


# --- clocks ---------------------------------------------------------------------------------


def test_a_clock_that_is_set_back_harms_nothing(
    begun: Path, client: Client, quiet: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    for path in begun.rglob("*"):
        os.utime(path, (now + YEAR, now + YEAR))
    ticks = itertools.count()
    clock = SimpleNamespace(**vars(time))
    clock.time = lambda: now - YEAR - 60 * next(ticks)
    for name, module in list(sys.modules.items()):
        if name.startswith("sweep.") and getattr(module, "time", None) is time:
            monkeypatch.setattr(module, "time", clock)
    (begun / "data.zarr" / "square" / "c" / "0.young.partial").touch()

    before = sweep.status(begun)
    result = sweep.run(OWNED, workspace=begun.parent, scheduler=client)

    assert next(ticks) > 10, "the clock was looked at"
    assert before.blocks_done >= 2
    assert result.counts == COUNTS
    assert results(begun) == quiet
    owner = Ownership(begun)
    with pytest.raises(sweep.RefusedError, match="one owner at a time"):
        sweep.run(OWNED, workspace=begun.parent, scheduler=client, take_over=True)
    owner.release()
