"""What goes wrong around a service: poison, clients that die, owners, stops, clocks, old stores.

Most tests share one service; those that kill theirs have their own.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client, batched

import sweep
from sweep import planning, steering
from sweep.ledger import Ledger
from sweep.service.service import Service
from tests.faults.tools import (
    Hosts,
    document,
    finish,
    kill_all,
    may_mount,
    modesweep,
    results,
    start,
    wait,
    wait_for_blocks,
)
from tests.service.networks import Held, far_host
from tests.service.tools import MANY_BLOCKS, Reply, Served

pytestmark = pytest.mark.usefixtures("plugin")

OLD = Path(__file__).parents[1] / "references" / "stores" / "format-1.tar.gz"
WINDOW = 2 * steering.WINDOW
"""Blocks that a sweep may have outstanding on two slots."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def served(folder: Path, plugin: Path) -> Iterator[Served]:
    """One service of two workers for all that leave it alive."""
    service = Served(folder / "results", ("--workers", "2"), command=MANY_BLOCKS)
    yield service.start()
    service.stop()


@contextmanager
def service_of(folder: Path, *options: str, kind: type[Served] = Served) -> Iterator[Served]:
    """Run a service of a test's own, which may be killed."""
    service = kind(folder / "results", options, command=list(MANY_BLOCKS))
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Served]:
    """A service that may be killed."""
    with service_of(tmp_path, "--workers", "2") as service:
        yield service


def post(served: Served, name: str, verb: str, body: Any = None) -> dict[str, Any]:
    """Ask for something to be done to a sweep."""
    reply = served.ask("POST", f"/sweeps/{name}/{verb}", body=body)
    assert reply.status == 200, reply.body
    told: dict[str, Any] = reply.told
    return told


def begun(diary: Path) -> Counter[float]:
    """Count how often each point was begun."""
    return Counter(map(float, diary.read_text().split())) if diary.exists() else Counter()


def finished(sweep_folder: Path) -> list[float]:
    """Give when the blocks were finished, in order."""
    with closing(Ledger(sweep_folder)) as ledger:
        return sorted(row.finished for row in ledger.blocks())


def squares(points: int) -> dict[str, Any]:
    """Give the axes of a sweep of so many squares."""
    return {"x": {"arange": [points]}}


def in_peace(points: int, folder: Path, client: Client) -> sweep.Result:
    """Run a sweep that nothing happens to."""
    return sweep.run(document("quiet", axes=squares(points)), workspace=folder, scheduler=client)


def once(points: int) -> Counter[float]:
    """Count each of so many points once."""
    return Counter(map(float, range(points)))


# --- poison ---------------------------------------------------------------------------------

POISONS = {5: "exception", 15: "hang", 25: "segfault", 35: "memory"}
REASONS = {
    5: ("exception", "RuntimeError: this number is poison", 1),
    15: ("timeout", "took longer than 2 s", 1),
    25: ("signal", "SIGSEGV", 2),
    35: ("memory", "MemoryError", 2),
}


def test_poison_fails_alone_and_a_retry_tries_nothing_else(tmp_path: Path, served: Served) -> None:
    diary = tmp_path / "diary"
    content = document(
        "poisoned", zip=[["x", "poison"]], fixed={"diary": str(diary)},
        axes={"x": {"arange": [40]}, "poison": [POISONS.get(i, "none") for i in range(40)]},
        run={"timeout": 2, "retries": 1, "memory": "500MB"},
    )  # fmt: skip

    served.submit(content)
    told = served.wait_for("poisoned", "ended")
    errors = served.ask("GET", "/sweeps/poisoned/errors").told
    first = begun(diary)
    post(served, "poisoned", "retry")
    again = served.wait_for("poisoned", "ended")

    assert told["counts"] == again["counts"] == {"ok": 35, "failed": 4, "unstable": 1}
    found = {e["point"]["x"]: e for e in errors}
    assert sorted(found) == sorted(REASONS)
    for x, (kind, words, attempts) in REASONS.items():
        assert (found[x]["kind"], found[x]["attempts"]) == (kind, attempts)
        assert words in found[x]["message"]
    assert {x for x, n in first.items() if n > 1} <= {25, 35}
    second = begun(diary)
    assert {x for x in second if second[x] > first[x]} == set(REASONS)
    assert {x: second[x] for x in REASONS} == {x: 2 * first[x] for x in REASONS}
    data = sweep.open(served.workspace / "poisoned")
    assert all(data.square.values[x] == x**2 for x in range(40) if x not in POISONS)


# --- clients --------------------------------------------------------------------------------

POSTS_AND_DIES = """
import http.client, json, os, sys
address, token, body = sys.argv[1:]
link = http.client.HTTPConnection(address)
link.request("POST", "/api/v1/sweeps", body, {
    "Authorization": f"Bearer {token}", "Content-Type": "application/json"})
os.kill(os.getpid(), 9)
"""


@pytest.mark.long
def test_the_death_of_a_client_right_after_it_has_submitted_changes_nothing(
    tmp_path: Path, served: Served
) -> None:
    content = document("orphan", axes=squares(20))
    told = served.told
    words = [told["url"].removeprefix("http://"), told["token"], json.dumps(content)]

    died = subprocess.run([sys.executable, "-c", POSTS_AND_DIES, *words], check=False)
    wait(lambda: served.ask("GET", "/sweeps/orphan").status == 200, "the sweep to be there")

    assert died.returncode == -signal.SIGKILL
    assert served.wait_for("orphan", "complete")["counts"] == {"ok": 19, "unstable": 1}


def test_the_same_sweep_submitted_at_the_same_moment_is_there_once(
    tmp_path: Path, served: Served
) -> None:
    diary = tmp_path / "diary"
    content = document("same", fixed={"diary": str(diary)}, axes=squares(30))
    together = threading.Barrier(8)

    def submit(_: int) -> Reply:
        together.wait()
        return served.ask("POST", "/sweeps", body=content)

    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(submit, range(8)))

    assert sorted(r.status for r in replies) == [200] * 7 + [201]
    assert [r.told["new"] for r in replies].count(True) == 1
    served.wait_for("same", "complete")
    assert served.submit(content)["new"] is False
    assert begun(diary) == once(30)


# --- one owner ------------------------------------------------------------------------------


def test_a_second_service_on_a_workspace_is_refused_in_words(served: Served) -> None:
    code, said = modesweep("serve", "--workspace", served.workspace, "--port", 0)

    assert code == 2, said
    assert "has a service already" in said
    assert "Traceback" not in said
    assert served.ask("GET", "/health").status == 200


@pytest.mark.long
def test_a_sweep_has_one_owner_a_command_or_the_service(
    tmp_path: Path, folder: Path, served: Served
) -> None:
    diary, gate = tmp_path / "diary", tmp_path / "gate"
    content = document(
        "shared", fixed={"diary": str(diary), "gate": str(gate), "at": 3.0},
        axes=squares(12),
    )  # fmt: skip
    command = start(content, folder, "--workers", "1")
    wait(lambda: begun(diary)[3.0] > 0, "the command to wait at the gate")

    assert served.submit(content)["new"] is False
    note = served.wait_for("shared", "waiting")["note"]
    kill_all(command)
    wait(lambda: begun(diary)[3.0] > 1, "the service to wait at the gate")
    told = served.status("shared")
    code, said = finish(start(content, folder, "--workers", "1"))
    gate.touch()
    after = served.wait_for("shared", "complete")

    assert f"is being run by process {command.pid} on" in note
    assert (told["state"], told["note"]) == ("running", "")
    assert code == 2, said
    assert f"is being run by process {served.told['pid']} on" in said
    assert after["counts"] == {"ok": 11, "unstable": 1}


# --- stops and shares -----------------------------------------------------------------------


def numerics(served: Served) -> set[int]:
    """Number the processes that compute for a service."""
    found = set()
    for process in psutil.Process(served.told["pid"]).children(recursive=True):
        try:
            if any("sweep.child" in word for word in process.cmdline()):
                found.add(process.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def test_cancel_ends_what_is_being_computed_and_nothing_else(
    tmp_path: Path, served: Served
) -> None:
    """Points that take a minute end within 5 s; on a busy machine, in as many more."""
    diary, beside, gate = tmp_path / "diary", tmp_path / "beside", tmp_path / "gate"
    other = document(
        "beside", fixed={"diary": str(beside), "gate": str(gate), "at": 0.0},
        axes=squares(4),
    )  # fmt: skip
    long = document("minutes", fixed={"slow": 60.0, "diary": str(diary)}, axes=squares(8))
    served.submit(other)
    wait(lambda: begun(beside)[0.0] > 0, "a point beside at its gate")
    stays = numerics(served)
    served.submit(long)
    wait(lambda: begun(diary).total() > 0, "a long point")
    before = numerics(served)

    asked = time.monotonic()
    post(served, "minutes", "cancel")
    wait(lambda: len(numerics(served) & before) < len(before), "the long point to end")
    took = time.monotonic() - asked
    told = served.wait_for("minutes", "cancelled")
    left = numerics(served)
    gate.touch()
    other_told = served.wait_for("beside", "complete")

    assert took < 5 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert (told["running"], told["blocks_done"]) == (False, 0)
    assert told["counts"] == {"todo": 8}
    assert left & stays
    assert begun(beside) == once(4)
    assert other_told["counts"] == {"ok": 4}
    # and it goes on when it is asked to
    lines = begun(diary).total()
    post(served, "minutes", "resume")
    wait(lambda: begun(diary).total() > lines, "the long points to be begun again")
    assert served.status("minutes")["state"] == "running"
    gone = served.ask("DELETE", "/sweeps/minutes")
    assert gone.status == 200, gone.body
    assert Path(gone.told["trash"]).is_dir()
    assert served.ask("GET", "/sweeps/minutes").status == 404


@pytest.mark.long
def test_a_pause_lets_finish_what_has_begun_and_begins_nothing_more(
    tmp_path: Path, served: Served
) -> None:
    diary = tmp_path / "diary"
    content = document("paused", fixed={"slow": 0.05, "diary": str(diary)}, axes=squares(150))
    served.submit(content)
    wait_for_blocks(served.workspace / "paused", 5)

    asked = len(finished(served.workspace / "paused"))
    post(served, "paused", "pause")
    lines = begun(diary).total()
    told = served.wait_for("paused", "paused")
    at_rest = begun(diary)
    served.submit(document("meanwhile", axes=squares(10)))
    served.wait_for("meanwhile", "complete")

    assert not told["running"]
    assert 5 <= asked <= told["blocks_done"] < 150
    assert at_rest.total() == told["blocks_done"] <= lines + WINDOW
    assert begun(diary) == at_rest
    post(served, "paused", "resume")
    assert served.wait_for("paused", "complete")["counts"] == {"ok": 149, "unstable": 1}
    assert begun(diary) == once(150)


@pytest.mark.long
def test_priority_gives_most_of_the_cluster_and_a_small_sweep_passes_a_huge_one(
    tmp_path: Path, served: Served
) -> None:
    """Three steps are a share of eight to one. Blocks take longer than the way to the service and
    back, or the window of the first would be empty at times.
    """
    slow = {"slow": 0.25}
    huge = document("huge", fixed=slow, axes=squares(300))
    served.submit(huge)
    wait_for_blocks(served.workspace / "huge", 1)
    small = document("small", fixed=slow, axes=squares(24), run={"priority": 3})

    served.submit(small)
    served.wait_for("small", "complete")
    told = served.status("huge")
    served.ask("DELETE", "/sweeps/huge")

    assert told["state"] == "running"
    ours = finished(served.workspace / "small")
    trash = next((served.workspace / ".trash").glob("huge-*"))
    theirs = [t for t in finished(trash) if ours[0] < t < ours[-1]]
    assert len(ours) == 24
    assert len(theirs) >= 1
    assert len(theirs) <= len(ours) / 8 * 2 + WINDOW


# --- old stores -----------------------------------------------------------------------------


@pytest.mark.long
def test_sweeps_of_an_older_version_are_listed_and_gone_on_with(
    tmp_path: Path, served: Served
) -> None:
    with tarfile.open(OLD) as file:
        file.extractall(tmp_path, filter="data")
    for path in (tmp_path / "format-1").iterdir():
        if not path.name.startswith("."):
            shutil.copytree(path, served.workspace / path.name)

    listed = {s["name"]: s for s in served.ask("GET", "/sweeps").told}
    document = served.ask("GET", "/sweeps/interrupted/file").told
    post(served, "interrupted", "resume")
    after = served.wait_for("interrupted", "complete")

    states = {n: listed[n]["state"] for n in ("chain-ends", "thin-slabs", "interrupted")}
    assert states == {"chain-ends": "complete", "thin-slabs": "ended", "interrupted": "stopped"}
    assert listed["interrupted"]["counts"] == {"todo": 4}
    assert after["counts"] == {"ok": 4}
    assert served.submit(document)["new"] is False
    assert sweep.verify(served.workspace / "interrupted", sample="100%").ok


# --- kills ----------------------------------------------------------------------------------


@pytest.mark.long
def test_a_kill_before_the_first_block_and_one_of_the_whole_group_lose_nothing(
    tmp_path: Path, own: Served, client: Client
) -> None:
    diary, axes = tmp_path / "diary", squares(60)
    quiet = in_peace(60, tmp_path, client)
    content = document("killed", fixed={"slow": 0.05, "diary": str(diary)}, axes=axes)
    assert own.submit(content)["new"] is True
    own.kill()

    assert begun(diary) == {}
    assert sweep.status("killed", own.workspace).state == "queued"
    own.start()
    wait_for_blocks(own.workspace / "killed", 5)
    assert own.process is not None
    os.killpg(own.process.pid, signal.SIGKILL)
    own.process.wait()
    kept = finished(own.workspace / "killed")
    own.start()
    told = own.wait_for("killed", "complete")

    assert told["counts"] == quiet.counts
    assert results(own.workspace / "killed") == results(quiet.path)
    assert finished(own.workspace / "killed")[: len(kept)] == kept
    assert begun(diary).keys() == once(60).keys()
    assert begun(diary).total() <= 60 + WINDOW


@pytest.mark.long
def test_a_lost_scheduler_is_waited_for_with_a_note(tmp_path: Path, client: Client) -> None:
    quiet = in_peace(60, tmp_path, client)
    with (
        closing(Hosts(tmp_path)) as hosts,
        service_of(tmp_path, "--scheduler", hosts.address) as served,
    ):
        hosts.start_worker()
        served.submit(document("lost", fixed={"slow": 0.1}, axes=squares(60)))
        wait_for_blocks(served.workspace / "lost", 3)
        hosts.scheduler.kill()
        hosts.scheduler.wait()
        told = served.wait_for("lost", "waiting")
        wait(lambda: "does not answer" in served.ask("GET", "/about").told["fault"], "the fault")
        again = served.status("lost")
        hosts.start_scheduler()
        hosts.start_worker()
        after = served.wait_for("lost", "complete")
        about = served.ask("GET", "/about").told

    assert "The scheduler is gone. What is finished is safe" in told["note"]
    assert (again["state"], again["note"]) == ("waiting", told["note"])
    assert (after["counts"], after["note"]) == (quiet.counts, "")
    assert about["fault"] == ""
    assert results(served.workspace / "lost") == results(quiet.path)


@pytest.mark.long
@pytest.mark.parametrize("how", ["network", "held"])
def test_a_worker_that_is_cut_off_costs_its_block_and_comes_too_late(
    tmp_path: Path, client: Client, how: str
) -> None:
    """It goes on computing what others have been given meanwhile, and drops or writes the same."""
    quiet = in_peace(80, tmp_path, client)
    diary = tmp_path / "diary"
    ttl = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "5s"}
    with closing(far_host() if how == "network" else Held()) as far:
        if how == "network" and isinstance(far, Held):
            pytest.skip("no network may be made here; the other form holds the worker still")
        with (
            closing(Hosts(tmp_path, far.near, ttl)) as hosts,
            service_of(tmp_path, "--scheduler", hosts.address) as served,
        ):
            hosts.start_worker()
            worker = far.start_worker(hosts)
            hosts.wait_for(2)
            fixed = {"slow": 0.3, "diary": str(diary)}
            served.submit(document("cut", fixed=fixed, axes=squares(80)))
            wait_for_blocks(served.workspace / "cut", 5)
            far.cut()
            wait(lambda: served.ask("GET", "/about").told["workers"] == 1, "the cut to be seen")
            far.heal()
            after = served.wait_for("cut", "complete")
            wait(lambda: worker.poll() is not None, "the worker to see that it is not wanted")

    assert after["counts"] == quiet.counts
    assert results(served.workspace / "cut") == results(quiet.path)
    assert begun(diary).keys() == once(80).keys()
    assert begun(diary).total() <= 80 + WINDOW


# --- a full disk ----------------------------------------------------------------------------

SMALL_DISK = 'mount -t tmpfs -o size=16M none "$0" && exec "$@"'


class OnSmallDisk(Served):
    """A service whose workspace is a small disk of its own."""

    def start(self) -> Served:
        """Start it in a mount namespace; the rest of the system sees an empty folder."""
        command = self.command
        self.command = ["unshare", "-m", "sh", "-c", SMALL_DISK, str(self.workspace), *command]
        return super().start()

    def _has_come(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(self.said)
        return (self.inside / "service.json").exists()

    @property
    def inside(self) -> Path:
        """The workspace as the service sees it."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{self.workspace}")

    @property
    def told(self) -> dict[str, Any]:
        """What it says of itself."""
        found: dict[str, Any] = json.loads((self.inside / "service.json").read_text())
        return found


def fill(path: Path) -> None:
    """Write until the disk takes nothing more."""
    with path.open("ab", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def fills_up(served: OnSmallDisk, name: str) -> bool:
    """Take whatever has become free meanwhile; say whether a sweep waits for the disk."""
    fill(served.inside / "ballast")
    return bool(served.status(name)["state"] == "waiting")


@pytest.mark.long
def test_a_full_disk_is_waited_for_and_named(tmp_path: Path, client: Client) -> None:
    if not may_mount():
        pytest.skip("no disk may be mounted here: `unshare -m` is refused")
    quiet = in_peace(60, tmp_path, client)
    with service_of(tmp_path, "--workers", "1", kind=OnSmallDisk) as served:
        assert isinstance(served, OnSmallDisk)
        served.submit(document("full", fixed={"slow": 0.1}, axes=squares(60)))
        for blocks in (3, 20):
            wait(lambda n=blocks: served.status("full")["blocks_done"] >= n, "some blocks")
            wait(lambda: fills_up(served, "full"), "the disk to be full")
            full = served.status("full")
            listed = served.ask("GET", "/sweeps").told
            refused = served.ask("POST", "/sweeps", body=document("more", axes=squares(200_000)))
            (served.inside / "ballast").unlink()
            assert "The disk refuses" in full["note"], full
            assert [(s["state"], s["note"]) for s in listed] == [("waiting", full["note"])]
            assert refused.status == 409, refused.body
            assert "B free. Ask for fewer" in refused.told["detail"]
        after = served.wait_for("full", "complete")
        shutil.copytree(served.inside / "full", tmp_path / "copy")

    assert (after["counts"], after["note"]) == (quiet.counts, "")
    assert results(tmp_path / "copy") == results(quiet.path)


# --- clocks ---------------------------------------------------------------------------------


class Clock:
    """A clock that is set while Dask and a service of this process look at it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._true = time.time
        self._ahead = 0.0
        self._steps: list[float] = []
        for module in [m for n, m in sys.modules.items() if n.startswith("distributed")]:
            if getattr(module, "time", None) is self._true:
                patch.setattr(module, "time", self.now)
        patch.setattr(batched, "time", self._sent)
        patch.setattr(time, "time", self.now)

    def now(self) -> float:
        """What it shows."""
        return self._true() + self._ahead

    def set(self, seconds: float) -> None:
        """Set it forward, or back at the worst moments: when Dask has just made up its mind."""
        if seconds > 0:
            self._ahead += seconds
        else:
            self._steps = [seconds / 4] * 4

    @property
    def is_set(self) -> bool:
        """Whether that has happened."""
        return not self._steps

    def _sent(self) -> float:
        shown = self.now()
        with suppress(IndexError):
            self._ahead += self._steps.pop()
        return shown


@pytest.mark.long
@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_is_set_by_a_day_changes_nothing(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """The service and its scheduler see it; the workers are on hosts whose clocks are right."""
    quiet = in_peace(60, tmp_path, client)
    monkeypatch.setattr(planning, "LEAST_BLOCKS", 60)
    clock = Clock(monkeypatch)
    service = Service(tmp_path / "results", workers=2)
    service.start()
    left = []

    def complete() -> bool:
        status = service.status("days")
        left.append(status.seconds_left or (0.0, 0.0))
        return status.state == "complete"

    try:
        service.submit(document("days", fixed={"slow": 0.3}, axes=squares(60)))
        wait_for_blocks(tmp_path / "results" / "days", 3)
        clock.set(days * 86400.0)
        wait(lambda: clock.is_set, "the clock to be set")
        wait(complete, "the sweep")
        told = service.status("days")
    finally:
        service.stop()

    assert told.counts == quiet.counts
    assert all(0 <= low <= high for low, high in left)
    assert results(told.path) == results(quiet.path)
