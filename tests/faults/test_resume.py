"""Whatever is killed, the same command goes on, and ends with the bytes of a quiet run."""

import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import psutil
import pytest
from distributed import Client

import sweep
from sweep.messages import Order
from sweep.owning import Ownership
from sweep.worker import run_block
from tests.commands import run_here
from tests.faults.tools import (
    SMALL_BLOCKS,
    children_of,
    document,
    finish,
    kill_all,
    results,
    start,
    wait_for_blocks,
)

pytestmark = pytest.mark.usefixtures("plugin")

POINTS = document("points", axes={"x": {"arange": [40]}})
"""Twenty blocks, with `SMALL_BLOCKS`."""


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, client: Client) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("quiet")
    return results(sweep.run(POINTS, workspace=folder, scheduler=client).path)


class Held:
    """A run in processes of its own that cannot end before `let_go`: one point waits for it."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._gate = folder / "gate"
        self._file = folder / f"{POINTS['name']}.toml"
        self.content = {**POINTS, "fixed": {"gate": str(self._gate), "at": 30}}
        self.workspace = folder / "results"
        self.path = self.workspace / "points"
        options = ("--workers", str(workers))
        self.start = partial(start, self.content, folder, *options, command=SMALL_BLOCKS)
        self.process = self.start()

    def again(self, client: Client) -> subprocess.CompletedProcess[str]:
        """Give the same command, on the cluster of all tests."""
        address = client.scheduler.address
        return run_here("run", self._file, "--workspace", self.workspace, "--scheduler", address)

    def let_go(self) -> None:
        self._gate.touch()


@pytest.mark.parametrize(
    ("blocks", "workers"),
    [pytest.param(*case, marks=pytest.mark.long) for case in ((0, 2), (2, 1), (9, 2))],
)
def test_a_run_killed_with_all_its_processes_goes_on(
    tmp_path: Path, quiet: dict[str, bytes], client: Client, blocks: int, workers: int
) -> None:
    held = Held(tmp_path, workers)
    wait_for_blocks(held.path, blocks)
    kill_all(held.process)
    held.let_go()

    before = sweep.status(held.path) if blocks else None
    after = sweep.run(held.content, workspace=held.workspace, scheduler=client)

    assert after.complete
    assert results(held.path) == quiet
    assert before is None or blocks <= before.blocks_done < before.blocks


def test_a_killed_owner_takes_its_processes_with_it_and_frees_the_sweep(
    tmp_path: Path, quiet: dict[str, bytes], client: Client
) -> None:
    held = Held(tmp_path, 1)
    wait_for_blocks(held.path, 2)
    family = psutil.Process(held.process.pid).children(recursive=True)
    held.process.kill()
    held.process.communicate()

    _, alive = psutil.wait_procs(family, timeout=60)
    held.let_go()
    after = sweep.run(held.content, workspace=held.workspace, scheduler=client)

    assert family
    assert alive == []
    assert after.complete
    assert results(held.path) == quiet


@pytest.mark.long
def test_a_killed_worker_costs_nothing(tmp_path: Path, quiet: dict[str, bytes]) -> None:
    held = Held(tmp_path, 2)
    wait_for_blocks(held.path, 2)
    workers = [p for p in children_of(held.process.pid) if children_of(p)]
    os.kill(workers[0], signal.SIGKILL)
    held.let_go()

    code, out = finish(held.process)

    assert code == 0, out
    assert results(held.path) == quiet


def test_ctrl_c_stops_quietly_and_the_same_command_goes_on(
    tmp_path: Path, quiet: dict[str, bytes], client: Client
) -> None:
    held = Held(tmp_path, 1)
    wait_for_blocks(held.path, 2)
    os.killpg(held.process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    code, out = finish(held.process)

    assert code == 130, out
    assert "the same command goes on" in out
    assert "Traceback" not in out
    assert not sweep.status(held.path).complete
    held.let_go()
    assert held.again(client).returncode == 0
    assert results(held.path) == quiet


def test_a_finished_sweep_computes_nothing_again(tmp_path: Path, client: Client) -> None:
    diary = tmp_path / "diary"
    content = document("once", fixed={"diary": str(diary)}, axes={"x": {"arange": [20]}})
    sweep.run(content, workspace=tmp_path, scheduler=client)

    again = sweep.run(content, workspace=tmp_path, scheduler=client)

    assert again.counts == {"ok": 19, "unstable": 1}
    assert len(diary.read_text().split()) == 20


def test_a_shared_stage_is_computed_once_and_found_again_by_a_later_sweep(
    tmp_path: Path, client: Client
) -> None:
    diary = tmp_path / "diary"
    fixed = {"diary": str(diary)}
    hosts = {"host": [1, 2], "defect": {"arange": [12]}}
    more = {"host": [2], "defect": {"arange": [100, 112]}}

    first = sweep.run(document("first", "shared-host", fixed=fixed, axes=hosts),
                      workspace=tmp_path, scheduler=client)  # fmt: skip
    again = sweep.run(document("again", "shared-host", fixed=fixed, axes=more),
                      workspace=tmp_path, scheduler=client)  # fmt: skip

    assert sorted(diary.read_text().split()) == ["1", "2"]
    assert first.complete
    assert again.open().level.values[0, 0] == pytest.approx(32 / 7 + 100)


def test_a_sum_has_the_same_bytes_in_one_block_and_as_a_tree_of_tasks(
    tmp_path: Path, client: Client
) -> None:
    def total(name: str, *, slow: bool) -> bytes:
        content = document(name, "lattice-sum", fixed={"sites": 12_345, "slow": slow},
                           axes={"exponent": [1.5, 2.0]})  # fmt: skip
        return (
            sweep.run(content, workspace=tmp_path, scheduler=client).open().total.values.tobytes()
        )

    assert total("whole", slow=False) == total("tree", slow=True)


def test_a_changed_file_under_the_same_name_is_refused_and_harms_nothing(
    tmp_path: Path, client: Client
) -> None:
    content = document("mine", axes={"x": [1.0, 2.0]})
    path = sweep.run(content, workspace=tmp_path, scheduler=client).path
    stored = results(path)

    changed = document("mine", axes={"x": [1.0, 3.0]})
    with pytest.raises(sweep.RefusedError, match=r"(?s)another sweep.*\+x = .*another `name`"):
        sweep.run(changed, workspace=tmp_path, scheduler=client)

    assert results(path) == stored


def test_a_sweep_has_one_owner(tmp_path: Path, client: Client) -> None:
    content = document("owned", axes={"x": [1.0]})
    path = sweep.run(content, workspace=tmp_path, scheduler=client).path
    owner = Ownership(path)

    with pytest.raises(sweep.RefusedError, match="one owner at a time"):
        sweep.run(content, workspace=tmp_path, scheduler=client)

    owner.release()
    assert sweep.run(content, workspace=tmp_path, scheduler=client).complete


def test_a_block_of_an_earlier_owner_is_dropped(tmp_path: Path, client: Client) -> None:
    content = document("late", axes={"x": [1.0, 2.0]})
    path = sweep.run(content, workspace=tmp_path, scheduler=client).path
    stored = {p: p.stat().st_mtime_ns for p in (path / "data.zarr").rglob("*") if p.is_file()}

    receipt = run_block(Order(str(path), generation=0, region="square", block=0, serial=0))

    assert receipt.outcome == "dropped"
    assert stored == {
        p: p.stat().st_mtime_ns for p in (path / "data.zarr").rglob("*") if p.is_file()
    }


def test_leftovers_of_a_killed_writer_do_not_disturb_readers(
    tmp_path: Path, client: Client
) -> None:
    content = document("leftover", axes={"x": [1.0, 2.0]})
    result = sweep.run(content, workspace=tmp_path, scheduler=client)
    (result.path / "data.zarr" / "square" / "c" / "0.0123.partial").write_bytes(b"torn")

    assert result.open().square.values.tolist() == [1.0, 4.0]
