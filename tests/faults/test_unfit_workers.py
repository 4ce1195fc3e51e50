"""Workers that cannot do their part: named before a run begins, left out if they come later."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client

import sweep
from sweep import cluster, planning
from sweep.messages import Receipt
from sweep.state import SweepState
from tests.faults.tools import Hosts, Script, document, may_mount, results

pytestmark = pytest.mark.usefixtures("plugin")

SLOW = document("slow", fixed={"slow": 0.02}, axes={"x": {"arange": [60]}})
COUNTS = {"ok": 59, "unstable": 1}

OTHER_VERSION = """
import importlib.metadata as metadata

true = metadata.version
metadata.version = lambda name: "9.9" if name == "modesweep" else true(name)
"""
NOT_INSTALLED = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("sweep", "models"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
NOT_SHARED = """
import errno, io, os

def refused(function):
    def wrapped(path, *args, **kwargs):
        if str(path).startswith(HIDDEN):
            raise FileNotFoundError(errno.ENOENT, "hidden", path)
        return function(path, *args, **kwargs)
    return wrapped

io.open, os.stat = refused(io.open), refused(os.stat)
"""
"""Where nobody may mount anything."""
BAD = {
    "version": r"has modesweep 9\.9 \(the owner .*\)\. Install the same versions everywhere",
    "model": r"does not have the model 'poison'\. Install its package there, too",
    "workspace": r"does not see .*\. Use a workspace (that|on a file system that) all hosts share",
    "modesweep": r"cannot run modesweep \(.*No module named 'sweep'.*\)\. Install the same version",
}


class BadHosts(Hosts):
    """Knows how to start workers that are of no use, by what is wrong with them."""

    def __init__(self, folder: Path, plugin: Path) -> None:
        super().__init__(folder)
        self._plugin = plugin

    def start_bad(self, what: str) -> subprocess.Popen[bytes]:
        """Start a worker that has its fault for a name."""
        name = ("--name", what)
        if what == "model":
            paths = os.environ["PYTHONPATH"].split(os.pathsep)
            others = os.pathsep.join(p for p in paths if p != str(self._plugin))
            return self.start_worker(*name, env={"PYTHONPATH": others})
        shared = str(self.folder / "shared")
        if what == "workspace" and may_mount():
            empty = 'mount -t tmpfs none "$0" && exec "$@"'
            return self.start_worker(*name, before=("unshare", "-m", "sh", "-c", empty, shared))
        codes = {"version": OTHER_VERSION, "modesweep": NOT_INSTALLED}
        return self._started_with(codes.get(what, f"HIDDEN = {shared!r}\n{NOT_SHARED}"), name)

    def _started_with(self, code: str, options: tuple[str, str]) -> subprocess.Popen[bytes]:
        """Start a worker that runs some lines before anything else."""
        folder = self.folder / f"site-{options[1]}"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(code)
        path = os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])
        return self.start_worker(*options, env={"PYTHONPATH": path})


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LEAST_SECONDS", 0.0)


@pytest.fixture
def hosts(tmp_path: Path, plugin: Path) -> Iterator[BadHosts]:
    (tmp_path / "shared").mkdir()
    one = BadHosts(tmp_path, plugin)
    yield one
    one.close()


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, client: Client) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("quiet")
    return results(sweep.run(SLOW, workspace=folder, scheduler=client).path)


@pytest.mark.long
def test_every_bad_worker_is_named_with_its_remedy_before_anything_runs(
    hosts: BadHosts, tmp_path: Path
) -> None:
    hosts.start_worker("--name", "good")
    for what in BAD:
        hosts.start_bad(what)
    addresses = hosts.wait_for(5)

    with pytest.raises(sweep.UnreachableError, match="cannot run this sweep") as caught:
        sweep.run(SLOW, workspace=tmp_path / "shared", scheduler=hosts.address)

    assert caught.value.exit_code == 3
    for what, remedy in BAD.items():
        assert re.search(f"{addresses[what]} {remedy}", str(caught.value))
    assert addresses["good"] not in str(caught.value)
    assert not (tmp_path / "shared" / "slow").exists()


@pytest.mark.long
def test_a_worker_that_does_not_answer_is_named(
    hosts: BadHosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "WAIT_SECONDS", 3)
    hosts.start_worker("--name", "good")
    stopped = hosts.start_worker("--name", "stopped")
    addresses = hosts.wait_for(2)
    stopped.send_signal(signal.SIGSTOP)

    with pytest.raises(
        sweep.UnreachableError, match=f"{addresses['stopped']} does not answer within 3 s"
    ):
        sweep.run(SLOW, workspace=tmp_path / "shared", scheduler=hosts.address)


@pytest.mark.long
@pytest.mark.parametrize("what", BAD)
def test_a_bad_worker_that_comes_later_gets_no_work_and_harms_nothing(
    hosts: BadHosts, tmp_path: Path, quiet: dict[str, bytes], what: str
) -> None:
    hosts.start_worker()
    hosts.wait_for(1)
    script = Script(2, lambda: (hosts.start_bad(what), hosts.wait_for(2)))

    result = sweep.run(
        SLOW, workspace=tmp_path / "shared", scheduler=hosts.address, progress=script
    )

    assert result.counts == COUNTS
    assert results(result.path) == quiet
    if what == "modesweep" and not script.notes:  # it has ended by itself
        assert hosts.workers[-1].wait(timeout=60) is not None
        return
    (note,) = script.notes
    assert re.match(f"{hosts.wait_for(2)[what]} {BAD[what]}.*It gets no work", note)


@pytest.mark.long
def test_beside_a_bad_worker_new_ones_take_the_place_of_those_that_died(
    hosts: BadHosts, tmp_path: Path, quiet: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing may wait for ever for the workers that were there when it was sent out."""

    monkeypatch.setattr(cluster, "WATCH_SECONDS", 0.2)

    class Changes(Script):
        updates = 0

        def update(self, state: SweepState, receipt: Receipt | None) -> None:
            super().update(state, receipt)
            self.updates += bool(self.notes)
            if self.updates == 3:  # by now orders are bound to the worker that is left
                hosts.workers[0].kill()
                hosts.start_worker("--name", "new")

    hosts.start_worker("--name", "old")
    hosts.wait_for(1)
    script = Changes(2, lambda: (hosts.start_bad("model"), hosts.wait_for(2)))

    result = sweep.run(
        SLOW, workspace=tmp_path / "shared", scheduler=hosts.address, progress=script
    )

    assert set(hosts.wait_for(2)) == {"new", "model"}
    assert len(script.notes) == 1
    assert result.counts == COUNTS
    assert results(result.path) == quiet
