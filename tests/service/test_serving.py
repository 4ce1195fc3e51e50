"""A service as a user meets it: sweeps in, results out, over kills of everything but the disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import sweep
from tests.faults.tools import document, results
from tests.service.tools import QUICK_BLOCKS, Served

pytestmark = pytest.mark.usefixtures("plugin")
SLOW = document("slow", fixed={"slow": 0.1}, axes={"x": {"arange": [60]}})
SMALL = document("small", axes={"x": {"arange": [10]}})


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    service = Served(tmp_path / "results", command=QUICK_BLOCKS).start()
    yield service
    service.stop()


@pytest.mark.long
def test_a_killed_service_loses_nothing_and_the_next_one_goes_on(
    tmp_path: Path, served: Served, client
) -> None:
    quiet = sweep.run(SLOW, workspace=tmp_path / "quiet", scheduler=client)
    served.submit(SLOW)
    served.wait_for("slow", "running")
    served.submit(SMALL)
    assert served.wait_for("small", "complete")["counts"] == {"ok": 9, "unstable": 1}
    before = served.status("slow")
    assert before["state"] == "running"
    served.kill()

    served.start()
    after = served.wait_for("slow", "complete")

    assert after["counts"] == quiet.counts
    assert results(tmp_path / "results" / "slow") == results(quiet.path)
