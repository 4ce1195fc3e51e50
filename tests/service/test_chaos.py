"""Chaos: workers, the scheduler and the service are killed, a host is cut off, and nothing is lost.

What is done and when hangs on a seed and on how far the sweep is, never on how fast the machine
is. The counts are printed (`-s` shows them) and, if MODESWEEP_CHAOS_REPORT names a file, added to
it as a line of JSON.
"""

import json
import math
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
from distributed import Client

import sweep
from sweep import steering
from sweep.layout import TODO
from sweep.ledger import Ledger
from sweep.problems import SweepError
from sweep.reading import stored_plan
from tests.faults.tools import Hosts, document, results
from tests.service.networks import FAR, FarHost, far_host
from tests.service.tools import MANY_BLOCKS, Served

pytestmark = pytest.mark.usefixtures("plugin")

REPORT = "MODESWEEP_CHAOS_REPORT"
NAME = "chaos"
RETRIES = 20
"""A point that is in hand of many workers which are killed is not to blame."""
TTL_SECONDS = 5


@dataclass
class Counts:
    """What was done to a sweep, and what it cost."""

    seed: int
    points: int = 0
    blocks: int = 0
    worker_kills: int = 0
    scheduler_kills: int = 0
    service_kills: int = 0
    cuts: int = 0
    survived: int = 0
    repeated_points: int = 0
    repeated_blocks: int = 0
    kept_points_repeated: int = 0
    """Points that the ledger had when the service was killed, and that were begun after that."""
    allowed: int = 0
    """Repeated blocks: the window for each loss of all, a slot's part of it for each worker."""
    seconds: float = 0.0

    @property
    def faults(self) -> int:
        """All of them."""
        return self.worker_kills + self.scheduler_kills + self.service_kills + self.cuts

    def report(self) -> None:
        """Print the counts, and keep them where the user wants them."""
        line = json.dumps(asdict(self) | {"faults": self.faults})
        print(f"\nchaos: {line}")
        if path := os.environ.get(REPORT):
            with Path(path).open("a") as file:
                file.write(f"{line}\n")


class Killer:
    """Does what is scheduled once so much of the sweep is done, and kills workers all the time."""

    def __init__(
        self, seed: int, hosts: Hosts, far: FarHost, served: Served, diary: Path,
        schedule: list[tuple[float, str]], workers: int,
        worker_every: float = math.inf,
    ) -> None:  # fmt: skip
        self.counts = Counts(seed)
        self._draw = random.Random(seed)
        self._hosts = hosts
        self._far = far
        self._served = served
        self.diary = diary
        self._folder = served.workspace / NAME
        self.schedule = list(schedule)
        """What is still to be done, and at which share of the blocks."""
        self.workers = workers
        self._worker_every = worker_every
        self._workers: list[subprocess.Popen[bytes]] = []
        self._cut_off = ""
        """Address of the worker that is cut off."""
        self._killed_at, self._done_then = time.monotonic(), 0
        self.kept: list[tuple[int, set[float]]] = []
        """At each kill of the service: lines of the diary, and points that the ledger has."""

    def done(self) -> int:
        """Count the blocks that are finished, as the ledger has them."""
        with suppress(SweepError), closing(Ledger(self._folder)) as ledger:
            return sum(1 for _ in ledger.blocks())
        return 0

    def start_workers(self) -> None:
        """Have so many workers again, without those of a scheduler that is gone."""
        self._workers = [w for w in self._workers if w.poll() is None]
        while len(self._workers) < self.workers:
            self._workers.append(self._hosts.start_worker())

    def run(self, blocks: int) -> None:
        """Do it until the sweep is complete."""
        began = time.monotonic()
        while not self._complete():
            done, due = self.done(), time.monotonic() > self._killed_at + self._worker_every
            if self.schedule and done >= self.schedule[0][0] * blocks:
                getattr(self, f"_{self.schedule.pop(0)[1]}")()
            elif due and done >= self._done_then + blocks // 100:  # a slow machine gets on, too
                self._kill_worker()
            self._look_after_cut()
            self.start_workers()
            time.sleep(0.1)
        self.counts.seconds = round(time.monotonic() - began, 1)

    def _complete(self) -> bool:
        status = self._served.status(NAME)
        assert status["state"] in ("queued", "running", "waiting", "complete"), status
        return str(status["state"]) == "complete"

    def _kill_worker(self) -> None:
        self._draw.choice(self._workers).kill()
        self.counts.worker_kills += 1
        self._killed_at, self._done_then = time.monotonic(), self.done()

    def _kill_scheduler(self) -> None:
        self._hosts.scheduler.kill()
        self._hosts.scheduler.wait()
        self._hosts.start_scheduler()
        self._workers.clear()  # they end by themselves
        self.counts.scheduler_kills += 1

    def _kill_service(self) -> None:
        self._served.kill()
        lines = len(self.diary.read_text().splitlines())
        self.kept.append((lines, kept_points(self._folder)))
        self.counts.service_kills += 1
        self._served.start()

    def _cut(self) -> None:
        """Cut a host off while its worker is at a block."""
        self._far.start_worker(self._hosts)
        with Client(self._hosts.address) as client:
            while not self._cut_off:
                time.sleep(0.1)
                told = client.scheduler_info(n_workers=-1)["workers"]
                at_work = {address for address, orders in client.processing().items() if orders}
                far = {address for address, worker in told.items() if worker["name"] == FAR}
                self._cut_off = min(far & at_work, default="")
        self._far.cut()
        self.counts.cuts += 1

    def _look_after_cut(self) -> None:
        """Heal the cut once the scheduler has given the worker up."""
        if not self._cut_off:
            return
        with suppress(OSError, TimeoutError), Client(self._hosts.address, timeout=5) as client:
            if self._cut_off not in client.nthreads():
                self._far.heal()
                self._cut_off = ""


@pytest.fixture
def far() -> Iterator[FarHost]:
    one = far_host()
    yield one
    one.close()


@pytest.fixture
def hosts(tmp_path: Path, far: FarHost) -> Iterator[Hosts]:
    ttl = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{TTL_SECONDS}s"}
    one = Hosts(tmp_path, far.near, ttl)
    yield one
    one.close()


@pytest.fixture
def served(tmp_path: Path, hosts: Hosts) -> Iterator[Served]:
    options = ("--scheduler", hosts.address)
    service = Served(tmp_path / "results", options, command=MANY_BLOCKS)
    yield service.start()
    service.stop()


def check_chaos(
    tmp_path: Path, client: Client, killer: Killer, served: Served, points: int
) -> Counts:
    """Run a sweep under a killer; compare it with one that is left in peace."""
    axes = {"x": {"arange": [points]}}
    calm = document("calm", axes=axes)
    content = document(
        NAME, fixed={"slow": 0.1, "diary": str(killer.diary)}, axes=axes, run={"retries": RETRIES}
    )
    quiet = sweep.run(calm, workspace=tmp_path / "quiet", scheduler=client)
    killer.start_workers()
    served.submit(content)
    served.wait_for(NAME, "running")
    folder = served.workspace / NAME
    blocks = sweep.status(folder).blocks

    killer.run(blocks)

    count = killer.counts
    assert killer.schedule == [], "the sweep must not end before everything was done to it"
    assert served.status(NAME)["counts"] == quiet.counts
    assert results(folder) == results(quiet.path)
    with closing(Ledger(folder)) as ledger:
        cells = Counter(row.cell for row in ledger.blocks())
    assert len(cells) == blocks
    assert set(cells.values()) == {1}
    block_of = blocks_by_point(folder)
    lines = [float(line) for line in killer.diary.read_text().split()]
    begun = Counter(lines)
    assert len(begun) == points
    count.points, count.blocks = points, blocks
    count.repeated_points = len(lines) - points
    count.repeated_blocks = len({block_of[x] for x, n in begun.items() if n > 1})
    count.kept_points_repeated = sum(
        len(kept.intersection(lines[start:])) for start, kept in killer.kept
    )
    of_all, of_one = count.service_kills + count.scheduler_kills, count.worker_kills + count.cuts
    count.allowed = steering.WINDOW * (of_all * (killer.workers + 1) + of_one)
    count.survived = count.faults
    count.report()
    assert count.repeated_blocks <= count.allowed
    assert count.kept_points_repeated == 0
    return count


def kept_points(folder: Path) -> set[float]:
    """Give the points that the ledger has; a block that was cut may have some of its own."""
    (region,) = stored_plan(folder).regions.values()
    with closing(Ledger(folder)) as ledger:
        rows = [(region.box(region.block_in(row.cell))[0], row.status) for row in ledger.blocks()]
    return {float(box.start + i) for box, status in rows for i in np.flatnonzero(status != TODO)}


def blocks_by_point(folder: Path) -> dict[float, int]:
    """Give the block of each point."""
    plan = stored_plan(folder)
    (region,) = plan.regions.values()
    return {
        p.x: region.cell(b)[0]
        for b in range(region.blocks)
        for _, p in plan.block_points(region, b)
    }


@pytest.mark.parametrize("seed", [1])
def test_one_kill_of_each_kind_costs_a_few_blocks(
    tmp_path: Path, client: Client, hosts: Hosts, far: FarHost, served: Served, seed: int
) -> None:
    schedule = [(0.1, "kill_worker"), (0.3, "kill_service"), (0.5, "kill_scheduler")]
    killer = Killer(seed, hosts, far, served, tmp_path / "diary", schedule, workers=2)

    count = check_chaos(tmp_path, client, killer, served, points=80)

    assert (count.worker_kills, count.service_kills, count.scheduler_kills) == (1, 1, 1)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hundreds_of_blocks_under_a_killer_are_those_of_a_quiet_run(
    tmp_path: Path, client: Client, hosts: Hosts, far: FarHost, served: Served, seed: int
) -> None:
    draw = random.Random(f"schedule {seed}")
    what = ["kill_service", "kill_service", "kill_service", "kill_scheduler", "cut"]
    draw.shuffle(what)
    schedule = [(0.1 + 0.13 * i + draw.uniform(0, 0.1), w) for i, w in enumerate(what)]
    killer = Killer(
        seed, hosts, far, served, tmp_path / "diary", schedule, workers=3, worker_every=2.0
    )

    count = check_chaos(tmp_path, client, killer, served, points=600)

    assert (count.service_kills, count.scheduler_kills, count.cuts) == (3, 1, 1)
    assert count.blocks >= 200
    assert count.worker_kills >= 5
