"""Workers and schedulers that die, and points that kill the worker they are computed on."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from distributed import Client, Worker, WorkerPlugin

import sweep
from sweep import cluster, planning, steering
from sweep.cluster import connect
from sweep.graph import Window
from sweep.in_hand import InHand
from sweep.layout import LOST
from sweep.messages import Receipt
from sweep.state import SweepState
from tests.faults.tools import Hosts, Script, document, results, wait

pytestmark = pytest.mark.usefixtures("plugin")

SLOW = document("slow", fixed={"slow": 0.02}, axes={"x": {"arange": [60]}})
COUNTS = {"ok": 59, "unstable": 1}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LEAST_SECONDS", 0.0)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, client: Client) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("quiet")
    return results(sweep.run(SLOW, workspace=folder, scheduler=client).path)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    one = Hosts(tmp_path)
    yield one
    one.close()


# --- workers --------------------------------------------------------------------------------


@pytest.mark.long
def test_all_workers_killed_at_once_cost_nothing(tmp_path: Path, quiet: dict[str, bytes]) -> None:
    """Receipts that nobody has read yet die with them."""
    with connect(None, 2, dashboard=False) as client:
        pids = set(client.run(os.getpid).values())

        def kill_them() -> None:
            # the one that has just been read is still there
            wait(lambda: states(client)["finished"] > 1, "a receipt that is not read yet")
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            wait(lambda: states(client)["lost"] > 1, "a receipt that is lost")

        script = Script(3, kill_them)
        result = sweep.run(SLOW, workspace=tmp_path, scheduler=client, progress=script)

        assert script.acted
        assert not pids & set(client.run(os.getpid).values())
    assert result.counts == COUNTS
    assert results(result.path) == quiet


def states(client: Client) -> Counter[str]:
    """Count the states of the orders that are out."""
    return Counter(future.status for future in list(client.futures.values()))


@pytest.mark.long
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_scheduler_that_comes_back_is_waited_for(
    tmp_path: Path, hosts: Hosts, quiet: dict[str, bytes], sign: signal.Signals
) -> None:
    class Restarts(Script):
        def note(self, text: str) -> None:
            super().note(text)
            hosts.start_scheduler()
            hosts.start_worker()

    worker = hosts.start_worker()
    script = Restarts(3, lambda: (hosts.scheduler.send_signal(sign), hosts.scheduler.wait()))

    result = sweep.run(SLOW, workspace=tmp_path, scheduler=hosts.address, progress=script)

    assert script.notes == ["The scheduler is gone. Waiting for it to come back."]
    assert result.counts == COUNTS
    assert results(result.path) == quiet
    assert worker.wait(timeout=60) == 0, "a worker ends without its scheduler"


@pytest.mark.long
def test_a_scheduler_that_stays_away_ends_the_run_and_loses_nothing(
    tmp_path: Path, hosts: Hosts, quiet: dict[str, bytes], monkeypatch: pytest.MonkeyPatch,
    client: Client,
) -> None:  # fmt: skip
    monkeypatch.setattr(cluster, "WAIT_SECONDS", 2)
    hosts.start_worker()
    hosts.wait_for(1)
    script = Script(3, hosts.scheduler.kill)

    with pytest.raises(sweep.UnreachableError, match="does not answer within 2 s") as caught:
        sweep.run(SLOW, workspace=tmp_path, scheduler=hosts.address, progress=script)

    assert caught.value.exit_code == 3
    before = sweep.status("slow", tmp_path)
    assert (before.running, before.complete) == (False, False)
    assert before.blocks_done >= 3
    assert sum(before.counts.values()) == 60
    after = sweep.run(SLOW, workspace=tmp_path, scheduler=client)
    assert after.counts == COUNTS
    assert results(after.path) == quiet


@pytest.mark.long
def test_workers_that_come_later_share_the_work(
    tmp_path: Path, hosts: Hosts, quiet: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "WATCH_SECONDS", 0.1)
    monkeypatch.setattr(steering, "WINDOW", 1)
    looks, look = [], Window.call_back
    monkeypatch.setattr(Window, "call_back", lambda self: (looks.append(1), look(self)))

    class Crowd(Script):
        most = 0

        def update(self, state: SweepState, receipt: Receipt | None) -> None:
            super().update(state, receipt)
            self.most = max(self.most, len(state.running))

    def more() -> None:
        hosts.start_worker()
        hosts.start_worker()
        hosts.wait_for(3)
        seen = len(looks)
        wait(lambda: len(looks) > seen + 1, "a look at the workers")

    hosts.start_worker()
    hosts.wait_for(1)
    script = Crowd(2, more)

    result = sweep.run(SLOW, workspace=tmp_path, scheduler=hosts.address, progress=script)

    assert script.most > 1
    assert results(result.path) == quiet


@pytest.mark.long
def test_a_sum_in_parts_survives_the_workers_that_hold_its_parts(
    tmp_path: Path, client: Client
) -> None:
    content = document(
        "sums", "lattice-sum", fixed={"sites": 12_345, "slow": True},
        axes={"exponent": [1.5, 2.0, 2.5, 3.0]},
    )  # fmt: skip
    whole = sweep.run(content, workspace=tmp_path / "quiet", scheduler=client)
    with connect(None, 2, dashboard=False) as other:
        pids = set(other.run(os.getpid).values())
        script = Script(1, lambda: [os.kill(pid, signal.SIGKILL) for pid in pids])
        result = sweep.run(content, workspace=tmp_path, scheduler=other, progress=script)

    assert script.acted
    assert result.counts == {"ok": 4}
    assert results(result.path) == results(whole.path)
    assert not list(result.path.glob(".in_hand/*"))


# --- points that kill their worker ----------------------------------------------------------


AT = 21
"""The number that kills the worker it is computed on."""


def killer(
    diary: Path, model: str = "poison", *, points: int = 40, retries: int = 1
) -> dict[str, Any]:
    """Write a sweep of squares, of which one kills."""
    return document(
        "killer", model, axes={"x": {"arange": [points]}}, run={"retries": retries},
        fixed={"poison": "worker", "at": float(AT), "diary": str(diary)},
    )  # fmt: skip


def starts(diary: Path) -> Counter[float]:
    """Count how often each point was begun."""
    return Counter(map(float, diary.read_text().split()))


def check_lost(result: sweep.Result, deaths: int) -> None:
    """Check that the killer is lost, for the right reason, and its neighbours are right."""
    data = result.open()
    others = np.delete(np.arange(data.x.size), AT)
    assert result.counts == {"ok": data.x.size - 2, "unstable": 1, "lost": 1}
    assert data.status.values[AT] == LOST
    assert data.attempts.values[AT] == deaths
    assert np.isnan(data.square.values[AT])
    assert (data.square.values[others] == others**2).all()
    assert (data.powers.values[others] == others[:, None] ** np.arange(4.0)).all()
    assert (data.attempts.values[others] == 1).all()
    (error,) = sweep.errors(result.path)
    assert (error.kind, error.stage, error.point) == ("lost", "square", {"x": AT})
    assert error.attempts == deaths
    assert error.message == f"the worker died {deaths} times while it was at this point"
    assert sweep.verify(result.path, sample="100%").ok
    assert not list(result.path.glob(".in_hand/*"))


@pytest.mark.long
def test_a_point_that_kills_its_worker_is_lost_and_takes_nothing_with_it(tmp_path: Path) -> None:
    diary = tmp_path / "diary"

    result = sweep.run(killer(diary), workspace=tmp_path, workers=2)

    check_lost(result, deaths=2)
    assert starts(diary)[AT] == 2, "no more than retries + 1 workers have died"


@pytest.mark.long
def test_three_of_four_workers_die_and_the_last_one_finishes(tmp_path: Path, hosts: Hosts) -> None:
    diary = tmp_path / "diary"
    for _ in range(4):
        hosts.start_worker()
    hosts.wait_for(4)

    result = sweep.run(killer(diary, retries=2), workspace=tmp_path, scheduler=hosts.address)

    check_lost(result, deaths=3)
    assert starts(diary)[AT] == 3
    ended = [w.poll() for w in hosts.workers]
    assert sorted(map(str, ended)) == ["-9", "-9", "-9", "None"]


@pytest.mark.long
def test_of_a_batch_under_suspicion_only_the_killer_is_lost(tmp_path: Path) -> None:
    diary = tmp_path / "diary"

    result = sweep.run(
        killer(diary, "batched-poison", points=96), workspace=tmp_path, workers=2
    )  # blocks of six: a batch of four, and one of two

    check_lost(result, deaths=2)
    assert starts(diary)[AT] == 3, "once in its batch, then alone"


@pytest.mark.long
def test_blocks_that_only_waited_for_a_worker_that_died_are_not_blamed(tmp_path: Path) -> None:
    """The scheduler gives up all that was queued on it, and says no more than that it died."""
    diary = tmp_path / "diary"
    once = {"distributed.scheduler.allowed-failures": 0}
    with dask.config.set(once), connect(None, 1, dashboard=False) as client:
        result = sweep.run(killer(diary), workspace=tmp_path, scheduler=client)

    check_lost(result, deaths=2)
    assert starts(diary)[AT] == 2


@pytest.mark.long
@pytest.mark.parametrize("model", ["poison", "batched-poison"])
def test_without_notes_of_what_was_in_hand_blocks_are_halved(tmp_path: Path, model: str) -> None:
    """As where the notes are on a disk that a worker's death takes with it."""
    diary = tmp_path / "diary"
    once = {"distributed.scheduler.allowed-failures": 0}  # else each half costs four workers
    with dask.config.set(once), connect(None, 2, dashboard=False) as client:
        client.register_plugin(Forgetful())
        content = killer(diary, model, points=96, retries=0)
        result = sweep.run(content, workspace=tmp_path, scheduler=client)

    check_lost(result, deaths=1)


class Forgetful(WorkerPlugin):
    """Has a worker leave no notes."""

    def setup(self, worker: Worker) -> None:
        InHand.begin = lambda self: None  # type: ignore[method-assign]
        InHand.is_mine = lambda self: True  # type: ignore[method-assign]
